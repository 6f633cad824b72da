//! Everything that a verb may need, made once and cloned cheaply: for requests, jobs, the command line and tests alike.

use crate::{
    clock::{self, Chance, Clock},
    config::{self, Config},
    db::{self, Address, Db, migrate},
    mail::{Letters, MailSettings, Mailer, SmtpSettings, Tls, Transport},
    meters::Meters,
    page::Pages,
    params,
    problem::{Code, Problem},
    router::{
        Server, Told,
        lease::{Holder, Returning},
    },
    routeros::{Fingerprint, Limits, Login, NotAFingerprint, Refusers, Router, Routers, Shared},
    seal::Seal,
    sql,
};
use chrono::NaiveDate;
use secrecy::SecretString;
use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Polls that write at once. More would not be faster: SQLite writes one transaction at a time.
const BOOKINGS: usize = 4;

/// The service's parts. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] holds.
pub struct Parts {
    /// The settings in force.
    pub config: Config,
    /// The books.
    pub db: Db,
    /// What time it is.
    pub clock: Clock,
    /// Whether it was set.
    pub clock_watch: clock::Watch,
    /// The dice.
    pub chance: Chance,
    /// Secrets at rest.
    pub seal: Seal,
    /// Routers as spoken to.
    pub routers: Routers,
    /// Addresses that routers have for themselves, or for several at once.
    pub shared: Shared,
    /// Queues whose limits their routers refuse.
    pub refusers: Refusers,
    /// Clients' pages that wait for the books.
    pub pages: Pages,
    /// Letters as templates.
    pub letters: Letters,
    /// How letters leave.
    pub mailer: Mailer,
    /// What is counted.
    pub meters: Meters,
    /// Who waits for whom.
    pub locks: Locks,
    /// This installation: all processes on one database.
    pub installation: Uuid,
    /// This process, as it takes leases.
    pub holder: Holder,
    /// Which polls may write: a few at a time, so that a hook's write never waits behind those of hundreds of routers.
    pub bookings: Semaphore,
    /// Rung when a letter was queued, so that it need not wait for the next tick.
    pub letters_queued: Notify,
    /// Told when the service is to stop: nothing more is begun by itself, and it is not ready for what is sent to it.
    pub stopping: CancellationToken,
    /// The runtime that work runs on: a request's worker may go, its work goes on.
    pub runtime: Handle,
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("owner", &self.holder.owner).finish_non_exhaustive()
    }
}

/// Why the service cannot start: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl App {
    /// Opens the database (and brings its schema up to date unless that is turned off), reads the templates, makes ready to
    /// speak to routers and to the mail server. Nothing outside is called yet.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub async fn build(config: Config, clock: Clock, chance: Chance, runtime: Handle) -> Result<Self, StartError> {
        let db = open_database(&config).await?;
        if config.database.migrate {
            bring_up_to_date(&db, &clock).await?;
        } else {
            require(&db, MIGRATE_IS_OFF).await?;
        }
        Self::on(db, config, clock, chance, runtime).await
    }

    /// The same for a command: the service that runs beside it may be the one before an upgrade, so an older schema is left to
    /// it. Where there is none at all, none runs, and it is made.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub async fn beside(config: Config, clock: Clock, chance: Chance, runtime: Handle) -> Result<Self, StartError> {
        let db = open_database(&config).await?;
        if !config.database.migrate {
            require(&db, MIGRATE_IS_OFF).await?;
        } else if migrate::is_new(&db).await.map_err(|error| unusable(&error))? {
            bring_up_to_date(&db, &clock).await?;
        } else {
            require(&db, LEFT_AS_IT_IS).await?;
        }
        Self::on(db, config, clock, chance, runtime).await
    }

    async fn on(db: Db, config: Config, clock: Clock, chance: Chance, runtime: Handle) -> Result<Self, StartError> {
        let seal = seal(&config, &chance)?;
        check_seal(&db, &seal).await?;
        let installation = installation_id(&db, &chance).await?;
        let letters = Letters::load(config.mail.templates.as_deref()).map_err(|error| StartError(error.to_string()))?;
        let mailer =
            Mailer::new(mail_settings(&config, installation)).map_err(|error| StartError(error.to_string()))?;
        let routers = Routers::new(limits(&config), runtime.clone());
        let pages = Pages::new(&db, &runtime);
        let owner = hex::encode(chance.bytes::<8>());
        let returning = Returning::on(runtime.clone());
        let holder = Holder { owner, clock: clock.clone(), term: config.collect.lease, returning };
        let locks = Locks::default();
        let letters_queued = Notify::new();
        let clock_watch = clock::Watch::new(clock.clone());
        Ok(Self(Arc::new(Parts {
            config,
            db,
            clock,
            clock_watch,
            chance,
            seal,
            routers,
            shared: Shared::default(),
            refusers: Refusers::default(),
            pages,
            letters,
            mailer,
            meters: Meters::default(),
            locks,
            installation,
            bookings: Semaphore::new(BOOKINGS),
            holder,
            letters_queued,
            stopping: CancellationToken::new(),
            runtime,
        })))
    }

    /// Today in the installation's zone.
    pub fn today(&self) -> NaiveDate {
        crate::usage::days::local_day(self.clock.now(), self.config.zone)
    }

    /// The router, to be spoken to. The same connection for everybody.
    ///
    /// # Errors
    /// Where its password cannot be opened with the master key.
    pub fn router(&self, server: &Server) -> Result<Router, Problem> {
        let password = server.password(&self.seal)?;
        Ok(self.routers.get(server.told.id, login_with(&server.told, password)?))
    }

    /// Closes connections; what is in hand ends first.
    pub async fn close(&self) {
        self.routers.close().await;
        self.holder.returning.done().await;
        self.db.close().await;
    }
}

/// The pinned fingerprint; empty is none.
///
/// # Errors
/// `setting-invalid` where the text cannot be one.
pub fn fingerprint(text: &str) -> Result<Option<Fingerprint>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |why: NotAFingerprint| Problem::field("server.certificate_sha256", why.to_string());
    text.parse().map(Some).map_err(wrong)
}

/// How a router that WHMCS told of is logged in to.
///
/// # Errors
/// `setting-invalid` where the pinned fingerprint cannot be one.
pub fn login(told: &Told) -> Result<Login, Problem> {
    login_with(told, told.password.clone())
}

fn login_with(told: &Told, password: SecretString) -> Result<Login, Problem> {
    let fingerprint = fingerprint(&told.certificate_sha256)?;
    Ok(Login {
        name: if told.name.is_empty() { told.host().to_owned() } else { told.name.clone() },
        host: told.host().to_owned(),
        port: told.port,
        tls: told.tls,
        fingerprint,
        certified_as: Some(told.hostname.clone()).filter(|name| !name.is_empty()),
        username: told.username.clone(),
        password,
    })
}

async fn open_database(config: &Config) -> Result<Db, StartError> {
    let address = Address::parse(&config.database.url, std::path::Path::new(".")).map_err(StartError)?;
    Db::open(&address).await.map_err(|error| unusable(&error))
}

fn unusable(error: &db::Error) -> StartError {
    StartError(format!("The database cannot be used: {error}. See database.url."))
}

async fn bring_up_to_date(db: &Db, clock: &Clock) -> Result<(), StartError> {
    let applied = migrate::run(db, clock).await.map_err(|error| unusable(&error))?;
    if applied.steps > 0 {
        tracing::info!(steps = applied.steps, of = applied.of, "schema brought up to date");
    }
    Ok(())
}

const MIGRATE_IS_OFF: &str =
    "The database's schema is not up to date and database.migrate is off: run `turnpike migrate`.";
const LEFT_AS_IT_IS: &str = "The database's schema is older than this program, and was left as it is: restart `turnpike \
                             serve`, which brings it up to date, or run `turnpike migrate` while none runs.";

/// A schema that is up to date, or that sentence.
async fn require(db: &Db, otherwise: &str) -> Result<(), StartError> {
    if migrate::pending(db).await.map_err(|error| unusable(&error))? == 0 {
        Ok(())
    } else {
        Err(StartError(otherwise.to_owned()))
    }
}

const FACT: &str = "seal-check";

fn seal(config: &Config, chance: &Chance) -> Result<Seal, StartError> {
    let keys = &config.seal;
    Seal::new(&keys.master_key, &keys.older_keys, chance.clone()).map_err(|error| StartError(error.to_string()))
}

/// A wrong master key is found at start, not at the first router: one known text stays sealed in the database.
async fn check_seal(db: &Db, seal: &Seal) -> Result<(), StartError> {
    if !opens(db, seal).await? {
        let sealed = hex::encode(seal.seal(FACT, &"turnpike".into()));
        put_fact(db, FACT, &sealed)
            .await
            .map_err(|error| StartError(format!("The database cannot be used: {error}.")))?;
    }
    Ok(())
}

/// Opens the known text; false where none was sealed yet.
async fn opens(db: &Db, seal: &Seal) -> Result<bool, StartError> {
    let wrong = |error: db::Error| StartError(format!("The database cannot be used: {error}."));
    let get = sql!("SELECT value FROM installation WHERE name = ?");
    let row = db.read().await.map_err(wrong)?.one(get, params![FACT]).await.map_err(wrong)?;
    let Some(row) = row else { return Ok(false) };
    let sealed = hex::decode(row.get::<String>("value").map_err(wrong)?).unwrap_or_default();
    match seal.open(FACT, &sealed) {
        Ok(_) => Ok(true),
        Err(_) => Err(StartError(
            "seal.master_key is not the key that this database was sealed with: \
             put the right one back, or the old one into seal.older_keys."
                .to_owned(),
        )),
    }
}

/// Whether the settings' master key is one, and opens the database if there is one with a schema: for `turnpike check`, so
/// without the rest of the service. Writes nothing.
///
/// # Errors
/// One sentence that says what to do.
pub async fn master_key(config: &Config, db: Option<&Db>) -> Result<(), StartError> {
    let seal = seal(config, &Chance::System)?;
    if let Some(db) = db {
        opens(db, &seal).await?;
    }
    Ok(())
}

async fn installation_id(db: &Db, chance: &Chance) -> Result<Uuid, StartError> {
    let wrong = |error: db::Error| StartError(format!("The database cannot be used: {error}."));
    let made = uuid::Builder::from_random_bytes(chance.bytes()).into_uuid();
    put_fact(db, "id", &made.to_string()).await.map_err(wrong)?;
    let mut conn = db.read().await.map_err(wrong)?;
    let get = sql!("SELECT value FROM installation WHERE name = ?");
    let row = conn.one(get, params!["id"]).await.map_err(wrong)?;
    let text: String = row.map_or(Ok(String::new()), |row| row.get("value")).map_err(wrong)?;
    text.parse().map_err(|_error: uuid::Error| StartError("The database's installation id is not a UUID.".to_owned()))
}

/// Writes a fact about the installation unless it is there; two processes may start at once.
async fn put_fact(db: &Db, name: &str, value: &str) -> db::Result<bool> {
    let put = sql!("INSERT INTO installation (name, value) VALUES (?, ?)");
    crate::in_tx!(db, tx => tx.insert_once(put, params![name, value]).await)
}

fn limits(config: &Config) -> Limits {
    let router = &config.router;
    Limits {
        connect: router.connect,
        login: router.login,
        write: router.write,
        print: router.print,
        print_idle: router.idle,
        longest_pause: router.longest_pause,
        extra_roots: router.ca_file.clone(),
    }
}

/// How letters leave, without the rest of the service: for `turnpike check`.
///
/// # Errors
/// One sentence about the setting at fault.
pub fn mailer(config: &Config) -> Result<Mailer, StartError> {
    Mailer::new(mail_settings(config, Uuid::nil())).map_err(|error| StartError(error.to_string()))
}

fn mail_settings(config: &Config, installation: Uuid) -> MailSettings {
    let smtp = || {
        let it = &config.mail.smtp;
        let (username, password) = it.login.clone().unwrap_or_default();
        SmtpSettings {
            host: it.host.clone(),
            port: it.port,
            tls: match it.tls {
                config::SmtpTls::None => Tls::None,
                config::SmtpTls::Starttls => Tls::StartTls,
                config::SmtpTls::Implicit => Tls::Implicit,
            },
            username,
            password,
            extra_roots: None,
            timeout: std::time::Duration::from_secs(10),
        }
    };
    let transport = match config.mail.transport {
        config::Transport::Smtp => Transport::Smtp(smtp()),
        config::Transport::Whmcs => Transport::Whmcs,
        config::Transport::File => Transport::File { folder: config.mail.folder.clone() },
        config::Transport::Off => Transport::Off,
    };
    MailSettings { transport, from: config.mail.from.clone(), installation }
}

/// Locks by id, within this process: hooks of one service take turns, and so do readings of one router. Between processes
/// both have leases in the database (`work/turn.rs`, `work/collect.rs`), and the books have their rows' locks.
#[derive(Debug, Default)]
pub struct Locks {
    services: Keyed,
    servers: Keyed,
    markings: Keyed,
}

type Keyed = Mutex<HashMap<u64, Weak<tokio::sync::Mutex<()>>>>;

/// A lock in hand.
pub type Guard = tokio::sync::OwnedMutexGuard<()>;

impl Locks {
    /// Waits for its turn with a service, until the deadline.
    ///
    /// # Errors
    /// `busy`.
    pub async fn service(&self, id: u64, until: tokio::time::Instant) -> Result<Guard, Problem> {
        let busy = || format!("Service {id} is still being worked on by an earlier request; try again in a minute.");
        take(&self.services, id, until).await.ok_or_else(|| Problem::new(Code::Busy, busy()))
    }

    /// Waits for its turn with a router's counters, until the deadline.
    ///
    /// # Errors
    /// `busy`.
    pub async fn server(&self, id: u64, until: tokio::time::Instant) -> Result<Guard, Problem> {
        let busy = || format!("The counters of server {id} are being read already; try again in a minute.");
        take(&self.servers, id, until).await.ok_or_else(|| Problem::new(Code::Busy, busy()))
    }

    /// Waits for its turn with a router's firewall lists, until the deadline.
    pub async fn marking(&self, server_id: u64, until: tokio::time::Instant) -> Option<Guard> {
        take(&self.markings, server_id, until).await
    }
}

async fn take(keyed: &Keyed, id: u64, until: tokio::time::Instant) -> Option<Guard> {
    let lock = {
        let mut map = keyed.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = map.get(&id).and_then(Weak::upgrade).unwrap_or_default();
        map.retain(|_, held| held.strong_count() > 0);
        map.insert(id, Arc::downgrade(&lock));
        lock
    };
    tokio::time::timeout_at(until, lock.lock_owned()).await.ok()
}
