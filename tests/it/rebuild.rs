//! Rebuild: whatever drifted is mended, what is not ours stays, and nobody pays for it.

use crate::{
    binary::{err, out, run, settings, turnpike},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use std::sync::Mutex;
use turnpike::{
    db::Value,
    simulator::{Fault, When, World},
    work::rebuild::{self, Comparison, Mend, Step, Why},
};

type Damage = fn(&mut World);

async fn compare(app: &TestApp) -> Comparison {
    rebuild::compare(&app.app, 3).await.unwrap()
}

async fn mend(app: &TestApp) -> usize {
    let outcome = rebuild::run(&app.app, 3, &|_| {}).await.unwrap();
    assert!(outcome.now.drifts.is_empty(), "{:#?}", outcome.now.drifts);
    outcome.mended
}

fn differences(found: &Comparison) -> Vec<String> {
    found.drifts.iter().flat_map(|drift| drift.differences.clone()).collect()
}

/// Everything of the service's own, as the router holds it.
fn held(app: &TestApp, name: &str) -> Vec<Option<String>> {
    let secret = ["password", "service", "profile", "remote-address", "disabled", "comment"];
    let queue = ["target", "max-limit", "burst-limit", "disabled", "comment"];
    let of_secret = secret.iter().map(|it| app.secret(name, it));
    of_secret.chain(queue.iter().map(|it| app.queue(name, it))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_drift_is_named_and_mended() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| world.add_row("/ppp/profile", &[("name", "silver")]));
    let before = held(&app, "7-41");
    assert!(compare(&app).await.drifts.is_empty());
    let cases: &[(&str, Damage)] = &[
        ("the secret is missing", |world| assert!(world.remove_row("/ppp/secret", "7-41"))),
        ("the queue is missing", |world| assert!(world.remove_row("/queue/simple", "7-41"))),
        ("secret's profile is silver", |world| assert!(world.put("/ppp/secret", "7-41", "profile", "silver"))),
        ("secret's service is l2tp", |world| assert!(world.put("/ppp/secret", "7-41", "service", "l2tp"))),
        ("remote-address is 10.9.9.9", |world| assert!(world.put("/ppp/secret", "7-41", "remote-address", "10.9.9.9"))),
        ("secret's disabled is yes", |world| assert!(world.put("/ppp/secret", "7-41", "disabled", "true"))),
        ("password is another one", |world| assert!(world.put("/ppp/secret", "7-41", "password", "guessed"))),
        ("queue's target is 10.9.9.9/32", |world| assert!(world.put("/queue/simple", "7-41", "target", "10.9.9.9/32"))),
        ("max-limit is 64000/64000", |world| assert!(world.put("/queue/simple", "7-41", "max-limit", "64000/64000"))),
        ("queue's disabled is yes", |world| assert!(world.put("/queue/simple", "7-41", "disabled", "true"))),
        ("secret's comment is WHMCS|Product ID:41|old@example.net", |world| {
            assert!(world.put("/ppp/secret", "7-41", "comment", "WHMCS|Product ID:41|old@example.net"));
        }),
        ("there are 2 secrets", |world| {
            let twin = [("name", "7-41"), ("service", "pptp"), ("comment", "WHMCS|Product ID:41|ada@example.net")];
            world.add_row("/ppp/secret", &twin);
        }),
    ];
    for (words, damage) in cases {
        app.router.world(*damage);
        let found = compare(&app).await;
        assert!(differences(&found).iter().any(|it| it.contains(words)), "{words}: {found:#?}");
        assert_eq!(mend(&app).await, 1, "{words}");
        assert_eq!(held(&app, "7-41"), before, "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_customer_who_was_let_in_on_the_router_is_blocked_again_and_kicked() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    app.hook("suspend", &app.body(41)).await.ok();
    app.router.world(|world| world.put("/ppp/secret", "7-41", "disabled", "false"));
    app.dial(&made);
    assert_eq!(compare(&app).await.drifts[0].mend, Mend::Ensure { kick: true });
    mend(&app).await;
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
    assert!(!app.router.is_online("7-41"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_customers_in_good_standing_stay() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| world.remove_row("/queue/simple", "7-41"));
    mend(&app).await;
    assert!(app.router.is_online("7-41"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_replacement_router_is_filled_and_counts_from_zero() {
    let app = TestApp::new().await;
    for service in [41, 42, 43] {
        app.create(service).await;
    }
    let held_before: Vec<_> = ["7-41", "7-42", "7-43"].iter().map(|name| held(&app, name)).collect();
    assert!(app.router.carry("7-41", GB, GB));
    app.pass(Duration::minutes(5));
    app.step().await;
    assert_eq!(app.balance(41).await, (8 * GB).cast_signed());
    // One gigabyte more was counted and not read when the box burnt down; the new one numbers its rows from 1 again.
    app.router.carry("7-41", GB, 0);
    app.router.world(|world| {
        for menu in ["/ppp/secret", "/queue/simple"] {
            world.table_mut(menu).retain(|_| false);
        }
    });
    app.router.reboot();
    app.pass(Duration::minutes(5));
    assert_eq!(compare(&app).await.drifts.len(), 3);
    assert_eq!(mend(&app).await, 3);
    let held_after: Vec<_> = ["7-41", "7-42", "7-43"].iter().map(|name| held(&app, name)).collect();
    assert_eq!(held_before, held_after);
    assert_eq!(app.balance(41).await, (8 * GB).cast_signed(), "nothing was charged for the rebuild");
    let password = app.secret("7-41", "password").unwrap();
    app.router.connect("7-41", &password, "l2tp", "198.51.100.7").unwrap();
    app.router.carry("7-41", 3 * MB, MB);
    app.pass(Duration::minutes(5));
    app.collect().await;
    assert_eq!(app.balance(41).await, (8 * GB - 4 * MB).cast_signed(), "exactly what moved since");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_router_has_closed_is_made_anew_once() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.fault_at(When::nth("/ppp/secret/print", 1), Fault::CutAfterBytes(0));
    assert!(compare(&app).await.is_right());
    for nth in [1, 2] {
        app.router.fault_at(When::nth("/ppp/secret/print", nth), Fault::CutAfterBytes(0));
    }
    let problem = rebuild::compare(&app.app, 3).await.unwrap_err();
    assert_eq!(problem.code.as_str(), "router-unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_reading_is_booked_before_anything_is_touched() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.carry("7-41", GB, 0);
    // A target in the wrong place: the queue is set, and this router starts its counters again at a set.
    app.router.world(|world| {
        world.quirks.set_restarts_counters = true;
        world.put("/queue/simple", "7-41", "max-limit", "1000/1000");
    });
    mend(&app).await;
    assert_eq!(app.balance(41).await, (9 * GB).cast_signed());
    app.pass(Duration::minutes(5));
    app.collect().await;
    assert_eq!(app.balance(41).await, (9 * GB).cast_signed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_stays_and_remains_of_ended_services_go() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.create(42).await;
    app.hook("terminate", &app.body(42)).await.ok();
    let mark = "WHMCS|Product ID:42|ada@example.net";
    app.router.world(|world| {
        world.add_row("/ppp/secret", &[("name", "7-42"), ("comment", mark)]);
        world.add_row("/queue/simple", &[("name", "7-42"), ("target", "10.8.0.99/32"), ("comment", mark)]);
        world.add_row("/ppp/secret", &[("name", "renamed"), ("comment", mark)]);
        world.add_row("/ppp/secret", &[("name", "office"), ("comment", "the boss")]);
        world.add_row("/ppp/secret", &[("name", "theirs"), ("comment", "Other|Product ID:41|x@example.net")]);
        world.add_row("/ppp/secret", &[("name", "who"), ("comment", "WHMCS|Product ID:999|x@example.net")]);
    });
    let found = compare(&app).await;
    assert_eq!((found.accounts, found.foreign), (1, 2), "{found:#?}");
    assert_eq!(found.drifts.iter().map(|it| (it.service_id, it.mend)).collect::<Vec<_>>(), [(42, Mend::Remove)]);
    let mut strays: Vec<_> = found.strays.iter().map(|it| (it.name.as_str(), it.why)).collect();
    strays.sort_by_key(|(name, _)| *name);
    assert_eq!(strays, [("renamed", Why::Ended), ("who", Why::Unknown)]);
    assert_eq!(mend(&app).await, 1);
    assert!(app.secret("7-42", "name").is_none() && app.queue("7-42", "name").is_none());
    for name in ["7-41", "renamed", "office", "theirs", "who"] {
        assert!(app.secret(name, "name").is_some(), "{name} is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_object_in_the_way_is_left_and_the_others_are_mended() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.create(42).await;
    app.router.world(|world| {
        world.put("/ppp/secret", "7-41", "comment", "mine now");
        world.remove_row("/queue/simple", "7-42");
    });
    let outcome = rebuild::run(&app.app, 3, &|_| {}).await.unwrap();
    assert_eq!(outcome.mended, 1);
    assert_eq!(outcome.now.drifts.len(), 1);
    assert_eq!(outcome.now.drifts[0].mend, Mend::ByHand);
    assert_eq!(app.secret("7-41", "comment").unwrap(), "mine now");
    let command = run(&app, &["rebuild", "--server", "3"]).await;
    assert_eq!(command.status.code(), Some(1));
    assert!(err(&command).contains("1 accounts are still not"), "{}", err(&command));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_password_no_key_opens_is_left_for_a_person_and_the_others_are_mended() {
    let app = TestApp::new().await;
    for service in [41, 42, 43] {
        app.create(service).await;
    }
    let broken = turnpike::sql!("UPDATE account SET password_sealed = ?, psk_sealed = ? WHERE service_id = 42");
    let unknown = || Value::Blob([1; 64].to_vec());
    app.app.db.execute(broken, vec![unknown(), unknown()]).await.unwrap();
    app.router.world(|world| {
        for menu in ["/ppp/secret", "/queue/simple"] {
            world.table_mut(menu).retain(|_| false);
        }
    });
    app.router.reboot();
    let dry = run(&app, &["rebuild", "--server", "3", "--dry-run"]).await;
    assert!(dry.status.success(), "{}", err(&dry));
    assert_eq!(out(&dry).matches("the secret is missing").count(), 3, "{}", out(&dry));
    let wet = run(&app, &["rebuild", "--server", "3"]).await;
    assert_eq!(wet.status.code(), Some(1));
    assert!(err(&wet).contains("1 accounts are still not"), "{}", err(&wet));
    let named = "service 42 (7-42): its password opens with no key that is configured; the secret is missing; the queue is \
                 missing: put the key that sealed it into seal.older_keys";
    assert!(out(&wet).contains("2 mended") && out(&wet).contains(named), "{}", out(&wet));
    let left: Vec<_> = compare(&app).await.drifts.iter().map(|it| (it.service_id, it.sealed, it.mend)).collect();
    assert_eq!(left, [(42, true, Mend::ByHand)]);
    for name in ["7-41", "7-43"] {
        assert!(app.secret(name, "name").is_some() && app.queue(name, "name").is_some(), "{name}");
    }
    app.hook("create", &app.body(42)).await.ok();
    assert!(compare(&app).await.is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_decided_in_the_middle_of_a_repair_wins() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| world.remove_row("/ppp/secret", "7-41"));
    // While the secret is being added from what the books said a moment ago, another process blocks the customer.
    let db = app.app.db.clone();
    let runtime = tokio::runtime::Handle::current();
    let block = move |_: &turnpike::simulator::Simulator| {
        let sql = turnpike::sql!("UPDATE account SET cause_admin = 1 WHERE service_id = 41");
        tokio::task::block_in_place(|| runtime.block_on(db.execute(sql, vec![])).unwrap());
    };
    app.router.fault_at(When::at("/ppp/secret/add"), Fault::call(block));
    assert_eq!(mend(&app).await, 2);
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_loses_its_router_is_gone_on_with() {
    let app = TestApp::new().await;
    for service in 41..=60 {
        app.hook("create", &app.body(service)).await.ok();
    }
    app.router.world(|world| world.table_mut("/queue/simple").retain(|_| false));
    let cut = |router: &turnpike::simulator::Simulator| router.cut();
    app.router.fault_at(When::nth("/queue/simple/add", 7), Fault::call(cut));
    app.router.fault_at(When::nth("/queue/simple/add", 11), Fault::ApplyAndLoseReply);
    let told = Mutex::new((0, 0));
    let watch = |step: Step<'_>| {
        let mut told = told.lock().unwrap();
        match step {
            Step::Compared(found) => told.0 = found.drifts.len(),
            Step::Mended { .. } => told.1 += 1,
        }
    };
    let first = rebuild::run(&app.app, 3, &watch).await;
    // Two faults: each may end a run, and the next goes on.
    let mut ended = first.is_err();
    for _again in 0..2 {
        ended = ended && rebuild::run(&app.app, 3, &|_| {}).await.is_err();
    }
    assert!(!ended, "a third run meets no fault any more");
    let told = told.into_inner().unwrap();
    assert_eq!(told.0, 20);
    assert!(told.1 >= 1, "{told:?}");
    assert!(compare(&app).await.drifts.is_empty());
    assert_eq!(app.router.world(|world| world.table("/queue/simple").rows().len()), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_names_each_change_and_makes_none() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.world(|world| {
        world.remove_row("/queue/simple", "7-41");
        world.put("/ppp/secret", "7-41", "profile", "default-encryption");
    });
    let dry = run(&app, &["rebuild", "--server", "3", "--dry-run"]).await;
    assert!(dry.status.success(), "{}", err(&dry));
    assert!(out(&dry).contains("service 41 (7-41)") && out(&dry).contains("the queue is missing"), "{}", out(&dry));
    assert!(app.queue("7-41", "name").is_none());
    let json = run(&app, &["rebuild", "--server", "3", "--dry-run", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["now"]["drifts"][0]["service_id"], 41);
    assert_eq!(json["now"]["drifts"][0]["mend"], json!({"ensure": {"kick": false}}));
    let wet = run(&app, &["rebuild", "--server", "3"]).await;
    assert!(wet.status.success(), "{}", err(&wet));
    assert!(out(&wet).contains("7-41: mended") && out(&wet).contains("1 mended"), "{}", out(&wet));
    assert!(compare(&app).await.drifts.is_empty());
}

/// Kills the real binary in the middle of a rebuild, with a signal that it cannot catch, and runs it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_killed_is_run_again_and_tells_its_progress() {
    const ALL: u32 = 60;
    let app = TestApp::new().await;
    let body = |service: u64| app.body_with(service, &json!({"server": {"addresses": ["10.8.0.0/16"]}}));
    for service in 1..=u64::from(ALL) {
        app.hook("create", &body(service)).await.ok();
    }
    for service in [7, 8] {
        app.hook("suspend", &body(service)).await.ok();
    }
    let names: Vec<String> = (1..=ALL).map(|service| format!("7-{service}")).collect();
    let before: Vec<_> = names.iter().map(|name| held(&app, name)).collect();
    app.router.world(|world| {
        for menu in ["/ppp/secret", "/queue/simple"] {
            world.table_mut(menu).retain(|_| false);
        }
    });
    app.router.reboot();
    app.router.clear_journal();
    // The twentieth queue is never answered: the run is in the middle.
    app.router.fault_at(When::nth("/queue/simple/add", 20), Fault::Hang);
    let mut child = turnpike()
        .args(["rebuild", "--server", "3", "--config"])
        .arg(settings(&app))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut received = app.router.received();
    while app.commands("/queue/simple/add") < 20 {
        received.changed().await.unwrap();
    }
    child.start_kill().unwrap();
    let killed = child.wait_with_output().await.unwrap();
    assert!(!killed.status.success());
    app.router.open().wait_for(|open| *open <= 1).await.unwrap();
    // The lease of the dead one has to run out; a test need not wait for it.
    app.app.db.execute(turnpike::sql!("DELETE FROM lease"), vec![]).await.unwrap();
    let left = compare(&app).await.drifts.len();
    assert!(left > 0 && left < ALL as usize, "{left}");
    let wet = run(&app, &["rebuild", "--server", "3"]).await;
    assert!(wet.status.success(), "{}{}", out(&wet), err(&wet));
    assert!(out(&wet).lines().filter(|it| it.ends_with(": mended")).count() <= left, "{}", out(&wet));
    assert_eq!(names.iter().map(|name| held(&app, name)).collect::<Vec<_>>(), before);
    assert_eq!(app.router.world(|world| world.table("/queue/simple").rows().len()), ALL as usize);
    let dry = run(&app, &["rebuild", "--server", "3", "--dry-run"]).await;
    assert_eq!(out(&dry).lines().count(), 1, "a second dry run names none: {}", out(&dry));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_dies_in_the_middle_ends_the_run_with_a_sentence_that_says_how_to_go_on() {
    let app = TestApp::new().await;
    for service in 41..=50 {
        app.hook("create", &app.body(service)).await.ok();
    }
    app.router.world(|world| world.table_mut("/queue/simple").retain(|_| false));
    let runtime = tokio::runtime::Handle::current();
    let die = move |router: &turnpike::simulator::Simulator| {
        let router = router.clone();
        runtime.spawn(async move { router.stop().await });
    };
    app.router.fault_at(When::nth("/queue/simple/add", 4), Fault::call(die));
    app.router.fault_at(When::nth("/queue/simple/add", 4), Fault::Hang);
    let ended = run(&app, &["rebuild", "--server", "3"]).await;
    assert_eq!(ended.status.code(), Some(1));
    let said = err(&ended);
    assert_eq!(said.lines().filter(|it| it.contains("run the same command again to go on")).count(), 1, "{said}");
    assert!(said.contains("core-1") && said.contains("What was mended until then stays"), "{said}");
    app.router.listen().await.unwrap();
    let wet = run(&app, &["rebuild", "--server", "3"]).await;
    assert!(wet.status.success(), "{}{}", out(&wet), err(&wet));
    assert!(compare(&app).await.drifts.is_empty());
}
