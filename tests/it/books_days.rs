//! Days and months: split at the zone's midnight, kept as long as sold, and the month to date as WHMCS sees it.

use crate::{
    books_check::{assert_books_equal, booked},
    world::{MB, TestApp},
};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Value, json};
use turnpike::usage::history;

async fn days(app: &TestApp, service_id: u64) -> Vec<(String, u64)> {
    let mut conn = app.app.db.read().await.unwrap();
    let days = history::days(&mut conn, service_id, NaiveDate::MIN).await.unwrap();
    days.into_iter().map(|(day, it)| (day.to_string(), it.raw.down.0)).collect()
}

fn day(day: &str, down: u64) -> (String, u64) {
    (day.to_owned(), down)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Reads at the first instant, carries, reads at the second: what the days got.
async fn across(zone: &str, from: &str, to: &str, bytes: u64) -> Vec<(String, u64)> {
    let app = TestApp::with(&format!("time.zone = \"{zone}\"\n")).await;
    app.clock.set(at(from));
    let user = app.create(41).await;
    app.step().await;
    assert!(app.router.carry(&user, bytes, 0));
    let passed = at(to) - at(from);
    app.pass(passed);
    app.step().await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_books_equal(&app.app).await;
    days(&app, 41).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_over_midnight_is_split_by_the_zones_clock() {
    assert_eq!(
        across("UTC", "2026-11-20T23:30:00Z", "2026-11-21T00:30:00Z", 1_001).await,
        [day("2026-11-20", 500), day("2026-11-21", 501)]
    );
    // A day of 25 hours, a half hour each side of it.
    assert_eq!(
        across("Europe/Berlin", "2026-10-24T21:30:00Z", "2026-10-25T23:30:00Z", 5_200).await,
        [day("2026-10-24", 100), day("2026-10-25", 5_000), day("2026-10-26", 100)]
    );
    // A day of 23 hours.
    assert_eq!(
        across("Europe/Berlin", "2026-03-28T22:30:00Z", "2026-03-29T22:30:00Z", 4_800).await,
        [day("2026-03-28", 100), day("2026-03-29", 4_600), day("2026-03-30", 100)]
    );
    // A midnight that does not exist is the instant of the change.
    assert_eq!(
        across("America/Sao_Paulo", "2018-11-04T02:00:00Z", "2018-11-04T04:00:00Z", 100).await,
        [day("2018-11-03", 50), day("2018-11-04", 50)]
    );
    assert_eq!(
        across("Asia/Beirut", "2024-03-30T21:00:00Z", "2024-03-30T23:00:00Z", 100).await,
        [day("2024-03-30", 50), day("2024-03-31", 50)]
    );
}

fn month(services: &Value) -> (u64, u64) {
    let month = &services[0]["month"];
    (month["download_bytes"].as_u64().unwrap(), month["upload_bytes"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_month_to_date_begins_anew_where_the_zones_month_turns() {
    // Half an hour before the 1st of December in Berlin, where UTC has still the 30th of November.
    let app = TestApp::with("time.zone = \"Europe/Berlin\"\n").await;
    app.clock.set(at("2026-11-30T22:30:00Z"));
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 30 * MB, 0));
    app.pass(Duration::minutes(1));
    let usage = app.collect().await;
    assert_eq!(month(&usage["services"]), (30 * MB, 0));
    assert_eq!(usage["month"], "2026-11");
    assert_eq!(app.hook("metrics", &app.body(41)).await.ok()["month"], "2026-11");
    assert_eq!(usage["services"][0]["bandwidth_used_mb"], 30);
    // 29 minutes of November and 31 of December.
    assert!(app.router.carry(&user, 60 * MB, 0));
    app.pass(Duration::minutes(60));
    let usage = app.collect().await;
    assert_eq!(month(&usage["services"]), (31 * MB, 0));
    // Whose figures they are is said, because a WHMCS in UTC is still in November.
    assert_eq!(usage["month"], "2026-12");
    let cron = app.hook("cron", &json!({})).await.ok();
    assert_eq!(cron["month"], "2026-12");
    assert_eq!(usage["services"][0]["bandwidth_used_mb"], 31);
    let metrics = app.hook("metrics", &app.body(41)).await.ok();
    assert_eq!(metrics["month"], "2026-12");
    assert_eq!(metrics["accounts"], json!([{"username": user, "download_bytes": 31 * MB, "upload_bytes": 0}]));
    let page = app.client_area(41).await;
    assert_eq!(
        page["statistics"]["months"],
        json!([
            {"month": "2026-11", "download_bytes": 59 * MB, "upload_bytes": 0},
            {"month": "2026-12", "download_bytes": 31 * MB, "upload_bytes": 0},
        ])
    );
    // A month of which nothing was read yet is nothing, not the last one.
    app.pass(Duration::days(31));
    let metrics = app.hook("metrics", &app.body(41)).await.ok();
    assert_eq!((&metrics["month"], &metrics["accounts"][0]["download_bytes"]), (&json!("2027-01"), &json!(0)));
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_forgotten_as_sold_and_months_are_kept() {
    let app = TestApp::new().await;
    let short = app.create(41).await;
    let long = app.body_with(42, &json!({"settings": {"history_days": "60"}}));
    let made = app.hook("create", &long).await.ok();
    app.dial(&made);
    for _ in 0..70 {
        assert!(app.router.carry(&short, 1_000, 0) && app.router.carry("7-42", 1_000, 0));
        app.pass(Duration::days(1));
        app.step().await;
    }
    // Noon to noon: the days of today and before.
    assert_eq!(days(&app, 41).await.len(), 32);
    assert_eq!(days(&app, 42).await.len(), 60);
    for id in [41, 42] {
        let page = app.client_area(id).await;
        let months = page["statistics"]["months"].as_array().unwrap();
        let sum: u64 = months.iter().map(|it| it["download_bytes"].as_u64().unwrap()).sum();
        assert_eq!((months.len(), sum), (3, 70_000));
        let books = booked(&app.app, id).await;
        assert_eq!((books.total(), books.charged), (70_000, 70_000), "the ledger forgets nothing");
    }
}
