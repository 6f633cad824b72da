//! What follows from a booking: the quota cause, letters, router changes. One place for every verb that moves a balance.
//!
//! All of it is written in the caller's transaction; the router and the mail server hear of it later (law 1).

use super::fair_use::Held;
use crate::{
    account::{
        Account,
        fair_use::Told,
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
    usage::{counters, days, standing::Standing},
};
use chrono::{DateTime, Utc};

/// What an account's plan says.
pub(super) struct Plan {
    full: bool,
    news: Option<Told>,
}

impl Plan {
    /// Decides upon the account's usage; `None` where it is on no plan.
    pub(super) fn of(held: &mut Held, account: &Account) -> Option<Self> {
        held.get(account.service_id)?;
        let news = held.decide(account);
        Some(Self { full: held.is_full(account), news })
    }

    /// Whether something follows from it that has not been written down.
    pub(super) fn is_news(&self, account: &Account) -> bool {
        let verdict = verdict::decide(books(account, Some(self)));
        self.news.is_some() || verdict.quota != account.causes.quota || verdict.letter == Some(Letter::Suspension)
    }
}

/// Where the account's books stand.
fn books(account: &Account, plan: Option<&Plan>) -> Books {
    Books {
        metered: account.is_metered(),
        balance: account.balance,
        threshold: account.settings.threshold,
        armed: account.threshold_armed,
        quota: account.causes.quota,
        told_of_plan: account.told_of_plan,
        plan_full: plan.is_some_and(|plan| plan.full),
        off: account.causes.billing || account.causes.admin,
    }
}

/// Whether something may follow from an account's books that has not been written down; of one that is on no plan.
pub(super) fn is_news(standing: &Standing) -> bool {
    let verdict = verdict::decide(Books {
        metered: standing.metered,
        balance: standing.balance,
        threshold: standing.threshold,
        armed: standing.armed,
        quota: standing.quota,
        told_of_plan: false,
        plan_full: false,
        off: standing.off,
    });
    verdict.letter.is_some() || (verdict.armed, verdict.quota) != (standing.armed, standing.quota)
}

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
    let mut held = Held::of_one(app, tx, account, now).await?;
    settle_held(app, tx, server, (account, &mut held), now).await
}

/// The same where the account's usage was read already, and may have been changed.
pub(super) async fn settle_held(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    (account, held): (&mut Account, &mut Held),
    now: DateTime<Utc>,
) -> Result<bool, Problem> {
    let whose = (account.server_id, account.service_id);
    let before = held.rate(whose.1);
    let plan = Plan::of(held, account);
    let switched = conclude(app, tx, server, (account, held), plan, now).await?;
    held.save(tx).await?;
    let changed = before.filter(|before| held.rate(whose.1) != Some(*before));
    if let Some(before) = changed {
        // What its next reading shows may still have been moved at the speed before.
        counters::had_speed(tx, whose.1, before.fastest()).await?;
        pending::decide(tx, whose, Kind::Change, false, now).await?;
    }
    Ok(switched || changed.is_some())
}

/// Writes down what follows from the account's books and its plan.
pub(super) async fn conclude(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    (account, held): (&mut Account, &mut Held),
    plan: Option<Plan>,
    now: DateTime<Utc>,
) -> Result<bool, Problem> {
    let was_enabled = account.causes.is_enabled();
    let stood = |it: &Account| (it.threshold_armed, it.causes.quota, it.told_of_plan, it.letters);
    let before = stood(account);
    let verdict = verdict::decide(books(account, plan.as_ref()));
    if verdict.quota && !account.causes.quota {
        account.causes.quota_at = Some(now);
    }
    account.threshold_armed = verdict.armed;
    account.causes.quota = verdict.quota;
    account.told_of_plan = verdict.told_of_plan;
    if let Some(letter) = verdict.letter {
        let purpose = match letter {
            Letter::Threshold => Purpose::Threshold,
            Letter::Suspension => Purpose::Suspension,
        };
        write(app, tx, server, (account, held), purpose, now).await?;
    }
    if let Some(news) = plan.and_then(|plan| plan.news) {
        let purpose = match news {
            Told::Slowed => Purpose::Slowed,
            Told::Restored => Purpose::Restored,
        };
        // One of the same day stands in its way: he has not been told, and is on another day, if it still holds then.
        if write(app, tx, server, (account, held), purpose, now).await? {
            held.was_told(account.service_id, news);
        }
    }
    if stood(account) != before {
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

/// Puts a letter into the outbox; a product without a template for it wants none. False where one of the same key was put in
/// before.
async fn write(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    (account, held): (&mut Account, &Held),
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<bool, Problem> {
    let terms = &account.settings;
    let template = match purpose {
        Purpose::Slowed => &terms.slowed_template,
        Purpose::Restored => &terms.restored_template,
        Purpose::Threshold => &terms.threshold_template,
        Purpose::Suspension => &terms.suspension_template,
    };
    let Some(template) = template.clone() else { return Ok(true) };
    let number = account.letters + 1;
    let facts = Facts {
        service_id: account.service_id,
        username: &account.username,
        client_name: &account.sold.client_name,
        balance_bytes: account.balance,
        packet: terms.packet.unwrap_or_default(),
        threshold: terms.threshold,
        has_next_packet: account.has_next_cycle(),
        next_due_date: account.next_cycle_on(),
        server_address: &server.told.hostname,
        plan: held.facts(account),
    };
    // Of a speed, once a day of its plan; of a balance, once for each crossing.
    let once = match purpose {
        Purpose::Slowed | Purpose::Restored => {
            held.plans_day().unwrap_or_else(|| days::local_day(now, app.config.zone)).to_string()
        }
        Purpose::Threshold | Purpose::Suspension => number.to_string(),
    };
    let new = NewLetter {
        service_id: account.service_id,
        purpose,
        template: &template,
        to_name: &account.sold.client_name,
        to_address: &account.sold.email,
        variables: &Variables::new(&facts, app.config.traffic.gb),
        dedupe_key: &format!("{}/{}/{once}", account.service_id, purpose.as_str()),
    };
    let queued = outbox::queue(tx, new, now).await?;
    // A day's key is tried again as long as its day lasts; one with a number never.
    if queued || matches!(purpose, Purpose::Threshold | Purpose::Suspension) {
        account.letters = number;
    }
    app.letters_queued.notify_one();
    Ok(queued)
}
