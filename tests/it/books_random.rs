//! A life by the dice: traffic, readings, restarts, lost answers, renewals, top-ups, midnights, in any order. Whatever
//! happens, nobody is charged too much, the books agree, and what was not charged can be explained.
//!
//! `TURNPIKE_RUNS` says how many lives (3); `TURNPIKE_SEED` lives one of them again.

use crate::{
    books_check::{assert_books_equal, booked, open_resets},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use turnpike::{
    clock::Chance,
    simulator::{Fault, When},
};

const USER: &str = "7-41";
const STEPS: u32 = 60;

struct Life {
    app: TestApp,
    dice: Chance,
    password: String,
    /// What the ledger was given.
    granted: i64,
    /// The most that may be missing.
    explained: u64,
    due: chrono::NaiveDate,
    keys: u32,
    story: Vec<String>,
}

impl Life {
    async fn new(seed: u64) -> Self {
        let dice = Chance::seeded(seed);
        let zone = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo"][dice.below(4) as usize];
        let reset = ["after-collection", "never"][usize::from(dice.below(4) == 0)];
        let app = TestApp::with(&format!("time.zone = \"{zone}\"\ncollect.reset = \"{reset}\"\n")).await;
        let made = app.hook("create", &app.body(41)).await.ok();
        let password = made["service"]["password"].as_str().unwrap().to_owned();
        let due = "2026-12-01".parse().unwrap();
        let granted = (10 * GB) as i64;
        Self { app, dice, password, granted, explained: 0, due, keys: 0, story: vec![format!("{zone} {reset}")] }
    }

    async fn uncharged(&self) -> u64 {
        self.app.uncharged(USER, booked(&self.app.app, 41).await)
    }

    fn carry(&mut self) {
        let size = [1_000, 1_000_000, 400_000_000][self.dice.below(3) as usize];
        let (down, up) = (u64::from(self.dice.below(size)), u64::from(self.dice.below(size / 10)));
        if !self.app.router.is_online(USER) {
            // Blocked, or just restarted.
            let _refused = self.app.router.connect(USER, &self.password, "l2tp", "198.51.100.7");
        }
        let carried = self.app.router.carry(USER, down, up);
        self.story.push(format!("carry {down}/{up} {carried}"));
    }

    /// Everything that nobody has charged yet may be gone.
    async fn lose(&mut self, what: &str) {
        let uncharged = self.uncharged().await;
        self.explained = self.explained.max(uncharged);
        self.story.push(format!("{what}, {uncharged} uncharged"));
    }

    /// A reset whose answer is lost may hide what the counter stood at, if it climbs past that before it is read.
    async fn fault(&mut self) {
        let paths = ["/system/resource/print", "/queue/simple/print", "/queue/simple/reset-counters", "/*"];
        let (path, nth) = (paths[self.dice.below(4) as usize], self.dice.below(4) as usize + 1);
        let fault = match self.dice.below(6) {
            0 => Fault::Refuse,
            1 => Fault::ApplyAndLoseReply,
            2 => Fault::CutAfterBytes(self.dice.below(200) as usize),
            3 => Fault::Garbage,
            4 => Fault::FatalMidway("closed".to_owned()),
            _ => Fault::Trap("failure".to_owned(), None),
        };
        self.app.router.fault_at(When::nth(path, nth), fault.clone());
        let shown = self.app.router.world(|world| world.counters("/queue/simple", USER));
        self.explained += shown.map_or(0, |it| it.down + it.up);
        self.collect().await;
        self.app.router.clear_faults();
        self.story.push(format!("fault {fault:?} at {path} {nth}"));
    }

    async fn collect(&mut self) {
        let answer = self.app.hook("usage-update", &self.app.body(1)).await;
        self.story.push(format!("collect {}", answer.status));
    }

    async fn renew(&mut self) {
        self.due = self.due + chrono::Months::new(1);
        let body = self.app.body_with(41, &json!({"service": {"next_due_date": self.due.to_string()}}));
        for _ in 0..=self.dice.below(2) {
            self.app.hook("renew", &body).await.ok();
        }
        self.granted += (10 * GB) as i64;
        self.story.push("renew".to_owned());
    }

    async fn top_up(&mut self) {
        self.keys += 1;
        let bytes = i64::from(self.dice.below(2_000_000_000)) - 500_000_000 + 1;
        let mut body = self.app.body(41);
        body["hook"] = json!({"bytes": bytes, "key": format!("k{}", self.keys), "note": ""});
        for _ in 0..=self.dice.below(2) {
            self.app.hook("add-traffic", &body).await.ok();
        }
        self.granted += bytes;
        self.story.push(format!("top up {bytes}"));
    }

    async fn turn(&mut self) {
        match self.dice.below(20) {
            0..=6 => self.carry(),
            7..=9 => {
                self.app.step().await;
                self.story.push("poll".to_owned());
            }
            10..=12 => self.collect().await,
            13 => {
                self.lose("reboot").await;
                self.app.router.reboot();
            }
            14 => self.fault().await,
            15 => {
                self.app.restart().await;
                self.story.push("restart".to_owned());
            }
            16 => self.renew().await,
            17 => self.top_up().await,
            18 => {
                self.app.pass(Duration::hours(i64::from(self.dice.below(30))));
                self.story.push("hours".to_owned());
            }
            _ => {
                // A hook that has the router in between, with the change that it brings.
                let mbps = self.dice.below(50).to_string();
                let body = self.app.body_with(41, &json!({"settings": {"download_mbps": mbps}}));
                let status = self.app.hook("change-package", &body).await.status;
                self.story.push(format!("change {mbps} {status}"));
            }
        }
        self.app.pass(Duration::seconds(i64::from(self.dice.below(120))));
        self.check().await;
    }

    async fn check(&self) {
        let books = booked(&self.app.app, 41).await;
        assert_eq!(books.total(), books.charged);
        assert_eq!(books.balance, self.granted - i64::try_from(books.charged).unwrap());
        self.app.uncharged(USER, books);
        assert_books_equal(&self.app.app).await;
    }
}

/// The story is told where it ends badly, from whatever await it does.
struct Tell(u64);

impl Drop for Tell {
    #[expect(clippy::print_stderr, reason = "the seed is for whoever looks at a failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was TURNPIKE_SEED={}", self.0);
        }
    }
}

async fn live(seed: u64) {
    let mut life = Life::new(seed).await;
    let _tell = Tell(seed);
    for _ in 0..STEPS {
        life.turn().await;
    }
    life.app.pass(Duration::minutes(5));
    life.app.collect_at_last().await;
    life.app.pass(Duration::minutes(5));
    life.app.collect_at_last().await;
    life.app.step().await;
    life.check().await;
    assert_eq!(open_resets(&life.app.app).await, 0);
    let lost = life.uncharged().await;
    assert!(lost <= life.explained, "{lost} lost, {} explained: {:#?}", life.explained, life.story);
    assert!(life.app.router.carried(USER).0 > MB, "a life without traffic proves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nobody_is_charged_too_much() {
    if let Ok(seed) = std::env::var("TURNPIKE_SEED") {
        return live(seed.parse().unwrap()).await;
    }
    let runs: u64 = std::env::var("TURNPIKE_RUNS").map_or(3, |runs| runs.parse().unwrap());
    let first = u64::from_le_bytes(Chance::System.bytes()) / 2;
    eprintln!("seeds from TURNPIKE_SEED={first}, {runs} of them");
    for seed in first..first + runs {
        live(seed).await;
    }
}
