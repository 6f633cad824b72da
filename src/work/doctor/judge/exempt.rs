//! Which addresses FastTrack has to leave alone: all that accounts have or may get, not only those of the server's list.

use super::super::books::Books;
use crate::account::addresses::AddressSpace;
use std::{collections::BTreeSet, net::Ipv4Addr};

/// As address lists of the firewall take them: addresses, prefixes, ranges.
pub(super) fn addresses(books: &Books, pools: &[(String, Vec<String>)]) -> Vec<String> {
    let bare = |entry: &String| entry.replace(' ', "");
    let listed: Vec<String> = books.server.told.addresses.iter().map(bare).filter(|it| !it.is_empty()).collect();
    let elsewhere = |it: &Ipv4Addr| books.space.as_ref().is_none_or(|space| !space.contains(*it));
    let left: BTreeSet<Ipv4Addr> = books.accounts.iter().map(|it| it.address).filter(elsewhere).collect();
    with_pools(listed, left, pools)
}

/// Those of a plan's pool are the pool's, whoever gets them next; those that came with an import stand for themselves.
fn with_pools(mut entries: Vec<String>, mut left: BTreeSet<Ipv4Addr>, pools: &[(String, Vec<String>)]) -> Vec<String> {
    for (_, ranges) in pools {
        let Ok(space) = AddressSpace::parse(ranges) else { continue };
        let before = left.len();
        left.retain(|it| !space.contains(*it));
        if left.len() < before {
            entries.extend(ranges.iter().map(|it| it.replace(' ', "")));
        }
    }
    entries.extend(in_ranges(&left));
    let mut seen = BTreeSet::new();
    entries.retain(|it| seen.insert(it.clone()));
    entries
}

/// Neighbours together.
fn in_ranges(addresses: &BTreeSet<Ipv4Addr>) -> Vec<String> {
    let mut ranges: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
    for address in addresses {
        match ranges.last_mut() {
            Some((_, last)) if u32::from(*last).checked_add(1) == Some(u32::from(*address)) => *last = *address,
            _ => ranges.push((*address, *address)),
        }
    }
    let words = |(first, last): (Ipv4Addr, Ipv4Addr)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_whole_and_neighbours_are_one_range() {
        let texts = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let pools = [
            ("gold".to_owned(), texts(&["10.9.0.10-10.9.0.99", "10.9.1.0/24"])),
            ("dhcp".to_owned(), texts(&["192.168.88.10-192.168.88.254"])),
        ];
        let left = ["10.9.1.7", "10.7.0.2", "10.7.0.3", "10.7.0.4", "10.7.0.6"].map(|it| it.parse().unwrap());
        let told = texts(&["10.8.0.0/24"]);
        assert_eq!(
            with_pools(told, left.into(), &pools),
            ["10.8.0.0/24", "10.9.0.10-10.9.0.99", "10.9.1.0/24", "10.7.0.2-10.7.0.4", "10.7.0.6"]
        );
    }
}
