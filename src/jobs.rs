//! What is due, by comparison with stored time (law 8): the loop and the step apart, so that a test calls the step.
//!
//! Each router is visited by a task of its own, one at a time: a silent one holds up its own visits alone. One whose breaker is
//! open is not visited for its counters until it may be tried.
//!
//! tokio-cron-scheduler is only the ticker: its jobs forget their time zone's offset at DST, may overlap and die after a
//! stall, so nothing is asked of it but a tick every second. It goes by the wall clock and is silent while that has been set
//! back, so a tick that does not come is done without.

use crate::{
    account::fair_use,
    app::App,
    http::{Front, serve::keep_nonces},
    mail,
    problem::Problem,
    router::Server,
    routeros::State,
    steps,
    work::{apply, clock_leaps, collect, watch},
};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use std::{
    collections::{BTreeSet, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod daily;
mod troubles;

use troubles::Troubles;

/// A poll of one router ends within this.
const POLL: Duration = Duration::from_secs(100);
/// After this long no further change that waits for a router is begun before it is polled: there may be thousands.
const CHANGES: Duration = Duration::from_secs(30);
/// After a failure a router is polled again no sooner than this; the connection's own breaker grows from there.
const AGAIN: chrono::Duration = chrono::Duration::seconds(5);

/// Without a tick for so long, what is due is looked for all the same.
const SILENCE: Duration = Duration::from_secs(2);

/// A stop waits so long for routers that are in the middle of something.
const PARTING: Duration = Duration::from_secs(15);

/// After that it waits so long for what is still in hand, such as a letter that the mail server does not answer.
const FAREWELL: Duration = Duration::from_secs(10);

/// The background work of a service.
pub struct Jobs {
    app: App,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Jobs {
    /// Begins to tick.
    ///
    /// # Errors
    /// Where the ticker cannot be started.
    pub async fn start(front: Front) -> Result<Self, String> {
        let app = front.app.clone();
        let (stop, tracker, tick) = (app.stopping.child_token(), TaskTracker::new(), Arc::new(Notify::new()));
        let mut scheduler = JobScheduler::new().await.map_err(|error| error.to_string())?;
        let bell = Arc::clone(&tick);
        let job = Job::new_async("* * * * * *", move |_id, _scheduler| {
            let bell = Arc::clone(&bell);
            Box::pin(async move { bell.notify_one() })
        });
        scheduler.add(job.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())?;
        scheduler.start().await.map_err(|error| error.to_string())?;
        let (stopped, tasks) = (stop.clone(), tracker.clone());
        tracker.spawn(async move {
            let running = Running::default();
            loop {
                tokio::select! {
                    () = stopped.cancelled() => break,
                    () = tick.notified() => {}
                    () = tokio::time::sleep(SILENCE) => {}
                    () = front.app.letters_queued.notified() => {}
                }
                begin(&front, &tasks, &running, &stopped).await;
            }
            let _ = scheduler.shutdown().await;
        });
        Ok(Self { app, stop, tracker })
    }

    /// Begins nothing more and waits for what is in hand. Not for a router that is silent: after 15 s all are hung up
    /// on, and what was asked of them is asked by the next run. Nor, 10 s later, for a mail server: whether it has taken the
    /// letter that it was given is not known then, and the next run sends it again under the same Message-ID.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(PARTING, self.tracker.wait()).await.is_ok() {
            return;
        }
        tracing::warn!("routers are hung up on that have not answered; the next run goes on with them");
        self.app.routers.close().await;
        if tokio::time::timeout(FAREWELL, self.tracker.wait()).await.is_err() {
            tracing::warn!("something is left in the middle, such as a letter; the next run does it again");
        }
    }
}

/// Jobs in hand, by name: a job that is still running is not begun again.
#[derive(Clone, Default)]
struct Running {
    names: Arc<Mutex<HashSet<String>>>,
    troubles: Arc<Troubles>,
}

impl Running {
    fn begin(
        &self,
        tasks: &TaskTracker,
        name: String,
        job: impl Future<Output = Result<(), Problem>> + Send + 'static,
    ) {
        if !self.troubles.rests(&name) {
            let (all, part) = (self.clone(), name.clone());
            self.alone(tasks, name, async move { _ = all.part(&part, job).await });
        }
    }

    /// A visit to a router, but for what rests of it.
    fn visit(&self, tasks: &TaskTracker, app: App, server_id: u64, what: Visit) {
        let what = what.but_what_rests(&self.troubles, server_id);
        if what.is_none() {
            return;
        }
        let all = self.clone();
        self.alone(tasks, Part::Poll.job(server_id), async move {
            for part in what.parts() {
                if !all.part(&part.job(server_id), Box::pin(part.run(&app, server_id))).await {
                    return;
                }
            }
        });
    }

    /// Work under a name, unless it is in hand.
    fn alone(&self, tasks: &TaskTracker, name: String, work: impl Future<Output = ()> + Send + 'static) {
        if !self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
            return;
        }
        let all = self.clone();
        tasks.spawn(async move {
            steps::story(&name, work).await;
            all.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        });
    }

    /// To its end, which is told of under this name; whether it ended well. A panic must not leave the name of the work behind.
    async fn part(&self, job: &str, work: impl Future<Output = Result<(), Problem>>) -> bool {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(outcome) => {
                self.troubles.ended(job, &outcome);
                outcome.is_ok()
            }
            Err(panic) => {
                let words = panic.downcast_ref::<&str>().copied();
                let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                self.troubles.broke(job, words.unwrap_or("a panic"));
                false
            }
        }
    }
}

/// Begins everything that is due, each on a task of its own: one silent router delays no other.
async fn begin(front: &Front, tasks: &TaskTracker, running: &Running, stop: &CancellationToken) {
    let app = &front.app;
    let own = front.clone();
    running.begin(tasks, "nonces".to_owned(), async move { Ok(keep_nonces(&own).await?) });
    let (own, stop) = (app.clone(), stop.clone());
    running.begin(tasks, "letters".to_owned(), async move { batches_of_letters(&own, &stop).await });
    let own = app.clone();
    running.begin(tasks, "clock".to_owned(), async move { clock_leaps::look(&own).await });
    let own = app.clone();
    running.begin(tasks, "housekeeping".to_owned(), async move { daily::run(&own).await });
    let due = due(app).await;
    let (due, outcome) = due.map_or_else(|problem| (Vec::new(), Err(problem)), |due| (due, Ok(())));
    running.troubles.ended("what is due", &outcome);
    for (server_id, what) in due {
        running.visit(tasks, app.clone(), server_id, what);
    }
}

/// Everything that is due, once, to its end. For tests and the demo, which hold the clock; queues are not watched, because
/// that takes its time.
pub async fn step(app: &App) -> Result<(), Problem> {
    clock_leaps::look(app).await?;
    for (server_id, what) in due(app).await? {
        let what = Visit { watch: false, ..what };
        for part in what.parts() {
            if let Err(problem) = part.run(app, server_id).await {
                tracing::warn!(code = problem.code.as_str(), "{}", problem.told());
                break;
            }
        }
    }
    letters(app).await?;
    daily::run(app).await
}

/// What a router is visited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Visit {
    /// Its counters are due.
    poll: bool,
    /// Changes wait for it. They are tried although its connection's breaker is open: people wait for them.
    changes: bool,
    /// Its queues are to be compared with its sessions.
    watch: bool,
}

/// A part of a visit. Each fails, rests and works again by itself: a defect in a poll holds back no change that somebody waits
/// for, and a visit without a poll does not say that polls work again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Changes,
    Poll,
    Watch,
}

impl Part {
    /// What it is called in the log.
    fn job(self, server_id: u64) -> String {
        match self {
            Self::Changes => format!("changes of router {server_id}"),
            Self::Poll => format!("router {server_id}"),
            Self::Watch => format!("queues of router {server_id}"),
        }
    }

    async fn run(self, app: &App, server_id: u64) -> Result<(), Problem> {
        match self {
            Self::Changes => apply::server(app, server_id, Instant::now() + CHANGES).await,
            Self::Poll => {
                collect::run(app, server_id, collect::Scope::Poll, Instant::now() + POLL).await.map(|_outcome| ())
            }
            Self::Watch => watch::run(app, server_id, watch::PAUSE).await,
        }
    }
}

impl Visit {
    /// In their order; where one fails, those after it are not begun.
    fn parts(self) -> impl Iterator<Item = Part> {
        let all = [(self.changes, Part::Changes), (self.poll, Part::Poll), (self.watch, Part::Watch)];
        all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, part)| part)
    }

    fn but_what_rests(self, troubles: &Troubles, server_id: u64) -> Self {
        let goes = |part: Part| !troubles.rests(&part.job(server_id));
        let (changes, poll) = (self.changes && goes(Part::Changes), self.poll && goes(Part::Poll));
        Self { changes, poll, watch: self.watch && goes(Part::Watch) }
    }

    fn is_none(self) -> bool {
        self.parts().next().is_none()
    }
}

async fn due(app: &App) -> Result<Vec<(u64, Visit)>, Problem> {
    let now = app.clock.now();
    let mut conn = app.db.read().await?;
    let with_plans = match app.config.plans.sync {
        Some(_) => fair_use::servers(&mut conn).await?,
        None => HashSet::new(),
    };
    let changed = crate::account::pending::servers_due(&mut conn, now - AGAIN, now).await?;
    let due = |it: &Server| {
        // One that cannot be reached would only be written down once more as such.
        let is_open = app.routers.standing(it.told.id).is_some_and(|standing| standing.is_open());
        if is_open && !changed.contains(&it.told.id) {
            return false;
        }
        let sync = app.config.plans.sync.filter(|_| with_plans.contains(&it.told.id));
        let every = app.config.collect.poll.into_iter().chain(sync).min();
        every.is_some_and(|every| is_due(it, every, now))
    };
    let polled: Vec<u64> = match (app.config.collect.poll, app.config.plans.sync) {
        (None, None) => Vec::new(),
        _ => Server::in_use(&mut conn).await?.into_iter().filter(due).map(|it| it.told.id).collect(),
    };
    let watched = Server::unwatched(&mut conn, now - watch::EVERY, now).await?;
    // A look by the way: nobody connects for it.
    let connected = |id: &u64| app.routers.standing(*id).is_some_and(|it| it.state == State::Connected);
    let watched: Vec<u64> = watched.into_iter().filter(connected).collect();
    let all: BTreeSet<u64> = polled.iter().chain(&changed).chain(&watched).copied().collect();
    let visit = |id| Visit { poll: polled.contains(&id), changes: changed.contains(&id), watch: watched.contains(&id) };
    Ok(all.into_iter().map(|id| (id, visit(id))).collect())
}

fn is_due(server: &Server, every: Duration, now: DateTime<Utc>) -> bool {
    let every = chrono::Duration::from_std(every).unwrap_or(chrono::Duration::MAX);
    let read = server.seen_at.is_none_or(|at| now - at >= every || now < at);
    let rested = server.failed.as_ref().is_none_or(|(at, _)| now - *at >= AGAIN || now < *at);
    read && rested
}

/// Batch after batch, until nothing more is due or it is told to stop.
async fn batches_of_letters(app: &App, stop: &CancellationToken) -> Result<(), Problem> {
    let owner = &app.holder.owner;
    while mail::send_until(&app.db, &app.letters, &app.mailer, &app.clock, owner, stop).await?.more
        && !stop.is_cancelled()
    {}
    Ok(())
}

async fn letters(app: &App) -> Result<(), Problem> {
    while mail::send_due(&app.db, &app.letters, &app.mailer, &app.clock, &app.holder.owner).await?.more {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_defect_in_a_poll_holds_back_no_change_and_a_visit_without_one_does_not_say_that_polls_work() {
        let (running, all) = (Running::default(), Visit { poll: true, changes: true, watch: true });
        let poll = Part::Poll.job(3);
        assert!(!running.part(&poll, async { Err(Problem::internal("a figure that cannot be")) }).await);
        let left = Visit { poll: false, ..all };
        assert_eq!(all.but_what_rests(&running.troubles, 3), left);
        assert_eq!(all.but_what_rests(&running.troubles, 4), all);
        for part in left.parts() {
            assert!(running.part(&part.job(3), async { Ok(()) }).await);
        }
        assert!(running.troubles.rests(&poll), "it still fails");
        // A panic is the failure of its part alone.
        assert!(!running.part(&Part::Changes.job(3), async { panic!("a defect") }).await);
        assert_eq!(all.but_what_rests(&running.troubles, 3), Visit { changes: false, ..left });
        assert!(!Visit { watch: false, ..left }.but_what_rests(&running.troubles, 3).parts().any(|_| true));
    }
}
