//! Test-connection: logs in to the router with what the form holds now, and says what would hurt later. Nothing is
//! remembered: the form may not be saved.

use super::Ask;
use crate::{app::App, problem::Problem, routeros};
use serde_json::{Value, json};
use tokio::time::timeout_at;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::TEST);
    let told = ask.server()?;
    let (name, login) = (told.name.clone(), crate::app::login(&told)?);
    let slow = |_elapsed| routeros::Error::Unreachable { router: name, why: "no login within 7 s".to_owned() };
    let router = timeout_at(until, app.routers.once(login)).await.map_err(slow)??.within(until);
    let facts = routeros::facts(&router).await?;
    let mut warnings = Vec::new();
    if !told.tls {
        let text = "The connection is not encrypted: tick Secure and use the API's TLS port 8729, or keep it on a private network.";
        warnings.push(text.to_owned());
    }
    for profile in routeros::profiles(&router).await? {
        if !profile.rate_limit.is_empty() {
            warnings.push(format!(
                "PPP profile {} has a rate limit: its dynamic queue hides the traffic from ours. Use a profile without one.",
                profile.name
            ));
        }
    }
    if let Err(problem) = ask.address_space() {
        warnings.push(problem.detail);
    } else if ask.address_space()?.is_empty() {
        warnings.push("The server has no Assigned IP Addresses; accounts cannot be made until it has some.".to_owned());
    }
    Ok(json!({
        "router": {
            "identity": facts.identity,
            "version": facts.version,
            "board": facts.board,
            "uptime_seconds": facts.uptime_seconds,
        },
        "warnings": warnings,
    }))
}
