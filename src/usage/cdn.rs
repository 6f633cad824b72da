//! Where each account's CDN queue stood when it was last booked.
//!
//! A baseline moves in the transaction that counts what was moved, so that a reading seen twice counts once. These counters
//! are never reset by this program: what a collection resets is an account's own queue.

use super::reading::Counter;
use crate::{
    db::{Conn, Result, Row},
    params, sql,
    units::{Bytes, Volume},
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// A stored reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// What it showed.
    pub counter: Counter,
    /// The router's uptime then, seconds.
    pub uptime_seconds: u64,
    /// When the reading began.
    pub booked_at: DateTime<Utc>,
}

/// A router's baselines, by service.
pub async fn baselines(conn: &mut Conn, server_id: u64) -> Result<HashMap<u64, Baseline>> {
    let sql = sql!("SELECT * FROM cdn_counter WHERE server_id = ? ORDER BY service_id");
    let read = |row: &Row| {
        let pair = |down: &str, up: &str| Ok(Volume { down: Bytes(row.get(down)?), up: Bytes(row.get(up)?) });
        let counter = Counter {
            ros_id: row.get("ros_id")?,
            volume: pair("down_bytes", "up_bytes")?,
            packets: pair("down_packets", "up_packets")?,
        };
        let (uptime_seconds, booked_at) = (row.get("uptime_seconds")?, row.get("booked_at")?);
        Ok((row.get("service_id")?, Baseline { counter, uptime_seconds, booked_at }))
    };
    conn.rows(sql, params![server_id]).await?.iter().map(read).collect()
}

/// Stores baselines.
pub async fn store(conn: &mut Conn, server_id: u64, baselines: &[(u64, Baseline)]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO cdn_counter (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, \
         uptime_seconds, booked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         server_id = excluded.server_id, ros_id = excluded.ros_id, down_bytes = excluded.down_bytes, \
         up_bytes = excluded.up_bytes, down_packets = excluded.down_packets, up_packets = excluded.up_packets, \
         uptime_seconds = excluded.uptime_seconds, booked_at = excluded.booked_at"
    );
    let row = |(service_id, it): &(u64, Baseline)| {
        let Counter { ros_id, volume, packets } = &it.counter;
        let mut values = params![*service_id, server_id, ros_id, volume.down.0, volume.up.0];
        values.extend(params![packets.down.0, packets.up.0, it.uptime_seconds, it.booked_at]);
        values
    };
    conn.batch(sql, baselines.iter().map(row).collect()).await
}

/// Forgets a router's, but those that the reading which began then has stored.
pub async fn forget_others(conn: &mut Conn, server_id: u64, began: DateTime<Utc>) -> Result<()> {
    let sql = sql!("DELETE FROM cdn_counter WHERE server_id = ? AND booked_at <> ?");
    conn.execute(sql, params![server_id, began]).await.map(|_| ())
}

/// Forgets a service's.
pub async fn forget(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM cdn_counter WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}
