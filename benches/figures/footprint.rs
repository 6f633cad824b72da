//! Size and start of the release binary, and its resident memory with N accounts after collections. Linux only.

use crate::ground::{accounts, app, router, settings, traffic};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use turnpike::simulator::Simulator;

/// Prints the figures.
pub async fn run(count: u32) {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_turnpike"));
    let size = std::fs::metadata(&binary).expect("the binary is built").len();
    println!("binary {:.1} MB", mb(size));
    let folder = tempfile::tempdir().expect("a folder");
    let router = router(count).await;
    let text = settings(folder.path(), None, "127.0.0.1:0").replace("poll_seconds = 0", "poll_seconds = 5");
    std::fs::write(folder.path().join("turnpike.toml"), &text).expect("written");
    start(&binary, folder.path(), "an empty database");
    let app = app(&text, folder.path()).await;
    accounts(&app, &router, count).await;
    app.close().await;
    let (mut child, _) = start_and_keep(&binary, folder.path());
    let idle = status(&child, "VmRSS:");
    println!("resident memory just started: {:.1} MB", mb(idle));
    for _ in 0..8 {
        traffic(&router);
        wait_for_poll(&router).await;
        let (now, most) = (status(&child, "VmRSS:"), status(&child, "VmHWM:"));
        println!("resident memory with {count} accounts, polled: {:.1} MB, at most {:.1} MB", mb(now), mb(most));
    }
    child.kill().expect("ended");
    child.wait().expect("ended");
}

fn mb(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).expect("below 4 TB")) / 1024.0
}

fn start(binary: &Path, folder: &Path, what: &str) {
    let (mut child, took) = start_and_keep(binary, folder);
    println!("start with {what} until it answers: {:.0} ms", took.as_secs_f64() * 1000.0);
    child.kill().expect("ended");
    child.wait().expect("ended");
}

/// Starts the service and waits until it says where it listens.
fn start_and_keep(binary: &Path, folder: &Path) -> (Child, Duration) {
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .args(["serve", "--json", "--config"])
        .arg(folder.join("turnpike.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
    (child, begun.elapsed())
}

/// A figure of `/proc/<pid>/status`, bytes.
fn status(child: &Child, what: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("Linux");
    let line = text.lines().find(|line| line.starts_with(what)).expect("Linux");
    line.split_whitespace().nth(1).and_then(|it| it.parse::<u64>().ok()).expect("a number") * 1024
}

/// The next whole poll: its print answered, and a little time for the books.
async fn wait_for_poll(router: &Simulator) {
    let prints = || router.journal().iter().filter(|it| it.path == "/queue/simple/print").count();
    let before = prints();
    while prints() < before + 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
}
