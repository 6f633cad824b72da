//! Size and start of the release binary, and its resident memory with N accounts: between polls and at the top of one, and
//! the same of collections that WHMCS asks for at the front door. Linux only.

use crate::{
    caller::verified,
    ground::{accounts, app, router, settings, traffic},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use turnpike::{
    clock::{Chance, Clock},
    http::caller::Caller,
    pairing::Pairing,
    simulator::Simulator,
};

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
    let mut pairing = Pairing::of(&app.config).expect("paired");
    app.close().await;
    let (mut child, _, listen) = start_and_keep(&binary, folder.path());
    pairing.url = format!("http://{listen}");
    let caller = Caller::new(&pairing, Clock::System, Chance::System);
    println!("resident memory just started: {:.1} MB", mb(status(&child, "VmRSS:")));
    for _ in 0..6 {
        traffic(&router);
        reset_top(&child);
        wait_for_poll(&router).await;
        said(&child, &format!("{count} accounts, polled"));
    }
    for _ in 0..4 {
        traffic(&router);
        reset_top(&child);
        let body = serde_json::to_vec(&json!({"server": {"id": 3}})).expect("JSON");
        let begun = Instant::now();
        let size = verified(listen, &caller, ("/v1/hooks/usage-update", &body)).await;
        let took = begun.elapsed().as_secs_f64();
        said(&child, &format!("{count} accounts, collected in {took:.1} s, an answer of {size} bytes"));
    }
    child.kill().expect("ended");
    child.wait().expect("ended");
}

/// Prints what is resident now, and the most that was since [`reset_top`].
fn said(child: &Child, what: &str) {
    let (now, top) = (status(child, "VmRSS:"), status(child, "VmHWM:"));
    println!("resident memory with {what}: {:.1} MB, {:.1} MB at the top", mb(now), mb(top));
}

/// The most that was resident is counted anew from here on.
fn reset_top(child: &Child) {
    std::fs::write(format!("/proc/{}/clear_refs", child.id()), "5").expect("Linux");
}

fn mb(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1024).expect("below 4 TB")) / 1024.0
}

fn start(binary: &Path, folder: &Path, what: &str) {
    let (mut child, took, _) = start_and_keep(binary, folder);
    println!("start with {what} until it answers: {:.0} ms", took.as_secs_f64() * 1000.0);
    child.kill().expect("ended");
    child.wait().expect("ended");
}

/// Starts the service and waits until it says where it listens; how long that took, and where.
fn start_and_keep(binary: &Path, folder: &Path) -> (Child, Duration, SocketAddr) {
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .args(["serve", "--json", "--config"])
        .arg(folder.join("turnpike.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
    let took = begun.elapsed();
    let said: Value = serde_json::from_str(&line).expect("JSON");
    let listen = said["listen"].as_str().and_then(|it| it.parse().ok());
    (child, took, listen.expect("an address"))
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
