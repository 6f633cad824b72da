//! A NetFlow access record: how the customer of one WHMCS service, of any module, gets into the flow collector's web page.
//!
//! Laws: one record a service; its password is sealed and bound to its row; notes are for staff alone; what hides a
//! record from the customer is one closed list. Many records may hold the same login: a customer has one user at the
//! collector, however many services. The record of a service of ours stays when the service is terminated, and is hidden.

use crate::{
    db::{Conn, Error, Result, Row, Sql},
    params,
    seal::{Seal, SealError},
    sql,
};
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use secrecy::SecretString;
use std::{fmt, net::IpAddr, str::FromStr};
use url::Url;

/// The longest URL, in characters.
pub const LONGEST_URL: usize = 2048;

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// WHMCS's service, of any module.
    pub service_id: u64,
    /// Whether staff let the customer see it.
    pub enabled: bool,
    /// WHMCS's client, as the form said.
    pub client_id: Option<u64>,
    /// Where the collector is; `None`: `netflow.default_url`, whatever that is when asked.
    pub url: Option<CollectorUrl>,
    /// The login name there; empty: not set.
    pub username: String,
    /// The customer's group, interface or label there; empty: not set.
    pub group: String,
    /// Which traffic is the customer's.
    pub ip_address: Option<Network>,
    /// For staff alone.
    pub notes: String,
    /// When it last became another than it was.
    pub updated_at: DateTime<Utc>,
    /// Whether the service is one of ours that was terminated.
    pub terminated: bool,
    password_sealed: Option<Vec<u8>>,
}

/// Why the customer does not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// There is none.
    NoRecord,
    /// Switched off.
    Disabled,
    /// The service was one of ours and is gone.
    Terminated,
}

impl Hidden {
    /// A sentence for staff that says what to do.
    pub fn why(self) -> &'static str {
        match self {
            Self::NoRecord => "There is no record for this service; add one in the NetFlow Manager.",
            Self::Disabled => "The record is disabled; enable it in the NetFlow Manager.",
            Self::Terminated => {
                "Service terminated; the record stays, and shows again once the service is created anew."
            }
        }
    }
}

/// A web address as it was written: `http` or `https`, with a host, without a login in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(String);

impl CollectorUrl {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectorUrl {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || "must be a web address that begins with http:// or https:// and names a host".to_owned();
        if text.chars().count() > LONGEST_URL {
            return Err(format!("must have {LONGEST_URL} characters at the most"));
        }
        // The parser would mend "https:/host", "https:\\host" and line ends; what is shown must be what was meant.
        let Some((scheme, rest)) = text.split_once("://") else { return Err(wrong()) };
        let web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if !web || rest.starts_with('/') || text.contains(odd) {
            return Err(wrong());
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("must not hold a user name or password; they have fields of their own".to_owned());
        }
        match Url::parse(text) {
            Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(Self(text.to_owned())),
            _ => Err(wrong()),
        }
    }
}

/// An address or a prefix, of either family; written as the RFCs do (RFC 5952).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// One address.
    Address(IpAddr),
    /// A prefix; it may name a host in it, `10.0.0.5/24`.
    Prefix(IpNet),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Prefix(prefix) => prefix.fmt(f),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || "must be an IPv4 or IPv6 address or prefix, such as 192.0.2.7 or 2001:db8::/48".to_owned();
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok().ok_or_else(wrong)?;
        let Some(length) = length else { return Ok(Self::Address(address)) };
        let plain = length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
        let length = length.parse().ok().filter(|_length: &u8| plain).ok_or_else(wrong)?;
        IpNet::new(address, length).map(Self::Prefix).ok().ok_or_else(wrong)
    }
}

fn context(service_id: u64) -> String {
    format!("netflow/{service_id}/password")
}

impl Record {
    /// One that says nothing yet.
    pub fn new(service_id: u64, now: DateTime<Utc>) -> Self {
        Self {
            service_id,
            enabled: true,
            client_id: None,
            url: None,
            username: String::new(),
            group: String::new(),
            ip_address: None,
            notes: String::new(),
            updated_at: now,
            terminated: false,
            password_sealed: None,
        }
    }

    /// Why the customer does not see it, if so.
    pub fn hidden(&self) -> Option<Hidden> {
        match self {
            Self { terminated: true, .. } => Some(Hidden::Terminated),
            Self { enabled: false, .. } => Some(Hidden::Disabled),
            _ => None,
        }
    }

    /// Whether a password is stored.
    pub fn has_password(&self) -> bool {
        self.password_sealed.is_some()
    }

    /// The password at the collector.
    ///
    /// # Errors
    /// Where the master key is not the one it was sealed with.
    pub fn password(&self, seal: &Seal) -> std::result::Result<Option<SecretString>, SealError> {
        self.password_sealed.as_deref().map(|sealed| seal.open(&context(self.service_id), sealed)).transpose()
    }

    /// Takes a new password, sealed from here on, or none.
    pub fn set_password(&mut self, seal: &Seal, password: Option<&SecretString>) {
        self.password_sealed = password.map(|password| seal.seal(&context(self.service_id), password));
    }

    /// Takes the password of what was stored for the same service, as it is.
    pub fn keep_password(&mut self, stored: &Self) {
        self.password_sealed.clone_from(&stored.password_sealed);
    }

    /// Whether they say the same, password and all, whenever they were written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.service_id, self.enabled, self.client_id, &self.url)
            == (other.service_id, other.enabled, other.client_id, &other.url)
            && (&self.username, &self.group, self.ip_address, &self.notes)
                == (&other.username, &other.group, other.ip_address, &other.notes)
            && self.password_sealed == other.password_sealed
    }

    /// Reads one.
    pub async fn find(conn: &mut Conn, service_id: u64) -> Result<Option<Self>> {
        let sql = sql!(
            "SELECT n.*, EXISTS (SELECT 1 FROM account a WHERE a.service_id = n.service_id AND a.state = 'gone') \
             AS was_ended FROM netflow n WHERE n.service_id = ?"
        );
        conn.one(sql, params![service_id]).await?.map(|row| Self::from_row(&row)).transpose()
    }

    /// Reads many, for [`Conn::of_many`]; see [`Record::from_rows`].
    pub const OF_MANY: Sql = sql!(
        "SELECT n.*, EXISTS (SELECT 1 FROM account a WHERE a.service_id = n.service_id AND a.state = 'gone') \
         AS was_ended FROM netflow n WHERE n.service_id IN (?)"
    );

    /// What [`Record::OF_MANY`] brought.
    pub fn from_rows(rows: &[Row]) -> Result<Vec<Self>> {
        rows.iter().map(Self::from_row).collect()
    }

    /// Reads one, held against others until the transaction ends.
    pub async fn find_locked(conn: &mut Conn, service_id: u64) -> Result<Option<Self>> {
        let sql = sql!(
            "SELECT n.*, EXISTS (SELECT 1 FROM account a WHERE a.service_id = n.service_id AND a.state = 'gone') \
             AS was_ended FROM netflow n WHERE n.service_id = ? /*! FOR UPDATE */"
        );
        conn.one(sql, params![service_id]).await?.map(|row| Self::from_row(&row)).transpose()
    }

    /// All, by service id.
    pub async fn all(conn: &mut Conn) -> Result<Vec<Self>> {
        let sql = sql!(
            "SELECT n.*, EXISTS (SELECT 1 FROM account a WHERE a.service_id = n.service_id AND a.state = 'gone') \
             AS was_ended FROM netflow n ORDER BY n.service_id"
        );
        conn.rows(sql, vec![]).await?.iter().map(Self::from_row).collect()
    }

    /// Writes it whole.
    pub async fn save(&self, conn: &mut Conn) -> Result<()> {
        let sql = sql!(
            "INSERT INTO netflow (service_id, enabled, client_id, url, username, password_sealed, group_name, ip_address, \
             notes, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET \
             enabled = excluded.enabled, client_id = excluded.client_id, url = excluded.url, \
             username = excluded.username, password_sealed = excluded.password_sealed, \
             group_name = excluded.group_name, ip_address = excluded.ip_address, notes = excluded.notes, \
             updated_at = excluded.updated_at"
        );
        let values = params![
            self.service_id,
            self.enabled,
            self.client_id,
            self.url.as_ref().map(CollectorUrl::as_str),
            &self.username,
            self.password_sealed.clone(),
            &self.group,
            self.ip_address.map(|it| it.to_string()).unwrap_or_default(),
            &self.notes,
            self.updated_at,
        ];
        conn.execute(sql, values).await.map(|_| ())
    }

    /// Removes one; whether it was there.
    pub async fn remove(conn: &mut Conn, service_id: u64) -> Result<bool> {
        let sql = sql!("DELETE FROM netflow WHERE service_id = ?");
        Ok(conn.execute(sql, params![service_id]).await? > 0)
    }

    fn from_row(row: &Row) -> Result<Self> {
        let url: Option<String> = row.get("url")?;
        let ip_address: String = row.get("ip_address")?;
        let strange = |why: String| Error::Defect(format!("a stored NetFlow record cannot be: {why}"));
        Ok(Self {
            service_id: row.get("service_id")?,
            enabled: row.get("enabled")?,
            client_id: row.get("client_id")?,
            url: url.map(|url| url.parse()).transpose().map_err(strange)?,
            username: row.get("username")?,
            group: row.get("group_name")?,
            ip_address: Some(ip_address)
                .filter(|it| !it.is_empty())
                .map(|it| it.parse())
                .transpose()
                .map_err(strange)?,
            notes: row.get("notes")?,
            updated_at: row.get("updated_at")?,
            terminated: row.get("was_ended")?,
            password_sealed: row.get("password_sealed")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_s_address_is_kept_as_written() {
        for right in [
            "https://netflow.example.net/",
            "http://10.0.0.9:8080",
            "HTTPS://[2001:db8::1]/login?next=%2F#top",
            "https://example.net/@ada",
            "https://nétflow.example.net/",
        ] {
            assert_eq!(right.parse::<CollectorUrl>().unwrap().as_str(), right);
        }
    }

    #[test]
    fn what_is_no_web_address_or_holds_a_login_is_refused() {
        let long = format!("https://example.net/{}", "a".repeat(LONGEST_URL));
        for wrong in [
            "",
            "netflow.example.net",
            "ftp://example.net/",
            "javascript:alert(1)",
            "javascript://example.net/%0aalert(1)",
            "https:/example.net",
            "https:///example.net",
            "https://",
            "https://?x",
            "https://exa mple.net/",
            "https://example.net/\n",
            "https://example.net\\@example.com/",
            "https://ada@example.net/",
            "https://ada:secret@example.net/",
            "https://@example.net/",
            "https://:@example.net/",
            "https://example.net:99999/",
            &long,
        ] {
            assert!(wrong.parse::<CollectorUrl>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn an_address_or_a_prefix_of_either_family_is_taken() {
        for (text, written) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7/24", "192.0.2.7/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("2001:db8::/48", "2001:db8::/48"),
            ("2001:db8::/128", "2001:db8::/128"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), written);
        }
        for wrong in [
            "",
            "/",
            "192.0.2.7/",
            "192.0.2.7/33",
            "192.0.2.7/+8",
            "192.0.2.7/08",
            "192.0.2.7/8/8",
            "192.0.2",
            "192.0.2.07",
            "192.0.2.256",
            "2001:db8::/129",
            "fe80::1%eth0",
            "[2001:db8::1]",
            "192.0.2.1-192.0.2.9",
            "vps.example.net",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong:?} was taken");
        }
    }
}
