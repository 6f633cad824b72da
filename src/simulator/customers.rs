//! Customers of the router: they dial in, carry traffic and hang up. Written from the manual's PPP AAA page: an address in
//! the secret wins over the profile's, disabling a secret leaves its live session alone, `only-one` admits one.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::menus::meaning;
use super::table::{Counters, Row};
use super::values::{halves, mask, read_net, read_rate};
use super::world::World;

/// A live PPP session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The customer's name.
    pub user: String,
    /// The address given to the customer.
    pub address: Ipv4Addr,
    /// Since this uptime of the router.
    pub since: Duration,
    /// What it has carried: (download, upload) in bytes.
    pub carried: (u64, u64),
    /// The row in `/ppp/active`.
    pub(super) active: u32,
    interface: u32,
    /// The static server binding it runs over, if there is one: menu and row.
    binding: Option<(&'static str, u32)>,
    queue: Option<u32>,
    caller_id: String,
}

/// Somebody of whom no list knows (TEST-NET-1's last address).
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

const SERVERS: [(&str, &str, &str); 2] = [
    ("pptp", "/interface/pptp-server", "/interface/pptp-server/server"),
    ("l2tp", "/interface/l2tp-server", "/interface/l2tp-server/server"),
];

impl World {
    /// The live sessions.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// A customer dials in. `Err` says in plain words why the router does not let him.
    pub fn connect(&mut self, user: &str, password: &str, service: &str, caller_id: &str) -> Result<(), String> {
        let server = SERVERS.iter().find(|(name, ..)| *name == service);
        if let Some((.., server)) = server
            && self.get(server, "", "enabled").as_deref() != Some("true")
        {
            return Err(format!("the {service} server is not enabled"));
        }
        let secret = self.table("/ppp/secret").named(user).ok_or("user not found")?.clone();
        if secret.is("disabled") {
            return Err("user is disabled".to_owned());
        }
        let text = |name: &str| secret.get(name).unwrap_or_default();
        if text("password") != password {
            return Err("authentication failed".to_owned());
        }
        if text("service") != "any" && text("service") != service {
            return Err(format!("user is not allowed to use {service}"));
        }
        if !text("caller-id").is_empty() && text("caller-id") != caller_id {
            return Err("caller-id does not match".to_owned());
        }
        let profile = self.table("/ppp/profile").named(text("profile")).ok_or("profile not found")?.clone();
        if profile.get("only-one") == Some("yes") && self.sessions.iter().any(|session| session.user == user) {
            return Err("user has already a session".to_owned());
        }
        let address = self.address_for(&secret, &profile)?;
        self.open(&secret, &profile, address, service, caller_id);
        Ok(())
    }

    fn address_for(&mut self, secret: &Row, profile: &Row) -> Result<Ipv4Addr, String> {
        let wanted = secret.get("remote-address").or(profile.get("remote-address"));
        let wanted = wanted.ok_or("no remote address")?;
        if let Ok(address) = wanted.parse() {
            return Ok(address);
        }
        let pool = self.table("/ip/pool").named(wanted).ok_or("could not determine remote address using pool")?;
        let ranges = pool.get("ranges").unwrap_or_default().to_owned();
        let in_use = |address| self.sessions.iter().any(|session| session.address == address);
        let free = ranges.split(',').filter_map(read_range).flatten().map(Ipv4Addr::from).find(|one| !in_use(*one));
        let address = free.ok_or("pool is empty")?;
        let user = secret.get("name").unwrap_or_default().to_owned();
        let taken =
            [("pool", wanted.to_owned()), ("address", address.to_string()), ("owner", "PPP".into()), ("info", user)];
        self.table_mut("/ip/pool/used").add(taken);
        Ok(address)
    }

    fn open(&mut self, secret: &Row, profile: &Row, address: Ipv4Addr, service: &str, caller_id: &str) {
        let user = secret.get("name").unwrap_or_default().to_owned();
        let text = |name: &str| secret.get(name).unwrap_or_default().to_owned();
        let active = self.table_mut("/ppp/active");
        let row = active.add([
            ("name", user.clone()),
            ("service", service.to_owned()),
            ("caller-id", caller_id.to_owned()),
            ("address", address.to_string()),
            ("encoding", if service == "pptp" { "MPPE128 stateless" } else { "" }.to_owned()),
            ("limit-bytes-in", text("limit-bytes-in")),
            ("limit-bytes-out", text("limit-bytes-out")),
            ("radius", "false".to_owned()),
        ]);
        let active = row.number();
        row.put("session-id", format!("0x81{active:06x}"));
        let (interface, binding) = self.interface_for(&user, service);
        let queue = profile.get("rate-limit").filter(|rate| !rate.is_empty()).map(|rate| {
            let first = profile.get("insert-queue-before") != Some("bottom");
            let (up, down) = halves(rate.split(' ').next().unwrap_or_default());
            let rate = format!("{}/{}", read_rate(up).unwrap_or(0), read_rate(down).unwrap_or(0));
            self.dynamic_queue(&user, service, interface, &rate, first)
        });
        let since = self.uptime;
        let caller_id = caller_id.to_owned();
        self.sessions.push(Session {
            user,
            address,
            since,
            carried: (0, 0),
            active,
            interface,
            binding,
            queue,
            caller_id,
        });
        self.announce("/ppp/active", active);
    }

    /// The customer's static server binding if it is free, else a dynamic interface `<pptp-name>`.
    fn interface_for(&mut self, user: &str, service: &str) -> (u32, Option<(&'static str, u32)>) {
        let menu = SERVERS.iter().find(|(name, ..)| *name == service).map(|(_, menu, _)| *menu);
        if let Some(menu) = menu {
            let free = |row: &&mut Row| row.get("user") == Some(user) && !row.is("disabled") && !row.is("running");
            if let Some(row) = self.table_mut(menu).rows_mut().iter_mut().find(free) {
                row.put("running", "true");
                let binding = row.number();
                let name = row.get("name").unwrap_or_default().to_owned();
                if let Some(interface) = self.table("/interface").named(&name).map(Row::number) {
                    return (interface, Some((menu, binding)));
                }
            }
        }
        let mut name = format!("<{service}-{user}>");
        let mut another = 0;
        while self.exists("/interface", &name) {
            another += 1;
            name = format!("<{service}-{user}-{another}>");
        }
        let (since, kind) = (self.timestamp(), format!("{service}-in"));
        let row = self.table_mut("/interface").add([
            ("name", name),
            ("type", kind),
            ("mtu", "1450".to_owned()),
            ("actual-mtu", "1450".to_owned()),
            ("last-link-up-time", since),
            ("link-downs", "0".to_owned()),
            ("running", "true".to_owned()),
            ("dynamic", "true".to_owned()),
            ("disabled", "false".to_owned()),
        ]);
        (row.number(), None)
    }

    fn dynamic_queue(&mut self, user: &str, service: &str, interface: u32, rate: &str, first: bool) -> u32 {
        let target =
            self.table("/interface").get(interface).and_then(|row| row.get("name")).unwrap_or_default().to_owned();
        let name = format!("<{service}-{user}>");
        let queues = self.table_mut("/queue/simple");
        let front = queues.rows().first().map(Row::number);
        let rate = rate.to_owned();
        let row = queues.add([("name", name), ("target", target), ("max-limit", rate), ("dynamic", "true".to_owned())]);
        row.fill(meaning("/queue/simple").defaults);
        let id = row.number();
        if first {
            queues.place(id, front);
        }
        id
    }

    /// Ends all sessions of a customer; the secret remembers when, from where and why.
    pub fn hang_up(&mut self, user: &str, reason: &str) {
        while let Some(session) = self.sessions.iter().find(|session| session.user == user) {
            let active = session.active;
            self.end_session(active, reason);
        }
    }

    /// Ends the session of a row in `/ppp/active`. False if there is none.
    pub(super) fn end_session(&mut self, active: u32, reason: &str) -> bool {
        let Some(place) = self.sessions.iter().position(|session| session.active == active) else { return false };
        let session = self.sessions.remove(place);
        self.table_mut("/ppp/active").remove(active);
        self.announce_death("/ppp/active", active);
        if let Some((menu, row)) = session.binding
            && let Some(row) = self.table_mut(menu).get_mut(row)
        {
            row.put("running", "false");
        } else {
            self.table_mut("/interface").remove(session.interface);
        }
        if let Some(queue) = session.queue {
            self.table_mut("/queue/simple").remove(queue);
        }
        let address = session.address.to_string();
        self.table_mut("/ip/pool/used").retain(|row| row.get("address") != Some(&address));
        let now = self.timestamp();
        if let Some(secret) = self.table_mut("/ppp/secret").named_mut(&session.user) {
            secret.put("last-logged-out", now);
            secret.put("last-caller-id", session.caller_id);
            secret.put("last-disconnect-reason", reason);
        }
        true
    }

    /// Moves traffic over the customer's first session, in bytes: the interface counts it, and the queue that holds its
    /// address, unless FastTrack passes by the queues. False when the customer is not online.
    pub fn carry(&mut self, user: &str, down: u64, up: u64) -> bool {
        self.carry_with(user, ELSEWHERE, down, up)
    }

    /// The same with somebody of that address: mangle may mark the packets, and the first queue whose target and packet
    /// marks take them counts them, each direction for itself. Whom FastTrack takes past the queues, it takes past mangle.
    pub fn carry_with(&mut self, user: &str, remote: Ipv4Addr, down: u64, up: u64) -> bool {
        let Some(place) = self.sessions.iter().position(|session| session.user == user) else { return false };
        let session = &mut self.sessions[place];
        session.carried.0 += down;
        session.carried.1 += up;
        let Session { interface, address, active, carried, queue, .. } = session.clone();
        let total = self.carried.entry(user.to_owned()).or_default();
        total.0 += down;
        total.1 += up;
        if let Some(row) = self.table_mut("/interface").get_mut(interface) {
            row.counters.count(down, up);
        }
        if !self.passes_by_queues() {
            for (from, to, counts) in [(remote, address, Counters::of(down, 0)), (address, remote, Counters::of(0, up))]
            {
                let mark = self.mangle(from, to, counts);
                self.count_in_queues(queue, address, mark.as_deref(), counts);
            }
        }
        let secret = self.table("/ppp/secret").named(user);
        let limit = |name| secret.and_then(|row| row.get(name)).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
        let (limit_in, limit_out) = (limit("limit-bytes-in"), limit("limit-bytes-out"));
        if (limit_in > 0 && carried.1 >= limit_in) || (limit_out > 0 && carried.0 >= limit_out) {
            self.end_session(active, "nas-request");
        }
        true
    }

    /// A rule of FastTrack takes established connections past all queues.
    fn passes_by_queues(&self) -> bool {
        let tracks = |row: &Row| row.get("action") == Some("fasttrack-connection") && !row.is("disabled");
        self.quirks.fast_track || self.table("/ip/firewall/filter").rows().iter().any(tracks)
    }

    /// A packet goes to the first queue, in strict order, whose target holds it and whose packet marks are its own, and
    /// from there down to its children.
    fn count_in_queues(&mut self, dynamic: Option<u32>, address: Ipv4Addr, mark: Option<&str>, counts: Counters) {
        if counts == Counters::default() {
            return;
        }
        let mut parent = "none".to_owned();
        loop {
            let fits = |row: &&mut Row| {
                (dynamic == Some(row.number()) || row.targets(address))
                    && row.get("parent").unwrap_or("none") == parent
                    && takes(row, mark)
                    && !row.is("disabled")
            };
            let Some(row) = self.table_mut("/queue/simple").rows_mut().iter_mut().find(fits) else { return };
            row.counters.add(counts);
            let name = row.get("name").unwrap_or_default();
            if name == parent {
                return;
            }
            name.clone_into(&mut parent);
        }
    }

    /// All that this customer ever carried over this router, (download, upload) in bytes; no reset or reboot changes it.
    pub fn carried(&self, user: &str) -> (u64, u64) {
        self.carried.get(user).copied().unwrap_or_default()
    }

    /// What the interface of the customer's first session shows.
    pub fn interface_counters(&self, user: &str) -> Option<Counters> {
        let session = self.sessions.iter().find(|session| session.user == user)?;
        self.table("/interface").get(session.interface).map(|row| row.counters)
    }
}

/// Whether a queue takes packets with that mark: no packet marks are any.
fn takes(queue: &Row, mark: Option<&str>) -> bool {
    let marks = queue.get("packet-marks").unwrap_or_default();
    marks.is_empty() || marks.split(',').any(|it| it == mark.unwrap_or("no-mark"))
}

/// `10.0.0.2-10.0.0.9`, `10.0.0.0/24` or `10.0.0.7`, both ends included.
fn read_range(text: &str) -> Option<std::ops::RangeInclusive<u32>> {
    if let Some((first, last)) = text.split_once('-') {
        let read = |part: &str| part.trim().parse::<Ipv4Addr>().ok().map(u32::from);
        return Some(read(first)?..=read(last)?);
    }
    let (address, length) = read_net(text.trim())?;
    let size = !mask(length);
    let first = u32::from(address) & !size;
    Some(first..=first | size)
}

impl World {
    /// See [`Simulator::populate`](super::Simulator::populate).
    pub fn populate(&mut self, count: u32, comment: impl Fn(u32) -> String) {
        let first = u32::from(Ipv4Addr::new(10, 64, 0, 0));
        for number in 1..=count {
            let (name, address) = (format!("user{number:05}"), Ipv4Addr::from(first + number));
            let comment = comment(number);
            let owned = |text: &str| text.to_owned();
            let secret = self.table_mut("/ppp/secret").add([
                ("name", name.clone()),
                ("password", owned("secret")),
                ("remote-address", address.to_string()),
                ("comment", comment.clone()),
            ]);
            secret.fill(meaning("/ppp/secret").defaults);
            let queue = self.table_mut("/queue/simple").add([
                ("name", name),
                ("target", format!("{address}/32")),
                ("max-limit", owned("10000000/50000000")),
                ("comment", comment),
            ]);
            queue.fill(meaning("/queue/simple").defaults);
        }
    }
}
