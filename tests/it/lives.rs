//! Customers whose lives are diced (`books_random.rs`), and what is known of each besides the service's books.

use crate::{
    books_check::{Booked, booked},
    world::{GB, TestApp},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use turnpike::{
    app::App,
    problem::Problem,
    work::{self, Ask, blocks::Change, collect},
};

/// What the line can carry, bytes a second each way; every package that is sold is at least as fast.
const LINE: (u64, u64) = (10_000_000, 5_000_000);

/// How an account is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sold {
    Metered,
    Unmetered,
    /// Metered, on a plan whose nights cost half.
    Nights,
}

/// Something that WHMCS, the cron or the clock wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Poll,
    Collect,
    Cron,
    Create,
    Renew,
    TopUp,
    Package,
    Suspend,
    Unsuspend,
    Terminate,
}

impl Deed {
    pub fn hook(self) -> &'static str {
        match self {
            Self::Poll => "",
            Self::Collect => "usage-update",
            Self::Cron => "cron",
            Self::Create => "create",
            Self::Renew => "renew",
            Self::TopUp => "add-traffic",
            Self::Package => "change-package",
            Self::Suspend => "suspend",
            Self::Unsuspend => "unsuspend",
            Self::Terminate => "terminate",
        }
    }

    /// Whether counters are reset by it.
    pub fn resets(self) -> bool {
        matches!(self, Self::Collect | Self::Cron)
    }

    /// Whether every counter is read by it, and the router's uptime.
    pub fn reads(self) -> bool {
        self.resets() || self == Self::Poll
    }

    /// The work alone, without the front door: to be cut short.
    pub async fn work(self, app: App, body: Value) -> Result<(), Problem> {
        let ask = Ask::parse(&serde_json::to_vec(&body).unwrap())?;
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        match self {
            Self::Poll => collect::run(&app, 3, collect::Scope::Poll, until).await.map(drop),
            Self::Collect => work::usage_update::run(&app, &ask).await.map(drop),
            Self::Cron => work::cron::run(&app, &ask).await.map(drop),
            Self::Create => work::create::run(&app, &ask).await.map(drop),
            Self::Renew => work::renew::run(&app, &ask).await.map(drop),
            Self::TopUp => work::add_traffic::run(&app, &ask).await.map(drop),
            Self::Package => work::change_package::run(&app, &ask).await.map(drop),
            Self::Suspend => work::blocks::run(&app, &ask, Change::Suspend).await.map(drop),
            Self::Unsuspend => work::blocks::run(&app, &ask, Change::Unsuspend).await.map(drop),
            Self::Terminate => work::terminate::run(&app, &ask).await.map(drop),
        }
    }
}

/// A customer.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Person {
    pub service: u64,
    pub sold: Sold,
    pub name: String,
    password: String,
    pub lives: bool,
    pub suspended: bool,
    /// His queue was removed by hand.
    pub missing: bool,
    mbps: String,
    due: chrono::NaiveDate,
    packets: BTreeSet<chrono::NaiveDate>,
    topped_up: i64,
    /// The top-up that is under way.
    pub top_up: (u32, i64),
    /// The most that may be missing by what has happened to him.
    pub explained: u64,
    /// His counter was begun by a create and not read since: it has no uptime that would tell of a restart.
    pub fresh: bool,
    /// What his counter had stood at when the router restarted, until it is known whether the restart was seen.
    pub hidden: u64,
    /// Since when, by the router's clock, his line has carried nothing, and nobody has read what it did.
    free_since: std::time::Duration,
}

impl Person {
    pub fn new(service: u64, sold: Sold) -> Self {
        Self {
            service,
            sold,
            name: format!("7-{service}"),
            password: String::new(),
            lives: false,
            suspended: false,
            missing: false,
            mbps: "80".to_owned(),
            due: "2026-12-01".parse().unwrap(),
            packets: BTreeSet::new(),
            topped_up: 0,
            top_up: (0, 0),
            explained: 0,
            fresh: false,
            hidden: 0,
            free_since: std::time::Duration::ZERO,
        }
    }

    /// What is sent for a deed; its side of a renewal or another package is what it says from then on.
    pub fn body(&mut self, app: &TestApp, deed: Deed) -> Value {
        match deed {
            Deed::Renew => self.due = self.due + chrono::Months::new(1),
            Deed::Package => self.mbps = if self.mbps == "80" { "160".to_owned() } else { "80".to_owned() },
            _ => {}
        }
        let mut settings = json!({
            "download_mbps": self.mbps, "upload_mbps": "40", "threshold_gb": "2",
            "traffic_gb_monthly": if self.sold == Sold::Unmetered { "" } else { "10" },
            "collect": if self.service.is_multiple_of(2) { "cron" } else { "daily" },
        });
        if self.sold == Sold::Nights {
            settings["plan"] = json!("Nights");
        }
        let due = json!({"next_due_date": self.due.to_string()});
        let mut body = app.body_with(self.service, &json!({"settings": settings, "service": due}));
        match deed {
            Deed::TopUp => {
                body["hook"] = json!({"bytes": self.top_up.1, "key": format!("k{}", self.top_up.0), "note": ""});
            }
            Deed::Suspend => body["hook"] = json!({"reason": "unpaid"}),
            _ => {}
        }
        body
    }

    /// A deed was answered with success.
    pub fn did(&mut self, deed: Deed, answer: &Value) {
        match deed {
            Deed::Create => {
                answer["service"]["password"].as_str().unwrap().clone_into(&mut self.password);
                self.fresh |= !self.lives;
                (self.lives, self.missing) = (true, false);
                self.packets.insert(self.due);
            }
            Deed::Renew => drop(self.packets.insert(self.due)),
            Deed::TopUp => self.topped_up += self.top_up.1,
            Deed::Suspend => self.suspended = true,
            Deed::Unsuspend => self.suspended = false,
            Deed::Terminate => (self.lives, self.missing, self.suspended) = (false, false, false),
            Deed::Package => self.missing = false,
            Deed::Poll | Deed::Collect | Deed::Cron => {}
        }
    }

    /// Carries a share of what his line can have carried by now, in percent; whether he was on.
    pub fn carry(&mut self, app: &TestApp, share: (u64, u64)) -> bool {
        if !app.router.is_online(&self.name) {
            // Blocked, gone, or the router has just restarted.
            let _refused = app.router.connect(&self.name, &self.password, "l2tp", "198.51.100.7");
        }
        let ran = app.router.world(|world| world.uptime());
        let seconds = ran.checked_sub(self.free_since).unwrap_or(ran).as_secs();
        self.free_since = ran;
        app.router.carry(&self.name, LINE.0 * seconds * share.0 / 100, LINE.1 * seconds * share.1 / 100)
    }

    /// Somebody may have read his counter: what was not carried by now is not made up for in the next interval.
    pub fn was_read(&mut self, app: &TestApp) {
        self.free_since = app.router.world(|world| world.uptime());
    }

    /// More than any line carries.
    pub fn burst(&self, app: &TestApp) -> bool {
        app.router.carry(&self.name, 900 * GB, GB)
    }

    pub async fn booked(&self, app: &TestApp) -> Booked {
        booked(&app.app, self.service).await
    }

    pub async fn uncharged(&self, app: &TestApp) -> u64 {
        app.uncharged(&self.name, self.booked(app).await)
    }

    /// What his counter shows.
    pub fn shown(&self, app: &TestApp) -> u64 {
        app.router.world(|world| world.counters("/queue/simple", &self.name)).map_or(0, |it| it.down + it.up)
    }

    /// Everything that nobody has charged yet may be gone.
    pub async fn may_lose(&mut self, app: &TestApp) {
        self.explained = self.explained.max(self.uncharged(app).await);
    }

    /// His books, against what he was given and what he carried.
    pub async fn check(&self, app: &TestApp) {
        let books = self.booked(app).await;
        app.uncharged(&self.name, books);
        let granted = (10 * GB * self.packets.len() as u64) as i64 + self.topped_up;
        match self.sold {
            Sold::Unmetered => assert_eq!(books.charged, 0),
            Sold::Metered => assert_eq!(books.charged, books.total()),
            Sold::Nights => assert!(books.charged <= books.total()),
        }
        if self.sold != Sold::Unmetered {
            assert_eq!(books.balance, granted - i64::try_from(books.charged).unwrap(), "{}", self.name);
        }
    }
}
