//! Poll and collection, booked exactly; and what a router hears of it.

use crate::{
    books_check::{assert_books_equal, booked, many, open_resets},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Fault, When};
use turnpike::units::Bytes;
use turnpike::usage::counters::{self, Baseline};

#[tokio::test(flavor = "multi_thread")]
async fn polls_and_collections_book_every_byte_once() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    let mut carried = 0;
    for round in 0..12_u64 {
        let (down, up) = (round * 7_777_777 + 1, round * 333_333 + 2);
        assert!(app.router.carry(&user, down, up));
        carried += down + up;
        app.pass(Duration::seconds(61));
        if round % 3 == 2 {
            app.collect().await;
            assert_eq!(app.queue(&user, "bytes").unwrap(), "0/0");
        } else {
            app.step().await;
        }
        let books = booked(&app.app, 41).await;
        assert_eq!(app.uncharged(&user, books), 0);
        assert_eq!((books.total(), books.charged), (carried, carried));
        assert_eq!(books.balance, (10 * GB) as i64 - carried as i64);
        // The same reading again is nothing.
        app.step().await;
        assert_eq!(booked(&app.app, 41).await, books);
        assert_books_equal(&app.app).await;
    }
    assert_eq!(app.balance(41).await, (10 * GB - carried) as i64);
    assert_eq!(app.metric("turnpike_booked_bytes_total").await, carried);
    assert_eq!(app.metric("turnpike_resets_total{kind=\"done\"}").await, 4);
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"restart\"}").await, 0);
    assert!(app.metric("turnpike_readings_total{kind=\"read\"}").await >= 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_resets_the_counters_run_on_and_the_books_are_the_same() {
    let app = TestApp::with("collect.reset = \"never\"\n").await;
    let user = app.create(41).await;
    for _ in 0..5 {
        assert!(app.router.carry(&user, 1_000_001, 100_003));
        app.pass(Duration::hours(1));
        assert_eq!(app.collect().await["collected"], 1);
    }
    assert_eq!(app.queue(&user, "bytes").unwrap(), "500015/5000005");
    assert_eq!(app.commands("/queue/simple/reset-counters"), 0);
    let books = booked(&app.app, 41).await;
    assert_eq!((books.down, books.up, books.charged), (5_000_005, 500_015, 5_500_020));
    assert_books_equal(&app.app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_neither_booked_nor_touched() {
    let app = TestApp::new().await;
    app.router.world(|world| {
        world.add_row("/ppp/profile", &[("name", "limited"), ("rate-limit", "5M/5M")]);
        // Somebody else's customer, and a queue that has our mark's form but not our service.
        for (name, address, comment) in
            [("foreign", "10.9.9.9", "by hand"), ("almost", "10.9.9.10", "WHMCS|Product ID:410|ada@example.net")]
        {
            let secret = [
                ("name", name),
                ("password", "secret"),
                ("remote-address", address),
                ("profile", "limited"),
                ("service", "any"),
            ];
            world.add_row("/ppp/secret", &secret);
            let target = format!("{address}/32");
            world.add_row("/queue/simple", &[("name", name), ("target", &target), ("comment", comment)]);
        }
    });
    let user = app.create(41).await;
    for name in ["foreign", "almost"] {
        app.router.connect(name, "secret", "l2tp", "198.51.100.9").unwrap();
        app.router.hang_up(name);
        // Without the profile's own dynamic queue in front, the static one counts.
        app.router.world(|world| world.put("/ppp/profile", "limited", "rate-limit", ""));
        app.router.connect(name, "secret", "l2tp", "198.51.100.9").unwrap();
        assert!(app.router.carry(name, 123_456, 654_321));
    }
    app.router.world(|world| {
        let row = [("name", "<l2tp-dynamic>"), ("target", "<l2tp-dynamic>"), ("dynamic", "true")];
        world.add_row("/queue/simple", &row)
    });
    let ours = app.router.world(|world| world.get("/queue/simple", &user, ".id")).unwrap();
    assert!(app.router.carry(&user, MB, MB));
    app.pass(Duration::hours(1));
    app.collect().await;
    assert_eq!(app.queue("foreign", "bytes").unwrap(), "654321/123456");
    assert_eq!(app.queue("almost", "bytes").unwrap(), "654321/123456");
    assert_eq!(booked(&app.app, 41).await.total(), 2 * MB);
    for sentence in app.router.journal() {
        if sentence.path == "/queue/simple/reset-counters" {
            assert_eq!(sentence.attribute("numbers"), Some(ours.as_str()));
        }
        assert!(!["reset-counters-all", "reset"].iter().any(|verb| sentence.path.ends_with(&format!("/{verb}"))));
    }
    assert_eq!(app.commands("/queue/simple/reset-counters"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_names_another_queue_by_now_is_not_reset() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 5 * MB, MB));
    app.pass(Duration::minutes(2));
    // Between the two prints the queue becomes somebody else's.
    let name = user.clone();
    let renamed = Fault::call(move |router| {
        router.world(|world| world.put("/queue/simple", &name, "comment", "by hand"));
    });
    app.router.fault_at(When::nth("/queue/simple/print", 2), renamed);
    app.collect().await;
    assert_eq!(app.commands("/queue/simple/reset-counters"), 0);
    assert_eq!(app.queue(&user, "bytes").unwrap(), format!("{MB}/{}", 5 * MB));
    assert_eq!(booked(&app.app, 41).await.total(), 6 * MB);
    assert_eq!(open_resets(&app.app).await, 0);
}

fn usage(of: &Value) -> (u64, u64) {
    (of["month"]["download_bytes"].as_u64().unwrap(), of["month"]["upload_bytes"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_asks_two_prints_and_one_reset_a_hundred_accounts() {
    for count in [1_u64, 250, 1_000] {
        let app = TestApp::new().await;
        many(&app, count).await;
        for id in 2..=count {
            let name = format!("user{:05}", id - 1);
            app.router.connect(&name, "secret", "l2tp", "198.51.100.9").unwrap();
            assert!(app.router.carry(&name, id * 1_000, id));
        }
        assert!(app.router.carry("7-1", 1_000, 1));
        app.pass(Duration::hours(1));
        app.router.clear_journal();
        let answer = app.collect().await;
        assert_eq!((answer["collected"].as_u64(), answer["skipped"].clone()), (Some(count), json!([])));
        for service in answer["services"].as_array().unwrap() {
            let id = service["service_id"].as_u64().unwrap();
            assert_eq!(usage(service), (id * 1_000, id));
        }
        let resets = count.div_ceil(100);
        assert_eq!(app.commands("/queue/simple/reset-counters") as u64, resets);
        // Uptime, two prints, the resets.
        assert_eq!(app.router.journal().len() as u64, 3 + resets, "{count} accounts");
        assert_eq!(open_resets(&app.app).await, 0);
        assert_eq!(app.metric("turnpike_resets_total{kind=\"done\"}").await, count);
        app.router.clear_journal();
        app.pass(Duration::minutes(2));
        app.step().await;
        assert_eq!(app.router.journal().len(), 2, "a poll asks for uptime and counters");
        assert_books_equal(&app.app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_older_than_what_is_booked_is_no_counter_that_began_again() {
    // The router has answered a poll; before that is booked, a create takes the queue over as it stands by then.
    let app = TestApp::new().await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 5_000_000, 0));
    app.pass(Duration::seconds(61));
    app.step().await;
    assert!(app.router.carry(&user, 1_000, 0));
    app.pass(Duration::seconds(61));
    let (clock, db) = (app.clock.clone(), app.app.clone());
    let takes_over = Fault::call_after(move |router| {
        assert!(router.carry("7-41", 2_000, 0));
        clock.advance(Duration::seconds(2));
        let (db, now) = (db.clone(), clock.now());
        let written = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut tx = db.db.begin().await.unwrap();
                let mut it = counters::baseline(&mut tx, 41).await.unwrap().unwrap();
                it.counter.volume.down = Bytes(5_003_000);
                counters::store(&mut tx, &[(41, Baseline { booked_at: now, reading: 0, ..it })]).await.unwrap();
                tx.commit().await.unwrap();
            });
        });
        // This worker may be the one that hears the sockets; while it waits, another takes that over.
        tokio::task::block_in_place(|| written.join()).unwrap();
        clock.advance(Duration::seconds(1));
    });
    app.router.fault_at(When::at("/queue/simple/print"), takes_over);
    app.step().await;
    assert_eq!(booked(&app.app, 41).await.down, 5_000_000, "what was taken over is nobody's");
    assert!(app.router.carry(&user, 7, 0));
    app.pass(Duration::seconds(61));
    app.step().await;
    assert_eq!(booked(&app.app, 41).await.down, 5_000_007);
    assert_eq!(app.metric("turnpike_doubts_total{kind=\"restart\"}").await, 0);
}
