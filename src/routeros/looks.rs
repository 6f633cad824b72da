//! What pages ask of a router: whether a service's secret is there, and its sessions. All who ask while a look is under way
//! share the next one: two prints for up to a hundred names.
//!
//! Laws: an answer comes of a look that began after it was asked for, so a session that came up before is in it. What is
//! found is handed to whoever asked for that very name and owns that very mark, whatever else the router sends. A reply that
//! is not whole is an answer to nobody. A router that is slow is left alone after each look for as long as the look took:
//! pages have half of its time at the most, however many are asked for.

use super::{
    Error, Mark, Router, Session,
    command::Command,
    error::Failure,
    facts::property,
    router::{closed, late},
    secrets,
    sessions::{self, session},
    value::truth,
    wire::Row,
};
use crate::gather::{Bounds, Found, Gather};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

/// Names in one look, at most.
const MOST: usize = super::MOST_IDS;
/// A look that took less than this bothers nobody; and the longest rest after one that took more.
const QUICK: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(100);
/// What a look reads of a secret.
const SECRET: &str = "name,disabled,comment";

/// What the client page asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether the service's secret is there.
    pub secret_found: bool,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The sessions of its name.
    pub sessions: Vec<Session>,
}

/// Whose, and until when it is waited for.
struct Asked {
    username: String,
    mark: Mark,
    until: Instant,
}

/// The looks at one router.
pub(super) struct Looks(Gather<Asked, Result<Look, Error>>);

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Looks")
    }
}

impl Looks {
    /// Made on that runtime.
    pub(super) fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Self(Gather::new(Bounds { most: MOST, lanes: 1 }, runtime)))
    }
}

/// A service's secret and the sessions of its name, as they are at some time from now on and before `until`.
///
/// # Errors
/// Any [`Error`] of a print; `Unreachable` where it was not known by then.
pub async fn look(router: &Router, username: &str, mark: &Mark, until: Instant) -> Result<Look, Error> {
    let failed = |failure| Err(router.error(failure, sessions::PRINT));
    // A name that must not be sent fails here, for its asker alone.
    if let Some(wrong) = secrets::named(username).wrong() {
        return failed(Failure::Unsendable(wrong.to_owned()));
    }
    let asked = Asked { username: username.to_owned(), mark: mark.clone(), until };
    let at = router.clone();
    let answer = router.looks.0.ask(asked, move |all| look_for(at.clone(), all));
    match timeout_at(until, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_broken)) => failed(closed()),
        Err(_elapsed) => failed(late()),
    }
}

async fn look_for(router: Router, all: Vec<Asked>) -> Found<Result<Look, Error>> {
    let begun = Instant::now();
    let until = all.iter().map(|asked| asked.until).max().unwrap_or(begun);
    let seen = see(&router.within(until), &all).await;
    let answers = match seen {
        Ok(seen) => all.iter().map(|asked| Ok(seen.of(asked))).collect(),
        Err(error) => all.iter().map(|_| Err(error.clone())).collect(),
    };
    Found { answers, rest: rest_after(begun.elapsed()) }
}

fn rest_after(took: Duration) -> Duration {
    if took < QUICK { Duration::ZERO } else { took.min(LONGEST_REST) }
}

/// What a look brought, by name.
#[derive(Default)]
struct Seen {
    secrets: HashMap<String, Vec<Secret>>,
    sessions: HashMap<String, Vec<Session>>,
}

/// What pages need of a secret.
struct Secret {
    comment: String,
    disabled: bool,
}

impl Seen {
    /// What of it is the asker's. The sessions of a name that is also somebody else's are not theirs to see.
    fn of(&self, asked: &Asked) -> Look {
        let named = self.secrets.get(&asked.username).map(Vec::as_slice).unwrap_or_default();
        let ours = named.iter().find(|secret| asked.mark.owns(&secret.comment));
        let foreign = named.iter().any(|secret| !asked.mark.owns(&secret.comment));
        let sessions = self.sessions.get(&asked.username).filter(|_| !foreign);
        Look {
            secret_found: ours.is_some(),
            disabled: ours.is_some_and(|secret| secret.disabled),
            sessions: sessions.cloned().unwrap_or_default(),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that a print takes")]
fn secret(row: &Row<'_>) -> Result<Option<(String, Secret)>, String> {
    let disabled = row.get("disabled").is_some_and(truth);
    Ok(Some((property(row, "name"), Secret { comment: property(row, "comment"), disabled })))
}

async fn see(router: &Router, all: &[Asked]) -> Result<Seen, Error> {
    let mut names: Vec<&str> = all.iter().map(|asked| asked.username.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of_all = |print: Command| names.iter().fold(print, |print, name| print.any("name", name));
    let secrets = of_all(Command::print(secrets::PRINT, SECRET));
    let sessions = of_all(Command::print(sessions::PRINT, sessions::ROW));
    let (secrets, sessions) = router.print_both((secrets, secret), (sessions, session)).await?;
    let mut seen = Seen::default();
    for (name, secret) in secrets {
        seen.secrets.entry(name).or_default().push(secret);
    }
    for session in sessions {
        seen.sessions.entry(session.name.clone()).or_default().push(session);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_router_rests_for_as_long_as_it_worked_and_no_page_waits_long_for_it() {
        let rests = [1, 9, 10, 60, 100, 1500].map(|took| rest_after(Duration::from_millis(took)).as_millis());
        assert_eq!(rests, [0, 0, 10, 60, 100, 100]);
    }
}
