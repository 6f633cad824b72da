//! One collection (read, booked, reset) of N accounts, against the bare-socket read of the same rows and against other
//! clients that merely read them.
//!
//! `TURNPIKE_PYTHON` and `TURNPIKE_NODE_MODULES` name the other clients (as
//! `./test` sets them up), `TURNPIKE_TEST_MYSQL` a MariaDB server with a schema `bench`.

use crate::ground::{accounts, app, bare_socket_read, router, seconds, settings, traffic};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use turnpike::{simulator::Simulator, work::collect};

/// Prints the figures for so many accounts.
pub async fn run(count: u32) {
    let router = router(count).await;
    traffic(&router);
    let _warm = bare_socket_read(router.address()).await;
    let begun = Instant::now();
    let bytes = bare_socket_read(router.address()).await;
    let floor = begun.elapsed();
    println!("{count} accounts on one router, {bytes} bytes of rows");
    line("bare socket read, nothing parsed", floor, floor);
    for (name, database) in [("SQLite", None), ("MariaDB", std::env::var("TURNPIKE_TEST_MYSQL").ok())] {
        if name == "MariaDB" && database.is_none() {
            println!("MariaDB: TURNPIKE_TEST_MYSQL is not set");
            continue;
        }
        ours(&router, count, name, database.as_deref(), floor).await;
    }
    foreign(&router, floor).await;
}

fn line(what: &str, time: Duration, floor: Duration) {
    println!("{what:48} {:>10}  {:6.2} x", seconds(time), time.as_secs_f64() / floor.as_secs_f64());
}

async fn ours(router: &Simulator, count: u32, name: &str, database: Option<&str>, floor: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), database, "127.0.0.1:0"), folder.path()).await;
    accounts(&app, router, count).await;
    for round in ["first", "second", "third"] {
        traffic(router);
        router.clear_journal();
        let begun = Instant::now();
        let until = tokio::time::Instant::now() + Duration::from_mins(10);
        let outcome = collect::run(&app, 3, collect::Scope::All, until).await.expect("collected");
        let took = begun.elapsed();
        let commands = router.journal().len();
        let reset = outcome.reset;
        line(&format!("turnpike: read, booked, reset ({name}, {round})"), took, floor);
        println!("    {} read, {reset} reset, {commands} router commands", outcome.read.len());
    }
    app.close().await;
}

/// Clients of other languages that read the same rows and do nothing with them.
async fn foreign(router: &Simulator, floor: Duration) {
    let python = std::env::var("TURNPIKE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let port = router.address().port().to_string();
    let runs = [
        ("librouteros", python, "benches/foreign/read.py"),
        ("node-routeros", "node".to_owned(), "benches/foreign/read.js"),
    ];
    for (name, program, script) in runs {
        let script = format!("{}/{script}", env!("CARGO_MANIFEST_DIR"));
        let port = port.clone();
        let run = tokio::task::spawn_blocking(move || Command::new(program).args([&script, &port]).output()).await;
        match run.expect("joined") {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                let took: f64 = text.trim().parse().unwrap_or(f64::NAN);
                line(&format!("{name}: read only"), Duration::from_secs_f64(took.max(0.0)), floor);
            }
            Ok(output) => {
                println!("{name}: {}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("failed"));
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
}
