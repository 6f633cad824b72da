//! Books what counters moved: history, ledger, verdict, in the caller's one transaction.

use super::settle::settle;
use crate::{
    account::Account,
    app::App,
    db::Conn,
    problem::Problem,
    router::Server,
    units::Volume,
    usage::{
        days,
        history::{self, Booking},
        ledger,
    },
};
use chrono::{DateTime, Utc};

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

/// Books it all; how many bytes that was. Balances of `accounts` move along.
pub async fn book(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    accounts: &mut [Account],
    moved: &[Moved],
    now: DateTime<Utc>,
) -> Result<u64, Problem> {
    let mut bookings = Vec::with_capacity(moved.len());
    let (mut charges, mut bytes) = (Vec::new(), 0_u64);
    for it in moved.iter().filter(|it| !it.volume.is_zero()) {
        let account = &mut accounts[it.account];
        bytes = bytes.saturating_add(it.volume.total().0);
        for (day, raw) in days::split(it.volume, it.from, now, app.config.zone) {
            // No plan discounts anything yet: what was moved is what counts.
            let counted = raw;
            bookings.push(Booking { service_id: account.service_id, day, raw, counted });
            if account.is_metered() {
                charges.push((account.service_id, day, counted.total()));
                account.balance = account.balance.saturating_sub(counted.total().signed());
            }
        }
    }
    history::add(tx, &bookings).await?;
    ledger::charge(tx, &charges, now).await?;
    for it in moved.iter().filter(|it| !it.doubtful) {
        settle(app, tx, server, &mut accounts[it.account], now).await?;
    }
    Ok(bytes)
}
