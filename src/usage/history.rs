//! Traffic per day and per month: what charts, metrics and WHMCS's usage columns are made of.
//!
//! Days are kept as long as the product says, months for ever. Raw is what the router counted; counted is after a plan's
//! discounts; both are kept.

use super::days::month_of;
use crate::{
    db::{Conn, Result, Row},
    params, sql,
    units::{Bytes, Volume},
};
use chrono::{Days, NaiveDate};

/// One booking: whose, which day, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Whose.
    pub service_id: u64,
    /// The local day.
    pub day: NaiveDate,
    /// What the router counted.
    pub raw: Volume,
    /// What is charged of it.
    pub counted: Volume,
}

/// What was moved in a day or a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// What the router counted.
    pub raw: Volume,
    /// What is charged of it.
    pub counted: Volume,
}

impl Moved {
    /// What was moved and not charged, each way.
    pub fn free(self) -> Volume {
        self.raw.saturating_sub(self.counted)
    }
}

/// Adds bookings to their days and months.
pub async fn add(conn: &mut Conn, bookings: &[Booking]) -> Result<()> {
    let columns = |it: &Booking, period: String| {
        params![it.service_id, period, it.raw.down.0, it.raw.up.0, it.counted.down.0, it.counted.up.0]
    };
    let day = sql!(
        "INSERT INTO usage_day (service_id, day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (service_id, day) DO UPDATE SET down_bytes = down_bytes + excluded.down_bytes, \
         up_bytes = up_bytes + excluded.up_bytes, counted_down_bytes = counted_down_bytes + excluded.counted_down_bytes, \
         counted_up_bytes = counted_up_bytes + excluded.counted_up_bytes"
    );
    conn.batch(day, bookings.iter().map(|it| columns(it, it.day.to_string())).collect()).await?;
    let per_month = sql!(
        "INSERT INTO usage_month (service_id, month, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (service_id, month) DO UPDATE SET down_bytes = down_bytes + excluded.down_bytes, \
         up_bytes = up_bytes + excluded.up_bytes, counted_down_bytes = counted_down_bytes + excluded.counted_down_bytes, \
         counted_up_bytes = counted_up_bytes + excluded.counted_up_bytes"
    );
    conn.batch(per_month, bookings.iter().map(|it| columns(it, month_of(it.day))).collect()).await
}

fn volume(row: &Row) -> Result<Volume> {
    Ok(Volume { down: Bytes(row.get("down_bytes")?), up: Bytes(row.get("up_bytes")?) })
}

fn moved(row: &Row) -> Result<Moved> {
    let counted = Volume { down: Bytes(row.get("counted_down_bytes")?), up: Bytes(row.get("counted_up_bytes")?) };
    Ok(Moved { raw: volume(row)?, counted })
}

/// A service's days from `first` on, oldest first; days without a booking are absent.
pub async fn days(conn: &mut Conn, service_id: u64, first: NaiveDate) -> Result<Vec<(NaiveDate, Moved)>> {
    let sql = sql!(
        "SELECT day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes FROM usage_day \
         WHERE service_id = ? AND day >= ? ORDER BY day"
    );
    let rows = conn.rows(sql, params![service_id, first]).await?;
    rows.iter().map(|row| Ok((row.get("day")?, moved(row)?))).collect()
}

/// A service's months, oldest first.
pub async fn months(conn: &mut Conn, service_id: u64) -> Result<Vec<(String, Moved)>> {
    let sql = sql!(
        "SELECT month, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes FROM usage_month \
         WHERE service_id = ? ORDER BY month"
    );
    let rows = conn.rows(sql, params![service_id]).await?;
    rows.iter().map(|row| Ok((row.get("month")?, moved(row)?))).collect()
}

/// A service's traffic in a month.
pub async fn in_month(conn: &mut Conn, service_id: u64, month: &str) -> Result<Volume> {
    let sql = sql!("SELECT down_bytes, up_bytes FROM usage_month WHERE service_id = ? AND month = ?");
    conn.one(sql, params![service_id, month]).await?.map_or(Ok(Volume::ZERO), |row| volume(&row))
}

/// A router's services' traffic in a month, by service.
pub async fn in_month_of_server(conn: &mut Conn, server_id: u64, month: &str) -> Result<Vec<(u64, Volume)>> {
    let sql = sql!(
        "SELECT u.service_id, u.down_bytes, u.up_bytes FROM usage_month u JOIN account a ON a.service_id = u.service_id \
         WHERE a.server_id = ? AND u.month = ? ORDER BY u.service_id"
    );
    let rows = conn.rows(sql, params![server_id, month]).await?;
    rows.iter().map(|row| Ok((row.get("service_id")?, volume(row)?))).collect()
}

/// Forgets days that are older than each service's product keeps; how many.
pub async fn forget_old_days(conn: &mut Conn, today: NaiveDate) -> Result<u64> {
    let lengths = conn.rows(sql!("SELECT DISTINCT history_days FROM account ORDER BY history_days"), vec![]).await?;
    let mut forgotten = 0;
    for row in lengths {
        let kept: u32 = row.get("history_days")?;
        let first = today.checked_sub_days(Days::new(kept.saturating_sub(1).into())).unwrap_or(today);
        let sql = sql!(
            "DELETE FROM usage_day WHERE day < ? AND service_id IN (SELECT service_id FROM account WHERE history_days = ?)"
        );
        forgotten += conn.execute(sql, params![first, kept]).await?;
    }
    Ok(forgotten)
}
