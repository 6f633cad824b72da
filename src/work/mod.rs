//! The order of things: one file a verb. A verb reads outside facts, decides in one transaction, and makes outside what
//! it decided; what it cannot make stays pending.

pub mod add_traffic;
pub mod admin;
pub mod admin_tab;
pub mod apply;
pub mod ask;
pub mod blocks;
mod books;
pub mod cdn_profiles;
pub mod change_package;
pub mod change_password;
pub mod client_area;
pub mod clock_leaps;
pub mod collect;
pub mod create;
pub mod cron;
pub mod disconnect;
pub mod doctor;
pub mod fair_use;
pub mod housekeeping;
pub mod import;
pub mod list_accounts;
mod marking;
pub mod metrics;
pub mod netflow;
pub mod options;
pub mod plans;
pub mod readiness;
pub mod rebuild;
pub mod renew;
pub mod rotate_key;
pub mod rules;
mod settle;
pub mod terminate;
pub mod test_connection;
mod turn;
mod uncharged;
pub mod usage_update;
pub mod view;
pub mod watch;

pub use crate::account::settings::NAMES as SETTINGS;
pub use ask::Ask;

use fair_use::Queues;
use turn::Turn;

use crate::{
    account::{Account, Sold, State, pending, settings::Settings},
    app::App,
    catalogue::plans as sold,
    problem::{Code, Problem},
    router::{Server, Told},
    routeros::{Mark, Wanted},
};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use std::time::Duration;
use tokio::time::Instant;

/// A lifecycle hook is done with the router by then, to answer within 20 s whatever it does (the bridge waits 25 s).
pub const LIFECYCLE: Duration = Duration::from_secs(18);
/// A collection answers within this (the bridge waits 30 s).
pub const COLLECTION: Duration = Duration::from_secs(27);
/// A test of a connection answers within this (the bridge waits 8 s).
pub const TEST: Duration = Duration::from_secs(7);
/// A background change of one service gives up after this: a hook for it may be waiting for its turn.
const CHANGE: Duration = Duration::from_secs(12);
/// What is in the books already waits for its router this long at the most; the rest is made later.
pub const MAKING: Duration = Duration::from_secs(8);
/// A page looks at the router for this long at the most.
pub const LOOK: Duration = Duration::from_millis(1500);

/// The instant by which a hook of that length must have answered.
fn deadline(length: Duration) -> Instant {
    Instant::now() + length
}

/// The mark of an account's objects on the router.
fn mark(account: &Account) -> Mark {
    Mark {
        prefix: account.settings.comment_prefix.clone(),
        service_id: account.service_id,
        email: account.sold.email.clone(),
    }
}

/// What the router should hold for an account, as it stands, with such queues (see [`fair_use`]).
fn wanted(app: &App, account: &Account, queues: Queues) -> Result<Wanted, Problem> {
    Ok(wanted_with(account.password(&app.seal)?, account, queues))
}

/// The same with a password that is given.
fn wanted_with(password: SecretString, account: &Account, queues: Queues) -> Wanted {
    Wanted {
        username: account.username.clone(),
        password,
        ppp_service: account.settings.ppp_service.as_str().to_owned(),
        profile: account.settings.profile.clone(),
        address: account.address,
        disabled: !account.causes.is_enabled(),
        queue_type: queues.kind,
        cdn: queues.cdn,
        rate: queues.rate,
        mark: mark(account),
    }
}

/// The settings of a hook's body, on the plan that they name.
///
/// # Errors
/// `setting-invalid` naming the field: for a plan that is not known here, too.
async fn settings(app: &App, ask: &Ask) -> Result<Settings, Problem> {
    let gb = app.config.traffic.gb;
    let Some((name, path)) = ask.plan_name()? else { return ask.settings(gb, None) };
    let Some(stored) = sold::named(&mut app.db.read().await?, &name).await? else {
        return Err(Problem::field(path, format!("names a plan that does not exist: {name}")));
    };
    ask.settings(gb, Some((stored.id, &stored.plan)))
}

/// The router that the body tells of, remembered; where it tells its id alone, the one that was remembered before.
///
/// # Errors
/// `malformed` for a server without an id, `no-such-server` for an id alone that is not known.
async fn told_server(app: &App, ask: &Ask) -> Result<Server, Problem> {
    if ask.server_by_id()? {
        return find_server(app, ask.server_id()?).await;
    }
    let told = ask.server()?;
    if told.id == 0 {
        return Err(Problem::malformed("server.id", "is missing"));
    }
    remember(app, &told).await
}

async fn remember(app: &App, told: &Told) -> Result<Server, Problem> {
    let known = Server::find(&mut app.db.read().await?, told.id).await?;
    if let Some(server) = known
        && server.is_as_told(told, &app.seal)
    {
        return Ok(server);
    }
    crate::in_tx!(app.db, tx => {
        Server::remember(&mut tx, told, &app.seal, app.clock.now()).await?;
        let server = Server::find(&mut tx, told.id).await?;
        server.ok_or_else(|| Problem::internal("a server just written is not there"))
    })
}

/// The router of an account: as the body tells of it where it does, else as remembered.
async fn server_of(app: &App, ask: &Ask, account: &Account) -> Result<Server, Problem> {
    if ask.has("server")? && !ask.server_by_id()? {
        let told = ask.server()?;
        if told.id == account.server_id {
            return remember(app, &told).await;
        }
    }
    find_server(app, account.server_id).await
}

async fn find_server(app: &App, id: u64) -> Result<Server, Problem> {
    let missing = || {
        let text = format!(
            "Server {id} is not known to Turnpike; run the module command Create for one of its services first."
        );
        Problem::new(Code::NoSuchServer, text)
    };
    Server::find(&mut app.db.read().await?, id).await?.ok_or_else(missing)
}

fn no_such_service(service_id: u64) -> Problem {
    Problem::new(
        Code::NoSuchService,
        format!("Service {service_id} is not known to Turnpike; run the module command Create for it first."),
    )
}

/// A living account, locked in this transaction. WHMCS still reckons with it, so a termination that failed and was left
/// waiting is no longer wanted: it must not take away what was paid for since, and what it took is brought back.
async fn living(tx: &mut crate::db::Tx, turn: &Turn, now: DateTime<Utc>) -> Result<Account, Problem> {
    let account = living_still(tx, turn.service_id(), now).await?;
    turn.decides(tx).await?;
    Ok(account)
}

/// The same for what was begun in time and is to be written down however late it is.
async fn living_still(tx: &mut crate::db::Tx, service_id: u64, now: DateTime<Utc>) -> Result<Account, Problem> {
    let account = Account::find_locked(tx, service_id).await?;
    let account = account.filter(|account| account.state == State::Made).ok_or_else(|| no_such_service(service_id))?;
    pending::undo_removal(tx, (account.server_id, service_id), now).await?;
    Ok(account)
}

/// Keeps whose the service is by now; the objects on the router carry the client's address, and follow.
async fn learn_client(
    tx: &mut crate::db::Tx,
    account: &mut Account,
    learn: impl FnOnce(&mut Sold),
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let before = account.sold.email.clone();
    learn(&mut account.sold);
    if before != account.sold.email {
        let of = (account.server_id, account.service_id);
        pending::decide(tx, of, pending::Kind::Change, false, now).await?;
    }
    Ok(())
}

/// A living account, as it stands.
async fn find_living(app: &App, service_id: u64) -> Result<Account, Problem> {
    let account = Account::find(&mut app.db.read().await?, service_id).await?;
    account.filter(|account| account.state == State::Made).ok_or_else(|| no_such_service(service_id))
}

/// Words as a sentence: with a capital letter and a full stop.
fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(rest).chain(['.']).collect()
}

/// An instant as the contract spells it: RFC 3339, UTC, whole seconds.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
