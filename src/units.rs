//! Traffic, speed and the pair of directions, as types that cannot be mixed up.
//!
//! Everything is the *customer's* view: `down` is what the customer receives, `up` what it sends. RouterOS's own order
//! is converted in `routeros/` and nowhere else (law 11). Traffic is whole bytes, speed whole kbit/s of 1,000 bit/s.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// The highest speed that a setting may name, Mbit/s (contract §6).
pub const MOST_MBPS: u32 = 100_000;
/// The largest packet that a setting may name, GB (contract §6).
pub const MOST_GB: u32 = 10_000_000;

/// A volume of traffic in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No traffic.
    pub const ZERO: Self = Self(0);

    /// As a ledger entry. A counter that could overflow `i64` (8 EiB) does not exist; it would be clamped there.
    pub fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// `self - other`, never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Megabytes of 1,048,576 bytes, rounded up: the unit of WHMCS's `tblhosting.bwusage`.
    pub fn megabytes_up(self) -> u64 {
        self.0.div_ceil(1_048_576)
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Traffic in both directions, customer's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Volume {
    /// What the customer received.
    pub down: Bytes,
    /// What the customer sent.
    pub up: Bytes,
}

impl Volume {
    /// No traffic.
    pub const ZERO: Self = Self { down: Bytes::ZERO, up: Bytes::ZERO };

    /// A volume of so many bytes received and sent.
    pub const fn new(down: u64, up: u64) -> Self {
        Self { down: Bytes(down), up: Bytes(up) }
    }

    /// Both directions together: what a packet is charged with.
    pub fn total(self) -> Bytes {
        self.down + self.up
    }

    /// Whether nothing was moved.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Each direction less the other's, never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self { down: self.down.saturating_sub(other.down), up: self.up.saturating_sub(other.up) }
    }
}

impl Add for Volume {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { down: self.down + other.down, up: self.up + other.up }
    }
}

impl AddAssign for Volume {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// A speed in kbit/s of 1,000 bit/s; 0 is unlimited, as on a RouterOS queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kbps(pub u32);

impl Kbps {
    /// Reads decimal Mbit/s, 0 to 100,000, point as separator, at most three decimals (a kbit/s).
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn from_mbps(text: &str) -> Result<Self, &'static str> {
        let value = decimal(text, MOST_MBPS, "must be a number of Mbit/s from 0 to 100000")?;
        let kbps = value * Decimal::from(1000);
        if !kbps.is_integer() {
            return Err("has more than three decimals; a kbit/s is the smallest step");
        }
        kbps.to_u32().map(Self).ok_or("must be a number of Mbit/s from 0 to 100000")
    }

    /// Whether there is no limit.
    pub fn is_unlimited(self) -> bool {
        self.0 == 0
    }
}

/// A speed in both directions, customer's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Speed {
    /// Towards the customer.
    pub down: Kbps,
    /// From the customer.
    pub up: Kbps,
}

impl Speed {
    /// A speed of so many kbit/s down and up.
    pub const fn new(down: u32, up: u32) -> Self {
        Self { down: Kbps(down), up: Kbps(up) }
    }

    /// The faster of the two each way; unlimited is faster than any.
    #[must_use]
    pub fn faster(self, other: Self) -> Self {
        let most = |one: Kbps, two: Kbps| {
            if one.is_unlimited() || two.is_unlimited() { Kbps::default() } else { one.max(two) }
        };
        Self { down: most(self.down, other.down), up: most(self.up, other.up) }
    }
}

/// What "GB" means in this installation (`traffic.gb`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gigabyte {
    /// 1,073,741,824 bytes, WHMCS's own.
    #[default]
    #[serde(rename = "1024")]
    Binary,
    /// 1,000,000,000 bytes.
    #[serde(rename = "1000")]
    Decimal,
}

impl Gigabyte {
    /// Bytes in one GB.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Binary => 1_073_741_824,
            Self::Decimal => 1_000_000_000,
        }
    }

    /// Reads decimal GB, 0 to 10,000,000, point as separator; a broken byte is dropped.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(self, text: &str) -> Result<Bytes, &'static str> {
        let wrong = "must be a number of GB from 0 to 10000000, with a point for decimals";
        let value = decimal(text, MOST_GB, wrong)?;
        let bytes = (value * Decimal::from(self.bytes())).trunc();
        bytes.to_u64().map(Bytes).ok_or(wrong)
    }

    /// GB with four decimals, as the letters show them; may be negative (a debt).
    pub fn four_decimals(self, bytes: i64) -> String {
        let value = Decimal::from(bytes) / Decimal::from(self.bytes());
        format!("{:.4}", value.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero))
    }

    /// GB as a person reads them: up to `places` decimals, no trailing zeros.
    pub fn display(self, bytes: i64, places: u32) -> String {
        let value = Decimal::from(bytes) / Decimal::from(self.bytes());
        value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero).normalize().to_string()
    }
}

/// Digits, at most one point, nothing else: no sign, no exponent, no blank inside.
fn decimal(text: &str, most: u32, wrong: &'static str) -> Result<Decimal, &'static str> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit());
    if !plain || text.len() > 24 {
        return Err(wrong);
    }
    let value: Decimal = text.parse().map_err(|_error: rust_decimal::Error| wrong)?;
    if value > Decimal::from(most) { Err(wrong) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabits_are_exact_and_bounded() {
        assert_eq!(Kbps::from_mbps("0.5"), Ok(Kbps(500)));
        assert_eq!(Kbps::from_mbps(" 10 "), Ok(Kbps(10_000)));
        assert_eq!(Kbps::from_mbps("100000"), Ok(Kbps(100_000_000)));
        for wrong in ["", ".", "-1", "1e3", "1,5", "100000.1", "ten", "0.0001", "1 0", "+1", "NaN"] {
            assert!(Kbps::from_mbps(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn gigabytes_are_exact_in_both_meanings() {
        assert_eq!(Gigabyte::Binary.parse("4.2"), Ok(Bytes(4_509_715_660)));
        assert_eq!(Gigabyte::Decimal.parse("0.000000001"), Ok(Bytes(1)));
        assert_eq!(Gigabyte::Binary.parse("10000000"), Ok(Bytes(10_737_418_240_000_000)));
        assert!(Gigabyte::Binary.parse("10000001").is_err());
        assert_eq!(Gigabyte::Binary.four_decimals(-4_240_850_944), "-3.9496");
        assert_eq!(Gigabyte::Binary.display(10_737_418_240, 2), "10");
    }

    #[test]
    fn megabytes_round_up() {
        assert_eq!(Bytes(0).megabytes_up(), 0);
        assert_eq!(Bytes(1).megabytes_up(), 1);
        assert_eq!(Bytes(1_048_577).megabytes_up(), 2);
    }
}
