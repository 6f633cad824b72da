//! Secrets of ours that somebody renamed or commented anew on the router: who is to be off is off, or it is said that he is not
//! (contract §§6, 9).

use crate::world::TestApp;
use chrono::Duration;
use serde_json::json;
use turnpike::{
    simulator::{Fault, When},
    work::doctor,
};

const SECRETS: &str = "/ppp/secret";
const OURS: &str = "WHMCS|Product ID:41|ada@example.net";

/// A service whose customer dialled in, and once more after his secret was renamed to `vip`.
async fn renamed() -> TestApp {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| world.put(SECRETS, "7-41", "name", "vip"));
    let password = app.secret("vip", "password").unwrap();
    app.router.connect("vip", &password, "l2tp", "198.51.100.8").unwrap();
    assert!(app.router.is_online("7-41") && app.router.is_online("vip"));
    app.router.clear_journal();
    app
}

fn is_off(app: &TestApp, name: &str) -> bool {
    app.secret(name, "disabled").unwrap() == "true"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_finds_a_secret_that_was_renamed_and_ends_its_sessions() {
    for comment in [OURS, "WHMCS|Product ID:41|before@example.net"] {
        let app = renamed().await;
        app.router.world(|world| world.put(SECRETS, "vip", "comment", comment));
        for (name, comment) in [("boss", "mine"), ("7-410", "WHMCS|Product ID:410|ada@example.net"), ("vip2", "")] {
            app.foreign(SECRETS, &[("name", name), ("password", "x"), ("comment", comment)]);
        }
        let account = app.hook("suspend", &app.body(41)).await.ok()["account"].clone();
        assert_eq!(account["pending"], 0);
        assert!(is_off(&app, "vip"), "{comment}");
        assert!(!app.router.is_online("vip") && !app.router.is_online("7-41"), "{comment}");
        assert!(["boss", "7-410", "vip2"].iter().all(|name| !is_off(&app, name)), "{comment}");
        assert_eq!(app.writes(), ["/ppp/secret/set", "/ppp/active/remove", "/ppp/active/remove"]);
        app.router.clear_journal();
        app.hook("suspend", &app.body(41)).await.ok();
        assert!(app.writes().is_empty());
        // The books know him by his own name, and so he comes back.
        app.hook("unsuspend", &app.body(41)).await.ok();
        assert!(!is_off(&app, "7-41") && is_off(&app, "vip"));
        // Both are his: both end, whichever is on.
        app.router.world(|world| world.put(SECRETS, "vip", "disabled", "false"));
        app.router.world(|world| world.put(SECRETS, "vip", "comment", OURS));
        app.hook("admin-block", &app.body(41)).await.ok();
        assert!(is_off(&app, "7-41") && is_off(&app, "vip"));
        app.hook("terminate", &app.body(41)).await.ok();
        assert!(app.secret("7-41", "name").is_none() && app.secret("vip", "name").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_takes_a_secret_that_was_renamed() {
    let app = renamed().await;
    app.foreign(SECRETS, &[("name", "boss"), ("password", "x"), ("comment", "mine")]);
    let account = app.hook("terminate", &app.body(41)).await.ok()["account"].clone();
    assert_eq!(account["pending"], 0);
    assert!(app.secret("vip", "name").is_none() && app.queue("7-41", "name").is_none());
    assert!(!app.router.is_online("vip") && !app.router.is_online("7-41"));
    assert!(app.secret("boss", "name").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_lost_on_the_way_leaves_no_session_of_a_renamed_secret() {
    for path in ["/ppp/secret/set", "/ppp/secret/remove", "/ppp/active/remove"] {
        let app = renamed().await;
        app.router.fault_at(When::at(path), Fault::ApplyAndLoseReply);
        app.hook("terminate", &app.body(41)).await.ok();
        assert!(app.secret("vip", "name").is_none() && !app.router.is_online("vip"), "{path}");
        assert!(!app.router.is_online("7-41") && app.queue("7-41", "name").is_none(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_somebody_else_who_has_the_new_name_too_is_left_alone() {
    let app = renamed().await;
    app.foreign(SECRETS, &[("name", "vip"), ("password", "x"), ("service", "pptp"), ("comment", "mine")]);
    app.hook("suspend", &app.body(41)).await.ok();
    assert!(app.router.is_online("vip") && !app.router.is_online("7-41"));
    assert_eq!(app.writes(), ["/ppp/secret/set", "/ppp/active/remove"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_meets_another_comment_waits_and_says_why() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| world.put(SECRETS, "7-41", "comment", "paid till May"));
    app.router.clear_journal();
    let account = app.hook("suspend", &app.body(41)).await.ok()["account"].clone();
    assert_eq!((&account["causes"], &account["pending"]), (&json!(["billing"]), &json!(1)));
    for _ in 0..3 {
        app.pass(Duration::minutes(5));
        app.step().await;
    }
    assert!(app.writes().is_empty() && app.router.is_online("7-41"), "law 5: {:?}", app.writes());
    let found = doctor::examine(&app.app, Some(3), std::time::Duration::ZERO).await.unwrap();
    let said = |code: &str| found.iter().find(|it| it.code == code).unwrap_or_else(|| panic!("{code}: {found:#?}"));
    assert!(said("change-fails").what.contains("7-41"), "{}", said("change-fails").what);
    assert!(said("name-taken").what.contains("7-41"));
    app.router.world(|world| world.put(SECRETS, "7-41", "comment", OURS));
    app.pass(Duration::minutes(5));
    app.step().await;
    assert!(is_off(&app, "7-41") && !app.router.is_online("7-41"));
    assert_eq!(app.account(41).await["pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_would_leave_the_customers_own_access_open_is_refused_until_it_is_put_right() {
    for (property, value) in [("comment", OURS), ("name", "office")] {
        let app = TestApp::new().await;
        app.create(41).await;
        app.router.world(|world| world.put(SECRETS, "7-41", "comment", "paid till May"));
        app.router.clear_journal();
        assert_eq!(app.refused("terminate", &app.body(41)).await.1, "name-taken");
        app.pass(Duration::minutes(5));
        app.step().await;
        assert!(app.writes().is_empty() && app.router.is_online("7-41"), "{:?}", app.writes());
        assert!(app.queue("7-41", "name").is_some(), "counted and limited as long as he is let in");
        app.router.world(|world| world.put(SECRETS, "7-41", property, value));
        assert_eq!(app.hook("terminate", &app.body(41)).await.ok()["account"]["pending"], 0);
        assert!(app.secret("7-41", "name").is_none() && app.queue("7-41", "name").is_none());
        assert_eq!(app.secret("office", "name").is_some(), property == "name");
    }
}

/// Another WHMCS may sell on the same router, with the same prefix and a service of the same number: what bears its mark has
/// another address, and is not touched although nothing of ours is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_whmcs_has_under_the_same_mark_is_left_alone() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    let theirs = [
        ("name", "theirs"),
        ("password", "x"),
        ("remote-address", "10.77.0.9"),
        ("comment", "WHMCS|Product ID:41|bob@example.org"),
    ];
    app.foreign(SECRETS, &theirs);
    app.router.connect("theirs", "x", "l2tp", "198.51.100.9").unwrap();
    app.router.world(|world| assert!(world.remove_row(SECRETS, &user)));
    app.hook("suspend", &app.body(41)).await.ok();
    app.hook("terminate", &app.body(41)).await.ok();
    assert_eq!(app.secret("theirs", "disabled").as_deref(), Some("false"));
    assert!(app.router.is_online("theirs"));
}
