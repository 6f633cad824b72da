//! Whether FastTrack takes the accounts' packets past their queues, which then neither limit nor count.
//!
//! A rule `action=fasttrack-connection` marks a whole connection as soon as one of its packets comes by. The accounts are
//! exempt where earlier rules of the chain accept their packets in both directions, or where the rule itself does not
//! match them. What cannot be judged from the rules is said to be so.

use crate::routeros::{
    Error, Router,
    command::Command,
    facts::property,
    value::{text, truth},
    wire::Row,
};
use ipnet::Ipv4Net;
use std::{collections::HashMap, net::Ipv4Addr};

/// What FastTrack does to the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastTrack {
    /// No rule is on.
    Off,
    /// It is on, and the accounts are exempt.
    Exempt,
    /// It is on and restricted to some packets; whether the accounts' are among them cannot be told from the rules.
    Unclear,
    /// It passes by the accounts' queues.
    PassesBy,
}

/// What says nothing about which packets match.
const WIDE: [&str; 4] = ["hw-offload", "log", "log-prefix", "comment"];

/// Whether a matcher leaves out packets that FastTrack would take: those of established connections.
fn narrows(key: &str, value: &str) -> bool {
    let wide = WIDE.contains(&key) || (key == "connection-state" && value.split(',').any(|it| it == "established"));
    !wide && !value.is_empty()
}
/// What is asked for: everything that a rule may match on.
const RULE: &str = "chain,action,disabled,connection-state,src-address,dst-address,src-address-list,dst-address-list,\
                    in-interface,out-interface,in-interface-list,out-interface-list,connection-mark,packet-mark,\
                    routing-mark,protocol,src-port,dst-port,port,connection-type,connection-bytes,connection-rate,\
                    connection-limit,connection-nat-state,layer7-protocol,content,limit,dst-limit,time,src-address-type,\
                    dst-address-type,src-mac-address,tls-host,random,nth,dscp,ttl,packet-size,ipsec-policy,psd";

#[derive(Clone, Debug, Default)]
struct Rule {
    chain: String,
    action: String,
    disabled: bool,
    /// What it matches on beyond established connections.
    matchers: Vec<(String, String)>,
}

/// Judges the router's rules for accounts with these addresses.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn fast_track(router: &Router, addresses: &[Ipv4Addr]) -> Result<FastTrack, Error> {
    let rules = router.print(Command::print("/ip/firewall/filter/print", RULE), |row| Ok(Some(rule(row)))).await?;
    if !rules.iter().any(Rule::tracks) {
        return Ok(FastTrack::Off);
    }
    let entries = Command::print("/ip/firewall/address-list/print", "list,address,disabled");
    let entry = |row: &Row<'_>| {
        let on = !row.get("disabled").is_some_and(truth);
        Ok(on.then(|| (property(row, "list"), property(row, "address"))))
    };
    let mut lists: HashMap<String, Vec<String>> = HashMap::new();
    for (list, address) in router.print(entries, entry).await? {
        lists.entry(list).or_default().push(address);
    }
    Ok(judge(&rules, &lists, addresses))
}

fn rule(row: &Row<'_>) -> Rule {
    let mut rule = Rule::default();
    for (key, value) in row.attributes() {
        match key {
            b"chain" => rule.chain = text(value).into_owned(),
            b"action" => rule.action = text(value).into_owned(),
            b"disabled" => rule.disabled = truth(value),
            key => {
                let (key, value) = (text(key), text(value));
                if narrows(&key, &value) {
                    rule.matchers.push((key.into_owned(), value.into_owned()));
                }
            }
        }
    }
    rule
}

fn judge(rules: &[Rule], lists: &HashMap<String, Vec<String>>, addresses: &[Ipv4Addr]) -> FastTrack {
    let mut verdict = FastTrack::Exempt;
    for (at, track) in rules.iter().enumerate().filter(|(_, rule)| rule.tracks()) {
        let before = || rules[..at].iter().filter(|rule| rule.chain == track.chain && rule.accepts());
        let either = |end: End| {
            addresses.iter().all(|address| {
                before().any(|rule| rule.takes(end, *address, lists)) || track.excludes(end, *address, lists)
            })
        };
        if either(End::Source) && either(End::Destination) {
            continue;
        }
        if track.matchers.is_empty() {
            return FastTrack::PassesBy;
        }
        verdict = FastTrack::Unclear;
    }
    verdict
}

#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

impl End {
    /// The matchers of an address, a list of them, and the interface that the packet comes in by or leaves by.
    fn keys(self) -> [&'static str; 3] {
        match self {
            Self::Source => ["src-address", "src-address-list", "in-interface"],
            Self::Destination => ["dst-address", "dst-address-list", "out-interface"],
        }
    }
}

impl Rule {
    fn tracks(&self) -> bool {
        !self.disabled && self.action == "fasttrack-connection"
    }

    fn accepts(&self) -> bool {
        !self.disabled && self.action == "accept"
    }

    /// Whether it takes every packet with the address at that end: it matches on that and on nothing else.
    fn takes(&self, end: End, address: Ipv4Addr, lists: &HashMap<String, Vec<String>>) -> bool {
        let [one, list, interface] = end.keys();
        match self.matchers.as_slice() {
            [] => true,
            [(key, value)] if key == one => covers(value, address),
            [(key, value)] if key == list => listed(lists, value, address),
            [(key, value)] if key == interface => value == "all-ppp",
            _ => false,
        }
    }

    /// Whether it says itself that it does not match that address at that end: `src-address=!10.8.0.0/16`.
    fn excludes(&self, end: End, address: Ipv4Addr, lists: &HashMap<String, Vec<String>>) -> bool {
        let [one, list, interface] = end.keys();
        self.matchers.iter().any(|(key, value)| match value.strip_prefix('!') {
            Some(but) if key == one => covers(but, address),
            Some(but) if key == list => listed(lists, but, address),
            Some(but) if key == interface => but == "all-ppp",
            _ => false,
        })
    }
}

fn listed(lists: &HashMap<String, Vec<String>>, name: &str, address: Ipv4Addr) -> bool {
    lists.get(name).is_some_and(|list| list.iter().any(|entry| covers(entry, address)))
}

/// Whether `10.8.0.0/16`, `10.8.0.1` or `10.8.0.1-10.8.0.9` holds the address.
fn covers(entry: &str, address: Ipv4Addr) -> bool {
    if let Some((first, last)) = entry.split_once('-') {
        let (first, last) = (first.trim().parse::<Ipv4Addr>(), last.trim().parse::<Ipv4Addr>());
        return matches!((first, last), (Ok(first), Ok(last)) if (first..=last).contains(&address));
    }
    match entry.parse::<Ipv4Net>() {
        Ok(net) => net.contains(&address),
        Err(_) => entry.parse() == Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        let one = |text: &&str| {
            let mut rule = Rule { chain: "forward".to_owned(), ..Rule::default() };
            for (key, value) in text.split(' ').filter_map(|pair| pair.split_once('=')) {
                match key {
                    "chain" => value.clone_into(&mut rule.chain),
                    "action" => value.clone_into(&mut rule.action),
                    "disabled" => rule.disabled = value == "yes",
                    key if !narrows(key, value) => {}
                    key => rule.matchers.push((key.to_owned(), value.to_owned())),
                }
            }
            rule
        };
        texts.iter().map(one).collect()
    }

    fn verdict(texts: &[&str]) -> FastTrack {
        let addresses: Vec<Ipv4Addr> = ["10.8.0.2", "10.8.1.50"].iter().map(|it| it.parse().unwrap()).collect();
        let lists = HashMap::from([
            ("vpn".to_owned(), vec!["10.8.0.0/24".to_owned(), "10.8.1.1-10.8.1.99".to_owned()]),
            ("half".to_owned(), vec!["10.8.0.2".to_owned()]),
        ]);
        judge(&rules(texts), &lists, &addresses)
    }

    const TRACK: &str = "action=fasttrack-connection connection-state=established,related hw-offload=true";

    #[test]
    fn a_plain_rule_passes_by_unless_both_directions_were_accepted_before() {
        let (to, from) = ("action=accept dst-address=10.8.0.0/23", "action=accept src-address=10.8.0.0/23");
        assert_eq!(verdict(&[TRACK]), FastTrack::PassesBy);
        assert_eq!(verdict(&[from, to, TRACK]), FastTrack::Exempt);
        assert_eq!(verdict(&[from, TRACK]), FastTrack::PassesBy);
        assert_eq!(verdict(&[TRACK, from, to]), FastTrack::PassesBy);
        assert_eq!(verdict(&["chain=input action=accept src-address=10.8.0.0/23", to, TRACK]), FastTrack::PassesBy);
        assert_eq!(verdict(&["action=accept src-address=10.8.0.0/23 protocol=tcp", to, TRACK]), FastTrack::PassesBy);
        assert_eq!(verdict(&["action=accept src-address=10.8.0.0/24", to, TRACK]), FastTrack::PassesBy);
        let new = "action=accept connection-state=new";
        assert_eq!(verdict(&[new, TRACK]), FastTrack::PassesBy);
        assert_eq!(verdict(&["action=accept connection-state=established", TRACK]), FastTrack::Exempt);
        let (all_from, all_to) = ("action=accept in-interface=all-ppp", "action=accept out-interface=all-ppp");
        assert_eq!(verdict(&[all_from, all_to, TRACK]), FastTrack::Exempt);
        let (list_from, list_to) = ("action=accept src-address-list=vpn", "action=accept dst-address-list=vpn");
        assert_eq!(verdict(&[list_from, list_to, TRACK]), FastTrack::Exempt);
        assert_eq!(verdict(&["action=accept src-address-list=half", list_to, TRACK]), FastTrack::PassesBy);
    }

    #[test]
    fn a_rule_that_spares_the_accounts_itself_is_known() {
        assert_eq!(
            verdict(&[&format!("{TRACK} src-address=!10.8.0.0/23 dst-address=!10.8.0.0/23")]),
            FastTrack::Exempt
        );
        assert_eq!(verdict(&[&format!("{TRACK} src-address=!10.8.0.0/23")]), FastTrack::Unclear);
        assert_eq!(verdict(&[&format!("{TRACK} connection-mark=lan")]), FastTrack::Unclear);
        assert_eq!(verdict(&["action=fasttrack-connection disabled=yes"]), FastTrack::Exempt);
    }
}
