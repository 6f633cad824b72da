//! What verdicts are decided with: the plans, the bandwidth rules and the clock, as of one instant.

use crate::{
    account::{Account, fair_use::FairUse},
    app::App,
    catalogue::{plans, rules as stored},
    db::Conn,
    plan::{
        Plan,
        cycle::BillingCycle,
        fup, hours,
        rules::{self, Rule},
        terms::WhenFull,
        window::Clock,
    },
    problem::Problem,
    units::{Speed, Volume},
    usage::days,
};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use std::collections::HashMap;

/// A clock that is set back by no more than this is put right; by more, it had been wrong.
const SET_BACK: Duration = Duration::hours(26);

/// See the module.
pub(in crate::work) struct Terms {
    plans: HashMap<u64, Plan>,
    rules: Vec<Rule>,
    zone: Tz,
    reset: Clock,
    now: DateTime<Utc>,
}

impl Terms {
    /// As stored, for that instant.
    pub(in crate::work) async fn read(app: &App, conn: &mut Conn, now: DateTime<Utc>) -> Result<Self, Problem> {
        let plans = plans::all(conn).await?.into_iter().map(|it| (it.id, it.plan));
        Ok(Self::of(app, plans, stored::all(conn).await?, now))
    }

    /// Of what was read before, for that instant.
    pub(super) fn of(
        app: &App,
        plans: impl IntoIterator<Item = (u64, Plan)>,
        rules: Vec<Rule>,
        now: DateTime<Utc>,
    ) -> Self {
        let (zone, reset) = (app.config.zone, app.config.plans.daily_reset);
        Self { plans: plans.into_iter().collect(), rules, zone, reset, now }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub(super) fn today(&self) -> NaiveDate {
        days::local_day(self.now, self.zone)
    }

    /// The day of the plans, which begins with the daily reset and not at midnight. What is told once a day is told once in it:
    /// else whoever is slow in the evening would be told so after midnight, minutes before he is not.
    pub(super) fn plans_day(&self) -> NaiveDate {
        let began = self.reset.last_before(self.now, self.zone).unwrap_or(self.now);
        days::local_day(began, self.zone)
    }

    /// The plan that an account is on.
    pub(in crate::work) fn plan(&self, account: &Account) -> Option<(u64, &Plan)> {
        let id = account.settings.plan?;
        Some((id, self.plans.get(&id)?))
    }

    /// The bandwidth rule in force for a plan.
    pub(super) fn rule(&self, plan_id: u64) -> Option<&Rule> {
        rules::in_force(&self.rules, plan_id, self.now, self.zone)
    }

    /// When the day's counters begin again.
    pub(super) fn next_day_at(&self) -> Option<DateTime<Utc>> {
        self.reset.next_after(self.now, self.zone)
    }

    /// When the cycle's do: with the renewal, or by the plan's own length where WHMCS renews nothing.
    pub(super) fn next_cycle_on(&self, account: &Account) -> Option<NaiveDate> {
        match self.own_cycle(account) {
            Some((anchor, plan)) => plan.expiry.next_cycle(anchor, self.today()),
            None => account.sold.next_due_date,
        }
    }

    /// Begins again what should have begun again by now.
    pub(in crate::work) fn bring_up_to_date(&self, account: &Account, fair: &mut FairUse) {
        for began in [&mut fair.day_began_at, &mut fair.cycle_began_at] {
            // Our clock was set back. By a little: what began then is not to begin once more when its hour comes again. By
            // days: it had been set ahead, and would not begin for as long.
            if *began > self.now + SET_BACK {
                *began = self.now;
            }
        }
        if let Some(last) = self.reset.last_before(self.now, self.zone).filter(|last| fair.day_began_at < *last) {
            fair.begin_day(last);
        }
        if let Some((anchor, plan)) = self.own_cycle(account) {
            let start = plan.expiry.cycle_start(anchor, self.today());
            let began = days::day_start(start, self.zone).filter(|_| start > anchor);
            if let Some(began) = began.filter(|began| fair.cycle_began_at < *began) {
                fair.begin_cycle(began);
            }
        }
    }

    /// Of an account that WHMCS never renews: the day that its cycles are counted from.
    fn own_cycle(&self, account: &Account) -> Option<(NaiveDate, &Plan)> {
        let (_, plan) = self.plan(account)?;
        let never = BillingCycle::parse(&account.sold.billing_cycle)?.months().is_none();
        never.then(|| (days::local_day(account.made_at.unwrap_or(self.now), self.zone), plan))
    }

    /// Decides what follows from what was used.
    pub(in crate::work) fn decide(&self, account: &Account, fair: &mut FairUse) {
        let Some((id, plan)) = self.plan(account) else { return };
        let rule = self.rule(id);
        let factor = rule.map_or(rules::Factor::NONE, |rule| rule.factor);
        let verdict = fup::decide(plan, fair.full_speed(account.settings.speed), &fair.used(), factor);
        fair.take(&verdict, rule.map(|rule| rule.id), self.now);
    }

    /// Whether a full quota blocks the account.
    pub(in crate::work) fn is_full(&self, account: &Account, fair: &FairUse) -> bool {
        let blocks = |(_, plan): (u64, &Plan)| plan.quotas.when_full == WhenFull::Block;
        fair.full_quota.is_some() && self.plan(account).is_some_and(blocks)
    }

    /// The most that the account may move: at its full speed with its burst, under the fastest rule, and what was decided
    /// before.
    pub(super) fn fastest(&self, account: &Account, fair: &FairUse) -> Speed {
        let before = fair.rate.fastest();
        let Some((id, plan)) = self.plan(account) else { return before };
        let most = rules::most(&self.rules, id);
        let full = plan.full_rate(fair.full_speed(account.settings.speed)).fastest();
        before.faster(most.of(full))
    }

    /// The most that the account's CDN traffic may move: at its plan's speed, under the fastest rule, and what was decided
    /// before.
    pub(super) fn fastest_cdn(&self, account: &Account, fair: &FairUse) -> Option<Speed> {
        let (id, plan) = self.plan(account)?;
        let full = rules::most(&self.rules, id).of(plan.cdn?.speed);
        Some(fair.cdn_speed.map_or(full, |before| before.faster(full)))
    }

    /// What an interval's traffic comes to: each day's share, what the router counted and what is counted of it. What was
    /// moved since the counters began is counted to them.
    pub(super) fn share(
        &self,
        account: &Account,
        fair: &mut FairUse,
        volume: Volume,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Vec<(NaiveDate, Volume, Volume)> {
        let free = self.plan(account).and_then(|(_, plan)| plan.free_hours);
        let mut edges = vec![fair.day_began_at, fair.cycle_began_at];
        edges.extend(free.into_iter().flat_map(|free| free.window.edges(from, to, self.zone)));
        let mut shares: Vec<(NaiveDate, Volume, Volume)> = Vec::new();
        for piece in days::pieces(volume, from, to, &edges, self.zone) {
            let counted = hours::counted(free, piece.volume, piece.at, self.zone);
            fair.count(piece.at, counted, self.now);
            match shares.last_mut().filter(|(day, ..)| *day == piece.day) {
                Some((_, raw, sum)) => {
                    *raw += piece.volume;
                    *sum += counted;
                }
                None => shares.push((piece.day, piece.volume, counted)),
            }
        }
        shares
    }
}
