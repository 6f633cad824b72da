//! The bandwidth rules: a list, and a form for each.
//!
//! Every rule is read and written by [`crate::work::rules`], as by programs.

use super::{Done, Flash, Name, Page, Request, Right, allowed, draw, no_such_button};
use crate::{
    app::App,
    catalogue::plans::{self, Stored},
    plan::rule_form::DAYS,
    problem::{Code, Problem},
    work::rules,
};
use serde_json::{Value, json};

/// The days as people read them.
const DAY_NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Draws the list, or a rule's form.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    if request.query.has("add") {
        allowed(request, Right::Create, "add bandwidth rules")?;
        let fresh =
            json!({"enabled": true, "days": DAYS, "download_percent": 100, "upload_percent": 100, "priority": 0});
        return draw_rule(app, request, None, &fresh, None, said).await;
    }
    if let Some(id) = request.query.number("rule")? {
        let rule = rules::get(app, id).await?;
        return draw_rule(app, request, Some(id), &rule, None, said).await;
    }
    let plans = plans::all(&mut app.db.read().await?).await?;
    let rules = rules::list(app).await?;
    let rows = rules["rules"].as_array().into_iter().flatten().map(|rule| row(rule, &plans));
    let own = json!({"rules": rows.collect::<Vec<_>>(), "zone": app.config.zone.name()});
    draw::page(app, request, (Name::Rules, "rules.html", "Bandwidth Rules"), said, own).await
}

fn row(rule: &Value, plans: &[Stored]) -> Value {
    let mut row = rule.clone();
    let days: Vec<&str> = rule["days"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let short = |day: &&str| DAYS.iter().zip(DAY_NAMES).find(|(it, _)| *it == day).map_or("", |(_, name)| &name[..3]);
    row["days"] = if days.len() == DAYS.len() {
        json!("Every day")
    } else {
        json!(days.iter().map(short).collect::<Vec<_>>().join(", "))
    };
    row["hours"] = match (rule["time_from"].as_str(), rule["time_to"].as_str()) {
        (Some(from), Some(to)) => json!(format!("{from}–{to}")),
        _ => json!("All day"),
    };
    let ids: Vec<u64> = rule["plans"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let name = |id: &u64| {
        plans.iter().find(|it| it.id == *id).map_or_else(|| format!("plan {id} (removed)"), |it| it.plan.name.clone())
    };
    row["plans"] = json!(ids.iter().map(name).collect::<Vec<_>>());
    row
}

async fn draw_rule(
    app: &App,
    request: &Request,
    id: Option<u64>,
    rule: &Value,
    fault: Option<(String, String)>,
    said: Option<Flash>,
) -> Result<Page, Problem> {
    let plans = plans::all(&mut app.db.read().await?).await?;
    let has = |list: &str, it: &Value| rule[list].as_array().is_some_and(|all| all.contains(it));
    let days =
        DAYS.iter().zip(DAY_NAMES).map(|(day, name)| json!({"day": day, "name": name, "on": has("days", &json!(day))}));
    let offered = plans.iter().map(|it| json!({"id": it.id, "name": it.plan.name, "on": has("plans", &json!(it.id))}));
    let text = |name: &str| match &rule[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let own = json!({
        "id": id,
        "may": request.admin.may(if id.is_some() { Right::Edit } else { Right::Create }),
        "enabled": rule["enabled"] == true,
        "days": days.collect::<Vec<_>>(),
        "plans": offered.collect::<Vec<_>>(),
        "zone": app.config.zone.name(),
        "form": {
            "name": text("name"), "time_from": text("time_from"), "time_to": text("time_to"),
            "download_percent": text("download_percent"), "upload_percent": text("upload_percent"),
            "priority": text("priority"), "fault": fault.map(|(field, why)| json!({"field": field, "why": why})),
        },
    });
    let title = match (id, rule["name"].as_str()) {
        (Some(_), Some(name)) => format!("Bandwidth rule {name}"),
        _ => "Add a bandwidth rule".to_owned(),
    };
    draw::page(app, request, (Name::Rules, "rule.html", &title), said, own).await
}

/// The rule as it was typed.
fn typed(request: &Request) -> Value {
    let text = |name: &str| request.form.get(name).trim().to_owned();
    let days: Vec<&str> = DAYS.into_iter().filter(|day| request.form.has(&format!("day_{day}"))).collect();
    let plans: Vec<u64> =
        request.form.iter().filter_map(|(name, _)| name.strip_prefix("plan_")?.parse().ok()).collect();
    json!({
        "name": text("name"), "enabled": request.form.has("enabled"), "days": days, "plans": plans,
        "time_from": text("time_from"), "time_to": text("time_to"), "download_percent": text("download_percent"),
        "upload_percent": text("upload_percent"), "priority": text("priority"),
    })
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    let id = request.query.number("rule")?;
    match (what, id) {
        ("save", Some(_)) => allowed(request, Right::Edit, "change bandwidth rules")?,
        ("save", None) => allowed(request, Right::Create, "add bandwidth rules")?,
        ("delete", Some(id)) => {
            allowed(request, Right::Delete, "remove bandwidth rules")?;
            return match rules::delete(app, id).await {
                Ok(()) => Ok(Done::well("rules", "The bandwidth rule is removed.")),
                Err(it) if it.code == Code::NoSuchRecord => Ok(Done::already("rules", "The rule was removed before.")),
                Err(problem) => Err(problem),
            };
        }
        _ => return Err(no_such_button()),
    }
    let rule = typed(request);
    let body = serde_json::to_vec(&rule).map_err(Problem::internal)?;
    let days = rule["days"].as_array().is_none_or(Vec::is_empty);
    let saved = match id {
        // None ticked is none, though to programs it is every day.
        _ if days => Err(Problem::field("days", "must be one at least")),
        Some(id) => rules::put(app, id, &body).await,
        None => rules::add(app, &body).await,
    };
    match saved {
        Ok(saved) => {
            let name = saved["name"].as_str().unwrap_or_default();
            let what = if id.is_some() { "saved" } else { "added" };
            Ok(Done::well("rules", format!("The bandwidth rule {name} is {what}; it counts from the next poll on.")))
        }
        Err(problem) => match problem.field.clone() {
            Some(field) => {
                let why = problem.detail.strip_prefix(field.as_str()).unwrap_or(&problem.detail).trim();
                let fault = (field, format!("{}.", why.trim_end_matches('.')));
                let mut page = draw_rule(app, request, id, &rule, Some(fault), None).await?;
                page.status = problem.code.status();
                Ok(Done::Show(page))
            }
            None => Err(problem),
        },
    }
}
