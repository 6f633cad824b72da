//! What a plan decided, in words that staff read.

use crate::{
    app::App,
    plan::{
        Plan,
        form::bytes_text,
        fup::{Quota, Verdict, Why},
        terms::Tier,
    },
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

/// Why it goes as fast as it does, a sentence.
pub(crate) fn because(app: &App, plan: &Plan, verdict: &Verdict) -> String {
    let tier = |what: &str, tiers: &[Tier], level: u8| {
        let from = usize::from(level).checked_sub(1).and_then(|at| tiers.get(at)).copied().unwrap_or_default();
        format!("{what} tier {level}: {} or more were used.", bytes_text(from.threshold, app.config.traffic.gb))
    };
    let full = |quota: Quota| match quota {
        Quota::Daily => "The daily quota is used up",
        Quota::Monthly => "The monthly quota is used up",
        Quota::Time => "The day’s time online is used up",
    };
    match (verdict.blocked.then_some(()).and(verdict.full_quota), verdict.why) {
        (Some(quota), _) => format!("{}: the account is off until the counter begins again.", full(quota)),
        (None, Why::Full) => "Full speed.".to_owned(),
        (None, Why::Daily(level)) => tier("Daily", &plan.daily, level),
        (None, Why::Monthly(level)) => tier("Monthly", &plan.monthly, level),
        (None, Why::Quota(quota)) => format!("{}: it goes on slower.", full(quota)),
    }
}
