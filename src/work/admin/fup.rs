//! FUP Counters: how many subscribers stand on which level, and the way to their accounts.

use super::{Flash, Name, Page, Request, draw};
use crate::{
    account::levels::{self, Standing},
    app::App,
    catalogue::plans::{self, Stored},
    plan::{Plan, form::bytes_text, terms::TIERS},
    problem::Problem,
};
use serde_json::{Value, json};

/// Draws it.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let mut conn = app.db.read().await?;
    let plans = plans::all(&mut conn).await?;
    let all = levels::standings(&mut conn).await?;
    drop(conn);
    let unlimited = |id: u64| plans.iter().any(|it| it.id == id && is_unlimited(&it.plan));
    let rows = plans.iter().map(|plan| by_plan(app, plan, &all));
    let own = json!({
        "on_plans": sum(&all, |_| true),
        "full": sum(&all, |it| !it.slowed && !it.quota),
        "slowed": sum(&all, |it| it.slowed),
        "quota": sum(&all, |it| it.quota),
        "unlimited": sum(&all, |it| unlimited(it.plan_id)),
        "levels": (0..=TIERS).map(|level| level_row(&all, level)).collect::<Vec<_>>(),
        "plans": rows.collect::<Vec<_>>(),
    });
    draw::page(app, request, (Name::Fup, "fup.html", "FUP Counters"), said, own).await
}

fn sum(all: &[Standing], which: impl Fn(&Standing) -> bool) -> u64 {
    all.iter().filter(|it| which(it)).map(|it| it.accounts).sum()
}

/// No tier and no quota ever holds them back.
fn is_unlimited(plan: &Plan) -> bool {
    let tiers = plan.daily.iter().chain(&plan.monthly).any(|it| it.is_enabled());
    let quotas = &plan.quotas;
    !tiers && quotas.daily.0 == 0 && quotas.monthly.0 == 0 && quotas.minutes == 0
}

fn level_row(all: &[Standing], level: usize) -> Value {
    json!({
        "level": level,
        "daily": sum(all, |it| usize::from(it.daily_level) == level),
        "monthly": sum(all, |it| usize::from(it.monthly_level) == level),
    })
}

fn by_plan(app: &App, stored: &Stored, all: &[Standing]) -> Value {
    let mine: Vec<Standing> = all.iter().filter(|it| it.plan_id == stored.id).cloned().collect();
    let first = |tiers: &[crate::plan::terms::Tier]| {
        let first = tiers.iter().find(|it| it.is_enabled());
        first.map(|it| bytes_text(it.threshold, app.config.traffic.gb))
    };
    json!({
        "id": stored.id,
        "name": stored.plan.name,
        "on": sum(&mine, |_| true),
        "daily": sum(&mine, |it| it.daily_level > 0),
        "monthly": sum(&mine, |it| it.monthly_level > 0),
        "quota": sum(&mine, |it| it.quota),
        "first_daily": first(&stored.plan.daily),
        "first_monthly": first(&stored.plan.monthly),
        "unlimited": is_unlimited(&stored.plan),
    })
}
