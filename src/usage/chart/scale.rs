//! A chart's scale in GB: round steps, exact decimals, heights in pixels.

use crate::units::{Bytes, Gigabyte, Volume};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Serialize;

/// Pixels between the scale's top and zero.
pub(super) const PLOT: i32 = 170;
/// At most so many steps on the scale.
const STEPS: u32 = 5;

/// A line of the scale: its height in the picture and what stands beside it.
#[derive(Serialize)]
pub(super) struct Tick {
    pub(super) y: String,
    pub(super) label: String,
}

/// The scale: from zero to a round number of GB at or above the highest bar.
pub(super) struct Scale {
    step: Decimal,
    steps: u32,
    gb: Gigabyte,
}

impl Scale {
    /// The scale that all of these fit on, each direction by itself.
    pub(super) fn of(volumes: impl Iterator<Item = Volume>, gb: Gigabyte) -> Self {
        let highest = volumes.map(|volume| volume.down.max(volume.up)).max();
        let highest = in_gb(highest.unwrap_or_default(), gb);
        let step = if highest.is_zero() { Decimal::ONE } else { step(highest) };
        let steps = (highest / step).ceil().to_u32().unwrap_or(STEPS).max(1);
        Self { step, steps, gb }
    }

    /// What stands beside the lines, from zero upwards.
    pub(super) fn labels(&self) -> impl Iterator<Item = String> {
        (0..=self.steps).map(|n| (self.step * Decimal::from(n)).normalize().to_string())
    }

    /// The scale's lines from zero upwards.
    pub(super) fn ticks(&self, bottom: i32) -> Vec<Tick> {
        let between = Decimal::from(PLOT) / Decimal::from(self.steps);
        let y = |n: i32| (Decimal::from(bottom) - between * Decimal::from(n)).round_dp(1).normalize().to_string();
        (0..).zip(self.labels()).map(|(n, label)| Tick { y: y(n), label }).collect()
    }

    /// A bar's height in pixels; `None` where there is nothing, and whatever is not nothing is seen.
    pub(super) fn height(&self, bytes: Bytes) -> Option<Decimal> {
        let part = in_gb(bytes, self.gb) / (self.step * Decimal::from(self.steps));
        (bytes > Bytes::ZERO).then(|| (part * Decimal::from(PLOT)).round_dp(1).max(Decimal::ONE).normalize())
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that reaches `highest` in [`STEPS`] steps; a thousandth at least.
fn step(highest: Decimal) -> Decimal {
    let mut power = Decimal::new(1, 3);
    loop {
        for times in [1, 2, 5] {
            let step = power * Decimal::from(times);
            if step * Decimal::from(STEPS) >= highest {
                return step.normalize();
            }
        }
        power *= Decimal::TEN;
    }
}

/// Exact GB.
pub(super) fn in_gb(bytes: Bytes, gb: Gigabyte) -> Decimal {
    Decimal::from(bytes.0) / Decimal::from(gb.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_the_highest_bar() {
        for (thousandths, expected) in [
            (1, "0.001"),
            (4_100, "1"),
            (5_000, "1"),
            (5_001, "2"),
            (10_001, "5"),
            (49_000, "10"),
            (51_000, "20"),
            (1_234_567, "500"),
        ] {
            assert_eq!(step(Decimal::new(thousandths, 3)).to_string(), expected, "{thousandths}");
        }
    }

    #[test]
    fn an_idle_scale_is_one_gigabyte_and_draws_nothing() {
        let scale = Scale::of([Volume::ZERO].into_iter(), Gigabyte::Binary);
        assert_eq!(scale.labels().collect::<Vec<_>>(), ["0", "1"]);
        assert_eq!(scale.height(Bytes::ZERO), None);
        assert_eq!(scale.height(Bytes(1)), Some(Decimal::ONE), "a single byte is seen");
        assert_eq!(scale.height(Bytes(1 << 29)), Some(Decimal::from(85)));
    }
}
