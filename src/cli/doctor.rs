//! `turnpike doctor`: examines routers, and says what to type there.

use super::Where;
use anyhow::{Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::{io::IsTerminal, time::Duration};
use turnpike::{
    app::App,
    router::Server,
    work::doctor::{self, Finding, Severity},
};

/// Runs the command.
pub async fn run(at: &Where, only: Option<u64>) -> Result<()> {
    let (config, _) = at.load()?;
    let app = super::app(config).await?;
    let outcome = examine(&app, at.json, only).await;
    app.close().await;
    let errors = outcome?.iter().filter(|it| it.severity == Severity::Error).count();
    if errors == 0 { Ok(()) } else { bail!("{errors} of the findings above are errors: do what stands beside them.") }
}

async fn examine(app: &App, json: bool, only: Option<u64>) -> Result<Vec<Finding>> {
    let servers = Server::all(&mut app.db.read().await?).await?;
    let servers: Vec<Server> = servers.into_iter().filter(|it| only.is_none_or(|id| it.told.id == id)).collect();
    let bar = if !json && std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.set_message(format!("examining {} routers", servers.len()));
    bar.enable_steady_tick(Duration::from_millis(120));
    let findings = doctor::run(app, only).await;
    bar.finish_and_clear();
    let findings = findings.map_err(|problem| anyhow!("{}", problem.told()))?;
    if json {
        say!("{}", serde_json::to_string(&findings)?);
    } else {
        tell(&servers, &findings);
    }
    Ok(findings)
}

fn tell(servers: &[Server], findings: &[Finding]) {
    if servers.is_empty() {
        say!("No router is known yet: WHMCS tells of one with its first call.");
    }
    let own: Vec<&Finding> = findings.iter().filter(|it| it.server_id == 0).collect();
    if !own.is_empty() {
        say!("{}: {}", doctor::ITSELF, sum(&own));
        each(&own);
    }
    for server in servers {
        let told = &server.told;
        let its: Vec<&Finding> = findings.iter().filter(|it| it.server_id == told.id).collect();
        say!("{} (server {}, {}): {}", told.name, told.id, told.host(), sum(&its));
        each(&its);
    }
}

fn each(findings: &[&Finding]) {
    for it in findings {
        say!();
        say!("  {:8} {}", word(it.severity), it.what);
        say!("  {:8} {}", "", it.why);
        for line in it.mend.lines() {
            say!("  {:8}   {line}", "");
        }
    }
    say!();
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "ERROR",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    }
}

fn sum(findings: &[&Finding]) -> String {
    let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning), count(Severity::Hint)) {
        (0, 0, 0) => "all is well".to_owned(),
        (errors, warnings, hints) => format!("{errors} errors, {warnings} warnings, {hints} hints"),
    }
}
