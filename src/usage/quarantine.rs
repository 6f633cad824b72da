//! Deltas that cannot be true: kept from the customer until a person accepts or drops them.

use crate::{
    db::{Conn, Result},
    params, sql,
    units::Volume,
};
use chrono::{DateTime, Utc};

/// Puts a delta aside.
pub async fn put(
    conn: &mut Conn,
    (service_id, server_id): (u64, u64),
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    volume: Volume,
    why: &str,
) -> Result<()> {
    let sql = sql!(
        "INSERT INTO quarantine (service_id, server_id, from_at, to_at, down_bytes, up_bytes, why, state, decided_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', NULL)"
    );
    conn.execute(sql, params![service_id, server_id, from, to, volume.down.0, volume.up.0, why]).await.map(|_| ())
}

/// How many wait for a person.
pub async fn waiting(conn: &mut Conn) -> Result<u64> {
    let sql = sql!("SELECT COUNT(*) AS n FROM quarantine WHERE state = 'waiting'");
    conn.one(sql, vec![]).await?.map_or(Ok(0), |row| row.get("n"))
}
