//! What every test stands on: a service of its own on real sockets, with a database of its own (SQLite, or MariaDB where
//! `TURNPIKE_TEST_MYSQL` names a server), a simulated router, mails written to a folder, and a clock that stands still.

use chrono::{DateTime, Duration, Utc};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::PathBuf;
use turnpike::{
    app::App,
    clock::{Chance, Clock},
    config::Config,
    db::{Address, Db, migrate},
    http::{caller::Caller, serve::Service},
    jobs,
    pairing::Pairing,
    simulator::{Options, Simulator},
};

/// The server on which each test makes a schema of its own, `mysql://root@127.0.0.1:3306/`. Unset: SQLite.
const MYSQL: &str = "TURNPIKE_TEST_MYSQL";

/// The bridge's key, `whmcs`.
pub const SECRET: &str = "c2VjcmV0LW9mLXRoZS1icmlkZ2Utc2VjcmV0LW9mLXRoZS1icmlkZ2U";

pub const GB: u64 = 1_073_741_824;
pub const MB: u64 = 1_048_576;

/// A fresh database; its folder is gone when dropped.
pub struct Database {
    pub address: Address,
    pub db: Db,
    pub folder: tempfile::TempDir,
}

impl Database {
    /// An empty database without a schema.
    pub async fn bare() -> Self {
        match std::env::var(MYSQL) {
            Ok(server) => Self::at(Address::Mysql(fresh_schema(&server).await.into())).await,
            Err(_) => Self::file().await,
        }
    }

    /// A file whatever the environment says: for tests that need many and are about something else.
    pub async fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Sqlite(folder.path().join("test.db"));
        Self { db: Db::open(&address).await.unwrap(), address, folder }
    }

    /// A database that is there.
    pub async fn at(address: Address) -> Self {
        Self { db: Db::open(&address).await.unwrap(), address, folder: tempfile::tempdir().unwrap() }
    }

    pub async fn new() -> Self {
        let database = Self::bare().await;
        migrate::run(&database.db, &Clock::System).await.unwrap();
        database
    }

    pub fn url(&self) -> String {
        match &self.address {
            Address::Sqlite(path) => format!("sqlite:{}", path.display()),
            Address::Mysql(url) => url.expose_secret().to_owned(),
        }
    }
}

async fn fresh_schema(server: &str) -> String {
    use mysql_async::prelude::Queryable;
    let name = format!("t_{}", hex::encode(Chance::System.bytes::<8>()));
    let pool = mysql_async::Pool::new(server);
    let mut conn = pool.get_conn().await.unwrap();
    conn.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
    drop(conn);
    pool.disconnect().await.unwrap();
    format!("{}/{name}", server.trim_end_matches('/'))
}

/// An answer; if it is signed, the signature was checked.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub signed: bool,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The code of a problem.
    #[track_caller]
    pub fn code(&self) -> &str {
        assert!(self.status >= 400, "a success: {}", self.body);
        assert_eq!(self.body["status"], self.status);
        self.body["code"].as_str().unwrap()
    }

    /// Status, code and field (empty where there is none) of a problem.
    #[track_caller]
    pub fn refusal(&self) -> (u16, &str, &str) {
        (self.status, self.code(), self.body["field"].as_str().unwrap_or_default())
    }

    /// What every refusal keeps to: RFC 9457's members, one plain sentence, no secret.
    #[track_caller]
    fn check_problem(&self, content_type: &str) {
        let (text, code) = (|name: &str| self.body[name].as_str().unwrap_or_default(), self.code());
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(text("type"), format!("urn:turnpike:problem:{code}"));
        assert!(!text("title").is_empty() && !text("reference").is_empty(), "{}", self.body);
        let detail = text("detail");
        assert!(detail.len() > 20 && detail.ends_with('.') && !detail.contains(['<', '>', '\n']), "{detail:?}");
        assert!(!detail.contains("router-password") && !detail.contains("shared-by-all"), "{detail:?}");
    }
}

/// A service of its own.
pub struct TestApp {
    pub service: Option<Service>,
    pub app: App,
    pub clock: Clock,
    pub router: Simulator,
    pub database: Database,
    pub caller: Caller,
    config: String,
    http: reqwest::Client,
}

/// Friday, the 20th of November 2026, noon.
pub fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With more settings, a TOML text of whole sections that the test needs otherwise.
    pub async fn with(more: &str) -> Self {
        Self::on(Simulator::start(Options::default()).await.unwrap(), Database::bare().await, more).await
    }

    /// The same on a database that the test has made.
    pub async fn on_database(database: Database, more: &str) -> Self {
        Self::on(Simulator::start(Options::default()).await.unwrap(), database, more).await
    }

    /// The same on that router and that database.
    pub async fn on(router: Simulator, database: Database, more: &str) -> Self {
        let mut config = format!(
            "http.listen = \"127.0.0.1:0\"\nops.listen = \"127.0.0.1:0\"\ndatabase.url = \"{}\"\n\
             seal.master_key = \"{}\"\nbridge.key = [{{ id = \"whmcs\", secret = \"{}\" }}]\n",
            database.url(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            SECRET,
        );
        if !more.contains("mail.") {
            config += "mail.transport = \"file\"\nmail.from = \"VPN <vpn@example.net>\"\n";
        }
        // Bodies of tests move a day's traffic in an instant: the cap is a test of its own.
        if !more.contains("sanity_factor") {
            config += "collect.sanity_factor = 0\n";
        }
        config += more;
        let clock = Clock::fixed(noon());
        let (app, service, caller) = start(&config, database.folder.path().to_owned(), &clock).await;
        Self { service: Some(service), app, clock, router, database, caller, config, http: reqwest::Client::new() }
    }

    /// From now on each call has a connection of its own, which ends with it.
    pub fn keep_no_connections(&mut self) {
        self.http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    }

    /// The service, stopped and started again on the same database.
    pub async fn restart(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        self.app.close().await;
        let (app, service, caller) = start(&self.config, self.folder(), &self.clock).await;
        (self.app, self.service, self.caller) = (app, Some(service), caller);
    }

    /// The service ends in order: for tests that live many lives in one process.
    pub async fn end(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        self.app.close().await;
    }

    /// A second service on the same database, with the same clock; without a front door. With more settings of its own.
    pub async fn sidecar(&self, more: &str) -> App {
        let config = Config::from_text(&format!("{}{more}", self.config), &self.folder()).unwrap();
        App::build(config, self.clock.clone(), Chance::System, tokio::runtime::Handle::current()).await.unwrap()
    }

    /// What its settings are, as text; for a process of its own.
    pub fn config(&self) -> &str {
        &self.config
    }

    pub fn folder(&self) -> PathBuf {
        self.database.folder.path().to_owned()
    }

    pub fn ops(&self) -> String {
        format!("http://{}", self.service.as_ref().unwrap().ops_address)
    }

    /// Time passes, for us and for the router.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.router.pass(time.to_std().unwrap());
    }

    /// Everything that is due, done.
    pub async fn step(&self) {
        jobs::step(&self.app).await.unwrap();
    }

    /// A signed call; the answer's signature is checked too.
    pub async fn send(&self, method: &str, target: &str, body: &Value) -> Answer {
        let answer = self.send_raw(method, target, "application/json", serde_json::to_vec(body).unwrap()).await;
        assert!(answer.signed, "{}", answer.body);
        answer
    }

    /// The same with any bytes of any type.
    pub async fn send_raw(&self, method: &str, target: &str, content_type: &str, bytes: Vec<u8>) -> Answer {
        let headers = self.caller.headers(method, target, &bytes);
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{target}", self.caller.base_url))
            .header("Content-Type", content_type);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let answer = request.body(bytes).send().await.unwrap();
        let status = answer.status().as_u16();
        let got = answer.headers().clone();
        let body = answer.bytes().await.unwrap();
        let header = |name: &str| got.get(name).map(|value| value.to_str().unwrap().to_owned());
        let signed = header("Signature").is_some();
        if signed {
            self.caller.verify(status, header, &body, &headers).unwrap();
        }
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or_default() };
        let answer = Answer { status, body, signed };
        if status >= 400 {
            answer.check_problem(&header("Content-Type").unwrap_or_default());
        }
        answer
    }

    pub async fn hook(&self, hook: &str, body: &Value) -> Answer {
        self.send("POST", &format!("/v1/hooks/{hook}"), body).await
    }

    /// WHMCS's body about a service, as the bridge sends it.
    pub fn body(&self, service_id: u64) -> Value {
        let address = self.router.address();
        let login = Options::default();
        json!({
            "whmcs": {"version": "8.13.1", "bridge": "1.0.0"},
            "server": {
                "id": 3, "name": "core-1", "hostname": "vpn1.example.net", "address": address.ip().to_string(),
                "port": address.port(), "tls": false, "username": login.username, "password": login.password,
                "certificate_sha256": "", "addresses": ["10.8.0.2", "10.8.0.16/28", "10.8.1.10-10.8.1.50"],
            },
            "service": {
                "id": service_id, "client_id": 7, "product_id": 2, "status": "Active", "username": "", "password": "",
                "dedicated_address": "", "billing_cycle": "Monthly", "next_due_date": "2026-12-01",
            },
            "client": {"id": 7, "name": "Ada Byron", "email": "ada@example.net", "language": "english"},
            "settings": {
                "download_mbps": "10", "upload_mbps": "5", "traffic_gb_monthly": "10", "threshold_gb": "2",
                "threshold_template": "threshold", "suspension_template": "suspension",
                "support_pptp": "on", "support_l2tp": "on", "l2tp_psk": "shared-by-all",
            },
            "options": {},
            "hook": {},
        })
    }

    /// The same with some members laid over: `{"settings": {"profile": "gold"}}`.
    pub fn body_with(&self, service_id: u64, over: &Value) -> Value {
        let mut body = self.body(service_id);
        for (part, members) in over.as_object().unwrap() {
            for (name, value) in members.as_object().unwrap() {
                body[part][name] = value.clone();
            }
        }
        body
    }

    /// A hook's refusal: status, code and field.
    pub async fn refused(&self, hook: &str, body: &Value) -> (u16, String, String) {
        let answer = self.hook(hook, body).await;
        let (status, code, field) = answer.refusal();
        (status, code.to_owned(), field.to_owned())
    }

    /// The account as the admin's tab has it.
    pub async fn account(&self, service_id: u64) -> Value {
        self.hook("admin-tab", &self.body(service_id)).await.ok()["account"].clone()
    }

    /// The ledger: kind and bytes, oldest first.
    pub async fn ledger(&self, service_id: u64) -> Vec<(String, i64)> {
        let mut conn = self.app.db.read().await.unwrap();
        let entries = turnpike::usage::ledger::latest(&mut conn, service_id, 1000).await.unwrap();
        entries.into_iter().rev().map(|it| (it.kind, it.bytes)).collect()
    }

    /// Adds a row that is not ours.
    pub fn foreign(&self, menu: &str, values: &[(&str, &str)]) {
        self.router.world(|world| world.add_row(menu, values));
    }

    /// How many changes the router has made since its journal was cleared.
    pub fn writes(&self) -> Vec<String> {
        let journal = self.router.journal().into_iter().map(|it| it.path);
        journal.filter(|path| ["/add", "/set", "/remove"].iter().any(|verb| path.ends_with(verb))).collect()
    }

    /// Creates the service and dials in as its customer; its user name.
    pub async fn create(&self, service_id: u64) -> String {
        let made = self.hook("create", &self.body(service_id)).await.ok();
        let username = made["service"]["username"].as_str().unwrap().to_owned();
        self.dial(&made);
        username
    }

    pub fn dial(&self, made: &Value) {
        let (name, password) =
            (made["service"]["username"].as_str().unwrap(), made["service"]["password"].as_str().unwrap());
        self.router.connect(name, password, "l2tp", "198.51.100.7").unwrap();
    }

    /// One collection by WHMCS.
    pub async fn collect(&self) -> Value {
        self.hook("usage-update", &self.body(1)).await.ok()
    }

    pub async fn client_area(&self, service_id: u64) -> Value {
        self.hook("client-area", &self.body(service_id)).await.ok()
    }

    /// The page with what the router says. A page waits for its router no longer than 1.5 s and then says "unknown"; on a
    /// machine that is busy a sound router may be too late, so whoever is told that asks again.
    pub async fn live_page(&self, service_id: u64) -> Value {
        self.live_page_of(&self.body(service_id)).await
    }

    /// The same for that body.
    pub async fn live_page_of(&self, body: &Value) -> Value {
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let page = self.hook("client-area", body).await.ok();
            if page["connection"]["status"] != "unknown" {
                return page;
            }
            assert!(tokio::time::Instant::now() < end, "the router is never seen: {page}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The balance by the page.
    pub async fn balance(&self, service_id: u64) -> i64 {
        self.client_area(service_id).await["traffic"]["balance_bytes"].as_i64().unwrap()
    }

    /// Letters that left, as text, oldest first.
    pub fn mails(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.folder().join("mail")) else { return Vec::new() };
        let mut files: Vec<PathBuf> =
            folder.map(|it| it.unwrap().path()).filter(|it| it.extension().is_some_and(|e| e == "eml")).collect();
        files.sort_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap_or(0));
        files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// How many commands of that path the router has had.
    pub fn commands(&self, path: &str) -> usize {
        self.router.journal().iter().filter(|it| it.path == path).count()
    }

    /// A property of the customer's secret on the router.
    pub fn secret(&self, name: &str, property: &str) -> Option<String> {
        self.router.world(|world| world.get("/ppp/secret", name, property))
    }

    /// A property of the customer's queue on the router.
    pub fn queue(&self, name: &str, property: &str) -> Option<String> {
        self.router.world(|world| world.get("/queue/simple", name, property))
    }
}

async fn start(config: &str, folder: PathBuf, clock: &Clock) -> (App, Service, Caller) {
    let config = Config::from_text(config, &folder).unwrap();
    let app = App::build(config, clock.clone(), Chance::System, tokio::runtime::Handle::current()).await.unwrap();
    let service = Service::start(app.clone()).await.unwrap();
    let mut pairing = Pairing::of(&app.config).unwrap();
    pairing.url = format!("http://{}", service.address);
    let caller = Caller::new(&pairing, clock.clone(), Chance::System);
    (app, service, caller)
}
