//! MariaDB and MySQL, by way of `mysql_async`'s pool.
//!
//! `client_found_rows`: an UPDATE that changes nothing still counts its rows, as on SQLite. Settings are made by `setup`,
//! which survives the pool's reset (`init` does not). A node of a Galera cluster is a server like any other: a conflict
//! with what another node committed comes as error 1213, also at the commit, and the transaction is done over; a node that
//! has lost its cluster is as good as away.

use super::{Cells, Error, Outcome, Result, Row, Sql, Value, respell};
use mysql_async::{
    Conn, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts,
    consts::ColumnType,
    prelude::{Queryable, StatementLike},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// A pool's connections at the most; hooks, jobs and pages share them.
const CONNECTIONS: usize = 16;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(5);

/// Rows in one multi-row INSERT: with more of them MariaDB spends its time on the parameters (docs/benchmarks.md).
const GROUPS: usize = 100;

const BINARY: u16 = 63;

/// How long one statement may take. A server behind a cut wire says nothing at all; a hook must answer all the same.
const STATEMENT: Duration = Duration::from_secs(20);

const LATE: &str = "no answer within 20 s";

/// How long MariaDB lets a transaction of ours wait for its next statement: one whose sidecar was stopped in the middle
/// would hold its rows against all others until it woke up.
const IDLE_IN_TRANSACTION: &str = "SET SESSION idle_transaction_timeout = 15";

/// A node of a cluster answers from what it has applied; what was committed through another node just before counts too.
const READ_YOUR_WRITES: &str = "SET SESSION wsrep_sync_wait = 1";

/// The pool, made when the server was first asked what it is.
pub(super) struct Servers {
    opts: Opts,
    pool: OnceCell<Pool>,
}

// The driver's options hold the password.
impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Servers")
    }
}

/// Whether the URL parses; the answer never holds its password.
pub(super) fn check_url(url: &str) -> std::result::Result<(), String> {
    let opts = Opts::from_url(url)
        .map_err(|error| format!("database.url cannot be read: {}", scrub(&error.to_string(), url)))?;
    if opts.db_name().is_none_or(str::is_empty) {
        return Err("database.url names no database: mysql://user:password@host:3306/turnpike".to_owned());
    }
    Ok(())
}

/// Takes the URL's text out of a message.
fn scrub(message: &str, url: &str) -> String {
    message.replace(url, "mysql://…")
}

impl Servers {
    pub(super) fn open(url: &str) -> Result<Self> {
        let opts = Opts::from_url(url).map_err(|error| Error::Unavailable(scrub(&error.to_string(), url)))?;
        Ok(Self { opts, pool: OnceCell::new() })
    }

    pub(super) async fn connection(&self) -> Result<Conn> {
        let connection = async { self.pool.get_or_try_init(|| self.make()).await?.get_conn().await };
        match tokio::time::timeout(CONNECT, connection).await {
            Ok(conn) => conn.map_err(translate),
            Err(_elapsed) => Err(Error::Unavailable("no connection within 5 s".to_owned())),
        }
    }

    /// Asks what the server is, for the settings that not every one has.
    async fn make(&self) -> mysql_async::Result<Pool> {
        let mut setup = vec![
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 4, \
             sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
        ];
        let mut conn = Conn::new(self.opts.clone()).await?;
        let has = "SHOW VARIABLES WHERE variable_name = 'idle_transaction_timeout'";
        if conn.query_first::<mysql_async::Row, _>(has).await?.is_some() {
            setup.push(IDLE_IN_TRANSACTION);
        }
        let cluster = "SHOW VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'";
        if conn.query_first::<mysql_async::Row, _>(cluster).await?.is_some() {
            setup.push(READ_YOUR_WRITES);
        }
        conn.disconnect().await?;
        let constraints = PoolConstraints::new(1, CONNECTIONS).unwrap_or_default();
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .client_found_rows(true)
            .stmt_cache_size(256)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .setup(setup)
            .pool_opts(PoolOpts::default().with_constraints(constraints));
        Ok(Pool::new(opts))
    }

    pub(super) async fn close(&self) {
        if let Some(pool) = self.pool.get() {
            // Fails only where the pool is closed already.
            let _ = pool.clone().disconnect().await;
        }
    }
}

/// The connection, unless it is of no more use, and what the statement came to.
type Answer<T> = (Option<Conn>, Result<T>);

/// A connection whose answer did not come in time is closed, and not waited for.
fn answer<T>(conn: Conn, outcome: Result<T>) -> Answer<T> {
    if matches!(&outcome, Err(Error::Unavailable(why)) if why == LATE) {
        tokio::spawn(tokio::time::timeout(Duration::from_secs(1), conn.disconnect()));
        return (None, outcome);
    }
    (Some(conn), outcome)
}

async fn in_time<T>(work: impl Future<Output = mysql_async::Result<T>>) -> Result<T> {
    match tokio::time::timeout(STATEMENT, work).await {
        Ok(outcome) => outcome.map_err(translate),
        Err(_elapsed) => Err(Error::Unavailable(LATE.to_owned())),
    }
}

pub(super) async fn run(mut conn: Conn, sql: Sql, values: Vec<Value>) -> Answer<Outcome> {
    let outcome = async {
        exec(&mut conn, spelled(sql)?, values).await?;
        let last_id = conn.last_insert_id().and_then(|id| i64::try_from(id).ok()).unwrap_or_default();
        Ok(Outcome { affected: conn.affected_rows(), last_id })
    };
    let outcome = outcome.await;
    answer(conn, outcome)
}

pub(super) async fn rows(mut conn: Conn, sql: Sql, values: Vec<Value>) -> Answer<Vec<Row>> {
    let outcome = read(&mut conn, sql, values).await;
    answer(conn, outcome)
}

async fn read(conn: &mut Conn, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>> {
    said(conn, spelled(sql)?, values).await
}

async fn said(conn: &mut Conn, text: String, values: Vec<Value>) -> Result<Vec<Row>> {
    let rows: Vec<mysql_async::Row> = in_time(conn.exec(text, positional(values))).await?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
    rows.into_iter().map(|row| cells(&columns, row)).collect()
}

/// Every row, read as it comes; one time limit for all, because there are many.
pub(super) async fn read_all<T: Send + 'static>(
    mut conn: Conn,
    sql: Sql,
    values: Vec<Value>,
    take: impl FnMut(&mut Cells<'_>) -> Result<T> + Send,
) -> Answer<Vec<T>> {
    let outcome = tokio::time::timeout(STATEMENT, stream(&mut conn, sql, values, take)).await;
    answer(conn, outcome.unwrap_or_else(|_elapsed| Err(Error::Unavailable(LATE.to_owned()))))
}

async fn stream<T: Send + 'static>(
    conn: &mut Conn,
    sql: Sql,
    values: Vec<Value>,
    mut read: impl FnMut(&mut Cells<'_>) -> Result<T> + Send,
) -> Result<Vec<T>> {
    let mut answer = conn.exec_iter(spelled(sql)?, positional(values)).await.map_err(translate)?;
    let (mut all, mut cells, mut wrong) = (Vec::new(), Vec::new(), None);
    // What comes after a row that cannot be read is read to its end all the same: the connection goes on.
    while let Some(row) = answer.next().await.map_err(translate)? {
        if wrong.is_some() {
            continue;
        }
        cells.clear();
        match values_of(row, &mut cells).and_then(|()| read(&mut Cells::of(&mut cells))) {
            Ok(one) => all.push(one),
            Err(error) => wrong = Some(error),
        }
    }
    answer.drop_result().await.map_err(translate)?;
    wrong.map_or(Ok(all), Err)
}

pub(super) async fn of_many(mut conn: Conn, asked: Vec<(Sql, Vec<u64>)>) -> Answer<Vec<Vec<Row>>> {
    let outcome = read_many(&mut conn, asked).await;
    answer(conn, outcome)
}

async fn read_many(conn: &mut Conn, asked: Vec<(Sql, Vec<u64>)>) -> Result<Vec<Vec<Row>>> {
    let mut found = Vec::with_capacity(asked.len());
    for (sql, ids) in asked {
        let mut all = Vec::new();
        for ids in ids.chunks(respell::MOST_IDS) {
            let (text, padding) = respell::for_ids(&spelled(sql)?, ids.len()).map_err(Error::Defect)?;
            let last = ids.last().into_iter().cycle().take(padding);
            all.extend(said(conn, text, ids.iter().chain(last).copied().map(Value::from).collect()).await?);
        }
        found.push(all);
    }
    Ok(found)
}

pub(super) async fn batch(mut conn: Conn, sql: Sql, rows: Vec<Vec<Value>>) -> Answer<()> {
    let outcome = write(&mut conn, sql, rows).await;
    answer(conn, outcome)
}

async fn write(conn: &mut Conn, sql: Sql, rows: Vec<Vec<Value>>) -> Result<()> {
    let text = spelled(sql)?;
    let groups = GROUPS.min(rows.len());
    let full = respell::repeat_values(&text, groups).map_err(Error::Defect)?;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<_> = rows.by_ref().take(groups).collect();
        let count = chunk.len();
        let values = chunk.into_iter().flatten().collect();
        if count == groups {
            exec(conn, full.as_str(), values).await?;
        } else {
            exec(conn, respell::repeat_values(&text, count).map_err(Error::Defect)?, values).await?;
        }
    }
    Ok(())
}

pub(super) async fn prepare(mut conn: Conn, sql: Sql) -> Answer<()> {
    let outcome = async {
        let statement = in_time(conn.prep(spelled(sql)?)).await?;
        in_time(conn.close(statement)).await
    };
    let outcome = outcome.await;
    answer(conn, outcome)
}

/// Transactions in time; changes of the schema may take as long as they take.
pub(super) async fn raw(mut conn: Conn, text: &str) -> Answer<()> {
    let outcome = match text {
        "START TRANSACTION" | "COMMIT" => in_time(conn.query_drop(text)).await,
        _ => conn.query_drop(text).await.map_err(translate),
    };
    answer(conn, outcome)
}

async fn exec(conn: &mut Conn, text: impl StatementLike, values: Vec<Value>) -> Result<()> {
    in_time(conn.exec_drop(text, positional(values))).await
}

fn spelled(sql: Sql) -> Result<String> {
    respell::for_mysql(sql.text()).map_err(Error::Defect)
}

fn positional(values: Vec<Value>) -> Params {
    if values.is_empty() {
        return Params::Empty;
    }
    let cell = |value| match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Int(int) => mysql_async::Value::Int(int),
        Value::Text(text) => mysql_async::Value::Bytes(text.into_bytes()),
        Value::Blob(bytes) => mysql_async::Value::Bytes(bytes),
    };
    Params::Positional(values.into_iter().map(cell).collect())
}

fn cells(columns: &Arc<[String]>, row: mysql_async::Row) -> Result<Row> {
    let mut values = Vec::with_capacity(columns.len());
    values_of(row, &mut values)?;
    Ok(Row { columns: Arc::clone(columns), values })
}

fn values_of(row: mysql_async::Row, values: &mut Vec<Value>) -> Result<()> {
    let columns = row.columns();
    for (cell, column) in row.unwrap().into_iter().zip(columns.iter()) {
        let blob = column.character_set() == BINARY && is_blob(column.column_type());
        values.push(match cell {
            mysql_async::Value::NULL => Value::Null,
            mysql_async::Value::Int(int) => Value::Int(int),
            mysql_async::Value::UInt(int) => Value::Int(i64::try_from(int).unwrap_or(i64::MAX)),
            mysql_async::Value::Bytes(bytes) if blob => Value::Blob(bytes),
            mysql_async::Value::Bytes(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
            other => return Err(Error::Defect(format!("a cell of an unexpected type: {other:?}"))),
        });
    }
    Ok(())
}

fn is_blob(kind: ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_VAR_STRING
    )
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
            // Too many connections, access denied, no such database, shutdown, killed, read-only; a full disk, an error of
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
