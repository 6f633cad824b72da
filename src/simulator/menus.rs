//! What the menus mean beyond their words (those are in `schema.txt`): which values a property takes, what stands there by
//! default, what must be given, what may not appear twice, which rows carry counters.

use super::values::Kind;

/// Which counters the rows of a menu show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// None.
    Nothing,
    /// `bytes=upload/download` and its like, from the target's view.
    Queue,
    /// `rx-byte` (from the client: upload), `tx-byte` (to the client: download).
    Interface,
    /// `bytes` and `packets`, one number each.
    Rule,
}

/// A menu's meaning.
#[derive(Debug)]
pub struct Menu {
    /// `/ppp/secret`.
    pub path: &'static str,
    /// Has exactly one row without `.id`: `/system/identity`.
    pub single: bool,
    /// The trap for a second row of the same name; `None` where names may repeat.
    pub duplicate: Option<&'static str>,
    /// What `add` must be given.
    pub required: &'static [&'static str],
    /// What a fresh row holds where nothing else is given.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Properties whose values are not any text.
    pub kinds: &'static [(&'static str, Kind)],
    /// Properties that need the policy `sensitive` to be seen.
    pub sensitive: &'static [&'static str],
    /// Which counters its rows carry.
    pub counts: Counts,
}

impl Menu {
    /// Whether a row must have this property.
    pub fn is_needed(&self, property: &str) -> bool {
        property == "name" || self.required.contains(&property)
    }

    /// What stands there when nothing is given.
    pub fn default_of(&self, property: &str) -> Option<String> {
        self.defaults.iter().find(|(name, _)| *name == property).map(|(_, value)| (*value).to_owned())
    }

    /// How the property's value is read.
    pub fn kind(&self, property: &str) -> Kind {
        let known = self.kinds.iter().find(|(name, _)| *name == property).map(|(_, kind)| *kind);
        known.unwrap_or(if property == "disabled" { Kind::Bool } else { Kind::Text })
    }
}

const PLAIN: Menu = Menu {
    path: "",
    single: false,
    duplicate: None,
    required: &[],
    defaults: &[],
    kinds: &[],
    sensitive: &[],
    counts: Counts::Nothing,
};

const SINGLE: Menu = Menu { single: true, ..PLAIN };

const SERVICES: Kind = Kind::Choice(&["any", "async", "pptp", "pppoe", "l2tp", "ovpn", "sstp"]);
const USE: Kind = Kind::Choice(&["default", "no", "yes"]);
const RULE: Menu = Menu {
    required: &["chain"],
    defaults: &[("action", "accept"), ("disabled", "false"), ("dynamic", "false"), ("invalid", "false")],
    kinds: &[("chain", Kind::Name)],
    counts: Counts::Rule,
    ..PLAIN
};
const MANGLE: Kind = Kind::Choice(&[
    "accept",
    "add-dst-to-address-list",
    "add-src-to-address-list",
    "change-dscp",
    "change-mss",
    "change-ttl",
    "clear-df",
    "fasttrack-connection",
    "jump",
    "log",
    "mark-connection",
    "mark-packet",
    "mark-routing",
    "passthrough",
    "return",
    "route",
    "set-priority",
    "sniff-pc",
    "sniff-tzsp",
    "strip-ipv4-options",
]);
const PPTP_SERVER: &[(&str, Kind)] = &[
    ("enabled", Kind::Bool),
    ("default-profile", Kind::Row("/ppp/profile", &[])),
    ("max-mtu", Kind::Int(65535)),
    ("max-mru", Kind::Int(65535)),
];
const L2TP_SERVER: &[(&str, Kind)] = &[
    ("enabled", Kind::Bool),
    ("default-profile", Kind::Row("/ppp/profile", &[])),
    ("max-mtu", Kind::Int(65535)),
    ("max-mru", Kind::Int(65535)),
    ("use-ipsec", Kind::Choice(&["no", "yes", "required"])),
    ("one-session-per-host", Kind::Bool),
    ("allow-fast-path", Kind::Bool),
];

static MENUS: &[Menu] = &[
    Menu {
        path: "/ppp/secret",
        duplicate: Some("failure: secret with the same name already exists"),
        required: &["name"],
        defaults: &[
            ("service", "any"),
            ("caller-id", ""),
            ("password", ""),
            ("profile", "default"),
            ("routes", ""),
            ("ipv6-routes", ""),
            ("limit-bytes-in", "0"),
            ("limit-bytes-out", "0"),
            ("last-caller-id", ""),
            ("last-disconnect-reason", ""),
            ("disabled", "false"),
        ],
        kinds: &[
            ("name", Kind::Name),
            ("service", SERVICES),
            ("profile", Kind::Row("/ppp/profile", &[])),
            ("local-address", Kind::Ip),
            ("remote-address", Kind::Ip),
            ("limit-bytes-in", Kind::Int(u64::MAX)),
            ("limit-bytes-out", Kind::Int(u64::MAX)),
        ],
        sensitive: &["password"],
        ..PLAIN
    },
    Menu {
        path: "/ppp/profile",
        duplicate: Some("failure: already have such name"),
        required: &["name"],
        defaults: &[
            ("use-mpls", "default"),
            ("use-compression", "default"),
            ("use-encryption", "default"),
            ("only-one", "default"),
            ("change-tcp-mss", "default"),
            ("use-upnp", "default"),
            ("address-list", ""),
            ("on-up", ""),
            ("on-down", ""),
            ("default", "false"),
        ],
        kinds: &[
            ("name", Kind::Name),
            ("local-address", Kind::IpOrPool),
            ("remote-address", Kind::IpOrPool),
            ("only-one", USE),
            ("use-encryption", Kind::Choice(&["default", "no", "yes", "required"])),
            ("use-compression", USE),
            ("use-mpls", Kind::Choice(&["default", "no", "yes", "required"])),
            ("use-upnp", USE),
            ("use-ipv6", Kind::Choice(&["default", "no", "yes", "required"])),
            ("change-tcp-mss", USE),
            ("session-timeout", Kind::Duration),
            ("idle-timeout", Kind::Duration),
            ("insert-queue-before", Kind::Row("/queue/simple", &["bottom", "first"])),
            ("parent-queue", Kind::Row("/queue/simple", &["none"])),
        ],
        ..PLAIN
    },
    Menu { path: "/ppp/active", ..PLAIN },
    Menu {
        path: "/ppp/aaa",
        kinds: &[
            ("use-radius", Kind::Bool),
            ("accounting", Kind::Bool),
            ("interim-update", Kind::Duration),
            ("use-circuit-id-in-nas-port-id", Kind::Bool),
        ],
        ..SINGLE
    },
    Menu {
        path: "/ppp/l2tp-secret",
        required: &["address", "secret"],
        kinds: &[("address", Kind::IpWithLength)],
        sensitive: &["secret"],
        ..PLAIN
    },
    Menu {
        path: "/queue/simple",
        duplicate: Some("failure: already have such name"),
        required: &["target"],
        defaults: &[
            ("parent", "none"),
            ("packet-marks", ""),
            ("priority", "8/8"),
            ("queue", "default-small/default-small"),
            ("limit-at", "0/0"),
            ("max-limit", "0/0"),
            ("burst-limit", "0/0"),
            ("burst-threshold", "0/0"),
            ("burst-time", "0s/0s"),
            ("bucket-size", "0.1/0.1"),
            ("total-queue", "default-small"),
            ("invalid", "false"),
            ("dynamic", "false"),
            ("disabled", "false"),
        ],
        kinds: &[
            ("name", Kind::Name),
            ("target", Kind::Targets),
            ("dst", Kind::Targets),
            ("parent", Kind::Row("/queue/simple", &["none"])),
            ("priority", Kind::Pair),
            ("queue", Kind::Pair),
            ("limit-at", Kind::Rates),
            ("max-limit", Kind::Rates),
            ("burst-limit", Kind::Rates),
            ("burst-threshold", Kind::Rates),
            ("burst-time", Kind::Pair),
            ("bucket-size", Kind::Pair),
            ("total-max-limit", Kind::Rate),
            ("total-limit-at", Kind::Rate),
            ("total-burst-limit", Kind::Rate),
            ("total-burst-threshold", Kind::Rate),
        ],
        counts: Counts::Queue,
        ..PLAIN
    },
    Menu {
        path: "/queue/type",
        duplicate: Some("failure: already have such name"),
        required: &["name", "kind"],
        defaults: &[("default", "false")],
        kinds: &[
            ("name", Kind::Name),
            (
                "kind",
                Kind::Choice(&["bfifo", "cake", "codel", "fq-codel", "mq-pfifo", "none", "pcq", "pfifo", "red", "sfq"]),
            ),
            ("pcq-rate", Kind::Rate),
            ("pcq-burst-rate", Kind::Rate),
        ],
        ..PLAIN
    },
    Menu {
        path: "/interface",
        duplicate: Some("failure: already have interface with such name"),
        kinds: &[("name", Kind::Name), ("mtu", Kind::Int(65535)), ("l2mtu", Kind::Int(65535))],
        counts: Counts::Interface,
        ..PLAIN
    },
    Menu {
        path: "/interface/pptp-server",
        duplicate: Some("failure: already have interface with such name"),
        required: &["user"],
        defaults: &[("running", "false"), ("dynamic", "false"), ("disabled", "false")],
        kinds: &[("name", Kind::Name)],
        ..PLAIN
    },
    Menu {
        path: "/interface/l2tp-server",
        duplicate: Some("failure: already have interface with such name"),
        required: &["user"],
        defaults: &[("running", "false"), ("dynamic", "false"), ("disabled", "false")],
        kinds: &[("name", Kind::Name)],
        ..PLAIN
    },
    Menu { path: "/interface/pptp-server/server", kinds: PPTP_SERVER, ..SINGLE },
    Menu { path: "/interface/l2tp-server/server", kinds: L2TP_SERVER, sensitive: &["ipsec-secret"], ..SINGLE },
    Menu { path: "/interface/pppoe-server/server", ..PLAIN },
    Menu {
        path: "/ip/address",
        required: &["address", "interface"],
        defaults: &[("invalid", "false"), ("dynamic", "false"), ("disabled", "false")],
        kinds: &[("address", Kind::IpWithLength), ("interface", Kind::Row("/interface", &[]))],
        ..PLAIN
    },
    Menu {
        path: "/ip/pool",
        duplicate: Some("failure: already have such name"),
        required: &["name", "ranges"],
        kinds: &[("name", Kind::Name), ("ranges", Kind::Name), ("next-pool", Kind::Row("/ip/pool", &["none"]))],
        ..PLAIN
    },
    Menu { path: "/ip/firewall/filter", ..RULE },
    Menu {
        path: "/ip/firewall/mangle",
        defaults: &[
            ("action", "accept"),
            ("passthrough", "true"),
            ("disabled", "false"),
            ("dynamic", "false"),
            ("invalid", "false"),
        ],
        kinds: &[
            ("chain", Kind::Name),
            ("action", MANGLE),
            ("passthrough", Kind::Bool),
            ("new-packet-mark", Kind::Name),
            ("src-address-list", Kind::Name),
            ("dst-address-list", Kind::Name),
        ],
        ..RULE
    },
    Menu {
        path: "/ip/firewall/address-list",
        required: &["list", "address"],
        defaults: &[("dynamic", "false"), ("disabled", "false")],
        kinds: &[("list", Kind::Name), ("address", Kind::Listed), ("timeout", Kind::Duration)],
        ..PLAIN
    },
    Menu {
        path: "/ip/service",
        kinds: &[
            ("port", Kind::Int(65535)),
            ("max-sessions", Kind::Int(65535)),
            ("tls-version", Kind::Choice(&["any", "only-1.2"])),
        ],
        ..PLAIN
    },
    Menu {
        path: "/user",
        duplicate: Some("failure: user with the same name already exists"),
        required: &["name", "group"],
        defaults: &[("address", ""), ("expired", "false"), ("disabled", "false")],
        kinds: &[("name", Kind::Name), ("group", Kind::Row("/user/group", &[]))],
        sensitive: &["password"],
        ..PLAIN
    },
    Menu {
        path: "/user/group",
        duplicate: Some("failure: already have such name"),
        required: &["name"],
        defaults: &[("skin", "default")],
        kinds: &[("name", Kind::Name)],
        ..PLAIN
    },
    Menu {
        path: "/radius",
        defaults: &[("service", ""), ("disabled", "false")],
        kinds: &[("address", Kind::Ip), ("timeout", Kind::Text)],
        sensitive: &["secret"],
        ..PLAIN
    },
    Menu { path: "/radius/incoming", kinds: &[("accept", Kind::Bool), ("port", Kind::Int(65535))], ..SINGLE },
    Menu { path: "/ip/dns", ..SINGLE },
    Menu { path: "/ip/traffic-flow", kinds: &[("enabled", Kind::Bool)], ..SINGLE },
    Menu { path: "/ip/traffic-flow/target", defaults: &[("disabled", "false")], ..PLAIN },
    Menu { path: "/system/clock", ..SINGLE },
    Menu { path: "/system/identity", kinds: &[("name", Kind::Name)], ..SINGLE },
    Menu { path: "/system/ntp/client", kinds: &[("enabled", Kind::Bool)], ..SINGLE },
    Menu { path: "/system/resource", ..SINGLE },
    Menu { path: "/system/routerboard", ..SINGLE },
];

static OTHER: Menu = PLAIN;

/// The meaning of a menu; a plain list of texts where nothing more is said.
pub fn meaning(path: &str) -> &'static Menu {
    MENUS.iter().find(|menu| menu.path == path).unwrap_or(&OTHER)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn every_meaning_belongs_to_a_menu_and_names_its_words() {
        let version = schema::Version(7, 24, 0);
        for menu in MENUS {
            assert!(schema::menu(menu.path).is_some(), "{}", menu.path);
            for name in menu.required {
                assert!(schema::argument(menu.path, "add", name, version).is_some(), "{} {name}", menu.path);
            }
            for (name, _) in menu.kinds {
                let known =
                    ["add", "set"].iter().any(|command| schema::argument(menu.path, command, name, version).is_some());
                assert!(known, "{} {name}", menu.path);
            }
        }
    }
}
