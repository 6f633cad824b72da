//! `turnpike init`: a settings file with fresh keys.

use anyhow::{Result, anyhow};
use secrecy::ExposeSecret;
use std::path::Path;
use turnpike::{clock::Chance, config::init};

/// Runs the command.
pub fn run(dir: &Path, json: bool) -> Result<()> {
    let made = init(dir, &Chance::System).map_err(|error| anyhow!("{error}"))?;
    let code = made.pairing.code();
    if json {
        let answer = serde_json::json!({"file": made.file, "pairing_code": code.expose_secret()});
        say!("{answer}");
        return Ok(());
    }
    say!("Wrote {} (keep it: its keys open what the database holds).", made.file.display());
    say!();
    say!("Pairing code, to be pasted once into WHMCS (Addons > Turnpike):");
    say!("{}", code.expose_secret());
    if let Some(hint) = &made.pairing.hint {
        say!("{hint}");
    }
    say!();
    say!("Next: turnpike serve --config {}", made.file.display());
    Ok(())
}
