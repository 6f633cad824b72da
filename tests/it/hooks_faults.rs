//! The router lost at every command of a hook, before or after it was carried out: never half-made, and the retry succeeds.

use crate::world::{Database, GB, TestApp};
use chrono::Duration;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use serde_json::{Value, json};
use std::sync::Arc;
use turnpike::simulator::{Fault, Simulator, When};

/// No hook gives a router more commands than this.
const MOST: usize = 16;

/// What happens at a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// Not carried out; the connection is cut, the router stays.
    Refused,
    /// Carried out; the connection is cut without an answer, the router stays.
    Lost,
    /// Carried out; the answer breaks off.
    Torn,
    /// Not carried out, and the router is gone.
    GoneBefore,
    /// Carried out, and the router is gone.
    GoneAfter,
    /// Answered by noise; not carried out.
    Noise,
    /// Answered by a word that says that it is 4 GiB long; not carried out.
    Huge,
    /// Carried out; answered by a word that nobody knows.
    Unknown,
    /// Carried out; answered without the tag that it was asked with.
    Untagged,
    /// Never answered; not carried out.
    Hangs,
    /// Carried out; the answer stalls.
    Stalls,
    /// Carried out; the answer does not end.
    Endless,
    /// Carried out, and nothing is heard any more.
    FallsSilent,
    /// Not carried out, and nothing is heard any more.
    Silent,
}

const CUTS: [Mishap; 9] = [
    Mishap::Refused,
    Mishap::Lost,
    Mishap::Torn,
    Mishap::GoneBefore,
    Mishap::GoneAfter,
    Mishap::Noise,
    Mishap::Huge,
    Mishap::Unknown,
    Mishap::Untagged,
];
const SILENCES: [Mishap; 5] = [Mishap::Hangs, Mishap::FallsSilent, Mishap::Silent, Mishap::Stalls, Mishap::Endless];

fn vanish(router: &Simulator) {
    router.fault_at(When::EveryConnection, Fault::Refuse);
    router.cut();
}

impl Mishap {
    fn plan(self, router: &Simulator, nth: usize) {
        let fault = match self {
            Self::Refused => Fault::Refuse,
            Self::Lost => Fault::ApplyAndLoseReply,
            Self::Torn => Fault::CutAfterBytes(3),
            Self::GoneBefore => {
                router.fault_at(When::nth("/*", nth), Fault::call(vanish));
                Fault::Refuse
            }
            Self::GoneAfter => Fault::call_after(vanish),
            Self::Noise => Fault::Garbage,
            Self::Huge => Fault::HugeWord(u32::MAX),
            Self::Unknown => Fault::UnknownReply,
            Self::Untagged => Fault::Untagged,
            Self::Hangs => Fault::Hang,
            Self::Stalls => Fault::StallAfterBytes(3),
            Self::Endless => Fault::WithoutDone,
            Self::FallsSilent => Fault::ApplyThenSilence,
            Self::Silent => Fault::Silence,
        };
        router.fault_at(When::nth("/*", nth), fault);
    }
}

/// A service whose router calls wait as long as they do anywhere: whoever is cut off knows at once.
async fn usual() -> TestApp {
    TestApp::on_database(Database::bare().await, "collect.poll_seconds = 0\n").await
}

/// A service whose router calls do not wait long for one that says nothing.
async fn brisk() -> TestApp {
    let limits = "router.connect_seconds = 3\nrouter.login_seconds = 3\nrouter.write_seconds = 3\n\
                  router.print_seconds = 3\nrouter.idle_seconds = 3\ncollect.poll_seconds = 0\n";
    TestApp::on_database(Database::file().await, limits).await
}

/// Runs a hook with the mishap at its nth command; whether it struck, and the answer if it was a success. Anything but a
/// success, `router-unreachable`, or `router-strange` where its words were, is a failure of the test.
async fn under(app: &TestApp, mishap: Mishap, nth: usize, hook: &str, body: &Value) -> (bool, Option<Value>) {
    let before = app.router.journal().len();
    mishap.plan(&app.router, nth);
    let answer = app.hook(hook, body).await;
    app.router.clear_faults();
    let struck = app.router.journal().len() - before >= nth;
    if answer.status == 200 {
        return (struck, Some(answer.body));
    }
    let refused = match mishap {
        Mishap::Noise | Mishap::Huge | Mishap::Unknown | Mishap::Untagged => (502, "router-strange", ""),
        _ => (503, "router-unreachable", ""),
    };
    assert_eq!(answer.refusal(), refused, "{hook} {mishap:?} at {nth}");
    (struck, None)
}

fn rows(app: &TestApp, menu: &str) -> usize {
    app.router.world(|world| world.table(menu).rows().len())
}

/// One trial: a service, a mishap, and at which command; whether it struck.
type Trial = fn(Arc<TestApp>, u64, Mishap, usize) -> BoxFuture<'static, bool>;

/// A trial with each mishap at each command in turn. Those that take their time are tried side by side.
async fn each(trial: Trial) {
    let app = Arc::new(usual().await);
    let mut service = 100;
    for mishap in CUTS {
        for nth in 1.. {
            service += 1;
            if !trial(Arc::clone(&app), service, mishap, nth).await {
                break;
            }
            assert_ne!(nth, MOST, "the mishap never ceased to strike");
        }
    }
    for mishap in SILENCES {
        // All of them first: while a service is made, nobody's time runs.
        let apps = join_all((0..MOST).map(|_| brisk())).await;
        let tried = (1..).zip(apps).map(|(nth, app)| trial(Arc::new(app), 41, mishap, nth));
        let struck = join_all(tried).await;
        assert!(struck[0] && !struck[MOST - 1]);
    }
}

async fn create(app: Arc<TestApp>, service: u64, mishap: Mishap, nth: usize) -> bool {
    let body = app.body(service);
    let (struck, made) = under(&app, mishap, nth, "create", &body).await;
    let made = match made {
        Some(made) => made,
        None => app.hook("create", &body).await.ok(),
    };
    let name = format!("7-{service}");
    assert_eq!(made["account"]["balance_bytes"], 10 * GB, "{mishap:?} at {nth}");
    assert_eq!(app.secret(&name, "password").as_deref(), made["service"]["password"].as_str());
    assert_eq!(app.secret(&name, "remote-address").as_deref(), made["account"]["address"].as_str());
    assert_eq!(app.queue(&name, "max-limit").as_deref(), Some("5000000/10000000"));
    assert_eq!((rows(&app, "/ppp/secret"), rows(&app, "/queue/simple")), (1, 1), "{mishap:?} at {nth}");
    assert_eq!(app.ledger(service).await.len(), 1);
    app.dial(&made);
    assert!(app.router.carry(&name, GB, 0));
    app.pass(Duration::minutes(10));
    assert_eq!(app.collect().await["services"][0]["balance_bytes"], 9 * GB, "{mishap:?} at {nth}");
    app.hook("terminate", &body).await.ok();
    struck
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_loses_its_router_is_finished_by_the_next() {
    each(|app, service, mishap, nth| create(app, service, mishap, nth).boxed()).await;
}

async fn terminate(app: Arc<TestApp>, service: u64, mishap: Mishap, nth: usize) -> bool {
    let name = app.create(service).await;
    assert!(app.router.carry(&name, 2 * GB, GB));
    app.pass(Duration::minutes(10));
    let body = app.body(service);
    let (struck, gone) = under(&app, mishap, nth, "terminate", &body).await;
    let again = app.hook("terminate", &body).await.ok();
    assert!(gone.is_none_or(|gone| gone == again));
    assert_eq!(again["account"]["balance_bytes"], 7 * GB, "{mishap:?} at {nth}");
    assert_eq!(again["account"]["pending"], 0);
    assert_eq!((rows(&app, "/ppp/secret"), rows(&app, "/queue/simple")), (0, 0), "{mishap:?} at {nth}");
    assert!(!app.router.is_online(&name));
    struck
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminate_that_loses_its_router_is_finished_by_the_next_and_books_the_last_reading_once() {
    each(|app, service, mishap, nth| terminate(app, service, mishap, nth).boxed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminate_that_was_given_up_is_undone_by_a_create() {
    let app = usual().await;
    let name = app.create(41).await;
    app.router.fault_at(When::at("/ppp/secret/remove"), Fault::call(vanish));
    app.router.fault_at(When::at("/ppp/secret/remove"), Fault::Refuse);
    assert_eq!(app.refused("terminate", &app.body(41)).await.1, "router-unreachable");
    app.router.clear_faults();
    let made = app.hook("create", &app.body(41)).await.ok();
    assert_eq!(made["account"]["pending"], 0);
    app.pass(Duration::minutes(10));
    app.step().await;
    assert_eq!(app.secret(&name, "disabled").as_deref(), Some("false"));
    assert!(app.queue(&name, "name").is_some());
}

/// A password that was not said to be changed is not: neither on the router, once it is back, nor on the page.
async fn change_password(app: Arc<TestApp>, service: u64, mishap: Mishap, nth: usize) -> bool {
    let name = app.create(service).await;
    let old = app.secret(&name, "password").unwrap();
    let body = app.body_with(service, &json!({"service": {"password": "the new one"}}));
    let (struck, changed) = under(&app, mishap, nth, "change-password", &body).await;
    let wanted = if changed.is_some() { "the new one" } else { &old };
    // Time for the back-off, and the changes that wait.
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(app.secret(&name, "password").as_deref(), Some(wanted), "{mishap:?} at {nth}");
    assert_eq!(app.account(service).await["pending"], 0);
    assert_eq!(app.client_area(service).await["information"]["password"], wanted);
    app.hook("change-password", &body).await.ok();
    assert_eq!(app.secret(&name, "password").as_deref(), Some("the new one"));
    assert!(!app.router.is_online(&name), "{mishap:?} at {nth}");
    app.hook("terminate", &body).await.ok();
    struck
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_or_it_is_not_whatever_happens_on_the_way() {
    each(|app, service, mishap, nth| change_password(app, service, mishap, nth).boxed()).await;
}

/// Facts of the books: answered 200 whatever the router does, made once it is back.
async fn book(app: &TestApp, service: u64, (mishap, nth): (Mishap, usize), (hook, over): (&str, Value)) -> bool {
    app.foreign("/ppp/profile", &[("name", "gold")]);
    let name = app.create(service).await;
    let body = app.body_with(service, &over);
    let (struck, answer) = under(app, mishap, nth, hook, &body).await;
    let account = answer.expect("200 whatever the router does")["account"].clone();
    app.pass(Duration::minutes(1));
    app.step().await;
    let now = app.account(service).await;
    assert_eq!(now["pending"], 0, "{hook} {mishap:?} at {nth}");
    assert_eq!((&now["causes"], &now["balance_bytes"]), (&account["causes"], &account["balance_bytes"]));
    let (off, speed) = match hook {
        "change-package" => ("false", "5000000/99000000"),
        _ => ("true", "5000000/10000000"),
    };
    assert_eq!(app.secret(&name, "disabled").as_deref(), Some(off), "{hook} {mishap:?} at {nth}");
    assert_eq!(app.queue(&name, "max-limit").as_deref(), Some(speed));
    assert!(!app.router.is_online(&name), "{hook} {mishap:?} at {nth}");
    app.hook("terminate", &body).await.ok();
    struck
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_made_when_the_router_returns() {
    each(|app, service, mishap, nth| {
        async move { book(&app, service, (mishap, nth), ("suspend", json!({"hook": {"reason": "unpaid"}}))).await }
            .boxed()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_package_is_made_when_the_router_returns() {
    each(|app, service, mishap, nth| {
        let over = json!({"settings": {"download_mbps": "99", "profile": "gold"}});
        async move { book(&app, service, (mishap, nth), ("change-package", over)).await }.boxed()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_uses_up_the_balance_blocks_when_the_router_returns() {
    each(|app, service, mishap, nth| {
        let over = json!({"hook": {"bytes": -(10 * GB as i64), "key": "k"}});
        async move { book(&app, service, (mishap, nth), ("add-traffic", over)).await }.boxed()
    })
    .await;
}

/// What lets a customer in again, likewise: whoever has paid is on once the router is back, with the balance that was answered.
async fn let_in(app: &TestApp, service: u64, (mishap, nth): (Mishap, usize), hook: &str) -> bool {
    let name = app.create(service).await;
    let over = if hook == "renew" {
        let used_up = json!({"hook": {"bytes": -(10 * GB as i64), "key": "k"}});
        app.hook("add-traffic", &app.body_with(service, &used_up)).await.ok();
        json!({"service": {"next_due_date": "2027-01-01"}})
    } else {
        app.hook("suspend", &app.body(service)).await.ok();
        json!({})
    };
    assert_eq!(app.secret(&name, "disabled").as_deref(), Some("true"));
    let (struck, answer) = under(app, mishap, nth, hook, &app.body_with(service, &over)).await;
    let account = answer.expect("200 whatever the router does")["account"].clone();
    assert_eq!((&account["causes"], &account["balance_bytes"]), (&json!([]), &json!(10 * GB)), "{mishap:?} at {nth}");
    app.pass(Duration::minutes(1));
    app.step().await;
    assert_eq!(app.account(service).await["pending"], 0, "{hook} {mishap:?} at {nth}");
    assert_eq!(app.secret(&name, "disabled").as_deref(), Some("false"), "{hook} {mishap:?} at {nth}");
    app.hook("terminate", &app.body(service)).await.ok();
    struck
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_paid_is_let_in_when_the_router_returns() {
    each(|app, service, mishap, nth| async move { let_in(&app, service, (mishap, nth), "renew").await }.boxed()).await;
    each(|app, service, mishap, nth| async move { let_in(&app, service, (mishap, nth), "unsuspend").await }.boxed())
        .await;
}
