//! What a queue is set to: a speed, and the burst that RouterOS may allow above it for a moment.
//!
//! The rate string is the seed's, `up/dl burst_up/burst_dl threshold_up/threshold_dl time/time`, every rate with its `k`:
//! what a `Mikrotik-Rate-Limit` holds, and what staff read. A burst that is 0, or not above the limit, is none; so is one
//! above no limit at all.

use crate::units::{Kbps, Speed};
use std::fmt;

/// A speed above the limit for a short time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Burst {
    /// The speed while it lasts.
    pub limit: Speed,
    /// The average above which it ends.
    pub threshold: Speed,
    /// Over how many seconds the average is taken.
    pub seconds: u32,
}

/// What a plan says of bursts, whatever the speed below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstTerms {
    /// The speed while it lasts; 0 each way is none.
    pub limit: Speed,
    /// The average above which it ends, as a percentage of the limit below it: 1 to 100.
    pub threshold_percent: u8,
    /// Over how many seconds the average is taken: 1 to 3600.
    pub seconds: u32,
}

/// A queue's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// The limit; 0 is unlimited.
    pub speed: Speed,
    /// What may go above it.
    pub burst: Option<Burst>,
}

impl Rate {
    /// A speed without a burst.
    pub const fn plain(speed: Speed) -> Self {
        Self { speed, burst: None }
    }

    /// A speed with the burst that the terms allow above it. A direction without one is held at its limit.
    pub fn with(speed: Speed, terms: Option<BurstTerms>) -> Self {
        let Some(terms) = terms else { return Self::plain(speed) };
        let above = |limit: Kbps, burst: Kbps| !limit.is_unlimited() && burst > limit;
        if !above(speed.down, terms.limit.down) && !above(speed.up, terms.limit.up) {
            return Self::plain(speed);
        }
        let percent = u64::from(terms.threshold_percent.min(100));
        let one = |limit: Kbps, burst: Kbps| {
            if above(limit, burst) {
                let threshold = (u64::from(limit.0) * percent / 100).max(1);
                (burst, Kbps(u32::try_from(threshold).unwrap_or(limit.0)))
            } else {
                (limit, limit)
            }
        };
        let (down, down_threshold) = one(speed.down, terms.limit.down);
        let (up, up_threshold) = one(speed.up, terms.limit.up);
        let burst = Burst {
            limit: Speed { down, up },
            threshold: Speed { down: down_threshold, up: up_threshold },
            seconds: terms.seconds,
        };
        Self { speed, burst: Some(burst) }
    }

    /// The most that it lets pass each way.
    pub fn fastest(self) -> Speed {
        self.burst.map_or(self.speed, |burst| burst.limit.faster(self.speed))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |speed: Speed| format!("{}k/{}k", speed.up.0, speed.down.0);
        f.write_str(&pair(self.speed))?;
        if let Some(Burst { limit, threshold, seconds }) = self.burst {
            write!(f, " {} {} {seconds}/{seconds}", pair(limit), pair(threshold))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TERMS: BurstTerms = BurstTerms { limit: Speed::new(20_000, 5_000), threshold_percent: 75, seconds: 10 };

    #[test]
    fn the_rate_string_is_the_seeds() {
        let rate = Rate::with(Speed::new(10_000, 2_000), Some(TERMS));
        assert_eq!(rate.to_string(), "2000k/10000k 5000k/20000k 1500k/7500k 10/10");
        assert_eq!(Rate::plain(Speed::new(12_000, 2_000)).to_string(), "2000k/12000k");
        assert_eq!(Rate::plain(Speed::default()).to_string(), "0k/0k", "unlimited, as RouterOS writes it");
    }

    #[test]
    fn a_burst_that_is_not_above_the_limit_is_left_out() {
        for speed in [Speed::new(20_000, 5_000), Speed::new(50_000, 9_000), Speed::default(), Speed::new(0, 5_000)] {
            assert_eq!(Rate::with(speed, Some(TERMS)), Rate::plain(speed), "{speed:?}");
        }
        let none = BurstTerms { limit: Speed::default(), ..TERMS };
        assert_eq!(Rate::with(Speed::new(1, 1), Some(none)).burst, None);
        assert_eq!(Rate::with(Speed::new(1, 1), None).burst, None);
    }

    #[test]
    fn a_direction_without_a_burst_is_held_at_its_limit() {
        let rate = Rate::with(Speed::new(10_000, 8_000), Some(TERMS));
        assert_eq!(rate.to_string(), "8000k/10000k 8000k/20000k 8000k/7500k 10/10");
        assert_eq!(rate.fastest(), Speed::new(20_000, 8_000));
        let open = Rate::with(Speed::new(10_000, 0), Some(TERMS));
        assert_eq!(open.to_string(), "0k/10000k 0k/20000k 0k/7500k 10/10");
        assert_eq!(open.fastest(), Speed::new(20_000, 0));
    }

    proptest! {
        #[test]
        fn a_burst_is_never_below_its_limit_nor_its_threshold_above(
            speed in (0_u32..200_000, 0_u32..200_000), limit in (0_u32..200_000, 0_u32..200_000), percent in 1_u8..=100,
        ) {
            let speed = Speed::new(speed.0, speed.1);
            let terms = BurstTerms { limit: Speed::new(limit.0, limit.1), threshold_percent: percent, seconds: 10 };
            let rate = Rate::with(speed, Some(terms));
            prop_assert_eq!(rate.speed, speed);
            if let Some(burst) = rate.burst {
                for (limit, burst, threshold) in [
                    (speed.down, burst.limit.down, burst.threshold.down),
                    (speed.up, burst.limit.up, burst.threshold.up),
                ] {
                    prop_assert!(limit.is_unlimited() || (burst >= limit && threshold <= limit && threshold.0 > 0));
                }
            }
        }
    }
}
