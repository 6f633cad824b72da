//! A customer's life, through the front door.

use crate::world::{GB, TestApp};
use chrono::Duration;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn sell_connect_count_warn_block_renew() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    assert_eq!(made["service"]["username"], "7-41");
    assert_eq!(made["service"]["dedicated_address"], "10.8.0.2");
    assert_eq!(made["account"]["balance_bytes"], 10 * GB);
    assert_eq!(made["account"]["enabled"], true);
    assert_eq!(app.secret("7-41", "comment").unwrap(), "WHMCS|Product ID:41|ada@example.net");
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "5000000/10000000");
    app.dial(&made);

    assert!(app.router.carry("7-41", 6 * GB, GB));
    app.pass(Duration::hours(1));
    let usage = app.collect().await;
    assert_eq!(usage["collected"], 1);
    assert_eq!(usage["services"][0]["month"], json!({"download_bytes": 6 * GB, "upload_bytes": GB}));
    assert_eq!(usage["services"][0]["balance_bytes"], 3 * GB);
    assert_eq!(app.queue("7-41", "bytes").unwrap(), "0/0");
    app.step().await;
    assert!(app.mails().is_empty());

    assert!(app.router.carry("7-41", GB, GB / 2));
    app.pass(Duration::hours(1));
    app.collect().await;
    app.step().await;
    assert_eq!(app.mails().len(), 1);
    assert!(app.mails()[0].contains("Traffic less than 2 GB - 7-41"), "{}", app.mails()[0]);

    assert!(app.router.carry("7-41", 2 * GB, 0));
    app.pass(Duration::hours(1));
    let usage = app.collect().await;
    assert_eq!(usage["services"][0]["causes"], json!(["quota"]));
    app.step().await;
    assert_eq!(app.mails().len(), 2);
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    assert!(!app.router.is_online("7-41"));
    let page = app.client_area(41).await;
    assert_eq!((page["state"].as_str(), page["traffic"]["blocked_by"].as_str()), (Some("blocked"), Some("quota")));
    assert_eq!(page["traffic"]["balance_bytes"], -(GB / 2).cast_signed());
    assert!(page["charts"]["days_svg"].as_str().unwrap().starts_with("<svg"));

    let renewed = app.body_with(41, &json!({"service": {"next_due_date": "2027-01-01"}}));
    let answer = app.hook("renew", &renewed).await.ok();
    assert_eq!(answer["account"]["enabled"], true);
    assert_eq!(answer["account"]["balance_bytes"], 10 * GB - GB / 2);
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "false");
    assert_eq!(app.hook("renew", &renewed).await.ok(), answer);
    app.dial(&made);
    assert_eq!(app.live_page(41).await["connection"]["status"], "online");

    let gone = app.hook("terminate", &app.body(41)).await.ok();
    assert!(app.secret("7-41", "name").is_none() && app.queue("7-41", "name").is_none());
    assert_eq!(app.hook("terminate", &app.body(41)).await.ok(), gone);
    assert_eq!(app.hook("terminate", &app.body(999)).await.ok(), json!({"account": null}));
}
