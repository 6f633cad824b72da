//! One row an account: the open day, rows that a reading need not write, and routers' rows that speak for them.

use crate::{
    books_check::{assert_books_equal, booked, open_resets},
    world::{MB, TestApp},
};
use chrono::{Duration, NaiveDate};
use serde_json::json;
use turnpike::{
    params,
    simulator::{Fault, When},
    sql,
    usage::{counters, history, ledger},
};

async fn rows(app: &TestApp, service_id: u64) -> (u64, u64, u64) {
    let mut conn = app.app.db.read().await.unwrap();
    let sql = sql!(
        "SELECT (SELECT COUNT(*) FROM usage_day WHERE service_id = ?) AS days, \
         (SELECT COUNT(*) FROM usage_month WHERE service_id = ?) AS months, \
         (SELECT COUNT(*) FROM ledger WHERE service_id = ? AND kind = 'usage') AS entries"
    );
    let row = conn.one(sql, params![service_id, service_id, service_id]).await.unwrap().unwrap();
    (row.get("days").unwrap(), row.get("months").unwrap(), row.get("entries").unwrap())
}

/// Creates services whose names are known, the given ones collected at every cron run.
async fn create(app: &TestApp, ids: std::ops::RangeInclusive<u64>, with_cron: &[u64]) {
    for id in ids {
        let collect = if with_cron.contains(&id) { "cron" } else { "daily" };
        let made = app.hook("create", &app.body_with(id, &json!({"settings": {"collect": collect}}))).await.ok();
        app.dial(&made);
    }
}

fn carry(app: &TestApp, id: u64, bytes: u64) {
    assert!(app.router.carry(&format!("7-{id}"), bytes, 1));
}

#[tokio::test]
async fn the_open_day_is_in_every_figure_and_in_no_table_until_it_ends() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.step().await;
    assert!(app.router.carry(&user, 5 * MB, MB));
    app.pass(Duration::minutes(2));
    app.step().await;
    assert_eq!(rows(&app, 41).await, (0, 0, 0));
    let page = app.client_area(41).await;
    assert_eq!(
        page["statistics"]["days"],
        json!([{"date": "2026-11-20", "download_bytes": 5 * MB, "upload_bytes": MB}])
    );
    assert_eq!(
        page["statistics"]["months"],
        json!([{"month": "2026-11", "download_bytes": 5 * MB, "upload_bytes": MB}])
    );
    assert_eq!(app.ledger(41).await.last().unwrap(), &("usage".to_owned(), -6 * MB.cast_signed()));
    assert_books_equal(&app.app).await;
    // The customer is idle over midnight and for a day: the day is closed all the same.
    app.pass(Duration::hours(36));
    app.step().await;
    assert_eq!(rows(&app, 41).await, (1, 1, 1));
    assert!(app.router.carry(&user, MB, 0));
    app.pass(Duration::minutes(2));
    app.step().await;
    assert_eq!(rows(&app, 41).await, (1, 1, 1));
    assert_books_equal(&app.app).await;
    // Terminated: nobody counts it any more.
    app.hook("terminate", &app.body(41)).await.ok();
    assert_eq!(rows(&app, 41).await, (2, 1, 2));
    assert_books_equal(&app.app).await;
    assert_eq!(booked(&app.app, 41).await.total(), 7 * MB);
}

#[tokio::test]
async fn an_interval_begins_at_the_last_reading_also_of_a_counter_that_stood_still() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.step().await;
    for _ in 0..30 {
        app.pass(Duration::hours(1));
        app.step().await;
    }
    assert!(app.router.carry(&user, 9 * MB, 0));
    app.pass(Duration::minutes(1));
    app.step().await;
    let mut conn = app.app.db.read().await.unwrap();
    let days = history::days(&mut conn, 41, NaiveDate::MIN).await.unwrap();
    assert_eq!(
        days.iter().map(|(day, it)| (day.to_string(), it.raw.down.0)).collect::<Vec<_>>(),
        [("2026-11-21".to_owned(), 9 * MB)]
    );
}

#[tokio::test]
async fn readings_write_only_what_moved() {
    let app = TestApp::new().await;
    create(&app, 41..=43, &[]).await;
    app.step().await;
    carry(&app, 42, MB);
    app.pass(Duration::minutes(2));
    app.step().await;
    let mut conn = app.app.db.read().await.unwrap();
    let reading = async |conn: &mut turnpike::db::Conn, id: u64| {
        counters::baseline(conn, id).await.unwrap().map(|it| (it.reading, it.booked_at))
    };
    let now = app.clock.now();
    assert_eq!(reading(&mut conn, 41).await, Some((1, now)), "written by the first, booked by the second");
    assert_eq!(reading(&mut conn, 42).await, Some((2, now)));
}

/// Collected by cron where `with_cron` says so; then everybody moves on. Nothing is lost and nothing is charged twice.
async fn cron_spares(with_cron: &[u64]) {
    let app = TestApp::new().await;
    create(&app, 41..=45, with_cron).await;
    let mut carried = 0;
    for round in 1..=4_u64 {
        for id in 41..=45 {
            carry(&app, id, round * 1_000 + id);
        }
        carried += round * 1_000 * 5 + (41..=45).sum::<u64>();
        app.pass(Duration::minutes(2));
        app.hook("cron", &json!({"hook": {}})).await.ok();
        for id in 41..=45_u64 {
            let left: u64 =
                app.queue(&format!("7-{id}"), "bytes").unwrap().split('/').map(|it| it.parse::<u64>().unwrap()).sum();
            assert_eq!(left == 0, with_cron.contains(&id), "{id} in round {round}");
        }
    }
    app.pass(Duration::minutes(2));
    app.step().await;
    app.collect().await;
    assert_books_equal(&app.app).await;
    let mut down = 0;
    for id in 41..=45 {
        down += booked(&app.app, id).await.down;
    }
    assert_eq!(down, carried);
    assert_eq!(open_resets(&app.app).await, 0);
}

#[tokio::test]
async fn what_cron_does_not_collect_keeps_its_baseline() {
    cron_spares(&[41]).await;
    cron_spares(&[41, 42, 43, 44]).await;
    cron_spares(&[42, 43]).await;
}

#[tokio::test]
async fn what_a_collection_did_not_reset_is_not_taken_for_reset() {
    // The queue of 43 is away while the others are collected; 42's was made anew by hand, with another id.
    let app = TestApp::new().await;
    create(&app, 41..=43, &[]).await;
    for id in 41..=43 {
        carry(&app, id, 10 * MB);
    }
    app.pass(Duration::minutes(2));
    app.step().await;
    app.router.world(|world| world.put("/queue/simple", "7-43", "name", "elsewhere"));
    let skipped = app.collect().await["skipped"].clone();
    assert_eq!(skipped[0]["service_id"], 43);
    app.router.world(|world| world.put("/queue/simple", "elsewhere", "name", "7-43"));
    for id in 41..=43 {
        carry(&app, id, MB);
    }
    app.pass(Duration::minutes(2));
    app.step().await;
    for id in 41..=43 {
        assert_eq!(booked(&app.app, id).await.down, 11 * MB, "{id}");
    }
    assert_books_equal(&app.app).await;
}

#[tokio::test]
async fn a_run_of_resets_that_was_killed_is_judged_by_the_next_reading() {
    // Killed after the routers' own reset and before it was heard of: the counters stand at zero and move on.
    for scope in ["usage-update", "cron"] {
        let mut app = TestApp::new().await;
        create(&app, 41..=43, &[41, 42]).await;
        for id in 41..=43 {
            carry(&app, id, 10 * MB);
        }
        app.pass(Duration::minutes(2));
        app.router.fault_at(When::at("/queue/simple/reset-counters"), Fault::ApplyThenSilence);
        let service = app.app.clone();
        let which =
            if scope == "cron" { turnpike::work::collect::Scope::Cron } else { turnpike::work::collect::Scope::All };
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        let run = tokio::spawn(async move { turnpike::work::collect::run(&service, 3, which, until).await });
        while app.commands("/queue/simple/reset-counters") == 0 {
            tokio::task::yield_now().await;
        }
        run.abort();
        let _ = run.await;
        assert_eq!(open_resets(&app.app).await, 1, "the run");
        app.restart().await;
        app.router.clear_faults();
        for id in 41..=43 {
            carry(&app, id, MB);
        }
        // The killed one's lease runs out.
        app.pass(Duration::minutes(3));
        app.step().await;
        assert_eq!(open_resets(&app.app).await, 0);
        for id in 41..=43 {
            assert_eq!(booked(&app.app, id).await.down, 11 * MB, "{id} after {scope}");
        }
        assert_books_equal(&app.app).await;
    }
}

#[tokio::test]
async fn the_ledger_shows_the_open_day_once_also_where_part_of_it_was_closed() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    app.step().await;
    assert!(app.router.carry(&user, 5 * MB, 0));
    app.hook("terminate", &app.body(41)).await.ok();
    let user = app.create(41).await;
    app.step().await;
    assert!(app.router.carry(&user, MB, 0));
    app.pass(Duration::minutes(2));
    app.step().await;
    let mut conn = app.app.db.read().await.unwrap();
    let usage: Vec<_> =
        ledger::latest(&mut conn, 41, 50).await.unwrap().into_iter().filter(|it| it.kind == "usage").collect();
    assert_eq!(usage.iter().map(|it| it.bytes).collect::<Vec<_>>(), [-6 * MB.cast_signed()]);
    assert_books_equal(&app.app).await;
}

/// The clock was set back a little, so that counters read before are not read again for a moment: who is read and reset then
/// is not all there is. The others' counters stand as they stood.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_read_a_moment_ago_by_a_clock_ahead_is_not_taken_for_reset() {
    let app = TestApp::new().await;
    create(&app, 41..=43, &[]).await;
    for _ in 0..2 {
        app.pass(Duration::minutes(2));
        (41..=43).for_each(|id| carry(&app, id, 5 * MB));
        app.step().await;
    }
    app.clock.set(app.clock.now() - Duration::seconds(8));
    create(&app, 44..=44, &[]).await;
    carry(&app, 44, MB);
    let clock = app.clock.clone();
    // The router takes its time, and the clock comes past where it was.
    app.router.fault_at(When::at("/queue/simple/print"), Fault::call(move |_| clock.advance(Duration::seconds(9))));
    app.collect().await;
    assert_eq!(app.router.world(|world| world.counters("/queue/simple", "7-41").unwrap().down), 10 * MB, "not reset");
    assert_eq!(app.router.world(|world| world.counters("/queue/simple", "7-44").unwrap().down), 0, "reset");
    for _ in 0..2 {
        app.pass(Duration::minutes(2));
        app.step().await;
    }
    for id in 41..=44 {
        assert_eq!(app.uncharged(&format!("7-{id}"), booked(&app.app, id).await), 0, "{id}");
    }
    assert_books_equal(&app.app).await;
}
