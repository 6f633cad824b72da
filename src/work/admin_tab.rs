//! Admin-tab: what staff see on the service's tab, from what is stored: why it is off, the balance and its last entries,
//! what waits for the router.

use super::{Ask, fair_use, plans::words, view};
use crate::{
    account::{Account, pending},
    app::App,
    problem::Problem,
    router::Server,
    usage::{counters, history, ledger},
};
use serde_json::{Value, json};

/// Entries of the ledger that are shown.
const ENTRIES: u32 = 10;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let service_id = ask.service_id()?;
    let mut conn = app.db.read().await?;
    let Some(account) = Account::find(&mut conn, service_id).await? else {
        return Ok(
            json!({"account": null, "fields": [field("Account", "not made yet: run the module command Create")]}),
        );
    };
    let server = Server::find(&mut conn, account.server_id).await?;
    let month = history::in_month(&mut conn, service_id, &view::this_month(app)).await?;
    let baseline = counters::baseline(&mut conn, service_id).await?;
    let waiting = pending::count(&mut conn, service_id).await?;
    let standing = fair_use::standing(app, &mut conn, &account).await?;
    let entries = ledger::latest(&mut conn, service_id, ENTRIES).await?;
    let gb = app.config.traffic.gb;
    let shown = |bytes: i64| format!("{} GB", gb.display(bytes, 4));
    let balance = if account.is_metered() { shown(account.balance) } else { "unmetered".to_owned() };
    let read = baseline.as_ref().map_or_else(|| "never".to_owned(), |it| super::instant(it.booked_at));
    let ledger: Vec<String> = entries
        .iter()
        .map(|it| format!("{} {} {} {}", super::instant(it.at), it.kind, it.once, shown(it.bytes)))
        .collect();
    Ok(json!({
        "account": view::account(&mut conn, &account).await?,
        "fields": [
            field("Account", &account.username),
            field("Address", &account.address.to_string()),
            field("Router", &server.as_ref().map_or_else(String::new, |it| it.told.name.clone())),
            field("Router last read", &read),
            field("Router trouble", &server.and_then(|it| it.failed).map_or_else(String::new, |(at, why)| format!("{} {why}", super::instant(at)))),
            field("State", if account.causes.is_enabled() { "enabled" } else { "off" }),
            field("Why it is off", &why(&account, words::used_up(app, &account, standing.as_ref()))),
            field("Balance", &balance),
            field("This month", &format!("{} down, {} up", shown(month.down.signed()), shown(month.up.signed()))),
            field("Waiting for the router", &waiting.to_string()),
            field("Last entries", &ledger.join("\n")),
        ],
    }))
}

fn field(label: &str, value: &str) -> Value {
    json!({"label": label, "value": value})
}

fn why(account: &Account, used_up: Vec<words::UsedUp>) -> String {
    let causes = &account.causes;
    let told =
        |what: &str, reason: &str| if reason.is_empty() { what.to_owned() } else { format!("{what} ({reason})") };
    let mut lines = Vec::new();
    if causes.billing {
        lines.push(told("suspended by WHMCS", &causes.billing_reason));
    }
    if causes.quota {
        lines.extend(used_up.into_iter().map(|it| format!("{} (lifted by {})", it.what, it.frees)));
    }
    if causes.admin {
        lines.push(told("blocked by staff", &causes.admin_reason));
    }
    lines.join("; ")
}
