//! Suspend and unsuspend (WHMCS's cause), admin-block and admin-unblock (staff's cause).
//!
//! A cause is a fact of the books: it is recorded and answered at once, and the router's part is made now or when the
//! router returns.

use super::{Ask, Turn, apply, settle, view};
use crate::{account::Account, app::App, problem::Problem};
use serde_json::Value;

/// Which cause, and whether it is set or cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// WHMCS suspends.
    Suspend,
    /// WHMCS unsuspends.
    Unsuspend,
    /// Staff blocks.
    AdminBlock,
    /// Staff unblocks.
    AdminUnblock,
}

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask, change: Change) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let service_id = ask.service_id()?;
    let (reason, status) = (ask.hook_remark("reason")?, ask.status()?);
    let turn = Turn::of(app, service_id, until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let mut account = super::living(&mut tx, &turn, now).await?;
        let was_enabled = account.causes.is_enabled();
        super::learn_client(&mut tx, &mut account, |sold| ask.learn_client(sold), now).await?;
        set(&mut account, change, &reason);
        // WHMCS tells how it was before, and makes this of our success.
        match change {
            Change::Suspend => "Suspended".clone_into(&mut account.sold.status),
            Change::Unsuspend => "Active".clone_into(&mut account.sold.status),
            Change::AdminBlock | Change::AdminUnblock if status.is_empty() => {}
            Change::AdminBlock | Change::AdminUnblock => account.sold.status.clone_from(&status),
        }
        account.save(&mut tx, now).await?;
        settle::switch(&mut tx, &account, was_enabled, now).await
    })?;
    let shut_out = match apply::or_later(&turn, &server, until).await {
        // What is refused is another change that waits for this account: it is told of where it was decided.
        Err(problem) if apply::is_switched(&turn).await? => {
            tracing::warn!(service.id = service_id, "a router change is refused: {}", problem.told());
            None
        }
        outcome => outcome?,
    };
    view::booked(app, service_id, shut_out).await
}

fn set(account: &mut Account, change: Change, reason: &str) {
    let causes = &mut account.causes;
    let (holds, why, on) = match change {
        Change::Suspend => (&mut causes.billing, &mut causes.billing_reason, true),
        Change::Unsuspend => (&mut causes.billing, &mut causes.billing_reason, false),
        Change::AdminBlock => (&mut causes.admin, &mut causes.admin_reason, true),
        Change::AdminUnblock => (&mut causes.admin, &mut causes.admin_reason, false),
    };
    *holds = on;
    *why = if on { reason.to_owned() } else { String::new() };
}
