//! `turnpike rotate-key`: a new master key. Each run does the next step and says what comes after it.

use super::Where;
use anyhow::{Result, anyhow, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};
use turnpike::{
    app::App,
    clock::Chance,
    config::{Origin, Origins},
    problem::Problem,
    seal::Seal,
    work::rotate_key::{self, Standing},
};
use zeroize::Zeroizing;

/// Runs the command.
pub async fn run(at: &Where, forget_older: bool) -> Result<()> {
    let (config, origins) = at.load()?;
    let app = super::app(config).await?;
    let outcome = if forget_older { forget(at, &app, &origins).await } else { rotate(at, &app, &origins).await };
    app.close().await;
    outcome
}

fn said(problem: &Problem) -> anyhow::Error {
    anyhow!("{}", problem.told())
}

/// The next step: a new key into the file, or everything sealed with the one that is there.
async fn rotate(at: &Where, app: &App, origins: &Origins) -> Result<()> {
    let standing = rotate_key::standing(app, &app.seal).await.map_err(|problem| said(&problem))?;
    if !standing.is_settled() {
        return reseal(at, app, &app.seal).await;
    }
    if !app.config.seal.older_keys.is_empty() {
        let text = format!(
            "{} sealed with seal.master_key. Keep the older keys as long as you keep backups from before; then: turnpike \
             rotate-key --forget-older",
            how_many(&standing)
        );
        say(at, "sealed", &text, 0);
        return all_readable(&standing);
    }
    let file = settings_file(origins)?;
    let fresh = fresh();
    rotate_key::add_key(&file, &fresh)?;
    let shown = file.display();
    if rotate_key::running(app).await.map_err(|problem| said(&problem))? > 0 {
        say(
            at,
            "restart",
            &format!(
                "A new master key stands in {shown}, the former one in seal.older_keys; nothing is sealed with it yet. \
             Restart turnpike serve now, then run `turnpike rotate-key` again. (Several services on one database: copy \
             both values to each one's settings and restart all of them at the same time.)"
            ),
            0,
        );
        return all_readable(&standing);
    }
    if !at.json {
        say!("A new master key stands in {shown}, the former one in seal.older_keys.");
    }
    let keys = &app.config.seal;
    let seal = Seal::new(&fresh, std::slice::from_ref(&keys.master_key), Chance::System)?;
    reseal(at, app, &seal).await
}

async fn reseal(at: &Where, app: &App, seal: &Seal) -> Result<()> {
    let before = rotate_key::standing(app, seal).await.map_err(|problem| said(&problem))?;
    let terminal = !at.json && std::io::stderr().is_terminal();
    let bar = if terminal { ProgressBar::new(before.older) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} secrets") {
        bar.set_style(style);
    }
    let watch = |done| {
        bar.set_position(done);
        if !terminal && !at.json {
            say!("{done} of {} secrets sealed anew", before.older);
            // Whoever waits for the line reads it by a pipe; where nobody does, the work goes on.
            drop(std::io::stdout().flush());
        }
    };
    let done = rotate_key::reseal(app, seal, &watch).await;
    bar.finish_and_clear();
    let done = done.map_err(|problem| said(&problem))?;
    let after = rotate_key::standing(app, seal).await.map_err(|problem| said(&problem))?;
    if !after.is_settled() {
        bail!("{} secrets were written with the older key meanwhile: run `turnpike rotate-key` again.", after.older);
    }
    let text = format!(
        "{done} secrets were sealed anew. {} sealed with the new master key. Keep the older key as long as you keep backups \
         from before; then: turnpike rotate-key --forget-older",
        how_many(&after)
    );
    say(at, "sealed", &text, done);
    all_readable(&after)
}

/// Of a standing that is settled: who of the secrets is sealed with the newest key.
fn how_many(standing: &Standing) -> String {
    let (all, unreadable) = (standing.secrets, standing.unreadable.len() as u64);
    match unreadable {
        0 => format!("All {all} secrets are"),
        _ => format!("{} of {all} secrets are", all.saturating_sub(unreadable)),
    }
}

/// Says so, as often as it is asked, while there are secrets that no key opens.
fn all_readable(standing: &Standing) -> Result<()> {
    match standing.unreadable.as_slice() {
        [] => Ok(()),
        [first, ..] => bail!(
            "{} secrets can be opened by no key and were left as they are, the first of them {first}: enter them anew in WHMCS.",
            standing.unreadable.len()
        ),
    }
}

async fn forget(at: &Where, app: &App, origins: &Origins) -> Result<()> {
    let standing = rotate_key::standing(app, &app.seal).await.map_err(|problem| said(&problem))?;
    if app.config.seal.older_keys.is_empty() {
        say(at, "forgotten", "There are no older keys.", 0);
        return all_readable(&standing);
    }
    let others = rotate_key::sealing_otherwise(app, &app.seal).await.map_err(|problem| said(&problem))?;
    if !standing.is_settled() || others > 0 {
        bail!(
            "{} secrets and {others} running services still use an older key: restart turnpike serve, then run \
             `turnpike rotate-key` before the older keys are taken out.",
            standing.older
        );
    }
    let file = settings_file(origins)?;
    rotate_key::forget_older(&file)?;
    say(at, "forgotten", &format!("The older keys were taken out of {}.", file.display()), 0);
    all_readable(&standing)
}

/// The file that holds both settings, where it can be written by us.
fn settings_file(origins: &Origins) -> Result<PathBuf> {
    let origin = |wanted: &str| origins.report().iter().find(|(key, ..)| key == wanted).map(|(.., origin)| origin);
    match (origin("seal.master_key"), origin("seal.older_keys")) {
        (Some(Origin::File(path)), Some(Origin::File(_) | Origin::Default) | None) => Ok(path.clone()),
        (Some(master), older) => {
            let elsewhere = if matches!(master, Origin::File(_)) { older.unwrap_or(master) } else { master };
            bail!(
                "The master keys come from {elsewhere}, which turnpike does not write: move the present seal.master_key to \
                 seal.older_keys there, put a new one in its place (openssl rand -base64 32), restart turnpike serve, and \
                 run `turnpike rotate-key` again."
            )
        }
        (None, _) => bail!("seal.master_key is nowhere; `turnpike init` makes one."),
    }
}

fn fresh() -> SecretString {
    let bytes = Zeroizing::new(Chance::System.bytes::<32>());
    STANDARD.encode(*bytes).into()
}

fn say(at: &Where, state: &str, text: &str, resealed: u64) {
    if at.json {
        say!("{}", serde_json::json!({"state": state, "resealed": resealed, "next": text}));
    } else {
        say!("{text}");
    }
}
