//! Create once more for a service that lives (WHMCS's "Re-apply"), what WHMCS says of its client since, and what is booked
//! although the router refuses its part.

use crate::world::{GB, MB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::{
    account::{Account, fair_use::Override},
    simulator::{Fault, When},
    units::Kbps,
    work::fair_use,
};

async fn email(app: &TestApp) -> String {
    Account::find(&mut app.app.db.read().await.unwrap(), 41).await.unwrap().unwrap().sold.email
}

/// The next service may have the old address at once: nobody may still use it.
#[tokio::test(flavor = "multi_thread")]
async fn another_address_ends_the_session_on_the_old_one() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    let moved = app.body_with(41, &json!({"service": {"dedicated_address": "10.8.0.17"}}));
    let made = app.hook("create", &moved).await.ok();
    assert_eq!(app.secret(&user, "remote-address").unwrap(), "10.8.0.17");
    assert!(!app.router.is_online(&user), "the session would go on with the address that it was given");
    app.dial(&made);
    app.hook("create", &moved).await.ok();
    assert!(app.router.is_online(&user), "nothing changed: nobody is disconnected");
    assert_eq!(app.hook("create", &app.body(42)).await.ok()["service"]["dedicated_address"], "10.8.0.2");
    assert!(app.router.carry(&user, GB, 0));
    app.pass(Duration::minutes(30));
    app.step().await;
    let balances = (app.balance(41).await, app.balance(42).await);
    assert_eq!(balances, (9 * i64::try_from(GB).unwrap(), 10 * i64::try_from(GB).unwrap()));
}

/// Staff moves a due date, then somebody presses Re-apply: that is no renewal.
#[tokio::test(flavor = "multi_thread")]
async fn a_due_date_that_was_moved_brings_no_second_packet_and_no_new_cycle() {
    let app = TestApp::new().await;
    app.create(41).await;
    let moved = json!({"service": {"next_due_date": "2026-12-08"}});
    app.hook("create", &app.body_with(41, &moved)).await.ok();
    assert_eq!(app.ledger(41).await, [("packet".to_owned(), i64::try_from(10 * GB).unwrap())]);
    // On a plan: neither its counters nor what staff has given begin anew.
    app.plan(&crate::plans_engine::with(json!({}))).await;
    let user = app.create_on_plan(42, json!({})).await;
    app.receive(&user, 3 * GB).await;
    let bonus = fair_use::Change::Bonus(i64::try_from(GB).unwrap());
    fair_use::intervene(&app.app, 42, &bonus, "goodwill", "").await.unwrap();
    let before = app.fair(42).await;
    let mut again = app.plan_body(42, json!({}));
    again["service"]["next_due_date"] = json!("2026-12-08");
    app.hook("create", &again).await.ok();
    let after = app.fair(42).await;
    assert_eq!((after.monthly, after.bonus), (before.monthly, before.bonus));
    assert!(after.bonus.0 > 0 && after.monthly.total().0 > 0);
}

/// WHMCS tells nobody that a client has another address by now; every hook about the service says it.
#[tokio::test(flavor = "multi_thread")]
async fn letters_go_where_the_client_reads_them_by_now() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    let user = made["service"]["username"].as_str().unwrap();
    for (at, hook) in ["renew", "suspend", "unsuspend", "client-area"].into_iter().enumerate() {
        let new = format!("ada{at}@example.org");
        app.hook(hook, &app.body_with(41, &json!({"client": {"email": new, "name": "Ada King"}}))).await.ok();
        // A page waits for no book.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while email(&app).await != new {
            assert!(std::time::Instant::now() < end, "{hook}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    app.step().await;
    let comment = app.secret(user, "comment").unwrap();
    assert_eq!(comment, "WHMCS|Product ID:41|ada3@example.org", "what is on the router follows");
    // What cannot be an address, or is not said, changes nothing.
    for odd in [json!(""), json!(7), json!("a\u{7}b"), Value::Null] {
        for hook in ["suspend", "unsuspend", "client-area"] {
            app.hook(hook, &app.body_with(41, &json!({"client": {"email": odd}}))).await.ok();
        }
        assert_eq!(email(&app).await, "ada3@example.org");
    }
    app.dial(&made);
    assert!(app.router.carry(user, 9 * GB, 0));
    app.pass(Duration::hours(2));
    app.step().await;
    let mails = app.mails();
    assert!(mails.iter().all(|mail| mail.contains("ada3@example.org")) && !mails.is_empty(), "{mails:?}");
}

/// A top-up is in the books whatever the router says of its part: told of an error, people book it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_booked_is_answered_as_booked_although_the_router_refuses() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 10 * GB, 0));
    app.pass(Duration::hours(3));
    app.step().await;
    assert_eq!(app.secret(&user, "disabled").unwrap(), "true");
    app.router.fault_at(When::every("/ppp/secret/set"), Fault::Trap("failure: not now".into(), None));
    app.router.fault_at(When::every("/ppp/secret/enable"), Fault::Trap("failure: not now".into(), None));
    let mut top_up = app.body(41);
    top_up["hook"] = json!({"bytes": 1_000_000_000, "key": "invoice item 7"});
    let answer = app.hook("add-traffic", &top_up).await.ok();
    assert!(answer["warning"].as_str().unwrap().contains("not now"), "{answer}");
    assert!(answer["account"]["pending"].as_u64().unwrap() > 0);
    assert_eq!(answer["account"]["balance_bytes"], 1_000_000_000);
    app.router.clear_faults();
    app.pass(Duration::hours(1));
    app.step().await;
    assert_eq!(app.secret(&user, "disabled").unwrap(), "false", "it is tried again by itself");
    assert_eq!(app.hook("add-traffic", &top_up).await.ok()["warning"], Value::Null);
    assert_eq!(app.balance(41).await, 1_000_000_000);
}

/// Something that the router refuses of an account keeps nobody in who is to be out, and nobody out who has paid, and WHMCS is
/// told that it is so: it lets nobody in again whom it does not take for suspended.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_of_the_rest_stands_in_no_switchs_way() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    let trap = Fault::Trap("failure: not now".into(), None);
    app.router.fault_at(When::every("/queue/simple/set"), trap);
    let other = app.body_with(41, &json!({"settings": {"download_mbps": "20"}}));
    assert_eq!(app.hook("change-package", &other).await.status, 502);
    for (hook, off) in
        [("suspend", "true"), ("unsuspend", "false"), ("admin-block", "true"), ("admin-unblock", "false")]
    {
        let account = app.hook(hook, &app.body(41)).await.ok()["account"].clone();
        assert_eq!(account["pending"], 1, "{hook}: the other package is still to be made");
        assert_eq!(app.secret(&user, "disabled").unwrap(), off, "{hook}");
    }
    app.hook("suspend", &app.body(41)).await.ok();
    let used_up = json!({"hook": {"bytes": -(10 * GB as i64), "key": "k"}});
    app.hook("add-traffic", &app.body_with(41, &used_up)).await.ok();
    app.hook("unsuspend", &app.body(41)).await.ok();
    assert_eq!(app.secret(&user, "disabled").unwrap(), "true", "its balance is used up");
    let paid = app.body_with(41, &json!({"service": {"next_due_date": "2027-01-01"}}));
    let answer = app.hook("renew", &paid).await.ok();
    assert!(answer["warning"].as_str().is_some(), "{answer}");
    assert_eq!(app.secret(&user, "disabled").unwrap(), "false", "who has paid is in");
    app.router.clear_faults();
    app.pass(Duration::hours(1));
    app.step().await;
    assert_eq!(app.account(41).await["pending"], 0);
    assert_eq!(app.queue(&user, "max-limit").unwrap(), "5000000/20000000");
}

/// Metered, then not, then metered again by Re-apply: there is a packet to live on.
#[tokio::test(flavor = "multi_thread")]
async fn who_becomes_metered_by_a_create_has_a_packet() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    let used_up = json!({"hook": {"bytes": -(10 * GB as i64), "key": "k"}});
    app.hook("add-traffic", &app.body_with(41, &used_up)).await.ok();
    let free = json!({"settings": {"traffic_gb_monthly": ""}});
    app.hook("create", &app.body_with(41, &free)).await.ok();
    assert_eq!(app.secret(&user, "disabled").unwrap(), "false");
    // Given up half-way, and asked for again.
    let metered = json!({"service": {"next_due_date": "2027-02-01"}, "settings": {"download_mbps": "20"}});
    app.router.fault_at(When::every("/queue/simple/set"), Fault::Trap("failure: not now".into(), None));
    assert_eq!(app.hook("create", &app.body_with(41, &metered)).await.status, 502);
    app.router.clear_faults();
    app.hook("create", &app.body_with(41, &metered)).await.ok();
    assert_eq!(app.balance(41).await, i64::try_from(10 * GB).unwrap());
    assert_eq!(app.secret(&user, "disabled").unwrap(), "false");
}

/// Staff let a subscriber go faster than sold; the product's plan goes. Until then his line was the faster one.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_at_the_speed_before_is_not_put_aside() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    app.plan(&crate::plans_engine::with(json!({}))).await;
    let user = app.create_on_plan(41, json!({})).await;
    let faster = fair_use::Change::Override(Override { down: Some(Kbps(100_000)), ..Override::default() });
    fair_use::intervene(&app.app, 41, &faster, "staff/1", "").await.unwrap();
    app.pass(Duration::minutes(1));
    app.step().await;
    assert!(app.router.carry(&user, 600 * MB, 0));
    app.pass(Duration::minutes(1));
    app.hook("create", &app.body(41)).await.ok();
    assert_eq!(app.queue(&user, "max-limit").as_deref(), Some("5000000/10000000"));
    app.step().await;
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 0);
    let moved = crate::books_check::booked(&app.app, 41).await.total();
    assert_eq!(moved, 600 * MB);
}
