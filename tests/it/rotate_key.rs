//! A rotation of the master key beside a running service, killed in the middle: nobody is locked out, nothing is lost.

use crate::{
    binary::{err, out, settings, turnpike},
    world::TestApp,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{path::Path, process::Output, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};
use turnpike::{
    account::Account,
    app::App,
    clock::{Chance, Clock},
    config::Config,
    http::caller::Caller,
    in_tx,
    pairing::Pairing,
    seal::Seal,
    work::rotate_key::{self, Presence},
};

/// Enough that a rotation takes a while.
pub const CROWD: u64 = 2000;

/// A running `turnpike serve`; the test's calls go to it.
pub async fn serve(app: &mut TestApp, file: &Path) -> Child {
    let mut child = turnpike().args(["serve", "--json", "--config"]).arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it serves");
    let listen: Value = serde_json::from_str(&line).unwrap();
    let mut pairing = Pairing::of(&app.app.config).unwrap();
    pairing.url = format!("http://{}", listen["listen"].as_str().unwrap());
    app.caller = Caller::new(&pairing, Clock::System, Chance::System);
    child
}

/// Told to stop, and stopped.
pub async fn stop(mut child: Child) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().await.unwrap().success());
}

pub async fn rotate(file: &Path, more: &[&str]) -> Output {
    turnpike().args(["rotate-key", "--config"]).arg(file).args(more).output().await.unwrap()
}

pub fn ring(file: &Path) -> Seal {
    let (config, _) = Config::load(Some(file), std::iter::empty()).unwrap();
    Seal::new(&config.seal.master_key, &config.seal.older_keys, Chance::System).unwrap()
}

pub fn master_alone(file: &Path) -> Seal {
    let (config, _) = Config::load(Some(file), std::iter::empty()).unwrap();
    Seal::new(&config.seal.master_key, &[], Chance::System).unwrap()
}

/// Many accounts in the books alone.
pub async fn crowd(app: &TestApp) {
    let parts = &app.app;
    let one = Account::find(&mut parts.db.read().await.unwrap(), 41).await.unwrap().unwrap();
    let now = parts.clock.now();
    let done: Result<(), turnpike::db::Error> = in_tx!(parts.db, tx => {
        for service in 1000..1000 + CROWD {
            let mut account = Account::new(service, 3, one.sold.clone(), one.settings.clone());
            account.username = format!("crowd-{service}");
            account.set_password(&parts.seal, &SecretString::from(format!("password-{service}")));
            account.set_settings(&parts.seal, one.settings.clone());
            account.save(&mut tx, now).await?;
            account.save_standing(&mut tx, now).await?;
        }
        Ok::<(), turnpike::db::Error>(())
    });
    done.unwrap();
}

async fn shown_password(app: &TestApp) -> String {
    let page = app.client_area(41).await;
    assert_eq!(page["information"]["l2tp_psk"], "shared-by-all");
    page["information"]["password"].as_str().unwrap().to_owned()
}

async fn change_password(app: &TestApp, password: &str) {
    let body = app.body_with(41, &json!({"service": {"password": password}}));
    app.hook("change-password", &body).await.ok();
}

/// A rotation that has begun to seal and is killed then.
pub async fn kill_in_the_middle(file: &Path, batches: usize) {
    let mut killed = turnpike().args(["rotate-key", "--config"]).arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    for _ in 0..batches {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.contains("sealed anew"), "{line}");
    }
    killed.start_kill().unwrap();
    killed.wait().await.unwrap();
}

/// The lease of a killed run, run out.
pub async fn forget_the_killed_one(app: &TestApp) {
    let over = turnpike::sql!("UPDATE lease SET until_at = 0 WHERE name = 'rotate-key'");
    app.app.db.execute(over, vec![]).await.unwrap();
}

/// The settings as they were before can no longer open the database, and say so at the start.
async fn old_key_alone_is_refused(app: &TestApp, file: &Path) {
    let (config, _) = Config::load(Some(file), std::iter::empty()).unwrap();
    assert!(config.seal.older_keys.is_empty());
    let runtime = tokio::runtime::Handle::current();
    let old = App::build(app.app.config.clone(), Clock::System, Chance::System, runtime).await.unwrap_err().to_string();
    assert!(old.contains("seal.master_key is not the key"), "{old}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_beside_a_running_service_locks_nobody_out_and_loses_nothing() {
    let mut app = TestApp::new().await;
    app.create(41).await;
    let record =
        json!({"enabled": true, "url": "https://flow.example.net", "username": "u", "password": "flow-secret"});
    app.send("PUT", "/v1/netflow/41", &record).await.ok();
    crowd(&app).await;
    let file = settings(&app);
    let first = serve(&mut app, &file).await;

    // Step one: the new key is in the file, nothing else has changed.
    let begun = rotate(&file, &[]).await;
    assert!(
        begun.status.success() && out(&begun).contains("Restart turnpike serve now"),
        "{}{}",
        out(&begun),
        err(&begun)
    );
    let early = rotate(&file, &[]).await;
    assert_eq!(early.status.code(), Some(1));
    assert!(err(&early).contains("restart it"), "{}", err(&early));
    let standing = rotate_key::standing(&app.app, &app.app.seal).await.unwrap();
    assert!(
        standing.is_settled() && standing.unreadable.is_empty(),
        "nothing is sealed with the new key: {standing:?}"
    );
    change_password(&app, "before-the-restart").await;

    // Step two, begun too early, refused; after the restart, killed in the middle.
    stop(first).await;
    let second = serve(&mut app, &file).await;
    kill_in_the_middle(&file, 1).await;
    let standing = rotate_key::standing(&app.app, &ring(&file)).await.unwrap();
    assert!(standing.older > 0 && standing.older < standing.secrets, "{standing:?}");
    assert!(standing.unreadable.is_empty());
    assert_eq!(shown_password(&app).await, "before-the-restart");
    // A lease that a killed run left is its own again only when it has run out.
    let wait = rotate(&file, &[]).await;
    assert!(wait.status.success() || err(&wait).contains("Another rotate-key"), "{}", err(&wait));
    forget_the_killed_one(&app).await;

    // Gone on with while the service writes.
    let writes = async {
        for n in 0..10 {
            change_password(&app, &format!("while-rotating-{n}")).await;
        }
    };
    let (finished, ()) = tokio::join!(rotate(&file, &[]), writes);
    assert!(finished.status.success(), "{}{}", out(&finished), err(&finished));
    assert_eq!(shown_password(&app).await, "while-rotating-9");
    assert_eq!(app.secret("7-41", "password").unwrap(), "while-rotating-9");
    let standing = rotate_key::standing(&app.app, &master_alone(&file)).await.unwrap();
    assert!(standing.is_settled() && standing.unreadable.is_empty(), "{standing:?}");
    assert_eq!(standing.secrets, 1 + 2 * (CROWD + 1) + 1);

    // The older key is taken out, and the service starts without it.
    let forgotten = rotate(&file, &["--forget-older"]).await;
    assert!(forgotten.status.success(), "{}", err(&forgotten));
    stop(second).await;
    let third = serve(&mut app, &file).await;
    assert_eq!(shown_password(&app).await, "while-rotating-9");
    stop(third).await;
    old_key_alone_is_refused(&app, &file).await;
    app.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_running_service_one_run_does_it_all() {
    let app = TestApp::new().await;
    app.create(41).await;
    let file = settings(&app);
    let before = std::fs::read_to_string(&file).unwrap();
    let done = rotate(&file, &["--json"]).await;
    assert!(done.status.success(), "{}", err(&done));
    let answer: Value = serde_json::from_str(&out(&done)).unwrap();
    assert_eq!((answer["state"].as_str(), answer["resealed"].as_u64()), (Some("sealed"), Some(3)));
    assert!(
        !out(&done).contains(ring_text(&before))
            && !out(&done).contains(ring_text(&std::fs::read_to_string(&file).unwrap()))
    );
    let again = rotate(&file, &[]).await;
    assert!(again.status.success() && out(&again).contains("--forget-older"), "{}", out(&again));
    let standing = rotate_key::standing(&app.app, &master_alone(&file)).await.unwrap();
    assert!(standing.is_settled() && standing.unreadable.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_goes_on_when_nobody_reads_what_it_says() {
    let app = TestApp::new().await;
    app.create(41).await;
    crowd(&app).await;
    let file = settings(&app);
    // Standard error goes the same way, as in `2>&1 | head -1`.
    let mut both = std::process::Command::new("/bin/sh");
    both.args(["-c", "exec \"$@\" 2>&1", "sh", env!("CARGO_BIN_EXE_turnpike"), "rotate-key", "--config"]);
    let mut child = tokio::process::Command::from(both);
    let mut child = child.arg(&file).kill_on_drop(true).env_clear().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("A new master key stands in"));
    drop(lines);
    assert!(child.wait().await.unwrap().success());
    let standing = rotate_key::standing(&app.app, &master_alone(&file)).await.unwrap();
    assert!(standing.is_settled() && standing.unreadable.is_empty(), "{standing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_words_cannot_be_written_does_its_work_and_says_so() {
    let app = TestApp::new().await;
    app.create(41).await;
    let file = settings(&app);
    for command in ["pair", "rotate-key"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = turnpike();
        let child = child.args([command, "--config"]).arg(&file).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let outcome = child.wait_with_output().await.unwrap();
        let said = err(&outcome);
        assert_eq!(outcome.status.code(), Some(1), "{command}: {said}");
        assert_eq!(said.matches("cannot be written").count(), 1, "{command}: {said}");
    }
    let standing = rotate_key::standing(&app.app, &master_alone(&file)).await.unwrap();
    assert!(standing.is_settled() && standing.secrets > 0, "{standing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_no_key_opens_is_told_of_by_every_run() {
    let mut app = TestApp::new().await;
    app.create(41).await;
    app.create(42).await;
    let corrupt = turnpike::sql!("UPDATE account SET password_sealed = ? WHERE service_id = 42");
    app.app.db.execute(corrupt, turnpike::params![turnpike::db::Value::Blob(vec![7; 60])]).await.unwrap();
    let file = settings(&app);
    for run in 1..=2 {
        let outcome = rotate(&file, &[]).await;
        assert_eq!(outcome.status.code(), Some(1), "run {run}: {}", out(&outcome));
        assert!(err(&outcome).contains("1 secrets can be opened by no key"), "run {run}: {}", err(&outcome));
        assert!(err(&outcome).contains("account/42/password"), "run {run}: {}", err(&outcome));
        let said = out(&outcome);
        assert!(
            said.contains("4 of 5 secrets are sealed") && !said.to_lowercase().contains("all "),
            "run {run}: {said}"
        );
    }
    let forgotten = rotate(&file, &["--forget-older"]).await;
    assert!(out(&forgotten).contains("were taken out of"), "{}{}", out(&forgotten), err(&forgotten));
    let none = rotate(&file, &["--forget-older"]).await;
    assert!(out(&none).contains("There are no older keys"), "{}", out(&none));
    // The first of two steps.
    let service = serve(&mut app, &file).await;
    let begun = rotate(&file, &[]).await;
    assert!(out(&begun).contains("Restart turnpike serve now"), "{}{}", out(&begun), err(&begun));
    stop(service).await;
    for outcome in [forgotten, none, begun] {
        assert_eq!(outcome.status.code(), Some(1), "{}", out(&outcome));
        assert!(err(&outcome).contains("account/42/password"), "{}", err(&outcome));
    }
}

/// How many services are said to run, in the database.
async fn said_to_run(app: &TestApp) -> u64 {
    let count = turnpike::sql!("SELECT COUNT(*) AS n FROM installation WHERE name LIKE 'running/%'");
    app.app.db.read().await.unwrap().one(count, vec![]).await.unwrap().unwrap().get("n").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_could_not_start_does_not_count_as_running() {
    let app = TestApp::new().await;
    let file = settings(&app);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let occupied = format!("ops.listen = \"{}\"", taken.local_addr().unwrap());
    std::fs::write(&file, text.replace("ops.listen = \"127.0.0.1:0\"", &occupied)).unwrap();
    let outcome = turnpike().args(["serve", "--config"]).arg(&file).output().await.unwrap();
    assert!(!outcome.status.success() && err(&outcome).contains("cannot listen"), "{}", err(&outcome));
    assert_eq!(said_to_run(&app).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_were_killed_are_forgotten_in_the_night() {
    let app = TestApp::new().await;
    app.create(41).await;
    drop(Presence::announce(&app.app).await.unwrap());
    app.step().await;
    assert_eq!(said_to_run(&app).await, 1, "for a minute and a half it may be alive");
    app.pass(chrono::Duration::days(1));
    app.step().await;
    assert_eq!(said_to_run(&app).await, 0);
}

/// The master key in a settings file's text.
fn ring_text(text: &str) -> &str {
    text.split("master_key = \"").nth(1).unwrap().split('"').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_in_the_file_is_explained_and_nothing_changes() {
    let app = TestApp::new().await;
    let file = settings(&app);
    let before = std::fs::read_to_string(&file).unwrap();
    let key = app.app.config.seal.master_key.expose_secret().to_owned();
    let outcome = turnpike()
        .args(["rotate-key", "--config"])
        .arg(&file)
        .env("TURNPIKE_SEAL__MASTER_KEY", &key)
        .output()
        .await
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(err(&outcome).contains("come from TURNPIKE_SEAL__MASTER_KEY") && !err(&outcome).contains(&key));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_counts_as_running_until_it_leaves_or_its_time_is_over() {
    let app = TestApp::new().await;
    let newer = Seal::new(&"HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(), &[], Chance::System).unwrap();
    let presence = Presence::announce(&app.app).await.unwrap();
    assert_eq!(rotate_key::running(&app.app).await.unwrap(), 1);
    let problem = rotate_key::reseal(&app.app, &newer, &|_| {}).await.unwrap_err();
    assert!(problem.detail.contains("restart it"), "{}", problem.detail);
    rotate_key::everybody_knows(&app.app, &app.app.seal).await.unwrap();
    presence.leave().await;
    assert_eq!(rotate_key::running(&app.app).await.unwrap(), 0);
    let killed = Presence::announce(&app.app).await.unwrap();
    app.clock.advance(chrono::Duration::seconds(91));
    assert_eq!(rotate_key::running(&app.app).await.unwrap(), 0);
    drop(killed);
}
