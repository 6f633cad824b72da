//! What is in doubt is said: by the doctor, on the overview, in the metrics, and no longer when it is over.

use crate::{
    books_check::booked,
    world::{Database, GB, MB, TestApp},
};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use std::time::Duration as Patience;
use turnpike::{
    jobs::Jobs,
    params,
    simulator::{Fault, Options, Simulator, When},
    sql,
    work::{doctor, watch},
};

impl TestApp {
    async fn finds(&self, code: &str) -> bool {
        let found = doctor::examine(&self.app, None, Patience::ZERO).await.unwrap();
        found.iter().any(|it| it.code == code)
    }

    /// Whether doctor, overview and metrics all say it, or none of them.
    async fn doubts(&self, (code, words, gauge): (&str, &str, &str)) -> bool {
        let overview = self.admin("overview", &json!([])).await;
        let doubts = overview.split_once("id=\"tpDoubts\"").unwrap().1.split_once("</section>").unwrap().0;
        let said = [self.finds(code).await, doubts.contains(words), self.metric(gauge).await > 0];
        assert!(said.iter().all(|it| *it == said[0]), "{code}: doctor, overview, metrics: {said:?}\n{doubts}");
        said[0]
    }
}

const FROZEN: (&str, &str, &str) =
    ("queues-froze", "Queues that do not count", "turnpike_stored{kind=\"queues_frozen\"}");
const MISSING: (&str, &str, &str) =
    ("counters-missing", "Queues that are not on their router", "turnpike_stored{kind=\"counters_missing\"}");
const QUARANTINE: (&str, &str, &str) =
    ("quarantine", "Traffic that cannot be true", "turnpike_stored{kind=\"quarantine_waiting\"}");
const CLOCK: (&str, &str, &str) = ("clock-set", "The clock was set", "turnpike_stored{kind=\"clocks_in_doubt\"}");

/// Between the two looks the customer moves a gigabyte, past the queue or through it.
fn move_between_looks(app: &TestApp, past: bool) {
    let carry = move |router: &Simulator| {
        router.world(|world| world.quirks.fast_track = past);
        assert!(router.carry("7-41", GB, GB));
    };
    app.router.fault_at(When::nth("/interface/print", 2), Fault::call(carry));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_counts_nothing_while_its_session_moves_is_seen_once_an_hour() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.pass(Duration::minutes(61));
    app.step().await;
    app.router.clear_journal();
    move_between_looks(&app, true);
    watch::run(&app.app, 3, Patience::ZERO).await.unwrap();
    assert_eq!(app.router.journal().len(), 6, "two looks, three prints each: {:#?}", app.router.journal());
    assert!(app.doubts(FROZEN).await);
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"frozen\"}").await, 1);
    app.router.clear_journal();
    watch::run(&app.app, 3, Patience::ZERO).await.unwrap();
    assert!(app.router.journal().is_empty(), "not twice an hour");
    // Nothing moves: nothing is known better. The router is silent: what was known still stands.
    app.pass(Duration::minutes(61));
    watch::run(&app.app, 3, Patience::ZERO).await.unwrap();
    app.router.stop().await;
    assert!(app.doubts(FROZEN).await);
    app.router.listen().await.unwrap();
    app.hook("test-connection", &app.body(41)).await.ok();
    app.pass(Duration::minutes(61));
    move_between_looks(&app, false);
    watch::run(&app.app, 3, Patience::ZERO).await.unwrap();
    assert!(!app.doubts(FROZEN).await, "it counts");
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"frozen\"}").await, 1, "a doubt is counted when it comes up");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_looks_by_itself_at_routers_that_it_is_connected_to() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.pass(Duration::minutes(61));
    app.step().await;
    move_between_looks(&app, true);
    let jobs = Jobs::start(app.service.as_ref().unwrap().front.clone()).await.unwrap();
    let end = tokio::time::Instant::now() + Patience::from_secs(120);
    while app.metric(FROZEN.2).await == 0 {
        assert!(tokio::time::Instant::now() < end, "never looked");
        tokio::time::sleep(Patience::from_millis(100)).await;
    }
    jobs.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_gone_is_said_until_it_is_back() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.step().await;
    assert!(!app.doubts(MISSING).await);
    app.router.world(|world| assert!(world.remove_row("/queue/simple", "7-41")));
    app.pass(Duration::minutes(1));
    app.step().await;
    app.pass(Duration::minutes(9));
    assert!(app.doubts(MISSING).await);
    assert!(app.admin("overview", &json!([])).await.contains("9 min ago"), "since when");
    app.router.stop().await;
    assert!(app.finds(MISSING.0).await, "also while the router is away");
    app.router.listen().await.unwrap();
    app.hook("create", &app.body(41)).await.ok();
    app.pass(Duration::minutes(1));
    app.step().await;
    assert!(!app.doubts(MISSING).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_whose_time_is_not_ours_is_said() {
    let of_router = ("clock-leapt", "The time of router 3", CLOCK.2);
    let app = TestApp::new().await;
    app.create(41).await;
    app.step().await;
    assert!(!app.doubts(of_router).await);
    // The router slept for an hour.
    app.clock.advance(Duration::hours(1));
    app.step().await;
    assert!(app.doubts(of_router).await);
}

/// With the cap on.
async fn capped() -> TestApp {
    let router = Simulator::start(Options::default()).await.unwrap();
    TestApp::on(router, Database::bare().await, "collect.sanity_factor = 1.2\n").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_waits_for_a_person_and_verdicts_are_forgotten_after_a_year_and_a_month() {
    let app = capped().await;
    app.create(41).await;
    app.create(42).await;
    app.step().await;
    for user in ["7-41", "7-42"] {
        assert!(app.router.carry(user, 5 * GB, 0));
    }
    app.pass(Duration::minutes(1));
    app.step().await;
    assert!(app.doubts(QUARANTINE).await);
    let rows = async || -> u64 {
        let sql = sql!("SELECT COUNT(*) AS n FROM quarantine");
        app.app.db.read().await.unwrap().one(sql, vec![]).await.unwrap().unwrap().get("n").unwrap()
    };
    app.pressed("quarantine", &json!([]), &json!({"do": "drop", "doubt": "1"})).await;
    assert!(app.doubts(QUARANTINE).await, "the other waits");
    app.pass(Duration::days(399));
    app.step().await;
    assert_eq!(rows().await, 2);
    app.pass(Duration::days(3));
    app.step().await;
    assert_eq!(rows().await, 1, "what was decided goes, what waits stays");
    assert!(app.doubts(QUARANTINE).await);
    app.pressed("quarantine", &json!([]), &json!({"do": "accept", "doubt": "2"})).await;
    assert!(!app.doubts(QUARANTINE).await);
    assert_eq!(app.balance(42).await, (5 * GB) as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_were_given_up_are_forgotten_after_a_year_and_a_month() {
    let app = TestApp::new().await;
    let put = sql!(
        "INSERT INTO mail_outbox (service_id, purpose, template, to_name, to_address, variables, once, state, tries, due_at, \
         queued_at) VALUES (1, 'threshold', 'threshold', '', 'x@example.net', '{}', ?, ?, 10, ?, ?)"
    );
    let now = app.clock.now();
    for (once, state, at) in [("old", "dead", now), ("young", "dead", now + Duration::days(10)), ("last", "dead", now)]
    {
        app.app.db.execute(put, params![once, state, at, at]).await.unwrap();
    }
    app.pass(Duration::days(401));
    app.step().await;
    let left = app.app.db.read().await.unwrap().rows(sql!("SELECT once FROM mail_outbox ORDER BY id"), vec![]).await;
    let left: Vec<String> = left.unwrap().iter().map(|row| row.get("once").unwrap()).collect();
    assert_eq!(left, ["young", "last"], "the newest row keeps its number from being given again");
}

async fn plant(app: &TestApp, day: &str) {
    let sql = sql!(
        "INSERT INTO usage_day (service_id, day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
         VALUES (41, ?, 1, 1, 1, 1)"
    );
    app.app.db.execute(sql, params![day]).await.unwrap();
}

async fn is_kept(app: &TestApp, day: &str) -> bool {
    let sql = sql!("SELECT day FROM usage_day WHERE day = ?");
    app.app.db.read().await.unwrap().one(sql, params![day]).await.unwrap().is_some()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_year_ahead_forgets_nothing_and_is_said() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.step().await;
    assert!(!app.doubts(CLOCK).await);
    plant(&app, "2026-11-01").await;
    let right = app.clock.now();
    app.clock.set(right + Duration::days(365));
    for _day in 0..2 {
        app.step().await;
        assert!(is_kept(&app, "2026-11-01").await, "the year has not been seen to pass");
        app.pass(Duration::days(1));
    }
    assert!(app.doubts(CLOCK).await);
    assert_eq!(app.metric("turnpike_clock_leaps_total{kind=\"forward\"}").await, 1);
    // Somebody sets it right: the days go on, and what is due is done.
    app.clock.set(right + Duration::days(2));
    app.step().await;
    assert!(is_kept(&app, "2026-11-01").await);
    assert_eq!(app.metric("turnpike_clock_leaps_total{kind=\"back\"}").await, 1);
    plant(&app, "2026-01-01").await;
    app.pass(Duration::days(1));
    app.step().await;
    assert!(is_kept(&app, "2026-11-01").await && !is_kept(&app, "2026-01-01").await);
    app.pass(Duration::days(20));
    app.step().await;
    app.pass(Duration::days(1));
    app.step().await;
    assert!(!app.doubts(CLOCK).await, "long past");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_stands_for_three_days_is_believed_and_so_is_time_that_was_lived_through() {
    let mut app = TestApp::new().await;
    app.create(41).await;
    app.step().await;
    plant(&app, "2026-11-01").await;
    app.pass(Duration::days(60));
    app.step().await;
    assert!(!is_kept(&app, "2026-11-01").await, "sixty days were lived through");
    // Switched off for half a year.
    plant(&app, "2026-12-30").await;
    app.clock.set(at("2027-07-20T12:00:00Z"));
    app.restart().await;
    for _day in 0..3 {
        app.step().await;
        assert!(is_kept(&app, "2026-12-30").await);
        app.pass(Duration::days(1));
        app.restart().await;
    }
    app.step().await;
    assert!(!is_kept(&app, "2026-12-30").await, "the date has stood for three days");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_was_wrong_twice_with_right_days_between_has_not_stood() {
    let mut app = TestApp::with("mail.transport = \"whmcs\"\n").await;
    app.create(41).await;
    app.step().await;
    plant(&app, "2026-11-01").await;
    let letter = sql!(
        "INSERT INTO mail_outbox (service_id, purpose, template, to_name, to_address, variables, once, state, tries, due_at, \
         queued_at) VALUES (41, 'threshold', 'threshold', '', 'x@example.net', '{}', 'waits', 'queued', 0, ?, ?)"
    );
    app.app.db.execute(letter, params![app.clock.now(), app.clock.now()]).await.unwrap();
    for boot in 1..=2 {
        let right = app.clock.now();
        app.clock.set(right + Duration::days(365));
        app.restart().await;
        app.step().await;
        assert!(is_kept(&app, "2026-11-01").await, "at wrong boot {boot}");
        let state = sql!("SELECT state FROM mail_outbox WHERE once = 'waits'");
        let row = app.app.db.read().await.unwrap().one(state, vec![]).await.unwrap().unwrap();
        assert_eq!(row.get::<String>("state").unwrap(), "queued", "at wrong boot {boot}");
        app.clock.set(right);
        app.restart().await;
        app.step().await;
        for _day in 0..3 {
            app.pass(Duration::days(1));
            app.restart().await;
            app.step().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_traffic_is_charged_to_its_day_whatever_our_clock_is_set_to() {
    let app = capped().await;
    let user = app.create(41).await;
    app.step().await;
    for leap in
        [Duration::hours(-1), Duration::hours(5), Duration::days(-40), Duration::days(365), Duration::days(-325)]
    {
        // A line of 10 Mbit/s nearly full for a minute.
        assert!(app.router.carry(&user, 60 * MB, 0));
        app.clock.set(app.clock.now() + leap);
        app.pass(Duration::seconds(60));
        app.step().await;
        assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0, "after a leap of {leap}");
        assert_eq!(app.metric(QUARANTINE.2).await, 0, "after a leap of {leap}");
    }
    assert!(app.metric("turnpike_doubts_total{kind=\"clock\"}").await >= 5);
    // Five minutes of traffic, on the five days on which they were read: none is spread over what the clock leapt.
    let sql = sql!("SELECT COUNT(*) AS n FROM usage_day WHERE service_id = 41");
    let days: u64 = app.app.db.read().await.unwrap().one(sql, vec![]).await.unwrap().unwrap().get("n").unwrap();
    assert!(days <= 5, "{days} days");
}
