//! Brings the schema up to date: `sql/NNNN_*.sql`, one text for both databases.
//!
//! Progress is recorded per statement, because MySQL commits each DDL statement at once: a run that was killed goes on
//! where it stopped. Two processes that start together take turns by a row, also through two nodes of a cluster. A released file is never changed: its
//! checksum is compared, and a schema newer than the program is refused.

use super::{Conn, Db, Error, Result, mysql, respell};
use crate::{
    clock::{Chance, Clock},
    in_tx, params, sql,
};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// The files, in order.
const FILES: &[(&str, &str)] = &[
    ("0001_ground", include_str!("../../sql/0001_ground.sql")),
    ("0002_netflow", include_str!("../../sql/0002_netflow.sql")),
    ("0003_plans", include_str!("../../sql/0003_plans.sql")),
    ("0004_fair_use", include_str!("../../sql/0004_fair_use.sql")),
    ("0005_cdn", include_str!("../../sql/0005_cdn.sql")),
    ("0006_standing", include_str!("../../sql/0006_standing.sql")),
    ("0007_sidecars", include_str!("../../sql/0007_sidecars.sql")),
    ("0008_doubt", include_str!("../../sql/0008_doubt.sql")),
    ("0009_packed", include_str!("../../sql/0009_packed.sql")),
    ("0010_slices", include_str!("../../sql/0010_slices.sql")),
    ("0011_sheets", include_str!("../../sql/0011_sheets.sql")),
    ("0012_cluster", include_str!("../../sql/0012_cluster.sql")),
    ("0013_terms", include_str!("../../sql/0013_terms.sql")),
];

const STEPS_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_step (
    file VARCHAR(64) NOT NULL,
    step BIGINT NOT NULL,
    checksum CHAR(64) NOT NULL,
    begun_at BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (file, step)
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */";

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Statements run now.
    pub steps: usize,
    /// Statements in all.
    pub of: usize,
}

/// Who changes the schema. A row and not `GET_LOCK`, which in a cluster locks one node alone.
const LOCK_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_lock (
    name VARCHAR(16) NOT NULL PRIMARY KEY,
    owner VARCHAR(64) NOT NULL,
    until_at BIGINT NOT NULL
) /*! ENGINE = InnoDB, CHARSET = utf8mb4, COLLATE = utf8mb4_bin */";

/// How long the row is good for without a step.
const TERM: Duration = Duration::from_secs(60);
/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at what another process does.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs what is missing.
///
/// # Errors
/// [`Error::Defect`] where the schema is newer than this program or a released file was changed; it says which.
pub async fn run(db: &Db, clock: &Clock) -> Result<Applied> {
    let mut applied = 0;
    if !db.is_shared() {
        let of = locked(&mut db.writer().await?, clock, None, &mut applied).await?;
        return Ok(Applied { steps: applied, of });
    }
    let owner = hex::encode(Chance::System.bytes::<8>());
    let end = Instant::now() + PATIENCE;
    let outcome = loop {
        match alone(db, (clock, &owner, end), &mut applied).await {
            // In a cluster, what another node says of the schema ends whatever is in its way here. What was done is on record.
            Err(error) if error.is_retryable() && Instant::now() < end => tokio::time::sleep(PAUSE).await,
            outcome => break outcome,
        }
    };
    // The row, if it is ours, runs out by itself.
    if let Err(Error::Unavailable(_)) = outcome {
        return outcome.map(|of| Applied { steps: applied, of });
    }
    let free = sql!("DELETE FROM schema_lock WHERE owner = ? /* MySQL only */");
    let freed = db.execute(free, params![&owner]).await;
    let of = outcome?;
    freed.map(|_| Applied { steps: applied, of })
}

/// Waits for the lock's row, then does what is missing; how many steps there are.
async fn alone(db: &Db, (clock, owner, end): (&Clock, &str, Instant), applied: &mut usize) -> Result<usize> {
    let mut conn = db.writer().await?;
    conn.raw(LOCK_TABLE, LOCK_TABLE).await?;
    while !take(db, clock, owner).await? {
        if Instant::now() > end {
            return Err(Error::Unavailable("another process has been changing the schema for two minutes".to_owned()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    locked(&mut conn, clock, Some(owner), applied).await
}

/// Takes the lock's row where it is free or run out.
async fn take(db: &Db, clock: &Clock, owner: &str) -> Result<bool> {
    let now = clock.now();
    in_tx!(db, tx => {
        let sql = sql!("SELECT until_at FROM schema_lock WHERE name = 'schema' FOR UPDATE /* MySQL only */");
        let until: Option<DateTime<Utc>> = tx.one(sql, vec![]).await?.map(|row| row.get("until_at")).transpose()?;
        if until.is_none() {
            let sql = sql!("INSERT INTO schema_lock (name, owner, until_at) VALUES ('schema', ?, ?) /* MySQL only */");
            tx.insert_once(sql, params![owner, now + TERM]).await?;
        } else if until.is_some_and(|until| until <= now || until > now + TERM * 2) {
            // One that seems to run much longer was taken before the clock was set back.
            let sql = sql!("UPDATE schema_lock SET owner = ?, until_at = ? WHERE name = 'schema' /* MySQL only */");
            tx.execute(sql, params![owner, now + TERM]).await?;
        }
        Ok::<_, Error>(())
    })?;
    holds(&mut db.writer().await?, clock, owner).await
}

/// Whether the lock is still this owner's; prolongs it.
async fn holds(conn: &mut Conn, clock: &Clock, owner: &str) -> Result<bool> {
    let sql = sql!("UPDATE schema_lock SET until_at = ? WHERE owner = ? /* MySQL only */");
    Ok(conn.execute(sql, params![clock.now() + TERM, owner]).await? == 1)
}

/// Whether anything is missing; for `database.migrate = false`.
pub async fn pending(db: &Db) -> Result<usize> {
    let mut conn = db.read().await?;
    let all = steps();
    match recorded(&mut conn).await {
        Ok(done) => {
            check(&all, &done)?;
            Ok(all.iter().filter(|step| done.get(&step.key()).is_none_or(|row| !row.done)).count())
        }
        // No table of steps: nothing was ever done here.
        Err(Error::Defect(_)) => Ok(all.len()),
        Err(error) => Err(error),
    }
}

/// Whether no schema was ever made here.
///
/// # Errors
/// Where the database does not answer.
pub async fn is_new(db: &Db) -> Result<bool> {
    match recorded(&mut db.read().await?).await {
        Ok(done) => Ok(done.is_empty()),
        Err(Error::Defect(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

struct Step {
    file: &'static str,
    number: i64,
    text: &'static str,
    checksum: String,
}

impl Step {
    fn key(&self) -> (String, i64) {
        (self.file.to_owned(), self.number)
    }
}

struct Recorded {
    checksum: String,
    done: bool,
}

async fn locked(conn: &mut Conn, clock: &Clock, owner: Option<&str>, applied: &mut usize) -> Result<usize> {
    // SQLite's DDL is transactional: all or nothing, and the write lock keeps the other process out.
    conn.raw("BEGIN IMMEDIATE", "SELECT 1").await?;
    conn.raw(STEPS_TABLE, STEPS_TABLE).await?;
    let all = steps();
    let done = recorded(conn).await?;
    check(&all, &done)?;
    for step in &all {
        let before = done.get(&step.key());
        if before.is_some_and(|row| row.done) {
            continue;
        }
        if let Some(owner) = owner
            && !holds(conn, clock, owner).await?
        {
            return Err(Error::Unavailable("another process has taken over changing the schema".to_owned()));
        }
        if before.is_none() {
            let begin =
                sql!("INSERT INTO schema_step (file, step, checksum, begun_at, done_at) VALUES (?, ?, ?, ?, NULL)");
            conn.execute(begin, params![step.file, step.number, &step.checksum, clock.now()]).await?;
        }
        match conn.raw(&respell::for_sqlite(step.text), step.text).await {
            // Begun by a process that was killed before it could say that it was done.
            Err(Error::Defect(text)) if before.is_some() && mysql::is_already_done(&text) => {}
            outcome => outcome?,
        }
        let end = sql!("UPDATE schema_step SET done_at = ? WHERE file = ? AND step = ?");
        conn.execute(end, params![clock.now(), step.file, step.number]).await?;
        *applied += 1;
    }
    conn.raw("COMMIT", "SELECT 1").await?;
    Ok(all.len())
}

async fn recorded(conn: &mut Conn) -> Result<HashMap<(String, i64), Recorded>> {
    let rows = conn.rows(sql!("SELECT file, step, checksum, done_at FROM schema_step"), vec![]).await?;
    let mut done = HashMap::new();
    for row in rows {
        let state = Recorded { checksum: row.get("checksum")?, done: row.get::<Option<i64>>("done_at")?.is_some() };
        done.insert((row.get("file")?, row.get("step")?), state);
    }
    Ok(done)
}

fn check(all: &[Step], done: &HashMap<(String, i64), Recorded>) -> Result<()> {
    let known: HashMap<_, _> = all.iter().map(|step| (step.key(), &step.checksum)).collect();
    for (key, row) in done {
        match known.get(key) {
            None => {
                let text = format!(
                    "the database's schema is newer than this program (it holds step {} of {}); run the newer turnpike",
                    key.1, key.0
                );
                return Err(Error::Defect(text));
            }
            Some(checksum) if **checksum != row.checksum => {
                let text = format!("sql/{}.sql was changed after step {} of it was run here", key.0, key.1);
                return Err(Error::Defect(text));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for (file, text) in FILES {
        let statements = text
            .split(";\n")
            .map(str::trim)
            .filter(|it| it.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")));
        for (number, statement) in (1..).zip(statements) {
            let checksum = hex::encode(Sha256::digest(statement.as_bytes()));
            steps.push(Step { file, number, text: statement, checksum });
        }
    }
    steps
}
