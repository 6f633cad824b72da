//! The database goes away in the middle of anything: at every statement of a hook, before the server has it and after the
//! server has carried it out. The answer says so, nothing is half done, and the same request goes through when the database
//! is back. On MariaDB; on SQLite the file is locked by somebody else, or its disk is full.

use crate::{
    admin_pages::ask,
    books_check::{assert_books_equal, booked, open_resets},
    hooks_database::behind_a_wire,
    plans_engine::{gold, with},
    sidecars::{LEASE, Sidecar, until},
    wire::{Break, Wire},
    world::{Database, GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::{
    db::{Address, Db},
    jobs, sql,
};

/// Calls a hook with the wire breaking at its first statement, its second, and so on until it is answered before that. After
/// each break the database comes back and the same request is made again, and must succeed.
async fn at_every_statement(app: &TestApp, wire: &mut Wire, hook: &str, body: impl Fn(usize) -> Value) -> usize {
    at_every_statement_of(app, wire, ("POST", &format!("/v1/hooks/{hook}")), body).await
}

/// The same for any request.
async fn at_every_statement_of(
    app: &TestApp,
    wire: &mut Wire,
    (method, target): (&str, &str),
    body: impl Fn(usize) -> Value,
) -> usize {
    let mut broken = 0;
    for how in [Break::Before, Break::After] {
        for nth in 1.. {
            let body = body(broken);
            wire.break_at(nth, how);
            let answer = app.send(method, target, &body).await;
            if wire.is_up() {
                answer.ok();
                wire.mend().await;
                break;
            }
            let told = (answer.status, answer.body["code"].as_str());
            // What was answered well was done before the wire broke: only a lease was still to be given back.
            assert!(
                matches!(told, (503, Some("database-unavailable")) | (200, None)),
                "{target}, {how:?} statement {nth}: {}",
                answer.body
            );
            let ready = reqwest::get(format!("{}/readyz", app.ops())).await.unwrap().status();
            assert_eq!(ready, 503, "{target}, {how:?} statement {nth}");
            wire.mend().await;
            app.send(method, target, &body).await.ok();
            broken += 1;
            assert!(broken < 400, "{target} has no end");
        }
    }
    broken
}

/// The pool knows of a closed connection when the thread that watches over it does. This one has not looked since.
#[test]
fn a_connection_that_was_closed_a_moment_ago_is_nobodys_failure() {
    let there = tokio::runtime::Runtime::new().unwrap();
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some((mut wire, database)) = there.block_on(behind_a_wire()) else { return };
    let one = sql!("SELECT 1 AS n");
    let db = here.block_on(async {
        let db = Db::open(&database.address).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(db.read().await.unwrap());
        }
        drop(held);
        // They come home one by one, made as new on the way.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        db
    });
    wire.cut();
    there.block_on(wire.mend());
    here.block_on(async {
        db.read().await.unwrap().rows(one, vec![]).await.unwrap();
        db.begin().await.unwrap().commit().await.unwrap();
    });
    wire.cut();
    there.block_on(wire.mend());
    here.block_on(async {
        db.begin().await.unwrap().rows(one, vec![]).await.unwrap();
        db.close().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_or_a_terminate_that_loses_the_database_anywhere_is_finished_by_the_next() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    let mut id = 40;
    for how in [Break::Before, Break::After] {
        for nth in 1.. {
            id += 1;
            let body = app.body(id);
            for hook in ["create", "terminate"] {
                wire.break_at(nth, how);
                let answer = app.hook(hook, &body).await;
                if !wire.is_up() {
                    let told = (answer.status, answer.body["code"].as_str());
                    let well = matches!(told, (503, Some("database-unavailable")) | (200, None));
                    assert!(well, "{hook}, {how:?} statement {nth}: {}", answer.body);
                }
                wire.mend().await;
                let again = app.hook(hook, &body).await.ok();
                let state = again["account"]["pending"].as_u64();
                assert_eq!(state, Some(0), "{hook}, {how:?} statement {nth}");
                let there = app.router.world(|world| world.table("/ppp/secret").rows().len());
                assert_eq!(there, usize::from(hook == "create"), "{hook}, {how:?} statement {nth}");
            }
            assert_eq!(app.ledger(id).await, [("packet".to_owned(), (10 * GB) as i64)]);
            let queues = app.router.world(|world| world.table("/queue/simple").rows().len());
            assert_eq!(queues, 0);
            if nth > 60 {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_the_books_are_recorded_once_wherever_the_database_is_lost() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    app.create(41).await;
    let of = |hook: Value| app.body_with(41, &json!({"hook": hook}));
    let mut added = 0;
    added +=
        at_every_statement(&app, &mut wire, "add-traffic", |nth| of(json!({"bytes": 7, "key": nth.to_string()}))).await;
    assert!(added > 10, "only {added} statements");
    // The two keys that went through unbroken were the last one's successor, twice the same.
    let entries = app.ledger(41).await;
    let tops = entries.iter().filter(|(kind, bytes)| kind == "top-up" && *bytes == 7).count();
    assert_eq!(tops, added + 1, "{entries:?}");
    let due = |nth: usize| {
        let date = chrono::NaiveDate::from_ymd_opt(2027, 1, 1).unwrap() + chrono::Days::new(nth as u64);
        app.body_with(41, &json!({"service": {"next_due_date": date.to_string()}}))
    };
    let renewed = at_every_statement(&app, &mut wire, "renew", due).await;
    let packets = app.ledger(41).await.iter().filter(|(kind, _)| kind == "packet").count();
    assert_eq!(packets, 1 + renewed + 1);
    for _ in 0..2 {
        at_every_statement(&app, &mut wire, "suspend", |_| app.body(41)).await;
        assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
        at_every_statement(&app, &mut wire, "unsuspend", |_| app.body(41)).await;
        assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
    }
    at_every_statement(&app, &mut wire, "change-password", |nth| {
        app.body_with(41, &json!({"service": {"password": format!("the {nth}th password")}}))
    })
    .await;
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_a_block_and_a_reset_that_lose_the_database_anywhere_are_made_by_the_next() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    let sold = |nth: usize| app.plan_body(41, json!({"download_mbps": (20 + nth).to_string(), "upload_mbps": "3"}));
    let broken = at_every_statement(&app, &mut wire, "change-package", sold).await;
    assert!(broken > 10, "only {broken} statements");
    assert_eq!(app.max_limit(&user), format!("3000000/{}000000", 20 + broken));
    for _ in 0..2 {
        let why = |_| app.body_with(41, &json!({"hook": {"reason": "asked for"}}));
        at_every_statement(&app, &mut wire, "admin-block", why).await;
        assert_eq!(app.secret(&user, "disabled").unwrap(), "true");
        at_every_statement(&app, &mut wire, "admin-unblock", why).await;
        assert_eq!(app.secret(&user, "disabled").unwrap(), "false");
    }
    let dialled = |_| {
        let password = app.secret(&user, "password").unwrap();
        let _ = app.router.connect(&user, &password, "l2tp", "198.51.100.7");
        app.body(41)
    };
    at_every_statement(&app, &mut wire, "disconnect", dialled).await;
    assert!(!app.router.is_online(&user));
    let reset = |nth: usize| app.body_with(41, &json!({"hook": {"what": "daily", "key": nth.to_string()}}));
    let resets = at_every_statement(&app, &mut wire, "fup-reset", reset).await;
    let count = sql!("SELECT COUNT(*) AS n FROM fair_use_event WHERE kind = 'reset-daily'");
    let row = app.app.db.read().await.unwrap().one(count, vec![]).await.unwrap().unwrap();
    assert_eq!(row.get::<u64>("n").unwrap(), resets as u64 + 1);
    assert_eq!(app.account(41).await["pending"], 0);
    let rows = |menu: &str| app.router.world(|world| world.table(menu).rows().len());
    assert_eq!((rows("/ppp/secret"), rows("/queue/simple")), (1, 1));
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_send_is_done_once_wherever_the_database_is_lost() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    app.plan(&gold()).await;
    let user = app.create_on_plan(41, json!({})).await;
    let faster = |nth: usize| with(json!({"download_speed": format!("{}M", 10 + nth), "burst_download": "900M"}));
    let broken = at_every_statement_of(&app, &mut wire, ("PUT", "/v1/plans/1"), faster).await;
    assert!(broken > 5, "only {broken} statements");
    app.pass(Duration::minutes(2));
    app.step().await;
    app.step().await;
    assert_eq!(app.max_limit(&user), format!("2000000/{}000000", 10 + broken));
    let record = |nth: usize| json!({"username": "ada", "password": format!("the {nth}th password")});
    let broken = at_every_statement_of(&app, &mut wire, ("PUT", "/v1/netflow/41"), record).await;
    let fields = app.send("GET", "/v1/netflow/41/merge-fields", &Value::Null).await.ok();
    assert_eq!(fields["netflow_password"], format!("the {broken}th password"));
    let form = |form: Value| {
        let mut body = ask(&json!({"service": "41"}));
        body["method"] = json!("POST");
        body["form"] = form;
        body
    };
    let accounts = ("POST", "/v1/admin/accounts");
    let add = |nth: usize| form(json!({"do": "add", "gb": "1", "note": "", "once": format!("{nth:032x}")}));
    let added = at_every_statement_of(&app, &mut wire, accounts, add).await;
    let tops = app.ledger(41).await.iter().filter(|(kind, _)| kind == "top-up").count();
    assert_eq!(tops, added + 1);
    let settle = |nth: usize| {
        form(json!({"do": "override", "download_speed": format!("{}M", 100 + nth), "upload_speed": "", "price": "",
            "once": format!("{nth:032x}")}))
    };
    let settled = at_every_statement_of(&app, &mut wire, accounts, settle).await;
    assert_eq!(app.max_limit(&user), format!("2000000/{}000000", 100 + settled));
    assert_eq!(app.account(41).await["pending"], 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_that_loses_the_database_anywhere_charges_every_byte_once() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    let made = app.hook("create", &app.body_with(41, &json!({"settings": {"collect": "cron"}}))).await.ok();
    app.dial(&made);
    let user = made["service"]["username"].as_str().unwrap().to_owned();
    let carried = |nth: usize| {
        assert!(app.router.carry(&user, 1_000_003 + nth as u64, 17));
        app.pass(Duration::minutes(3));
        json!({"hook": {"delivered": [], "failed": []}})
    };
    let broken = at_every_statement(&app, &mut wire, "cron", carried).await;
    assert!(broken > 20, "only {broken} statements");
    app.collect().await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_eq!(open_resets(&app.app).await, 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_loses_the_database_anywhere_charges_every_byte_once() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    let user = app.create(41).await;
    let carried = |nth: usize| {
        assert!(app.router.carry(&user, 1_000_003 + nth as u64, 17));
        app.pass(Duration::minutes(3));
        app.body(1)
    };
    let broken = at_every_statement(&app, &mut wire, "usage-update", carried).await;
    assert!(broken > 40, "only {broken} statements");
    app.collect().await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_eq!(open_resets(&app.app).await, 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_and_its_letter_that_lose_the_database_anywhere_are_done_once() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    let user = app.create(41).await;
    // Below the threshold from the first on: one letter, however often it is begun.
    assert!(app.router.carry(&user, 9 * GB, 0));
    for how in [Break::Before, Break::After] {
        for nth in 1.. {
            assert!(app.router.carry(&user, MB / 10, 3));
            // Past the lease of a letter, and of a router.
            app.pass(Duration::minutes(4));
            wire.break_at(nth, how);
            let _broken = jobs::step(&app.app).await;
            let whole = wire.is_up();
            wire.mend().await;
            if whole {
                break;
            }
        }
    }
    app.pass(Duration::minutes(4));
    app.step().await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_eq!(app.mails().len(), 1);
    assert_books_equal(&app.app).await;
}

/// Lines of a log that have all of these.
fn lines(log: &str, words: &[&str]) -> usize {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_logged_when_it_begins_and_when_it_is_over() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, LEASE).await;
    app.create(41).await;
    let first = Sidecar::start(&app, "first", &wire.url, "collect.poll_seconds = 5\n").await;
    wire.cut();
    until("it is said", async || lines(&first.log(), &["ERROR", "database-unavailable"]) > 0).await;
    // Whatever is due is looked for eight times more.
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    wire.mend().await;
    until("its end is said", async || lines(&first.log(), &["the database answers again"]) > 0).await;
    let log = first.log();
    assert_eq!(lines(&log, &["job=", "database-unavailable"]), 1, "{log}");
    assert_eq!(lines(&log, &["the database answers again"]), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_by_a_defect_is_logged_when_that_begins_and_when_it_works_again() {
    let app = TestApp::on_database(Database::file().await, "").await;
    app.create(41).await;
    // Housekeeping alone needs it here.
    app.app.db.execute(sql!("ALTER TABLE quarantine RENAME TO away"), vec![]).await.unwrap();
    let first = Sidecar::start(&app, "first", &app.database.url(), "collect.poll_seconds = 0\n").await;
    let words = ["job=\"housekeeping\"", "code="];
    until("it is said", async || lines(&first.log(), &words) > 0).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    app.app.db.execute(sql!("ALTER TABLE away RENAME TO quarantine"), vec![]).await.unwrap();
    until("it works again", async || lines(&first.log(), &["job=\"housekeeping\"", "works again"]) > 0).await;
    let log = first.log();
    assert_eq!((lines(&log, &words), lines(&log, &["ERROR"])), (1, 1), "{log}");
}

/// Another process has the file and does not let go of it.
fn lock(app: &TestApp) -> rusqlite::Connection {
    let Address::Sqlite(path) = &app.database.address else { panic!("not a file") };
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_holds_is_a_database_that_is_away() {
    let app = TestApp::on_database(Database::file().await, "").await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, MB, 0));
    let other = lock(&app);
    app.router.clear_journal();
    let body = app.body_with(41, &json!({"hook": {"bytes": 5, "key": "k"}}));
    let suspend = app.body(41);
    // Somebody stands before them who waits as long as anybody may.
    let before = app.app.db.execute(turnpike::sql!("DELETE FROM lease"), vec![]);
    let (before, added, suspended) =
        tokio::join!(before, app.hook("add-traffic", &body), app.hook("suspend", &suspend));
    assert!(matches!(before, Err(turnpike::db::Error::Unavailable(_))), "{before:?}");
    for answer in [added, suspended] {
        assert_eq!(answer.refusal(), (503, "database-unavailable", ""));
    }
    assert!(app.writes().is_empty(), "the router hears of nothing that is not written down");
    other.execute_batch("ROLLBACK").unwrap();
    app.hook("add-traffic", &body).await.ok();
    app.hook("suspend", &app.body(41)).await.ok();
    app.collect().await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_a_database_that_is_away() {
    let app = TestApp::on_database(Database::file().await, "").await;
    app.create(41).await;
    let url = app.database.url();
    // No file of this process grows past two megabytes.
    let small = Sidecar::limited(&app, "small", &url, "collect.poll_seconds = 0\n", Some(2048)).await;
    let body = |nth: u64| app.body_with(41, &json!({"hook": {"bytes": 1, "key": nth.to_string()}}));
    let mut added = 0;
    let refused = loop {
        let (status, answer) = small.hook("add-traffic", &body(added)).await;
        if status != 200 {
            break (status, answer["code"].clone());
        }
        added += 1;
        assert!(added < 5_000, "the disk is never full");
    };
    assert_eq!(refused, (503, json!("database-unavailable")), "after {added}");
    drop(small);
    let roomy = Sidecar::start(&app, "roomy", &url, "collect.poll_seconds = 0\n").await;
    for nth in [added, added + 1] {
        roomy.ok("add-traffic", &body(nth)).await;
    }
    let tops = app.ledger(41).await.iter().filter(|(kind, _)| kind == "top-up").count() as u64;
    assert_eq!(tops, (added + 2).min(999), "each once; the list ends at a thousand");
    assert_books_equal(&app.app).await;
}
