//! Terms that change between two readings: what was moved before is paid for by what paid then, or by nothing.

use crate::{
    books_check::{assert_books_equal, booked},
    plans_engine::with,
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Fault, When};

fn gigabytes(count: i64) -> i64 {
    count * i64::try_from(GB).unwrap()
}

impl TestApp {
    fn due(&self, date: &str, settings: Value) -> Value {
        self.body_with(41, &json!({"service": {"next_due_date": date}, "settings": settings}))
    }

    async fn minutes(&self, count: i64) {
        self.pass(Duration::minutes(count));
        self.step().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_renewal_takes_away_pays_for_what_was_moved_before_it_and_read_after() {
    let app = TestApp::with("traffic.carry_over = false\n").await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    app.step().await;
    assert!(app.router.carry("7-41", 4 * GB, 0));
    app.pass(Duration::hours(1));
    app.hook("renew", &app.due("2027-01-01", json!({}))).await.ok();
    assert_eq!(app.balance(41).await, gigabytes(10));
    app.minutes(60).await;
    assert_eq!(app.balance(41).await, gigabytes(8), "half of it was moved before");
    let books = booked(&app.app, 41).await;
    assert_eq!((books.total(), books.charged), (4 * GB, 2 * GB), "and it is shown");
    // More than what was left is debt, which stays.
    assert!(app.router.carry("7-41", 30 * GB, 0));
    app.pass(Duration::minutes(59));
    app.hook("renew", &app.due("2027-02-01", json!({}))).await.ok();
    app.minutes(1).await;
    assert_eq!(app.balance(41).await, gigabytes(10 - (30 - 8)));
    // Both renewals between two readings.
    app.hook("renew", &app.due("2027-03-01", json!({"traffic_gb_monthly": "100"}))).await.ok();
    app.step().await;
    assert_eq!(app.balance(41).await, gigabytes(88));
    app.dial(&made);
    assert!(app.router.carry("7-41", 120 * GB, 0));
    for (minutes, date) in [(30, "2027-04-01"), (30, "2027-05-01")] {
        app.pass(Duration::minutes(minutes));
        app.hook("renew", &app.due(date, json!({"traffic_gb_monthly": "100"}))).await.ok();
    }
    app.minutes(60).await;
    assert_eq!(app.balance(41).await, gigabytes(100 - 60), "what both took away pays for what was moved before");
    let mut conn = app.app.db.read().await.unwrap();
    let sum = turnpike::usage::ledger::sum(&mut conn, 41).await.unwrap();
    assert_eq!(sum, gigabytes(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_the_renewal_or_moved_after_it_is_charged_whole() {
    let app = TestApp::with("traffic.carry_over = false\n").await;
    app.create(41).await;
    app.step().await;
    assert!(app.router.carry("7-41", 4 * GB, 0));
    app.minutes(60).await;
    assert_eq!(app.balance(41).await, gigabytes(6));
    app.hook("renew", &app.due("2027-01-01", json!({}))).await.ok();
    assert!(app.router.carry("7-41", GB, 0));
    app.minutes(1).await;
    assert_eq!(app.balance(41).await, gigabytes(9));
    for left in [8, 7] {
        assert!(app.router.carry("7-41", GB, 0));
        app.pass(Duration::minutes(1));
        app.collect().await;
        assert_eq!(app.balance(41).await, gigabytes(left), "the next readings know nothing of it any more");
    }
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_change_while_a_reading_waits_to_be_booked_are_not_forgotten() {
    let app = TestApp::with("traffic.carry_over = false\ncollect.sanity_factor = 0\n").await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    app.step().await;
    app.pass(Duration::minutes(1));
    // From the print on nothing is booked until the renewal is.
    let permits = app.app.bookings.available_permits();
    let (bookings, (held, is_held)) = (app.app.clone(), tokio::sync::oneshot::channel());
    let held = std::sync::Mutex::new(Some(held));
    let hold = Fault::call(move |_| {
        bookings.bookings.try_acquire_many(permits.try_into().unwrap()).unwrap().forget();
        held.lock().unwrap().take().unwrap().send(()).unwrap();
    });
    app.router.fault_at(When::at("/queue/simple/print"), hold);
    let renewal = async {
        is_held.await.unwrap();
        // Until the reading has ended and waits.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(app.router.carry("7-41", 4 * GB, 0));
        app.pass(Duration::seconds(30));
        app.hook("renew", &app.due("2027-01-01", json!({}))).await.ok();
        app.app.bookings.add_permits(permits);
    };
    tokio::join!(app.step(), renewal);
    app.minutes(1).await;
    let books = booked(&app.app, 41).await;
    assert_eq!(books.total(), 4 * GB);
    assert!(books.charged < 3 * GB, "{} charged: a third of the interval lies before the renewal", books.charged);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_becomes_metered_pays_nothing_for_what_was_moved_before() {
    for hook in ["change-package", "create", "renew"] {
        let app = TestApp::new().await;
        let made = app.hook("create", &app.due("2026-12-01", json!({"traffic_gb_monthly": ""}))).await.ok();
        app.dial(&made);
        app.step().await;
        assert!(app.router.carry("7-41", 60 * GB, 0));
        app.pass(Duration::minutes(59));
        app.hook(hook, &app.due("2026-12-01", json!({"traffic_gb_monthly": "50"}))).await.ok();
        app.minutes(1).await;
        assert_eq!(app.balance(41).await, gigabytes(49), "{hook}");
        assert_eq!(app.secret("7-41", "disabled").as_deref(), Some("false"), "{hook}");
        assert!(app.router.carry("7-41", GB, 0));
        app.minutes(1).await;
        assert_eq!(app.balance(41).await, gigabytes(48), "{hook}");
        assert_eq!(booked(&app.app, 41).await.total(), 61 * GB, "all of it is shown");
    }
}

/// Staff accept what was put aside under another package.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_costs_no_more_than_when_it_was() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let free = json!({
        "time_based_speed_enabled": true, "time_from": "11:00", "time_to": "15:00",
        "download_ratio": 75, "upload_ratio": 75,
    });
    app.plan(&with(free)).await;
    let made = app.hook("create", &app.due("2026-12-01", json!({"traffic_gb_monthly": ""}))).await.ok();
    app.dial(&made);
    let on_plan = app.create_on_plan(42, json!({"traffic_gb_monthly": "100"})).await;
    app.step().await;
    for user in ["7-41", &on_plan] {
        assert!(app.router.carry(user, 40 * GB, 0));
    }
    app.minutes(1).await;
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 2);
    for id in [41, 42] {
        let metered = json!({"settings": {"traffic_gb_monthly": "100"}});
        app.hook("change-package", &app.body_with(id, &metered)).await.ok();
    }
    let html = app.admin("quarantine", &json!([])).await;
    assert!(
        html.contains("no balance was to pay for it when it was counted") && html.contains("10 GB leave the balance"),
        "{html}"
    );
    for doubt in ["1", "2"] {
        app.pressed("quarantine", &json!([]), &json!({"do": "accept", "doubt": doubt})).await;
    }
    assert_eq!((app.balance(41).await, app.balance(42).await), (gigabytes(100), gigabytes(90)));
    assert_eq!(booked(&app.app, 41).await.total(), 40 * GB, "it is shown");
}
