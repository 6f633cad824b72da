//! Terminate: the final reading is booked, then everything of the account is removed from the router.
//!
//! Already gone is success. The removal is on disk before the router hears of it; killed between, it is finished in the
//! background. A router that is away is an error before anything was changed.

use super::{
    Ask, Turn, apply,
    books::{self, Books, Moved},
    collect, marking,
    uncharged::{Cause, Uncharged},
    view,
};
use crate::{
    account::{
        Account, State, allotment, fair_use,
        pending::{self, Kind},
    },
    app::App,
    db::Conn,
    meters::Meters,
    problem::{Code, Problem},
    router::{Server, lease::Lease},
    routeros::{self, Reading},
    units::{Speed, Volume},
    usage::{
        cdn,
        counters::{self, Baseline},
        page,
        reading::{self, AfterReset, Reboot},
    },
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let service_id = ask.service_id()?;
    let turn = Turn::of(app, service_id, until).await?;
    let Some(account) = Account::find(&mut app.db.read().await?, service_id).await? else {
        return Ok(json!({"account": null}));
    };
    if account.state != State::Gone {
        let server = super::server_of(app, ask, &account).await?;
        turn.alone(until).await?;
        remove(app, (&turn, &server), &account, until).await?;
        // The address is free from here on: the next customer must not stand in this one's lists.
        marking::run(app, account.server_id, until).await;
    }
    let mut conn = app.db.read().await?;
    let account = Account::find(&mut conn, service_id).await?.ok_or_else(|| super::no_such_service(service_id))?;
    Ok(json!({"account": view::account(&mut conn, &account).await?}))
}

async fn remove(app: &App, (turn, server): (&Turn, &Server), account: &Account, until: Instant) -> Result<(), Problem> {
    let last = async |lease: &Lease| last_reading(app, (turn, server), account, lease, until).await;
    collect::alone(app, server.told.id, until, last).await?;
    let made = apply::service(turn, server, until).await;
    if let Err(problem) = &made
        && problem.code != Code::RouterUnreachable
    {
        // Refused: WHMCS keeps the service, and nothing may remove it later behind its back. A router that was lost on the
        // way is another matter: what was begun there is finished when it returns.
        crate::in_tx!(app.db, tx => {
            turn.holds(&mut tx).await?;
            let whose = (server.told.id, account.service_id);
            Ok::<_, Problem>(pending::undo_removal(&mut tx, whose, app.clock.now()).await?)
        })?;
    }
    made
}

/// Reads the queue once more, books it and decides the removal, in one transaction.
async fn last_reading(
    app: &App,
    (turn, server): (&Turn, &Server),
    account: &Account,
    lease: &Lease,
    until: Instant,
) -> Result<(), Problem> {
    let router = app.router(server)?.patient().within(until);
    let mark = super::mark(account);
    let mut reading = routeros::counter(&router, &account.username, &mark).await?;
    if reading.is_none() {
        // What it counted would go with it unbooked: a router may answer a print without the row that it has.
        reading = routeros::counter(&router, &account.username, &mark).await?;
    }
    let now = app.clock.now();
    let last = crate::in_tx!(app.db, tx => {
        collect::proves(&mut tx, lease, server.told.id).await?;
        let id = account.service_id;
        let known = Account::find_locked(&mut tx, id).await?.filter(|known| known.state != State::Gone);
        turn.decides(&mut tx).await?;
        let Some(known) = known else { return Ok(Last::default()) };
        let booked = book(app, &mut tx, server, known, reading.as_ref(), now).await?;
        let decided = pending::of_service(&mut tx, id).await?.iter().any(|it| it.kind == Kind::Remove);
        if !decided {
            pending::decide(&mut tx, (server.told.id, id), Kind::Remove, false, now).await?;
        }
        Ok::<_, Problem>(booked)
    })?;
    app.meters.booked_bytes.inc_by(last.bytes);
    last.uncharged.count(&app.meters);
    if last.put_aside {
        Meters::count(&app.meters.doubts, "quarantine", 1);
    }
    Ok(())
}

/// What the last reading came to, for the meters: counted once it is committed.
#[derive(Default)]
struct Last {
    bytes: u64,
    put_aside: bool,
    uncharged: Uncharged,
}

async fn book(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    account: Account,
    reading: Option<&Reading>,
    now: DateTime<Utc>,
) -> Result<Last, Problem> {
    let id = account.service_id;
    let mut last = Last::default();
    let mut books = Books::of_some(app, tx, server.told.id, &[id], now).await?;
    let baseline = books.all.first().and_then(|it| it.baseline.clone());
    let Some(baseline) = baseline else { return Ok(last) };
    let intent = counters::open_reset(tx, id, &baseline).await?;
    let sold = books.held.fastest(&account).unwrap_or(account.settings.speed);
    let shown = reading.and_then(|it| it.shape.as_ref()).map(|shape| shape.fastest());
    let speed = [baseline.line, shown].into_iter().flatten().fold(sold, Speed::faster);
    let Some(reading) = reading else {
        // Its queue is gone, and with it what passed since it was read last.
        last.uncharged.add(Cause::Missing, reading::unseen(speed, now - baseline.booked_at, Volume::ZERO));
        return Ok(last);
    };
    let seen = collect::counter_of(reading);
    let volume = if let Some(intent) = intent {
        let elapsed = now - intent.intended_at;
        let after = reading::after_unknown_reset(&intent.counter, &seen, collect::line_rate(speed), elapsed);
        if !matches!(after, AfterReset::NotHappened { .. }) {
            last.uncharged.add(Cause::Reset, reading::unseen(speed, elapsed, after.delta()));
        }
        after.delta()
    } else {
        let delta = reading::delta(&baseline.counter, &seen, Reboot::No);
        if delta.restarted {
            let elapsed = now - baseline.booked_at;
            last.uncharged.add(Cause::Restart, reading::unseen(speed, elapsed, delta.volume));
        }
        delta.volume
    };
    let (from, cut) = (baseline.booked_at, baseline.cut_within(baseline.booked_at, now));
    // The account is about to go: it is booked, but no letter and no block follow from it.
    let mut moved = Moved { account: 0, volume, from, doubtful: true, cut };
    let others = || collect::counts_others(&books.all[0], &baseline, reading).filter(|_| !volume.is_zero());
    if let Some(why) = collect::cannot_be(app, volume, speed, now - from).or_else(others) {
        let what = (&moved, server.told.id, now);
        collect::put_aside(app, tx, &books, what, (&why, false), &mut last.uncharged).await?;
        last.put_aside = true;
        moved.volume = Volume::ZERO;
    }
    last.bytes = books::book(app, tx, server, &mut books, &[moved], now).await?;
    books.change(0).rebase(Baseline::new(seen, now));
    books.save(tx, server.told.id).await?;
    books.save_plans(tx).await?;
    counters::close_intent(tx, id).await?;
    Ok(last)
}

/// The router holds nothing of it any more: said, and its address freed. The books stay. What may have passed since they had
/// their last reading, once it is committed.
pub(super) async fn end(tx: &mut Conn, service_id: u64, now: DateTime<Utc>) -> Result<Uncharged, Problem> {
    let mut uncharged = Uncharged::default();
    let Some(mut account) = Account::find_locked(tx, service_id).await? else { return Ok(uncharged) };
    // Asked for without holding the router's row, which a reading holds before accounts.
    if let Some(baseline) = counters::baseline(tx, service_id).await? {
        // Up to the decision a queue that was gone is counted as missing.
        let decided = pending::to_go_since(tx, service_id).await?.unwrap_or(baseline.booked_at);
        let sold = super::fair_use::rate(tx, &account).await?.fastest().faster(account.settings.speed);
        let speed = baseline.line.map_or(sold, |line| sold.faster(line));
        let unread = now - decided.max(baseline.booked_at);
        uncharged.add(Cause::Terminate, reading::unseen(speed, unread, Volume::ZERO));
    }
    account.state = State::Gone;
    account.save(tx, now).await?;
    allotment::free(tx, service_id).await?;
    page::close_one(tx, service_id, now).await?;
    counters::forget(tx, service_id).await?;
    cdn::forget(tx, service_id).await?;
    fair_use::end(tx, service_id).await?;
    Ok(uncharged)
}
