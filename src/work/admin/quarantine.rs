//! Traffic that cannot be true: staff accept it, and it is booked and decided upon; or drop it, and nobody pays for it.

use super::{Done, Flash, Name, Page, Request, draw, figures, no_such_button, verbs};
use crate::{
    account::{Account, State},
    app::App,
    db::Tx,
    problem::{Code, Problem},
    router::Server,
    units::{Bytes, Volume},
    usage::{
        days,
        history::{self, Booking},
        ledger::{self, Kind},
        quarantine::{self, By, Doubt, Verdict},
    },
    work::{self, Turn, apply, fair_use::Held, settle},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

/// Rows of each table.
const ROWS: u32 = 100;

/// Draws those that wait and those that were decided.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let mut conn = app.db.read().await?;
    let (waiting, decided) =
        (quarantine::list(&mut conn, true, ROWS).await?, quarantine::list(&mut conn, false, ROWS / 4).await?);
    let mut rows = Vec::new();
    for doubt in waiting.iter().chain(&decided) {
        rows.push(row(app, doubt, Account::find(&mut conn, doubt.service_id).await?.as_ref()));
    }
    drop(conn);
    let decided = rows.split_off(waiting.len());
    let own = json!({"waiting": rows, "decided": decided, "factor": app.config.collect.sanity_factor});
    draw::page(app, request, (Name::Quarantine, "quarantine.html", "Quarantine"), said, own).await
}

fn row(app: &App, it: &Doubt, account: Option<&Account>) -> Value {
    let seconds = (it.to - it.from).num_seconds().max(1).unsigned_abs();
    json!({
        "id": it.id, "service_id": it.service_id, "why": it.why, "state": it.state,
        "username": account.map(|it| &it.username),
        "payable": Some(it.payable).filter(|it| account.is_some_and(Account::is_metered) && *it != Bytes::ZERO)
            .map(|it| figures::gb(app, it.signed())),
        "cdn": it.by == By::Cdn,
        "speed": account.map(|it| figures::speed(it.settings.speed)),
        "volume": figures::volume(app, it.volume),
        "from": figures::at(app, it.from), "to": figures::at(app, it.to), "length": figures::duration(seconds),
        "decided": figures::maybe_at(app, it.decided_at),
    })
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    let Some(id) = request.form.number("doubt")? else { return Err(no_such_button()) };
    let verdict = match what {
        "accept" => Verdict::Accepted,
        "drop" => Verdict::Dropped,
        _ => return Err(no_such_button()),
    };
    let missing = || Problem::new(Code::NoSuchRecord, format!("There is nothing in quarantine with the number {id}."));
    let doubt = quarantine::find(&mut app.db.read().await?, id).await?.ok_or_else(missing)?;
    let until = work::deadline(work::LIFECYCLE);
    let turn = Turn::of(app, doubt.service_id, until).await?;
    // The service may live on another router by now.
    let account = Account::find(&mut app.db.read().await?, doubt.service_id).await?;
    let home = account.map_or(doubt.server_id, |account| account.server_id);
    let server = Server::find(&mut app.db.read().await?, home).await?;
    let (now, note) = (app.clock.now(), note(request, &doubt));
    let decided = crate::in_tx!(app.db, tx => {
        let new = quarantine::decide(&mut tx, id, verdict, now).await?;
        turn.decides(&mut tx).await?;
        if new && verdict == Verdict::Accepted {
            book(app, &mut tx, server.as_ref(), &doubt, &note, now).await?;
        }
        Ok::<_, Problem>(new)
    })?;
    if !decided {
        return Ok(Done::already("quarantine", "That was decided before; nothing was changed."));
    }
    let refused = match (verdict, &server) {
        (Verdict::Accepted, Some(server)) => apply::or_said(&turn, server, until).await?,
        _ => None,
    };
    let refused = refused.map_or_else(String::new, |why| verbs::refused(&why));
    let amount = figures::gb(app, doubt.volume.total().signed());
    Ok(Done::well(
        "quarantine",
        match verdict {
            Verdict::Accepted => format!("{amount} booked for service {}.{refused}", doubt.service_id),
            Verdict::Dropped => format!("{amount} of service {} dropped: nobody pays for it.", doubt.service_id),
        },
    ))
}

fn note(request: &Request, doubt: &Doubt) -> String {
    let note = format!("accepted from quarantine by {}: {}", request.admin.name, doubt.why);
    note.chars().take(255).collect()
}

/// The days get the traffic, and a metered balance pays for it by a correction; then the balance decides. CDN traffic counts
/// to CDN tiers and to the days, and nobody pays for it.
async fn book(
    app: &App,
    tx: &mut Tx,
    server: Option<&Server>,
    doubt: &Doubt,
    note: &str,
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let id = doubt.service_id;
    let Some(mut account) = Account::find_locked(tx, id).await? else { return Ok(()) };
    let mut held = Held::of_one(app, tx, &account, now).await?;
    let shares = match doubt.by {
        By::Own => held.share(&account, doubt.volume, (doubt.from, doubt.to)),
        By::Cdn => cdn_shares(app, &mut held, doubt),
    };
    let booking = |&(day, raw, counted): &(_, _, _)| Booking { service_id: id, day, raw, counted };
    history::add(tx, &shares.iter().map(booking).collect::<Vec<_>>()).await?;
    // Never more than it would have cost when it was put aside: the package may be another one by now.
    let counted = shares.iter().fold(Volume::ZERO, |sum, (.., counted)| sum + *counted).total();
    let bytes = -counted.min(doubt.payable).signed();
    if account.is_metered()
        && bytes != 0
        && doubt.by == By::Own
        && ledger::enter(tx, id, (Kind::Correction, &format!("quarantine/{}", doubt.id)), bytes, note, now).await?
    {
        account.balance = account.balance.saturating_add(bytes);
    }
    if let (Some(server), State::Made) = (server, account.state) {
        settle::settle_held(app, tx, server, (&mut account, &mut held), now).await?;
    }
    held.save(tx).await
}

/// Counts it to the day's and the cycle's CDN traffic: each day's share, of which nothing is counted elsewhere.
fn cdn_shares(app: &App, held: &mut Held, doubt: &Doubt) -> Vec<(NaiveDate, Volume, Volume)> {
    let (fair, now) = (held.get_mut(doubt.service_id), app.clock.now());
    let edges: Vec<DateTime<Utc>> = fair.iter().flat_map(|fair| [fair.day_began_at, fair.cycle_began_at]).collect();
    let pieces = days::pieces(doubt.volume, doubt.from, doubt.to, &edges, app.config.zone);
    if let Some(fair) = fair {
        for piece in &pieces {
            fair.count_cdn(piece.at, piece.volume.total(), now);
        }
    }
    pieces.into_iter().map(|piece| (piece.day, piece.volume, Volume::ZERO)).collect()
}
