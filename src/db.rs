//! One SQL text for two databases: SQLite (embedded, WAL) and MariaDB/MySQL.
//!
//! Every statement is a [`Sql`] made by [`sql!`](crate::sql), written in the subset that both understand; upserts are spelled as
//! SQLite does and respelled strictly for MySQL. A test finds every `sql!` in the source and prepares it on both.
//! Laws: no statement text is made at run time; a future that is dropped in the middle of a statement leaves its
//! [`Conn`] dead, never wrong (`mysql_async`'s connections are not cancel-safe); a [`Tx`] that is dropped is rolled back.

pub mod migrate;
mod mysql;
mod respell;
mod sqlite;
mod value;

pub use value::{Cells, FromValue, Row, Value};

use crate::steps;
use secrecy::{ExposeSecret, SecretString};
use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::Arc,
};

/// A statement. Made by [`sql!`](crate::sql) alone, so that a test can find and prepare them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sql(&'static str);

impl Sql {
    /// For [`sql!`](crate::sql) only.
    #[doc(hidden)]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The text as written.
    pub const fn text(self) -> &'static str {
        self.0
    }
}

/// Marks a statement: `sql!("SELECT …")`.
#[macro_export]
macro_rules! sql {
    ($text:literal) => {
        $crate::db::Sql::new($text)
    };
}

/// The values of a statement's `?`: `params![id, name]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::db::Value::from($value)),*]
    };
}

/// What a database can fail with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer, or cannot be written to.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// A unique key exists already.
    #[error("a row with this key exists")]
    Duplicate,
    /// Another transaction was in the way; the same again may pass.
    #[error("another transaction was in the way: {0}")]
    Retry(String),
    /// An earlier statement of this connection was cancelled; nothing more can be said on it.
    #[error("the connection was given up by a cancelled request")]
    Cancelled,
    /// A statement or a value that does not fit: a defect of ours.
    #[error("{0}")]
    Defect(String),
}

impl Error {
    /// Whether doing the transaction once more may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retry(_))
    }
}

/// Result of the database.
pub type Result<T> = std::result::Result<T, Error>;

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Address {
    /// A file.
    Sqlite(PathBuf),
    /// `mysql://user:password@host:port/name?…`, kept as a secret for its password.
    Mysql(SecretString),
}

impl Address {
    /// Reads `database.url`; relative SQLite paths are taken from `folder`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the URL's password.
    pub fn parse(url: &SecretString, folder: &std::path::Path) -> std::result::Result<Self, String> {
        let text = url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path == ":memory:" {
                return Err("database.url needs a file, such as sqlite:turnpike.db".to_owned());
            }
            return Ok(Self::Sqlite(folder.join(path)));
        }
        if text.starts_with("mysql://") || text.starts_with("mariadb://") {
            let text = text.replacen("mariadb://", "mysql://", 1);
            mysql::check_url(&text)?;
            return Ok(Self::Mysql(text.into()));
        }
        Err("database.url must begin with sqlite: or mysql://".to_owned())
    }
}

/// A database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Arc<Engine>);

#[derive(Debug)]
enum Engine {
    Sqlite(sqlite::Files),
    Mysql(mysql::Servers),
}

impl Db {
    /// Opens the database; a SQLite file is made if it is not there. The schema is not looked at (see [`migrate`]).
    pub async fn open(address: &Address) -> Result<Self> {
        Ok(Self(Arc::new(match address {
            Address::Sqlite(path) => Engine::Sqlite(sqlite::Files::open(path.clone()).await?),
            Address::Mysql(url) => Engine::Mysql(mysql::Servers::open(url.expose_secret())?),
        })))
    }

    /// A connection to read with. On SQLite it refuses writes.
    pub async fn read(&self) -> Result<Conn> {
        Ok(Conn(match &*self.0 {
            Engine::Sqlite(files) => Inner::Sqlite(Some(files.reader().await?)),
            Engine::Mysql(servers) => Inner::Mysql(Some(servers.connection().await?)),
        }))
    }

    /// Begins a transaction that will write. On SQLite it has the write lock from here on.
    pub async fn begin(&self) -> Result<Tx> {
        let mut conn = self.writer().await?;
        conn.raw("BEGIN IMMEDIATE", "START TRANSACTION").await?;
        Ok(Tx { conn })
    }

    /// The same for what need not outlive the machine, such as who holds a lease: on SQLite its commit waits for no disk.
    /// What is committed in the usual way afterwards takes it along.
    pub async fn begin_unflushed(&self) -> Result<Tx> {
        let mut conn = self.writer().await?;
        if let Inner::Sqlite(Some(held)) = &mut conn.0 {
            held.relax();
        }
        conn.raw("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE", "START TRANSACTION").await?;
        Ok(Tx { conn })
    }

    /// One writing statement, on its own; once more where another transaction was in its way.
    pub async fn execute(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.writer().await?.execute(sql, values.clone()).await {
                Err(error) if tries < TRIES && error.is_retryable() => rest(tries).await,
                outcome => return outcome,
            }
        }
    }

    /// Whether other processes on other machines may share it.
    pub fn is_shared(&self) -> bool {
        matches!(&*self.0, Engine::Mysql(_))
    }

    /// Whether a connection can tell that something was written; see [`Conn::stamp`].
    pub fn knows_changes(&self) -> bool {
        matches!(&*self.0, Engine::Sqlite(_))
    }

    /// Which of the two it is, for people.
    pub fn kind(&self) -> &'static str {
        match &*self.0 {
            Engine::Sqlite(_) => "SQLite",
            Engine::Mysql(_) => "MariaDB/MySQL",
        }
    }

    /// Closes the connections; statements in hand end first.
    pub async fn close(&self) {
        if let Engine::Mysql(servers) = &*self.0 {
            servers.close().await;
        }
    }

    async fn writer(&self) -> Result<Conn> {
        Ok(Conn(match &*self.0 {
            Engine::Sqlite(files) => Inner::Sqlite(Some(files.writer().await?)),
            Engine::Mysql(servers) => Inner::Mysql(Some(servers.connection().await?)),
        }))
    }
}

/// The state of the books as one connection sees it. The same stamp twice: nobody has written anything in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    connection: u64,
    version: i64,
}

/// A connection: of a [`Tx`], or to read with.
#[derive(Debug)]
pub struct Conn(Inner);

/// The slot is empty while a statement runs; a cancelled one leaves it empty for good.
#[derive(Debug)]
enum Inner {
    Sqlite(Option<sqlite::Held>),
    Mysql(Option<mysql_async::Conn>),
}

impl Conn {
    /// Runs a statement; the number of rows that it met (also those that it left as they were).
    pub async fn execute(&mut self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        Ok(self.run(sql, values).await?.affected)
    }

    /// Inserts a row; its automatic id.
    pub async fn insert(&mut self, sql: Sql, values: Vec<Value>) -> Result<i64> {
        Ok(self.run(sql, values).await?.last_id)
    }

    /// Inserts a row unless its key exists; whether it was new.
    pub async fn insert_once(&mut self, sql: Sql, values: Vec<Value>) -> Result<bool> {
        match self.run(sql, values).await {
            Ok(_) => Ok(true),
            Err(Error::Duplicate) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All rows.
    pub async fn rows(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>> {
        let _step = steps::step(sql.text());
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, rows) = held.rows(sql, values).await?;
                *slot = Some(held);
                rows
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, rows) = mysql::rows(conn, sql, values).await;
                *slot = conn;
                rows
            }
        }
    }

    /// All rows, each read by `read` as it comes, none kept: for answers of tens of thousands of rows.
    pub async fn read_all<T: Send + 'static>(
        &mut self,
        sql: Sql,
        values: Vec<Value>,
        read: impl FnMut(&mut Cells<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Vec<T>> {
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, all) = held.read_all(sql, values, read).await?;
                *slot = Some(held);
                all?
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, all) = mysql::read_all(conn, sql, values, read).await;
                *slot = conn;
                all
            }
        }
    }

    /// The first row, if any.
    pub async fn one(&mut self, sql: Sql, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// [`Conn::batch`] for rows that are made as they are written, so that not all of them are in memory at once.
    pub async fn batches(&mut self, sql: Sql, mut rows: Rows<'_>) -> Result<()> {
        loop {
            let some: Vec<_> = rows.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.batch(sql, some).await?;
        }
    }

    /// The state of the books before whatever is read next on this connection, which must be one to read with. `None` on
    /// MySQL, which has nothing of the kind.
    pub async fn stamp(&mut self) -> Result<Option<Stamp>> {
        let Inner::Sqlite(slot) = &mut self.0 else { return Ok(None) };
        let held = slot.take().ok_or(Error::Cancelled)?;
        let (held, stamp) = held.stamp().await?;
        *slot = Some(held);
        stamp.map(Some)
    }

    /// Reads what several statements say of many ids each, `SELECT … IN (?) …`, in few round trips; the rows of each
    /// statement, those of an id together. On SQLite all of it is as of one instant.
    pub async fn of_many(&mut self, asked: Vec<(Sql, Vec<u64>)>) -> Result<Vec<Vec<Row>>> {
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, rows) = held.of_many(asked).await?;
                *slot = Some(held);
                rows
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, rows) = mysql::of_many(conn, asked).await;
                *slot = conn;
                rows
            }
        }
    }

    /// The same `INSERT … VALUES (?, …)` (or upsert) for many rows, in few round trips.
    pub async fn batch(&mut self, sql: Sql, rows: Vec<Vec<Value>>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let _step = steps::step(sql.text());
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.batch(sql, rows).await?;
                *slot = Some(held);
                done
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, done) = mysql::batch(conn, sql, rows).await;
                *slot = conn;
                done
            }
        }
    }

    /// Prepares a statement without running it: for the test that prepares them all.
    pub async fn prepare(&mut self, sql: Sql) -> Result<()> {
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.prepare(sql).await?;
                *slot = Some(held);
                done
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, done) = mysql::prepare(conn, sql).await;
                *slot = conn;
                done
            }
        }
    }

    async fn run(&mut self, sql: Sql, values: Vec<Value>) -> Result<Outcome> {
        let _step = steps::step(sql.text());
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, outcome) = held.run(sql, values).await?;
                *slot = Some(held);
                outcome
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, outcome) = mysql::run(conn, sql, values).await;
                *slot = conn;
                outcome
            }
        }
    }

    /// Words that differ: transactions, locks and the schema.
    async fn raw(&mut self, on_sqlite: &str, on_mysql: &str) -> Result<()> {
        let _step = steps::step(on_mysql);
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.raw(on_sqlite.to_owned()).await?;
                *slot = Some(held);
                done
            }
            Inner::Mysql(slot) => {
                let conn = slot.take().ok_or(Error::Cancelled)?;
                let (conn, done) = mysql::raw(conn, on_mysql).await;
                *slot = conn;
                done
            }
        }
    }
}

/// A transaction: rolled back unless [`Tx::commit`] was called.
#[derive(Debug)]
pub struct Tx {
    conn: Conn,
}

impl Tx {
    /// Makes all of it true, or none. An error here leaves the outcome to be read from the database.
    pub async fn commit(mut self) -> Result<()> {
        self.conn.raw("COMMIT", "COMMIT").await
    }
}

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// What a writing statement did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) affected: u64,
    pub(crate) last_id: i64,
}

/// Rows that are made as they are written.
pub type Rows<'a> = Box<dyn Iterator<Item = Vec<Value>> + Send + 'a>;

/// Rows of [`Conn::batches`] in memory at once.
const AT_ONCE: usize = 2000;

/// How often a transaction is done over when another was in its way.
pub const TRIES: u32 = 5;

/// A moment for the other transaction to end, longer each time.
#[doc(hidden)]
pub async fn rest(tries: u32) {
    tokio::time::sleep(std::time::Duration::from_millis(u64::from(5 * tries * tries))).await;
}

/// Runs a transaction's story and commits it; once more, up to [`TRIES`] times, where another was in the way:
/// `in_tx!(db, tx => { … Ok(answer) })`. The story's error type must be `From<db::Error>` and answer `is_retryable`.
/// Nothing outside the database may be called in it (law 1). A `return` in it ends it without a commit. With [`Db::begin_unflushed`]:
/// `in_tx!(db, begin_unflushed, tx => { … })`.
///
/// A commit of which it is not known whether it was carried out (the connection was lost under it) is *not* done over: its
/// error goes to the caller, and what holds is read from the database by whoever comes next.
#[macro_export]
macro_rules! in_tx {
    ($db:expr, $tx:ident => $story:expr) => {
        $crate::in_tx!($db, begin, $tx => $story)
    };
    ($db:expr, $begin:ident, $tx:ident => $story:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = async {
                let mut $tx = $db.$begin().await?;
                let answer = { $story };
                match answer {
                    Ok(answer) => {
                        $tx.commit().await?;
                        Ok(answer)
                    }
                    Err(error) => Err(error),
                }
            }
            .await;
            match outcome {
                Err(error) if tries < $crate::db::TRIES && error.is_retryable() => $crate::db::rest(tries).await,
                outcome => break outcome,
            }
        }
    }};
}
