//! A router fresh from the shelf of a VPN provider: what stands in its tables before anything is sold.

use super::world::World;

static GROUND: &str = include_str!("ground.txt");

/// Every policy of a group, with which a group is written.
#[rustfmt::skip]
pub const POLICIES: &[&str] = &[
    "local", "telnet", "ssh", "ftp", "reboot", "read", "write", "policy", "test", "winbox", "password", "web", "sniff",
    "sensitive", "api", "romon", "rest-api",
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
    for line in GROUND.lines().filter(|line| !line.starts_with('#')) {
        let (menu, row) = line.split_once(' ').unwrap_or((line, ""));
        world.table_mut(menu).add(row.split(';').filter_map(|pair| pair.split_once('=')));
    }
    world.table_mut("/system/identity").add([("name", identity)]);
    world.put("/system/package", "routeros", "version", version);
    world.put("/system/routerboard", "", "current-firmware", version);
    world.put("/system/routerboard", "", "upgrade-firmware", version);
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
