//! `turnpike migrate`: the schema, up to date.

use super::Where;
use anyhow::{Result, anyhow};
use std::path::Path;
use turnpike::{
    clock::Clock,
    db::{Address, Db, migrate},
};

/// Runs the command.
pub async fn run(at: &Where) -> Result<()> {
    let (config, _) = at.load()?;
    let address = Address::parse(&config.database.url, Path::new(".")).map_err(|error| anyhow!(error))?;
    let db = Db::open(&address).await.map_err(|error| anyhow!("{error}; see database.url."))?;
    let applied = migrate::run(&db, &Clock::System).await.map_err(|error| anyhow!("{error}."))?;
    if at.json {
        say!("{}", serde_json::json!({"applied": applied.steps, "of": applied.of}));
    } else if applied.steps == 0 {
        say!("The schema is up to date ({} steps).", applied.of);
    } else {
        say!("The schema was brought up to date: {} of {} steps were new.", applied.steps, applied.of);
    }
    db.close().await;
    Ok(())
}
