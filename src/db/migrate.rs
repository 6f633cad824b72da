//! Brings the schema up to date: `sql/NNNN_*.sql`, one text for both databases.
//!
//! Progress is recorded per statement, because MySQL commits each DDL statement at once: a run that was killed goes on
//! where it stopped. Two processes that start together take turns by a lock. A released file is never changed: its
//! checksum is compared, and a schema newer than the program is refused.

use super::{Conn, Db, Engine, Error, Result, mysql};
use crate::{clock::Clock, params, sql};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The files, in order.
const FILES: &[(&str, &str)] = &[
    ("0001_ground", include_str!("../../sql/0001_ground.sql")),
    ("0002_netflow", include_str!("../../sql/0002_netflow.sql")),
    ("0003_plans", include_str!("../../sql/0003_plans.sql")),
    ("0004_fair_use", include_str!("../../sql/0004_fair_use.sql")),
    ("0005_cdn", include_str!("../../sql/0005_cdn.sql")),
    ("0006_standing", include_str!("../../sql/0006_standing.sql")),
    ("0008_doubt", include_str!("../../sql/0008_doubt.sql")),
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

/// Runs what is missing.
///
/// # Errors
/// [`Error::Defect`] where the schema is newer than this program or a released file was changed; it says which.
pub async fn run(db: &Db, clock: &Clock) -> Result<Applied> {
    let mut conn = db.writer().await?;
    let lock = matches!(&*db.0, Engine::Mysql(_));
    if lock {
        let taken = sql!("SELECT GET_LOCK(CONCAT('turnpike.migrate.', DATABASE()), 120) AS taken /* MySQL only */");
        if conn.one(taken, vec![]).await?.is_none_or(|row| row.get::<i64>("taken").ok() != Some(1)) {
            return Err(Error::Unavailable("another process has been changing the schema for two minutes".to_owned()));
        }
    }
    let outcome = locked(&mut conn, clock).await;
    if lock {
        conn.rows(
            sql!("SELECT RELEASE_LOCK(CONCAT('turnpike.migrate.', DATABASE())) AS freed /* MySQL only */"),
            vec![],
        )
        .await?;
    }
    outcome
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

async fn locked(conn: &mut Conn, clock: &Clock) -> Result<Applied> {
    // SQLite's DDL is transactional: all or nothing, and the write lock keeps the other process out.
    conn.raw("BEGIN IMMEDIATE", "SELECT 1").await?;
    conn.raw(STEPS_TABLE, STEPS_TABLE).await?;
    let all = steps();
    let done = recorded(conn).await?;
    check(&all, &done)?;
    let mut applied = 0;
    for step in &all {
        let before = done.get(&step.key());
        if before.is_some_and(|row| row.done) {
            continue;
        }
        if before.is_none() {
            let begin =
                sql!("INSERT INTO schema_step (file, step, checksum, begun_at, done_at) VALUES (?, ?, ?, ?, NULL)");
            conn.execute(begin, params![step.file, step.number, &step.checksum, clock.now()]).await?;
        }
        match conn.raw(step.text, step.text).await {
            // Begun by a process that was killed before it could say that it was done.
            Err(Error::Defect(text)) if before.is_some() && mysql::is_already_done(&text) => {}
            outcome => outcome?,
        }
        let end = sql!("UPDATE schema_step SET done_at = ? WHERE file = ? AND step = ?");
        conn.execute(end, params![clock.now(), step.file, step.number]).await?;
        applied += 1;
    }
    conn.raw("COMMIT", "SELECT 1").await?;
    Ok(Applied { steps: applied, of: all.len() })
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
