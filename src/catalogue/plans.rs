//! Plans as stored: a row each, its fields as JSON under the API's names.

use crate::{
    db::{Conn, Error, Result, Row},
    params,
    plan::{Plan, form},
    sql,
    units::Gigabyte,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// A plan with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number here: what accounts hold, so that a plan may be renamed.
    pub id: u64,
    /// The plan.
    pub plan: Plan,
    /// When it was changed last.
    pub changed_at: DateTime<Utc>,
}

impl Stored {
    fn from_row(row: &Row) -> Result<Self> {
        let (id, terms): (u64, String) = (row.get("id")?, row.get("terms")?);
        let wrong = |why: String| Error::Defect(format!("plan {id}: {why}"));
        let fields: Map<String, Value> = serde_json::from_str(&terms).map_err(|error| wrong(error.to_string()))?;
        // What is stored is in bytes; what a GB is does not matter.
        let plan = form::parse(&fields, Gigabyte::Binary).map_err(|it| wrong(format!("{} {}", it.field, it.why)))?;
        Ok(Self { id, plan, changed_at: row.get("changed_at")? })
    }
}

fn terms(plan: &Plan) -> String {
    Value::Object(form::fields(plan)).to_string()
}

/// All of them, as drop-downs show them: by sort order, then by name.
pub async fn all(conn: &mut Conn) -> Result<Vec<Stored>> {
    let rows = conn.rows(sql!("SELECT id, terms, changed_at FROM plan ORDER BY id"), vec![]).await?;
    let mut plans: Vec<Stored> = rows.iter().map(Stored::from_row).collect::<Result<_>>()?;
    plans.sort_by_cached_key(|it| (it.plan.sort_order, it.plan.name.to_lowercase(), it.id));
    Ok(plans)
}

/// The one with that number.
pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, terms, changed_at FROM plan WHERE id = ?");
    conn.one(sql, params![id]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// The one with that very name.
pub async fn named(conn: &mut Conn, name: &str) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, terms, changed_at FROM plan WHERE name = ?");
    conn.one(sql, params![name]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// Writes a new one; `None` where the name is taken.
pub async fn add(conn: &mut Conn, plan: &Plan, now: DateTime<Utc>) -> Result<Option<u64>> {
    let sql = sql!("INSERT INTO plan (name, terms, created_at, changed_at) VALUES (?, ?, ?, ?)");
    if !conn.insert_once(sql, params![&plan.name, terms(plan), now, now]).await? {
        return Ok(None);
    }
    Ok(named(conn, &plan.name).await?.map(|stored| stored.id))
}

/// Replaces one whole; false where there is none with that number. That the name is free must have been looked up before.
pub async fn replace(conn: &mut Conn, id: u64, plan: &Plan, now: DateTime<Utc>) -> Result<bool> {
    let sql = sql!("UPDATE plan SET name = ?, terms = ?, changed_at = ? WHERE id = ?");
    Ok(conn.execute(sql, params![&plan.name, terms(plan), now, id]).await? > 0)
}

/// Removes one; whether it was there. That nobody is on it must have been looked up before.
pub async fn remove(conn: &mut Conn, id: u64) -> Result<bool> {
    Ok(conn.execute(sql!("DELETE FROM plan WHERE id = ?"), params![id]).await? > 0)
}
