//! Accounts as staff look through them: found by what they are called, by state and by cause, a page at a time.

use super::{causes::Causes, record::Account};
use crate::{
    db::{Conn, Result, Row, Value},
    params, sheet, sql,
    units::Bytes,
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// Which accounts are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// All but those that are gone.
    #[default]
    Living,
    /// On the router and without a cause.
    Enabled,
    /// With any cause.
    Off,
    /// Suspended by WHMCS.
    Billing,
    /// With a used-up balance, or a full quota of the plan.
    Quota,
    /// Blocked by staff.
    Admin,
    /// With changes that wait for the router.
    Waiting,
    /// Intended, not yet known to be on the router.
    New,
    /// Terminated.
    Gone,
}

impl Shown {
    /// Each with its spelling in a page's address.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Living, ""),
        (Self::Enabled, "enabled"),
        (Self::Off, "off"),
        (Self::Billing, "billing"),
        (Self::Quota, "quota"),
        (Self::Admin, "admin"),
        (Self::Waiting, "waiting"),
        (Self::New, "new"),
        (Self::Gone, "gone"),
    ];

    /// The one of that spelling; [`Shown::Living`] where there is none.
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map_or(Self::Living, |(it, _)| it)
    }

    /// Its spelling.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(it, _)| *it == self).map_or("", |(_, name)| name)
    }
}

/// Where a plan has brought an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// At full speed.
    Full,
    /// Slower than sold.
    Slowed,
    /// With a full quota.
    Quota,
    /// On that tier of the day's, 1 to 6.
    Daily(u8),
    /// On that tier of the cycle's, 1 to 6.
    Monthly(u8),
}

impl Stands {
    /// The one of that spelling in a page's address: `full`, `slowed`, `quota`, `daily-3`, `monthly-1`.
    pub fn parse(text: &str) -> Option<Self> {
        let level = |text: &str| text.parse().ok().filter(|it| (1..=6).contains(it));
        match (text, text.split_once('-')) {
            ("full", _) => Some(Self::Full),
            ("slowed", _) => Some(Self::Slowed),
            ("quota", _) => Some(Self::Quota),
            (_, Some(("daily", number))) => level(number).map(Self::Daily),
            (_, Some(("monthly", number))) => level(number).map(Self::Monthly),
            _ => None,
        }
    }

    /// Its spelling.
    pub fn spelled(self) -> String {
        match self {
            Self::Daily(level) | Self::Monthly(level) => format!("{}-{level}", self.word()),
            _ => self.word().to_owned(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Slowed => "slowed",
            Self::Quota => "quota",
            Self::Daily(_) => "daily",
            Self::Monthly(_) => "monthly",
        }
    }

    fn level(self) -> u8 {
        match self {
            Self::Daily(level) | Self::Monthly(level) => level,
            _ => 0,
        }
    }
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of a name, an address or an e-mail; or a service's or client's number. Empty: all.
    pub text: String,
    /// In which state.
    pub shown: Shown,
    /// On which router.
    pub server_id: Option<u64>,
    /// On which plan.
    pub plan_id: Option<u64>,
    /// Where the plan has brought it.
    pub stands: Option<Stands>,
}

/// An account in a list.
#[derive(Clone, Debug)]
pub struct Line {
    /// WHMCS's service.
    pub service_id: u64,
    /// Its router.
    pub server_id: u64,
    /// The router's name; empty where it is not known.
    pub server_name: String,
    /// `new`, `made` or `gone`.
    pub state: String,
    /// WHMCS's status of the service.
    pub status: String,
    /// WHMCS's client.
    pub client_id: u64,
    /// The client's name.
    pub client_name: String,
    /// The client's e-mail address.
    pub email: String,
    /// The PPP user name.
    pub username: String,
    /// The fixed address, as text.
    pub address: String,
    /// Why it is off.
    pub causes: Causes,
    /// The balance, bytes; `None` where it is unmetered.
    pub balance: Option<i64>,
    /// The cycle's packet; `None` where it is unmetered.
    pub packet: Option<Bytes>,
    /// Router changes that wait.
    pub waiting: u64,
    /// When its counter was last booked.
    pub booked_at: Option<DateTime<Utc>>,
}

impl Line {
    fn of(row: &Row) -> Result<Self> {
        let packet: Option<u64> = row.get("packet_bytes")?;
        let balance = sheet::seat_of(row)?.map_or_else(|| row.get("balance_bytes"), |seat| Ok(seat.balance))?;
        Ok(Self {
            service_id: row.get("service_id")?,
            server_id: row.get("server_id")?,
            server_name: row.get("server_name")?,
            state: row.get("state")?,
            status: row.get("status")?,
            client_id: row.get("client_id")?,
            client_name: row.get("client_name")?,
            email: row.get("email")?,
            username: row.get("username")?,
            address: row.get("address")?,
            causes: Causes {
                billing: row.get("cause_billing")?,
                quota: row.get("cause_quota")?,
                admin: row.get("cause_admin")?,
                billing_reason: row.get("billing_reason")?,
                admin_reason: row.get("admin_reason")?,
                quota_at: row.get("quota_at")?,
            },
            balance: packet.map(|_| balance),
            packet: packet.map(Bytes),
            waiting: row.get("waiting")?,
            booked_at: row.get("booked_at")?,
        })
    }
}

/// The text with what `LIKE` would take for a pattern marked as meant, as part of any text.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// How many living accounts are on each plan.
pub async fn by_plan(conn: &mut Conn) -> Result<HashMap<u64, u64>> {
    let sql = sql!(
        "SELECT plan_id, COUNT(*) AS n FROM account WHERE state <> 'gone' AND plan_id IS NOT NULL GROUP BY plan_id \
         ORDER BY plan_id"
    );
    conn.rows(sql, vec![]).await?.iter().map(|row| Ok((row.get("plan_id")?, row.get("n")?))).collect()
}

/// How many living accounts are on a plan.
pub async fn on_plan(conn: &mut Conn, plan_id: u64) -> Result<u64> {
    let sql = sql!("SELECT COUNT(*) AS n FROM account WHERE plan_id = ? AND state <> 'gone'");
    conn.one(sql, params![plan_id]).await?.map_or(Ok(0), |row| row.get("n"))
}

/// The accounts on a plan that are on a router, each with its server.
pub async fn made_on_plan(conn: &mut Conn, plan_id: u64) -> Result<Vec<(u64, u64)>> {
    let sql =
        sql!("SELECT server_id, service_id FROM account WHERE plan_id = ? AND state = 'made' ORDER BY service_id");
    let rows = conn.rows(sql, params![plan_id]).await?;
    rows.iter().map(|row| Ok((row.get("server_id")?, row.get("service_id")?))).collect()
}

/// Accounts by service id, `limit` of them after the first `skip`.
pub async fn list(conn: &mut Conn, filter: &Filter, limit: u32, skip: u64) -> Result<Vec<Line>> {
    let sql = sql!(
        "SELECT a.service_id, a.server_id, a.state, a.status, a.client_id, a.client_name, a.email, a.username, a.address, \
         a.packet_bytes, a.cause_billing, a.cause_admin, a.billing_reason, a.admin_reason, s.cause_quota, s.quota_at, \
         s.balance_bytes, CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
         WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END AS sheet, \
         CASE WHEN s.reading > 0 THEN v.seen_at ELSE s.booked_at END AS booked_at, COALESCE(v.name, '') AS server_name, \
         (SELECT COUNT(*) FROM pending p WHERE p.service_id = a.service_id) AS waiting \
         FROM account a JOIN standing s ON s.service_id = a.service_id \
         LEFT JOIN server v ON v.id = a.server_id LEFT JOIN fair_use f ON f.service_id = a.service_id \
         WHERE (? = '' OR LOWER(a.username) LIKE ? ESCAPE '!' OR LOWER(a.client_name) LIKE ? ESCAPE '!' \
         OR LOWER(a.email) LIKE ? ESCAPE '!' OR a.address LIKE ? ESCAPE '!' OR a.service_id = ? OR a.client_id = ?) \
         AND (? = 0 OR a.server_id = ?) AND (? = 0 OR a.plan_id = ?) \
         AND (? = '' OR (a.state = 'made' AND a.plan_id IS NOT NULL AND ( \
         (? = 'full' AND (f.why IS NULL OR f.why = 'full') AND f.full_quota IS NULL) \
         OR (? = 'slowed' AND f.why <> 'full') OR (? = 'quota' AND f.full_quota IS NOT NULL) \
         OR (? = 'daily' AND f.daily_level = ?) OR (? = 'monthly' AND f.monthly_level = ?)))) \
         AND ((? = '' AND a.state <> 'gone') OR (? = 'gone' AND a.state = 'gone') OR (? = 'new' AND a.state = 'new') \
         OR (? = 'enabled' AND a.state = 'made' AND a.cause_billing = 0 AND a.cause_admin = 0 AND s.cause_quota = 0) \
         OR (? = 'off' AND a.state = 'made' AND (a.cause_billing <> 0 OR a.cause_admin <> 0 OR s.cause_quota <> 0)) \
         OR (? = 'billing' AND a.state = 'made' AND a.cause_billing <> 0) \
         OR (? = 'quota' AND a.state = 'made' AND s.cause_quota <> 0) \
         OR (? = 'admin' AND a.state = 'made' AND a.cause_admin <> 0) \
         OR (? = 'waiting' AND EXISTS (SELECT 1 FROM pending p WHERE p.service_id = a.service_id))) \
         ORDER BY a.service_id LIMIT ? OFFSET ?"
    );
    let (text, pattern) = (filter.text.trim(), containing(filter.text.trim()));
    let number: u64 = text.parse().unwrap_or(0);
    let mut values = params![text, &pattern, &pattern, &pattern, &pattern, number, number];
    values.extend(params![filter.server_id.unwrap_or(0), filter.server_id.unwrap_or(0)]);
    values.extend(params![filter.plan_id.unwrap_or(0), filter.plan_id.unwrap_or(0)]);
    let (word, level) = filter.stands.map_or(("", 0), |it| (it.word(), it.level()));
    values.extend(params![word, word, word, word, word, level, word, level]);
    values.extend(std::iter::repeat_n(Value::from(filter.shown.as_str()), 9));
    values.extend(params![limit, skip]);
    conn.rows(sql, values).await?.iter().map(Line::of).collect()
}

/// Accounts of exactly that user name that are not gone: their services. There is one a router at the most.
pub async fn named(conn: &mut Conn, username: &str) -> Result<Vec<u64>> {
    let sql = sql!("SELECT service_id FROM account WHERE username = ? AND state <> 'gone' ORDER BY service_id");
    conn.rows(sql, params![username]).await?.iter().map(|row| row.get("service_id")).collect()
}

/// Whose a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The PPP user name.
    pub username: String,
    /// WHMCS's client.
    pub client_id: u64,
    /// The client's name.
    pub client_name: String,
    /// WHMCS's status of the service.
    pub status: String,
}

impl From<&Account> for Owner {
    fn from(account: &Account) -> Self {
        let sold = &account.sold;
        Self {
            username: account.username.clone(),
            client_id: sold.client_id,
            client_name: sold.client_name.clone(),
            status: sold.status.clone(),
        }
    }
}

/// Whose the services with a NetFlow record are, as far as they are ours, by service id.
pub async fn of_netflow(conn: &mut Conn) -> Result<HashMap<u64, Owner>> {
    let sql = sql!(
        "SELECT a.service_id, a.username, a.client_id, a.client_name, a.status \
         FROM netflow n JOIN account a ON a.service_id = n.service_id"
    );
    let owner = |row: &Row| {
        let (username, client_id) = (row.get("username")?, row.get("client_id")?);
        Ok(Owner { username, client_id, client_name: row.get("client_name")?, status: row.get("status")? })
    };
    conn.rows(sql, vec![]).await?.iter().map(|row| Ok((row.get("service_id")?, owner(row)?))).collect()
}

/// How many accounts of a router stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The router.
    pub server_id: u64,
    /// Intended, not yet known to be on it.
    pub new: u64,
    /// On it.
    pub made: u64,
    /// Of those: without a cause.
    pub enabled: u64,
    /// Of those: suspended by WHMCS.
    pub billing: u64,
    /// Of those: with a used-up balance, or a full quota of the plan.
    pub quota: u64,
    /// Of those: blocked by staff.
    pub admin: u64,
    /// Terminated.
    pub gone: u64,
}

/// Counts the accounts, by router.
pub async fn tally(conn: &mut Conn) -> Result<Vec<Tally>> {
    let sql = sql!(
        "SELECT a.server_id, SUM(CASE WHEN a.state = 'new' THEN 1 ELSE 0 END) AS fresh, \
         SUM(CASE WHEN a.state = 'made' THEN 1 ELSE 0 END) AS made, SUM(CASE WHEN a.state = 'gone' THEN 1 ELSE 0 END) AS gone, \
         SUM(CASE WHEN a.state = 'made' AND a.cause_billing = 0 AND a.cause_admin = 0 AND s.cause_quota = 0 THEN 1 ELSE 0 END) \
         AS enabled, SUM(CASE WHEN a.state = 'made' AND a.cause_billing <> 0 THEN 1 ELSE 0 END) AS billing, \
         SUM(CASE WHEN a.state = 'made' AND s.cause_quota <> 0 THEN 1 ELSE 0 END) AS quota, \
         SUM(CASE WHEN a.state = 'made' AND a.cause_admin <> 0 THEN 1 ELSE 0 END) AS blocked \
         FROM account a JOIN standing s ON s.service_id = a.service_id GROUP BY a.server_id ORDER BY a.server_id"
    );
    let read = |row: &Row| {
        Ok(Tally {
            server_id: row.get("server_id")?,
            new: row.get("fresh")?,
            made: row.get("made")?,
            enabled: row.get("enabled")?,
            billing: row.get("billing")?,
            quota: row.get("quota")?,
            admin: row.get("blocked")?,
            gone: row.get("gone")?,
        })
    };
    conn.rows(sql, vec![]).await?.iter().map(read).collect()
}

/// A router change that waits, as staff see it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Whose.
    pub service_id: u64,
    /// On which router.
    pub server_id: u64,
    /// `enable`, `disable`, `change` or `remove`.
    pub kind: String,
    /// Whether sessions are ended after it.
    pub kick: bool,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it was tried last.
    pub tried_at: Option<DateTime<Utc>>,
    /// Why it could not be made.
    pub failure: Option<String>,
}

/// Changes that wait, oldest first: one service's, or everybody's.
pub async fn waiting(conn: &mut Conn, service_id: Option<u64>, limit: u32) -> Result<Vec<Waiting>> {
    let sql = sql!(
        "SELECT service_id, server_id, kind, kick, decided_at, tries, tried_at, failure FROM pending \
         WHERE (? = 0 OR service_id = ?) ORDER BY id LIMIT ?"
    );
    let only = service_id.unwrap_or(0);
    let read = |row: &Row| {
        Ok(Waiting {
            service_id: row.get("service_id")?,
            server_id: row.get("server_id")?,
            kind: row.get("kind")?,
            kick: row.get("kick")?,
            decided_at: row.get("decided_at")?,
            tries: row.get("tries")?,
            tried_at: row.get("tried_at")?,
            failure: row.get("failure")?,
        })
    };
    conn.rows(sql, params![only, only, limit]).await?.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_like_would_take_for_a_pattern_is_meant_as_written() {
        assert_eq!(containing("A_b%!"), "%a!_b!%!!%");
        assert_eq!(containing(""), "%%");
    }

    #[test]
    fn where_a_plan_has_brought_it_is_spelled_and_read_back() {
        for text in ["full", "slowed", "quota", "daily-1", "monthly-6"] {
            assert_eq!(Stands::parse(text).map(Stands::spelled).as_deref(), Some(text));
        }
        for text in ["", "daily", "daily-0", "daily-7", "monthly-x", "' OR 1=1"] {
            assert_eq!(Stands::parse(text), None, "{text}");
        }
    }

    #[test]
    fn each_state_is_spelled_once_and_read_back() {
        for (shown, name) in Shown::ALL {
            assert_eq!(Shown::parse(name), shown);
            assert_eq!(shown.as_str(), name);
        }
        assert_eq!(Shown::parse("'; DROP TABLE account"), Shown::Living);
    }
}
