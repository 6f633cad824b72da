//! A queue that counts more than its account's address: what it shows is nobody's until a person decides.

use crate::{
    books_check::{assert_books_equal, booked},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::json;

const QUEUES: &str = "/queue/simple";

impl TestApp {
    fn aim(&self, user: &str, target: &str) {
        self.router.world(|world| assert!(world.put(QUEUES, user, "target", target)));
    }

    async fn a_minute(&self) {
        self.pass(Duration::minutes(1));
        self.step().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_widened_queue_counts_is_put_aside_and_the_queue_is_set_right() {
    let app = TestApp::new().await;
    app.create(41).await;
    let other = app.create(42).await;
    app.a_minute().await;
    assert!(app.router.carry("7-41", MB, 0));
    app.a_minute().await;
    app.aim("7-41", "10.8.0.0/24");
    assert!(app.router.carry(&other, 20 * GB, 0), "counted by the queue that stands first");
    app.a_minute().await;
    let books = booked(&app.app, 41).await;
    assert_eq!((books.balance, books.quarantined), ((10 * GB - MB) as i64, 20 * GB));
    assert_eq!(app.secret("7-41", "disabled").as_deref(), Some("false"), "nobody is blocked for others' traffic");
    assert!(app.admin("quarantine", &json!([])).await.contains("its queue counted 10.8.0.0/24"));
    assert_eq!(app.queue("7-41", "target").as_deref(), Some("10.8.0.2/32"), "set right at once");
    assert!(app.router.carry("7-41", MB, 0) && app.router.carry(&other, MB, 0));
    app.a_minute().await;
    let balances = (app.balance(41).await, app.balance(42).await);
    assert_eq!(balances, ((10 * GB - 2 * MB) as i64, (10 * GB - MB) as i64), "it goes on from there");
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_only_spelt_otherwise_counts_and_is_left_alone() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.a_minute().await;
    app.router.world(|world| world.put(QUEUES, "7-41", "target", "10.8.0.2"));
    app.router.clear_journal();
    assert!(app.router.carry("7-41", MB, 0));
    app.a_minute().await;
    assert_eq!(app.balance(41).await, (10 * GB - MB) as i64);
    assert!(app.writes().is_empty(), "{:?}", app.writes());
}

/// Its address was changed while the router was being read: what was read is the queue as it was before.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_got_another_address_since_the_last_reading_is_not_put_aside() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.a_minute().await;
    assert!(app.router.carry(&user, MB, 0));
    let moved = app.body_with(41, &json!({"service": {"dedicated_address": "10.8.0.17"}}));
    app.hook("create", &moved).await.ok();
    assert_eq!(app.account(41).await["pending"], 0);
    app.aim(&user, "10.8.0.2/32");
    app.a_minute().await;
    let books = booked(&app.app, 41).await;
    assert_eq!((books.balance, books.quarantined), ((10 * GB - MB) as i64, 0));
    assert_eq!(app.queue(&user, "target").as_deref(), Some("10.8.0.17/32"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_set_right_is_one_thing_to_decide() {
    let app = TestApp::new().await;
    app.create(41).await;
    let other = app.create(42).await;
    app.a_minute().await;
    app.aim("7-41", "10.8.0.0/24");
    // Somebody has taken the secret for his own: nothing of the account is changed on the router.
    app.router.world(|world| assert!(world.put("/ppp/secret", "7-41", "comment", "not yours")));
    for moved in [GB, 0, GB, GB] {
        assert!(app.router.carry(&other, moved, 0));
        app.a_minute().await;
    }
    assert_eq!(app.queue("7-41", "target").as_deref(), Some("10.8.0.0/24"));
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 1);
    let books = booked(&app.app, 41).await;
    assert_eq!((books.balance, books.quarantined), ((10 * GB) as i64, GB), "what was shown stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_what_it_counted_charged_at_the_end() {
    let app = TestApp::new().await;
    app.create(41).await;
    let other = app.create(42).await;
    app.a_minute().await;
    app.aim("7-41", "10.8.0.0/24");
    assert!(app.router.carry(&other, 20 * GB, 0));
    app.pass(Duration::minutes(1));
    app.hook("terminate", &app.body(41)).await.ok();
    let books = booked(&app.app, 41).await;
    assert_eq!((books.balance, books.quarantined), ((10 * GB) as i64, 20 * GB));
}
