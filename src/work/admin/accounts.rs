//! The accounts: found by name, number, address, client or e-mail; by state, cause and router; a page at a time.

use super::{Flash, Name, Page, Request, Right, draw, figures};
use crate::{
    account::roll::{self, Filter, Line, Shown, Stands},
    app::App,
    catalogue::plans,
    problem::Problem,
    router::Server,
};
use serde_json::{Value, json};

/// Accounts on a page.
const ROWS: u64 = 50;

/// Draws a page of them.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let query = &request.query;
    let filter = Filter {
        text: query.get("q").trim().to_owned(),
        shown: Shown::parse(query.get("shown")),
        server_id: query.number("server")?,
        plan_id: query.number("plan")?,
        stands: Stands::parse(query.get("fup")),
    };
    let skip = query.get("from").parse::<u64>().unwrap_or(0).min(u64::from(u32::MAX));
    let mut conn = app.db.read().await?;
    // One more than is shown tells whether there are more.
    let mut lines = roll::list(&mut conn, &filter, u32::try_from(ROWS + 1).unwrap_or(u32::MAX), skip).await?;
    let more = lines.len() as u64 > ROWS;
    lines.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let servers = Server::all(&mut conn).await?;
    let plans = plans::all(&mut conn).await?;
    let may_see = request.admin.may(Right::View);
    drop(conn);
    let own = json!({
        "accounts": lines.iter().map(|line| row(app, line)).collect::<Vec<_>>(),
        "q": filter.text,
        "shown": filter.shown.as_str(),
        "states": Shown::ALL.iter().map(|(it, name)| json!({"name": name, "text": words(*it)})).collect::<Vec<_>>(),
        "server": filter.server_id.unwrap_or(0),
        "servers": servers.iter().map(|it| json!({"id": it.told.id, "name": it.told.name})).collect::<Vec<_>>(),
        "plan": filter.plan_id.unwrap_or(0),
        "plans": plans.iter().filter(|_| may_see).map(|it| json!({"id": it.id, "name": it.plan.name})).collect::<Vec<_>>(),
        "fup": filter.stands.map(Stands::spelled).unwrap_or_default(),
        "stands": standings(),
        "first": skip + 1,
        "last": skip + lines.len() as u64,
        "back": (skip > 0).then(|| skip.saturating_sub(ROWS)),
        "next": more.then_some(skip + ROWS),
    });
    draw::page(app, request, (Name::Accounts, "accounts.html", "Accounts"), said, own).await
}

/// Where a plan may have brought an account, by spelling and words.
fn standings() -> Vec<Value> {
    let tiers = |what: &str, title: &str| {
        (1..=6)
            .map(|level| json!({"name": format!("{what}-{level}"), "text": format!("{title} tier {level}")}))
            .collect::<Vec<_>>()
    };
    let mut all = vec![
        json!({"name": "", "text": "Any"}),
        json!({"name": "full", "text": "At full speed"}),
        json!({"name": "slowed", "text": "Slowed"}),
        json!({"name": "quota", "text": "Quota exceeded"}),
    ];
    all.extend(tiers("daily", "Daily"));
    all.extend(tiers("monthly", "Monthly"));
    all
}

fn words(shown: Shown) -> &'static str {
    match shown {
        Shown::Living => "All but terminated",
        Shown::Enabled => "Enabled",
        Shown::Off => "Off, whatever the cause",
        Shown::Billing => "Suspended by WHMCS",
        Shown::Quota => "Balance or quota used up",
        Shown::Admin => "Blocked by staff",
        Shown::Waiting => "Waiting for the router",
        Shown::New => "Not made yet",
        Shown::Gone => "Terminated",
    }
}

fn row(app: &App, line: &Line) -> Value {
    json!({
        "id": line.service_id,
        "username": line.username,
        "client": {"id": line.client_id, "name": line.client_name, "email": line.email},
        "address": line.address,
        "router": {"id": line.server_id, "name": line.server_name},
        "state": line.state,
        "causes": line.causes.names(),
        "balance": line.balance.map(|bytes| figures::gb(app, bytes)),
        "in_debt": line.balance.is_some_and(|bytes| bytes <= 0),
        "packet": line.packet.map(|bytes| figures::gb(app, bytes.signed())),
        "waiting": line.waiting,
        "read": figures::maybe_at(app, line.booked_at),
    })
}
