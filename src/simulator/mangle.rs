//! Firewall mangle, as far as packets of customers get marks by it: written from the manual's pages on mangle and packet
//! flow. A packet passes the chains prerouting, forward and postrouting in this order, each rule in its order; it carries
//! one packet mark, and a later one takes an earlier one's place. Then it comes to the simple queues.

use std::net::Ipv4Addr;

use super::table::{Counters, Row};
use super::values::{mask, network, read_net};
use super::world::World;

/// The chains that a forwarded packet passes, in order.
const CHAINS: [&str; 3] = ["prerouting", "forward", "postrouting"];
/// Matchers that are understood here; a rule with any other matches nothing.
const ENDS: [&str; 5] = ["src-address", "dst-address", "src-address-list", "dst-address-list", "packet-mark"];
/// What a rule holds beside matchers.
const PLAIN: [&str; 10] = [
    "chain",
    "action",
    "new-packet-mark",
    "passthrough",
    "disabled",
    "dynamic",
    "invalid",
    "comment",
    "log",
    "log-prefix",
];

/// Packets of one direction on their way through the router.
#[derive(Debug, Clone, Copy)]
struct Packets {
    from: Ipv4Addr,
    to: Ipv4Addr,
    counts: Counters,
}

impl World {
    /// The mark that packets from one address to another leave mangle with; its rules count them.
    pub(super) fn mangle(&mut self, from: Ipv4Addr, to: Ipv4Addr, counts: Counters) -> Option<String> {
        let packets = Packets { from, to, counts };
        let mut mark = None;
        for chain in CHAINS {
            let mut at = 0;
            while let Some(row) = self.table("/ip/firewall/mangle").rows().get(at) {
                at += 1;
                let here = row.get("chain") == Some(chain) && !row.is("disabled");
                if !here || !self.matches(row, &packets, mark.as_deref()) {
                    continue;
                }
                if self.act(at - 1, packets.counts, &mut mark) {
                    break;
                }
            }
        }
        mark
    }

    /// Does what a rule says; whether the chain ends with it.
    fn act(&mut self, at: usize, counts: Counters, mark: &mut Option<String>) -> bool {
        let row = &mut self.table_mut("/ip/firewall/mangle").rows_mut()[at];
        row.counters.add(counts);
        match row.get("action") {
            Some("accept") => true,
            Some("mark-packet") => {
                *mark = row.get("new-packet-mark").map(str::to_owned);
                row.get("passthrough") == Some("false")
            }
            _ => false,
        }
    }

    fn matches(&self, row: &Row, packets: &Packets, mark: Option<&str>) -> bool {
        row.values().iter().all(|(name, value)| {
            if PLAIN.contains(name) || value.is_empty() {
                return true;
            }
            let (not, value) = value.strip_prefix('!').map_or((false, value.as_str()), |rest| (true, rest));
            let end = if name.starts_with("src") { packets.from } else { packets.to };
            let fits = match *name {
                "src-address" | "dst-address" => covers(value, end),
                "src-address-list" | "dst-address-list" => self.is_listed(value, end),
                "packet-mark" => mark.unwrap_or("no-mark") == value,
                _ => false,
            };
            ENDS.contains(name) && fits != not
        })
    }

    /// Whether an address list holds the address.
    pub fn is_listed(&self, list: &str, address: Ipv4Addr) -> bool {
        let entry = |row: &&Row| row.get("list") == Some(list) && !row.is("disabled");
        let mut entries = self.table("/ip/firewall/address-list").rows().iter().filter(entry);
        entries.any(|row| row.get("address").is_some_and(|text| covers(text, address)))
    }
}

/// Whether `10.8.0.0/16`, `10.8.0.1` or `10.8.0.1-10.8.0.9` holds the address.
fn covers(entry: &str, address: Ipv4Addr) -> bool {
    if let Some((first, last)) = entry.split_once('-') {
        let (first, last) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>());
        return matches!((first, last), (Ok(first), Ok(last)) if (first..=last).contains(&address));
    }
    let net = read_net(entry).map(|net| (network(net).0, mask(net.1)));
    net.is_some_and(|(first, mask)| u32::from(address) & mask == u32::from(first))
}

#[cfg(test)]
mod tests {
    use super::super::ground::ground;
    use super::*;

    const ADA: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);
    const CDN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

    fn rule(world: &mut World, values: &[(&str, &str)]) {
        let mark = [("chain", "forward"), ("action", "mark-packet")];
        world.add_row("/ip/firewall/mangle", &[&mark, values].concat());
    }

    #[test]
    fn the_last_rule_that_marks_wins_until_one_lets_nothing_through() {
        let mut world = ground("7.18.2", "gate", 20);
        world.add_row("/ip/firewall/address-list", &[("list", "cdn"), ("address", "203.0.113.0/24")]);
        rule(&mut world, &[("dst-address-list", "cdn"), ("new-packet-mark", "first")]);
        rule(&mut world, &[("dst-address-list", "!cdn"), ("new-packet-mark", "other")]);
        rule(&mut world, &[("packet-mark", "first"), ("new-packet-mark", "second"), ("passthrough", "false")]);
        rule(&mut world, &[("new-packet-mark", "never"), ("protocol", "tcp")]);
        rule(&mut world, &[("src-address", "10.8.0.0/16"), ("new-packet-mark", "last")]);
        let counts = Counters { up: 100, packets_up: 1, ..Counters::default() };
        assert_eq!(world.mangle(ADA, CDN, counts).as_deref(), Some("second"));
        assert_eq!(world.mangle(ADA, Ipv4Addr::new(192, 0, 2, 1), counts).as_deref(), Some("last"));
        assert_eq!(world.mangle(CDN, CDN, counts).as_deref(), Some("second"));
        let counted: Vec<u64> = world.table("/ip/firewall/mangle").rows().iter().map(|row| row.counters.up).collect();
        assert_eq!(counted, [200, 100, 200, 0, 100]);
    }
}
