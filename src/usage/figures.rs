//! What WHMCS keeps of a router's accounts, a slim row each: all of them are told after every collection.

use crate::{
    db::{Cells, Conn, Result},
    params, sheet, sql,
    units::Bytes,
};
use chrono::{DateTime, Utc};

/// An account's figures, but for its month.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// WHMCS's service.
    pub service_id: u64,
    /// What each cycle brings; `None`: no balance is kept.
    pub packet: Option<Bytes>,
    /// The ledger's sum, bytes.
    pub balance: i64,
    /// Whether WHMCS suspended it.
    pub billing: bool,
    /// Whether its balance or a quota is used up.
    pub quota: bool,
    /// Whether staff blocked it.
    pub admin: bool,
    /// Whether it is collected at every cron run.
    pub with_cron: bool,
    /// When its counter was booked last.
    pub read_at: Option<DateTime<Utc>>,
}

/// Of a router's accounts the first `limit` from that service id on, by service id.
pub async fn of_server(conn: &mut Conn, server_id: u64, from: u64, limit: u32) -> Result<Vec<Figures>> {
    crate::read_seated!(read(conn, server_id, from, limit).await)
}

async fn read(conn: &mut Conn, server_id: u64, from: u64, limit: u32) -> Result<Vec<Figures>> {
    let sql = sql!(
        "SELECT a.service_id, a.packet_bytes, s.balance_bytes, a.cause_billing, s.cause_quota, a.cause_admin, a.collect_with, \
         s.ros_id, s.booked_at, s.reading, v.seen_at, s.seated, v.reading \
         FROM account a JOIN standing s ON s.service_id = a.service_id JOIN server v ON v.id = a.server_id \
         WHERE a.server_id = ? AND a.state = 'made' AND a.service_id >= ? ORDER BY a.service_id LIMIT ?"
    );
    let take = |cells: &mut Cells<'_>| {
        let mut one = Figures {
            service_id: cells.take()?,
            packet: cells.take::<Option<u64>>()?.map(Bytes),
            balance: cells.take()?,
            billing: cells.take()?,
            quota: cells.take()?,
            admin: cells.take()?,
            with_cron: cells.take::<String>()? == "cron",
            read_at: None,
        };
        let queue: Option<String> = cells.take()?;
        let (booked_at, reading): (Option<DateTime<Utc>>, u64) = (cells.take()?, cells.take()?);
        let seen_at: Option<DateTime<Utc>> = cells.take()?;
        // As of a baseline: one that a reading wrote is kept current by its router's row.
        let current = seen_at.filter(|_| reading > 0);
        one.read_at = booked_at.filter(|_| queue.is_some()).map(|booked_at| current.unwrap_or(booked_at));
        Ok((one, cells.take::<bool>()?, cells.take::<u64>()?))
    };
    let mut rows = conn.read_all(sql, params![server_id, from, limit], take).await?;
    let sheets = sheet::of_seated(conn, server_id, rows.iter().map(|(it, seated, _)| (it.service_id, *seated))).await?;
    for (one, _, reading) in rows.iter_mut().filter(|(_, seated, _)| *seated) {
        one.balance = sheets.seat_as_of(one.service_id, *reading)?.balance;
    }
    Ok(rows.into_iter().map(|(one, ..)| one).collect())
}
