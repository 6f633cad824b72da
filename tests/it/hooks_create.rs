//! Create: twice is once, names and addresses of others are left alone, what is ours is adopted (contract §§6, 9).

use crate::{
    plans_engine::with,
    world::{GB, TestApp},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OURS: &str = "WHMCS|Product ID:41|old@example.net";

fn secret<'a>(name: &'a str, address: &'a str, comment: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("name", name),
        ("password", "of-old"),
        ("service", "pptp"),
        ("profile", "default-encryption"),
        ("remote-address", address),
        ("disabled", "true"),
        ("comment", comment),
    ]
}

fn queue<'a>(name: &'a str, target: &'a str, comment: &'a str) -> [(&'a str, &'a str); 4] {
    [("name", name), ("target", target), ("max-limit", "1000000/1000000"), ("comment", comment)]
}

fn of<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer["service"][member].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_has_its_exact_shape_and_twice_is_once() {
    let app = TestApp::new().await;
    let first = app.hook("create", &app.body(41)).await.ok();
    let password = of(&first, "password").to_owned();
    assert_eq!(password.len(), 16);
    assert_eq!(
        first,
        json!({
            "service": {"username": "7-41", "password": password, "dedicated_address": "10.8.0.2"},
            "account": {
                "service_id": 41, "username": "7-41", "address": "10.8.0.2", "enabled": true, "causes": [],
                "download_kbps": 10_000, "upload_kbps": 5000, "metered": true, "balance_bytes": 10 * GB, "pending": 0,
                "next_cycle_bytes": 10 * GB, "bytes_per_gb": GB,
            },
        })
    );
    for (property, value) in [
        ("service", "any"),
        ("profile", "default"),
        ("remote-address", "10.8.0.2"),
        ("disabled", "false"),
        ("password", password.as_str()),
    ] {
        assert_eq!(app.secret("7-41", property).as_deref(), Some(value), "{property}");
    }
    assert_eq!(app.queue("7-41", "target").unwrap(), "10.8.0.2/32");
    assert_eq!(app.queue("7-41", "comment"), app.secret("7-41", "comment"));
    app.router.clear_journal();
    assert_eq!(app.hook("create", &app.body(41)).await.ok(), first);
    let named = app.body_with(
        41,
        &json!({"service": {"username": "7-41", "password": password, "dedicated_address": "10.8.0.2"}}),
    );
    assert_eq!(app.hook("create", &named).await.ok(), first);
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    assert_eq!(app.ledger(41).await, [("packet".to_owned(), 10 * GB as i64)]);
    assert_eq!(app.hook("renew", &app.body(41)).await.ok()["account"], first["account"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_name_is_refused_before_anything_is_changed_and_the_address_is_free_again() {
    let app = TestApp::new().await;
    app.foreign("/ppp/secret", &secret("7-41", "10.99.0.1", "somebody else"));
    app.foreign("/queue/simple", &queue("7-42", "10.99.0.2/32", ""));
    app.foreign("/ppp/secret", &secret("7-43", "10.99.0.3", "PUQ|Product ID:43|ada@example.net"));
    app.foreign("/ppp/secret", &secret("7-44", "10.99.0.4", "WHMCS|Product ID:440|ada@example.net"));
    let one = json!({"server": {"addresses": ["10.8.0.2"]}});
    for service in [41, 42, 43, 44] {
        let answer = app.hook("create", &app.body_with(service, &one)).await;
        assert_eq!(answer.refusal(), (409, "name-taken", ""));
        assert!(answer.body["detail"].as_str().unwrap().contains(&format!("7-{service}")), "{}", answer.body);
        assert_eq!(app.hook("terminate", &app.body(service)).await.ok(), json!({"account": null}));
    }
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    assert_eq!(app.secret("7-41", "comment").unwrap(), "somebody else");
    // A rule that makes another name, or a name by hand, and the only address is to be had.
    let rule = json!({"server": {"addresses": ["10.8.0.2"]}, "settings": {"username_rule": "vpn{service_id}"}});
    let made = app.hook("create", &app.body_with(41, &rule)).await.ok();
    assert_eq!((of(&made, "username"), of(&made, "dedicated_address")), ("vpn41", "10.8.0.2"));
    let named = json!({"service": {"username": "other"}});
    assert_eq!(of(&app.hook("create", &app.body_with(42, &named)).await.ok(), "username"), "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_names_the_packet_and_the_size_of_a_gigabyte() {
    let app = TestApp::with("traffic.gb = \"1000\"\n").await;
    let told = |answer: &Value| {
        let account = answer["account"].clone();
        (account["next_cycle_bytes"].as_u64(), account["bytes_per_gb"].as_u64())
    };
    let monthly = app.hook("create", &app.body(41)).await.ok();
    assert_eq!(told(&monthly), (Some(10_000_000_000), Some(1_000_000_000)));
    let once = json!({"service": {"billing_cycle": "One Time"}, "settings": {"traffic_gb_one_time": "10"}});
    assert_eq!(told(&app.hook("create", &app.body_with(42, &once)).await.ok()), (None, Some(1_000_000_000)));
    let unmetered = json!({"settings": {"traffic_gb_monthly": ""}});
    assert_eq!(told(&app.hook("create", &app.body_with(43, &unmetered)).await.ok()), (None, Some(1_000_000_000)));
    for hook in ["suspend", "admin-tab", "terminate"] {
        assert_eq!(told(&app.hook(hook, &app.body(41)).await.ok()), told(&monthly), "{hook}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_of_ours_keeps_its_name() {
    let app = TestApp::new().await;
    app.create(41).await;
    let same = app.body_with(42, &json!({"service": {"username": "7-41"}}));
    assert_eq!(app.refused("create", &same).await, (409, "name-taken".into(), String::new()));
    let rule = app.body_with(43, &json!({"settings": {"username_rule": "7-41"}}));
    assert_eq!(app.refused("create", &rule).await.1, "name-taken");
    let dice = json!({"settings": {"username_rule": "u{random_digit_1}"}, "server": {"addresses": ["10.8.2.0/27"]}});
    let mut names = BTreeSet::new();
    for service in 50..55 {
        names.insert(of(&app.hook("create", &app.body_with(service, &dice)).await.ok(), "username").to_owned());
    }
    assert_eq!(names.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_of_ours_is_adopted_whatever_it_looks_like() {
    for (has_secret, has_queue) in [(true, false), (false, true), (true, true)] {
        let app = TestApp::new().await;
        if has_secret {
            app.foreign("/ppp/secret", &secret("7-41", "10.8.0.9", OURS));
        }
        if has_queue {
            app.foreign("/queue/simple", &queue("7-41", "10.8.0.9/32", OURS));
        }
        let made = app.hook("create", &app.body(41)).await.ok();
        let address = of(&made, "dedicated_address");
        for (property, value) in [
            ("service", "any"),
            ("profile", "default"),
            ("remote-address", address),
            ("disabled", "false"),
            ("password", of(&made, "password")),
            ("comment", "WHMCS|Product ID:41|ada@example.net"),
        ] {
            assert_eq!(app.secret("7-41", property).as_deref(), Some(value), "{property}");
        }
        assert_eq!(app.queue("7-41", "target").unwrap(), format!("{address}/32"));
        assert_eq!(app.queue("7-41", "max-limit").unwrap(), "5000000/10000000");
        let all = app
            .router
            .world(|world| (world.table("/ppp/secret").rows().len(), world.table("/queue/simple").rows().len()));
        assert_eq!(all, (1, 1));
        app.dial(&made);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_adopted_queue_counted_before_is_nobodys_to_pay() {
    let app = TestApp::new().await;
    app.foreign(
        "/ppp/secret",
        &[("name", "7-41"), ("password", "p"), ("remote-address", "10.8.0.2"), ("comment", OURS)],
    );
    app.foreign("/queue/simple", &queue("7-41", "10.8.0.2/32", OURS));
    app.router.connect("7-41", "p", "l2tp", "198.51.100.7").unwrap();
    assert!(app.router.carry("7-41", 3 * GB, GB));
    let made = app.hook("create", &app.body(41)).await.ok();
    assert_eq!(made["account"]["balance_bytes"], 10 * GB);
    let usage = app.collect().await;
    assert_eq!(usage["services"][0]["month"], json!({"download_bytes": 0, "upload_bytes": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_others_use_are_passed_over_and_the_order_is_as_written() {
    let app = TestApp::new().await;
    let list = json!({"server": {"addresses": ["10.8.1.3", "10.8.1.0/30", "10.8.2.10-10.8.2.12", "10.8.0.2"]}});
    app.foreign("/ppp/secret", &secret("stranger", "10.8.1.1", ""));
    app.foreign("/queue/simple", &queue("uplink", "10.8.2.10/32", "not ours"));
    app.foreign("/queue/simple", &queue("whole", "10.8.0.0/16", "a parent is no user of an address"));
    let mut given = Vec::new();
    for service in 41..46 {
        let made = app.hook("create", &app.body_with(service, &list)).await.ok();
        given.push(of(&made, "dedicated_address").to_owned());
    }
    assert_eq!(given, ["10.8.1.3", "10.8.1.2", "10.8.2.11", "10.8.2.12", "10.8.0.2"]);
    let answer = app.hook("create", &app.body_with(46, &list)).await;
    assert_eq!(answer.refusal(), (422, "addresses-exhausted", ""));
    assert!(answer.body["detail"].as_str().unwrap().contains("core-1"));
    assert!(app.secret("7-46", "name").is_none() && app.queue("7-46", "name").is_none());
    let none = app.body_with(46, &json!({"server": {"addresses": []}}));
    assert_eq!(app.refused("create", &none).await.1, "addresses-exhausted");
    app.hook("terminate", &app.body(43)).await.ok();
    let made = app.hook("create", &app.body_with(46, &list)).await.ok();
    assert_eq!(of(&made, "dedicated_address"), "10.8.2.11");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_among_several_of_a_queue_and_the_routers_own_are_passed_over() {
    let app = TestApp::new().await;
    let list = json!({"server": {"addresses": ["10.8.2.1", "10.8.2.9-10.8.2.14"]}});
    app.foreign("/queue/simple", &queue("office", "10.8.2.10/32,10.8.2.11/32", "not ours"));
    app.foreign("/ip/address", &[("address", "10.8.2.1/24"), ("interface", "ether2"), ("dynamic", "false")]);
    app.router.world(|world| assert!(world.put("/ppp/profile", "default", "local-address", "10.8.2.9")));
    let given = |service| {
        let (app, list) = (&app, &list);
        async move { of(&app.hook("create", &app.body_with(service, list)).await.ok(), "dedicated_address").to_owned() }
    };
    assert_eq!([given(41).await, given(42).await], ["10.8.2.12", "10.8.2.13"]);
    for wrong in ["10.8.2.1", "10.8.2.9", "10.8.2.10", "10.8.2.11"] {
        let mut body = app.body_with(43, &list);
        body["service"]["dedicated_address"] = json!(wrong);
        let refused = app.refused("create", &body).await;
        assert_eq!(refused, (422, "setting-invalid".into(), "service.dedicated_address".into()), "{wrong}");
    }
    // Who lives there stays, whatever is put beside him.
    app.foreign("/queue/simple", &queue("later", "10.8.2.12/32,10.8.2.20/32", "not ours"));
    let mut again = app.body_with(41, &list);
    again["service"]["dedicated_address"] = json!("10.8.2.12");
    assert_eq!(of(&app.hook("create", &again).await.ok(), "dedicated_address"), "10.8.2.12");
    assert_eq!([given(41).await, given(43).await], ["10.8.2.12", "10.8.2.14"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_the_router_has_for_itself_are_said_to_be_so() {
    let app = TestApp::new().await;
    let list = json!({"server": {"addresses": ["10.8.2.1", "10.8.2.2", "10.8.2.3", "10.8.2.4"]}});
    // Static, in the other spelling; by DHCP; counted among others.
    app.foreign("/ip/address", &[("address", "10.8.2.1/24"), ("interface", "ether2"), ("dynamic", "no")]);
    app.foreign("/ip/address", &[("address", "10.8.2.2/24"), ("interface", "ether1"), ("dynamic", "true")]);
    app.foreign("/queue/simple", &queue("office", "10.8.2.3/32,10.9.0.1/32", "not ours"));
    let made = app.hook("create", &app.body_with(41, &list)).await.ok();
    assert_eq!(of(&made, "dedicated_address"), "10.8.2.4");
    let detail = async |service, address: &str| {
        let mut body = app.body_with(service, &list);
        body["service"]["dedicated_address"] = json!(address);
        app.hook("create", &body).await.body["detail"].as_str().unwrap().to_owned()
    };
    let said = detail(42, "").await;
    assert!(said.contains("All 4 addresses of server core-1 are in use, of which 3 are the router's own or"), "{said}");
    assert!(detail(42, "10.8.2.1").await.contains("is the router's own or counted by a queue with several targets"));
    assert!(detail(42, "10.8.2.4").await.contains("is the address of another service"));
    // Where all are customers', nothing is said of the router.
    let said = app.hook("create", &app.body_with(42, &json!({"server": {"addresses": ["10.8.2.4"]}}))).await;
    let said = said.body["detail"].as_str().unwrap();
    assert!(said.contains("are in use; add more"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_used_up_is_named_and_not_the_servers_list() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"nas_id": 3, "pool_name": "fup"}))).await;
    app.foreign("/ip/pool", &[("name", "fup"), ("ranges", "10.99.0.10")]);
    app.hook("create", &app.plan_body(41, json!({}))).await.ok();
    let mut body = app.plan_body(42, json!({}));
    let used_up = app.hook("create", &body).await;
    assert_eq!(used_up.refusal(), (422, "addresses-exhausted", ""));
    body["service"]["dedicated_address"] = json!("10.8.0.2");
    let given = app.hook("create", &body).await;
    assert_eq!(given.refusal(), (422, "setting-invalid", "service.dedicated_address"));
    for answer in [used_up, given] {
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("pool") && detail.contains("fup") && !detail.contains("ssigned"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_creates_at_once_share_no_address_and_no_one_is_left_out() {
    let app = TestApp::new().await;
    let space = json!({"server": {"addresses": ["10.8.3.1-10.8.3.20"]}});
    let bodies: Vec<_> = (100..120).map(|service| app.body_with(service, &space)).collect();
    app.router.clear_journal();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| app.hook("create", body))).await;
    // What is asked for all of them is asked once.
    let all = app.router.journal().into_iter().filter(|it| it.queries.is_empty());
    let targets = all.filter(|it| it.attribute(".proplist") == Some("target")).count();
    assert_eq!((targets, app.commands("/ip/address/print")), (1, 1));
    let addresses: BTreeSet<_> =
        answers.into_iter().map(|it| it.ok()["service"]["dedicated_address"].as_str().unwrap().to_owned()).collect();
    assert_eq!(addresses.len(), 20);
    let on_router = app.router.world(|world| {
        let rows = world.table("/ppp/secret").rows();
        rows.iter().map(|row| row.get("remote-address").unwrap().to_owned()).collect::<BTreeSet<_>>()
    });
    assert_eq!(on_router, addresses);
    assert_eq!(app.refused("create", &app.body_with(120, &space)).await.1, "addresses-exhausted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_service_created_many_times_at_once_is_one() {
    let app = TestApp::new().await;
    let body = app.body(41);
    let answers = futures_util::future::join_all((0..8).map(|_| app.hook("create", &body))).await;
    let answers: Vec<_> = answers.into_iter().map(crate::world::Answer::ok).collect();
    assert!(answers.iter().all(|it| *it == answers[0]));
    assert_eq!(app.writes().iter().filter(|it| it.ends_with("/add")).count(), 2);
    assert_eq!(app.ledger(41).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_address_is_kept_if_it_may_be() {
    let app = TestApp::new().await;
    let ask = |service, address: &str| app.body_with(service, &json!({"service": {"dedicated_address": address}}));
    let made = app.hook("create", &ask(41, " 10.8.1.20 ")).await.ok();
    assert_eq!(of(&made, "dedicated_address"), "10.8.1.20");
    app.foreign("/ppp/secret", &secret("stranger", "10.8.1.30", ""));
    app.foreign("/queue/simple", &queue("stranger", "10.8.1.31/32", ""));
    for wrong in ["10.8.1.20", "10.8.1.30", "10.8.1.31", "10.8.1.51", "192.0.2.1", "10.8.0.16", "10.8.0.31"] {
        let refused = app.refused("create", &ask(42, wrong)).await;
        assert_eq!(refused, (422, "setting-invalid".into(), "service.dedicated_address".into()), "{wrong}");
    }
    assert!(app.secret("7-42", "name").is_none());
    // The list may shrink later: who lives there stays.
    let shrunk = json!({"server": {"addresses": ["10.8.0.2"]}, "service": {"dedicated_address": "10.8.1.20"}});
    assert_eq!(app.hook("create", &app.body_with(41, &shrunk)).await.ok(), made);
    // Our own orphan's address is ours.
    app.foreign("/ppp/secret", &secret("7-43", "10.8.1.40", "WHMCS|Product ID:43|x@example.net"));
    app.foreign("/queue/simple", &queue("7-43", "10.8.1.40/32", "WHMCS|Product ID:43|x@example.net"));
    assert_eq!(of(&app.hook("create", &ask(43, "10.8.1.40")).await.ok(), "dedicated_address"), "10.8.1.40");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_and_passwords_reach_the_router_as_they_are() {
    let app = TestApp::new().await;
    let odd = [
        ("ada \"quote\" 'o", "p\"a's`s"),
        ("J\u{f6}rg M\u{fc}ller", "\u{fc}\u{df} \u{20ac}\u{1f511}"),
        ("a|b=c", " blanks at the ends "),
        ("?name=x", "=.id=*1"),
        ("<script>", "&lt;&amp;"),
        ("back\\slash$[x]", "$[/system reboot]"),
    ];
    for (service, (name, password)) in (60..).zip(odd) {
        let body = app.body_with(service, &json!({"service": {"username": name, "password": password}}));
        let made = app.hook("create", &body).await.ok();
        assert_eq!((of(&made, "username"), of(&made, "password")), (name, password));
        assert_eq!(app.secret(name, "password").as_deref(), Some(password));
        assert_eq!(app.hook("create", &body).await.ok(), made);
        app.dial(&made);
        assert_eq!(app.hook("disconnect", &body).await.ok(), json!({"sessions": 1}));
        app.hook("terminate", &body).await.ok();
        assert!(app.secret(name, "name").is_none() && app.queue(name, "name").is_none());
    }
    let mail = app.body_with(70, &json!({"client": {"email": "a|d|a@example.net"}}));
    app.hook("create", &mail).await.ok();
    assert_eq!(app.secret("7-70", "comment").unwrap(), "WHMCS|Product ID:70|ada@example.net");
    let none = app.body_with(71, &json!({"client": {"email": ""}, "settings": {"comment_prefix": "ACME VPN"}}));
    app.hook("create", &none).await.ok();
    assert_eq!(app.queue("7-71", "comment").unwrap(), "ACME VPN|Product ID:71|");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_profile_is_an_invalid_setting_and_nothing_is_made() {
    let app = TestApp::new().await;
    let gold = json!({"settings": {"profile": "gold"}});
    let refused = app.refused("create", &app.body_with(41, &gold)).await;
    assert_eq!(refused, (422, "setting-invalid".into(), "settings.profile".into()));
    let option = json!({"settings": {"profile": "default"}, "options": {"profile": "gold"}});
    assert_eq!(app.refused("create", &app.body_with(41, &option)).await.2, "options.profile");
    assert!(app.writes().is_empty() && app.queue("7-41", "name").is_none());
    app.foreign("/ppp/profile", &[("name", "gold")]);
    app.hook("create", &app.body_with(41, &gold)).await.ok();
    assert_eq!(app.secret("7-41", "profile").unwrap(), "gold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_made_again_after_its_end_has_its_balance_and_no_second_packet() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert!(app.router.carry("7-41", 4 * GB, 0));
    app.pass(chrono::Duration::hours(1));
    app.hook("suspend", &app.body(41)).await.ok();
    app.hook("terminate", &app.body(41)).await.ok();
    let again = app.hook("create", &app.body(41)).await.ok();
    assert_eq!(again["account"]["balance_bytes"], 6 * GB);
    assert_eq!((&again["account"]["enabled"], &again["account"]["causes"]), (&json!(true), &json!([])));
    assert_eq!(app.ledger(41).await.iter().filter(|(kind, _)| kind == "packet").count(), 1);
    app.dial(&again);
    assert!(app.router.carry("7-41", GB, 0));
    app.pass(chrono::Duration::hours(1));
    assert_eq!(app.collect().await["services"][0]["balance_bytes"], 5 * GB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_service_is_not_moved_or_renamed_by_a_create_and_keeps_its_mark() {
    let app = TestApp::new().await;
    app.create(41).await;
    let moved = app.body_with(41, &json!({"server": {"id": 4}}));
    assert_eq!(app.refused("create", &moved).await, (422, "setting-invalid".into(), "server.id".into()));
    let renamed = app.body_with(41, &json!({"service": {"username": "other"}}));
    assert_eq!(app.refused("create", &renamed).await, (422, "setting-invalid".into(), "service.username".into()));
    for hook in ["create", "change-package"] {
        let marked = json!({"settings": {"comment_prefix": "ACME"}, "client": {"email": "new@example.net"}});
        app.hook(hook, &app.body_with(41, &marked)).await.ok();
        assert_eq!(app.secret("7-41", "comment").unwrap(), "WHMCS|Product ID:41|new@example.net", "{hook}");
        app.hook("suspend", &app.body(41)).await.ok();
        assert_eq!(app.secret("7-41", "disabled").unwrap(), "true", "{hook}");
        app.hook("unsuspend", &app.body(41)).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_by_hand_comes_back_with_a_create() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    for menu in ["/ppp/secret", "/queue/simple"] {
        assert!(app.router.world(|world| world.remove_row(menu, "7-41")));
        assert_eq!(app.hook("create", &app.body(41)).await.ok(), made);
        assert_eq!(app.secret("7-41", "password").as_deref(), made["service"]["password"].as_str());
        assert_eq!(app.queue("7-41", "target").unwrap(), "10.8.0.2/32");
    }
    app.router.world(|world| world.put("/ppp/secret", "7-41", "disabled", "true"));
    app.hook("create", &app.body(41)).await.ok();
    app.dial(&made);
    assert_eq!(app.ledger(41).await.len(), 1);
}
