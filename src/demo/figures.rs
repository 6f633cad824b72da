//! Figures as people read them.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::{Decimal, RoundingStrategy};

/// Bytes in a GB, as WHMCS counts them.
pub const GB: u64 = 1_073_741_824;
/// Bytes in an MB.
pub const MB: u64 = 1_048_576;

/// `12.30 GB`; a debt is negative.
pub fn gb(bytes: i64) -> String {
    let value = Decimal::from(bytes) / Decimal::from(GB);
    let rounded = value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let rounded = if rounded.is_zero() { Decimal::ZERO } else { rounded };
    format!("{rounded:.2} GB")
}

/// The same of a counter.
pub fn gb_of(bytes: u64) -> String {
    gb(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// `1,234,567`.
pub fn grouped(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `10 Mbit/s`, `512 kbit/s`; 0 is unlimited.
pub fn speed(kbps: u64) -> String {
    match kbps {
        0 => "unlimited".to_owned(),
        kbps if kbps.is_multiple_of(1000) => format!("{} Mbit/s", kbps / 1000),
        kbps if kbps >= 1000 => format!("{} Mbit/s", (Decimal::from(kbps) / Decimal::from(1000)).normalize()),
        kbps => format!("{kbps} kbit/s"),
    }
}

/// `2 days 3 h`, `1 h 05 min`, `45 s`.
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, hours, _) => format!("{days} days {hours} h"),
    }
}

/// `21 September 2026`.
pub fn date(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// `Mon 21 Sep 09:00`.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%a %e %b %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_below_a_hundredth_is_not_minus_nought() {
        assert_eq!(gb(-1_000), "0.00 GB");
        assert_eq!(gb(-107_374_182), "-0.10 GB");
        assert_eq!(gb_of(GB * 120), "120.00 GB");
    }

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!((grouped(0), grouped(999), grouped(1_000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(
            (speed(10_000), speed(1_500), speed(64)),
            ("10 Mbit/s".into(), "1.5 Mbit/s".into(), "64 kbit/s".into())
        );
        assert_eq!(speed(0), "unlimited");
        assert_eq!((duration(45), duration(3_900)), ("45 s".to_owned(), "1 h 05 min".to_owned()));
        assert_eq!((duration(90_000), duration(180_000)), ("1 day 1 h".to_owned(), "2 days 2 h".to_owned()));
    }
}
