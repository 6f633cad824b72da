//! What may have gone uncharged is counted by cause (`turnpike_uncharged_bytes_bound_total`): never less than what was
//! lost, and no more than the line can have carried.

use crate::{
    books_check::booked,
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use turnpike::simulator::{Fault, When};

/// 10 Mbit/s down and 5 up, as the test's product is sold, for so many seconds and the five that are added.
fn line(seconds: u64) -> u64 {
    (seconds + 5) * (1_250_000 + 625_000)
}

impl TestApp {
    async fn bound(&self, cause: &str) -> u64 {
        self.metric(&format!("turnpike_uncharged_bytes_bound_total{{cause=\"{cause}\"}}")).await
    }

    async fn lost(&self) -> u64 {
        self.uncharged("7-41", booked(&self.app, 41).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_bounded_by_the_line_until_then() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.collect().await;
    assert!(app.router.carry(&user, 40 * MB, 20 * MB));
    app.pass(Duration::seconds(60));
    app.router.reboot();
    app.pass(Duration::seconds(600));
    app.collect().await;
    assert_eq!(app.lost().await, 60 * MB);
    // The router's uptime tells that of the eleven minutes only the first can be missing.
    assert_eq!(app.bound("restart").await, line(60));
    assert_eq!(app.metric_in_all("turnpike_uncharged_bytes_bound_total").await, line(60));
    assert_eq!(app.metric_in_all("turnpike_uncharged_unbounded_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_a_create_and_the_first_reading_is_bounded_by_our_clock() {
    let app = TestApp::new().await;
    // A router that has run for long: only a restart makes its uptime shorter than the account is old.
    app.router.pass(std::time::Duration::from_secs(86_400));
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 40 * MB, 20 * MB));
    app.pass(Duration::seconds(300));
    app.router.reboot();
    app.pass(Duration::seconds(60));
    app.collect().await;
    assert_eq!(app.lost().await, 60 * MB);
    assert_eq!(app.bound("restart").await, line(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_a_limit_has_occasions_and_no_bytes() {
    let app = TestApp::new().await;
    let unlimited = json!({"settings": {"download_mbps": "0", "upload_mbps": "0"}});
    let made = app.hook("create", &app.body_with(41, &unlimited)).await.ok();
    app.dial(&made);
    app.collect().await;
    assert!(app.router.carry("7-41", 40 * MB, 0));
    app.pass(Duration::seconds(60));
    app.router.reboot();
    app.collect().await;
    assert_eq!(app.metric_in_all("turnpike_uncharged_bytes_bound_total").await, 0);
    assert_eq!(app.metric("turnpike_uncharged_unbounded_total{cause=\"restart\"}").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_away_is_bounded_by_the_line_for_that_long() {
    for terminated in [false, true] {
        let app = TestApp::new().await;
        let user = app.create(41).await;
        app.collect().await;
        app.router.world(|world| assert!(world.remove_row("/queue/simple", &user)));
        assert!(app.router.carry(&user, 40 * MB, 20 * MB));
        app.pass(Duration::seconds(120));
        app.step().await;
        assert_eq!(app.bound("missing").await, 0, "not yet: nobody knows how long");
        if terminated {
            app.hook("terminate", &app.body(41)).await.ok();
        } else {
            app.hook("create", &app.body(41)).await.ok();
            assert!(app.router.carry(&user, MB, 0));
            app.collect().await;
        }
        assert_eq!(app.lost().await, 60 * MB, "{terminated}");
        let shown = if terminated { 0 } else { MB };
        assert_eq!(app.bound("missing").await, line(120) - shown, "{terminated}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_whose_answer_was_lost_is_bounded_too() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 40 * MB, 20 * MB));
    app.pass(Duration::seconds(120));
    app.router.fault_at(
        When::at("/queue/simple/reset-counters"),
        Fault::call(move |router| assert!(router.carry("7-41", 3 * MB, MB))),
    );
    app.router.fault_at(When::at("/queue/simple/reset-counters"), Fault::ApplyAndLoseReply);
    app.collect().await;
    assert_eq!(app.lost().await, 4 * MB);
    assert_eq!(app.bound("reset").await, line(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_and_what_a_create_found_are_counted_to_the_byte() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    // All is on the router, and nobody hears of it.
    let vanish = |router: &turnpike::simulator::Simulator| {
        router.fault_at(When::EveryConnection, Fault::Refuse);
        router.cut();
    };
    app.router.fault_at(When::at("/ppp/secret/add"), Fault::call_after(vanish));
    let begun = app.hook("create", &app.body(41)).await;
    assert_eq!(begun.code(), "router-unreachable");
    app.router.clear_faults();
    app.router.connect("7-41", &app.secret("7-41", "password").unwrap(), "l2tp", "198.51.100.7").unwrap();
    assert!(app.router.carry("7-41", 5 * MB, MB));
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while app.hook("create", &app.body(41)).await.status != 200 {
        assert!(tokio::time::Instant::now() < end, "the create is never finished");
        app.hook("test-connection", &app.body(1)).await;
    }
    assert_eq!((app.lost().await, app.bound("begin").await), (6 * MB, 6 * MB));
    assert!(app.router.carry("7-41", 7 * GB, 0));
    app.pass(Duration::seconds(60));
    app.collect().await;
    assert_eq!(app.bound("quarantine").await, 7 * GB);
    assert_eq!(booked(&app.app, 41).await.quarantined, 7 * GB);
    assert_eq!(app.metric_in_all("turnpike_uncharged_bytes_bound_total").await, 7 * GB + 6 * MB);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_after_the_last_reading_of_a_termination_is_bounded() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.collect().await;
    assert!(app.router.carry(&user, MB, MB));
    app.pass(Duration::seconds(60));
    let carry = |router: &turnpike::simulator::Simulator| assert!(router.carry("7-41", 3 * MB, MB));
    app.router.fault_at(When::at("/ppp/secret/remove"), Fault::call(carry));
    app.hook("terminate", &app.body(41)).await.ok();
    assert_eq!(app.lost().await, 4 * MB);
    assert_eq!(app.bound("terminate").await, line(0));
    assert_eq!(app.metric_in_all("turnpike_uncharged_bytes_bound_total").await, line(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_loses_its_router_is_bounded_until_it_is_finished() {
    let app = TestApp::with("collect.poll_seconds = 0\n").await;
    let user = app.create(41).await;
    app.collect().await;
    let lose = |router: &turnpike::simulator::Simulator| {
        router.fault_at(When::EveryConnection, Fault::Refuse);
        router.cut();
    };
    app.router.fault_at(When::at("/ppp/secret/remove"), Fault::call(lose));
    assert_eq!(app.hook("terminate", &app.body(41)).await.code(), "router-unreachable");
    app.router.clear_faults();
    // The session goes on.
    assert!(app.router.carry(&user, 40 * MB, 20 * MB));
    app.pass(Duration::seconds(60));
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while app.queue(&user, "name").is_some() {
        assert!(tokio::time::Instant::now() < end, "the termination is never finished");
        app.hook("test-connection", &app.body(1)).await;
        app.step().await;
    }
    assert_eq!(app.lost().await, 60 * MB);
    assert_eq!(app.bound("terminate").await, line(60));
}
