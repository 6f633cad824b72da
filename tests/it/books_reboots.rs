//! Counters that begin again, queues that go and come, clocks that jump: never a byte too much.

use crate::{
    books_check::{assert_books_equal, booked},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use turnpike::{
    simulator::{Fault, Options, Simulator, When},
    work::rebuild,
};

/// A customer who dials in again after every restart.
struct Customer {
    name: String,
    password: String,
}

impl Customer {
    async fn of(app: &TestApp, service_id: u64) -> Self {
        let made = app.hook("create", &app.body(service_id)).await.ok();
        let word = |name: &str| made["service"][name].as_str().unwrap().to_owned();
        app.dial(&made);
        Self { name: word("username"), password: word("password") }
    }

    fn carry(&self, app: &TestApp, down: u64, up: u64) {
        if !app.router.is_online(&self.name) {
            app.router.connect(&self.name, &self.password, "l2tp", "198.51.100.7").unwrap();
        }
        assert!(app.router.carry(&self.name, down, up));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_polls_loses_only_what_came_after_the_last_one() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    for (lost, after) in [(3 * MB, 1000), (1000, 3 * MB), (0, 500), (700, 0), (MB, 40 * MB)] {
        one.carry(&app, 5 * MB, MB);
        app.pass(Duration::seconds(60));
        app.step().await;
        let before = app.uncharged(&one.name, booked(&app.app, 41).await);
        one.carry(&app, lost, 0);
        app.router.reboot();
        app.router.pass(std::time::Duration::from_secs(20));
        one.carry(&app, after, 1);
        app.clock.advance(Duration::seconds(60));
        app.collect_at_last().await;
        let books = booked(&app.app, 41).await;
        assert_eq!(app.uncharged(&one.name, books) - before, lost, "the restarted counter is charged whole");
        assert_books_equal(&app.app).await;
    }
    assert!(app.metric("turnpike_doubts_total{kind=\"restart\"}").await >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_uptime_and_counters_is_not_charged_twice() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    one.carry(&app, 9 * MB, MB);
    app.pass(Duration::seconds(60));
    app.step().await;
    // The uptime has been asked for; then the router restarts, the customer is back at once, and the counters are read.
    let (name, password) = (one.name.clone(), one.password.clone());
    let restart = Fault::call_after(move |router| {
        router.world(|world| {
            world.reboot();
            world.connect(&name, &password, "l2tp", "198.51.100.7").unwrap();
            world.carry(&name, 5_000_000, 1);
        });
        router.cut();
    });
    app.router.fault_at(When::at("/system/resource/print"), restart);
    app.pass(Duration::seconds(60));
    app.step().await;
    app.collect_at_last().await;
    one.carry(&app, 1_000_000, 1);
    app.pass(Duration::seconds(60));
    app.collect_at_last().await;
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_the_reset_is_not_charged_twice() {
    // The reset is made, the router restarts before it answers, the customer is back before the counters are read again.
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    one.carry(&app, 9 * MB, MB);
    app.pass(Duration::seconds(60));
    let (name, password) = (one.name.clone(), one.password.clone());
    let restart = Fault::call_after(move |router| {
        router.world(|world| {
            world.reboot();
            world.connect(&name, &password, "l2tp", "198.51.100.7").unwrap();
            world.carry(&name, 5_000_000, 1);
        });
        router.cut();
    });
    app.router.fault_at(When::at("/queue/simple/reset-counters"), restart);
    app.collect_at_last().await;
    one.carry(&app, 1_000_000, 1);
    app.pass(Duration::seconds(60));
    app.collect_at_last().await;
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_reading_after_a_restart_is_not_charged_again_when_the_removal_has_to_wait() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    let other = Customer::of(&app, 42).await;
    one.carry(&app, 9 * MB, MB);
    app.pass(Duration::seconds(60));
    app.step().await;
    app.router.reboot();
    one.carry(&app, 5 * MB, 0);
    other.carry(&app, 2 * MB, 0);
    app.pass(Duration::seconds(30));
    app.router.fault_at(When::every("/ppp/secret/*"), Fault::Trap("failure: busy".to_owned(), None));
    app.router.fault_at(When::every("/queue/simple/remove"), Fault::Trap("failure: busy".to_owned(), None));
    assert_ne!(app.hook("terminate", &app.body(41)).await.status, 200);
    one.carry(&app, MB, 0);
    app.pass(Duration::seconds(60));
    app.step().await;
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0);
    assert_eq!(app.uncharged(&other.name, booked(&app.app, 42).await), 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_made_again_by_hand_begins_at_zero() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    one.carry(&app, 9 * MB, MB);
    app.pass(Duration::seconds(60));
    app.step().await;
    let (target, comment) = (app.queue(&one.name, "target").unwrap(), app.queue(&one.name, "comment").unwrap());
    app.router.world(|world| {
        assert!(world.remove_row("/queue/simple", &one.name));
        let row = [("name", one.name.as_str()), ("target", &target), ("comment", &comment)];
        world.add_row("/queue/simple", &row);
    });
    // More than the baseline: only the id tells.
    one.carry(&app, 20 * MB, 2 * MB);
    app.pass(Duration::seconds(60));
    app.step().await;
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_hidden_keeps_its_baseline_and_is_named() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    let other = Customer::of(&app, 42).await;
    one.carry(&app, 9 * MB, MB);
    app.pass(Duration::seconds(60));
    app.step().await;
    let comment = app.queue(&one.name, "comment").unwrap();
    app.router.world(|world| world.put("/queue/simple", &one.name, "comment", "changed by hand"));
    for _ in 0..3 {
        one.carry(&app, MB, 0);
        other.carry(&app, MB, 0);
        app.pass(Duration::seconds(60));
        let answer = app.collect().await;
        assert_eq!(answer["collected"], 1);
        assert_eq!(answer["skipped"][0]["service_id"], 41);
        let why = answer["skipped"][0]["reason"].as_str().unwrap();
        assert!(why.contains("7-41") && why.contains("core-1") && why.contains("Create"), "{why}");
    }
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"missing\"}").await, 1, "said once");
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 3 * MB);
    app.router.world(|world| world.put("/queue/simple", &one.name, "comment", &comment));
    app.pass(Duration::seconds(60));
    assert_eq!(app.collect().await["collected"], 2);
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0);
    assert_eq!(app.uncharged(&other.name, booked(&app.app, 42).await), 0);
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_went_is_brought_back_by_create() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    one.carry(&app, 9 * MB, MB);
    app.pass(Duration::seconds(60));
    app.step().await;
    app.router.world(|world| assert!(world.remove_row("/queue/simple", &one.name)));
    app.pass(Duration::seconds(60));
    assert_eq!(app.collect().await["skipped"][0]["service_id"], 41);
    app.hook("create", &app.body(41)).await.ok();
    one.carry(&app, 30 * MB, 0);
    app.pass(Duration::seconds(60));
    app.collect().await;
    assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0);
    assert_eq!(booked(&app.app, 41).await.balance, (10 * GB - 40 * MB) as i64);
}

/// A router's stand-in takes over for a week, and then the first is back, which ran all the time: what its counters show was
/// charged before. It has run for longer than a week has passed since the stand-in was read, which no reboot explains.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_from_a_stand_in_is_not_charged_again() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    app.router.pass(std::time::Duration::from_secs(100 * 86_400));
    let one = Customer::of(&app, 41).await;
    let gigabyte = i64::try_from(GB).unwrap();
    app.step().await;
    one.carry(&app, GB, 0);
    app.pass(Duration::hours(1));
    app.step().await;
    assert_eq!(app.balance(41).await, 9 * gigabyte);
    let other = Simulator::start(Options::default()).await.unwrap();
    let told = |port: u16| app.body_with(41, &json!({"server": {"port": port}}));
    app.hook("list-accounts", &told(other.address().port())).await.ok();
    rebuild::run(&app.app, 3, &|_| ()).await.unwrap();
    for _ in 0..7 {
        app.pass(Duration::days(1));
        other.pass(std::time::Duration::from_secs(86_400));
        app.step().await;
    }
    other.connect(&one.name, &one.password, "l2tp", "198.51.100.7").unwrap();
    assert!(other.carry(&one.name, GB / 2, 0));
    app.pass(Duration::hours(1));
    other.pass(std::time::Duration::from_secs(3_600));
    app.step().await;
    let left = 9 * gigabyte - gigabyte / 2;
    assert_eq!(app.balance(41).await, left, "of the stand-in as of any");
    app.hook("list-accounts", &told(app.router.address().port())).await.ok();
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(app.balance(41).await, left, "nothing of it is new");
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 1, "a person decides");
    one.carry(&app, MB, 0);
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(app.balance(41).await, left - i64::try_from(MB).unwrap(), "it goes on from there");
}

/// Two routers that both run all the time take turns behind one address: whichever is away, what it shows when it is back was
/// charged when it was read last. The one that has run longer is found by its uptime, the other by a boot long ago.
#[tokio::test(flavor = "multi_thread")]
async fn twins_that_take_turns_are_not_charged_again() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let day = |count: u64| std::time::Duration::from_secs(count * 86_400);
    let twin = Simulator::start(Options::default()).await.unwrap();
    app.router.pass(day(100));
    twin.pass(day(90));
    let one = Customer::of(&app, 41).await;
    app.step().await;
    let turn = async |to: &Simulator| {
        let told = app.body_with(41, &json!({"server": {"port": to.address().port()}}));
        app.hook("list-accounts", &told).await.ok();
        app.pass(Duration::minutes(1));
        twin.pass(std::time::Duration::from_secs(60));
    };
    turn(&twin).await;
    rebuild::run(&app.app, 3, &|_| ()).await.unwrap();
    twin.connect(&one.name, &one.password, "l2tp", "198.51.100.7").unwrap();
    let mut left = i64::try_from(10 * GB).unwrap();
    for _ in 0..4 {
        for (it, bytes) in [(&app.router, 60 * MB), (&twin, 50 * MB)] {
            turn(it).await;
            app.step().await;
            assert_eq!(app.balance(41).await, left, "nothing of it is new");
            assert!(it.carry(&one.name, bytes, 0));
            app.pass(Duration::minutes(1));
            twin.pass(std::time::Duration::from_secs(60));
            app.step().await;
            left -= i64::try_from(bytes).unwrap();
            assert_eq!(app.balance(41).await, left, "of one as of the other");
        }
    }
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 6, "a person decides");
}

/// The job that watches the clock looks once in two seconds; a collection may be sooner.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_right_after_the_clock_was_set_back_puts_nothing_aside() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let one = Customer::of(&app, 41).await;
    app.step().await;
    one.carry(&app, 50 * MB, 0);
    app.pass(Duration::minutes(1));
    app.clock.set(app.clock.now() - Duration::days(2));
    app.collect().await;
    assert_eq!(app.balance(41).await, i64::try_from(10 * GB - 50 * MB).unwrap());
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_clock_and_the_routers_clock_may_jump() {
    let app = TestApp::new().await;
    let one = Customer::of(&app, 41).await;
    let step = async |jump: Duration| {
        one.carry(&app, 4 * MB, MB);
        app.clock.advance(jump);
        app.step().await;
        one.carry(&app, MB, 0);
        app.pass(Duration::seconds(61));
        app.step().await;
        assert_eq!(app.uncharged(&one.name, booked(&app.app, 41).await), 0, "after a jump of {jump}");
        assert_books_equal(&app.app).await;
    };
    for hours in [3, -5, 26, -30, 24 * 20, -24 * 20] {
        step(Duration::hours(hours)).await;
    }
    app.router.world(|world| world.set_clock(0));
    step(Duration::seconds(60)).await;
    app.router.world(|world| world.set_clock(4_000_000_000));
    step(Duration::seconds(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_whose_counters_a_change_restarts_is_never_charged_too_much() {
    let app = TestApp::new().await;
    app.router.world(|world| world.quirks.set_restarts_counters = true);
    let one = Customer::of(&app, 41).await;
    for (mbps, before, after) in [("20", 3 * MB, MB), ("30", MB, 9 * MB), ("5", 0, 2 * MB)] {
        one.carry(&app, 5 * MB, 0);
        app.pass(Duration::seconds(60));
        app.step().await;
        let had = app.uncharged(&one.name, booked(&app.app, 41).await);
        let baseline = app.router.world(|world| world.counters("/queue/simple", &one.name)).unwrap().down;
        one.carry(&app, before, 0);
        let body = app.body_with(41, &json!({"settings": {"download_mbps": mbps}}));
        app.hook("change-package", &body).await.ok();
        one.carry(&app, after, 0);
        app.pass(Duration::seconds(60));
        app.step().await;
        let lost = app.uncharged(&one.name, booked(&app.app, 41).await) - had;
        // What it counted unread is gone; climbed past its baseline, it seems never to have begun again.
        assert_eq!(lost, if after < baseline { before } else { before + baseline });
    }
    assert_books_equal(&app.app).await;
}
