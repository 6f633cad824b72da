//! The Fair Usage Policy: what has been used decides how fast it goes on.
//!
//! * A level is the highest enabled tier with used ≥ threshold, found anew every time and never latched.
//! * Day and cycle at once: the slower download wins, its upload with it; a tie goes to the day. A quota that throttles is
//!   one more such step.
//! * A step never makes a customer faster than sold.
//! * Used is counted bytes, after free hours. Bonus raises what the cycle allows.

use super::{
    burst::{BurstTerms, Rate},
    rules::Factor,
    terms::{Plan, Tier, WhenFull},
};
use crate::units::{Bytes, Kbps, Speed};

/// What an account has used, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Since the last daily reset.
    pub daily: Bytes,
    /// Since the renewal.
    pub monthly: Bytes,
    /// Bytes given on top for this cycle.
    pub bonus: Bytes,
    /// Seconds online since the last daily reset.
    pub online_seconds: u64,
    /// CDN traffic since the last daily reset.
    pub cdn_daily: Bytes,
    /// CDN traffic since the renewal.
    pub cdn_monthly: Bytes,
}

/// Which quota is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quota {
    /// The day's bytes.
    Daily,
    /// The cycle's bytes.
    Monthly,
    /// The day's minutes online.
    Time,
}

/// Why the speed is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing holds it back.
    Full,
    /// A tier of the day's, 1 to 6.
    Daily(u8),
    /// A tier of the cycle's, 1 to 6.
    Monthly(u8),
    /// A full quota.
    Quota(Quota),
}

/// What CDN traffic is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CdnVerdict {
    /// The day's level, 0 to 3.
    pub daily_level: u8,
    /// The cycle's level, 0 to 3.
    pub monthly_level: u8,
    /// The speed of it.
    pub speed: Speed,
}

/// What follows from what was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The day's level, 0 to 6.
    pub daily_level: u8,
    /// The cycle's level, 0 to 6.
    pub monthly_level: u8,
    /// The quota that is full, if any: the one whose counter begins again last.
    pub full_quota: Option<Quota>,
    /// Whether the account is to be blocked for it.
    pub blocked: bool,
    /// What sets the speed.
    pub why: Why,
    /// The speed before bandwidth rules.
    pub speed: Speed,
    /// What the queue is set to.
    pub rate: Rate,
    /// The same for CDN traffic, where the plan sells it apart.
    pub cdn: Option<CdnVerdict>,
}

impl Verdict {
    /// Whether the customer goes slower than sold.
    pub fn is_slowed(&self) -> bool {
        self.why != Why::Full
    }

    /// Whether the customer goes faster by it: down, or up at the same speed down, or in bursts at the same speed.
    pub fn is_faster(&self, than: &Self) -> bool {
        // Unlimited, which is written 0, is more than any.
        let one = |speed: Speed| [speed.down, speed.up].map(|it| it.0.wrapping_sub(1));
        let all = |it: &Self| (one(it.speed), it.rate.burst.map(|burst| one(burst.limit)));
        all(self) > all(than)
    }
}

/// Decides. `full` is the speed sold to this account, `factor` what the bandwidth rules make of any speed now.
pub fn decide(plan: &Plan, full: Speed, used: &Used, factor: Factor) -> Verdict {
    let monthly_used = used.monthly.saturating_sub(used.bonus);
    let (daily_level, monthly_level) = (level(&plan.daily, used.daily), level(&plan.monthly, monthly_used));
    let full_quota = full_quota(plan, used, monthly_used);
    let step = |kind: fn(u8) -> Why, tiers: &[Tier], level: u8| {
        Some((kind(level), tiers.get(usize::from(level).checked_sub(1)?)?.speed))
    };
    let throttle = match plan.quotas.when_full {
        WhenFull::Throttle(speed) => full_quota.map(|quota| (Why::Quota(quota), speed)),
        WhenFull::Block => None,
    };
    let steps =
        [step(Why::Daily, &plan.daily, daily_level), step(Why::Monthly, &plan.monthly, monthly_level), throttle];
    // The first of equals stays: a tie goes to the day.
    let slowest = steps.into_iter().flatten().reduce(|one, two| if is_slower(two.1, one.1) { two } else { one });
    let (why, speed) = slowest.map_or((Why::Full, full), |(why, speed)| (why, not_above(speed, full)));
    let keeps_burst = why == Why::Full || plan.soft_fup;
    Verdict {
        daily_level,
        monthly_level,
        full_quota,
        blocked: full_quota.is_some() && plan.quotas.when_full == WhenFull::Block,
        why,
        speed,
        rate: rate(speed, plan.burst.filter(|_| keeps_burst), factor),
        cdn: plan.cdn.map(|cdn| {
            let (daily, monthly) = (level(&cdn.daily, used.cdn_daily), level(&cdn.monthly, used.cdn_monthly));
            let steps = [step(Why::Daily, &cdn.daily, daily), step(Why::Monthly, &cdn.monthly, monthly)];
            let slowest =
                steps.into_iter().flatten().reduce(|one, two| if is_slower(two.1, one.1) { two } else { one });
            let speed = slowest.map_or(cdn.speed, |(_, speed)| not_above(speed, cdn.speed));
            CdnVerdict { daily_level: daily, monthly_level: monthly, speed: factor.of(speed) }
        }),
    }
}

/// The highest enabled tier that has been reached, counted from 1; 0 is none.
pub fn level(tiers: &[Tier], used: Bytes) -> u8 {
    let reached = tiers.iter().rposition(|tier| tier.is_enabled() && used >= tier.threshold);
    reached.map_or(0, |at| u8::try_from(at + 1).unwrap_or(u8::MAX))
}

/// The next enabled tier above `used`, with its number; `None` where there is none left.
pub fn next_tier(tiers: &[Tier], used: Bytes) -> Option<(u8, Tier)> {
    let ahead = (1..).zip(tiers).filter(|(_, tier)| tier.is_enabled() && used < tier.threshold);
    ahead.min_by_key(|(_, tier)| tier.threshold).map(|(number, tier)| (number, *tier))
}

fn full_quota(plan: &Plan, used: &Used, monthly_used: Bytes) -> Option<Quota> {
    let quotas = &plan.quotas;
    let full = |most: Bytes, used: Bytes| most.0 > 0 && used >= most;
    if full(quotas.monthly, monthly_used) {
        Some(Quota::Monthly)
    } else if full(quotas.daily, used.daily) {
        Some(Quota::Daily)
    } else if quotas.minutes > 0 && used.online_seconds >= u64::from(quotas.minutes) * 60 {
        Some(Quota::Time)
    } else {
        None
    }
}

fn is_slower(one: Speed, two: Speed) -> bool {
    match (one.down.is_unlimited(), two.down.is_unlimited()) {
        (false, unlimited) => unlimited || one.down < two.down,
        (true, _) => false,
    }
}

/// Each way the slower of the two; unlimited is faster than any.
fn not_above(speed: Speed, most: Speed) -> Speed {
    let one = |speed: Kbps, most: Kbps| match (speed.is_unlimited(), most.is_unlimited()) {
        (true, _) => most,
        (false, true) => speed,
        (false, false) => speed.min(most),
    };
    Speed { down: one(speed.down, most.down), up: one(speed.up, most.up) }
}

fn rate(speed: Speed, burst: Option<BurstTerms>, factor: Factor) -> Rate {
    let burst = burst.map(|terms| BurstTerms { limit: factor.of(terms.limit), ..terms });
    Rate::with(factor.of(speed), burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::terms::{Cdn, Quotas};
    use proptest::prelude::*;

    const GB: u64 = 1 << 30;

    fn tier(gb: u64, down: u32, up: u32) -> Tier {
        Tier { threshold: Bytes(gb * GB), speed: Speed::new(down, up) }
    }

    fn plan() -> Plan {
        let mut plan = Plan { name: "Gold".to_owned(), speed: Speed::new(10_000, 2_000), ..Plan::default() };
        plan.daily[..3].copy_from_slice(&[tier(10, 8_000, 2_000), tier(20, 4_000, 1_000), tier(30, 2_000, 500)]);
        plan.monthly[..2].copy_from_slice(&[tier(100, 5_000, 1_500), tier(200, 1_000, 400)]);
        plan
    }

    fn at(plan: &Plan, daily_gb: u64, monthly_gb: u64) -> Verdict {
        let used = Used { daily: Bytes(daily_gb * GB), monthly: Bytes(monthly_gb * GB), ..Used::default() };
        decide(plan, plan.speed, &used, Factor::NONE)
    }

    #[test]
    fn levels_are_the_highest_tier_reached() {
        for (daily, monthly, levels, why, speed) in [
            (0, 0, (0, 0), Why::Full, (10_000, 2_000)),
            (9, 99, (0, 0), Why::Full, (10_000, 2_000)),
            (10, 10, (1, 0), Why::Daily(1), (8_000, 2_000)),
            (35, 35, (3, 0), Why::Daily(3), (2_000, 500)),
            (0, 100, (0, 1), Why::Monthly(1), (5_000, 1_500)),
            // The slower download wins, its upload with it.
            (10, 100, (1, 1), Why::Monthly(1), (5_000, 1_500)),
            (20, 100, (2, 1), Why::Daily(2), (4_000, 1_000)),
            (30, 250, (3, 2), Why::Monthly(2), (1_000, 400)),
        ] {
            let verdict = at(&plan(), daily, monthly);
            assert_eq!((verdict.daily_level, verdict.monthly_level), levels, "{daily} {monthly}");
            assert_eq!((verdict.why, verdict.speed), (why, Speed::new(speed.0, speed.1)), "{daily} {monthly}");
        }
    }

    #[test]
    fn a_tie_goes_to_the_day() {
        let mut plan = plan();
        plan.monthly[0] = tier(100, 8_000, 100);
        let verdict = at(&plan, 10, 100);
        assert_eq!((verdict.why, verdict.speed), (Why::Daily(1), Speed::new(8_000, 2_000)));
    }

    #[test]
    fn disabled_tiers_are_passed_over_and_keep_the_numbers_of_the_others() {
        let mut plan = plan();
        plan.daily[1].threshold = Bytes::ZERO;
        assert_eq!(at(&plan, 25, 0).daily_level, 1);
        assert_eq!(at(&plan, 30, 0).daily_level, 3);
        assert_eq!(next_tier(&plan.daily, Bytes(10 * GB)).map(|(number, _)| number), Some(3));
        assert_eq!(next_tier(&plan.daily, Bytes(30 * GB)), None);
    }

    #[test]
    fn bonus_raises_what_the_cycle_allows() {
        let used = Used { monthly: Bytes(120 * GB), bonus: Bytes(21 * GB), ..Used::default() };
        assert_eq!(decide(&plan(), plan().speed, &used, Factor::NONE).why, Why::Full);
        let less = Used { bonus: Bytes(20 * GB), ..used };
        assert_eq!(decide(&plan(), plan().speed, &less, Factor::NONE).why, Why::Monthly(1));
    }

    #[test]
    fn a_full_quota_blocks_or_throttles_as_the_plan_says() {
        let mut plan = plan();
        plan.quotas = Quotas { daily: Bytes(5 * GB), monthly: Bytes(50 * GB), minutes: 60, when_full: WhenFull::Block };
        assert!(!at(&plan, 4, 49).blocked);
        assert_eq!((at(&plan, 5, 5).blocked, at(&plan, 5, 5).full_quota), (true, Some(Quota::Daily)));
        assert_eq!(at(&plan, 5, 50).full_quota, Some(Quota::Monthly), "the one that lasts longer is told");
        let online = |seconds| Used { online_seconds: seconds, ..Used::default() };
        assert!(!decide(&plan, plan.speed, &online(3_599), Factor::NONE).blocked);
        assert_eq!(decide(&plan, plan.speed, &online(3_600), Factor::NONE).full_quota, Some(Quota::Time));
        plan.quotas.when_full = WhenFull::Throttle(Speed::new(64, 32));
        let verdict = at(&plan, 5, 50);
        assert_eq!(
            (verdict.blocked, verdict.why, verdict.speed),
            (false, Why::Quota(Quota::Monthly), Speed::new(64, 32))
        );
    }

    #[test]
    fn nobody_is_made_faster_than_sold() {
        let used = Used { daily: Bytes(10 * GB), ..Used::default() };
        let verdict = decide(&plan(), Speed::new(3_000, 0), &used, Factor::NONE);
        assert_eq!((verdict.why, verdict.speed), (Why::Daily(1), Speed::new(3_000, 2_000)));
    }

    #[test]
    fn only_soft_fup_keeps_the_burst_when_slowed() {
        let mut plan = plan();
        plan.burst = Some(BurstTerms { limit: Speed::new(20_000, 4_000), threshold_percent: 75, seconds: 10 });
        assert_eq!(at(&plan, 0, 0).rate.to_string(), "2000k/10000k 4000k/20000k 1500k/7500k 10/10");
        assert_eq!(at(&plan, 10, 0).rate.to_string(), "2000k/8000k");
        plan.soft_fup = true;
        assert_eq!(at(&plan, 10, 0).rate.to_string(), "2000k/8000k 4000k/20000k 1500k/6000k 10/10");
    }

    #[test]
    fn bandwidth_rules_multiply_whatever_holds() {
        let mut plan = plan();
        plan.burst = Some(BurstTerms { limit: Speed::new(12_000, 3_000), threshold_percent: 50, seconds: 8 });
        let half = Factor { download_percent: 50, upload_percent: 200 };
        let verdict = decide(&plan, plan.speed, &Used::default(), half);
        assert_eq!(verdict.rate.to_string(), "4000k/5000k 6000k/6000k 2000k/2500k 8/8");
        assert_eq!((verdict.speed, verdict.why), (Speed::new(10_000, 2_000), Why::Full));
    }

    #[test]
    fn cdn_traffic_has_tiers_of_its_own() {
        let mut plan = plan();
        let mut cdn = Cdn { profile_id: 1, speed: Speed::new(50_000, 5_000), ..Cdn::default() };
        cdn.daily[0] = tier(5, 20_000, 2_000);
        cdn.monthly[2] = tier(60, 1_000, 1_000);
        plan.cdn = Some(cdn);
        let used = |daily: u64, monthly: u64| Used {
            cdn_daily: Bytes(daily * GB),
            cdn_monthly: Bytes(monthly * GB),
            ..Used::default()
        };
        let verdict = |used| decide(&plan, plan.speed, &used, Factor::NONE);
        assert_eq!(verdict(used(0, 0)).cdn.unwrap().speed, Speed::new(50_000, 5_000));
        assert_eq!(verdict(used(5, 5)).cdn.unwrap().speed, Speed::new(20_000, 2_000));
        let deep = verdict(used(9, 60));
        assert_eq!(deep.cdn.unwrap(), CdnVerdict { daily_level: 1, monthly_level: 3, speed: Speed::new(1_000, 1_000) });
        assert_eq!((deep.why, deep.daily_level), (Why::Full, 0), "it does not slow the rest");
    }

    fn tiers() -> impl Strategy<Value = Vec<Tier>> {
        // As they may be saved: thresholds of enabled tiers rise, speeds do not.
        prop::collection::vec((any::<bool>(), 1_u64..1000, 0_u32..2000, 0_u32..2000), 6).prop_map(|steps| {
            let (mut threshold, mut down, mut up) = (0, 20_000, 20_000);
            let mut made = Vec::new();
            for (enabled, more, less_down, less_up) in steps {
                threshold += more;
                (down, up) = (down - less_down.min(down - 1), up - less_up.min(up - 1));
                let threshold = if enabled { Bytes(threshold) } else { Bytes::ZERO };
                made.push(Tier { threshold, speed: Speed::new(down, up) });
            }
            made
        })
    }

    proptest! {
        /// More used is never a lower level, and never a faster download.
        #[test]
        fn the_level_is_monotone_in_usage(
            daily in tiers(), monthly in tiers(), one in (0_u64..8_000, 0_u64..8_000), more in (0_u64..8_000, 0_u64..8_000),
        ) {
            let mut plan = Plan { speed: Speed::new(20_000, 20_000), ..Plan::default() };
            plan.daily.copy_from_slice(&daily);
            plan.monthly.copy_from_slice(&monthly);
            let used = |(daily, monthly)| Used { daily: Bytes(daily), monthly: Bytes(monthly), ..Used::default() };
            let before = decide(&plan, plan.speed, &used(one), Factor::NONE);
            let after = decide(&plan, plan.speed, &used((one.0 + more.0, one.1 + more.1)), Factor::NONE);
            prop_assert!(after.daily_level >= before.daily_level && after.monthly_level >= before.monthly_level);
            prop_assert!(after.speed.down <= before.speed.down);
        }
    }
}
