//! A chart's scale in GB: round steps, heights in pixels, all in whole numbers, so that what is written is exact and a page
//! full of bars costs next to nothing.

use crate::units::{Bytes, Gigabyte, Volume};
use std::fmt;

/// Pixels between the scale's top and zero.
pub(super) const PLOT: u32 = 170;
/// At most so many steps on the scale.
const STEPS: u128 = 5;

/// A decimal of so many digits after the point; written without zeros at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    value: u128,
    digits: u32,
}

impl Fixed {
    /// A quotient, rounded half to even.
    pub(super) fn ratio(numerator: u128, denominator: u128, digits: u32) -> Self {
        let scaled = numerator.saturating_mul(10_u128.pow(digits));
        let (value, rest) = (scaled / denominator, scaled % denominator);
        let up = match (rest * 2).cmp(&denominator) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => value % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        Self { value: value + u128::from(up), digits }
    }

    /// So many tenths.
    pub(super) fn tenths(tenths: u32) -> Self {
        Self { value: tenths.into(), digits: 1 }
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Numbers of charts are small; the wide type is for what they are made of.
        let (mut value, mut digits) = (u64::try_from(self.value).unwrap_or(u64::MAX), self.digits);
        while digits > 0 && value.is_multiple_of(10) {
            (value, digits) = (value / 10, digits - 1);
        }
        let one = 10_u64.pow(digits);
        write!(f, "{}", value / one)?;
        if digits > 0 {
            write!(f, ".{:0width$}", value % one, width = digits as usize)?;
        }
        Ok(())
    }
}

/// The scale: from zero to a round number of GB at or above the highest bar.
pub(super) struct Scale {
    /// Thousandths of a GB.
    step: u128,
    steps: u32,
    /// Bytes.
    gb: u128,
}

impl Scale {
    /// The scale that all of these fit on, each direction by itself.
    pub(super) fn of(volumes: impl Iterator<Item = Volume>, gb: Gigabyte) -> Self {
        let highest = volumes.map(|volume| volume.down.max(volume.up)).max();
        let (highest, gb) = (u128::from(highest.unwrap_or_default().0) * 1000, u128::from(gb.bytes()));
        let step = if highest == 0 { 1000 } else { step(highest, gb) };
        let steps = highest.div_ceil(gb * step).max(1);
        Self { step, steps: u32::try_from(steps).unwrap_or(1), gb }
    }

    /// How many steps there are.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// What stands beside the nth line from zero upwards.
    pub(super) fn label(&self, n: u32) -> Fixed {
        Fixed { value: self.step * u128::from(n), digits: 3 }
    }

    /// Where the nth line stands, above a plot that ends at `bottom`.
    pub(super) fn line(&self, n: u32, bottom: u32) -> Fixed {
        Fixed::ratio(u128::from(bottom * self.steps - PLOT * n), self.steps.into(), 1)
    }

    /// A bar's height in tenths of a pixel; 0 where there is nothing, and whatever is not nothing is seen.
    pub(super) fn height(&self, bytes: Bytes) -> u32 {
        if bytes == Bytes::ZERO {
            return 0;
        }
        let height = u128::from(bytes.0) * u128::from(PLOT) * 1000;
        let height = Fixed::ratio(height, self.gb * self.step * u128::from(self.steps), 1);
        u32::try_from(height.value).unwrap_or(PLOT * 10).max(10)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that reaches `highest` (thousandths of a byte) in [`STEPS`] steps;
/// thousandths of a GB.
fn step(highest: u128, gb: u128) -> u128 {
    let mut power = 1;
    loop {
        for times in [1, 2, 5] {
            let step = power * times;
            if step * STEPS * gb >= highest {
                return step;
            }
        }
        power *= 10;
    }
}

/// Two decimals, in GB or, where that would say next to nothing, in MB.
pub(super) struct Amount(pub(super) Bytes, pub(super) Gigabyte);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, gb) = (u128::from(self.0.0), u128::from(self.1.bytes()));
        let megabyte = match self.1 {
            Gigabyte::Binary => 1 << 20,
            Gigabyte::Decimal => 1_000_000,
        };
        let little = bytes > 0 && bytes * 100 < gb;
        let (unit, name) = if little { (megabyte, "MB") } else { (gb, "GB") };
        let hundredths = (bytes * 200 + unit) / (unit * 2);
        write!(f, "{}.{:02} {name}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::{Decimal, RoundingStrategy};

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
            let step = Fixed { value: step(thousandths, 1), digits: 3 };
            assert_eq!(step.to_string(), expected, "{thousandths}");
        }
    }

    #[test]
    fn an_idle_scale_is_one_gigabyte_and_draws_nothing() {
        let scale = Scale::of([Volume::ZERO].into_iter(), Gigabyte::Binary);
        assert_eq!([scale.label(0).to_string(), scale.label(1).to_string()], ["0", "1"]);
        assert_eq!((scale.steps(), scale.height(Bytes::ZERO)), (1, 0));
        assert_eq!(scale.height(Bytes(1)), 10, "a single byte is seen");
        assert_eq!(scale.height(Bytes(1 << 29)), 850);
    }

    #[test]
    fn the_largest_counters_fit_on_a_scale() {
        for gb in [Gigabyte::Binary, Gigabyte::Decimal] {
            let scale = Scale::of([Volume::new(u64::MAX, 1)].into_iter(), gb);
            assert!(scale.height(Bytes(u64::MAX)) <= PLOT * 10 && scale.steps() <= 5);
        }
    }

    proptest::proptest! {
        /// What a decimal type makes of the same.
        #[test]
        fn numbers_are_written_as_exact_decimals_are(
            numerator in 0..10_000_000_u32, denominator in 1..400_u32, digits in 0..4_u32, bytes: u64, shift in 0..64_u32,
        ) {
            let exact = (Decimal::from(numerator) / Decimal::from(denominator)).round_dp(digits).normalize();
            let ours = Fixed::ratio(numerator.into(), denominator.into(), digits);
            proptest::prop_assert_eq!(ours.to_string(), exact.to_string());
            let bytes = Bytes(bytes >> shift);
            let exact = Decimal::from(bytes.0) / Decimal::from(Gigabyte::Decimal.bytes());
            let exact = exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
            if bytes.0 >= 10_000_000 {
                proptest::prop_assert_eq!(Amount(bytes, Gigabyte::Decimal).to_string(), format!("{exact:.2} GB"));
            }
        }
    }
}
