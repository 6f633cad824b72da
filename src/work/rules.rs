//! Bandwidth rules: multipliers by day and hour, kept by staff and programs alike. Each is replaced whole. What they change
//! is decided at the next poll.

use super::plans::object;
use crate::{
    app::App,
    catalogue::{plans, rules},
    db::Conn,
    plan::{
        rule_form,
        rules::{Rule, in_force},
    },
    problem::{Code, Problem},
};
use serde_json::{Map, Value, json};

/// All rules, the one that counts first in front; `in_force` are those that hold now for a plan at least.
pub async fn list(app: &App) -> Result<Value, Problem> {
    let mut conn = app.db.read().await?;
    let rules = rules::all(&mut conn).await?;
    let plans = plans::all(&mut conn).await?;
    let now = app.clock.now();
    let counts = |rule: &Rule| {
        let first = |id| in_force(&rules, id, now, app.config.zone).is_some_and(|it| it.id == rule.id);
        plans.iter().any(|plan| first(plan.id))
    };
    let view = |rule: &Rule| {
        let mut fields = rule_form::fields(rule);
        fields.insert("in_force".to_owned(), counts(rule).into());
        Value::Object(fields)
    };
    Ok(json!({"rules": rules.iter().map(view).collect::<Vec<_>>()}))
}

/// One rule.
///
/// # Errors
/// `no-such-record`.
pub async fn get(app: &App, id: u64) -> Result<Value, Problem> {
    let rule = rules::find(&mut app.db.read().await?, id).await?.ok_or_else(|| no_such_rule(id))?;
    Ok(Value::Object(rule_form::fields(&rule)))
}

/// Makes a rule of the body's fields; answers it. One that says the same already is as good as made: a form that was sent
/// twice makes one.
///
/// # Errors
/// `malformed`; `setting-invalid` naming the field.
pub async fn add(app: &App, body: &[u8]) -> Result<Value, Problem> {
    let rule = read(0, &object(body)?)?;
    let id = crate::in_tx!(app.db, tx => {
        check_plans(&mut tx, &rule).await?;
        let same = |it: &Rule| Rule { id: 0, ..it.clone() } == rule;
        match rules::all(&mut tx).await?.iter().find(|it| same(it)) {
            Some(made) => Ok(made.id),
            None => rules::add(&mut tx, &rule, app.clock.now()).await.map_err(Problem::from),
        }
    })?;
    get(app, id).await
}

/// Replaces the rule whole; answers it.
///
/// # Errors
/// Those of [`add`], and `no-such-record`.
pub async fn put(app: &App, id: u64, body: &[u8]) -> Result<Value, Problem> {
    let rule = read(id, &object(body)?)?;
    crate::in_tx!(app.db, tx => {
        check_plans(&mut tx, &rule).await?;
        if rules::replace(&mut tx, &rule, app.clock.now()).await? { Ok(()) } else { Err(no_such_rule(id)) }
    })?;
    get(app, id).await
}

/// Removes the rule.
///
/// # Errors
/// `no-such-record`.
pub async fn delete(app: &App, id: u64) -> Result<(), Problem> {
    let there = crate::in_tx!(app.db, tx => rules::remove(&mut tx, id).await.map_err(Problem::from))?;
    if there { Ok(()) } else { Err(no_such_rule(id)) }
}

fn read(id: u64, fields: &Map<String, Value>) -> Result<Rule, Problem> {
    rule_form::parse(id, fields).map_err(|it| Problem::field(it.field, it.why))
}

/// A rule for a plan that is not there would be for nobody, and look as if it were for somebody.
async fn check_plans(conn: &mut Conn, rule: &Rule) -> Result<(), Problem> {
    let there = plans::all(conn).await?;
    match rule.plans.iter().find(|id| !there.iter().any(|plan| plan.id == **id)) {
        Some(id) => Err(Problem::field("plans", format!("names the plan {id}, which does not exist"))),
        None => Ok(()),
    }
}

fn no_such_rule(id: u64) -> Problem {
    let text = format!("There is no bandwidth rule {id}; it may have been removed meanwhile.");
    Problem::new(Code::NoSuchRecord, text)
}
