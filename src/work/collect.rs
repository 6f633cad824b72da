//! Reads a router's counters and books what they moved: the poll, and the collection that also resets them.
//!
//! Laws: one reader per router (a lock here, a lease between processes); a reading is complete or it is nothing; a reset is
//! on disk with the reading it was decided on before the router hears of it; after a lost answer the smaller figure is
//! charged; nothing is decided from a doubtful reading. Killed after any line, the next reading continues.

use super::{apply, fair_use, marking, turn, uncharged::Uncharged};
use crate::{
    app::{App, Guard},
    db::Tx,
    meters::Meters,
    problem::{Code, Problem},
    router::{Server, lease::Lease},
    routeros::{self, Reading, Router},
    units::{Speed, Volume},
    usage::reading::Counter,
};
use chrono::{DateTime, Utc};
use std::{collections::HashMap, time::Duration};
use tokio::{sync::SemaphorePermit, time::Instant};

mod aside;
mod cdn;
mod reset;
mod sample;
mod speeds;

pub(super) use aside::{cannot_be, counts_others, put as put_aside};

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
    let outcome = read(app, server_id, scope, until).await;
    // The turn is over before service locks are asked for: a hook that holds one may be waiting for this turn.
    if outcome.is_ok() {
        if let Err(problem) = apply::server(app, server_id, until).await {
            tracing::warn!(server.id = server_id, "router changes wait: {}", problem.told());
        }
        marking::run(app, server_id, until).await;
    }
    outcome
}

/// The same, but what was decided waits.
pub(super) async fn read(app: &App, server_id: u64, scope: Scope, until: Instant) -> Result<Outcome, Problem> {
    one_at_a_time(app, server_id, until, Queue::of(scope), async |lease| {
        hold(app, server_id, scope, until, lease).await
    })
    .await
}

/// Does something with a router's counters while nobody else does, here or in another process.
pub(super) async fn alone<T>(
    app: &App,
    server_id: u64,
    until: Instant,
    work: impl AsyncFnOnce(&Lease) -> Result<T, Problem>,
) -> Result<T, Problem> {
    one_at_a_time(app, server_id, until, Queue::Foreground, work).await
}

/// Whether one person waits for what is written, or WHMCS for one router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    /// It does.
    Foreground,
    /// Hundreds of routers may be due at once, by polls or a cron run: they stand in a queue of their own before the
    /// database's.
    Background,
}

impl Queue {
    fn of(scope: Scope) -> Self {
        if scope == Scope::All { Self::Foreground } else { Self::Background }
    }

    async fn wait(self, app: &App) -> Option<SemaphorePermit<'_>> {
        match self {
            Self::Foreground => None,
            // It is never closed.
            Self::Background => app.bookings.acquire().await.ok(),
        }
    }
}

async fn one_at_a_time<T>(
    app: &App,
    server_id: u64,
    until: Instant,
    queue: Queue,
    work: impl AsyncFnOnce(&Lease) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let _turn = turn(app, server_id, until).await?;
    let lease = lease(app, server_id, until, queue).await?;
    let outcome = work(&lease).await;
    let _written = queue.wait(app).await;
    lease.give_back(&app.db).await;
    outcome
}

/// Waits for its turn. Who waits in vain while the router is silent is told of the router: it is what the one before waits
/// for, too.
async fn turn(app: &App, server_id: u64, until: Instant) -> Result<Guard, Problem> {
    let busy = match app.locks.server(server_id, until).await {
        Ok(turn) => return Ok(turn),
        Err(busy) => busy,
    };
    let standing = app.routers.standing(server_id);
    let Some(silent) = standing.and_then(|it| it.silent_for()).filter(|silent| *silent >= SILENCE) else {
        return Err(busy);
    };
    let server = Server::find(&mut app.db.read().await?, server_id).await?;
    let name = server.map_or_else(|| server_id.to_string(), |server| server.told.name);
    let since = app.clock.now() - chrono::Duration::from_std(silent).unwrap_or_default();
    Err(Problem::silent(&name, &super::instant(since)))
}

/// A router that has said nothing for so long although it was asked is silent to whoever waits for it.
const SILENCE: Duration = Duration::from_secs(3);

/// Another process may be reading: waited for a little, as long as the deadline allows.
async fn lease(app: &App, server_id: u64, until: Instant, queue: Queue) -> Result<Lease, Problem> {
    let name = format!("server/{server_id}");
    loop {
        let written = queue.wait(app).await;
        if let Some(lease) = Lease::take(&app.db, &name, &app.holder).await? {
            return Ok(lease);
        }
        drop(written);
        let next = Instant::now() + Duration::from_millis(500);
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
    let router = app.router(&server)?.within(until).fenced(turn::fence(app, lease));
    // WHMCS asks once a day or at a cron run: a router that was away a moment ago is tried again.
    let router = if scope == Scope::Poll { router } else { router.patient() };
    let booked = read_and_book(app, &router, server_id, scope, lease).await.inspect_err(|problem| {
        // What is ours is logged where it becomes an answer, or by the job.
        let told_of =
            problem.code == Code::DatabaseUnavailable || (problem.code == Code::Internal && scope != Scope::Cron);
        if server.failed.is_none() && !told_of {
            tracing::warn!(server.id = server_id, code = problem.code.as_str(), "a reading failed: {}", problem.told());
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
        crate::in_tx!(app.db, tx => {
            proves(&mut tx, lease, server_id).await?;
            Ok::<_, Problem>(Server::collected(&mut tx, server_id, app.clock.now()).await?)
        })?;
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
            crate::in_tx!(app.db, tx => {
                proves(&mut tx, lease, server_id).await?;
                Ok::<_, Problem>(Server::failed(&mut tx, server_id, &problem.detail, app.clock.now()).await?)
            })?;
            return Err(problem);
        }
    };
    Meters::count(&app.meters.readings, "read", 1);
    let sample = sample::Sample { uptime_seconds, readings, sessions, began, now: app.clock.now(), scope, lease };
    let turn = Queue::of(scope).wait(app).await;
    let booked = crate::in_tx!(app.db, tx => sample.book(app, &mut tx, server_id).await)?;
    drop(turn);
    // Only what was committed is counted.
    booked.tally.count(&app.meters);
    speeds::set(app, router, server_id, &booked.to_set).await;
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
            tracing::warn!(server.id = server_id, "the resets stay open until the next reading: {}", problem.told());
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Proves in the transaction that the router's counters are still this process's to read.
///
/// # Errors
/// `busy`: write nothing.
pub(super) async fn proves(tx: &mut Tx, lease: &Lease, server_id: u64) -> Result<(), Problem> {
    if lease.holds(tx).await? { Ok(()) } else { Err(lost_lease(server_id)) }
}

fn lost_lease(server_id: u64) -> Problem {
    let text = format!("Another Turnpike has taken over the reading of server {server_id}; nothing was booked here.");
    Problem::new(Code::Busy, text)
}

pub(super) fn counter_of(reading: &Reading) -> Counter {
    Counter {
        ros_id: reading.id().to_owned(),
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
    clock: u64,
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
            ("clock", self.clock),
        ];
        for (kind, count) in doubts.into_iter().filter(|(_, count)| *count > 0) {
            Meters::count(&meters.doubts, kind, count);
        }
    }
}
