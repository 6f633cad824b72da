//! What is made of the answers: findings, each with the command that mends it.

mod access;
mod cdn;
mod drift;
mod exempt;
mod vpn;

use super::{
    Findings, MOST_NAMED,
    Severity::{Error, Hint, Warning},
    books::Books,
    look::{Ended, Seen},
};
use crate::{
    problem::{Code, Problem},
    router::Told,
    routeros,
    work::{rebuild::UNSEAL, sentence},
};
use chrono::{DateTime, Duration, Utc};

/// A collection is made each day; this leaves room for a late cron.
const COLLECTION: Duration = Duration::hours(26);
/// How far a router's clock may be off.
const SKEW: Duration = Duration::seconds(60);
/// The share of addresses in use from which more are wanted, percent.
const FULL: usize = 90;

/// A value in quotes for RouterOS's terminal.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// Up to five of them, and how many more.
fn some(names: &[String]) -> String {
    up_to(5, names)
}

fn up_to(most: usize, names: &[String]) -> String {
    let first = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{first} and {} more", names.len() - most) } else { first }
}

/// Findings from the books alone.
pub(super) fn books(books: &Books, now: DateTime<Utc>, out: &mut Findings) {
    addresses(books, out);
    sealed(&books.sealed, out);
    for it in &books.failing {
        out.add(
            Warning,
            "change-fails",
            format!("A change of service {} was tried {} times in vain: {}", it.service_id, it.tries, it.failure),
            "Until it is made the router does something else for this customer than the books say.",
            format!("Mend what the sentence names; then: turnpike rebuild --server {}", out.server_id),
        );
    }
    if books.quarantined > 0 {
        out.add(
            Warning,
            "quarantine",
            format!("{} readings that cannot be true wait for a decision.", books.quarantined),
            "They are not charged until somebody accepts or drops them.",
            "Open WHMCS > Addons > Turnpike and decide upon them.",
        );
    }
    doubts(books, out);
    let since = books.server.collected_at.or(books.first_made_at);
    if let Some(since) = since.filter(|since| !books.accounts.is_empty() && now - *since > COLLECTION) {
        let hours = (now - since).num_hours();
        let what = match books.server.collected_at {
            Some(_) => format!("The last collection was {hours} hours ago."),
            None => format!("There was no collection since the first account was made {hours} hours ago."),
        };
        out.add(
            Warning,
            "collection-old",
            what,
            "WHMCS's cron asks for one each day; its figures of usage stand still without it.",
            format!("Look at WHMCS's cron; then: turnpike collect --server {}", out.server_id),
        );
    }
}

/// What the service found by itself since, whether the router answers now or not.
fn doubts(books: &Books, out: &mut Findings) {
    let at = crate::work::instant;
    if let (count @ 1.., Some(since)) = books.missing {
        out.add(
            Error,
            "counters-missing",
            format!("{count} queues have not been on the router since {} or later.", at(since)),
            "Their customers' traffic is neither limited nor counted.",
            format!("turnpike rebuild --server {} --dry-run\nturnpike rebuild --server {0}", out.server_id),
        );
    }
    if let (names, Some(since)) = &books.frozen {
        out.add(
            Error,
            "queues-froze",
            format!("At the hourly looks since {}, sessions moved and queues did not: {}.", at(*since), some(names)),
            "This traffic is neither limited nor charged; it is shown until a look sees the queue count.",
            "/ip firewall filter print where action=fasttrack-connection\n/queue simple print stats",
        );
    }
    if let Some(clock) = &books.clock {
        out.add(
            Hint,
            "clock-leapt",
            format!("On {}: {}.", at(clock.since), clock.what),
            "Either this machine's clock was set or the router slept; traffic is booked by the router's own time.",
            "/system clock print\n/system resource print",
        );
    }
    if let Some((since, tries)) = books.server.failing {
        out.add(
            Error,
            "not-read",
            format!("The router has not been read since {}: it was tried {tries} times in vain.", at(since)),
            "Nothing is counted, blocked or freed there meanwhile.",
            format!("Mend what stands beside the other findings; then: turnpike collect --server {}", out.server_id),
        );
    }
}

fn sealed(closed: &[String], out: &mut Findings) {
    if closed.is_empty() {
        return;
    }
    out.add(
        Error,
        "secret-sealed",
        format!("No key that is configured opens {}.", up_to(MOST_NAMED, closed)),
        "Their client pages fail, and what is lost or changed on the router cannot be brought back without the password.",
        sentence(UNSEAL),
    );
}

/// The same of the router's own password: nothing more can be asked of it.
pub(super) fn sealed_login(out: &mut Findings) {
    out.add(
        Error,
        "secret-sealed",
        "No key that is configured opens the password of this router's API user.",
        "Turnpike cannot log in: nothing can be read, blocked or freed there.",
        "Put the key that sealed it into seal.older_keys and restart turnpike serve; without that key press Sync Accounts for \
         the server in WHMCS (System Settings, Servers; import nothing there), which tells Turnpike the password anew.",
    );
}

/// Something of ours is in the way of looking further.
pub(super) fn not_examined(problem: &Problem, out: &mut Findings) {
    out.add(
        Error,
        if problem.code == Code::RouterUnreachable { "unreachable" } else { "not-examined" },
        problem.told(),
        "The router could not be examined to the end.",
        "Mend what the sentence names, then run the examination again.",
    );
}

fn addresses(books: &Books, out: &mut Findings) {
    let why = "Without a free address no account can be made.";
    let mend = "Add addresses to Assigned IP Addresses of this server in WHMCS.";
    let Some(space) = &books.space else {
        out.add(Error, "addresses", "The server's addresses cannot be read.", why, mend);
        return;
    };
    let (taken, all) = (books.taken, space.len());
    if taken >= all {
        out.add(Error, "addresses", format!("All {all} addresses are in use."), why, mend);
    } else if taken * 100 >= all * FULL {
        out.add(Warning, "addresses", format!("{taken} of {all} addresses are in use."), why, mend);
    }
}

/// A router that does not answer.
pub(super) fn silent(told: &Told, why: &str, out: &mut Findings) {
    let service = if told.tls { "api-ssl" } else { "api" };
    out.add(
        Error,
        "unreachable",
        format!("The router cannot be reached: {why}."),
        "Nothing can be read, blocked or freed there; changes wait until it answers.",
        format!(
            "/ip service print detail where name={service}\n/ip service set {service} disabled=no\n\
             Its port must be {}. Where its address is not empty, the address of Turnpike has to be one of those there: \
             add it, and leave the others.",
            told.port
        ),
    );
}

/// Findings from what the router answered.
pub(super) fn router(books: &Books, seen: &Seen, now: DateTime<Utc>, out: &mut Findings) {
    match &seen.ended {
        Some(Ended::Router(error)) => access::ended(&books.server.told, error, out),
        Some(Ended::Problem(problem)) => not_examined(problem, out),
        None => {}
    }
    access::judge(books, seen, now, out);
    vpn::judge(books, seen, out);
    cdn::judge(seen, out);
    version(seen, out);
    if let Some(clock) = seen.clock.filter(|clock| (*clock - now).abs() > SKEW) {
        out.add(
            Hint,
            "clock",
            format!("The router's clock is {} seconds off.", (clock - now).num_seconds().abs()),
            "Turnpike counts by its own clock; yet the router's log and certificates go by this one.",
            "/system ntp client set enabled=yes servers=pool.ntp.org",
        );
    }
    if let Some(comparison) = &seen.comparison {
        drift::judge(comparison, out);
    }
    for (what, words) in &seen.refused {
        out.add(
            Warning,
            "unreadable",
            format!("The router did not say {what}: {words}"),
            "What cannot be read cannot be examined.",
            access::own_user(&books.server.told.username, seen.user.local()),
        );
    }
}

fn version(seen: &Seen, out: &mut Findings) {
    let Some(facts) = &seen.facts else { return };
    let mut parts = facts.version.split(['.', ' ']).map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().unwrap_or(0)
    });
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let mend = "/system package update check-for-updates\n/system package update install";
    if version < (6, 43) {
        out.add(
            Error,
            "version-old",
            format!("RouterOS {} is older than 6.43.", facts.version),
            "Its login and its API are not the ones that Turnpike speaks, and it has known holes.",
            mend,
        );
    } else if version == (7, 25) {
        out.add(
            Warning,
            "version-counters",
            format!("RouterOS {}: on 7.25 simple queues were seen to stop counting.", facts.version),
            "Traffic that is not counted is not charged.",
            mend,
        );
    }
}

/// Queues that FastTrack or a defect keeps from counting.
fn frozen(seen: &Seen, out: &mut Findings) {
    if seen.frozen.is_empty() {
        return;
    }
    out.add(
        Error,
        "queues-frozen",
        format!("The sessions of {} move, their queues do not count.", some(&seen.frozen)),
        "This traffic is neither limited nor charged; FastTrack, hardware offload, a queue in front or RouterOS 7.25 do that.",
        "/ip firewall filter disable [find action=fasttrack-connection]\n/queue simple print stats",
    );
}

/// FastTrack, by the rules.
fn fast_track(books: &Books, seen: &Seen, out: &mut Findings) {
    let why = "Packets of a FastTracked connection pass by the queues: they are neither limited nor charged.";
    match seen.fast_track {
        Some(routeros::FastTrack::PassesBy) => {
            let list = |entry| format!("/ip firewall address-list add list=turnpike address={entry}");
            let mut mend: Vec<String> = exempt::addresses(books, &seen.pools).into_iter().map(list).collect();
            for end in ["src", "dst"] {
                mend.push(format!(
                    "/ip firewall filter add chain=forward action=accept connection-state=established,related \
                     {end}-address-list=turnpike \
                     place-before=[:pick [/ip firewall filter find action=fasttrack-connection] 0]"
                ));
            }
            let what = "A FastTrack rule is on, and the accounts' addresses are not exempt from it.";
            out.add(Error, "fasttrack", what, why, mend.join("\n"));
        }
        Some(routeros::FastTrack::Unclear) => out.add(
            Hint,
            "fasttrack-unclear",
            "A FastTrack rule is on for some packets; whether the accounts' are among them cannot be told.",
            why,
            "/ip firewall filter print where action=fasttrack-connection",
        ),
        _ => {}
    }
    frozen(seen, out);
}
