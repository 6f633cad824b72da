//! Reads a router's counters and books what they moved: the poll, and the collection that also resets them.
//!
//! Laws: one reader per router (a lock here, a lease between processes); a reading is complete or it is nothing; a reset is
//! on disk with the reading it was decided on before the router hears of it; after a lost answer the smaller figure is
//! charged; nothing is decided from a doubtful reading. Killed after any line, the next reading continues.

use super::{apply, fair_use, marking, uncharged::Uncharged};
use crate::{
    app::App,
    meters::Meters,
    problem::{Code, Problem},
    router::{Server, lease::Lease},
    routeros::{self, Reading, Router},
    units::{Speed, Volume},
    usage::reading::Counter,
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use tokio::time::Instant;

mod cdn;
mod reset;
mod sample;
mod speeds;

/// What is wanted of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Book only.
    Poll,
    /// Book, then reset every counter of ours.
    All,
    /// Book, then reset the counters of accounts that are collected at every cron run.
    Cron,
}

/// An account that was not read, and why, for people.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Whose.
    pub service_id: u64,
    /// One sentence.
    pub reason: String,
}

/// What a reading came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When.
    pub at: DateTime<Utc>,
    /// Services that were read and booked.
    pub read: Vec<u64>,
    /// Those that were not.
    pub skipped: Vec<Skipped>,
    /// Counters that are known to have been reset.
    pub reset: usize,
}

/// Reads, books, and resets as the scope says; then makes what was decided.
///
/// # Errors
/// `router-unreachable` and its kin with nothing booked; `busy` while another reads the same router.
pub async fn run(app: &App, server_id: u64, scope: Scope, until: Instant) -> Result<Outcome, Problem> {
    let outcome = alone(app, server_id, until, async |lease| hold(app, server_id, scope, until, lease).await).await;
    // The turn is over before service locks are asked for: a hook that holds one may be waiting for this turn.
    if outcome.is_ok() {
        apply::server(app, server_id, until).await;
        marking::run(app, server_id, until).await;
    }
    outcome
}

/// Does something with a router's counters while nobody else does, here or in another process.
pub(super) async fn alone<T>(
    app: &App,
    server_id: u64,
    until: Instant,
    work: impl AsyncFnOnce(&Lease) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let _turn = app.locks.server(server_id, until).await?;
    let lease = lease(app, server_id, until).await?;
    let outcome = work(&lease).await;
    if let Err(error) = lease.give_back(&app.db).await {
        tracing::warn!(server.id = server_id, %error, "the lease could not be given back; it runs out by itself");
    }
    outcome
}

/// Another process may be reading: waited for a little, as long as the deadline allows.
async fn lease(app: &App, server_id: u64, until: Instant) -> Result<Lease, Problem> {
    let name = format!("server/{server_id}");
    loop {
        if let Some(lease) = Lease::take(&app.db, &name, &app.owner, app.clock.now()).await? {
            return Ok(lease);
        }
        let next = Instant::now() + std::time::Duration::from_millis(500);
        if next > until {
            let text = format!("Another Turnpike is reading server {server_id} right now; try again in a minute.");
            return Err(Problem::new(Code::Busy, text));
        }
        tokio::time::sleep_until(next).await;
    }
}

async fn hold(app: &App, server_id: u64, scope: Scope, until: Instant, lease: &Lease) -> Result<Outcome, Problem> {
    let Some(server) = Server::find(&mut app.db.read().await?, server_id).await? else {
        return Err(Problem::new(Code::NoSuchServer, format!("Server {server_id} is not known here.")));
    };
    let router = app.router(&server)?.within(until);
    // WHMCS asks once a day or at a cron run: a router that was away a moment ago is tried again.
    let router = if scope == Scope::Poll { router } else { router.patient() };
    let booked = read_and_book(app, &router, server_id, scope, lease).await.inspect_err(|problem| {
        if server.failed.is_none() {
            tracing::warn!(server.id = server_id, code = problem.code.as_str(), "a reading failed: {}", problem.detail);
        }
    })?;
    let mut outcome = Outcome { at: booked.at, read: booked.read, skipped: booked.skipped, reset: 0 };
    if !booked.to_reset.is_empty() {
        let wanted = reset::Wanted { counters: booked.to_reset, spared: booked.spared };
        let made = reset::run(app, &router, server_id, wanted, lease).await?;
        outcome.reset = made.done;
        if made.unknown > 0 {
            tracing::warn!(server.id = server_id, counters = made.unknown, "resets of unknown outcome: read again");
            read_again(app, &router, server_id, lease).await?;
        }
    }
    if scope != Scope::Poll {
        let mut tx = app.db.begin().await?;
        Server::collected(&mut tx, server_id, app.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(outcome)
}

/// A complete reading, booked in one transaction. What goes wrong with the router is remembered for staff.
async fn read_and_book(
    app: &App,
    router: &Router,
    server_id: u64,
    scope: Scope,
    lease: &Lease,
) -> Result<sample::Booked, Problem> {
    let began = app.clock.now();
    let asks = fair_use::asks(app, server_id).await?;
    let (uptime_seconds, readings, sessions) = match look(router, asks).await {
        Ok(seen) => seen,
        Err(error) => {
            Meters::count(&app.meters.readings, "failed", 1);
            let problem = Problem::from(error);
            let mut tx = app.db.begin().await?;
            Server::failed(&mut tx, server_id, &problem.detail, app.clock.now()).await?;
            tx.commit().await?;
            return Err(problem);
        }
    };
    Meters::count(&app.meters.readings, "read", 1);
    let sample = sample::Sample { uptime_seconds, readings, sessions, began, now: app.clock.now(), scope, lease };
    let booked = crate::in_tx!(app.db, tx => sample.book(app, &mut tx, server_id).await)?;
    // Only what was committed is counted.
    booked.tally.count(&app.meters);
    speeds::set(app, router, &booked.to_set).await;
    Ok(booked)
}

/// The router's uptime, its counters, and for how many seconds each name has been online, where that was asked for.
type Seen = (u64, Vec<Reading>, HashMap<String, u64>);

/// Uptime and counters, over one connection. One that was found dead is made anew, once: nothing was changed.
async fn look(router: &Router, asks: fair_use::Asks) -> Result<Seen, routeros::Error> {
    let (uptime, readings) = match routeros::counters_and_uptime(router, asks.limits).await {
        Err(error) if error.is_away() => {
            tracing::debug!(router.name = router.name(), %error, "reading once more");
            routeros::counters_and_uptime(router, asks.limits).await?
        }
        outcome => outcome?,
    };
    let mut online = HashMap::new();
    if asks.sessions {
        // Of several sessions the longest counts: a minute online is a minute, however often.
        for (name, seconds) in routeros::uptimes(router).await? {
            let longest: &mut u64 = online.entry(name).or_default();
            *longest = seconds.max(*longest);
        }
    }
    Ok((uptime, readings, online))
}

/// After resets of unknown outcome: the next reading, at once, judges them. A router that is away leaves them open.
async fn read_again(app: &App, router: &Router, server_id: u64, lease: &Lease) -> Result<(), Problem> {
    match read_and_book(app, router, server_id, Scope::Poll, lease).await {
        Err(problem) if matches!(problem.code, Code::Busy | Code::DatabaseUnavailable | Code::Internal) => Err(problem),
        Err(problem) => {
            tracing::warn!(server.id = server_id, "the resets stay open until the next reading: {}", problem.detail);
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

pub(super) fn lost_lease(server_id: u64) -> Problem {
    let text = format!("Another Turnpike has taken over the reading of server {server_id}; nothing was booked here.");
    Problem::new(Code::Busy, text)
}

pub(super) fn counter_of(reading: &Reading) -> Counter {
    Counter {
        ros_id: reading.id.clone(),
        volume: reading.volume,
        packets: Volume::new(reading.packets.down, reading.packets.up),
    }
}

/// Bytes a second that the faster direction can move; `None` where either is unlimited.
pub(super) fn line_rate(speed: Speed) -> Option<u64> {
    if speed.down.is_unlimited() || speed.up.is_unlimited() {
        return None;
    }
    Some(u64::from(speed.down.0.max(speed.up.0)) * 125)
}

/// What the readings of a transaction came to, for the meters: counted once it is committed.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    bytes: u64,
    restarts: u64,
    resets: u64,
    quarantined: u64,
    missing: u64,
    uncharged: Uncharged,
}

impl Tally {
    fn count(self, meters: &Meters) {
        meters.booked_bytes.inc_by(self.bytes);
        self.uncharged.count(meters);
        let doubts = [
            ("restart", self.restarts),
            ("reset", self.resets),
            ("quarantine", self.quarantined),
            ("missing", self.missing),
        ];
        for (kind, count) in doubts.into_iter().filter(|(_, count)| *count > 0) {
            Meters::count(&meters.doubts, kind, count);
        }
    }
}
