//! Who is connected, and how a session is ended: by removing it from `/ppp/active`.

use super::{
    Error, MOST_IDS, Refusal, Router, TRIES,
    command::Command,
    facts::property,
    value::{seconds, single},
    wire::Row,
};
use std::{collections::HashSet, net::Ipv4Addr};

pub(super) const PRINT: &str = "/ppp/active/print";
pub(super) const ROW: &str = ".id,name,service,caller-id,address,uptime";

/// A PPP session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// RouterOS's id.
    pub id: String,
    /// The user name.
    pub name: String,
    /// l2tp, pptp …
    pub service: String,
    /// Where the customer dialled from.
    pub caller_id: String,
    /// The customer's address inside.
    pub address: Option<Ipv4Addr>,
    /// Seconds since it came up; 0 where the router does not say.
    pub uptime_seconds: u64,
}

pub(super) fn session(row: &Row<'_>) -> Result<Option<Session>, String> {
    let (id, name) = (property(row, ".id"), property(row, "name"));
    if id.is_empty() {
        return Err(format!("a session of {name:?} without an id"));
    }
    Ok(Some(Session {
        id,
        name,
        service: property(row, "service"),
        caller_id: property(row, "caller-id"),
        address: single(&property(row, "address")),
        uptime_seconds: seconds(&property(row, "uptime")).unwrap_or_default(),
    }))
}

fn named(username: &str) -> Command {
    Command::print(PRINT, ROW).any("name", username)
}

/// The sessions of a user name.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn sessions(router: &Router, username: &str) -> Result<Vec<Session>, Error> {
    router.print(named(username), session).await
}

/// Every PPP session.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn all_sessions(router: &Router) -> Result<Vec<Session>, Error> {
    router.print(Command::print(PRINT, ROW), session).await
}

/// For how many seconds each session has been up, by user name.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn uptimes(router: &Router) -> Result<Vec<(String, u64)>, Error> {
    let take = |row: &Row<'_>| Ok(seconds(&property(row, "uptime")).map(|up| (property(row, "name"), up)));
    router.print(Command::print(PRINT, "name,uptime"), take).await
}

/// Ends every session of a user name, and one that came up meanwhile. Answers how many. A session that is already
/// gone is no error.
///
/// # Errors
/// Any [`Error`]; `OutcomeUnknown` when a reply was lost and the router is away since.
pub async fn kick(router: &Router, username: &str) -> Result<usize, Error> {
    let mut ended = HashSet::new();
    let mut unknown = None;
    let mut router = router.clone();
    let (mut sweeps, mut mishaps) = (2, TRIES - 1);
    while sweeps > 0 {
        let found = match router.print(named(username), session).await {
            Ok(found) => found,
            Err(error) => return Err(unknown.filter(|_| error.is_away()).unwrap_or(error)),
        };
        if found.is_empty() {
            break;
        }
        match sweep(&router, &found).await {
            Ok(()) => sweeps -= 1,
            Err(error) if mishaps > 0 && error.asks_for_a_look() => {
                mishaps -= 1;
                if error.is_away() {
                    unknown = Some(error);
                    router = router.patient();
                }
            }
            Err(error) if error.refusal() == Some(Refusal::NoSuchItem) => sweeps -= 1,
            Err(error) => return Err(error),
        }
        ended.extend(found.into_iter().map(|session| session.id));
    }
    Ok(ended.len())
}

async fn sweep(router: &Router, found: &[Session]) -> Result<(), Error> {
    for batch in found.chunks(MOST_IDS) {
        let ids: Vec<_> = batch.iter().map(|session| session.id.as_str()).collect();
        router.write(Command::write("/ppp/active/remove").set(".id", &ids.join(","))).await?;
    }
    Ok(())
}
