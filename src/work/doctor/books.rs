//! What the books say of a router, for the examination.

use crate::{
    account::{Account, addresses::AddressSpace, allotment},
    app::App,
    db::{Conn, Result},
    params,
    problem::Problem,
    router::Server,
    seal::Seal,
    sql,
    usage::{
        counters,
        doubts::{self, Doubt, Kind},
    },
};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

/// Changes that were tried this often without success are told of.
const TRIES: u32 = 3;

/// Router changes of a service that keep failing.
pub(super) struct Failing {
    /// Whose.
    pub service_id: u64,
    /// How often it was tried.
    pub tries: u32,
    /// What was in the way last.
    pub failure: String,
}

/// What is known of a router without asking it.
pub(super) struct Books {
    /// The router as remembered.
    pub server: Server,
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// The pre-shared keys that products show for it, each once.
    pub psks: Vec<SecretString>,
    /// What no key that is configured opens, each with whose it is.
    pub sealed: Vec<String>,
    /// The addresses that it may give; None where they cannot be read.
    pub space: Option<AddressSpace>,
    /// How many of them are taken.
    pub taken: usize,
    /// Changes that keep failing.
    pub failing: Vec<Failing>,
    /// Deltas that wait for a person.
    pub quarantined: u64,
    /// Accounts whose queue was not there at the last reading, and since when the first of them.
    pub missing: (u64, Option<DateTime<Utc>>),
    /// Accounts whose queue did not count at the last look, by user name, and since when the first of them.
    pub frozen: (Vec<String>, Option<DateTime<Utc>>),
    /// What is in doubt about this router's time.
    pub clock: Option<Doubt>,
    /// When its first account was made.
    pub first_made_at: Option<DateTime<Utc>>,
}

impl Books {
    pub(super) async fn read(app: &App, server: Server) -> std::result::Result<Self, Problem> {
        let mut conn = app.db.read().await?;
        let id = server.told.id;
        let accounts = Account::of_server(&mut conn, id).await?;
        let (psks, sealed) = open(&accounts, &app.seal);
        let space = AddressSpace::parse(&server.told.addresses).ok();
        // Nobody is service 0: all of them.
        let taken = allotment::taken(&mut conn, id, 0).await?;
        let taken = taken.iter().filter(|it| space.as_ref().is_some_and(|space| space.contains(**it))).count();
        Ok(Self {
            failing: failing(&mut conn, id).await?,
            quarantined: quarantined(&mut conn, id).await?,
            missing: counters::missing_of(&mut conn, id).await?,
            frozen: frozen(&mut conn, id, &accounts).await?,
            clock: doubts::of_kind(&mut conn, Kind::Clock).await?.into_iter().find(|it| it.server_id == id),
            first_made_at: accounts.iter().filter_map(|it| it.made_at).min(),
            server,
            accounts,
            psks,
            sealed,
            space,
            taken,
        })
    }
}

/// Opens what an account needs: the pre-shared keys, each once, and what cannot be opened, in words.
fn open(accounts: &[Account], seal: &Seal) -> (Vec<SecretString>, Vec<String>) {
    let (mut psks, mut sealed) = (Vec::<SecretString>::new(), Vec::new());
    for account in accounts {
        let mut closed =
            |what: &str| sealed.push(format!("the {what} of {} (service {})", account.username, account.service_id));
        if account.password(seal).is_err() {
            closed("password");
        }
        // Nobody is shown the key of one that does not offer L2TP.
        match account.settings.support_l2tp.then(|| account.psk(seal)) {
            Some(Err(_)) => closed("pre-shared key"),
            Some(Ok(psk)) if !psks.iter().any(|it| it.expose_secret() == psk.expose_secret()) => psks.push(psk),
            Some(Ok(_)) | None => {}
        }
    }
    (psks, sealed)
}

async fn failing(conn: &mut Conn, server_id: u64) -> Result<Vec<Failing>> {
    let sql = sql!(
        "SELECT service_id, tries, failure FROM pending WHERE server_id = ? AND tries >= ? ORDER BY tries DESC, id LIMIT 20"
    );
    let rows = conn.rows(sql, params![server_id, TRIES]).await?;
    let read = |row: &crate::db::Row| {
        let failure: Option<String> = row.get("failure")?;
        Ok(Failing {
            service_id: row.get("service_id")?,
            tries: row.get("tries")?,
            failure: failure.unwrap_or_default(),
        })
    };
    rows.iter().map(read).collect()
}

async fn frozen(conn: &mut Conn, server_id: u64, accounts: &[Account]) -> Result<(Vec<String>, Option<DateTime<Utc>>)> {
    let found = doubts::of_kind(conn, Kind::Frozen).await?;
    let here: Vec<&Doubt> = found.iter().filter(|it| it.server_id == server_id).collect();
    let name = |it: &&Doubt| accounts.iter().find(|account| account.service_id == it.service_id);
    Ok((here.iter().filter_map(name).map(|it| it.username.clone()).collect(), here.first().map(|it| it.since)))
}

async fn quarantined(conn: &mut Conn, server_id: u64) -> Result<u64> {
    let sql = sql!("SELECT COUNT(*) AS n FROM quarantine WHERE server_id = ? AND state = 'waiting'");
    conn.one(sql, params![server_id]).await?.map_or(Ok(0), |row| row.get("n"))
}
