//! The service as a process: started under a wall clock that is moved by hand, measured from outside, and ended.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use turnpike::{
    clock::{Chance, Clock},
    config::Config,
    db::{Address, Db},
    http::caller::Caller,
    pairing::Pairing,
};

/// `turnpike serve`, and what it is reached by.
pub struct Process {
    child: Child,
    ahead: std::sync::Mutex<TimeDelta>,
    clock_file: PathBuf,
    folder: PathBuf,
    ops: String,
    /// Signs as WHMCS; its clock is the service's.
    pub caller: Caller,
    clock: Clock,
    /// A second look into the service's database.
    pub db: Db,
    http: reqwest::Client,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Resident memory, kB.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// Tasks alive on the service's runtime.
    pub tasks: u64,
    /// The database's files, kB; 0 with MariaDB.
    pub database: u64,
}

impl Process {
    /// Starts it in that folder.
    pub async fn start(folder: &Path) -> Self {
        let clock_file = folder.join("clock");
        let server = std::env::var("TURNPIKE_TEST_MYSQL").ok();
        let database = server.unwrap_or_else(|| format!("sqlite:{}/soak.db", folder.display()));
        let text = settings(&database);
        let file = folder.join("turnpike.toml");
        std::fs::write(&file, &text).expect("written");
        set_ahead(&clock_file, TimeDelta::zero());
        let mut child = Command::new(env!("CARGO_BIN_EXE_turnpike"))
            .args(["serve", "--json", "--config"])
            .arg(&file)
            .current_dir(folder)
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &clock_file)
            // Read at every look at the clock; timers stay real, and so do the files' times.
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines.next_line().await.expect("read").expect("it serves");
        let said: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let at = |name: &str| format!("http://{}", said[name].as_str().expect("an address"));
        let config = Config::from_text(&text, folder).expect("sound");
        let mut pairing = Pairing::of(&config).expect("paired");
        pairing.url = at("listen");
        let clock = Clock::fixed(Clock::System.now());
        let address = Address::parse(&config.database.url, folder).expect("sound");
        Self {
            child,
            ahead: std::sync::Mutex::default(),
            clock_file,
            folder: folder.to_owned(),
            ops: at("ops"),
            caller: Caller::new(&pairing, clock.clone(), Chance::System),
            clock,
            db: Db::open(&address).await.expect("opened"),
            http: reqwest::Client::new(),
        }
    }

    /// What time it is in there.
    pub fn now(&self) -> DateTime<Utc> {
        let now = Clock::System.now() + *self.ahead.lock().expect("whole");
        self.clock.set(now);
        now
    }

    /// Its clock jumps.
    pub fn jump(&self, by: TimeDelta) {
        let mut ahead = self.ahead.lock().expect("whole");
        *ahead += by;
        set_ahead(&self.clock_file, *ahead);
    }

    /// What it holds now.
    pub async fn held(&self) -> Held {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let figure = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("Linux");
            line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number")
        };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("Linux").count();
        let metrics = self.metrics().await;
        Held {
            resident: figure("VmRSS:"),
            threads: figure("Threads:"),
            descriptors: descriptors.try_into().expect("few"),
            tasks: metrics.get("turnpike_tasks").copied().unwrap_or_default(),
            database: self.database_size(),
        }
    }

    fn database_size(&self) -> u64 {
        let sizes = ["soak.db", "soak.db-wal"].map(|name| std::fs::metadata(self.folder.join(name)));
        sizes.into_iter().flatten().map(|it| it.len() / 1024).sum()
    }

    /// Its own figures, by name and labels.
    async fn metrics(&self) -> BTreeMap<String, u64> {
        let answer = self.http.get(format!("{}/metrics", self.ops)).send().await.expect("answered");
        let text = answer.text().await.expect("whole");
        let figures = text.lines().filter_map(|line| line.split_once(' '));
        figures.filter_map(|(name, figure)| Some((name.to_owned(), figure.parse().ok()?))).collect()
    }

    /// A figure of its own, of all labels together.
    pub async fn in_all(&self, name: &str) -> u64 {
        let labelled = format!("{name}{{");
        let metrics = self.metrics().await;
        metrics.iter().filter(|(it, _)| *it == name || it.starts_with(&labelled)).map(|(_, figure)| figure).sum()
    }

    /// Letters that it wrote since last asked; they are taken away.
    pub fn take_letters(&self) -> usize {
        let Ok(folder) = std::fs::read_dir(self.folder.join("mail")) else { return 0 };
        folder.flatten().filter(|it| std::fs::remove_file(it.path()).is_ok()).count()
    }

    /// Ends it as systemd does, and by force where it does not go.
    pub async fn stop(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        println!("told to stop: {told:?}");
        if tokio::time::timeout(std::time::Duration::from_secs(60), self.child.wait()).await.is_err() {
            self.child.kill().await.expect("ended");
            println!("it did not stop within a minute and was killed");
        }
        self.db.close().await;
    }
}

fn settings(database: &str) -> String {
    format!(
        "http.listen = \"127.0.0.1:0\"\nops.listen = \"127.0.0.1:0\"\ndatabase.url = \"{database}\"\nlog.level = \"error\"\n\
         seal.master_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\nmail.transport = \"file\"\n\
         router.connect_seconds = 1\nrouter.login_seconds = 2\nrouter.write_seconds = 2\nrouter.print_seconds = 5\n\
         router.idle_seconds = 2\n\
         bridge.key = [{{ id = \"whmcs\", secret = \"c2VjcmV0LW9mLXRoZS1icmlkZ2Utc2VjcmV0LW9mLXRoZS1icmlkZ2U\" }}]\n"
    )
}

/// Replaced as a whole: the process never reads half of it.
fn set_ahead(file: &Path, ahead: TimeDelta) {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, format!("+{}\n", ahead.num_seconds())).expect("written");
    std::fs::rename(fresh, file).expect("replaced");
}

/// Debian's libfaketime.
fn library() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").expect("Linux").flatten().map(|it| it.path());
    let mut found = found.map(|it| it.join("faketime/libfaketimeMT.so.1")).filter(|it| it.exists());
    found.next().expect("libfaketime is needed: apt-get install faketime")
}
