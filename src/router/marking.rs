//! Which firewall lists of a router may hold something of ours, and whether router and books were seen to agree.
//!
//! Law 1: the names of lists are on disk before the router hears of them, so that whatever a killed run left there is
//! found and removed by the next one.

use crate::{
    db::{Conn, Error, Result},
    params, sql,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// What is known of a router's lists and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marking {
    /// Lists that may hold entries of ours.
    pub lists: BTreeSet<String>,
    /// The digest of what was wanted when they were last seen to agree, and when that was; `None`: not yet.
    pub agreed: Option<(String, DateTime<Utc>)>,
}

/// A router's, if there ever was anything of ours.
pub async fn find(conn: &mut Conn, server_id: u64) -> Result<Option<Marking>> {
    let sql = sql!("SELECT lists, digest, agreed_at FROM router_marking WHERE server_id = ?");
    let Some(row) = conn.one(sql, params![server_id]).await? else { return Ok(None) };
    let lists: String = row.get("lists")?;
    let lists = serde_json::from_str(&lists)
        .map_err(|error| Error::Defect(format!("router_marking.lists of server {server_id}: {error}")))?;
    let agreed: (Option<String>, Option<DateTime<Utc>>) = (row.get("digest")?, row.get("agreed_at")?);
    Ok(Some(Marking { lists, agreed: agreed.0.zip(agreed.1) }))
}

/// Writes what is known.
pub async fn save(conn: &mut Conn, server_id: u64, it: &Marking) -> Result<()> {
    let sql = sql!(
        "INSERT INTO router_marking (server_id, lists, digest, agreed_at) VALUES (?, ?, ?, ?) \
         ON CONFLICT (server_id) DO UPDATE SET lists = excluded.lists, digest = excluded.digest, \
         agreed_at = excluded.agreed_at"
    );
    let lists = serde_json::to_string(&it.lists).map_err(|error| Error::Defect(error.to_string()))?;
    let (digest, at) = it.agreed.as_ref().map(|(digest, at)| (digest.as_str(), *at)).unzip();
    conn.execute(sql, params![server_id, lists, digest, at]).await.map(|_| ())
}

/// The router may hold something else now: it is asked again, whatever was seen before.
pub async fn look_again(conn: &mut Conn, server_id: u64) -> Result<()> {
    let sql = sql!("UPDATE router_marking SET digest = NULL, agreed_at = NULL WHERE server_id = ?");
    conn.execute(sql, params![server_id]).await.map(|_| ())
}

/// Nothing of ours is there any more.
pub async fn forget(conn: &mut Conn, server_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM router_marking WHERE server_id = ?"), params![server_id]).await.map(|_| ())
}
