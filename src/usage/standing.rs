//! Accounts as a reading needs them: what was sold in a few words, balance, counter and the open day, in one slim row each.
//!
//! A router may have a hundred thousand of them, so nothing is in it that a reading does not need of every account; letters
//! and blocks are written from the whole account. What a reading changes of an account is written by [`store`] alone, and only
//! where something changed: on sheets, where there is nothing to say of an account but its figures; else in its own row.

use super::{
    counters::{self, Baseline},
    page::{self, Page},
};
use crate::{
    db::{Cells, Conn, Result, Value},
    params,
    sheet::{self, Seat, Sheets},
    sql,
    units::{Bytes, Kbps, Speed},
};
use chrono::NaiveDate;
use std::{net::Ipv4Addr, sync::Arc};

/// An account, as a reading needs it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub struct Standing {
    /// WHMCS's service.
    pub service_id: u64,
    /// The PPP user name, which is the queue's too.
    pub username: String,
    /// What its comments begin with.
    pub comment_prefix: Arc<str>,
    /// The plan that it is on.
    pub plan: Option<u64>,
    /// The speed as sold.
    pub speed: Speed,
    /// Whether a balance is kept for it.
    pub metered: bool,
    /// Below it a letter is due.
    pub threshold: Option<Bytes>,
    /// Whether it is collected at every cron run.
    pub with_cron: bool,
    /// The fixed address, which its queue counts.
    pub address: Ipv4Addr,
    /// Whether WHMCS or staff keep it off.
    pub off: bool,
    /// The ledger's sum, bytes.
    pub balance: i64,
    /// Whether the next fall below the threshold brings a letter.
    pub armed: bool,
    /// Whether it is off for its balance.
    pub quota: bool,
    /// Its counter as booked last.
    pub baseline: Option<Baseline>,
    /// Its open day.
    pub page: Option<Page>,
    /// What was charged since it was read: the balance's part that [`store`] has to write.
    charged: i64,
    /// The day that is open in its row.
    day: Option<NaiveDate>,
    /// What of the row has to be written where anything has.
    write: Write,
    /// Whether it is seated on a sheet.
    seated: bool,
    /// Whether others have changed its row since it was read.
    held_by_others: bool,
}

/// What of a row has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// The figures: all else is as a reading wrote it (the same queue and day, no other speed, not missing), and its router's
    /// row says when it was read.
    Figures,
    /// All of it.
    All,
}

impl Standing {
    /// Of those that are on a router the first `limit` from that service id on, by service id, held against others until the
    /// transaction ends; and their sheets. Where no other router's accounts lie between them (see [`Together`]) they are
    /// found, and held, in the order of the table: on MariaDB in two thirds of the time.
    pub async fn of_server_locked(
        conn: &mut Conn,
        (server_id, together): (u64, Option<&mut Together>),
        from: u64,
        limit: u32,
    ) -> Result<(Vec<Self>, Sheets)> {
        let in_order = sql!(
            "SELECT a.service_id, a.username, a.comment_prefix, a.plan_id, a.down_kbps, a.up_kbps, a.packet_bytes, \
             a.threshold_bytes, a.collect_with, a.address, a.cause_billing + a.cause_admin, s.balance_bytes, s.threshold_armed, s.cause_quota, s.ros_id, \
             s.counter, s.booked_at, s.uptime_seconds, s.line_down_kbps, s.line_up_kbps, s.missing_since, s.cut_at, \
             s.cut_bytes, s.reading, v.zeroed, v.seen_at, v.uptime_seconds, s.day, s.page, s.seated \
             FROM account a /*! FORCE INDEX (PRIMARY) */ JOIN standing s ON s.service_id = a.service_id \
             JOIN server v ON v.id = a.server_id \
             WHERE a.server_id = ? AND a.state = 'made' AND a.service_id >= ? AND a.service_id <= ? \
             ORDER BY a.service_id LIMIT ? /*! FOR UPDATE */"
        );
        let by_router = sql!(
            "SELECT a.service_id, a.username, a.comment_prefix, a.plan_id, a.down_kbps, a.up_kbps, a.packet_bytes, \
             a.threshold_bytes, a.collect_with, a.address, a.cause_billing + a.cause_admin, s.balance_bytes, s.threshold_armed, s.cause_quota, s.ros_id, \
             s.counter, s.booked_at, s.uptime_seconds, s.line_down_kbps, s.line_up_kbps, s.missing_since, s.cut_at, \
             s.cut_bytes, s.reading, v.zeroed, v.seen_at, v.uptime_seconds, s.day, s.page, s.seated \
             FROM account a /*! FORCE INDEX (account_slice) */ JOIN standing s ON s.service_id = a.service_id JOIN server v ON v.id = a.server_id \
             WHERE a.server_id = ? AND a.state = 'made' AND a.service_id >= ? ORDER BY a.service_id LIMIT ? /*! FOR UPDATE */"
        );
        let found = match together.and_then(|it| it.up_to(limit)) {
            Some(last) => conn.read_all(in_order, params![server_id, from, last, limit], Self::reader()).await?,
            None => conn.read_all(by_router, params![server_id, from, limit], Self::reader()).await?,
        };
        // After the rows are held: nobody else seats them, or takes them out, from here on.
        let ids = found.first().zip(found.last()).map(|(first, last)| first.0.service_id..=last.0.service_id);
        let mut sheets = Sheets::default();
        if let Some(ids) = ids {
            sheets = Sheets::of_range(conn, server_id, ids.clone()).await?;
            sheets.forget(&ids, |id| found.binary_search_by_key(&id, |(it, _)| it.service_id).is_ok());
        }
        let all = found.into_iter().map(|found| Self::sit(found, &sheets)).collect::<Result<_>>()?;
        Ok((all, sheets))
    }

    /// One that is on a router, held against others until the transaction ends. Its sheet comes to the others.
    pub async fn find_locked(
        conn: &mut Conn,
        (server_id, sheets): (u64, &mut Sheets),
        service_id: u64,
    ) -> Result<Option<Self>> {
        let sql = sql!(
            "SELECT a.service_id, a.username, a.comment_prefix, a.plan_id, a.down_kbps, a.up_kbps, a.packet_bytes, \
             a.threshold_bytes, a.collect_with, a.address, a.cause_billing + a.cause_admin, s.balance_bytes, s.threshold_armed, s.cause_quota, s.ros_id, \
             s.counter, s.booked_at, s.uptime_seconds, s.line_down_kbps, s.line_up_kbps, s.missing_since, s.cut_at, \
             s.cut_bytes, s.reading, v.zeroed, v.seen_at, v.uptime_seconds, s.day, s.page, s.seated \
             FROM account a JOIN standing s ON s.service_id = a.service_id JOIN server v ON v.id = a.server_id \
             WHERE a.service_id = ? AND a.state = 'made' /*! FOR UPDATE */"
        );
        let found = conn.read_all(sql, params![service_id], Self::reader()).await?.pop();
        let Some(found) = found else { return Ok(None) };
        sheets.add(conn, server_id, service_id).await?;
        Self::sit(found, sheets).map(Some)
    }

    /// With the figures of its seat, where it is seated. With it comes which reading's counters were reset last.
    fn sit((mut it, zeroed): (Self, u64), sheets: &Sheets) -> Result<Self> {
        if it.seated {
            let seat = sheets.seat(it.service_id)?;
            it.balance = seat.balance;
            it.page = Page::seated(seat);
            if let Some(baseline) = &mut it.baseline {
                baseline.sit(seat, zeroed);
            }
        }
        Ok(it)
    }

    /// Reads rows; of equal prefixes, one after the other, one is kept.
    fn reader() -> impl FnMut(&mut Cells<'_>) -> Result<(Self, u64)> + Send + 'static {
        let mut last: Arc<str> = Arc::from("");
        move |cells| {
            let (service_id, username) = (cells.take()?, cells.take()?);
            let prefix: String = cells.take()?;
            if *last != *prefix {
                last = Arc::from(prefix);
            }
            let mut read = Self {
                service_id,
                username,
                comment_prefix: Arc::clone(&last),
                plan: cells.take()?,
                speed: Speed { down: Kbps(cells.take()?), up: Kbps(cells.take()?) },
                metered: cells.take::<Option<u64>>()?.is_some(),
                threshold: cells.take::<Option<u64>>()?.map(Bytes),
                with_cron: cells.take::<String>()? == "cron",
                address: cells.take()?,
                off: cells.take()?,
                balance: cells.take()?,
                armed: cells.take()?,
                quota: cells.take()?,
                baseline: None,
                page: None,
                charged: 0,
                day: None,
                write: Write::All,
                seated: false,
                held_by_others: false,
            };
            let zeroed;
            (read.baseline, zeroed) = Baseline::take(cells)?;
            read.page = Page::take(cells)?;
            read.seated = cells.take()?;
            read.day = read.page.map(|page| page.day);
            if read.baseline.as_ref().is_some_and(is_plain) {
                read.write = Write::Figures;
            }
            Ok((read, zeroed))
        }
    }

    /// Takes a new baseline.
    pub fn rebase(&mut self, baseline: Baseline) {
        let same_queue = self.baseline.as_ref().is_some_and(|before| before.counter.ros_id == baseline.counter.ros_id);
        if !(same_queue && is_plain(&baseline)) {
            self.write = Write::All;
        }
        self.baseline = Some(baseline);
    }

    /// It was taken out of its seat since it was read, if it had one, to be changed by others too: its own row is written.
    pub fn unseat(&mut self) {
        (self.seated, self.held_by_others) = (false, true);
        self.write = Write::All;
    }

    /// Where there is nothing to say of it but its figures, it is seated. Those on plans are read whole by every reading,
    /// and keep their rows.
    fn takes_a_seat(&self) -> bool {
        self.plan.is_none() && !self.held_by_others && self.baseline.as_ref().is_some_and(is_plain)
    }

    fn has_news_of_figures_only(&self) -> bool {
        self.write == Write::Figures && self.day == self.page.map(|page| page.day)
    }

    /// What its sheet is to say.
    fn seat(&self) -> Option<Seat> {
        let Baseline { counter, reading, .. } = self.baseline.as_ref()?;
        Some(Seat {
            service_id: self.service_id,
            reading: *reading,
            balance: self.balance,
            counter: counters::packed(counter),
            page: self.page.map(|page| (page.day, page.figures())),
        })
    }

    /// Takes from the balance.
    pub fn charge(&mut self, bytes: Bytes) {
        self.balance = self.balance.saturating_sub(bytes.signed());
        self.charged = self.charged.saturating_add(bytes.signed());
    }
}

/// A router's accounts, where no other router's lie between them by service id: going through the table from the first to
/// the last then holds no row that is another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    last: u64,
    left: u64,
}

impl Together {
    /// Looks whether they do.
    pub async fn find(conn: &mut Conn, server_id: u64) -> Result<Option<Self>> {
        let ends = sql!(
            "SELECT MIN(service_id) AS first, MAX(service_id) AS last, COUNT(*) AS n FROM account \
             WHERE server_id = ? AND state = 'made'"
        );
        let Some(row) = conn.one(ends, params![server_id]).await? else { return Ok(None) };
        let (first, last): (Option<u64>, Option<u64>) = (row.get("first")?, row.get("last")?);
        let between = sql!(
            "SELECT service_id FROM account WHERE server_id <> ? AND service_id >= ? AND service_id <= ? \
             ORDER BY service_id LIMIT 1"
        );
        let (Some(last), None) = (last, conn.one(between, params![server_id, first, last]).await?) else {
            return Ok(None);
        };
        Ok(Some(Self { last, left: row.get("n")? }))
    }

    /// Up to which account the next `limit` of them may be gone through in the table's order; `None` for the last few: whoever
    /// does not stop at a number looks at the row after the last, and waits for it.
    fn up_to(&mut self, limit: u32) -> Option<u64> {
        let full = self.left >= limit.into();
        self.left = self.left.saturating_sub(limit.into());
        full.then_some(self.last)
    }
}

/// Whether a reading wrote it and there is nothing to say of it but its figures.
fn is_plain(baseline: &Baseline) -> bool {
    let Baseline { line, missing_since, cut, reading, .. } = baseline;
    *reading > 0 && line.is_none() && missing_since.is_none() && cut.is_none()
}

/// Writes counters, open days and balances of those that have changed, by service id, on sheets or in their rows. Each has a
/// baseline; one without is left as it is.
pub async fn store(conn: &mut Conn, (server_id, sheets): (u64, &mut Sheets), changed: &[&Standing]) -> Result<()> {
    let (seats, rows): (Vec<_>, Vec<_>) = changed.iter().copied().partition(|it| it.takes_a_seat());
    store_seats(conn, (server_id, sheets), &seats).await?;
    let out: Vec<u64> = rows.iter().filter(|it| it.seated).map(|it| it.service_id).collect();
    if !out.is_empty() {
        sheet::take_out(conn, &out).await?;
    }
    let (figures, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|it| it.has_news_of_figures_only());
    store_figures(conn, &figures).await?;
    store_all(conn, &others).await
}

async fn store_seats(conn: &mut Conn, (server_id, sheets): (u64, &mut Sheets), changed: &[&Standing]) -> Result<()> {
    for seat in changed.iter().filter_map(|it| it.seat()) {
        sheets.put(seat);
    }
    sheets.save(conn, server_id).await?;
    // Of whom all is as it was nothing more is written.
    let news: Vec<_> = changed.iter().copied().filter(|it| !it.seated || it.write == Write::All).collect();
    take_seats(conn, &news).await
}

/// From here on their sheets speak for them, and their own rows say nothing of it.
async fn take_seats(conn: &mut Conn, changed: &[&Standing]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO standing (service_id, seated, balance_bytes, threshold_armed, cause_quota, letters, ros_id, counter, \
         booked_at, uptime_seconds, line_down_kbps, line_up_kbps, missing_since, cut_at, cut_bytes, reading, day, page) \
         VALUES (?, 1, 0, 1, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         seated = excluded.seated, balance_bytes = excluded.balance_bytes, ros_id = excluded.ros_id, \
         counter = excluded.counter, booked_at = excluded.booked_at, uptime_seconds = excluded.uptime_seconds, \
         line_down_kbps = excluded.line_down_kbps, line_up_kbps = excluded.line_up_kbps, \
         missing_since = excluded.missing_since, cut_at = excluded.cut_at, cut_bytes = excluded.cut_bytes, \
         reading = excluded.reading, day = excluded.day, page = excluded.page"
    );
    let row = |it: &&Standing| {
        let Baseline { counter, booked_at, uptime_seconds, reading, .. } = it.baseline.as_ref()?;
        let none = Value::Null;
        let mut values = params![it.service_id, &counter.ros_id, none.clone(), *booked_at, *uptime_seconds];
        values.extend(std::iter::repeat_n(none.clone(), 5));
        values.extend([Value::from(*reading), none.clone(), none]);
        Some(values)
    };
    conn.batches(sql, Box::new(changed.iter().filter_map(row))).await
}

async fn store_figures(conn: &mut Conn, changed: &[&Standing]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, letters, counter, reading, page) \
         VALUES (?, ?, 1, 0, 0, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         balance_bytes = balance_bytes + excluded.balance_bytes, counter = excluded.counter, reading = excluded.reading, \
         page = excluded.page"
    );
    let row = |it: &&Standing| {
        let Baseline { counter, reading, .. } = it.baseline.as_ref()?;
        let mut values = Vec::with_capacity(5);
        values.extend(params![it.service_id, it.charged.saturating_neg()]);
        values.extend(params![counters::cell(counter), *reading, page::cell(it.page.as_ref())]);
        Some(values)
    };
    conn.batches(sql, Box::new(changed.iter().filter_map(row))).await
}

async fn store_all(conn: &mut Conn, changed: &[&Standing]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, letters, ros_id, counter, booked_at, \
         uptime_seconds, line_down_kbps, line_up_kbps, missing_since, cut_at, cut_bytes, reading, day, page) \
         VALUES (?, ?, 1, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         balance_bytes = balance_bytes + excluded.balance_bytes, ros_id = excluded.ros_id, counter = excluded.counter, \
         booked_at = excluded.booked_at, uptime_seconds = excluded.uptime_seconds, \
         line_down_kbps = excluded.line_down_kbps, line_up_kbps = excluded.line_up_kbps, \
         missing_since = excluded.missing_since, cut_at = excluded.cut_at, cut_bytes = excluded.cut_bytes, \
         reading = excluded.reading, day = excluded.day, page = excluded.page"
    );
    let row = |it: &&Standing| {
        let baseline = it.baseline.as_ref()?;
        let mut values = Vec::with_capacity(14);
        values.extend(params![it.service_id, it.charged.saturating_neg()]);
        values.extend(baseline.values());
        values.extend(params![it.page.map(|page| page.day), page::cell(it.page.as_ref())]);
        Some(values)
    };
    conn.batches(sql, Box::new(changed.iter().filter_map(row))).await
}
