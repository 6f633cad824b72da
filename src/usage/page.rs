//! The open day of an account: what was moved on it and stands in no other table yet.
//!
//! A reading of a moving account writes one row, its standing. So the day's figures grow there, beside balance and counter,
//! and become rows of history and ledger when the next day begins, or when nobody counts the account any more. Whoever asks
//! history or ledger is told of both; nobody else need know where a figure stands.

use super::{
    history::{self, Booking, Moved},
    ledger,
};
use crate::{
    db::{Cells, Conn, Result, Row, Value},
    params,
    sheet::{self, Seat, packed},
    sql,
    units::{Bytes, Volume},
};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeSet;

/// An open day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The local day.
    pub day: NaiveDate,
    /// What was moved on it, so far as it stands here.
    pub moved: Moved,
    /// What of it was charged to the balance; nothing where the account was unmetered.
    pub charged: Bytes,
}

impl Page {
    /// A day on which nothing was moved yet.
    pub fn new(day: NaiveDate) -> Self {
        Self { day, moved: Moved::default(), charged: Bytes::ZERO }
    }

    /// Adds to the open day. Where the booking is of another day, that one is opened, and the old one is given back to be
    /// closed.
    pub fn add(open: &mut Option<Self>, day: NaiveDate, moved: Moved, charged: Bytes) -> Option<Self> {
        let closed = open.take_if(|page| page.day != day);
        let page = open.get_or_insert_with(|| Self::new(day));
        page.moved.raw += moved.raw;
        page.moved.counted += moved.counted;
        page.charged += charged;
        closed
    }

    /// The columns `day` and `page`, in this order.
    pub(super) fn take(cells: &mut Cells<'_>) -> Result<Option<Self>> {
        Self::read(cells.take()?, cells.take()?)
    }

    /// The same of a row that has the columns `service_id` and `sheet` too.
    pub(super) fn of(row: &Row) -> Result<Option<Self>> {
        sheet::seat_of(row)?
            .map_or_else(|| Self::read(row.get("day")?, row.get("page")?), |seat| Ok(Self::seated(&seat)))
    }

    /// That of a seated account.
    pub(super) fn seated(seat: &Seat) -> Option<Self> {
        seat.page.map(|(day, figures)| Self::new(day).with(figures))
    }

    fn read(day: Option<NaiveDate>, cell: Option<Vec<u8>>) -> Result<Option<Self>> {
        let figures = packed::unpack(cell)?;
        Ok(day.map(|day| Self::new(day).with(figures)))
    }

    fn with(self, [down, up, counted_down, counted_up, charged]: [u64; 5]) -> Self {
        let moved = Moved { raw: Volume::new(down, up), counted: Volume::new(counted_down, counted_up) };
        Self { moved, charged: Bytes(charged), ..self }
    }

    /// As they are kept: down and up, of them counted, and charged.
    pub(super) fn figures(&self) -> [u64; 5] {
        let Moved { raw, counted } = self.moved;
        [raw.down.0, raw.up.0, counted.down.0, counted.up.0, self.charged.0]
    }
}

/// The column `page`.
pub(super) fn cell(page: Option<&Page>) -> Value {
    page.map_or(Value::Null, |page| packed::pack(page.figures()))
}

/// A service's open day.
pub async fn find(conn: &mut Conn, service_id: u64) -> Result<Option<Page>> {
    let sql = sql!(
        "SELECT s.service_id, s.day, s.page, CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
         WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END AS sheet \
         FROM standing s LEFT JOIN account a ON a.service_id = s.service_id WHERE s.service_id = ?"
    );
    Ok(conn.one(sql, params![service_id]).await?.map(|row| Page::of(&row)).transpose()?.flatten())
}

/// Moves days that have ended to history and ledger. Their standing no longer has them: the caller writes it.
pub async fn close(conn: &mut Conn, pages: &[(u64, Page)], now: DateTime<Utc>) -> Result<()> {
    let booking = |(service_id, it): &(u64, Page)| Booking {
        service_id: *service_id,
        day: it.day,
        raw: it.moved.raw,
        counted: it.moved.counted,
    };
    history::add(conn, &pages.iter().map(booking).collect::<Vec<_>>()).await?;
    let charged = pages.iter().filter(|(_, it)| it.charged != Bytes::ZERO);
    let charged: Vec<_> = charged.map(|(service_id, it)| (*service_id, it.day, it.charged)).collect();
    ledger::write_usage(conn, &charged, now).await
}

/// Closes a service's open day, whichever it is.
pub async fn close_one(conn: &mut Conn, service_id: u64, now: DateTime<Utc>) -> Result<()> {
    sheet::take_out(conn, &[service_id]).await?;
    let Some(page) = find(conn, service_id).await? else { return Ok(()) };
    close(conn, &[(service_id, page)], now).await?;
    turn(conn, service_id).await
}

/// What housekeeping has passed over because it cannot be read: a database that has lost a part of itself must not keep the
/// other accounts' days open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Sheets, by router and the id that they begin at.
    pub sheets: BTreeSet<(u64, u64)>,
    /// Accounts with rows of their own.
    pub services: BTreeSet<u64>,
}

impl Passed {
    /// Whether it is nothing.
    pub fn is_nothing(&self) -> bool {
        self.sheets.is_empty() && self.services.is_empty()
    }

    /// These too.
    pub fn add(&mut self, others: Self) {
        self.sheets.extend(others.sheets);
        self.services.extend(others.services);
    }
}

/// Closes about `limit` open days that are before `today`, of those on sheets a day later: whoever moves anything has it closed
/// by the next reading, and until then it is in every figure all the same. How many there were, and what else was found that
/// cannot be read; to be called until there is neither, in one transaction each.
pub async fn close_before(
    conn: &mut Conn,
    today: NaiveDate,
    (limit, passed): (u32, &Passed),
    now: DateTime<Utc>,
) -> Result<(usize, Passed)> {
    let mut found = Passed::default();
    let before = today.pred_opt().unwrap_or(today);
    let sheets = sheet::take_out_before(conn, before, &passed.sheets, &mut found.sheets).await?;
    if sheets > 0 || !found.is_nothing() {
        // Their rows are held; others are not waited for with them in hand.
        return Ok((sheets, found));
    }
    let sql =
        sql!("SELECT service_id, day, page FROM standing WHERE day < ? ORDER BY service_id LIMIT ? /*! FOR UPDATE */");
    let rows = conn.rows(sql, params![today, u64::from(limit) + passed.services.len() as u64]).await?;
    let mut pages = Vec::with_capacity(rows.len());
    for row in &rows {
        let service_id = row.get("service_id")?;
        match Page::read(row.get("day")?, row.get("page")?) {
            Ok(page) => pages.extend(page.map(|page| (service_id, page))),
            Err(_) if passed.services.contains(&service_id) => {}
            Err(_) => _ = found.services.insert(service_id),
        }
    }
    close(conn, &pages, now).await?;
    for (service_id, _) in &pages {
        turn(conn, *service_id).await?;
    }
    Ok((pages.len(), found))
}

/// The open day is in history and ledger.
async fn turn(conn: &mut Conn, service_id: u64) -> Result<()> {
    let sql = sql!("UPDATE standing SET day = NULL, page = NULL WHERE service_id = ?");
    conn.execute(sql, params![service_id]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(bytes: u64) -> Moved {
        Moved { raw: Volume::new(bytes, 1), counted: Volume::new(bytes / 2, 0) }
    }

    #[test]
    fn a_day_grows_until_another_begins() {
        let (first, second) = ("2026-11-20".parse().unwrap(), "2026-11-21".parse().unwrap());
        let mut open = None;
        assert_eq!(Page::add(&mut open, first, moved(10), Bytes(5)), None);
        assert_eq!(Page::add(&mut open, first, moved(4), Bytes(2)), None);
        let whole = Page {
            day: first,
            moved: Moved { raw: Volume::new(14, 2), counted: Volume::new(7, 0) },
            charged: Bytes(7),
        };
        assert_eq!(open, Some(whole));
        assert_eq!(Page::add(&mut open, second, moved(2), Bytes(0)), Some(whole));
        assert_eq!(open, Some(Page { day: second, moved: moved(2), charged: Bytes::ZERO }));
    }
}
