//! What follows from a booking: the quota cause, letters, router changes. One place for every verb that moves a balance.
//!
//! All of it is written in the caller's transaction; the router and the mail server hear of it later (law 1).

use crate::{
    account::{
        Account,
        pending::{self, Kind},
        verdict::{self, Books, Letter},
    },
    app::App,
    db::Conn,
    mail::{
        Facts, Purpose, Variables,
        outbox::{self, NewLetter},
    },
    problem::Problem,
    router::Server,
};
use chrono::{DateTime, Utc};

/// Decides upon an account whose balance or terms have changed, and writes the decision down.
///
/// The account must have been read, locked, in this transaction. Whether anything has to be made on the router.
pub async fn settle(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    account: &mut Account,
    now: DateTime<Utc>,
) -> Result<bool, Problem> {
    let was_enabled = account.causes.is_enabled();
    let before = (account.threshold_armed, account.causes.quota);
    let verdict = verdict::decide(Books {
        metered: account.is_metered(),
        balance: account.balance,
        threshold: account.settings.threshold,
        armed: account.threshold_armed,
        quota: account.causes.quota,
    });
    account.threshold_armed = verdict.armed;
    account.causes.quota = verdict.quota;
    if verdict.quota && !before.1 {
        account.causes.quota_at = Some(now);
    }
    if let Some(letter) = verdict.letter {
        write(app, tx, server, account, letter, now).await?;
    }
    if verdict.letter.is_some() || before != (verdict.armed, verdict.quota) {
        account.save_standing(tx, now).await?;
    }
    switch(tx, account, was_enabled, now).await
}

/// Decides the router's part of a change of causes: nothing where the account is as enabled as it was.
pub async fn switch(tx: &mut Conn, account: &Account, was_enabled: bool, now: DateTime<Utc>) -> Result<bool, Problem> {
    let enabled = account.causes.is_enabled();
    if enabled == was_enabled {
        return Ok(false);
    }
    let (kind, kick) = if enabled { (Kind::Enable, false) } else { (Kind::Disable, true) };
    pending::decide(tx, (account.server_id, account.service_id), kind, kick, now).await?;
    Ok(true)
}

/// Puts a letter into the outbox; a product without a template for it wants none.
async fn write(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    account: &mut Account,
    letter: Letter,
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let terms = &account.settings;
    let (purpose, template) = match letter {
        Letter::Threshold => (Purpose::Threshold, &terms.threshold_template),
        Letter::Suspension => (Purpose::Suspension, &terms.suspension_template),
    };
    let Some(template) = template.clone() else { return Ok(()) };
    account.letters += 1;
    let facts = Facts {
        service_id: account.service_id,
        username: &account.username,
        client_name: &account.sold.client_name,
        balance_bytes: account.balance,
        packet: terms.packet.unwrap_or_default(),
        threshold: terms.threshold,
        next_due_date: account.sold.next_due_date,
        server_address: &server.told.hostname,
        plan: None,
    };
    let new = NewLetter {
        service_id: account.service_id,
        purpose,
        template: &template,
        to_name: &account.sold.client_name,
        to_address: &account.sold.email,
        variables: &Variables::new(&facts, app.config.traffic.gb),
        dedupe_key: &format!("{}/{}/{}", account.service_id, purpose.as_str(), account.letters),
    };
    outbox::queue(tx, new, now).await?;
    app.letters_queued.notify_one();
    Ok(())
}
