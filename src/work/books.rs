//! Books what counters moved: history, ledger, usage under plans, verdicts, in the caller's one transaction.

use super::{
    fair_use::Held,
    settle::{self, Plan},
};
use crate::{
    account::Account,
    app::App,
    db::Conn,
    problem::Problem,
    router::Server,
    units::Volume,
    usage::{
        history::{self, Booking},
        ledger,
    },
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// Traffic of one account in the interval (`from`, now].
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Which of the accounts.
    pub account: usize,
    /// How much.
    pub volume: Volume,
    /// Since when.
    pub from: DateTime<Utc>,
    /// From a doubtful reading: booked, but nothing is decided from it.
    pub doubtful: bool,
}

/// Books it all; how many bytes that was. Balances of `accounts` move along. Then decides: upon those that moved
/// something, and upon all that are on plans.
pub async fn book(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    (accounts, held): (&mut [Account], &mut Held),
    moved: &[Moved],
    now: DateTime<Utc>,
) -> Result<u64, Problem> {
    let mut bookings = Vec::with_capacity(moved.len());
    let (mut charges, mut bytes) = (Vec::new(), 0_u64);
    for it in moved.iter().filter(|it| !it.volume.is_zero()) {
        let account = &mut accounts[it.account];
        bytes = bytes.saturating_add(it.volume.total().0);
        for (day, raw, counted) in held.share(account, it.volume, (it.from, now)) {
            bookings.push(Booking { service_id: account.service_id, day, raw, counted });
            if account.is_metered() && !counted.is_zero() {
                charges.push((account.service_id, day, counted.total()));
                account.balance = account.balance.saturating_sub(counted.total().signed());
            }
        }
    }
    history::add(tx, &bookings).await?;
    ledger::charge(tx, &charges, now).await?;
    let doubtful: HashMap<usize, bool> = moved.iter().map(|it| (it.account, it.doubtful)).collect();
    for (at, account) in accounts.iter_mut().enumerate() {
        let (moved, plan) = match doubtful.get(&at) {
            Some(true) => continue,
            moved => (moved.is_some(), Plan::of(held, account)),
        };
        // Where nothing was moved only the plan can have changed anything.
        if moved || plan.as_ref().is_some_and(|plan| plan.is_news(account)) {
            settle::conclude(app, tx, server, (account, held), plan, now).await?;
        }
    }
    held.save(tx).await?;
    Ok(bytes)
}
