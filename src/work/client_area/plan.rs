//! The client page's `plan`: where a service stands on its plan at this moment, in figures that the page words.
//!
//! Law 7: counters that have begun again since they were read last are shown so, and when they were read last is said.

use crate::{
    account::Account,
    app::App,
    page::OnPlan,
    plan::{
        fup::{self, Quota, Why},
        terms::{FreeHours, Tier},
    },
    units::{Bytes, Kbps, Speed},
    work::{
        fair_use::{self, Standing},
        instant,
    },
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// The account's plan; null where it is on none.
pub(super) fn shown(app: &App, account: &Account, on: Option<&OnPlan>) -> Value {
    let Some(on) = on else { return Value::Null };
    let Some(standing) = fair_use::standing_on(app, account, on) else { return Value::Null };
    let mut shown = figures(&standing, app.clock.now(), app.config.zone);
    let price = standing.plan.prices.reset_price;
    // Nobody pays for what does not help: not where something else holds him as much, or keeps him off.
    let is_off = account.causes.billing || account.causes.admin || account.is_empty();
    let offered = price > Decimal::ZERO && !is_off && standing.is_held_by_the_day();
    shown["reset"] = json!({"price": price.to_string(), "offered": offered});
    shown["as_of"] = json!(on.booked_at.map(instant));
    shown
}

fn figures(standing: &Standing, now: DateTime<Utc>, zone: Tz) -> Value {
    let Standing { plan, fair, full, .. } = standing;
    json!({
        "name": plan.shown_name(),
        "full": speed(*full),
        "current": speed(fair.rate.speed),
        "rate": fair.rate.to_string(),
        "slowed": fair.why != Why::Full,
        "level": {"daily": fair.daily_level, "monthly": fair.monthly_level},
        "why": why(standing),
        "today": today(standing),
        "cycle": cycle(standing),
        "time": (plan.quotas.minutes > 0)
            .then(|| json!({"used_minutes": fair.online_seconds / 60, "quota_minutes": plan.quotas.minutes})),
        "free_hours": plan.free_hours.filter(|free| free.window.is_on()).map(|free| free_hours(free, now, zone)),
        "rule": standing.rule.as_ref().map(|rule| json!({
            "name": rule.name, "download_percent": rule.factor.download_percent,
            "upload_percent": rule.factor.upload_percent,
        })),
        "cdn": fair.cdn_speed.map(|it| json!({
            "daily_level": fair.cdn_daily_level, "monthly_level": fair.cdn_monthly_level, "download_kbps": it.down,
            "upload_kbps": it.up, "used_today_bytes": fair.cdn_daily, "used_cycle_bytes": fair.cdn_monthly,
        })),
        "time_zone": zone.name(),
    })
}

fn speed(speed: Speed) -> Value {
    json!({"download_kbps": speed.down, "upload_kbps": speed.up})
}

/// What holds the speed back, or the full quota that blocks: a block stands above any speed.
fn why(standing: &Standing) -> Value {
    let fair = &standing.fair;
    let (code, level) = match fair.why {
        Why::Full => ("full", None),
        Why::Daily(level) => ("daily", Some(level)),
        Why::Monthly(level) => ("monthly", Some(level)),
        Why::Quota(_) => ("quota", None),
    };
    let quota = fair.full_quota.map(|quota| match quota {
        Quota::Daily => "daily",
        Quota::Monthly => "monthly",
        Quota::Time => "time",
    });
    json!({"code": code, "level": level, "quota": quota, "blocked": standing.blocked})
}

fn today(standing: &Standing) -> Value {
    let Standing { plan, fair, .. } = standing;
    let mut shown = counter(&plan.daily, fair.daily.total(), Bytes::ZERO, plan.quotas.daily, standing.full);
    shown["download_bytes"] = json!(fair.daily.down);
    shown["upload_bytes"] = json!(fair.daily.up);
    shown["began_at"] = json!(instant(fair.day_began_at));
    shown["resets_at"] = json!(standing.next_day_at.map(instant));
    shown
}

fn cycle(standing: &Standing) -> Value {
    let Standing { plan, fair, .. } = standing;
    let mut shown = counter(&plan.monthly, fair.monthly.total(), fair.bonus, plan.quotas.monthly, standing.full);
    shown["download_bytes"] = json!(fair.monthly.down);
    shown["upload_bytes"] = json!(fair.monthly.up);
    shown["bonus_bytes"] = json!(fair.bonus);
    shown["began_at"] = json!(instant(fair.cycle_began_at));
    shown["resets_on"] = json!(standing.next_cycle_on);
    shown
}

/// A counter beside its limits, which a bonus raises.
fn counter(tiers: &[Tier], used: Bytes, bonus: Bytes, quota: Bytes, full: Speed) -> Value {
    let next = fup::next_tier(tiers, used.saturating_sub(bonus)).map(|(_, tier)| tier);
    let steps: Vec<Value> = tiers
        .iter()
        .filter(|tier| tier.is_enabled())
        .map(|tier| {
            json!({"threshold_bytes": tier.threshold + bonus, "download_kbps": slower(tier.speed.down, full.down),
                   "upload_kbps": slower(tier.speed.up, full.up)})
        })
        .collect();
    json!({
        "used_bytes": used,
        "next_threshold_bytes": next.map(|tier| tier.threshold + bonus),
        "next_download_kbps": next.map(|tier| slower(tier.speed.down, full.down)),
        "quota_bytes": (quota.0 > 0).then(|| quota + bonus),
        "tiers": steps,
    })
}

/// No step makes a customer faster than sold; 0 is unlimited.
fn slower(step: Kbps, full: Kbps) -> Kbps {
    match (step.is_unlimited(), full.is_unlimited()) {
        (true, _) => full,
        (false, true) => step,
        (false, false) => step.min(full),
    }
}

fn free_hours(free: FreeHours, now: DateTime<Utc>, zone: Tz) -> Value {
    let window = free.window;
    let day = window.day_of(now, zone);
    let ends = day.and_then(|day| window.on(day, zone)).map(|(_, end)| end);
    let begins = if day.is_some() { None } else { window.from.next_after(now, zone) };
    json!({
        "on_now": day.is_some(), "from": window.from.to_string(), "to": window.to.to_string(),
        "download_ratio": free.download_ratio, "upload_ratio": free.upload_ratio,
        "ends_at": ends.map(instant), "begins_at": begins.map(instant),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    fn tiers() -> [Tier; 2] {
        [(10, 4_000, 1_000), (20, 2_000, 0)]
            .map(|(gb, down, up)| Tier { threshold: Bytes(gb * GB), speed: Speed::new(down, up) })
    }

    #[test]
    fn a_bonus_moves_every_limit_of_the_cycle() {
        let shown = counter(&tiers(), Bytes(12 * GB), Bytes(5 * GB), Bytes(30 * GB), Speed::new(3_000, 2_000));
        assert_eq!(
            shown,
            json!({
                "used_bytes": 12 * GB, "next_threshold_bytes": 15 * GB, "next_download_kbps": 3_000, "quota_bytes": 35 * GB,
                "tiers": [{"threshold_bytes": 15 * GB, "download_kbps": 3_000, "upload_kbps": 1_000},
                          {"threshold_bytes": 25 * GB, "download_kbps": 2_000, "upload_kbps": 2_000}],
            }),
            "and no step is faster than sold"
        );
    }

    #[test]
    fn past_the_last_step_there_is_none_ahead() {
        let shown = counter(&tiers(), Bytes(20 * GB), Bytes::ZERO, Bytes::ZERO, Speed::new(0, 0));
        assert_eq!((&shown["next_threshold_bytes"], &shown["quota_bytes"]), (&Value::Null, &Value::Null));
    }
}
