//! The command line. Exit status 0, or 1 with one sentence on standard error that says what to do.

#[macro_use]
mod cli;
mod demo;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// A reading of many accounts takes a lot of memory for a moment; this one gives it back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sells, counts, throttles and blocks VPN accounts on MikroTik routers for WHMCS.
#[derive(Parser)]
#[command(name = "turnpike", version, about, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a customer's life against a simulated router and show it in a browser; nothing else is needed
    Demo {
        /// The browser's port; the next free one where it is taken
        #[arg(long, default_value_t = 8788)]
        port: u16,
        /// End after the story
        #[arg(long)]
        once: bool,
    },
    /// Write turnpike.toml with fresh random keys and print the pairing code
    Init {
        /// The folder to write it to
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Run the service
    Serve(cli::Where),
    /// Print the pairing code, to be pasted into WHMCS
    Pair(cli::Where),
    /// Check configuration, database, master key, certificates, templates and mail server, and print the settings in force
    Check(cli::Where),
    /// Bring the database's schema up to date
    Migrate(cli::Where),
    /// Collect traffic now: read, book and reset the counters
    Collect {
        #[command(flatten)]
        at: cli::Where,
        /// Only this WHMCS server
        #[arg(long, value_name = "ID")]
        server: Option<u64>,
    },
    /// Examine routers; each finding with the RouterOS command that mends it
    Doctor {
        #[command(flatten)]
        at: cli::Where,
        /// Only this WHMCS server
        #[arg(long, value_name = "ID")]
        server: Option<u64>,
    },
    /// Take accounts that another module made on a router into the books; changes nothing there
    Import {
        #[command(flatten)]
        at: cli::Where,
        /// The WHMCS server
        #[arg(long, value_name = "ID")]
        server: u64,
        /// What the comments of its objects begin with
        #[arg(long, default_value = "WHMCS")]
        prefix: String,
        /// A CSV file with balances to begin with; docs/whmcs.md has its columns
        #[arg(long, value_name = "FILE")]
        balances: Option<PathBuf>,
        /// Say what would be done and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare a router with the books and repair it; fills an empty replacement router
    Rebuild {
        #[command(flatten)]
        at: cli::Where,
        /// The WHMCS server
        #[arg(long, value_name = "ID")]
        server: u64,
        /// Say what would be changed and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Re-seal every stored secret with a new master key; says what to do next, run it until it says that all is done
    RotateKey {
        #[command(flatten)]
        at: cli::Where,
        /// Take the older keys out of turnpike.toml, where nothing is sealed with them any more
        #[arg(long)]
        forget_older: bool,
    },
    /// A simulated router on loopback, driven by JSON lines on standard input (for the bridge's tests)
    #[command(hide = true)]
    Simulate {
        /// The port; 0 picks a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain!("turnpike: no threads can be started: {error}.");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match line.command {
            Command::Demo { port, once } => demo::run(port, once).await,
            Command::Init { dir, json } => cli::init::run(&dir, json),
            Command::Serve(at) => cli::serve::run(&at).await,
            Command::Pair(at) => cli::pair::run(&at),
            Command::Check(at) => cli::check::run(&at).await,
            Command::Migrate(at) => cli::migrate::run(&at).await,
            Command::Collect { at, server } => cli::collect::run(&at, server).await,
            Command::Doctor { at, server } => cli::doctor::run(&at, server).await,
            Command::Import { at, server, prefix, balances, dry_run } => {
                cli::import::run(&at, server, &prefix, balances.as_deref(), dry_run).await
            }
            Command::Rebuild { at, server, dry_run } => cli::rebuild::run(&at, server, dry_run).await,
            Command::RotateKey { at, forget_older } => cli::rotate_key::run(&at, forget_older).await,
            Command::Simulate { port } => cli::simulate::run(port).await,
        }
    });
    match outcome {
        Ok(()) if cli::is_all_said() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            complain!("turnpike: {error:#}");
            ExitCode::FAILURE
        }
    }
}
