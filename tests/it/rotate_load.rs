//! A rotation of the master key while the service works: creates, new passwords, pages, NetFlow records and readings go on,
//! rotate-key is killed again and again, no request fails, and nothing needs the old key in the end.

use crate::{
    binary::{err, out, settings},
    rotate_key::{CROWD, crowd, forget_the_killed_one, kill_in_the_middle, master_alone, ring, rotate, serve, stop},
    world::{MB, TestApp},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use turnpike::work::rotate_key;

/// The customers who come to their page and change their password.
const REGULARS: std::ops::Range<u64> = 41..49;

/// What the service was told and has confirmed.
#[derive(Default)]
struct Told {
    enough: AtomicBool,
    next: AtomicU64,
    /// The last password of each service.
    passwords: Mutex<BTreeMap<u64, String>>,
    /// Services with a NetFlow record.
    records: Mutex<BTreeMap<u64, String>>,
    requests: AtomicU64,
}

impl Told {
    fn goes_on(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed);
        !self.enough.load(Ordering::Relaxed)
    }
}

async fn creates(app: &TestApp, told: &Told) {
    while told.goes_on() {
        let service = 5000 + told.next.fetch_add(1, Ordering::Relaxed);
        // More addresses than a test needs otherwise.
        let body = app.body_with(service, &json!({"server": {"addresses": ["10.8.0.0/16"]}}));
        let made = app.hook("create", &body).await.ok();
        let password = made["service"]["password"].as_str().unwrap().to_owned();
        told.passwords.lock().unwrap().insert(service, password);
    }
}

async fn new_passwords(app: &TestApp, told: &Told) {
    for service in REGULARS.cycle() {
        if !told.goes_on() {
            return;
        }
        let password = format!("new-{}", told.next.fetch_add(1, Ordering::Relaxed));
        let body = app.body_with(service, &json!({"service": {"password": password}}));
        app.hook("change-password", &body).await.ok();
        told.passwords.lock().unwrap().insert(service, password);
    }
}

async fn pages(app: &TestApp, told: &Told) {
    for service in REGULARS.cycle() {
        if !told.goes_on() {
            return;
        }
        // Not where a new password has just ended the session.
        app.router.carry(&format!("7-{service}"), MB, 1);
        let page = app.client_area(service).await;
        assert_eq!(page["information"]["l2tp_psk"], "shared-by-all");
        assert!(page["information"]["password"].as_str().is_some_and(|it| !it.is_empty()), "{page}");
        app.collect().await;
    }
}

async fn records(app: &TestApp, told: &Told) {
    for service in (1..).map(|number| 9000 + number % 50) {
        if !told.goes_on() {
            return;
        }
        let password = format!("flow-{}", told.next.fetch_add(1, Ordering::Relaxed));
        let record = json!({"url": "https://flow.example.net", "username": "u", "password": password});
        app.send("PUT", &format!("/v1/netflow/{service}"), &record).await.ok();
        told.records.lock().unwrap().insert(service, password);
    }
}

/// Does something while all of that goes on.
async fn under_load<T>(app: &TestApp, told: &Told, what: impl Future<Output = T>) -> T {
    told.enough.store(false, Ordering::Relaxed);
    let what = async {
        let outcome = what.await;
        told.enough.store(true, Ordering::Relaxed);
        outcome
    };
    tokio::join!(what, creates(app, told), new_passwords(app, told), pages(app, told), records(app, told)).0
}

/// Every password as the service shows it, and as the router has it.
async fn assert_all_there(app: &TestApp, told: &Told) {
    let passwords = told.passwords.lock().unwrap().clone();
    for (service, password) in passwords {
        let page = app.client_area(service).await;
        assert_eq!(page["information"]["password"], json!(password), "service {service}");
        assert_eq!(app.secret(&format!("7-{service}"), "password"), Some(password), "service {service}");
    }
    let shown: Value = app.send("GET", "/v1/netflow", &Value::Null).await.ok();
    let records = told.records.lock().unwrap().clone();
    assert_eq!(shown["records"].as_array().unwrap().len(), records.len());
    for (service, password) in records {
        let record = app.send("GET", &format!("/v1/netflow/{service}/client"), &Value::Null).await.ok();
        assert_eq!(record["password"], json!(password), "record {service}");
    }
}

/// Killed while it seals, three times, each a little later; and then to its end.
async fn rotate_at_last(app: &TestApp, file: &Path) {
    let mut in_the_middle = 0;
    for batches in [1, 4, 7] {
        kill_in_the_middle(file, batches).await;
        let standing = rotate_key::standing(&app.app, &ring(file)).await.unwrap();
        assert!(standing.unreadable.is_empty(), "killed after {batches}: {standing:?}");
        in_the_middle += usize::from(standing.older > 0);
        forget_the_killed_one(app).await;
    }
    assert!(in_the_middle > 0, "every one was through before it was killed");
    let done = rotate(file, &[]).await;
    assert!(done.status.success(), "{}{}", out(&done), err(&done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_fails_no_request_and_loses_no_secret() {
    let mut app = TestApp::new().await;
    let told = Told::default();
    for service in REGULARS {
        let made = app.hook("create", &app.body(service)).await.ok();
        let password = made["service"]["password"].as_str().unwrap().to_owned();
        app.dial(&made);
        told.passwords.lock().unwrap().insert(service, password);
    }
    crowd(&app).await;
    let file = settings(&app);
    // Readings beside it all, as often as can be set; and the records' passwords are shown, to be compared.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("collect.poll_seconds = 5\nnetflow.show_password = true\n{text}")).unwrap();

    let first = serve(&mut app, &file).await;
    let begun = under_load(&app, &told, rotate(&file, &[])).await;
    assert!(begun.status.success() && out(&begun).contains("Restart turnpike serve now"), "{}", err(&begun));
    stop(first).await;

    let second = serve(&mut app, &file).await;
    under_load(&app, &told, rotate_at_last(&app, &file)).await;
    let standing = rotate_key::standing(&app.app, &master_alone(&file)).await.unwrap();
    assert!(standing.is_settled() && standing.unreadable.is_empty(), "{standing:?}");
    // The server's password, password and key of each account, the records' passwords.
    let (accounts, records) = (told.passwords.lock().unwrap().len(), told.records.lock().unwrap().len());
    assert_eq!(standing.secrets, 1 + 2 * (CROWD + accounts as u64) + records as u64);
    assert_all_there(&app, &told).await;

    let forgotten = rotate(&file, &["--forget-older"]).await;
    assert!(forgotten.status.success(), "{}", err(&forgotten));
    stop(second).await;
    let third = serve(&mut app, &file).await;
    assert_all_there(&app, &told).await;
    stop(third).await;
    assert!(told.requests.load(Ordering::Relaxed) > 100, "hardly a load: {:?}", told.requests);
    app.app.close().await;
}
