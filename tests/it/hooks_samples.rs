//! Sample pairs of every hook, `tests/protocol/<hook>.json`: the answer to each request is what the file says. Values that
//! differ from run to run stand as `<…>`; no file holds a secret. `TURNPIKE_WRITE_SAMPLES=1` writes them anew.

use crate::world::{GB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};
use std::path::PathBuf;

fn file(hook: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/protocol").join(format!("{hook}.json"))
}

/// Secrets and figures of the run, told by their names.
fn masked(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), &*value) {
                    ("password" | "l2tp_psk", Value::String(text)) if !text.is_empty() => *value = json!("<secret>"),
                    ("reference", Value::String(_)) => *value = json!("<reference>"),
                    ("days_svg" | "months_svg", Value::String(_)) => *value = json!("<svg …>"),
                    ("port", Value::Number(_)) => *value = json!("<port>"),
                    _ => masked(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(masked),
        _ => {}
    }
}

async fn sample(app: &TestApp, hook: &str, body: Value) {
    let answer = app.hook(hook, &body).await;
    let mut pair = json!({"request": body, "status": answer.status, "answer": answer.body});
    masked(&mut pair);
    let path = file(hook);
    if std::env::var_os("TURNPIKE_WRITE_SAMPLES").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&pair).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is not there", path.display()));
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(pair, written, "{hook}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hook_answers_as_its_sample_says() {
    let app = TestApp::with("mail.transport = \"whmcs\"\n").await;
    let with = |over: Value| app.body_with(41, &over);
    sample(&app, "test-connection", app.body(41)).await;
    sample(&app, "options", app.body(41)).await;
    let cron = json!({"settings": {"collect": "cron"}, "options": {"traffic_gb": "20"}});
    sample(&app, "create", with(cron)).await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    app.pass(Duration::minutes(10));
    assert!(app.router.carry("7-41", 8 * GB, GB));
    sample(&app, "usage-update", app.body(41)).await;
    sample(&app, "suspend", with(json!({"hook": {"reason": "Overdue on payment"}}))).await;
    sample(&app, "unsuspend", app.body(41)).await;
    sample(&app, "admin-block", with(json!({"hook": {"reason": "abuse report"}}))).await;
    sample(&app, "admin-unblock", app.body(41)).await;
    sample(&app, "renew", with(json!({"service": {"next_due_date": "2027-01-01"}}))).await;
    sample(&app, "change-package", with(json!({"settings": {"download_mbps": "50", "collect": "cron"}}))).await;
    sample(&app, "add-traffic", with(json!({"hook": {"bytes": -20 * GB as i64, "key": "order-7", "note": "refund"}})))
        .await;
    app.pass(Duration::minutes(10));
    sample(
        &app,
        "cron",
        json!({"whmcs": {"version": "8.13.1", "bridge": "1.0.0"}, "hook": {"delivered": [], "failed": []}}),
    )
    .await;
    sample(&app, "client-area", app.body(41)).await;
    sample(&app, "admin-tab", app.body(41)).await;
    sample(&app, "metrics", app.body(41)).await;
    sample(&app, "list-accounts", app.body(41)).await;
    let plan = json!({"name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M"});
    assert_eq!(app.send("POST", "/v1/plans", &plan).await.status, 201);
    app.hook("change-package", &with(json!({"settings": {"plan": "Gold"}}))).await.ok();
    sample(&app, "fup-reset", with(json!({"hook": {"what": "daily", "key": "invoice-7-1", "note": "paid"}}))).await;
    sample(&app, "disconnect", app.body(41)).await;
    sample(&app, "change-password", with(json!({"service": {"password": "a new one"}}))).await;
    sample(&app, "terminate", app.body(41)).await;
    let samples = std::fs::read_dir(file("x").parent().unwrap()).unwrap();
    let count = samples.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "json")).count();
    assert_eq!(count, 20, "a sample for every hook");
}
