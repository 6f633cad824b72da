//! A service's settings, parsed once from what WHMCS sends: strings become types that cannot be wrong.
//!
//! * Which value wins: a configurable option, then the product's field, then the plan, then the default. A blank option or
//!   field counts as not given.
//! * Values are checked, never clamped, and every one that was given is checked, whether it counts or not: a bad product
//!   field is refused even while an option covers it. The problem names where the value came from (`options.…` or
//!   `settings.…`).
//! * Whether the plan and the profile exist is not known here.

use crate::{
    account::credentials::{PasswordRule, UsernameRule},
    plan::{Plan, cycle::BillingCycle},
    problem::Problem,
    units::{Bytes, Gigabyte, Kbps, Speed},
};
use secrecy::SecretString;
use std::{collections::BTreeMap, ops::RangeInclusive};
use url::Url;

/// The longest text that a setting may be, in characters.
pub const LONGEST_TEXT: usize = 255;
/// How many daily rows may be kept.
pub const HISTORY_DAYS: RangeInclusive<u16> = 32..=3660;
/// The speed where neither product nor plan says one: 10 Mbit/s each way.
pub const DEFAULT_SPEED: Speed = Speed::new(10_000, 10_000);

/// Every name that `settings` and `options` may hold; `traffic_gb` counts in `options` only.
pub const NAMES: [&str; 27] = [
    "plan",
    "profile",
    "ppp_service",
    "download_mbps",
    "upload_mbps",
    "traffic_gb",
    "traffic_gb_one_time",
    "traffic_gb_monthly",
    "traffic_gb_quarterly",
    "traffic_gb_semi_annually",
    "traffic_gb_annually",
    "traffic_gb_biennially",
    "traffic_gb_triennially",
    "history_days",
    "threshold_gb",
    "threshold_template",
    "suspension_template",
    "slowed_template",
    "restored_template",
    "instruction_url",
    "support_pptp",
    "support_l2tp",
    "l2tp_psk",
    "collect",
    "username_rule",
    "password_rule",
    "comment_prefix",
];

/// Whether a member of `settings` or `options` is read at all.
pub fn is_setting(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What was settled about a service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plan's id; `None` where the fields stand alone.
    pub plan: Option<u64>,
    /// The PPP profile on the router.
    pub profile: String,
    /// Which PPP service the secret is for.
    pub ppp_service: PppService,
    /// The speed sold: each way the product's own, else the plan's.
    pub speed: Speed,
    /// What options and fields themselves say of the speed: a plan that changes later does not change it.
    pub own_speed: OwnSpeed,
    /// The traffic that one billing cycle brings; `None` is unmetered: no balance, no letters, no quota block.
    pub packet: Option<Bytes>,
    /// How many daily rows are kept.
    pub history_days: u16,
    /// The threshold letter goes out when the balance falls below this; `None` is off.
    pub threshold: Option<Bytes>,
    /// The threshold letter's template; `None` is no such letter.
    pub threshold_template: Option<String>,
    /// The suspension letter's template; `None` is no such letter.
    pub suspension_template: Option<String>,
    /// The template of the letter that a plan has slowed the service down; `None` is no such letter.
    pub slowed_template: Option<String>,
    /// The template of the letter that it goes at full speed again; `None` is no such letter.
    pub restored_template: Option<String>,
    /// Where the client page's manual button leads; `None` hides it.
    pub instruction_url: Option<String>,
    /// Whether the client page offers `PPtP`.
    pub support_pptp: bool,
    /// Whether the client page offers L2TP.
    pub support_l2tp: bool,
    /// The pre-shared key that the client page shows with L2TP; may be empty.
    pub l2tp_psk: SecretString,
    /// When the counters are collected.
    pub collect: Collect,
    /// How a username is made.
    pub username_rule: UsernameRule,
    /// How a password is made.
    pub password_rule: PasswordRule,
    /// What comments on the router begin with.
    pub comment_prefix: String,
}

impl Default for Settings {
    /// What holds where neither product nor plan says anything: unmetered.
    fn default() -> Self {
        Self {
            plan: None,
            profile: "default".to_owned(),
            ppp_service: PppService::default(),
            speed: DEFAULT_SPEED,
            own_speed: OwnSpeed::default(),
            packet: None,
            history_days: *HISTORY_DAYS.start(),
            threshold: None,
            threshold_template: None,
            suspension_template: None,
            slowed_template: None,
            restored_template: None,
            instruction_url: None,
            support_pptp: false,
            support_l2tp: false,
            l2tp_psk: SecretString::default(),
            collect: Collect::default(),
            username_rule: UsernameRule::default(),
            password_rule: PasswordRule::default(),
            comment_prefix: "WHMCS".to_owned(),
        }
    }
}

impl Settings {
    /// Parses the `settings` and `options` of a hook's body for a service of that billing cycle (WHMCS's name of it).
    ///
    /// The plan, with its id, must have been looked up by [`plan_name`] before. Keys that are not known are ignored.
    ///
    /// # Errors
    /// `setting-invalid` with the field's path for the first value that cannot be; `malformed` for a billing cycle that is
    /// missing.
    pub fn parse(
        settings: &BTreeMap<String, String>,
        options: &BTreeMap<String, String>,
        billing_cycle: &str,
        gb: Gigabyte,
        plan: Option<(u64, &Plan)>,
    ) -> Result<Self, Problem> {
        let fields = Fields { settings, options };
        plan_name(settings, options)?;
        let cycle = cycle(billing_cycle)?;
        let text = |name| fields.read(name, text).map(Option::flatten);
        let plain = Self::default();
        let own_speed = OwnSpeed { down: fields.read("download_mbps", mbps)?, up: fields.read("upload_mbps", mbps)? };
        Ok(Self {
            plan: plan.map(|(id, _)| id),
            profile: text("profile")?.unwrap_or(plain.profile),
            ppp_service: fields.read("ppp_service", PppService::parse)?.unwrap_or(plain.ppp_service),
            speed: own_speed.or(plan.map_or(plain.speed, |(_, plan)| plan.speed)),
            own_speed,
            packet: packet(&fields, cycle, gb)?,
            history_days: fields.read("history_days", history_days)?.unwrap_or(plain.history_days),
            threshold: fields.read("threshold_gb", |value| gigabytes(value, gb))?,
            threshold_template: text("threshold_template")?,
            suspension_template: text("suspension_template")?,
            slowed_template: text("slowed_template")?,
            restored_template: text("restored_template")?,
            instruction_url: fields.read("instruction_url", web_address)?,
            support_pptp: fields.read("support_pptp", switch)?.unwrap_or(plain.support_pptp),
            support_l2tp: fields.read("support_l2tp", switch)?.unwrap_or(plain.support_l2tp),
            l2tp_psk: fields.read("l2tp_psk", verbatim)?.map_or(plain.l2tp_psk, SecretString::from),
            collect: fields.read("collect", Collect::parse)?.unwrap_or(plain.collect),
            username_rule: fields.read("username_rule", UsernameRule::parse)?.unwrap_or(plain.username_rule),
            password_rule: fields.read("password_rule", PasswordRule::parse)?.unwrap_or(plain.password_rule),
            comment_prefix: fields.read("comment_prefix", prefix)?.unwrap_or(plain.comment_prefix),
        })
    }
}

/// The packet alone, of what a hook's body says; `None` where it says nothing of any (no settings, and no option of traffic).
/// `Some(None)` is unmetered.
///
/// # Errors
/// As [`Settings::parse`], for the fields of traffic and the cycle: what else is wrong there is no matter of a renewal's.
pub fn packet_alone(
    settings: &BTreeMap<String, String>,
    options: &BTreeMap<String, String>,
    billing_cycle: &str,
    gb: Gigabyte,
) -> Result<Option<Option<Bytes>>, Problem> {
    let says = |(name, value): (&String, &String)| name.starts_with("traffic_gb") && !value.trim().is_empty();
    if settings.is_empty() && !options.iter().any(says) {
        return Ok(None);
    }
    packet(&Fields { settings, options }, cycle(billing_cycle)?, gb).map(Some)
}

/// What a product itself says of the speed, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSpeed {
    /// Towards the customer.
    pub down: Option<Kbps>,
    /// From the customer.
    pub up: Option<Kbps>,
}

impl OwnSpeed {
    /// The speed, with `speed` where nothing is said.
    pub fn or(self, speed: Speed) -> Speed {
        Speed { down: self.down.unwrap_or(speed.down), up: self.up.unwrap_or(speed.up) }
    }
}

/// The name of the plan that the service is on, to be looked up before the rest is parsed.
///
/// # Errors
/// `setting-invalid` where the name holds a control character or is too long.
pub fn plan_name(
    settings: &BTreeMap<String, String>,
    options: &BTreeMap<String, String>,
) -> Result<Option<String>, Problem> {
    Fields { settings, options }.read("plan", text).map(Option::flatten)
}

/// The PPP service of a secret, RouterOS's closed list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PppService {
    /// Every one.
    #[default]
    Any,
    /// Serial lines.
    Async,
    /// L2TP.
    L2tp,
    /// `OpenVPN`.
    Ovpn,
    /// `PPPoE`.
    Pppoe,
    /// `PPtP`.
    Pptp,
    /// SSTP.
    Sstp,
}

impl PppService {
    /// RouterOS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Async => "async",
            Self::L2tp => "l2tp",
            Self::Ovpn => "ovpn",
            Self::Pppoe => "pppoe",
            Self::Pptp => "pptp",
            Self::Sstp => "sstp",
        }
    }

    /// Reads RouterOS's word, in any case.
    ///
    /// # Errors
    /// A sentence that names the words there are.
    pub fn parse(value: &str) -> Result<Self, String> {
        [Self::Any, Self::Async, Self::L2tp, Self::Ovpn, Self::Pppoe, Self::Pptp, Self::Sstp]
            .into_iter()
            .find(|service| value.eq_ignore_ascii_case(service.as_str()))
            .ok_or_else(|| "must be one of any, async, l2tp, ovpn, pppoe, pptp, sstp".to_owned())
    }
}

/// When WHMCS has the counters collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collect {
    /// With `UsageUpdate`, once a day.
    #[default]
    Daily,
    /// With every run of WHMCS's cron.
    Cron,
}

impl Collect {
    /// The setting's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Cron => "cron",
        }
    }

    /// Reads the setting's word, in any case.
    ///
    /// # Errors
    /// A sentence that names the words there are.
    pub fn parse(value: &str) -> Result<Self, String> {
        [Self::Daily, Self::Cron]
            .into_iter()
            .find(|collect| value.eq_ignore_ascii_case(collect.as_str()))
            .ok_or_else(|| "must be daily or cron".to_owned())
    }
}

/// The two sources of a hook's body.
struct Fields<'a> {
    settings: &'a BTreeMap<String, String>,
    options: &'a BTreeMap<String, String>,
}

impl Fields<'_> {
    /// The winning value of a name after both were checked; `None` where neither is given.
    fn read<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Problem> {
        let option = given("options", self.options, name, &parse)?;
        let setting = given("settings", self.settings, name, &parse)?;
        Ok(option.or(setting))
    }
}

/// One source's value of a name, checked; `None` where it is blank or absent.
fn given<T>(
    part: &str,
    source: &BTreeMap<String, String>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    let Some(value) = source.get(name) else { return Ok(None) };
    let path = || format!("{part}.{name}");
    if value.chars().any(char::is_control) {
        return Err(Problem::field(path(), "holds a control character"));
    }
    if value.chars().count() > LONGEST_TEXT {
        return Err(Problem::field(path(), format!("is longer than {LONGEST_TEXT} characters")));
    }
    if value.trim().is_empty() {
        return Ok(None);
    }
    parse(value).map(Some).map_err(|why| Problem::field(path(), why))
}

fn cycle(name: &str) -> Result<BillingCycle, Problem> {
    const PATH: &str = "service.billing_cycle";
    if name.trim().is_empty() {
        return Err(Problem::malformed(PATH, "is missing"));
    }
    BillingCycle::parse(name.trim()).ok_or_else(|| {
        let known = "One Time, Free Account, Monthly, Quarterly, Semi-Annually, Annually, Biennially or Triennially";
        Problem::field(PATH, format!("must be {known}"))
    })
}

/// The packet of the service's cycle: `options.traffic_gb`, then the cycle's own field. All seven fields are checked.
fn packet(fields: &Fields<'_>, cycle: BillingCycle, gb: Gigabyte) -> Result<Option<Bytes>, Problem> {
    let whole = given("options", fields.options, "traffic_gb", |value| gigabytes(value, gb))?;
    let mut counts = None;
    for one in BillingCycle::ALL {
        let value = fields.read(one.traffic_field(), |value| gigabytes(value, gb))?;
        if one == cycle {
            counts = value;
        }
    }
    Ok(whole.or(counts))
}

fn gigabytes(value: &str, gb: Gigabyte) -> Result<Bytes, String> {
    gb.parse(value).map_err(str::to_owned)
}

fn mbps(value: &str) -> Result<Kbps, String> {
    Kbps::from_mbps(value).map_err(str::to_owned)
}

fn history_days(value: &str) -> Result<u16, String> {
    let value = value.trim();
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|days| digits && HISTORY_DAYS.contains(days)).ok_or_else(|| {
        format!("must be a whole number of days from {} to {}", HISTORY_DAYS.start(), HISTORY_DAYS.end())
    })
}

/// A switch as WHMCS, PHP or a person writes it. Blank (off) does not come here.
fn switch(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Ok(true),
        "off" | "no" | "false" | "0" => Ok(false),
        _ => Err("must be on, yes, true or 1, or empty, off, no, false or 0".to_owned()),
    }
}

/// A text without blanks at its ends; `None` where nothing is left.
#[expect(clippy::unnecessary_wraps, reason = "one of the parsers that `Fields::read` takes")]
fn text(value: &str) -> Result<Option<String>, String> {
    Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// A text as it is: blanks may be part of a key.
#[expect(clippy::unnecessary_wraps, reason = "one of the parsers that `Fields::read` takes")]
fn verbatim(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

fn prefix(value: &str) -> Result<String, String> {
    if value.contains('|') { Err("may not hold a |".to_owned()) } else { Ok(value.trim().to_owned()) }
}

fn web_address(value: &str) -> Result<String, String> {
    let wrong = || "must be a web address that begins with http:// or https:// and names a host".to_owned();
    let value = value.trim();
    // The parser would mend "https:/host", "https:///host" and "https:\\host"; what is shown must be what was meant.
    let Some((scheme, rest)) = value.split_once("://") else { return Err(wrong()) };
    let web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if !web || rest.starts_with(['/', '\\']) || value.contains(char::is_whitespace) {
        return Err(wrong());
    }
    match Url::parse(value) {
        Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(value.to_owned()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
