//! Figures on sheets: every reader is told the same of them as of an account's own row; whoever changes an account takes it
//! out, and a reading seats it again; sheets are divided, close their days, and lose nothing to whoever is quicker.

use crate::{
    books_check::{assert_books_equal, booked},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use turnpike::{account::Account, params, sheet, sql};

/// Which accounts are seated.
async fn seated(app: &TestApp) -> Vec<u64> {
    let mut conn = app.app.db.read().await.unwrap();
    let sql = sql!("SELECT service_id FROM standing WHERE seated = 1 ORDER BY service_id");
    conn.rows(sql, vec![]).await.unwrap().iter().map(|row| row.get("service_id").unwrap()).collect()
}

async fn take_out(app: &TestApp, ids: &[u64]) {
    let mut tx = app.app.db.begin().await.unwrap();
    sheet::take_out(&mut tx, ids).await.unwrap();
    tx.commit().await.unwrap();
}

/// Everybody moves something, and the router is read.
async fn move_on(app: &TestApp, ids: &[u64], bytes: u64) {
    for id in ids {
        assert!(app.router.carry(&format!("7-{id}"), bytes + id, 3));
    }
    app.pass(Duration::minutes(2));
    app.step().await;
}

/// All that is told of some accounts, by everything that tells.
async fn told(app: &TestApp, ids: &[u64]) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    for id in ids {
        told.insert(format!("page {id}"), app.client_area(*id).await);
        told.insert(format!("tab {id}"), app.hook("admin-tab", &app.body(*id)).await.ok());
        told.insert(format!("ledger {id}"), json!(app.ledger(*id).await));
        let booked = booked(&app.app, *id).await;
        told.insert(format!("booked {id}"), json!([booked.down, booked.up, booked.charged, booked.balance]));
    }
    told.insert("metrics".to_owned(), app.hook("metrics", &app.body(ids[0])).await.ok());
    told.insert("list".to_owned(), app.hook("list-accounts", &app.body(ids[0])).await.ok());
    told
}

#[tokio::test]
async fn every_reader_is_told_the_same_of_a_sheet_and_of_a_row() {
    let app = TestApp::new().await;
    let ids: Vec<u64> = (41..=51).collect();
    for id in &ids {
        app.create(*id).await;
    }
    move_on(&app, &ids, MB).await;
    move_on(&app, &ids, 5 * MB).await;
    assert_eq!(seated(&app).await, ids);
    // Where nothing has moved WHMCS is told what stands already.
    let (on_sheets, usage) = (told(&app, &ids).await, app.hook("usage-update", &app.body(1)).await.ok());
    assert_eq!(on_sheets["booked 41"], json!([6 * MB + 82, 6, 6 * MB + 88, 10 * GB - 6 * MB - 88]));
    take_out(&app, &ids).await;
    assert_eq!(seated(&app).await, Vec::<u64>::new());
    for (what, on_sheet) in on_sheets {
        assert_eq!(told(&app, &ids).await[&what], on_sheet, "{what}");
    }
    let again = app.hook("usage-update", &app.body(1)).await.ok();
    assert_eq!(again["services"].as_array().unwrap().len(), ids.len());
    assert_eq!(again["services"], usage["services"]);
    assert_books_equal(&app.app).await;
}

#[tokio::test]
async fn who_changes_an_account_takes_it_out_and_a_reading_seats_it_again() {
    let app = TestApp::new().await;
    let ids: Vec<u64> = (41..=46).collect();
    for id in &ids {
        app.create(*id).await;
    }
    move_on(&app, &ids, MB).await;
    move_on(&app, &ids, MB).await;
    let more = json!({"hook": {"bytes": 7, "key": "k"}});
    // Each, and what brings the account back.
    let hooks = [
        ("add-traffic", None),
        ("suspend", Some("unsuspend")),
        ("admin-block", Some("admin-unblock")),
        ("renew", None),
    ];
    for (hook, back) in hooks {
        assert_eq!(seated(&app).await, ids, "before {hook}");
        let before = app.balance(43).await;
        app.hook(hook, &app.body_with(43, &more)).await.ok();
        assert_eq!(seated(&app).await, [41, 42, 44, 45, 46], "after {hook}");
        assert_eq!(app.balance(43).await, before + if hook == "add-traffic" { 7 } else { 0 }, "{hook}");
        if let Some(back) = back {
            app.hook(back, &app.body(43)).await.ok();
            app.pass(Duration::minutes(2));
            app.step().await;
            let password = app.secret("7-43", "password").unwrap();
            app.router.connect("7-43", &password, "l2tp", "198.51.100.7").unwrap();
        }
        assert_books_equal(&app.app).await;
        move_on(&app, &ids, MB).await;
        assert_eq!(app.uncharged("7-43", booked(&app.app, 43).await), 0, "{hook}");
    }
    app.hook("terminate", &app.body(44)).await.ok();
    move_on(&app, &[41, 42, 43, 45, 46], MB).await;
    assert_eq!(seated(&app).await, [41, 42, 43, 45, 46]);
    assert_books_equal(&app.app).await;
}

#[tokio::test]
async fn a_reading_that_decides_upon_who_is_seated_books_it_once() {
    let app = TestApp::new().await;
    let ids: Vec<u64> = (41..=43).collect();
    for id in &ids {
        app.create(*id).await;
    }
    move_on(&app, &ids, MB).await;
    move_on(&app, &ids, MB).await;
    assert_eq!(seated(&app).await, ids);
    // Of ten gigabytes: below the threshold, then used up.
    for (bytes, mails) in [(9 * GB, 1), (2 * GB, 2)] {
        assert!(app.router.carry("7-42", bytes, 5));
        move_on(&app, &[41, 43], MB).await;
        assert_eq!(seated(&app).await, [41, 43]);
        assert_eq!(app.mails().len(), mails);
        for id in &ids {
            assert_eq!(app.uncharged(&format!("7-{id}"), booked(&app.app, *id).await), 0, "{id}");
        }
        assert_books_equal(&app.app).await;
        if mails == 1 {
            move_on(&app, &ids, MB).await;
            assert_eq!(seated(&app).await, ids);
        }
    }
    assert_eq!(app.account(42).await["enabled"], false);
}

#[tokio::test]
async fn sheets_are_divided_as_accounts_come_in_any_order() {
    let app = TestApp::new().await;
    let mut ids = Vec::new();
    for some in [vec![60, 90], vec![41, 75, 61], vec![62, 63, 64, 65, 42, 40], vec![89, 88, 87, 86, 1_000_000]] {
        for id in &some {
            app.create(*id).await;
        }
        ids.extend(some);
        move_on(&app, &ids, MB).await;
        move_on(&app, &ids, MB).await;
        app.collect().await;
    }
    move_on(&app, &ids, MB).await;
    ids.sort_unstable();
    assert_eq!(seated(&app).await, ids);
    let sheets = {
        let mut conn = app.app.db.read().await.unwrap();
        let sql = sql!("SELECT first_id, LENGTH(figures) AS bytes FROM sheet ORDER BY first_id");
        let rows = conn.rows(sql, vec![]).await.unwrap();
        rows.iter().map(|row| row.get::<u64>("bytes").unwrap() / 104).collect::<Vec<_>>()
    };
    assert!(sheets.len() > 4 && sheets.iter().all(|it| *it <= 4), "{sheets:?}");
    for id in &ids {
        let user = format!("7-{id}");
        assert_eq!(app.uncharged(&user, booked(&app.app, *id).await), 0, "{id}");
    }
    assert_books_equal(&app.app).await;
}

#[tokio::test]
async fn days_that_end_on_sheets_are_closed_also_of_who_stands_still() {
    let app = TestApp::new().await;
    let ids: Vec<u64> = (41..=49).collect();
    for id in &ids {
        app.create(*id).await;
    }
    move_on(&app, &ids, MB).await;
    move_on(&app, &ids, MB).await;
    assert_eq!(seated(&app).await, ids);
    let closed = async || {
        let mut conn = app.app.db.read().await.unwrap();
        let days = sql!("SELECT COUNT(*) AS n FROM usage_day WHERE day = '2026-11-20'");
        conn.one(days, params![]).await.unwrap().unwrap().get::<u64>("n").unwrap()
    };
    // Past midnight only two move: their day is closed by the reading, and the others' by the work of the night after.
    app.pass(Duration::hours(13));
    move_on(&app, &[42, 48], MB).await;
    assert_eq!((closed().await, seated(&app).await), (2, ids.clone()));
    assert_books_equal(&app.app).await;
    app.pass(Duration::hours(24));
    app.step().await;
    assert_eq!(closed().await, 9);
    let mut conn = app.app.db.read().await.unwrap();
    let old = sql!("SELECT COUNT(*) AS n FROM sheet WHERE first_day < '2026-11-21'");
    assert_eq!(conn.one(old, params![]).await.unwrap().unwrap().get::<u64>("n").unwrap(), 0);
    drop(conn);
    assert_eq!(seated(&app).await, [42, 48]);
    assert_books_equal(&app.app).await;
    move_on(&app, &ids, MB).await;
    assert_eq!(seated(&app).await, ids);
    for id in &ids {
        assert_eq!(app.uncharged(&format!("7-{id}"), booked(&app.app, *id).await), 0, "{id}");
    }
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_and_readings_at_once_lose_nothing_to_each_other() {
    let app = TestApp::new().await;
    let ids: Vec<u64> = (41..=52).collect();
    for id in &ids {
        app.create(*id).await;
    }
    move_on(&app, &ids, MB).await;
    move_on(&app, &ids, MB).await;
    let before: BTreeMap<u64, i64> = {
        let mut before = BTreeMap::new();
        for id in &ids {
            before.insert(*id, app.balance(*id).await + booked(&app.app, *id).await.charged.cast_signed());
        }
        before
    };
    for round in 0..6_u64 {
        for id in &ids {
            assert!(app.router.carry(&format!("7-{id}"), 1_000 + id, round));
        }
        app.pass(Duration::minutes(2));
        let hooks = futures_util::future::join_all(ids.iter().map(|id| {
            let over = json!({"hook": {"bytes": 1, "key": format!("{round}")}});
            let body = app.body_with(*id, &over);
            let app = &app;
            async move { app.hook("add-traffic", &body).await.ok() }
        }));
        let looks = futures_util::future::join_all(ids.iter().map(|id| app.client_area(*id)));
        let (_, _, collected) = tokio::join!(hooks, looks, app.collect());
        assert_eq!(collected["collected"], 12, "{collected}");
    }
    for id in &ids {
        let booked = booked(&app.app, *id).await;
        assert_eq!(booked.balance, before[id] + 6 - booked.charged.cast_signed(), "{id}");
        assert_eq!(app.uncharged(&format!("7-{id}"), booked), 0, "{id}");
    }
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_waits_for_no_row_of_another_router() {
    let app = TestApp::new().await;
    if !app.app.db.is_shared() {
        return;
    }
    // One more than are in hand at a time.
    for id in 41..=48 {
        app.create(id).await;
    }
    // The same router under another number: its account comes after ours, and somebody holds it.
    let other = json!({"server": {"id": 9, "name": "core-9"}, "product": {"id": 9}});
    app.hook("create", &app.body_with(60, &other)).await.ok();
    let mut tx = app.app.db.begin().await.unwrap();
    assert_eq!(Account::find_locked(&mut tx, 60).await.unwrap().unwrap().server_id, 9);
    for _ in 0..2 {
        assert_eq!(app.collect().await["collected"], 8);
        app.pass(Duration::minutes(2));
    }
    // MariaDB gives up a transaction that is idle for 15 seconds: nobody has waited for that.
    tx.commit().await.unwrap();
}

/// A database that has lost a part of itself: what can still be read is closed and forgotten in its time, and shown to whose it
/// is, however many sheets come first that cannot be.
#[tokio::test(flavor = "multi_thread")]
async fn figures_that_cannot_be_read_stop_neither_housekeeping_nor_the_neighbours_pages() {
    let app = TestApp::new().await;
    let ids: Vec<u64> = (41..=64).collect();
    for id in &ids {
        app.create(*id).await;
    }
    move_on(&app, &ids, MB).await;
    move_on(&app, &ids, MB).await;
    let all = sql!("SELECT first_id FROM sheet ORDER BY first_id");
    let sheets = app.app.db.read().await.unwrap().rows(all, vec![]).await.unwrap();
    let last: u64 = sheets.last().unwrap().get("first_id").unwrap();
    assert!(sheets.len() > 6, "more than are looked through at once");
    let damage = sql!("UPDATE sheet SET figures = ? WHERE first_id < ?");
    app.app.db.execute(damage, params![turnpike::db::Value::Blob(vec![0; 208]), last]).await.unwrap();
    let (sound, lost): (Vec<u64>, Vec<u64>) = ids.iter().partition(|id| **id >= last);
    assert!(sound.len() >= 3, "{sound:?}");
    // One more in a row of its own.
    take_out(&app, &sound[..2]).await;
    let damage = sql!("UPDATE standing SET page = ? WHERE service_id = ?");
    app.app.db.execute(damage, params![turnpike::db::Value::Blob(vec![1; 3]), sound[0]]).await.unwrap();
    let old = sql!(
        "INSERT INTO usage_day (service_id, day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
         VALUES (41, '2001-01-01', 1, 1, 1, 1)"
    );
    app.app.db.execute(old, vec![]).await.unwrap();

    app.clock.advance(Duration::days(2));
    app.step().await;
    let days = sql!("SELECT service_id, day FROM usage_day ORDER BY service_id");
    let days = app.app.db.read().await.unwrap().rows(days, vec![]).await.unwrap();
    let days: Vec<(u64, String)> =
        days.iter().map(|row| (row.get("service_id").unwrap(), row.get("day").unwrap())).collect();
    let closed: Vec<_> = sound[1..].iter().map(|id| (*id, "2026-11-20".to_owned())).collect();
    assert_eq!(days, closed, "and the old day is forgotten");

    let pages = ids.iter().map(|id| app.app.pages.read(&app.app.db, *id));
    let pages = futures_util::future::join_all(pages).await;
    for (id, page) in ids.iter().zip(pages) {
        let readable = *id != sound[0] && !lost.contains(id);
        assert_eq!(page.is_ok(), readable, "{id}: {:?}", page.err());
    }
}
