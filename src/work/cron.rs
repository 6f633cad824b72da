//! Cron: every run of WHMCS's cron. Acknowledges letters that the bridge sent, collects the accounts that are collected at
//! every run, and hands out letters where WHMCS sends them.
//!
//! A router that is away delays no other and is named in `skipped`.

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
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

/// Routers that are collected at the same time.
const AT_ONCE: usize = 16;
/// Letters handed out in one run.
const LETTERS: u32 = 100;

/// Runs the hook; its answer, as JSON.
pub async fn run(app: &App, ask: &Ask) -> Result<Vec<u8>, Problem> {
    acknowledge(app, ask).await?;
    let servers = Server::in_use(&mut app.db.read().await?).await?;
    // One limit for all: however many routers hang, the bridge has its answer in time.
    let until = super::deadline(super::COLLECTION);
    let runs = stream::iter(servers).map(|server| one(app, server, until)).buffered(AT_ONCE).collect::<Vec<_>>().await;
    let (mut services, mut skipped) = (Services::of_this_month(app), Vec::new());
    for run in runs {
        let run = run?;
        if let Some((server_id, outcome)) = &run.read {
            services.add(app, *server_id, outcome, |it| it.with_cron).await?;
        }
        skipped.extend(run.skipped);
    }
    services.end(&json!({"skipped": skipped, "mails": letters(app).await?}))
}

/// What became of one router.
#[derive(Default)]
struct Run {
    /// Its id, and what was read.
    read: Option<(u64, Outcome)>,
    /// What was left out.
    skipped: Vec<Value>,
}

/// Collects one router's cron accounts.
async fn one(app: &App, server: Server, until: tokio::time::Instant) -> Result<Run, Problem> {
    let id = server.told.id;
    let with_cron = Account::with_cron(&mut app.db.read().await?, id).await?;
    if with_cron.is_empty() {
        return Ok(Run::default());
    }
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
    let pair = |it: &Value| Some((it.get("id")?.as_u64()?, it.get("error")?.as_str()?.to_owned()));
    let failed: Option<Vec<_>> = ask.hook_list("failed")?.iter().map(pair).collect();
    let wrong = || Problem::malformed("hook.failed", "must be a list of {\"id\", \"error\"}");
    outbox::acknowledge(&app.db, &delivered, &failed.ok_or_else(wrong)?, app.clock.now()).await?;
    Ok(())
}

async fn letters(app: &App) -> Result<Vec<Value>, Problem> {
    if !matches!(app.mailer, Mailer::Whmcs) {
        return Ok(Vec::new());
    }
    let letters = outbox::hand_out(&app.db, app.clock.now(), LETTERS).await?;
    let letter = |it: outbox::Handout| json!({"id": it.id, "template": it.template, "service_id": it.service_id, "variables": it.variables});
    Ok(letters.into_iter().map(letter).collect())
}
