//! Which service has which address of a router: a row a piece, unique, so that two creates cannot have the same one.

use crate::{
    db::{Conn, Result},
    params, sql,
};
use chrono::{DateTime, Utc};
use std::{collections::HashSet, net::Ipv4Addr};

/// The addresses of a router that services have, but for this service's own.
pub async fn taken(conn: &mut Conn, server_id: u64, but: u64) -> Result<HashSet<Ipv4Addr>> {
    let sql = sql!("SELECT address FROM address WHERE server_id = ? AND service_id <> ?");
    conn.rows(sql, params![server_id, but]).await?.iter().map(|row| row.get("address")).collect()
}

/// Takes the address for the service; whether it was to be had. Another address that it had there is freed.
pub async fn take(
    conn: &mut Conn,
    server_id: u64,
    service_id: u64,
    address: Ipv4Addr,
    now: DateTime<Utc>,
) -> Result<bool> {
    let sql = sql!("INSERT INTO address (server_id, address, service_id, taken_at) VALUES (?, ?, ?, ?)");
    if !conn.insert_once(sql, params![server_id, address, service_id, now]).await? {
        let whose = sql!("SELECT service_id FROM address WHERE server_id = ? AND address = ?");
        let row = conn.one(whose, params![server_id, address]).await?;
        if row.map(|row| row.get::<u64>("service_id")).transpose()? != Some(service_id) {
            return Ok(false);
        }
    }
    let others = sql!("DELETE FROM address WHERE service_id = ? AND NOT (server_id = ? AND address = ?)");
    conn.execute(others, params![service_id, server_id, address]).await?;
    Ok(true)
}

/// Frees what the service has.
pub async fn free(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM address WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}
