//! Billing cycles and the calendar of renewals.
//!
//! Law of months: a date some months on is always counted from the *anchor*, never from the date before it, and a day that
//! the month does not have becomes its last one. So 31 January gives 28 February and then 31 March, not 28 March.

use chrono::{Datelike, Days, Months, NaiveDate};

/// WHMCS's billing cycles, as far as a packet of traffic is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BillingCycle {
    /// Paid once (`One Time`) or never (`Free Account`): there is no renewal.
    OneTime,
    /// Every month.
    Monthly,
    /// Every three months.
    Quarterly,
    /// Every six months.
    SemiAnnually,
    /// Every twelve months.
    Annually,
    /// Every two years.
    Biennially,
    /// Every three years.
    Triennially,
}

impl BillingCycle {
    /// All of them, shortest first after the one without renewal.
    pub const ALL: [Self; 7] = [
        Self::OneTime,
        Self::Monthly,
        Self::Quarterly,
        Self::SemiAnnually,
        Self::Annually,
        Self::Biennially,
        Self::Triennially,
    ];

    /// Reads WHMCS's name of a cycle in either of its spellings, the panel's (`Semi-Annually`, `Free Account`) and the
    /// API's (`semiannually`, `free`); `None` where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: String =
            text.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
        Some(match letters.as_str() {
            "onetime" | "freeaccount" | "free" => Self::OneTime,
            "monthly" => Self::Monthly,
            "quarterly" => Self::Quarterly,
            "semiannually" => Self::SemiAnnually,
            "annually" => Self::Annually,
            "biennially" => Self::Biennially,
            "triennially" => Self::Triennially,
            _ => return None,
        })
    }

    /// The product field that holds this cycle's packet.
    pub fn traffic_field(self) -> &'static str {
        match self {
            Self::OneTime => "traffic_gb_one_time",
            Self::Monthly => "traffic_gb_monthly",
            Self::Quarterly => "traffic_gb_quarterly",
            Self::SemiAnnually => "traffic_gb_semi_annually",
            Self::Annually => "traffic_gb_annually",
            Self::Biennially => "traffic_gb_biennially",
            Self::Triennially => "traffic_gb_triennially",
        }
    }

    /// How many months the cycle has; `None` where nothing is ever renewed.
    pub fn months(self) -> Option<u32> {
        match self {
            Self::OneTime => None,
            Self::Monthly => Some(1),
            Self::Quarterly => Some(3),
            Self::SemiAnnually => Some(6),
            Self::Annually => Some(12),
            Self::Biennially => Some(24),
            Self::Triennially => Some(36),
        }
    }

    /// The first renewal after `day`, counted in whole cycles from `anchor`; `None` where nothing is ever renewed.
    ///
    /// `anchor` itself is a renewal date, so a `day` before it gives the anchor.
    pub fn next_after(self, anchor: NaiveDate, day: NaiveDate) -> Option<NaiveDate> {
        self.months().map(|months| next_after(anchor, months, day))
    }
}

/// `anchor` and `n` months, on the anchor's day or on the month's last one where it has no such day.
///
/// Past the last year that a date can hold, that year's last day.
pub fn add_months(anchor: NaiveDate, n: u32) -> NaiveDate {
    anchor.checked_add_months(Months::new(n)).unwrap_or(NaiveDate::MAX)
}

/// The first of `anchor`, `anchor + months`, `anchor + 2·months`, … that is after `day`; steps of 0 months count as 1.
pub fn next_after(anchor: NaiveDate, months: u32, day: NaiveDate) -> NaiveDate {
    if day < anchor {
        return anchor;
    }
    let months = months.max(1);
    // Never too far: the step before the one that holds `day`'s month is at or before `day`.
    let passed = months_between(anchor, day) / months * months;
    let mut n = passed;
    loop {
        let date = add_months(anchor, n);
        if date > day || date == NaiveDate::MAX {
            return date;
        }
        n = n.saturating_add(months);
    }
}

/// When a renewal of an "entire month" plan on `day` ends: the month's last day; on that very day, the next month's.
pub fn entire_month(day: NaiveDate) -> NaiveDate {
    let end = month_end(day);
    if day < end { end } else { end.checked_add_days(Days::new(1)).map_or(NaiveDate::MAX, month_end) }
}

/// The last day of `day`'s month.
pub fn month_end(day: NaiveDate) -> NaiveDate {
    let next = day.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
    next.and_then(|first| first.pred_opt()).unwrap_or(NaiveDate::MAX)
}

/// Calendar months from one month to another, days disregarded; 0 where `to` is earlier.
fn months_between(from: NaiveDate, to: NaiveDate) -> u32 {
    let count = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    u32::try_from(count(to) - count(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_anchor_day_comes_back_after_a_short_month() {
        let anchor = day("2026-01-31");
        let dates: Vec<String> = (0..6).map(|n| add_months(anchor, n).to_string()).collect();
        assert_eq!(dates, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30"]);
        assert_eq!(add_months(anchor, 25), day("2028-02-29"));
        assert_eq!(add_months(day("2028-02-29"), 12), day("2029-02-28"));
        assert_eq!(add_months(anchor, u32::MAX), NaiveDate::MAX);
    }

    #[test]
    fn an_entire_month_ends_with_the_month_and_on_its_last_day_with_the_next() {
        for (from, to) in [
            ("2026-11-01", "2026-11-30"),
            ("2026-11-29", "2026-11-30"),
            ("2026-11-30", "2026-12-31"),
            ("2026-12-31", "2027-01-31"),
            ("2028-01-31", "2028-02-29"),
        ] {
            assert_eq!(entire_month(day(from)), day(to), "from {from}");
        }
        assert_eq!(entire_month(NaiveDate::MAX), NaiveDate::MAX);
    }

    #[test]
    fn the_next_renewal_is_after_the_day_and_on_the_grid_of_the_anchor() {
        let anchor = day("2026-01-31");
        assert_eq!(next_after(anchor, 1, day("2026-01-30")), anchor);
        assert_eq!(next_after(anchor, 1, anchor), day("2026-02-28"));
        assert_eq!(next_after(anchor, 1, day("2026-02-28")), day("2026-03-31"));
        assert_eq!(next_after(anchor, 3, day("2026-05-01")), day("2026-07-31"));
        assert_eq!(next_after(anchor, 0, anchor), day("2026-02-28"));
        assert_eq!(BillingCycle::OneTime.next_after(anchor, anchor), None);
        assert_eq!(BillingCycle::Triennially.next_after(anchor, anchor), Some(day("2029-01-31")));
    }

    #[test]
    fn both_spellings_of_whmcs_are_read() {
        for (text, cycle) in [
            ("One Time", BillingCycle::OneTime),
            ("Free Account", BillingCycle::OneTime),
            ("free", BillingCycle::OneTime),
            ("Semi-Annually", BillingCycle::SemiAnnually),
            ("semiannually", BillingCycle::SemiAnnually),
            ("Triennially", BillingCycle::Triennially),
        ] {
            assert_eq!(BillingCycle::parse(text), Some(cycle), "{text}");
        }
        assert_eq!(BillingCycle::parse(""), None);
        assert_eq!(BillingCycle::parse("Weekly"), None);
    }

    fn any_day() -> impl Strategy<Value = NaiveDate> {
        (1990..2100_i32, 1..=366_u32).prop_map(|(year, ordinal)| {
            NaiveDate::from_yo_opt(year, ordinal).unwrap_or(NaiveDate::from_yo_opt(year, 365).unwrap())
        })
    }

    proptest! {
        #[test]
        fn no_month_is_skipped_and_none_comes_twice(anchor in any_day(), n in 0..400_u32) {
            let (this, next) = (add_months(anchor, n), add_months(anchor, n + 1));
            prop_assert!(this < next);
            prop_assert_eq!(months_between(this, next), 1);
        }

        #[test]
        fn the_day_is_the_anchors_or_the_months_last(anchor in any_day(), n in 0..400_u32) {
            let date = add_months(anchor, n);
            prop_assert_eq!(date.day(), anchor.day().min(month_end(date).day()));
        }

        #[test]
        fn the_next_renewal_is_the_first_of_all_later_ones(
            anchor in any_day(), months in 1..40_u32, away in -800..8000_i64,
        ) {
            let day = anchor + chrono::Duration::days(away);
            let next = next_after(anchor, months, day);
            let slow = (0..9_000).map(|k| add_months(anchor, k * months)).find(|date| *date > day).unwrap();
            prop_assert_eq!(next, slow);
        }

        #[test]
        fn an_entire_month_is_later_and_ends_a_month(day in any_day()) {
            let end = entire_month(day);
            prop_assert!(end > day && end == month_end(end));
            prop_assert!(months_between(day, end) <= 1);
        }
    }
}
