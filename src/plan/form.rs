//! A plan as programs and forms write it: flat, under the seed's names in snake case, and read back the same way.
//!
//! * A number may be a number or a text; a switch a boolean or a form's word. What is absent or blank is its default.
//! * Speeds are kbit/s: `2000`, `"2000k"`, `"2M"`, `"1.5M"`, `"0.5M"`. Traffic is bytes, or a text with its unit:
//!   `"80 GB"`, `"1.5 TB"`, `"500 MB"`.
//! * Values are checked, never clamped. What is wrong is said with the field and why. Members that are not known are
//!   passed over: what the API answers may be sent back.

use super::{
    burst::BurstTerms,
    terms::{CDN_TIERS, Cdn, Expiry, ExpiryUnit, FilterIds, FreeHours, Place, Plan, Prices, Quotas, Tier, WhenFull},
    window::{Clock, DayWindow},
};
use crate::units::{Bytes, Gigabyte, Kbps, MOST_GB, MOST_MBPS, Speed};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Map, Value, json};

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

/// One field that is a whole number within a range; `None` where it is blank.
///
/// # Errors
/// What is wrong with it.
pub fn one_whole(fields: &Map<String, Value>, name: &str, range: std::ops::RangeInclusive<u32>) -> Read<Option<u32>> {
    Form { fields, gb: Gigabyte::Binary }.whole(name, range)
}

/// The fields of a plan; what [`parse`] reads, with the speeds' texts beside.
pub fn fields(plan: &Plan) -> Map<String, Value> {
    [basics(plan), speeds(plan), quotas(plan), free_hours(plan), place(plan), cdn(plan), tiers(plan)]
        .into_iter()
        .flat_map(|part| match part {
            Value::Object(members) => members,
            _ => Map::new(),
        })
        .collect()
}

fn basics(plan: &Plan) -> Value {
    json!({
        "name": plan.name,
        "commercial_name": plan.commercial_name,
        "description": plan.description,
        "price": plan.prices.price.to_string(),
        "day_price": plan.prices.day_price.to_string(),
        "reset_price": plan.prices.reset_price.to_string(),
        "expiry_value": plan.expiry.value,
        "expiry_unit": if plan.expiry.unit == ExpiryUnit::Days { "days" } else { "months" },
        "entire_month": plan.expiry.entire_month,
        "monthly_account": plan.monthly_account,
        "sort_order": plan.sort_order,
    })
}

fn speeds(plan: &Plan) -> Value {
    let burst = plan.burst;
    json!({
        "download_speed": plan.speed.down,
        "upload_speed": plan.speed.up,
        "download_speed_string": speed_text(plan.speed.down),
        "upload_speed_string": speed_text(plan.speed.up),
        "burst_download": burst.map_or(Kbps(0), |it| it.limit.down),
        "burst_upload": burst.map_or(Kbps(0), |it| it.limit.up),
        "burst_threshold": burst.map_or(BURST_THRESHOLD, |it| it.threshold_percent),
        "burst_time": burst.map_or(BURST_TIME, |it| it.seconds),
        "soft_fup_enabled": plan.soft_fup,
    })
}

fn quotas(plan: &Plan) -> Value {
    let (action, slow) = match plan.quotas.when_full {
        WhenFull::Block => ("block", Speed::default()),
        WhenFull::Throttle(speed) => ("throttle", speed),
    };
    json!({
        "daily_quota": plan.quotas.daily,
        "monthly_quota": plan.quotas.monthly,
        "time_quota": plan.quotas.minutes,
        "quota_action": action,
        "quota_download_speed": slow.down,
        "quota_upload_speed": slow.up,
    })
}

fn free_hours(plan: &Plan) -> Value {
    let free = plan.free_hours;
    let clock = |it: Option<Clock>| it.map_or_else(|| "00:00".to_owned(), |it| it.to_string());
    json!({
        "time_based_speed_enabled": free.is_some(),
        "time_from": clock(free.map(|it| it.window.from)),
        "time_to": clock(free.map(|it| it.window.to)),
        "download_ratio": free.map_or(0, |it| it.download_ratio),
        "upload_ratio": free.map_or(0, |it| it.upload_ratio),
    })
}

fn place(plan: &Plan) -> Value {
    let [fup1, fup2, fup3] = &plan.filter_ids.fup;
    json!({
        "nas_id": plan.place.nas_id,
        "pool_name": plan.place.pool_name,
        "address_list_in": plan.place.address_list_in,
        "address_list_out": plan.place.address_list_out,
        "queue_type": plan.place.queue_type,
        "filter_id_normal": plan.filter_ids.normal,
        "filter_id_fup1": fup1,
        "filter_id_fup2": fup2,
        "filter_id_fup3": fup3,
    })
}

fn cdn(plan: &Plan) -> Value {
    let cdn = plan.cdn.unwrap_or_default();
    json!({
        "cdn_fup_enabled": plan.cdn.is_some(),
        "cdn_profile_id": plan.cdn.map(|it| it.profile_id),
        "cdn_download_speed": cdn.speed.down,
        "cdn_upload_speed": cdn.speed.up,
    })
}

fn tiers(plan: &Plan) -> Value {
    let cdn = plan.cdn.unwrap_or_default();
    let kinds: [(&str, &[Tier]); 4] = [
        ("fup", &plan.daily),
        ("monthly_fup", &plan.monthly),
        ("cdn_fup", &cdn.daily),
        ("monthly_cdn_fup", &cdn.monthly),
    ];
    let mut members = Map::new();
    for (kind, tiers) in kinds {
        for (number, tier) in (1..).zip(tiers) {
            members.insert(format!("{kind}{number}_threshold"), json!(tier.threshold));
            members.insert(format!("{kind}{number}_download_speed"), json!(tier.speed.down));
            members.insert(format!("{kind}{number}_upload_speed"), json!(tier.speed.up));
        }
    }
    Value::Object(members)
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
            price.map(|it| it.normalize()).ok_or_else(wrong)
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
mod tests {
    use super::*;
    use crate::plan::terms::TIERS;
    use proptest::prelude::*;

    fn least() -> Map<String, Value> {
        json!({"name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": 2000})
            .as_object()
            .cloned()
            .unwrap()
    }

    fn with(more: &Value) -> Map<String, Value> {
        let mut fields = least();
        fields.extend(more.as_object().cloned().unwrap());
        fields
    }

    fn read(more: &Value) -> Read<Plan> {
        parse(&with(more), Gigabyte::Binary)
    }

    #[test]
    fn speeds_are_normalised_as_the_seed_says() {
        for (text, kbps) in [
            ("2000", 2_000),
            ("2000k", 2_000),
            ("2M", 2_000),
            ("1.5M", 1_500),
            ("0.5M", 500),
            (" 12000K ", 12_000),
            ("0", 0),
        ] {
            assert_eq!(speed(text), Ok(Kbps(kbps)), "{text}");
        }
        for wrong in ["", "M", "k", "-1", "2G", "2 M M", "0.0005M", "1e3", "100001M", "1,5M", "é"] {
            assert!(speed(wrong).is_err(), "{wrong:?}");
        }
        for (kbps, text) in [(2_000, "2M"), (1_500, "1.5M"), (500, "500k"), (0, "0"), (12_345, "12.345M")] {
            assert_eq!(speed_text(Kbps(kbps)), text);
        }
    }

    #[test]
    fn the_least_plan_has_the_defaults() {
        let plan = parse(&least(), Gigabyte::Binary).unwrap();
        let expected = Plan {
            name: "Gold".to_owned(),
            prices: Prices { price: "9.9".parse().unwrap(), ..Prices::default() },
            speed: Speed::new(10_000, 2_000),
            ..Plan::default()
        };
        assert_eq!(plan, expected);
    }

    #[test]
    fn traffic_is_bytes_or_has_a_unit() {
        let quota = |value: Value| read(&json!({"daily_quota": value})).map(|plan| plan.quotas.daily.0);
        for (value, bytes) in [
            (json!(5), 5),
            (json!("80 GB"), 80 << 30),
            (json!("80gb"), 80 << 30),
            (json!("1.5 TB"), (3 << 40) / 2),
            (json!("500M"), 500 << 20),
            (json!(""), 0),
        ] {
            assert_eq!(quota(value.clone()), Ok(bytes), "{value}");
        }
        for wrong in [json!("1.5"), json!(-1), json!("80 XB"), json!("GB"), json!(1.5), json!("99999999 GB"), json!([])]
        {
            assert_eq!(quota(wrong.clone()).unwrap_err().field, "daily_quota", "{wrong}");
        }
        let thousand = parse(&with(&json!({"daily_quota": "1 GB"})), Gigabyte::Decimal).unwrap();
        assert_eq!(thousand.quotas.daily, Bytes(1_000_000_000));
    }

    #[test]
    fn traffic_is_written_as_people_read_it_and_read_back_exactly() {
        for (bytes, text) in
            [(80 << 30, "80 GB"), ((3 << 40) / 2, "1.5 TB"), (500 << 20, "500 MB"), (0, "0"), (1023, "1023")]
        {
            assert_eq!(bytes_text(Bytes(bytes), Gigabyte::Binary), text);
        }
        assert_eq!(bytes_text(Bytes(2_500_000_000), Gigabyte::Decimal), "2.5 GB");
        assert_eq!(bytes_text(Bytes((80 << 30) + 1), Gigabyte::Binary), "85899345921", "no digit is lost");
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (more, field) in [
            (json!({"name": " "}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"price": "free"}), "price"),
            (json!({"price": "-1"}), "price"),
            (json!({"price": "1.00001"}), "price"),
            (json!({"download_speed": null}), "download_speed"),
            (json!({"upload_speed": "fast"}), "upload_speed"),
            (json!({"burst_threshold": 0}), "burst_threshold"),
            (json!({"burst_time": 1.5}), "burst_time"),
            (json!({"fup1_threshold": 5}), "fup1_download_speed"),
            (json!({"fup1_threshold": 5, "fup1_download_speed": 1}), "fup1_upload_speed"),
            (json!({"fup1_threshold": 5, "fup1_download_speed": "11M", "fup1_upload_speed": 1}), "fup1_download_speed"),
            (
                json!({"fup1_threshold": 5, "fup1_download_speed": 9, "fup1_upload_speed": 9,
                    "fup3_threshold": 5, "fup3_download_speed": 9, "fup3_upload_speed": 9}),
                "fup3_threshold",
            ),
            (
                json!({"fup1_threshold": 5, "fup1_download_speed": 9, "fup1_upload_speed": 9,
                    "fup3_threshold": 6, "fup3_download_speed": 9, "fup3_upload_speed": 10}),
                "fup3_upload_speed",
            ),
            (json!({"monthly_fup6_threshold": "x"}), "monthly_fup6_threshold"),
            (json!({"quota_action": "stop"}), "quota_action"),
            (json!({"quota_action": "throttle"}), "quota_download_speed"),
            (json!({"time_quota": 1441}), "time_quota"),
            (json!({"time_based_speed_enabled": true, "time_from": "00:00"}), "time_to"),
            (json!({"time_based_speed_enabled": "on", "time_from": "6:00", "time_to": "06:00"}), "time_to"),
            (json!({"time_from": "25:00"}), "time_from"),
            (json!({"download_ratio": 101}), "download_ratio"),
            (json!({"expiry_unit": "weeks"}), "expiry_unit"),
            (json!({"expiry_value": 0}), "expiry_value"),
            (json!({"cdn_fup_enabled": true}), "cdn_profile_id"),
            (json!({"nas_id": "first"}), "nas_id"),
            (json!({"sort_order": "1.5"}), "sort_order"),
            (json!({"soft_fup_enabled": "maybe"}), "soft_fup_enabled"),
            (json!({"pool_name": "x".repeat(65)}), "pool_name"),
            (json!({"description": {}}), "description"),
        ] {
            let refused = read(&more).expect_err(&format!("{more} was taken"));
            assert_eq!(refused.field, field, "{more}: {}", refused.why);
        }
    }

    #[test]
    fn every_field_is_read_and_written_back() {
        let mut all = json!({
            "commercial_name": "Gold!", "description": "two\nlines", "day_price": "0.5", "reset_price": 3,
            "burst_download": "20M", "burst_upload": "4M", "burst_threshold": 80, "burst_time": 12, "soft_fup_enabled": true,
            "daily_quota": 7, "monthly_quota": 8, "time_quota": 90, "quota_action": "throttle",
            "quota_download_speed": 64, "quota_upload_speed": 32, "time_based_speed_enabled": true,
            "time_from": "22:00", "time_to": "06:30", "download_ratio": 100, "upload_ratio": 70,
            "expiry_value": 7, "expiry_unit": "days", "entire_month": true, "monthly_account": true, "nas_id": 3,
            "pool_name": "vpn", "address_list_in": "in", "address_list_out": "out", "queue_type": "pcq-down",
            "filter_id_normal": "n", "filter_id_fup1": "f1", "filter_id_fup2": "f2", "filter_id_fup3": "f3",
            "sort_order": -5, "cdn_fup_enabled": true, "cdn_profile_id": 2, "cdn_download_speed": "50M", "cdn_upload_speed": "9M",
        });
        let object = all.as_object_mut().unwrap();
        for prefix in ["", "monthly_"] {
            for (kind, tiers) in [("fup", TIERS), ("cdn_fup", CDN_TIERS)] {
                for number in 1..=tiers {
                    object.insert(format!("{prefix}{kind}{number}_threshold"), json!(number * 1000));
                    object.insert(format!("{prefix}{kind}{number}_download_speed"), json!(2_000 - number * 100));
                    object.insert(format!("{prefix}{kind}{number}_upload_speed"), json!(1_000 - number * 100));
                }
            }
        }
        let given = with(&all);
        let plan = parse(&given, Gigabyte::Binary).unwrap();
        let written = fields(&plan);
        for (name, value) in &given {
            let same = match name.as_str() {
                "price" => json!("9.9"),
                "reset_price" => json!("3"),
                name if name.ends_with("_speed") || name.starts_with("burst_") => {
                    value.as_str().map_or_else(|| value.clone(), |text| json!(speed(text).unwrap()))
                }
                _ => value.clone(),
            };
            assert_eq!(written.get(name), Some(&same), "{name}");
        }
        assert_eq!(written["download_speed_string"], json!("10M"));
        assert_eq!(parse(&written, Gigabyte::Binary), Ok(plan), "what is answered may be sent back");
        let missing: Vec<_> = written.keys().filter(|it| !given.contains_key(*it)).collect();
        assert_eq!(missing, ["download_speed_string", "upload_speed_string"], "a field that this test does not know");
    }

    proptest! {
        #[test]
        fn every_amount_of_traffic_survives_being_shown(amount in 0..=u64::from(MOST_GB) << 30, decimal in any::<bool>()) {
            let gb = if decimal { Gigabyte::Decimal } else { Gigabyte::Binary };
            let amount = amount.min(u64::from(MOST_GB) * gb.bytes());
            prop_assert_eq!(bytes(&bytes_text(Bytes(amount), gb), gb), Ok(Bytes(amount)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(name in prop::sample::select(vec!["download_speed", "daily_quota", "time_from",
            "price", "fup1_threshold", "burst_time", "sort_order", "description"]), value in ".{0,30}") {
            let _ = read(&json!({name: value}));
        }
    }
}
