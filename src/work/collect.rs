//! Reads a router's counters and books what they moved: the poll, and the collection that also resets them.
//!
//! Laws: one reader per router (a lock here, a lease between processes); a reading is complete or it is nothing; a reset is
//! on disk with the reading it was decided on before the router hears of it; after a lost answer the smaller figure is
//! charged; nothing is decided from a doubtful reading. Killed after any line, the next reading continues.

use super::{
    apply,
    books::{self, Moved},
};
use crate::{
    account::{Account, settings::Collect},
    app::App,
    problem::{Code, Problem},
    router::{Server, lease::Lease},
    routeros::{self, Reading, Router},
    units::Volume,
    usage::{
        counters::{self, Baseline, Intent},
        quarantine,
        reading::{self, AfterReset, Counter, Reboot},
    },
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use tokio::time::Instant;

mod reset;

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
    let seen = match look(&router).await {
        Ok(seen) => seen,
        Err(error) => {
            let problem = Problem::from(error);
            let mut tx = app.db.begin().await?;
            Server::failed(&mut tx, server_id, &problem.detail, app.clock.now()).await?;
            tx.commit().await?;
            return Err(problem);
        }
    };
    let now = app.clock.now();
    let sample = Sample { seen, now, scope, lease };
    let booked = crate::in_tx!(app.db, tx => sample.book(app, &mut tx, server_id).await)?;
    let mut outcome = Outcome { at: now, read: booked.read, skipped: booked.skipped, reset: 0 };
    if !booked.to_reset.is_empty() {
        outcome.reset = reset::run(app, &router, &server, booked.to_reset, lease).await?;
    }
    if scope != Scope::Poll {
        let mut tx = app.db.begin().await?;
        Server::collected(&mut tx, server_id, app.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(outcome)
}

/// A complete reading.
struct Seen {
    uptime_seconds: u64,
    readings: Vec<Reading>,
}

async fn look(router: &Router) -> Result<Seen, routeros::Error> {
    let uptime_seconds = routeros::uptime_seconds(router).await?;
    let readings = routeros::counters(router).await?;
    Ok(Seen { uptime_seconds, readings })
}

struct Sample<'a> {
    seen: Seen,
    now: DateTime<Utc>,
    scope: Scope,
    lease: &'a Lease,
}

struct Booked {
    read: Vec<u64>,
    skipped: Vec<Skipped>,
    to_reset: Vec<(u64, Counter)>,
}

pub(super) fn lost_lease(server: &Server) -> Problem {
    let name = &server.told.name;
    Problem::new(Code::Busy, format!("Another Turnpike has taken over the reading of {name}; nothing was booked here."))
}

pub(super) fn counter_of(reading: &Reading) -> Counter {
    Counter {
        ros_id: reading.id.clone(),
        volume: reading.volume,
        packets: Volume::new(reading.packets.down, reading.packets.up),
    }
}

impl Sample<'_> {
    /// The one transaction: deltas against stored baselines, books, verdicts, new baselines, intents of resets.
    async fn book(&self, app: &App, tx: &mut crate::db::Tx, server_id: u64) -> Result<Booked, Problem> {
        let missing = || Problem::new(Code::NoSuchServer, format!("Server {server_id} is not known here."));
        let server = Server::find_locked(tx, server_id).await?.ok_or_else(missing)?;
        if !self.lease.holds(tx, self.now).await? {
            return Err(lost_lease(&server));
        }
        let reboot = self.reboot(&server);
        let mut accounts = Account::of_server_locked(tx, server_id).await?;
        let baselines = counters::baselines(tx, server_id).await?;
        let intents = counters::intents(tx, server_id).await?;
        let found = self.find(&accounts);
        let mut booked = Booked { read: Vec::new(), skipped: Vec::new(), to_reset: Vec::new() };
        let (mut moved, mut next) = (Vec::new(), Vec::new());
        for (at, account) in accounts.iter().enumerate() {
            let Some(reading) = found[at] else {
                counters::missing(tx, account.service_id, self.now).await?;
                booked.skipped.push(no_queue(account, &server));
                continue;
            };
            let counter = counter_of(reading);
            let past = (baselines.get(&account.service_id), intents.get(&account.service_id));
            moved.extend(self.moved(app, tx, (at, account), &counter, past, reboot).await?);
            booked.read.push(account.service_id);
            if self.is_to_be_reset(app, account, &counter) {
                booked.to_reset.push((account.service_id, counter.clone()));
            }
            next.push((account.service_id, counter));
        }
        books::book(app, tx, &server, &mut accounts, &moved, self.now).await?;
        let epoch = server.boot_epoch + u64::from(reboot == Reboot::Yes);
        counters::put(tx, server_id, &next, self.now).await?;
        for service_id in intents.keys().filter(|id| booked.read.contains(id)) {
            counters::close_intent(tx, *service_id).await?;
        }
        counters::intend(tx, server_id, &booked.to_reset, self.now).await?;
        server.seen(tx, self.now, self.seen.uptime_seconds, epoch).await?;
        Ok(booked)
    }

    fn reboot(&self, server: &Server) -> Reboot {
        match (server.uptime_seconds, server.seen_at) {
            (Some(uptime), Some(at)) => reading::rebooted(uptime, at, self.seen.uptime_seconds, self.now),
            _ => Reboot::No,
        }
    }

    /// Each account's own queue: of its name and with its mark.
    fn find(&self, accounts: &[Account]) -> Vec<Option<&Reading>> {
        let mut by_name: HashMap<&str, Vec<&Reading>> = HashMap::with_capacity(self.seen.readings.len());
        for reading in &self.seen.readings {
            by_name.entry(&reading.name).or_default().push(reading);
        }
        let own = |account: &Account| {
            let mark = super::mark(account);
            by_name.get(account.username.as_str())?.iter().copied().find(|reading| mark.owns(&reading.comment))
        };
        accounts.iter().map(own).collect()
    }

    fn is_to_be_reset(&self, app: &App, account: &Account, counter: &Counter) -> bool {
        let wanted = match self.scope {
            Scope::Poll => false,
            Scope::All => true,
            Scope::Cron => account.settings.collect == Collect::Cron,
        };
        wanted && app.config.collect.reset && !(counter.volume.is_zero() && counter.packets.is_zero())
    }

    /// What one counter moved since it was booked; `None` where it is put aside.
    async fn moved(
        &self,
        app: &App,
        tx: &mut crate::db::Tx,
        (at, account): (usize, &Account),
        counter: &Counter,
        (baseline, intent): (Option<&Baseline>, Option<&Intent>),
        reboot: Reboot,
    ) -> Result<Option<Moved>, Problem> {
        // Without a baseline nothing tells what is new: it starts here, and the smaller figure is none (law 2).
        let Some(baseline) = baseline else { return Ok(None) };
        let (volume, doubtful) = match intent {
            Some(intent) if reboot != Reboot::Yes => {
                let elapsed = self.now - intent.intended_at;
                judged(reading::after_unknown_reset(&intent.counter, counter, line_rate(account), elapsed), account)
            }
            _ => {
                let delta = reading::delta(&baseline.counter, counter, reboot);
                (delta.volume, delta.doubtful)
            }
        };
        let elapsed = self.now - baseline.booked_at;
        let factor = app.config.collect.sanity_factor.unwrap_or(0.0);
        if !reading::plausible(volume, account.settings.speed, elapsed, factor) {
            let why = format!("more than {factor} times what the line can move in {} s", elapsed.num_seconds());
            let whose = (account.service_id, account.server_id);
            quarantine::put(tx, whose, (baseline.booked_at, self.now), volume, &why).await?;
            tracing::warn!(service.id = account.service_id, bytes = volume.total().0, "delta put into quarantine");
            return Ok(None);
        }
        if doubtful {
            tracing::warn!(service.id = account.service_id, "doubtful reading: the smaller figure was booked");
        }
        Ok(Some(Moved { account: at, volume, from: baseline.booked_at, doubtful }))
    }
}

/// What a lost reset came to, as a volume and whether it is in doubt.
pub(super) fn judged(after: AfterReset, account: &Account) -> (Volume, bool) {
    let doubtful = matches!(after, AfterReset::Ambiguous { .. });
    if doubtful {
        tracing::warn!(service.id = account.service_id, "a reset whose answer was lost stays in doubt");
    }
    (after.delta(), doubtful)
}

/// Bytes a second that the faster direction can move; `None` where either is unlimited.
pub(super) fn line_rate(account: &Account) -> Option<u64> {
    let speed = account.settings.speed;
    if speed.down.is_unlimited() || speed.up.is_unlimited() {
        return None;
    }
    Some(u64::from(speed.down.0.max(speed.up.0)) * 125)
}

fn no_queue(account: &Account, server: &Server) -> Skipped {
    let reason = format!(
        "The queue {} is not on router {}; run the module command Create for this service to bring it back.",
        account.username, server.told.name
    );
    Skipped { service_id: account.service_id, reason }
}
