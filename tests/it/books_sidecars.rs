//! Two services on one database: the same router read by both, no interval booked twice, no letter sent twice, and one that
//! slept past its lease books nothing.

use crate::{
    books_check::{assert_books_equal, booked, open_resets},
    world::{GB, MB, TestApp},
};
use chrono::{DateTime, Duration, Utc};
use std::{process::Stdio, task::Poll};
use tokio::{runtime::Handle, time::Instant};
use turnpike::{
    app::App,
    clock::Clock,
    jobs,
    problem::{Code, Problem},
    router::lease::{Holder, Lease, Returning},
    simulator::{Fault, When},
    work::collect::{self, Outcome, Scope},
};

async fn read(app: &App, scope: Scope) -> Result<Outcome, Problem> {
    collect::run(app, 3, scope, Instant::now() + std::time::Duration::from_secs(30)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sidecars_read_one_router_and_book_every_byte_once() {
    let app = TestApp::new().await;
    let other = app.sidecar("mail.folder = \"mail-of-the-other\"\n").await;
    let user = app.create(41).await;
    for round in 1..=8 {
        assert!(app.router.carry(&user, GB + round, MB));
        app.pass(Duration::minutes(2));
        let all = tokio::join!(
            jobs::step(&app.app),
            jobs::step(&other),
            read(&app.app, Scope::All),
            read(&other, Scope::All),
            read(&app.app, Scope::Poll),
            read(&other, Scope::Cron),
        );
        all.0.unwrap();
        all.1.unwrap();
        for outcome in [all.2, all.3, all.4, all.5] {
            assert_eq!(outcome.unwrap().read, [41]);
        }
        tokio::try_join!(jobs::step(&app.app), jobs::step(&other)).unwrap();
        assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
        assert_eq!(open_resets(&app.app).await, 0);
        assert_books_equal(&app.app).await;
    }
    // 8 GB and more of 10 are used: one letter, from one of the two.
    let theirs = std::fs::read_dir(app.folder().join("mail-of-the-other")).map_or(0, Iterator::count);
    assert_eq!(app.mails().len() + theirs, 1);
    // And the block: decided once, made once.
    assert!(app.router.carry(&user, 3 * GB, 0));
    app.pass(Duration::minutes(2));
    tokio::try_join!(jobs::step(&app.app), jobs::step(&other)).unwrap();
    tokio::try_join!(jobs::step(&app.app), jobs::step(&other)).unwrap();
    let theirs = std::fs::read_dir(app.folder().join("mail-of-the-other")).map_or(0, Iterator::count);
    assert_eq!(app.mails().len() + theirs, 2);
    assert_eq!(app.secret(&user, "disabled").unwrap(), "true");
    assert_books_equal(&app.app).await;
    other.close().await;
}

/// While the first's command of that path is answered, it sleeps past its lease, and the second reads.
async fn overtaken(path: &'static str, nth: usize, applied: bool) {
    let app = TestApp::new().await;
    let other = app.sidecar("").await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 5 * MB, MB));
    app.pass(Duration::minutes(2));
    let (second, clock, name) = (other.clone(), app.clock.clone(), user.clone());
    let sleep = move |router: &turnpike::simulator::Simulator| {
        clock.advance(Duration::minutes(10));
        router.pass(std::time::Duration::from_secs(600));
        assert!(router.carry(&name, 300_000, 3));
        let read = async { read(&second, Scope::Poll).await.map(|outcome| outcome.read) };
        let outcome = tokio::task::block_in_place(|| Handle::current().block_on(read));
        assert_eq!(outcome.unwrap(), [41]);
        assert!(router.carry(&name, 1_000, 1));
    };
    let fault = if applied { Fault::call_after(sleep) } else { Fault::call(sleep) };
    app.router.fault_at(When::nth(path, nth), fault);
    let problem = read(&app.app, Scope::All).await.unwrap_err();
    assert_eq!(problem.code, Code::Busy, "{}", problem.detail);
    assert!(problem.detail.contains("taken over"), "{}", problem.detail);
    for _ in 0..2 {
        app.pass(Duration::minutes(2));
        read(&other, Scope::Poll).await.unwrap();
        app.pass(Duration::minutes(2));
        read(&app.app, Scope::All).await.unwrap();
    }
    // What passed between the second's reading and the first's late reset is hidden by it.
    let hidden = if path.ends_with("reset-counters") || nth == 2 { 1_001 } else { 0 };
    let lost = app.uncharged(&user, booked(&app.app, 41).await);
    assert!(lost <= hidden, "{lost} of {hidden}");
    assert_eq!(open_resets(&app.app).await, 0);
    assert_books_equal(&app.app).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_sleeps_past_its_lease_books_nothing() {
    overtaken("/system/resource/print", 1, true).await;
    overtaken("/queue/simple/print", 1, true).await;
    overtaken("/queue/simple/print", 1, false).await;
    overtaken("/queue/simple/print", 2, true).await;
    overtaken("/queue/simple/reset-counters", 1, false).await;
    overtaken("/queue/simple/reset-counters", 1, true).await;
}

fn holder(owner: &str, at: DateTime<Utc>) -> Holder {
    let returning = Returning::on(Handle::current());
    Holder { owner: owner.to_owned(), clock: Clock::fixed(at), term: std::time::Duration::from_secs(60), returning }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_asked_for_and_not_waited_for_is_nobodys() {
    let app = TestApp::new().await;
    let (mut taken, mut given_up) = (0, 0);
    for hurry in 0..300_u64 {
        let name = format!("service/{hurry}");
        let asked = holder("in a hurry", app.clock.now());
        let patience = std::time::Duration::from_micros(10 * hurry);
        let began = std::time::Instant::now();
        let out_of_patience = std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if began.elapsed() < patience { Poll::Pending } else { Poll::Ready(()) }
        });
        tokio::select! {
            lease = Lease::take(&app.app.db, &name, &asked) => {
                taken += 1;
                lease.unwrap().unwrap().give_back(&app.app.db).await;
            }
            () = out_of_patience => given_up += 1,
        }
        asked.returning.done().await;
        let next = Lease::take(&app.app.db, &name, &holder("the next", app.clock.now())).await.unwrap();
        assert!(next.is_some(), "given up after {patience:?}, and yet held");
    }
    assert!(given_up > 0, "{taken} taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_does_not_leave_a_router_unread() {
    let app = TestApp::new().await;
    let user = app.create(41).await;
    // Taken and never given back, a week ahead.
    let name = "server/3";
    let ahead = holder("somebody who died", app.clock.now() + Duration::days(7));
    drop(Lease::take(&app.app.db, name, &ahead).await.unwrap().unwrap());
    assert!(app.router.carry(&user, MB, 0));
    app.pass(Duration::minutes(2));
    app.collect().await;
    assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
    // A lease that runs is respected, also where its holder's clock is a minute ahead of ours.
    let ahead = holder("somebody who lives", app.clock.now() + Duration::seconds(10));
    let held = Lease::take(&app.app.db, name, &ahead).await.unwrap();
    assert!(held.is_some());
    assert_eq!(collect::run(&app.app, 3, Scope::Poll, Instant::now()).await.unwrap_err().code, Code::Busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_their_own_take_turns() {
    let app = TestApp::new().await;
    app.clock.set(Clock::System.now());
    let user = app.create(41).await;
    let file = app.folder().join("turnpike.toml");
    std::fs::write(&file, app.config()).unwrap();
    for _ in 0..3 {
        assert!(app.router.carry(&user, 50 * MB, MB));
        app.pass(Duration::minutes(2));
        app.clock.set(Clock::System.now());
        let mut processes: Vec<_> = (0..2)
            .map(|_| {
                std::process::Command::new(env!("CARGO_BIN_EXE_turnpike"))
                    .args(["collect", "--config"])
                    .arg(&file)
                    .current_dir(app.folder())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        read(&app.app, Scope::All).await.unwrap();
        tokio::task::spawn_blocking(move || {
            for process in &mut processes {
                assert!(process.wait().unwrap().success());
            }
        })
        .await
        .unwrap();
        assert_eq!(app.uncharged(&user, booked(&app.app, 41).await), 0);
        assert_books_equal(&app.app).await;
    }
}
