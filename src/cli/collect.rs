//! `turnpike collect`: one collection now, with progress on a terminal and plain lines elsewhere.

use super::Where;
use anyhow::{Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::{fmt::Write, io::IsTerminal, time::Duration};
use tokio::time::Instant;
use turnpike::{
    router::Server,
    work::collect::{self, Outcome, Scope},
};

/// One router's collection may take this long.
const LONGEST: Duration = Duration::from_mins(10);

/// Runs the command.
pub async fn run(at: &Where, only: Option<u64>) -> Result<()> {
    let (config, _) = at.load()?;
    let app = super::app(config).await?;
    let mut conn = app.db.read().await?;
    let servers = match only {
        None => Server::in_use(&mut conn).await?,
        Some(id) => match Server::find(&mut conn, id).await? {
            Some(server) => vec![server],
            None => bail!(
                "Server {id} is not known here; `turnpike collect` knows the servers that WHMCS has called about."
            ),
        },
    };
    drop(conn);
    let bar = bar(servers.len(), at.json);
    let mut failed = Vec::new();
    for server in servers {
        let told = &server.told;
        bar.set_message(told.name.clone());
        match collect::run(&app, told.id, Scope::All, Instant::now() + LONGEST).await {
            Ok(outcome) => say(&bar, at.json, told.id, &told.name, &outcome),
            Err(problem) => {
                let line = if at.json {
                    let mut error = problem.to_json("");
                    error["detail"] = problem.told().into();
                    serde_json::json!({"server_id": told.id, "error": error}).to_string()
                } else {
                    format!("{}: {}", told.name, problem.told())
                };
                bar.suspend(|| say!("{line}"));
                failed.push(told.name.clone());
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    app.close().await;
    if failed.is_empty() { Ok(()) } else { Err(anyhow!("not collected: {}.", failed.join(", "))) }
}

fn bar(servers: usize, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(servers as u64).with_style(style)
}

fn say(bar: &ProgressBar, json: bool, id: u64, name: &str, outcome: &Outcome) {
    let line = if json {
        let skipped =
            outcome.skipped.iter().map(|it| serde_json::json!({"service_id": it.service_id, "reason": it.reason}));
        let skipped: Vec<_> = skipped.collect();
        serde_json::json!({"server_id": id, "collected": outcome.read.len(), "reset": outcome.reset, "skipped": skipped})
            .to_string()
    } else {
        let mut text =
            format!("{name}: {} accounts read and booked, {} counters reset", outcome.read.len(), outcome.reset);
        for it in &outcome.skipped {
            // Writing into a String cannot fail.
            let _ = write!(text, "\n  service {} left out: {}", it.service_id, it.reason);
        }
        text
    };
    bar.suspend(|| say!("{line}"));
}
