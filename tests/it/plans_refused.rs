//! A queue whose limits the router refuses stands in nobody else's way, and is not asked for without end.

use crate::{
    plans_engine::with,
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use turnpike::simulator::{Fault, Simulator, When};

const SET: &str = "/queue/simple/set";
const QUEUES: &str = "/queue/simple";
const FULL: &str = "2000000/10000000";
const SLOWED: &str = "1000000/4000000";

/// Three on one plan, each of whom has used up what he may have at full speed; the first queue promises more than it may
/// let pass.
async fn three() -> (TestApp, Vec<String>) {
    let app = TestApp::new().await;
    app.plan(&with(json!({"burst_download": "0", "burst_upload": "0"}))).await;
    let mut users = Vec::new();
    for service in 41..44 {
        users.push(app.create_on_plan(service, json!({})).await);
    }
    app.step().await;
    promise(&app.router);
    for user in &users {
        assert!(app.router.carry(user, 10 * GB, 0));
    }
    (app, users)
}

fn promise(router: &Simulator) {
    router.world(|world| assert!(world.put(QUEUES, "7-41", "limit-at", "20M/20M")));
}

async fn minutes(app: &TestApp, count: u32) {
    for _ in 0..count {
        app.pass(Duration::minutes(1));
        app.step().await;
    }
}

fn limits(app: &TestApp, users: &[String]) -> Vec<String> {
    users.iter().map(|user| app.max_limit(user)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_entered_on_a_queue_of_ours_holds_nobody_at_another_speed() {
    let (app, users) = three().await;
    minutes(&app, 1).await;
    assert_eq!(limits(&app, &users), [SLOWED; 3]);
    promise(&app.router);
    // A new day.
    app.pass(Duration::hours(13));
    app.step().await;
    assert_eq!(limits(&app, &users), [FULL; 3]);
    assert_eq!(app.queue("7-41", "limit-at").as_deref(), Some("0/0"));
    assert_eq!(app.queue("7-42", "limit-at").as_deref(), Some("0/0"));
    // A hook's own change, too.
    promise(&app.router);
    let other = app.plan_body(41, json!({"download_mbps": "7"}));
    assert_eq!(app.hook("change-package", &other).await.ok()["account"]["pending"], 0);
    assert_eq!(app.max_limit("7-41"), "2000000/7000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_for_good_is_asked_for_less_and_less_and_the_others_are_set() {
    let (app, users) = three().await;
    // Somebody's script puts it back at once.
    app.router.fault_at(When::every(SET), Fault::call(promise));
    app.router.clear_journal();
    minutes(&app, 1).await;
    assert_eq!(limits(&app, &users), [FULL, SLOWED, SLOWED]);
    assert!(app.commands(SET) <= 8, "{}", app.commands(SET));
    app.router.clear_journal();
    minutes(&app, 30).await;
    assert!((3..=18).contains(&app.commands(SET)), "{}", app.commands(SET));
    app.router.clear_faults();
    minutes(&app, 60).await;
    assert_eq!(limits(&app, &users), [SLOWED; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_goes_between_reading_and_setting_keeps_no_other_from_being_set() {
    let (app, users) = three().await;
    let gone = |router: &Simulator| router.world(|world| assert!(world.remove_row(QUEUES, "7-41")));
    app.router.fault_at(When::at(SET), Fault::call(gone));
    minutes(&app, 1).await;
    assert_eq!(limits(&app, &users[1..]), [SLOWED; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_refuses_everything_is_not_asked_for_each_queue_alone() {
    let (app, users) = three().await;
    app.router.clear_journal();
    app.router.fault_at(When::every(SET), Fault::Trap("not enough permissions (9)".into(), None));
    minutes(&app, 3).await;
    assert_eq!(app.commands(SET), 3, "once a reading");
    app.router.clear_faults();
    minutes(&app, 1).await;
    assert_eq!(limits(&app, &users), [SLOWED; 3]);
}
