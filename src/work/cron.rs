//! Cron: every run of WHMCS's cron. Acknowledges letters that the bridge sent, collects the accounts that are collected at
//! every run, and hands out letters where WHMCS sends them.
//!
//! All routers are begun at once: one that is away, or answers nothing, delays no other and is named in `skipped`. What they
//! write stands in the queue of polls (see [`collect`]), so that no hook waits behind hundreds of them.

use super::{
    Ask,
    collect::{self, Outcome, Scope},
    usage_update::{self, Services},
};
use crate::{
    account::Account,
    app::App,
    mail::{Mailer, outbox},
    problem::Problem,
    router::Server,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// Letters handed out in one run.
const LETTERS: u32 = 100;

/// Runs the hook; its answer, as JSON.
pub async fn run(app: &App, ask: &Ask) -> Result<Vec<u8>, Problem> {
    acknowledge(app, ask).await?;
    let wanted = wanted(app).await?;
    // One limit for all: however many routers hang, the bridge has its answer in time.
    let until = super::deadline(super::COLLECTION);
    let runs = wanted.into_iter().map(|(server, with_cron)| one(app, server, with_cron, until));
    let (mut services, mut skipped) = (Services::of_this_month(app), Vec::new());
    for run in join_all(runs).await {
        let run = run?;
        if let Some((server_id, outcome)) = &run.read {
            services.add(app, *server_id, outcome, |it| it.with_cron).await?;
        }
        skipped.extend(run.skipped);
    }
    services.end(&json!({"skipped": skipped, "mails": letters(app).await?}))
}

/// What became of one router.
struct Run {
    /// Its id, and what was read.
    read: Option<(u64, Outcome)>,
    /// What was left out.
    skipped: Vec<Value>,
}

/// The routers that have accounts to be collected at every run, and which, by id.
async fn wanted(app: &App) -> Result<Vec<(Server, Vec<u64>)>, Problem> {
    let mut conn = app.db.read().await?;
    let mut wanted = Vec::new();
    for server in Server::in_use(&mut conn).await? {
        let with_cron = Account::with_cron(&mut conn, server.told.id).await?;
        if !with_cron.is_empty() {
            wanted.push((server, with_cron));
        }
    }
    Ok(wanted)
}

/// Collects one router's cron accounts.
async fn one(app: &App, server: Server, with_cron: Vec<u64>, until: tokio::time::Instant) -> Result<Run, Problem> {
    let id = server.told.id;
    match collect::run(app, id, Scope::Cron, until).await {
        Ok(outcome) => {
            let mine = outcome.skipped.iter().filter(|it| with_cron.binary_search(&it.service_id).is_ok());
            let skipped = mine.map(usage_update::skipped).collect();
            Ok(Run { read: Some((id, outcome)), skipped })
        }
        Err(problem) if problem.code == crate::problem::Code::DatabaseUnavailable => Err(problem),
        Err(problem) => {
            let reason = format!("Server {}: {}", server.told.name, problem.detail);
            let left = |it: &u64| json!({"service_id": it, "server_id": id, "reason": reason});
            Ok(Run { read: None, skipped: with_cron.iter().map(left).collect() })
        }
    }
}

async fn acknowledge(app: &App, ask: &Ask) -> Result<(), Problem> {
    let delivered: Option<Vec<u64>> = ask.hook_list("delivered")?.iter().map(Value::as_u64).collect();
    let delivered = delivered.ok_or_else(|| Problem::malformed("hook.delivered", "must be a list of letters' ids"))?;
    let failed: Option<Vec<_>> = ask.hook_list("failed")?.iter().map(not_sent).collect();
    let wrong = || Problem::malformed("hook.failed", "must be a list of {\"id\", \"error\", \"final\"}");
    outbox::acknowledge(&app.db, &delivered, &failed.ok_or_else(wrong)?, app.clock.now()).await?;
    Ok(())
}

/// A letter that WHMCS did not send; `final`: and will not, however often it is asked.
fn not_sent(it: &Value) -> Option<outbox::NotSent> {
    let is_final = match it.get("final") {
        None | Some(Value::Null) => false,
        Some(told) => told.as_bool()?,
    };
    Some(outbox::NotSent { id: it.get("id")?.as_u64()?, why: it.get("error")?.as_str()?.to_owned(), is_final })
}

async fn letters(app: &App) -> Result<Vec<Value>, Problem> {
    if !matches!(app.mailer, Mailer::Whmcs) {
        return Ok(Vec::new());
    }
    let letters = outbox::hand_out(&app.db, app.clock.now(), LETTERS).await?;
    let letter = |it: outbox::Handout| json!({"id": it.id, "template": it.template, "service_id": it.service_id, "variables": it.variables});
    Ok(letters.into_iter().map(letter).collect())
}
