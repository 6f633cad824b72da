//! Two hundred routers, ten of them dead, ten slow, five flapping: the others are read in their turn, their hooks and pages are
//! answered, nobody gets a second connection, and who comes back is read again without a restart.
//!
//! That nobody waits for another is shown by order, not by time: the sick ones answer nothing until all the others were read.

use crate::{
    admin_pages::text_of,
    world::{Database, MB, TestApp},
};
use chrono::{DateTime, Duration, Utc};
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration as Patience,
};
use tokio::{sync::watch, time::Instant};
use turnpike::{
    jobs::Jobs,
    router::Server,
    simulator::{Fault, Options, Simulator, When},
};

const ALL: usize = 200;
/// Their port is shut.
const SHUT: Range<usize> = 0..5;
/// They take connections and say nothing.
const SILENT: Range<usize> = 5..10;
/// They answer nothing until the test lets them.
const HELD: Range<usize> = 10..15;
/// They answer each command late.
const SLOW: Range<usize> = 15..20;
/// They cut the connection at every other command.
const FLAPPING: Range<usize> = 20..25;
const HEALTHY: Range<usize> = 25..ALL;

const QUEUES: &str = "/queue/simple/print";

struct Fleet {
    app: TestApp,
    routers: Vec<Simulator>,
    let_go: watch::Sender<bool>,
    collect: &'static str,
}

fn id(at: usize) -> u64 {
    at as u64 + 1
}

fn service(at: usize) -> u64 {
    1_001 + at as u64
}

impl Fleet {
    /// Routers with a customer each, all well.
    async fn new() -> Self {
        Self::of(ALL, "daily").await
    }

    /// So many of them; their customers are collected daily, or at every run of the cron.
    async fn of(count: usize, collect: &'static str) -> Self {
        let limits = "router.connect_seconds = 5\nrouter.login_seconds = 5\nrouter.retry_seconds = 2\n\
                      router.idle_seconds = 300\nrouter.print_seconds = 300\n";
        let app =
            TestApp::on(Simulator::start(Options::default()).await.unwrap(), Database::file().await, limits).await;
        let routers = join_all((0..count).map(|_| Simulator::start(Options::default()))).await;
        let routers = routers.into_iter().map(Result::unwrap).collect();
        let fleet = Self { app, routers, let_go: watch::Sender::new(false), collect };
        stream::iter(0..count).for_each_concurrent(16, |at| fleet.create(at)).await;
        fleet
    }

    fn body(&self, at: usize) -> Value {
        let port = self.routers[at].address().port();
        let server = json!({"id": id(at), "name": format!("r{}", id(at)), "port": port});
        self.app.body_with(service(at), &json!({"server": server, "settings": {"collect": self.collect}}))
    }

    async fn create(&self, at: usize) {
        self.app.hook("create", &self.body(at)).await.ok();
        self.dial(at);
    }

    fn dial(&self, at: usize) {
        let (router, name) = (&self.routers[at], format!("7-{}", service(at)));
        let password = router.world(|world| world.get("/ppp/secret", &name, "password")).unwrap();
        router.connect(&name, &password, "l2tp", "198.51.100.7").unwrap();
    }

    async fn sicken(&self) {
        for at in SHUT {
            self.routers[at].stop().await;
        }
        for at in SILENT {
            self.routers[at].fault_at(When::EveryConnection, Fault::Silence);
            self.routers[at].cut();
        }
        for at in HELD {
            self.routers[at].fault_at(When::Always, Fault::Until(self.let_go.subscribe()));
        }
        for at in SLOW {
            self.routers[at].fault_at(When::Always, Fault::Slow(Patience::from_millis(500)));
        }
        for at in FLAPPING {
            let commands = AtomicUsize::new(0);
            let cut = move |router: &Simulator| {
                if commands.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                    router.cut();
                }
            };
            self.routers[at].fault_at(When::Always, Fault::call(cut));
        }
    }

    async fn heal(&self) {
        self.let_go.send_replace(true);
        for router in &self.routers {
            router.clear_faults();
            router.listen().await.unwrap();
        }
    }

    /// A minute passes, and a megabyte for each healthy customer; the instant from which on a reading is of this minute.
    fn minute(&self) -> DateTime<Utc> {
        for (at, router) in self.routers.iter().enumerate() {
            if HEALTHY.contains(&at) {
                assert!(router.carry(&format!("7-{}", service(at)), MB, 0));
            }
            router.pass(Patience::from_secs(61));
        }
        self.app.clock.advance(Duration::seconds(61));
        self.app.clock.now()
    }

    /// When each router was read last.
    async fn seen(&self) -> HashMap<u64, DateTime<Utc>> {
        let servers = Server::all(&mut self.app.app.db.read().await.unwrap()).await.unwrap();
        servers.into_iter().filter_map(|it| Some((it.told.id, it.seen_at?))).collect()
    }

    /// How many of them have been read since.
    async fn read_since(&self, which: Range<usize>, since: DateTime<Utc>) -> usize {
        let seen = self.seen().await;
        which.filter(|at| seen.get(&id(*at)).is_some_and(|seen| *seen >= since)).count()
    }

    async fn until_read(&self, which: Range<usize>, since: DateTime<Utc>) {
        let end = Instant::now() + Patience::from_secs(240);
        while self.read_since(which.clone(), since).await < which.len() {
            assert!(Instant::now() < end, "{} of {}", self.read_since(which.clone(), since).await, which.len());
            tokio::time::sleep(Patience::from_millis(50)).await;
        }
    }

    async fn jobs(&self) -> Jobs {
        Jobs::start(self.app.service.as_ref().unwrap().front.clone()).await.unwrap()
    }

    /// A service's download by the books.
    async fn booked(&self, at: usize) -> u64 {
        crate::books_check::booked(&self.app.app, service(at)).await.charged
    }

    /// Until each that cannot be reached was tried twice: how soon that is depends on the machine.
    async fn until_tried_in_vain(&self) {
        let end = Instant::now() + Patience::from_secs(240);
        loop {
            let ready = self.ready().await;
            let failures = |at: usize| {
                let all = ready["silent_routers"].as_array().unwrap();
                all.iter().find(|it| it["id"] == id(at)).and_then(|it| it["failures"].as_u64()).unwrap_or(0)
            };
            if SHUT.chain(SILENT).all(|at| failures(at) >= 2) {
                return;
            }
            assert!(Instant::now() < end, "{ready}");
            self.app.clock.advance(Duration::seconds(6));
            tokio::time::sleep(Patience::from_millis(200)).await;
        }
    }

    async fn ready(&self) -> Value {
        reqwest::get(format!("{}/readyz", self.app.ops())).await.unwrap().json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sick_routers_delay_no_other_and_come_back_without_a_restart() {
    let mut fleet = Fleet::new().await;
    fleet.sicken().await;
    let began = fleet.app.clock.now();
    let jobs = fleet.jobs().await;
    for round in 1..=3 {
        let since = fleet.minute();
        fleet.until_read(HEALTHY, since).await;
        for sick in [SHUT, SILENT, HELD, FLAPPING] {
            let read = fleet.read_since(sick.clone(), began + Duration::seconds(1)).await;
            assert_eq!(read, 0, "round {round}: {sick:?} were not waited for, they answer nothing yet");
        }
    }
    fleet.until_read(SLOW, began + Duration::seconds(1)).await;
    for at in [HEALTHY.start, HEALTHY.end - 1] {
        assert_eq!(fleet.booked(at).await, 3 * MB);
    }
    assert_hooks_and_pages_are_answered(&fleet).await;
    fleet.until_tried_in_vain().await;
    assert_trouble_is_visible(&fleet).await;
    // One connection each, made once and kept; never two.
    for (at, router) in fleet.routers.iter().enumerate() {
        assert!(router.most_sessions() <= 1, "router {at} had {} sessions at once", router.most_sessions());
        assert!(!HEALTHY.contains(&at) || router.logins() == 1, "router {at}: {} logins", router.logins());
    }

    fleet.heal().await;
    let back = fleet.minute();
    let end = Instant::now() + Patience::from_secs(240);
    while fleet.read_since(0..ALL, back).await < ALL {
        assert!(Instant::now() < end, "{} of {ALL} are back", fleet.read_since(0..ALL, back).await);
        fleet.app.clock.advance(Duration::seconds(6));
        tokio::time::sleep(Patience::from_millis(500)).await;
    }
    assert_eq!(fleet.ready().await["silent_routers"], json!([]));
    assert_eq!(fleet.app.metric("turnpike_routers{kind=\"down\"}").await, 0);
    assert_eq!(fleet.app.metric("turnpike_router_breaker{server=\"1\"}").await, 0);
    assert!(fleet.routers.iter().all(|router| router.most_sessions() == 1));
    jobs.stop().await;
    fleet.app.service.take().unwrap().stop().await;
    fleet.app.app.close().await;
    for router in &fleet.routers {
        router.open().wait_for(|open| *open == 0).await.unwrap();
    }
}

/// Of healthy customers, while the sick routers answer nothing.
async fn assert_hooks_and_pages_are_answered(fleet: &Fleet) {
    let app = &fleet.app;
    for at in [HEALTHY.start, 100, HEALTHY.end - 1] {
        let body = fleet.body(at);
        assert_eq!(app.live_page_of(&body).await["connection"]["status"], "online");
        assert_eq!(app.hook("suspend", &body).await.ok()["account"]["pending"], 0, "made on the router at once");
        assert_eq!(app.hook("unsuspend", &body).await.ok()["account"]["pending"], 0);
        assert_eq!(app.hook("usage-update", &body).await.ok()["collected"], 1);
        // The suspension ended the session.
        fleet.dial(at);
    }
    // Of a customer on a router that is held: at once from the books.
    let page = app.hook("client-area", &fleet.body(HELD.start)).await.ok();
    assert_eq!((&page["state"], &page["connection"]["status"]), (&json!("active"), &json!("unknown")));
    for page in ["overview", "routers", "accounts"] {
        app.admin(page, &json!([])).await;
    }
    assert_eq!(fleet.read_since(HELD, app.clock.now()).await, 0, "all of that was before they answered");
}

/// In `/readyz`, in the metrics, on the pages and to the doctor.
async fn assert_trouble_is_visible(fleet: &Fleet) {
    let ready = fleet.ready().await;
    assert_eq!(ready["ready"], true);
    let silent: Vec<&Value> = ready["silent_routers"].as_array().unwrap().iter().collect();
    for at in SHUT.chain(SILENT) {
        let it = silent.iter().find(|it| it["id"] == id(at)).unwrap_or_else(|| panic!("{at}: {ready}"));
        assert!(it["failures"].as_u64().unwrap() >= 2 && it["since"].is_string(), "{it}");
        assert!(it["breaker"].is_string() && it["next_try_in_seconds"].as_u64().unwrap() <= 2, "{it}");
        let failures = fleet.app.metric(&format!("turnpike_router_failures{{server=\"{}\"}}", id(at))).await;
        assert!(failures >= 2, "{at}: {failures}");
    }
    assert!(silent.iter().all(|it| it["id"].as_u64().unwrap() <= FLAPPING.end as u64), "{ready}");
    let text = reqwest::get(format!("{}/metrics", fleet.app.ops())).await.unwrap().text().await.unwrap();
    let has = |name: &str, at: usize| {
        let line = format!("turnpike_{name}{{server=\"{}\"}} ", id(at));
        text.lines().any(|it| it.starts_with(&line))
    };
    for at in [SHUT.start, HEALTHY.start] {
        assert!(has("router_breaker", at) && has("router_next_try_seconds", at), "{text}");
    }
    assert!(has("router_reading_age_seconds", HEALTHY.start) && !has("router_reading_age_seconds", SHUT.start));
    for page in ["overview", "routers"] {
        let html = fleet.app.admin(page, &json!([])).await;
        assert!(html.matches("Tried in vain").count() >= 10, "{page}: {html}");
    }
    let found = turnpike::work::doctor::examine(&fleet.app.app, Some(id(SHUT.start)), Patience::ZERO).await.unwrap();
    let of = |code: &str| found.iter().find(|it| it.code == code).unwrap_or_else(|| panic!("{code} in {found:#?}"));
    assert!(of("not-read").what.contains("times in vain"), "{:?}", of("not-read"));
    assert!(text_of(&json!(of("unreachable").what)).contains("cannot be reached"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_does_not_wait_behind_the_bookings_of_two_hundred_routers() {
    let fleet = Arc::new(Fleet::new().await);
    for router in &fleet.routers {
        router.clear_journal();
        router.fault_at(When::at(QUEUES), Fault::Until(fleet.let_go.subscribe()));
    }
    let since = fleet.minute();
    let jobs = fleet.jobs().await;
    let asked = |router: &Simulator| router.journal().iter().any(|it| it.path == QUEUES);
    let end = Instant::now() + Patience::from_secs(240);
    while !fleet.routers.iter().all(asked) {
        assert!(Instant::now() < end, "every router is asked");
        tokio::time::sleep(Patience::from_millis(50)).await;
    }
    // Somebody writes for so long that every router has answered meanwhile, and a hook has come.
    let tx = fleet.app.app.db.begin().await.unwrap();
    let mut served: Vec<_> = fleet.routers.iter().map(Simulator::served).collect();
    for answers in &mut served {
        answers.borrow_and_update();
    }
    fleet.let_go.send_replace(true);
    for answers in &mut served {
        tokio::time::timeout(Patience::from_secs(60), answers.changed()).await.expect("it answers").unwrap();
    }
    let hook = {
        let fleet = Arc::clone(&fleet);
        tokio::spawn(async move { fleet.app.hook("suspend", &fleet.body(150)).await.ok() })
    };
    // It is in once it has its turn with the service; what it does next is to wait for the writer.
    let end = Instant::now() + Patience::from_secs(60);
    while fleet.app.app.locks.service(service(150), Instant::now()).await.is_ok() {
        assert!(Instant::now() < end, "the hook never came");
        tokio::time::sleep(Patience::from_millis(5)).await;
    }
    tokio::time::sleep(Patience::from_secs(1)).await;
    assert_eq!(fleet.read_since(0..ALL, since).await, 0);
    tx.commit().await.unwrap();
    assert_eq!(hook.await.unwrap()["account"]["causes"], json!(["billing"]));
    let booked = fleet.read_since(0..ALL, since).await;
    assert!(booked < ALL / 2, "{booked} of {ALL} bookings came first");
    fleet.until_read(0..ALL, since).await;
    jobs.stop().await;
}

/// Routers that answer nothing until the test lets them, and how many there are: the first of all, and more of them than
/// could be in hand at once; all others are read before they answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_the_cron_reads_every_router_beside_those_that_hang() {
    let fleet = Arc::new(Fleet::of(40, "cron").await);
    for held in [1, 20] {
        for router in &fleet.routers[..held] {
            router.fault_at(When::at(QUEUES), Fault::Until(fleet.let_go.subscribe()));
        }
        fleet.app.clock.advance(Duration::minutes(5));
        let since = fleet.app.clock.now();
        let run = {
            let fleet = Arc::clone(&fleet);
            tokio::spawn(async move { fleet.app.hook("cron", &fleet.app.body(1)).await.ok() })
        };
        fleet.until_read(held..40, since).await;
        assert_eq!(fleet.read_since(0..held, since).await, 0, "{held} answer nothing yet");
        fleet.let_go.send_replace(true);
        let answer = run.await.unwrap();
        let ids = |list: &str| -> Vec<u64> {
            answer[list].as_array().unwrap().iter().map(|it| it["service_id"].as_u64().unwrap()).collect()
        };
        let (read, skipped) = (ids("services"), ids("skipped"));
        assert!(read.is_sorted() && (held..40).all(|at| read.contains(&service(at))), "{answer}");
        assert!(skipped.iter().all(|id| *id < service(held)), "{answer}");
        fleet.let_go.send_replace(false);
        for router in &fleet.routers {
            router.clear_faults();
        }
    }
}
