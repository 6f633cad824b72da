//! A service of ours as a row: what was sold, to whom, and where it stands.

use super::{
    causes::Causes,
    cluster,
    credentials::{PasswordRule, UsernameRule},
    settings::{Collect, OwnSpeed, PppService, Settings},
};
use crate::{
    db::{Conn, Error, Result, Row, Sql, Value},
    params,
    plan::cycle::BillingCycle,
    seal::Seal,
    sheet, sql,
    units::{Bytes, Kbps, Speed},
};
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use std::{collections::HashSet, net::Ipv4Addr};

/// How far an account has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Intended; not yet known to be on the router.
    New,
    /// On the router.
    Made,
    /// Terminated; its books are kept.
    Gone,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Made => "made",
            Self::Gone => "gone",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "new" => Ok(Self::New),
            "made" => Ok(Self::Made),
            "gone" => Ok(Self::Gone),
            other => Err(Error::Defect(format!("account.state holds {other}"))),
        }
    }
}

/// Whom it was sold to and how it is billed, as WHMCS said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// WHMCS's client.
    pub client_id: u64,
    /// WHMCS's product.
    pub product_id: u64,
    /// The client's name, for letters.
    pub client_name: String,
    /// The client's e-mail address.
    pub email: String,
    /// WHMCS's name of the client's language.
    pub language: String,
    /// WHMCS's status of the service, `Active`.
    pub status: String,
    /// WHMCS's name of the billing cycle.
    pub billing_cycle: String,
    /// When the next cycle begins.
    pub next_due_date: Option<NaiveDate>,
}

impl Sold {
    /// To whom it is not known.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            client_id: 0,
            product_id: 0,
            client_name: String::new(),
            email: String::new(),
            language: String::new(),
            status: String::new(),
            billing_cycle: String::new(),
            next_due_date: None,
        }
    }

    /// The same, with what is not told here as it was told before: parts of a hook's body may be absent.
    #[must_use]
    pub fn or(self, before: &Self) -> Self {
        let text = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
        let id = |new: u64, old: u64| if new == 0 { old } else { new };
        Self {
            client_id: id(self.client_id, before.client_id),
            product_id: id(self.product_id, before.product_id),
            client_name: text(self.client_name, &before.client_name),
            email: text(self.email, &before.email),
            language: text(self.language, &before.language),
            status: text(self.status, &before.status),
            billing_cycle: text(self.billing_cycle, &before.billing_cycle),
            next_due_date: self.next_due_date.or(before.next_due_date),
        }
    }
}

/// A service of ours.
#[derive(Clone, Debug)]
pub struct Account {
    /// WHMCS's id of the service: our key.
    pub service_id: u64,
    /// The router it lives on.
    pub server_id: u64,
    /// How far it has come.
    pub state: State,
    /// To whom and how it was sold.
    pub sold: Sold,
    /// The PPP user name.
    pub username: String,
    password_sealed: Vec<u8>,
    psk_sealed: Vec<u8>,
    /// The fixed address.
    pub address: Ipv4Addr,
    /// The settings in force. Its pre-shared key is empty here (see [`Account::psk`]), its rules are the defaults.
    pub settings: Settings,
    /// Why it is off.
    pub causes: Causes,
    /// The ledger's sum, bytes; below zero is a debt. Means nothing where the service is unmetered.
    pub balance: i64,
    /// Whether the next fall below the threshold brings a letter.
    pub threshold_armed: bool,
    /// Whether the letter of the block that holds named the plan's quota, and not the balance.
    pub told_of_plan: bool,
    /// How many letters it has come to.
    pub letters: u64,
    /// Whether it was online when last seen, and when that was.
    pub online: Option<(bool, DateTime<Utc>)>,
    /// When it was first known to be on the router.
    pub made_at: Option<DateTime<Utc>>,
}

/// In `standing.cause_quota`, where 0 is no and anything else yes: it holds, and the letter of it named the plan's quota.
const TOLD_OF_PLAN: u8 = 2;

/// Associated data of a sealed column: the row's identity (law 9).
fn context(service_id: u64, what: &str) -> String {
    format!("account/{service_id}/{what}")
}

impl Account {
    /// A service that was not known before.
    pub fn new(service_id: u64, server_id: u64, sold: Sold, settings: Settings) -> Self {
        Self {
            service_id,
            server_id,
            state: State::New,
            sold,
            username: String::new(),
            password_sealed: Vec::new(),
            psk_sealed: Vec::new(),
            address: Ipv4Addr::UNSPECIFIED,
            settings,
            causes: Causes::default(),
            balance: 0,
            threshold_armed: true,
            told_of_plan: false,
            letters: 0,
            online: None,
            made_at: None,
        }
    }

    /// The cycle that it is in, as the ledger names it: by the date until which it runs.
    pub fn cycle(&self) -> String {
        self.sold.next_due_date.map_or_else(|| "none".to_owned(), |date| date.to_string())
    }

    /// Whether another cycle follows this one, and brings a packet. What is paid once, or never, is renewed by nobody: a
    /// plan's own cycle begins its counters again and grants nothing.
    pub fn has_next_cycle(&self) -> bool {
        BillingCycle::parse(&self.sold.billing_cycle) != Some(BillingCycle::OneTime)
    }

    /// What the next cycle brings; `None` where none follows, and where it is unmetered.
    pub fn next_packet(&self) -> Option<Bytes> {
        self.settings.packet.filter(|_| self.has_next_cycle())
    }

    /// When the next cycle begins; `None` where none follows, whatever date was told before.
    pub fn next_cycle_on(&self) -> Option<NaiveDate> {
        self.sold.next_due_date.filter(|_| self.has_next_cycle())
    }

    /// Whether a balance is kept for it.
    pub fn is_metered(&self) -> bool {
        self.settings.packet.is_some()
    }

    /// Whether one is kept and nothing is left of it: that blocks by itself, whatever its plan says.
    pub fn is_empty(&self) -> bool {
        self.is_metered() && self.balance <= 0
    }

    /// The PPP password.
    ///
    /// # Errors
    /// Where the master key is not the one it was sealed with.
    pub fn password(&self, seal: &Seal) -> std::result::Result<SecretString, crate::seal::SealError> {
        seal.open(&context(self.service_id, "password"), &self.password_sealed)
    }

    /// The L2TP pre-shared key that the client page shows.
    ///
    /// # Errors
    /// Where the master key is not the one it was sealed with.
    pub fn psk(&self, seal: &Seal) -> std::result::Result<SecretString, crate::seal::SealError> {
        seal.open(&context(self.service_id, "psk"), &self.psk_sealed)
    }

    /// Takes a new password, sealed from here on.
    pub fn set_password(&mut self, seal: &Seal, password: &SecretString) {
        self.password_sealed = seal.seal(&context(self.service_id, "password"), password);
    }

    /// Takes new settings; the pre-shared key is sealed and the plain one dropped.
    pub fn set_settings(&mut self, seal: &Seal, mut settings: Settings) {
        self.psk_sealed = seal.seal(&context(self.service_id, "psk"), &settings.l2tp_psk);
        settings.l2tp_psk = SecretString::default();
        self.settings = settings;
    }

    /// Reads it, if it was ever known. Its rows are not held: see [`Account::find_locked`].
    pub async fn find(conn: &mut Conn, service_id: u64) -> Result<Option<Self>> {
        let sql = sql!(
            "SELECT a.*, s.balance_bytes, s.threshold_armed, s.cause_quota, s.quota_at, s.letters, \
             CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
             WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END AS sheet \
             FROM account a JOIN standing s ON s.service_id = a.service_id WHERE a.service_id = ?"
        );
        conn.one(sql, params![service_id]).await?.map(|row| Self::from_row(&row)).transpose()
    }

    /// Reads many, for [`Conn::of_many`]; see [`Account::from_rows`].
    pub const OF_MANY: Sql = sql!(
        "SELECT a.*, s.balance_bytes, s.threshold_armed, s.cause_quota, s.quota_at, s.letters, \
         CASE WHEN s.seated = 1 THEN (SELECT h.figures FROM sheet h \
         WHERE h.server_id = a.server_id AND h.first_id <= s.service_id ORDER BY h.first_id DESC LIMIT 1) END AS sheet \
         FROM account a JOIN standing s ON s.service_id = a.service_id WHERE a.service_id = ?"
    );

    /// What [`Account::OF_MANY`] brought.
    pub fn from_rows(rows: &[Row]) -> Result<Vec<Self>> {
        rows.iter().map(Self::from_row).collect()
    }

    /// The same, holding its rows against others until the transaction ends.
    pub async fn find_locked(conn: &mut Conn, service_id: u64) -> Result<Option<Self>> {
        let sql = sql!(
            "SELECT a.*, s.balance_bytes, s.threshold_armed, s.cause_quota, s.quota_at, s.letters, s.seated \
             FROM account a JOIN standing s ON s.service_id = a.service_id WHERE a.service_id = ? /*! FOR UPDATE */"
        );
        let found = Self::locked(conn, sql, params![service_id]).await?.pop();
        if found.is_some() {
            cluster::meet(conn, service_id).await?;
        }
        Ok(found)
    }

    /// What a statement that holds rows brings. Those that are seated are taken out: whoever holds them may change them.
    async fn locked(conn: &mut Conn, sql: Sql, values: Vec<Value>) -> Result<Vec<Self>> {
        let mut rows = conn.rows(sql, values.clone()).await?;
        let seats = rows.iter().map(|row| Ok((row.get("service_id")?, row.get("seated")?)));
        let seats = seats.collect::<Result<Vec<(u64, bool)>>>()?;
        let seated: Vec<u64> =
            seats.into_iter().filter(|(_, seated)| *seated).map(|(service_id, _)| service_id).collect();
        if !seated.is_empty() {
            sheet::take_out(conn, &seated).await?;
            rows = conn.rows(sql, values).await?;
        }
        rows.iter().map(|row| Self::with_balance(row, row.get("balance_bytes")?)).collect()
    }

    /// All that are on a router, by service id, held against others until the transaction ends.
    pub async fn of_server_locked(conn: &mut Conn, server_id: u64) -> Result<Vec<Self>> {
        let sql = sql!(
            "SELECT a.*, s.balance_bytes, s.threshold_armed, s.cause_quota, s.quota_at, s.letters, s.seated \
             FROM account a JOIN standing s ON s.service_id = a.service_id \
             WHERE a.server_id = ? AND a.state = 'made' ORDER BY a.service_id /*! FOR UPDATE */"
        );
        Self::locked(conn, sql, params![server_id]).await
    }

    /// Those on a router that are on a plan, by service id, held against others until the transaction ends.
    pub async fn on_plans_locked(conn: &mut Conn, server_id: u64) -> Result<Vec<Self>> {
        let sql = sql!(
            "SELECT a.*, s.balance_bytes, s.threshold_armed, s.cause_quota, s.quota_at, s.letters, s.seated \
             FROM account a JOIN standing s ON s.service_id = a.service_id \
             WHERE a.server_id = ? AND a.state = 'made' AND a.plan_id IS NOT NULL ORDER BY a.service_id /*! FOR UPDATE */"
        );
        Self::locked(conn, sql, params![server_id]).await
    }

    /// All that are on a router, by service id.
    pub async fn of_server(conn: &mut Conn, server_id: u64) -> Result<Vec<Self>> {
        crate::read_seated!(Self::read_of_server(conn, server_id).await)
    }

    async fn read_of_server(conn: &mut Conn, server_id: u64) -> Result<Vec<Self>> {
        let sql = sql!(
            "SELECT a.*, s.balance_bytes, s.threshold_armed, s.cause_quota, s.quota_at, s.letters, s.seated \
             FROM account a JOIN standing s ON s.service_id = a.service_id \
             WHERE a.server_id = ? AND a.state = 'made' ORDER BY a.service_id"
        );
        let rows = conn.rows(sql, params![server_id]).await?;
        let seats = rows.iter().map(|row| Ok((row.get("service_id")?, row.get("seated")?)));
        let seats = seats.collect::<Result<Vec<_>>>()?;
        let sheets = sheet::of_seated(conn, server_id, seats.iter().copied()).await?;
        let account = |(row, (id, seated)): (&Row, &(u64, bool))| {
            let balance = if *seated { sheets.seat(*id)?.balance } else { row.get("balance_bytes")? };
            Self::with_balance(row, balance)
        };
        rows.iter().zip(&seats).map(account).collect()
    }

    /// Those on a router that are collected at every cron run, by service id.
    pub async fn with_cron(conn: &mut Conn, server_id: u64) -> Result<Vec<u64>> {
        let sql = sql!(
            "SELECT service_id FROM account WHERE server_id = ? AND state = 'made' AND collect_with = 'cron' \
             ORDER BY service_id"
        );
        let found = conn.rows(sql, params![server_id]).await?;
        found.iter().map(|row| row.get("service_id")).collect()
    }

    /// What those on a router are called, by service id.
    pub async fn names(conn: &mut Conn, server_id: u64) -> Result<Vec<(u64, String)>> {
        let sql =
            sql!("SELECT service_id, username FROM account WHERE server_id = ? AND state = 'made' ORDER BY service_id");
        conn.read_all(sql, params![server_id], |cells| Ok((cells.take()?, cells.take()?))).await
    }

    /// Gives the living accounts of a plan its speed, each way that the product itself says nothing of.
    pub async fn take_plans_speed(conn: &mut Conn, plan_id: u64, speed: Speed) -> Result<()> {
        let sql = sql!(
            "UPDATE account SET down_kbps = COALESCE(own_down_kbps, ?), up_kbps = COALESCE(own_up_kbps, ?) \
             WHERE plan_id = ? AND state <> 'gone'"
        );
        conn.execute(sql, params![speed.down.0, speed.up.0, plan_id]).await.map(|_| ())
    }

    /// What comments of ours on that router begin with.
    pub async fn prefixes(conn: &mut Conn, server_id: u64) -> Result<HashSet<String>> {
        let sql = sql!("SELECT DISTINCT comment_prefix FROM account WHERE server_id = ?");
        conn.rows(sql, params![server_id]).await?.iter().map(|row| row.get("comment_prefix")).collect()
    }

    /// Every service that was ever known, with what its comments begin with.
    pub async fn marks(conn: &mut Conn) -> Result<HashSet<(u64, String)>> {
        let rows =
            conn.rows(sql!("SELECT service_id, comment_prefix FROM account ORDER BY service_id"), vec![]).await?;
        rows.iter().map(|row| Ok((row.get("service_id")?, row.get("comment_prefix")?))).collect()
    }

    /// Whether another living service of that router has the name.
    pub async fn name_in_use(conn: &mut Conn, server_id: u64, username: &str, but: u64) -> Result<bool> {
        let sql = sql!(
            "SELECT service_id FROM account WHERE server_id = ? AND username = ? AND service_id <> ? AND state <> 'gone' \
             ORDER BY service_id LIMIT 1"
        );
        Ok(conn.one(sql, params![server_id, username, but]).await?.is_some())
    }

    /// Forgets one that never came to be.
    pub async fn forget(conn: &mut Conn, service_id: u64) -> Result<()> {
        conn.execute(sql!("DELETE FROM standing WHERE service_id = ?"), params![service_id]).await?;
        let sql = sql!("DELETE FROM account WHERE service_id = ? AND made_at IS NULL");
        conn.execute(sql, params![service_id]).await.map(|_| ())
    }

    /// Remembers whether it was online.
    pub async fn saw_online(conn: &mut Conn, service_id: u64, online: bool, at: DateTime<Utc>) -> Result<()> {
        let sql = sql!("UPDATE account SET online = ?, online_at = ? WHERE service_id = ?");
        conn.execute(sql, params![online, at, service_id]).await.map(|_| ())
    }

    /// Writes what was sold and why it is off; the standing is written by [`Account::save_standing`].
    pub async fn save(&self, conn: &mut Conn, now: DateTime<Utc>) -> Result<()> {
        let sql = sql!(
            "INSERT INTO account (service_id, server_id, state, client_id, product_id, client_name, email, language, status, \
             billing_cycle, next_due_date, username, password_sealed, address, plan_id, profile, ppp_service, down_kbps, up_kbps, \
             packet_bytes, history_days, threshold_bytes, threshold_template, suspension_template, instruction_url, \
             support_pptp, support_l2tp, psk_sealed, collect_with, comment_prefix, cause_billing, cause_admin, billing_reason, \
             admin_reason, own_down_kbps, own_up_kbps, slowed_template, restored_template, online, online_at, created_at, made_at, \
             ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, \
             NULL, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET server_id = excluded.server_id, state = excluded.state, \
             client_id = excluded.client_id, product_id = excluded.product_id, client_name = excluded.client_name, \
             email = excluded.email, language = excluded.language, status = excluded.status, \
             billing_cycle = excluded.billing_cycle, next_due_date = excluded.next_due_date, username = excluded.username, \
             password_sealed = excluded.password_sealed, address = excluded.address, plan_id = excluded.plan_id, \
             profile = excluded.profile, ppp_service = excluded.ppp_service, down_kbps = excluded.down_kbps, \
             up_kbps = excluded.up_kbps, packet_bytes = excluded.packet_bytes, history_days = excluded.history_days, \
             threshold_bytes = excluded.threshold_bytes, threshold_template = excluded.threshold_template, \
             suspension_template = excluded.suspension_template, instruction_url = excluded.instruction_url, \
             support_pptp = excluded.support_pptp, support_l2tp = excluded.support_l2tp, psk_sealed = excluded.psk_sealed, \
             collect_with = excluded.collect_with, comment_prefix = excluded.comment_prefix, \
             cause_billing = excluded.cause_billing, cause_admin = excluded.cause_admin, \
             billing_reason = excluded.billing_reason, admin_reason = excluded.admin_reason, own_down_kbps = excluded.own_down_kbps, \
             own_up_kbps = excluded.own_up_kbps, slowed_template = excluded.slowed_template, \
             restored_template = excluded.restored_template, made_at = excluded.made_at, \
             ended_at = excluded.ended_at"
        );
        conn.execute(sql, self.columns(now)).await.map(|_| ())
    }

    fn columns(&self, now: DateTime<Utc>) -> Vec<Value> {
        let (sold, terms) = (&self.sold, &self.settings);
        params![
            self.service_id,
            self.server_id,
            self.state.as_str(),
            sold.client_id,
            sold.product_id,
            &sold.client_name,
            &sold.email,
            &sold.language,
            &sold.status,
            &sold.billing_cycle,
            sold.next_due_date,
            &self.username,
            self.password_sealed.clone(),
            self.address,
            terms.plan,
            &terms.profile,
            terms.ppp_service.as_str(),
            terms.speed.down.0,
            terms.speed.up.0,
            terms.packet.map(|bytes| bytes.0),
            terms.history_days,
            terms.threshold.map(|bytes| bytes.0),
            terms.threshold_template.clone(),
            terms.suspension_template.clone(),
            terms.instruction_url.clone(),
            terms.support_pptp,
            terms.support_l2tp,
            self.psk_sealed.clone(),
            terms.collect.as_str(),
            &terms.comment_prefix,
            self.causes.billing,
            self.causes.admin,
            &self.causes.billing_reason,
            &self.causes.admin_reason,
            terms.own_speed.down.map(|it| it.0),
            terms.own_speed.up.map(|it| it.0),
            terms.slowed_template.clone(),
            terms.restored_template.clone(),
            now,
            self.made_at,
            (self.state == State::Gone).then_some(now),
        ]
    }

    /// Writes the balance's verdict: the quota cause, the threshold's arming, the count of letters. The balance itself
    /// moves only with the ledger.
    pub async fn save_standing(&self, conn: &mut Conn, now: DateTime<Utc>) -> Result<()> {
        let sql = sql!(
            "INSERT INTO standing (service_id, balance_bytes, threshold_armed, cause_quota, quota_at, letters) \
             VALUES (?, 0, ?, ?, ?, ?) ON CONFLICT (service_id) DO UPDATE SET threshold_armed = excluded.threshold_armed, \
             cause_quota = excluded.cause_quota, quota_at = excluded.quota_at, letters = excluded.letters"
        );
        let since = self.causes.quota.then_some(self.causes.quota_at.unwrap_or(now));
        let quota = if self.causes.quota && self.told_of_plan { TOLD_OF_PLAN } else { self.causes.quota.into() };
        let values = params![self.service_id, self.threshold_armed, quota, since, self.letters];
        conn.execute(sql, values).await.map(|_| ())
    }

    fn from_row(row: &Row) -> Result<Self> {
        let balance = sheet::seat_of(row)?.map_or_else(|| row.get("balance_bytes"), |seat| Ok(seat.balance))?;
        Self::with_balance(row, balance)
    }

    fn with_balance(row: &Row, balance: i64) -> Result<Self> {
        let online: Option<bool> = row.get("online")?;
        let online_at: Option<DateTime<Utc>> = row.get("online_at")?;
        Ok(Self {
            service_id: row.get("service_id")?,
            server_id: row.get("server_id")?,
            state: State::parse(&row.get::<String>("state")?)?,
            sold: sold(row)?,
            username: row.get("username")?,
            password_sealed: row.get("password_sealed")?,
            psk_sealed: row.get("psk_sealed")?,
            address: row.get("address")?,
            settings: settings(row)?,
            causes: Causes {
                billing: row.get("cause_billing")?,
                quota: row.get("cause_quota")?,
                admin: row.get("cause_admin")?,
                billing_reason: row.get("billing_reason")?,
                admin_reason: row.get("admin_reason")?,
                quota_at: row.get("quota_at")?,
            },
            balance,
            threshold_armed: row.get("threshold_armed")?,
            told_of_plan: row.get::<u8>("cause_quota")? == TOLD_OF_PLAN,
            letters: row.get("letters")?,
            online: online.zip(online_at),
            made_at: row.get("made_at")?,
        })
    }
}

fn sold(row: &Row) -> Result<Sold> {
    Ok(Sold {
        client_id: row.get("client_id")?,
        product_id: row.get("product_id")?,
        client_name: row.get("client_name")?,
        email: row.get("email")?,
        language: row.get("language")?,
        status: row.get("status")?,
        billing_cycle: row.get("billing_cycle")?,
        next_due_date: row.get("next_due_date")?,
    })
}

fn settings(row: &Row) -> Result<Settings> {
    let strange = |what: &str| Error::Defect(format!("account.{what} holds a word that is not known"));
    Ok(Settings {
        plan: row.get("plan_id")?,
        profile: row.get("profile")?,
        ppp_service: PppService::parse(&row.get::<String>("ppp_service")?).map_err(|_why| strange("ppp_service"))?,
        speed: Speed { down: Kbps(row.get("down_kbps")?), up: Kbps(row.get("up_kbps")?) },
        own_speed: OwnSpeed {
            down: row.get::<Option<u32>>("own_down_kbps")?.map(Kbps),
            up: row.get::<Option<u32>>("own_up_kbps")?.map(Kbps),
        },
        packet: row.get::<Option<u64>>("packet_bytes")?.map(Bytes),
        history_days: row.get("history_days")?,
        threshold: row.get::<Option<u64>>("threshold_bytes")?.map(Bytes),
        threshold_template: row.get("threshold_template")?,
        suspension_template: row.get("suspension_template")?,
        slowed_template: row.get("slowed_template")?,
        restored_template: row.get("restored_template")?,
        instruction_url: row.get("instruction_url")?,
        support_pptp: row.get("support_pptp")?,
        support_l2tp: row.get("support_l2tp")?,
        l2tp_psk: SecretString::default(),
        collect: Collect::parse(&row.get::<String>("collect_with")?).map_err(|_why| strange("collect_with"))?,
        username_rule: UsernameRule::default(),
        password_rule: PasswordRule::default(),
        comment_prefix: row.get("comment_prefix")?,
    })
}
