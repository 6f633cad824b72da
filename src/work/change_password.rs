//! Change-password: `service.password` on the router, every session ended.
//!
//! WHMCS keeps the new password only if this answers success. The intent on disk is therefore *bring the router in line
//! with what is stored*: killed between the router's answer and our record of it, the router goes back to the old password,
//! which is the one that WHMCS still has.

use super::{Ask, apply, view};
use crate::{
    account::{
        Account,
        pending::{self, Kind},
    },
    app::App,
    problem::{Code, Problem},
    routeros,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// What a customer is told where it could not be done.
const UNCHANGED: &str = "The password could not be changed right now; the old one still holds. Please try again later.";

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let (service_id, password) = (ask.service_id()?, ask.password()?);
    if password.expose_secret().is_empty() {
        return Err(Problem::malformed("service.password", "is missing"));
    }
    let _turn = app.locks.service(service_id, until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    let router = app.router(&server)?.patient().within(until);
    set(app, &router, &account, &password).await.map_err(|problem| problem.for_customer(UNCHANGED))?;
    let mut conn = app.db.read().await?;
    let account = Account::find(&mut conn, service_id).await?.ok_or_else(|| super::no_such_service(service_id))?;
    Ok(json!({"account": view::account(&mut conn, &account).await?}))
}

async fn set(app: &App, router: &routeros::Router, account: &Account, password: &SecretString) -> Result<(), Problem> {
    let (id, now) = (account.service_id, app.clock.now());
    let mut tx = app.db.begin().await?;
    pending::decide(&mut tx, (account.server_id, id), Kind::Change, true, now).await?;
    let intent = pending::of_service(&mut tx, id).await?.last().map_or(0, |it| it.id);
    tx.commit().await?;
    match routeros::set_password(router, &account.username, &super::mark(account), password).await {
        Ok(true) => {}
        Ok(false) => {
            withdraw(app, id, intent).await?;
            let text = format!(
                "The PPP secret {} is not on router {}; run the module command Create for this service to bring it back.",
                account.username,
                router.name()
            );
            return Err(Problem::new(Code::RouterRefused, text));
        }
        // Whether it was changed is not known: the intent stays and puts the old password back.
        Err(error @ routeros::Error::OutcomeUnknown { .. }) => return Err(error.into()),
        Err(error) => {
            withdraw(app, id, intent).await?;
            return Err(error.into());
        }
    }
    crate::in_tx!(app.db, tx => {
        let mut account = super::living(&mut tx, id, now).await?;
        account.set_password(&app.seal, password);
        account.save(&mut tx, now).await
    }.map_err(Problem::from))?;
    // From here on the new password holds, on the router and in the books: whatever goes wrong now, WHMCS must keep it too.
    let ended = match apply::kick(router, account).await {
        Ok(_) => withdraw(app, id, intent).await,
        Err(error) => Err(error.into()),
    };
    if let Err(problem) = ended {
        tracing::warn!(service.id = id, "the password is changed; sessions are ended later: {}", problem.detail);
    }
    Ok(())
}

/// The intent is no longer one.
async fn withdraw(app: &App, service_id: u64, id: u64) -> Result<(), Problem> {
    crate::in_tx!(app.db, tx => pending::withdraw(&mut tx, service_id, id).await.map_err(Problem::from))
}
