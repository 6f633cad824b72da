//! What follows from the books: letters once, blocks once, and nothing from a reading in doubt.

use crate::{
    books_check::{assert_books_equal, booked},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Fault, When};

async fn use_up(app: &TestApp, user: &str, bytes: u64) {
    assert!(app.router.carry(user, bytes, 0));
    app.pass(Duration::minutes(30));
    app.step().await;
}

async fn top_up(app: &TestApp, key: &str, bytes: i64) {
    let mut body = app.body(41);
    body["hook"] = json!({"bytes": bytes, "key": key, "note": ""});
    app.hook("add-traffic", &body).await.ok();
    app.step().await;
}

fn subjects(app: &TestApp) -> Vec<String> {
    let subject = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
    app.mails().iter().map(subject).collect()
}

fn causes(page: &Value) -> Option<&str> {
    page["traffic"]["blocked_by"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_threshold_letter_comes_once_a_crossing_and_the_suspension_once_a_block() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    // Exactly at the threshold of 2 GB: not below it.
    use_up(&app, &user, 8 * GB).await;
    assert_eq!(app.mails().len(), 0);
    use_up(&app, &user, 1).await;
    assert_eq!(app.mails().len(), 1);
    use_up(&app, &user, MB).await;
    use_up(&app, &user, MB).await;
    assert_eq!(app.mails().len(), 1, "once a crossing");
    // Up to the threshold, not above: not armed again.
    let balance = booked(&app.app, 41).await.balance;
    top_up(&app, "a", (2 * GB) as i64 - balance).await;
    use_up(&app, &user, MB).await;
    assert_eq!(app.mails().len(), 1);
    top_up(&app, "b", GB as i64).await;
    use_up(&app, &user, GB).await;
    assert_eq!(app.mails().len(), 2, "armed above it");
    // Both at once: only the suspension.
    top_up(&app, "c", (8 * GB) as i64).await;
    use_up(&app, &user, 11 * GB).await;
    let letters = subjects(&app);
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(app.secret(&user, "disabled").unwrap(), "true");
    // Blocked: further readings bring no further letter.
    for _ in 0..3 {
        app.pass(Duration::hours(1));
        app.collect().await;
        app.step().await;
    }
    assert_eq!(app.mails().len(), 3);
    assert_eq!(causes(&app.client_area(41).await), Some("quota"));
    assert_eq!(letters.iter().filter(|it| **it == letters[0]).count(), 2, "two threshold letters of {letters:?}");
    // Free again, and blocked again: a second suspension.
    top_up(&app, "d", (30 * GB) as i64).await;
    assert_eq!(app.secret(&user, "disabled").unwrap(), "false");
    let password = app.hook("create", &app.body(41)).await.ok()["service"]["password"].as_str().unwrap().to_owned();
    app.router.connect(&user, &password, "l2tp", "198.51.100.7").unwrap();
    use_up(&app, &user, 40 * GB).await;
    assert_eq!(app.mails().len(), 4);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_from_a_reading_in_doubt() {
    let app = TestApp::with("router.write_seconds = 1\nrouter.print_seconds = 1\n").await;
    let free = json!({"settings": {"download_mbps": "0", "upload_mbps": "0"}});
    let made = app.hook("create", &app.body_with(41, &free)).await.ok();
    app.dial(&made);
    use_up(&app, "7-41", GB).await;
    // A reset whose answer is lost, and was not made: with no limit on the line nobody can tell.
    assert!(app.router.carry("7-41", MB, 0));
    app.pass(Duration::minutes(30));
    let more = Fault::call(|router| assert!(router.carry("7-41", 12 * GB, 0)));
    app.router.fault_at(When::at("/queue/simple/reset-counters"), more);
    app.router.fault_at(When::at("/queue/simple/reset-counters"), Fault::Refuse);
    app.collect().await;
    let page = app.client_area(41).await;
    assert!(page["traffic"]["balance_bytes"].as_i64().unwrap() < 0, "it is booked: {}", page["traffic"]);
    assert_eq!(causes(&page), None, "and nothing follows");
    assert!(app.mails().is_empty());
    assert_eq!(app.uncharged("7-41", booked(&app.app, 41).await), 0);
    // The next reading is beyond doubt.
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(causes(&app.client_area(41).await), Some("quota"));
    assert_eq!(app.mails().len(), 1);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_line_cannot_carry_is_put_aside_and_not_charged() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let user = app.create(41).await;
    app.pass(Duration::seconds(60));
    app.step().await;
    // 10 Mbit/s for a minute are 75 MB; with slack and factor 97.5 MB and 1 MiB.
    assert!(app.router.carry(&user, 90_000_000, 0));
    app.pass(Duration::seconds(60));
    app.step().await;
    assert_eq!(booked(&app.app, 41).await.charged, 90_000_000);
    assert!(app.router.carry(&user, 9 * GB, 0));
    app.pass(Duration::seconds(60));
    app.collect().await;
    app.step().await;
    let books = booked(&app.app, 41).await;
    assert_eq!((books.charged, books.quarantined), (90_000_000, 9 * GB));
    assert!(app.mails().is_empty(), "nothing follows from it");
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"quarantine\"}").await, 1);
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 1);
    // What comes after is counted from there on.
    assert!(app.router.carry(&user, 1_000_000, 0));
    app.pass(Duration::seconds(60));
    app.step().await;
    let after = booked(&app.app, 41).await;
    assert_eq!((after.charged, after.quarantined), (91_000_000, 9 * GB));
    assert_books_equal(&app.app).await;
}

/// Between the two prints of a collection, and at the last reading of all, no more is believed than in any other.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_line_cannot_carry_is_put_aside_at_a_reset_and_at_the_end_too() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    for id in [41, 42] {
        let user = app.create(id).await;
        app.pass(Duration::seconds(60));
        app.step().await;
        assert!(app.router.carry(&user, 90_000_000, 0));
        app.pass(Duration::seconds(60));
        let carried = user.clone();
        app.router.fault_at(
            When::nth("/queue/simple/print", 2),
            Fault::call(move |router| assert!(router.carry(&carried, 9 * GB, 0))),
        );
        if id == 41 {
            app.collect().await;
        } else {
            app.router.clear_faults();
            app.step().await;
            assert!(app.router.carry(&user, 9 * GB, 0));
            app.hook("terminate", &app.body(id)).await.ok();
        }
        let books = booked(&app.app, id).await;
        assert_eq!((books.charged, books.quarantined), (90_000_000, 9 * GB), "{id}");
    }
    assert!(app.mails().is_empty(), "nothing follows from it");
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 2);
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"quarantine\"}").await, 2);
    // What comes after is counted from there on.
    assert!(app.router.carry("7-41", 1_000_000, 0));
    app.pass(Duration::seconds(60));
    app.step().await;
    assert_eq!(booked(&app.app, 41).await.charged, 91_000_000);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_made_slower_is_judged_by_the_speed_that_held() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let fast = json!({"settings": {"download_mbps": "100"}});
    let made = app.hook("create", &app.body_with(41, &fast)).await.ok();
    app.dial(&made);
    app.pass(Duration::seconds(60));
    app.step().await;
    // A minute at 100 Mbit/s, then a smaller product, a larger one, and a smaller one again before anybody reads.
    assert!(app.router.carry("7-41", 700_000_000, 0));
    app.clock.advance(Duration::seconds(60));
    for mbps in ["10", "20", "1"] {
        app.hook("change-package", &app.body_with(41, &json!({"settings": {"download_mbps": mbps}}))).await.ok();
    }
    app.step().await;
    let books = booked(&app.app, 41).await;
    assert_eq!((books.charged, books.quarantined), (700_000_000, 0));
    // From then on the new speed counts: 1 Mbit/s.
    assert!(app.router.carry("7-41", 700_000_000, 0));
    app.pass(Duration::seconds(60));
    app.step().await;
    let books = booked(&app.app, 41).await;
    assert_eq!((books.charged, books.quarantined), (700_000_000, 700_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_router_has_the_old_speed_the_old_speed_counts() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let fast = json!({"settings": {"download_mbps": "100"}});
    let made = app.hook("create", &app.body_with(41, &fast)).await.ok();
    app.dial(&made);
    app.pass(Duration::seconds(60));
    app.step().await;
    // The router answers readings and refuses the change.
    app.router.fault_at(When::every("/queue/simple/set"), Fault::Trap("failure: busy".to_owned(), None));
    let slow = app.body_with(41, &json!({"settings": {"download_mbps": "1"}}));
    assert_eq!(app.hook("change-package", &slow).await.code(), "router-refused");
    for round in 1..=3 {
        assert!(app.router.carry("7-41", 700_000_000, 0));
        app.pass(Duration::seconds(60));
        app.collect().await;
        let books = booked(&app.app, 41).await;
        assert_eq!((books.charged, books.quarantined), (round * 700_000_000, 0));
    }
    app.router.clear_faults();
    app.pass(Duration::minutes(5));
    app.step().await;
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "5000000/1000000");
    app.pass(Duration::seconds(60));
    app.step().await;
    assert!(app.router.carry("7-41", 700_000_000, 0));
    app.pass(Duration::seconds(60));
    app.step().await;
    assert_eq!(booked(&app.app, 41).await.quarantined, 700_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_templates_nobody_is_written_to_and_the_block_stands() {
    let app = TestApp::new().await;
    let silent = json!({"settings": {"threshold_template": "", "suspension_template": ""}});
    let made = app.hook("create", &app.body_with(41, &silent)).await.ok();
    app.dial(&made);
    use_up(&app, "7-41", 9 * GB).await;
    use_up(&app, "7-41", 2 * GB).await;
    assert!(app.mails().is_empty());
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    assert_eq!(causes(&app.client_area(41).await), Some("quota"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_pays_once_is_promised_another_packet() {
    for cycle in ["One Time", "Free Account"] {
        let app = TestApp::new().await;
        // The date of before, when it was paid by the month, is WHMCS's no longer, and is not said either.
        let over = json!({"service": {"billing_cycle": cycle}, "settings": {"traffic_gb_one_time": "10"}});
        let body = app.body_with(41, &over);
        let made = app.hook("create", &body).await.ok();
        app.dial(&made);
        let page = app.hook("client-area", &body).await.ok();
        assert_eq!(page["traffic"]["balance_bytes"], 10 * GB);
        assert_eq!(page["traffic"]["next_cycle_bytes"], Value::Null, "{cycle}");
        assert_eq!(page["traffic"]["next_cycle_date"], Value::Null, "{cycle}");
        for moved in [9 * GB, 2 * GB] {
            assert!(app.router.carry("7-41", moved, 0));
            app.pass(Duration::hours(1));
            app.collect().await;
            app.step().await;
        }
        let mails = app.mails();
        assert_eq!(subjects(&app), ["Traffic less than 2 GB - 7-41", "Suspension Information - 7-41"], "{cycle}");
        for mail in &mails {
            assert!(!mail.contains("ext packet") && !mail.contains("by itself") && !mail.contains("renewal"), "{mail}");
            assert!(mail.contains("buy more traffic"), "{mail}");
        }
    }
}
