//! `turnpike rebuild`: a router and the books compared, and the router brought in line.

use super::Where;
use anyhow::{Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use turnpike::{
    app::App,
    work::rebuild::{self, Comparison, Drift, Mend, Step},
};

/// Runs the command.
pub async fn run(at: &Where, server: u64, dry_run: bool) -> Result<()> {
    let (config, _) = at.load()?;
    let app = super::app(config).await?;
    let outcome = if dry_run { look(&app, at.json, server).await } else { mend(&app, at.json, server).await };
    app.close().await;
    outcome
}

async fn look(app: &App, json: bool, server: u64) -> Result<()> {
    let found = rebuild::compare(app, server).await.map_err(|problem| anyhow!("{}", problem.told()))?;
    if json {
        say!("{}", serde_json::json!({"server_id": server, "dry_run": true, "now": found}));
        return Ok(());
    }
    tell(&found);
    if !found.is_right() {
        say!("Nothing was changed; without --dry-run it would be.");
    }
    Ok(())
}

async fn mend(app: &App, json: bool, server: u64) -> Result<()> {
    let terminal = !json && std::io::stderr().is_terminal();
    let bar = if terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let watch = |step: Step<'_>| match step {
        Step::Compared(found) if !json => bar.suspend(|| tell(found)),
        Step::Mended { username, of, failure } => {
            bar.set_length(of as u64);
            bar.set_message(username.to_owned());
            bar.inc(1);
            match failure {
                _ if json => {}
                Some(failure) => bar.suspend(|| say!("{username}: not mended: {failure}")),
                None if terminal => {}
                None => say!("{username}: mended"),
            }
        }
        Step::Compared(_) => {}
    };
    let outcome = rebuild::run(app, server, &watch).await;
    bar.finish_and_clear();
    let outcome = outcome.map_err(|problem| {
        anyhow!("{} What was mended until then stays; run the same command again to go on.", problem.told())
    })?;
    let (mended, now) = (outcome.mended, &outcome.now);
    if json {
        say!("{}", serde_json::json!({"server_id": server, "dry_run": false, "mended": mended, "now": now}));
    } else {
        say!("{mended} mended. The router now:");
        tell(now);
    }
    match (now.drifts.len(), now.lists.len()) {
        (0, 0) => Ok(()),
        (0, _) => bail!("Firewall lists and rules are still not as they should be; the log says why. Run it again."),
        (left, _) => bail!("{left} accounts are still not as they should be; see what is in their way above."),
    }
}

fn tell(found: &Comparison) {
    let drifted = found.drifts.len();
    say!(
        "{} accounts in the books; {drifted} differences; {} objects on the router are not ours and stay untouched.",
        found.accounts,
        found.foreign
    );
    for drift in &found.drifts {
        say!("  service {} ({}): {}: {}", drift.service_id, drift.username, drift.differences.join("; "), cure(drift));
    }
    for list in &found.lists {
        say!("  {list}: is brought in line");
    }
    for stray in &found.strays {
        let (object, name, service) = (stray.object, &stray.name, stray.service_id);
        let (why, what) = (stray.why.words(), stray.why.advice());
        say!("  {object} {name} is marked as service {service}, {why}: {what}.");
    }
}

fn cure(drift: &Drift) -> &'static str {
    match drift.mend {
        Mend::Ensure { kick: false } => "is brought in line",
        Mend::Ensure { kick: true } => "is brought in line and its sessions are ended",
        Mend::Remove => "is removed",
        Mend::ByHand if drift.sealed => rebuild::UNSEAL,
        Mend::ByHand => "rename or remove what is in the way, then run this again",
    }
}
