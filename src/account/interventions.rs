//! What people did to an account's usage under its plan: begun anew, given on top, settled otherwise. Written once per key.

use crate::{
    db::{Conn, Result},
    params, sql,
};
use chrono::{DateTime, Utc};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The day's counters were begun again.
    ResetDaily,
    /// The cycle's counters were begun again.
    ResetCycle,
    /// Bytes were given on top for the cycle.
    Bonus,
    /// A renewal was paid: the cycle of that due date began.
    Renewal,
    /// Speed or price were settled for this subscriber alone.
    Override,
}

impl Kind {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResetDaily => "reset-daily",
            Self::ResetCycle => "reset-cycle",
            Self::Bonus => "bonus",
            Self::Renewal => "renewal",
            Self::Override => "override",
        }
    }
}

/// Writes one down; false where one of that key was before.
pub async fn enter(
    conn: &mut Conn,
    service_id: u64,
    (kind, once): (Kind, &str),
    bytes: i64,
    note: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let sql = sql!("INSERT INTO fair_use_event (service_id, kind, once, bytes, note, at) VALUES (?, ?, ?, ?, ?, ?)");
    let short: String = note.chars().take(255).collect();
    conn.insert_once(sql, params![service_id, kind.as_str(), once, bytes, short, now]).await
}

/// The bytes and the note of the one with that key.
pub async fn find(conn: &mut Conn, service_id: u64, (kind, once): (Kind, &str)) -> Result<Option<(i64, String)>> {
    let sql = sql!("SELECT bytes, note FROM fair_use_event WHERE service_id = ? AND kind = ? AND once = ?");
    let row = conn.one(sql, params![service_id, kind.as_str(), once]).await?;
    row.map(|row| Ok((row.get("bytes")?, row.get("note")?))).transpose()
}
