//! One account: why it is off, its books, what waits for its router, a look at what is there; and what staff can do.

use super::{Done, Flash, Name, Page, Request, draw, fair_use as of_plan, figures, no_such_button, overview, verbs};
use crate::{
    account::{Account, State, roll},
    app::App,
    problem::{Code, Problem},
    router::Server,
    routeros::{self, Difference, HeldSecret, Holding, Wanted},
    usage::{chart, counters, history, ledger},
    work::{
        fair_use::{self, Standing},
        netflow,
        plans::words,
        view,
    },
};
use chrono::Days;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// Entries of the ledger that are shown.
const ENTRIES: u32 = 25;
/// Changes that wait and are shown.
const CHANGES: u32 = 20;

/// Draws it; with `look` in the query it asks the router too.
pub(super) async fn show(app: &App, request: &Request, id: u64, said: Option<Flash>) -> Result<Page, Problem> {
    let missing = || Problem::new(Code::NoSuchService, format!("Service {id} is not known to Turnpike."));
    let account = Account::find(&mut app.db.read().await?, id).await?.ok_or_else(missing)?;
    let server = Server::find(&mut app.db.read().await?, account.server_id).await?;
    let looked = match &server {
        Some(server) if request.query.has("look") => look(app, server, &account).await?,
        _ => Value::Null,
    };
    let standing = fair_use::standing(app, &mut app.db.read().await?, &account).await?;
    let mut own = facts(app, &account, server.as_ref());
    own["causes"] = causes(app, &account, standing.as_ref());
    let more = books(app, &account, standing.as_ref()).await?;
    if let (Value::Object(own), Value::Object(more)) = (&mut own, more) {
        own.extend(more);
        own.insert("looked".to_owned(), looked);
    }
    let title = format!("Account {}", account.username);
    draw::page(app, request, (Name::Accounts, "account.html", &title), said, own).await
}

fn facts(app: &App, account: &Account, server: Option<&Server>) -> Value {
    let (sold, terms, causes) = (&account.sold, &account.settings, &account.causes);
    json!({
        "id": account.service_id,
        "username": account.username,
        "state": match account.state { State::New => "new", State::Made => "made", State::Gone => "gone" },
        "status": sold.status,
        "enabled": causes.is_enabled(),
        "blocked": causes.admin,
        "client": {"id": sold.client_id, "name": sold.client_name, "email": sold.email},
        "product_id": sold.product_id,
        "cycle": sold.billing_cycle,
        "due": sold.next_due_date,
        "address": account.address.to_string(),
        "router": server.map(|it| json!({"id": it.told.id, "name": it.told.name, "failure": it.failed.as_ref()
            .map(|(at, why)| json!({"at": figures::at(app, *at), "why": why}))})),
        "speed": figures::speed(terms.speed),
        "profile": terms.profile,
        "ppp_service": terms.ppp_service.as_str(),
        "metered": account.is_metered(),
        "balance": figures::gb(app, account.balance),
        "in_debt": account.balance <= 0,
        "packet": terms.packet.map(|it| figures::gb(app, it.signed())),
        "threshold": terms.threshold.map(|it| figures::gb(app, it.signed())),
        "made_at": figures::maybe_at(app, account.made_at),
    })
}

/// Why it is off: each cause that holds, and what lifts it.
fn causes(app: &App, account: &Account, standing: Option<&Standing>) -> Value {
    let (causes, mut all) = (&account.causes, Vec::new());
    let one = |what: &str, why: &str, frees: &str| json!({"what": what, "why": why, "frees": frees, "since": null});
    if causes.billing {
        all.push(one("Suspended by WHMCS", &causes.billing_reason, "WHMCS’s Unsuspend"));
    }
    if causes.quota {
        let since = figures::maybe_at(app, causes.quota_at);
        let used_up = words::used_up(app, account, standing);
        all.extend(used_up.iter().map(|it| json!({"what": it.what, "why": "", "frees": it.frees, "since": since})));
    }
    if causes.admin {
        all.push(one("Blocked by staff", &causes.admin_reason, "Unblock"));
    }
    all.into()
}

/// What is booked, and what waits.
async fn books(app: &App, account: &Account, standing: Option<&Standing>) -> Result<Value, Problem> {
    let (id, today) = (account.service_id, app.today());
    let mut conn = app.db.read().await?;
    let month = history::in_month(&mut conn, id, &view::this_month(app)).await?;
    let first = today.checked_sub_days(Days::new(u64::from(chart::DAYS) - 1)).unwrap_or(today);
    let days = history::days(&mut conn, id, first).await?;
    let baseline = counters::baseline(&mut conn, id).await?;
    let entries = ledger::latest(&mut conn, id, ENTRIES).await?;
    let waiting = roll::waiting(&mut conn, Some(id), CHANGES).await?;
    drop(conn);
    let netflow = netflow::get(app, id).await.ok();
    let entry = |it: &ledger::Entry| {
        json!({
            "at": figures::at(app, it.at), "kind": it.kind, "once": it.once, "note": it.note,
            "bytes": figures::gb(app, it.bytes), "takes": it.bytes < 0,
        })
    };
    Ok(json!({
        "plan": standing.map(|it| of_plan::view(app, account, it)),
        "month": figures::volume(app, month),
        "month_name": view::this_month(app),
        "days_svg": chart::days_svg(&days, today, app.config.traffic.gb, &chart::Words::ENGLISH),
        "read": figures::maybe_at(app, baseline.as_ref().map(|it| it.booked_at)),
        "missing": figures::maybe_at(app, baseline.and_then(|it| it.missing_since)),
        "ledger": entries.iter().map(entry).collect::<Vec<_>>(),
        "waiting": waiting.iter().map(|it| overview::change(app, it)).collect::<Vec<_>>(),
        "netflow": netflow.map(|it| json!({"visible": it["visible"], "why": it["why"]})),
    }))
}

/// What is on the router now, and how it differs from what should be.
async fn look(app: &App, server: &Server, account: &Account) -> Result<Value, Problem> {
    let router = app.router(server)?.patient().within(Instant::now() + crate::work::LOOK * 2);
    let wanted = crate::work::wanted(app, account, fair_use::queues_of(app, account).await?)?;
    let both =
        async { tokio::try_join!(routeros::held(&router, &wanted), routeros::sessions(&router, &account.username)) };
    let (held, sessions) = match timeout(crate::work::LOOK * 2, both).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => return Ok(json!({"failure": Problem::from(error).detail})),
        Err(_elapsed) => return Ok(json!({"failure": "The router did not answer in time."})),
    };
    let session = |it: &routeros::Session| {
        json!({
            "address": it.address.map(|it| it.to_string()), "caller": it.caller_id, "service": it.service,
            "uptime": figures::duration(it.uptime_seconds),
        })
    };
    // The sessions of a name that is also somebody else's are not ours to show.
    let ours = |held: &HeldSecret| wanted.mark.owns(&held.row.comment);
    let sessions = if held.secrets.iter().all(ours) { sessions } else { Vec::new() };
    let unseen = held.secrets.iter().any(|it| ours(it) && it.same_password.is_none());
    Ok(json!({
        "failure": null,
        "at": figures::at(app, app.clock.now()),
        "drift": drift(account, &wanted, &held),
        "password_unseen": unseen,
        "sessions": sessions.iter().map(session).collect::<Vec<_>>(),
    }))
}

/// Each way in which the router's objects are not as Re-apply would make them.
fn drift(account: &Account, wanted: &Wanted, held: &Holding) -> Vec<String> {
    let secrets: Vec<_> = held.secrets.iter().collect();
    let queues: Vec<_> = held.queues.iter().collect();
    if account.state == State::Made {
        return routeros::differences(wanted, &secrets, &queues).into_iter().map(in_words).collect();
    }
    let secret = secrets.iter().any(|it| wanted.mark.owns(&it.row.comment));
    let queue = queues.iter().any(|it| wanted.mark.owns(&it.comment));
    let there = [("PPP secret", secret), ("queue", queue)].into_iter().filter(|(_, is)| *is);
    there.map(|(what, _)| format!("The {what} is there, and should be missing")).collect()
}

fn in_words(differs: Difference) -> String {
    let named = |object: &str| if object == "secret" { "PPP secret".to_owned() } else { object.to_owned() };
    match differs {
        Difference::Missing(object) => format!("The {} is missing, and should be there", named(object)),
        Difference::Foreign(object) => {
            format!("There is a {object} of this name that is not this service’s; Turnpike leaves it alone")
        }
        Difference::Several(object, count) => {
            format!("There are {count} {object}s of this name, and there should be one")
        }
        Difference::Password => "The secret’s password differs".to_owned(),
        Difference::Property { object, property, is, should } => {
            let (property, is, should) = match property {
                "disabled" => ("switch", switch(&is), switch(&should)),
                "max-limit" => (property, rates(&is), rates(&should)),
                _ => (property, is, should),
            };
            let is = if is.is_empty() { "empty".to_owned() } else { is };
            format!("The {object}’s {property} is {is}, and should be {should}")
        }
    }
}

fn switch(disabled: &str) -> String {
    if disabled == "yes" { "off" } else { "on" }.to_owned()
}

/// RouterOS's `upload/download` in bit/s, as people read it.
fn rates(words: &str) -> String {
    let one = |bits: u64| if bits == 0 { "unlimited".to_owned() } else { format!("{} kbit/s", bits.div_ceil(1000)) };
    let both = words.split_once('/').and_then(|(up, down)| Some((up.parse().ok()?, down.parse().ok()?)));
    both.map_or_else(|| words.to_owned(), |(up, down)| format!("{} down and {} up", one(down), one(up)))
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    let Some(id) = request.query.number("service")? else { return Err(no_such_button()) };
    let here = format!("accounts&service={id}");
    let text = match what {
        "block" => verbs::block(app, request, id).await?,
        "unblock" => verbs::unblock(app, id).await?,
        "add" => verbs::add_traffic(app, request, id).await?,
        "apply" => verbs::apply(app, id, true).await?,
        "retry" => verbs::apply(app, id, false).await?,
        other => of_plan::press(app, request, id, other).await?.ok_or_else(no_such_button)?,
    };
    Ok(Done::well(here, text))
}
