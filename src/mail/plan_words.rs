//! What a letter may say of a service that is on a plan: its speed, why, what was used and when it begins again.
//!
//! Laws: figures and codes only, no sentence, so that a template in any language can word them; without a plan
//! all are empty.

use crate::{
    plan::fup::{Quota, Why},
    units::{Bytes, Gigabyte, Kbps, Speed},
};
use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a service stands on its plan, as the caller knows it.
#[derive(Clone, Debug)]
pub struct PlanFacts<'a> {
    /// What customers are shown.
    pub name: &'a str,
    /// The speed sold.
    pub full: Speed,
    /// The speed held to.
    pub current: Speed,
    /// Why.
    pub why: Why,
    /// The quota that blocks the account, if one does.
    pub blocked_by: Option<Quota>,
    /// The quota that would, beside an empty balance that does.
    pub full_too: Option<Quota>,
    /// Counted since the daily reset.
    pub used_today: Bytes,
    /// Counted since the renewal.
    pub used_cycle: Bytes,
    /// When the day's counters begin again, by the installation's clocks.
    pub next_day_at: Option<NaiveDateTime>,
    /// When the cycle's do; `None` where nothing is due.
    pub next_cycle_on: Option<NaiveDate>,
}

/// The same as a letter's variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanWords {
    /// What customers are shown.
    pub plan_name: String,
    /// The speed sold, `10 Mbit/s`; empty is unlimited.
    pub full_download_speed: String,
    /// The same for uploads.
    pub full_upload_speed: String,
    /// The speed held to.
    pub current_download_speed: String,
    /// The same for uploads.
    pub current_upload_speed: String,
    /// `full`, `daily`, `monthly`, `quota_daily`, `quota_monthly` or `quota_time`.
    pub speed_reason: String,
    /// The quota that blocks the account: `daily`, `monthly`, `time`; empty where none does, or the balance does.
    pub blocking_quota: String,
    /// The quota that is full beside an empty balance, and would block by itself; empty in letters of before this was told.
    #[serde(default)]
    pub full_quota_too: String,
    /// The tier of a `daily` or `monthly` reason, 1 to 6; else empty.
    pub fup_level: String,
    /// Counted since the daily reset, GB.
    pub used_today_gb: String,
    /// Counted since the renewal, GB.
    pub used_cycle_gb: String,
    /// When the counter behind the reason begins again: `2026-11-21 00:05` or `2026-12-01`; empty at full speed, or
    /// where nothing is due.
    pub resets_at: String,
}

impl PlanWords {
    /// Words the facts in this installation's GB.
    pub fn new(facts: &PlanFacts<'_>, gb: Gigabyte) -> Self {
        let quota = match facts.why {
            Why::Quota(quota) => Some(quota),
            Why::Full | Why::Daily(_) | Why::Monthly(_) => None,
        };
        // A block stands above any speed.
        let why = facts.blocked_by.or(facts.full_too).or(quota).map_or(facts.why, Why::Quota);
        let reason = match why {
            Why::Full => "full",
            Why::Daily(_) => "daily",
            Why::Monthly(_) => "monthly",
            Why::Quota(Quota::Daily) => "quota_daily",
            Why::Quota(Quota::Monthly) => "quota_monthly",
            Why::Quota(Quota::Time) => "quota_time",
        };
        let resets_at = match why {
            Why::Full => None,
            Why::Daily(_) | Why::Quota(Quota::Daily | Quota::Time) => {
                facts.next_day_at.map(|at| at.format("%Y-%m-%d %H:%M").to_string())
            }
            Why::Monthly(_) | Why::Quota(Quota::Monthly) => facts.next_cycle_on.map(|day| day.to_string()),
        };
        Self {
            plan_name: facts.name.to_owned(),
            full_download_speed: speed(facts.full.down),
            full_upload_speed: speed(facts.full.up),
            current_download_speed: speed(facts.current.down),
            current_upload_speed: speed(facts.current.up),
            speed_reason: reason.to_owned(),
            blocking_quota: quota_word(facts.blocked_by),
            full_quota_too: quota_word(facts.full_too),
            fup_level: match why {
                Why::Daily(level) | Why::Monthly(level) => level.to_string(),
                Why::Full | Why::Quota(_) => String::new(),
            },
            used_today_gb: gb.display(facts.used_today.signed(), 2),
            used_cycle_gb: gb.display(facts.used_cycle.signed(), 2),
            resets_at: resets_at.unwrap_or_default(),
        }
    }

    /// Adds its names, and what follows from them (`resets_when`, in words), to those that a template may use.
    pub(super) fn add_to(&self, names: &mut Map<String, Value>) {
        let words = [
            ("plan_name", &self.plan_name),
            ("full_download_speed", &self.full_download_speed),
            ("full_upload_speed", &self.full_upload_speed),
            ("current_download_speed", &self.current_download_speed),
            ("current_upload_speed", &self.current_upload_speed),
            ("speed_reason", &self.speed_reason),
            ("blocking_quota", &self.blocking_quota),
            ("full_quota_too", &self.full_quota_too),
            ("fup_level", &self.fup_level),
            ("used_today_gb", &self.used_today_gb),
            ("used_cycle_gb", &self.used_cycle_gb),
            ("resets_at", &self.resets_at),
            ("resets_when", &when_in_words(&self.resets_at)),
        ];
        for (name, value) in words {
            names.insert(name.to_owned(), Value::from(super::variables::one_line(value)));
        }
    }

    /// Samples for trying templates out: slowed for the day.
    pub(super) fn sample() -> Self {
        Self {
            plan_name: "Gold".into(),
            full_download_speed: "10 Mbit/s".into(),
            full_upload_speed: "2 Mbit/s".into(),
            current_download_speed: "4 Mbit/s".into(),
            current_upload_speed: "1 Mbit/s".into(),
            speed_reason: "daily".into(),
            blocking_quota: String::new(),
            full_quota_too: String::new(),
            fup_level: "2".into(),
            used_today_gb: "20.5".into(),
            used_cycle_gb: "87.25".into(),
            resets_at: "2026-11-21 00:05".into(),
        }
    }
}

fn quota_word(quota: Option<Quota>) -> String {
    let word = match quota {
        Some(Quota::Daily) => "daily",
        Some(Quota::Monthly) => "monthly",
        Some(Quota::Time) => "time",
        None => "",
    };
    word.to_owned()
}

/// `10 Mbit/s`, `512 kbit/s`, or nothing where there is no limit.
fn speed(kbps: Kbps) -> String {
    match kbps.0 {
        0 => String::new(),
        slow @ 1..1000 => format!("{slow} kbit/s"),
        fast => format!("{} Mbit/s", Decimal::new(fast.into(), 3).normalize()),
    }
}

/// `2026-11-21 00:05` as `21 November 2026, 00:05`, a date as a date; anything else as it is.
fn when_in_words(text: &str) -> String {
    if let Ok(at) = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M") {
        return at.format("%-d %B %Y, %H:%M").to_string();
    }
    text.parse::<NaiveDate>().map_or_else(|_| text.to_owned(), |day| day.format("%-d %B %Y").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(why: Why, blocked_by: Option<Quota>) -> PlanFacts<'static> {
        PlanFacts {
            name: "Gold",
            full: Speed::new(10_000, 0),
            current: Speed::new(1_500, 512),
            why,
            blocked_by,
            full_too: None,
            used_today: Bytes(22_011_707_392),
            used_cycle: Bytes(0),
            next_day_at: "2026-11-21T00:05:00".parse().ok(),
            next_cycle_on: NaiveDate::from_ymd_opt(2026, 12, 1),
        }
    }

    #[test]
    fn the_reason_names_the_counter_that_must_begin_again() {
        for (why, blocked_by, reason, level, resets) in [
            (Why::Full, None, "full", "", ""),
            (Why::Daily(2), None, "daily", "2", "2026-11-21 00:05"),
            (Why::Monthly(6), None, "monthly", "6", "2026-12-01"),
            (Why::Quota(Quota::Time), None, "quota_time", "", "2026-11-21 00:05"),
            (Why::Quota(Quota::Monthly), None, "quota_monthly", "", "2026-12-01"),
            (Why::Monthly(1), Some(Quota::Daily), "quota_daily", "", "2026-11-21 00:05"),
        ] {
            let words = PlanWords::new(&facts(why, blocked_by), Gigabyte::Binary);
            assert_eq!((words.speed_reason.as_str(), words.fup_level.as_str()), (reason, level), "{why:?}");
            assert_eq!(words.resets_at, resets, "{why:?}");
            assert_eq!(words.blocking_quota.is_empty(), blocked_by.is_none(), "{why:?}");
        }
    }

    #[test]
    fn a_quota_beside_an_empty_balance_blocks_not_by_itself_and_says_when_it_ends() {
        let both = PlanFacts { full_too: Some(Quota::Daily), ..facts(Why::Monthly(1), None) };
        let words = PlanWords::new(&both, Gigabyte::Binary);
        assert_eq!((words.blocking_quota.as_str(), words.full_quota_too.as_str()), ("", "daily"));
        assert_eq!((words.speed_reason.as_str(), words.resets_at.as_str()), ("quota_daily", "2026-11-21 00:05"));
    }

    #[test]
    fn speeds_and_volumes_are_as_short_as_they_can_be_written() {
        let words = PlanWords::new(&facts(Why::Full, None), Gigabyte::Binary);
        assert_eq!((words.full_download_speed.as_str(), words.full_upload_speed.as_str()), ("10 Mbit/s", ""));
        assert_eq!(
            (words.current_download_speed.as_str(), words.current_upload_speed.as_str()),
            ("1.5 Mbit/s", "512 kbit/s")
        );
        assert_eq!((words.used_today_gb.as_str(), words.used_cycle_gb.as_str()), ("20.5", "0"));
    }

    #[test]
    fn instants_and_days_are_put_in_words() {
        assert_eq!(when_in_words("2026-11-21 00:05"), "21 November 2026, 00:05");
        assert_eq!(when_in_words("2026-12-01"), "1 December 2026");
        assert_eq!(when_in_words(""), "");
    }
}
