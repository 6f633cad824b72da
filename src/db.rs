//! One SQL text for two databases: SQLite (embedded, WAL) and MariaDB/MySQL.
//!
//! Every statement is a [`Sql`] made by [`sql!`](crate::sql), written in the subset that both understand; upserts are spelled as
//! SQLite does and respelled strictly for MySQL. A test finds every `sql!` in the source and prepares it on both.
//! Laws: no statement text is made at run time; a future that is dropped in the middle of a statement leaves its
//! [`Conn`] dead, never wrong (`mysql_async`'s connections are not cancel-safe: such a one is closed); a [`Tx`] that is
//! dropped is rolled back.

mod conn;
mod flush;
pub mod migrate;
mod mysql;
mod respell;
mod sqlite;
mod tries;
mod value;

pub(crate) use conn::Outcome;
pub use conn::{Conn, Rows, Tx};
#[doc(hidden)]
pub use tries::Tries;
pub use value::{Cells, FromValue, Row, Value};

use crate::steps;
use conn::Inner;
use flush::Flusher;
use secrecy::{ExposeSecret, SecretString};
use std::{path::PathBuf, sync::Arc};

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
            Engine::Mysql(servers) => Inner::Mysql(Some(servers.reader().await?)),
        }))
    }

    /// Begins a transaction that will write. On SQLite it has the write lock from here on.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx { conn: self.begun().await?, flusher: self.flusher() })
    }

    /// The same for what need not outlive the machine, such as who holds a lease: on SQLite its commit waits for no disk.
    /// What is committed in the usual way afterwards takes it along.
    pub async fn begin_unflushed(&self) -> Result<Tx> {
        Ok(Tx { conn: self.begun().await?, flusher: None })
    }

    async fn begun(&self) -> Result<Conn> {
        let step = steps::step("START TRANSACTION");
        let conn = Conn(match &*self.0 {
            Engine::Sqlite(files) => Inner::Sqlite(Some(files.writer().await?.begin().await?)),
            Engine::Mysql(servers) => Inner::Mysql(Some(servers.transaction().await?)),
        });
        // A story that a test ends here unwinds, and what is being returned by then would be leaked.
        drop(step);
        Ok(conn)
    }

    /// One writing statement, on its own; over again where another transaction was in its way.
    pub async fn execute(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        crate::in_tx!(self, tx => tx.execute(sql, values.clone()).await)
    }

    /// Whether other processes on other machines may share it.
    pub fn is_shared(&self) -> bool {
        matches!(&*self.0, Engine::Mysql(_))
    }

    /// Whether it can tell that something was written; see [`Db::stamp`].
    pub fn knows_changes(&self) -> bool {
        matches!(&*self.0, Engine::Sqlite(_))
    }

    /// The state of the books before whatever is read next; said at once or not at all. `None` on MySQL, which has nothing
    /// of the kind.
    pub fn stamp(&self) -> Option<Stamp> {
        match &*self.0 {
            Engine::Sqlite(files) => files.stamp(),
            Engine::Mysql(_) => None,
        }
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

    /// Waits until all that can be read now is on disk: SQLite shows a commit a moment before it is. To be called between
    /// reading what is to be done outside and doing it (law 1), unless a commit of one's own lies between.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: do nothing.
    pub async fn settled(&self) -> Result<()> {
        flushed(self.flusher()).await
    }

    /// Whether what is committed from now on can be on disk.
    ///
    /// # Errors
    /// Where it cannot until a restart.
    pub fn check_disk(&self) -> Result<()> {
        self.flusher().map_or(Ok(()), |flusher| flusher.check())
    }

    /// MySQL flushes by itself.
    fn flusher(&self) -> Option<Arc<Flusher>> {
        match &*self.0 {
            Engine::Sqlite(files) => Some(files.flusher()),
            Engine::Mysql(_) => None,
        }
    }

    async fn writer(&self) -> Result<Conn> {
        Ok(Conn(match &*self.0 {
            Engine::Sqlite(files) => Inner::Sqlite(Some(files.writer().await?)),
            Engine::Mysql(servers) => Inner::Mysql(Some(servers.connection().await?)),
        }))
    }
}

/// The state of the books. The same stamp twice: nobody has written anything in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(i64);

async fn flushed(flusher: Option<Arc<Flusher>>) -> Result<()> {
    match flusher {
        Some(flusher) => flusher.flush().await,
        None => Ok(()),
    }
}
