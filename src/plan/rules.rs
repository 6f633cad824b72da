//! Bandwidth rules: multipliers by day and hour, on top of whatever speed holds.
//!
//! Of the rules that hold for a plan at an instant the one with the highest priority counts, alone; of equals the one
//! with the lowest id. A window that crosses midnight belongs to the day on which it begins.

use super::window::DayWindow;
use crate::units::{Kbps, Speed};
use chrono::{DateTime, Datelike, Utc, Weekday};
use chrono_tz::Tz;

/// The most that a rule may make of a speed, percent.
pub const MOST_PERCENT: u16 = 1000;

/// What a rule makes of any speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Factor {
    /// Of downloads, 1 to [`MOST_PERCENT`].
    pub download_percent: u16,
    /// Of uploads, 1 to [`MOST_PERCENT`].
    pub upload_percent: u16,
}

impl Factor {
    /// Leaves every speed as it is.
    pub const NONE: Self = Self { download_percent: 100, upload_percent: 100 };

    /// The speed multiplied, in whole kbit/s, at least 1; unlimited stays unlimited.
    pub fn of(self, speed: Speed) -> Speed {
        let one = |kbps: Kbps, percent: u16| {
            if kbps.is_unlimited() {
                return kbps;
            }
            let scaled = u64::from(kbps.0) * u64::from(percent) / 100;
            Kbps(u32::try_from(scaled).unwrap_or(u32::MAX).max(1))
        };
        Speed { down: one(speed.down, self.download_percent), up: one(speed.up, self.upload_percent) }
    }
}

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub [bool; 7]);

impl Days {
    /// Each day of the week.
    pub const ALL: Self = Self([true; 7]);

    /// Whether a day is among them.
    pub fn has(self, day: Weekday) -> bool {
        self.0.get(day.num_days_from_monday() as usize).copied().unwrap_or(false)
    }
}

/// A bandwidth rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number here.
    pub id: u64,
    /// What staff call it.
    pub name: String,
    /// Whether it counts at all.
    pub enabled: bool,
    /// The local days on which it begins.
    pub days: Days,
    /// The hours; `None` is the whole day.
    pub window: Option<DayWindow>,
    /// The plans that it is for; empty is every plan.
    pub plans: Vec<u64>,
    /// What it makes of a speed.
    pub factor: Factor,
    /// The highest counts.
    pub priority: i32,
}

impl Rule {
    /// Whether it holds for that plan at that instant.
    pub fn holds(&self, plan_id: u64, at: DateTime<Utc>, zone: Tz) -> bool {
        if !self.enabled || !(self.plans.is_empty() || self.plans.contains(&plan_id)) {
            return false;
        }
        let day = match self.window {
            Some(window) => window.day_of(at, zone),
            None => Some(at.with_timezone(&zone).date_naive()),
        };
        day.is_some_and(|day| self.days.has(day.weekday()))
    }
}

/// The rule that counts for that plan at that instant.
pub fn in_force(rules: &[Rule], plan_id: u64, at: DateTime<Utc>, zone: Tz) -> Option<&Rule> {
    let holding = rules.iter().filter(|rule| rule.holds(plan_id, at, zone));
    holding.min_by_key(|rule| (std::cmp::Reverse(rule.priority), rule.id))
}

/// What the rules make of the speeds of that plan at that instant.
pub fn factor(rules: &[Rule], plan_id: u64, at: DateTime<Utc>, zone: Tz) -> Factor {
    in_force(rules, plan_id, at, zone).map_or(Factor::NONE, |rule| rule.factor)
}

/// The most that the rules may make of a speed at any time: for judging what a line can have moved.
pub fn most(rules: &[Rule], plan_id: u64) -> Factor {
    let mut most = Factor::NONE;
    for rule in rules.iter().filter(|it| it.enabled && (it.plans.is_empty() || it.plans.contains(&plan_id))) {
        most.download_percent = most.download_percent.max(rule.factor.download_percent);
        most.upload_percent = most.upload_percent.max(rule.factor.upload_percent);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::window::Clock;
    use chrono_tz::{Europe, UTC};

    fn rule(id: u64, priority: i32, percent: u16) -> Rule {
        Rule {
            id,
            name: "night".to_owned(),
            enabled: true,
            days: Days::ALL,
            window: Some(DayWindow { from: Clock::parse("22:00").unwrap(), to: Clock::parse("06:00").unwrap() }),
            plans: vec![],
            factor: Factor { download_percent: percent, upload_percent: 100 },
            priority,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_highest_priority_that_holds_counts_alone() {
        let rules = [rule(1, 0, 200), rule(2, 5, 150), rule(3, 5, 300), Rule { enabled: false, ..rule(4, 9, 999) }];
        let now = at("2026-11-20T23:00:00Z");
        assert_eq!(in_force(&rules, 7, now, UTC).map(|it| it.id), Some(2));
        assert_eq!(factor(&rules, 7, at("2026-11-20T12:00:00Z"), UTC), Factor::NONE);
        assert_eq!(most(&rules, 7).download_percent, 300);
    }

    #[test]
    fn a_window_across_midnight_belongs_to_the_day_on_which_it_begins() {
        let friday = Days([false, false, false, false, true, false, false]);
        let rules = [Rule { days: friday, ..rule(1, 0, 200) }];
        // 20 November 2026 is a Friday.
        for (holds, when) in [
            (false, "2026-11-20T03:00:00Z"),
            (true, "2026-11-20T23:00:00Z"),
            (true, "2026-11-21T05:00:00Z"),
            (false, "2026-11-21T23:00:00Z"),
        ] {
            assert_eq!(in_force(&rules, 1, at(when), UTC).is_some(), holds, "{when}");
        }
        let whole = [Rule { window: None, days: friday, ..rule(1, 0, 200) }];
        assert!(in_force(&whole, 1, at("2026-11-19T23:30:00Z"), Europe::Berlin).is_some(), "Friday in Berlin already");
        assert!(in_force(&whole, 1, at("2026-11-20T23:30:00Z"), Europe::Berlin).is_none());
    }

    #[test]
    fn a_rule_may_be_for_some_plans() {
        let rules = [Rule { plans: vec![3], ..rule(1, 0, 50) }];
        let now = at("2026-11-20T23:00:00Z");
        assert_eq!(factor(&rules, 3, now, UTC).download_percent, 50);
        assert_eq!((factor(&rules, 4, now, UTC), most(&rules, 4)), (Factor::NONE, Factor::NONE));
    }

    #[test]
    fn a_speed_never_becomes_none_or_unlimited() {
        let tiny = Factor { download_percent: 1, upload_percent: 1 };
        assert_eq!(tiny.of(Speed::new(10, 0)), Speed::new(1, 0));
        let huge = Factor { download_percent: 1000, upload_percent: 1000 };
        assert_eq!(huge.of(Speed::new(u32::MAX, 5)), Speed::new(u32::MAX, 50));
    }
}
