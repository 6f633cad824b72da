//! Makes pending router changes: what is made is the account as it stands, so that a change made twice or in another order
//! ends the same.

use crate::{
    account::{
        Account, State,
        pending::{self, Kind, Pending},
    },
    app::App,
    problem::{Code, Problem},
    router::Server,
    routeros::{self, Router},
};
use tokio::time::Instant;

/// Makes a service's changes now, trying a router that was away a moment ago too. The caller holds the service's lock.
///
/// # Errors
/// The router's, with the changes still pending; the database's.
pub async fn service(app: &App, server: &Server, service_id: u64, until: Instant) -> Result<(), Problem> {
    by(app, &app.router(server)?.patient().within(until), service_id).await
}

async fn by(app: &App, router: &Router, service_id: u64) -> Result<(), Problem> {
    let (account, changes) = {
        let mut conn = app.db.read().await?;
        // The changes first: what is decided between the two reads has a higher id and stays, however old the account is.
        let changes = pending::of_service(&mut conn, service_id).await?;
        (Account::find(&mut conn, service_id).await?, changes)
    };
    let (Some(account), Some(last)) = (account, changes.last()) else { return Ok(()) };
    match make(app, router, &account, &changes).await {
        Ok(()) => finish(app, &account, &changes, last.id).await,
        Err(error) => {
            let problem = error.for_profile(&account.settings.profile);
            let mut tx = app.db.begin().await?;
            let why = (problem.detail.as_str(), problem.code != Code::RouterUnreachable);
            pending::failed(&mut tx, (service_id, last.id), why, app.clock.now()).await?;
            tx.commit().await?;
            Err(problem)
        }
    }
}

/// The same for a hook that answers success though the router is away: what could not be made stays pending, and the
/// log says so. A router that was away a moment ago is not waited for again: WHMCS may be suspending hundreds. One that
/// refuses is an error all the same, because waiting does not mend it.
pub async fn or_later(app: &App, server: &Server, service_id: u64, until: Instant) -> Result<(), Problem> {
    let router = app.router(server)?.within(until.min(super::deadline(super::MAKING)));
    match by(app, &router, service_id).await {
        Err(problem) if problem.code == Code::RouterUnreachable => {
            tracing::warn!(
                service.id = service_id,
                router.name = server.told.name,
                "a router change waits: {}",
                problem.detail
            );
            Ok(())
        }
        outcome => outcome,
    }
}

/// Makes all that waits for a router, oldest service first; gives up at the first sign that it is away.
pub async fn server(app: &App, server_id: u64, until: Instant) {
    match all_of(app, server_id, until).await {
        Ok(()) => {}
        // Said when it went away.
        Err(problem) if problem.code == Code::RouterUnreachable => {
            tracing::debug!(server.id = server_id, "router changes wait: {}", problem.detail);
        }
        Err(problem) => tracing::warn!(server.id = server_id, "router changes wait: {}", problem.detail),
    }
}

async fn all_of(app: &App, server_id: u64, until: Instant) -> Result<(), Problem> {
    let (server, services) = {
        let mut conn = app.db.read().await?;
        (Server::find(&mut conn, server_id).await?, pending::services_of(&mut conn, server_id, app.clock.now()).await?)
    };
    let Some(server) = server else { return Ok(()) };
    for service_id in services {
        let _turn = app.locks.service(service_id, until).await?;
        let until = until.min(Instant::now() + super::CHANGE);
        match service(app, &server, service_id, until).await {
            Err(problem) if problem.code == Code::RouterUnreachable || problem.code == Code::DatabaseUnavailable => {
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
        tracing::warn!(service.id = service_id, "a router change is refused: {}", problem.detail);
    }
}

async fn make(app: &App, router: &Router, account: &Account, changes: &[Pending]) -> Result<(), MakeError> {
    let mark = super::mark(account);
    if account.state == State::Gone || changes.iter().any(|it| it.kind == Kind::Remove) {
        return Ok(routeros::remove(router, &account.username, &mark).await?);
    }
    let switches = |it: &Pending| matches!(it.kind, Kind::Enable | Kind::Disable);
    let (any_switch, only_switches) = (changes.iter().any(switches), changes.iter().all(switches));
    let enabled = account.causes.is_enabled();
    // Who has paid is on and who is to be off is off, whatever else of the account the router refuses.
    let switched = any_switch && routeros::set_disabled(router, &account.username, &mark, !enabled).await?;
    if switched && !enabled && changes.iter().any(|it| it.kick) {
        kick_ours(router, account).await?;
    }
    // Not there to be switched off is off; everything else is brought in line as a whole.
    if !(only_switches && (switched || !enabled)) {
        let queues = super::fair_use::queues_of(app, account).await?;
        let wanted = super::wanted(app, account, queues)?;
        routeros::ensure(router, &wanted).await?;
    }
    if changes.iter().any(|it| it.kick) {
        kick_ours(router, account).await?;
    }
    Ok(())
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
    if found.foreign_secret {
        let (router, name) = (router.name().to_owned(), account.username.clone());
        return Err(routeros::Error::NameTaken { router, what: "secret", name });
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

async fn finish(app: &App, account: &Account, changes: &[Pending], last: u64) -> Result<(), Problem> {
    let removed = changes.iter().any(|it| it.kind == Kind::Remove);
    crate::in_tx!(app.db, tx => {
        if removed {
            super::terminate::end(&mut tx, account.service_id, app.clock.now()).await?;
        }
        pending::made(&mut tx, account.service_id, last).await?;
        Ok::<_, Problem>(())
    })
}
