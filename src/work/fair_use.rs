//! Accounts on plans: what was moved is counted, what was used decides, the router is told what holds.
//!
//! Laws: counters begin again by comparison with stored instants, so that a restart, a changed clock or a sleeping machine
//! neither skips a reset nor doubles it; a verdict is written in the transaction of what it was decided from; every account
//! on a plan is decided anew at every reading, also where nothing was moved, because hours, rules and plans change too.

mod held;
mod terms;
mod verbs;

pub(super) use held::Held;
pub(super) use terms::Terms;
pub use verbs::{Change, hook, intervene};

use super::marking::Names;
use crate::{
    account::{Account, fair_use, fair_use::FairUse, settings::Settings},
    app::App,
    catalogue::plans,
    db::Conn,
    page::OnPlan,
    plan::{
        Plan,
        burst::Rate,
        fup::{self, Used},
        rules::{Factor, Rule},
        terms::Cdn,
    },
    problem::Problem,
    routeros::CdnQueue,
    units::{Bytes, Speed},
    work::Ask,
};
use chrono::{DateTime, NaiveDate, Utc};

/// Where an account stands on its plan at this moment, for pages: counters that have begun again since they were read
/// last are shown so, and what follows from that.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The plan.
    pub plan: Plan,
    /// What was used and what holds.
    pub fair: FairUse,
    /// The speed of this subscriber when nothing holds it back.
    pub full: Speed,
    /// Whether a full quota blocks the account.
    pub blocked: bool,
    /// The bandwidth rule in force.
    pub rule: Option<Rule>,
    /// When the day's counters begin again.
    pub next_day_at: Option<DateTime<Utc>>,
    /// When the cycle's do; `None` where nothing is due.
    pub next_cycle_on: Option<NaiveDate>,
}

impl Standing {
    /// Whether it would go faster, or be free of its plan's block, if the day's counters began again now.
    pub fn is_held_by_the_day(&self) -> bool {
        let Self { plan, fair, full, .. } = self;
        let factor = self.rule.as_ref().map_or(Factor::NONE, |rule| rule.factor);
        let anew = Used { daily: Bytes::ZERO, online_seconds: 0, ..fair.used() };
        let (now, then) = (fup::decide(plan, *full, &fair.used(), factor), fup::decide(plan, *full, &anew, factor));
        !then.blocked && (now.blocked || then.is_faster(&now))
    }
}

/// Where an account stands; `None` where it is on no plan.
///
/// # Errors
/// The database's.
pub async fn standing(app: &App, conn: &mut Conn, account: &Account) -> Result<Option<Standing>, Problem> {
    if account.settings.plan.is_none() {
        return Ok(None);
    }
    let terms = Terms::read(app, conn, app.clock.now()).await?;
    let known = fair_use::find(conn, account.service_id).await?;
    Ok(stand(&terms, account, known))
}

/// The same of what a page has read.
pub(super) fn standing_on(app: &App, account: &Account, on: &OnPlan) -> Option<Standing> {
    let plan = on.stored.as_ref().map(|it| (it.id, it.plan.clone()));
    stand(&Terms::of(app, plan, Vec::clone(&on.rules), app.clock.now()), account, on.used.clone())
}

fn stand(terms: &Terms, account: &Account, known: Option<FairUse>) -> Option<Standing> {
    let (plan_id, plan) = terms.plan(account)?;
    let mut fair = known.unwrap_or_else(|| FairUse::new(account, terms.now()));
    terms.bring_up_to_date(account, &mut fair);
    terms.decide(account, &mut fair);
    Some(Standing {
        full: fair.full_speed(account.settings.speed),
        blocked: terms.is_full(account, &fair),
        rule: terms.rule(plan_id).cloned(),
        next_day_at: terms.next_day_at(),
        next_cycle_on: terms.next_cycle_on(account),
        plan: plan.clone(),
        fair,
    })
}

/// That the plan is sold on that server; the address pool that its addresses come from, if it names one.
///
/// # Errors
/// `setting-invalid` for a plan of another server.
pub(super) async fn sold_here(
    app: &App,
    ask: &Ask,
    settings: &Settings,
    server_id: u64,
) -> Result<Option<String>, Problem> {
    let Some(id) = settings.plan else { return Ok(None) };
    let Some(stored) = plans::find(&mut app.db.read().await?, id).await? else { return Ok(None) };
    let (name, place) = (stored.plan.name, stored.plan.place);
    if let Some(other) = place.nas_id.filter(|nas| *nas != server_id) {
        let why = format!(
            "names the plan {name}, which is sold on server {other} only; choose another plan, or another server for it"
        );
        return Err(Problem::field(ask.setting_path("plan"), why));
    }
    Ok(Some(place.pool_name).filter(|pool| !pool.is_empty()))
}

/// What the queue of an account is to be set to, as was decided last.
pub(super) async fn rate(conn: &mut Conn, account: &Account) -> Result<Rate, Problem> {
    let plain = Rate::plain(account.settings.speed);
    if account.settings.plan.is_none() {
        return Ok(plain);
    }
    Ok(fair_use::find(conn, account.service_id).await?.map_or(plain, |fair| fair.rate))
}

/// What the router is to make of an account's queues.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    /// The own queue's limits.
    pub(super) rate: Rate,
    /// Its types; `None` leaves them as they are.
    pub(super) kind: Option<String>,
    /// The queue of CDN traffic, where the plan counts it apart.
    pub(super) cdn: Option<CdnQueue>,
}

/// What its plan, if any, and its usage, if any is known, make of an account's queues.
pub(super) fn queues(app: &App, account: &Account, plan: Option<&Plan>, fair: Option<&FairUse>) -> Queues {
    let plan = plan.filter(|_| account.settings.plan.is_some());
    let fair = fair.filter(|_| plan.is_some());
    let cdn = |cdn: Cdn| CdnQueue {
        packet_mark: Names::of(app).packet_mark(cdn.profile_id),
        speed: fair.and_then(|fair| fair.cdn_speed).unwrap_or(cdn.speed),
    };
    let kind = plan.map(|plan| plan.place.queue_type.as_str()).filter(|kind| !kind.is_empty() && *kind != "simple");
    Queues {
        rate: fair.map_or(Rate::plain(account.settings.speed), |fair| fair.rate),
        kind: kind.map(str::to_owned),
        cdn: plan.and_then(|plan| plan.cdn).map(cdn),
    }
}

/// The same, as stored.
pub(super) async fn queues_of(app: &App, account: &Account) -> Result<Queues, Problem> {
    let mut conn = app.db.read().await?;
    let Some(plan) = account.settings.plan else { return Ok(queues(app, account, None, None)) };
    let plan = plans::find(&mut conn, plan).await?.map(|stored| stored.plan);
    let fair = fair_use::find(&mut conn, account.service_id).await?;
    Ok(queues(app, account, plan.as_ref(), fair.as_ref()))
}

/// What a router's accounts on plans want to be known of it at a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asks {
    /// What each queue is set to.
    pub(super) limits: bool,
    /// Who is online since when: some plan sells minutes.
    pub(super) sessions: bool,
}

/// See [`Asks`].
pub(super) async fn asks(app: &App, server_id: u64) -> Result<Asks, Problem> {
    let mut conn = app.db.read().await?;
    let mut asks = Asks::default();
    for id in fair_use::plans_of(&mut conn, server_id).await? {
        asks.limits = true;
        let plan = plans::find(&mut conn, id).await?;
        asks.sessions |= plan.is_some_and(|it| it.plan.quotas.minutes > 0);
    }
    Ok(asks)
}
