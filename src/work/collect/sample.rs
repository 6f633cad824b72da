//! A complete reading becomes books, in one transaction: deltas against stored baselines, ledger, history, verdicts, new
//! baselines, and the intents of the resets that are to follow.
//!
//! An interval begins where the reading before it began and ends where this one ended, so that nothing seems faster than
//! it was.

use super::{Scope, Skipped, Tally, cdn::CdnQueues, counter_of, line_rate, lost_lease};
use crate::{
    account::{Account, pending, settings::Collect},
    app::App,
    db::Tx,
    plan::burst::Rate,
    problem::{Code, Problem},
    router::{Server, lease::Lease, marking},
    routeros::Reading,
    units::{Speed, Volume},
    usage::{
        counters::{self, Baseline, Intent},
        quarantine,
        reading::{self, AfterReset, Counter, Reboot},
    },
    work::{
        books::{self, Moved},
        fair_use::Held,
    },
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A complete reading.
pub(super) struct Sample<'a> {
    /// The router's uptime, asked for over the same connection.
    pub(super) uptime_seconds: u64,
    /// Every static queue.
    pub(super) readings: Vec<Reading>,
    /// For how many seconds each name has been online, where some plan sells minutes.
    pub(super) sessions: HashMap<String, u64>,
    /// When the first command was sent.
    pub(super) began: DateTime<Utc>,
    /// When all was there.
    pub(super) now: DateTime<Utc>,
    pub(super) scope: Scope,
    pub(super) lease: &'a Lease,
}

/// What became of it.
pub(super) struct Booked {
    pub(super) at: DateTime<Utc>,
    pub(super) read: Vec<u64>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) to_reset: Vec<(u64, Counter)>,
    /// Queues, by id, that are not set to what was decided.
    pub(super) to_set: Vec<(String, Rate)>,
    pub(super) tally: Tally,
}

/// What is known of a router's counters.
pub(super) struct Past {
    baselines: HashMap<u64, Baseline>,
    intents: BTreeMap<u64, Intent>,
    /// Services whose settings may not be on the router yet.
    pub(super) changing: HashSet<u64>,
}

/// What one counter moved.
struct Delta {
    volume: Volume,
    /// The smaller of two figures: nothing is decided from it.
    doubtful: bool,
}

impl Sample<'_> {
    /// The one transaction.
    pub(super) async fn book(&self, app: &App, tx: &mut Tx, server_id: u64) -> Result<Booked, Problem> {
        let missing = || Problem::new(Code::NoSuchServer, format!("Server {server_id} is not known here."));
        let server = Server::find_locked(tx, server_id).await?.ok_or_else(missing)?;
        if !self.lease.holds(tx, self.now).await? {
            return Err(lost_lease(server_id));
        }
        let mut accounts = Account::of_server_locked(tx, server_id).await?;
        let mut held = Held::of_server(app, tx, (server_id, &accounts), self.now).await?;
        let mut past = Past {
            baselines: counters::baselines(tx, server_id).await?,
            intents: counters::intents(tx, server_id).await?,
            changing: pending::changing(tx, server_id).await?,
        };
        let mut booked = self.nothing_yet();
        let (mut moved, mut next) = (Vec::new(), Vec::new());
        let had_intents = !past.intents.is_empty();
        let found = self.find(&accounts);
        for (at, (account, reading)) in accounts.iter().zip(&found).enumerate() {
            let id = account.service_id;
            let Some(reading) = reading else {
                next.extend(self.missing(account, &past, &mut booked.tally));
                booked.skipped.push(no_queue(account, &server));
                continue;
            };
            if past.baselines.get(&id).is_some_and(|baseline| self.is_older_than(baseline)) {
                continue;
            }
            let counter = counter_of(reading);
            // Without a baseline nothing tells what is new: it starts here, and the smaller figure is none (law 2).
            if let Some(baseline) = past.baselines.get(&id) {
                let seen = (&counter, fastest(account, &held, reading, baseline));
                let delta = self.moved(app, tx, account, seen, (baseline, &past), &mut booked.tally).await?;
                held.was_online(account, self.online(account, baseline), (baseline.booked_at, self.began));
                let it = |Delta { volume, doubtful }| Moved { account: at, volume, from: baseline.booked_at, doubtful };
                moved.extend(delta.map(it));
            }
            past.intents.remove(&id);
            booked.read.push(id);
            if self.is_to_be_reset(app, account, &counter) {
                past.intents.insert(id, Intent { counter: counter.clone(), intended_at: self.began });
                booked.to_reset.push((id, counter.clone()));
            }
            next.push((id, self.baseline(account, counter, &past)));
        }
        let with_queues: Vec<_> = accounts.iter().zip(found.iter().copied()).collect();
        let cdn = CdnQueues::book(app, tx, self, (server_id, &with_queues, &past), &mut held).await?;
        booked.tally.bytes = cdn.bytes;
        booked.tally.bytes += books::book(app, tx, &server, (&mut accounts, &mut held), &moved, self.now).await?;
        booked.to_set = differing(&accounts, &found, &held).chain(cdn.to_set(&held)).collect();
        counters::store(tx, server_id, &next).await?;
        if had_intents || !past.intents.is_empty() {
            counters::set_intents(tx, server_id, &past.intents).await?;
        }
        if booked.tally.missing > 0 || self.saw_boot(&server) {
            marking::look_again(tx, server_id).await?;
        }
        server.seen(tx, self.began, self.uptime_seconds, server.boot_epoch + u64::from(self.saw_boot(&server))).await?;
        Ok(booked)
    }

    /// Whether the counter was booked since the router was asked, by a create that took a queue over: this reading shows
    /// less, and would pass for a counter that began again. A booking later than now is of a clock that was set back.
    fn is_older_than(&self, baseline: &Baseline) -> bool {
        self.began < baseline.booked_at && baseline.booked_at <= self.now
    }

    /// For how many seconds the account has been online, of those that its router ran since the counter was booked.
    fn online(&self, account: &Account, baseline: &Baseline) -> u64 {
        let session = self.sessions.get(&account.username).copied().unwrap_or_default();
        session.min(self.ran_since(baseline))
    }

    /// For how many seconds the router ran since the counter was booked, by its own clock: ours may have been set.
    fn ran_since(&self, baseline: &Baseline) -> u64 {
        let before = baseline.uptime_seconds.filter(|before| *before <= self.uptime_seconds);
        self.uptime_seconds - before.unwrap_or_default()
    }

    fn nothing_yet(&self) -> Booked {
        let (read, skipped, to_reset, to_set) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Booked { at: self.now, read, skipped, to_reset, to_set, tally: Tally::default() }
    }

    fn saw_boot(&self, server: &Server) -> bool {
        server.uptime_seconds.is_some_and(|before| self.uptime_seconds < before)
    }

    /// Each account's own queue: of its name and with its mark.
    fn find(&self, accounts: &[Account]) -> Vec<Option<&Reading>> {
        let mut by_name: HashMap<&str, Vec<&Reading>> = HashMap::with_capacity(self.readings.len());
        for reading in &self.readings {
            by_name.entry(&reading.name).or_default().push(reading);
        }
        let own = |account: &Account| {
            let mark = crate::work::mark(account);
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

    /// A queue that is not there keeps its baseline and its open reset; said once, not at every reading.
    fn missing(&self, account: &Account, past: &Past, tally: &mut Tally) -> Option<(u64, Baseline)> {
        let baseline = past.baselines.get(&account.service_id).filter(|it| it.missing_since.is_none())?;
        tally.missing += 1;
        tracing::warn!(service.id = account.service_id, queue = account.username, "the queue is not on the router");
        Some((account.service_id, Baseline { missing_since: Some(self.now), ..baseline.clone() }))
    }

    /// The reading as the next one's baseline. While a change waits for the router, the speed before it may still hold.
    fn baseline(&self, account: &Account, counter: Counter, past: &Past) -> Baseline {
        let id = account.service_id;
        let line = past.baselines.get(&id).and_then(|it| it.line).filter(|_| past.changing.contains(&id));
        Baseline { uptime_seconds: Some(self.uptime_seconds), line, ..Baseline::new(counter, self.began) }
    }

    /// What one counter moved since it was booked; `None` where it is put aside.
    async fn moved(
        &self,
        app: &App,
        tx: &mut Tx,
        account: &Account,
        (counter, line): (&Counter, Speed),
        (baseline, past): (&Baseline, &Past),
        tally: &mut Tally,
    ) -> Result<Option<Delta>, Problem> {
        let intent = past.intents.get(&account.service_id);
        let delta = self.judge(account, (counter, line), baseline, intent, tally);
        let Some(why) = self.cannot_be(app, delta.volume, line, baseline) else {
            return Ok(Some(delta));
        };
        tally.quarantined += 1;
        let whose = (account.service_id, account.server_id);
        quarantine::put(tx, whose, (baseline.booked_at, self.now), delta.volume, &why).await?;
        let bytes = delta.volume.total().0;
        tracing::warn!(service.id = account.service_id, bytes, %why, "delta put into quarantine");
        Ok(None)
    }

    fn cannot_be(&self, app: &App, volume: Volume, line: Speed, baseline: &Baseline) -> Option<String> {
        let elapsed = self.now - baseline.booked_at;
        let factor = app.config.collect.sanity_factor.unwrap_or(0.0);
        let fits = reading::plausible(volume, line, elapsed, factor);
        let why = || format!("more than {factor} times what the line can move in {} s", elapsed.num_seconds());
        (!fits).then(why)
    }

    fn judge(
        &self,
        account: &Account,
        (counter, line): (&Counter, Speed),
        baseline: &Baseline,
        intent: Option<&Intent>,
        tally: &mut Tally,
    ) -> Delta {
        let id = account.service_id;
        let reboot = self.reboot(baseline);
        if let Some(intent) = intent.filter(|_| reboot != Reboot::Yes) {
            let elapsed = self.now - intent.intended_at;
            let after = reading::after_unknown_reset(&intent.counter, counter, line_rate(line), elapsed);
            let doubtful = matches!(after, AfterReset::Ambiguous { .. });
            if !matches!(after, AfterReset::NotHappened { .. }) {
                tally.resets += 1;
                tracing::warn!(service.id = id, ?after, "a reset whose answer was lost: the smaller figure was booked");
            }
            return Delta { volume: after.delta(), doubtful };
        }
        let delta = reading::delta(&baseline.counter, counter, reboot);
        if delta.restarted || delta.doubtful {
            tally.restarts += 1;
            tracing::info!(
                service.id = id,
                doubtful = delta.doubtful,
                "the counter began again since it was read last"
            );
        }
        Delta { volume: delta.volume, doubtful: delta.doubtful }
    }

    fn reboot(&self, baseline: &Baseline) -> Reboot {
        let since = |uptime| reading::rebooted(uptime, baseline.booked_at, self.uptime_seconds, self.began);
        baseline.uptime_seconds.map_or(Reboot::No, since)
    }
}

/// Queues, by id, that are not set to what was decided.
fn differing<'a>(
    accounts: &'a [Account],
    found: &'a [Option<&Reading>],
    held: &'a Held,
) -> impl Iterator<Item = (String, Rate)> + 'a {
    accounts.iter().zip(found).filter_map(|(account, reading)| {
        let (reading, rate) = ((*reading)?, held.rate(account.service_id)?);
        reading.shape.filter(|shape| !shape.runs_at(rate)).map(|_| (reading.id.clone(), rate))
    })
}

/// The fastest that may have held since the counter was read last: what was sold, what was decided, what waits for the
/// router, and what the router itself shows.
fn fastest(account: &Account, held: &Held, reading: &Reading, baseline: &Baseline) -> Speed {
    let sold = baseline.line.map_or(account.settings.speed, |line| line.faster(account.settings.speed));
    let decided = held.fastest(account).map_or(sold, |decided| decided.faster(sold));
    reading.shape.map_or(decided, |shape| shape.fastest().faster(decided))
}

fn no_queue(account: &Account, server: &Server) -> Skipped {
    let reason = format!(
        "The queue {} is not on router {}; run the module command Create for this service to bring it back.",
        account.username, server.told.name
    );
    Skipped { service_id: account.service_id, reason }
}
