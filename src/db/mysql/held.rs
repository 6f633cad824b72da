//! A connection of the pool in use, and what is said on it.
//!
//! Laws: a connection that was given up in the middle of a statement is closed, for nobody knows what comes next on it. One
//! with a transaction that was not committed goes back to the pool by way of a ROLLBACK, every other as it is, so that a
//! statement is prepared once in a connection's life and not in each transaction. None is reset (`COM_RESET_CONNECTION`):
//! a node of a Galera cluster takes it for no client's from then on, and reads from it what is not up to date, whatever
//! `wsrep_sync_wait` says (codership's galera#613; so does MariaDB 10.11).
//!
//! A transaction that the server has rolled back must not be gone on with: what is written then is committed at once, by
//! itself. A server says so by an error, and nothing more is said on it. But for one case: where a transaction must give
//! way to one of another node of a Galera cluster just while a statement is prepared, that is said to nobody (seen with
//! MariaDB 10.11 and Galera 26.4 in one of some hundred contended transactions). So every answer's flag is looked at, and
//! in a cluster it is asked for before each writing statement.

use super::{
    super::{Cells, Outcome, Row, Sql, Value, respell},
    Error, LATE, Result, STATEMENT, late, translate, within,
};
use mysql_async::{
    Conn, Params,
    consts::{ColumnType, StatusFlags},
    prelude::Queryable,
};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// Rows in one multi-row INSERT: with more of them MariaDB spends its time on the parameters (docs/benchmarks.md).
const GROUPS: usize = 100;

const BINARY: u16 = 63;

/// What becomes of a connection that is put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The pool's, as it is.
    Kept,
    /// The pool's, once what was not committed is rolled back.
    RolledBack,
    /// Nobody's.
    Closed,
}

/// A connection in use.
#[derive(Debug)]
pub(in crate::db) struct Held {
    /// There until it is dropped.
    conn: Option<Conn>,
    in_transaction: bool,
    is_node: bool,
    end: End,
    /// Where it was taken; it may be dropped anywhere.
    runtime: Handle,
}

/// The connection, unless it is of no more use, and what the statement came to.
type Answer<T> = (Option<Held>, Result<T>);

impl Held {
    /// After `START TRANSACTION`; `is_node`: of a Galera cluster.
    pub(super) fn in_transaction(conn: Conn, is_node: bool) -> Self {
        Self { conn: Some(conn), in_transaction: true, is_node, end: End::RolledBack, runtime: Handle::current() }
    }

    /// To read with, or for the schema: what is written is committed by itself.
    pub(super) fn by_itself(conn: Conn) -> Self {
        Self { conn: Some(conn), in_transaction: false, is_node: false, end: End::Kept, runtime: Handle::current() }
    }

    /// Says something. Whoever drops this in the middle has the connection closed.
    async fn say<T>(mut self, what: impl AsyncFnOnce(&mut Conn) -> Result<T>) -> Answer<T> {
        let Some(conn) = &mut self.conn else { return (None, Err(Error::Cancelled)) };
        let end = std::mem::replace(&mut self.end, End::Closed);
        let mut outcome = what(conn).await;
        if outcome.is_ok() && self.in_transaction {
            outcome = still_in_transaction(conn).and(outcome);
        }
        match &outcome {
            Ok(_) => self.end = end,
            Err(Error::Unavailable(why)) if why == LATE => return (None, outcome),
            Err(Error::Retry(_)) if self.in_transaction => {
                self.end = End::RolledBack;
                return (None, outcome);
            }
            Err(_) => self.end = End::RolledBack,
        }
        (Some(self), outcome)
    }

    pub(in crate::db) async fn run(self, sql: Sql, values: Vec<Value>) -> Answer<Outcome> {
        let asks_first = self.is_of_a_cluster();
        self.say(async |conn| {
            exec(conn, asks_first, &spelled(sql)?, values).await?;
            let last_id = conn.last_insert_id().and_then(|id| i64::try_from(id).ok()).unwrap_or_default();
            Ok(Outcome { affected: conn.affected_rows(), last_id })
        })
        .await
    }

    /// A transaction at a node of a Galera cluster, which is asked for the transaction before something is written.
    pub(in crate::db) fn is_of_a_cluster(&self) -> bool {
        self.is_node && self.in_transaction
    }

    pub(in crate::db) async fn rows(self, sql: Sql, values: Vec<Value>) -> Answer<Vec<Row>> {
        self.say(async |conn| said(conn, spelled(sql)?, values).await).await
    }

    /// Every row, read as it comes; one time limit for all, because there are many.
    pub(in crate::db) async fn read_all<T: Send + 'static>(
        self,
        sql: Sql,
        values: Vec<Value>,
        take: impl FnMut(&mut Cells<'_>) -> Result<T> + Send,
    ) -> Answer<Vec<T>> {
        let all = async |conn: &mut Conn| {
            within(STATEMENT, stream(conn, sql, values, take)).await.unwrap_or_else(|| Err(late()))
        };
        self.say(all).await
    }

    pub(in crate::db) async fn of_many(self, asked: Vec<(Sql, Vec<u64>)>) -> Answer<Vec<Vec<Row>>> {
        self.say(async |conn| read_many(conn, asked).await).await
    }

    pub(in crate::db) async fn batch(
        self,
        sql: Sql,
        rows: &mut (dyn Iterator<Item = Vec<Value>> + Send),
    ) -> Answer<()> {
        let asks_first = self.is_of_a_cluster();
        self.say(async |conn| write(conn, asks_first, sql, rows).await).await
    }

    pub(in crate::db) async fn prepare(self, sql: Sql) -> Answer<()> {
        self.say(async |conn| {
            let statement = in_time(conn.prep(spelled(sql)?)).await?;
            in_time(conn.close(statement)).await?;
            in_time(conn.ping()).await
        })
        .await
    }

    /// Commits, in time. Once that is answered nothing is left to be rolled back.
    pub(in crate::db) async fn commit(mut self) -> Answer<()> {
        self.in_transaction = false;
        let commit = async |conn: &mut Conn| {
            // A commit is answered in the same way where there is no transaction. After an error there is no flag to look at.
            if conn.last_ok_packet().is_none() {
                in_time(conn.ping()).await?;
            }
            still_in_transaction(conn)?;
            in_time(conn.query_drop("COMMIT")).await
        };
        let (mut held, outcome) = self.say(commit).await;
        if let (Some(held), Ok(())) = (&mut held, &outcome) {
            held.end = End::Kept;
        }
        (held, outcome)
    }

    /// Changes the schema, which may take as long as it takes.
    pub(in crate::db) async fn raw(self, text: &str) -> Answer<()> {
        self.say(async |conn| conn.query_drop(text).await.map_err(translate)).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        conn.reset_connection(false);
        match self.end {
            End::Kept => {}
            End::RolledBack => roll_back(conn, &self.runtime),
            End::Closed => close(conn, &self.runtime),
        }
    }
}

/// Rolls back, without being waited for, and gives the connection to the pool.
fn roll_back(mut conn: Conn, runtime: &Handle) {
    runtime.spawn(async move {
        if in_time(conn.query_drop("ROLLBACK")).await.is_err() {
            close(conn, &Handle::current());
        }
    });
}

/// Closes a connection without waiting for it.
pub(super) fn close(conn: Conn, runtime: &Handle) {
    runtime.spawn(tokio::time::timeout(Duration::from_secs(1), conn.disconnect()));
}

/// What the server's last answer says of the transaction. Not after a mere preparation, whose answer says nothing of it.
fn still_in_transaction(conn: &Conn) -> Result<()> {
    match conn.last_ok_packet() {
        Some(ok) if !ok.status_flags().contains(StatusFlags::SERVER_STATUS_IN_TRANS) => {
            Err(Error::Retry("the server has rolled the transaction back".to_owned()))
        }
        _ => Ok(()),
    }
}

async fn in_time<T>(work: impl Future<Output = mysql_async::Result<T>>) -> Result<T> {
    match within(STATEMENT, work).await {
        Some(outcome) => outcome.map_err(translate),
        None => Err(late()),
    }
}

async fn said(conn: &mut Conn, text: String, values: Vec<Value>) -> Result<Vec<Row>> {
    let rows: Vec<mysql_async::Row> = in_time(conn.exec(text, positional(values))).await?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
    rows.into_iter().map(|row| cells(&columns, row)).collect()
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

async fn read_many(conn: &mut Conn, asked: Vec<(Sql, Vec<u64>)>) -> Result<Vec<Vec<Row>>> {
    let mut found = Vec::with_capacity(asked.len());
    for (sql, ids) in asked {
        let (mut all, one) = (Vec::new(), spelled(sql)?);
        if !one.contains(" IN (?)") {
            for id in ids {
                all.extend(said(conn, one.clone(), vec![Value::from(id)]).await?);
            }
            found.push(all);
            continue;
        }
        for ids in ids.chunks(respell::MOST_IDS) {
            let (text, padding) = respell::for_ids(&one, ids.len()).map_err(Error::Defect)?;
            let last = ids.last().into_iter().cycle().take(padding);
            all.extend(said(conn, text, ids.iter().chain(last).copied().map(Value::from).collect()).await?);
        }
        found.push(all);
    }
    Ok(found)
}

async fn write(
    conn: &mut Conn,
    asks_first: bool,
    sql: Sql,
    rows: &mut (dyn Iterator<Item = Vec<Value>> + Send),
) -> Result<()> {
    let text = spelled(sql)?;
    let full = respell::repeat_values(&text, GROUPS).map_err(Error::Defect)?;
    let mut group = take_group(rows);
    while group.0 == GROUPS {
        let written = exec(conn, asks_first, &full, group.1);
        // The next rows are made while the server writes these.
        let (written, next) = tokio::join!(written, async { take_group(rows) });
        written?;
        group = next;
    }
    let (mut left, mut values) = group;
    // In powers of two: a connection keeps what it has prepared, and is to keep few.
    while left > 0 {
        let (count, width) = (1 << left.ilog2(), values.len() / left);
        let rest = values.split_off(count * width);
        let part = respell::repeat_values(&text, count).map_err(Error::Defect)?;
        exec(conn, asks_first, &part, std::mem::replace(&mut values, rest)).await?;
        left -= count;
    }
    Ok(())
}

/// At most [`GROUPS`] rows, how many, and their values.
fn take_group(rows: &mut (dyn Iterator<Item = Vec<Value>> + Send)) -> (usize, Vec<Value>) {
    let mut values = Vec::new();
    let mut count = 0;
    for row in rows.take(GROUPS) {
        count += 1;
        values.extend(row);
    }
    (count, values)
}

/// Says a writing statement; `asks_first`: once it is prepared, whether there still is the transaction that it belongs to.
async fn exec(conn: &mut Conn, asks_first: bool, text: &str, values: Vec<Value>) -> Result<()> {
    if !asks_first {
        return in_time(conn.exec_drop(text, positional(values))).await;
    }
    let statement = in_time(conn.prep(text)).await?;
    in_time(conn.ping()).await?;
    still_in_transaction(conn)?;
    in_time(conn.exec_drop(statement, positional(values))).await
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
