//! The router away: facts of the books are answered and made later, promises about the router are refused (contract §5).

use crate::world::{GB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::{
    account::Account,
    db::Address,
    simulator::{Fault, When},
};

fn body(app: &TestApp, hook: &str) -> Value {
    match hook {
        "renew" => app.body_with(41, &json!({"service": {"next_due_date": "2027-01-01"}})),
        "add-traffic" => app.body_with(41, &json!({"hook": {"bytes": GB, "key": "order 7"}})),
        "change-package" => app.body_with(41, &json!({"settings": {"download_mbps": "50"}})),
        "change-password" => app.body_with(41, &json!({"service": {"password": "another one"}})),
        _ => app.body_with(41, &json!({"hook": {"reason": "because"}})),
    }
}

/// Leaves the account in a state in which the hook has something to do on the router.
async fn ready(app: &TestApp, hook: &str) {
    app.create(41).await;
    match hook {
        "unsuspend" => app.hook("suspend", &app.body(41)).await.ok(),
        "admin-unblock" => app.hook("admin-block", &app.body(41)).await.ok(),
        "renew" | "add-traffic" => {
            let spent = app.body_with(41, &json!({"hook": {"bytes": -(10 * GB as i64), "key": "spent"}}));
            app.hook("add-traffic", &spent).await.ok()
        }
        _ => Value::Null,
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_the_books_are_answered_at_once_and_made_once_when_the_router_returns() {
    for (hook, off, speed) in [
        ("suspend", "true", "10000000"),
        ("unsuspend", "false", "10000000"),
        ("renew", "false", "10000000"),
        ("add-traffic", "false", "10000000"),
        ("admin-block", "true", "10000000"),
        ("admin-unblock", "false", "10000000"),
        ("change-package", "false", "50000000"),
    ] {
        let app = TestApp::new().await;
        ready(&app, hook).await;
        app.router.stop().await;
        let body = body(&app, hook);
        let mut first = app.hook(hook, &body).await.ok();
        assert_eq!(first["account"]["pending"], 1, "{hook}");
        assert_eq!(app.hook(hook, &body).await.ok(), first, "{hook}");
        for _ in 0..4 {
            app.pass(Duration::minutes(1));
            app.step().await;
        }
        assert_eq!(app.account(41).await["pending"], 1, "{hook}");
        app.router.listen().await.unwrap();
        app.router.clear_journal();
        app.pass(Duration::minutes(1));
        app.step().await;
        first["account"]["pending"] = json!(0);
        assert_eq!(app.account(41).await, first["account"], "{hook}");
        assert_eq!(app.secret("7-41", "disabled").unwrap(), off, "{hook}");
        assert!(app.queue("7-41", "max-limit").unwrap().ends_with(&format!("/{speed}")), "{hook}");
        let changes = app.writes().into_iter().filter(|it| it.ends_with("/set")).count();
        assert_eq!(changes, 1, "{hook}");
        app.pass(Duration::minutes(1));
        app.step().await;
        assert_eq!(app.writes().into_iter().filter(|it| it.ends_with("/set")).count(), 1, "{hook}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_while_the_router_was_away_ends_as_it_was_decided_last() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.create(42).await;
    app.router.stop().await;
    let over = |hook| body(&app, hook);
    for hook in ["suspend", "change-package", "unsuspend", "admin-block", "renew", "suspend", "admin-unblock"] {
        app.hook(hook, &over(hook)).await.ok();
    }
    app.hook("suspend", &app.body(42)).await.ok();
    app.hook("unsuspend", &app.body(42)).await.ok();
    let before = app.account(41).await;
    assert_eq!(before["causes"], json!(["billing"]));
    assert!(before["pending"].as_u64().unwrap() >= 3, "{before}");
    assert!(app.router.world(|world| world.sessions().len() == 2), "nobody was there to end them");
    app.router.listen().await.unwrap();
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(app.account(41).await["pending"], 0);
    assert_eq!(app.account(42).await["pending"], 0);
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    assert_eq!(app.secret("7-42", "disabled").unwrap(), "false");
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "5000000/50000000");
    assert!(!app.router.is_online("7-41"));
    assert_eq!(app.account(41).await["balance_bytes"], 20 * GB);
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_about_the_router_are_refused_and_nothing_is_half_made() {
    for hook in ["terminate", "change-password", "disconnect", "test-connection", "list-accounts", "usage-update"] {
        let app = TestApp::new().await;
        app.create(41).await;
        let before = (app.account(41).await, app.client_area(41).await["information"].clone(), app.ledger(41).await);
        app.router.stop().await;
        for _ in 0..3 {
            let answer = app.hook(hook, &body(&app, hook)).await;
            assert_eq!(answer.refusal(), (503, "router-unreachable", ""), "{hook}");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains("core-1"), "{detail}");
        }
        app.pass(Duration::minutes(1));
        app.step().await;
        let after = (app.account(41).await, app.client_area(41).await["information"].clone(), app.ledger(41).await);
        assert_eq!(before, after, "{hook}");
        app.router.listen().await.unwrap();
        app.hook(hook, &body(&app, hook)).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_without_its_router_leaves_nothing_and_succeeds_later_as_if_it_had_not_been() {
    let app = TestApp::new().await;
    app.router.stop().await;
    assert_eq!(app.refused("create", &app.body(41)).await, (503, "router-unreachable".into(), String::new()));
    assert_eq!(app.hook("terminate", &app.body(41)).await.ok(), json!({"account": null}));
    assert_eq!(app.refused("suspend", &app.body(41)).await.1, "no-such-service");
    assert_eq!(app.client_area(41).await["state"], "missing");
    app.router.listen().await.unwrap();
    // Another one may come first and have the first address.
    let other = app.hook("create", &app.body(42)).await.ok();
    assert_eq!(other["service"]["dedicated_address"], "10.8.0.2");
    let made = app.hook("create", &app.body(41)).await.ok();
    assert_eq!(made["service"]["dedicated_address"], "10.8.0.17");
    assert_eq!(made["account"]["balance_bytes"], 10 * GB);
}

/// Looks at the page until it is written down that the customer was seen just now, which a page does not wait for if the
/// database is busy; the page's own instant.
async fn seen_online(app: &TestApp) -> Value {
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let page = app.live_page(41).await;
        assert_eq!(page["connection"]["status"], "online");
        let account = Account::find(&mut app.app.db.read().await.unwrap(), 41).await.unwrap().unwrap();
        if account.online == Some((true, app.clock.now())) {
            return page["connection"]["as_of"].clone();
        }
        assert!(tokio::time::Instant::now() < end, "never written down: {:?}", account.online);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_reads_the_books_does_not_need_the_router() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert!(app.router.carry("7-41", GB, GB));
    app.pass(Duration::minutes(5));
    app.collect().await;
    let as_of = seen_online(&app).await;
    app.router.stop().await;
    app.pass(Duration::minutes(5));
    let page = app.client_area(41).await;
    assert_eq!((&page["state"], &page["connection"]["status"]), (&json!("active"), &json!("unknown")));
    assert_eq!(page["connection"]["as_of"], as_of);
    assert_eq!(page["traffic"]["balance_bytes"], 8 * GB);
    let metrics = app.hook("metrics", &app.body(41)).await.ok();
    assert_eq!(
        metrics,
        json!({"month": "2026-11", "accounts": [{"username": "7-41", "download_bytes": GB, "upload_bytes": GB}]})
    );
    app.hook("admin-tab", &app.body(41)).await.ok();
    let saved = app.body_with(41, &json!({"settings": {"profile": "of-this-product"}}));
    let options = app.hook("options", &saved).await.ok();
    assert_eq!(options["profiles"], json!(["default", "of-this-product"]));
    assert!(options["warning"].as_str().unwrap().contains("core-1"), "{options}");
    let skipped = app.hook("cron", &json!({})).await.ok();
    assert_eq!(
        skipped,
        json!({"month": "2026-11", "services": [], "skipped": [], "mails": []}),
        "nobody there is collected at every run"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_hangs_holds_no_page_up() {
    let app = TestApp::new().await;
    app.create(41).await;
    seen_online(&app).await;
    app.router.fault_at(When::Always, Fault::Hang);
    let page =
        tokio::time::timeout(std::time::Duration::from_secs(15), app.client_area(41)).await.expect("a page in time");
    assert_eq!((&page["state"], &page["connection"]["status"]), (&json!("active"), &json!("unknown")));
    assert_eq!(page["connection"]["as_of"], "2026-11-20T12:00:00Z");
    assert_eq!(page["information"]["username"], "7-41");
    let body = app.body(41);
    let options = tokio::time::timeout(std::time::Duration::from_secs(15), app.hook("options", &body));
    let options = options.await.expect("options in time").ok();
    assert!(options["profiles"].as_array().unwrap().contains(&json!("default")));
    assert!(options["warning"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_router_refuses_is_said_with_its_words() {
    let app = TestApp::new().await;
    let wrong = app.body_with(41, &json!({"server": {"password": "not-the-router-s"}}));
    for hook in ["test-connection", "create", "list-accounts", "usage-update"] {
        let answer = app.hook(hook, &wrong).await;
        assert_eq!(answer.refusal(), (502, "router-refused", ""), "{hook}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("core-1") && !detail.contains("not-the-router-s"), "{detail}");
    }
    app.hook("create", &app.body(41)).await.ok();
    let tls = app.body_with(41, &json!({"server": {"tls": true}}));
    let answer = app.hook("test-connection", &tls).await;
    assert!(answer.status == 502 || answer.status == 503, "{}", answer.body);
}

#[tokio::test]
async fn what_is_not_on_disk_is_not_made_on_a_router() {
    let app = TestApp::new().await;
    let Address::Sqlite(path) = app.database.address.clone() else { return };
    app.create(41).await;
    app.router.stop().await;
    app.hook("suspend", &app.body(41)).await.ok();
    app.router.listen().await.unwrap();
    app.router.clear_journal();
    // The disk fails: what was decided can be read, and nobody knows whether a power cut would leave it.
    std::fs::remove_file(path.with_extension("db-wal")).unwrap();
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let told = turnpike::work::apply::server(&app.app, 3, until).await.unwrap_err();
    assert_eq!(told.code, turnpike::problem::Code::DatabaseUnavailable);
    assert_eq!(app.writes(), Vec::<String>::new());
}
