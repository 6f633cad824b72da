//! MariaDB and MySQL, by way of `mysql_async`'s pool.
//!
//! `client_found_rows`: an UPDATE that changes nothing still counts its rows, as on SQLite. Settings are made by `setup`.
//! A conflict with what another node of a Galera cluster
//! committed comes as error 1213, also at the commit, or not at all (see [`held`]), and the transaction is done over; a node
//! that has lost its cluster is as good as away.

mod held;

pub(super) use held::Held;

use super::{Error, Result};
use mysql_async::{Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, UrlError, prelude::Queryable};
use std::time::{Duration, Instant};
use tokio::{runtime::Handle, sync::OnceCell};

/// A pool's connections at the most; hooks, jobs and pages share them.
const CONNECTIONS: usize = 16;

/// Prepared statements that a connection keeps. A server allows 16,382 to all its clients (`max_prepared_stmt_count`): those
/// of eight sidecars.
const STATEMENTS: usize = 128;

/// How long a connection is kept that nobody uses, but for one.
const IDLE: Duration = Duration::from_secs(60);

/// How long a connection is waited for; with the [second look](SECOND_LOOK) 5 s.
const CONNECT: Duration = Duration::from_secs(4);

/// How long one statement may take; with the [second look](SECOND_LOOK) 20 s. A server behind a cut wire says nothing at
/// all; a hook must answer all the same.
const STATEMENT: Duration = Duration::from_secs(19);

const LATE: &str = "no answer within 20 s";

const START: &str = "START TRANSACTION";

/// A process that was stopped (SIGSTOP, a machine that was put to sleep) finds its limits over before it hears of an answer
/// that has long been there: it looks once more for so long before it gives up.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// How long MariaDB lets a transaction of ours wait for its next statement: one whose sidecar was stopped in the middle
/// would hold its rows against all others until it woke up.
const IDLE_IN_TRANSACTION: &str = "SET SESSION idle_transaction_timeout = 15";

/// A node of a cluster answers from what it has applied; what was committed through another node just before counts too.
const READ_YOUR_WRITES: &str = "SET SESSION wsrep_sync_wait = 1";

/// The pool, made when the server was first asked what it is.
pub(super) struct Servers {
    opts: Opts,
    server: OnceCell<Server>,
}

struct Server {
    pool: Pool,
    /// A node of a Galera cluster.
    is_node: bool,
}

// The driver's options hold the password.
impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Servers")
    }
}

/// In a password, these end it where they stand as they are: what follows is taken for another part of the URL; a % and what
/// follows it for one character.
const ESCAPES: &str = "in the password write % ? # @ / : as %25 %3F %23 %40 %2F %3A";

/// Whether the URL parses; the answer never holds its password.
pub(super) fn check_url(url: &str) -> std::result::Result<(), String> {
    let opts = options(url)?;
    if opts.db_name().is_none_or(str::is_empty) {
        let example = "mysql://user:password@host:3306/turnpike";
        return Err(format!("database.url names no database: {example} ({ESCAPES})"));
    }
    // What parses all the same, with the password's second half for a database or for nothing.
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split('?').next().and_then(|it| it.split_once('/')).map_or("", |(_, path)| path);
    if rest.contains('#') || path.trim_end_matches('/').contains(['/', '@']) {
        return Err(format!("database.url cannot be read: {ESCAPES}"));
    }
    Ok(())
}

/// The driver's own message quotes the part that it does not understand, which may be the password's second half.
fn options(url: &str) -> std::result::Result<Opts, String> {
    Opts::from_url(url).map_err(|error| match error {
        UrlError::Parse(why) => format!("database.url cannot be read ({why}): {ESCAPES}"),
        UrlError::InvalidParamValue { param, .. } => {
            format!("database.url cannot be read: the value of its parameter {param} is none; {ESCAPES}")
        }
        UrlError::UnknownParameter { .. } => {
            format!("database.url cannot be read: what follows its ? is no parameter that is known; {ESCAPES}")
        }
        UrlError::Invalid => format!("database.url cannot be read: it names no host; {ESCAPES}"),
        UrlError::InvalidPoolConstraints { .. } => {
            format!("database.url cannot be read: its pool_min is greater than its pool_max; {ESCAPES}")
        }
        UrlError::FeatureRequired { .. } | UrlError::UnsupportedScheme { .. } => {
            format!("database.url cannot be read: {ESCAPES}")
        }
    })
}

impl Servers {
    pub(super) fn open(url: &str) -> Result<Self> {
        let opts = options(url).map_err(Error::Unavailable)?;
        Ok(Self { opts, server: OnceCell::new() })
    }

    /// A connection with a transaction begun.
    pub(super) async fn transaction(&self) -> Result<Held> {
        let (conn, is_node) = self.first_word(async |conn| conn.query_drop(START).await).await?;
        Ok(Held::in_transaction(conn, is_node))
    }

    /// A connection to read with.
    pub(super) async fn reader(&self) -> Result<Held> {
        let (conn, _) = self.first_word(async |conn| conn.ping().await).await?;
        Ok(Held::by_itself(conn))
    }

    /// A connection for the schema, which is changed outside of transactions.
    pub(super) async fn connection(&self) -> Result<Held> {
        Ok(Held::by_itself(self.pooled().await?.0))
    }

    /// The pool gives out what the server closed a moment ago: the first word on it finds that, and nothing was said yet
    /// that would have to be said again. Then the next is taken, while that goes fast.
    async fn first_word(&self, say: impl AsyncFn(&mut Conn) -> mysql_async::Result<()>) -> Result<(Conn, bool)> {
        let (since, mut tries) = (Instant::now(), 0);
        loop {
            tries += 1;
            let (mut conn, is_node) = self.pooled().await?;
            match within(STATEMENT, say(&mut conn)).await {
                Some(Ok(())) => return Ok((conn, is_node)),
                Some(Err(mysql_async::Error::Io(_) | mysql_async::Error::Driver(_)))
                    if tries <= CONNECTIONS && since.elapsed() < CONNECT => {}
                Some(Err(error)) => return Err(translate(error)),
                None => {
                    held::close(conn, &Handle::current());
                    return Err(late());
                }
            }
        }
    }

    async fn pooled(&self) -> Result<(Conn, bool)> {
        let connection = async {
            let server = self.server.get_or_try_init(|| self.make()).await?;
            Ok((server.pool.get_conn().await?, server.is_node))
        };
        match within(CONNECT, connection).await {
            Some(conn) => conn.map_err(translate),
            None => Err(Error::Unavailable("no connection within 5 s".to_owned())),
        }
    }

    /// Asks what the server is, for the settings that not every one has.
    async fn make(&self) -> mysql_async::Result<Server> {
        let mut setup = vec![
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET SESSION autocommit = 1, time_zone = '+00:00', innodb_lock_wait_timeout = 4, \
             sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
        ];
        let mut conn = Conn::new(self.opts.clone()).await?;
        let has = "SHOW VARIABLES WHERE variable_name = 'idle_transaction_timeout'";
        if conn.query_first::<mysql_async::Row, _>(has).await?.is_some() {
            setup.push(IDLE_IN_TRANSACTION);
        }
        let cluster = "SHOW VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'";
        let is_node = conn.query_first::<mysql_async::Row, _>(cluster).await?.is_some();
        if is_node {
            setup.push(READ_YOUR_WRITES);
        }
        conn.disconnect().await?;
        let constraints = PoolConstraints::new(1, CONNECTIONS).unwrap_or_default();
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .client_found_rows(true)
            .stmt_cache_size(STATEMENTS)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .setup(setup)
            .pool_opts(
                PoolOpts::default()
                    .with_reset_connection(false)
                    .with_constraints(constraints)
                    .with_inactive_connection_ttl(IDLE),
            );
        Ok(Server { pool: Pool::new(opts), is_node })
    }

    pub(super) async fn close(&self) {
        if let Some(server) = self.server.get() {
            // Fails only where the pool is closed already.
            let _ = server.pool.clone().disconnect().await;
        }
    }
}

fn late() -> Error {
    Error::Unavailable(LATE.to_owned())
}

/// What the work comes to within the limit, or at the [second look](SECOND_LOOK).
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(limit, &mut work).await {
        Ok(outcome) => Some(outcome),
        Err(_elapsed) => tokio::time::timeout(SECOND_LOOK, work).await.ok(),
    }
}

/// Numbers from MariaDB's error reference.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err hands it in")]
fn translate(error: mysql_async::Error) -> Error {
    let text = error.to_string();
    match &error {
        mysql_async::Error::Server(server) => match server.code {
            1062 | 1586 => Error::Duplicate,
            // Lock wait timeout, deadlock, Galera's certification failure.
            1205 | 1213 | 1020 => Error::Retry(text),
            // Too many connections or prepared statements, access denied, no such database, shutdown, killed, read-only; a full disk, an error of
            // the storage or under a commit; a node that is not, or no longer, of the cluster.
            3
            | 1021
            | 1026
            | 1030
            | 1037
            | 1040
            | 1041
            | 1044
            | 1045
            | 1047
            | 1049
            | 1053
            | 1114
            | 1129
            | 1130
            | 1152
            | 1158..=1161
            | 1180
            | 1184
            | 1203
            | 1206
            | 1226
            | 1290
            | 1317
            | 1461
            | 1836
            | 1927
            | 1969 => Error::Unavailable(text),
            _ => Error::Defect(text),
        },
        mysql_async::Error::Io(_) | mysql_async::Error::Driver(_) => Error::Unavailable(text),
        _ => Error::Defect(text),
    }
}

/// Error numbers that say "this is there (or gone) already": a schema step that was done before the record of it was.
pub(super) fn is_already_done(message: &str) -> bool {
    ["ERROR 1050 ", "ERROR 1060 ", "ERROR 1061 ", "ERROR 1091 "].iter().any(|number| message.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_in_what_is_said_of_its_url() {
        for url in [
            "mysql://u:hidden?secret=1@host/db",
            "mysql://u:12?secret=1@host/db",
            "mysql://u:12?pool_min=secret@host/db",
            "mysql://u:12?prefer_socket=secret",
            "mysql://host/db?secret=hidden",
            "mysql://u:hidden#secret@host/db",
            "mysql://u:12#secret@host/db",
            "mysql://u:hidden/secret@host/db",
            "mysql://u:12/secret@host/db",
            "mysql://u:12/hid/secret@host",
            "mysql://u:12/hid#secret@host/db",
            "mysql://u:12/hid?secret@host/db",
            "mysql://u:hi:dden@ho st/secret",
            "mysql://u:secret@[host/hidden",
        ] {
            let said = check_url(url).expect_err(url);
            assert!(!said.contains("secret") && !said.contains("hid"), "{url}: {said}");
            assert!(said.starts_with("database.url ") && said.contains("%3F"), "{url}: {said}");
        }
        for (url, why) in [
            ("mysql://u:p@host/db?pool_min=5&pool_max=2", "pool_min is greater than its pool_max"),
            ("mysql:///db", "it names no host"),
            ("mysql://u:p@host/db?pool_min=many", "the value of its parameter pool_min"),
        ] {
            let said = check_url(url).expect_err(url);
            assert!(said.contains(why) && said.contains("write % ?") && said.contains("%25"), "{url}: {said}");
        }
        assert_eq!(options("mysql://u:50%2541x@host/db").unwrap().pass(), Some("50%41x"));
        check_url("mysql://u:hi%3Fdd%23e%40n%2Fs%3Aecret@host/db?pool_min=1").unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_is_there_at_the_second_look_is_taken_and_what_never_comes_is_not() {
        let (limit, late) = (Duration::from_millis(1), Duration::from_millis(20));
        assert_eq!(within(limit, async { tokio::time::sleep(late).await }).await, Some(()));
        assert_eq!(within(limit, std::future::pending::<()>()).await, None);
    }
}
