//! Router changes decided and not yet known to be made.
//!
//! Law 1: the intent is on disk before the router hears of it. A change names *that* something must be made, not what:
//! what is made is always the account as it stands then, so that order and repetition cannot harm.

use super::cluster;
use crate::{
    db::{Conn, Error, Result, Row},
    params, sql,
};
use chrono::{DateTime, Duration, Utc};
use std::collections::HashSet;

/// What has to be made on the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The secret enabled.
    Enable,
    /// The secret disabled.
    Disable,
    /// Secret and queue brought in line with what is stored.
    Change,
    /// Everything of the account removed.
    Remove,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "enable" => Ok(Self::Enable),
            "disable" => Ok(Self::Disable),
            "change" => Ok(Self::Change),
            "remove" => Ok(Self::Remove),
            other => Err(Error::Defect(format!("pending.kind holds {other}"))),
        }
    }
}

/// A change that waits.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Grows with time.
    pub id: u64,
    /// Whose.
    pub service_id: u64,
    /// What.
    pub kind: Kind,
    /// Whether every session is ended after it.
    pub kick: bool,
    /// How often it was tried in vain.
    pub tries: u32,
}

impl Pending {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            service_id: row.get("service_id")?,
            kind: Kind::parse(&row.get::<String>("kind")?)?,
            kick: row.get("kick")?,
            tries: row.get("tries")?,
        })
    }
}

/// Decides a change, in the transaction of what caused it.
pub async fn decide(
    conn: &mut Conn,
    (server_id, service_id): (u64, u64),
    kind: Kind,
    kick: bool,
    now: DateTime<Utc>,
) -> Result<()> {
    cluster::hold(conn, service_id).await?;
    let last = last(conn, service_id).await?;
    // Whoever makes changes up to an id deletes up to it: an id that came again would be deleted unmade.
    let id = u64::try_from(now.timestamp_millis()).unwrap_or_default().max(last + 1);
    let sql = sql!(
        "INSERT INTO pending (service_id, id, server_id, kind, kick, decided_at, tries, failure) \
         VALUES (?, ?, ?, ?, ?, ?, 0, NULL)"
    );
    match conn.execute(sql, params![service_id, id, server_id, kind.as_str(), kick, now]).await {
        // Another node of a cluster decided something in the same millisecond.
        Err(Error::Duplicate) => Err(Error::Retry("another change was decided just now".to_owned())),
        outcome => outcome.map(|_| ()),
    }
}

/// The id of the service's latest change, or 0.
pub async fn last(conn: &mut Conn, service_id: u64) -> Result<u64> {
    let sql = sql!("SELECT COALESCE(MAX(id), 0) AS last FROM pending WHERE service_id = ?");
    conn.one(sql, params![service_id]).await?.map_or(Ok(0), |row| row.get("last"))
}

/// A service's changes, oldest first.
pub async fn of_service(conn: &mut Conn, service_id: u64) -> Result<Vec<Pending>> {
    let sql = sql!("SELECT id, service_id, kind, kick, tries FROM pending WHERE service_id = ? ORDER BY id");
    conn.rows(sql, params![service_id]).await?.iter().map(Pending::from_row).collect()
}

/// Since when a service is to be removed from its router.
pub async fn to_go_since(conn: &mut Conn, service_id: u64) -> Result<Option<DateTime<Utc>>> {
    let sql = sql!("SELECT MIN(decided_at) AS since FROM pending WHERE service_id = ? AND kind = 'remove'");
    conn.one(sql, params![service_id]).await?.map_or(Ok(None), |row| row.get("since"))
}

/// How many changes a service waits for.
pub async fn count(conn: &mut Conn, service_id: u64) -> Result<u64> {
    let sql = sql!("SELECT COUNT(*) AS n FROM pending WHERE service_id = ?");
    conn.one(sql, params![service_id]).await?.map_or(Ok(0), |row| row.get("n"))
}

/// Services of a router whose settings may not be there yet.
pub async fn changing(conn: &mut Conn, server_id: u64) -> Result<HashSet<u64>> {
    let sql = sql!("SELECT service_id FROM pending WHERE server_id = ? AND kind = 'change' ORDER BY service_id");
    conn.rows(sql, params![server_id]).await?.iter().map(|row| row.get("service_id")).collect()
}

/// Services of a router that have changes waiting: those that were tried longest ago first, so that one that cannot be
/// made keeps no other waiting. What the router keeps refusing is tried at growing pauses: waiting does not mend it.
pub async fn services_of(conn: &mut Conn, server_id: u64, now: DateTime<Utc>) -> Result<Vec<u64>> {
    let sql = sql!(
        "SELECT service_id, MAX(COALESCE(tried_at, 0)) AS tried, MIN(decided_at) AS decided, MIN(refusals) AS refusals \
         FROM pending WHERE server_id = ? GROUP BY service_id ORDER BY tried, decided, service_id"
    );
    let rows = conn.rows(sql, params![server_id]).await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in &rows {
        let (tried, refusals): (DateTime<Utc>, u32) = (row.get("tried")?, row.get("refusals")?);
        if tried + pause(refusals) <= now || tried > now {
            due.push(row.get("service_id")?);
        }
    }
    Ok(due)
}

/// How long a change rests that was refused so often: 10, 20, 40 seconds … 5 minutes.
fn pause(refusals: u32) -> Duration {
    if refusals == 0 { Duration::zero() } else { Duration::seconds(5 << refusals.min(8)).min(Duration::minutes(5)) }
}

/// Whether a refusal that came so often in a row is told of again: the first, the second, the fourth, …
pub const fn is_told(refusals: u32) -> bool {
    refusals == 0 || refusals.is_power_of_two()
}

/// Routers that have changes waiting which were not tried since `before`. One that was tried after `now` was so before the
/// clock was set back.
pub async fn servers_due(conn: &mut Conn, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<u64>> {
    let sql = sql!(
        "SELECT server_id FROM pending GROUP BY server_id HAVING MAX(COALESCE(tried_at, 0)) <= ? \
         OR MAX(COALESCE(tried_at, 0)) > ? ORDER BY server_id"
    );
    let mut due = Vec::new();
    for row in &conn.rows(sql, params![before, now]).await? {
        let server_id = row.get("server_id")?;
        if !services_of(conn, server_id, now).await?.is_empty() {
            due.push(server_id);
        }
    }
    Ok(due)
}

/// They were made: all of the service's up to this id. Later ones stay.
pub async fn made(conn: &mut Conn, service_id: u64, up_to: u64) -> Result<()> {
    let sql = sql!("DELETE FROM pending WHERE service_id = ? AND id <= ?");
    conn.execute(sql, params![service_id, up_to]).await.map(|_| ())
}

/// These of the service's were made; others stay.
pub async fn these_are_made(conn: &mut Conn, service_id: u64, ids: &[u64]) -> Result<()> {
    let sql = sql!("DELETE FROM pending WHERE service_id = ? AND id = ?");
    for id in ids {
        conn.execute(sql, params![service_id, *id]).await?;
    }
    Ok(())
}

/// They could not be made: remembered with the reason, for people to see. `refused`: the router was there and said no.
pub async fn failed(
    conn: &mut Conn,
    (service_id, up_to): (u64, u64),
    (failure, refused): (&str, bool),
    now: DateTime<Utc>,
) -> Result<()> {
    let short: String = failure.chars().take(500).collect();
    let sql = sql!(
        "UPDATE pending SET tries = tries + 1, refusals = (refusals + 1) * ?, tried_at = ?, failure = ? \
         WHERE service_id = ? AND id <= ?"
    );
    conn.execute(sql, params![u32::from(refused), now, short, service_id, up_to]).await.map(|_| ())
}

/// How often in a row the router has refused a service's changes.
pub async fn refusals(conn: &mut Conn, service_id: u64) -> Result<u32> {
    let sql = sql!("SELECT MAX(refusals) AS most FROM pending WHERE service_id = ?");
    Ok(conn.one(sql, params![service_id]).await?.map_or(Ok(None), |row| row.get("most"))?.unwrap_or(0))
}

/// One change is no longer wanted, or was made by itself.
pub async fn withdraw(conn: &mut Conn, service_id: u64, id: u64) -> Result<()> {
    let sql = sql!("DELETE FROM pending WHERE service_id = ? AND id = ?");
    conn.execute(sql, params![service_id, id]).await.map(|_| ())
}

/// A removal is no longer wanted.
pub async fn withdraw_removal(conn: &mut Conn, service_id: u64) -> Result<()> {
    let sql = sql!("DELETE FROM pending WHERE service_id = ? AND kind = 'remove'");
    conn.execute(sql, params![service_id]).await.map(|_| ())
}

/// A removal is no longer wanted although the service lives on: what it may have taken from the router already is brought
/// back, by a change in its place. The change comes first: whoever makes the removal just now deletes up to its id, and
/// what follows must have a later one.
pub async fn undo_removal(conn: &mut Conn, (server_id, service_id): (u64, u64), now: DateTime<Utc>) -> Result<()> {
    if !is_to_go(conn, service_id).await? {
        return Ok(());
    }
    decide(conn, (server_id, service_id), Kind::Change, false, now).await?;
    withdraw_removal(conn, service_id).await
}

/// Whether a service's removal is still wanted.
pub async fn is_to_go(conn: &mut Conn, service_id: u64) -> Result<bool> {
    let sql = sql!("SELECT id FROM pending WHERE service_id = ? AND kind = 'remove' LIMIT 1");
    Ok(conn.one(sql, params![service_id]).await?.is_some())
}

/// Secret and queue are as stored when this was the latest change; only the ending of sessions may still wait.
pub async fn brought_in_line(conn: &mut Conn, service_id: u64, up_to: u64) -> Result<()> {
    let sql = sql!("DELETE FROM pending WHERE service_id = ? AND id <= ? AND kick = ?");
    conn.execute(sql, params![service_id, up_to, false]).await.map(|_| ())
}

/// How many changes wait in all.
pub async fn count_all(conn: &mut Conn) -> Result<u64> {
    conn.one(sql!("SELECT COUNT(*) AS n FROM pending"), vec![]).await?.map_or(Ok(0), |row| row.get("n"))
}
