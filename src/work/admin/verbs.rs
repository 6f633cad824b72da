//! What staff can do to an account, through the hooks' own verbs.

use super::Request;
use crate::{
    account::{
        Account, State,
        pending::{self, Kind},
    },
    app::App,
    problem::Problem,
    router::Server,
    work::{self, Ask, Turn, add_traffic as top_up, apply as changes, blocks},
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Value, json};

fn ask(id: u64, hook: &Value) -> Result<Ask, Problem> {
    let body = serde_json::to_vec(&json!({"service": {"id": id}, "hook": hook})).map_err(Problem::internal)?;
    Ask::parse(&body)
}

/// What was typed, and who typed it.
fn signed(request: &Request, text: &str) -> String {
    match (text.trim(), request.admin.name.trim()) {
        (text, "") => text.to_owned(),
        ("", name) => format!("by {name}"),
        (text, name) => format!("{text} (by {name})"),
    }
}

/// Sets staff's cause.
pub(super) async fn block(app: &App, request: &Request, id: u64) -> Result<String, Problem> {
    let reason = signed(request, request.form.get("reason"));
    let answer = blocks::run(app, &ask(id, &json!({"reason": reason}))?, blocks::Change::AdminBlock).await?;
    Ok(format!("Account {} is blocked.{}", text(&answer, "username"), waits(&answer)))
}

/// Clears staff's cause.
pub(super) async fn unblock(app: &App, id: u64) -> Result<String, Problem> {
    let answer = blocks::run(app, &ask(id, &json!({}))?, blocks::Change::AdminUnblock).await?;
    let causes: Vec<&str> =
        answer["account"]["causes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let still = match causes.as_slice() {
        [] => "It is enabled.".to_owned(),
        causes => format!("It stays off for another cause: {}.", causes.join(", ")),
    };
    Ok(format!("Account {} is no longer blocked by staff. {still}{}", text(&answer, "username"), waits(&answer)))
}

/// A ledger entry, once per form: the form's own key is the entry's.
pub(super) async fn add_traffic(app: &App, request: &Request, id: u64) -> Result<String, Problem> {
    let bytes = bytes(app, request.form.get("gb"))?;
    let once = request.form.get("once");
    if once.len() != 32 || !once.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Problem::malformed("once", "is missing: load the page again, and send its own form"));
    }
    let note = signed(request, request.form.get("note"));
    let hook = json!({"bytes": bytes, "key": format!("staff/{once}"), "note": note});
    let answer = top_up::run(app, &ask(id, &hook)?).await?;
    let amount = super::figures::gb(app, bytes);
    let balance = answer["account"]["balance_bytes"].as_i64();
    let balance = balance.map_or_else(String::new, |it| format!(" The balance is {}.", super::figures::gb(app, it)));
    Ok(format!("{amount} booked for account {}.{balance}{}", text(&answer, "username"), waits(&answer)))
}

/// GB as a person types them: with a point, below zero to take away.
fn bytes(app: &App, typed: &str) -> Result<i64, Problem> {
    let typed = typed.trim();
    let wrong = || {
        Problem::field("gb", "must be a number of GB that is not zero, with a point for decimals, such as 10 or -0.5")
    };
    let (digits, sign) = typed.strip_prefix(['-', '\u{2212}']).map_or((typed, 1), |rest| (rest, -1));
    let bytes = app.config.traffic.gb.parse(digits).map_err(|_why| wrong())?;
    let bytes = Decimal::from(bytes.0) * Decimal::from(sign);
    bytes.to_i64().filter(|bytes| *bytes != 0).ok_or_else(wrong)
}

/// Makes what waits for the router; `all`: and brings secret and queue in line as a whole.
pub(super) async fn apply(app: &App, id: u64, all: bool) -> Result<String, Problem> {
    let until = work::deadline(work::LIFECYCLE);
    let turn = Turn::of(app, id, until).await?;
    let account = Account::find(&mut app.db.read().await?, id).await?;
    let account = account.filter(|it| !all || it.state == State::Made).ok_or_else(|| work::no_such_service(id))?;
    let server = Server::find(&mut app.db.read().await?, account.server_id).await?;
    let server = server.ok_or_else(|| Problem::internal(format!("server {} is not there", account.server_id)))?;
    let now = app.clock.now();
    if all {
        crate::in_tx!(app.db, tx => {
            work::living(&mut tx, &turn, now).await?;
            pending::decide(&mut tx, (account.server_id, id), Kind::Change, false, now).await.map_err(Problem::from)
        })?;
    }
    changes::service(&turn, &server, until).await?;
    let what = if all { "is on the router as it should be" } else { "has no change waiting any more" };
    Ok(format!("Account {} {what}.", account.username))
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer["account"][name].as_str().unwrap_or_default()
}

/// What the router said, as a sentence to follow another.
pub(super) fn refused(why: &str) -> String {
    format!(" The router refuses its part, which is tried again by itself: {why}")
}

/// What is left to be done of what was answered, as a sentence to follow another.
pub(super) fn waits(answer: &Value) -> String {
    match answer["warning"].as_str() {
        Some(why) => refused(why),
        None if answer["account"]["pending"] == 0 => String::new(),
        None => " The router is away: its part is made when it returns.".to_owned(),
    }
}
