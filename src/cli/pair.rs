//! `turnpike pair`: the pairing code again.

use super::Where;
use anyhow::{Result, anyhow};
use secrecy::ExposeSecret;
use turnpike::pairing::Pairing;

/// Runs the command.
pub fn run(at: &Where) -> Result<()> {
    let (config, _) = at.load()?;
    let pairing = Pairing::of(&config).map_err(|error| anyhow!("{error}"))?;
    let code = pairing.code();
    if at.json {
        say!("{}", serde_json::json!({"pairing_code": code.expose_secret(), "url": pairing.url, "hint": pairing.hint}));
        return Ok(());
    }
    say!("{}", code.expose_secret());
    if let Some(hint) = &pairing.hint {
        complain!("{hint}");
    }
    Ok(())
}
