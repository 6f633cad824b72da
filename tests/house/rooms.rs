//! Who may name whom. A room is a module of the crate's root, with everything below it.

use crate::source::{each_sequence, is_path_separator, rust, tokens};
use proc_macro2::{Delimiter, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// A room, whom it may name, and why.
const MAY: &[(&str, &[&str], &str)] = &[
    ("units", &[], "bytes and speeds know nothing of the house"),
    ("clock", &[], "time and chance come in here, for everybody"),
    ("plan", &["units"], "pure: what was sold, without a database and without a clock"),
    ("catalogue", &["db", "plan", "units"], "plans and rules as stored"),
    ("simulator", &[], "a router of its own, so that a mistake of the client's cannot hide in it"),
    ("steps", &[], "where a test kills a debug build; nothing in a release"),
    ("db", &["clock", "steps"], "migrations say when they ran; each statement is a step"),
    ("seal", &["clock"], "nonces of sealed secrets are diced"),
    ("gather", &[], "who asks together is answered together, whatever it is about"),
    ("written", &[], "text and its digest, whatever it says"),
    ("sheet", &["db"], "figures of many accounts in one row, whatever they mean"),
    (
        "routeros",
        &["gather", "plan", "steps", "units"],
        "speaks to routers and never reads the database; each reply is a step",
    ),
    (
        "page",
        &["account", "catalogue", "db", "gather", "netflow", "plan", "router", "usage", "written"],
        "what is stored for a client's page, read for many at once",
    ),
    ("router", &["clock", "db", "plan", "seal", "units"], "a router as it is remembered"),
    ("usage", &["clock", "db", "plan", "seal", "sheet", "units"], "counters, ledger and history"),
    (
        "netflow",
        &["clock", "db", "plan", "problem", "seal", "units"],
        "access records; wrong fields are said as the caller's",
    ),
    ("mail", &["clock", "db", "plan", "seal", "steps", "units"], "letters, outbox and the ways out"),
    (
        "account",
        &["clock", "db", "plan", "problem", "seal", "sheet", "units"],
        "parses the product's settings and names the field at fault",
    ),
    ("problem", &["db", "routeros", "seal"], "the one file that turns errors into answers"),
    (
        "config",
        &["clock", "db", "log", "pairing", "plan", "units"],
        "parses addresses, levels and times of day at the edge; `init` dices keys and pairs",
    ),
    ("pairing", &["config"], "the pairing code is made of the settings"),
    ("log", &["clock", "config"], "lines carry the clock's instant"),
    ("meters", &[], "only counts, and is asked"),
    ("app", ALL_NOUNS, "makes every part once"),
    ("work", ALL_NOUNS_AND_APP, "the order of things; the one place where rooms meet"),
    (
        "http",
        &["app", "clock", "config", "db", "log", "meters", "pairing", "problem", "steps", "work", "written"],
        "one line a verb; nonces are kept",
    ),
    (
        "jobs",
        &["account", "app", "clock", "http", "mail", "problem", "router", "routeros", "steps", "usage", "work", "db"],
        "what is due, and whether a router may be tried; nonces are written at the tick",
    ),
    ("demo", EVERYTHING, "plays the whole product"),
    ("cli", EVERYTHING, "a command may show anything"),
    ("main", EVERYTHING, "reads the line and starts the command"),
    ("lib", &[], "lists the rooms"),
];

const ALL_NOUNS: &[&str] = &[
    "account",
    "catalogue",
    "clock",
    "config",
    "db",
    "mail",
    "meters",
    "netflow",
    "page",
    "plan",
    "problem",
    "router",
    "routeros",
    "seal",
    "units",
    "usage",
];
const ALL_NOUNS_AND_APP: &[&str] = &[
    "account",
    "app",
    "catalogue",
    "clock",
    "config",
    "db",
    "mail",
    "meters",
    "netflow",
    "page",
    "plan",
    "problem",
    "router",
    "routeros",
    "seal",
    "sheet",
    "units",
    "usage",
    "written",
];
const EVERYTHING: &[&str] = &[
    "account",
    "app",
    "catalogue",
    "cli",
    "clock",
    "config",
    "db",
    "demo",
    "gather",
    "http",
    "jobs",
    "log",
    "mail",
    "meters",
    "netflow",
    "page",
    "pairing",
    "plan",
    "problem",
    "router",
    "routeros",
    "seal",
    "simulator",
    "units",
    "usage",
    "work",
    "written",
];

/// A crate from outside, and the rooms that may name it.
const OUTSIDE: &[(&str, &[&str], &str)] = &[
    ("actix_web", &["demo", "http"], "only the front door speaks HTTP, and the demo shows pages"),
    ("aes_gcm", &["seal"], "one place seals"),
    ("clap", &["cli", "demo", "main"], "the command line"),
    ("csv", &["work"], "balances that another module kept"),
    ("governor", &["http"], "slows who knocks wrongly"),
    ("hmac", &["http"], "one profile of signatures"),
    ("indicatif", &["cli"], "progress is for terminals"),
    (
        "lettre",
        &["config", "log", "mail"],
        "the sender's address is parsed at the edge; the log's test shows that lettre stays quiet",
    ),
    ("mikrotik_rs", &["routeros"], "one client; the simulator has a wire of its own"),
    ("minijinja", &["demo", "mail", "work"], "letters, and pages: the demo's and the admin's"),
    ("prometheus_client", &["meters"], "one registry"),
    ("rand", &["clock"], "chance comes from `clock::Chance`"),
    ("reqwest", &["demo", "cli"], "the demo calls its own front door; nobody else calls out by HTTP"),
    ("rusqlite", &["db"], "one SQL, two drivers"),
    ("rustix", &["http", "steps"], "how many files may be open; SIGKILL to oneself, in debug builds alone"),
    ("sfv", &["http"], "one profile of signatures"),
    ("tikv_jemallocator", &["main"], "one allocator, the program's"),
    ("tokio_cron_scheduler", &["jobs"], "only the ticker"),
    ("toml", &["config", "demo"], "one reader of settings; the demo writes its own"),
];

/// `src/routeros/link.rs` is in `routeros`, three deep.
fn place(path: &str) -> (String, usize) {
    let parts: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    let depth = if *parts.last().unwrap() == "mod" { parts.len() - 1 } else { parts.len() };
    (parts[0].to_owned(), depth)
}

/// The rooms that follow `crate::`: one, or those of a group in braces.
fn names_after(tokens: &[TokenTree], at: usize, found: &mut BTreeSet<String>) {
    match tokens.get(at) {
        Some(TokenTree::Ident(name)) => {
            found.insert(name.to_string());
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let starts = |at: usize| at == 0 || crate::source::is_punct(&inner[at - 1], ',');
            for (at, token) in inner.iter().enumerate() {
                if let (true, TokenTree::Ident(name)) = (starts(at), token) {
                    found.insert(name.to_string());
                }
            }
        }
        _ => {}
    }
}

/// Everything at the crate's root that a file names: by `crate::`, by the crate's name, or by `super::` from below.
fn named(path: &str) -> BTreeSet<String> {
    let (_, depth) = place(path);
    let mut found = BTreeSet::new();
    each_sequence(&tokens(path), &mut |tokens| {
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Ident(word) = token else { continue };
            let inside_path = at >= 2 && is_path_separator(tokens, at - 2);
            if inside_path || !is_path_separator(tokens, at + 1) {
                continue;
            }
            match word.to_string().as_str() {
                "crate" | "turnpike" => names_after(tokens, at + 3, &mut found),
                "super" => {
                    let mut supers = 1;
                    let mut next = at + 3;
                    while matches!(tokens.get(next), Some(TokenTree::Ident(word)) if word == "super") {
                        supers += 1;
                        next += 3;
                    }
                    if supers == depth {
                        names_after(tokens, next, &mut found);
                    }
                }
                _ => {}
            }
        }
    });
    found
}

/// Macros and functions at the crate's root belong to the room that exports them.
fn room_of(name: &str) -> &str {
    match name {
        "params" | "sql" | "in_tx" => "db",
        "read_seated" => "sheet",
        name => name,
    }
}

#[test]
fn rooms_name_only_whom_they_may() {
    let table: BTreeMap<&str, &[&str]> = MAY.iter().map(|(room, may, _)| (*room, *may)).collect();
    let mut complaints = Vec::new();
    for path in rust("src") {
        let (room, _) = place(&path);
        let Some(may) = table.get(room.as_str()) else {
            complaints.push(format!("{path}: the room {room} is not in the table of tests/house/rooms.rs"));
            continue;
        };
        for name in named(&path) {
            let other = room_of(&name);
            if other != room && !may.contains(&other) {
                complaints.push(format!("{path}: {room} may not name {other}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_is_named_is_found_in_every_spelling() {
    let some = |path: &str, rooms: &[&str]| {
        let found = named(path);
        for room in rooms {
            assert!(found.contains(*room), "{path} names {room}, which was not found; found: {found:?}");
        }
    };
    some("src/work/collect.rs", &["app", "router", "routeros", "usage", "in_tx"]);
    some("src/cli/serve.rs", &["http", "jobs"]);
    some("src/http/serve.rs", &["db"]);
    assert!(!named("src/plan/cycle.rs").contains("db"));
}

#[test]
fn every_room_of_the_table_gives_a_reason() {
    for (room, _, reason) in MAY.iter().chain(OUTSIDE) {
        assert!(reason.len() > 10, "{room}");
    }
    let rooms: Vec<&str> = MAY.iter().map(|(room, ..)| *room).collect();
    for (room, may, _) in MAY {
        for other in *may {
            assert!(rooms.contains(other), "{room} may name {other}, which has no row of its own");
        }
    }
}

#[test]
fn the_simulator_shares_nothing_with_us() {
    for path in rust("src/simulator") {
        let strangers: Vec<String> = named(&path).into_iter().filter(|name| name != "simulator").collect();
        assert!(strangers.is_empty(), "{path} names {strangers:?}");
    }
    let users: BTreeSet<String> = rust("src")
        .iter()
        .filter(|path| named(path).contains("simulator"))
        .map(|path| place(path).0)
        .filter(|room| room != "simulator")
        .collect();
    assert!(users.iter().all(|room| ["cli", "demo", "main"].contains(&room.as_str())), "{users:?}");
}

#[test]
fn a_crate_from_outside_is_named_in_its_room_alone() {
    let mut complaints = Vec::new();
    for path in rust("src") {
        let (room, _) = place(&path);
        each_sequence(&tokens(&path), &mut |tokens| {
            for (at, token) in tokens.iter().enumerate() {
                let TokenTree::Ident(word) = token else { continue };
                let word = word.to_string();
                let Some((_, rooms, why)) = OUTSIDE.iter().find(|(name, ..)| *name == word) else { continue };
                let begins = at < 2 || !is_path_separator(tokens, at - 2);
                if begins && is_path_separator(tokens, at + 1) && !rooms.contains(&room.as_str()) {
                    complaints.push(format!("{path}: {word} belongs to {rooms:?}: {why}"));
                }
            }
        });
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
