//! A router as remembered: WHMCS's server record, its password sealed, and what was seen of it last.

pub mod lease;
pub mod marking;

use crate::{
    db::{Conn, Result, Row, Sql},
    params,
    seal::{Seal, SealError},
    sql,
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

/// What WHMCS says of a server in a hook's body.
#[derive(Clone, Debug)]
pub struct Told {
    /// WHMCS's id; 0 for one that is not saved yet.
    pub id: u64,
    /// WHMCS's name of it.
    pub name: String,
    /// What customers dial.
    pub hostname: String,
    /// Where the API is; may be empty, then the hostname is it.
    pub address: String,
    /// The API's port.
    pub port: u16,
    /// Whether the API speaks TLS.
    pub tls: bool,
    /// The API's user.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// The pinned certificate's SHA-256 in hex; empty: verified against roots.
    pub certificate_sha256: String,
    /// The addresses for customers, as written.
    pub addresses: Vec<String>,
}

impl Told {
    /// Where the API is dialled.
    pub fn host(&self) -> &str {
        if self.address.is_empty() { &self.hostname } else { &self.address }
    }
}

/// A router as remembered.
#[derive(Clone, Debug)]
pub struct Server {
    /// WHMCS's record. Its password is empty here: see [`Server::password`].
    pub told: Told,
    password_sealed: Vec<u8>,
    /// The last complete reading.
    pub seen_at: Option<DateTime<Utc>>,
    /// Its uptime then, seconds.
    pub uptime_seconds: Option<u64>,
    /// Counts the boots that we know of.
    pub boot_epoch: u64,
    /// Counts its readings that were booked.
    pub reading: u64,
    /// A run of resets that was decided with the last reading and has not ended.
    pub run: Option<Run>,
    /// The last collection.
    pub collected_at: Option<DateTime<Utc>>,
    /// When it was last not to be had, if that was after the last reading, and why.
    pub failed: Option<(DateTime<Utc>, String)>,
    /// Since when it has been tried in vain, and how often: the first failure after the last reading.
    pub failing: Option<(DateTime<Utc>, u64)>,
}

/// A run of resets: of every counter that the last reading found moved, but for what was decided otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it was decided.
    pub intended_at: DateTime<Utc>,
    /// Only of accounts that are collected at every cron run.
    pub with_cron_only: bool,
}

/// A reading, as its router's row remembers it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When it began.
    pub at: DateTime<Utc>,
    /// The router's uptime, seconds.
    pub uptime_seconds: u64,
    /// Whether the router was booted since the reading before it.
    pub booted: bool,
    /// The resets that were decided with it.
    pub run: Option<Run>,
}

fn context(id: u64) -> String {
    format!("server/{id}/password")
}

impl Server {
    /// Reads one.
    pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<Self>> {
        let sql = sql!("SELECT * FROM server WHERE id = ?");
        conn.one(sql, params![id]).await?.map(|row| Self::from_row(&row)).transpose()
    }

    /// Reads many, for [`Conn::of_many`]; see [`Server::from_rows`].
    pub const OF_MANY: Sql = sql!("SELECT * FROM server WHERE id IN (?)");

    /// What [`Server::OF_MANY`] brought.
    pub fn from_rows(rows: &[Row]) -> Result<Vec<Self>> {
        rows.iter().map(Self::from_row).collect()
    }

    /// Reads one, held against others until the transaction ends.
    pub async fn find_locked(conn: &mut Conn, id: u64) -> Result<Option<Self>> {
        let sql = sql!("SELECT * FROM server WHERE id = ? /*! FOR UPDATE */");
        conn.one(sql, params![id]).await?.map(|row| Self::from_row(&row)).transpose()
    }

    /// All, by id.
    pub async fn all(conn: &mut Conn) -> Result<Vec<Self>> {
        conn.rows(sql!("SELECT * FROM server ORDER BY id"), vec![]).await?.iter().map(Self::from_row).collect()
    }

    /// Those that have accounts, by id.
    pub async fn in_use(conn: &mut Conn) -> Result<Vec<Self>> {
        let sql = sql!(
            "SELECT * FROM server s WHERE EXISTS (SELECT 1 FROM account a WHERE a.server_id = s.id AND a.state = 'made') \
             ORDER BY id"
        );
        conn.rows(sql, vec![]).await?.iter().map(Self::from_row).collect()
    }

    /// The API's password.
    ///
    /// # Errors
    /// Where the master key is not the one it was sealed with.
    pub fn password(&self, seal: &Seal) -> std::result::Result<SecretString, SealError> {
        seal.open(&context(self.told.id), &self.password_sealed)
    }

    /// Whether what WHMCS says now is what is remembered.
    pub fn is_as_told(&self, told: &Told, seal: &Seal) -> bool {
        let mine = &self.told;
        let password = self.password(seal).is_ok_and(|it| it.expose_secret() == told.password.expose_secret());
        password
            && (&mine.name, &mine.hostname, &mine.address) == (&told.name, &told.hostname, &told.address)
            && (mine.port, mine.tls, &mine.username) == (told.port, told.tls, &told.username)
            && (&mine.certificate_sha256, &mine.addresses) == (&told.certificate_sha256, &told.addresses)
    }

    /// Remembers what WHMCS said.
    pub async fn remember(conn: &mut Conn, told: &Told, seal: &Seal, now: DateTime<Utc>) -> Result<()> {
        let sql = sql!(
            "INSERT INTO server (id, name, hostname, address, port, tls, username, password_sealed, certificate_sha256, \
             addresses, told_at, boot_epoch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET \
             name = excluded.name, hostname = excluded.hostname, address = excluded.address, port = excluded.port, \
             tls = excluded.tls, username = excluded.username, password_sealed = excluded.password_sealed, \
             certificate_sha256 = excluded.certificate_sha256, addresses = excluded.addresses, told_at = excluded.told_at"
        );
        let values = params![
            told.id,
            &told.name,
            &told.hostname,
            &told.address,
            u32::from(told.port),
            told.tls,
            &told.username,
            seal.seal(&context(told.id), &told.password),
            &told.certificate_sha256,
            told.addresses.join("\n"),
            now,
        ];
        conn.execute(sql, values).await.map(|_| ())
    }

    /// A complete reading was had, and is booked in this transaction.
    pub async fn seen(&self, conn: &mut Conn, seen: Seen) -> Result<()> {
        let sql = sql!(
            "UPDATE server SET seen_at = ?, uptime_seconds = ?, boot_epoch = ?, reading = ?, reset_intended_at = ?, \
             reset_cron = ?, failed_at = NULL, failure = NULL, failing_since = NULL, failures = 0 WHERE id = ?"
        );
        let (boots, reading) = (self.boot_epoch + u64::from(seen.booted), self.reading + 1);
        let mut values = params![seen.at, seen.uptime_seconds, boots, reading];
        let with_cron_only = seen.run.is_some_and(|run| run.with_cron_only);
        values.extend(params![seen.run.map(|run| run.intended_at), with_cron_only, self.told.id]);
        conn.execute(sql, values).await.map(|_| ())
    }

    /// The run of resets has ended, and what is not known of it is written down. `all`: every counter that a reading wrote
    /// stands at zero.
    pub async fn run_ended(&self, conn: &mut Conn, all: bool) -> Result<()> {
        let sql = sql!("UPDATE server SET reset_intended_at = NULL, zeroed = COALESCE(?, zeroed) WHERE id = ?");
        conn.execute(sql, params![all.then_some(self.reading), self.told.id]).await.map(|_| ())
    }

    /// A collection was made.
    pub async fn collected(conn: &mut Conn, id: u64, now: DateTime<Utc>) -> Result<()> {
        let sql = sql!("UPDATE server SET collected_at = ? WHERE id = ?");
        conn.execute(sql, params![now, id]).await.map(|_| ())
    }

    /// It was not to be had.
    pub async fn failed(conn: &mut Conn, id: u64, why: &str, now: DateTime<Utc>) -> Result<()> {
        let short: String = why.chars().take(500).collect();
        let sql = sql!(
            "UPDATE server SET failed_at = ?, failure = ?, failing_since = COALESCE(failing_since, ?), \
             failures = failures + 1 WHERE id = ?"
        );
        conn.execute(sql, params![now, short, now, id]).await.map(|_| ())
    }

    /// Routers with accounts whose queues were not compared with their sessions since `before`.
    pub async fn unwatched(conn: &mut Conn, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<u64>> {
        let sql = sql!(
            "SELECT id FROM server s WHERE (COALESCE(watched_at, told_at) <= ? OR watched_at > ?) AND EXISTS \
             (SELECT 1 FROM account a WHERE a.server_id = s.id AND a.state = 'made') ORDER BY id"
        );
        conn.rows(sql, params![before, now]).await?.iter().map(|row| row.get("id")).collect()
    }

    /// Takes the comparison upon itself; false where another process has done so.
    pub async fn watch(conn: &mut Conn, id: u64, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool> {
        let sql = sql!(
            "UPDATE server SET watched_at = ? WHERE id = ? AND (COALESCE(watched_at, told_at) <= ? OR watched_at > ?)"
        );
        Ok(conn.execute(sql, params![now, id, before, now]).await? == 1)
    }

    fn from_row(row: &Row) -> Result<Self> {
        let addresses: String = row.get("addresses")?;
        let failed_at: Option<DateTime<Utc>> = row.get("failed_at")?;
        let failure: Option<String> = row.get("failure")?;
        let failing_since: Option<DateTime<Utc>> = row.get("failing_since")?;
        Ok(Self {
            told: Told {
                id: row.get("id")?,
                name: row.get("name")?,
                hostname: row.get("hostname")?,
                address: row.get("address")?,
                port: row.get("port")?,
                tls: row.get("tls")?,
                username: row.get("username")?,
                password: SecretString::default(),
                certificate_sha256: row.get("certificate_sha256")?,
                addresses: addresses.lines().map(str::to_owned).collect(),
            },
            password_sealed: row.get("password_sealed")?,
            seen_at: row.get("seen_at")?,
            uptime_seconds: row.get("uptime_seconds")?,
            boot_epoch: row.get("boot_epoch")?,
            reading: row.get("reading")?,
            run: row
                .get::<Option<DateTime<Utc>>>("reset_intended_at")?
                .map(|intended_at| Ok(Run { intended_at, with_cron_only: row.get("reset_cron")? }))
                .transpose()?,
            collected_at: row.get("collected_at")?,
            failed: failed_at.zip(failure),
            failing: failing_since.zip(row.get("failures")?),
        })
    }
}
