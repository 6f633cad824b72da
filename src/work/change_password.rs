//! Change-password: `service.password` on the router, every session ended.
//!
//! WHMCS keeps the new password only if this answers success. The intent on disk is therefore *bring the router in line
//! with what is stored*: killed between the router's answer and our record of it, the router goes back to the old password,
//! which is the one that WHMCS still has.

use super::{Ask, Turn, apply, view};
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
    let turn = Turn::of(app, service_id, until).await?;
    turn.alone(until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    let router = turn.router(&server)?.patient().within(until);
    set(app, (&turn, &router), &account, &password).await.map_err(|problem| problem.for_customer(UNCHANGED))?;
    let mut conn = app.db.read().await?;
    let account = Account::find(&mut conn, service_id).await?.ok_or_else(|| super::no_such_service(service_id))?;
    Ok(json!({"account": view::account(&mut conn, &account).await?}))
}

async fn set(
    app: &App,
    (turn, router): (&Turn, &routeros::Router),
    account: &Account,
    password: &SecretString,
) -> Result<(), Problem> {
    let (id, now) = (account.service_id, app.clock.now());
    let intent = crate::in_tx!(app.db, tx => {
        super::living(&mut tx, turn, now).await?;
        pending::decide(&mut tx, (account.server_id, id), Kind::Change, true, now).await?;
        Ok::<_, Problem>(pending::of_service(&mut tx, id).await?.last().map_or(0, |it| it.id))
    })?;
    match routeros::set_password(router, &account.username, &super::mark(account), password).await {
        Ok(true) => {}
        Ok(false) => {
            withdraw(app, turn, intent).await?;
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
            withdraw(app, turn, intent).await?;
            return Err(error.into());
        }
    }
    crate::in_tx!(app.db, tx => {
        let mut account = super::living_still(&mut tx, id, now).await?;
        turn.holds(&mut tx).await?;
        account.set_password(&app.seal, password);
        Ok::<_, Problem>(account.save(&mut tx, now).await?)
    })?;
    // From here on the new password holds, on the router and in the books: whatever goes wrong now, WHMCS must keep it too.
    let ended = match apply::kick(router, account).await {
        Ok(_) => withdraw(app, turn, intent).await,
        Err(error) => Err(error.into()),
    };
    if let Err(problem) = ended {
        tracing::warn!(service.id = id, "the password is changed; sessions are ended later: {}", problem.told());
    }
    Ok(())
}

/// The intent is no longer one.
async fn withdraw(app: &App, turn: &Turn, id: u64) -> Result<(), Problem> {
    crate::in_tx!(app.db, tx => {
        turn.holds(&mut tx).await?;
        Ok::<_, Problem>(pending::withdraw(&mut tx, turn.service_id(), id).await?)
    })
}
