//! Usage-update: one collection of a server (read, book, reset), then verdicts, letters and blocks, and the figures that
//! WHMCS keeps.

use super::{
    Ask,
    collect::{self, Outcome, Scope, Skipped},
    view,
};
use crate::{
    account::Account,
    app::App,
    problem::Problem,
    usage::{counters, history},
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::COLLECTION);
    let server = super::told_server(app, ask).await?;
    let id = server.told.id;
    let outcome = collect::run(app, id, Scope::All, until).await?;
    Ok(json!({
        "server_id": id,
        "collected_at": super::instant(outcome.at),
        "collected": outcome.read.len(),
        "services": services(app, id, &outcome, |_| true).await?,
        "skipped": outcome.skipped.iter().map(skipped).collect::<Vec<_>>(),
    }))
}

/// An account that was left out, and why.
pub(super) fn skipped(it: &Skipped) -> Value {
    json!({"service_id": it.service_id, "reason": it.reason})
}

/// The figures of a router's services that were read, as they stand now.
pub(super) async fn services(
    app: &App,
    server_id: u64,
    outcome: &Outcome,
    wanted: impl Fn(&Account) -> bool,
) -> Result<Vec<Value>, Problem> {
    let read: HashSet<u64> = outcome.read.iter().copied().collect();
    let mut conn = app.db.read().await?;
    let accounts = Account::of_server(&mut conn, server_id).await?;
    let months = history::in_month_of_server(&mut conn, server_id, &view::this_month(app)).await?;
    let months: HashMap<u64, _> = months.into_iter().collect();
    let baselines = counters::baselines(&mut conn, server_id).await?;
    let chosen = accounts.iter().filter(|account| read.contains(&account.service_id) && wanted(account));
    Ok(chosen
        .map(|account| {
            let month = months.get(&account.service_id).copied().unwrap_or_default();
            view::usage(account, month, baselines.get(&account.service_id))
        })
        .collect())
}
