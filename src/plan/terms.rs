//! A plan: the contract sold to subscribers, every field of it. A WHMCS product names one; product fields and configurable
//! options override its speed.

use super::{
    burst::{BurstTerms, Rate},
    cycle,
    window::{Clock, DayWindow},
};
use crate::units::{Bytes, Speed};
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

/// How many tiers each kind of counter has.
pub const TIERS: usize = 6;
/// How many tiers each kind of CDN counter has.
pub const CDN_TIERS: usize = 3;

/// A step of a Fair Usage Policy: from so much counted traffic on, so fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// The counted bytes from which it holds; 0 is disabled.
    pub threshold: Bytes,
    /// The speed while it holds.
    pub speed: Speed,
}

impl Tier {
    /// Whether it is one at all.
    pub fn is_enabled(self) -> bool {
        self.threshold.0 > 0
    }
}

/// What a full quota does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The account is blocked until the counter begins again (cause `quota`).
    #[default]
    Block,
    /// It goes on at this speed.
    Throttle(Speed),
}

/// What may be used; 0 is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Counted bytes a day; begins again at the daily reset.
    pub daily: Bytes,
    /// Counted bytes a cycle; begins again at the renewal.
    pub monthly: Bytes,
    /// Minutes online a day.
    pub minutes: u32,
    /// What happens when one of them is full.
    pub when_full: WhenFull,
}

/// Hours in which a part of the traffic is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeHours {
    /// When.
    pub window: DayWindow,
    /// How much of what is received is free, percent, 0 to 100.
    pub download_ratio: u8,
    /// How much of what is sent is free, percent, 0 to 100.
    pub upload_ratio: u8,
}

/// The tiers of traffic to and from the subnets of a CDN profile: independent of the plan's other tiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cdn {
    /// Which profile's subnets.
    pub profile_id: u64,
    /// How fast that traffic is at first; 0 is unlimited.
    pub speed: Speed,
    /// By the day's CDN traffic.
    pub daily: [Tier; CDN_TIERS],
    /// By the cycle's CDN traffic.
    pub monthly: [Tier; CDN_TIERS],
}

/// The unit of a plan's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiryUnit {
    /// Days.
    Days,
    /// Calendar months.
    #[default]
    Months,
}

/// How long a plan lasts where WHMCS bills no cycle of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// How many units, 1 to 3660.
    pub value: u32,
    /// Of what.
    pub unit: ExpiryUnit,
    /// Whether it always ends with a calendar month.
    pub entire_month: bool,
}

impl Expiry {
    /// The day on which the cycle begins that holds `day`, where the first one begins on `anchor`; never before it.
    ///
    /// Months are counted from the anchor (the law of months). An `entire_month` ends with a calendar month, the next cycle
    /// begins with the day after.
    pub fn cycle_start(self, anchor: NaiveDate, day: NaiveDate) -> NaiveDate {
        let mut start = anchor;
        while let Some(next) = self.next_start(anchor, start).filter(|next| *next > start && *next <= day) {
            start = next;
        }
        start
    }

    /// The day on which the cycle after the one that holds `day` begins; `None` past the calendar's end.
    pub fn next_cycle(self, anchor: NaiveDate, day: NaiveDate) -> Option<NaiveDate> {
        self.next_start(anchor, self.cycle_start(anchor, day))
    }

    fn next_start(self, anchor: NaiveDate, start: NaiveDate) -> Option<NaiveDate> {
        let value = self.value.max(1);
        match self.unit {
            _ if self.entire_month => cycle::entire_month(cycle::add_months(start, self.months() - 1)).succ_opt(),
            ExpiryUnit::Days => start.checked_add_days(Days::new(value.into())),
            ExpiryUnit::Months => Some(cycle::next_after(anchor, value, start)),
        }
    }

    /// Its length in calendar months; one of days counts as one month where it has to.
    fn months(self) -> u32 {
        match self.unit {
            ExpiryUnit::Days => 1,
            ExpiryUnit::Months => self.value.max(1),
        }
    }
}

impl Default for Expiry {
    fn default() -> Self {
        Self { value: 1, unit: ExpiryUnit::Months, entire_month: false }
    }
}

impl Expiry {
    /// The day on which a cycle ends that begins on `day`.
    pub fn ends(self, day: NaiveDate) -> NaiveDate {
        let end = match self.unit {
            ExpiryUnit::Months => cycle::add_months(day, self.value),
            ExpiryUnit::Days => day.checked_add_days(Days::new(self.value.into())).unwrap_or(NaiveDate::MAX),
        };
        if self.entire_month { cycle::entire_month(day) } else { end }
    }
}

/// What the router needs to know beside the speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The only server that it is sold on, WHMCS's id; `None` is any.
    pub nas_id: Option<u64>,
    /// The router's pool whose ranges its addresses come from; empty: the server's assigned addresses.
    pub pool_name: String,
    /// The firewall address list that the customer's address is put on for traffic towards the customer; empty is none.
    pub address_list_in: String,
    /// The same for traffic from the customer.
    pub address_list_out: String,
    /// The queue's type on the router; `simple` leaves RouterOS's default.
    pub queue_type: String,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            nas_id: None,
            pool_name: String::new(),
            address_list_in: String::new(),
            address_list_out: String::new(),
            queue_type: "simple".to_owned(),
        }
    }
}

/// RFC 2865 Filter-Ids for routers that are told of levels by RADIUS; an empty one is the plan's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterIds {
    /// At full speed.
    pub normal: String,
    /// On the first three daily levels.
    pub fup: [String; 3],
}

/// What it costs, in the installation's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// A renewal.
    pub price: Decimal,
    /// One day, where a part of a cycle is billed.
    pub day_price: Decimal,
    /// What a customer pays to have the day's counters begin again; 0 is not for sale.
    pub reset_price: Decimal,
}

/// The contract sold to subscribers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What products and lists call it; unique, 1 to 100 characters.
    pub name: String,
    /// What customers are shown; empty: the name.
    pub commercial_name: String,
    /// For people, up to 2,000 characters.
    pub description: String,
    /// What it costs.
    pub prices: Prices,
    /// The full speed.
    pub speed: Speed,
    /// What may go above it for a moment.
    pub burst: Option<BurstTerms>,
    /// Whether throttled customers keep the burst.
    pub soft_fup: bool,
    /// What may be used.
    pub quotas: Quotas,
    /// Steps by the day's traffic.
    pub daily: [Tier; TIERS],
    /// Steps by the cycle's traffic.
    pub monthly: [Tier; TIERS],
    /// Traffic to and from a CDN, apart.
    pub cdn: Option<Cdn>,
    /// Hours in which traffic is free or cheaper.
    pub free_hours: Option<FreeHours>,
    /// How long it lasts.
    pub expiry: Expiry,
    /// A mark that older imports carry; means nothing here.
    pub monthly_account: bool,
    /// What the router needs to know.
    pub place: Place,
    /// For RADIUS.
    pub filter_ids: FilterIds,
    /// Where it stands in drop-downs, smaller first.
    pub sort_order: i32,
}

impl Plan {
    /// What customers are shown.
    pub fn shown_name(&self) -> &str {
        if self.commercial_name.is_empty() { &self.name } else { &self.commercial_name }
    }

    /// The queue's limits at a customer's full speed.
    pub fn full_rate(&self, full: Speed) -> Rate {
        Rate::with(full, self.burst)
    }

    /// The Filter-Id for a daily level; the last one given holds for the levels above it.
    pub fn filter_id(&self, daily_level: u8) -> &str {
        let fup = self.filter_ids.fup.iter().take(daily_level.into()).rev().find(|it| !it.is_empty());
        let normal = || Some(&self.filter_ids.normal).filter(|it| !it.is_empty() && daily_level == 0);
        fup.or_else(normal).map_or(&self.name, |it| it)
    }

    /// The clock times at which a customer's count or speed may change by this plan alone.
    pub fn edges(&self) -> impl Iterator<Item = Clock> {
        self.free_hours.into_iter().flat_map(|it| [it.window.from, it.window.to])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn starts(expiry: Expiry, anchor: &str, count: usize) -> Vec<String> {
        let mut all = vec![day(anchor)];
        while all.len() < count {
            all.push(expiry.next_cycle(day(anchor), *all.last().unwrap()).unwrap());
        }
        all.iter().map(NaiveDate::to_string).collect()
    }

    #[test]
    fn cycles_follow_the_law_of_months() {
        let months = Expiry::default();
        assert_eq!(starts(months, "2026-01-31", 4), ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]);
        let days = Expiry { value: 7, unit: ExpiryUnit::Days, entire_month: false };
        assert_eq!(starts(days, "2026-11-20", 3), ["2026-11-20", "2026-11-27", "2026-12-04"]);
        assert_eq!(days.cycle_start(day("2026-11-20"), day("2026-12-03")), day("2026-11-27"));
        assert_eq!(days.cycle_start(day("2026-11-20"), day("2026-11-19")), day("2026-11-20"), "never before it");
    }

    #[test]
    fn an_entire_month_ends_with_the_month_and_from_its_last_day_with_the_next() {
        let entire = Expiry { entire_month: true, ..Expiry::default() };
        assert_eq!(starts(entire, "2026-11-20", 3), ["2026-11-20", "2026-12-01", "2027-01-01"]);
        assert_eq!(starts(entire, "2026-11-30", 3), ["2026-11-30", "2027-01-01", "2027-02-01"]);
        let quarter = Expiry { value: 3, ..entire };
        assert_eq!(starts(quarter, "2026-01-15", 3), ["2026-01-15", "2026-04-01", "2026-07-01"]);
    }

    proptest! {
        #[test]
        fn a_day_is_in_the_cycle_that_began_last(
            ordinal in 1_u32..=366, away in 0_u64..2_000, value in 1_u32..40, months in any::<bool>(), entire_month in any::<bool>(),
        ) {
            let anchor = NaiveDate::from_yo_opt(2024, ordinal).unwrap();
            let today = anchor.checked_add_days(Days::new(away)).unwrap();
            let unit = if months { ExpiryUnit::Months } else { ExpiryUnit::Days };
            let expiry = Expiry { value, unit, entire_month };
            let (start, next) = (expiry.cycle_start(anchor, today), expiry.next_cycle(anchor, today).unwrap());
            prop_assert!(start <= today && today < next, "{start} {today} {next}");
            prop_assert_eq!(expiry.cycle_start(anchor, start), start);
            prop_assert_eq!(expiry.cycle_start(anchor, next), next);
        }
    }
}
