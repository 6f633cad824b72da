//! SQLite: one connection that writes, a few that read.
//!
//! A word of an open transaction that is said quickly is said on the thread that asks: it waits for nobody, and the way to a
//! blocking thread and back is dearer than most statements are. What waits for another process, commits, flushes, is said of
//! many rows at once, or has taken long, is done by a blocking thread.
//!
//! WAL, flushed by us: with `synchronous = NORMAL` a commit writes its pages and does not wait for the disk, then [`Flusher`]
//! waits for it together with all others that do. So an intent that was committed is on disk before a router or a mail
//! server hears of it (law 1), also after a power cut; the order of commits is the file's.
//!
//! Whether anything was written since is asked without a way to another thread: see [`Files::stamp`].

use super::{Cells, Error, Outcome, Result, Row, Sql, Stamp, Value, flush::Flusher};
use rusqlite::{Connection, ErrorCode, OpenFlags, functions::FunctionFlags, params_from_iter, types::ValueRef};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const READERS: usize = 4;

/// How long another process's write is waited for, the time included that was spent behind others of this process.
const BUSY: Duration = Duration::from_secs(10);

/// A statement that took longer is carried out by a blocking thread, until it was quicker so many times in a row: one that is
/// said of large routers and small ones by turns stays there.
const QUICK: Duration = Duration::from_millis(1);
const IN_A_ROW: u8 = 16;

/// So many rows are written in no time.
const FEW: usize = 16;

/// The connections to one file.
#[derive(Debug)]
pub(super) struct Files {
    writers: Arc<Pool>,
    readers: Arc<Pool>,
    /// Is only asked whether anything was written.
    watcher: Mutex<Connection>,
    flusher: Arc<Flusher>,
}

#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    /// Statements that were not [`QUICK`], and how many times they still have to be.
    slow: Mutex<HashMap<Sql, u8>>,
}

/// A connection in use. Dropped, it rolls back what was left open and goes home.
#[derive(Debug)]
pub(super) struct Held {
    connection: Option<Connection>,
    /// How long another process's write is waited for.
    patience: Duration,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Files {
    pub(super) async fn open(path: PathBuf) -> Result<Self> {
        blocking(move || {
            make_private(&path);
            let writer = connect(&path, false)?;
            let readers = (0..READERS).map(|_| connect(&path, true)).collect::<Result<_>>()?;
            let watcher = connect(&path, true)?;
            // Whoever asks it is on a thread that must not wait; what it cannot say at once it does not know.
            watcher.busy_timeout(Duration::ZERO).map_err(translate)?;
            let log = Mutex::new(None);
            let flusher = Arc::new(Flusher::new(move || flush(&path, &log)));
            let (writers, readers) = (Pool::of(vec![writer]), Pool::of(readers));
            Ok(Self { writers, readers, watcher: Mutex::new(watcher), flusher })
        })
        .await?
    }

    /// Waits until all that was committed is on disk.
    pub(super) fn flusher(&self) -> Arc<Flusher> {
        Arc::clone(&self.flusher)
    }

    /// Whoever stood behind a writer that waited for another process in vain has waited for that process too: it does not
    /// begin to wait anew, or a queue of them would outlast whoever asks.
    pub(super) async fn writer(&self) -> Result<Held> {
        let since = Instant::now();
        let mut held = Pool::take(&self.writers).await?;
        held.patience = BUSY.saturating_sub(since.elapsed());
        if let Some(connection) = &held.connection {
            connection.busy_timeout(held.patience).map_err(translate)?;
        }
        Ok(held)
    }

    pub(super) async fn reader(&self) -> Result<Held> {
        Pool::take(&self.readers).await
    }

    /// A connection is told another number after anybody else has committed anything, in this process or not, and this one
    /// writes nothing itself. The number stands in memory that all connections to the file share: a few microseconds, on
    /// the caller's thread. `None` where it would have to wait.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = watcher.prepare_cached("PRAGMA data_version").ok()?;
        statement.query_row([], |row| row.get(0)).ok().map(Stamp)
    }
}

/// A file that is not there yet is made for its owner alone, whatever the umask: it holds customers' addresses. SQLite gives
/// what stands beside it the same mode. One that is there keeps its own.
fn make_private(path: &Path) {
    // Where it cannot be made SQLite says why.
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
}

fn connect(path: &PathBuf, reader: bool) -> Result<Connection> {
    let opened = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    );
    let connection = opened.map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(BUSY).map_err(translate)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(translate)?;
    if journal != "wal" {
        let text = format!("{}: SQLite cannot keep a write-ahead log there; use a local disk", path.display());
        return Err(Error::Unavailable(text));
    }
    // What was changed and is not committed stands in the writer's cache. A reader's is forgotten after the next commit of
    // anybody, and the system has the file's pages anyway.
    let own = if reader { "PRAGMA cache_size = -4000; PRAGMA query_only = ON" } else { "PRAGMA cache_size = -16000" };
    let pragmas = format!("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; {own}");
    connection.execute_batch(&pragmas).map_err(translate)?;
    connection.set_prepared_statement_cache_capacity(256);
    // SQLite's own knows the letters of ASCII alone, and people search for names.
    let lower = |of: &rusqlite::functions::Context<'_>| {
        of.get::<Option<String>>(0).map(|text| text.map(|it| it.to_lowercase()))
    };
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("lower", 1, flags, lower).map_err(translate)?;
    Ok(connection)
}

/// Puts the log on disk, by one descriptor for as long as the file is open: what the kernel could not write it says once to
/// each descriptor that was open then, and SQLite, which is told of it at a checkpoint, keeps that to itself. SQLite holds its
/// locks on other files than this one.
fn flush(database: &Path, log: &Mutex<Option<File>>) -> std::io::Result<()> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match log.take() {
        Some(file) => file,
        None => File::open(&path)?,
    };
    let (ours, named) = (file.metadata()?, std::fs::metadata(&path)?);
    if (ours.dev(), ours.ino()) != (named.dev(), named.ino()) {
        return Err(std::io::Error::other("another file has taken the write-ahead log's place"));
    }
    log.insert(file).sync_data()
}

impl Pool {
    fn of(idle: Vec<Connection>) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(idle.len()));
        Arc::new(Self { idle: Mutex::new(idle), permits, slow: Mutex::default() })
    }

    fn slow(&self) -> MutexGuard<'_, HashMap<Sql, u8>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn took(&self, sql: Sql, time: Duration) {
        let mut slow = self.slow();
        if time > QUICK {
            slow.insert(sql, IN_A_ROW);
        } else if let Some(left) = slow.get_mut(&sql) {
            *left -= 1;
            if *left == 0 {
                slow.remove(&sql);
            }
        }
    }

    async fn take(pool: &Arc<Self>) -> Result<Held> {
        let gone = || Error::Unavailable("the pool is closed".to_owned());
        let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_closed| gone())?;
        let connection = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = Some(connection.ok_or_else(gone)?);
        Ok(Held { connection, patience: BUSY, pool: Arc::clone(pool), _permit: permit })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(held) = self.connection.take() {
            if !held.is_autocommit() {
                // Fails only where SQLite rolled back by itself already.
                let _ = held.execute_batch("ROLLBACK");
            }
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        }
    }
}

type Answer<T> = Result<(Held, Result<T>)>;

impl Held {
    /// Here, where that waits for nobody and has been quick; on a blocking thread otherwise.
    async fn quickly<T: Send + 'static>(
        mut self,
        sql: Sql,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<T> {
        let pool = Arc::clone(&self.pool);
        let timed = move |connection: &mut Connection| {
            let since = Instant::now();
            let outcome = work(connection);
            pool.took(sql, since.elapsed());
            outcome
        };
        // Thousands of them in a row let others have the thread in between.
        tokio::task::coop::consume_budget().await;
        match self.connection.as_mut().filter(|it| !it.is_autocommit()) {
            Some(connection) if !self.pool.slow().contains_key(&sql) => {
                let outcome = timed(connection).map_err(translate);
                Ok((self, outcome))
            }
            _ => self.on_thread(timed).await,
        }
    }

    /// The connection travels to a blocking thread and back. If the caller is gone by then it is dropped there: rolled
    /// back and sent home.
    async fn on_thread<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<T> {
        blocking(move || {
            let outcome = match self.connection.as_mut() {
                Some(held) => work(held).map_err(translate),
                None => Err(Error::Cancelled),
            };
            (self, outcome)
        })
        .await
    }

    pub(super) async fn run(self, sql: Sql, values: Vec<Value>) -> Answer<Outcome> {
        self.quickly(sql, move |connection| {
            let affected = connection.prepare_cached(sql.text())?.execute(params_from_iter(values))?;
            Ok(Outcome { affected: affected as u64, last_id: connection.last_insert_rowid() })
        })
        .await
    }

    pub(super) async fn rows(self, sql: Sql, values: Vec<Value>) -> Answer<Vec<Row>> {
        self.quickly(sql, move |connection| {
            let mut statement = connection.prepare_cached(sql.text())?;
            let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
            let mut rows = Vec::new();
            take(&mut statement.query(params_from_iter(values))?, &columns, &mut rows)?;
            Ok(rows)
        })
        .await
    }

    pub(super) async fn read_all<T: Send + 'static>(
        self,
        sql: Sql,
        values: Vec<Value>,
        mut read: impl FnMut(&mut Cells<'_>) -> Result<T> + Send + 'static,
    ) -> Answer<Result<Vec<T>>> {
        self.on_thread(move |connection| {
            let mut statement = connection.prepare_cached(sql.text())?;
            let columns = statement.column_count();
            let mut cursor = statement.query(params_from_iter(values))?;
            let (mut all, mut cells) = (Vec::new(), Vec::with_capacity(columns));
            while let Some(row) = cursor.next()? {
                for at in 0..columns {
                    cells.push(cell(row.get_ref(at)?));
                }
                match read(&mut Cells::of(&mut cells)) {
                    Ok(one) => all.push(one),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(all))
        })
        .await
    }

    /// Each statement is run for one id after the other: here a round trip costs nothing, and each finds its rows by key.
    pub(super) async fn of_many(self, asked: Vec<(Sql, Vec<u64>)>) -> Answer<Vec<Vec<Row>>> {
        self.on_thread(move |connection| {
            // Of one instant; within a transaction, if one is open.
            let transaction = connection.savepoint()?;
            let mut found = Vec::with_capacity(asked.len());
            for (sql, ids) in asked {
                let mut statement = transaction.prepare_cached(sql.text())?;
                let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
                let mut rows = Vec::new();
                for id in ids {
                    take(&mut statement.query([Value::from(id)])?, &columns, &mut rows)?;
                }
                found.push(rows);
            }
            transaction.commit()?;
            Ok(found)
        })
        .await
    }

    pub(super) async fn batch(self, sql: Sql, rows: Vec<Vec<Value>>) -> Answer<()> {
        let few = rows.len() <= FEW;
        let work = move |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(sql.text())?;
            for row in rows {
                statement.execute(params_from_iter(row))?;
            }
            Ok(())
        };
        if few { self.quickly(sql, work).await } else { self.on_thread(work).await }
    }

    pub(super) async fn prepare(self, sql: Sql) -> Answer<()> {
        self.on_thread(move |connection| connection.prepare(sql.text()).map(|_| ())).await
    }

    /// Begins to write: at once where no other process does.
    pub(super) async fn begin(self) -> Result<Self> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        let Some(connection) = &self.connection else { return Err(Error::Cancelled) };
        let begun = connection.busy_timeout(Duration::ZERO).and_then(|()| connection.execute_batch(BEGIN));
        connection.busy_timeout(self.patience).map_err(translate)?;
        let (held, begun) = match begun {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                self.raw(BEGIN.to_owned()).await?
            }
            begun => (self, begun.map_err(translate)),
        };
        begun.map(|()| held)
    }

    pub(super) async fn raw(self, text: String) -> Answer<()> {
        self.on_thread(move |connection| connection.execute_batch(&text)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Unavailable(error.to_string()))
}

fn take(cursor: &mut rusqlite::Rows<'_>, columns: &Arc<[String]>, into: &mut Vec<Row>) -> rusqlite::Result<()> {
    while let Some(row) = cursor.next()? {
        let values = (0..columns.len()).map(|at| row.get_ref(at).map(cell)).collect::<rusqlite::Result<_>>()?;
        into.push(Row { columns: Arc::clone(columns), values });
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => Value::Int(int),
        ValueRef::Real(real) => Value::Text(real.to_string()),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => rusqlite::types::Null.into(),
            Self::Int(int) => (*int).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Blob(bytes) => bytes.as_slice().into(),
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err hands it in")]
fn translate(error: rusqlite::Error) -> Error {
    let text = error.to_string();
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return Error::Defect(text);
    };
    match failure.extended_code {
        rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
        | rusqlite::ffi::SQLITE_CONSTRAINT_ROWID => return Error::Duplicate,
        _ => {}
    }
    match failure.code {
        ErrorCode::DatabaseLocked => Error::Retry(text),
        // Busy: another process has had the file for [`BUSY`]. Waiting as long again would outlast whoever asks.
        ErrorCode::DatabaseBusy
        | ErrorCode::CannotOpen
        | ErrorCode::DiskFull
        | ErrorCode::ReadOnly
        | ErrorCode::SystemIoFailure
        | ErrorCode::PermissionDenied
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::OutOfMemory => Error::Unavailable(text),
        _ => Error::Defect(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql;

    #[tokio::test]
    async fn what_took_long_is_another_threads() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().join("a.db")).await.unwrap();
        let count = sql!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT COUNT(*) AS n FROM n"
        );
        let mut held = files.writer().await.unwrap().begin().await.unwrap();
        // A million steps are a hundred times what is quick.
        for steps in [1_000_000, 10, 1_000_000, 10] {
            let (again, rows) = held.rows(count, vec![Value::Int(steps)]).await.unwrap();
            held = again;
            assert_eq!(rows.unwrap()[0].get::<i64>("n").unwrap(), steps);
            assert!(held.pool.slow().contains_key(&count));
        }
    }

    #[test]
    fn what_was_quick_many_times_in_a_row_is_quick() {
        let (pool, sql) = (Pool::of(Vec::new()), sql!("SELECT 1 AS n"));
        let slow = |time: Duration| {
            pool.took(sql, time);
            pool.slow().contains_key(&sql)
        };
        assert!(!slow(QUICK), "never slow");
        for _ in 0..2 {
            assert!(slow(QUICK * 2));
            assert!((1..IN_A_ROW).all(|_| slow(QUICK)));
        }
        assert!(!slow(QUICK));
    }

    #[tokio::test]
    async fn whoever_begins_waits_for_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let files = Files::open(path.clone()).await.unwrap();
        let other = connect(&path, false).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut waiting = std::pin::pin!(async { files.writer().await?.begin().await });
        assert!(futures_util::poll!(&mut waiting).is_pending());
        other.execute_batch("COMMIT").unwrap();
        drop(waiting.await.unwrap());
    }
}
