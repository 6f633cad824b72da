//! List-accounts: what is on the router, ours and foreign, for WHMCS's Server Sync.

use super::Ask;
use crate::{account::Account, app::App, problem::Problem, routeros};
use serde_json::{Value, json};

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::COLLECTION);
    let server = super::told_server(app, ask).await?;
    let router = app.router(&server)?.patient().within(until);
    let secrets = routeros::secrets(&router).await?;
    let mut prefixes = Account::prefixes(&mut app.db.read().await?, server.told.id).await?;
    // A service that is to be adopted was made with the usual one; another installation's with its own is not ours.
    prefixes.insert("WHMCS".to_owned());
    let ours = |comment: &str| routeros::Mark::parse(comment).filter(|(prefix, ..)| prefixes.contains(prefix));
    let account = |it: &routeros::SecretRow| {
        json!({
            "username": it.name,
            "service_id": ours(&it.comment).map(|(_, id, _)| id),
            "address": it.address.map(|address| address.to_string()),
            "enabled": !it.disabled,
            "profile": it.profile,
            "comment": it.comment,
        })
    };
    Ok(json!({"accounts": secrets.iter().map(account).collect::<Vec<_>>()}))
}
