//! Deltas that cannot be true: kept from the customer until a person accepts or drops them.

use crate::{
    db::{Conn, Error, Result, Row},
    params, sql,
    units::{Bytes, Volume},
};
use chrono::{DateTime, Utc};

/// Which of an account's queues counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The account's own: the balance pays for it.
    Own,
    /// That of CDN traffic: it counts to CDN tiers alone.
    Cdn,
}

impl By {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Cdn => "cdn",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "own" => Ok(Self::Own),
            "cdn" => Ok(Self::Cdn),
            other => Err(Error::Defect(format!("quarantine.counted_by holds {other}"))),
        }
    }
}

/// Puts a delta aside; `payable` is the most that the balance is to pay for it.
pub async fn put(
    conn: &mut Conn,
    (service_id, server_id): (u64, u64),
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    (volume, by, payable): (Volume, By, Bytes),
    why: &str,
) -> Result<()> {
    let sql = sql!(
        "INSERT INTO quarantine (service_id, server_id, from_at, to_at, down_bytes, up_bytes, why, state, decided_at, \
         counted_by, payable_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', NULL, ?, ?)"
    );
    let mut values = params![service_id, server_id, from, to, volume.down.0, volume.up.0, why, by.as_str()];
    values.push(payable.signed().into());
    conn.execute(sql, values).await.map(|_| ())
}

/// Whether something of an account's own queue waits for that reason already. An entry stands as it was shown to whoever decides:
/// nothing is added to it.
pub async fn is_waiting(conn: &mut Conn, (service_id, server_id): (u64, u64), why: &str) -> Result<bool> {
    let sql = sql!(
        "SELECT id FROM quarantine WHERE service_id = ? AND server_id = ? AND state = 'waiting' AND counted_by = 'own' \
         AND why = ? LIMIT 1"
    );
    Ok(conn.one(sql, params![service_id, server_id, why]).await?.is_some())
}

/// What waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: u64,
    /// When the first of them was put aside.
    pub since: Option<DateTime<Utc>>,
}

/// What waits for a person.
pub async fn waiting(conn: &mut Conn) -> Result<Waiting> {
    let sql = sql!("SELECT COUNT(*) AS n, MIN(to_at) AS since FROM quarantine WHERE state = 'waiting'");
    let read = |row: Row| Ok(Waiting { count: row.get("n")?, since: row.get("since")? });
    conn.one(sql, vec![]).await?.map_or(Ok(Waiting::default()), read)
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was true: it is booked.
    Accepted,
    /// It was not: nobody pays for it.
    Dropped,
}

impl Verdict {
    /// The spelling in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dropped => "dropped",
        }
    }
}

/// A delta that was put aside.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// Grows with time.
    pub id: u64,
    /// Whose.
    pub service_id: u64,
    /// By which router.
    pub server_id: u64,
    /// Since when it was counted.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
    /// How much.
    pub volume: Volume,
    /// Which queue counted it.
    pub by: By,
    /// The most that the balance pays for it: what it would have paid as things stood when it was put aside.
    pub payable: Bytes,
    /// Why it cannot be true.
    pub why: String,
    /// `waiting`, `accepted` or `dropped`.
    pub state: String,
    /// When a person decided.
    pub decided_at: Option<DateTime<Utc>>,
}

impl Doubt {
    fn of(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            service_id: row.get("service_id")?,
            server_id: row.get("server_id")?,
            from: row.get("from_at")?,
            to: row.get("to_at")?,
            volume: Volume { down: Bytes(row.get("down_bytes")?), up: Bytes(row.get("up_bytes")?) },
            by: By::parse(&row.get::<String>("counted_by")?)?,
            payable: Bytes(row.get("payable_bytes")?),
            why: row.get("why")?,
            state: row.get("state")?,
            decided_at: row.get("decided_at")?,
        })
    }
}

/// Those that wait or those that were decided, newest first.
pub async fn list(conn: &mut Conn, waiting: bool, limit: u32) -> Result<Vec<Doubt>> {
    let sql = sql!("SELECT * FROM quarantine WHERE (state = 'waiting') = ? ORDER BY id DESC LIMIT ?");
    conn.rows(sql, params![waiting, limit]).await?.iter().map(Doubt::of).collect()
}

/// Reads one.
pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<Doubt>> {
    conn.one(sql!("SELECT * FROM quarantine WHERE id = ?"), params![id]).await?.map(|row| Doubt::of(&row)).transpose()
}

/// Forgets what was decided before `before`; how many. What waits stays, and so does the last one: SQLite would give its id
/// to the next, and a page that is still open would decide about another's.
pub async fn forget_decided(conn: &mut Conn, before: DateTime<Utc>) -> Result<u64> {
    let last = conn.one(sql!("SELECT MAX(id) AS last FROM quarantine"), vec![]).await?;
    let last: Option<i64> = last.map_or(Ok(None), |row| row.get("last"))?;
    let sql = sql!("DELETE FROM quarantine WHERE state <> 'waiting' AND decided_at < ? AND id < ?");
    conn.execute(sql, params![before, last.unwrap_or(0)]).await
}

/// Writes a person's verdict down, once; whether this was it.
pub async fn decide(conn: &mut Conn, id: u64, verdict: Verdict, now: DateTime<Utc>) -> Result<bool> {
    let sql = sql!("UPDATE quarantine SET state = ?, decided_at = ? WHERE id = ? AND state = 'waiting'");
    Ok(conn.execute(sql, params![verdict.as_str(), now, id]).await? == 1)
}
