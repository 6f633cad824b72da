//! What the client page is told of the plan, through the front door (contract §6, what it allows to be added).

use crate::world::{GB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};

/// A plan with a step of the day, a quota of the cycle, free hours at night and a price for a reset.
fn gold(more: &Value) -> Value {
    let mut body = json!({
        "name": "Gold", "commercial_name": "Gold 10", "price": "9.90", "reset_price": "2.50",
        "download_speed": "10M", "upload_speed": "2M",
        "fup1_threshold": "5 GB", "fup1_download_speed": "4M", "fup1_upload_speed": "512k",
        "monthly_quota": "50 GB", "quota_action": "throttle", "quota_download_speed": "64k", "quota_upload_speed": "64k",
        "time_based_speed_enabled": true, "time_from": "22:00", "time_to": "06:00", "download_ratio": 100,
        "upload_ratio": 50,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn sold(app: &TestApp, more: &Value) -> Value {
    app.plan(&gold(more)).await;
    let over = json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": "", "traffic_gb_monthly": ""}});
    app.hook("create", &app.body_with(41, &over)).await.ok()
}

async fn page(app: &TestApp) -> Value {
    app.client_area(41).await["plan"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_on_no_plan_has_none() {
    let app = TestApp::new().await;
    assert_eq!(page(&app).await, Value::Null, "nor one that was never made");
    app.create(41).await;
    assert_eq!(page(&app).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_says_its_speed_and_why_and_what_comes_next() {
    let app = TestApp::new().await;
    let made = sold(&app, &json!({})).await;
    let fresh = page(&app).await;
    assert_eq!(
        (&fresh["name"], &fresh["slowed"], &fresh["why"]["code"]),
        (&json!("Gold 10"), &json!(false), &json!("full"))
    );
    assert_eq!(fresh["reset"], json!({"price": "2.50", "offered": false}), "there is nothing to reset");
    assert_eq!(fresh["today"]["next_threshold_bytes"], 5 * GB);
    app.dial(&made);
    app.pass(Duration::hours(2));
    assert!(app.router.carry("7-41", 5 * GB, GB));
    app.collect().await;
    let slowed = page(&app).await;
    assert_eq!(slowed["full"], json!({"download_kbps": 10_000, "upload_kbps": 2_000}));
    assert_eq!(slowed["current"], json!({"download_kbps": 4_000, "upload_kbps": 512}));
    assert_eq!((&slowed["rate"], &slowed["slowed"]), (&json!("512k/4000k"), &json!(true)));
    assert_eq!(slowed["why"], json!({"code": "daily", "level": 1, "quota": null, "blocked": false}));
    assert_eq!(slowed["level"], json!({"daily": 1, "monthly": 0}));
    let today = &slowed["today"];
    assert_eq!((&today["used_bytes"], &today["download_bytes"]), (&json!(6 * GB), &json!(5 * GB)));
    assert_eq!((&today["next_threshold_bytes"], &today["quota_bytes"]), (&Value::Null, &Value::Null));
    assert_eq!(today["resets_at"], "2026-11-21T00:05:00Z");
    let cycle = &slowed["cycle"];
    assert_eq!((&cycle["quota_bytes"], &cycle["resets_on"]), (&json!(50 * GB), &json!("2026-12-01")));
    assert_eq!(
        slowed["free_hours"],
        json!({"on_now": false, "from": "22:00", "to": "06:00", "download_ratio": 100, "upload_ratio": 50, "ends_at": null,
               "begins_at": "2026-11-20T22:00:00Z"})
    );
    assert_eq!(slowed["reset"], json!({"price": "2.50", "offered": true}));
    assert_eq!((&slowed["as_of"], &slowed["time_zone"]), (&json!("2026-11-20T14:00:00Z"), &json!("UTC")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_of_the_day_is_offered_only_where_it_helps() {
    let month = |more: Value| {
        let mut all = json!({"monthly_quota": "0", "quota_action": "block"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    for (what, more, offered) in [
        ("the day's step", json!({}), true),
        ("the day's quota", month(json!({"daily_quota": "5 GB"})), true),
        ("the cycle's quota stays", month(json!({"monthly_quota": "5 GB"})), false),
        ("both quotas", month(json!({"monthly_quota": "5 GB", "daily_quota": "5 GB"})), false),
        (
            "the cycle's step is slower",
            json!({"monthly_fup1_threshold": "5 GB", "monthly_fup1_download_speed": "1M", "monthly_fup1_upload_speed": "1M"}),
            false,
        ),
        (
            "the cycle's step is as slow, and slower up",
            json!({"monthly_fup1_threshold": "5 GB", "monthly_fup1_download_speed": "4M", "monthly_fup1_upload_speed": "64k"}),
            false,
        ),
        (
            "the cycle's step is faster",
            json!({"monthly_fup1_threshold": "5 GB", "monthly_fup1_download_speed": "5M", "monthly_fup1_upload_speed": "1M"}),
            true,
        ),
    ] {
        let app = TestApp::new().await;
        let made = sold(&app, &more).await;
        app.dial(&made);
        app.pass(Duration::hours(2));
        assert!(app.router.carry("7-41", 6 * GB, 0));
        app.collect().await;
        let shown = page(&app).await;
        assert_eq!((&shown["level"]["daily"], &shown["reset"]["offered"]), (&json!(1), &json!(offered)), "{what}");
        for (off, on) in [("suspend", "unsuspend"), ("admin-block", "admin-unblock")] {
            app.hook(off, &app.body(41)).await.ok();
            assert_eq!(page(&app).await["reset"]["offered"], false, "{what}: {off}");
            app.hook(on, &app.body(41)).await.ok();
        }
        assert_eq!(page(&app).await["reset"]["offered"], offered, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reset_is_offered_to_an_empty_balance() {
    let app = TestApp::new().await;
    app.plan(&gold(&json!({}))).await;
    let over = json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": "", "traffic_gb_monthly": "6"}});
    let made = app.hook("create", &app.body_with(41, &over)).await.ok();
    app.dial(&made);
    app.pass(Duration::hours(2));
    for (bytes, offered) in [(5 * GB, true), (GB, false)] {
        assert!(app.router.carry("7-41", bytes, 0));
        app.collect().await;
        assert_eq!(page(&app).await["reset"]["offered"], offered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_has_ended_is_not_shown_although_nobody_has_read_since() {
    let app = TestApp::new().await;
    let made = sold(&app, &json!({})).await;
    app.dial(&made);
    app.pass(Duration::hours(2));
    assert!(app.router.carry("7-41", 6 * GB, 0));
    app.collect().await;
    assert_eq!(page(&app).await["slowed"], true);
    app.pass(Duration::hours(12));
    let night = page(&app).await;
    assert_eq!((&night["slowed"], &night["today"]["used_bytes"]), (&json!(false), &json!(0)));
    assert_eq!((&night["cycle"]["used_bytes"], &night["reset"]["offered"]), (&json!(6 * GB), &json!(false)));
    assert_eq!(night["as_of"], "2026-11-20T14:00:00Z", "and when it was read last is said");
    assert_eq!(
        (&night["free_hours"]["on_now"], &night["free_hours"]["ends_at"]),
        (&json!(true), &json!("2026-11-21T06:00:00Z"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_reset_gives_the_full_speed_back_once_for_its_key() {
    let app = TestApp::new().await;
    let made = sold(&app, &json!({})).await;
    app.dial(&made);
    app.pass(Duration::hours(2));
    assert!(app.router.carry("7-41", 6 * GB, 0));
    app.collect().await;
    let paid =
        json!({"service": {"id": 41}, "hook": {"what": "daily", "key": "invoice-7-9", "note": "paid with invoice 7"}});
    app.hook("fup-reset", &paid).await.ok();
    let reset = page(&app).await;
    assert_eq!((&reset["slowed"], &reset["today"]["used_bytes"]), (&json!(false), &json!(0)));
    assert_eq!(reset["cycle"]["used_bytes"], 6 * GB);
    assert_eq!(app.queue("7-41", "max-limit").as_deref(), Some("2000000/10000000"));
    app.pass(Duration::hours(1));
    assert!(app.router.carry("7-41", 5 * GB, 0));
    app.collect().await;
    app.hook("fup-reset", &paid).await.ok();
    assert_eq!(page(&app).await["slowed"], true, "the same payment again changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_shows_what_counts_where_that_is_less() {
    let app = TestApp::new().await;
    let made = sold(&app, &json!({})).await;
    app.dial(&made);
    app.pass(Duration::hours(10));
    app.collect().await;
    app.pass(Duration::hours(1));
    assert!(app.router.carry("7-41", 4 * GB, 2 * GB));
    app.collect().await;
    let page = app.client_area(41).await;
    let day = json!({"date": "2026-11-20", "download_bytes": 4 * GB, "upload_bytes": 2 * GB, "counted_download_bytes": 0,
                     "counted_upload_bytes": GB});
    assert_eq!(page["statistics"]["days"], json!([day]));
    assert!(page["charts"]["days_svg"].as_str().unwrap().contains("Not counted 5.00 GB"));
    assert_eq!(page["plan"]["today"]["used_bytes"], GB);
}
