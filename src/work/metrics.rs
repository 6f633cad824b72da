//! Metrics: month-to-date totals by user name, from the books alone: WHMCS asks in the middle of a page.

use super::{Ask, view};
use crate::{account::Account, app::App, problem::Problem, usage::history};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let server_id = ask.server_id()?;
    if ask.server_by_id()? {
        super::find_server(app, server_id).await?;
    }
    let mut conn = app.db.read().await?;
    let accounts = Account::of_server(&mut conn, server_id).await?;
    let months = history::in_month_of_server(&mut conn, server_id, &view::this_month(app)).await?;
    let months: HashMap<u64, _> = months.into_iter().collect();
    let total = |account: &Account| {
        let month = months.get(&account.service_id).copied().unwrap_or_default();
        json!({"username": account.username, "download_bytes": month.down, "upload_bytes": month.up})
    };
    Ok(json!({"accounts": accounts.iter().map(total).collect::<Vec<_>>()}))
}
