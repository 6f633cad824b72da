//! Where each counter stood when it was last booked, and the resets that were decided.
//!
//! A baseline moves in the same transaction as the booking that it belongs to, so that a reading that is seen twice is
//! booked once. A counter carries its router's uptime with it, so that a restart is seen by each counter that was read
//! before it, and by no other. A reset is written down with the reading r1 it was decided on before the router hears of it.
//!
//! A reading writes the rows of counters that moved and one row for all the others: its router's. A row that a reading
//! wrote is kept current by the router's: it was booked when the router was read last, and it is zero where the router's
//! counters were reset since. What anybody else writes (`reading` 0) says all of it, and is true whatever a reading does.

use super::reading::Counter;
use crate::{
    db::{Cells, Conn, Result, Row, Value},
    params,
    sheet::{self, Seat, packed},
    sql,
    units::{Bytes, Kbps, Speed, Volume},
};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// A stored reading.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The terms changed since: what was moved before is not charged by what came after.
    pub cut: Option<Cut>,
    /// Which of its router's readings wrote it; 0: none did, and no later one keeps it current.
    pub reading: u64,
}

/// An instant at which what pays for traffic changed: what was left over went, or an unmetered account became metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When.
    pub at: DateTime<Utc>,
    /// Of what was moved before it so much is charged nothing: what was left over would have paid for it.
    pub free: Bytes,
}

/// A reset decided, outcome not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// r1, which is booked.
    pub counter: Counter,
    /// When it was decided.
    pub intended_at: DateTime<Utc>,
}

impl Baseline {
    /// A reading booked now, of which nothing else is known.
    pub fn new(counter: Counter, booked_at: DateTime<Utc>) -> Self {
        Self { counter, booked_at, uptime_seconds: None, line: None, missing_since: None, cut: None, reading: 0 }
    }

    /// Where the terms changed within the interval from `from` to `now`; `None`: nothing of it lies before that. Where a clock
    /// was set since the counter was booked the change cannot be placed, and all lies before it: the smaller figure.
    pub fn cut_within(&self, from: DateTime<Utc>, now: DateTime<Utc>) -> Option<Cut> {
        let cut = self.cut?;
        if from != self.booked_at || cut.at > now {
            return Some(Cut { at: now, ..cut });
        }
        Some(cut).filter(|cut| cut.at > from)
    }

    /// Whether a run of resets that was decided with the last reading is of this counter too.
    pub fn is_to_be_reset(&self) -> bool {
        self.reading > 0 && !self.counter.is_zero()
    }

    /// The columns of [`Baseline::values`] and, of the router's row, `zeroed`, `seen_at` and `uptime_seconds`, in this
    /// order. `None` where there is no counter. And the router's last reading whose counters were reset.
    pub(super) fn take(cells: &mut Cells<'_>) -> Result<(Option<Self>, u64)> {
        let ros_id: Option<String> = cells.take()?;
        let (mut volume, mut packets) = figures(cells.take()?)?;
        let booked_at: Option<DateTime<Utc>> = cells.take()?;
        let mut uptime_seconds = cells.take()?;
        let line: (Option<u32>, Option<u32>) = (cells.take()?, cells.take()?);
        let missing_since = cells.take()?;
        let cut: (Option<DateTime<Utc>>, Option<u64>) = (cells.take()?, cells.take()?);
        let reading: u64 = cells.take()?;
        let zeroed: u64 = cells.take()?;
        let seen_at: Option<DateTime<Utc>> = cells.take()?;
        let router_uptime = cells.take()?;
        let (Some(ros_id), Some(mut booked_at)) = (ros_id, booked_at) else { return Ok((None, zeroed)) };
        if reading > 0 {
            if reading <= zeroed {
                (volume, packets) = (Volume::ZERO, Volume::ZERO);
            }
            booked_at = seen_at.unwrap_or(booked_at);
            uptime_seconds = router_uptime;
        }
        let counter = Counter { ros_id, volume, packets };
        let line = line.0.zip(line.1).map(|(down, up)| Speed { down: Kbps(down), up: Kbps(up) });
        let cut = cut.0.zip(cut.1).map(|(at, free)| Cut { at, free: Bytes(free) });
        Ok((Some(Self { counter, booked_at, uptime_seconds, line, missing_since, cut, reading }), zeroed))
    }

    /// Takes the figures of a seated account: a reading wrote them, and the router's row keeps them current.
    pub(super) fn sit(&mut self, seat: &Seat, zeroed: u64) {
        let [down, up, packets_down, packets_up] = if seat.reading <= zeroed { [0; 4] } else { seat.counter };
        self.reading = seat.reading;
        self.counter.volume = Volume::new(down, up);
        self.counter.packets = Volume::new(packets_down, packets_up);
    }

    /// What is written of it: `ros_id`, `counter`, `booked_at`, `uptime_seconds`, `line_down_kbps`, `line_up_kbps`,
    /// `missing_since`, `cut_at`, `cut_bytes`, `reading`.
    pub(super) fn values(&self) -> Vec<Value> {
        let line = (self.line.map(|line| line.down.0), self.line.map(|line| line.up.0));
        let mut values = params![&self.counter.ros_id, cell(&self.counter), self.booked_at, self.uptime_seconds];
        let cut = (self.cut.map(|cut| cut.at), self.cut.map(|cut| cut.free.signed()));
        values.extend(params![line.0, line.1, self.missing_since, cut.0, cut.1, self.reading]);
        values
    }
}

/// The column `counter`.
pub(super) fn cell(counter: &Counter) -> Value {
    packed::pack(packed(counter))
}

/// As they are kept: bytes down and up, packets down and up.
pub(super) fn packed(counter: &Counter) -> [u64; 4] {
    let (bytes, packets) = (counter.volume, counter.packets);
    [bytes.down.0, bytes.up.0, packets.down.0, packets.up.0]
}

/// Bytes and packets of the column `counter`.
fn figures(cell: Option<Vec<u8>>) -> Result<(Volume, Volume)> {
    let [down, up, packets_down, packets_up] = packed::unpack(cell)?;
    Ok((Volume::new(down, up), Volume::new(packets_down, packets_up)))
}

fn counter(row: &Row) -> Result<Counter> {
    let pair = |down: &str, up: &str| Ok(Volume { down: Bytes(row.get(down)?), up: Bytes(row.get(up)?) });
    Ok(Counter {
        ros_id: row.get("ros_id")?,
        volume: pair("down_bytes", "up_bytes")?,
        packets: pair("down_packets", "up_packets")?,
    })
}

/// A service's baseline; `None` where it has none.
pub async fn baseline(conn: &mut Conn, service_id: u64) -> Result<Option<Baseline>> {
    let sql = sql!(
        "SELECT s.ros_id, s.counter, s.booked_at, s.uptime_seconds, \
         s.line_down_kbps, s.line_up_kbps, s.missing_since, s.cut_at, s.cut_bytes, s.reading, v.zeroed, v.seen_at, v.uptime_seconds, \
         CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
         WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END \
         FROM standing s JOIN account a ON a.service_id = s.service_id JOIN server v ON v.id = a.server_id \
         WHERE s.service_id = ?"
    );
    let read = move |cells: &mut Cells<'_>| {
        let (mut baseline, zeroed) = Baseline::take(cells)?;
        if let (Some(baseline), Some(seat)) = (&mut baseline, sheet::seat(cells.take()?, service_id)?) {
            baseline.sit(&seat, zeroed);
        }
        Ok(baseline)
    };
    let found = conn.read_all(sql, params![service_id], read).await?;
    Ok(found.into_iter().next().flatten())
}

/// When a service's counter was booked last; `None` where it never was.
pub async fn booked_at(conn: &mut Conn, service_id: u64) -> Result<Option<DateTime<Utc>>> {
    Ok(baseline(conn, service_id).await?.map(|it| it.booked_at))
}

/// Whether the service has a baseline.
pub async fn has_baseline(conn: &mut Conn, service_id: u64) -> Result<bool> {
    Ok(baseline(conn, service_id).await?.is_some())
}

/// Moves baselines, booked now; none of them is missing.
pub async fn put(conn: &mut Conn, counters: &[(u64, Counter)], now: DateTime<Utc>) -> Result<()> {
    let baseline = |(service_id, it): &(u64, Counter)| (*service_id, Baseline::new(it.clone(), now));
    store(conn, &counters.iter().map(baseline).collect::<Vec<_>>()).await
}

/// Stores baselines as they are given. The accounts' standings are there.
pub async fn store(conn: &mut Conn, baselines: &[(u64, Baseline)]) -> Result<()> {
    sheet::take_out(conn, &baselines.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await?;
    let sql = sql!(
        "INSERT INTO standing (service_id, ros_id, counter, booked_at, uptime_seconds, line_down_kbps, line_up_kbps, \
         missing_since, cut_at, cut_bytes, reading, balance_bytes, threshold_armed, cause_quota, letters) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, 0, 0) ON CONFLICT (service_id) DO UPDATE SET \
         ros_id = excluded.ros_id, counter = excluded.counter, booked_at = excluded.booked_at, \
         uptime_seconds = excluded.uptime_seconds, line_down_kbps = excluded.line_down_kbps, \
         line_up_kbps = excluded.line_up_kbps, missing_since = excluded.missing_since, cut_at = excluded.cut_at, \
         cut_bytes = excluded.cut_bytes, reading = excluded.reading"
    );
    let row = |(service_id, it): &(u64, Baseline)| {
        let mut values = params![*service_id];
        values.extend(it.values());
        values
    };
    conn.batches(sql, Box::new(baselines.iter().map(row))).await
}

/// These counters were set to zero by us, at that instant and uptime. What else is known of them stays.
pub async fn zero(conn: &mut Conn, services: &[u64], read: (DateTime<Utc>, Option<u64>)) -> Result<()> {
    sheet::take_out(conn, services).await?;
    let sql = sql!(
        "INSERT INTO standing (service_id, counter, booked_at, uptime_seconds, reading, balance_bytes, threshold_armed, \
         cause_quota, letters) VALUES (?, ?, ?, ?, 0, 0, 1, 0, 0) \
         ON CONFLICT (service_id) DO UPDATE SET counter = excluded.counter, booked_at = excluded.booked_at, \
         uptime_seconds = excluded.uptime_seconds, reading = excluded.reading"
    );
    let row = move |id: &u64| params![*id, packed::pack([0; 4]), read.0, read.1];
    conn.batches(sql, Box::new(services.iter().map(row))).await
}

/// These counters stay as they were read, at that instant and uptime, whatever the router's row will say of the others.
pub async fn keep(conn: &mut Conn, services: &[u64], read: (DateTime<Utc>, Option<u64>)) -> Result<()> {
    sheet::take_out(conn, services).await?;
    let sql = sql!(
        "INSERT INTO standing (service_id, booked_at, uptime_seconds, reading, balance_bytes, threshold_armed, cause_quota, \
         letters) VALUES (?, ?, ?, 0, 0, 1, 0, 0) ON CONFLICT (service_id) DO UPDATE SET booked_at = excluded.booked_at, \
         uptime_seconds = excluded.uptime_seconds, reading = excluded.reading"
    );
    let row = move |id: &u64| params![*id, read.0, read.1];
    conn.batches(sql, Box::new(services.iter().map(row))).await
}

/// The service had this speed until now: its next reading may be of it. To be called when a speed is lowered.
pub async fn had_speed(conn: &mut Conn, service_id: u64, speed: Speed) -> Result<()> {
    sheet::take_out(conn, &[service_id]).await?;
    let Some(baseline) = baseline(conn, service_id).await? else { return Ok(()) };
    let line = baseline.line.map_or(speed, |line| speed.faster(line));
    let sql = sql!("UPDATE standing SET line_down_kbps = ?, line_up_kbps = ? WHERE service_id = ?");
    conn.execute(sql, params![line.down.0, line.up.0, service_id]).await.map(|_| ())
}

/// From this instant on something else pays for the service's traffic: so much of what its next reading finds moved before is
/// charged nothing. Of several changes between two readings the last is the instant, and what they spare adds up: never more
/// is charged for it.
pub async fn cut(conn: &mut Conn, service_id: u64, free: Bytes, now: DateTime<Utc>) -> Result<()> {
    sheet::take_out(conn, &[service_id]).await?;
    let Some(baseline) = baseline(conn, service_id).await? else { return Ok(()) };
    let free = baseline.cut.map_or(free, |before| before.free + free);
    let sql = sql!("UPDATE standing SET cut_at = ?, cut_bytes = ? WHERE service_id = ?");
    conn.execute(sql, params![now, free.signed(), service_id]).await.map(|_| ())
}

/// Forgets a service's counter and any reset of it. Its open day is closed by the caller, before.
pub async fn forget(conn: &mut Conn, service_id: u64) -> Result<()> {
    sheet::take_out(conn, &[service_id]).await?;
    let sql = sql!(
        "UPDATE standing SET ros_id = NULL, booked_at = NULL, uptime_seconds = NULL, line_down_kbps = NULL, \
         line_up_kbps = NULL, missing_since = NULL, cut_at = NULL, cut_bytes = NULL, reading = 0 WHERE service_id = ?"
    );
    conn.execute(sql, params![service_id]).await?;
    close_intent(conn, service_id).await
}

/// A router's resets whose outcome is not known, by service; not those of a run that has not ended (see
/// [`Baseline::is_to_be_reset`]).
pub async fn intents(conn: &mut Conn, server_id: u64) -> Result<BTreeMap<u64, Intent>> {
    let sql = sql!("SELECT * FROM reset_intent WHERE server_id = ? ORDER BY service_id");
    conn.rows(sql, params![server_id]).await?.iter().map(intent).collect()
}

fn intent(row: &Row) -> Result<(u64, Intent)> {
    Ok((row.get("service_id")?, Intent { counter: counter(row)?, intended_at: row.get("intended_at")? }))
}

/// One service's reset whose outcome is not known: written down alone, or part of a run that has not ended.
pub async fn open_reset(conn: &mut Conn, service_id: u64, baseline: &Baseline) -> Result<Option<Intent>> {
    let own = sql!("SELECT * FROM reset_intent WHERE service_id = ?");
    if let Some(row) = conn.one(own, params![service_id]).await? {
        return Ok(Some(intent(&row)?.1));
    }
    let run = sql!(
        "SELECT v.reset_intended_at FROM account a JOIN server v ON v.id = a.server_id WHERE a.service_id = ? \
         AND v.reset_intended_at IS NOT NULL AND (v.reset_cron = 0 OR a.collect_with = 'cron')"
    );
    let row = conn.one(run, params![service_id]).await?.filter(|_| baseline.is_to_be_reset());
    row.map(|row| Ok(Intent { counter: baseline.counter.clone(), intended_at: row.get("reset_intended_at")? }))
        .transpose()
}

/// Makes these the router's open resets, and no others: what is not among them is known or decided anew.
pub async fn set_intents(conn: &mut Conn, server_id: u64, intents: &BTreeMap<u64, Intent>) -> Result<()> {
    conn.execute(sql!("DELETE FROM reset_intent WHERE server_id = ?"), params![server_id]).await?;
    let sql = sql!(
        "INSERT INTO reset_intent (service_id, server_id, ros_id, down_bytes, up_bytes, down_packets, up_packets, intended_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let row = move |(service_id, it): (&u64, &Intent)| {
        let Counter { ros_id, volume, packets } = &it.counter;
        let mut values = params![*service_id, server_id, ros_id, volume.down.0, volume.up.0];
        values.extend(params![packets.down.0, packets.up.0, it.intended_at]);
        values
    };
    conn.batches(sql, Box::new(intents.iter().map(row))).await
}

/// The outcome of one service's reset is known.
pub async fn close_intent(conn: &mut Conn, service_id: u64) -> Result<()> {
    conn.execute(sql!("DELETE FROM reset_intent WHERE service_id = ?"), params![service_id]).await.map(|_| ())
}

/// Services whose queue is not on the router although it should be, with the instant since when, oldest first.
pub async fn missing(conn: &mut Conn, limit: u32) -> Result<Vec<(u64, DateTime<Utc>)>> {
    let sql = sql!(
        "SELECT service_id, missing_since FROM standing WHERE missing_since IS NOT NULL \
         ORDER BY missing_since, service_id LIMIT ?"
    );
    let rows = conn.rows(sql, params![limit]).await?;
    rows.iter().map(|row| Ok((row.get("service_id")?, row.get("missing_since")?))).collect()
}

/// How many queues are not on their routers in all, and since when the first of them.
pub async fn missing_in_all(conn: &mut Conn) -> Result<(u64, Option<DateTime<Utc>>)> {
    let sql = sql!("SELECT COUNT(*) AS n, MIN(missing_since) AS since FROM standing WHERE missing_since IS NOT NULL");
    count_since(conn.one(sql, vec![]).await?)
}

/// The same of one router.
pub async fn missing_of(conn: &mut Conn, server_id: u64) -> Result<(u64, Option<DateTime<Utc>>)> {
    let sql = sql!(
        "SELECT COUNT(*) AS n, MIN(s.missing_since) AS since FROM standing s JOIN account a ON a.service_id = s.service_id \
         WHERE s.missing_since IS NOT NULL AND a.server_id = ?"
    );
    count_since(conn.one(sql, params![server_id]).await?)
}

/// How many resets are open (decided, and their outcome not known), and since when the first of them. A run that has not
/// ended counts as one.
pub async fn open_intents(conn: &mut Conn) -> Result<(u64, Option<DateTime<Utc>>)> {
    let single = sql!("SELECT COUNT(*) AS n, MIN(intended_at) AS since FROM reset_intent");
    let runs =
        sql!("SELECT COUNT(*) AS n, MIN(reset_intended_at) AS since FROM server WHERE reset_intended_at IS NOT NULL");
    let single = count_since(conn.one(single, vec![]).await?)?;
    let runs = count_since(conn.one(runs, vec![]).await?)?;
    Ok((single.0 + runs.0, single.1.into_iter().chain(runs.1).min()))
}

fn count_since(row: Option<Row>) -> Result<(u64, Option<DateTime<Utc>>)> {
    row.map_or(Ok((0, None)), |row| Ok((row.get("n")?, row.get("since")?)))
}
