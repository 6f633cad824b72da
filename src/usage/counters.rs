//! Where each counter stood when it was last booked, and the resets that were decided.
//!
//! A baseline moves in the same transaction as the booking that it belongs to, so that a reading that is seen twice is
//! booked once. A counter carries its router's uptime with it, so that a restart is seen by each counter that was read
//! before it, and by no other. A reset is written down with the reading r1 it was decided on before the router hears of it.

use super::reading::Counter;
use crate::{
    db::{Conn, Result, Row, Value},
    params, sql,
    units::{Bytes, Kbps, Speed, Volume},
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};

/// A stored reading.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// What it showed.
    pub counter: Counter,
    /// When it was booked: the instant at which the reading began.
    pub booked_at: DateTime<Utc>,
    /// The router's uptime then, where it was asked for over the same connection.
    pub uptime_seconds: Option<u64>,
    /// The highest speed that held since, where that may be more than the account's own.
    pub line: Option<Speed>,
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

impl Baseline {
    /// A reading booked now, of which nothing else is known.
    pub fn new(counter: Counter, booked_at: DateTime<Utc>) -> Self {
        Self { counter, booked_at, uptime_seconds: None, line: None, missing_since: None }
    }
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
        let line: (Option<u32>, Option<u32>) = (row.get("line_down_kbps")?, row.get("line_up_kbps")?);
        let baseline = Baseline {
            counter: counter(row)?,
            booked_at: row.get("booked_at")?,
            uptime_seconds: row.get("uptime_seconds")?,
            line: line.0.zip(line.1).map(|(down, up)| Speed { down: Kbps(down), up: Kbps(up) }),
            missing_since: row.get("missing_since")?,
        };
        Ok((row.get("service_id")?, baseline))
    };
    rows.iter().map(read).collect()
}

/// When a service's counter was booked last; `None` where it never was.
pub async fn booked_at(conn: &mut Conn, service_id: u64) -> Result<Option<DateTime<Utc>>> {
    let sql = sql!("SELECT booked_at FROM counter WHERE service_id = ?");
    conn.one(sql, params![service_id]).await?.map(|row| row.get("booked_at")).transpose()
}

/// Whether the service has a baseline.
pub async fn has_baseline(conn: &mut Conn, service_id: u64) -> Result<bool> {
    Ok(conn.one(sql!("SELECT service_id FROM counter WHERE service_id = ?"), params![service_id]).await?.is_some())
}

/// Moves baselines, booked now; none of them is missing.
pub async fn put(conn: &mut Conn, server_id: u64, counters: &[(u64, Counter)], now: DateTime<Utc>) -> Result<()> {
    let baseline = |(service_id, it): &(u64, Counter)| (*service_id, Baseline::new(it.clone(), now));
    store(conn, server_id, &counters.iter().map(baseline).collect::<Vec<_>>()).await
}

/// Stores baselines as they are given.
pub async fn store(conn: &mut Conn, server_id: u64, baselines: &[(u64, Baseline)]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO counter (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, booked_at, \
         uptime_seconds, line_down_kbps, line_up_kbps, missing_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (service_id) DO UPDATE SET server_id = excluded.server_id, ros_id = excluded.ros_id, \
         down_bytes = excluded.down_bytes, up_bytes = excluded.up_bytes, down_packets = excluded.down_packets, \
         up_packets = excluded.up_packets, booked_at = excluded.booked_at, uptime_seconds = excluded.uptime_seconds, \
         line_down_kbps = excluded.line_down_kbps, line_up_kbps = excluded.line_up_kbps, \
         missing_since = excluded.missing_since"
    );
    let row = |(service_id, it): &(u64, Baseline)| {
        let mut values = counter_values(*service_id, server_id, &it.counter);
        let line = (it.line.map(|line| line.down.0), it.line.map(|line| line.up.0));
        values.extend(params![it.booked_at, it.uptime_seconds, line.0, line.1, it.missing_since]);
        values
    };
    conn.batch(sql, baselines.iter().map(row).collect()).await
}

/// These counters, named by service and id, were set to zero by us. What else is known of them stays.
pub async fn put_reset(conn: &mut Conn, server_id: u64, counters: &[(u64, &str)], at: DateTime<Utc>) -> Result<()> {
    let sql = sql!(
        "INSERT INTO counter (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, booked_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET ros_id = excluded.ros_id, \
         down_bytes = excluded.down_bytes, up_bytes = excluded.up_bytes, down_packets = excluded.down_packets, \
         up_packets = excluded.up_packets, booked_at = excluded.booked_at"
    );
    let row = |(service_id, ros_id): &(u64, &str)| {
        let mut values = counter_values(*service_id, server_id, &Counter::zero(*ros_id));
        values.extend(params![at]);
        values
    };
    conn.batch(sql, counters.iter().map(row).collect()).await
}

fn counter_values(service_id: u64, server_id: u64, it: &Counter) -> Vec<Value> {
    let (bytes, packets) = (it.volume, it.packets);
    let mut values = params![service_id, server_id, &it.ros_id, bytes.down.0, bytes.up.0];
    values.extend(params![packets.down.0, packets.up.0]);
    values
}

/// The service had this speed until now: its next reading may be of it. To be called when a speed is lowered.
pub async fn had_speed(conn: &mut Conn, service_id: u64, speed: Speed) -> Result<()> {
    let sql = sql!("SELECT line_down_kbps, line_up_kbps FROM counter WHERE service_id = ?");
    let Some(row) = conn.one(sql, params![service_id]).await? else { return Ok(()) };
    let line: (Option<u32>, Option<u32>) = (row.get("line_down_kbps")?, row.get("line_up_kbps")?);
    let line = line.0.zip(line.1).map_or(speed, |(down, up)| speed.faster(Speed { down: Kbps(down), up: Kbps(up) }));
    let sql = sql!("UPDATE counter SET line_down_kbps = ?, line_up_kbps = ? WHERE service_id = ?");
    conn.execute(sql, params![line.down.0, line.up.0, service_id]).await.map(|_| ())
}

/// Forgets a service's counter and any reset of it.
pub async fn forget(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM counter WHERE service_id = ?"), params![service_id]).await?;
    conn.execute(sql!("DELETE FROM reset_intent WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}

/// A router's open resets, by service.
pub async fn intents(conn: &mut Conn, server_id: u64) -> Result<BTreeMap<u64, Intent>> {
    let sql = sql!("SELECT * FROM reset_intent WHERE server_id = ? ORDER BY service_id");
    let rows = conn.rows(sql, params![server_id]).await?;
    let read = |row: &Row| {
        Ok((row.get("service_id")?, Intent { counter: counter(row)?, intended_at: row.get("intended_at")? }))
    };
    rows.iter().map(read).collect()
}

/// Makes these the router's open resets, and no others: what is not among them is known or decided anew.
pub async fn set_intents(conn: &mut Conn, server_id: u64, intents: &BTreeMap<u64, Intent>) -> Result<()> {
    conn.execute(sql!("DELETE FROM reset_intent WHERE server_id = ?"), params![server_id]).await?;
    let sql = sql!(
        "INSERT INTO reset_intent (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, intended_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let row = |(service_id, it): (&u64, &Intent)| {
        let mut values = counter_values(*service_id, server_id, &it.counter);
        values.extend(params![it.intended_at]);
        values
    };
    conn.batch(sql, intents.iter().map(row).collect()).await
}

/// The outcome of one service's reset is known.
pub async fn close_intent(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM reset_intent WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}

/// Services whose queue is not on the router although it should be, with the instant since when, oldest first.
pub async fn missing(conn: &mut Conn, limit: u32) -> Result<Vec<(u64, DateTime<Utc>)>> {
    let sql = sql!(
        "SELECT service_id, missing_since FROM counter WHERE missing_since IS NOT NULL ORDER BY missing_since, service_id LIMIT ?"
    );
    let rows = conn.rows(sql, params![limit]).await?;
    rows.iter().map(|row| Ok((row.get("service_id")?, row.get("missing_since")?))).collect()
}

/// How many resets are open: decided, and their outcome not known.
pub async fn open_intents(conn: &mut Conn) -> Result<u64> {
    conn.one(sql!("SELECT COUNT(*) AS n FROM reset_intent"), vec![]).await?.map_or(Ok(0), |row| row.get("n"))
}
