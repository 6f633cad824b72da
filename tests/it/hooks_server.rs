//! Hooks about a router or about all of them: test-connection, options, usage-update, metrics, list-accounts, cron
//! (contract §6).

use crate::{
    books_check::many,
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Options, Simulator};

#[tokio::test(flavor = "multi_thread")]
async fn test_connection_tells_who_answers_and_what_will_hurt() {
    let app = TestApp::new().await;
    let mut body = app.body(41);
    body["server"]["id"] = json!(0);
    body["service"] = Value::Null;
    let answer = app.hook("test-connection", &body).await.ok();
    let router = &answer["router"];
    assert_eq!((&router["identity"], &router["version"]), (&json!("MikroTik"), &json!("7.18.2 (stable)")));
    assert_eq!(router["board"], "RB5009UG+S+");
    assert!(router["uptime_seconds"].is_u64());
    assert_eq!(answer.as_object().unwrap().len(), 2);
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1, "no TLS: {answer}");
    app.router.world(|world| world.put("/ppp/profile", "default", "rate-limit", "5M/5M"));
    body["server"]["addresses"] = json!(["10.8.0.300"]);
    let warnings = app.hook("test-connection", &body).await.ok()["warnings"].to_string();
    assert!(warnings.contains("rate limit") && warnings.contains("10.8.0.300"), "{warnings}");
    body["server"]["addresses"] = json!([]);
    let warnings = app.hook("test-connection", &body).await.ok()["warnings"].to_string();
    assert!(warnings.contains("Assigned IP Addresses"), "{warnings}");
    assert!(app.writes().is_empty());
    let servers = app.hook("metrics", &app.body(41)).await.ok();
    assert_eq!(servers, json!({"month": "2026-11", "accounts": []}), "nothing is remembered of a form");
    for (field, value) in [("address", json!("")), ("username", json!(""))] {
        let mut body = app.body(41);
        body["server"][field] = value.clone();
        body["server"]["hostname"] = json!("");
        let refused = app.refused("test-connection", &body).await;
        assert_eq!(refused, (400, "malformed".into(), format!("server.{field}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_the_routers_profiles() {
    let app = TestApp::new().await;
    app.foreign("/ppp/profile", &[("name", "gold")]);
    let options = app.hook("options", &app.body(41)).await.ok();
    assert_eq!(options["profiles"], json!(["default", "default-encryption", "gold"]));
    assert_eq!(options["warning"], Value::Null);
    assert!(options["plans"].is_array());
    let nothing = app.hook("options", &json!({})).await.ok();
    assert_eq!((&nothing["profiles"], &nothing["warning"]), (&json!(["default"]), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn list_accounts_tells_ours_from_others() {
    let app = TestApp::new().await;
    app.create(41).await;
    let stranger = [
        ("name", "stranger"),
        ("password", "p"),
        ("profile", "default-encryption"),
        ("disabled", "true"),
        ("comment", "by hand"),
    ];
    app.foreign("/ppp/secret", &stranger);
    let listed = app.hook("list-accounts", &app.body(1)).await.ok();
    assert_eq!(
        listed,
        json!({"accounts": [
            {"username": "7-41", "service_id": 41, "address": "10.8.0.2", "enabled": true, "profile": "default",
             "comment": "WHMCS|Product ID:41|ada@example.net"},
            {"username": "stranger", "service_id": null, "address": null, "enabled": false,
             "profile": "default-encryption", "comment": "by hand"},
        ]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_update_books_once_and_names_what_it_could_not_read() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.create(42).await;
    assert!(app.router.carry("7-41", 2 * GB + 1, GB));
    app.router.world(|world| world.remove_row("/queue/simple", "7-42"));
    app.pass(Duration::hours(1));
    let usage = app.collect().await;
    let one = json!({
        "service_id": 41, "month": {"download_bytes": 2 * GB + 1, "upload_bytes": GB}, "bandwidth_used_mb": 3073,
        "bandwidth_limit_mb": 10_240, "balance_bytes": 7 * GB - 1, "enabled": true, "causes": [],
        "last_reading_at": "2026-11-20T13:00:00Z",
    });
    assert_eq!((&usage["server_id"], &usage["collected"]), (&json!(3), &json!(1)));
    assert_eq!(usage["collected_at"], "2026-11-20T13:00:00Z");
    assert_eq!(usage["services"], json!([one]));
    let skipped = usage["skipped"].as_array().unwrap();
    assert_eq!((skipped.len(), &skipped[0]["service_id"]), (1, &json!(42)));
    let reason = skipped[0]["reason"].as_str().unwrap();
    assert!(reason.contains("core-1") && reason.contains("7-42") && reason.contains("Create"), "{reason}");
    assert_eq!(app.collect().await["services"], json!([one]), "nothing is counted twice");
    assert_eq!(app.account(42).await["balance_bytes"], 10 * GB, "no reading is not zero");
    let metrics = app.hook("metrics", &app.body(1)).await.ok();
    let expected = json!({"month": "2026-11", "accounts": [
        {"username": "7-41", "download_bytes": 2 * GB + 1, "upload_bytes": GB},
        {"username": "7-42", "download_bytes": 0, "upload_bytes": 0},
    ]});
    assert_eq!(metrics, expected);
    let before = app.router.journal().len();
    app.hook("metrics", &app.body(1)).await.ok();
    assert_eq!(app.router.journal().len(), before, "no router call");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_accounts_are_read_booked_and_told_of_each_once() {
    let app = TestApp::new().await;
    many(&app, 400).await;
    let user = |id: u64| if id == 1 { "7-1".to_owned() } else { format!("user{:05}", id - 1) };
    app.router.world(|world| world.remove_row("/queue/simple", &user(200)));
    for id in (1..=400).filter(|id| *id != 200) {
        if id > 1 {
            app.router.connect(&user(id), "secret", "l2tp", "198.51.100.9").unwrap();
        }
        assert!(app.router.carry(&user(id), MB + id, 0), "{id}");
    }
    app.pass(Duration::hours(1));
    // An answer of several pieces; its signature is checked, as each is.
    let usage = app.collect().await;
    let told = usage["services"].as_array().unwrap();
    let down = |it: &Value| (it["service_id"].as_u64().unwrap(), it["month"]["download_bytes"].as_u64().unwrap());
    let expected: Vec<(u64, u64)> = (1..=400).filter(|id| *id != 200).map(|id| (id, MB + id)).collect();
    assert_eq!(told.iter().map(down).collect::<Vec<_>>(), expected);
    assert!(serde_json::to_vec(&usage).unwrap().len() > 64 << 10);
    assert_eq!((&usage["collected"], &usage["skipped"][0]["service_id"]), (&json!(399), &json!(200)));
    assert_eq!(app.collect().await["services"], usage["services"], "nothing is counted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_comes_back_is_collected_at_the_very_next_call() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert!(app.router.carry("7-41", GB, 0));
    for _ in 0..3 {
        app.router.stop().await;
        for _ in 0..4 {
            assert_eq!(app.refused("usage-update", &app.body(1)).await.1, "router-unreachable");
            app.hook("cron", &json!({})).await.ok();
        }
        app.router.listen().await.unwrap();
        assert_eq!(app.collect().await["collected"], 1);
    }
    assert_eq!(app.account(41).await["balance_bytes"], 9 * GB);
}

/// A second router, and a body about a service on it.
async fn second(app: &TestApp, service: u64, over: Value) -> (Simulator, Value) {
    let router = Simulator::start(Options::default()).await.unwrap();
    let mut body = app.body_with(service, &over);
    body["server"]["id"] = json!(4);
    body["server"]["name"] = json!("core-2");
    body["server"]["port"] = json!(router.address().port());
    (router, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn cron_collects_the_accounts_that_want_it_and_names_a_dead_router_while_others_work() {
    let app = TestApp::new().await;
    let cron = json!({"settings": {"collect": "cron"}});
    let made = app.hook("create", &app.body_with(41, &cron)).await.ok();
    app.dial(&made);
    app.create(42).await;
    let (other, body) = second(&app, 43, cron).await;
    app.hook("create", &body).await.ok();
    for name in ["7-41", "7-42"] {
        assert!(app.router.carry(name, 100 * MB, MB));
    }
    app.pass(Duration::minutes(5));
    let run = app.hook("cron", &json!({"whmcs": {"version": "8.13.1"}})).await.ok();
    let ids: Vec<_> = run["services"].as_array().unwrap().iter().map(|it| it["service_id"].clone()).collect();
    assert_eq!(ids, [json!(41), json!(43)]);
    assert_eq!(run["services"][0]["bandwidth_used_mb"], 101);
    assert_eq!((&run["skipped"], &run["mails"]), (&json!([]), &json!([])));
    assert_eq!(app.queue("7-41", "bytes").unwrap(), "0/0");
    assert_ne!(app.queue("7-42", "bytes").unwrap(), "0/0", "its counter waits for the daily collection");
    other.stop().await;
    assert!(app.router.carry("7-41", MB, 0));
    app.pass(Duration::minutes(5));
    let run = app.hook("cron", &json!({})).await.ok();
    assert_eq!(run["services"].as_array().unwrap().len(), 1);
    assert_eq!(run["services"][0]["bandwidth_used_mb"], 102);
    assert_eq!(run["skipped"][0]["service_id"], 43);
    assert!(run["skipped"][0]["reason"].as_str().unwrap().contains("core-2"), "{run}");
    other.listen().await.unwrap();
    assert_eq!(app.hook("cron", &json!({})).await.ok()["skipped"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn cron_hands_letters_to_whmcs_once_and_takes_its_word_for_them() {
    let app = TestApp::with("mail.transport = \"whmcs\"\n").await;
    let over = json!({"settings": {"threshold_template": "VPN traffic low", "suspension_template": "VPN suspended"}});
    let made = app.hook("create", &app.body_with(41, &over)).await.ok();
    app.dial(&made);
    assert!(app.router.carry("7-41", 9 * GB, 0));
    app.pass(Duration::minutes(5));
    app.collect().await;
    let run = app.hook("cron", &json!({})).await.ok();
    let mails = run["mails"].as_array().unwrap();
    assert_eq!(mails.len(), 1, "{run}");
    let mail = &mails[0];
    assert_eq!((&mail["template"], &mail["service_id"]), (&json!("VPN traffic low"), &json!(41)));
    assert_eq!(mail["variables"]["username"], "7-41");
    assert_eq!(mail["variables"]["traffic_balance_gb"], "1.0000");
    assert_eq!(app.hook("cron", &json!({})).await.ok()["mails"], json!([]), "they have it in hand");
    let failed = json!({"hook": {"failed": [{"id": mail["id"], "error": "SMTP <b>says</b> no"}], "delivered": []}});
    assert_eq!(app.hook("cron", &failed).await.ok()["mails"], json!([]), "not at once again");
    app.pass(Duration::hours(1));
    let again = app.hook("cron", &json!({})).await.ok()["mails"].clone();
    assert_eq!(again[0]["id"], mail["id"]);
    let delivered = json!({"hook": {"delivered": [mail["id"], 999_999], "failed": null}});
    app.hook("cron", &delivered).await.ok();
    app.hook("cron", &delivered).await.ok();
    app.pass(Duration::days(2));
    assert_eq!(app.hook("cron", &json!({})).await.ok()["mails"], json!([]));
    for (name, wrong) in [
        ("delivered", json!("1")),
        ("delivered", json!([-1])),
        ("delivered", json!(["1"])),
        ("failed", json!([1])),
        ("failed", json!([{"id": 1}])),
        ("failed", json!([{"id": 1, "error": "x", "final": "yes"}])),
        ("failed", json!({"id": 1, "error": "x"})),
    ] {
        let refused = app.refused("cron", &json!({"hook": {name: wrong}})).await;
        assert_eq!(refused, (400, "malformed".into(), format!("hook.{name}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_not_handed_out_where_they_are_sent_from_here() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert!(app.router.carry("7-41", 9 * GB, 0));
    app.pass(Duration::minutes(5));
    app.collect().await;
    assert_eq!(app.hook("cron", &json!({})).await.ok()["mails"], json!([]));
    app.step().await;
    assert_eq!(app.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn terminate_books_the_last_reading_and_hand_deleted_objects_do_not_matter() {
    let app = TestApp::new().await;
    for (service, gone) in [
        (41, vec![]),
        (42, vec!["/ppp/secret"]),
        (43, vec!["/queue/simple"]),
        (44, vec!["/ppp/secret", "/queue/simple"]),
    ] {
        let name = app.create(service).await;
        assert!(app.router.carry(&name, GB, MB));
        app.pass(Duration::hours(1));
        for menu in &gone {
            assert!(app.router.world(|world| world.remove_row(menu, &name)));
        }
        let ended = app.hook("terminate", &app.body(service)).await.ok();
        let booked = if gone.contains(&"/queue/simple") { 10 * GB } else { 9 * GB - MB };
        assert_eq!(ended["account"]["balance_bytes"], booked, "{gone:?}");
        assert_eq!(ended["account"]["pending"], 0);
        assert_eq!(app.hook("terminate", &app.body(service)).await.ok(), ended);
        assert!(app.secret(&name, "name").is_none() && app.queue(&name, "name").is_none());
        assert!(!app.router.is_online(&name), "{gone:?}");
    }
    let made = app.hook("create", &app.body(45)).await.ok();
    assert_eq!(made["service"]["dedicated_address"], "10.8.0.2", "addresses are free again");
    assert_eq!(app.hook("metrics", &app.body(1)).await.ok()["accounts"].as_array().unwrap().len(), 1);
    // WHMCS may send nothing but the id.
    app.hook("terminate", &json!({"service": {"id": 45}})).await.ok();
    assert!(app.secret("7-45", "name").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_changed_in_whmcs_is_spoken_to_as_it_is_now() {
    let app = TestApp::new().await;
    app.create(41).await;
    let (other, _) = second(&app, 41, json!({})).await;
    let moved = json!({"server": {"port": other.address().port(), "name": "core-1b"}});
    let listed = app.hook("list-accounts", &app.body_with(41, &moved)).await.ok();
    assert_eq!(listed, json!({"accounts": []}));
    let remembered = app.live_page_of(&json!({"service": {"id": 41, "status": "Active"}})).await;
    assert_eq!(remembered["state"], "missing", "the page asks the router that WHMCS told of last");
    app.hook("create", &app.body_with(41, &moved)).await.ok();
    assert_eq!(other.world(|world| world.get("/ppp/secret", "7-41", "remote-address")).unwrap(), "10.8.0.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_be_told_by_its_id_once_it_is_known() {
    let app = TestApp::new().await;
    let mut body = app.body(41);
    body["server"] = json!({"id": 3});
    for hook in ["create", "usage-update", "list-accounts", "metrics"] {
        assert_eq!(app.refused(hook, &body).await, (404, "no-such-server".into(), String::new()), "{hook}");
    }
    app.create(42).await;
    let made = app.hook("create", &body).await.ok();
    assert_eq!(made["service"]["dedicated_address"], "10.8.0.17");
    for hook in ["usage-update", "list-accounts", "metrics", "suspend", "unsuspend", "change-package", "terminate"] {
        app.hook(hook, &body).await.ok();
    }
}
