//! The real program, several times, on one MariaDB: killed, frozen and cut off in the middle of what it does, while others go
//! on. No interval is booked twice, no letter is sent twice, and who wakes up late changes nothing any more. On MariaDB only:
//! a file has no sidecars.

use crate::{
    books_check::{assert_books_equal, booked, open_resets},
    wire::Wire,
    world::{Database, GB, MB, TestApp},
};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::Instant,
};
use turnpike::{
    clock::{Chance, Clock},
    config::Config,
    db::Address,
    http::caller::Caller,
    pairing::Pairing,
    simulator::{Fault, When},
};

/// Long enough for a loaded machine; only what hangs waits it out.
pub const PATIENCE: Duration = Duration::from_secs(90);
const RESET: &str = "/queue/simple/reset-counters";
/// A lease that a test can wait for, and that a loaded machine does not lose, nor a reset its answer.
pub const LEASE: &str = "collect.lease_seconds = 8\nrouter.write_seconds = 4\n";

/// `turnpike serve` as a process of its own.
pub struct Sidecar {
    child: Child,
    folder: PathBuf,
    pub ops: String,
    pub caller: Caller,
    http: reqwest::Client,
}

impl Sidecar {
    /// Starts one beside the test's own service, with more settings; letters go into its own folder unless those say where.
    pub async fn start(app: &TestApp, name: &str, database: &str, more: &str) -> Self {
        Self::begin(app, name, database, more, (None, &[])).await
    }

    /// The same, with these variables in its environment.
    pub async fn in_environment(
        app: &TestApp,
        name: &str,
        database: &str,
        more: &str,
        environment: &[(&str, String)],
    ) -> Self {
        Self::begin(app, name, database, more, (None, environment)).await
    }

    /// The same; with a limit, none of its files grows past so many KiB: what it writes then fails, as on a full disk.
    pub async fn limited(app: &TestApp, name: &str, database: &str, more: &str, kib: Option<u32>) -> Self {
        Self::begin(app, name, database, more, (kib, &[])).await
    }

    async fn begin(
        app: &TestApp,
        name: &str,
        database: &str,
        more: &str,
        (kib, environment): (Option<u32>, &[(&str, String)]),
    ) -> Self {
        let folder = app.folder().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let own = app.config().lines().filter(|line| !line.starts_with("database.url") && !line.starts_with("mail."));
        let own = own.collect::<Vec<_>>().join("\n");
        let files = if more.contains("mail.transport") { "" } else { "mail.transport = \"file\"\n" };
        let text =
            format!("{own}\ndatabase.url = \"{database}\"\n{files}mail.from = \"VPN <vpn@example.net>\"\n{more}");
        let file = folder.join("turnpike.toml");
        std::fs::write(&file, &text).unwrap();
        let limit = kib.map_or_else(String::new, |kib| format!("trap '' XFSZ; ulimit -f {}; ", kib * 2));
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("{limit}exec \"$@\""), "sh", env!("CARGO_BIN_EXE_turnpike")])
            .args(["serve", "--json", "--config"])
            .arg(&file)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let line = line.unwrap_or_else(|| panic!("{name}: {}", std::fs::read_to_string(folder.join("log")).unwrap()));
        let said: Value = serde_json::from_str(&line).unwrap();
        let mut pairing = Pairing::of(&Config::from_text(&text, &folder).unwrap()).unwrap();
        pairing.url = format!("http://{}", said["listen"].as_str().unwrap());
        let caller = Caller::new(&pairing, Clock::System, Chance::System);
        let ops = format!("http://{}", said["ops"].as_str().unwrap());
        Self { child, folder, ops, caller, http: reqwest::Client::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Killed, with no chance to say anything.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// A hook, signed now.
    pub async fn hook(&self, hook: &str, body: &Value) -> (u16, Value) {
        let target = format!("/v1/hooks/{hook}");
        let bytes = serde_json::to_vec(body).unwrap();
        let headers = self.caller.headers("POST", &target, &bytes);
        self.send(&target, &headers, bytes).await
    }

    /// A request with these headers.
    pub async fn send(&self, target: &str, headers: &[(String, String)], bytes: Vec<u8>) -> (u16, Value) {
        let mut request = self.http.post(format!("{}{target}", self.caller.base_url));
        request = request.header("Content-Type", "application/json").timeout(PATIENCE);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.body(bytes).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.json().await.unwrap_or_default()),
            Err(error) => (0, json!({"error": error.to_string()})),
        }
    }

    /// A hook that must succeed.
    #[track_caller]
    pub fn ok(&self, hook: &str, body: &Value) -> impl Future<Output = Value> {
        let (hook, body, at) = (hook.to_owned(), body.clone(), std::panic::Location::caller());
        async move {
            let (status, answer) = self.hook(&hook, &body).await;
            assert_eq!(status, 200, "{hook} at {at}: {answer}");
            answer
        }
    }

    /// Whether its `/readyz` says that it can serve.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.ops)).timeout(PATIENCE).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    pub fn letters(&self) -> usize {
        let Ok(folder) = std::fs::read_dir(self.folder.join("mail")) else { return 0 };
        folder.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "eml")).count()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

/// Sends a process a signal: `STOP`, `CONT`. One that is to stop has stopped when this returns: the kernel tells one of its
/// threads, which tells the others when it is given a processor, and until then they go on.
pub fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
    let end = std::time::Instant::now() + PATIENCE;
    while name == "STOP" && !has_stopped(pid) {
        assert!(std::time::Instant::now() < end, "{pid} does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether every thread of a process stands still, by the state after its name in `/proc`.
fn has_stopped(pid: u32) -> bool {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(|thread| {
        let stat = std::fs::read_to_string(thread.unwrap().path().join("stat"));
        // A thread that has just ended has none.
        stat.map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    })
}

/// A service of the test's own on MariaDB, with the machine's clock; `None` on SQLite.
pub async fn on_mariadb() -> Option<(TestApp, String)> {
    let database = Database::bare().await;
    if !matches!(database.address, Address::Mysql(_)) {
        return None;
    }
    let url = database.url();
    let app = TestApp::on_database(database, LEASE).await;
    now(&app);
    Some((app, url))
}

/// The test's own service has the time of the processes beside it.
pub fn now(app: &TestApp) {
    app.clock.set(Clock::System.now());
}

/// Asks again and again until it is so.
pub async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let end = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Tells when the router came to a command; the process that sent it was sent a signal before the answer.
fn signalled(
    app: &TestApp,
    when: When,
    pid: u32,
    name: &'static str,
    applied: bool,
) -> tokio::sync::oneshot::Receiver<()> {
    let (came, told) = tokio::sync::oneshot::channel();
    let came = std::sync::Mutex::new(Some(came));
    let act = move |_: &turnpike::simulator::Simulator| {
        signal(pid, name);
        if let Some(came) = came.lock().unwrap().take() {
            came.send(()).unwrap();
        }
    };
    app.router.fault_at(when, if applied { Fault::call_after(act) } else { Fault::call(act) });
    told
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it came to its end")
}

/// The lease of the router: whose it is, since when at the earliest (the fence is the instant at which it was taken, or later),
/// and until when.
async fn lease_of_the_router(app: &TestApp) -> Option<(String, i64, i64)> {
    let sql = turnpike::sql!("SELECT owner, fence, until_at FROM lease WHERE name = 'server/3'");
    let row = app.app.db.read().await.unwrap().one(sql, vec![]).await.unwrap()?;
    Some((row.get("owner").unwrap(), row.get("fence").unwrap(), row.get("until_at").unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_killed_while_it_reads_is_taken_over() {
    let Some((app, url)) = on_mariadb().await else { return };
    let user = app.create(41).await;
    let mut first = Sidecar::start(&app, "first", &url, "collect.poll_seconds = 5\n").await;
    let second = Sidecar::start(&app, "second", &url, "collect.poll_seconds = 0\n").await;
    // More than 8 of its 10 GB: a letter follows, from whoever books it.
    assert!(app.router.carry(&user, 9 * GB, MB));
    let killed = signalled(&app, When::at("/queue/simple/print"), first.pid(), "KILL", false);
    in_time(killed).await.unwrap();
    first.kill().await;
    let (dead, _, until_then) = lease_of_the_router(&app).await.expect("the dead one's lease is there");
    assert!(app.router.carry(&user, 7, 11));
    let let_go = tokio::sync::watch::Sender::new(false);
    app.router.fault_at(When::at("/queue/simple/print"), Fault::Until(let_go.subscribe()));
    // It waits for the dead one's lease, and answers in the time that a collection has.
    let body = app.body(1);
    let taken_over = async {
        until("the lease is another's", async || {
            lease_of_the_router(&app).await.is_some_and(|(owner, ..)| owner != dead)
        })
        .await;
        let (_, since, _) = lease_of_the_router(&app).await.expect("it is held: the router does not answer yet");
        let_go.send_replace(true);
        since
    };
    let (_, taken_at) = tokio::join!(second.ok("usage-update", &body), taken_over);
    // By what both have written down: a lease is 8 s, and `until_then` one of them after the dead one's last word.
    assert!(taken_at <= until_then + 8_000, "taken {} ms after the end", taken_at - until_then);
    now(&app);
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_eq!(open_resets(&app.app).await, 0);
    assert_books_equal(&app.app).await;
    until("the letter is sent", async || second.letters() > 0).await;
    second.ok("usage-update", &body).await;
    assert_eq!(first.letters() + second.letters(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_frozen_while_it_blocks_an_account_does_not_block_it_when_it_wakes() {
    let Some((app, url)) = on_mariadb().await else { return };
    // Before the secret is set, when it was just set, and before the session is removed.
    for (id, path, applied) in
        [(41, "/ppp/secret/print", false), (42, "/ppp/secret/set", true), (43, "/ppp/active/print", false)]
    {
        let user = app.create(id).await;
        let quiet = "collect.poll_seconds = 0\n";
        let first = Sidecar::start(&app, &format!("first-{id}"), &url, quiet).await;
        let second = Sidecar::start(&app, &format!("second-{id}"), &url, quiet).await;
        let frozen = signalled(&app, When::at(path), first.pid(), "STOP", applied);
        let body = app.body(id);
        let late = async {
            let answer = first.hook("suspend", &body).await;
            assert_eq!(answer.0, 200, "the cause was in the books before the router was asked: {}", answer.1);
        };
        let meanwhile = async {
            in_time(frozen).await.unwrap();
            second.ok("unsuspend", &body).await;
            until("the lease runs out and the change is made", async || {
                second.ok("admin-tab", &body).await["account"]["pending"] == 0
            })
            .await;
            assert_eq!(app.secret(&user, "disabled").unwrap(), "false");
            if !app.router.is_online(&user) {
                let password = app.secret(&user, "password").unwrap();
                app.router.connect(&user, &password, "l2tp", "198.51.100.7").unwrap();
            }
            app.router.clear_journal();
            signal(first.pid(), "CONT");
        };
        tokio::join!(late, meanwhile);
        assert_eq!(app.writes(), Vec::<String>::new(), "frozen at {path}: {}", first.log());
        assert_eq!(app.secret(&user, "disabled").unwrap(), "false");
        assert!(app.router.is_online(&user), "frozen at {path}");
        let account = second.ok("admin-tab", &body).await["account"].clone();
        assert_eq!((&account["enabled"], &account["pending"]), (&json!(true), &json!(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_frozen_in_a_collection_books_and_resets_nothing_when_it_wakes() {
    let Some((app, url)) = on_mariadb().await else { return };
    // Before it has read; before it resets what it has booked.
    for (id, nth) in [(41, 1), (42, 2)] {
        let user = app.create(id).await;
        let quiet = "collect.poll_seconds = 0\n";
        let first = Sidecar::start(&app, &format!("first-{id}"), &url, quiet).await;
        let second = Sidecar::start(&app, &format!("second-{id}"), &url, quiet).await;
        // More than 8 of its 10 GB: a letter follows, from whoever books it.
        assert!(app.router.carry(&user, 9 * GB, 1));
        let frozen = signalled(&app, When::nth("/queue/simple/print", nth), first.pid(), "STOP", false);
        let body = app.body(1);
        app.router.clear_journal();
        let late = async {
            let (status, answer) = first.hook("usage-update", &body).await;
            assert_eq!((status, answer["code"].as_str().unwrap()), (409, "busy"), "{answer}");
        };
        let meanwhile = async {
            in_time(frozen).await.unwrap();
            assert!(app.router.carry(&user, 13, 17));
            second.ok("usage-update", &body).await;
            assert!(app.router.carry(&user, 19, 23));
            assert_eq!(app.commands(RESET), 1);
            signal(first.pid(), "CONT");
        };
        tokio::join!(late, meanwhile);
        assert_eq!(app.commands(RESET), 1, "the one that slept resets nothing: {}", first.log());
        until("the letter is sent", async || first.letters() + second.letters() > 0).await;
        second.ok("usage-update", &body).await;
        assert_eq!(app.uncharged(&user, booked(&app.app, id).await), 0);
        assert_eq!(open_resets(&app.app).await, 0);
        assert_books_equal(&app.app).await;
        assert_eq!(first.letters() + second.letters(), 1);
        app.router.hang_up(&user);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_cut_from_the_database_is_taken_over_and_comes_back() {
    let Some((app, url)) = on_mariadb().await else { return };
    let mut wire = Wire::to(&url).await;
    let user = app.create(41).await;
    let quiet = "collect.poll_seconds = 0\n";
    let first = Sidecar::start(&app, "first", &wire.url, quiet).await;
    let second = Sidecar::start(&app, "second", &url, quiet).await;
    // A letter follows, from whoever books it.
    assert!(app.router.carry(&user, 9 * GB, MB));
    let cut = std::sync::Arc::clone(&wire.up);
    app.router.fault_at(
        When::at("/queue/simple/print"),
        Fault::call(move |_| {
            cut.send_replace(false);
        }),
    );
    let body = app.body(1);
    let (status, answer) = first.hook("usage-update", &body).await;
    assert_eq!((status, &answer["code"]), (503, &json!("database-unavailable")));
    assert!(!first.is_ready().await, "a balancer is told");
    assert!(second.is_ready().await);
    assert!(app.router.carry(&user, MB, MB));
    second.ok("usage-update", &body).await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    wire.mend().await;
    until("the database is back", async || first.is_ready().await).await;
    assert!(app.router.carry(&user, 3, 5));
    first.ok("usage-update", &body).await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    assert_books_equal(&app.app).await;
    until("the letter is sent", async || first.letters() + second.letters() > 0).await;
    second.ok("usage-update", &body).await;
    assert_eq!(first.letters() + second.letters(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_done_by_one_sidecar_once() {
    let Some((app, url)) = on_mariadb().await else { return };
    app.create(41).await;
    let quiet = "collect.poll_seconds = 0\n";
    let first = Sidecar::start(&app, "first", &url, quiet).await;
    let second = Sidecar::start(&app, "second", &url, quiet).await;
    for round in 0..10 {
        let mut body = app.body(41);
        body["hook"] = json!({"bytes": 1, "key": format!("round {round}")});
        let (target, bytes) = ("/v1/hooks/add-traffic", serde_json::to_vec(&body).unwrap());
        let headers = first.caller.headers("POST", target, &bytes);
        let (here, there) =
            tokio::join!(first.send(target, &headers, bytes.clone()), second.send(target, &headers, bytes.clone()));
        let mut both = [here.0, there.0];
        both.sort_unstable();
        assert_eq!(both, [200, 401], "{} {}", here.1, there.1);
        let refused = if here.0 == 401 { here.1 } else { there.1 };
        assert_eq!(refused["code"], "nonce-reused");
        // And later, too.
        assert_eq!(second.send(target, &headers, bytes).await.0, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_one_service_at_two_sidecars_end_as_the_books_say() {
    let Some((app, url)) = on_mariadb().await else { return };
    hooks_of_one_service_at(&app, &url, &url).await;
    assert_books_equal(&app.app).await;
}

/// Two sidecars, asked for the same services at the same time. A change that meets the other's is told to be asked for again.
pub async fn hooks_of_one_service_at(app: &TestApp, here: &str, there: &str) {
    let poll = "collect.poll_seconds = 5\n";
    let first = Sidecar::start(app, "first", here, poll).await;
    let second = Sidecar::start(app, "second", there, poll).await;
    // Both are asked to make the same ones at once.
    for id in 41..=44 {
        let body = app.body(id);
        let (here, there) = tokio::join!(first.ok("create", &body), second.ok("create", &body));
        assert_eq!(here["service"], there["service"]);
        app.dial(&here);
        assert_eq!(app.ledger(id).await.len(), 1);
    }
    for round in 0..6 {
        for id in 41..=44 {
            let body = app.body_with(id, &json!({"settings": {"download_mbps": (10 + round).to_string()}}));
            let (a, b) = if (round + id) % 2 == 0 { (&first, &second) } else { (&second, &first) };
            tokio::join!(a.ok("suspend", &body), b.ok("change-package", &body), b.ok("unsuspend", &body));
        }
    }
    for id in 41..=44 {
        let body = app.body(id);
        until("all changes are made", async || second.ok("admin-tab", &body).await["account"]["pending"] == 0).await;
        let account = first.ok("admin-tab", &body).await["account"].clone();
        let user = account["username"].as_str().unwrap();
        let enabled = account["enabled"].as_bool().unwrap();
        assert_eq!(app.secret(user, "disabled").unwrap(), (!enabled).to_string());
        assert_eq!(app.queue(user, "max-limit").unwrap(), "5000000/15000000", "{account}");
    }
    let rows =
        app.router.world(|world| (world.table("/ppp/secret").rows().len(), world.table("/queue/simple").rows().len()));
    assert_eq!(rows, (4, 4));
}
