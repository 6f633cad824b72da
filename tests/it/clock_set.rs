//! A clock that is set back, as a machine's is that starts with the wrong time and is put right by NTP: the real program, whose
//! clock alone is set (libfaketime, Debian's package faketime), goes on reading its routers at once.

use crate::{
    sidecars::{LEASE, Sidecar, now, until},
    world::TestApp,
};
use std::path::PathBuf;

/// The library that sets a program's clock.
fn library() -> PathBuf {
    let under = |folder: &str| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path());
    let found = under("/usr/lib").map(|it| it.join("faketime/libfaketimeMT.so.1")).find(|it| it.exists());
    found.expect("libfaketime is there: install Debian's package faketime, as ./test does")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_clock_is_set_back_goes_on_reading_routers() {
    let app = TestApp::with(LEASE).await;
    now(&app);
    app.create(41).await;
    let stands = app.folder().join("stands");
    let set = |offset: &str| {
        let new = app.folder().join("stands.new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &stands).unwrap();
    };
    set("+2h");
    let environment = [
        ("LD_PRELOAD", library().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", stands.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let database = app.database.url();
    let sidecar = Sidecar::in_environment(&app, "ahead", &database, "collect.poll_seconds = 1\n", &environment).await;
    let read = || app.commands("/queue/simple/print");
    app.router.clear_journal();
    until("it reads the router", async || read() >= 2).await;
    set("+0");
    app.router.clear_journal();
    until("it reads the router by the clock that is right", async || read() >= 3).await;
    let metrics = reqwest::get(format!("{}/metrics", sidecar.ops)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("turnpike_clock_leaps_total{kind=\"back\"} 1"), "{metrics}");
}
