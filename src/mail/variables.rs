//! What a letter may say: the facts of one service at one moment, under our names and under WHMCS's own.
//!
//! Laws: no secret is among them; they are stored with the letter, so that a letter sent late still says what was true
//! when it was decided; every value is one line of printable text, whatever was put in.

use super::{PlanFacts, PlanWords};
use crate::units::{Bytes, Gigabyte};
use chrono::NaiveDate;
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The facts, as the caller knows them.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The WHMCS service.
    pub service_id: u64,
    /// The VPN user name.
    pub username: &'a str,
    /// The customer's name as WHMCS has it; may be empty.
    pub client_name: &'a str,
    /// What is left, bytes; negative is a debt.
    pub balance_bytes: i64,
    /// What a billing cycle adds.
    pub packet: Bytes,
    /// Whether another one follows.
    pub has_next_packet: bool,
    /// Below what balance the customer is warned; `None` where that is off.
    pub threshold: Option<Bytes>,
    /// When the next packet is due; `None` where nothing is due.
    pub next_due_date: Option<NaiveDate>,
    /// What the customer dials.
    pub server_address: &'a str,
    /// Where it stands on its plan; `None` without one.
    pub plan: Option<PlanFacts<'a>>,
}

/// A letter's variables, as stored with it and as handed to WHMCS (where WHMCS adds its own names itself).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variables {
    /// The VPN user name.
    pub username: String,
    /// The customer's name; may be empty.
    pub client_name: String,
    /// The threshold in GB, as short as it can be written (`5`, `0.5`); empty where it is off.
    pub notification_traffic_remainder: String,
    /// The balance in GB with four decimals; negative is a debt.
    pub traffic_balance_gb: String,
    /// The cycle's packet in GB with four decimals.
    pub traffic_billingcycle_gb: String,
    /// Whether no other packet follows; absent where one does, as in letters of before this was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_next_packet: bool,
    /// `YYYY-MM-DD`, or empty where nothing is due.
    pub next_due_date: String,
    /// What the customer dials; may be empty.
    pub server_address: String,
    /// The WHMCS service.
    pub service_id: u64,
    /// Where it stands on its plan; absent without one.
    #[serde(flatten)]
    pub plan: Option<PlanWords>,
}

impl Variables {
    /// Words the facts in this installation's GB.
    pub fn new(facts: &Facts<'_>, gb: Gigabyte) -> Self {
        Self {
            username: facts.username.to_owned(),
            client_name: facts.client_name.to_owned(),
            notification_traffic_remainder: facts.threshold.map_or_else(String::new, |b| gb.display(b.signed(), 4)),
            traffic_balance_gb: gb.four_decimals(facts.balance_bytes),
            traffic_billingcycle_gb: gb.four_decimals(facts.packet.signed()),
            no_next_packet: !facts.has_next_packet,
            next_due_date: facts.next_due_date.map_or_else(String::new, |date| date.to_string()),
            server_address: facts.server_address.to_owned(),
            service_id: facts.service_id,
            plan: facts.plan.as_ref().map(|plan| PlanWords::new(plan, gb)),
        }
    }

    /// Every name that a template may use, with its value: ours, WHMCS's own for the same facts, and what follows from
    /// them (`traffic_used_percent`, `traffic_after_debt_gb`, `next_due_day`).
    pub fn for_templates(&self) -> Map<String, Value> {
        let text = |value: &str| Value::from(one_line(value));
        let balance = self.traffic_balance_gb.parse::<Decimal>().ok();
        let packet = self.traffic_billingcycle_gb.parse::<Decimal>().ok();
        let next_packet = packet.filter(|_| !self.no_next_packet);
        let pairs = [
            ("username", text(&self.username)),
            ("client_name", text(&self.client_name)),
            ("notification_traffic_remainder", text(&self.notification_traffic_remainder)),
            ("traffic_balance_gb", text(&self.traffic_balance_gb)),
            ("traffic_billingcycle_gb", text(&self.traffic_billingcycle_gb)),
            ("no_next_packet", Value::from(self.no_next_packet)),
            ("next_due_date", text(&self.next_due_date)),
            ("server_address", text(&self.server_address)),
            ("service_id", Value::from(self.service_id)),
            // WHMCS's own merge fields.
            ("service_username", text(&self.username)),
            ("service_next_due_date", text(&self.next_due_date)),
            ("service_server_hostname", text(&self.server_address)),
            // Derived.
            ("traffic_used_percent", used_percent(balance, packet).map_or(Value::Null, Value::from)),
            ("traffic_after_debt_gb", after_debt(balance, next_packet).map_or(Value::Null, Value::from)),
            ("next_due_day", Value::from(day_in_words(&one_line(&self.next_due_date)))),
        ];
        let mut names = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.plan.as_ref().unwrap_or(&PlanWords::default()).add_to(&mut names);
        names
    }

    /// Two letters' worth of sample facts: one ordinary, one where everything that may be absent is.
    pub(super) fn samples() -> [Self; 2] {
        let full = Self {
            username: "7-41".into(),
            client_name: "Ada Byron".into(),
            notification_traffic_remainder: "5".into(),
            traffic_balance_gb: "4.2000".into(),
            traffic_billingcycle_gb: "100.0000".into(),
            no_next_packet: false,
            next_due_date: "2026-12-01".into(),
            server_address: "vpn1.example.net".into(),
            service_id: 41,
            plan: Some(PlanWords::sample()),
        };
        let bare = Self {
            client_name: String::new(),
            notification_traffic_remainder: String::new(),
            traffic_balance_gb: "-3.9496".into(),
            traffic_billingcycle_gb: "0.0000".into(),
            no_next_packet: true,
            next_due_date: String::new(),
            server_address: String::new(),
            plan: None,
            ..full.clone()
        };
        [full, bare]
    }
}

/// Whole percent of the packet that are gone, 0 to 100; `None` without a packet. Rounded so that only a balance of zero
/// or less reads 100 and only an untouched packet reads 0.
fn used_percent(balance: Option<Decimal>, packet: Option<Decimal>) -> Option<u8> {
    let (balance, packet) = (balance?, packet?);
    if packet <= Decimal::ZERO {
        return None;
    }
    if balance <= Decimal::ZERO {
        return Some(100);
    }
    if balance >= packet {
        return Some(0);
    }
    let used = (packet - balance) / packet * Decimal::ONE_HUNDRED;
    Some(used.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_u8().unwrap_or(99).clamp(1, 99))
}

/// What the next packet leaves once a debt is paid from it, GB with four decimals; zero or less means still blocked.
fn after_debt(balance: Option<Decimal>, packet: Option<Decimal>) -> Option<String> {
    Some(format!("{:.4}", packet? + balance?.min(Decimal::ZERO)))
}

/// `2026-12-01` as `1 December 2026`; anything else as it is.
fn day_in_words(date: &str) -> String {
    date.parse::<NaiveDate>().map_or_else(|_| date.to_owned(), |day| day.format("%-d %B %Y").to_string())
}

/// The text on one line, without control characters and without the marks that turn the reading direction round: a
/// name may not start a header, a line of its own, or show itself backwards.
pub(super) fn one_line(text: &str) -> String {
    let turning = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    let breaking = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let spaced: String = text.chars().filter(|c| !turning(*c)).map(|c| if breaking(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(balance: &str, packet: &str) -> Option<u8> {
        used_percent(balance.parse().ok(), packet.parse().ok())
    }

    #[test]
    fn the_bar_is_full_only_when_nothing_is_left() {
        assert_eq!(percent("0.0001", "100.0000"), Some(99));
        assert_eq!(percent("0.0000", "100.0000"), Some(100));
        assert_eq!(percent("-3.9496", "10.0000"), Some(100));
        assert_eq!(percent("99.9999", "100.0000"), Some(1));
        assert_eq!(percent("130.0000", "100.0000"), Some(0));
        assert_eq!(percent("4.2000", "10.0000"), Some(58));
        assert_eq!(percent("4.2000", "0.0000"), None);
    }

    #[test]
    fn a_debt_is_paid_from_the_next_packet() {
        let words = |b: &str, p: &str| after_debt(b.parse().ok(), p.parse().ok());
        assert_eq!(words("-3.9496", "10.0000").as_deref(), Some("6.0504"));
        assert_eq!(words("-3.9496", "2.0000").as_deref(), Some("-1.9496"));
        assert_eq!(words("4.0000", "2.0000").as_deref(), Some("2.0000"));
    }

    #[test]
    fn facts_are_worded_in_the_installations_gigabyte() {
        let facts = Facts {
            service_id: 41,
            username: "7-41",
            client_name: "Ada Byron",
            balance_bytes: 4_509_715_661,
            packet: Bytes(10_737_418_240),
            has_next_packet: true,
            threshold: Some(Bytes(5_368_709_120)),
            next_due_date: NaiveDate::from_ymd_opt(2026, 12, 1),
            server_address: "vpn1.example.net",
            plan: None,
        };
        let binary = Variables::new(&facts, Gigabyte::Binary);
        assert_eq!(binary.traffic_balance_gb, "4.2000");
        assert_eq!(binary.traffic_billingcycle_gb, "10.0000");
        assert_eq!(binary.notification_traffic_remainder, "5");
        assert_eq!(binary.next_due_date, "2026-12-01");
        assert_eq!(Variables::new(&facts, Gigabyte::Decimal).traffic_balance_gb, "4.5097");
    }

    #[test]
    fn whatever_is_put_in_one_line_comes_out() {
        assert_eq!(one_line("Ada\r\nBcc: eve@example.net"), "Ada Bcc: eve@example.net");
        assert_eq!(one_line("\u{202e}moc.elpmaxe\u{2028}x\0y\t z "), "moc.elpmaxe x y z");
    }
}
