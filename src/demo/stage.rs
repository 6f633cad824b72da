//! What the demo plays on: a whole service with its own database and keys, a simulated router, mails written to a folder,
//! a clock that the story moves, and WHMCS's part, which calls through the signed front door.

use super::{
    customers::Customer,
    figures::gb,
    letters::{self, Letter},
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, Duration, Utc};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::runtime::Handle;
use turnpike::{
    app::App,
    clock::{Chance, Clock},
    config::Config,
    http::{caller::Caller, serve::Service},
    jobs,
    pairing::Pairing,
    simulator::{Options, Simulator},
};

/// WHMCS's id of the router.
const SERVER: u64 = 3;
/// The router's name in WHMCS.
pub const ROUTER: &str = "core-1";
/// An account on the router that is none of ours.
pub const FOREIGN: &str = "warehouse";
/// What the dice of the service are seeded with: passwords are the same at every run. Keys are not made from it.
const SEED: u64 = 1843;

/// An answer, its signature checked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP's.
    pub status: u16,
    /// The answer or the problem.
    pub body: Value,
}

/// Everything that runs.
pub struct Stage {
    /// The service's parts.
    pub app: App,
    /// The clock of everything but deadlines.
    pub clock: Clock,
    /// The router.
    pub router: Simulator,
    /// Signed calls so far.
    calls: AtomicU64,
    service: tokio::sync::Mutex<Option<Service>>,
    caller: Caller,
    http: reqwest::Client,
    folder: PathBuf,
}

impl Stage {
    /// A service, a router and an empty book, on a Monday morning.
    pub async fn set(folder: PathBuf) -> Result<Self> {
        let clock = Clock::fixed(opening());
        let router = Simulator::start(Options { identity: ROUTER.to_owned(), ..Options::default() })
            .await
            .context("the simulated router cannot listen on loopback")?;
        router.world(|world| {
            world.set_clock(u64::try_from(opening().timestamp()).unwrap_or_default());
            world.add_row(
                "/ppp/secret",
                &[("name", FOREIGN), ("password", "by-hand"), ("comment", "alarm line, do not touch")],
            );
            world.add_row(
                "/queue/simple",
                &[("name", FOREIGN), ("target", "10.8.0.250/32"), ("max-limit", "2000000/2000000")],
            );
        });
        let config = Config::from_text(&settings(&folder), &folder).map_err(|error| anyhow!("{error}"))?;
        let app = App::build(config, clock.clone(), Chance::seeded(SEED), Handle::current())
            .await
            .map_err(|error| anyhow!("{error}"))?;
        let service = Service::start(app.clone()).await.map_err(|error| anyhow!("{error}"))?;
        let mut pairing = Pairing::of(&app.config)?;
        pairing.url = format!("http://{}", service.address);
        let caller = Caller::new(&pairing, clock.clone(), Chance::System);
        // Every call on a connection of its own, as PHP's curl does; and a stop waits for none.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let service = tokio::sync::Mutex::new(Some(service));
        Ok(Self { app, clock, router, calls: AtomicU64::new(0), service, caller, http, folder })
    }

    /// Ends it all.
    pub async fn clear(&self) {
        if let Some(service) = self.service.lock().await.take() {
            service.stop().await;
        }
        self.app.close().await;
        self.router.stop().await;
    }

    /// A hook, signed as the bridge signs it; the answer's signature is checked.
    pub async fn call(&self, hook: &str, body: &Value) -> Result<Answer> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.send(hook, body).await
    }

    /// A customer's page for one who waits: how often it takes differs from run to run, so it is not counted.
    pub async fn peek(&self, customer: &Customer) -> Result<Value> {
        let mut body = customer.parts();
        body["server"] = self.server();
        Ok(self.send("client-area", &body).await?.body)
    }

    async fn send(&self, hook: &str, body: &Value) -> Result<Answer> {
        self.ask(&format!("/v1/hooks/{hook}"), body).await
    }

    /// Asks the signed front door; the answer's signature is checked.
    pub async fn ask(&self, target: &str, body: &Value) -> Result<Answer> {
        let bytes = serde_json::to_vec(body)?;
        let headers = self.caller.headers("POST", target, &bytes);
        let mut request =
            self.http.post(format!("{}{target}", self.caller.base_url)).header("Content-Type", "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let answer =
            request.body(bytes).send().await.with_context(|| format!("the front door does not answer {target}"))?;
        let status = answer.status().as_u16();
        let got = answer.headers().clone();
        let body = answer.bytes().await?;
        let header = |name: &str| got.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.caller
            .verify(status, header, &body, &headers)
            .map_err(|why| anyhow!("the answer to {target} is not to be trusted: {why}"))?;
        Ok(Answer { status, body: serde_json::from_slice(&body)? })
    }

    /// A hook about a customer's service.
    pub async fn hook(&self, hook: &str, customer: &Customer) -> Result<Answer> {
        let mut body = customer.parts();
        body["server"] = self.server();
        self.call(hook, &body).await
    }

    /// The same where only success will do.
    pub async fn done(&self, hook: &str, customer: &Customer) -> Result<Value> {
        let answer = self.hook(hook, customer).await?;
        ensure!(answer.status == 200, "{hook} for {} was refused: {}", customer.name, answer.detail());
        Ok(answer.body)
    }

    /// A hook about the router as a whole.
    pub async fn router_hook(&self, hook: &str) -> Result<Answer> {
        self.call(hook, &json!({"whmcs": {"version": "8.13.1"}, "server": self.server()})).await
    }

    /// Everything that is due, done.
    pub async fn jobs(&self) -> Result<()> {
        jobs::step(&self.app).await.map_err(|problem| anyhow!("{}", problem.detail))
    }

    /// Time passes, for everybody.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.router.pass(time.to_std().unwrap_or_default());
    }

    /// Time passes until then; not back.
    pub fn pass_until(&self, then: DateTime<Utc>) {
        self.pass((then - self.clock.now()).max(Duration::zero()));
    }

    /// Creates the account and keeps what WHMCS would keep of the answer.
    pub async fn create(&self, customer: &mut Customer) -> Result<Value> {
        let made = self.done("create", customer).await?;
        let text = |name: &str| made["service"][name].as_str().unwrap_or_default().to_owned();
        customer.username = text("username");
        customer.password = text("password").into();
        customer.address = text("dedicated_address");
        Ok(made["account"].clone())
    }

    /// The customer dials in; `Err` holds the router's reason.
    pub fn dial(&self, customer: &Customer) -> Result<(), String> {
        let service = if customer.settings["support_l2tp"] == "on" { "l2tp" } else { "pptp" };
        self.router.connect(&customer.username, customer.password.expose_secret(), service, customer.caller_id)
    }

    /// The account as staff see it.
    pub async fn account(&self, customer: &Customer) -> Result<Value> {
        Ok(self.done("admin-tab", customer).await?["account"].clone())
    }

    /// The balance, bytes.
    pub async fn balance(&self, customer: &Customer) -> Result<i64> {
        let account = self.account(customer).await?;
        account["balance_bytes"].as_i64().with_context(|| format!("{} has no balance", customer.name))
    }

    /// What was booked for the customer from the first day on, (download, upload) in bytes.
    pub async fn booked(&self, customer: &Customer) -> Result<(u64, u64)> {
        let page = self.done("client-area", customer).await?;
        let months = page["statistics"]["months"].as_array().context("the page has no months")?;
        let sum = |name: &str| months.iter().filter_map(|month| month[name].as_u64()).sum();
        Ok((sum("download_bytes"), sum("upload_bytes")))
    }

    /// What the router carried for the customer and what was booked, which must be the same to the byte; the sum.
    pub async fn compare(&self, customer: &Customer) -> Result<u64> {
        let (carried, booked) = (self.router.carried(&customer.username), self.booked(customer).await?);
        if carried != booked {
            let sum = |(down, up): (u64, u64)| i64::try_from(down + up).unwrap_or(i64::MAX);
            let (carried, booked) = (sum(carried), sum(booked));
            bail!("{}: the router carried {} and {} were booked", customer.name, gb(carried), gb(booked));
        }
        Ok(carried.0 + carried.1)
    }

    /// The letters that left so far.
    pub fn letters(&self) -> Result<Vec<Letter>> {
        letters::caught(&self.folder.join("mail"))
    }

    /// The foreign account's secret and queue, as they stand on the router.
    pub fn foreign(&self) -> [Option<String>; 5] {
        self.router.world(|world| {
            [
                world.get("/ppp/secret", FOREIGN, "comment"),
                world.get("/ppp/secret", FOREIGN, "disabled"),
                world.get("/ppp/secret", FOREIGN, "password"),
                world.get("/queue/simple", FOREIGN, "max-limit"),
                world.get("/queue/simple", FOREIGN, "bytes"),
            ]
        })
    }

    /// How many signed calls were made and answered.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn server(&self) -> Value {
        let (address, login) = (self.router.address(), Options::default());
        json!({
            "id": SERVER, "name": ROUTER, "hostname": "vpn1.example.net", "address": address.ip().to_string(),
            "port": address.port(), "tls": false, "username": login.username, "password": login.password,
            "certificate_sha256": "", "addresses": ["10.8.0.2-10.8.0.200"],
        })
    }
}

impl Answer {
    /// What a problem says to WHMCS's staff.
    pub fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or("no reason given")
    }
}

/// Monday, the 21st of September 2026, nine in the morning.
pub fn opening() -> DateTime<Utc> {
    DateTime::from_timestamp(1_789_981_200, 0).unwrap_or_default()
}

/// Everything else as by default: polls every minute, counters reset after collection, the sanity cap on.
fn settings(folder: &Path) -> String {
    // A JSON text is a TOML text too.
    let (master, secret) = (Chance::System.bytes::<32>(), Chance::System.bytes::<32>());
    let database = json!(format!("sqlite:{}", folder.join("turnpike.db").display()));
    format!(
        "http.listen = \"127.0.0.1:0\"\nops.listen = \"127.0.0.1:0\"\ndatabase.url = {database}\n\
         seal.master_key = \"{}\"\nbridge.key = [{{ id = \"whmcs\", secret = \"{}\" }}]\n\
         mail.transport = \"file\"\nmail.from = \"Example VPN <vpn@example.net>\"\n",
        STANDARD.encode(master),
        URL_SAFE_NO_PAD.encode(secret),
    )
}
