//! Disconnect: every session of the account is ended. Nothing is remembered; a router that is away is an error.

use super::{Ask, Turn, apply};
use crate::{app::App, problem::Problem};
use serde_json::{Value, json};

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let service_id = ask.service_id()?;
    let turn = Turn::of(app, service_id, until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    turn.alone(until).await?;
    let router = turn.router(&server)?.patient().within(until);
    let sessions = apply::kick(&router, &account).await?;
    Ok(json!({"sessions": sessions}))
}
