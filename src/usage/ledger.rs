//! The ledger: why a balance is what it is.
//!
//! Law 6: append-only; the balance is its sum, and the account's row, or its sheet, keeps that sum in the same transactions. Traffic
//! is one entry a service and local day: with a poll a minute, an entry a poll would be half a million rows a year and
//! account. While its day is open that entry stands in [`super::page`]; everything else is written once.

use super::page::{self, Page};
use crate::{
    db::{Conn, Error, Result},
    params, sql,
    units::Bytes,
};
use chrono::{DateTime, NaiveDate, Utc};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A billing cycle's packet.
    Packet,
    /// Unused traffic that a renewal took away (`traffic.carry_over = false`).
    Expiry,
    /// Traffic that staff or an order added, or took back.
    TopUp,
    /// A local day's traffic.
    Usage,
    /// What staff found out later, such as traffic that had been put into quarantine, or the balance that a service had
    /// before it came here (see [`IMPORT`]).
    Correction,
}

/// What makes the entry of an imported balance unique: a [`Kind::Correction`], one a service.
pub const IMPORT: &str = "import";

impl Kind {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Expiry => "expiry",
            Self::TopUp => "top-up",
            Self::Usage => "usage",
            Self::Correction => "correction",
        }
    }
}

/// An entry, as it is shown.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `packet`, `expiry`, `top-up`, `usage` or `correction`.
    pub kind: String,
    /// What makes it unique: a due date, a key, a day.
    pub once: String,
    /// Bytes; below zero takes away.
    pub bytes: i64,
    /// A word about it.
    pub note: String,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// Writes an entry once and moves the balance with it; whether it was new.
pub async fn enter(
    conn: &mut Conn,
    service_id: u64,
    (kind, once): (Kind, &str),
    bytes: i64,
    note: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let sql = sql!("INSERT INTO ledger (service_id, kind, once, bytes, note, at) VALUES (?, ?, ?, ?, ?, ?)");
    let new = conn.insert_once(sql, params![service_id, kind.as_str(), once, bytes, note, now]).await?;
    if new {
        let sql = sql!("UPDATE standing SET balance_bytes = balance_bytes + ? WHERE service_id = ? AND seated = 0");
        if conn.execute(sql, params![bytes, service_id]).await? != 1 {
            // Whoever enters something holds the account, which takes it out: see `sheet`.
            return Err(Error::Defect(format!("the balance of service {service_id} is not in its own row")));
        }
    }
    Ok(new)
}

/// The bytes of an entry, if it was written.
pub async fn find(conn: &mut Conn, service_id: u64, kind: Kind, once: &str) -> Result<Option<i64>> {
    let sql = sql!("SELECT bytes FROM ledger WHERE service_id = ? AND kind = ? AND once = ?");
    conn.one(sql, params![service_id, kind.as_str(), once]).await?.map(|row| row.get("bytes")).transpose()
}

/// Whether a service has entries of a kind.
pub async fn has(conn: &mut Conn, service_id: u64, kind: Kind) -> Result<bool> {
    let sql = sql!("SELECT once FROM ledger WHERE service_id = ? AND kind = ? ORDER BY once LIMIT 1");
    Ok(conn.one(sql, params![service_id, kind.as_str()]).await?.is_some())
}

/// Writes days' traffic that was charged while the days were open: the balances know of it already.
pub async fn write_usage(conn: &mut Conn, days: &[(u64, NaiveDate, Bytes)], now: DateTime<Utc>) -> Result<()> {
    let entry = sql!(
        "INSERT INTO ledger (service_id, kind, once, bytes, note, at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (service_id, kind, once) DO UPDATE SET bytes = bytes + excluded.bytes, at = excluded.at"
    );
    let row = move |(service, day, bytes): &(u64, NaiveDate, Bytes)| {
        params![*service, Kind::Usage.as_str(), day.to_string(), -bytes.signed(), "", now]
    };
    conn.batches(entry, Box::new(days.iter().map(row))).await
}

/// The ledger's own sum, the open day's entry in it: what the balance must be.
pub async fn sum(conn: &mut Conn, service_id: u64) -> Result<i64> {
    let sql = sql!("SELECT COALESCE(SUM(bytes), 0) AS total FROM ledger WHERE service_id = ?");
    let total: i64 = conn.one(sql, params![service_id]).await?.map_or(Ok(0), |row| row.get("total"))?;
    let open = page::find(conn, service_id).await?;
    Ok(total - open.map_or(0, |open| open.charged.signed()))
}

/// A service's latest entries, newest first, the open day's among them.
pub async fn latest(conn: &mut Conn, service_id: u64, limit: u32) -> Result<Vec<Entry>> {
    let sql = sql!(
        "SELECT kind, once, bytes, note, at FROM ledger WHERE service_id = ? ORDER BY at DESC, kind, once LIMIT ?"
    );
    let rows = conn.rows(sql, params![service_id, limit]).await?;
    let entry = |row: &crate::db::Row| {
        Ok(Entry {
            kind: row.get("kind")?,
            once: row.get("once")?,
            bytes: row.get("bytes")?,
            note: row.get("note")?,
            at: row.get("at")?,
        })
    };
    let mut entries = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
    if let Some(open) = open(conn, service_id).await? {
        let same = |it: &Entry| it.kind == open.kind && it.once == open.once;
        let closed = find(conn, service_id, Kind::Usage, &open.once).await?.unwrap_or(0);
        entries.retain(|it| !same(it));
        entries.push(Entry { bytes: open.bytes + closed, ..open });
        entries.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.kind.cmp(&b.kind)).then_with(|| a.once.cmp(&b.once)));
        entries.truncate(limit as usize);
    }
    Ok(entries)
}

/// The entry of the open day, as it stands; none where nothing of it was charged.
async fn open(conn: &mut Conn, service_id: u64) -> Result<Option<Entry>> {
    let sql = sql!(
        "SELECT s.service_id, s.day, s.page, CASE WHEN s.reading > 0 THEN v.seen_at ELSE s.booked_at END AS at, \
         CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
         WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END AS sheet \
         FROM standing s JOIN account a ON a.service_id = s.service_id JOIN server v ON v.id = a.server_id \
         WHERE s.service_id = ?"
    );
    let Some(row) = conn.one(sql, params![service_id]).await? else { return Ok(None) };
    let Some(page) = Page::of(&row)?.filter(|page| page.charged > Bytes::ZERO) else { return Ok(None) };
    let at = row.get::<Option<DateTime<Utc>>>("at")?.unwrap_or_default();
    let (kind, once) = (Kind::Usage.as_str().to_owned(), page.day.to_string());
    Ok(Some(Entry { kind, once, bytes: -page.charged.signed(), note: String::new(), at }))
}
