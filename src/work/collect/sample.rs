//! A complete reading becomes books, in one transaction: deltas against stored baselines, ledger, history, verdicts, new
//! baselines, and the intents of the resets that are to follow.
//!
//! An interval begins where the reading before it began and ends where this one ended, so that nothing seems faster than
//! it was.

use super::{Scope, Skipped, Tally, aside, aside::fastest, cdn::CdnQueues, counter_of, line_rate, proves};
use crate::{
    account::{Account, pending},
    app::App,
    db::Tx,
    plan::burst::Rate,
    problem::{Code, Problem},
    router::{Run, Seen, Server, lease::Lease, marking},
    routeros::Reading,
    units::{Bytes, Speed, Volume},
    usage::{
        counters::{self, Baseline, Intent},
        doubts,
        reading::{self, AfterReset, Counter, Reboot},
        standing::Standing,
    },
    work::{
        books::{self, Books, Moved},
        fair_use::Held,
        uncharged::Cause,
    },
};
use chrono::{DateTime, Duration, Utc};
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
    /// Those that counted something and are not to be reset now.
    pub(super) spared: Vec<u64>,
    /// Queues, by id, that are not set to what was decided.
    pub(super) to_set: Vec<(String, Rate)>,
    pub(super) tally: Tally,
}

/// What is known of a router's counters besides their baselines.
pub(super) struct Past {
    /// Resets whose outcome is not known.
    intents: BTreeMap<u64, Intent>,
    /// A run of resets that has not ended.
    run: Option<Run>,
    server_id: u64,
    /// The number of this reading.
    reading: u64,
    /// Services whose settings may not be on the router yet.
    pub(super) changing: HashSet<u64>,
}

impl Past {
    async fn read(tx: &mut Tx, server: &Server) -> Result<Self, Problem> {
        let server_id = server.told.id;
        Ok(Self {
            intents: counters::intents(tx, server_id).await?,
            run: server.run,
            server_id,
            reading: server.reading + 1,
            changing: pending::changing(tx, server_id).await?,
        })
    }

    /// The reset of an account that may have been made or not.
    fn intent(&self, account: &Standing, baseline: &Baseline) -> Option<Intent> {
        let part_of = |run: &Run| (account.with_cron || !run.with_cron_only) && baseline.is_to_be_reset();
        let of_run = |run: Run| Intent { counter: baseline.counter.clone(), intended_at: run.intended_at };
        self.intents.get(&account.service_id).cloned().or_else(|| self.run.filter(part_of).map(of_run))
    }
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
        proves(tx, self.lease, server_id).await?;
        let mut books = Books::of_server(app, tx, server_id, self.now).await?;
        let mut past = Past::read(tx, &server).await?;
        let (mut booked, mut open) = (self.nothing_yet(), BTreeMap::new());
        let marked = Marked::of(&self.readings);
        let queues = with_queues(&books.planned, &marked);
        let cdn = CdnQueues::book(app, tx, self, (server_id, &queues, &past), &mut books.held).await?;
        booked.tally.bytes = cdn.bytes;
        booked.tally.quarantined += cdn.doubted;
        // Two thousand accounts at a time: a reading is one transaction, and need not be one piece of memory.
        while books.turn_over(tx, server_id).await? {
            // As it is now that they are held against others.
            past = Past::read(tx, &server).await?;
            let about = (&server, &past, &marked);
            let moved = self.read(app, tx, about, &mut books, (&mut booked, &mut open)).await?;
            booked.tally.bytes += books::book(app, tx, &server, &mut books, &moved, self.now).await?;
            books.save(tx, server_id).await?;
        }
        let queues = with_queues(&books.planned, &marked);
        booked.to_set = differing(&queues, &books.held).chain(cdn.to_set(&books.held)).collect();
        books.save_plans(tx).await?;
        if open != past.intents {
            counters::set_intents(tx, server_id, &open).await?;
        }
        self.compare_clocks(tx, &server, &mut booked.tally).await?;
        if booked.tally.missing > 0 || self.saw_boot(&server) {
            marking::look_again(tx, server_id).await?;
        }
        server.seen(tx, self.seen(&server, &booked)).await?;
        Ok(booked)
    }

    /// Reads the counters of the accounts in hand: what they moved. Each has its new baseline.
    async fn read(
        &self,
        app: &App,
        tx: &mut Tx,
        (server, past, marked): (&Server, &Past, &Marked<'_>),
        books: &mut Books,
        (booked, open): (&mut Booked, &mut BTreeMap<u64, Intent>),
    ) -> Result<Vec<Moved>, Problem> {
        let mut moved = Vec::new();
        for at in 0..books.all.len() {
            let account = &books.all[at];
            let id = account.service_id;
            if let Some(baseline) = account.baseline.as_ref().filter(|baseline| self.is_older_than(baseline)) {
                // Not reset with the others, whoever is: it is not to be taken for one that was.
                if self.scope != Scope::Poll && baseline.is_to_be_reset() {
                    booked.spared.push(id);
                }
                open.extend(past.intents.get(&id).map(|intent| (id, intent.clone())));
                continue;
            }
            let Some(reading) = marked.own(id, &account.username, &account.comment_prefix) else {
                let intent = account.baseline.as_ref().and_then(|baseline| past.intent(account, baseline));
                open.extend(intent.map(|intent| (id, intent)));
                booked.skipped.push(no_queue(account, server));
                self.missing(books, at, &mut booked.tally);
                continue;
            };
            let counter = counter_of(reading);
            if !reading.is_for(books.all[at].address) {
                self.set_right(tx, (server.told.id, id), past).await?;
            }
            moved.extend(self.count(app, tx, (books, at), (&counter, reading), past, &mut booked.tally).await?);
            booked.read.push(id);
            self.decide_reset(app, &books.all[at], &counter, booked);
            self.rebase(app, books, at, counter, past);
        }
        Ok(moved)
    }

    /// What one account's counter moved; `None` where nothing tells what is new, or where it is put aside.
    async fn count(
        &self,
        app: &App,
        tx: &mut Tx,
        (books, at): (&mut Books, usize),
        (counter, reading): (&Counter, &Reading),
        past: &Past,
        tally: &mut Tally,
    ) -> Result<Option<Moved>, Problem> {
        let Books { all, planned, held, .. } = &mut *books;
        let account = &all[at];
        // Without a baseline it starts here, and the smaller figure is none (law 2).
        let Some(baseline) = &account.baseline else {
            tally.uncharged.add(Cause::Begin, Some(counter.volume.total()));
            return Ok(None);
        };
        let sold = planned.binary_search_by_key(&account.service_id, |it| it.service_id).ok().map(|at| &planned[at]);
        let shown = reading.shape.as_ref().map(|shape| shape.fastest());
        let line = fastest(account, sold.and_then(|sold| held.fastest(sold)), shown);
        let (Delta { volume, doubtful }, why) =
            self.moved(app, account, (reading, counter, line), (baseline, past), tally);
        let from = self.since(baseline.booked_at, baseline.uptime_seconds);
        let moved = Moved { account: at, volume, from, doubtful, cut: baseline.cut_within(from, self.now) };
        if let Some(sold) = sold {
            held.was_online(sold, self.online(sold, baseline), (baseline.booked_at, self.began));
        }
        let lasts = why.is_some() && why == aside::counts_others(account, baseline, reading);
        let Some(why) = why else { return Ok(Some(moved)) };
        tally.quarantined += 1;
        let what = (&moved, past.server_id, self.now);
        aside::put(app, tx, books, what, (&why, lasts), &mut tally.uncharged).await?;
        Ok(None)
    }

    /// As the router's row remembers this reading.
    fn seen(&self, server: &Server, booked: &Booked) -> Seen {
        let run = Run { intended_at: self.began, with_cron_only: self.scope == Scope::Cron };
        Seen {
            at: self.began,
            uptime_seconds: self.uptime_seconds,
            booted: self.saw_boot(server),
            run: (!booked.to_reset.is_empty()).then_some(run),
        }
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

    /// When the interval began that ends now, as our clock has it now (see [`reading::interval_start`]).
    pub(super) fn since(&self, booked_at: DateTime<Utc>, uptime_seconds: Option<u64>) -> DateTime<Utc> {
        reading::interval_start((uptime_seconds, booked_at), (self.uptime_seconds, self.began)).min(self.now)
    }

    /// Where our clock and the router's uptime tell of different times since the last reading, one of them was set or slept.
    async fn compare_clocks(&self, tx: &mut Tx, server: &Server, tally: &mut Tally) -> Result<(), Problem> {
        let Some(seen_at) = server.seen_at else { return Ok(()) };
        let since = self.since(seen_at, server.uptime_seconds);
        if since == seen_at {
            return Ok(());
        }
        tally.clock += 1;
        let (ours, its) = ((self.began - seen_at).num_seconds(), (self.began - since).num_seconds());
        let what = format!("between two readings our clock moved {ours} s, and the router ran {its} s");
        tracing::warn!(server.id = server.told.id, "{what}: one of the two was set, or slept");
        doubts::lower(tx, doubts::Kind::Clock, (server.told.id, 0)).await?;
        Ok(doubts::raise(tx, doubts::Kind::Clock, (server.told.id, 0), &what, self.now).await?)
    }

    /// For how long a counter may have counted: the longer of what our clock and the router's say, so that a clock that
    /// was set puts no honest traffic aside.
    pub(super) fn elapsed(&self, booked_at: DateTime<Utc>, uptime_seconds: Option<u64>) -> Duration {
        self.now - self.since(booked_at, uptime_seconds).min(booked_at)
    }

    fn nothing_yet(&self) -> Booked {
        let (read, skipped, to_set, tally) = (Vec::new(), Vec::new(), Vec::new(), Tally::default());
        Booked { at: self.now, read, skipped, to_reset: Vec::new(), spared: Vec::new(), to_set, tally }
    }

    fn saw_boot(&self, server: &Server) -> bool {
        server.uptime_seconds.is_some_and(|before| self.uptime_seconds < before)
    }

    fn decide_reset(&self, app: &App, account: &Standing, counter: &Counter, booked: &mut Booked) {
        let wanted = match self.scope {
            Scope::Poll => return,
            Scope::All => true,
            Scope::Cron => account.with_cron,
        };
        if !app.config.collect.reset || counter.is_zero() {
            return;
        }
        if wanted {
            booked.to_reset.push((account.service_id, counter.clone()));
        } else {
            booked.spared.push(account.service_id);
        }
    }

    /// A queue that is not there keeps its baseline, which no reading keeps current from here on; said once, not at every
    /// reading.
    fn missing(&self, books: &mut Books, at: usize, tally: &mut Tally) {
        if books.all[at].baseline.as_ref().is_none_or(|it| it.missing_since.is_some()) {
            return;
        }
        tally.missing += 1;
        let account = books.change(at);
        tracing::warn!(service.id = account.service_id, queue = account.username, "the queue is not on the router");
        if let Some(before) = account.baseline.clone() {
            account.rebase(Baseline { missing_since: Some(self.now), reading: 0, ..before });
        }
    }

    /// Decides that a queue be set to count its own account and nobody else.
    async fn set_right(&self, tx: &mut Tx, whose: (u64, u64), past: &Past) -> Result<(), Problem> {
        if past.changing.contains(&whose.1) {
            return Ok(());
        }
        tracing::warn!(service.id = whose.1, "the queue counts another target than its account's address");
        Ok(pending::decide(tx, whose, pending::Kind::Change, false, self.now).await?)
    }

    /// The reading as the next one's baseline, written where the router's row does not say as much. While a change waits for
    /// the router, the speed before it may still hold.
    fn rebase(&self, app: &App, books: &mut Books, at: usize, counter: Counter, past: &Past) {
        let account = &books.all[at];
        let before = account.baseline.as_ref();
        let line = before.and_then(|it| it.line).filter(|_| past.changing.contains(&account.service_id));
        // What was moved before a change that came while this was being read, or waited to be booked, is partly still to be
        // read. One that lies ahead of our clock was cut by a clock that was set back since.
        let booked_at = app.clock.now();
        let cut = before.and_then(|it| it.cut).filter(|cut| self.began < cut.at && cut.at <= booked_at);
        let current = |it: &Baseline| {
            it.reading > 0 && it.missing_since.is_none() && it.counter == counter && (it.line, it.cut) == (line, cut)
        };
        if before.is_some_and(current) {
            return;
        }
        let uptime_seconds = Some(self.uptime_seconds);
        let fresh = Baseline::new(counter, self.began);
        let baseline = Baseline { uptime_seconds, line, cut, reading: past.reading, ..fresh };
        books.change(at).rebase(baseline);
    }

    /// What one counter moved since it was booked; and why that is to be put aside, if it is.
    fn moved(
        &self,
        app: &App,
        account: &Standing,
        (reading, counter, line): (&Reading, &Counter, Speed),
        (baseline, past): (&Baseline, &Past),
        tally: &mut Tally,
    ) -> (Delta, Option<String>) {
        let intent = past.intent(account, baseline);
        let delta = self.judge(account, (counter, line), baseline, intent, tally);
        if delta.volume.is_zero() {
            return (delta, None);
        }
        let elapsed = self.elapsed(baseline.booked_at, baseline.uptime_seconds);
        let why = aside::cannot_be(app, delta.volume, line, elapsed)
            .or_else(|| self.is_anothers(app, (baseline.uptime_seconds, baseline.booked_at)))
            .or_else(|| aside::counts_others(account, baseline, reading));
        (delta, why)
    }

    fn judge(
        &self,
        account: &Standing,
        (counter, line): (&Counter, Speed),
        baseline: &Baseline,
        intent: Option<Intent>,
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
                tally.uncharged.add(Cause::Reset, reading::unseen(line, elapsed, after.delta()));
                tracing::warn!(service.id = id, ?after, "a reset whose answer was lost: the smaller figure was booked");
            }
            return Delta { volume: after.delta(), doubtful };
        }
        let delta = reading::delta(&baseline.counter, counter, reboot);
        // A counter that stood at zero leaves no doubt about its own figure; what passed before a restart is missing all the
        // same.
        if delta.restarted || reboot == Reboot::Doubtful {
            let cause = if baseline.missing_since.is_some() { Cause::Missing } else { Cause::Restart };
            tally.uncharged.add(cause, self.lost_by_restart(reboot, (baseline, counter), line));
        }
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

    /// The most that passed since the last reading and is not in what is shown, because the counter began again.
    fn lost_by_restart(&self, reboot: Reboot, at: (&Baseline, &Counter), line: Speed) -> Option<Bytes> {
        let (before, seen) = at;
        let since = |until: DateTime<Utc>, shown| reading::unseen(line, until - before.booked_at, shown);
        let up = i64::try_from(self.uptime_seconds).unwrap_or(i64::MAX).min(1 << 40);
        let boot = self.now - Duration::seconds(up);
        let same = before.counter.ros_id == seen.ros_id && before.missing_since.is_none();
        match reboot {
            // The instant is known, and all that passed since is shown.
            Reboot::Yes if same => since(boot, Volume::ZERO),
            // If it was booted after all, the figure that it had stood at is missing too.
            Reboot::Doubtful if !seen.restarted_since(&before.counter) => {
                since(boot, Volume::ZERO).map(|bytes| bytes + before.counter.volume.total())
            }
            _ => since(self.now, seen.volume),
        }
    }

    /// A counter that a create has begun has no uptime: then our clock alone can tell of a restart since, and proves none.
    fn reboot(&self, baseline: &Baseline) -> Reboot {
        let uptime = baseline.uptime_seconds.unwrap_or(0);
        reading::rebooted(uptime, baseline.booked_at, self.uptime_seconds, self.began)
    }
}

/// Queues by the service that their marks name.
struct Marked<'a> {
    readings: &'a [Reading],
    /// Service and place among them; those of a service in the router's order.
    places: Vec<(u64, u32)>,
}

impl<'a> Marked<'a> {
    fn of(readings: &'a [Reading]) -> Self {
        let named = |(place, it): (u32, &Reading)| it.mark().map(|(_, service_id)| (service_id, place));
        let mut places: Vec<(u64, u32)> = (0..).zip(readings).filter_map(named).collect();
        places.sort_unstable();
        Self { readings, places }
    }

    /// An account's own queue: the first of its name and with its mark.
    fn own(&self, service_id: u64, username: &str, prefix: &str) -> Option<&'a Reading> {
        let first = self.places.partition_point(|(id, _)| *id < service_id);
        let its = self.places[first..].iter().take_while(|(id, _)| *id == service_id);
        let mut its = its.map(|(_, place)| &self.readings[*place as usize]);
        its.find(|it| it.name() == username && it.mark() == Some((prefix, service_id)))
    }
}

/// Accounts on plans, each with its own queue.
fn with_queues<'a, 'b>(planned: &'b [Account], marked: &Marked<'a>) -> Vec<(&'b Account, Option<&'a Reading>)> {
    let own = |it: &Account| marked.own(it.service_id, &it.username, &it.settings.comment_prefix);
    planned.iter().map(|account| (account, own(account))).collect()
}

/// Queues, by id, that are not set to what was decided.
fn differing<'a>(
    accounts: &'a [(&Account, Option<&Reading>)],
    held: &'a Held,
) -> impl Iterator<Item = (String, Rate)> + 'a {
    accounts.iter().filter_map(|(account, reading)| {
        let (reading, rate) = ((*reading)?, held.rate(account.service_id)?);
        reading.shape.as_ref().filter(|shape| !shape.runs_at(rate)).map(|_| (reading.id().to_owned(), rate))
    })
}

fn no_queue(account: &Standing, server: &Server) -> Skipped {
    let reason = format!(
        "The queue {} is not on router {}; run the module command Create for this service to bring it back.",
        account.username, server.told.name
    );
    Skipped { service_id: account.service_id, reason }
}
