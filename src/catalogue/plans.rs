//! Plans as stored: a row each, its fields as JSON under the API's names.

use crate::{
    db::{Conn, Error, Result, Row, Sql},
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

/// Reads many, for [`Conn::of_many`]; see [`from_rows`].
pub const OF_MANY: Sql = sql!("SELECT id, terms, changed_at FROM plan WHERE id IN (?)");

/// What [`OF_MANY`] brought.
pub fn from_rows(rows: &[Row]) -> Result<Vec<Stored>> {
    rows.iter().map(Stored::from_row).collect()
}

/// The one with that number.
pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, terms, changed_at FROM plan WHERE id = ?");
    conn.one(sql, params![id]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// The one with that number; nobody changes or removes it before this transaction ends.
pub async fn held(conn: &mut Conn, id: u64) -> Result<Option<Stored>> {
    if conn.is_of_a_cluster() {
        // A lock is its node's own; who changes or removes the plan writes to its row as well.
        conn.execute(sql!("UPDATE plan SET held = held + 1 WHERE id = ?"), params![id]).await?;
    }
    let sql = sql!("SELECT id, terms, changed_at FROM plan WHERE id = ? /*! LOCK IN SHARE MODE */");
    conn.one(sql, params![id]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// The one with that number; nobody else even holds it before this transaction ends.
pub async fn find_locked(conn: &mut Conn, id: u64) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, terms, changed_at FROM plan WHERE id = ? /*! FOR UPDATE */");
    conn.one(sql, params![id]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// A name as it is looked up: names that differ by capitals or by how many blanks there are, are the same.
fn key(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// The one with that name, capitals and the number of blanks disregarded.
pub async fn named(conn: &mut Conn, name: &str) -> Result<Option<Stored>> {
    let sql = sql!("SELECT id, terms, changed_at FROM plan WHERE name_key = ?");
    conn.one(sql, params![key(name)]).await?.map(|row| Stored::from_row(&row)).transpose()
}

/// Writes a new one; `None` where the name is taken.
pub async fn add(conn: &mut Conn, plan: &Plan, now: DateTime<Utc>) -> Result<Option<u64>> {
    let sql = sql!("INSERT INTO plan (name, name_key, terms, created_at, changed_at) VALUES (?, ?, ?, ?, ?)");
    if !conn.insert_once(sql, params![&plan.name, key(&plan.name), terms(plan), now, now]).await? {
        return Ok(None);
    }
    Ok(named(conn, &plan.name).await?.map(|stored| stored.id))
}

/// Replaces one whole; false where another one has the name. That there is one with that number must have been looked up.
pub async fn replace(conn: &mut Conn, id: u64, plan: &Plan, now: DateTime<Utc>) -> Result<bool> {
    let sql = sql!("UPDATE plan SET name = ?, name_key = ?, terms = ?, changed_at = ? WHERE id = ?");
    // An update that meets a key of another row fails as an insert does.
    conn.insert_once(sql, params![&plan.name, key(&plan.name), terms(plan), now, id]).await
}

/// Removes one; whether it was there. That nobody is on it must have been looked up before.
pub async fn remove(conn: &mut Conn, id: u64) -> Result<bool> {
    Ok(conn.execute(sql!("DELETE FROM plan WHERE id = ?"), params![id]).await? > 0)
}

/// How an administrator wants the list sorted, as [`sort_as`] was told; whether it falls.
pub async fn sorted_as(conn: &mut Conn, admin: &str) -> Result<Option<(String, bool)>> {
    let row = conn.one(sql!("SELECT sort, falling FROM plan_order WHERE admin = ?"), params![admin]).await?;
    row.map(|row| Ok((row.get("sort")?, row.get("falling")?))).transpose()
}

/// Remembers how an administrator wants the list sorted.
pub async fn sort_as(conn: &mut Conn, admin: &str, sort: &str, falling: bool) -> Result<()> {
    let sql = sql!(
        "INSERT INTO plan_order (admin, sort, falling) VALUES (?, ?, ?) \
         ON CONFLICT (admin) DO UPDATE SET sort = excluded.sort, falling = excluded.falling"
    );
    conn.execute(sql, params![admin, sort, falling]).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_take_for_the_same_are_the_same() {
        assert_eq!(key("  Gold \u{a0} 50 M"), key("gold 50 m"));
        assert_eq!(key("ÄRGER"), key("ärger"));
        assert_ne!(key("Gold"), key("Gold 2"));
    }
}
