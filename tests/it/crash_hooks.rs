//! The router restarts, ends the session or refuses, at every command of every hook that changes something there
//! (`hooks_faults.rs` has the cuts and the silences). WHMCS asks again until it is done. At rest the router is as the books
//! say, nobody was charged a byte too much, and nothing is missing but what a restart took along.

use crate::{
    books_check::{assert_books_equal, assert_router_agrees, booked},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Fault, When};

const QUIET: &str = "collect.poll_seconds = 0\n";
/// No hook gives a router more commands than this.
const MOST: usize = 20;

/// What is asked, and of which account.
const HOOKS: [&str; 9] = [
    "create",
    "terminate",
    "renew",
    "suspend",
    "unsuspend",
    "change-package",
    "change-password",
    "add-traffic",
    "usage-update",
];

/// A service on which the hook will change something, with traffic that nobody has charged yet; the hook's body.
async fn arranged(app: &TestApp, hook: &str, service: u64) -> Value {
    let over = match hook {
        "renew" => json!({"service": {"next_due_date": "2027-01-01"}}),
        "change-package" => json!({"settings": {"download_mbps": "99", "profile": "gold"}}),
        "change-password" => json!({"service": {"password": "the new one"}}),
        "suspend" => json!({"hook": {"reason": "unpaid"}}),
        "add-traffic" => json!({"hook": {"bytes": -(10 * GB as i64), "key": "all"}}),
        _ => json!({}),
    };
    if hook == "create" {
        return app.body(service);
    }
    let name = app.create(service).await;
    assert!(app.router.carry(&name, 7 * MB, MB));
    if hook == "renew" {
        // Blocked until it is paid.
        let correction = app.body_with(service, &json!({"hook": {"bytes": -(10 * GB as i64), "key": "all"}}));
        app.hook("add-traffic", &correction).await.ok();
    }
    if hook == "unsuspend" {
        app.hook("suspend", &app.body_with(service, &json!({"hook": {"reason": "unpaid"}}))).await.ok();
    }
    app.pass(Duration::minutes(5));
    app.body_with(service, &over)
}

/// The hook with the fault at its nth command, and again until it is done; whether the fault struck.
async fn trial(app: &TestApp, hook: &str, service: u64, (fault, nth): (&Fault, usize)) -> bool {
    let body = arranged(app, hook, service).await;
    let name = format!("7-{service}");
    let restarts = matches!(fault, Fault::RebootBefore | Fault::RebootAfter);
    let at_stake = if hook == "create" { 0 } else { app.uncharged(&name, booked(&app.app, service).await) };
    let before = app.router.journal().len();
    app.router.fault_at(When::nth("/*", nth), fault.clone());
    app.hook(hook, &body).await;
    app.router.clear_faults();
    let struck = app.router.journal().len() - before >= nth;
    for _ in 0..20 {
        if app.hook(hook, &body).await.status == 200 {
            break;
        }
        // A login that works makes the connection be tried again at once.
        app.hook("test-connection", &app.body(1)).await;
    }
    let done = app.hook(hook, &body).await.ok();
    if hook == "create" {
        app.dial(&done);
        assert!(app.router.carry(&name, 7 * MB, MB));
    }
    app.pass(Duration::minutes(5));
    app.step().await;
    app.collect_at_last().await;
    app.pass(Duration::minutes(5));
    app.collect_at_last().await;
    let lost = app.uncharged(&name, booked(&app.app, service).await);
    let most = if restarts { at_stake } else { 0 };
    assert!(lost <= most, "{hook} with {fault:?} at command {nth}: {lost} lost, {most} explained");
    assert_books_equal(&app.app).await;
    assert_router_agrees(app).await;
    let packets = app.ledger(service).await.into_iter().filter(|(kind, _)| kind == "packet").count();
    assert_eq!(packets, if hook == "renew" { 2 } else { 1 }, "{hook} with {fault:?} at command {nth}");
    app.hook("terminate", &app.body(service)).await.ok();
    struck
}

/// Every hook, with the fault at each of its commands. The database has no part in it, so that on MariaDB, where all this
/// takes minutes, lost answers stand for the others.
async fn everywhere(fault: Fault) {
    if std::env::var_os("TURNPIKE_TEST_MYSQL").is_some() && !matches!(fault, Fault::ApplyAndLoseReply) {
        return;
    }
    let app = TestApp::with(QUIET).await;
    app.foreign("/ppp/profile", &[("name", "gold")]);
    let mut service = 100;
    for hook in HOOKS {
        for nth in 1.. {
            service += 1;
            if !trial(&app, hook, service, (&fault, nth)).await {
                assert!(nth > 2, "{hook} speaks to the router");
                break;
            }
            assert_ne!(nth, MOST, "the fault never ceased to strike");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_before_any_command_of_any_hook() {
    everywhere(Fault::RebootBefore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_any_command_of_any_hook() {
    everywhere(Fault::RebootAfter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_in_the_answer_to_any_command_of_any_hook() {
    everywhere(Fault::FatalMidway("session terminated".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_any_command_of_any_hook() {
    everywhere(Fault::Trap("failure: internal error".to_owned(), Some(5))).await;
    everywhere(Fault::TwoTraps("no such item".to_owned(), "failure".to_owned())).await;
}

/// A print that shows nothing of what is there, and a change whose answer has nothing in it.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_to_any_command_of_any_hook() {
    everywhere(Fault::EmptyDone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_any_command_of_any_hook_that_comes_late() {
    everywhere(Fault::Slow(std::time::Duration::from_millis(50))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_any_command_of_any_hook_that_is_lost_after_it_was_done() {
    everywhere(Fault::ApplyAndLoseReply).await;
}
