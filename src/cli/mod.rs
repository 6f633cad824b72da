//! The commands, a file each.

#[macro_use]
mod say;

pub mod check;
pub mod collect;
pub mod doctor;
pub mod import;
pub mod init;
pub mod migrate;
pub mod pair;
pub mod rebuild;
pub mod rotate_key;
pub mod serve;
pub mod simulate;

pub use say::is_all_said;

use anyhow::{Result, anyhow};
use std::path::PathBuf;
use tokio::runtime::Handle;
use turnpike::{
    app::App,
    clock::{Chance, Clock},
    config::{Config, Origins},
};

/// Where the settings are, and how the answer is written.
#[derive(clap::Args)]
pub struct Where {
    /// The settings; without it ./turnpike.toml, then /etc/turnpike/turnpike.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

impl Where {
    /// Reads the settings; what is only worth a warning is said.
    pub fn load(&self) -> Result<(Config, Origins)> {
        let (config, origins) =
            Config::load(self.config.as_deref(), Config::environment()).map_err(|e| anyhow!("{e}"))?;
        turnpike::log::start(&config.log, Clock::System);
        for warning in &origins.warnings {
            tracing::warn!("{warning}");
        }
        Ok((config, origins))
    }
}

/// The service's parts, on the machine's own clock, for a command beside a service that may run.
pub async fn app(config: Config) -> Result<App> {
    App::beside(config, Clock::System, Chance::System, Handle::current()).await.map_err(|error| anyhow!("{error}"))
}
