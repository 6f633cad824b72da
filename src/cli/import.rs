//! `turnpike import`: accounts that another module made on a router are taken into the books, with their balances.

use super::Where;
use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::{io::IsTerminal, path::Path};
use turnpike::{
    app::App,
    units::{Gigabyte, Kbps},
    work::import::{
        self, Adopted, LeftOut, Outcome, Wish,
        balances::{self, BadLine, Line},
    },
};

/// No file of balances is larger.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Runs the command.
pub async fn run(at: &Where, server: u64, prefix: &str, file: Option<&Path>, dry_run: bool) -> Result<()> {
    let (config, _) = at.load()?;
    let gb = config.traffic.gb;
    let balances = match file.map(|file| read(file, gb)).transpose()?.unwrap_or_else(|| Ok(Vec::new())) {
        Ok(lines) => lines,
        Err(bad) => {
            let outcome = Outcome { bad_lines: bad, ..Outcome::default() };
            say(at.json, server, dry_run, gb, &outcome);
            return refused(file, &outcome.bad_lines);
        }
    };
    let app = super::app(config).await?;
    let outcome = import(&app, at.json, server, Wish { prefix, balances: &balances, dry_run }).await;
    app.close().await;
    let outcome = outcome?;
    say(at.json, server, dry_run, gb, &outcome);
    if !outcome.bad_lines.is_empty() {
        return refused(file, &outcome.bad_lines);
    }
    match outcome.left_out.len() + outcome.kept.len() {
        left if left > 0 && !dry_run => {
            bail!("{left} of them were left out; do what stands beside each above, then run the same again.")
        }
        _ => Ok(()),
    }
}

fn read(file: &Path, gb: Gigabyte) -> Result<Result<Vec<Line>, Vec<BadLine>>> {
    let shown = file.display();
    let size = std::fs::metadata(file).with_context(|| format!("{shown} cannot be read"))?.len();
    if size > LARGEST {
        bail!("{shown} is larger than 16 MiB; is it the file with the balances?");
    }
    let bytes = std::fs::read(file).with_context(|| format!("{shown} cannot be read"))?;
    Ok(balances::parse(&bytes, gb))
}

fn refused(file: Option<&Path>, bad: &[BadLine]) -> Result<()> {
    let shown = file.map(|file| file.display().to_string()).unwrap_or_default();
    let first = bad.first().map(ToString::to_string).unwrap_or_default();
    bail!(
        "{} lines of {shown} cannot be used, the first is {first}; nothing was imported: mend them and run it again.",
        bad.len()
    )
}

async fn import(app: &App, json: bool, server: u64, wish: Wish<'_>) -> Result<Outcome> {
    let bar = if !json && std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} services") {
        bar.set_style(style);
    }
    let watch = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let outcome = import::run(app, server, wish, &watch).await;
    bar.finish_and_clear();
    outcome.map_err(|problem| anyhow!("{}", problem.told()))
}

fn say(json: bool, server: u64, dry_run: bool, gb: Gigabyte, outcome: &Outcome) {
    if json {
        say!("{}", serde_json::json!({"server_id": server, "dry_run": dry_run, "outcome": outcome}));
        return;
    }
    if !outcome.bad_lines.is_empty() {
        for bad in &outcome.bad_lines {
            say!("{bad}");
        }
        return;
    }
    tell(dry_run, gb, outcome);
}

fn tell(dry_run: bool, gb: Gigabyte, outcome: &Outcome) {
    let (adopted, left) = (outcome.adopted.len(), outcome.left_out.len());
    let were = if dry_run { "would be" } else { "were" };
    say!(
        "{adopted} services {were} taken into the books; {left} {were} left out; {} accounts were there before; {} objects on \
         the router bear no such mark and stay untouched.",
        outcome.known,
        outcome.foreign
    );
    for it in &outcome.adopted {
        service(it.service_id, &it.username, &line(it, gb));
    }
    for it in &outcome.entered {
        let balance = gb.four_decimals(it.balance_bytes);
        service(it.service_id, &it.username, &format!("taken over before; its balance is {balance} GB"));
    }
    let left_out = |it: &LeftOut, what: &str| service(it.service_id, &it.name, &format!("{what}: {}", it.why));
    outcome.left_out.iter().for_each(|it| left_out(it, "left out"));
    outcome.kept.iter().for_each(|it| left_out(it, "balance left as it is"));
    if dry_run {
        say!("Nothing was changed, here or on the router. Without --dry-run the books would be; the router never is.");
    } else if adopted > 0 {
        say!(
            "Now bring their products' settings: Change Package for each of them in WHMCS (docs/whmcs.md says how for all at once)."
        );
    }
}

/// A line about a service. Names on a router may hold anything; a terminal does as some of it says.
fn service(id: u64, name: &str, text: &str) {
    let line = format!("  service {id} ({name}): {text}");
    say!(
        "{}",
        line.chars().map(|it| if it.is_control() { char::REPLACEMENT_CHARACTER } else { it }).collect::<String>()
    );
}

fn line(it: &Adopted, gb: Gigabyte) -> String {
    let mbps = |speed: Kbps| match speed {
        none if none.is_unlimited() => "no limit".to_owned(),
        Kbps(kbps) => format!("{} Mbit/s", f64::from(kbps) / 1000.0),
    };
    let (down, up) = (mbps(it.download_kbps), mbps(it.upload_kbps));
    let mut parts = vec![it.address.to_string(), format!("profile {}", it.profile), format!("down {down}, up {up}")];
    parts.push(match it.balance_bytes {
        Some(bytes) => format!("balance {} GB", gb.four_decimals(bytes)),
        None => "no balance given: a whole packet with the first Change Package".to_owned(),
    });
    if !it.causes.is_empty() {
        parts.push(format!("off on the router, taken as: {}", it.causes.join(", ")));
    }
    parts.extend(it.remarks.iter().cloned());
    parts.join("; ")
}
