//! The usage of accounts on plans, as a transaction holds it: read once, counted and decided upon, written where it changed.

use super::Terms;
use crate::{
    account::{
        Account,
        fair_use::{self, FairUse, Told},
        interventions,
    },
    app::App,
    db::Conn,
    mail::PlanFacts,
    plan::{Plan, burst::Rate},
    problem::Problem,
    units::{Speed, Volume},
    usage::days,
};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use std::collections::HashMap;

/// See the module. Accounts on no plan are not in it.
pub(in crate::work) struct Held {
    /// None: nobody is on a plan.
    terms: Option<Terms>,
    zone: Tz,
    all: HashMap<u64, One>,
}

struct One {
    stored: Option<FairUse>,
    fair: FairUse,
}

impl Held {
    /// Those of a router's accounts, up to date. The accounts must have been read, locked, in this transaction.
    pub(in crate::work) async fn of_server(
        app: &App,
        tx: &mut Conn,
        (server_id, accounts): (u64, &[Account]),
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        if accounts.iter().all(|account| account.settings.plan.is_none()) {
            return Ok(Self::nobody(app));
        }
        let rows = fair_use::of_server(tx, server_id).await?;
        Ok(Self::hold(app, Terms::read(app, tx, now).await?, rows, accounts))
    }

    /// The one of an account, up to date, which must have been read, locked, in this transaction.
    pub(in crate::work) async fn of_one(
        app: &App,
        tx: &mut Conn,
        account: &Account,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        if account.settings.plan.is_none() {
            return Ok(Self::nobody(app));
        }
        let row = fair_use::find(tx, account.service_id).await?;
        let rows = row.into_iter().map(|it| (it.service_id, it)).collect();
        Ok(Self::hold(app, Terms::read(app, tx, now).await?, rows, std::slice::from_ref(account)))
    }

    fn nobody(app: &App) -> Self {
        Self { terms: None, zone: app.config.zone, all: HashMap::new() }
    }

    fn hold(app: &App, terms: Terms, mut rows: HashMap<u64, FairUse>, accounts: &[Account]) -> Self {
        let mut all = HashMap::with_capacity(rows.len());
        for account in accounts.iter().filter(|account| terms.plan(account).is_some()) {
            let stored = rows.remove(&account.service_id);
            let mut fair = stored.clone().unwrap_or_else(|| FairUse::new(account, terms.now()));
            terms.bring_up_to_date(account, &mut fair);
            all.insert(account.service_id, One { stored, fair });
        }
        Self { terms: Some(terms), zone: app.config.zone, all }
    }

    /// The plan that the account is on.
    pub(in crate::work) fn plan(&self, account: &Account) -> Option<&Plan> {
        self.terms.as_ref()?.plan(account).map(|(_, plan)| plan)
    }

    /// The account's usage.
    pub(in crate::work) fn get(&self, service_id: u64) -> Option<&FairUse> {
        self.all.get(&service_id).map(|one| &one.fair)
    }

    /// The same, to be changed; written by [`Held::save`].
    pub(in crate::work) fn get_mut(&mut self, service_id: u64) -> Option<&mut FairUse> {
        self.all.get_mut(&service_id).map(|one| &mut one.fair)
    }

    /// What the account's queue is to be set to.
    pub(in crate::work) fn rate(&self, service_id: u64) -> Option<Rate> {
        self.get(service_id).map(|fair| fair.rate)
    }

    /// The most that the account may move.
    pub(in crate::work) fn fastest(&self, account: &Account) -> Option<Speed> {
        Some(self.terms.as_ref()?.fastest(account, self.get(account.service_id)?))
    }

    /// The most that its CDN traffic may move.
    pub(in crate::work) fn fastest_cdn(&self, account: &Account) -> Option<Speed> {
        self.terms.as_ref()?.fastest_cdn(account, self.get(account.service_id)?)
    }

    /// Each day's share of an interval's traffic: what the router counted, and what is counted of it.
    pub(in crate::work) fn share(
        &mut self,
        account: &Account,
        volume: Volume,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Vec<(NaiveDate, Volume, Volume)> {
        match (&self.terms, self.all.get_mut(&account.service_id)) {
            (Some(terms), Some(one)) => terms.share(account, &mut one.fair, volume, (from, to)),
            _ => days::split(volume, from, to, self.zone).into_iter().map(|(day, raw)| (day, raw, raw)).collect(),
        }
    }

    /// What of an interval's traffic would be counted.
    pub(in crate::work) fn counted(
        &self,
        account: &Account,
        volume: Volume,
        interval: (DateTime<Utc>, DateTime<Utc>),
    ) -> Volume {
        match (&self.terms, self.get(account.service_id)) {
            (Some(terms), Some(fair)) => {
                let shares = terms.share(account, &mut fair.clone(), volume, interval);
                shares.into_iter().fold(Volume::ZERO, |sum, (_, _, counted)| sum + counted)
            }
            _ => volume,
        }
    }

    /// The account has been online for so many seconds at `to`: what of it was after `from` and after the day began counts.
    pub(in crate::work) fn was_online(
        &mut self,
        account: &Account,
        uptime_seconds: u64,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) {
        let sells = |terms: &Terms| terms.plan(account).is_some_and(|(_, plan)| plan.quotas.minutes > 0);
        if !self.terms.as_ref().is_some_and(sells) {
            return;
        }
        if let Some(fair) = self.get_mut(account.service_id) {
            // A day that began later than now began before our clock was set back.
            let began = Some(fair.day_began_at).filter(|began| *began <= to).unwrap_or(from);
            let elapsed = u64::try_from((to - from.max(began)).num_seconds()).unwrap_or(0);
            fair.online_seconds = fair.online_seconds.saturating_add(uptime_seconds.min(elapsed));
        }
    }

    /// A renewal with that due date was paid: the cycle begins, once for each date, however late or often it is told.
    pub(in crate::work) async fn renewed(
        &mut self,
        tx: &mut Conn,
        service_id: u64,
        due: NaiveDate,
    ) -> Result<(), Problem> {
        let Some(now) = self.terms.as_ref().map(Terms::now) else { return Ok(()) };
        let Some(fair) = self.get_mut(service_id) else { return Ok(()) };
        let once = (interventions::Kind::Renewal, due.to_string());
        if interventions::enter(tx, service_id, (once.0, &once.1), 0, "", now).await? {
            fair.cycle_due = Some(due);
            fair.begin_cycle(now);
        }
        Ok(())
    }

    /// Decides how fast an account that is being made goes; nobody is told of it.
    pub(in crate::work) fn decide_speed(&mut self, account: &Account) {
        if let (Some(terms), Some(one)) = (&self.terms, self.all.get_mut(&account.service_id)) {
            terms.decide(account, &mut one.fair);
        }
    }

    /// The day of the plans; `None` where no account is on one.
    pub(in crate::work) fn plans_day(&self) -> Option<NaiveDate> {
        self.terms.as_ref().map(Terms::plans_day)
    }

    /// Decides upon an account; what its customer is to be told of it, and is to be noted as told (see [`Held::was_told`]).
    /// Nobody is told of speeds who is off for another reason, and nobody who is blocked: that has a letter of its own.
    pub(in crate::work) fn decide(&mut self, account: &Account) -> Option<Told> {
        let terms = self.terms.as_ref()?;
        let fair = &mut self.all.get_mut(&account.service_id)?.fair;
        terms.decide(account, fair);
        let off = account.causes.billing || account.causes.admin || account.is_empty() || terms.is_full(account, fair);
        if off { None } else { fair.news(terms.plans_day()) }
    }

    /// The account's customer has a letter that says so.
    pub(in crate::work) fn was_told(&mut self, service_id: u64, news: Told) {
        if let (Some(terms), Some(one)) = (&self.terms, self.all.get_mut(&service_id)) {
            one.fair.was_told(news, terms.plans_day());
        }
    }

    /// The account comes to its plan from none: what was told before is not of this one.
    pub(in crate::work) fn begin_telling(&mut self, service_id: u64) {
        if let Some(fair) = self.get_mut(service_id) {
            fair.begin_telling();
        }
    }

    /// Whether a full quota blocks the account.
    pub(in crate::work) fn is_full(&self, account: &Account) -> bool {
        let fair = self.get(account.service_id);
        self.terms.as_ref().zip(fair).is_some_and(|(terms, fair)| terms.is_full(account, fair))
    }

    /// What a letter may say of it.
    pub(in crate::work) fn facts(&self, account: &Account) -> Option<PlanFacts<'_>> {
        let (terms, fair) = self.terms.as_ref().zip(self.get(account.service_id))?;
        let (_, plan) = terms.plan(account)?;
        let local = |at: DateTime<Utc>| at.with_timezone(&self.zone).naive_local();
        let full = fair.full_quota.filter(|_| terms.is_full(account, fair));
        Some(PlanFacts {
            name: plan.shown_name(),
            full: fair.full_speed(account.settings.speed),
            current: fair.rate.speed,
            why: fair.why,
            // It ends by itself, and an empty balance does not: where both hold, that is what is told first.
            blocked_by: full.filter(|_| !account.is_empty()),
            full_too: full.filter(|_| account.is_empty()),
            used_today: fair.daily.total(),
            used_cycle: fair.monthly.total(),
            next_day_at: terms.next_day_at().map(local),
            next_cycle_on: terms.next_cycle_on(account),
        })
    }

    /// Writes what changed.
    pub(in crate::work) async fn save(&self, tx: &mut Conn) -> Result<(), Problem> {
        let changed = self.all.values().filter(|one| one.stored.as_ref() != Some(&one.fair));
        let mut changed: Vec<&FairUse> = changed.map(|one| &one.fair).collect();
        // Always in one order, so that two transactions never wait for each other.
        changed.sort_by_key(|fair| fair.service_id);
        Ok(fair_use::save(tx, &changed).await?)
    }
}
