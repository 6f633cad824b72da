//! Traffic per day and per month: what charts, metrics and WHMCS's usage columns are made of.
//!
//! Days are kept as long as the product says, months for ever. Raw is what the router counted; counted is after a plan's
//! discounts; both are kept. The open day's figures stand in [`super::page`]; what is asked for here has them in it.

use super::{
    days::month_of,
    page::{self, Page},
};
use crate::{
    db::{Cells, Conn, FromValue, Result, Row, Sql},
    params, sheet, sql,
    units::{Bytes, Volume},
};
use chrono::{Days, NaiveDate};
use std::collections::HashMap;

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

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.raw += other.raw;
        self.counted += other.counted;
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
    conn.batches(day, Box::new(bookings.iter().map(move |it| columns(it, it.day.to_string())))).await?;
    let per_month = sql!(
        "INSERT INTO usage_month (service_id, month, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (service_id, month) DO UPDATE SET down_bytes = down_bytes + excluded.down_bytes, \
         up_bytes = up_bytes + excluded.up_bytes, counted_down_bytes = counted_down_bytes + excluded.counted_down_bytes, \
         counted_up_bytes = counted_up_bytes + excluded.counted_up_bytes"
    );
    conn.batches(per_month, Box::new(bookings.iter().map(move |it| columns(it, month_of(it.day))))).await
}

fn volume(row: &Row) -> Result<Volume> {
    Ok(Volume { down: Bytes(row.get("down_bytes")?), up: Bytes(row.get("up_bytes")?) })
}

fn moved(row: &Row) -> Result<Moved> {
    let counted = Volume { down: Bytes(row.get("counted_down_bytes")?), up: Bytes(row.get("counted_up_bytes")?) };
    Ok(Moved { raw: volume(row)?, counted })
}

/// Reads the days of many, oldest first, for [`Conn::of_many`]; see [`days_of`].
pub const DAYS_OF_MANY: Sql = sql!(
    "SELECT service_id, day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes FROM usage_day \
     WHERE service_id IN (?) ORDER BY service_id, day"
);

/// Reads the months of many, oldest first, for [`Conn::of_many`]; see [`months_of`].
pub const MONTHS_OF_MANY: Sql = sql!(
    "SELECT service_id, month, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes FROM usage_month \
     WHERE service_id IN (?) ORDER BY service_id, month"
);

/// Reads the open days of many, for [`Conn::of_many`]: days and months have them on top.
pub const OPEN_OF_MANY: Sql = sql!(
    "SELECT s.service_id, s.day, s.page, CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
     WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END AS sheet \
     FROM standing s JOIN account a ON a.service_id = s.service_id \
     WHERE (s.day IS NOT NULL OR s.seated = 1) AND s.service_id = ?"
);

/// What [`DAYS_OF_MANY`] and [`OPEN_OF_MANY`] brought, by service.
pub fn days_of(rows: &[Row], open: &[Row]) -> Result<HashMap<u64, Vec<(NaiveDate, Moved)>>> {
    let mut all = by_service(rows, "day")?;
    for row in open {
        let Some(page) = Page::of(row)? else { continue };
        with(all.entry(row.get("service_id")?).or_default(), page.day, page.moved);
    }
    Ok(all)
}

/// What [`MONTHS_OF_MANY`] and [`OPEN_OF_MANY`] brought, by service.
pub fn months_of(rows: &[Row], open: &[Row]) -> Result<HashMap<u64, Vec<(String, Moved)>>> {
    let mut all = by_service(rows, "month")?;
    for row in open {
        let Some(page) = Page::of(row)? else { continue };
        with(all.entry(row.get("service_id")?).or_default(), month_of(page.day), page.moved);
    }
    Ok(all)
}

fn by_service<T: FromValue>(rows: &[Row], when: &str) -> Result<HashMap<u64, Vec<(T, Moved)>>> {
    let mut all: HashMap<u64, Vec<(T, Moved)>> = HashMap::new();
    for row in rows {
        all.entry(row.get("service_id")?).or_default().push((row.get(when)?, moved(row)?));
    }
    Ok(all)
}

/// A service's days from `first` on, oldest first; days without a booking are absent.
pub async fn days(conn: &mut Conn, service_id: u64, first: NaiveDate) -> Result<Vec<(NaiveDate, Moved)>> {
    let sql = sql!(
        "SELECT day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes FROM usage_day \
         WHERE service_id = ? AND day >= ? ORDER BY day"
    );
    let rows = conn.rows(sql, params![service_id, first]).await?;
    let mut days = rows.iter().map(|row| Ok((row.get("day")?, moved(row)?))).collect::<Result<Vec<_>>>()?;
    if let Some(open) = page::find(conn, service_id).await?.filter(|open| open.day >= first) {
        with(&mut days, open.day, open.moved);
    }
    Ok(days)
}

/// A service's months, oldest first.
pub async fn months(conn: &mut Conn, service_id: u64) -> Result<Vec<(String, Moved)>> {
    let sql = sql!(
        "SELECT month, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes FROM usage_month \
         WHERE service_id = ? ORDER BY month"
    );
    let rows = conn.rows(sql, params![service_id]).await?;
    let mut months = rows.iter().map(|row| Ok((row.get("month")?, moved(row)?))).collect::<Result<Vec<_>>>()?;
    if let Some(open) = page::find(conn, service_id).await? {
        with(&mut months, month_of(open.day), open.moved);
    }
    Ok(months)
}

/// Adds to a period of a sorted list.
fn with<T: Ord>(periods: &mut Vec<(T, Moved)>, period: T, moved: Moved) {
    match periods.binary_search_by(|(it, _)| it.cmp(&period)) {
        Ok(at) => periods[at].1 += moved,
        Err(at) => periods.insert(at, (period, moved)),
    }
}

/// A service's traffic in a month.
pub async fn in_month(conn: &mut Conn, service_id: u64, month: &str) -> Result<Volume> {
    let months = months(conn, service_id).await?;
    Ok(months.into_iter().find(|(it, _)| it == month).map_or(Volume::ZERO, |(_, moved)| moved.raw))
}

/// A router's services' traffic in a month, by service.
pub async fn in_month_of_server(conn: &mut Conn, server_id: u64, month: &str) -> Result<Vec<(u64, Volume)>> {
    let mut all = Vec::new();
    loop {
        let from = all.last().map_or(0, |(last, _)| last + 1);
        let some = crate::read_seated!(in_month_from(conn, server_id, month, from).await)?;
        let more = some.len() == AT_ONCE as usize;
        all.extend(some);
        if !more {
            return Ok(all);
        }
    }
}

/// So many are read at a time, with the sheets that they are on.
const AT_ONCE: u32 = if cfg!(debug_assertions) { 7 } else { 2_000 };

async fn in_month_from(conn: &mut Conn, server_id: u64, month: &str, from: u64) -> Result<Vec<(u64, Volume)>> {
    let sql = sql!(
        "SELECT a.service_id, COALESCE(u.down_bytes, 0), COALESCE(u.up_bytes, 0), s.day, s.page, s.seated, v.reading \
         FROM account a JOIN standing s ON s.service_id = a.service_id JOIN server v ON v.id = a.server_id \
         LEFT JOIN usage_month u ON u.service_id = a.service_id AND u.month = ? \
         WHERE a.server_id = ? AND a.state = 'made' AND a.service_id >= ? ORDER BY a.service_id LIMIT ?"
    );
    let read = |cells: &mut Cells<'_>| {
        let service_id: u64 = cells.take()?;
        let volume = Volume { down: Bytes(cells.take()?), up: Bytes(cells.take()?) };
        Ok((service_id, volume, Page::take(cells)?, (cells.take::<bool>()?, cells.take::<u64>()?)))
    };
    let rows = conn.read_all(sql, params![month, server_id, from, AT_ONCE], read).await?;
    let sheets = sheet::of_seated(conn, server_id, rows.iter().map(|row| (row.0, row.3.0))).await?;
    let sum = |(service_id, mut volume, own, (seated, reading)): (u64, Volume, Option<Page>, (bool, u64))| {
        let open = if seated { Page::seated(sheets.seat_as_of(service_id, reading)?) } else { own };
        if let Some(open) = open.filter(|open| month_of(open.day) == month) {
            volume += open.moved.raw;
        }
        Ok((service_id, volume))
    };
    rows.into_iter().map(sum).collect()
}

/// Forgets days that are older than each service's product keeps, of so many services after that one, by their ids: the last
/// of them, and how many days. None where there is no further service. Each service's days stand together, so that it is the
/// same little work however many there are.
pub async fn forget_old_days(
    conn: &mut Conn,
    today: NaiveDate,
    (after, services): (u64, u32),
) -> Result<Option<(u64, u64)>> {
    let next = sql!("SELECT service_id, history_days FROM account WHERE service_id > ? ORDER BY service_id LIMIT ?");
    let (mut last, mut forgotten) = (None, 0);
    for row in conn.rows(next, params![after, services]).await? {
        let (service_id, kept): (u64, u32) = (row.get("service_id")?, row.get("history_days")?);
        let first = today.checked_sub_days(Days::new(kept.saturating_sub(1).into())).unwrap_or(today);
        let sql = sql!("DELETE FROM usage_day WHERE service_id = ? AND day < ?");
        forgotten += conn.execute(sql, params![service_id, first]).await?;
        last = Some(service_id);
    }
    Ok(last.map(|last| (last, forgotten)))
}
