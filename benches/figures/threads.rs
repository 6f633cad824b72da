//! Callers and the simulated router on a thread of their own each, and who has spent how much processor time.

use std::{future::Future, time::Duration};
use tokio::{runtime::Handle, sync::oneshot};

/// Linux cuts a thread's name after 15 characters.
const CALLERS: &str = "bench-callers";
const ROUTER: &str = "bench-router";

/// A thread with a runtime of its own, until the process ends.
pub struct Own(Handle);

/// Both of them.
pub struct Apart {
    /// Whoever asks.
    pub callers: Own,
    /// Who is asked by the service.
    pub router: Own,
}

impl Apart {
    /// Starts them.
    pub fn start() -> Self {
        Self { callers: Own::start(CALLERS), router: Own::start(ROUTER) }
    }
}

impl Own {
    fn start(name: &str) -> Self {
        let (told, handle) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            told.send(runtime.handle().clone()).expect("somebody waits");
            runtime.block_on(std::future::pending::<()>());
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread");
        Self(handle.recv().expect("a runtime"))
    }

    /// Runs something there and waits for it.
    pub async fn block_on<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        let (done, outcome) = oneshot::channel();
        self.0.spawn(async move { done.send(what.await).ok() });
        outcome.await.expect("it ends well")
    }
}

/// Processor time that has been used so far.
pub struct Times {
    service: Duration,
    caller: Duration,
    router: Duration,
}

/// Processor time of one request, microseconds.
#[derive(Clone, Copy)]
pub struct Spent {
    /// Every other thread of the process: the server that is asked.
    pub service: f64,
    /// Sending and reading.
    pub caller: f64,
    /// Answering the service's commands.
    pub router: f64,
}

impl Times {
    /// As Linux has it, by thread.
    pub fn now() -> Self {
        let mut times = Self { service: Duration::ZERO, caller: Duration::ZERO, router: Duration::ZERO };
        for task in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
            let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            let spent = read("schedstat")
                .split(' ')
                .next()
                .and_then(|it| it.parse().ok())
                .map_or(Duration::ZERO, Duration::from_nanos);
            match read("comm").trim() {
                CALLERS => times.caller += spent,
                ROUTER => times.router += spent,
                _ => times.service += spent,
            }
        }
        times
    }

    /// What was used since. Threads that ended meanwhile are not in it.
    pub fn until_now(&self) -> Self {
        let now = Self::now();
        Self {
            service: now.service.saturating_sub(self.service),
            caller: now.caller.saturating_sub(self.caller),
            router: now.router.saturating_sub(self.router),
        }
    }

    /// Shared out among so many requests.
    pub fn each(&self, requests: u64) -> Spent {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(u32::try_from(requests).expect("few enough"));
        Spent { service: each(self.service), caller: each(self.caller), router: each(self.router) }
    }
}
