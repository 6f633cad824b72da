//! Client-area: everything the client page shows, from what is stored, plus a look at the router of 1.5 s at the most.
//!
//! Law 7: unknown is said as unknown, with the instant it was last known; a silent router is neither offline nor missing.

mod plan;

use super::Ask;
use crate::{
    account::{Account, Sold, State},
    app::App,
    problem::Problem,
    router::Server,
    routeros,
    usage::{chart, history},
};
use chrono::Days;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// How long the page waits to write down what it saw.
const REMEMBER: std::time::Duration = std::time::Duration::from_millis(500);

/// What the router said in time.
enum Looked {
    /// It answered.
    Seen(routeros::Look),
    /// It did not, or was not asked.
    Unknown,
}

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let service_id = ask.service_id()?;
    let told_status = ask.status()?;
    let words = chart::Words::of(&ask.language()?);
    let account = Account::find(&mut app.db.read().await?, service_id).await?;
    let account = account.filter(|account| account.state == State::Made);
    let Some(account) = account else {
        let state = if is_active(&told_status) { "missing" } else { "inactive" };
        return Ok(nothing_known(state, netflow_of(app, service_id, &told_status).await?.as_ref()));
    };
    let status = if told_status.is_empty() { &account.sold.status } else { &told_status };
    let server = Server::find(&mut app.db.read().await?, account.server_id).await?;
    let looked = match (&server, is_active(status)) {
        (Some(server), true) => look(app, server, &account).await?,
        _ => Looked::Unknown,
    };
    let state = state(status, &account, &looked);
    let connection = connection(app, &account, &looked).await?;
    let netflow = netflow_of(app, service_id, status).await?;
    let mut conn = app.db.read().await?;
    let plan = plan::shown(app, &mut conn, &account).await?;
    let today = app.today();
    let first = today.checked_sub_days(Days::new(u64::from(account.settings.history_days) - 1)).unwrap_or(today);
    let days = history::days(&mut conn, service_id, first).await?;
    let months = history::months(&mut conn, service_id).await?;
    let gb = app.config.traffic.gb;
    Ok(json!({
        "state": state,
        "information": information(app, server.as_ref(), &account)?,
        "connection": connection,
        "traffic": traffic(&account, &account.sold, gb.bytes()),
        "statistics": {
            "days": days.iter().map(|(day, it)| moved("date", &day.to_string(), *it)).collect::<Vec<_>>(),
            "months": months.iter().map(|(month, it)| moved("month", month, *it)).collect::<Vec<_>>(),
        },
        "charts": {
            "days_svg": chart::days_svg(&days, today, gb, &words),
            "months_svg": chart::months_svg(&months, today, gb, &words),
        },
        "netflow": netflow,
        "plan": plan,
    }))
}

/// A day's or a month's traffic; what is counted of it only where that is less.
fn moved(what: &str, when: &str, it: history::Moved) -> Value {
    let mut row = json!({what: when, "download_bytes": it.raw.down, "upload_bytes": it.raw.up});
    if it.counted != it.raw {
        row["counted_download_bytes"] = json!(it.counted.down);
        row["counted_upload_bytes"] = json!(it.counted.up);
    }
    row
}

/// The page's network usage. It hangs on no router: a secret that is missing there hides nothing of it. A service that
/// is not Active shows none, as its page shows no login either.
async fn netflow_of(app: &App, service_id: u64, status: &str) -> Result<Option<Value>, Problem> {
    if !is_active(status) {
        return Ok(None);
    }
    super::netflow::on_page(app, service_id).await
}

fn is_active(status: &str) -> bool {
    status.eq_ignore_ascii_case("active")
}

fn nothing_known(state: &str, netflow: Option<&Value>) -> Value {
    json!({
        "state": state, "information": null, "connection": null, "traffic": null,
        "statistics": {"days": [], "months": []}, "charts": {"days_svg": "", "months_svg": ""}, "netflow": netflow,
        "plan": null,
    })
}

fn state(status: &str, account: &Account, looked: &Looked) -> &'static str {
    match looked {
        _ if !is_active(status) => "inactive",
        Looked::Seen(look) if !look.secret_found => "missing",
        _ if !account.causes.is_enabled() => "blocked",
        _ => "active",
    }
}

/// Asks the router, for as long as a page can wait.
async fn look(app: &App, server: &Server, account: &Account) -> Result<Looked, Problem> {
    let router = app.router(server)?.within(Instant::now() + super::LOOK);
    match timeout(super::LOOK, routeros::look(&router, &account.username, &super::mark(account))).await {
        Ok(Ok(look)) => Ok(Looked::Seen(look)),
        Ok(Err(error)) => {
            tracing::debug!(router.name = server.told.name, %error, "the client page goes without a live look");
            Ok(Looked::Unknown)
        }
        Err(_elapsed) => Ok(Looked::Unknown),
    }
}

async fn remember(
    app: &App,
    service_id: u64,
    online: bool,
    now: chrono::DateTime<chrono::Utc>,
) -> crate::db::Result<()> {
    let mut tx = app.db.begin().await?;
    Account::saw_online(&mut tx, service_id, online, now).await?;
    tx.commit().await
}

async fn connection(app: &App, account: &Account, looked: &Looked) -> Result<Value, Problem> {
    let Looked::Seen(look) = looked else {
        let as_of = account.online.map(|(_, at)| super::instant(at));
        return Ok(json!({
            "status": "unknown", "as_of": as_of, "address": null, "caller_id": null, "service": null, "uptime_seconds": null,
        }));
    };
    let now = app.clock.now();
    let online = !look.sessions.is_empty();
    // Written only when it says something new, or the page's every reload would be a write.
    let fresh =
        |(was, at): (bool, chrono::DateTime<chrono::Utc>)| was == online && now - at < chrono::Duration::minutes(1);
    if !account.online.is_some_and(fresh) {
        // A page does not wait for a database that is busy with a poll; the next one remembers it.
        let _late = timeout(REMEMBER, remember(app, account.service_id, online, now)).await;
    }
    let session = look.sessions.first();
    Ok(json!({
        "status": if online { "online" } else { "offline" },
        "as_of": super::instant(now),
        "address": session.and_then(|it| it.address).map(|it| it.to_string()),
        "caller_id": session.map(|it| it.caller_id.clone()),
        "service": session.map(|it| it.service.clone()),
        "uptime_seconds": session.map(|it| it.uptime_seconds),
    }))
}

fn information(app: &App, server: Option<&Server>, account: &Account) -> Result<Value, Problem> {
    let terms = &account.settings;
    let offered = [(terms.support_pptp, "PPtP"), (terms.support_l2tp, "L2TP")];
    let protocols: Vec<_> = offered.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
    let psk = if terms.support_l2tp { Some(account.psk(&app.seal)?) } else { None };
    let psk = psk.filter(|it| !it.expose_secret().is_empty());
    let dialled = server.map(|it| if it.told.hostname.is_empty() { &it.told.address } else { &it.told.hostname });
    Ok(json!({
        "instruction_url": terms.instruction_url,
        "server_address": dialled,
        "protocols": protocols,
        "l2tp_psk": psk.as_ref().map(ExposeSecret::expose_secret),
        "username": account.username,
        "password": account.password(&app.seal)?.expose_secret(),
        "download_kbps": terms.speed.down,
        "upload_kbps": terms.speed.up,
    }))
}

fn traffic(account: &Account, sold: &Sold, bytes_per_gb: u64) -> Value {
    let metered = account.is_metered();
    json!({
        "metered": metered,
        "balance_bytes": metered.then_some(account.balance),
        "next_cycle_bytes": account.settings.packet,
        "next_cycle_date": sold.next_due_date,
        "blocked_by": account.causes.foremost(),
        "bytes_per_gb": bytes_per_gb,
    })
}
