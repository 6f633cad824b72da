//! Client-area and admin-tab: every state, and nothing that is not known is said (contract §6).

use crate::world::{GB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_page_has_its_exact_shape() {
    let app = TestApp::new().await;
    let over = json!({"settings": {"instruction_url": "https://example.net/how"}});
    let made = app.hook("create", &app.body_with(41, &over)).await.ok();
    let before = app.live_page(41).await;
    assert_eq!(
        before["connection"],
        json!({"status": "offline", "as_of": "2026-11-20T12:00:00Z", "address": null, "caller_id": null,
               "service": null, "uptime_seconds": null})
    );
    assert_eq!(before["statistics"], json!({"days": [], "months": []}));
    app.dial(&made);
    app.router.pass(std::time::Duration::from_secs(61));
    assert!(app.router.carry("7-41", 3 * GB, GB));
    app.pass(Duration::minutes(5));
    app.collect().await;
    let page = app.live_page(41).await;
    let mut top = keys(&page);
    top.sort_unstable();
    assert_eq!(top, ["charts", "connection", "information", "netflow", "plan", "state", "statistics", "traffic"]);
    assert_eq!(page["state"], "active");
    assert_eq!(
        page["information"],
        json!({"instruction_url": "https://example.net/how", "server_address": "vpn1.example.net",
               "protocols": ["PPtP", "L2TP"], "l2tp_psk": "shared-by-all", "username": "7-41",
               "password": made["service"]["password"], "download_kbps": 10_000, "upload_kbps": 5000})
    );
    assert_eq!(
        page["connection"],
        json!({"status": "online", "as_of": "2026-11-20T12:05:00Z", "address": "10.8.0.2",
               "caller_id": "198.51.100.7", "service": "l2tp", "uptime_seconds": 361})
    );
    assert_eq!(
        page["traffic"],
        json!({"metered": true, "balance_bytes": 6 * GB, "next_cycle_bytes": 10 * GB,
               "next_cycle_date": "2026-12-01", "blocked_by": null, "bytes_per_gb": GB})
    );
    assert_eq!(
        page["statistics"],
        json!({"days": [{"date": "2026-11-20", "download_bytes": 3 * GB, "upload_bytes": GB}],
               "months": [{"month": "2026-11", "download_bytes": 3 * GB, "upload_bytes": GB}]})
    );
    for chart in ["days_svg", "months_svg"] {
        roxmltree::Document::parse(page["charts"][chart].as_str().unwrap()).unwrap();
    }
    assert_eq!(page["netflow"], Value::Null);
    let polish = app.body_with(41, &json!({"client": {"language": "polish"}}));
    let drawn = app.hook("client-area", &polish).await.ok()["charts"]["days_svg"].as_str().unwrap().to_owned();
    assert!(drawn.contains("Pobieranie 3.00 GB"), "in the language that the bridge shows the page in: {drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_told_apart() {
    let app = TestApp::new().await;
    assert_eq!(app.client_area(41).await["state"], "missing", "never made");
    let status = |status: &str| app.body_with(41, &json!({"service": {"status": status}}));
    assert_eq!(app.hook("client-area", &status("Pending")).await.ok()["state"], "inactive");
    app.create(41).await;
    for inactive in ["Pending", "Suspended", "Terminated", "Cancelled", "Fraud", "Completed"] {
        let page = app.hook("client-area", &status(inactive)).await.ok();
        assert_eq!(page["state"], "inactive", "{inactive}");
    }
    assert_eq!(app.hook("client-area", &status("Active")).await.ok()["state"], "active");
    for (block, free, by) in [("suspend", "unsuspend", "billing"), ("admin-block", "admin-unblock", "admin")] {
        app.hook(block, &app.body(41)).await.ok();
        let page = app.client_area(41).await;
        assert_eq!((&page["state"], &page["traffic"]["blocked_by"]), (&json!("blocked"), &json!(by)));
        app.hook(free, &app.body(41)).await.ok();
    }
    let spent = app.body_with(41, &json!({"hook": {"bytes": -(10 * GB as i64), "key": "k"}}));
    app.hook("add-traffic", &spent).await.ok();
    let page = app.client_area(41).await;
    assert_eq!((&page["state"], &page["traffic"]["blocked_by"]), (&json!("blocked"), &json!("quota")));
    app.router.world(|world| world.remove_row("/ppp/secret", "7-41"));
    assert_eq!(app.live_page(41).await["state"], "missing", "not on the router");
    let stranger = [("name", "7-41"), ("password", "theirs"), ("comment", "theirs")];
    app.foreign("/ppp/secret", &stranger);
    assert_eq!(app.live_page(41).await["state"], "missing", "a stranger's is not ours");
    app.router.world(|world| world.remove_row("/ppp/secret", "7-41"));
    app.hook("terminate", &app.body(41)).await.ok();
    assert_eq!(app.client_area(41).await["state"], "missing");
    assert_eq!(app.hook("client-area", &status("Terminated")).await.ok()["state"], "inactive");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_and_the_key_follow_the_product() {
    let app = TestApp::new().await;
    for (service, pptp, l2tp, protocols, key) in [
        (41, "", "", json!([]), Value::Null),
        (42, "on", "", json!(["PPtP"]), Value::Null),
        (43, "off", "yes", json!(["L2TP"]), json!("k \u{e9}y")),
        (44, "1", "true", json!(["PPtP", "L2TP"]), json!("k \u{e9}y")),
    ] {
        let over = json!({"settings": {"support_pptp": pptp, "support_l2tp": l2tp, "l2tp_psk": "k \u{e9}y"}});
        app.hook("create", &app.body_with(service, &over)).await.ok();
        let page = app.client_area(service).await;
        let information = &page["information"];
        assert_eq!((&information["protocols"], &information["l2tp_psk"]), (&protocols, &key));
        assert_eq!(information["instruction_url"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_never_shows_more_days_than_the_product_keeps_and_months_for_ever() {
    let app = TestApp::new().await;
    app.create(41).await;
    for _ in 0..40 {
        app.router.carry("7-41", GB / 8, 0);
        app.pass(Duration::days(1));
        app.collect().await;
        app.step().await;
    }
    let page = app.client_area(41).await;
    let days = page["statistics"]["days"].as_array().unwrap();
    assert!(days.len() <= 32 && days.len() >= 31, "{}", days.len());
    let dates: Vec<&str> = days.iter().map(|it| it["date"].as_str().unwrap()).collect();
    assert!(dates.is_sorted() && dates[0] >= "2026-11-29" && *dates.last().unwrap() == "2026-12-30", "{dates:?}");
    let months: Vec<_> =
        page["statistics"]["months"].as_array().unwrap().iter().map(|it| it["month"].clone()).collect();
    assert_eq!(months, [json!("2026-11"), json!("2026-12")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admins_tab_says_what_staff_ask_for() {
    let app = TestApp::new().await;
    let tab = app.hook("admin-tab", &app.body(41)).await.ok();
    assert_eq!(tab["account"], Value::Null);
    assert!(tab["fields"][0]["value"].as_str().unwrap().contains("Create"));
    let made = app.hook("create", &app.body(41)).await.ok();
    let tab = app.hook("admin-tab", &app.body(41)).await.ok();
    assert_eq!(tab["account"], made["account"]);
    let fields = tab["fields"].as_array().unwrap();
    for field in fields {
        assert!(field["label"].is_string() && field["value"].is_string(), "{field}");
    }
    let labels: Vec<_> = fields.iter().map(|it| it["label"].as_str().unwrap()).collect();
    assert_eq!(labels[..2], ["Account", "Address"]);
    let password = made["service"]["password"].as_str().unwrap();
    assert!(!tab.to_string().contains(password) && !tab.to_string().contains("shared-by-all"));
    assert!(!tab.to_string().contains("router-password"));
}
