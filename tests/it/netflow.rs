//! NetFlow access records, through the front door.

use crate::world::TestApp;
use chrono::Duration;
use reqwest::header;
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::{Arc, Mutex, OnceLock},
};
use turnpike::{
    clock::Clock,
    config::{Log, LogFormat},
    db::Sql,
    log, sql,
};

const SECRET: &str = "Tr4ffic & <Secret> ünd \"mehr\"";

/// As staff fill the form in.
fn form() -> Value {
    json!({
        "enabled": true, "client_id": 7, "url": "https://netflow.example.org/login?x=1", "username": "ada",
        "password": SECRET, "clear_password": false, "group": "Byron VPS", "ip_address": "192.0.2.7",
        "notes": "Asked on the telephone.\nRead-only user.",
    })
}

/// The form with one field otherwise.
fn form_with(name: &str, value: impl Into<Value>) -> Value {
    let mut form = form();
    form[name] = value.into();
    form
}

impl TestApp {
    async fn put(&self, service_id: u64, body: &Value) -> crate::world::Answer {
        self.send("PUT", &format!("/v1/netflow/{service_id}"), body).await
    }

    async fn get(&self, below: &str) -> crate::world::Answer {
        self.send("GET", &format!("/v1/netflow{below}"), &json!({})).await
    }

    /// Every cell of the table.
    async fn stored(&self) -> String {
        const ALL: Sql = sql!("SELECT * FROM netflow");
        format!("{:?}", self.app.db.read().await.unwrap().rows(ALL, vec![]).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_put_read_listed_and_deleted() {
    let app = TestApp::new().await;
    assert_eq!(app.get("").await.ok(), json!({"records": []}));
    let put = app.put(41, &form()).await.ok();
    let expected = json!({
        "service_id": 41, "enabled": true, "client_id": 7, "url": "https://netflow.example.org/login?x=1",
        "url_is_default": false, "username": "ada", "has_password": true, "group": "Byron VPS",
        "ip_address": "192.0.2.7", "notes": "Asked on the telephone.\nRead-only user.",
        "updated_at": "2026-11-20T12:00:00Z", "visible": true, "why": null,
    });
    assert_eq!(put, expected);
    assert_eq!(app.get("/41").await.ok(), expected);

    // The same login serves other services too; the list is by number, not by spelling or by age.
    for id in [1000, 5, 300] {
        app.put(id, &form()).await.ok();
    }
    let list = app.get("").await.ok();
    let ids: Vec<_> = list["records"].as_array().unwrap().iter().map(|it| it["service_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5, 41, 300, 1000]);
    assert_eq!(list["records"][1], expected);

    let gone = app.send("DELETE", "/v1/netflow/41", &Value::Null).await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));
    for method in ["DELETE", "GET"] {
        let again = app.send(method, "/v1/netflow/41", &Value::Null).await;
        assert_eq!((again.status, again.code()), (404, "no-such-record"));
        assert!(again.body["detail"].as_str().unwrap().contains("Service 41"));
    }
    assert_eq!(app.get("").await.ok()["records"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_put_again_changes_nothing_and_another_one_replaces_the_record_whole() {
    let mut app = TestApp::new().await;
    let first = app.put(41, &form()).await.ok();
    let before = app.stored().await;
    app.pass(Duration::hours(1));
    assert_eq!(app.put(41, &form()).await.ok(), first);
    assert_eq!(app.stored().await, before);

    // What is not sent, or null, falls back; but the password stays, for nobody can send it back.
    app.pass(Duration::hours(1));
    let bare = app.put(41, &json!({"enabled": null, "url": null, "username": null})).await.ok();
    let expected = json!({
        "service_id": 41, "enabled": true, "client_id": null, "url": "https://netflow.example.net/",
        "url_is_default": true, "username": "", "has_password": true, "group": "", "ip_address": "", "notes": "",
        "updated_at": "2026-11-20T14:00:00Z", "visible": true, "why": null,
    });
    assert_eq!(bare, expected);
    app.restart().await;
    assert_eq!(app.get("/41").await.ok(), expected);

    // PHP's empty array is an empty object; what an answer holds may come back.
    assert_eq!(app.put(41, &json!([])).await.ok(), expected);
    let copied = app.put(42, &expected).await.ok();
    assert_eq!((&copied["service_id"], &copied["has_password"]), (&json!(42), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_url_follows_the_default() {
    let app = TestApp::with("netflow.default_url = \"https://flows.example.com/\"\n").await;
    for (id, url) in [(1, json!("")), (2, json!("  ")), (3, json!(null))] {
        let put = app.put(id, &form_with("url", url)).await.ok();
        assert_eq!((put["url"].as_str(), &put["url_is_default"]), (Some("https://flows.example.com/"), &json!(true)));
    }
    assert_eq!(app.get("/1/client").await.ok()["url"], "https://flows.example.com/");
    assert_eq!(app.get("/1/merge-fields").await.ok()["netflow_url"], "https://flows.example.com/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_replaced_and_cleared() {
    let app = TestApp::new().await;
    let password = async || app.get("/41/merge-fields").await.ok()["netflow_password"].as_str().unwrap().to_owned();
    assert_eq!(app.put(41, &form_with("password", "")).await.ok()["has_password"], false);
    assert_eq!(password().await, "");
    assert_eq!(app.put(41, &form()).await.ok()["has_password"], true);
    assert_eq!(password().await, SECRET);

    // The rest may change under it.
    for kept in [json!(""), json!(null)] {
        let mut form = form_with("password", kept);
        form["group"] = json!("Another");
        assert_eq!(app.put(41, &form).await.ok()["has_password"], true);
        assert_eq!(password().await, SECRET);
    }
    app.put(41, &form_with("password", " blanks count ")).await.ok();
    assert_eq!(password().await, " blanks count ");

    let mut both = form_with("group", "Not this");
    both["clear_password"] = json!(true);
    let refused = app.put(41, &both).await;
    assert_eq!((refused.status, refused.code()), (422, "setting-invalid"));
    assert_eq!(refused.body["field"], "clear_password");
    assert!(!refused.body.to_string().contains("Tr4ffic"));
    assert_eq!(password().await, " blanks count ");
    assert_ne!(app.get("/41").await.ok()["group"], "Not this");

    both["password"] = json!("");
    assert_eq!(app.put(41, &both).await.ok()["has_password"], false);
    assert_eq!(app.put(41, &both).await.ok()["has_password"], false);
    assert_eq!(password().await, "");
    // Cleared is cleared: an empty one does not bring it back.
    assert_eq!(app.put(41, &form_with("password", "")).await.ok()["has_password"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_is_refused_with_its_field_and_stores_nothing() {
    let app = TestApp::new().await;
    let long = "x".repeat(256);
    let long_url = format!("https://example.net/{}", "x".repeat(2029));
    for (name, value) in [
        ("url", json!("netflow.example.net")),
        ("url", json!("ftp://netflow.example.net/")),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("https://ada:secret@netflow.example.net/")),
        ("url", json!("https://netflow.example.net/\nX: y")),
        ("url", json!(long_url)),
        ("username", json!(long)),
        ("username", json!("ada\n")),
        ("username", json!("a\u{0}da")),
        ("group", json!(long)),
        ("group", json!("Byron\tVPS")),
        ("password", json!(long)),
        ("password", json!("two\nlines")),
        ("ip_address", json!("192.0.2.256")),
        ("ip_address", json!("192.0.2.0/33")),
        ("ip_address", json!("vps.example.net")),
        ("ip_address", json!("192.0.2.7\r")),
        ("notes", json!("x".repeat(4001))),
        ("notes", json!("a\u{1b}[31m")),
        ("notes", json!("a\rb")),
    ] {
        let refused = app.put(41, &form_with(name, value.clone())).await;
        assert_eq!((refused.status, refused.code()), (422, "setting-invalid"), "{name} {value}");
        assert_eq!(refused.body["field"], name, "{value}");
    }
    for (name, value) in [
        ("enabled", json!("on")),
        ("enabled", json!(1)),
        ("client_id", json!("7")),
        ("client_id", json!(-7)),
        ("client_id", json!(7.5)),
        ("client_id", json!(u64::MAX)),
        ("url", json!(["https://example.net/"])),
        ("username", json!(7)),
        ("password", json!({"new": SECRET})),
        ("clear_password", json!("true")),
        ("group", json!(false)),
        ("ip_address", json!(3_221_225_991_u32)),
        ("notes", json!([])),
    ] {
        let refused = app.put(41, &form_with(name, value.clone())).await;
        assert_eq!((refused.status, refused.code()), (400, "malformed"), "{name} {value}");
        assert_eq!(refused.body["field"], name, "{value}");
        assert!(!refused.body.to_string().contains("Tr4ffic"));
    }
    for body in [json!("x"), json!(7), json!([1]), json!(null)] {
        let refused = app.put(41, &body).await;
        assert_eq!((refused.status, refused.code()), (400, "malformed"), "{body}");
    }
    assert_eq!(app.get("").await.ok(), json!({"records": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_at_their_limits_are_taken() {
    let app = TestApp::new().await;
    let mut body = form();
    body["url"] = json!(format!("https://example.net/{}", "x".repeat(2028)));
    body["username"] = json!("ü".repeat(255));
    body["group"] = json!("🔑".repeat(255));
    body["password"] = json!("🔑".repeat(255));
    body["notes"] = json!("🔑".repeat(4000));
    body["client_id"] = json!(i64::MAX);
    let put = app.put(i64::MAX.unsigned_abs(), &body).await.ok();
    for name in ["url", "username", "group", "notes", "client_id"] {
        assert_eq!(put[name], body[name]);
    }
    let fields = app.get(&format!("/{}/merge-fields", i64::MAX)).await.ok();
    assert_eq!(fields["netflow_password"], body["password"]);

    // What a form or a clipboard adds at the ends is not part of a name; a browser's line ends are line ends.
    body["username"] = json!(" ada ");
    body["ip_address"] = json!(" 2001:DB8::/48 ");
    body["notes"] = json!("one\r\ntwo\n");
    let put = app.put(42, &body).await.ok();
    assert_eq!((&put["username"], &put["ip_address"]), (&json!("ada"), &json!("2001:db8::/48")));
    assert_eq!(put["notes"], "one\ntwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_sees_what_the_settings_let_and_never_the_notes() {
    for (settings, username, password) in [
        ("", json!("ada"), json!(null)),
        ("netflow.show_username = false\n", json!(null), json!(null)),
        ("netflow.show_password = true\n", json!("ada"), json!(SECRET)),
        ("netflow = { show_username = false, show_password = true }\n", json!(null), json!(SECRET)),
    ] {
        let app = TestApp::with(settings).await;
        app.put(41, &form()).await.ok();
        let expected = json!({
            "visible": true, "url": "https://netflow.example.org/login?x=1", "username": username, "group": "Byron VPS",
            "ip_address": "192.0.2.7", "password": password,
        });
        assert_eq!(app.get("/41/client").await.ok(), expected, "{settings}");
        // The letter's fields do not hang on what the page shows.
        let fields = json!({
            "netflow_enabled": true, "netflow_url": "https://netflow.example.org/login?x=1", "netflow_username": "ada",
            "netflow_password": SECRET, "netflow_group": "Byron VPS", "netflow_ip_address": "192.0.2.7",
        });
        assert_eq!(app.get("/41/merge-fields").await.ok(), fields, "{settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_is_null_on_the_page_and_empty_in_a_letter() {
    let app = TestApp::with("netflow.show_password = true\n").await;
    app.put(41, &json!({})).await.ok();
    let page = json!({
        "visible": true, "url": "https://netflow.example.net/", "username": null, "group": null, "ip_address": null,
        "password": null,
    });
    assert_eq!(app.get("/41/client").await.ok(), page);
    let fields = json!({
        "netflow_enabled": true, "netflow_url": "https://netflow.example.net/", "netflow_username": "",
        "netflow_password": "", "netflow_group": "", "netflow_ip_address": "",
    });
    assert_eq!(app.get("/41/merge-fields").await.ok(), fields);
}

/// `client` and `merge-fields` say nothing; the sentence that says why.
async fn why_hidden(app: &TestApp, service_id: u64) -> String {
    assert_eq!(app.get(&format!("/{service_id}/merge-fields")).await.ok(), json!({"netflow_enabled": false}));
    let client = app.get(&format!("/{service_id}/client")).await.ok();
    assert_eq!(client, json!({"visible": false, "why": client["why"]}));
    client["why"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_disabled_or_absent_shows_nothing_and_says_why() {
    let app = TestApp::new().await;
    assert!(why_hidden(&app, 41).await.contains("no record for this service"));
    let put = app.put(41, &form_with("enabled", false)).await.ok();
    assert_eq!((&put["enabled"], &put["visible"]), (&json!(false), &json!(false)));
    let why = why_hidden(&app, 41).await;
    assert!(why.contains("disabled"), "{why}");
    assert_eq!(put["why"], why);
    // Switched on again it is whole, with its password.
    app.put(41, &form_with("password", "")).await.ok();
    assert_eq!(app.get("/41/merge-fields").await.ok()["netflow_password"], SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_service_of_ours_keeps_its_record_hidden_until_it_is_created_anew() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.put(41, &form()).await.ok();
    assert_eq!(app.get("/41/client").await.ok()["visible"], true);
    app.hook("terminate", &app.body(41)).await.ok();

    let why = why_hidden(&app, 41).await;
    assert!(why.to_lowercase().contains("service terminated"), "{why}");
    let record = app.get("/41").await.ok();
    assert_eq!((&record["visible"], &record["why"], &record["enabled"]), (&json!(false), &json!(why), &json!(true)));
    assert_eq!(app.get("").await.ok()["records"][0], record);
    assert_eq!(app.put(41, &form_with("notes", "ended")).await.ok()["visible"], false);
    assert_eq!(app.client_area(41).await["netflow"], Value::Null);

    app.create(41).await;
    assert_eq!(app.get("/41/client").await.ok()["visible"], true);
    assert_eq!(app.get("/41").await.ok()["notes"], "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_page_of_an_active_service_shows_it() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert_eq!(app.client_area(41).await["netflow"], Value::Null);
    app.put(41, &form()).await.ok();
    let client = app.get("/41/client").await.ok();
    let page = app.client_area(41).await;
    assert_eq!((page["state"].as_str(), &page["netflow"]), (Some("active"), &client));

    app.hook("admin-block", &app.body_with(41, &json!({"hook": {"reason": "abuse"}}))).await.ok();
    let page = app.client_area(41).await;
    assert_eq!((page["state"].as_str(), &page["netflow"]), (Some("blocked"), &client));

    let suspended = app.body_with(41, &json!({"service": {"status": "Suspended"}}));
    let page = app.hook("client-area", &suspended).await.ok();
    assert_eq!((page["state"].as_str(), &page["netflow"]), (Some("inactive"), &Value::Null));

    // Never made here, yet Active in WHMCS: its record hangs on no router.
    app.put(42, &form()).await.ok();
    let page = app.client_area(42).await;
    assert_eq!((page["state"].as_str(), &page["netflow"]), (Some("missing"), &client));
    let pending = app.body_with(42, &json!({"service": {"status": "Pending"}}));
    assert_eq!(app.hook("client-area", &pending).await.ok()["netflow"], Value::Null);

    app.put(41, &form_with("enabled", false)).await.ok();
    assert_eq!(app.client_area(41).await["netflow"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_are_taken_strictly() {
    let app = TestApp::new().await;
    app.put(41, &form()).await.ok();
    for (path, allowed) in [
        ("/v1/netflow", "GET"),
        ("/v1/netflow/41", "GET, PUT, DELETE"),
        ("/v1/netflow/41/client", "GET"),
        ("/v1/netflow/41/merge-fields", "GET"),
        ("/v1/hooks/create", "POST"),
    ] {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if allowed.contains(method) {
                continue;
            }
            let answer = app.send(method, path, &json!({})).await;
            assert_eq!((answer.status, answer.code()), (405, "method-not-allowed"), "{method} {path}");
            assert!(answer.body["detail"].as_str().unwrap().contains(allowed));
        }
    }
    for id in ["", "0", "041", "+41", "-1", "4x", "%34%31", "9223372036854775808", "41%20"] {
        let answer = app.send("GET", &format!("/v1/netflow/{id}"), &json!({})).await;
        assert_eq!((answer.status, answer.code()), (404, "no-such-record"), "{id:?}");
    }
    for path in ["/v1/netflows", "/v1/netflow/41/", "/v1/netflow/41/password", "/v1/netflow/41/client/", "/v1", "/"] {
        let answer = app.send("GET", path, &json!({})).await;
        assert_eq!((answer.status, answer.code()), (404, "no-such-hook"), "{path}");
    }
    assert_eq!(app.get("/41?x=1").await.ok()["service_id"], 41);
    assert_eq!(app.get("").await.ok()["records"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_is_refused_and_a_wrong_method_is_told_the_right_ones() {
    let app = TestApp::new().await;
    let http = reqwest::Client::new();
    let send = async |method: &str, kind: &str, body: &'static str| {
        let target = "/v1/netflow/41";
        let mut request = http.request(method.parse().unwrap(), format!("{}{target}", app.caller.base_url));
        for (name, value) in app.caller.headers(method, target, body.as_bytes()) {
            request = request.header(name, value);
        }
        let answer = request.header(header::CONTENT_TYPE, kind).body(body).send().await.unwrap();
        let allow = answer.headers().get(header::ALLOW).map(|it| it.to_str().unwrap().to_owned());
        (answer.status().as_u16(), allow)
    };
    assert_eq!(send("PUT", "text/plain", "{}").await, (415, None));
    assert_eq!(send("PUT", "application/json; charset=utf-8", "{").await, (400, None));
    assert_eq!(send("PUT", "application/json", "").await, (400, None));
    assert_eq!(send("POST", "application/json", "{}").await, (405, Some("GET, PUT, DELETE".to_owned())));
    assert_eq!(send("PUT", "application/json; charset=utf-8", "{}").await, (200, None));
    // Without a body there is no type to be wrong.
    assert_eq!(send("DELETE", "", "").await, (204, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_one_whole_record() {
    let app = Arc::new(TestApp::new().await);
    let puts = (0..12).map(|n| {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let mut body = form_with("username", format!("user-{n}"));
            body["password"] = json!(format!("password-{n}"));
            app.put(41 + n % 2, &body).await.ok()
        })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    for id in [41, 42] {
        let fields = app.get(&format!("/{id}/merge-fields")).await.ok();
        let (username, password) = (fields["netflow_username"].as_str(), fields["netflow_password"].as_str());
        assert_eq!(username.unwrap().strip_prefix("user-"), password.unwrap().strip_prefix("password-"));
    }
    assert_eq!(app.get("").await.ok()["records"].as_array().unwrap().len(), 2);
}

/// What this process logs, from the first call on; all tests of the binary write into it.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged() -> String {
    static PAPER: OnceLock<Paper> = OnceLock::new();
    let paper = PAPER.get_or_init(|| {
        let paper = Paper::default();
        let writer = paper.clone();
        let log = Log { format: LogFormat::Text, level: "trace".to_owned() };
        let subscriber = log::subscriber(&log, Clock::System, move || writer.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        paper
    });
    String::from_utf8_lossy(&paper.0.lock().unwrap()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_in_no_file_no_log_and_no_answer_but_those_made_for_it() {
    /// Not spelled like any other test's.
    const PASSWORD: &str = "kept-from-every-log-and-file";
    logged();
    let app = TestApp::new().await;
    let form = form_with("password", PASSWORD);
    let mut answers = vec![app.put(41, &form).await.ok(), app.put(41, &form).await.ok()];
    let mut refused = form.clone();
    refused["clear_password"] = json!(true);
    answers.push(app.put(41, &refused).await.body);
    refused["clear_password"] = json!("x");
    answers.push(app.put(41, &refused).await.body);
    answers.push(app.get("/41").await.ok());
    answers.push(app.get("").await.ok());
    answers.push(app.get("/41/client").await.ok());
    for answer in &answers {
        assert!(!answer.to_string().contains(PASSWORD), "{answer}");
    }
    assert_eq!(app.get("/41/merge-fields").await.ok()["netflow_password"], PASSWORD);

    let cells = app.stored().await;
    assert!(cells.contains("ada") && !cells.contains(PASSWORD));
    assert!(!cells.contains(&format!("{:?}", PASSWORD.as_bytes()).replace(['[', ']'], "")), "as bytes");
    // SQLite's file and its log; with MariaDB the folder holds no database.
    let is_file = app.database.db.kind() == "SQLite";
    let found = |needle: &str| {
        let files = std::fs::read_dir(app.folder()).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file());
        files.map(|it| std::fs::read(it).unwrap()).any(|it| it.windows(needle.len()).any(|it| it == needle.as_bytes()))
    };
    assert_eq!(found("Byron VPS"), is_file);
    assert!(!found(PASSWORD));

    let log = logged();
    assert!(
        log.contains("hook=\"netflow\"") && log.contains("clear_password"),
        "the log is not where it is looked for"
    );
    assert!(!log.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_moved_to_another_record_does_not_open_and_entering_it_anew_mends_it() {
    let app = TestApp::new().await;
    app.put(41, &form()).await.ok();
    app.put(42, &form_with("password", "another")).await.ok();
    let moved = sql!(
        "UPDATE netflow SET password_sealed = (SELECT * FROM (SELECT password_sealed FROM netflow WHERE service_id = 41) \
         AS source) WHERE service_id = 42"
    );
    assert_eq!(app.app.db.execute(moved, vec![]).await.unwrap(), 1);
    let answer = app.get("/42/merge-fields").await;
    assert_eq!((answer.status, answer.code()), (500, "internal"));
    assert!(!answer.body.to_string().contains("Tr4ffic"));
    // The page does not show the password, so it does not need it.
    assert_eq!(app.get("/42/client").await.ok()["visible"], true);
    app.put(42, &form_with("password", "another")).await.ok();
    assert_eq!(app.get("/42/merge-fields").await.ok()["netflow_password"], "another");
}
