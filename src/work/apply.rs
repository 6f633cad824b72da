//! Makes pending router changes: what is made is the account as it stands, so that a change made twice or in another order
//! ends the same.

use super::{Turn, uncharged::Uncharged};
use crate::{
    account::{
        Account, State,
        pending::{self, Kind, Pending},
    },
    app::App,
    problem::{Code, Problem},
    router::Server,
    routeros::{self, Found, Mark, Router},
};
use std::time::Duration;
use tokio::time::Instant;

/// No change in the background is begun with less time than this.
const LEAST: Duration = Duration::from_secs(1);

/// Makes a service's changes now, trying a router that was away a moment ago too.
///
/// # Errors
/// The router's, with the changes still pending; `busy` while another sidecar has the service; the database's.
pub(super) async fn service(turn: &Turn, server: &Server, until: Instant) -> Result<(), Problem> {
    if nothing_waits(turn).await? {
        return Ok(());
    }
    turn.alone(until).await?;
    make_all(turn, &turn.router(server)?.patient().within(until)).await
}

/// Most hooks change nothing on a router: those need no lease.
async fn nothing_waits(turn: &Turn) -> Result<bool, Problem> {
    Ok(pending::count(&mut turn.app().db.read().await?, turn.service_id()).await? == 0)
}

async fn make_all(turn: &Turn, router: &Router) -> Result<(), Problem> {
    let (app, service_id) = (turn.app(), turn.service_id());
    let (account, changes) = {
        let mut conn = app.db.read().await?;
        // The changes first: what is decided between the two reads has a higher id and stays, however old the account is.
        let changes = pending::of_service(&mut conn, service_id).await?;
        (Account::find(&mut conn, service_id).await?, changes)
    };
    let (Some(account), Some(last)) = (account, changes.last()) else { return Ok(()) };
    // It may have been decided by somebody who still waits for the disk.
    app.db.settled().await?;
    let made = async {
        let rest = switched_first(turn, router, &account, &changes).await?;
        make(app, router, &account, rest.as_deref().unwrap_or(&changes)).await
    };
    match made.await {
        Ok(()) => finish(turn, &account, &changes, last.id).await,
        Err(error) => {
            let problem = error.for_profile(&account.settings.profile);
            crate::in_tx!(app.db, tx => {
                turn.holds(&mut tx).await?;
                let told = problem.told();
                // One that lets nobody in has refused none of them: they are made as soon as it does.
                let refused = problem.code != Code::RouterUnreachable && !problem.shuts_out();
                let why = (told.as_str(), refused);
                Ok::<_, Problem>(pending::failed(&mut tx, (service_id, last.id), why, app.clock.now()).await?)
            })?;
            Err(problem)
        }
    }
}

/// The same for a hook that answers success though the router is away, or another sidecar is at it: what could not be made
/// stays pending, and the log says so. A router that was away a moment ago is not waited for again: WHMCS may be suspending
/// hundreds. One that refuses is an error all the same, because waiting does not mend it; but that somebody is to be off is a
/// fact whoever has his name there. One that lets nobody in is as good as away, and what it said is answered: nobody else
/// would look for it.
pub(super) async fn or_later(turn: &Turn, server: &Server, until: Instant) -> Result<Option<String>, Problem> {
    if nothing_waits(turn).await? {
        return Ok(None);
    }
    let until = until.min(super::deadline(super::MAKING));
    let made = async {
        turn.alone(until).await?;
        make_all(turn, &turn.router(server)?.within(until)).await
    };
    let problem = match made.await {
        // What is said in words that nobody knows refuses nothing, and is asked again.
        Err(problem) if matches!(problem.code, Code::RouterUnreachable | Code::RouterStrange | Code::Busy) => problem,
        Err(problem) if problem.shuts_out() => problem,
        Err(problem) if problem.code == Code::NameTaken && is_to_be_off(turn).await? => problem,
        outcome => return outcome.map(|()| None),
    };
    let (id, name) = (turn.service_id(), &server.told.name);
    tracing::warn!(service.id = id, router.name = name, "a router change waits: {}", problem.detail);
    Ok(problem.shuts_out().then_some(problem.detail))
}

/// Whether it waits that the account be off.
async fn is_to_be_off(turn: &Turn) -> Result<bool, Problem> {
    let mut conn = turn.app().db.read().await?;
    let changes = pending::of_service(&mut conn, turn.service_id()).await?;
    let account = Account::find(&mut conn, turn.service_id()).await?;
    Ok(changes.iter().any(is_switch) && account.is_some_and(|it| !it.causes.is_enabled()))
}

/// Whether the account is on or off on the router as it should be, whatever else of it waits or is refused.
pub(super) async fn is_switched(turn: &Turn) -> Result<bool, Problem> {
    let mut conn = turn.app().db.read().await?;
    Ok(!pending::of_service(&mut conn, turn.service_id()).await?.iter().any(is_switch))
}

fn is_switch(change: &Pending) -> bool {
    matches!(change.kind, Kind::Enable | Kind::Disable)
}

/// The same for what is in the books once and for all, such as a top-up: a router that refuses its part does not make it undone,
/// and whoever was told of an error would do it again. What the router said is told beside the success.
pub(super) async fn or_said(turn: &Turn, server: &Server, until: Instant) -> Result<Option<String>, Problem> {
    match or_later(turn, server, until).await {
        Ok(said) => Ok(said),
        Err(problem) if matches!(problem.code, Code::DatabaseUnavailable | Code::Internal) => Err(problem),
        Err(problem) => {
            let (id, router) = (turn.service_id(), &server.told.name);
            tracing::warn!(service.id = id, router.name = router, "a router change is refused: {}", problem.detail);
            Ok(Some(problem.detail))
        }
    }
}

/// Makes what waits for a router, oldest service first, as long as there is time; gives up at the first sign that it is
/// away.
///
/// # Errors
/// The database's alone, to be told of by whoever works here; what a router says is told of.
pub async fn server(app: &App, server_id: u64, until: Instant) -> Result<(), Problem> {
    match all_of(app, server_id, until).await {
        Ok(()) => {}
        Err(problem) if problem.code == Code::DatabaseUnavailable => return Err(problem),
        // Said when it went away.
        Err(problem) if problem.code == Code::RouterUnreachable || problem.shuts_out() => {
            tracing::debug!(server.id = server_id, "router changes wait: {}", problem.detail);
        }
        Err(problem) => tracing::warn!(server.id = server_id, "router changes wait: {}", problem.told()),
    }
    Ok(())
}

async fn all_of(app: &App, server_id: u64, until: Instant) -> Result<(), Problem> {
    let (server, services) = {
        let mut conn = app.db.read().await?;
        (Server::find(&mut conn, server_id).await?, pending::services_of(&mut conn, server_id, app.clock.now()).await?)
    };
    let Some(server) = server else { return Ok(()) };
    for service_id in services {
        // The others' turn comes at the next visit: a router with ten thousand changes is read meanwhile.
        if Instant::now() + LEAST > until {
            break;
        }
        let turn = Turn::of(app, service_id, until).await?;
        let until = until.min(Instant::now() + super::CHANGE);
        match in_the_background(&turn, &server, until).await {
            // Whoever has it makes what waits.
            Err(problem) if problem.code == Code::Busy => {
                tracing::debug!(service.id = service_id, "a router change waits: {}", problem.detail);
            }
            Err(problem)
                if matches!(problem.code, Code::RouterUnreachable | Code::DatabaseUnavailable)
                    || problem.shuts_out() =>
            {
                return Err(problem);
            }
            Err(problem) => tell(app, service_id, &problem).await,
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Waiting mends no refusal: it is told of at once, and then after twice as many tries each time.
async fn tell(app: &App, service_id: u64, problem: &Problem) {
    let refusals = async { pending::refusals(&mut app.db.read().await?, service_id).await };
    if refusals.await.is_ok_and(|count| !pending::is_told(count)) {
        tracing::debug!(service.id = service_id, "a router change is still refused: {}", problem.detail);
    } else {
        tracing::warn!(service.id = service_id, "a router change is refused: {}", problem.told());
    }
}

/// One that another sidecar is at is not waited for.
async fn in_the_background(turn: &Turn, server: &Server, until: Instant) -> Result<(), Problem> {
    turn.alone(Instant::now()).await?;
    make_all(turn, &turn.router(server)?.patient().within(until)).await
}

/// Who is to be on or off is so before anything else of the account is tried, and that is written down: what the router
/// refuses of the rest keeps nobody out, and nobody in. What is left then; None where there is nothing to be parted.
async fn switched_first(
    turn: &Turn,
    router: &Router,
    account: &Account,
    changes: &[Pending],
) -> Result<Option<Vec<Pending>>, MakeError> {
    let (switches, rest): (Vec<Pending>, Vec<Pending>) = changes.iter().cloned().partition(is_switch);
    let ends = account.state == State::Gone || rest.iter().any(|it| it.kind == Kind::Remove);
    if ends || switches.is_empty() || rest.is_empty() {
        return Ok(None);
    }
    make(turn.app(), router, account, &switches).await?;
    let ids: Vec<u64> = switches.iter().map(|it| it.id).collect();
    let written: Result<(), Problem> = crate::in_tx!(turn.app().db, tx => {
        turn.holds(&mut tx).await?;
        pending::these_are_made(&mut tx, turn.service_id(), &ids).await.map_err(Problem::from)
    });
    written.map(|()| Some(rest)).map_err(MakeError::from)
}

async fn make(app: &App, router: &Router, account: &Account, changes: &[Pending]) -> Result<(), MakeError> {
    let mark = super::mark(account);
    if account.state == State::Gone || changes.iter().any(|it| it.kind == Kind::Remove) {
        return Ok(remove(router, account, &mark).await?);
    }
    let (any_switch, only_switches) = (changes.iter().any(is_switch), changes.iter().all(is_switch));
    let enabled = account.causes.is_enabled();
    // Who has paid is on and who is to be off is off, whatever else of the account the router refuses.
    let switched = any_switch && routeros::set_disabled(router, &account.username, &mark, !enabled).await?;
    if switched && !enabled && changes.iter().any(|it| it.kick) {
        kick_ours(router, account).await?;
    }
    let mut off = switched;
    if any_switch && !enabled {
        off |= routeros::switch_off_renamed(router, (&account.username, account.address), &mark).await?;
    }
    // Not there to be switched off is off; everything else is brought in line as a whole.
    if !(only_switches && (switched || !enabled)) {
        let queues = super::fair_use::queues_of(app, account).await?;
        let wanted = super::wanted(app, account, queues)?;
        routeros::ensure(router, &wanted).await?;
    }
    if any_switch && !enabled && !off {
        // Nothing of ours was there to be switched off. What has the name may be the customer's own, commented anew.
        let found = routeros::find(router, &account.username, &mark).await?;
        if found.secret.as_ref().is_some_and(|secret| !secret.disabled) {
            return Err(shown_late(router, account).into());
        }
        kick_found(router, account, &found).await?;
    } else if changes.iter().any(|it| it.kick) {
        kick_ours(router, account).await?;
    }
    Ok(())
}

/// Removes everything of the account. Where its secret has got another comment it is not ours to remove, and lets the customer
/// in by his address: then nothing is taken that counts and limits him. A stranger of that name has another address.
async fn remove(router: &Router, account: &Account, mark: &Mark) -> Result<(), routeros::Error> {
    let found = routeros::find(router, &account.username, mark).await?;
    // Once it is gone its address may be somebody else's.
    if account.state != State::Gone && found.secret.is_none() && found.foreign_addresses.contains(&account.address) {
        return Err(name_taken(router, account));
    }
    routeros::remove_renamed(router, (&account.username, account.address), mark).await?;
    routeros::remove(router, &account.username, mark).await
}

fn name_taken(router: &Router, account: &Account) -> routeros::Error {
    routeros::Error::NameTaken { router: router.name().to_owned(), what: "secret", name: account.username.clone() }
}

/// A print that did not show the secret which the next one shows: whoever believed it would leave somebody in.
fn shown_late(router: &Router, account: &Account) -> routeros::Error {
    let what = format!("the secret {} was not there a moment ago, and is", account.username);
    routeros::Error::Strange { router: router.name().to_owned(), what }
}

/// Ends the account's sessions, unless the name is somebody else's now: then so are they.
async fn kick_ours(router: &Router, account: &Account) -> Result<(), MakeError> {
    match kick(router, account).await {
        Ok(_) | Err(routeros::Error::NameTaken { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends the account's sessions: how many. Sessions are known by name only, so where the name also belongs to a secret
/// that is not ours they are left alone (law 5).
pub(super) async fn kick(router: &Router, account: &Account) -> Result<usize, routeros::Error> {
    let found = routeros::find(router, &account.username, &super::mark(account)).await?;
    kick_found(router, account, &found).await
}

async fn kick_found(router: &Router, account: &Account, found: &Found) -> Result<usize, routeros::Error> {
    if found.foreign_secret {
        return Err(name_taken(router, account));
    }
    routeros::kick(router, &account.username).await
}

/// What making can end with.
pub(super) enum MakeError {
    /// The router's doing.
    Router(routeros::Error),
    /// Ours.
    Problem(Problem),
}

impl MakeError {
    /// A profile that the router does not know is a wrong setting, not a router's whim.
    pub(super) fn for_profile(self, profile: &str) -> Problem {
        match self {
            Self::Router(error) => super::create::unknown_profile(error, profile),
            Self::Problem(problem) => problem,
        }
    }
}

impl From<Problem> for MakeError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<routeros::Error> for MakeError {
    fn from(error: routeros::Error) -> Self {
        Self::Router(error)
    }
}

async fn finish(turn: &Turn, account: &Account, changes: &[Pending], last: u64) -> Result<(), Problem> {
    let app = turn.app();
    let removed = changes.iter().any(|it| it.kind == Kind::Remove);
    let uncharged = crate::in_tx!(app.db, tx => {
        let mut uncharged = Uncharged::default();
        turn.holds(&mut tx).await?;
        // Whoever undid it meanwhile held the account, and not the lease: a renewal waits for no router.
        let known = if removed { Account::find_locked(&mut tx, account.service_id).await? } else { None };
        if known.is_some() && pending::is_to_go(&mut tx, account.service_id).await? {
            uncharged = super::terminate::end(&mut tx, account.service_id, app.clock.now()).await?;
        }
        pending::made(&mut tx, account.service_id, last).await?;
        Ok::<_, Problem>(uncharged)
    })?;
    uncharged.count(&app.meters);
    Ok(())
}
