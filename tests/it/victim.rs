//! The real program beside a test's own service, to be killed in the middle: same database, same router, same keys, the
//! machine's clock.

use crate::{binary::turnpike, world::TestApp};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    sync::Notify,
    time::timeout,
};
use turnpike::{
    clock::{Chance, Clock},
    http::caller::Caller,
    pairing::Pairing,
    simulator::{Fault, When},
};

/// Only a broken test waits so long.
const GUARD: Duration = Duration::from_secs(120);

/// At what the program dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// After so many steps of its story, by its own hand (`src/steps.rs`).
    Step(u64),
    /// When the router has received its nth command, which is carried out all the same.
    Command(usize),
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was killed, there.
    Killed(String),
    /// The story was over before.
    Lived,
}

/// How the story is begun, and how its end is seen.
pub enum Begin<'a> {
    /// WHMCS asks, and is answered.
    Hook(&'a Value),
    /// It is due; this comes to an end once it is done.
    Due(Box<dyn Future<Output = ()> + Send + 'a>),
}

/// Starts the program, begins its story, and waits for its death or the story's end.
pub async fn run(app: &TestApp, story: &str, begin: Begin<'_>, death: Death) -> End {
    let (mut child, stderr) = start(app, story, death);
    let carried_out = Arc::new(Notify::new());
    if let Death::Command(nth) = death {
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
        app.router.fault_at(When::nth("/*", nth), Fault::call(move |_| kill_process(pid, Signal::KILL).unwrap()));
        let bell = Arc::clone(&carried_out);
        app.router.fault_at(When::nth("/*", nth), Fault::call_after(move |_| bell.notify_one()));
    }
    let told = async {
        match begin {
            Begin::Hook(body) => ask(app, &mut child, story, body).await,
            Begin::Due(done) => {
                let done = Box::into_pin(done);
                tokio::select! { () = done => (), _ = child.wait() => () }
            }
        }
        end(&mut child).await
    };
    let status = timeout(GUARD, told).await.expect("it neither died nor came to its end");
    if status.success() {
        app.router.clear_faults();
        return End::Lived;
    }
    let last = std::fs::read_to_string(stderr).unwrap();
    assert_eq!(status.signal(), Some(9), "{death:?}: {status}: {last}");
    if let Death::Command(_) = death {
        timeout(GUARD, carried_out.notified()).await.expect("the router carries out what it has received");
    }
    app.router.clear_faults();
    End::Killed(last.lines().find_map(|line| Some(line.split_once("killed after step ")?.1)).unwrap_or("").to_owned())
}

fn start(app: &TestApp, story: &str, death: Death) -> (Child, PathBuf) {
    let (file, stderr) = (app.folder().join("victim.toml"), app.folder().join("victim.err"));
    std::fs::write(&file, format!("{}log.level = \"error\"\n", app.config())).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut command = turnpike();
    command.args(["serve", "--json", "--config"]).arg(file).current_dir(app.folder());
    if let Death::Step(step) = death {
        command.env("TURNPIKE_KILL_AT", format!("{story}:{step}"));
    }
    command.stdout(Stdio::piped()).stderr(std::fs::File::create(&stderr).unwrap());
    (command.spawn().unwrap(), stderr)
}

/// Calls the hook of the story's name. The answer is the caller's affair no more than whether there is one.
async fn ask(app: &TestApp, child: &mut Child, hook: &str, body: &Value) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let Some(line) = lines.next_line().await.unwrap() else { return };
    let listen: Value = serde_json::from_str(&line).unwrap();
    let mut pairing = Pairing::of(&app.app.config).unwrap();
    pairing.url = format!("http://{}", listen["listen"].as_str().unwrap());
    let caller = Caller::new(&pairing, Clock::System, Chance::System);
    let (target, bytes) = (format!("/v1/hooks/{hook}"), serde_json::to_vec(body).unwrap());
    let mut request = reqwest::Client::new().post(format!("{}{target}", caller.base_url));
    for (name, value) in &caller.headers("POST", &target, &bytes) {
        request = request.header(name, value);
    }
    let request = request.header("Content-Type", "application/json").body(bytes);
    match request.send().await {
        Ok(answer) => assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap()),
        // It is dying.
        Err(_broken) => drop(child.wait().await.unwrap()),
    }
}

/// Told to stop, in case that it still runs; how it ended.
async fn end(child: &mut Child) -> ExitStatus {
    if let Some(pid) = child.id() {
        // It may have died meanwhile.
        let _gone = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::TERM);
    }
    child.wait().await.unwrap()
}
