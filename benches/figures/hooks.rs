//! Hooks per second through the signed front door, against two floors on the same machine in the same run: an actix server
//! that answers as many bytes to anything, and one that besides checks the same signature and signs its answer.
//!
//! What is measured with what: requests are signed before the clock starts and answers are read but not verified (one of
//! each kind is, before), so that the caller's cryptography is in nobody's figure. Callers and router have a thread of
//! their own each; what each costs is told as processor time per request beside the rate, which they all share two cores for.

use crate::{
    caller::{Requests, drive, verified},
    ground::{accounts, app, router, settings},
    threads,
};
use actix_web::{App as Web, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{Days, Months};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use turnpike::{
    app::App,
    clock::{Chance, Clock},
    http::{
        answer,
        caller::Caller,
        serve::Service,
        signed::{Admission, Signing},
    },
    pairing::Pairing,
    simulator::{Options, Simulator},
    units::Volume,
    usage::history::{self, Booking},
};

/// Accounts that are there already; those up to [`OLD`] have a month of days and a year of months behind them, those up to
/// [`YOUNG`] a single day.
const ACCOUNTS: u32 = 1000;
/// See [`ACCOUNTS`].
const OLD: u32 = 250;
/// See [`ACCOUNTS`].
const YOUNG: u32 = 500;
/// Requests of one measurement.
const REQUESTS: u64 = 20_000;
/// Creates of one measurement; each waits for the disk three times.
const CREATES: u64 = 500;
/// Each floor and each page is measured so often, by turns; the middle one counts.
const ROUNDS: usize = 3;

/// Prints the figures on each database for each number of connections.
pub async fn run(connections: &[usize]) {
    for (name, database) in [("SQLite", None), ("MariaDB", std::env::var("TURNPIKE_TEST_MYSQL").ok())] {
        if name == "MariaDB" && database.is_none() {
            println!("MariaDB: TURNPIKE_TEST_MYSQL is not set");
        } else {
            println!("{name}");
            on(database.as_deref(), connections).await;
        }
    }
}

async fn on(database: Option<&str>, connections: &[usize]) {
    let threads = threads::Apart::start();
    let router = threads.router.block_on(router(ACCOUNTS)).await;
    router.world(|world| {
        for number in 1..=ACCOUNTS {
            world.connect(&format!("user{number:05}"), "secret", "l2tp", "198.51.100.7").expect("the secret is there");
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), database, "127.0.0.1:0"), folder.path()).await;
    accounts(&app, &router, ACCOUNTS).await;
    histories(&app).await;
    let service = Service::start(app.clone()).await.expect("it starts");
    let mut pairing = Pairing::of(&app.config).expect("paired");
    pairing.url = format!("http://{}", service.address);
    let caller = Caller::new(&pairing, Clock::System, Chance::System);
    let bench = Bench { threads, app, router, address: service.address, caller };
    for connections in connections {
        bench.pages("a month of days, a year of months", *connections, |n| n % u64::from(OLD) + 1).await;
        bench.pages("one day", *connections, |n| n % u64::from(YOUNG - OLD) + u64::from(OLD) + 1).await;
        bench
            .pages("an account never read", *connections, |n| n % u64::from(ACCOUNTS - YOUNG) + u64::from(YOUNG) + 1)
            .await;
    }
    let create = bench.requests("create", CREATES, |n| 100_000 + n);
    Bench::told("create (made on the router)", &bench.measured(bench.address, 16, create).await, None);
    service.stop().await;
}

struct Bench {
    threads: threads::Apart,
    app: App,
    router: Simulator,
    address: SocketAddr,
    caller: Caller,
}

/// One measurement.
#[derive(Clone, Copy)]
struct Figure {
    rate: f64,
    spent: threads::Spent,
}

impl Bench {
    /// A page of that kind of account: both floors of its size and the page itself.
    async fn pages(&self, what: &str, connections: usize, service: impl Fn(u64) -> u64 + Copy + Send + 'static) {
        let size = verified(self.address, &self.caller, ("/v1/hooks/client-area", &self.body(service(0)))).await;
        // Everybody's page once, as after a start: what the next views find is then the same for all of them.
        let first =
            self.measured(self.address, connections, self.requests("client-area", u64::from(OLD), service)).await;
        let plain = bare(size).await;
        let signed = signed(size, &self.app).await;
        verified(signed, &self.caller, ("/v1/hooks/client-area", &self.body(service(0)))).await;
        let mut figures = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (figures, address) in figures.iter_mut().zip([plain, signed, self.address]) {
                figures
                    .push(self.measured(address, connections, self.requests("client-area", REQUESTS, service)).await);
            }
        }
        let [plain, signed, page] = figures.map(middle);
        println!("\n{connections} connections, {what}: answers of {size} bytes");
        Self::told("bare actix, no signature", &plain, Some(&signed));
        Self::told("bare actix, signature checked, signed", &signed, Some(&signed));
        Self::told("client-area, with a live look", &page, Some(&signed));
        Self::told("  each page for the first time", &first, Some(&signed));
    }

    fn told(name: &str, it: &Figure, floor: Option<&Figure>) {
        let ratio = floor.map_or_else(String::new, |floor| format!("{:5.2}", it.rate / floor.rate));
        let threads::Spent { service, caller, router } = it.spent;
        println!(
            "{name:40} {:8.0} /s {ratio:5}   us of processor a request: service {service:6.1}, caller {caller:5.1}, router {router:5.1}",
            it.rate
        );
    }

    /// So many requests, signed.
    fn requests(&self, hook: &str, count: u64, service: impl Fn(u64) -> u64) -> Requests {
        let target = format!("/v1/hooks/{hook}");
        Requests::signed(&self.caller, (0..count).map(|n| (target.clone(), self.body(service(n)))))
    }

    async fn measured(&self, address: SocketAddr, connections: usize, requests: Requests) -> Figure {
        let count = requests.count();
        let before = threads::Times::now();
        let took = self.threads.callers.block_on(drive(address, connections, requests)).await;
        let spent = before.until_now().each(count);
        Figure { rate: per_second(count, took), spent }
    }

    fn body(&self, service: u64) -> Vec<u8> {
        let login = Options::default();
        let address = self.router.address();
        let body: Value = json!({
            "server": {
                "id": 3, "name": "core-1", "hostname": "vpn1.example.net", "address": address.ip().to_string(),
                "port": address.port(), "tls": false, "username": login.username, "password": login.password,
                "certificate_sha256": "", "addresses": ["10.64.0.0/16"],
            },
            "service": {
                "id": service, "client_id": service, "product_id": 2, "status": "Active", "username": "", "password": "",
                "dedicated_address": "", "billing_cycle": "Monthly", "next_due_date": "2026-12-01",
            },
            "client": {"id": service, "name": "Ada Byron", "email": "ada@example.net", "language": "english"},
            "settings": {"traffic_gb_monthly": "10"},
            "hook": {},
        });
        serde_json::to_vec(&body).expect("JSON")
    }
}

fn middle(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    figures[figures.len() / 2]
}

fn per_second(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).expect("few enough")) / took.as_secs_f64()
}

/// A month of days and the eleven months before it, a different amount each; to the younger ones a single day.
async fn histories(app: &App) {
    let today = app.today();
    let mut tx = app.db.begin().await.expect("the database answers");
    for service_id in 1..=u64::from(YOUNG) {
        let days = (0..32).map(|back| today - Days::new(back)).chain((2..12).map(|back| today - Months::new(back)));
        let days = days.take(if service_id > u64::from(OLD) { 1 } else { usize::MAX });
        let moved = |(n, day): (u64, chrono::NaiveDate)| {
            let raw =
                Volume::new((n * 977_131_337 + service_id * 31_337) % 8_000_000_000, n * 77_131_337 % 900_000_000);
            Booking { service_id, day, raw, counted: raw }
        };
        let bookings: Vec<Booking> = (1..).zip(days).map(moved).collect();
        history::add(&mut tx, &bookings).await.expect("written");
    }
    tx.commit().await.expect("written");
    // Days that are older than the product keeps are forgotten, as each night.
    let mut tx = app.db.begin().await.expect("the database answers");
    history::forget_old_days(&mut tx, today, (0, u32::MAX)).await.expect("written");
    tx.commit().await.expect("written");
}

/// A server on a free port, with as many workers as the front door has; its address.
macro_rules! listening {
    ($server:expr) => {{
        let server = $server.workers(2).disable_signals().bind("127.0.0.1:0").expect("a port is free");
        let address = server.addrs()[0];
        tokio::spawn(server.run());
        address
    }};
}

/// An actix server that answers so many bytes to anything.
#[expect(clippy::unused_async, reason = "servers are started from within the runtime: async says so")]
async fn bare(size: usize) -> SocketAddr {
    let answer = web::Bytes::from(vec![b'x'; size]);
    let answer = move |_body: web::Bytes| {
        let answer = answer.clone();
        async move { HttpResponse::Ok().content_type("application/json").body(answer) }
    };
    listening!(HttpServer::new(move || Web::new().default_service(web::to(answer.clone()))))
}

/// The same with our check of the request's signature and our signature of the answer, and nothing else of ours.
#[expect(clippy::unused_async, reason = "servers are started from within the runtime: async says so")]
async fn signed(size: usize, app: &App) -> SocketAddr {
    let signing = Arc::new(Signing::new(&app.config.bridge, app.clock.clone()));
    let answer = move |request: HttpRequest, body: web::Bytes| {
        let signing = Arc::clone(&signing);
        async move {
            match signing.admit(&request, &body) {
                Admission::Ours(proof) => answer::bytes_of(200, "application/json", vec![b'x'; size], Some(&proof)),
                Admission::RefusedSigned(..) | Admission::Refused(_) => HttpResponse::Unauthorized().finish(),
            }
        }
    };
    listening!(HttpServer::new(move || Web::new().default_service(web::to(answer.clone()))))
}
