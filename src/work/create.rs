//! Create: ensures that the account exists as it was sold.
//!
//! Law 3: twice is once. The router is asked first, so that one that is away leaves nothing behind; then the intent is
//! written, then the router's part made, then the account said to be made and its first packet granted. Killed between, the
//! same create continues; on the router our own orphan is adopted and a foreign name refused.

mod addresses;

use super::{
    Ask, Turn,
    apply::MakeError,
    fair_use::Held,
    import, settle,
    uncharged::{Cause, Uncharged},
    view,
};
use crate::{
    account::{
        Account, State, addresses::AddressSpace, allotment, causes::Causes, fair_use, pending, settings::Settings,
    },
    app::App,
    problem::{Code, Problem},
    router::Server,
    routeros::{self, Profile, Refusal, Router},
    units::Bytes,
    usage::{
        counters,
        ledger::{self, Kind},
        reading::Counter,
    },
};
use addresses::{ANOTHERS, dedicated, free_addresses, pool_space, remembered_space};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// How often a rule with dice in it is asked for another name.
const NAMES: usize = 20;

/// What was asked for, parsed.
struct Wish {
    service: super::ask::Service,
    sold: crate::account::Sold,
    settings: Settings,
    space: AddressSpace,
    /// The plan's address pool, where it has one: the space is then that.
    pool: Option<String>,
}

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let mut wish = Wish {
        service: ask.service()?,
        sold: ask.sold()?,
        settings: super::settings(app, ask).await?,
        space: ask.address_space()?,
        pool: None,
    };
    let server = super::told_server(app, ask).await?;
    if ask.server_by_id()? {
        wish.space = remembered_space(&server)?;
    }
    let service_id = wish.service.id;
    let turn = Turn::of(app, service_id, until).await?;
    turn.alone(until).await?;
    let router = turn.router(&server)?.patient().within(until);
    let known = Account::find(&mut app.db.read().await?, service_id).await?;
    check_same(&wish, &server, known.as_ref())?;
    if let Some(known) = known.as_ref().filter(|known| known.state != State::Gone) {
        // What may be on the router carries the mark that it was made with; with another it would not be ours.
        wish.settings.comment_prefix.clone_from(&known.settings.comment_prefix);
    }
    let profiles = require_profile(&router, &wish.settings.profile, &ask.setting_path("profile")).await?;
    if let Some(pool) = super::fair_use::sold_here(app, ask, &wish.settings, server.told.id).await? {
        wish.space = pool_space(&router, &pool, &ask.setting_path("plan")).await?;
        wish.pool = Some(pool);
    }
    let Intended { account, last } = loop {
        let free = free_addresses(app, &server, (&router, &profiles), &wish, known.as_ref()).await?;
        // None: others were faster with all of them.
        if let Some(intended) = intend(app, (&turn, &server), &wish, &free).await? {
            break intended;
        }
    };
    let counter = match make(app, &router, &account).await {
        Err(MakeError::Router(error @ routeros::Error::NameTaken { .. })) => {
            forget(app, (&turn, &router), known.as_ref(), &account).await?;
            return Err(error.into());
        }
        Err(error) => return Err(error.for_profile(&account.settings.profile)),
        Ok(counter) => counter,
    };
    let made = crate::in_tx!(app.db, tx => made(app, &mut tx, (&turn, &server), (&counter, last)).await)?;
    if made.begins {
        let mut uncharged = Uncharged::default();
        uncharged.add(Cause::Begin, Some(counter.volume.total()));
        uncharged.count(&app.meters);
    }
    if made.waits {
        super::apply::or_later(&turn, &server, until).await?;
    }
    answer(app, service_id).await
}

/// Makes the router's part; what the queue's counter begins with.
async fn make(app: &App, router: &Router, account: &Account) -> Result<Counter, MakeError> {
    let queues = super::fair_use::queues_of(app, account).await?;
    let wanted = super::wanted(app, account, queues)?;
    let ensured = routeros::ensure(router, &wanted).await?;
    if ensured.queue_created {
        return Ok(Counter::zero(ensured.queue_id));
    }
    // What an adopted queue counted before is not this customer's to pay.
    let reading = routeros::counter(router, &account.username, &wanted.mark).await?;
    Ok(reading.map_or_else(|| Counter::zero(ensured.queue_id), |it| super::collect::counter_of(&it)))
}

/// A name that something else has was refused before anything was made: what was intended is forgotten, so that the
/// next try may have another name, and another service the address.
async fn forget(
    app: &App,
    (turn, router): (&Turn, &Router),
    before: Option<&Account>,
    account: &Account,
) -> Result<(), Problem> {
    match before.map(|it| it.state) {
        Some(State::Made) => return Ok(()),
        // An earlier try may have made a part.
        Some(State::New) => routeros::remove(router, &account.username, &super::mark(account)).await?,
        Some(State::Gone) | None => {}
    }
    let (id, now) = (account.service_id, app.clock.now());
    crate::in_tx!(app.db, tx => {
        turn.holds(&mut tx).await?;
        allotment::free(&mut tx, id).await?;
        if let Some(before) = before.filter(|it| it.made_at.is_some()) {
            let mut before = before.clone();
            before.state = State::Gone;
            before.save(&mut tx, now).await?;
        } else {
            fair_use::forget(&mut tx, id).await?;
            Account::forget(&mut tx, id).await?;
        }
        Ok::<_, Problem>(())
    })
}

/// Asks whether the PPP profile is there, before anything is made; all that are.
pub(super) async fn require_profile(router: &Router, profile: &str, path: &str) -> Result<Vec<Profile>, Problem> {
    let profiles = routeros::profiles(router).await?;
    if profiles.iter().any(|it| it.name == profile) {
        return Ok(profiles);
    }
    Err(no_profile(router.name(), profile, path))
}

fn no_profile(router: &str, profile: &str, path: &str) -> Problem {
    let why =
        format!("names the PPP profile {profile}, which is not on router {router}; make it there or choose another");
    Problem::field(path, why)
}

/// An account that lives already, or of which an earlier try may have made a part, can be brought in line, but not be moved
/// or renamed by a create: what is on the router would be left there.
fn check_same(wish: &Wish, server: &Server, known: Option<&Account>) -> Result<(), Problem> {
    let Some(known) = known.filter(|known| known.state != State::Gone) else { return Ok(()) };
    if known.server_id != server.told.id {
        let why = format!(
            "is not the server that this service lives on (server {}); terminate it there first",
            known.server_id
        );
        return Err(Problem::field("server.id", why));
    }
    let given = &wish.service.username;
    if !given.is_empty() && *given != known.username {
        let why = format!(
            "differs from {}, as which this service exists; terminate it first, or put the name back",
            known.username
        );
        return Err(Problem::field("service.username", why));
    }
    Ok(())
}

/// An account as it is to be made.
struct Intended {
    account: Account,
    /// The latest change that is in it.
    last: u64,
}

/// Writes the intent: who, what, which name and address. The address is unique per router; `None` where others have
/// taken all of these meanwhile.
async fn intend(
    app: &App,
    (turn, server): (&Turn, &Server),
    wish: &Wish,
    free: &[Ipv4Addr],
) -> Result<Option<Intended>, Problem> {
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let service_id = wish.service.id;
        let settings = super::plans::on_plan(&mut tx, &wish.settings).await?;
        let known = Account::find_locked(&mut tx, service_id).await?;
        turn.decides(&mut tx).await?;
        let fresh = || Account::new(service_id, server.told.id, wish.sold.clone(), settings.clone());
        let mut account = known.unwrap_or_else(fresh);
        let (begins, was_on_plan) = (account.state != State::Made, account.settings.plan.is_some());
        let was_metered = !begins && account.is_metered();
        if account.state == State::Gone {
            account.causes = Causes { quota: account.causes.quota, quota_at: account.causes.quota_at, ..Causes::default() };
            account.username = String::new();
            account.state = State::New;
        }
        account.server_id = server.told.id;
        account.sold = wish.sold.clone().or(&account.sold);
        name(app, &mut tx, wish, &mut account).await?;
        let no_password = account.password(&app.seal).map_or(true, |it| it.expose_secret().is_empty());
        if let Some(password) = password(app, wish, no_password || (begins && account.made_at.is_some())) {
            account.set_password(&app.seal, &password);
        }
        let held_to = super::fair_use::rate(&mut tx, &account).await?.fastest();
        counters::had_speed(&mut tx, service_id, held_to.faster(account.settings.speed)).await?;
        account.set_settings(&app.seal, settings.clone());
        if !begins && !was_metered {
            if account.is_metered() {
                counters::cut(&mut tx, service_id, Bytes(u64::MAX), now).await?;
            }
            // One that becomes metered has its packet to live on from the instant that it is, whatever becomes of the rest.
            account.balance += first_grant(&mut tx, &account, now).await?;
        }
        let (mut had, before) = (false, account.address);
        for address in free {
            if allotment::take(&mut tx, server.told.id, service_id, *address, now).await? {
                account.address = *address;
                had = true;
                break;
            }
        }
        if !had {
            return match wish.service.dedicated_address {
                Some(address) => Err(dedicated(ANOTHERS, address)),
                None => Ok(None),
            };
        }
        account.save(&mut tx, now).await?;
        account.save_standing(&mut tx, now).await?;
        // A termination that the router did not live to hear is no longer wanted.
        pending::withdraw_removal(&mut tx, service_id).await?;
        on_plan(app, &mut tx, &account, !begins && was_on_plan, now).await?;
        if !begins {
            // A session goes on with the address that it was given, which the next service may have by now.
            let moved = account.address != before;
            pending::decide(&mut tx, (server.told.id, service_id), pending::Kind::Change, moved, now).await?;
        }
        let last = pending::last(&mut tx, service_id).await?;
        Ok(Some(Intended { account, last }))
    })
}

/// Where the account stands on its plan, so that the router is given the right speed from the first. One that lives and was
/// on a plan before goes on in its cycle, whatever its due date is by now: cycles begin with renewals.
async fn on_plan(
    app: &App,
    tx: &mut crate::db::Tx,
    account: &Account,
    goes_on: bool,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Problem> {
    let mut held = Held::of_one(app, tx, account, now).await?;
    if !goes_on {
        held.begin_telling(account.service_id);
        if let Some(due) = account.sold.next_due_date {
            // One that was here before has used nothing of another cycle.
            held.renewed(tx, account.service_id, due).await?;
        }
    }
    held.decide_speed(account);
    held.save(tx).await
}

/// The user name: what WHMCS has, else what it has been, else by the rule.
async fn name(app: &App, tx: &mut crate::db::Tx, wish: &Wish, account: &mut Account) -> Result<(), Problem> {
    let server_id = account.server_id;
    let taken = |name: &str| {
        let text =
            format!("The user name {name} belongs to another service on this server; give this service another one.");
        Problem::new(Code::NameTaken, text)
    };
    if !wish.service.username.is_empty() {
        account.username.clone_from(&wish.service.username);
    }
    if !account.username.is_empty() {
        let in_use = Account::name_in_use(tx, server_id, &account.username, account.service_id).await?;
        return if in_use { Err(taken(&account.username)) } else { Ok(()) };
    }
    for _ in 0..NAMES {
        let rule = &wish.settings.username_rule;
        account.username = rule.render(wish.sold.client_id, account.service_id, app.today(), &app.chance);
        if !Account::name_in_use(tx, server_id, &account.username, account.service_id).await? {
            return Ok(());
        }
    }
    Err(taken(&account.username))
}

/// The password: what WHMCS has, else by the rule where there is none yet.
fn password(app: &App, wish: &Wish, none_yet: bool) -> Option<SecretString> {
    if !wish.service.password.expose_secret().is_empty() {
        return Some(wish.service.password.clone());
    }
    none_yet.then(|| wish.settings.password_rule.make(&app.chance))
}

/// What saying that it is made came to.
struct Made {
    /// Its counter is counted from here.
    begins: bool,
    /// Changes wait for the router.
    waits: bool,
}

/// It is on the router: said, counted from here, and its first packet granted once per due date.
async fn made(
    app: &App,
    tx: &mut crate::db::Tx,
    (turn, server): (&Turn, &Server),
    (counter, last): (&Counter, u64),
) -> Result<Made, Problem> {
    let (now, service_id) = (app.clock.now(), turn.service_id());
    let account = Account::find_locked(tx, service_id).await?;
    turn.holds(tx).await?;
    let mut account = account.ok_or_else(|| Problem::internal("an account just written is not there"))?;
    // Made once more for a due date that staff has moved, it has had its packet.
    let has_packet = account.state == State::Made && ledger::has(tx, service_id, Kind::Packet).await?;
    account.state = State::Made;
    account.made_at = account.made_at.or(Some(now));
    // WHMCS told how it was before; Active is what it makes of our success. A suspended one that is re-applied stays so.
    if account.sold.status != "Suspended" {
        "Active".clone_into(&mut account.sold.status);
    }
    let begins = !counters::has_baseline(tx, service_id).await?;
    if begins {
        counters::put(tx, &[(service_id, counter.clone())], now).await?;
    }
    if !has_packet {
        account.balance += first_grant(tx, &account, now).await?;
    }
    account.save(tx, now).await?;
    // What another sidecar has decided since the intent is not made yet.
    pending::brought_in_line(tx, service_id, last).await?;
    // A packet below the threshold is how it was sold, not a crossing: no letter for it here.
    let mut held = Held::of_one(app, tx, &account, now).await?;
    held.decide_speed(&account);
    let spent = account.is_empty() || held.is_full(&account);
    if spent != account.causes.quota {
        settle::settle_held(app, tx, server, (&mut account, &mut held), now).await?;
    }
    Ok(Made { begins, waits: pending::count(tx, service_id).await? > 0 })
}

/// The packet that an account begins its metered life with, as [`grant`] gives it: none where it came with a balance.
pub(super) async fn first_grant(
    tx: &mut crate::db::Tx,
    account: &Account,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<i64, Problem> {
    if import::stands_for_cycle(tx, account, now).await? { Ok(0) } else { grant(tx, account, now).await }
}

/// Grants the cycle's packet once per (service, due date); the bytes that it brought now.
pub(super) async fn grant(
    tx: &mut crate::db::Tx,
    account: &Account,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<i64, Problem> {
    let Some(packet) = account.settings.packet else { return Ok(0) };
    let due = account.cycle();
    let note = format!("packet of the cycle until {due}");
    let new = ledger::enter(tx, account.service_id, (Kind::Packet, &due), packet.signed(), &note, now).await?;
    Ok(if new { packet.signed() } else { 0 })
}

async fn answer(app: &App, service_id: u64) -> Result<Value, Problem> {
    let mut conn = app.db.read().await?;
    let account = Account::find(&mut conn, service_id).await?.ok_or_else(|| super::no_such_service(service_id))?;
    let password = account.password(&app.seal)?;
    Ok(json!({
        "service": {
            "username": account.username,
            "password": password.expose_secret(),
            "dedicated_address": account.address.to_string(),
        },
        "account": view::account(&mut conn, &account).await?,
    }))
}

/// A profile that the router does not know is a wrong setting.
pub(super) fn unknown_profile(error: routeros::Error, profile: &str) -> Problem {
    match &error {
        routeros::Error::Refused { router, kind: Refusal::UnknownProfile, .. } => {
            no_profile(router, profile, "settings.profile").because(error)
        }
        _ => error.into(),
    }
}
