//! What customers and staff are told of plans and balances: what holds, once, and when it ends.

use crate::{
    plans_engine::with,
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::{
    account::fair_use::Override,
    params,
    simulator::{Fault, When},
    sql,
    units::Kbps,
    work::fair_use::{Change, intervene},
};

/// Two gigabytes a day, and off.
fn a_day() -> Value {
    with(json!({"daily_quota": "2 GB", "quota_action": "block"}))
}

impl TestApp {
    /// The letters in the outbox, oldest first: what for, and its variables.
    async fn letters(&self) -> Vec<(String, Value)> {
        let sql = sql!("SELECT purpose, variables FROM mail_outbox ORDER BY id");
        let rows = self.app.db.read().await.unwrap().rows(sql, params![]).await.unwrap();
        let letter = |row: &turnpike::db::Row| {
            let variables: String = row.get("variables").unwrap();
            (row.get("purpose").unwrap(), serde_json::from_str(&variables).unwrap())
        };
        rows.iter().map(letter).collect()
    }

    /// What each was for.
    async fn purposes(&self) -> Vec<String> {
        self.letters().await.into_iter().map(|(purpose, _)| purpose).collect()
    }

    /// A reading with nothing new in it.
    async fn receive_nothing(&self) {
        self.pass(Duration::minutes(1));
        self.step().await;
    }

    /// Until the day has begun again, and been read.
    async fn next_day(&self) {
        let until = (self.clock.now() + Duration::days(1)).date_naive().and_hms_opt(0, 6, 0).unwrap().and_utc();
        self.pass(until - self.clock.now());
        self.step().await;
    }

    async fn add(&self, service_id: u64, bytes: i64, key: &str) {
        let body = self.body_with(service_id, &json!({"hook": {"bytes": bytes, "key": key}}));
        self.hook("add-traffic", &body).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_balance_is_told_before_a_full_quota() {
    let app = TestApp::new().await;
    app.plan(&a_day()).await;
    let user = app.create_on_plan(41, json!({"traffic_gb_monthly": "2"})).await;
    app.step().await;
    app.receive(&user, 3 * GB).await;
    let letters = app.letters().await;
    assert_eq!(app.purposes().await, ["suspension"]);
    let words = &letters[0].1;
    assert_eq!((&words["blocking_quota"], &words["full_quota_too"]), (&json!(""), &json!("daily")));
    assert_eq!(words["resets_at"], "2026-11-21 00:05");
    let mail = app.mails().concat();
    assert!(mail.contains("Next packet") && mail.contains("in your plan is used up too"), "{mail}");
    let why = app.why_off(41).await;
    assert!(why.contains("Balance used up (lifted by a renewal or more traffic)"), "{why}");
    assert!(
        why.contains("The daily quota is used up (lifted by the day’s new beginning at 2026-11-21 00:05 UTC"),
        "{why}"
    );
    // The day begins again: what is left of it was told.
    app.next_day().await;
    assert_eq!((app.account(41).await["causes"].clone(), app.purposes().await.len()), (json!(["quota"]), 1));
    let why = app.why_off(41).await;
    assert!(why.contains("Balance") && !why.contains("quota"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_day_was_to_free_is_told_when_his_balance_keeps_him_off() {
    for reads_it_late in [false, true] {
        let app = TestApp::new().await;
        app.plan(&a_day()).await;
        let settings = json!({"traffic_gb_monthly": "2.5", "threshold_gb": ""});
        let user = app.create_on_plan(41, settings).await;
        app.step().await;
        // What passes between the reading and the block is booked by the next.
        let rest = Fault::call(|router| assert!(router.carry("7-41", GB, 0)));
        app.router.fault_at(When::at("/ppp/secret/set"), rest);
        app.receive(&user, 2 * GB).await;
        let first = app.letters().await;
        assert_eq!((first.len(), &first[0].1["blocking_quota"]), (1, &json!("daily")));
        assert_eq!(first[0].1["resets_at"], "2026-11-21 00:05");
        if reads_it_late {
            app.next_day().await;
        } else {
            app.receive_nothing().await;
        }
        let letters = app.letters().await;
        assert_eq!(app.purposes().await, ["suspension", "suspension"], "late: {reads_it_late}");
        let too = if reads_it_late { "" } else { "daily" };
        assert_eq!((&letters[1].1["blocking_quota"], &letters[1].1["full_quota_too"]), (&json!(""), &json!(too)));
        app.next_day().await;
        app.next_day().await;
        assert_eq!(app.account(41).await["causes"], json!(["quota"]));
        assert_eq!(app.purposes().await.len(), 2, "once");
        // A new block has its own letter.
        let renewed = json!({"service": {"next_due_date": "2027-01-01"}, "settings": {"traffic_gb_monthly": "2.5"}});
        app.hook("renew", &app.body_with(41, &renewed)).await.ok();
        let password = app.secret(&user, "password").unwrap();
        app.router.connect(&user, &password, "l2tp", "198.51.100.7").unwrap();
        app.receive(&user, 2 * GB - MB).await;
        app.receive(&user, MB).await;
        let last = app.letters().await.pop().unwrap();
        assert_eq!((app.purposes().await.len(), last.1["full_quota_too"].clone()), (3, json!("daily")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_low_balance_is_told_when_the_plan_lets_him_on_again() {
    let app = TestApp::new().await;
    app.plan(&a_day()).await;
    let settings = json!({"traffic_gb_monthly": "10", "threshold_gb": "9"});
    let user = app.create_on_plan(41, settings).await;
    app.step().await;
    app.receive(&user, 2 * GB).await;
    app.receive_nothing().await;
    assert_eq!(app.purposes().await, ["suspension"]);
    app.next_day().await;
    assert_eq!(app.purposes().await, ["suspension", "threshold"]);
    app.next_day().await;
    assert_eq!(app.purposes().await.len(), 2, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_off_is_told_of_a_low_balance_when_he_is_back() {
    for (off, on) in [("suspend", "unsuspend"), ("admin-block", "admin-unblock")] {
        let app = TestApp::new().await;
        app.plan(&a_day()).await;
        app.create(41).await;
        app.create_on_plan(42, json!({"traffic_gb_monthly": "10"})).await;
        app.step().await;
        for service in [41, 42] {
            app.hook(off, &app.body(service)).await.ok();
            app.add(service, -(9 * GB as i64), "correction").await;
        }
        app.receive_nothing().await;
        assert_eq!(app.purposes().await, Vec::<String>::new(), "{off}: nothing works that could go on working");
        for service in [41, 42] {
            app.hook(on, &app.body(service)).await.ok();
        }
        app.receive_nothing().await;
        assert_eq!(app.purposes().await, ["threshold", "threshold"], "{on}");
        app.receive_nothing().await;
        assert_eq!(app.purposes().await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slowed_again_on_the_same_day_is_told_on_the_next() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"fup1_threshold": 0, "fup3_threshold": 0, "monthly_fup1_threshold": "10 GB"}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 10 * GB).await;
    assert_eq!(app.purposes().await, ["slowed"]);
    intervene(&app.app, 41, &Change::Bonus(GB as i64), "staff/1", "").await.unwrap();
    assert_eq!(app.purposes().await, ["slowed", "restored"]);
    app.receive(&user, GB).await;
    app.receive_nothing().await;
    assert_eq!(app.purposes().await.len(), 2, "there was one today");
    app.next_day().await;
    assert_eq!(app.purposes().await, ["slowed", "restored", "slowed"]);
    app.next_day().await;
    assert_eq!(app.purposes().await.len(), 3, "of a level once");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_every_evening_is_told_then_and_not_after_midnight() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"monthly_fup1_threshold": 0}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    for evening in 0..3 {
        app.receive(&user, 10 * GB).await;
        app.receive(&user, 10 * GB).await;
        let mut told = ["slowed", "restored"].repeat(evening);
        told.push("slowed");
        assert_eq!(app.purposes().await, told, "evening {evening}");
        let midnight = app.app.today().succ_opt().unwrap().and_hms_opt(0, 0, 30).unwrap().and_utc();
        app.pass(midnight - app.app.clock.now());
        app.step().await;
        assert_eq!(app.purposes().await, told, "midnight {evening}");
        app.pass(Duration::minutes(6));
        app.step().await;
        told.push("restored");
        assert_eq!(app.purposes().await, told, "morning {evening}");
        app.pass(Duration::hours(18));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_and_settled_in_a_life_before_is_not_of_this_one() {
    let app = TestApp::new().await;
    app.plan(&with(json!({}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    app.step().await;
    app.receive(&user, 10 * GB).await;
    let staff = Override { down: Some(Kbps(3_000)), up: None, price: Some("5.00".into()) };
    intervene(&app.app, 41, &Change::Override(staff), "staff/1", "").await.unwrap();
    assert_eq!(app.purposes().await, ["slowed"]);
    app.hook("terminate", &app.body(41)).await.ok();
    app.pass(Duration::days(40));
    let mut body = app.plan_body(41, json!({}));
    body["service"]["next_due_date"] = json!("2027-02-01");
    app.hook("create", &body).await.ok();
    app.receive_nothing().await;
    assert_eq!(app.purposes().await, ["slowed"], "he was never slow");
    assert_eq!((app.fair(41).await.staff, app.max_limit(&user)), (Override::default(), "2000000/10000000".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_a_plan_is_not_told_of_the_way_back_from_before() {
    for verb in ["change-package", "create"] {
        let app = TestApp::new().await;
        app.plan(&with(json!({}))).await;
        let user = app.create_on_plan(41, json!({})).await;
        app.step().await;
        app.receive(&user, 10 * GB).await;
        assert_eq!(app.purposes().await, ["slowed"]);
        app.hook(verb, &app.plan_body(41, json!({"plan": "", "download_mbps": "10"}))).await.ok();
        app.next_day().await;
        app.hook(verb, &app.plan_body(41, json!({}))).await.ok();
        app.receive_nothing().await;
        assert_eq!(app.purposes().await, ["slowed"], "{verb}");
    }
}
