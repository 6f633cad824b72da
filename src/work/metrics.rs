//! Metrics: month-to-date totals by user name, from the books alone: WHMCS asks in the middle of a page.

use super::{Ask, view};
use crate::{account::Account, app::App, problem::Problem, usage::history};
use serde_json::{Value, json};

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let server_id = ask.server_id()?;
    if ask.server_by_id()? {
        super::find_server(app, server_id).await?;
    }
    let mut conn = app.db.read().await?;
    let names = Account::names(&mut conn, server_id).await?;
    // Said as well: WHMCS's own clock may be in another month.
    let this_month = view::this_month(app);
    let months = history::in_month_of_server(&mut conn, server_id, &this_month).await?;
    let total = |(service_id, username): &(u64, String)| {
        let month = months.binary_search_by_key(service_id, |(id, _)| *id).map(|at| months[at].1).unwrap_or_default();
        json!({"username": username, "download_bytes": month.down, "upload_bytes": month.up})
    };
    Ok(json!({"month": this_month, "accounts": names.iter().map(total).collect::<Vec<_>>()}))
}
