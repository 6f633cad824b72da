//! What the database holds: rows of each table, who was read, and what was booked against what passed.

use crate::life::Life;
use std::collections::HashSet;
use turnpike::{
    db::{Db, Sql},
    params, sql,
    usage::history,
};

/// Every table that grows or could.
pub const TABLES: [(&str, Sql); 15] = [
    ("account", sql!("SELECT COUNT(*) AS n FROM account")),
    ("address", sql!("SELECT COUNT(*) AS n FROM address")),
    ("sheet", sql!("SELECT COUNT(*) AS n FROM sheet")),
    ("standing", sql!("SELECT COUNT(*) AS n FROM standing")),
    ("ledger", sql!("SELECT COUNT(*) AS n FROM ledger")),
    ("usage_day", sql!("SELECT COUNT(*) AS n FROM usage_day")),
    ("usage_month", sql!("SELECT COUNT(*) AS n FROM usage_month")),
    ("fair_use", sql!("SELECT COUNT(*) AS n FROM fair_use")),
    ("fair_use_event", sql!("SELECT COUNT(*) AS n FROM fair_use_event")),
    ("mail_outbox", sql!("SELECT COUNT(*) AS n FROM mail_outbox")),
    ("pending", sql!("SELECT COUNT(*) AS n FROM pending")),
    ("quarantine", sql!("SELECT COUNT(*) AS n FROM quarantine")),
    ("reset_intent", sql!("SELECT COUNT(*) AS n FROM reset_intent")),
    ("nonce", sql!("SELECT COUNT(*) AS n FROM nonce")),
    ("lease", sql!("SELECT COUNT(*) AS n FROM lease")),
];

/// Rows of each table, in [`TABLES`]' order.
pub async fn rows(db: &Db) -> Vec<u64> {
    let mut conn = db.read().await.expect("the database answers");
    let mut rows = Vec::new();
    for (_, count) in TABLES {
        rows.push(conn.one(count, params![]).await.expect("read").expect("a row").get("n").expect("a number"));
    }
    rows
}

/// The routers that were read since then.
pub async fn read_since(db: &Db, since: i64) -> HashSet<usize> {
    let mut conn = db.read().await.expect("the database answers");
    let rows = conn.rows(sql!("SELECT id FROM server WHERE seen_at >= ?"), params![since]).await.expect("read");
    rows.iter().map(|row| usize::try_from(row.get::<u64>("id").expect("a number")).expect("few")).collect()
}

/// What was booked against what passed.
#[derive(Debug, Default)]
pub struct Compared {
    /// Bytes that the routers carried.
    pub carried: u64,
    /// Bytes in the books.
    pub booked: u64,
    /// Bytes booked that did not pass, over all services: must be 0.
    pub over: u64,
    /// Bytes that passed and are not booked: restarts of routers and lost replies.
    pub under: u64,
    /// Of those, put aside and to be decided on by people.
    pub aside: u64,
}

/// Compares, service by service.
pub async fn compare(db: &Db, life: &Life) -> Compared {
    let aside = sql!("SELECT COALESCE(SUM(down_bytes + up_bytes), 0) AS bytes FROM quarantine WHERE state = 'waiting'");
    let mut conn = db.read().await.expect("the database answers");
    let aside = conn.one(aside, params![]).await.expect("read").expect("a row").get("bytes").expect("read");
    let mut all = Compared { aside, ..Compared::default() };
    let there = life.customers.iter().map(|it| (it.service, it.router, &it.username));
    for (service, router, username) in there.chain(life.gone.iter().map(|(service, at, name)| (*service, *at, name))) {
        let (down, up) = life.routers[router].simulator.carried(username);
        // With the day that is still open.
        let months = history::months(&mut conn, service).await.expect("read");
        let booked = months.iter().map(|(_, moved)| moved.raw.total().0).sum::<u64>();
        let carried = down + up;
        all.carried += carried;
        all.booked += booked;
        all.over += booked.saturating_sub(carried);
        all.under += carried.saturating_sub(booked);
    }
    all
}
