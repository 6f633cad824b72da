//! A router fresh from the shelf of a VPN provider: what stands in its tables before anything is sold.

use super::world::World;

/// Rows as `(menu, values)`.
type Rows = &'static [(&'static str, &'static [(&'static str, &'static str)])];

const GROUND: Rows = &[
    (
        "/interface",
        &[
            ("name", "ether1"),
            ("default-name", "ether1"),
            ("type", "ether"),
            ("mtu", "1500"),
            ("running", "true"),
            ("dynamic", "false"),
            ("disabled", "false"),
        ],
    ),
    (
        "/interface",
        &[
            ("name", "ether2"),
            ("default-name", "ether2"),
            ("type", "ether"),
            ("mtu", "1500"),
            ("running", "true"),
            ("dynamic", "false"),
            ("disabled", "false"),
        ],
    ),
    (
        "/interface/pptp-server/server",
        &[
            ("enabled", "true"),
            ("max-mtu", "1450"),
            ("max-mru", "1450"),
            ("mrru", "disabled"),
            ("authentication", "mschap1,mschap2"),
            ("keepalive-timeout", "30"),
            ("default-profile", "default-encryption"),
        ],
    ),
    (
        "/interface/l2tp-server/server",
        &[
            ("enabled", "true"),
            ("max-mtu", "1450"),
            ("max-mru", "1450"),
            ("mrru", "disabled"),
            ("authentication", "pap,chap,mschap1,mschap2"),
            ("keepalive-timeout", "30"),
            ("max-sessions", "unlimited"),
            ("default-profile", "default-encryption"),
            ("use-ipsec", "yes"),
            ("ipsec-secret", "presharedkey"),
            ("caller-id-type", "ip-address"),
            ("one-session-per-host", "false"),
            ("allow-fast-path", "false"),
        ],
    ),
    (
        "/ip/address",
        &[
            ("address", "192.0.2.1/24"),
            ("network", "192.0.2.0"),
            ("interface", "ether1"),
            ("actual-interface", "ether1"),
            ("invalid", "false"),
            ("dynamic", "false"),
            ("disabled", "false"),
        ],
    ),
    ("/ip/dns", &[("servers", ""), ("dynamic-servers", ""), ("allow-remote-requests", "false")]),
    ("/ip/service", &[("name", "telnet"), ("port", "23"), ("address", ""), ("disabled", "true")]),
    ("/ip/service", &[("name", "ftp"), ("port", "21"), ("address", ""), ("disabled", "true")]),
    ("/ip/service", &[("name", "www"), ("port", "80"), ("address", ""), ("disabled", "true")]),
    ("/ip/service", &[("name", "ssh"), ("port", "22"), ("address", ""), ("disabled", "false")]),
    (
        "/ip/service",
        &[("name", "www-ssl"), ("port", "443"), ("address", ""), ("certificate", "none"), ("disabled", "true")],
    ),
    ("/ip/service", &[("name", "api"), ("port", "8728"), ("address", ""), ("disabled", "false")]),
    ("/ip/service", &[("name", "winbox"), ("port", "8291"), ("address", ""), ("disabled", "false")]),
    (
        "/ip/service",
        &[
            ("name", "api-ssl"),
            ("port", "8729"),
            ("address", ""),
            ("certificate", "none"),
            ("tls-version", "any"),
            ("disabled", "false"),
        ],
    ),
    (
        "/ip/traffic-flow",
        &[
            ("enabled", "false"),
            ("interfaces", "all"),
            ("cache-entries", "16k"),
            ("active-flow-timeout", "30m"),
            ("inactive-flow-timeout", "15s"),
        ],
    ),
    (
        "/ppp/aaa",
        &[
            ("use-radius", "false"),
            ("accounting", "true"),
            ("interim-update", "0s"),
            ("use-circuit-id-in-nas-port-id", "false"),
        ],
    ),
    (
        "/ppp/profile",
        &[
            ("name", "default"),
            ("use-mpls", "default"),
            ("use-compression", "default"),
            ("use-encryption", "default"),
            ("only-one", "default"),
            ("change-tcp-mss", "yes"),
            ("use-upnp", "default"),
            ("address-list", ""),
            ("on-up", ""),
            ("on-down", ""),
            ("default", "true"),
        ],
    ),
    (
        "/ppp/profile",
        &[
            ("name", "default-encryption"),
            ("use-mpls", "default"),
            ("use-compression", "default"),
            ("use-encryption", "yes"),
            ("only-one", "default"),
            ("change-tcp-mss", "yes"),
            ("use-upnp", "default"),
            ("address-list", ""),
            ("on-up", ""),
            ("on-down", ""),
            ("default", "true"),
        ],
    ),
    ("/queue/type", &[("name", "default"), ("kind", "pfifo"), ("pfifo-limit", "50"), ("default", "true")]),
    ("/queue/type", &[("name", "default-small"), ("kind", "pfifo"), ("pfifo-limit", "10"), ("default", "true")]),
    (
        "/queue/type",
        &[
            ("name", "pcq-upload-default"),
            ("kind", "pcq"),
            ("pcq-rate", "0"),
            ("pcq-classifier", "src-address"),
            ("default", "true"),
        ],
    ),
    (
        "/queue/type",
        &[
            ("name", "pcq-download-default"),
            ("kind", "pcq"),
            ("pcq-rate", "0"),
            ("pcq-classifier", "dst-address"),
            ("default", "true"),
        ],
    ),
    ("/radius/incoming", &[("accept", "false"), ("port", "3799")]),
    (
        "/system/clock",
        &[
            ("time-zone-autodetect", "true"),
            ("time-zone-name", "UTC"),
            ("gmt-offset", "+00:00"),
            ("dst-active", "false"),
        ],
    ),
    (
        "/system/ntp/client",
        &[("enabled", "true"), ("mode", "unicast"), ("servers", "time.example.net"), ("status", "synchronized")],
    ),
    ("/system/package", &[("name", "routeros"), ("disabled", "false")]),
    (
        "/system/resource",
        &[
            ("build-time", "2025-02-19 12:13:09"),
            ("factory-software", "7.1"),
            ("free-memory", "871772160"),
            ("total-memory", "1073741824"),
            ("cpu", "ARM64"),
            ("cpu-count", "4"),
            ("cpu-frequency", "1400"),
            ("cpu-load", "3"),
            ("free-hdd-space", "92274688"),
            ("total-hdd-space", "134217728"),
            ("architecture-name", "arm64"),
            ("board-name", "RB5009UG+S+"),
            ("platform", "MikroTik"),
        ],
    ),
    (
        "/system/routerboard",
        &[
            ("routerboard", "true"),
            ("model", "RB5009UG+S+"),
            ("serial-number", "HE00000TEST"),
            ("firmware-type", "70x0"),
            ("current-firmware", "7.18.2"),
            ("upgrade-firmware", "7.18.2"),
        ],
    ),
];

/// Every policy of a group, with which a group is written.
pub const POLICIES: &[&str] = &[
    "local",
    "telnet",
    "ssh",
    "ftp",
    "reboot",
    "read",
    "write",
    "policy",
    "test",
    "winbox",
    "password",
    "web",
    "sniff",
    "sensitive",
    "api",
    "romon",
    "rest-api",
];

/// `read,write,!ftp,…`: how RouterOS writes the policies of a group.
pub fn policy_text(granted: &[String]) -> String {
    let one = |policy: &&str| {
        if granted.iter().any(|name| name == policy) { (*policy).to_owned() } else { format!("!{policy}") }
    };
    POLICIES.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A router of this version with its first tables, one API user, and a name.
pub fn ground(version: &str, identity: &str, max_sessions: usize) -> World {
    let mut world = World::bare(version);
    for (menu, values) in GROUND {
        world.table_mut(menu).add(values.iter().copied());
    }
    world.table_mut("/system/identity").add([("name", identity)]);
    world.table_mut("/system/package").rows_mut()[0].put("version", version);
    for service in ["api", "api-ssl"] {
        world.put("/ip/service", service, "max-sessions", &max_sessions.to_string());
    }
    let all: Vec<String> = POLICIES.iter().map(|policy| (*policy).to_owned()).collect();
    let group = world.table_mut("/user/group");
    group.add([("name", "full".to_owned()), ("policy", policy_text(&all)), ("skin", "default".to_owned())]);
    let read: Vec<String> =
        all.iter().filter(|name| !["ftp", "write", "policy"].contains(&name.as_str())).cloned().collect();
    group.add([("name", "read".to_owned()), ("policy", policy_text(&read)), ("skin", "default".to_owned())]);
    let admin = [("name", "admin"), ("group", "full"), ("address", ""), ("expired", "false"), ("disabled", "true")];
    world.table_mut("/user").add(admin);
    world
}

impl World {
    /// A user of the router itself, in a group of its own with just these policies.
    pub fn add_user(&mut self, name: &str, password: &str, policies: &[String]) {
        let group = format!("{name}-group");
        let policy = policy_text(policies);
        self.table_mut("/user").retain(|row| row.get("name") != Some(name));
        self.table_mut("/user/group").retain(|row| row.get("name") != Some(&group));
        let skin = "default".to_owned();
        self.table_mut("/user/group").add([("name", group.clone()), ("policy", policy), ("skin", skin)]);
        let values = [("name", name), ("group", &group), ("address", ""), ("expired", "false"), ("disabled", "false")];
        self.table_mut("/user").add(values).put("password", password);
    }
}
