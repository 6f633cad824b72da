//! The addresses that a server may give to its accounts, as WHMCS staff write them.
//!
//! An entry is an address (`10.8.0.2`), a prefix (`10.8.0.16/28`) or a range with both ends in it (`10.8.1.10-10.8.1.50`).
//! Addresses are handed out in the order written, each once; the first and the last of a prefix shorter than /31 (network
//! and broadcast) are not, unless another entry names them. Nothing is guessed: a prefix with host bits is refused with the
//! network that was probably meant.

use ipnet::Ipv4Net;
use std::{collections::BTreeMap, net::Ipv4Addr, ops::RangeInclusive};

/// How many addresses one server may have.
pub const MOST_ADDRESSES: usize = 65_536;

/// What no customer can be given, and why.
const RESERVED: [(RangeInclusive<u32>, &str); 3] = [
    (0x0000_0000..=0x00FF_FFFF, "addresses that begin with 0 are no hosts"),
    (0x7F00_0000..=0x7FFF_FFFF, "addresses that begin with 127 never leave a machine"),
    (0xE000_0000..=0xFFFF_FFFF, "addresses from 224.0.0.0 on are no hosts"),
];

/// A server's addresses in order. Kept as ranges: a /16 takes no more room than one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSpace {
    /// In the order written, without overlap.
    ordered: Vec<RangeInclusive<u32>>,
    /// The same addresses by number, neighbours joined: first to last.
    covered: BTreeMap<u32, u32>,
    count: usize,
}

impl AddressSpace {
    /// Reads entries; blank ones are passed over, and blanks around an entry and around the `-` do not matter.
    ///
    /// # Errors
    /// The index of the first entry that cannot be, and a sentence that names it.
    pub fn parse(entries: &[String]) -> Result<Self, (usize, String)> {
        let mut space = Self::default();
        for (index, entry) in entries.iter().enumerate().map(|(index, entry)| (index, entry.trim())) {
            if entry.is_empty() {
                continue;
            }
            let range = range(entry).map_err(|why| (index, why))?;
            if (range.end() - range.start()) as usize >= MOST_ADDRESSES || !space.add(*range.start(), *range.end()) {
                let why = format!("{} makes more than {MOST_ADDRESSES} addresses in all", quoted(entry));
                return Err((index, why));
            }
        }
        Ok(space)
    }

    /// Whether an address is one of these.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        self.covered.range(..=address).next_back().is_some_and(|(_, last)| address <= *last)
    }

    /// The addresses in order, made one by one.
    pub fn iter(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.ordered.iter().cloned().flatten().map(Ipv4Addr::from)
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds what is not yet there of `first..=last`; false where that is too much.
    fn add(&mut self, first: u32, last: u32) -> bool {
        // The ranges that the new one overlaps or touches are joined with it; what lies between them is new.
        let before = self.covered.range(..first).next_back().filter(|(_, end)| end.saturating_add(1) >= first);
        let from = before.map_or(first, |(start, _)| *start);
        let joined: Vec<(u32, u32)> =
            self.covered.range(from..=last.saturating_add(1)).map(|(start, end)| (*start, *end)).collect();
        let (mut next, mut end_of_all) = (first, last);
        for (start, end) in &joined {
            if next < *start && next <= last {
                self.hand_out(next, last.min(start - 1));
            }
            next = next.max(end.saturating_add(1));
            end_of_all = end_of_all.max(*end);
            self.covered.remove(start);
        }
        if next <= last {
            self.hand_out(next, last);
        }
        self.covered.insert(from.min(first), end_of_all);
        self.count <= MOST_ADDRESSES
    }

    fn hand_out(&mut self, first: u32, last: u32) {
        self.count += (last - first) as usize + 1;
        self.ordered.push(first..=last);
    }
}

/// The addresses of one entry, first to last.
fn range(entry: &str) -> Result<RangeInclusive<u32>, String> {
    let (first, last) = if let Some((first, last)) = entry.split_once('-') {
        let (first, last) = (address(first.trim(), entry)?, address(last.trim(), entry)?);
        if last < first {
            return Err(format!("{} runs backwards", quoted(entry)));
        }
        (first, last)
    } else if entry.contains('/') {
        prefix(entry)?
    } else {
        let only = address(entry, entry)?;
        (only, only)
    };
    let (first, last) = (u32::from(first), u32::from(last));
    match RESERVED.iter().find(|(reserved, _)| first <= *reserved.end() && last >= *reserved.start()) {
        Some((_, why)) => Err(format!("{} cannot be given to customers: {why}", quoted(entry))),
        None => Ok(first..=last),
    }
}

fn prefix(entry: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    // A blank before or after the slash is a slip of the hand like one around a dash.
    let net: Ipv4Net =
        entry.split('/').map(str::trim).collect::<Vec<_>>().join("/").parse().map_err(|_error| not_one(entry))?;
    if net.addr() != net.network() {
        return Err(format!("{} is an address inside a network; the network is {}", quoted(entry), net.trunc()));
    }
    let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
    let inner = if net.prefix_len() < 31 { (first + 1, last - 1) } else { (first, last) };
    Ok((inner.0.into(), inner.1.into()))
}

fn address(text: &str, entry: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_error| not_one(entry))
}

fn not_one(entry: &str) -> String {
    if entry.contains(':') {
        return format!("{} is not IPv4; accounts have IPv4 addresses only", quoted(entry));
    }
    format!(
        "{} is neither an IPv4 address nor a prefix such as 10.8.0.16/28 nor a range such as 10.8.1.10-10.8.1.50",
        quoted(entry)
    )
}

/// The entry in quotes, cut short and without what would break a line.
fn quoted(entry: &str) -> String {
    let short: String = entry.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("\u{201c}{short}\u{201d}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn parse(entries: &[&str]) -> Result<AddressSpace, (usize, String)> {
        AddressSpace::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    fn listed(entries: &[&str]) -> Vec<String> {
        parse(entries).unwrap().iter().map(|address| address.to_string()).collect()
    }

    #[test]
    fn addresses_prefixes_and_ranges_come_in_the_order_written() {
        assert_eq!(
            listed(&["10.8.0.9", " 10.8.0.0/29 ", "", "10.9.0.3 - 10.9.0.5", "10.7.0.0/31", "10.6.0.1/32"]),
            [
                "10.8.0.9", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5", "10.8.0.6", "10.9.0.3",
                "10.9.0.4", "10.9.0.5", "10.7.0.0", "10.7.0.1", "10.6.0.1",
            ]
        );
        assert_eq!(listed(&["10.8.0.0/30"]), ["10.8.0.1", "10.8.0.2"]);
    }

    #[test]
    fn an_address_written_twice_is_handed_out_once() {
        assert_eq!(
            listed(&["10.8.0.3", "10.8.0.1-10.8.0.5", "10.8.0.4", "10.8.0.2-10.8.0.7"]),
            ["10.8.0.3", "10.8.0.1", "10.8.0.2", "10.8.0.4", "10.8.0.5", "10.8.0.6", "10.8.0.7"]
        );
    }

    #[test]
    fn network_and_broadcast_are_left_out_unless_named() {
        let space = parse(&["10.8.0.0/29"]).unwrap();
        assert!(!space.contains("10.8.0.0".parse().unwrap()) && !space.contains("10.8.0.7".parse().unwrap()));
        assert!(space.contains("10.8.0.1".parse().unwrap()) && space.contains("10.8.0.6".parse().unwrap()));
        assert_eq!(space.len(), 6);
        assert_eq!(listed(&["10.8.0.0/30", "10.8.0.0"]), ["10.8.0.1", "10.8.0.2", "10.8.0.0"]);
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_place() {
        for wrong in [
            "10.8.0",
            "10.8.0.256",
            "10.8.0.1/33",
            "10.8.0.5/28",
            "10.8.0.9-10.8.0.2",
            "10.8.0.1-",
            "-10.8.0.1",
            "vpn",
            "10.8.0.1-10.8.0.2-10.8.0.3",
            "10.8.0.1,10.8.0.2",
            "2001:db8::1",
            "2001:db8::/64",
            "10.8.0.0/255.255.255.0",
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "126.255.255.0-128.0.0.1",
            "0.0.0.0/0",
            "010.8.0.1",
        ] {
            let refused = parse(&["10.8.0.2", "", wrong]).expect_err(wrong);
            assert_eq!(refused.0, 2, "{wrong}");
        }
        assert!(parse(&["10.8.0.5/28"]).unwrap_err().1.contains("10.8.0.0/28"));
        assert!(parse(&["fe80::1"]).unwrap_err().1.contains("IPv4 addresses only"));
        assert!(!parse(&["a\nb"]).unwrap_err().1.contains('\n'));
    }

    #[test]
    fn there_is_a_most() {
        assert_eq!(parse(&["10.8.0.0/16", "10.8.0.0", "10.8.255.255"]).unwrap().len(), MOST_ADDRESSES);
        assert_eq!(parse(&["10.8.0.0-10.8.255.255"; 3]).unwrap().len(), MOST_ADDRESSES, "the same ones are not more");
        assert_eq!(parse(&["10.8.0.0-10.8.255.255", "10.9.0.0"]).unwrap_err().0, 1);
        assert_eq!(parse(&["10.0.0.0/8"]).unwrap_err().0, 0);
        assert_eq!(parse(&["1.0.0.0-126.0.0.0"]).unwrap_err().0, 0);
    }

    #[test]
    fn no_entries_are_no_addresses() {
        let space = parse(&["", "  "]).unwrap();
        assert!(space.is_empty() && space.iter().next().is_none() && !space.contains(Ipv4Addr::LOCALHOST));
    }

    proptest! {
        #[test]
        fn ranges_in_any_order_give_each_address_once_as_written(
            ranges in prop::collection::vec((0..300_u32, 0..40_u32), 0..30),
        ) {
            let base = u32::from(Ipv4Addr::new(10, 8, 0, 0));
            let entries: Vec<String> = ranges
                .iter()
                .map(|(first, more)| {
                    format!("{}-{}", Ipv4Addr::from(base + first), Ipv4Addr::from(base + first + more))
                })
                .collect();
            let space = AddressSpace::parse(&entries).unwrap();
            let (mut seen, mut expected) = (BTreeSet::new(), Vec::new());
            for (first, more) in ranges {
                expected.extend((first..=first + more).filter(|n| seen.insert(*n)).map(|n| Ipv4Addr::from(base + n)));
            }
            prop_assert_eq!(space.len(), expected.len());
            for n in 0..400 {
                prop_assert_eq!(space.contains(Ipv4Addr::from(base + n)), seen.contains(&n));
            }
            prop_assert_eq!(space.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn no_entry_makes_the_reader_panic(entry in r"[0-9./ :-]{0,24}|\PC{0,24}") {
            let _ = AddressSpace::parse(&[entry]);
        }
    }
}
