//! The real program killed with SIGKILL in the middle of everything that it does: after each of its steps, and with each
//! of its commands at the router. Then another goes on, WHMCS asks again, and at rest the books are those of a day on
//! which nothing happened: over-charged is nothing, uncharged is the gap of a reset, the router is as the books say.
//!
//! A step is whatever reaches outside of the process (`src/steps.rs`), so these are all places at which dying can make a
//! difference. On MariaDB, where starting takes longer, every third is tried; `TURNPIKE_STRIDE` says otherwise.

use crate::{
    books_check::{assert_books_equal, assert_router_agrees, booked, open_resets},
    sink::{Sink, Wants},
    victim::{self, Begin, Death, End},
    world::{GB, MB, TestApp},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Instant};
use turnpike::{
    clock::Clock,
    params,
    simulator::{Fault, Simulator, When},
    sql,
};

const RESET: &str = "/queue/simple/reset-counters";
/// No polls: the story alone speaks to the router.
const QUIET: &str = "collect.poll_seconds = 0\n";

/// A service, and the trials of one story on it.
struct Stage {
    app: TestApp,
    began: Instant,
    /// How much of the time that has passed the router knows of.
    told: std::time::Duration,
    stride: u64,
    /// How often, and where it was killed.
    deaths: u32,
    killed: BTreeSet<String>,
}

/// One trial: what was arranged, where it died.
struct Trial {
    n: u64,
    death: Death,
}

impl Stage {
    async fn new(more: &str) -> Self {
        let app = TestApp::with(more).await;
        let usual = if std::env::var_os("TURNPIKE_TEST_MYSQL").is_some() { 3 } else { 1 };
        let stride = std::env::var("TURNPIKE_STRIDE").map_or(usual, |text| text.parse().unwrap());
        let told = std::time::Duration::ZERO;
        let mut stage = Self { app, began: Instant::now(), told, stride, deaths: 0, killed: BTreeSet::new() };
        stage.now();
        stage
    }

    /// The test's service and the router have the machine's time, as the program has.
    fn now(&mut self) {
        self.app.clock.set(Clock::System.now());
        let passed = self.began.elapsed();
        self.app.router.pass(passed.saturating_sub(self.told));
        self.told = passed;
    }

    /// The deaths to be tried, each kind until one is survived.
    fn deaths(&self) -> [Box<dyn Iterator<Item = Death> + Send>; 2] {
        let stride = usize::try_from(self.stride).unwrap();
        [Box::new((0..).step_by(stride).map(Death::Step)), Box::new((1..).step_by(stride).map(Death::Command))]
    }

    /// The program does it and dies; afterwards its leases are taken away: so it is two minutes later. Whether it lived.
    async fn die(&mut self, story: &str, begin: Begin<'_>, death: Death) -> bool {
        let end = victim::run(&self.app, story, begin, death).await;
        self.now();
        for free in [
            sql!("UPDATE lease SET until_at = 0"),
            sql!("UPDATE mail_outbox SET lease_owner = NULL, lease_until = NULL WHERE state = 'queued'"),
        ] {
            self.app.app.db.execute(free, vec![]).await.unwrap();
        }
        match end {
            End::Lived => true,
            End::Killed(place) => {
                self.deaths += 1;
                self.killed.insert(place.split_once(": ").map_or(place.clone(), |(_, what)| what.to_owned()));
                false
            }
        }
    }

    /// It was killed at all of these, and perhaps at more.
    #[expect(clippy::print_stderr, reason = "how much was tried is for whoever asks, with --nocapture")]
    fn was_killed_at(&self, places: &[&str]) {
        eprintln!("{} deaths at {} places, among them {places:?}", self.deaths, self.killed.len());
        if self.stride == 1 {
            for place in places {
                assert!(self.killed.iter().any(|it| it.starts_with(place)), "never at {place}: {:#?}", self.killed);
            }
        }
    }

    fn rows(&self, menu: &str) -> usize {
        self.app.router.world(|world| world.table(menu).rows().len())
    }

    async fn count(&self, statement: turnpike::db::Sql, service: u64) -> u64 {
        let row = self.app.app.db.read().await.unwrap().one(statement, params![service]).await.unwrap();
        row.unwrap().get("n").unwrap()
    }

    /// Nothing waits, nothing is open, all sums agree, and the router's objects are those of the books.
    async fn is_at_rest(&self, trial: &Trial) {
        let waiting = sql!("SELECT COUNT(*) AS n FROM pending WHERE service_id > ?");
        assert_eq!(self.count(waiting, 0).await, 0, "{:?}", trial.death);
        assert_eq!(open_resets(&self.app.app).await, 0, "{:?}", trial.death);
        assert_books_equal(&self.app.app).await;
        assert_router_agrees(&self.app).await;
    }
}

/// Runs a trial for each death until one is survived, of each kind: `each!(stage, trial => { …; lived })`.
macro_rules! each {
    ($stage:ident, $trial:ident => $body:block) => {
        let mut n = 0;
        for deaths in $stage.deaths() {
            for death in deaths {
                n += 1;
                let $trial = Trial { n, death };
                $stage.now();
                let lived: bool = $body;
                if lived {
                    assert!(n > 3, "it was hardly killed at all");
                    break;
                }
            }
        }
    };
}

/// The customers of services 41 and 42.
const USERS: [(u64, &str); 2] = [(41, "7-41"), (42, "7-42")];

fn carry(router: &Simulator, bytes: u64) {
    for (id, user) in USERS {
        assert!(router.carry(user, bytes, id));
    }
}

async fn uncharged(app: &TestApp) -> u64 {
    let mut sum = 0;
    for (id, user) in USERS {
        sum += app.uncharged(user, booked(&app.app, id).await);
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_killed_anywhere_charges_nothing_twice_and_loses_the_gap() {
    let mut stage = Stage::new(QUIET).await;
    for (id, _) in USERS {
        stage.app.create(id).await;
    }
    each!(stage, trial => {
        let before = uncharged(&stage.app).await;
        carry(&stage.app.router, 100_003);
        // Between the booked reading and the reset: what a reset hides.
        stage.app.router.fault_at(When::at(RESET), Fault::call(|router| carry(router, 3_001)));
        let body = stage.app.body(1);
        let lived = stage.die("usage-update", Begin::Hook(&body), trial.death).await;
        carry(&stage.app.router, 17);
        stage.app.collect().await;
        let lost = uncharged(&stage.app).await - before;
        assert!(lost <= 2 * 3_001 + 41 + 42, "{:?}: {lost} lost, the gap explains less", trial.death);
        stage.is_at_rest(&trial).await;
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/queue/simple/print", RESET, "UPDATE server SET"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_killed_anywhere_charges_every_byte_once() {
    let mut stage = Stage::new("").await;
    for (id, _) in USERS {
        stage.app.create(id).await;
    }
    each!(stage, trial => {
        carry(&stage.app.router, 100_003);
        let an_hour_ago = stage.app.clock.now() - chrono::Duration::hours(1);
        let due = sql!("UPDATE server SET seen_at = ?, failed_at = NULL, failure = NULL");
        stage.app.app.db.execute(due, params![an_hour_ago]).await.unwrap();
        let db = stage.app.app.db.clone();
        let polled = async move {
            loop {
                let seen = sql!("SELECT COUNT(*) AS n FROM server WHERE seen_at > ?");
                let free = sql!("SELECT COUNT(*) AS n FROM lease WHERE until_at > 0");
                let mut conn = db.read().await.unwrap();
                let seen: u64 = conn.one(seen, params![an_hour_ago]).await.unwrap().unwrap().get("n").unwrap();
                let held: u64 = conn.one(free, vec![]).await.unwrap().unwrap().get("n").unwrap();
                drop(conn);
                if seen > 0 && held == 0 {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let lived = stage.die("router 3", Begin::Due(Box::new(polled)), trial.death).await;
        carry(&stage.app.router, 17);
        stage.app.hook("usage-update", &stage.app.body(1)).await.ok();
        assert_eq!(uncharged(&stage.app).await, 0, "{:?}", trial.death);
        stage.is_at_rest(&trial).await;
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/queue/simple/print", "/system/resource/print"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_killed_anywhere_is_finished_by_the_next() {
    let mut stage = Stage::new(QUIET).await;
    stage.app.create(41).await;
    each!(stage, trial => {
        let service = 1000 + trial.n;
        let (body, name) = (stage.app.body(service), format!("7-{service}"));
        let lived = stage.die("create", Begin::Hook(&body), trial.death).await;
        let made = stage.app.hook("create", &body).await.ok();
        assert_eq!((stage.rows("/ppp/secret"), stage.rows("/queue/simple")), (2, 2), "{:?}", trial.death);
        assert_eq!(made["service"]["username"], name);
        assert_eq!(stage.app.secret(&name, "password").as_deref(), made["service"]["password"].as_str());
        assert_eq!(stage.app.secret(&name, "remote-address").as_deref(), made["account"]["address"].as_str());
        assert_eq!(stage.app.ledger(service).await, [("packet".to_owned(), (10 * GB) as i64)], "{:?}", trial.death);
        stage.app.dial(&made);
        assert!(stage.app.router.carry(&name, 5 * MB, MB));
        stage.app.collect().await;
        assert_eq!(stage.app.uncharged(&name, booked(&stage.app.app, service).await), 0, "{:?}", trial.death);
        stage.is_at_rest(&trial).await;
        stage.app.hook("terminate", &body).await.ok();
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/queue/simple/add", "/ppp/secret/add", "INSERT INTO ledger"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminate_killed_anywhere_books_the_last_reading_once_and_leaves_nothing() {
    let mut stage = Stage::new(QUIET).await;
    stage.app.create(41).await;
    each!(stage, trial => {
        let service = 1000 + trial.n;
        let name = stage.app.create(service).await;
        assert!(stage.app.router.carry(&name, 7 * MB, MB));
        let body = stage.app.body(service);
        let lived = stage.die("terminate", Begin::Hook(&body), trial.death).await;
        let gone = stage.app.hook("terminate", &body).await.ok();
        assert_eq!(gone["account"]["pending"], 0, "{:?}", trial.death);
        assert_eq!((stage.rows("/ppp/secret"), stage.rows("/queue/simple")), (1, 1), "{:?}", trial.death);
        assert!(!stage.app.router.is_online(&name));
        assert_eq!(stage.app.uncharged(&name, booked(&stage.app.app, service).await), 0, "{:?}", trial.death);
        let allotted = sql!("SELECT COUNT(*) AS n FROM address WHERE service_id = ?");
        let counted = sql!("SELECT COUNT(*) AS n FROM standing WHERE service_id = ? AND ros_id IS NOT NULL");
        assert_eq!((stage.count(allotted, service).await, stage.count(counted, service).await), (0, 0));
        stage.is_at_rest(&trial).await;
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/queue/simple/remove", "/ppp/secret/remove", "DELETE FROM address"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_killed_anywhere_brings_one_packet_and_frees() {
    let mut stage = Stage::new(QUIET).await;
    let made = stage.app.hook("create", &stage.app.body(41)).await.ok();
    let name = "7-41";
    let mut due: chrono::NaiveDate = "2026-12-01".parse().unwrap();
    let mut packets = 1;
    each!(stage, trial => {
        stage.app.dial(&made);
        assert!(stage.app.router.carry(name, MB, MB));
        // Blocked, with nothing left.
        let balance = stage.app.balance(41).await;
        let mut correction = stage.app.body(41);
        correction["hook"] = json!({"bytes": -balance, "key": format!("k{}", trial.n), "note": ""});
        stage.app.hook("add-traffic", &correction).await.ok();
        assert_eq!(stage.app.secret(name, "disabled").unwrap(), "true");
        due = due + chrono::Months::new(1);
        packets += 1;
        let body = stage.app.body_with(41, &json!({"service": {"next_due_date": due.to_string()}}));
        let lived = stage.die("renew", Begin::Hook(&body), trial.death).await;
        let renewed = stage.app.hook("renew", &body).await.ok();
        assert_eq!(renewed["account"]["balance_bytes"], 10 * GB, "{:?}", trial.death);
        assert_eq!(renewed["account"]["causes"], json!([]), "{:?}", trial.death);
        assert_eq!(stage.app.secret(name, "disabled").unwrap(), "false", "{:?}", trial.death);
        let granted = stage.app.ledger(41).await.into_iter().filter(|(kind, _)| kind == "packet").count();
        assert_eq!(granted, packets, "{:?}", trial.death);
        stage.app.collect().await;
        assert_eq!(stage.app.uncharged(name, booked(&stage.app.app, 41).await), 0, "{:?}", trial.death);
        stage.is_at_rest(&trial).await;
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/ppp/secret/set", "INSERT INTO ledger", "DELETE FROM pending"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_killed_anywhere_is_made_and_cuts_the_customer_off() {
    let mut stage = Stage::new(QUIET).await;
    let made = stage.app.hook("create", &stage.app.body(41)).await.ok();
    let name = "7-41";
    each!(stage, trial => {
        stage.app.dial(&made);
        assert!(stage.app.router.carry(name, MB, MB));
        let body = stage.app.body_with(41, &json!({"hook": {"reason": "unpaid"}}));
        let lived = stage.die("suspend", Begin::Hook(&body), trial.death).await;
        let account = stage.app.hook("suspend", &body).await.ok()["account"].clone();
        assert_eq!(account["causes"], json!(["billing"]), "{:?}", trial.death);
        assert_eq!(stage.app.secret(name, "disabled").unwrap(), "true", "{:?}", trial.death);
        assert!(!stage.app.router.is_online(name), "{:?}", trial.death);
        stage.app.hook("unsuspend", &stage.app.body(41)).await.ok();
        assert_eq!(stage.app.secret(name, "disabled").unwrap(), "false", "{:?}", trial.death);
        stage.app.collect().await;
        assert_eq!(stage.app.uncharged(name, booked(&stage.app.app, 41).await), 0, "{:?}", trial.death);
        stage.is_at_rest(&trial).await;
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/ppp/secret/set", "/ppp/active/remove"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_package_killed_anywhere_is_on_the_router_in_the_end() {
    let mut stage = Stage::new(QUIET).await;
    let name = stage.app.create(41).await;
    each!(stage, trial => {
        let mbps = (20 + trial.n).to_string();
        let body = stage.app.body_with(41, &json!({"settings": {"download_mbps": mbps}}));
        assert!(stage.app.router.carry(&name, MB, MB));
        let lived = stage.die("change-package", Begin::Hook(&body), trial.death).await;
        stage.app.hook("change-package", &body).await.ok();
        let wanted = format!("5000000/{mbps}000000");
        assert_eq!(stage.app.queue(&name, "max-limit"), Some(wanted), "{:?}", trial.death);
        stage.app.collect().await;
        assert_eq!(stage.app.uncharged(&name, booked(&stage.app.app, 41).await), 0, "{:?}", trial.death);
        stage.is_at_rest(&trial).await;
        lived
    });
    stage.was_killed_at(&["the start", "COMMIT", "/queue/simple/set"]);
}

/// The state of the letter that was queued last.
async fn last_letter(db: &turnpike::db::Db) -> (u64, String) {
    let last = sql!("SELECT id, state FROM mail_outbox ORDER BY id DESC LIMIT 1");
    let row = db.read().await.unwrap().one(last, vec![]).await.unwrap().expect("a letter was queued");
    (row.get("id").unwrap(), row.get("state").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_killed_anywhere_arrives_and_twice_only_between_the_servers_word_and_our_mark() {
    let sink = Sink::start(Wants::default());
    let smtp = format!(
        "mail.transport = \"smtp\"\nmail.from = \"VPN <vpn@example.net>\"\n\
         mail.smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"none\", username = \"\", password = \"\" }}\n{QUIET}",
        sink.port
    );
    let mut stage = Stage::new(&smtp).await;
    let name = stage.app.create(41).await;
    let (mut twice, mut n) = (0, 0);
    for step in 0.. {
        n += 1;
        stage.now();
        assert!(stage.app.router.carry(&name, MB, MB));
        // Below the threshold of 2 GB: one letter. And above it again, for the next one.
        for (bytes, key) in [(-9 * GB as i64, "down"), (9 * GB as i64, "up")] {
            let mut body = stage.app.body(41);
            body["hook"] = json!({"bytes": bytes, "key": format!("{key}{n}"), "note": ""});
            stage.app.hook("add-traffic", &body).await.ok();
        }
        let (id, state) = last_letter(&stage.app.app.db).await;
        assert_eq!(state, "queued");
        let db = stage.app.app.db.clone();
        let sent = async move {
            while last_letter(&db).await.1 != "sent" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let lived = stage.die("letters", Begin::Due(Box::new(sent)), Death::Step(step)).await;
        let marked = last_letter(&stage.app.app.db).await.1 == "sent";
        stage.app.step().await;
        assert_eq!(last_letter(&stage.app.app.db).await, (id, "sent".to_owned()), "step {step}");
        // Whatever has arrived by now is of this step.
        let mut copies = vec![sink.next()];
        copies.extend(sink.rest());
        let ids: BTreeSet<&str> = copies.iter().map(|it: &Value| it["message_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1, "the same letter has the same Message-ID");
        assert!(copies.len() == 1 || (copies.len() == 2 && !marked), "step {step}: {} copies", copies.len());
        twice += usize::from(copies.len() == 2);
        stage.app.collect().await;
        assert_eq!(stage.app.uncharged(&name, booked(&stage.app.app, 41).await), 0, "step {step}");
        stage.is_at_rest(&Trial { n, death: Death::Step(step) }).await;
        if lived {
            assert_eq!(copies.len(), 1);
            break;
        }
    }
    stage.was_killed_at(&["the start", "COMMIT", "EHLO", "DATA", "UPDATE mail_outbox SET state = 'sent'"]);
    // Between the server's 250 and the commit of our mark: DATA, BEGIN, UPDATE. SMTP has nothing that would close it.
    assert!((1..=3).contains(&twice), "{twice} letters came twice");
}
