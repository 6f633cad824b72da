//! A connection, and a transaction on it.

use super::{Cells, Error, Flusher, Result, Row, Sql, Value, flushed, mysql, sqlite};
use crate::steps;
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// A connection: of a [`Tx`], or to read with.
#[derive(Debug)]
pub struct Conn(pub(super) Inner);

/// The slot is empty while a statement runs; a cancelled one leaves it empty for good.
#[derive(Debug)]
pub(super) enum Inner {
    Sqlite(Option<sqlite::Held>),
    Mysql(Option<mysql::Held>),
}

impl Conn {
    /// Whether it is a transaction's at a node of a Galera cluster, where locks are that node's own.
    pub(crate) fn is_of_a_cluster(&self) -> bool {
        matches!(&self.0, Inner::Mysql(Some(held)) if held.is_of_a_cluster())
    }

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
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, rows) = held.rows(sql, values).await;
                *slot = held;
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
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, all) = held.read_all(sql, values, read).await;
                *slot = held;
                all
            }
        }
    }

    /// The first row, if any.
    pub async fn one(&mut self, sql: Sql, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// [`Conn::batch`] for rows that are made as they are written, so that not all of them are in memory at once.
    pub async fn batches(&mut self, sql: Sql, rows: Rows<'_>) -> Result<()> {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            self.some(sql, &mut rows.by_ref().take(AT_ONCE)).await?;
        }
        Ok(())
    }

    /// Reads what several statements say of many ids each, `SELECT … IN (?) …`, in few round trips; the rows of each
    /// statement, those of an id together. One with `= ?` is asked for each id by itself: for what MariaDB finds at once for
    /// one and goes through the table for several. On SQLite all of it is as of one instant.
    pub async fn of_many(&mut self, asked: Vec<(Sql, Vec<u64>)>) -> Result<Vec<Vec<Row>>> {
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, rows) = held.of_many(asked).await?;
                *slot = Some(held);
                rows
            }
            Inner::Mysql(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, rows) = held.of_many(asked).await;
                *slot = held;
                rows
            }
        }
    }

    /// The same `INSERT … VALUES (?, …)` (or upsert) for many rows, in few round trips.
    pub async fn batch(&mut self, sql: Sql, rows: Vec<Vec<Value>>) -> Result<()> {
        if rows.is_empty() { Ok(()) } else { self.some(sql, &mut rows.into_iter()).await }
    }

    async fn some(&mut self, sql: Sql, rows: &mut (dyn Iterator<Item = Vec<Value>> + Send)) -> Result<()> {
        let _step = steps::step(sql.text());
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.batch(sql, rows.collect()).await?;
                *slot = Some(held);
                done
            }
            Inner::Mysql(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.batch(sql, rows).await;
                *slot = held;
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
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.prepare(sql).await;
                *slot = held;
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
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, outcome) = held.run(sql, values).await;
                *slot = held;
                outcome
            }
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let _step = steps::step("COMMIT");
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.raw("COMMIT".to_owned()).await?;
                *slot = Some(held);
                done
            }
            Inner::Mysql(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.commit().await;
                *slot = held;
                done
            }
        }
    }

    /// Changes the schema, in words that differ.
    pub(super) async fn raw(&mut self, on_sqlite: &str, on_mysql: &str) -> Result<()> {
        let _step = steps::step(on_mysql);
        match &mut self.0 {
            Inner::Sqlite(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.raw(on_sqlite.to_owned()).await?;
                *slot = Some(held);
                done
            }
            Inner::Mysql(slot) => {
                let held = slot.take().ok_or(Error::Cancelled)?;
                let (held, done) = held.raw(on_mysql).await;
                *slot = held;
                done
            }
        }
    }
}

/// A transaction: rolled back unless [`Tx::commit`] was called.
#[derive(Debug)]
pub struct Tx {
    pub(super) conn: Conn,
    /// What its commit has to wait for.
    pub(super) flusher: Option<Arc<Flusher>>,
}

impl Tx {
    /// Makes all of it true, or none. An error here leaves the outcome to be read from the database.
    pub async fn commit(mut self) -> Result<()> {
        self.conn.commit().await?;
        // The next transaction may begin: its commit follows this one in the file.
        drop(self.conn);
        flushed(self.flusher).await
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
