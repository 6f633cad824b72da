//! What stands in doubt, other than single deltas: queues that do not count, clocks that were set.
//!
//! A row is there as long as the doubt is: whoever finds it again keeps the instant of the first time, whoever finds it
//! gone removes it.

use crate::{
    db::{Conn, Error, Result, Row},
    params, sql,
};
use chrono::{DateTime, Utc};

/// What is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account's session moves and its queue does not count.
    Frozen,
    /// Our clock was set, or a router says that time passed otherwise.
    Clock,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Clock => "clock",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "frozen" => Ok(Self::Frozen),
            "clock" => Ok(Self::Clock),
            other => Err(Error::Defect(format!("doubt.kind holds {other}"))),
        }
    }
}

/// A doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What is doubted.
    pub kind: Kind,
    /// The router; 0 where it is about none.
    pub server_id: u64,
    /// The service; 0 where it is about none.
    pub service_id: u64,
    /// When it was found first.
    pub since: DateTime<Utc>,
    /// When it was found last.
    pub seen_at: DateTime<Utc>,
    /// What was found, as a sentence without a full stop.
    pub what: String,
}

fn doubt(row: &Row) -> Result<Doubt> {
    Ok(Doubt {
        kind: Kind::parse(&row.get::<String>("kind")?)?,
        server_id: row.get("server_id")?,
        service_id: row.get("service_id")?,
        since: row.get("since_at")?,
        seen_at: row.get("seen_at")?,
        what: row.get("what")?,
    })
}

/// It was found, of a router and a service (0: none).
pub async fn raise(
    conn: &mut Conn,
    kind: Kind,
    (server_id, service_id): (u64, u64),
    what: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let sql = sql!(
        "INSERT INTO doubt (kind, server_id, service_id, since_at, seen_at, what) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (kind, server_id, service_id) DO UPDATE SET seen_at = excluded.seen_at, what = excluded.what"
    );
    let short: String = what.chars().take(255).collect();
    conn.execute(sql, params![kind.as_str(), server_id, service_id, now, now, short]).await.map(|_| ())
}

/// It is no more; whether it was there.
pub async fn lower(conn: &mut Conn, kind: Kind, (server_id, service_id): (u64, u64)) -> Result<bool> {
    let sql = sql!("DELETE FROM doubt WHERE kind = ? AND server_id = ? AND service_id = ?");
    Ok(conn.execute(sql, params![kind.as_str(), server_id, service_id]).await? > 0)
}

/// All of a kind, oldest first.
pub async fn of_kind(conn: &mut Conn, kind: Kind) -> Result<Vec<Doubt>> {
    let sql = sql!("SELECT * FROM doubt WHERE kind = ? ORDER BY since_at, server_id, service_id");
    conn.rows(sql, params![kind.as_str()]).await?.iter().map(doubt).collect()
}

/// Forgets what has not been found again since then, and what is about accounts that are no more; how many.
pub async fn forget(conn: &mut Conn, before: DateTime<Utc>) -> Result<u64> {
    let old = conn.execute(sql!("DELETE FROM doubt WHERE seen_at < ?"), params![before]).await?;
    let gone = sql!(
        "DELETE FROM doubt WHERE service_id > 0 AND service_id NOT IN (SELECT service_id FROM account WHERE state = 'made')"
    );
    Ok(old + conn.execute(gone, vec![]).await?)
}
