//! What a plan would do: so much used at such an instant, decided by the very code that decides for customers.

use super::words;
use crate::{
    app::App,
    catalogue::{
        plans::{self, Stored},
        rules,
    },
    plan::{
        Plan,
        form::{self, Invalid, speed_text},
        fup::{self, Used, Verdict},
        rules::{Factor, Rule, in_force},
        terms::Tier,
        window::Clock,
    },
    problem::Problem,
    units::{Bytes, Kbps, Speed},
};
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use serde_json::{Map, Value, json};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// When.
    pub at: DateTime<Utc>,
    /// What was used by then.
    pub used: Used,
    /// The speed sold, each way that is not the plan's.
    pub own: (Option<Kbps>, Option<Kbps>),
}

/// Runs `POST /v1/plans/{id}/simulate`.
///
/// # Errors
/// `malformed`, `setting-invalid` naming the field, `no-such-plan`.
pub async fn run(app: &App, id: u64, body: &[u8]) -> Result<Value, Problem> {
    let asked = if body.is_empty() { read(app, &Map::new())? } else { read(app, &super::object(body)?)? };
    let stored = plans::find(&mut app.db.read().await?, id).await?.ok_or_else(|| super::no_such_plan(id))?;
    answer(app, &stored, asked).await
}

/// Reads what is asked: texts and numbers as a plan's own fields are read.
///
/// # Errors
/// `setting-invalid` naming the field.
pub fn read(app: &App, fields: &Map<String, Value>) -> Result<Asked, Problem> {
    let wrong = |it: Invalid| Problem::field(it.field, it.why);
    let gb = app.config.traffic.gb;
    let bytes = |name: &str| form::one_amount(fields, name, gb).map(Option::unwrap_or_default).map_err(wrong);
    let speed = |name: &str| form::one_speed(fields, name).map_err(wrong);
    let minutes = form::one_whole(fields, "online_minutes", 0..=1440).map_err(wrong)?;
    Ok(Asked {
        at: instant(app, fields.get("at"))?,
        used: Used {
            daily: bytes("daily_bytes")?,
            monthly: bytes("monthly_bytes")?,
            bonus: bytes("bonus_bytes")?,
            online_seconds: u64::from(minutes.unwrap_or_default()) * 60,
            cdn_daily: bytes("cdn_daily_bytes")?,
            cdn_monthly: bytes("cdn_monthly_bytes")?,
        },
        own: (speed("download_speed")?, speed("upload_speed")?),
    })
}

/// An instant (RFC 3339), a local date and time (`2026-11-20T21:30`), or a local time of today (`21:30`); blank is now.
fn instant(app: &App, value: Option<&Value>) -> Result<DateTime<Utc>, Problem> {
    let now = app.clock.now();
    let wrong =
        || Problem::field("at", "must be an instant such as 2026-11-20T21:30:00Z, or a local time such as 21:30");
    let text = match value {
        None | Some(Value::Null) => return Ok(now),
        Some(Value::String(text)) => text.trim(),
        Some(_) => return Err(wrong()),
    };
    if text.is_empty() {
        return Ok(now);
    }
    if let Ok(at) = text.parse::<DateTime<Utc>>() {
        return Ok(at);
    }
    let zone = app.config.zone;
    if let Some(clock) = Clock::parse(text) {
        return clock.on(app.today(), zone).ok_or_else(wrong);
    }
    let local = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let local = local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).ok_or_else(wrong)?;
    let found = zone.from_local_datetime(&local).earliest().map(|it| it.with_timezone(&Utc));
    // The clocks jumped over it: where they landed.
    let jumped = || Clock::parse(&local.format("%H:%M").to_string())?.on(local.date(), zone);
    found.or_else(jumped).ok_or_else(wrong)
}

/// What the plan decides.
pub async fn answer(app: &App, stored: &Stored, asked: Asked) -> Result<Value, Problem> {
    let rules = rules::all(&mut app.db.read().await?).await?;
    let rule = in_force(&rules, stored.id, asked.at, app.config.zone);
    let factor = rule.map_or(Factor::NONE, |it| it.factor);
    let plan = &stored.plan;
    let full = Speed { down: asked.own.0.unwrap_or(plan.speed.down), up: asked.own.1.unwrap_or(plan.speed.up) };
    let verdict = fup::decide(plan, full, &asked.used, factor);
    let monthly = asked.used.monthly.saturating_sub(asked.used.bonus);
    let mut answer = decided(app, plan, &verdict);
    let more = json!({
        "at": super::instant(asked.at),
        "full_speed": speed(full),
        "next_daily_tier": next(&plan.daily, asked.used.daily),
        "next_monthly_tier": next(&plan.monthly, monthly),
        "rule": rule.map(rule_view),
        "free_hours": free(app, plan, asked.at),
        "resets": resets(app, plan, asked.at),
        "cdn": verdict.cdn.map(|it| json!({
            "daily_level": it.daily_level, "monthly_level": it.monthly_level, "download_speed": it.speed.down,
            "upload_speed": it.speed.up, "rate_string": crate::plan::burst::Rate::plain(it.speed).to_string(),
        })),
    });
    if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
        answer.extend(more);
    }
    Ok(answer)
}

fn decided(app: &App, plan: &Plan, verdict: &Verdict) -> Value {
    let rate = verdict.rate;
    json!({
        "level": verdict.daily_level.max(verdict.monthly_level),
        "daily_level": verdict.daily_level,
        "monthly_level": verdict.monthly_level,
        "full_quota": verdict.full_quota.map(words::quota_word),
        "blocked": verdict.blocked,
        "why": words::why(verdict.why),
        "because": words::because(app, plan, verdict),
        "download_speed": rate.speed.down,
        "upload_speed": rate.speed.up,
        "download_speed_string": speed_text(rate.speed.down),
        "upload_speed_string": speed_text(rate.speed.up),
        "rate_string": rate.to_string(),
    })
}

fn speed(speed: Speed) -> Value {
    json!({"download_speed": speed.down, "upload_speed": speed.up})
}

fn next(tiers: &[Tier], used: Bytes) -> Value {
    fup::next_tier(tiers, used).map_or(Value::Null, |(number, tier)| {
        json!({
            "tier": number, "threshold": tier.threshold, "left_bytes": tier.threshold.saturating_sub(used),
            "download_speed": tier.speed.down, "upload_speed": tier.speed.up,
        })
    })
}

fn rule_view(rule: &Rule) -> Value {
    json!({
        "id": rule.id, "name": rule.name, "download_percent": rule.factor.download_percent,
        "upload_percent": rule.factor.upload_percent,
    })
}

/// Whether the free hours are on, what is free then, and when that changes next.
fn free(app: &App, plan: &Plan, at: DateTime<Utc>) -> Value {
    let Some(free) = plan.free_hours else { return Value::Null };
    let zone = app.config.zone;
    let on = free.window.holds(at, zone);
    let edge = if on { free.window.to } else { free.window.from };
    json!({
        "on": on, "time_from": free.window.from.to_string(), "time_to": free.window.to.to_string(),
        "download_ratio": free.download_ratio, "upload_ratio": free.upload_ratio,
        "changes_at": edge.next_after(at, zone).map(super::instant),
    })
}

/// When the counters begin again: the day's by the clock; the cycle's at the renewal, which is on this day for a cycle that
/// begins on the day that is asked about and lasts as long as the plan says.
fn resets(app: &App, plan: &Plan, at: DateTime<Utc>) -> Value {
    let day = at.with_timezone(&app.config.zone).date_naive();
    let daily = daily_reset().and_then(|it| it.next_after(at, app.config.zone));
    json!({"daily": daily.map(super::instant), "monthly": plan.expiry.ends(day)})
}

/// When the day's counters begin again.
fn daily_reset() -> Option<Clock> {
    Clock::from_minutes(5)
}
