//! The demo's customers as WHMCS has them on file, and their habits.

use super::figures::{GB, MB};
use chrono::{Datelike, NaiveDate, Weekday};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// What a customer has bought.
#[derive(Clone, Debug)]
pub struct Customer {
    /// WHMCS's service id.
    pub service_id: u64,
    /// WHMCS's client id.
    pub client_id: u64,
    /// In full.
    pub name: &'static str,
    /// For short.
    pub first: &'static str,
    /// Where mails go.
    pub email: &'static str,
    /// Where the customer dials in from.
    pub caller_id: &'static str,
    /// WHMCS's status of the service.
    pub status: &'static str,
    /// The service's next due date.
    pub due: NaiveDate,
    /// The product's settings.
    pub settings: Value,
    /// Known once the account is made.
    pub username: String,
    /// Known once the account is made.
    pub password: SecretString,
    /// Known once the account is made.
    pub address: String,
    /// Traffic of a plain weekday, bytes.
    pub habit: u64,
}

/// Ada: metered, with both letters.
pub fn ada(due: NaiveDate) -> Customer {
    Customer {
        service_id: 41,
        client_id: 7,
        name: "Ada Byron",
        first: "Ada",
        email: "ada@example.net",
        caller_id: "198.51.100.7",
        status: "Active",
        due,
        settings: metered("10", "5", "60"),
        username: String::new(),
        password: SecretString::default(),
        address: String::new(),
        habit: 2_050 * MB,
    }
}

/// Charles: on the same router, on a plan and unmetered.
pub fn charles(due: NaiveDate) -> Customer {
    Customer {
        service_id: 42,
        client_id: 8,
        name: "Charles Babbage",
        first: "Charles",
        email: "charles@example.net",
        caller_id: "203.0.113.20",
        status: "Active",
        due,
        settings: json!({"plan": super::plans::CHARLES, "support_pptp": "on"}),
        username: String::new(),
        password: SecretString::default(),
        address: String::new(),
        habit: 900 * MB,
    }
}

/// The settings of a metered product: Mbit/s down and up, GB a month.
pub fn metered(down: &str, up: &str, packet: &str) -> Value {
    json!({
        "download_mbps": down, "upload_mbps": up, "traffic_gb_monthly": packet, "history_days": "62",
        "threshold_gb": THRESHOLD_GB.to_string(), "threshold_template": "threshold", "suspension_template": "suspension",
        "instruction_url": "https://docs.example.net/vpn", "support_pptp": "", "support_l2tp": "on",
        "l2tp_psk": "correct-horse-battery",
    })
}

/// The threshold letter goes out below this, GB.
pub const THRESHOLD_GB: u64 = 5;

impl Customer {
    /// The `service` and `client` parts of a hook's body, and the product's settings.
    pub fn parts(&self) -> Value {
        json!({
            "service": {
                "id": self.service_id, "client_id": self.client_id, "product_id": 2, "status": self.status,
                "username": self.username, "password": self.password.expose_secret(), "dedicated_address": self.address,
                "billing_cycle": "Monthly", "next_due_date": self.due.to_string(),
            },
            "client": {"id": self.client_id, "name": self.name, "email": self.email, "language": "english"},
            "settings": self.settings,
            "options": {},
        })
    }

    /// Download and upload of a whole day, bytes: more towards the weekend, a little different every day, and the same at
    /// every run.
    pub fn day(&self, day: NaiveDate) -> (u64, u64) {
        let weekday = match day.weekday() {
            Weekday::Fri => 115,
            Weekday::Sat => 150,
            Weekday::Sun => 130,
            _ => 90,
        };
        let total = self.habit / 100 * weekday / 100 * (80 + mixed(day, self.service_id) % 41);
        let up = total / 100 * (11 + mixed(day, self.client_id) % 9);
        (total - up, up)
    }
}

/// A number that looks thrown (splitmix64).
fn mixed(day: NaiveDate, salt: u64) -> u64 {
    let mut z = u64::from(day.num_days_from_ce().unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (salt << 17);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A packet as the settings name it, bytes.
pub fn packet(customer: &Customer) -> Option<u64> {
    customer.settings["traffic_gb_monthly"].as_str().and_then(|text| text.parse::<u64>().ok()).map(|gb| gb * GB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_same_at_every_run_and_the_weekend_is_busier() {
        let due = NaiveDate::from_ymd_opt(2026, 10, 21).unwrap();
        let ada = ada(due);
        assert_eq!(ada.day(due), ada.clone().day(due));
        let sum = |weekday: Weekday| -> u64 {
            let days = (0..28).filter_map(|n| due.checked_add_days(chrono::Days::new(n)));
            days.filter(|day| day.weekday() == weekday).map(|day| ada.day(day).0).sum()
        };
        assert!(sum(Weekday::Sat) > sum(Weekday::Tue));
    }
}
