//! The client page under many eyes: views share readings of the books and looks at the router, and none of them is stale,
//! another one's, or held up by another router.

use crate::world::{GB, MB, TestApp};
use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration as Patience,
};
use tokio::time::Instant;
use turnpike::{
    simulator::{Fault, Options, Simulator, When},
    work::{self, Ask, blocks::Change},
};

/// Only a broken test waits so long.
const PATIENCE: Patience = Patience::from_secs(120);
/// Between two looks at what has become of something.
const A_MOMENT: Patience = Patience::from_millis(5);

/// Creates that many services from 41 on, each online from a place of its own; what each was made with.
async fn many(app: &TestApp, count: u64) -> Vec<(u64, Value)> {
    let mut made = Vec::new();
    for service in 41..41 + count {
        let over = json!({"server": {"addresses": ["10.9.0.0/24"]}});
        let it = app.hook("create", &app.body_with(service, &over)).await.ok();
        let (name, password) =
            (it["service"]["username"].as_str().unwrap(), it["service"]["password"].as_str().unwrap());
        app.router.connect(name, password, "l2tp", &format!("198.51.100.{}", service - 40)).unwrap();
        made.push((service, it));
    }
    made
}

/// The page of each at once, with what the router says.
async fn live_pages(app: &TestApp, made: &[(u64, Value)]) -> Vec<Value> {
    join_all(made.iter().map(|(service, _)| app.live_page(*service))).await
}

/// Whether the page is this service's own, whatever it knows of the router.
#[track_caller]
fn assert_own(service: u64, made: &Value, page: &Value) {
    let (own, information) = (&made["service"], &page["information"]);
    assert_eq!((&information["username"], &information["password"]), (&own["username"], &own["password"]));
    let connection = &page["connection"];
    let caller = json!(format!("198.51.100.{}", service - 40));
    for (shown, own) in [(&connection["address"], &own["dedicated_address"]), (&connection["caller_id"], &caller)] {
        assert!(shown.is_null() || shown == own, "service {service}: {connection}");
    }
}

/// Views of these services without end, a few at a time, until the test has seen enough.
struct Storm(Arc<AtomicBool>);

impl Storm {
    async fn around<T>(app: &TestApp, services: &[u64], story: impl Future<Output = T>) -> T {
        let over = Self(Arc::default());
        let views = join_all((0..4).map(|_| async {
            while !over.0.load(Ordering::Relaxed) {
                join_all(services.iter().map(|service| app.client_area(*service))).await;
            }
        }));
        let story = async {
            let outcome = story.await;
            over.0.store(true, Ordering::Relaxed);
            outcome
        };
        tokio::join!(views, story).1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_views_at_once_are_few_router_commands_and_each_sees_its_own_session() {
    let app = TestApp::new().await;
    let made = many(&app, 100).await;
    // A router that takes its time, as real ones do: what comes meanwhile is asked for together.
    app.router.fault_at(When::every("/ppp/*"), Fault::Slow(Patience::from_millis(250)));
    app.router.clear_journal();
    let pages = join_all(made.iter().map(|(service, _)| app.client_area(*service))).await;
    let commands = app.router.journal().len();
    for ((service, made), page) in made.iter().zip(&pages) {
        assert_own(*service, made, page);
        assert_eq!(page["state"], "active", "{service}");
    }
    // Who was shown nothing of the router, because on a busy machine it was too late, asks again.
    let late = pages.iter().filter(|page| page["connection"]["status"] == "unknown").count();
    let pages = if late == 0 { pages } else { live_pages(&app, &made).await };
    for ((service, made), page) in made.iter().zip(&pages) {
        assert_own(*service, made, page);
        assert_eq!((&page["state"], &page["connection"]["status"]), (&json!("active"), &json!("online")), "{service}");
    }
    assert!(commands <= 24, "{commands} commands; one by one they would be two hundred");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_came_up_or_ended_before_the_request_is_always_seen() {
    let app = TestApp::new().await;
    let made = many(&app, 8).await;
    let (name, password) = (made[0].1["service"]["username"].clone(), made[0].1["service"]["password"].clone());
    let others: Vec<u64> = (41..49).collect();
    Storm::around(&app, &others, async {
        for _ in 0..25 {
            app.router.hang_up(name.as_str().unwrap());
            assert_eq!(app.live_page(41).await["connection"]["status"], "offline");
            app.router.connect(name.as_str().unwrap(), password.as_str().unwrap(), "l2tp", "198.51.100.1").unwrap();
            assert_eq!(app.live_page(41).await["connection"]["status"], "online");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_written_before_the_request_is_on_the_page() {
    let app = TestApp::new().await;
    many(&app, 4).await;
    let page = |of: &'static str| {
        let app = &app;
        async move { app.client_area(41).await.pointer(of).cloned().unwrap() }
    };
    Storm::around(&app, &[41, 42, 41, 43], async {
        let with = |over: Value| app.body_with(41, &over);
        for (hook, over, at, shows) in [
            ("suspend", json!({}), "/traffic/blocked_by", json!("billing")),
            ("unsuspend", json!({}), "/state", json!("active")),
            ("admin-block", json!({}), "/traffic/blocked_by", json!("admin")),
            ("admin-unblock", json!({}), "/traffic/blocked_by", Value::Null),
            ("add-traffic", json!({"hook": {"bytes": GB, "key": "1"}}), "/traffic/balance_bytes", json!(11 * GB)),
            ("renew", json!({"service": {"next_due_date": "2027-01-01"}}), "/traffic/balance_bytes", json!(21 * GB)),
            (
                "renew",
                json!({"service": {"next_due_date": "2027-02-01"}}),
                "/traffic/next_cycle_date",
                json!("2027-02-01"),
            ),
            (
                "change-package",
                json!({"settings": {"download_mbps": "50"}}),
                "/information/download_kbps",
                json!(50_000),
            ),
            (
                "change-password",
                json!({"service": {"password": "another one"}}),
                "/information/password",
                json!("another one"),
            ),
        ] {
            app.hook(hook, &with(over)).await.ok();
            assert_eq!(page(at).await, shows, "{hook}");
        }
        let plan = json!({"name": "Gold", "price": "9.90", "download_speed": "20M", "upload_speed": "2M"});
        assert_eq!(app.send("POST", "/v1/plans", &plan).await.status, 201);
        app.hook("change-package", &with(json!({"settings": {"plan": "Gold", "download_mbps": ""}}))).await.ok();
        assert_eq!(page("/plan/name").await, json!("Gold"));
        app.router.connect("7-41", "another one", "l2tp", "198.51.100.1").unwrap();
        for round in 1..=5 {
            assert!(app.router.carry("7-41", MB, 0));
            app.pass(Duration::minutes(1));
            app.collect().await;
            assert_eq!(page("/statistics/days/0/download_bytes").await, json!(round * MB));
            assert_eq!(page("/plan/today/download_bytes").await, json!(round * MB));
            assert_eq!(page("/traffic/balance_bytes").await, json!(31 * GB - round * MB));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_wrote_before_the_request_is_on_the_page() {
    let app = TestApp::new().await;
    app.clock.set(turnpike::clock::Clock::System.now());
    many(&app, 2).await;
    let file = app.folder().join("turnpike.toml");
    std::fs::write(&file, app.config()).unwrap();
    let other = app.sidecar("").await;
    let storm = Storm::around(&app, &[41, 42], async {
        for round in 1..=3 {
            assert!(app.router.carry("7-41", MB, 0));
            app.pass(Duration::minutes(2));
            app.clock.set(turnpike::clock::Clock::System.now());
            let mut collect = std::process::Command::new(env!("CARGO_BIN_EXE_turnpike"));
            collect.args(["collect", "--config"]).arg(&file).current_dir(app.folder());
            collect.stdout(Stdio::null()).stderr(Stdio::null());
            let ended = tokio::task::spawn_blocking(move || collect.status().unwrap()).await.unwrap();
            assert!(ended.success());
            let page = app.client_area(41).await;
            assert_eq!(page["traffic"]["balance_bytes"], 10 * GB - round * MB);
        }
        let ask = Ask::parse(&serde_json::to_vec(&app.body(41)).unwrap()).unwrap();
        for (change, shows) in [(Change::AdminBlock, json!("admin")), (Change::AdminUnblock, Value::Null)] {
            work::blocks::run(&other, &ask, change).await.unwrap();
            assert_eq!(app.client_area(41).await["traffic"]["blocked_by"], shows);
        }
    });
    Box::pin(storm).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_goes_wrong_shows_nobody_what_is_anothers() {
    let app = TestApp::new().await;
    let made = many(&app, 6).await;
    let view = async || join_all(made.iter().map(|(service, _)| app.client_area(*service))).await;
    for path in ["/ppp/secret/print", "/ppp/active/print"] {
        for fault in [
            Fault::CutAfterBytes(30),
            Fault::CutAfterBytes(150),
            Fault::Garbage,
            Fault::FatalMidway("shutting down".to_owned()),
            Fault::Trap("interrupted".to_owned(), Some(2)),
            Fault::EmptyDone,
            Fault::Untagged,
            Fault::HugeWord(1 << 30),
        ] {
            // The fault must meet a router that is spoken to.
            assert!(live_pages(&app, &made).await.iter().all(|page| page["connection"]["status"] == "online"));
            app.router.fault_at(When::at(path), fault.clone());
            app.router.clear_journal();
            let end = Instant::now() + PATIENCE;
            // Until it has struck: on a busy machine the views may be over before the router has heard of them.
            while app.commands(path) == 0 {
                assert!(Instant::now() < end, "{fault:?} struck nobody");
                for ((service, made), page) in made.iter().zip(view().await) {
                    assert_own(*service, made, &page);
                }
            }
            app.router.clear_faults();
        }
    }
    app.router.fault_at(When::at("/ppp/active/print"), Fault::WithoutDone);
    for ((service, made), page) in made.iter().zip(view().await) {
        assert_own(*service, made, &page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_router_holds_up_no_page_of_another_one() {
    let app = TestApp::new().await;
    app.create(41).await;
    let second = Simulator::start(Options::default()).await.unwrap();
    let at = second.address();
    let other = json!({"server": {"id": 4, "name": "core-2", "address": at.ip().to_string(), "port": at.port()}});
    let body = app.body_with(42, &other);
    let made = app.hook("create", &body).await.ok();
    second.connect("7-42", made["service"]["password"].as_str().unwrap(), "l2tp", "198.51.100.7").unwrap();
    let end = Instant::now() + PATIENCE;
    let mut answered = 0;
    // Twenty pages, each asked for and answered while everybody still waited for the silent router. Commonly that is one
    // silence; a busy machine needs more of them.
    while answered < 20 {
        assert!(Instant::now() < end, "{answered} pages came while the other router was silent");
        assert_eq!(app.live_page(41).await["connection"]["status"], "online");
        app.live_page_of(&body).await;
        app.router.clear_journal();
        app.router.fault_at(When::Always, Fault::Hang);
        let over = AtomicBool::new(false);
        let silent = join_all((0..20).map(|_| async {
            let page = app.client_area(41).await;
            over.store(true, Ordering::Relaxed);
            page
        }));
        let spoken_to = async {
            while app.router.journal().is_empty() && !over.load(Ordering::Relaxed) {
                tokio::time::sleep(A_MOMENT).await;
            }
            while answered < 20 {
                let asked = Instant::now();
                let page = app.hook("client-area", &body).await.ok();
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let online = page["connection"]["status"] == "online";
                assert!(online || asked.elapsed() >= work::LOOK, "given up before its time: {page}");
                answered += usize::from(online);
            }
        };
        for page in tokio::join!(silent, spoken_to).0 {
            assert_eq!((&page["state"], &page["connection"]["status"]), (&json!("active"), &json!("unknown")));
            assert_eq!(page["information"]["username"], "7-41");
        }
        app.router.clear_faults();
        app.router.cut();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_hung_up_on_leaves_nothing_behind_and_takes_nobody_along() {
    let mut app = TestApp::new().await;
    let made = many(&app, 3).await;
    // A connection that is kept for the next call would be something that is left.
    app.keep_no_connections();
    assert!(live_pages(&app, &made).await.iter().all(|page| page["connection"]["status"] == "online"));
    let alive = || app.app.runtime.metrics().num_alive_tasks();
    // Once those of the calls so far are gone.
    let mut before = alive();
    loop {
        tokio::time::sleep(Patience::from_millis(200)).await;
        if alive() >= before {
            break;
        }
        before = alive();
    }
    for _ in 0..5 {
        let (open, gate) = tokio::sync::watch::channel(false);
        app.router.fault_at(When::every("/ppp/*"), Fault::Until(gate));
        app.router.clear_journal();
        {
            let (body, end) = (app.body(41), Instant::now() + PATIENCE);
            let looked = async {
                while app.commands("/ppp/active/print") == 0 {
                    tokio::time::sleep(A_MOMENT).await;
                }
            };
            let mut looked = std::pin::pin!(looked);
            // In the middle of its look; dropping the view closes its connection. On a busy machine one may be over before
            // the router has heard of it: then another is begun.
            loop {
                tokio::select! {
                    page = app.hook("client-area", &body) => {
                        assert_eq!(page.ok()["connection"]["status"], "unknown", "the router has not answered yet");
                        assert!(Instant::now() < end, "the router hears of no view");
                    }
                    () = &mut looked => break,
                }
            }
        }
        let stay = join_all(made[1..].iter().map(|(service, _)| app.client_area(*service)));
        let opened = async {
            app.router.clear_faults();
            open.send_replace(true);
        };
        for ((service, made), page) in made[1..].iter().zip(tokio::join!(stay, opened).0) {
            assert_own(*service, made, &page);
        }
        assert_own(41, &made[0].1, &app.client_area(41).await);
    }
    let end = Instant::now() + PATIENCE;
    while alive() > before {
        assert!(Instant::now() < end, "{} tasks, {before} before", alive());
        tokio::time::sleep(A_MOMENT).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_which_nothing_was_written_waits_for_no_reader_and_what_is_written_then_is_on_the_next() {
    let app = TestApp::new().await;
    if !app.app.db.knows_changes() {
        return;
    }
    app.create(41).await;
    // The second one is read after what the first one saw was written down.
    for _ in 0..2 {
        app.client_area(41).await;
    }
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(app.app.db.read().await.unwrap());
    }
    assert_eq!(app.client_area(41).await["traffic"]["balance_bytes"], json!(10 * GB), "with every reader taken");
    let written = json!({"hook": {"bytes": GB, "key": "1"}});
    let body = app.body_with(41, &written);
    let add = app.hook("add-traffic", &body);
    let release = async { readers.clear() };
    tokio::join!(add, release).0.ok();
    assert_eq!(app.client_area(41).await["traffic"]["balance_bytes"], json!(11 * GB));
}
