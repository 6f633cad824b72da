//! The lives that are played: customers come, dial in, use, pay or do not, and go; routers restart, are away and lose replies.

use crate::{Wanted, process::Process, whmcs, whmcs::Whmcs};
use chrono::{Days, Months, NaiveDate, TimeDelta};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use turnpike::simulator::{Fault, Options, Simulator, When};

/// How long before a step's end troubles strike.
const LATELY: TimeDelta = TimeDelta::minutes(10);

/// One service of WHMCS.
pub struct Customer {
    pub service: u64,
    /// Which router, by its place.
    pub router: usize,
    pub username: String,
    pub password: String,
    pub due: NaiveDate,
    pub on_plan: bool,
    /// Not paid since: to be suspended, paid or ended.
    pub unpaid: Option<NaiveDate>,
    /// What it moves in a day, MB.
    daily: u64,
}

/// Everything around the service.
pub struct Life {
    wanted: Wanted,
    chance: StdRng,
    pub whmcs: Whmcs,
    pub routers: Vec<Router>,
    pub customers: Vec<Customer>,
    /// Those that went, with their router and name: their books stay.
    pub gone: Vec<(u64, usize, String)>,
    today: NaiveDate,
    next_service: u64,
    half_open: Vec<tokio::net::TcpStream>,
    /// Steps after which a router was not read in time.
    pub unread: u64,
    /// Restarts, outages and lost replies that the routers had.
    pub troubles: u64,
    /// Bytes that restarts of routers took with them at the most.
    pub lost: u64,
}

/// A router and how it fares.
pub struct Router {
    pub simulator: Simulator,
    pub server: Value,
    /// Steps for which it is still away.
    away: u32,
    /// What it carried since it was read last, bytes: what a restart takes with it.
    unread: u64,
}

impl Life {
    /// Routers start, a plan is made, the first customers come.
    pub async fn begin(wanted: Wanted, process: &Process) -> Self {
        let mut routers = Vec::new();
        for number in 0..wanted.routers {
            let simulator = Simulator::start(Options::default()).await.expect("a port is free");
            let server = whmcs::server(number + 1, &simulator);
            routers.push(Router { simulator, server, away: 0, unread: 0 });
        }
        let today = process.now().date_naive();
        let (chance, whmcs) = (StdRng::seed_from_u64(wanted.seed), Whmcs::new());
        let mut life = Self {
            wanted,
            chance,
            whmcs,
            routers,
            customers: Vec::new(),
            gone: Vec::new(),
            today,
            next_service: 1,
            half_open: Vec::new(),
            unread: 0,
            troubles: 0,
            lost: 0,
        };
        let plan = json!({
            "name": "Gold", "price": "9.90", "download_speed": "20M", "upload_speed": "4M", "fup1_threshold": "200 MB",
            "fup1_download_speed": "8M", "fup1_upload_speed": "2M", "time_based_speed_enabled": true,
            "time_from": "00:00", "time_to": "06:00", "download_ratio": 70, "upload_ratio": 70,
        });
        life.whmcs.send(process, "POST", "/v1/plans", &plan).await.expect("the plan is sound");
        while life.customers.len() < wanted.accounts {
            life.comes(process).await;
        }
        life
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.chance.random_range(0..many) == 0
    }

    fn someone(&mut self) -> usize {
        self.chance.random_range(0..self.customers.len())
    }

    async fn ask(&mut self, process: &Process, hook: &str, at: usize, argument: Value) -> Option<Value> {
        let customer = &self.customers[at];
        let body = whmcs::body(&self.routers[customer.router].server, customer, &argument);
        self.whmcs.hook(process, hook, &body).await
    }

    async fn comes(&mut self, process: &Process) {
        let service = self.next_service;
        self.next_service += 1;
        self.customers.push(Customer {
            service,
            router: usize::try_from(service).expect("few") % self.routers.len(),
            username: String::new(),
            password: String::new(),
            // Due dates are spread over the month.
            due: self.today + Days::new(1 + service % 30),
            on_plan: service.is_multiple_of(2),
            unpaid: None,
            daily: self.chance.random_range(20..600),
        });
        let at = self.customers.len() - 1;
        match self.ask(process, "create", at, json!({})).await {
            Some(made) => {
                let text = |name: &str| made["service"][name].as_str().expect("a text").to_owned();
                (self.customers[at].username, self.customers[at].password) = (text("username"), text("password"));
            }
            // Its router is away: WHMCS's staff would try again, here another customer comes.
            None => drop(self.customers.pop()),
        }
    }

    async fn goes(&mut self, process: &Process, at: usize) {
        if self.ask(process, "terminate", at, json!({})).await.is_some() {
            let customer = self.customers.swap_remove(at);
            let record = format!("/v1/netflow/{}", customer.service);
            if customer.service.is_multiple_of(3) {
                self.whmcs.send(process, "DELETE", &record, &Value::Null).await;
            }
            self.gone.push((customer.service, customer.router, customer.username));
        }
    }

    /// Some hours.
    pub async fn step(&mut self, process: &Process) {
        self.dial();
        let by = TimeDelta::hours(self.wanted.step_hours);
        for router in &self.routers {
            router.simulator.clear_journal();
        }
        // The hours, their traffic, and then what strikes: a restart takes along what nobody has read yet, and no line carries
        // hours of traffic in an instant.
        self.pass(by - LATELY);
        self.traffic();
        self.trouble().await;
        self.pass(LATELY);
        process.jump(by);
        self.wait_for_readings(process).await;
        self.people(process).await;
        let today = process.now().date_naive();
        if today != self.today {
            self.today = today;
            self.day(process).await;
        }
    }

    fn pass(&self, time: TimeDelta) {
        for router in &self.routers {
            router.simulator.pass(time.to_std().expect("forward"));
        }
    }

    /// Everything is back and read, so that the books can be compared.
    pub async fn rest(&mut self, process: &Process) {
        for router in &mut self.routers {
            router.simulator.clear_faults();
            router.simulator.listen().await.expect("its port is its own");
            router.away = 0;
        }
        for _ in 0..3 {
            process.jump(TimeDelta::minutes(10));
            self.wait_for_readings(process).await;
        }
        self.collect(process).await;
    }

    async fn trouble(&mut self) {
        for at in 0..self.routers.len() {
            if self.routers[at].away > 0 {
                self.routers[at].away -= 1;
                if self.routers[at].away == 0 {
                    self.routers[at].simulator.listen().await.expect("its port is its own");
                }
                continue;
            }
            if !self.one_in(60) {
                continue;
            }
            self.troubles += 1;
            let kind = self.chance.random_range(0..6);
            let router = &mut self.routers[at];
            match kind {
                0 => {
                    router.simulator.reboot();
                    self.lost += std::mem::take(&mut router.unread);
                }
                1 => router.simulator.cut(),
                2 => {
                    router.simulator.fault_at(When::at("/queue/simple/reset-counters"), Fault::ApplyAndLoseReply);
                }
                3 => router.simulator.fault(Fault::Slow(Duration::from_millis(300))),
                4 => router.simulator.fault_at(When::at("/queue/simple/print"), Fault::CutAfterBytes(500)),
                _ => {
                    router.simulator.stop().await;
                    router.away = 3;
                }
            }
        }
    }

    /// Who has no session and may have one dials in.
    fn dial(&mut self) {
        for (at, router) in self.routers.iter().enumerate() {
            let mine = self.customers.iter().filter(|it| it.router == at && !it.username.is_empty());
            router.simulator.world(|world| {
                let online: HashSet<String> = world.sessions().iter().map(|it| it.user.clone()).collect();
                for customer in mine.filter(|it| !online.contains(&it.username)) {
                    // Whoever is blocked is not let in.
                    let _ = world.connect(&customer.username, &customer.password, "l2tp", "198.51.100.7");
                }
            });
        }
    }

    fn traffic(&mut self) {
        let hours = u64::try_from(self.wanted.step_hours).expect("positive");
        for customer in &self.customers {
            let most = customer.daily * 1_048_576 * hours / 24 * 2;
            let down = self.chance.random_range(0..most.max(1));
            let router = &mut self.routers[customer.router];
            if router.simulator.carry(&customer.username, down, down / 7) {
                router.unread += down + down / 7;
            }
        }
    }

    /// Until every router that is there was read since the clock was moved; 15 s at the most.
    async fn wait_for_readings(&mut self, process: &Process) {
        let since = (process.now() - TimeDelta::minutes(5)).timestamp_millis();
        let until = tokio::time::Instant::now() + Duration::from_secs(15);
        while tokio::time::Instant::now() < until {
            let read = crate::books::read_since(&process.db, since).await;
            for (_, router) in self.routers.iter_mut().enumerate().filter(|(at, _)| read.contains(&(at + 1))) {
                router.unread = 0;
            }
            let all = self.routers.iter().enumerate().filter(|(_, it)| it.away == 0);
            if all.map(|(at, _)| at + 1).all(|id| read.contains(&id)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.unread += 1;
    }

    /// What people and WHMCS's cron do at any hour.
    async fn people(&mut self, process: &Process) {
        for _ in 0..10 {
            let at = self.someone();
            self.ask(process, "client-area", at, json!({})).await;
        }
        let at = self.someone();
        self.ask(process, "admin-tab", at, json!({})).await;
        self.half_open.extend(self.whmcs.stranger(process).await);
        if self.half_open.len() > 20 {
            self.half_open.drain(..10);
        }
        self.whmcs.hook(process, "cron", &json!({"hook": {"delivered": [], "failed": []}})).await;
    }

    /// What happens once a day.
    async fn day(&mut self, process: &Process) {
        self.collect(process).await;
        for at in 0..self.routers.len() {
            let body = json!({"server": self.routers[at].server});
            for hook in ["list-accounts", "metrics", "options", "test-connection"] {
                self.whmcs.hook(process, hook, &body).await;
            }
        }
        for page in ["overview", "routers", "accounts", "mails", "quarantine", "netflow"] {
            self.whmcs.send(process, "POST", &format!("/v1/admin/{page}"), &whmcs::page()).await;
        }
        self.money(process).await;
        self.wishes(process).await;
        // Churn: two go for reasons of their own, as many come as are missing.
        for _ in 0..2 {
            let at = self.someone();
            self.goes(process, at).await;
        }
        for _ in self.customers.len()..self.wanted.accounts {
            self.comes(process).await;
        }
    }

    /// WHMCS's daily cron.
    async fn collect(&mut self, process: &Process) {
        for at in 0..self.routers.len() {
            let body = json!({"server": self.routers[at].server});
            self.whmcs.hook(process, "usage-update", &body).await;
        }
    }

    /// Renewals, and what becomes of those that do not pay.
    async fn money(&mut self, process: &Process) {
        let mut at = 0;
        while at < self.customers.len() {
            let due = self.customers[at].due;
            let unpaid = self.customers[at].unpaid;
            match unpaid {
                Some(since) if self.today >= since + Days::new(5) => {
                    self.customers[at].unpaid = None;
                    if self.one_in(3) {
                        let before = self.customers.len();
                        self.goes(process, at).await;
                        if self.customers.len() < before {
                            continue;
                        }
                    }
                    self.ask(process, "unsuspend", at, json!({})).await;
                    self.renew(process, at).await;
                }
                None if self.today >= due && self.one_in(8) => {
                    self.customers[at].unpaid = Some(self.today);
                    self.ask(process, "suspend", at, json!({"reason": "Overdue on Payment"})).await;
                }
                None if self.today >= due => self.renew(process, at).await,
                _ => {}
            }
            at += 1;
        }
    }

    async fn renew(&mut self, process: &Process, at: usize) {
        while self.customers[at].due <= self.today {
            self.customers[at].due = self.customers[at].due + Months::new(1);
        }
        self.ask(process, "renew", at, json!({})).await;
    }

    /// Top-ups, new passwords, NetFlow records, blocks by staff.
    async fn wishes(&mut self, process: &Process) {
        let today = self.today.to_string();
        for _ in 0..5 {
            let at = self.someone();
            let top_up = json!({"bytes": 1_073_741_824, "key": format!("invoice-{today}"), "note": "Invoice"});
            self.ask(process, "add-traffic", at, top_up).await;
        }
        let at = self.someone();
        let password = format!("new-{}-{today}", self.customers[at].service);
        let former = std::mem::replace(&mut self.customers[at].password, password);
        if self.ask(process, "change-password", at, json!({})).await.is_none() {
            self.customers[at].password = former;
        }
        let at = self.someone();
        self.ask(process, "admin-block", at, json!({"reason": "asked for"})).await;
        self.ask(process, "admin-unblock", at, json!({"reason": "asked for"})).await;
        let at = self.someone();
        self.ask(process, "change-package", at, json!({})).await;
        let service = self.customers[at].service / 3 * 3;
        let record = json!({"enabled": true, "url": "https://flow.example.net", "username": "u", "password": "p"});
        self.whmcs.send(process, "PUT", &format!("/v1/netflow/{service}"), &record).await;
    }
}
