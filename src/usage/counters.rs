//! Where each counter stood when it was last booked, and the resets that were decided.
//!
//! A baseline moves in the same transaction as the booking that it belongs to, so that a reading that is seen twice is
//! booked once. A reset is written down with the reading r1 it was decided on before the router hears of it.

use super::reading::Counter;
use crate::{
    db::{Conn, Result, Row},
    params, sql,
    units::{Bytes, Volume},
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// A stored reading.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// What it showed.
    pub counter: Counter,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
    /// Since when its queue has not been on the router.
    pub missing_since: Option<DateTime<Utc>>,
}

/// A reset decided, outcome not known.
#[derive(Clone, Debug)]
pub struct Intent {
    /// r1, which is booked.
    pub counter: Counter,
    /// When it was decided.
    pub intended_at: DateTime<Utc>,
}

fn counter(row: &Row) -> Result<Counter> {
    let pair = |down: &str, up: &str| Ok(Volume { down: Bytes(row.get(down)?), up: Bytes(row.get(up)?) });
    Ok(Counter {
        ros_id: row.get("ros_id")?,
        volume: pair("down_bytes", "up_bytes")?,
        packets: pair("down_packets", "up_packets")?,
    })
}

/// A router's baselines, by service.
pub async fn baselines(conn: &mut Conn, server_id: u64) -> Result<HashMap<u64, Baseline>> {
    let sql = sql!("SELECT * FROM counter WHERE server_id = ? ORDER BY service_id");
    let rows = conn.rows(sql, params![server_id]).await?;
    let read = |row: &Row| {
        let baseline = Baseline {
            counter: counter(row)?,
            booked_at: row.get("booked_at")?,
            missing_since: row.get("missing_since")?,
        };
        Ok((row.get("service_id")?, baseline))
    };
    rows.iter().map(read).collect()
}

/// Whether the service has a baseline.
pub async fn has_baseline(conn: &mut Conn, service_id: u64) -> Result<bool> {
    Ok(conn.one(sql!("SELECT service_id FROM counter WHERE service_id = ?"), params![service_id]).await?.is_some())
}

/// Moves baselines, booked now; none of them is missing.
pub async fn put(conn: &mut Conn, server_id: u64, counters: &[(u64, Counter)], now: DateTime<Utc>) -> Result<()> {
    let sql = sql!(
        "INSERT INTO counter (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, \
         booked_at, missing_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         server_id = excluded.server_id, ros_id = excluded.ros_id, \
         down_bytes = excluded.down_bytes, up_bytes = excluded.up_bytes, down_packets = excluded.down_packets, \
         up_packets = excluded.up_packets, booked_at = excluded.booked_at, missing_since = excluded.missing_since"
    );
    let row = |(service_id, it): &(u64, Counter)| {
        let (bytes, packets) = (it.volume, it.packets);
        let mut values = params![*service_id, server_id, &it.ros_id, bytes.down.0, bytes.up.0];
        values.extend(params![packets.down.0, packets.up.0, now, None::<i64>]);
        values
    };
    conn.batch(sql, counters.iter().map(row).collect()).await
}

/// A queue that should be there is not: remembered since the first time.
pub async fn missing(conn: &mut Conn, service_id: u64, now: DateTime<Utc>) -> Result<()> {
    let sql = sql!("UPDATE counter SET missing_since = ? WHERE service_id = ? AND missing_since IS NULL");
    conn.execute(sql, params![now, service_id]).await.map(|_| ())
}

/// Forgets a service's counter and any reset of it.
pub async fn forget(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM counter WHERE service_id = ?"), params![service_id]).await?;
    conn.execute(sql!("DELETE FROM reset_intent WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}

/// A router's open resets, by service.
pub async fn intents(conn: &mut Conn, server_id: u64) -> Result<HashMap<u64, Intent>> {
    let sql = sql!("SELECT * FROM reset_intent WHERE server_id = ? ORDER BY service_id");
    let rows = conn.rows(sql, params![server_id]).await?;
    let read = |row: &Row| {
        Ok((row.get("service_id")?, Intent { counter: counter(row)?, intended_at: row.get("intended_at")? }))
    };
    rows.iter().map(read).collect()
}

/// Decides resets on these readings.
pub async fn intend(conn: &mut Conn, server_id: u64, counters: &[(u64, Counter)], now: DateTime<Utc>) -> Result<()> {
    let sql = sql!(
        "INSERT INTO reset_intent (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, intended_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let row = |(service_id, it): &(u64, Counter)| {
        let (bytes, packets) = (it.volume, it.packets);
        let mut values = params![*service_id, server_id, &it.ros_id, bytes.down.0, bytes.up.0];
        values.extend(params![packets.down.0, packets.up.0, now]);
        values
    };
    conn.batch(sql, counters.iter().map(row).collect()).await
}

/// The outcome of all of a router's resets is known (or they were never sent).
pub async fn close_all_intents(conn: &mut Conn, server_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM reset_intent WHERE server_id = ?"), params![server_id]).await.map(|_| ())
}

/// The outcome of one service's reset is known.
pub async fn close_intent(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM reset_intent WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}
