//! Options: what WHMCS's drop-downs offer. A silent router never empties them: the saved values stay, with a warning.

use super::Ask;
use crate::{app::App, catalogue::plans, params, problem::Problem, routeros, sql};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// A router is asked for this long at the most; the bridge waits 3 s.
const LONGEST: Duration = Duration::from_millis(2500);

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let mut profiles = BTreeSet::from(["default".to_owned()]);
    // What the product has is never taken out of the list that shows it.
    profiles.extend(ask.setting("profile")?);
    let mut warning = None;
    if ask.has("server")? {
        let told = ask.server()?;
        profiles.extend(saved(app, told.id).await?);
        let login = crate::app::login(&told)?;
        let look = async {
            let router = app.routers.once(login).await?.within(super::deadline(LONGEST));
            routeros::profiles(&router).await
        };
        match tokio::time::timeout(LONGEST, look).await {
            Ok(Ok(found)) => profiles.extend(found.into_iter().map(|it| it.name)),
            Ok(Err(error)) => warning = Some(Problem::from(error).detail),
            Err(_elapsed) => {
                warning = Some(format!("Router {} does not answer; these are the saved profiles.", told.name));
            }
        }
    }
    let server = if ask.has("server")? { Some(ask.server()?.id) } else { None };
    let plans = plan_names(app, server, ask.setting("plan")?).await?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(json!({"profiles": profiles, "plans": plans, "warning": warning, "version": version}))
}

/// The plans' names in the order of drop-downs, without those that are sold on another server alone; the one that the
/// product has stays, last where it is none of these.
async fn plan_names(app: &App, server: Option<u64>, saved: Option<String>) -> Result<Vec<String>, Problem> {
    let elsewhere = |nas: Option<u64>| nas.zip(server.filter(|id| *id > 0)).is_some_and(|(nas, id)| nas != id);
    let all = plans::all(&mut app.db.read().await?).await?.into_iter().map(|it| it.plan);
    let mut names: Vec<String> = all.filter(|it| !elsewhere(it.place.nas_id)).map(|it| it.name).collect();
    names.extend(saved.filter(|name| !names.contains(name)));
    Ok(names)
}

async fn saved(app: &App, server_id: u64) -> Result<Vec<String>, Problem> {
    let sql = sql!("SELECT DISTINCT profile FROM account WHERE server_id = ? AND state <> 'gone' ORDER BY profile");
    let rows = app.db.read().await?.rows(sql, params![server_id]).await?;
    Ok(rows.iter().map(|row| row.get("profile")).collect::<Result<_, _>>()?)
}
