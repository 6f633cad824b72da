//! Renew: the cycle's packet, once per service and due date; a balance above zero frees at once, with no cron between.
//!
//! The grant is a fact of the books and is answered although the router is away. Debt always carries; what was left over
//! does too unless `traffic.carry_over` is off. On a plan the cycle's counters begin again, and what follows is decided.

use super::{Ask, Turn, apply, create, fair_use::Held, settle, view};
use crate::{
    account::Account,
    app::App,
    problem::Problem,
    units::Bytes,
    usage::{
        counters,
        ledger::{self, Kind},
    },
};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let service_id = ask.service_id()?;
    let Some(due) = ask.next_due_date()? else {
        let why = "is missing: it is what tells one renewal from another";
        return Err(Problem::malformed("service.next_due_date", why));
    };
    // Whoever has paid is not refused for a plan that was renamed, nor for any other setting that is not needed here.
    let packet = ask.packet(app.config.traffic.gb)?;
    let cycle = ask.billing_cycle()?;
    let turn = Turn::of(app, service_id, until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let mut account = super::living(&mut tx, &turn, now).await?;
        super::learn_client(&mut tx, &mut account, |sold| ask.learn_client(sold), now).await?;
        account.sold.next_due_date = Some(due);
        if !cycle.is_empty() && !account.sold.billing_cycle.is_empty() {
            // A service that was paid once may be renewed by now: no cycle of the plan's own runs beside the renewals. One
            // that was imported waits for WHMCS to tell all that was sold, and shows so until then.
            account.sold.billing_cycle.clone_from(&cycle);
        }
        let was_metered = account.is_metered();
        if let Some(packet) = packet {
            // The packet that is sold now is the one that the renewal brings; the rest waits for change-package.
            account.settings.packet = packet;
        }
        if account.is_metered() && !was_metered {
            counters::cut(&mut tx, service_id, Bytes(u64::MAX), now).await?;
        }
        if !app.config.traffic.carry_over {
            expire(&mut tx, &mut account, now).await?;
        }
        account.balance += create::grant(&mut tx, &account, now).await?;
        account.save(&mut tx, now).await?;
        let mut held = Held::of_one(app, &mut tx, &account, now).await?;
        held.renewed(&mut tx, service_id, due).await?;
        settle::settle_held(app, &mut tx, &server, (&mut account, &mut held), now).await
    })?;
    let refused = apply::or_said(&turn, &server, until).await?;
    view::booked(app, service_id, refused).await
}

/// What was left over goes, once per due date, and only if that date's packet is still to come.
async fn expire(tx: &mut crate::db::Tx, account: &mut Account, now: DateTime<Utc>) -> Result<(), Problem> {
    let due = account.cycle();
    let granted = ledger::find(tx, account.service_id, Kind::Packet, &due).await?.is_some();
    if granted || !account.is_metered() || account.balance <= 0 {
        return Ok(());
    }
    let note = format!("unused before the cycle until {due}");
    if ledger::enter(tx, account.service_id, (Kind::Expiry, &due), -account.balance, &note, now).await? {
        // What was moved until now and is not read yet would have been paid for by it.
        counters::cut(tx, account.service_id, Bytes(account.balance.unsigned_abs()), now).await?;
        account.balance = 0;
    }
    Ok(())
}
