//! What must not come back later: a termination that failed, an orphan of a create, a password that was changed half-way.

use crate::world::{GB, TestApp};
use serde_json::json;
use turnpike::simulator::{Fault, When};

fn refused() -> Fault {
    Fault::Trap("not enough permissions (9)".to_owned(), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_was_refused_does_not_remove_the_customer_later() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.fault_at(When::every("/ppp/secret/remove"), refused());
    assert_eq!(app.hook("terminate", &app.body(41)).await.code(), "router-refused");
    app.router.clear_faults();
    app.pass(chrono::Duration::minutes(5));
    app.step().await;
    assert!(app.secret(&username, "name").is_some(), "removed behind WHMCS's back");
    app.hook("terminate", &app.body(41)).await.ok();
    assert!(app.secret(&username, "name").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_was_lost_is_withdrawn_by_a_payment() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.fault_at(When::every("/ppp/secret/remove"), Fault::Refuse);
    assert_eq!(app.hook("terminate", &app.body(41)).await.code(), "router-unreachable");
    app.router.clear_faults();
    let renewed = app.body_with(41, &json!({"service": {"next_due_date": "2027-01-01"}}));
    let answer = app.hook("renew", &renewed).await.ok();
    assert_eq!(answer["account"]["balance_bytes"], 20 * GB);
    app.pass(chrono::Duration::minutes(5));
    app.step().await;
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("false"));
    assert_eq!(app.client_area(41).await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_termination_took_is_brought_back_by_a_payment() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.fault_at(When::every("/queue/simple/remove"), Fault::Refuse);
    assert_eq!(app.hook("terminate", &app.body(41)).await.code(), "router-unreachable");
    assert!(app.secret(&username, "name").is_none(), "it was lost before anything was taken");
    app.router.clear_faults();
    app.hook("unsuspend", &app.body(41)).await.ok();
    app.pass(chrono::Duration::minutes(5));
    app.step().await;
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("false"));
    assert_eq!(app.client_area(41).await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_create_is_not_left_on_another_router_or_under_another_name() {
    let app = TestApp::new().await;
    app.router.fault_at(When::every("/queue/simple/add"), Fault::Refuse);
    assert_eq!(app.hook("create", &app.body(41)).await.code(), "router-unreachable");
    app.router.clear_faults();
    for (over, field) in
        [(json!({"server": {"id": 4}}), "server.id"), (json!({"service": {"username": "other"}}), "service.username")]
    {
        let answer = app.hook("create", &app.body_with(41, &over)).await;
        assert_eq!((answer.code(), &answer.body["field"]), ("setting-invalid", &json!(field)));
    }
    app.hook("create", &app.body(41)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_holds_on_the_router_is_answered_as_changed() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.fault_at(When::every("/ppp/active/remove"), refused());
    let body = app.body_with(41, &json!({"service": {"password": "a-new-password"}}));
    app.hook("change-password", &body).await.ok();
    assert_eq!(app.client_area(41).await["information"]["password"], "a-new-password");
    app.router.clear_faults();
    app.pass(chrono::Duration::minutes(5));
    app.step().await;
    assert!(!app.router.is_online(&username), "the session outlived the password");
    app.router.connect(&username, "a-new-password", "l2tp", "198.51.100.7").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_body_does_not_tell_stays_as_it_was_told() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    let mut body = app.body_with(41, &json!({"settings": {"download_mbps": "20"}}));
    body.as_object_mut().unwrap().remove("client");
    body["service"].as_object_mut().unwrap().remove("next_due_date");
    app.hook("change-package", &body).await.ok();
    assert_eq!(app.secret(&username, "comment").unwrap(), "WHMCS|Product ID:41|ada@example.net");
    assert_eq!(app.client_area(41).await["traffic"]["next_cycle_date"], "2026-12-01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_the_same_with_a_blank_behind_it() {
    let app = TestApp::new().await;
    app.create(41).await;
    for key in ["inv-7", "inv-7 "] {
        let body = app.body_with(41, &json!({"hook": {"bytes": GB, "key": key, "note": ""}}));
        assert_eq!(app.hook("add-traffic", &body).await.ok()["account"]["balance_bytes"], 11 * GB);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_texts_that_are_taken_can_be_kept() {
    let app = TestApp::new().await;
    let long = "x".repeat(255);
    let over = json!({
        "service": {"status": long}, "client": {"name": long, "language": long}, "settings": {"comment_prefix": long},
    });
    app.hook("create", &app.body_with(41, &over)).await.ok();
    app.router.stop().await;
    let over = json!({"client": {"language": long}, "settings": {"profile": long}});
    app.hook("change-package", &app.body_with(41, &over)).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_installations_accounts_are_not_taken_for_ours() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| {
        let comment = "OTHER|Product ID:77|somebody@example.net";
        world.add_row("/ppp/secret", &[("name", "theirs"), ("comment", comment), ("profile", "default")]);
    });
    let list = app.hook("list-accounts", &app.body(41)).await.ok();
    let of =
        |name: &str| list["accounts"].as_array().unwrap().iter().find(|it| it["username"] == name).unwrap().clone();
    assert_eq!((&of("7-41")["service_id"], &of("theirs")["service_id"]), (&json!(41), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_let_in_again_after_a_restart() {
    let mut app = TestApp::new().await;
    let body = serde_json::to_vec(&json!({"service": {"id": 9}})).unwrap();
    let headers = app.caller.headers("POST", "/v1/hooks/terminate", &body);
    for expected in [200, 401] {
        let mut request = reqwest::Client::new().post(format!("{}/v1/hooks/terminate", app.caller.base_url));
        request = request.header("Content-Type", "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        assert_eq!(request.body(body.clone()).send().await.unwrap().status(), expected);
        app.restart().await;
    }
}
