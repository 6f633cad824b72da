//! Bandwidth rules as stored: a row each.

use crate::{
    db::{Conn, Error, Result, Row, Value},
    params,
    plan::{
        rules::{Days, Factor, Rule},
        window::{Clock, DayWindow},
    },
    sql,
};
use chrono::{DateTime, Utc};

fn of(row: &Row) -> Result<Rule> {
    let id: u64 = row.get("id")?;
    let wrong = |what: &str| Error::Defect(format!("bandwidth rule {id}: {what} cannot be read"));
    let clock = |name: &str| {
        let minute: Option<u32> = row.get(name)?;
        minute.map(|it| Clock::from_minutes(it).ok_or_else(|| wrong(name))).transpose()
    };
    let (from, to) = (clock("from_minute")?, clock("to_minute")?);
    let plans: String = row.get("plans")?;
    Ok(Rule {
        id,
        name: row.get("name")?,
        enabled: row.get("enabled")?,
        days: days(&row.get::<String>("days")?).ok_or_else(|| wrong("days"))?,
        window: from.zip(to).map(|(from, to)| DayWindow { from, to }),
        plans: serde_json::from_str(&plans).map_err(|_error| wrong("plans"))?,
        factor: Factor { download_percent: row.get("download_percent")?, upload_percent: row.get("upload_percent")? },
        priority: row.get("priority")?,
    })
}

/// Seven digits, Monday first.
fn days(digits: &str) -> Option<Days> {
    let on: Vec<bool> = digits.chars().map(|it| it == '1').collect();
    on.try_into().ok().map(Days)
}

/// All but the number, and when it was changed, in the order of the columns below.
fn columns(rule: &Rule, now: DateTime<Utc>) -> Vec<Value> {
    let days: String = rule.days.0.iter().map(|on| if *on { '1' } else { '0' }).collect();
    let plans: Vec<String> = rule.plans.iter().map(u64::to_string).collect();
    params![
        &rule.name,
        rule.enabled,
        days,
        rule.window.map(|it| it.from.minutes()),
        rule.window.map(|it| it.to.minutes()),
        format!("[{}]", plans.join(",")),
        rule.factor.download_percent,
        rule.factor.upload_percent,
        rule.priority,
        now
    ]
}

/// All of them, the one that counts first in front.
pub async fn all(conn: &mut Conn) -> Result<Vec<Rule>> {
    let sql = sql!(
        "SELECT id, name, enabled, days, from_minute, to_minute, plans, download_percent, upload_percent, priority \
         FROM bandwidth_rule ORDER BY priority DESC, id"
    );
    conn.rows(sql, vec![]).await?.iter().map(of).collect()
}

/// The one with that number.
pub async fn find(conn: &mut Conn, id: u64) -> Result<Option<Rule>> {
    let sql = sql!(
        "SELECT id, name, enabled, days, from_minute, to_minute, plans, download_percent, upload_percent, priority \
         FROM bandwidth_rule WHERE id = ?"
    );
    conn.one(sql, params![id]).await?.map(|row| of(&row)).transpose()
}

/// Writes a new one, whatever number it says; its number.
pub async fn add(conn: &mut Conn, rule: &Rule, now: DateTime<Utc>) -> Result<u64> {
    let sql = sql!(
        "INSERT INTO bandwidth_rule (name, enabled, days, from_minute, to_minute, plans, download_percent, \
         upload_percent, priority, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let id = conn.insert(sql, columns(rule, now)).await?;
    u64::try_from(id).map_err(|_error| Error::Defect(format!("bandwidth rule {id}: not a number for one")))
}

/// Replaces the one with its number whole; false where there is none.
pub async fn replace(conn: &mut Conn, rule: &Rule, now: DateTime<Utc>) -> Result<bool> {
    let sql = sql!(
        "UPDATE bandwidth_rule SET name = ?, enabled = ?, days = ?, from_minute = ?, to_minute = ?, plans = ?, \
         download_percent = ?, upload_percent = ?, priority = ?, changed_at = ? WHERE id = ?"
    );
    let mut values = columns(rule, now);
    values.push(rule.id.into());
    Ok(conn.execute(sql, values).await? > 0)
}

/// Removes one; whether it was there.
pub async fn remove(conn: &mut Conn, id: u64) -> Result<bool> {
    Ok(conn.execute(sql!("DELETE FROM bandwidth_rule WHERE id = ?"), params![id]).await? > 0)
}
