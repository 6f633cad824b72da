//! What a hook's body must be: types, missing parts, ranges, and where the answer says it went wrong (contract §§5, 6).

use crate::world::TestApp;
use serde_json::{Value, json};

const HOOKS: [&str; 19] = [
    "test-connection",
    "options",
    "create",
    "suspend",
    "unsuspend",
    "terminate",
    "renew",
    "change-package",
    "change-password",
    "disconnect",
    "add-traffic",
    "admin-block",
    "admin-unblock",
    "usage-update",
    "cron",
    "client-area",
    "admin-tab",
    "metrics",
    "list-accounts",
];

/// A body with one value at a path such as `settings.plan` laid over.
fn with(app: &TestApp, path: &str, value: Value) -> Value {
    let mut body = app.body(41);
    let (part, name) = path.split_once('.').map_or((path, None), |(part, name)| (part, Some(name)));
    match name {
        Some(name) => body[part][name] = value,
        None => body[part] = value,
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_json_object_are_malformed() {
    let app = TestApp::new().await;
    for hook in ["create", "cron", "metrics"] {
        for bytes in
            [&b""[..], b"{", b"[]", b"null", b"\"x\"", b"17", b"{} {}", b"\xff\xfe", b"{\"hook\":\"\xc3\x28\"}"]
        {
            let answer = app.send_raw("POST", &format!("/v1/hooks/{hook}"), "application/json", bytes.to_vec()).await;
            assert_eq!((answer.status, answer.code()), (400, "malformed"), "{hook} {bytes:?}");
            assert!(answer.signed);
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let answer = app.send_raw("POST", &format!("/v1/hooks/{hook}"), "application/json", deep.into_bytes()).await;
        assert_eq!((answer.status, answer.code()), (400, "malformed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_hook_call_is_named() {
    let app = TestApp::new().await;
    let body = serde_json::to_vec(&app.body(41)).unwrap();
    for path in ["/v1/hooks/created", "/v1/hooks/", "/v1/hooks/create/", "/v1/hooks/CREATE", "/v1/hooks", "/", "/v1/x"]
    {
        let answer = app.send_raw("POST", path, "application/json", body.clone()).await;
        assert_eq!((answer.status, answer.code()), (404, "no-such-hook"), "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = app.send_raw(method, "/v1/hooks/create", "application/json", body.clone()).await;
        assert_eq!((answer.status, answer.code()), (405, "method-not-allowed"), "{method}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/problem+json", ""]
    {
        let answer = app.send_raw("POST", "/v1/hooks/create", kind, body.clone()).await;
        assert_eq!((answer.status, answer.code()), (415, "not-json"), "{kind}");
    }
    let answer = app.send_raw("POST", "/v1/hooks/metrics", "Application/JSON; charset=utf-8", body.clone()).await;
    answer.ok();
    assert!(app.secret("7-41", "name").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not() {
    let app = TestApp::new().await;
    let mut body = app.body(41);
    let short = serde_json::to_vec(&body).unwrap().len();
    body["padding"] = json!("x".repeat(1_048_576 - short - ",\"padding\":\"\"".len()));
    let exact = serde_json::to_vec(&body).unwrap();
    assert_eq!(exact.len(), 1_048_576);
    app.send_raw("POST", "/v1/hooks/metrics", "application/json", exact.clone()).await.ok();
    let larger = [&exact[..], b" "].concat();
    let answer = app.send_raw("POST", "/v1/hooks/metrics", "application/json", larger).await;
    assert_eq!((answer.status, answer.code(), answer.signed), (413, "too-large", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_wrong_type_is_malformed_and_phps_empty_array_is_an_empty_part() {
    let app = TestApp::new().await;
    app.create(41).await;
    for wrong in [json!("x"), json!(5), json!(true), json!(["x"]), json!([{}])] {
        for (hook, part) in [
            ("create", "service"),
            ("create", "server"),
            ("create", "settings"),
            ("create", "options"),
            ("create", "client"),
            ("suspend", "hook"),
            ("suspend", "server"),
            ("suspend", "service"),
            ("renew", "settings"),
            ("add-traffic", "hook"),
            ("change-package", "client"),
            ("cron", "hook"),
            ("metrics", "server"),
            ("options", "server"),
        ] {
            let body = with(&app, part, wrong.clone());
            assert_eq!(app.refused(hook, &body).await, (400, "malformed".into(), part.into()), "{hook} {part} {wrong}");
        }
    }
    for empty in [Value::Null, json!({}), json!([])] {
        let body = json!({"whmcs": empty, "server": empty, "service": {"id": 41}, "client": empty, "settings": empty,
            "options": empty, "hook": empty});
        for hook in ["suspend", "unsuspend", "admin-block", "admin-unblock", "disconnect", "client-area", "admin-tab"] {
            app.hook(hook, &body).await.ok();
        }
        app.hook("cron", &json!({"server": empty, "hook": empty})).await.ok();
        app.hook("cron", &json!({"hook": {"delivered": empty, "failed": empty}})).await.ok();
        app.hook("options", &body).await.ok();
        for (hook, part) in [("test-connection", "server"), ("usage-update", "server"), ("metrics", "server")] {
            assert_eq!(app.refused(hook, &body).await, (400, "malformed".into(), part.into()), "{hook}");
        }
        for hook in ["suspend", "terminate", "renew", "client-area", "admin-tab", "add-traffic", "disconnect"] {
            let body = with(&app, "service", empty.clone());
            assert_eq!(app.refused(hook, &body).await, (400, "malformed".into(), "service".into()), "{hook}");
        }
        let mut body = app.body(41);
        body["server"]["addresses"] = empty.clone();
        app.hook("test-connection", &body).await.ok();
    }
    app.hook("cron", &json!({})).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_a_wrong_type_is_malformed_with_its_path() {
    let app = TestApp::new().await;
    let texts = [
        "server.name",
        "server.hostname",
        "server.address",
        "server.username",
        "server.password",
        "server.certificate_sha256",
        "service.username",
        "service.password",
        "service.dedicated_address",
        "service.billing_cycle",
        "service.next_due_date",
        "service.status",
        "client.name",
        "client.email",
        "client.language",
        "settings.download_mbps",
        "settings.traffic_gb_annually",
        "settings.l2tp_psk",
        "settings.support_pptp",
        "settings.profile",
        "options.traffic_gb",
        "options.upload_mbps",
    ];
    for path in texts {
        for wrong in [json!(1), json!(true), json!(["x"]), json!({"a": 1}), json!(1.5)] {
            let refused = app.refused("create", &with(&app, path, wrong.clone())).await;
            assert_eq!(refused, (400, "malformed".into(), path.into()), "{path} {wrong}");
        }
    }
    for path in ["server.id", "server.port", "service.id", "service.client_id", "service.product_id"] {
        for wrong in [json!("3"), json!(1.5), json!(true), json!([3]), json!(1e30)] {
            let refused = app.refused("create", &with(&app, path, wrong.clone())).await;
            assert_eq!(refused, (400, "malformed".into(), path.into()), "{path} {wrong}");
        }
    }
    for wrong in [json!("on"), json!(1), json!([])] {
        assert_eq!(app.refused("create", &with(&app, "server.tls", wrong)).await.2, "server.tls");
    }
    for wrong in [json!("10.8.0.2"), json!([10]), json!([["10.8.0.2"]]), json!({"a": "10.8.0.2"})] {
        let refused = app.refused("create", &with(&app, "server.addresses", wrong)).await;
        assert_eq!(refused, (400, "malformed".into(), "server.addresses".into()));
    }
    for path in ["server.id", "service.id", "server.username", "service.billing_cycle"] {
        for missing in [Value::Null, json!(if path.ends_with("id") { json!(0) } else { json!("") })] {
            let refused = app.refused("create", &with(&app, path, missing)).await;
            assert_eq!(refused, (400, "malformed".into(), path.into()), "{path}");
        }
    }
    assert!(app.writes().is_empty() && app.secret("7-41", "name").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_that_cannot_be_is_invalid_with_its_path() {
    let app = TestApp::new().await;
    let long = "x".repeat(256);
    let wrong: &[(&str, &[&str])] = &[
        ("download_mbps", &["-1", "100001", "100000.1", "1,5", "ten", "1e3", "0x10", "+5", "1.0005", ".", "NaN"]),
        ("upload_mbps", &["-0.1", "100001", "10M", "∞"]),
        ("traffic_gb_one_time", &["-1", "10000000.1", "10000001", "1,5", "many"]),
        ("traffic_gb_monthly", &["-1", "1 GB"]),
        ("traffic_gb_quarterly", &["x"]),
        ("traffic_gb_semi_annually", &["x"]),
        ("traffic_gb_annually", &["--"]),
        ("traffic_gb_biennially", &["1.2.3"]),
        ("traffic_gb_triennially", &["1e9"]),
        ("history_days", &["31", "3661", "0", "-32", "32.5", "forty", "+40"]),
        ("threshold_gb", &["-1", "10000001", "2,5"]),
        ("ppp_service", &["l2pt", "all", "l2tp,pptp"]),
        (
            "instruction_url",
            &["ftp://a.example", "javascript:alert(1)", "//a.example", "a.example", "http://", "http:///x"],
        ),
        ("support_pptp", &["maybe", "2", "oui"]),
        ("support_l2tp", &["-1", "onn"]),
        ("collect", &["hourly", "never"]),
        (
            "username_rule",
            &["{unixtime}", "{service_id", "service_id}", "{random_digit_0}", "{random_letter_17}", "a b", "{}"],
        ),
        ("password_rule", &["16", "0:abc", "5:abc", "65:abc", "16:a", ":abc", "x:abc", "-6:abc"]),
        ("comment_prefix", &["A|B", "|"]),
        ("l2tp_psk", &["a\u{7f}b", "tab\tpsk"]),
        ("plan", &["No such plan"]),
        ("profile", &["no-such-profile", "line\nbreak"]),
        ("threshold_template", &["a\0b", &long]),
        ("suspension_template", &["a\u{85}b"]),
    ];
    for (name, values) in wrong {
        for value in *values {
            for part in ["settings", "options"] {
                let path = format!("{part}.{name}");
                let answer = app.refused("create", &with(&app, &path, json!(value))).await;
                // Whether a profile exists is asked of the winning value, whose source is not told apart.
                let field = if *value == "no-such-profile" {
                    answer.2.replace("settings.", &format!("{part}."))
                } else {
                    answer.2
                };
                assert_eq!((answer.0, answer.1.as_str(), field), (422, "setting-invalid", path), "{value:?}");
            }
        }
    }
    for value in ["-1", "10000000.01", "x", "1 000"] {
        let refused = app.refused("create", &with(&app, "options.traffic_gb", json!(value))).await;
        assert_eq!(refused, (422, "setting-invalid".into(), "options.traffic_gb".into()));
    }
    assert!(app.secret("7-41", "name").is_none() && app.queue("7-41", "name").is_none());
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    app.create(41).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_value_that_cannot_be_is_invalid_with_its_path() {
    let app = TestApp::new().await;
    let long = "x".repeat(300);
    let wrong: &[(&str, &[Value])] = &[
        ("server.port", &[json!(0), json!(65_536), json!(-1), json!(4_294_967_297_i64)]),
        ("server.certificate_sha256", &[json!("abc"), json!("zz".repeat(32)), json!("00".repeat(33))]),
        ("server.hostname", &[json!("a\nb"), json!(long)]),
        (
            "server.addresses",
            &[
                json!(["10.8.0.2", "10.8.0.300"]),
                json!(["10.8.0.9-10.8.0.2"]),
                json!(["fe80::1"]),
                json!(["10.0.0.0/8"]),
                json!(["vpn.example.net"]),
                json!(["10.8.0.0/33"]),
            ],
        ),
        (
            "service.username",
            &[json!("a\nb"), json!(" a"), json!("a "), json!("nul\0"), json!("x".repeat(65)), json!(long)],
        ),
        ("service.password", &[json!("a\nb"), json!("tab\t"), json!("x".repeat(129))]),
        (
            "service.dedicated_address",
            &[json!("10.8.0.2/32"), json!("10.8.0"), json!("::1"), json!("none"), json!("10.9.9.9")],
        ),
        (
            "service.next_due_date",
            &[json!("2026-02-30"), json!("01.12.2026"), json!("tomorrow"), json!("2026-12-01T00:00:00Z")],
        ),
        ("service.billing_cycle", &[json!("Fortnightly"), json!("x")]),
    ];
    for (path, values) in wrong {
        for value in *values {
            let refused = app.refused("create", &with(&app, path, value.clone())).await;
            assert_eq!(refused, (422, "setting-invalid".into(), (*path).into()), "{path} {value}");
        }
    }
    assert!(app.secret("7-41", "name").is_none() && app.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_are_ignored_wherever_they_stand() {
    let app = TestApp::new().await;
    let mut body = app.body(41);
    body["future"] = json!({"a": [1]});
    for part in ["whmcs", "server", "service", "client", "settings", "options", "hook"] {
        body[part]["future_text"] = json!("x\u{1}y");
        body[part]["future_number"] = json!(5);
        body[part]["future_object"] = json!({"a": null});
    }
    for hook in HOOKS {
        let mut body = body.clone();
        if hook == "add-traffic" {
            body["hook"]["bytes"] = json!(5);
            body["hook"]["key"] = json!("k");
        }
        if hook == "change-password" {
            body["service"]["password"] = json!("a-new-one");
        }
        if hook == "terminate" {
            continue;
        }
        if hook == "test-connection" {
            app.hook("create", &body).await.ok();
        }
        let answer = app.hook(hook, &body).await;
        assert_eq!(answer.status, 200, "{hook}: {}", answer.body);
    }
    app.hook("terminate", &body).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_wins_over_a_field_and_a_blank_one_does_not() {
    let app = TestApp::new().await;
    let over = json!({"settings": {"download_mbps": "10", "upload_mbps": "7", "traffic_gb_monthly": "10"},
        "options": {"download_mbps": "20.5", "upload_mbps": " ", "traffic_gb": "200", "traffic_gb_monthly": "50"}});
    let made = app.hook("create", &app.body_with(41, &over)).await.ok()["account"].clone();
    assert_eq!((&made["download_kbps"], &made["upload_kbps"]), (&json!(20_500), &json!(7000)));
    assert_eq!(made["balance_bytes"], 200_u64 * 1_073_741_824);
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "7000000/20500000");
    let over = json!({"settings": {"download_mbps": "0", "upload_mbps": "0", "traffic_gb_monthly": ""}});
    let made = app.hook("create", &app.body_with(42, &over)).await.ok()["account"].clone();
    assert_eq!(
        (&made["download_kbps"], &made["metered"], &made["balance_bytes"]),
        (&json!(0), &json!(false), &Value::Null)
    );
    assert_eq!(app.queue("7-42", "max-limit").unwrap(), "0/0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_never_made_is_no_such_service() {
    let app = TestApp::new().await;
    let mut body = app.body(41);
    body["service"]["password"] = json!("something");
    body["hook"] = json!({"bytes": 5, "key": "k"});
    for hook in [
        "suspend",
        "unsuspend",
        "renew",
        "change-package",
        "change-password",
        "disconnect",
        "add-traffic",
        "admin-block",
        "admin-unblock",
    ] {
        assert_eq!(app.refused(hook, &body).await, (404, "no-such-service".into(), String::new()), "{hook}");
    }
    app.create(41).await;
    app.hook("terminate", &body).await.ok();
    for hook in ["suspend", "unsuspend", "renew", "change-package", "change-password", "disconnect", "add-traffic"] {
        assert_eq!(app.refused(hook, &body).await.1, "no-such-service", "{hook} of a terminated service");
    }
}
