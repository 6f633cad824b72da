//! Suspend, unsuspend, admin-block, admin-unblock and the quota: three causes, each its own (contract §§6, 9).

use crate::world::{GB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};

const ALL: [&str; 3] = ["billing", "quota", "admin"];

/// Sets or clears a cause the way it comes about.
async fn turn(app: &TestApp, cause: &str, on: bool, round: usize) -> Value {
    let hook = match (cause, on) {
        ("billing", true) => "suspend",
        ("billing", false) => "unsuspend",
        ("admin", true) => "admin-block",
        ("admin", false) => "admin-unblock",
        _ => "add-traffic",
    };
    let bytes = if on { -(20 * GB as i64) } else { 20 * GB as i64 };
    let body = app.body_with(41, &json!({"hook": {"bytes": bytes, "key": format!("{round}"), "reason": "because"}}));
    app.hook(hook, &body).await.ok()["account"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn causes_are_independent_and_an_account_is_enabled_exactly_when_it_has_none() {
    let app = TestApp::new().await;
    app.create(41).await;
    let mut held = [false; 3];
    // A Gray code visits all eight sets by one change at a time, twice around and in both directions.
    let around = [0, 1, 0, 2, 0, 1, 0, 2];
    for (round, which) in around.into_iter().chain(around.into_iter().rev()).enumerate() {
        held[which] = !held[which];
        let account = turn(&app, ALL[which], held[which], round).await;
        let causes: Vec<_> = ALL.iter().zip(held).filter_map(|(name, on)| on.then_some(*name)).collect();
        let enabled = causes.is_empty();
        assert_eq!((&account["causes"], &account["enabled"]), (&json!(causes), &json!(enabled)), "round {round}");
        assert_eq!(account["pending"], 0);
        assert_eq!(app.secret("7-41", "disabled").unwrap(), (!enabled).to_string());
        let page = app.client_area(41).await;
        assert_eq!(page["state"], if enabled { "active" } else { "blocked" });
        let by = page["traffic"]["blocked_by"].as_str();
        assert_eq!(by.is_none(), enabled);
        assert!(by.is_none_or(|by| causes.contains(&by)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_ends_every_session_and_twice_is_once() {
    for (block, free) in [("suspend", "unsuspend"), ("admin-block", "admin-unblock")] {
        let app = TestApp::new().await;
        let made = app.hook("create", &app.body(41)).await.ok();
        for _ in 0..3 {
            app.dial(&made);
        }
        app.create(42).await;
        assert_eq!(app.router.sessions("7-41"), 3);
        app.router.clear_journal();
        let body = app.body_with(41, &json!({"hook": {"reason": "overdue"}}));
        let first = app.hook(block, &body).await.ok();
        assert_eq!(app.router.sessions("7-41"), 0);
        assert!(app.router.is_online("7-42"));
        let order = app.writes();
        assert_eq!(order[0], "/ppp/secret/set", "switched off before the sessions end");
        assert!(order[1..].iter().all(|it| it == "/ppp/active/remove"), "{order:?}");
        app.router.clear_journal();
        assert_eq!(app.hook(block, &body).await.ok(), first);
        assert!(app.writes().is_empty());
        let freed = app.hook(free, &body).await.ok();
        assert_eq!(freed["account"]["enabled"], true);
        assert_eq!(app.writes(), ["/ppp/secret/set"]);
        assert_eq!(app.hook(free, &body).await.ok(), freed);
        assert_eq!(app.writes().len(), 1);
        app.dial(&made);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_kept_for_staff_and_never_refuses_the_block() {
    let app = TestApp::new().await;
    app.create(41).await;
    let long = format!("line one\nline two \u{7} {}", "x".repeat(1000));
    let body = |reason: &str| app.body_with(41, &json!({"hook": {"reason": reason}}));
    app.hook("suspend", &body("Overdue on payment")).await.ok();
    app.hook("admin-block", &body("<b>spam</b> \u{fc}ber alles")).await.ok();
    let why = |tab: Value| {
        let fields = tab["fields"].as_array().unwrap().clone();
        let why = fields.into_iter().find(|it| it["label"] == "Why it is off").unwrap();
        why["value"].as_str().unwrap().to_owned()
    };
    let told = why(app.hook("admin-tab", &app.body(41)).await.ok());
    assert!(told.contains("Overdue on payment") && told.contains("<b>spam</b> \u{fc}ber alles"), "{told}");
    app.hook("suspend", &body(&long)).await.ok();
    let told = why(app.hook("admin-tab", &app.body(41)).await.ok());
    assert!(told.contains("line one line two") && !told.contains('\u{7}'), "{told}");
    app.hook("unsuspend", &app.body(41)).await.ok();
    let told = why(app.hook("admin-tab", &app.body(41)).await.ok());
    assert!(!told.contains("line one") && told.contains("spam"), "{told}");
    let wrong = app.body_with(41, &json!({"hook": {"reason": 5}}));
    assert_eq!(app.refused("suspend", &wrong).await, (400, "malformed".into(), "hook.reason".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn unsuspend_does_not_lift_the_quota_and_renew_does_not_lift_the_bill() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert!(app.router.carry("7-41", 11 * GB, 0));
    app.pass(Duration::hours(1));
    app.collect().await;
    app.hook("suspend", &app.body(41)).await.ok();
    let account = app.hook("unsuspend", &app.body(41)).await.ok()["account"].clone();
    assert_eq!((&account["causes"], &account["enabled"]), (&json!(["quota"]), &json!(false)));
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    app.hook("suspend", &app.body(41)).await.ok();
    app.hook("admin-block", &app.body(41)).await.ok();
    let renewed = app.body_with(41, &json!({"service": {"next_due_date": "2027-01-01"}}));
    let account = app.hook("renew", &renewed).await.ok()["account"].clone();
    assert_eq!((&account["causes"], &account["balance_bytes"]), (&json!(["billing", "admin"]), &json!(9 * GB)));
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    app.hook("unsuspend", &app.body(41)).await.ok();
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    app.hook("admin-unblock", &app.body(41)).await.ok();
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_on_the_router_is_off_and_comes_back_when_it_is_freed() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.router.world(|world| world.remove_row("/ppp/secret", "7-41"));
    let account = app.hook("suspend", &app.body(41)).await.ok()["account"].clone();
    assert_eq!((&account["causes"], &account["pending"]), (&json!(["billing"]), &json!(0)));
    assert!(app.secret("7-41", "name").is_none());
    app.hook("unsuspend", &app.body(41)).await.ok();
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
    app.dial(&made);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_a_stranger_who_took_the_name_are_left_alone() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.hang_up("7-41");
    app.router.world(|world| world.remove_row("/ppp/secret", "7-41"));
    let stranger = [("name", "7-41"), ("password", "theirs"), ("remote-address", "10.99.0.9"), ("comment", "theirs")];
    app.foreign("/ppp/secret", &stranger);
    app.router.connect("7-41", "theirs", "l2tp", "198.51.100.9").unwrap();
    app.router.clear_journal();
    assert_eq!(app.refused("disconnect", &app.body(41)).await.1, "name-taken");
    let account = app.hook("suspend", &app.body(41)).await.ok()["account"].clone();
    assert_eq!(account["causes"], json!(["billing"]));
    assert_eq!(app.refused("unsuspend", &app.body(41)).await.1, "name-taken");
    let body = app.body_with(41, &json!({"service": {"password": "mine"}}));
    assert_eq!(app.refused("change-password", &body).await.1, "router-refused");
    app.hook("terminate", &app.body(41)).await.ok();
    assert_eq!(app.secret("7-41", "password").as_deref(), Some("theirs"));
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
    assert!(app.router.is_online("7-41"));
    assert_eq!(app.writes(), ["/queue/simple/remove"], "our queue, and nothing of theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnect_ends_every_session_and_changes_nothing_else() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    app.dial(&made);
    app.router.clear_journal();
    assert_eq!(app.hook("disconnect", &app.body(41)).await.ok(), json!({"sessions": 2}));
    assert_eq!(app.hook("disconnect", &app.body(41)).await.ok(), json!({"sessions": 0}));
    assert!(app.writes().iter().all(|it| it == "/ppp/active/remove"));
    app.dial(&made);
}

#[tokio::test(flavor = "multi_thread")]
async fn change_password_reaches_the_router_and_ends_every_session() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    let body = app.body_with(41, &json!({"service": {"password": "n\u{e9}w \"one\"", "username": "nonsense\n"}}));
    let changed = app.hook("change-password", &body).await.ok();
    assert_eq!(changed, json!({"account": made["account"]}));
    assert_eq!(app.secret("7-41", "password").as_deref(), Some("n\u{e9}w \"one\""));
    assert!(!app.router.is_online("7-41"));
    assert_eq!(app.hook("change-password", &body).await.ok(), changed);
    assert_eq!(app.client_area(41).await["information"]["password"], "n\u{e9}w \"one\"");
    let with = |password: Value| app.body_with(41, &json!({"service": {"password": password}}));
    for missing in [json!(""), Value::Null] {
        let refused = app.refused("change-password", &with(missing)).await;
        assert_eq!(refused, (400, "malformed".into(), "service.password".into()));
    }
    for wrong in [json!("a\nb"), json!("x".repeat(129))] {
        let refused = app.refused("change-password", &with(wrong)).await;
        assert_eq!(refused, (422, "setting-invalid".into(), "service.password".into()));
    }
    app.router.world(|world| world.remove_row("/ppp/secret", "7-41"));
    let answer = app.hook("change-password", &with(json!("again"))).await;
    assert_eq!(answer.refusal(), (502, "router-refused", ""));
    assert!(answer.body["customer_detail"].as_str().unwrap().contains("old one"), "{}", answer.body);
    assert_eq!(app.account(41).await["pending"], 0);
}
