//! What a plan decided, in words that staff read.

use crate::{
    account::Account,
    app::App,
    plan::{
        Plan,
        form::bytes_text,
        fup::{Quota, Why},
        terms::Tier,
    },
    work::fair_use::Standing,
};

/// A name within a sentence that is never HTML.
pub(crate) fn plain(name: &str) -> String {
    name.replace(['<', '>'], "")
}

/// The word of a reason: `full`, `daily-3`, `monthly-1`, `quota-daily`.
pub(crate) fn why(why: Why) -> String {
    match why {
        Why::Full => "full".to_owned(),
        Why::Daily(level) => format!("daily-{level}"),
        Why::Monthly(level) => format!("monthly-{level}"),
        Why::Quota(quota) => format!("quota-{}", quota_word(quota)),
    }
}

/// The word of a quota.
pub(crate) fn quota_word(quota: Quota) -> &'static str {
    match quota {
        Quota::Daily => "daily",
        Quota::Monthly => "monthly",
        Quota::Time => "time",
    }
}

fn full(quota: Quota) -> &'static str {
    match quota {
        Quota::Daily => "The daily quota is used up",
        Quota::Monthly => "The monthly quota is used up",
        Quota::Time => "The day’s time online is used up",
    }
}

/// One thing behind the cause *quota*.
pub(crate) struct UsedUp {
    /// What is used up.
    pub(crate) what: &'static str,
    /// What lifts it.
    pub(crate) frees: String,
}

/// What is behind the cause *quota* of an account at this moment: its balance, a quota of its plan, or both. Where neither
/// is, what was used up is over, and the next reading lifts the cause.
pub(crate) fn used_up(app: &App, account: &Account, standing: Option<&Standing>) -> Vec<UsedUp> {
    let mut all = Vec::new();
    if account.is_empty() {
        let frees = if account.has_next_cycle() { "a renewal or more traffic" } else { "more traffic" };
        all.push(UsedUp { what: "Balance used up", frees: frees.to_owned() });
    }
    if let Some(standing) = standing.filter(|it| it.blocked)
        && let Some(quota) = standing.fair.full_quota
    {
        all.push(UsedUp { what: full(quota), frees: ends(app, quota, standing) });
    }
    if all.is_empty() {
        all.push(UsedUp { what: "Used up until now", frees: "the next reading".to_owned() });
    }
    all
}

/// What ends a full quota.
fn ends(app: &App, quota: Quota, standing: &Standing) -> String {
    if quota == Quota::Monthly {
        let day = standing.next_cycle_on.map_or_else(|| "at the renewal".to_owned(), |day| format!("on {day}"));
        return format!("the cycle’s new beginning {day}, or a bonus");
    }
    let local = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&app.config.zone).format(" at %Y-%m-%d %H:%M %Z");
    let at = standing.next_day_at.map(|at| local(at).to_string()).unwrap_or_default();
    format!("the day’s new beginning{at}, or a reset of the day")
}

/// Why it goes as fast as it does, or is off for a full quota, a sentence.
pub(crate) fn because(app: &App, plan: &Plan, why: Why, blocking: Option<Quota>) -> String {
    let tier = |what: &str, tiers: &[Tier], level: u8| {
        let from = usize::from(level).checked_sub(1).and_then(|at| tiers.get(at)).copied().unwrap_or_default();
        format!("{what} tier {level}: {} or more were used.", bytes_text(from.threshold, app.config.traffic.gb))
    };
    match (blocking, why) {
        (Some(quota), _) => format!("{}: the account is off until the counter begins again.", full(quota)),
        (None, Why::Full) => "Full speed.".to_owned(),
        (None, Why::Daily(level)) => tier("Daily", &plan.daily, level),
        (None, Why::Monthly(level)) => tier("Monthly", &plan.monthly, level),
        (None, Why::Quota(quota)) => format!("{}: it goes on slower.", full(quota)),
    }
}
