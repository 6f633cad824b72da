//! What the books say for clients' pages, read for all who ask at the same time by one look into them.
//!
//! Laws: a page is made of what the books said at a time after it was asked for, whoever wrote it, this process or another
//! one. What was read before is used again only where the database itself says that nothing was written since (SQLite; see
//! [`db::Stamp`]), which is asked where the page is asked for: then nobody waits. A picture is used again only for the very
//! figures that it was drawn from. What is kept has a bound. What a page saw of its router is written down together with what
//! others saw.

mod kept;

pub use kept::{Drawn, DrawnFor};

use crate::{
    account::{
        Account,
        fair_use::{self, FairUse},
    },
    catalogue::{
        plans::{self, Stored},
        rules,
    },
    db::{self, Db},
    gather::{Bounds, Found, Gather},
    netflow::Record,
    plan::rules::Rule,
    router::Server,
    usage::{
        counters,
        history::{self, Moved},
    },
};
use chrono::{DateTime, NaiveDate, Utc};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::runtime::Handle;

use kept::Kept;

/// Pages in one reading of the books, at most.
const TOGETHER: usize = 64;
/// Sightings in one transaction.
const WRITTEN: Bounds = Bounds { most: 100, lanes: 1 };

/// What the books say of one service.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The account, if it was ever known.
    pub account: Option<Account>,
    /// Its router, as remembered.
    pub server: Option<Arc<Server>>,
    /// All days that are kept, oldest first.
    pub days: Vec<(NaiveDate, Moved)>,
    /// All months, oldest first.
    pub months: Vec<(String, Moved)>,
    /// The NetFlow record.
    pub netflow: Option<Record>,
    /// Where it is on a plan: what is sold, and what it has used.
    pub plan: Option<OnPlan>,
}

/// What a plan's verdict is made of.
#[derive(Clone, Debug)]
pub struct OnPlan {
    /// The plan, if there is one of that number.
    pub stored: Option<Stored>,
    /// Every bandwidth rule.
    pub rules: Arc<Vec<Rule>>,
    /// What was used.
    pub used: Option<FairUse>,
    /// When the account's counter was read last.
    pub booked_at: Option<DateTime<Utc>>,
}

/// Whether a service was seen online, and when.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// Whose.
    pub service_id: u64,
    /// Whether it had a session.
    pub online: bool,
    /// When.
    pub at: DateTime<Utc>,
}

/// Those who wait for pages, and for what they saw to be written down.
#[derive(Debug)]
pub struct Pages {
    reading: Gather<u64, db::Result<Read>>,
    writing: Gather<Sighting, db::Result<()>>,
    kept: Arc<Kept>,
}

/// A page as it was read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// What the books say.
    pub page: Arc<Page>,
    /// Its history as it was drawn last from these very figures.
    pub drawn: Arc<Drawn>,
}

impl Pages {
    /// Nobody waits. The work is done on that runtime, which must outlive every caller's own.
    pub fn new(db: &Db, runtime: &Handle) -> Self {
        // A file's readers wait for nobody. Over a network there is a second reading, so that one that is held up does not
        // hold up all.
        let lanes = if db.knows_changes() { 1 } else { 2 };
        Self {
            reading: Gather::new(Bounds { most: TOGETHER, lanes }, runtime.clone()),
            writing: Gather::new(WRITTEN, runtime.clone()),
            kept: Arc::default(),
        }
    }

    /// What the books say of a service now.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(&self, db: &Db, service_id: u64) -> db::Result<Read> {
        if let Some(read) = self.kept.get(service_id, db.stamp()) {
            return Ok(read);
        }
        let (db, kept) = (db.clone(), Arc::clone(&self.kept));
        let read = self.reading.ask(service_id, move |ids| read(db.clone(), Arc::clone(&kept), ids));
        read.await.unwrap_or_else(|_broken| Err(broken()))
    }

    /// Writes down that a service was or was not online; the caller may give up waiting.
    ///
    /// # Errors
    /// The database's.
    pub async fn remember(&self, db: &Db, sighting: Sighting) -> db::Result<()> {
        let db = db.clone();
        self.writing.ask(sighting, move |all| write(db.clone(), all)).await.unwrap_or_else(|_broken| Err(broken()))
    }
}

fn broken() -> db::Error {
    db::Error::Defect("what several pages waited for together broke off".to_owned())
}

async fn read(db: Db, kept: Arc<Kept>, ids: Vec<u64>) -> Found<db::Result<Read>> {
    let answers = match read_or_kept(&db, &kept, &ids).await {
        Ok(pages) => ids.iter().map(|id| Ok(pages.get(id).cloned().unwrap_or_default())).collect(),
        // One of them has figures that cannot be read: it is the one who is told so.
        Err(db::Error::Defect(_) | db::Error::Retry(_)) if ids.len() > 1 => one_by_one(&db, &kept, &ids).await,
        Err(error) => ids.iter().map(|_| Err(error.clone())).collect(),
    };
    Found { answers, rest: Duration::ZERO }
}

async fn one_by_one(db: &Db, kept: &Kept, ids: &[u64]) -> Vec<db::Result<Read>> {
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        let read = read_or_kept(db, kept, &[*id]).await;
        answers.push(read.map(|mut pages| pages.remove(id).unwrap_or_default()));
    }
    answers
}

async fn read_or_kept(db: &Db, kept: &Kept, ids: &[u64]) -> db::Result<HashMap<u64, Read>> {
    // Taken before anything is read: what is read then may be newer than the stamp says, and never older.
    let stamp = db.stamp();
    let mut pages = HashMap::with_capacity(ids.len());
    let mut missing = BTreeSet::new();
    for id in ids {
        match kept.get(*id, stamp) {
            Some(read) => _ = pages.insert(*id, read),
            None => _ = missing.insert(*id),
        }
    }
    if !missing.is_empty() {
        let mut conn = db.read().await?;
        let read = read_all(&mut conn, missing.into_iter().collect()).await?;
        pages.extend(read.into_iter().map(|(id, page)| (id, kept.put(id, stamp, page))));
    }
    Ok(pages)
}

async fn read_all(conn: &mut db::Conn, ids: Vec<u64>) -> db::Result<HashMap<u64, Page>> {
    let asked =
        [Account::OF_MANY, history::DAYS_OF_MANY, history::MONTHS_OF_MANY, history::OPEN_OF_MANY, Record::OF_MANY];
    let found = conn.of_many(asked.map(|sql| (sql, ids.clone())).into()).await?;
    let [accounts, days, months, open, records] = &found[..] else { return Err(broken()) };
    let (mut days, mut months) = (history::days_of(days, open)?, history::months_of(months, open)?);
    let mut pages: HashMap<u64, Page> = ids.iter().map(|id| (*id, Page::default())).collect();
    for record in Record::from_rows(records)? {
        let id = record.service_id;
        pages.entry(id).or_default().netflow = Some(record);
    }
    let accounts = Account::from_rows(accounts)?;
    let servers = servers(conn, &accounts).await?;
    let mut plans = plans(conn, &accounts).await?;
    for account in accounts {
        let id = account.service_id;
        let page = pages.entry(id).or_default();
        (page.days, page.months) = (days.remove(&id).unwrap_or_default(), months.remove(&id).unwrap_or_default());
        page.server = servers.get(&account.server_id).map(Arc::clone);
        page.plan = plans.remove(&id);
        page.account = Some(account);
    }
    Ok(pages)
}

/// Their routers, each once.
async fn servers(conn: &mut db::Conn, accounts: &[Account]) -> db::Result<HashMap<u64, Arc<Server>>> {
    let ids: BTreeSet<u64> = accounts.iter().map(|account| account.server_id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = conn.of_many(vec![(Server::OF_MANY, ids.into_iter().collect())]).await?.concat();
    Ok(Server::from_rows(&rows)?.into_iter().map(|server| (server.told.id, Arc::new(server))).collect())
}

/// What is needed of plans for those who are on one.
async fn plans(conn: &mut db::Conn, accounts: &[Account]) -> db::Result<HashMap<u64, OnPlan>> {
    let on: Vec<(u64, u64)> = accounts.iter().filter_map(|it| Some((it.service_id, it.settings.plan?))).collect();
    if on.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<u64> = on.iter().map(|(service_id, _)| *service_id).collect();
    let sold: BTreeSet<u64> = on.iter().map(|(_, plan)| *plan).collect();
    let asked = vec![(fair_use::OF_MANY, ids.clone()), (plans::OF_MANY, sold.into_iter().collect())];
    let found = conn.of_many(asked).await?;
    let [used, sold] = &found[..] else { return Err(broken()) };
    let mut booked = HashMap::new();
    for id in ids {
        booked.insert(id, counters::booked_at(conn, id).await?);
    }
    let rules = Arc::new(rules::all(conn).await?);
    let mut used: HashMap<u64, FairUse> =
        fair_use::from_rows(used)?.into_iter().map(|it| (it.service_id, it)).collect();
    let sold: HashMap<u64, Stored> = plans::from_rows(sold)?.into_iter().map(|it| (it.id, it)).collect();
    let of = |(service_id, plan): (u64, u64)| {
        let (stored, rules) = (sold.get(&plan).cloned(), Arc::clone(&rules));
        let (used, booked_at) = (used.remove(&service_id), booked.get(&service_id).copied().flatten());
        (service_id, OnPlan { stored, rules, used, booked_at })
    };
    Ok(on.into_iter().map(of).collect())
}

async fn write(db: Db, mut all: Vec<Sighting>) -> Found<db::Result<()>> {
    let count = all.len();
    // Always in one order, so that two transactions never wait for each other.
    all.sort_by_key(|sighting| sighting.service_id);
    let written = write_all(&db, &all).await;
    Found { answers: vec![written; count], rest: Duration::ZERO }
}

async fn write_all(db: &Db, all: &[Sighting]) -> db::Result<()> {
    let mut tx = db.begin().await?;
    for Sighting { service_id, online, at } in all {
        Account::saw_online(&mut tx, *service_id, *online, *at).await?;
    }
    tx.commit().await
}
