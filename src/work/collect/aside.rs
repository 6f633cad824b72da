//! What a counter cannot have moved for its account, and why: put aside for a person, and not charged until then.

use super::sample::Sample;
use crate::{
    app::App,
    db::Conn,
    problem::Problem,
    routeros::Reading,
    units::{Speed, Volume},
    usage::{
        counters::Baseline,
        quarantine::{self, By},
        reading,
        standing::Standing,
    },
    work::{
        books::{Books, Moved},
        uncharged::{Cause, Uncharged},
    },
};
use chrono::{DateTime, Duration, Utc};

/// A router whose uptime tells of so much more than time passed is another one.
const ANOTHER: Duration = Duration::days(1);

impl Sample<'_> {
    /// Why a counter is taken for another router's than the one that it was booked of: one that ran for days longer than have
    /// passed, or whose uptime went back to a boot days before the last reading, is the one that this one stood in for, or its
    /// twin. What it shows may have been booked before, up to its last reset. A clock that was set while we watched is none.
    pub(super) fn is_anothers(&self, app: &App, (uptime, at): (Option<u64>, DateTime<Utc>)) -> Option<String> {
        let before = uptime?;
        if app.config.collect.sanity_factor.is_none() || app.clock_watch.moved() >= ANOTHER {
            return None;
        }
        let ours = (self.began - at).num_seconds();
        let grown = self.uptime_seconds.checked_sub(before);
        let its = i64::try_from(grown.unwrap_or(self.uptime_seconds)).unwrap_or(i64::MAX);
        if its.saturating_sub(ours) < ANOTHER.num_seconds() {
            return None;
        }
        Some(match grown {
            Some(_) => format!("the router ran {its} s in {ours} s: it is another one than at the last reading"),
            None => format!("the router has run for {its} s, and {ours} s ago it was another one that had run longer"),
        })
    }
}

/// Why what a queue counted is not its account's alone: staff gave it another target. One whose account was changed since the
/// last reading may have been read with the address that it had before.
pub(in crate::work) fn counts_others(account: &Standing, baseline: &Baseline, reading: &Reading) -> Option<String> {
    let others = baseline.line.is_none() && !reading.is_for(account.address);
    others.then(|| {
        let target: String = reading.target().chars().take(120).collect();
        format!("its queue counted {target} and not {}/32 alone", account.address)
    })
}

/// Why a line cannot have moved that much in that time.
pub(in crate::work) fn cannot_be(app: &App, volume: Volume, line: Speed, elapsed: Duration) -> Option<String> {
    let factor = app.config.collect.sanity_factor.unwrap_or(0.0);
    let fits = reading::plausible(volume, line, elapsed, factor);
    (!fits).then(|| format!("more than {factor} times what the line can move in {} s", elapsed.num_seconds()))
}

/// Puts aside what cannot be, for a person to decide upon: it is not charged until then. Of a reason
/// that lasts one entry stands for all: what is counted after it is nobody's, and is not asked about again.
pub(in crate::work) async fn put(
    app: &App,
    conn: &mut Conn,
    books: &Books,
    (moved, server_id, now): (&Moved, u64, DateTime<Utc>),
    (why, lasts): (&str, bool),
    uncharged: &mut Uncharged,
) -> Result<(), Problem> {
    let (service_id, volume) = (books.all[moved.account].service_id, moved.volume);
    uncharged.add(Cause::Quarantine, Some(volume.total()));
    tracing::warn!(service.id = service_id, bytes = volume.total().0, %why, "delta put into quarantine");
    let (whose, interval) = ((service_id, server_id), (moved.from, now));
    let payable = books.payable(app, moved, now);
    if lasts && quarantine::is_waiting(conn, whose, why).await? {
        return Ok(());
    }
    Ok(quarantine::put(conn, whose, interval, (volume, By::Own, payable), why).await?)
}

/// The fastest that may have held since the counter was read last: what was sold, what was decided, what waits for the
/// router, and what the router itself shows.
pub(super) fn fastest(account: &Standing, decided: Option<Speed>, shown: Option<Speed>) -> Speed {
    let waits = account.baseline.as_ref().and_then(|it| it.line);
    [waits, decided, shown].into_iter().flatten().fold(account.speed, Speed::faster)
}
