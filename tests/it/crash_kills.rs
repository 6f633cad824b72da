//! Killed in the middle: the service's own work is dropped at every point at which it can be, and the next service goes on
//! from the database. Then the same with the real binary and SIGKILL.

use crate::{
    books_check::{assert_books_equal, booked, many, open_resets},
    world::{MB, TestApp},
};
use chrono::Duration;
use std::{
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use turnpike::{
    simulator::{Fault, Simulator, When},
    steps,
    work::collect::{self, Scope},
};

const RESET: &str = "/queue/simple/reset-counters";

/// A future that is dropped instead of being polled once more.
pub struct Killed<F> {
    work: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for Killed<F> {
    /// What it came to, where it lived to its end.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.work.as_mut() {
            None => Poll::Ready(None),
            Some(work) => work.as_mut().poll(cx).map(Some),
        }
    }
}

fn killed<F: Future>(polls: usize, work: F) -> Killed<F> {
    Killed { work: Some(Box::pin(work)), polls }
}

/// The customers of services 41 and 42.
const USERS: [(u64, &str); 2] = [(41, "7-41"), (42, "7-42")];

fn carry(router: &Simulator, bytes: u64) {
    for (id, user) in USERS {
        assert!(router.carry(user, bytes, id));
    }
}

async fn uncharged(app: &TestApp) -> u64 {
    let mut sum = 0;
    for (id, user) in USERS {
        sum += app.uncharged(user, booked(&app.app, id).await);
    }
    sum
}

/// What is counted until the work dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Its own await points: each is one more poll of its future. On SQLite they are few.
    Await,
    /// What it does outside of itself (see [`steps`]).
    Step,
}

/// The work, which dies at its nth await or after its nth step; what it came to, where it lived.
pub async fn dies<F: Future>(by: By, nth: usize, work: F) -> Option<F::Output> {
    match by {
        By::Await => killed(nth, work).await,
        By::Step => steps::cut_short(nth as u64, Box::pin(work)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_dropped_at_any_await_or_step_is_gone_on_with() {
    let mut app = TestApp::new().await;
    for (id, _) in USERS {
        app.create(id).await;
    }
    // Between the booked reading and the reset, so that what a lost answer hides is not nothing.
    let gap = Fault::call(|router| carry(router, 3_001));
    for by in [By::Await, By::Step] {
        let mut survived = 0;
        for nth in 1_usize.. {
            let before = uncharged(&app).await;
            carry(&app.router, 100_003);
            app.pass(Duration::minutes(3));
            app.router.fault_at(When::at(RESET), gap.clone());
            let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
            let service = app.app.clone();
            let outcome = dies(by, nth, async move { collect::run(&service, 3, Scope::All, until).await }).await;
            let ended = outcome.is_some();
            app.restart().await;
            app.router.clear_faults();
            carry(&app.router, 17);
            // The killed one's lease runs out.
            app.pass(Duration::minutes(3));
            app.step().await;
            app.collect().await;
            assert_eq!(open_resets(&app.app).await, 0);
            assert_books_equal(&app.app).await;
            let lost = uncharged(&app).await - before;
            assert!(lost <= 2 * 3_001 + 41 + 42, "died at {by:?} {nth}: {lost} lost, the gap's explained");
            survived += usize::from(ended);
            if survived == 2 {
                let least = if by == By::Step { 15 } else { 6 };
                assert!(nth > least, "a collection has more of them: {by:?} {nth}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_aborted_at_any_command_of_many_is_gone_on_with() {
    // 250 accounts: uptime, print, print, three resets. Aborted when the router has received the kth.
    for kth in 1..=6 {
        let mut app = TestApp::new().await;
        many(&app, 250).await;
        for id in 2..=250_u64 {
            app.router.connect(&format!("user{:05}", id - 1), "secret", "l2tp", "198.51.100.9").unwrap();
        }
        let all = |router: &Simulator, bytes: u64| {
            router.world(|world| {
                for id in 2..=250_u64 {
                    assert!(world.carry(&format!("user{:05}", id - 1), bytes + id, 1));
                }
            });
        };
        all(&app.router, 100_000);
        app.pass(Duration::minutes(5));
        let task: Arc<Mutex<Option<tokio::task::AbortHandle>>> = Arc::default();
        let victim = Arc::clone(&task);
        let kill = Fault::call_after(move |_| {
            if let Some(task) = victim.lock().unwrap().as_ref() {
                task.abort();
            }
        });
        app.router.fault_at(When::nth("/*", kth), kill);
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        let service = app.app.clone();
        let running = {
            let mut slot = task.lock().unwrap();
            let running = tokio::spawn(async move { collect::run(&service, 3, Scope::All, until).await });
            *slot = Some(running.abort_handle());
            running
        };
        let _ = running.await;
        app.restart().await;
        all(&app.router, 7);
        app.pass(Duration::minutes(5));
        app.collect().await;
        all(&app.router, 7);
        app.pass(Duration::minutes(5));
        app.step().await;
        assert_eq!(open_resets(&app.app).await, 0);
        assert_books_equal(&app.app).await;
        for id in 2..=250_u64 {
            // Nothing passed in the gap: every byte is charged.
            assert_eq!(app.uncharged(&format!("user{:05}", id - 1), booked(&app.app, id).await), 0, "command {kth}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_in_the_middle_of_many_resets_leaves_the_others_exact() {
    let faults = [
        Fault::Refuse,
        Fault::ApplyAndLoseReply,
        Fault::Garbage,
        Fault::Trap("no such item".to_owned(), Some(2)),
        Fault::FatalMidway("session closed".to_owned()),
        Fault::RebootBefore,
    ];
    for fault in faults {
        let app = TestApp::new().await;
        many(&app, 250).await;
        let users: Vec<(u64, String)> = (2..=250_u64).map(|id| (id, format!("user{:05}", id - 1))).collect();
        for (id, user) in &users {
            app.router.connect(user, "secret", "l2tp", "198.51.100.9").unwrap();
            assert!(app.router.carry(user, 100_000 + id, 1));
        }
        app.pass(Duration::minutes(5));
        app.router.fault_at(When::nth(RESET, 2), fault.clone());
        app.hook("usage-update", &app.body(1)).await;
        app.collect_at_last().await;
        app.pass(Duration::minutes(5));
        app.collect_at_last().await;
        assert_eq!(open_resets(&app.app).await, 0);
        assert_books_equal(&app.app).await;
        for (id, user) in &users {
            assert_eq!(app.uncharged(user, booked(&app.app, *id).await), 0, "{fault:?}");
        }
    }
}

/// `turnpike collect` as a process of its own, killed when the router has received the kth command of a path.
async fn collect_and_kill(app: &TestApp, path: &str, kth: usize) -> bool {
    let file = app.folder().join("turnpike.toml");
    std::fs::write(&file, app.config()).unwrap();
    let child: Arc<Mutex<Option<std::process::Child>>> = Arc::default();
    let victim = Arc::clone(&child);
    let kill = Fault::call(move |_| {
        if let Some(child) = victim.lock().unwrap().as_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
    app.router.fault_at(When::nth(path, kth), kill);
    // The command was sent before the end came: the router carries it out all the same.
    let carried_out = Arc::new(tokio::sync::Notify::new());
    let bell = Arc::clone(&carried_out);
    app.router.fault_at(When::nth(path, kth), Fault::call_after(move |_| bell.notify_one()));
    let mut collect = std::process::Command::new(env!("CARGO_BIN_EXE_turnpike"));
    collect.args(["collect", "--config"]).arg(&file).current_dir(app.folder());
    collect.stdout(Stdio::null()).stderr(Stdio::null());
    {
        // Held meanwhile: whoever is to kill it waits until it is known who that is.
        let mut slot = child.lock().unwrap();
        *slot = Some(collect.spawn().unwrap());
    }
    let ended = tokio::task::spawn_blocking(move || {
        loop {
            if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    })
    .await
    .unwrap();
    if !ended {
        tokio::time::timeout(std::time::Duration::from_secs(60), carried_out.notified()).await.unwrap();
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_binary_killed_in_the_middle_of_a_collection_is_gone_on_with() {
    for (path, kth) in [("/*", 1), ("/queue/simple/print", 1), ("/queue/simple/print", 2), (RESET, 1), ("/none", 1)] {
        let app = TestApp::new().await;
        // The process has the machine's clock.
        app.clock.set(turnpike::clock::Clock::System.now());
        for (id, _) in USERS {
            app.create(id).await;
        }
        carry(&app.router, 5 * MB);
        app.router.pass(std::time::Duration::from_secs(600));
        let ended = collect_and_kill(&app, path, kth).await;
        assert_eq!(ended, path == "/none", "{path}");
        carry(&app.router, MB);
        app.router.pass(std::time::Duration::from_secs(600));
        // Past the dead one's lease.
        app.clock.set(turnpike::clock::Clock::System.now() + Duration::minutes(10));
        app.collect().await;
        app.step().await;
        assert_eq!(uncharged(&app).await, 0, "killed at {path} {kth}");
        assert_eq!(open_resets(&app.app).await, 0);
        assert_books_equal(&app.app).await;
    }
}

/// What a debug build dies of (`crash_matrix.rs`) is not in a release: `cargo test --release` says so.
#[cfg(not(debug_assertions))]
#[tokio::test(flavor = "multi_thread")]
async fn a_release_does_not_know_the_variable() {
    use crate::victim::{Begin, Death, End, run};
    let app = TestApp::new().await;
    app.clock.set(turnpike::clock::Clock::System.now());
    for step in [0, 1, 5] {
        let end = run(&app, "create", Begin::Hook(&app.body(41)), Death::Step(step)).await;
        assert_eq!(end, End::Lived);
    }
}
