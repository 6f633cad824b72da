//! Accounts as a reading needs them: what was sold in a few words, balance, counter and the open day, in one slim row each.
//!
//! A router may have a hundred thousand of them, so nothing is in it that a reading does not need of every account; letters
//! and blocks are written from the whole account. What a reading changes of an account is written by [`store`] alone: one
//! row each, and only where something changed.

use super::{counters::Baseline, page::Page};
use crate::{
    db::{Cells, Conn, Result},
    params, sql,
    units::{Bytes, Kbps, Speed},
};
use std::sync::Arc;

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
    /// What of the row has to be written where anything has.
    write: Write,
}

/// What of a row has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// The figures: all else is as a reading wrote it (the same queue, no other speed, not missing), and its router's row
    /// says when it was read.
    Figures,
    /// All of it.
    All,
}

impl Standing {
    /// All that are on a router, by service id, held against others until the transaction ends.
    pub async fn of_server_locked(conn: &mut Conn, server_id: u64) -> Result<Vec<Self>> {
        let sql = sql!(
            "SELECT a.service_id, a.username, a.comment_prefix, a.plan_id, a.down_kbps, a.up_kbps, a.packet_bytes, \
             a.threshold_bytes, a.collect_with, s.balance_bytes, s.threshold_armed, s.cause_quota, s.ros_id, s.down_bytes, \
             s.up_bytes, s.down_packets, s.up_packets, s.booked_at, s.uptime_seconds, s.line_down_kbps, s.line_up_kbps, \
             s.missing_since, s.reading, v.zeroed, v.seen_at, v.uptime_seconds, s.day, s.day_down_bytes, s.day_up_bytes, \
             s.day_counted_down_bytes, s.day_counted_up_bytes, s.day_charged_bytes \
             FROM account a JOIN standing s ON s.service_id = a.service_id JOIN server v ON v.id = a.server_id \
             WHERE a.server_id = ? AND a.state = 'made' ORDER BY a.service_id /*! FOR UPDATE */"
        );
        conn.read_all(sql, params![server_id], Self::reader()).await
    }

    /// One that is on a router, held against others until the transaction ends.
    pub async fn find_locked(conn: &mut Conn, service_id: u64) -> Result<Option<Self>> {
        let sql = sql!(
            "SELECT a.service_id, a.username, a.comment_prefix, a.plan_id, a.down_kbps, a.up_kbps, a.packet_bytes, \
             a.threshold_bytes, a.collect_with, s.balance_bytes, s.threshold_armed, s.cause_quota, s.ros_id, s.down_bytes, \
             s.up_bytes, s.down_packets, s.up_packets, s.booked_at, s.uptime_seconds, s.line_down_kbps, s.line_up_kbps, \
             s.missing_since, s.reading, v.zeroed, v.seen_at, v.uptime_seconds, s.day, s.day_down_bytes, s.day_up_bytes, \
             s.day_counted_down_bytes, s.day_counted_up_bytes, s.day_charged_bytes \
             FROM account a JOIN standing s ON s.service_id = a.service_id JOIN server v ON v.id = a.server_id \
             WHERE a.service_id = ? AND a.state = 'made' /*! FOR UPDATE */"
        );
        Ok(conn.read_all(sql, params![service_id], Self::reader()).await?.into_iter().next())
    }

    /// Reads rows; of equal prefixes, one after the other, one is kept.
    fn reader() -> impl FnMut(&mut Cells<'_>) -> Result<Self> + Send + 'static {
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
                balance: cells.take()?,
                armed: cells.take()?,
                quota: cells.take()?,
                baseline: Baseline::take(cells)?,
                page: Page::take(cells)?,
                charged: 0,
                write: Write::All,
            };
            if read.baseline.as_ref().is_some_and(is_plain) {
                read.write = Write::Figures;
            }
            Ok(read)
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

    /// Takes from the balance.
    pub fn charge(&mut self, bytes: Bytes) {
        self.balance = self.balance.saturating_sub(bytes.signed());
        self.charged = self.charged.saturating_add(bytes.signed());
    }
}

/// Whether a reading wrote it and there is nothing to say of it but its figures.
fn is_plain(baseline: &Baseline) -> bool {
    baseline.reading > 0 && baseline.line.is_none() && baseline.missing_since.is_none()
}

/// Writes counters, open days and balances of those that are given. Each has a baseline; one without is left as it is.
pub async fn store(conn: &mut Conn, changed: &[&Standing]) -> Result<()> {
    let (figures, others): (Vec<_>, Vec<_>) = changed.iter().copied().partition(|it| it.write == Write::Figures);
    store_figures(conn, &figures).await?;
    store_all(conn, &others).await
}

async fn store_figures(conn: &mut Conn, changed: &[&Standing]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, letters, down_bytes, up_bytes, \
         down_packets, up_packets, reading, day, day_down_bytes, day_up_bytes, day_counted_down_bytes, day_counted_up_bytes, \
         day_charged_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         balance_bytes = balance_bytes + excluded.balance_bytes, down_bytes = excluded.down_bytes, \
         up_bytes = excluded.up_bytes, down_packets = excluded.down_packets, up_packets = excluded.up_packets, \
         reading = excluded.reading, day = excluded.day, day_down_bytes = excluded.day_down_bytes, \
         day_up_bytes = excluded.day_up_bytes, day_counted_down_bytes = excluded.day_counted_down_bytes, \
         day_counted_up_bytes = excluded.day_counted_up_bytes, day_charged_bytes = excluded.day_charged_bytes"
    );
    let row = |it: &&Standing| {
        let Baseline { counter, reading, .. } = it.baseline.as_ref()?;
        let (bytes, packets) = (counter.volume, counter.packets);
        let mut values = Vec::with_capacity(16);
        values.extend(params![it.service_id, it.charged.saturating_neg(), true, false, 0]);
        values.extend(params![bytes.down.0, bytes.up.0, packets.down.0, packets.up.0, *reading]);
        values.extend(Page::values(it.page.as_ref()));
        Some(values)
    };
    conn.batches(sql, Box::new(changed.iter().filter_map(row))).await
}

async fn store_all(conn: &mut Conn, changed: &[&Standing]) -> Result<()> {
    let sql = sql!(
        "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, letters, ros_id, down_bytes, up_bytes, \
         down_packets, up_packets, booked_at, uptime_seconds, line_down_kbps, line_up_kbps, missing_since, reading, day, \
         day_down_bytes, day_up_bytes, day_counted_down_bytes, day_counted_up_bytes, day_charged_bytes) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
         balance_bytes = balance_bytes + excluded.balance_bytes, ros_id = excluded.ros_id, down_bytes = excluded.down_bytes, \
         up_bytes = excluded.up_bytes, down_packets = excluded.down_packets, up_packets = excluded.up_packets, \
         booked_at = excluded.booked_at, uptime_seconds = excluded.uptime_seconds, \
         line_down_kbps = excluded.line_down_kbps, line_up_kbps = excluded.line_up_kbps, \
         missing_since = excluded.missing_since, reading = excluded.reading, day = excluded.day, \
         day_down_bytes = excluded.day_down_bytes, day_up_bytes = excluded.day_up_bytes, \
         day_counted_down_bytes = excluded.day_counted_down_bytes, day_counted_up_bytes = excluded.day_counted_up_bytes, \
         day_charged_bytes = excluded.day_charged_bytes"
    );
    let row = |it: &&Standing| {
        let baseline = it.baseline.as_ref()?;
        let mut values = Vec::with_capacity(22);
        values.extend(params![it.service_id, it.charged.saturating_neg(), true, false, 0]);
        values.extend(baseline.values());
        values.extend(Page::values(it.page.as_ref()));
        Some(values)
    };
    conn.batches(sql, Box::new(changed.iter().filter_map(row))).await
}
