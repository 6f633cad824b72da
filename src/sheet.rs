//! Figures of many accounts in one row: what a reading writes of fifty thousand accounts is a few hundred rows.
//!
//! An account that is seated (`standing.seated`) has its balance, its counter and its open day on its router's sheet, and
//! nothing of them in its own row. Sheets divide a router's service ids among them: an account's is the last that begins at
//! its id or before it.
//!
//! Laws: only a reading, of which there is one a router, seats accounts. What a seat says is changed only by who holds its
//! account's row; neighbours on the sheet are written back as they were read, which can be old only where they are seated no
//! more. Whoever else is to change an account's figures holds its row and takes it out first ([`take_out`]); what the sheet
//! still says of it is worth nothing then. Taking out touches the sheet's row, and reads it after that: on a cluster, where
//! each node's locks are its own, it is where a hook and a reading meet.

use crate::{
    db::{Cells, Conn, Error, Result, Row, Sql, Value},
    params, sql,
};
use chrono::{Datelike, NaiveDate};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

pub mod packed;

/// So many accounts are on a sheet at the most: it fits into half of a page of `InnoDB`. In a debug build so few that
/// tests of several divide it.
const MOST: usize = if cfg!(debug_assertions) { 4 } else { 64 };
/// So many are put on a new one, for others to come between.
const FILLED: usize = if cfg!(debug_assertions) { 3 } else { 56 };
/// How often rows and sheets are read that do not fit together.
pub const TRIES: usize = 4;
/// Numbers of an account.
const NUMBERS: usize = 13;
/// So many accounts are taken out, and so many sheets are looked through for days that ended, at once.
const AT_ONCE: usize = 500;
const SHEETS_AT_ONCE: u32 = 4;

/// What a sheet says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whose.
    pub service_id: u64,
    /// Which of its router's readings wrote it.
    pub reading: u64,
    /// The ledger's sum, bytes.
    pub balance: i64,
    /// The counter's figures.
    pub counter: [u64; 4],
    /// The open day, and its figures.
    pub page: Option<(NaiveDate, [u64; 5])>,
}

impl Seat {
    fn day(&self) -> Option<NaiveDate> {
        self.page.map(|(day, _)| day)
    }

    fn numbers(&self) -> [u64; NUMBERS] {
        let mut numbers = [0; NUMBERS];
        numbers[..3].copy_from_slice(&[self.service_id, self.reading, self.balance.cast_unsigned()]);
        numbers[3..7].copy_from_slice(&self.counter);
        if let Some((day, figures)) = self.page {
            numbers[7] = u64::try_from(day.num_days_from_ce()).unwrap_or_default();
            numbers[8..].copy_from_slice(&figures);
        }
        numbers
    }

    fn of(numbers: [u64; NUMBERS]) -> Result<Self> {
        let [service_id, reading, balance, counter @ .., _, _, _, _, _, _] = numbers;
        let [.., day, down, up, counted_down, counted_up, charged] = numbers;
        let broken = || Error::Defect(format!("a sheet says that day {day} of service {service_id} is open"));
        let page = if day == 0 {
            None
        } else {
            let day = i32::try_from(day).ok().and_then(NaiveDate::from_num_days_from_ce_opt);
            Some((day.ok_or_else(broken)?, [down, up, counted_down, counted_up, charged]))
        };
        Ok(Self { service_id, reading, balance: balance.cast_signed(), counter, page })
    }
}

/// One account's figures, where it is seated: of the column `sheet`, which is that row's `figures` then, and NULL otherwise.
///
/// # Errors
/// [`Error::Retry`] where it is not on it.
pub fn seat(cell: Option<Vec<u8>>, service_id: u64) -> Result<Option<Seat>> {
    let Some(cell) = cell else { return Ok(None) };
    let (seats, rest) = cell.as_chunks::<{ NUMBERS * 8 }>();
    if !rest.is_empty() {
        return Err(broken(cell.len()));
    }
    let at = seats.binary_search_by_key(&service_id.to_be_bytes(), |it| it.first_chunk().copied().unwrap_or_default());
    let at = at.map_err(|_none| absent(service_id))?;
    Seat::of(packed::unpack(Some(seats[at].to_vec()))?).map(Some)
}

/// The same of a row with the columns `service_id` and `sheet`.
///
/// # Errors
/// Those of [`seat`].
pub fn seat_of(row: &Row) -> Result<Option<Seat>> {
    seat(row.get("sheet")?, row.get("service_id")?)
}

/// Between two statements of a reader that holds nothing, somebody else may have taken it out.
fn absent(service_id: u64) -> Error {
    Error::Retry(format!("service {service_id} is not on the sheet where its figures should be"))
}

/// Reads rows and then their sheets, holding nothing: once more where accounts were taken out in between.
#[macro_export]
macro_rules! read_seated {
    ($read:expr) => {{
        let mut tries = 0;
        loop {
            match $read {
                Err($crate::db::Error::Retry(why)) if tries < $crate::sheet::TRIES => {
                    tracing::debug!("reading once more: {why}");
                    tries += 1;
                }
                outcome => break outcome,
            }
        }
    }};
}

fn broken(length: usize) -> Error {
    Error::Defect(format!("a sheet of {length} bytes, which is no number of accounts"))
}

#[derive(Clone, Debug)]
struct Sheet {
    first_id: u64,
    /// By service id.
    seats: Vec<Seat>,
    changed: bool,
}

impl Sheet {
    fn of(first_id: u64, cell: &[u8]) -> Result<Self> {
        let (seats, rest) = cell.as_chunks::<{ NUMBERS * 8 }>();
        if !rest.is_empty() {
            return Err(broken(cell.len()));
        }
        let seats = seats.iter().map(|it| Seat::of(packed::unpack(Some(it.to_vec()))?)).collect::<Result<Vec<_>>>()?;
        if !seats.is_sorted_by(|a, b| a.service_id < b.service_id) {
            return Err(Error::Defect(format!("the sheet from service {first_id} on is out of order")));
        }
        Ok(Self { first_id, seats, changed: false })
    }

    fn place(&self, service_id: u64) -> std::result::Result<usize, usize> {
        self.seats.binary_search_by_key(&service_id, |it| it.service_id)
    }

    /// The rows that it is written as: it, and those that it is divided into where it is full. The first begins where it
    /// began, so that every id in between is still somebody's.
    fn rows(&self, server_id: u64) -> Vec<Vec<Value>> {
        let some = if self.seats.len() > MOST { FILLED } else { MOST };
        let mut parts: Vec<&[Seat]> = self.seats.chunks(some).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let row = |(nth, seats): (usize, &&[Seat])| {
            let first_id = seats.first().filter(|_| nth > 0).map_or(self.first_id, |it| it.service_id);
            let figures = seats.iter().flat_map(Seat::numbers).flat_map(u64::to_be_bytes).collect();
            let day = seats.iter().filter_map(Seat::day).min();
            params![server_id, first_id, day, Value::Blob(figures)]
        };
        parts.iter().enumerate().map(row).collect()
    }
}

/// Some of a router's sheets, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Sheets(Vec<Sheet>);

impl Sheets {
    /// Those that accounts with these ids are on, or would be.
    pub async fn of_range(conn: &mut Conn, server_id: u64, ids: RangeInclusive<u64>) -> Result<Self> {
        let sql = sql!(
            "SELECT first_id, figures FROM sheet WHERE server_id = ? AND first_id <= ? AND first_id >= \
             COALESCE((SELECT MAX(first_id) FROM sheet WHERE server_id = ? AND first_id <= ?), 0) ORDER BY first_id"
        );
        let (first, last) = ids.into_inner();
        let read = |cells: &mut Cells<'_>| {
            let (first_id, figures): (u64, Vec<u8>) = (cells.take()?, cells.take()?);
            Sheet::of(first_id, &figures)
        };
        Ok(Self(conn.read_all(sql, params![server_id, last, server_id, first], read).await?))
    }

    /// Adds the one that an account with this id is on, or would be, unless it is among them.
    pub async fn add(&mut self, conn: &mut Conn, server_id: u64, service_id: u64) -> Result<()> {
        for sheet in Self::of_range(conn, server_id, service_id..=service_id).await?.0 {
            if let Err(at) = self.0.binary_search_by_key(&sheet.first_id, |it| it.first_id) {
                self.0.insert(at, sheet);
            }
        }
        Ok(())
    }

    fn sheet(&self, service_id: u64) -> Option<usize> {
        self.0.partition_point(|it| it.first_id <= service_id).checked_sub(1)
    }

    /// A seated account's figures.
    ///
    /// # Errors
    /// [`Error::Retry`] where it is on none of them.
    pub fn seat(&self, service_id: u64) -> Result<&Seat> {
        let sheet = self.sheet(service_id).map(|at| &self.0[at]).ok_or_else(|| absent(service_id))?;
        sheet.place(service_id).map(|at| &sheet.seats[at]).map_err(|_none| absent(service_id))
    }

    /// The same for whoever holds nothing, and read the rows when the router's last reading was that one: what a later one
    /// wrote does not fit to them.
    ///
    /// # Errors
    /// [`Error::Retry`] where it does not, and as before.
    pub fn seat_as_of(&self, service_id: u64, reading: u64) -> Result<&Seat> {
        let seat = self.seat(service_id)?;
        if seat.reading <= reading { Ok(seat) } else { Err(absent(service_id)) }
    }

    /// Puts an account's figures down, in place of those before. Its sheet is among these, if there is one.
    pub fn put(&mut self, seat: Seat) {
        let at = self.sheet(seat.service_id).unwrap_or_else(|| {
            let fresh = Sheet { first_id: seat.service_id, seats: Vec::new(), changed: true };
            self.0.insert(0, fresh);
            0
        });
        let sheet = &mut self.0[at];
        sheet.changed = true;
        match sheet.place(seat.service_id) {
            Ok(at) => sheet.seats[at] = seat,
            Err(at) => sheet.seats.insert(at, seat),
        }
    }

    /// Forgets those of a range that are nobody's any more; where a sheet is not written again, it says them still.
    pub fn forget(&mut self, range: &RangeInclusive<u64>, is_somebody: impl Fn(u64) -> bool) {
        for sheet in &mut self.0 {
            sheet.seats.retain(|it| !range.contains(&it.service_id) || is_somebody(it.service_id));
        }
    }

    /// Writes those that have changed.
    pub async fn save(&self, conn: &mut Conn, server_id: u64) -> Result<()> {
        let sql = sql!(
            "INSERT INTO sheet (server_id, first_id, first_day, figures) VALUES (?, ?, ?, ?) \
             ON CONFLICT (server_id, first_id) DO UPDATE SET first_day = excluded.first_day, figures = excluded.figures"
        );
        let changed = self.0.iter().filter(|it| it.changed);
        conn.batches(sql, Box::new(changed.flat_map(move |it| it.rows(server_id)))).await
    }
}

/// The sheets of those of some accounts, by service id, that are seated.
pub async fn of_seated(conn: &mut Conn, server_id: u64, accounts: impl Iterator<Item = (u64, bool)>) -> Result<Sheets> {
    let mut seated = accounts.filter(|(_, seated)| *seated).map(|(service_id, _)| service_id);
    let Some(first) = seated.next() else { return Ok(Sheets::default()) };
    Sheets::of_range(conn, server_id, first..=seated.last().unwrap_or(first)).await
}

/// What a database that lost a part of itself does not say any more; nothing here makes such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Accounts that are seated, and on no sheet that can be read: nobody can say what they have.
    pub accounts: BTreeSet<u64>,
    /// The sheets that cannot be read, by the id they begin at.
    pub sheets: BTreeSet<u64>,
}

impl Lost {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        self.accounts.is_empty() && self.sheets.is_empty()
    }
}

/// What is lost of a router's accounts.
pub async fn lost(conn: &mut Conn, server_id: u64) -> Result<Lost> {
    let mut lost = look_for_lost(conn, server_id).await?;
    // Between two statements one may have been taken out, or seated.
    for _ in 0..TRIES {
        if lost.is_nothing() {
            break;
        }
        let again = look_for_lost(conn, server_id).await?;
        lost = Lost { accounts: &lost.accounts & &again.accounts, sheets: &lost.sheets & &again.sheets };
    }
    Ok(lost)
}

async fn look_for_lost(conn: &mut Conn, server_id: u64) -> Result<Lost> {
    let sql = sql!(
        "SELECT a.service_id FROM account a JOIN standing s ON s.service_id = a.service_id \
         WHERE a.server_id = ? AND s.seated = 1 ORDER BY a.service_id"
    );
    let seated = conn.rows(sql, params![server_id]).await?;
    let sql = sql!("SELECT first_id, figures FROM sheet WHERE server_id = ? ORDER BY first_id");
    let read = |cells: &mut Cells<'_>| {
        let (first_id, figures): (u64, Vec<u8>) = (cells.take()?, cells.take()?);
        Ok(Sheet::of(first_id, &figures).map_err(|_broken| first_id))
    };
    let (mut sheets, mut lost) = (Sheets::default(), Lost::default());
    for sheet in conn.read_all(sql, params![server_id], read).await? {
        match sheet {
            Ok(sheet) => sheets.0.push(sheet),
            Err(first_id) => {
                // Its accounts are on it still, and not on the one before.
                sheets.0.push(Sheet { first_id, seats: Vec::new(), changed: false });
                lost.sheets.insert(first_id);
            }
        }
    }
    for row in &seated {
        let id = row.get("service_id")?;
        if sheets.seat(id).is_err() {
            lost.accounts.insert(id);
        }
    }
    Ok(lost)
}

const HELD: Sql = sql!(
    "SELECT s.service_id, a.server_id, s.seated FROM account a JOIN standing s ON s.service_id = a.service_id \
     WHERE s.service_id IN (?) /*! FOR UPDATE */"
);

/// Gives those of the accounts that are seated their figures back, in their own rows. The rows of all are held against
/// others from then on.
pub async fn take_out(conn: &mut Conn, services: &[u64]) -> Result<()> {
    for some in services.chunks(AT_ONCE) {
        let rows = conn.of_many(vec![(HELD, some.to_vec())]).await?.concat();
        let mut seated: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for row in &rows {
            if row.get("seated")? {
                seated.entry(row.get("server_id")?).or_default().push(row.get("service_id")?);
            }
        }
        for (server_id, mut ids) in seated {
            ids.sort_unstable();
            take_out_of(conn, server_id, &ids).await?;
        }
    }
    Ok(())
}

async fn take_out_of(conn: &mut Conn, server_id: u64, ids: &[u64]) -> Result<()> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
    let touched = touch(conn, server_id, ids, (*first, *last)).await?;
    let sheets = Sheets::of_range(conn, server_id, *first..=*last).await?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let at = sheets.sheet(*id).map(|at| sheets.0[at].first_id);
        // It was divided in between, at another node.
        at.filter(|at| touched.contains(at)).ok_or_else(|| absent(*id))?;
        let Seat { reading, balance, counter, page, .. } = *sheets.seat(*id)?;
        let (day, page) = page.map_or((None, Value::Null), |(day, page)| (Some(day), packed::pack(page)));
        rows.push(params![*id, balance, packed::pack(counter), reading, day, page]);
    }
    let sql = sql!(
        "INSERT INTO standing (service_id, balance_bytes, counter, reading, day, page, seated, threshold_armed, cause_quota, \
         letters) VALUES (?, ?, ?, ?, ?, ?, 0, 1, 0, 0) ON CONFLICT (service_id) DO UPDATE SET \
         balance_bytes = excluded.balance_bytes, counter = excluded.counter, reading = excluded.reading, \
         day = excluded.day, page = excluded.page, seated = excluded.seated"
    );
    conn.batch(sql, rows).await
}

/// Touches the sheets that accounts are on; which they are.
async fn touch(conn: &mut Conn, server_id: u64, ids: &[u64], (first, last): (u64, u64)) -> Result<BTreeSet<u64>> {
    let sql = sql!(
        "SELECT first_id FROM sheet WHERE server_id = ? AND first_id <= ? AND first_id >= \
         COALESCE((SELECT MAX(first_id) FROM sheet WHERE server_id = ? AND first_id <= ?), 0) ORDER BY first_id"
    );
    let rows = conn.rows(sql, params![server_id, last, server_id, first]).await?;
    let all = rows.iter().map(|row| row.get("first_id")).collect::<Result<Vec<u64>>>()?;
    let of = |id: &u64| all.partition_point(|it| it <= id).checked_sub(1).map(|at| all[at]);
    let touched: BTreeSet<u64> = ids.iter().filter_map(of).collect();
    let sql = sql!(
        "INSERT INTO sheet (server_id, first_id, figures, taken_out) VALUES (?, ?, ?, 1) \
         ON CONFLICT (server_id, first_id) DO UPDATE SET taken_out = taken_out + excluded.taken_out"
    );
    let row = |first_id: &u64| params![server_id, *first_id, Value::Blob(Vec::new())];
    conn.batch(sql, touched.iter().map(row).collect()).await?;
    Ok(touched)
}

/// Takes accounts out whose open day is before that one, a few sheets of them; how many sheets. Those that were passed over
/// before, by router and the id they begin at, are passed over again; `unreadable` has what more must be.
pub async fn take_out_before(
    conn: &mut Conn,
    first_kept: NaiveDate,
    passed: &BTreeSet<(u64, u64)>,
    unreadable: &mut BTreeSet<(u64, u64)>,
) -> Result<usize> {
    let sql = sql!(
        "SELECT server_id, first_id, figures FROM sheet WHERE first_day < ? ORDER BY first_day, server_id, first_id LIMIT ?"
    );
    let rows = conn.rows(sql, params![first_kept, u64::from(SHEETS_AT_ONCE) + passed.len() as u64]).await?;
    // In the order in which a reading holds them.
    let mut sheets = BTreeMap::new();
    for row in &rows {
        let (server_id, first_id): (u64, u64) = (row.get("server_id")?, row.get("first_id")?);
        match Sheet::of(first_id, &row.get::<Vec<u8>>("figures")?) {
            Ok(sheet) => _ = sheets.insert((server_id, first_id), sheet),
            Err(_) if passed.contains(&(server_id, first_id)) => {}
            Err(_) => _ = unreadable.insert((server_id, first_id)),
        }
    }
    for ((server_id, first_id), found) in &sheets {
        let ended = |it: &Seat| it.day().is_some_and(|day| day < first_kept);
        let ids: Vec<u64> = found.seats.iter().filter(|it| ended(it)).map(|it| it.service_id).collect();
        take_out(conn, &ids).await?;
        // As it is now that nobody can be at those accounts, nor at the sheet.
        let again = sql!("SELECT figures FROM sheet WHERE server_id = ? AND first_id = ? /*! FOR UPDATE */");
        let Some(row) = conn.one(again, params![*server_id, *first_id]).await? else { continue };
        let mut sheet = Sheet::of(*first_id, &row.get::<Vec<u8>>("figures")?)?;
        sheet.seats.retain(|it| !ids.contains(&it.service_id));
        sheet.changed = true;
        Sheets(vec![sheet]).save(conn, *server_id).await?;
    }
    Ok(sheets.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some(service_id: u64) -> Seat {
        let page =
            service_id.is_multiple_of(3).then(|| ("2026-11-20".parse().unwrap(), [service_id, 2, 3, 4, u64::MAX]));
        Seat { service_id, reading: 7, balance: -5, counter: [1, service_id, u64::MAX, 0], page }
    }

    fn cell(row: &[Value]) -> Vec<u8> {
        let Value::Blob(cell) = &row[3] else { panic!("{row:?}") };
        cell.clone()
    }

    #[test]
    fn what_was_put_down_is_read_and_who_is_not_on_it_is_not_guessed() {
        let mut sheets = Sheets::default();
        for id in [44, 42, 43] {
            sheets.put(some(id));
        }
        let rows = sheets.0.iter().flat_map(|it| it.rows(3)).collect::<Vec<_>>();
        // Each came before the others: the first has a sheet of its own, ahead of it.
        let found = rows.iter().filter_map(|row| seat(Some(cell(row)), 43).ok().flatten()).collect::<Vec<_>>();
        assert_eq!(found, [some(43)]);
        assert!(matches!(seat(Some(cell(&rows[0])), 41), Err(Error::Retry(_))));
        assert_eq!(seat(None, 41).unwrap(), None);
        assert!(matches!(seat(Some(vec![0; 105]), 0), Err(Error::Defect(_))));
        assert!(matches!(Sheet::of(1, &[0; 103]), Err(Error::Defect(_))));
        assert!(matches!(Seat::of([u64::MAX; NUMBERS]), Err(Error::Defect(_))), "no such day");
        let turned: Vec<u8> = [43, 42].iter().flat_map(|id| some(*id).numbers()).flat_map(u64::to_be_bytes).collect();
        assert!(matches!(Sheet::of(42, &turned), Err(Error::Defect(_))), "out of order");
    }

    #[test]
    fn who_is_nobody_s_any_more_is_forgotten_within_the_range_that_was_looked_at() {
        let mut sheets = Sheets::default();
        for id in 41..=46 {
            sheets.put(some(id));
        }
        sheets.forget(&(42..=45), |id| id == 43);
        let left = [41, 42, 43, 44, 45, 46].map(|id| sheets.seat(id).is_ok());
        assert_eq!(left, [true, false, true, false, false, true]);
    }

    proptest! {
        /// As rows come and go through the database: every account is on the last sheet that begins at its id or before it.
        #[test]
        fn sheets_are_divided_and_everybody_is_found(rounds in proptest::collection::vec(proptest::collection::vec(1..200_u64, 1..20), 1..8)) {
            let mut stored: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
            let mut everybody = BTreeSet::new();
            for ids in rounds {
                let mut sheets = Sheets(stored.iter().map(|(first, cell)| Sheet::of(*first, cell).unwrap()).collect());
                for id in ids {
                    sheets.put(some(id));
                    everybody.insert(id);
                }
                for row in sheets.0.iter().filter(|it| it.changed).flat_map(|it| it.rows(3)) {
                    let Value::Int(first) = row[1] else { panic!("{row:?}") };
                    prop_assert!(cell(&row).len() <= MOST * NUMBERS * 8);
                    stored.insert(first.cast_unsigned(), cell(&row));
                }
                for id in &everybody {
                    let (_, cell) = stored.range(..=id).next_back().expect("one that begins before");
                    prop_assert_eq!(seat(Some(cell.clone()), *id).unwrap(), Some(some(*id)));
                }
            }
        }
    }
}
