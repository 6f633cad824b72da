//! Add-traffic, renew and change-package: what they do to the balance, once (contract §6).

use crate::{
    plans_engine::with,
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::work::fair_use::{Change, intervene};

fn traffic(app: &TestApp, bytes: Value, key: Value) -> Value {
    app.body_with(41, &json!({"hook": {"bytes": bytes, "key": key, "note": "order 7\nby phone"}}))
}

async fn spend(app: &TestApp, bytes: u64) {
    assert!(app.router.carry("7-41", bytes, 0));
    app.pass(Duration::hours(1));
    app.collect().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_added_once_a_key_and_another_number_for_it_is_refused() {
    let app = TestApp::new().await;
    app.create(41).await;
    let first = app.hook("add-traffic", &traffic(&app, json!(5 * GB), json!("a"))).await.ok();
    assert_eq!(first["account"]["balance_bytes"], 15 * GB);
    assert_eq!(app.hook("add-traffic", &traffic(&app, json!(5 * GB), json!("a"))).await.ok(), first);
    let answer = app.hook("add-traffic", &traffic(&app, json!(6 * GB), json!("a"))).await;
    assert_eq!(answer.refusal().1, "key-reused");
    assert_eq!(app.account(41).await, first["account"]);
    let minus = app.hook("add-traffic", &traffic(&app, json!(-1), json!("A"))).await.ok();
    assert_eq!(minus["account"]["balance_bytes"], 15 * GB - 1, "keys are taken to the letter");
    app.create(42).await;
    let mut other = traffic(&app, json!(7), json!("a"));
    other["service"]["id"] = json!(42);
    assert_eq!(app.hook("add-traffic", &other).await.ok()["account"]["balance_bytes"], 10 * GB + 7);
    assert_eq!(app.ledger(41).await.iter().map(|(_, bytes)| bytes).sum::<i64>(), (15 * GB - 1) as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_with_one_key_add_once() {
    let app = TestApp::new().await;
    app.create(41).await;
    let body = traffic(&app, json!(GB), json!("k"));
    let all = futures_util::future::join_all((0..12).map(|_| app.hook("add-traffic", &body))).await;
    assert!(all.into_iter().all(|it| it.ok()["account"]["balance_bytes"] == 11 * GB));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_add_traffic_cannot_take_is_told_with_its_field() {
    let app = TestApp::new().await;
    app.create(41).await;
    let most = 10_737_418_240_000_000_i64;
    for wrong in [json!(0), json!(most + 1), json!(-most - 1), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX)] {
        let refused = app.refused("add-traffic", &traffic(&app, wrong.clone(), json!("k"))).await;
        assert_eq!(refused, (422, "setting-invalid".into(), "hook.bytes".into()), "{wrong}");
    }
    for wrong in [Value::Null, json!("5"), json!(1.5), json!(true), json!([5]), json!(1e30)] {
        let refused = app.refused("add-traffic", &traffic(&app, wrong.clone(), json!("k"))).await;
        assert_eq!(refused, (400, "malformed".into(), "hook.bytes".into()), "{wrong}");
    }
    for wrong in [Value::Null, json!(""), json!("  "), json!(5), json!(["k"])] {
        let refused = app.refused("add-traffic", &traffic(&app, json!(5), wrong.clone())).await;
        assert_eq!(refused, (400, "malformed".into(), "hook.key".into()), "{wrong}");
    }
    for wrong in [json!("x".repeat(129)), json!("a\nb")] {
        let refused = app.refused("add-traffic", &traffic(&app, json!(5), wrong)).await;
        assert_eq!(refused, (422, "setting-invalid".into(), "hook.key".into()));
    }
    let note = app.body_with(41, &json!({"hook": {"bytes": 5, "key": "k", "note": 5}}));
    assert_eq!(app.refused("add-traffic", &note).await, (400, "malformed".into(), "hook.note".into()));
    assert_eq!(app.account(41).await["balance_bytes"], 10 * GB);
    app.hook("add-traffic", &traffic(&app, json!(most), json!("x".repeat(128)))).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_blocks_and_a_top_up_frees_at_once() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    let blocked = app.hook("add-traffic", &traffic(&app, json!(-(10 * GB as i64)), json!("a"))).await.ok();
    assert_eq!((&blocked["account"]["balance_bytes"], &blocked["account"]["causes"]), (&json!(0), &json!(["quota"])));
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    assert!(!app.router.is_online("7-41"));
    let freed = app.hook("add-traffic", &traffic(&app, json!(1), json!("b"))).await.ok();
    assert_eq!((&freed["account"]["enabled"], &freed["account"]["pending"]), (&json!(true), &json!(0)));
    app.dial(&made);
    app.step().await;
    assert_eq!(app.mails().len(), 1, "one suspension letter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_brings_its_packet_once_a_due_date() {
    let app = TestApp::new().await;
    app.create(41).await;
    spend(&app, 4 * GB).await;
    let due = |date: &str| app.body_with(41, &json!({"service": {"next_due_date": date}}));
    for _ in 0..3 {
        let renewed = app.hook("renew", &due("2027-01-01")).await.ok();
        assert_eq!(renewed["account"]["balance_bytes"], 16 * GB);
    }
    let all = [due("2027-02-01"), due("2027-02-01"), due("2027-02-01"), due("2026-12-01"), due("2027-01-01")];
    futures_util::future::join_all(all.iter().map(|body| app.hook("renew", body))).await;
    assert_eq!(app.account(41).await["balance_bytes"], 26 * GB);
    for missing in [json!(""), Value::Null, json!("0000-00-00")] {
        let body = app.body_with(41, &json!({"service": {"next_due_date": missing}}));
        let refused = app.refused("renew", &body).await;
        assert_eq!(refused, (400, "malformed".into(), "service.next_due_date".into()));
    }
    let more = json!({"service": {"next_due_date": "2027-03-01", "billing_cycle": "Quarterly"},
        "settings": {"traffic_gb_quarterly": "30"}});
    assert_eq!(app.hook("renew", &app.body_with(41, &more)).await.ok()["account"]["balance_bytes"], 56 * GB);
    let option = json!({"service": {"next_due_date": "2027-06-01"}, "options": {"traffic_gb": "1"}});
    assert_eq!(app.hook("renew", &app.body_with(41, &option)).await.ok()["account"]["balance_bytes"], 57 * GB);
}

/// Who has paid is not refused for a product whose plan was renamed, nor for any other field that a renewal does not need.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_needs_the_packet_and_nothing_else_of_the_product() {
    let app = TestApp::new().await;
    app.create(41).await;
    let odd = json!({"service": {"next_due_date": "2027-01-01"},
        "settings": {"plan": "Gold 10", "threshold_gb": "much", "instruction_url": "nowhere", "traffic_gb_monthly": "7"}});
    assert_eq!(app.hook("renew", &app.body_with(41, &odd)).await.ok()["account"]["balance_bytes"], 17 * GB);
    // An option alone says enough, and a packet that cannot be is refused wherever it stands.
    let mut option = app.body_with(41, &json!({"service": {"next_due_date": "2027-02-01"}}));
    for settings in [json!({}), json!([]), Value::Null] {
        option["settings"] = settings;
        option["options"] = json!({"traffic_gb": "much"});
        assert_eq!(app.refused("renew", &option).await.2, "options.traffic_gb");
    }
    option["options"] = json!({"traffic_gb": "3"});
    assert_eq!(app.hook("renew", &option).await.ok()["account"]["balance_bytes"], 20 * GB);
    // Other options say nothing of it: it brings what was sold before.
    let mut other = app.body_with(41, &json!({"service": {"next_due_date": "2027-03-01"}}));
    other["settings"] = json!({});
    other["options"] = json!({"profile": "gold", "traffic_gb": " "});
    assert_eq!(app.hook("renew", &other).await.ok()["account"]["balance_bytes"], 23 * GB);
}

#[tokio::test(flavor = "multi_thread")]
async fn debt_is_carried_and_a_packet_smaller_than_it_does_not_free() {
    let app = TestApp::new().await;
    app.create(41).await;
    spend(&app, 25 * GB).await;
    assert_eq!(app.account(41).await["balance_bytes"], -(15 * GB as i64));
    let due = |date: &str| app.body_with(41, &json!({"service": {"next_due_date": date}}));
    let account = app.hook("renew", &due("2027-01-01")).await.ok()["account"].clone();
    assert_eq!((&account["balance_bytes"], &account["causes"]), (&json!(-(5 * GB as i64)), &json!(["quota"])));
    let account = app.hook("renew", &due("2027-02-01")).await.ok()["account"].clone();
    assert_eq!((&account["balance_bytes"], &account["enabled"]), (&json!(5 * GB), &json!(true)));
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_carry_over_a_renewal_sets_the_balance_to_the_packet_and_debt_stays() {
    let app = TestApp::with("traffic.carry_over = false\n").await;
    app.create(41).await;
    spend(&app, 4 * GB).await;
    let due = |date: &str| app.body_with(41, &json!({"service": {"next_due_date": date}}));
    assert_eq!(app.hook("renew", &due("2026-12-01")).await.ok()["account"]["balance_bytes"], 6 * GB);
    app.hook("add-traffic", &traffic(&app, json!(3 * GB), json!("a"))).await.ok();
    for _ in 0..2 {
        assert_eq!(app.hook("renew", &due("2027-01-01")).await.ok()["account"]["balance_bytes"], 10 * GB);
    }
    app.hook("add-traffic", &traffic(&app, json!(-4 * GB as i64), json!("b"))).await.ok();
    spend(&app, 9 * GB).await;
    assert_eq!(app.hook("renew", &due("2027-02-01")).await.ok()["account"]["balance_bytes"], 7 * GB);
    assert_eq!(app.ledger(41).await.iter().map(|(_, bytes)| bytes).sum::<i64>(), 7 * GB as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmetered_service_has_no_balance_and_is_never_blocked() {
    let app = TestApp::new().await;
    let none = json!({"settings": {"traffic_gb_monthly": ""}});
    let made = app.hook("create", &app.body_with(41, &none)).await.ok();
    assert_eq!((&made["account"]["metered"], &made["account"]["balance_bytes"]), (&json!(false), &Value::Null));
    app.dial(&made);
    spend(&app, 500 * GB).await;
    let usage = app.collect().await["services"][0].clone();
    assert_eq!((&usage["bandwidth_limit_mb"], &usage["balance_bytes"]), (&json!(0), &Value::Null));
    assert_eq!((&usage["bandwidth_used_mb"], &usage["enabled"]), (&json!(512_000), &json!(true)));
    let renew = json!({"settings": {"traffic_gb_monthly": ""}, "service": {"next_due_date": "2027-01-01"}});
    assert_eq!(app.hook("renew", &app.body_with(41, &renew)).await.ok()["account"], made["account"]);
    let topped = app.hook("add-traffic", &traffic(&app, json!(5), json!("k"))).await.ok();
    assert_eq!(topped["account"], made["account"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_package_keeps_address_counters_and_balance_and_sessions_where_it_can() {
    let app = TestApp::new().await;
    app.foreign("/ppp/profile", &[("name", "gold")]);
    app.create(41).await;
    assert!(app.router.carry("7-41", GB, GB));
    app.router.clear_journal();
    let faster = json!({"settings": {"download_mbps": "50", "upload_mbps": "0.5", "traffic_gb_monthly": "500"},
        "service": {"next_due_date": "2027-01-01", "dedicated_address": "10.8.1.40"}});
    let changed = app.hook("change-package", &app.body_with(41, &faster)).await.ok();
    let account = &changed["account"];
    assert_eq!((&account["address"], &account["balance_bytes"]), (&json!("10.8.0.2"), &json!(10 * GB)));
    assert_eq!((&account["download_kbps"], &account["upload_kbps"]), (&json!(50_000), &json!(500)));
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "500000/50000000");
    assert!(app.router.is_online("7-41"), "a speed is no reason to end a session");
    assert_eq!(app.writes(), ["/queue/simple/set"]);
    assert_eq!(app.hook("change-package", &app.body_with(41, &faster)).await.ok(), changed);
    assert_eq!(app.writes(), ["/queue/simple/set"]);
    app.pass(Duration::hours(1));
    assert_eq!(app.collect().await["services"][0]["balance_bytes"], 8 * GB, "what was counted before is kept");
    for (setting, value) in [("profile", "gold"), ("ppp_service", "l2tp")] {
        let secret = app.secret("7-41", "password").unwrap();
        app.router.hang_up("7-41");
        app.router.connect("7-41", &secret, "l2tp", "198.51.100.7").unwrap();
        let mut over = faster.clone();
        over["settings"]["profile"] = json!("gold");
        over["settings"][setting] = json!(value);
        app.hook("change-package", &app.body_with(41, &over)).await.ok();
        assert!(!app.router.is_online("7-41"), "{setting}");
        assert_eq!(app.secret("7-41", if setting == "profile" { "profile" } else { "service" }).unwrap(), value);
    }
    let missing = app.body_with(41, &json!({"settings": {"profile": "platinum"}}));
    let refused = app.refused("change-package", &missing).await;
    assert_eq!(refused, (422, "setting-invalid".into(), "settings.profile".into()));
    assert_eq!(app.account(41).await["pending"], 0);
    assert_eq!(app.secret("7-41", "profile").unwrap(), "gold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_may_become_unmetered_and_metered_again() {
    let app = TestApp::new().await;
    app.create(41).await;
    spend(&app, 12 * GB).await;
    assert_eq!(app.account(41).await["causes"], json!(["quota"]));
    let unmetered = json!({"settings": {"traffic_gb_monthly": ""}});
    let account = app.hook("change-package", &app.body_with(41, &unmetered)).await.ok()["account"].clone();
    assert_eq!((&account["metered"], &account["causes"], &account["pending"]), (&json!(false), &json!([]), &json!(0)));
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
    let account = app.hook("change-package", &app.body(41)).await.ok()["account"].clone();
    assert_eq!((&account["metered"], &account["causes"]), (&json!(true), &json!(["quota"])), "the debt was never paid");
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    // One that was sold without and becomes metered has its first packet, once.
    let made = app.hook("create", &app.body_with(42, &unmetered)).await.ok();
    app.dial(&made);
    for _ in 0..2 {
        let account = app.hook("change-package", &app.body(42)).await.ok()["account"].clone();
        assert_eq!((&account["balance_bytes"], &account["enabled"]), (&json!(10 * GB), &json!(true)));
    }
    assert!(app.router.is_online("7-42"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_paid_once_and_is_renewed_goes_by_its_renewals() {
    let app = TestApp::new().await;
    app.plan(&with(json!({}))).await;
    let mut body = app.plan_body(41, json!({"traffic_gb_monthly": "100", "traffic_gb_one_time": "100"}));
    (body["service"]["billing_cycle"], body["service"]["next_due_date"]) = (json!("One Time"), json!("0000-00-00"));
    let made = app.hook("create", &body).await.ok();
    app.dial(&made);
    app.step().await;
    assert_eq!(app.account(41).await["next_cycle_bytes"], Value::Null);
    (body["service"]["billing_cycle"], body["service"]["next_due_date"]) = (json!("Monthly"), json!("2026-12-25"));
    app.clock.set("2026-11-25T12:00:00Z".parse().unwrap());
    let renewed = app.hook("renew", &body).await.ok();
    assert_eq!(renewed["account"]["next_cycle_bytes"], 100 * GB);
    let began = app.fair(41).await.cycle_began_at;
    intervene(&app.app, 41, &Change::Bonus(7), "staff/1", "").await.unwrap();
    // The day on which the plan's own cycle would have begun again.
    app.clock.set("2026-12-21T12:00:00Z".parse().unwrap());
    app.step().await;
    assert_eq!((app.fair(41).await.cycle_began_at, app.fair(41).await.bonus.0), (began, 7));
    // What is not said is not unlearned.
    (body["service"]["billing_cycle"], body["service"]["next_due_date"]) = (json!(""), json!("2027-01-25"));
    body["settings"] = json!({});
    app.hook("renew", &body).await.ok();
    assert_eq!(app.account(41).await["next_cycle_bytes"], 100 * GB);
}
