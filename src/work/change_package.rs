//! Change-package: new settings on the router. Address, counters and balance stay; sessions are ended only where the
//! profile or the PPP service changed. The new settings are a fact of the books; the router's part may wait.

use super::{Ask, Turn, apply, create, fair_use, fair_use::Held, import, settle, view};
use crate::{
    account::{
        Account,
        pending::{self, Kind},
        settings::Settings,
    },
    app::App,
    problem::{Code, Problem},
    units::Bytes,
    usage::counters,
};
use serde_json::Value;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let service_id = ask.service_id()?;
    let settings = super::settings(app, ask).await?;
    let sold = ask.sold()?;
    let turn = Turn::of(app, service_id, until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    fair_use::sold_here(app, ask, &settings, server.told.id).await?;
    if account.settings.profile != settings.profile {
        let router = app.router(&server)?.within(until);
        match create::require_profile(&router, &settings.profile, &ask.setting_path("profile")).await {
            // It cannot be asked: taken for good, and said when the router returns.
            Err(problem)
                if matches!(problem.code, Code::RouterUnreachable | Code::RouterStrange) || problem.shuts_out() => {}
            Err(problem) => return Err(problem),
            Ok(_) => {}
        }
    }
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let settings = super::plans::on_plan(&mut tx, &settings).await?;
        let mut account = super::living(&mut tx, &turn, now).await?;
        let kick = account.settings.profile != settings.profile || account.settings.ppp_service != settings.ppp_service;
        let before = routers_part(&account);
        let held_to = fair_use::rate(&mut tx, &account).await?.fastest();
        counters::had_speed(&mut tx, service_id, held_to.faster(account.settings.speed)).await?;
        let (was_metered, was_on_plan) = (account.is_metered(), account.settings.plan.is_some());
        account.sold = sold.clone().or(&account.sold);
        // The mark stays what it was made with; with another it would not be ours.
        let comment_prefix = account.settings.comment_prefix.clone();
        account.set_settings(&app.seal, Settings { comment_prefix, ..settings.clone() });
        if account.is_metered() && !was_metered {
            // What was moved until now and is not read yet was sold without a balance.
            counters::cut(&mut tx, service_id, Bytes(u64::MAX), now).await?;
        }
        // A service that becomes metered has its cycle's packet to live on; one that was metered keeps what it has, and
        // so does one that came with a balance.
        if !import::stands_for_cycle(&mut tx, &account, now).await? && !was_metered {
            account.balance += create::grant(&mut tx, &account, now).await?;
        }
        account.save(&mut tx, now).await?;
        let mut held = Held::of_one(app, &mut tx, &account, now).await?;
        if !was_on_plan {
            held.begin_telling(service_id);
            // Counters stay from plan to plan; of one that comes back to plans, only within the cycle that it left in.
            if let Some(due) = account.sold.next_due_date {
                held.renewed(&mut tx, service_id, due).await?;
            }
        }
        settle::settle_held(app, &mut tx, &server, (&mut account, &mut held), now).await?;
        if before != routers_part(&account) {
            pending::decide(&mut tx, (account.server_id, service_id), Kind::Change, kick, now).await?;
        }
        Ok::<_, Problem>(())
    })?;
    let shut_out = apply::or_later(&turn, &server, until).await?;
    view::booked(app, service_id, shut_out).await
}

/// What of an account the router holds, but for the switch.
fn routers_part(account: &Account) -> impl PartialEq + use<> {
    let terms = &account.settings;
    (terms.profile.clone(), terms.ppp_service, terms.speed, terms.plan, super::mark(account).comment())
}
