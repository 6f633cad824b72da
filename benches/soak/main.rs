//! Months of a service's life at speed: `cargo bench --bench soak -- --minutes 120`. Stops by itself and ends what it began.
//!
//! The real binary serves; its wall clock is moved on by libfaketime (Debian: faketime) in steps of hours, while its timers
//! run in real time, as on a machine that sleeps between two steps. Routers, customers and WHMCS are played from here. Each
//! simulated month prints a row; at the end stands a verdict on memory, descriptors, tasks, tables and the books.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints its figures and breaks off loudly")]

mod books;
mod life;
mod process;
mod report;
mod whmcs;

use chrono::Datelike;
use life::Life;
use process::Process;
use report::Report;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// What the command line asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Real time that it may take.
    pub time: Duration,
    /// Simulated months after which it ends sooner.
    pub months: u32,
    /// Customers, kept up by churn.
    pub accounts: usize,
    /// Routers that they are spread over.
    pub routers: usize,
    /// Simulated hours a step.
    pub step_hours: i64,
    /// Which lives are played.
    pub seed: u64,
}

impl Wanted {
    fn read() -> Self {
        let words: Vec<String> = std::env::args().collect();
        let number = |name: &str, default: u64| {
            let at = words.iter().position(|word| word == name);
            at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(default)
        };
        Self {
            time: Duration::from_secs(60 * number("--minutes", 120)),
            months: u32::try_from(number("--months", 1200)).expect("few"),
            accounts: usize::try_from(number("--accounts", 300)).expect("few"),
            routers: usize::try_from(number("--routers", 3)).expect("few").max(1),
            step_hours: i64::try_from(number("--step-hours", 2)).expect("few").clamp(1, 24),
            seed: number("--seed", 1),
        }
    }
}

/// Ends when the soak is to end before its time; it then still says its verdict and ends what it began.
fn told_to_stop() -> tokio::task::JoinHandle<()> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let [mut interrupt, mut terminate] = kinds.map(|kind| signal(kind).expect("signals can be caught"));
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[tokio::main]
async fn main() {
    let wanted = Wanted::read();
    println!("{wanted:?}");
    let begun = Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = Process::start(folder.path()).await;
    let mut life = Life::begin(wanted, &process).await;
    let mut report = Report::default();
    report.row(&mut process, &mut life, begun).await;
    let mut month = process.now().month();
    let told_to_stop = told_to_stop();
    while begun.elapsed() < wanted.time && report.months() < wanted.months && !told_to_stop.is_finished() {
        life.step(&process).await;
        if process.now().month() != month {
            month = process.now().month();
            report.row(&mut process, &mut life, begun).await;
        }
    }
    life.rest(&process).await;
    report.row(&mut process, &mut life, begun).await;
    let sound = report.verdict(&process, &life).await;
    process.stop().await;
    if !sound {
        std::process::exit(1);
    }
}
