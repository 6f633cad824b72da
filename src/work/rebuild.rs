//! Rebuild: a router and the books compared, what drifted mended, an emptied replacement router filled again.
//!
//! What is wanted is always the account as it stands in the books, so that a run that was killed is gone on with by
//! running it again. Each repair is a pending change, made by [`apply`]: a `serve` that runs meanwhile may make it as
//! well, and both end the same, since what is made is looked for by name and mark first. Each is made under the service's
//! lease; a change that another process decides in the middle of a repair is found by the comparison that follows every
//! round. Traffic: what the queues show is booked before anything is touched and once more at the end, so that new
//! queues are counted from zero.

pub(super) mod compare;

pub use compare::{Comparison, Drift, Mend, Stray, UNSEAL, Why};

use super::{
    Turn, apply,
    collect::{self, Scope},
    marking,
};
use crate::{
    account::{
        Account, State,
        pending::{self, Kind},
    },
    app::App,
    problem::{Code, Problem},
    router::{Server, marking as remembered},
    routeros,
};
use futures_util::{StreamExt, stream};
use std::time::Duration;
use tokio::time::Instant;

/// How often what is still not right is tried again.
const ROUNDS: usize = 3;
/// Repairs in hand at once: as many as commands may be in flight on a router.
const AT_ONCE: usize = 4;
/// A reading of the counters, and a comparison, end within this.
const READING: Duration = Duration::from_mins(2);

/// How far a rebuild is, for whoever watches.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// The comparison before anything is changed.
    Compared(&'a Comparison),
    /// One more service was dealt with: its user name, and what was in the way if anything.
    Mended {
        /// Whose.
        username: &'a str,
        /// Of how many in this round.
        of: usize,
        /// Why it could not be.
        failure: Option<&'a str>,
    },
}

/// What a rebuild came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Services that were repaired, and remains of ended ones that were removed.
    pub mended: usize,
    /// The router as it is now.
    pub now: Comparison,
}

/// Compares a router with the books; changes nothing.
///
/// # Errors
/// `no-such-server`; what keeps the router from being read.
pub async fn compare(app: &App, server_id: u64) -> Result<Comparison, Problem> {
    let server = find(app, server_id).await?;
    whole(app, &server).await
}

/// Secrets and queues, lists and rules.
async fn whole(app: &App, server: &Server) -> Result<Comparison, Problem> {
    let until = Instant::now() + READING;
    let mut now = compare::run(app, server, until).await?;
    now.lists = marking::named(app, server, until).await?.said;
    Ok(now)
}

/// Brings a router in line with the books.
///
/// # Errors
/// What keeps the router from being read or, in the middle, from being reached: the same run again goes on. What cannot be
/// mended is no error: it stands in [`Outcome::now`].
pub async fn run(app: &App, server_id: u64, watch: &(dyn Fn(Step<'_>) + Sync)) -> Result<Outcome, Problem> {
    let server = find(app, server_id).await?;
    crate::in_tx!(app.db, tx => remembered::look_again(&mut tx, server_id).await.map_err(Problem::from))?;
    // What the queues show now is booked before any of them is made anew; what waits, or was decided by that, is made once it
    // has been named.
    collect::read(app, server_id, Scope::Poll, Instant::now() + READING).await?;
    let mut now = whole(app, &server).await?;
    watch(Step::Compared(&now));
    apply::server(app, server_id, Instant::now() + READING).await?;
    let mut mended = 0;
    for _ in 0..ROUNDS {
        if now.drifts.iter().all(|drift| drift.mend == Mend::ByHand) {
            break;
        }
        mended += round(app, &server, &now, watch).await?;
        now = compare::run(app, &server, Instant::now() + READING).await?;
    }
    if mended > 0 {
        collect::run(app, server_id, Scope::Poll, Instant::now() + READING).await?;
    }
    now.lists = lists(app, &server).await?;
    Ok(Outcome { mended, now })
}

/// Brings lists and rules in line, a part at a time, as long as each visit finds less to do than the one before; what is left.
async fn lists(app: &App, server: &Server) -> Result<Vec<String>, Problem> {
    let id = server.told.id;
    crate::in_tx!(app.db, tx => remembered::look_again(&mut tx, id).await.map_err(Problem::from))?;
    let mut left = usize::MAX;
    loop {
        let now = marking::named(app, server, Instant::now() + READING).await?;
        if now.count == 0 || now.count >= left {
            return Ok(now.said);
        }
        left = now.count;
        marking::run(app, id, Instant::now() + READING).await;
    }
}

async fn find(app: &App, server_id: u64) -> Result<Server, Problem> {
    let server = Server::find(&mut app.db.read().await?, server_id).await?;
    server.ok_or_else(|| {
        let text =
            format!("Server {server_id} is not known here; Turnpike knows the servers that WHMCS has called about.");
        Problem::new(Code::NoSuchServer, text)
    })
}

/// Mends each drift once; how many were. Stops at the first sign that router or database are away.
async fn round(
    app: &App,
    server: &Server,
    seen: &Comparison,
    watch: &(dyn Fn(Step<'_>) + Sync),
) -> Result<usize, Problem> {
    let wanted: Vec<&Drift> = seen.drifts.iter().filter(|drift| drift.mend != Mend::ByHand).collect();
    let of = wanted.len();
    let mut repairs =
        stream::iter(wanted).map(async |drift| (drift, mend(app, server, drift).await)).buffer_unordered(AT_ONCE);
    let mut mended = 0;
    while let Some((drift, outcome)) = repairs.next().await {
        let failure = outcome.as_ref().err().map(Problem::told);
        watch(Step::Mended { username: &drift.username, of, failure: failure.as_deref() });
        match outcome {
            Ok(()) => mended += 1,
            Err(problem) if matches!(problem.code, Code::RouterUnreachable | Code::DatabaseUnavailable) => {
                return Err(problem);
            }
            Err(problem) => tracing::warn!(service.id = drift.service_id, "not mended: {}", problem.told()),
        }
    }
    Ok(mended)
}

async fn mend(app: &App, server: &Server, drift: &Drift) -> Result<(), Problem> {
    let until = Instant::now() + super::CHANGE;
    let service_id = drift.service_id;
    let turn = Turn::of(app, service_id, until).await?;
    turn.alone(until).await?;
    match drift.mend {
        Mend::Ensure { kick } => {
            let decided = crate::in_tx!(app.db, tx => {
                let account = Account::find_locked(&mut tx, service_id).await?;
                turn.decides(&mut tx).await?;
                let alive = account.is_some_and(|it| it.state == State::Made && it.server_id == server.told.id);
                if alive {
                    pending::decide(&mut tx, (server.told.id, service_id), Kind::Change, kick, app.clock.now()).await?;
                }
                Ok::<_, Problem>(alive)
            })?;
            if decided { apply::service(&turn, server, until).await } else { Ok(()) }
        }
        Mend::Remove => {
            let account = Account::find(&mut app.db.read().await?, service_id).await?;
            let gone = account.filter(|it| it.state == State::Gone);
            let Some(account) = gone else { return Ok(()) };
            app.db.settled().await?;
            let router = turn.router(server)?.within(until);
            Ok(routeros::remove(&router, &drift.username, &super::mark(&account)).await?)
        }
        Mend::ByHand => Ok(()),
    }
}
