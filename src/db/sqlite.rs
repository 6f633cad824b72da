//! SQLite: one connection that writes, a few that read, all work on blocking threads.
//!
//! WAL with `synchronous = FULL`: an intent that was committed is on disk before a router or a mail server hears of it
//! (law 1), also after a power cut.

use super::{Cells, Error, Outcome, Result, Row, Sql, Stamp, Value};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter, types::ValueRef};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const READERS: usize = 4;

/// How long another process's write is waited for.
const BUSY: std::time::Duration = std::time::Duration::from_secs(10);

/// The connections to one file.
#[derive(Debug)]
pub(super) struct Files {
    writers: Arc<Pool>,
    readers: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Numbered>>,
    permits: Arc<Semaphore>,
}

/// A connection with a number that no other one of this process has.
#[derive(Debug)]
struct Numbered {
    connection: Connection,
    number: u64,
}

/// A connection in use. Dropped, it rolls back what was left open and goes home.
#[derive(Debug)]
pub(super) struct Held {
    connection: Option<Numbered>,
    pool: Arc<Pool>,
    /// Its commits do not wait for the disk; at home they do again.
    relaxed: bool,
    _permit: OwnedSemaphorePermit,
}

impl Files {
    pub(super) async fn open(path: PathBuf) -> Result<Self> {
        blocking(move || {
            let writer = connect(&path, false)?;
            let readers = (0..READERS).map(|_| connect(&path, true)).collect::<Result<_>>()?;
            Ok(Self { writers: Pool::of(vec![writer]), readers: Pool::of(readers) })
        })
        .await?
    }

    pub(super) async fn writer(&self) -> Result<Held> {
        Pool::take(&self.writers).await
    }

    pub(super) async fn reader(&self) -> Result<Held> {
        Pool::take(&self.readers).await
    }
}

fn connect(path: &PathBuf, reader: bool) -> Result<Connection> {
    let opened = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    );
    let connection = opened.map_err(|error| Error::Unavailable(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(BUSY).map_err(translate)?;
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                   PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000;";
    connection.execute_batch(pragmas).map_err(translate)?;
    if reader {
        connection.execute_batch("PRAGMA query_only = ON").map_err(translate)?;
    }
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

impl Pool {
    fn of(idle: Vec<Connection>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let numbered = |connection| Numbered { connection, number: NEXT.fetch_add(1, Ordering::Relaxed) };
        let idle: Vec<Numbered> = idle.into_iter().map(numbered).collect();
        let permits = Arc::new(Semaphore::new(idle.len()));
        Arc::new(Self { idle: Mutex::new(idle), permits })
    }

    async fn take(pool: &Arc<Self>) -> Result<Held> {
        let gone = || Error::Unavailable("the pool is closed".to_owned());
        let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_closed| gone())?;
        let connection = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Held {
            connection: Some(connection.ok_or_else(gone)?),
            pool: Arc::clone(pool),
            relaxed: false,
            _permit: permit,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(held) = self.connection.take() {
            if !held.connection.is_autocommit() {
                // Fails only where SQLite rolled back by itself already.
                let _ = held.connection.execute_batch("ROLLBACK");
            }
            if self.relaxed {
                // Outside a transaction it cannot fail.
                let _ = held.connection.execute_batch("PRAGMA synchronous = FULL");
            }
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        }
    }
}

type Answer<T> = Result<(Held, Result<T>)>;

impl Held {
    /// For a transaction that begins with `PRAGMA synchronous = NORMAL`.
    pub(super) fn relax(&mut self) {
        self.relaxed = true;
    }

    /// The connection travels to a blocking thread and back. If the caller is gone by then it is dropped there: rolled
    /// back and sent home.
    async fn on_thread<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<T> {
        blocking(move || {
            let outcome = match self.connection.as_mut() {
                Some(held) => work(&mut held.connection).map_err(translate),
                None => Err(Error::Cancelled),
            };
            (self, outcome)
        })
        .await
    }

    /// A connection that only reads is told another number after anybody has committed anything, in this process or not.
    pub(super) async fn stamp(self) -> Answer<Stamp> {
        let number = self.connection.as_ref().map_or(u64::MAX, |held| held.number);
        self.on_thread(move |connection| {
            let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
            Ok(Stamp { connection: number, version })
        })
        .await
    }

    pub(super) async fn run(self, sql: Sql, values: Vec<Value>) -> Answer<Outcome> {
        self.on_thread(move |connection| {
            let affected = connection.prepare_cached(sql.text())?.execute(params_from_iter(values))?;
            Ok(Outcome { affected: affected as u64, last_id: connection.last_insert_rowid() })
        })
        .await
    }

    pub(super) async fn rows(self, sql: Sql, values: Vec<Value>) -> Answer<Vec<Row>> {
        self.on_thread(move |connection| {
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
            let transaction = connection.transaction()?;
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
        self.on_thread(move |connection| {
            let mut statement = connection.prepare_cached(sql.text())?;
            for row in rows {
                statement.execute(params_from_iter(row))?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn prepare(self, sql: Sql) -> Answer<()> {
        self.on_thread(move |connection| connection.prepare(sql.text()).map(|_| ())).await
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
