//! A router that lets nobody of ours in, because of its login or its certificate: what is a fact of the books is booked and
//! answered as when it is away, so that WHMCS and the books do not part, and is made once it lets us in.

use crate::{
    secure::{SelfSigned, on_tls, over_tls},
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::Options;

const QUIET: &str = "collect.poll_seconds = 0\n";

impl TestApp {
    /// Sets the API user's password on the router, and ends our session there.
    async fn lock(&self, password: &str) {
        let user = Options::default().username;
        self.router.world(|world| assert!(world.put("/user", &user, "password", password)));
        self.router.cut();
        self.router.open().wait_for(|open| *open == 0).await.unwrap();
    }

    /// The right password again, and somebody tried it.
    async fn unlock(&self) {
        let password = Options::default().password;
        self.lock(&password).await;
        self.hook("test-connection", &self.body(41)).await.ok();
    }
}

#[track_caller]
fn warned(answer: &Value, words: &str) {
    let warning = answer["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("core-1") && warning.contains(words), "{answer}");
    assert_eq!(answer["account"]["pending"], 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_booked_while_the_login_is_refused_is_made_when_it_works_again() {
    let app = TestApp::with(QUIET).await;
    let user = app.create(41).await;
    for (hook, off) in
        [("suspend", "true"), ("unsuspend", "false"), ("admin-block", "true"), ("admin-unblock", "false")]
    {
        app.lock("another").await;
        let before = app.secret(&user, "disabled");
        warned(&app.hook(hook, &app.body(41)).await.ok(), "Check the user name and password");
        assert_eq!(app.secret(&user, "disabled"), before, "{hook}");
        // However long it lasts: nobody's change was refused.
        for _ in 0..8 {
            app.pass(Duration::minutes(10));
            app.step().await;
        }
        assert_eq!(app.account(41).await["pending"], 1, "{hook}");
        app.unlock().await;
        app.pass(Duration::seconds(10));
        app.step().await;
        assert_eq!(app.account(41).await["pending"], 0, "{hook}");
        assert_eq!(app.secret(&user, "disabled").as_deref(), Some(off), "{hook}");
    }
    assert!(app.router.connect(&user, &app.secret(&user, "password").unwrap(), "l2tp", "198.51.100.9").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_refuses_none_of_the_changes_that_wait() {
    let app = TestApp::with(QUIET).await;
    for service in 41..46 {
        app.create(service).await;
    }
    app.lock("another").await;
    for service in 41..46 {
        app.hook("suspend", &app.body(service)).await.ok();
    }
    for _ in 0..60 {
        app.pass(Duration::seconds(10));
        app.step().await;
    }
    app.unlock().await;
    app.pass(Duration::seconds(10));
    app.step().await;
    for service in 41..46 {
        assert_eq!(app.account(service).await["pending"], 0, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_package_and_what_was_paid_are_booked_too() {
    let app = TestApp::with(QUIET).await;
    let user = app.create(41).await;
    app.foreign("/ppp/profile", &[("name", "gold")]);
    app.lock("another").await;
    let other = app.body_with(41, &json!({"settings": {"download_mbps": "99", "profile": "gold"}}));
    warned(&app.hook("change-package", &other).await.ok(), "refused the login");
    let used_up = app.body_with(41, &json!({"hook": {"bytes": -(10 * GB as i64), "key": "k"}}));
    let answer = app.hook("add-traffic", &used_up).await.ok();
    assert!(answer["warning"].as_str().unwrap().contains("refused the login"), "{answer}");
    app.unlock().await;
    app.pass(Duration::seconds(10));
    app.step().await;
    assert_eq!(app.account(41).await["pending"], 0);
    assert_eq!(app.queue(&user, "max-limit").as_deref(), Some("5000000/99000000"));
    assert_eq!(
        (app.secret(&user, "profile").as_deref(), app.secret(&user, "disabled").as_deref()),
        (Some("gold"), Some("true"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_waited_for_and_told_of() {
    let certificate = SelfSigned::new();
    let app = on_tls(&certificate, QUIET).await;
    let refused = app.hook("test-connection", &over_tls(&app, "")).await;
    let fingerprint = refused.body["certificate_sha256"].as_str().unwrap().to_owned();
    app.hook("create", &over_tls(&app, &fingerprint)).await.ok();
    let other = over_tls(&app, &"00".repeat(32));
    warned(&app.hook("suspend", &other).await.ok(), &fingerprint);
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
    // What WHMCS says next is right again.
    let account = app.hook("suspend", &over_tls(&app, &fingerprint)).await.ok()["account"].clone();
    assert_eq!((&account["pending"], app.secret("7-41", "disabled").as_deref()), (&json!(0), Some("true")));
}
