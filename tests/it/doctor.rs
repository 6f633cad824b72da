//! The doctor: each finding shows where its cause was made, and is gone where what it says was done.

use crate::{
    binary::{err, out, run},
    books_check::assert_books_equal,
    world::{Database, GB, TestApp},
};
use chrono::Duration as Days;
use serde_json::json;
use std::time::Duration;
use turnpike::{
    db::{Sql, Value},
    simulator::{Fault, Options, POLICIES, Simulator, When, World},
    sql,
    work::doctor::{self, Finding, Severity},
};

/// The findings, by code.
async fn codes(app: &TestApp) -> Vec<(&'static str, Severity)> {
    findings(app).await.into_iter().map(|it| (it.code, it.severity)).collect()
}

async fn findings(app: &TestApp) -> Vec<Finding> {
    doctor::examine(&app.app, None, Duration::ZERO).await.unwrap()
}

async fn has(app: &TestApp, code: &str) -> bool {
    codes(app).await.iter().any(|(it, _)| *it == code)
}

/// A router with nothing to be said of but that it is spoken to in clear, which the tests do.
async fn sound() -> TestApp {
    let policies = ["read", "write", "api", "sensitive"].map(str::to_owned).to_vec();
    let options = Options { policies, ..Options::default() };
    let app = TestApp::on(Simulator::start(options).await.unwrap(), Database::bare().await, "").await;
    app.create(41).await;
    app.collect().await;
    let now = app.clock.now().timestamp().unsigned_abs();
    app.router.world(|world| {
        world.set_clock(now);
        world.put("/ip/service", "api", "address", "127.0.0.1/32");
        world.put("/ppp/profile", "default", "only-one", "yes");
        world.put("/interface/l2tp-server/server", "", "use-ipsec", "required");
        world.put("/interface/l2tp-server/server", "", "ipsec-secret", "shared-by-all");
    });
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_router_gets_hints_about_what_the_product_chose() {
    let app = sound().await;
    assert_eq!(codes(&app).await, [("plain-text", Severity::Warning), ("pptp-insecure", Severity::Hint)]);
}

type Damage = fn(&mut World);

/// What the finding is called, how bad it is, what causes it and what mends it.
static CASES: &[(&str, Severity, Damage, Damage)] = &[
    (
        "fasttrack-unclear",
        Severity::Hint,
        |world| {
            let rule = [("chain", "forward"), ("action", "fasttrack-connection"), ("in-interface", "ether2")];
            world.add_row("/ip/firewall/filter", &rule);
        },
        |world| world.table_mut("/ip/firewall/filter").retain(|row| row.get("in-interface") != Some("ether2")),
    ),
    (
        "fasttrack",
        Severity::Error,
        |world| {
            let rule = [("chain", "forward"), ("action", "fasttrack-connection"), ("connection-state", "established")];
            world.add_row("/ip/firewall/filter", &rule);
        },
        |world| {
            world.table_mut("/ip/firewall/filter").retain(|_| false);
            world.add_row("/ip/firewall/address-list", &[("list", "turnpike"), ("address", "10.8.0.2")]);
            for end in ["src-address-list", "dst-address-list"] {
                world.add_row("/ip/firewall/filter", &[("chain", "forward"), (end, "turnpike")]);
            }
            let rule = [("chain", "forward"), ("action", "fasttrack-connection"), ("connection-state", "established")];
            world.add_row("/ip/firewall/filter", &rule);
        },
    ),
    (
        "profile-rate-limit",
        Severity::Error,
        |world| assert!(world.put("/ppp/profile", "default", "rate-limit", "1M/1M")),
        |world| assert!(world.put("/ppp/profile", "default", "rate-limit", "")),
    ),
    (
        "several-sessions",
        Severity::Warning,
        |world| assert!(world.put("/ppp/profile", "default", "only-one", "default")),
        |world| assert!(world.put("/ppp/profile", "default", "only-one", "yes")),
    ),
    (
        "l2tp-off",
        Severity::Error,
        |world| assert!(world.put("/interface/l2tp-server/server", "", "enabled", "false")),
        |world| assert!(world.put("/interface/l2tp-server/server", "", "enabled", "true")),
    ),
    (
        "ipsec-not-required",
        Severity::Warning,
        |world| assert!(world.put("/interface/l2tp-server/server", "", "use-ipsec", "yes")),
        |world| assert!(world.put("/interface/l2tp-server/server", "", "use-ipsec", "required")),
    ),
    (
        "psk-differs",
        Severity::Error,
        |world| assert!(world.put("/interface/l2tp-server/server", "", "ipsec-secret", "another")),
        |world| assert!(world.put("/interface/l2tp-server/server", "", "ipsec-secret", "shared-by-all")),
    ),
    (
        "psk-missing",
        Severity::Error,
        |world| assert!(world.put("/interface/l2tp-server/server", "", "ipsec-secret", "")),
        |world| assert!(world.put("/interface/l2tp-server/server", "", "ipsec-secret", "shared-by-all")),
    ),
    (
        "pptp-off",
        Severity::Error,
        |world| assert!(world.put("/interface/pptp-server/server", "", "enabled", "false")),
        |world| assert!(world.put("/interface/pptp-server/server", "", "enabled", "true")),
    ),
    (
        "api-open",
        Severity::Warning,
        |world| assert!(world.put("/ip/service", "api", "address", "")),
        |world| assert!(world.put("/ip/service", "api", "address", "127.0.0.1/32")),
    ),
    (
        "drift",
        Severity::Error,
        |world| assert!(world.put("/queue/simple", "7-41", "max-limit", "64000/64000")),
        |world| assert!(world.put("/queue/simple", "7-41", "max-limit", "5000000/10000000")),
    ),
    (
        "strays",
        Severity::Warning,
        |world| {
            world.add_row("/ppp/secret", &[("name", "ghost"), ("comment", "WHMCS|Product ID:999|x@example.net")]);
        },
        |world| assert!(world.remove_row("/ppp/secret", "ghost")),
    ),
    (
        "user-elsewhere",
        Severity::Hint,
        |world| world.table_mut("/user").retain(|row| row.get("name") != Some(&Options::default().username)),
        |world| {
            let login = Options::default();
            world.add_user(&login.username, &login.password, &["read", "write", "api", "sensitive"].map(str::to_owned));
        },
    ),
    ("version-old", Severity::Error, |world| world.set_version("6.42.9"), |world| world.set_version("7.18.2")),
    ("version-counters", Severity::Warning, |world| world.set_version("7.25"), |world| world.set_version("7.18.2")),
    ("clock", Severity::Hint, |world| world.set_clock(1_000_000_000), |_| {}),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_on_the_router_is_found_and_no_longer_when_it_is_mended() {
    let app = sound().await;
    for (code, severity, cause, mend) in CASES {
        assert!(!has(&app, code).await, "{code} before");
        app.router.world(*cause);
        let found = findings(&app).await;
        let it = found.iter().find(|it| it.code == *code).unwrap_or_else(|| panic!("{code} in {found:#?}"));
        assert_eq!(it.severity, *severity, "{code}");
        assert!(it.what.ends_with('.') && it.why.ends_with('.') && !it.mend.is_empty(), "{it:?}");
        assert!(!format!("{it:?}").contains("shared-by-all"), "{code} says the key");
        app.router.world(*mend);
        assert!(*code == "clock" || !has(&app, code).await, "{code} after");
    }
}

/// What may be removed is told with its command; a customer who was left out of an import pays, and stays.
#[tokio::test(flavor = "multi_thread")]
async fn only_remains_of_an_ended_service_come_with_the_command_that_removes_them() {
    let app = sound().await;
    app.create(42).await;
    app.hook("terminate", &app.body(42)).await.ok();
    let comment = |service: u64| format!("WHMCS|Product ID:{service}|ada@example.net");
    for (name, service) in [("vpn999", 999), ("old", 42), ("alias", 41)] {
        app.foreign("/ppp/secret", &[("name", name), ("comment", &comment(service))]);
    }
    let found = findings(&app).await;
    let of = |name: &str| found.iter().find(|it| it.code == "strays" && it.what.contains(name)).unwrap();
    let unknown = of("secret vpn999 (service 999, which the books do not know)");
    assert!(unknown.mend.contains("turnpike import --server 3") && !unknown.mend.contains("remove"), "{unknown:?}");
    let ended = of("secret old (service 42, which has ended)");
    let remove = r#"/ppp secret remove [find name="old" comment="WHMCS|Product ID:42|ada@example.net"]"#;
    assert!(ended.mend.contains(remove), "{ended:?}");
    let other = of("secret alias (service 41, which lives here under another name)");
    assert!(other.mend.contains("once the customer dials in") && !other.mend.contains("secret remove"), "{other:?}");
    // The command line says the same of it.
    let dry = out(&run(&app, &["rebuild", "--server", "3", "--dry-run"]).await);
    let line = dry.lines().find(|it| it.contains("vpn999")).unwrap();
    assert!(line.contains("`turnpike import`") && !line.contains("remove"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_user_with_too_much_or_too_little_is_told_of() {
    let app = sound().await;
    let login = Options::default();
    let all: Vec<String> = POLICIES.iter().map(|it| (*it).to_owned()).collect();
    app.router.world(|world| world.add_user(&login.username, &login.password, &all));
    let found = findings(&app).await;
    let it = found.iter().find(|it| it.code == "policy-too-much").unwrap();
    assert!(it.what.contains("reboot") && it.mend.contains("policy=read,write,api,sensitive"), "{it:?}");
    let few = ["read", "api"].map(str::to_owned).to_vec();
    app.router.world(|world| world.add_user(&login.username, &login.password, &few));
    app.router.cut();
    app.router.open().wait_for(|open| *open == 0).await.unwrap();
    let found = findings(&app).await;
    let it = found.iter().find(|it| it.code == "policy-missing").unwrap();
    assert!(it.what.contains("write, sensitive"), "{it:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_moves_past_its_queue_is_seen_between_two_looks() {
    let app = sound().await;
    let moving = |frozen: bool| {
        let carry = move |router: &Simulator| {
            router.world(|world| world.quirks.fast_track = frozen);
            assert!(router.carry("7-41", GB, GB));
        };
        app.router.fault_at(When::nth("/interface/print", 2), Fault::call(carry));
    };
    moving(true);
    assert!(has(&app, "queues-frozen").await);
    moving(false);
    assert!(!has(&app, "queues-frozen").await);
    assert!(!has(&app, "queues-frozen").await, "nothing moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_books_know_is_told_of_too() {
    let app = sound().await;
    app.pass(Days::hours(27));
    app.router.stop().await;
    app.hook("suspend", &app.body(41)).await.ok();
    app.router.listen().await.unwrap();
    app.router.fault_at(When::Every { path: "/ppp/secret/set".into() }, Fault::Trap("out of memory".into(), None));
    // A test of the connection makes the breaker forget that the router was away.
    app.hook("test-connection", &app.body(41)).await.ok();
    for _ in 0..3 {
        app.pass(Days::seconds(10));
        app.step().await;
    }
    let found = findings(&app).await;
    let of = |code: &str| found.iter().find(|it| it.code == code).unwrap_or_else(|| panic!("{code} in {found:#?}"));
    assert!(of("collection-old").what.contains("27 hours"));
    assert!(of("change-fails").what.contains("out of memory"), "{:?}", of("change-fails"));
    assert!(of("drift").what.contains("disabled is no, should be yes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_run_out_are_told_of_before_and_after() {
    let app = TestApp::new().await;
    let few = |service: u64| app.body_with(service, &json!({"server": {"addresses": ["10.8.0.1-10.8.0.10"]}}));
    for service in 1..=8 {
        app.hook("create", &few(service)).await.ok();
    }
    assert!(!has(&app, "addresses").await);
    app.hook("create", &few(9)).await.ok();
    assert!(codes(&app).await.contains(&("addresses", Severity::Warning)));
    app.hook("create", &few(10)).await.ok();
    assert!(codes(&app).await.contains(&("addresses", Severity::Error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_profile_names_the_command_that_makes_it() {
    let app = sound().await;
    app.router.world(|world| world.add_row("/ppp/profile", &[("name", "gold \"1\"")]));
    app.hook("create", &app.body_with(42, &json!({"settings": {"profile": "gold \"1\""}}))).await.ok();
    app.router.world(|world| world.remove_row("/ppp/profile", "gold \"1\""));
    let found = findings(&app).await;
    let it = found.iter().find(|it| it.code == "profile-missing").unwrap();
    assert!(it.mend.starts_with(r#"/ppp profile add name="gold \"1\"""#), "{it:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_is_away_or_refuses_is_a_finding_and_delays_nobody() {
    let app = sound().await;
    let other = Simulator::start(Options::default()).await.unwrap();
    let at = other.address();
    let server = json!({"server": {"id": 4, "name": "core-2", "address": at.ip().to_string(), "port": at.port()}});
    app.hook("create", &app.body_with(42, &server)).await.ok();
    other.stop().await;
    let found = findings(&app).await;
    let second: Vec<_> = found.iter().filter(|it| it.server_id == 4).collect();
    assert_eq!((second[0].code, second[0].severity), ("unreachable", Severity::Error));
    assert_eq!(second[0].router, "core-2");
    assert!(found.iter().any(|it| it.server_id == 3 && it.code == "pptp-insecure"));
    app.router.world(|world| world.put("/user", &Options::default().username, "password", "another"));
    app.router.cut();
    assert!(has(&app, "login-refused").await);
}

/// Another router beside the first, with one account.
async fn second_router(app: &TestApp) -> Simulator {
    let other = Simulator::start(Options::default()).await.unwrap();
    let at = other.address();
    let server = json!({"server": {"id": 4, "name": "core-2", "address": at.ip().to_string(), "port": at.port()}});
    app.hook("create", &app.body_with(50, &server)).await.ok();
    other
}

/// Each sealed with a key that is no more: the service is named, and everything else is examined as ever.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_no_key_opens_are_named_and_stop_no_examination() {
    let app = sound().await;
    let _other = second_router(&app).await;
    for service in [42, 43] {
        app.create(service).await;
    }
    let db = &app.app.db;
    let unknown = || vec![Value::Blob([1; 64].to_vec())];
    db.execute(sql!("UPDATE account SET psk_sealed = ? WHERE service_id = 41"), unknown()).await.unwrap();
    let password = sql!("UPDATE account SET password_sealed = ? WHERE service_id = 42");
    db.execute(password, unknown()).await.unwrap();
    app.router.world(|world| assert!(world.remove_row("/queue/simple", "7-43")));
    let found = findings(&app).await;
    let of = |code: &str| found.iter().find(|it| it.code == code).unwrap_or_else(|| panic!("{code} in {found:#?}"));
    let sealed = of("secret-sealed");
    assert_eq!((sealed.severity, sealed.server_id), (Severity::Error, 3));
    let whose = "opens the pre-shared key of 7-41 (service 41), the password of 7-42 (service 42).";
    assert!(sealed.what.ends_with(whose) && sealed.mend.contains("seal.older_keys"), "{sealed:?}");
    assert!(of("drift").what.starts_with("1 accounts") && of("drift").what.contains("7-43"), "{:?}", of("drift"));
    assert!(found.iter().any(|it| it.server_id == 3 && it.code == "pptp-insecure"));
    assert!(found.iter().any(|it| it.server_id == 4 && it.code == "pptp-insecure"));
    assert!(found.iter().all(|it| it.code != "name-taken" && it.code != "not-examined"), "{found:#?}");
    // What it says mends it: Create both, Change Password the password.
    app.hook("create", &app.body(41)).await.ok();
    app.hook("change-password", &app.body_with(42, &json!({"service": {"password": "another-1"}}))).await.ok();
    assert!(!has(&app, "secret-sealed").await);
    db.execute(password, unknown()).await.unwrap();
    app.router.world(|world| assert!(world.remove_row("/ppp/secret", "7-42")));
    app.hook("create", &app.body_with(42, &json!({"service": {"password": "another-1"}}))).await.ok();
    assert!(!has(&app, "secret-sealed").await);
    assert_eq!(app.secret("7-42", "password").unwrap(), "another-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_whose_password_no_key_opens_is_told_of_and_so_is_the_cause_at_the_command_line() {
    let app = sound().await;
    let _other = second_router(&app).await;
    let broken = sql!("UPDATE server SET password_sealed = ? WHERE id = 3");
    app.app.db.execute(broken, vec![Value::Blob([1; 64].to_vec())]).await.unwrap();
    let found = findings(&app).await;
    let of_first: Vec<&str> = found.iter().filter(|it| it.server_id == 3).map(|it| it.code).collect();
    assert_eq!(of_first, ["secret-sealed"]);
    assert!(found.iter().any(|it| it.server_id == 4 && it.code == "pptp-insecure"));
    let rebuild = run(&app, &["rebuild", "--server", "3", "--dry-run"]).await;
    assert_eq!(rebuild.status.code(), Some(1));
    let said = err(&rebuild);
    assert!(said.contains("None of the master keys sealed this value") && !said.contains("reference"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    app.hook("list-accounts", &app.body(1)).await.ok();
    assert!(!has(&app, "secret-sealed").await);
    // Whatever else of one router's books cannot be read keeps no other from being examined.
    let broken = sql!("UPDATE account SET ppp_service = 'pigeon' WHERE service_id = 50");
    app.app.db.execute(broken, vec![]).await.unwrap();
    let found = findings(&app).await;
    let second = found.iter().find(|it| it.server_id == 4).unwrap();
    assert!(second.code == "not-examined" && second.what.contains("ppp_service"), "{second:?}");
    assert!(found.iter().any(|it| it.server_id == 3 && it.code == "pptp-insecure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_refused_is_told_of_and_the_others_are_asked() {
    let app = sound().await;
    let no = Fault::Trap("not enough permissions (9)".into(), None);
    app.router.fault_at(When::Every { path: "/ip/firewall/filter/print".into() }, no);
    app.router.world(|world| world.put("/interface/l2tp-server/server", "", "enabled", "false"));
    let found = codes(&app).await;
    assert!(found.contains(&("unreadable", Severity::Warning)) && found.contains(&("l2tp-off", Severity::Error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_for_people_and_programs_and_fails_on_errors_alone() {
    let app = sound().await;
    let well = run(&app, &["doctor"]).await;
    assert!(well.status.success(), "{}", err(&well));
    assert!(out(&well).contains("core-1 (server 3") && out(&well).contains("pptp-server server set"), "{}", out(&well));
    app.router.world(|world| world.put("/interface/l2tp-server/server", "", "enabled", "false"));
    let ill = run(&app, &["doctor", "--server", "3", "--json"]).await;
    assert_eq!(ill.status.code(), Some(1));
    assert_eq!(err(&ill).lines().count(), 1, "{}", err(&ill));
    let list: serde_json::Value = serde_json::from_str(&out(&ill)).unwrap();
    assert_eq!(list[0]["code"], "l2tp-off");
    assert_eq!(list[0]["severity"], "error");
    let unknown = run(&app, &["doctor", "--server", "99"]).await;
    assert!(err(&unknown).contains("Server 99 is not known here"), "{}", err(&unknown));
    app.app.close().await;
}

/// A database that has lost a part of itself is told of, and what the doctor says mends it.
#[tokio::test(flavor = "multi_thread")]
async fn figures_that_are_gone_are_named_and_can_be_had_from_the_ledger() {
    for (damage, values, sheets) in [
        (sql!("DELETE FROM sheet WHERE server_id = 3"), vec![], 0),
        // Cut; whole, and not as it was written.
        (sql!("UPDATE sheet SET figures = ? WHERE server_id = 3"), vec![Value::Blob(vec![0; 100])], 1),
        (sql!("UPDATE sheet SET figures = ? WHERE server_id = 3"), vec![Value::Blob(vec![0; 208])], 1),
    ] {
        let app = sound().await;
        app.create(42).await;
        for _ in 0..2 {
            for user in ["7-41", "7-42"] {
                assert!(app.router.carry(user, GB, 0));
            }
            app.pass(Days::minutes(5));
            app.step().await;
        }
        assert!(!has(&app, "figures-lost").await);
        assert_eq!(app.app.db.execute(damage, values).await.unwrap(), 1);
        let found = findings(&app).await;
        let [lost] = &found.iter().filter(|it| it.server_id == 3).collect::<Vec<_>>()[..] else { panic!("{found:#?}") };
        assert_eq!((lost.code, lost.severity), ("figures-lost", Severity::Error));
        assert!(lost.what.contains(": 41, 42."), "{}", lost.what);
        assert_ne!(app.hook("suspend", &app.body(42)).await.status, 200);
        let mends = lost.mend.lines().skip(1).map(|it| Sql::new(it.trim_end_matches(';').to_owned().leak()));
        let mut changed = Vec::new();
        for mend in mends {
            changed.push(app.app.db.execute(mend, vec![]).await.unwrap());
        }
        assert_eq!(changed, [sheets, 2][usize::from(sheets == 0)..], "{}", lost.mend);
        assert!(!has(&app, "figures-lost").await);
        app.hook("suspend", &app.body(42)).await.ok();
        app.hook("unsuspend", &app.body(42)).await.ok();
        let before = app.balance(41).await;
        app.pass(Days::minutes(5));
        app.step().await;
        assert!(app.router.carry("7-41", GB, 0));
        app.pass(Days::minutes(5));
        app.step().await;
        assert_eq!(app.balance(41).await, before - GB.cast_signed());
        assert_books_equal(&app.app).await;
    }
}
