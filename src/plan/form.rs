//! A plan as programs and forms write it: flat, under the seed's names in snake case, and read back the same way.
//!
//! * A number may be a number or a text; a switch a boolean or a form's word. What is absent or blank is its default.
//! * Speeds are kbit/s: `2000`, `"2000k"`, `"2M"`, `"1.5M"`, `"0.5M"`. Traffic is bytes, or a text with its unit:
//!   `"80 GB"`, `"1.5 TB"`, `"500 MB"`.
//! * Values are checked, never clamped. What is wrong is said with the field and why. Members that are not known are
//!   passed over: what the API answers may be sent back.

mod write;

pub use write::fields;

use super::{
    burst::BurstTerms,
    terms::{CDN_TIERS, Cdn, Expiry, ExpiryUnit, FilterIds, FreeHours, Place, Plan, Prices, Quotas, Tier, WhenFull},
    window::{Clock, DayWindow},
};
use crate::units::{Bytes, Gigabyte, Kbps, MOST_GB, MOST_MBPS, Speed};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Map, Value};

/// The longest name, characters.
pub const LONGEST_NAME: usize = 100;
/// The longest description, characters.
pub const LONGEST_DESCRIPTION: usize = 2000;
/// The longest other text, characters.
const LONGEST_TEXT: usize = 64;
/// The highest price.
const MOST_PRICE: u32 = 1_000_000_000;

/// A field that cannot be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field's name.
    pub field: String,
    /// What is wrong, as the rest of a sentence that the field begins.
    pub why: String,
}

impl Invalid {
    pub(super) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

type Read<T> = Result<T, Invalid>;

/// Reads a speed in kbit/s, 0 to 100,000,000; 0 is unlimited.
///
/// # Errors
/// What is wrong with the text.
pub fn speed(text: &str) -> Result<Kbps, &'static str> {
    const WRONG: &str = "must be a speed such as 2000, 2000k, 2M or 1.5M, up to 100000M";
    let text = text.trim();
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1),
        Some((at, 'm' | 'M')) => (&text[..at], 1000),
        _ => (text, 1),
    };
    let kbps = decimal(digits).ok_or(WRONG)? * Decimal::from(unit);
    if !kbps.is_integer() {
        return Err("is not a whole number of kbit/s");
    }
    kbps.to_u32().filter(|it| *it <= MOST_MBPS * 1000).map(Kbps).ok_or(WRONG)
}

/// A speed as people read it: `10M`, `1.5M`, `512k`; unlimited is `0`.
pub fn speed_text(kbps: Kbps) -> String {
    match kbps.0 {
        0 => "0".to_owned(),
        it if it < 1000 => format!("{it}k"),
        it => format!("{}M", (Decimal::from(it) / Decimal::from(1000)).normalize()),
    }
}

/// Traffic as people read it, such that [`parse`] reads exactly the same back: `80 GB`, `1.5 TB`, `500 MB`; nothing is `0`.
pub fn bytes_text(bytes: Bytes, gb: Gigabyte) -> String {
    let thousand = thousand(gb);
    for (unit, power) in [("TB", 4), ("GB", 3), ("MB", 2), ("KB", 1)] {
        let amount = Decimal::from(bytes.0) / Decimal::from(thousand.pow(power));
        if amount >= Decimal::ONE && amount.normalize().scale() <= 3 {
            return format!("{} {unit}", amount.normalize());
        }
    }
    bytes.0.to_string()
}

/// Reads a plan.
///
/// # Errors
/// The first field that cannot be.
pub fn parse(fields: &Map<String, Value>, gb: Gigabyte) -> Read<Plan> {
    let form = Form { fields, gb };
    let plan = Plan {
        name: form.required("name", LONGEST_NAME)?,
        commercial_name: form.text("commercial_name", LONGEST_NAME)?,
        description: form.lines("description", LONGEST_DESCRIPTION)?,
        prices: Prices {
            price: form.money("price")?.ok_or_else(|| Invalid::new("price", "is missing; 0 is a price too"))?,
            day_price: form.money("day_price")?.unwrap_or_default(),
            reset_price: form.money("reset_price")?.unwrap_or_default(),
        },
        speed: Speed { down: form.sold_speed("download_speed")?, up: form.sold_speed("upload_speed")? },
        burst: form.burst()?,
        soft_fup: form.switch("soft_fup_enabled")?,
        quotas: form.quotas()?,
        daily: form.tiers("")?,
        monthly: form.tiers("monthly_")?,
        cdn: form.cdn()?,
        free_hours: form.free_hours()?,
        expiry: form.expiry()?,
        monthly_account: form.switch("monthly_account")?,
        place: form.place()?,
        filter_ids: FilterIds {
            normal: form.text("filter_id_normal", LONGEST_TEXT)?,
            fup: [
                form.text("filter_id_fup1", LONGEST_TEXT)?,
                form.text("filter_id_fup2", LONGEST_TEXT)?,
                form.text("filter_id_fup3", LONGEST_TEXT)?,
            ],
        },
        sort_order: form.whole_signed("sort_order")?,
    };
    check_steps("", "fup", &plan.daily, Some(plan.speed))?;
    check_steps("monthly_", "fup", &plan.monthly, Some(plan.speed))?;
    if let Some(cdn) = &plan.cdn {
        check_steps("", "cdn_fup", &cdn.daily, Some(cdn.speed))?;
        check_steps("monthly_", "cdn_fup", &cdn.monthly, Some(cdn.speed))?;
    }
    Ok(plan)
}

/// Thresholds of enabled tiers rise strictly, speeds do not rise, none is faster than what is sold.
fn check_steps(prefix: &str, kind: &str, tiers: &[Tier], sold: Option<Speed>) -> Read<()> {
    let mut before: Option<(usize, Tier)> = None;
    for (number, tier) in (1..).zip(tiers).filter(|(_, tier)| tier.is_enabled()) {
        let field = |what: &str| format!("{prefix}{kind}{number}_{what}");
        for (what, speed) in [("download_speed", tier.speed.down), ("upload_speed", tier.speed.up)] {
            if speed.is_unlimited() {
                return Err(Invalid::new(field(what), "is missing: a tier with a threshold needs both speeds"));
            }
        }
        let most = before.map(|(_, tier)| tier.speed).or(sold).unwrap_or_default();
        let whose = before.map_or_else(|| "the full speed".to_owned(), |(at, _)| format!("tier {at}'s"));
        for (what, speed, most) in
            [("download_speed", tier.speed.down, most.down), ("upload_speed", tier.speed.up, most.up)]
        {
            if !most.is_unlimited() && speed > most {
                return Err(Invalid::new(field(what), format!("is faster than {whose}: a tier never makes it faster")));
            }
        }
        if let Some((at, before)) = before
            && tier.threshold <= before.threshold
        {
            return Err(Invalid::new(
                field("threshold"),
                format!("must be higher than tier {at}'s, or 0 to disable it"),
            ));
        }
        before = Some((number, *tier));
    }
    Ok(())
}

/// One field that is an amount of traffic; `None` where it is blank.
///
/// # Errors
/// What is wrong with it.
pub fn one_amount(fields: &Map<String, Value>, name: &str, gb: Gigabyte) -> Read<Option<Bytes>> {
    Form { fields, gb }.read(name, |text| bytes(text, gb))
}

/// One field that is a speed; `None` where it is blank.
///
/// # Errors
/// What is wrong with it.
pub fn one_speed(fields: &Map<String, Value>, name: &str) -> Read<Option<Kbps>> {
    Form { fields, gb: Gigabyte::Binary }.read(name, |text| speed(text).map_err(str::to_owned))
}

/// One field that is a price; `None` where it is blank.
///
/// # Errors
/// What is wrong with it.
pub fn one_price(fields: &Map<String, Value>, name: &str) -> Read<Option<Decimal>> {
    Form { fields, gb: Gigabyte::Binary }.money(name)
}

/// One field that is a whole number within a range; `None` where it is blank.
///
/// # Errors
/// What is wrong with it.
pub fn one_whole(fields: &Map<String, Value>, name: &str, range: std::ops::RangeInclusive<u32>) -> Read<Option<u32>> {
    Form { fields, gb: Gigabyte::Binary }.whole(name, range)
}

/// The threshold of a burst where none is given, percent of the limit.
const BURST_THRESHOLD: u8 = 75;
/// The time of a burst where none is given, seconds.
const BURST_TIME: u32 = 10;

/// What was sent, to be read a field at a time.
pub(super) struct Form<'a> {
    pub(super) fields: &'a Map<String, Value>,
    pub(super) gb: Gigabyte,
}

impl Form<'_> {
    /// A field as text; `None` where it is absent, null or blank.
    pub(super) fn raw(&self, name: &str) -> Read<Option<String>> {
        let text = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(truth)) => truth.to_string(),
            Some(_) => return Err(Invalid::new(name, "must be a text, a number or a truth")),
        };
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Read<Option<T>> {
        self.raw(name)?.map(|text| read(&text).map_err(|why| Invalid::new(name, why))).transpose()
    }

    pub(super) fn required(&self, name: &str, most: usize) -> Read<String> {
        let text = self.text(name, most)?;
        if text.is_empty() { Err(Invalid::new(name, "is missing; it is needed")) } else { Ok(text) }
    }

    fn text(&self, name: &str, most: usize) -> Read<String> {
        let text = self.lines(name, most)?;
        if text.chars().any(char::is_control) {
            return Err(Invalid::new(name, "must not hold control characters"));
        }
        Ok(text)
    }

    /// A text that may have lines.
    fn lines(&self, name: &str, most: usize) -> Read<String> {
        let text = self.raw(name)?.unwrap_or_default().replace("\r\n", "\n");
        if text.chars().count() > most {
            return Err(Invalid::new(name, format!("is longer than {most} characters")));
        }
        if text.chars().any(|it| it.is_control() && it != '\n') {
            return Err(Invalid::new(name, "must not hold control characters"));
        }
        Ok(text)
    }

    fn money(&self, name: &str) -> Read<Option<Decimal>> {
        let wrong = || format!("must be a price from 0 to {MOST_PRICE}, with a point and four decimals at the most");
        self.read(name, |text| {
            let price = decimal(text).filter(|it| *it <= Decimal::from(MOST_PRICE) && it.normalize().scale() <= 4);
            let mut price = price.ok_or_else(wrong)?.normalize();
            // As prices are written: two decimals at least.
            price.rescale(price.scale().max(2));
            Ok(price)
        })
    }

    fn speed(&self, name: &str) -> Read<Kbps> {
        self.read(name, |text| speed(text).map_err(str::to_owned)).map(Option::unwrap_or_default)
    }

    fn sold_speed(&self, name: &str) -> Read<Kbps> {
        let speed = self.read(name, |text| speed(text).map_err(str::to_owned))?;
        speed.ok_or_else(|| Invalid::new(name, "is missing; 0 is unlimited"))
    }

    fn bytes(&self, name: &str) -> Read<Bytes> {
        self.read(name, |text| bytes(text, self.gb)).map(Option::unwrap_or_default)
    }

    pub(super) fn whole(&self, name: &str, range: std::ops::RangeInclusive<u32>) -> Read<Option<u32>> {
        let wrong = || format!("must be a whole number from {} to {}", range.start(), range.end());
        self.read(name, |text| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|it| digits && range.contains(it)).ok_or_else(wrong)
        })
    }

    pub(super) fn switch(&self, name: &str) -> Read<bool> {
        let read = self.read(name, |text| match text.to_ascii_lowercase().as_str() {
            "on" | "yes" | "true" | "1" => Ok(true),
            "off" | "no" | "false" | "0" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        });
        read.map(Option::unwrap_or_default)
    }

    pub(super) fn clock(&self, name: &str) -> Read<Option<Clock>> {
        self.read(name, |text| Clock::parse(text).ok_or_else(|| "must be a time of day, HH:MM".to_owned()))
    }

    fn burst(&self) -> Read<Option<BurstTerms>> {
        let limit = Speed { down: self.speed("burst_download")?, up: self.speed("burst_upload")? };
        let percent = self.whole("burst_threshold", 1..=100)?;
        let seconds = self.whole("burst_time", 1..=3600)?.unwrap_or(BURST_TIME);
        let threshold_percent = percent.and_then(|it| u8::try_from(it).ok()).unwrap_or(BURST_THRESHOLD);
        let terms = BurstTerms { limit, threshold_percent, seconds };
        Ok((limit != Speed::default()).then_some(terms))
    }

    fn quotas(&self) -> Read<Quotas> {
        let slow = Speed { down: self.speed("quota_download_speed")?, up: self.speed("quota_upload_speed")? };
        let when_full = match self.raw("quota_action")?.as_deref() {
            None | Some("block") => WhenFull::Block,
            Some("throttle") => {
                for (field, speed) in [("quota_download_speed", slow.down), ("quota_upload_speed", slow.up)] {
                    if speed.is_unlimited() {
                        return Err(Invalid::new(field, "is missing: a quota that throttles needs both speeds"));
                    }
                }
                WhenFull::Throttle(slow)
            }
            Some(_) => return Err(Invalid::new("quota_action", "must be block or throttle")),
        };
        Ok(Quotas {
            daily: self.bytes("daily_quota")?,
            monthly: self.bytes("monthly_quota")?,
            minutes: self.whole("time_quota", 0..=1440)?.unwrap_or_default(),
            when_full,
        })
    }

    fn tiers<const N: usize>(&self, prefix: &str) -> Read<[Tier; N]> {
        let kind = if N == CDN_TIERS { "cdn_fup" } else { "fup" };
        let mut tiers = [Tier::default(); N];
        for (number, tier) in (1..).zip(&mut tiers) {
            let field = |what: &str| format!("{prefix}{kind}{number}_{what}");
            tier.threshold = self.bytes(&field("threshold"))?;
            tier.speed = Speed { down: self.speed(&field("download_speed"))?, up: self.speed(&field("upload_speed"))? };
        }
        Ok(tiers)
    }

    fn cdn(&self) -> Read<Option<Cdn>> {
        let profile = self.whole("cdn_profile_id", 1..=u32::MAX)?;
        let cdn = Cdn {
            profile_id: profile.unwrap_or_default().into(),
            speed: Speed { down: self.speed("cdn_download_speed")?, up: self.speed("cdn_upload_speed")? },
            daily: self.tiers("")?,
            monthly: self.tiers("monthly_")?,
        };
        if !self.switch("cdn_fup_enabled")? {
            return Ok(None);
        }
        if profile.is_none() {
            return Err(Invalid::new("cdn_profile_id", "is missing: CDN tiers need a CDN profile"));
        }
        Ok(Some(cdn))
    }

    fn free_hours(&self) -> Read<Option<FreeHours>> {
        let (from, to) = (self.clock("time_from")?, self.clock("time_to")?);
        let ratio = |name| {
            let whole = self.whole(name, 0..=100)?.unwrap_or_default();
            Ok(u8::try_from(whole).unwrap_or(100))
        };
        let (download_ratio, upload_ratio) = (ratio("download_ratio")?, ratio("upload_ratio")?);
        if !self.switch("time_based_speed_enabled")? {
            return Ok(None);
        }
        let from = from.ok_or_else(|| Invalid::new("time_from", "is missing; it is needed"))?;
        let to = to.ok_or_else(|| Invalid::new("time_to", "is missing; it is needed"))?;
        if from == to {
            return Err(Invalid::new("time_to", "is the same as From: such a window is empty"));
        }
        Ok(Some(FreeHours { window: DayWindow { from, to }, download_ratio, upload_ratio }))
    }

    fn expiry(&self) -> Read<Expiry> {
        let unit = match self.raw("expiry_unit")?.as_deref() {
            None | Some("months") => ExpiryUnit::Months,
            Some("days") => ExpiryUnit::Days,
            Some(_) => return Err(Invalid::new("expiry_unit", "must be days or months")),
        };
        let value = self.whole("expiry_value", 1..=3660)?.unwrap_or(1);
        Ok(Expiry { value, unit, entire_month: self.switch("entire_month")? })
    }

    fn place(&self) -> Read<Place> {
        let queue_type = self.text("queue_type", LONGEST_TEXT)?;
        Ok(Place {
            nas_id: self.whole("nas_id", 1..=u32::MAX)?.map(u64::from),
            pool_name: self.text("pool_name", LONGEST_TEXT)?,
            address_list_in: self.text("address_list_in", LONGEST_TEXT)?,
            address_list_out: self.text("address_list_out", LONGEST_TEXT)?,
            queue_type: if queue_type.is_empty() { Place::default().queue_type } else { queue_type },
        })
    }

    /// A whole number, which may be below zero; 0 where there is none.
    pub(super) fn whole_signed(&self, name: &str) -> Read<i32> {
        let read = self.read(name, |text| text.parse().map_err(|_error| "must be a whole number".to_owned()));
        read.map(Option::unwrap_or_default)
    }
}

/// Digits and at most one point; no sign, no exponent.
fn decimal(text: &str) -> Option<Decimal> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit());
    (plain && text.len() <= 24).then(|| text.parse().ok()).flatten()
}

fn thousand(gb: Gigabyte) -> u64 {
    match gb {
        Gigabyte::Binary => 1024,
        Gigabyte::Decimal => 1000,
    }
}

/// Reads traffic: whole bytes, or a text with its unit.
///
/// # Errors
/// What is wrong with the text.
pub fn bytes(text: &str, gb: Gigabyte) -> Result<Bytes, String> {
    let wrong = || format!("must be bytes, or traffic such as 500 MB, 80 GB or 1.5 TB, up to {MOST_GB} GB");
    let at = text.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, unit) = (text[..at].trim(), text[at..].trim().to_ascii_uppercase());
    let thousand = thousand(gb);
    let unit = match unit.as_str() {
        "" | "B" => 1,
        "K" | "KB" => thousand,
        "M" | "MB" => thousand.pow(2),
        "G" | "GB" => thousand.pow(3),
        "T" | "TB" => thousand.pow(4),
        _ => return Err(wrong()),
    };
    let bytes = decimal(digits).and_then(|it| it.checked_mul(Decimal::from(unit))).ok_or_else(wrong)?;
    if unit == 1 && !bytes.is_integer() {
        return Err(wrong());
    }
    let most = u64::from(MOST_GB) * gb.bytes();
    bytes.trunc().to_u64().filter(|it| *it <= most).map(Bytes).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
