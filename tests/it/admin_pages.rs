//! The admin's pages, asked for through the front door.

use crate::world::{Answer, Database, GB, TestApp};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Options, Simulator};

/// A request for a page, as the addon sends it.
pub fn ask(query: &Value) -> Value {
    json!({
        "admin": {"name": "Grace", "can_edit": true, "language": "english"},
        "link": "addonmodules.php?module=turnpike",
        "token": {"token": "whmcs-token-1"},
        "method": "GET", "query": query, "form": [],
        "tabs": [{"name": "pairing", "text": "Connection"}],
    })
}

impl TestApp {
    async fn ask_page(&self, page: &str, body: &Value) -> Answer {
        self.send("POST", &format!("/v1/admin/{page}"), body).await
    }

    /// A page's HTML; it has status 200.
    pub async fn admin(&self, page: &str, query: &Value) -> String {
        let answer = self.ask_page(page, &ask(query)).await.ok();
        assert_eq!(answer["status"], 200, "{}", text_of(&answer["html"]));
        assert_eq!(answer["location"], Value::Null);
        text_of(&answer["html"])
    }

    /// A form's answer.
    pub async fn press(&self, page: &str, query: &Value, form: &Value) -> Value {
        let mut body = ask(query);
        body["method"] = json!("POST");
        body["form"] = form.clone();
        self.ask_page(page, &body).await.ok()
    }

    /// A form that did what it says: where it leads, and what is said there.
    pub async fn pressed(&self, page: &str, query: &Value, form: &Value) -> (String, String) {
        let answer = self.press(page, query, form).await;
        assert_eq!((&answer["status"], &answer["html"]), (&json!(303), &json!("")), "{answer}");
        (text_of(&answer["location"]), text_of(&answer["flash"]["text"]))
    }
}

impl TestApp {
    /// A plan, a bandwidth rule and a CDN profile of those names; each is number 1.
    async fn sells(&self, plan: &str, rule: &str, profile: &str) {
        let of = json!({"name": plan, "price": "9", "download_speed": "2M", "upload_speed": "1M",
            "description": "</textarea><script>alert(5)</script>"});
        self.send("POST", "/v1/plans", &of).await;
        let of = json!({"name": rule, "download_percent": 50, "upload_percent": 50, "plans": [1]});
        self.send("POST", "/v1/bandwidth-rules", &of).await;
        let of = json!({"do": "save", "name": profile, "subnets": "203.0.113.0/24"});
        self.pressed("cdn", &json!({"add": "1"}), &of).await;
    }
}

/// A text of an answer; the slash, which the engine escapes too, as it is read.
pub fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace("&#x2f;", "/")
}

/// The value of the hidden field of that name in the first form that does `what`.
pub fn hidden(html: &str, what: &str, name: &str) -> String {
    let button = format!("name=\"do\" value=\"{what}\"");
    let form = html.split("<form").find(|form| form.contains(&button)).expect("the form is there");
    let field = form.split_once(&format!("name=\"{name}\" value=\"")).expect("the field is there").1;
    field.split('"').next().unwrap().to_owned()
}

const PAGES: [&str; 10] =
    ["overview", "routers", "accounts", "plans", "fup", "rules", "cdn", "mails", "quarantine", "netflow"];

#[tokio::test]
async fn every_page_is_drawn_when_there_is_nothing_yet() {
    let app = TestApp::new().await;
    for page in PAGES {
        let html = app.admin(page, &json!([])).await;
        assert!(html.contains("aria-current=\"page\""), "{page}");
        assert!(html.contains("addonmodules.php?module=turnpike&amp;page=pairing\">Connection"), "{page}: {html}");
        assert!(html.contains("As of 2026-11-20 12:00 UTC"), "{page}");
    }
    let html = app.admin("netflow", &json!({"add": "1"})).await;
    assert!(html.contains("name=\"token\" value=\"whmcs-token-1\""));
    assert_eq!(app.send("POST", "/v1/admin/nothing", &ask(&json!([]))).await.code(), "no-such-hook");
    assert_eq!(app.send("GET", "/v1/admin/overview", &Value::Null).await.code(), "method-not-allowed");
    let mut elsewhere = ask(&json!([]));
    elsewhere["link"] = json!("javascript:alert(1)");
    assert_eq!(app.send("POST", "/v1/admin/overview", &elsewhere).await.refusal(), (400, "malformed", "link"));
}

#[tokio::test]
async fn the_overview_says_how_everything_stands() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.create(42).await;
    app.router.carry(&username, 3 * GB, GB);
    app.collect().await;
    app.hook("suspend", &app.body_with(42, &json!({"hook": {"reason": "Overdue"}}))).await.ok();
    let html = app.admin("overview", &json!([])).await;
    for said in ["core-1", "1 enabled, 1 off", "asked just now of 1 of 1 routers", ">now</time>", "connected"] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    app.pass(Duration::minutes(90));
    assert!(app.admin("overview", &json!([])).await.contains("1 h 30 min ago"));
}

#[tokio::test]
async fn routers_say_how_they_are_reached_and_what_room_is_left_and_are_collected_at_once() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.carry(&username, 2 * GB, 0);
    let html = app.admin("routers", &json!([])).await;
    for said in ["core-1", "1 of 56 used, 55 left", "vpn1.example.net", "Collect now", "RouterOS", "as <bdi>"] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    assert!(!html.contains("router-password"));
    let (location, said) = app.pressed("routers", &json!([]), &json!({"do": "collect", "server": "3"})).await;
    assert_eq!(location, "addonmodules.php?module=turnpike&page=routers");
    assert_eq!(said, "Router core-1 was collected: 1 account read and booked.");
    assert_eq!(app.balance(41).await, i64::try_from(8 * GB).unwrap());
    let answer = app.press("routers", &json!([]), &json!({"do": "collect", "server": "9"})).await;
    assert_eq!(answer["status"], 404);
    assert!(text_of(&answer["html"]).contains("Server 9 is not known here."));
    let answer = app.press("routers", &json!([]), &json!({"do": "reboot", "server": "3"})).await;
    assert_eq!(answer["status"], 400);
}

#[tokio::test]
async fn a_router_is_examined_on_request_and_each_finding_says_what_mends_it() {
    let app = TestApp::new().await;
    app.create(41).await;
    assert!(!app.admin("routers", &json!([])).await.contains("role=\"status\""));
    app.router.stop().await;
    let html = app.admin("routers", &json!({"examine": "3"})).await;
    assert!(html.contains("tp-danger\"><strong><span class=\"tp-hidden\">error: </span>"), "{html}");
    let answer = app.send("POST", "/v1/admin/routers", &ask(&json!({"examine": "9"}))).await.ok();
    assert_eq!(answer["status"], 404);
}

#[tokio::test]
async fn accounts_are_found_by_everything_they_are_called_and_by_state() {
    let app = TestApp::new().await;
    let other = json!({"client": {"id": 8, "name": "Charles 100% Babbage Öz Иван", "email": "charles@example.org"}, "service": {"client_id": 8}});
    app.hook("create", &app.body_with(52, &other)).await.ok();
    app.create(41).await;
    app.hook("admin-block", &app.body_with(41, &json!({"hook": {"reason": "abuse"}}))).await.ok();
    let found = |html: String| {
        [41, 52].into_iter().filter(|id| html.contains(&format!("&amp;service={id}\""))).collect::<Vec<_>>()
    };
    for (query, ids) in [
        (json!([]), vec![41, 52]),
        (json!({"q": "babbage"}), vec![52]),
        (json!({"q": "100%"}), vec![52]),
        (json!({"q": "Öz"}), vec![52]),
        (json!({"q": "öZ иВАН"}), vec![52]),
        (json!({"q": "%"}), vec![52]),
        (json!({"q": "_"}), vec![]),
        (json!({"q": "41"}), vec![41]),
        (json!({"q": "ADA@example"}), vec![41]),
        (json!({"q": "7-41"}), vec![41]),
        (json!({"q": "10.8.0.2"}), vec![52]),
        (json!({"q": "8"}), vec![41, 52]),
        (json!({"q": "nobody"}), vec![]),
        (json!({"shown": "admin"}), vec![41]),
        (json!({"shown": "off"}), vec![41]),
        (json!({"shown": "enabled"}), vec![52]),
        (json!({"shown": "quota"}), vec![]),
        (json!({"shown": "gone"}), vec![]),
        (json!({"server": "3"}), vec![41, 52]),
        (json!({"server": "4"}), vec![]),
        (json!({"from": "1"}), vec![52]),
    ] {
        assert_eq!(found(app.admin("accounts", &query).await), ids, "{query}");
    }
}

#[tokio::test]
async fn an_account_explains_itself() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.carry(&username, 11 * GB, 0);
    app.collect().await;
    app.hook("suspend", &app.body_with(41, &json!({"hook": {"reason": "Overdue"}}))).await.ok();
    let html = app.admin("accounts", &json!({"service": "41"})).await;
    for said in [
        "Suspended by WHMCS: <bdi>Overdue</bdi>",
        "Balance used up",
        "Lifted by a renewal or more traffic",
        "-1 GB",
        "11 GB",
        "packet <span",
        "<svg",
        "Nothing waits.",
        "Ada Byron",
        "10.8.0.2",
        "10 Mbit/s down, 5 Mbit/s up",
    ] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    assert!(!html.contains("Look at the router now</a> "), "it was not asked");
    let missing = app.send("POST", "/v1/admin/accounts", &ask(&json!({"service": "99"}))).await.ok();
    assert_eq!(missing["status"], 404);
    assert!(text_of(&missing["html"]).contains("Service 99 is not known to Turnpike."));
}

#[tokio::test]
async fn a_look_at_the_router_tells_the_drift_and_re_apply_mends_it() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    let look = json!({"service": "41", "look": "1"});
    let html = app.admin("accounts", &look).await;
    assert!(html.contains("Secret and queue are as they should be.") && html.contains("198.51.100.7"), "{html}");
    app.router.world(|world| {
        assert!(world.put("/ppp/secret", &username, "disabled", "true"));
        assert!(world.put("/ppp/secret", &username, "profile", "default-encryption"));
    });
    let html = app.admin("accounts", &look).await;
    assert!(html.contains("The secret’s switch is off, and should be on"), "{html}");
    assert!(html.contains("The secret’s profile is default-encryption, and should be default"), "{html}");
    let (location, said) = app.pressed("accounts", &json!({"service": "41"}), &json!({"do": "apply"})).await;
    assert!(location.ends_with("&page=accounts&service=41"));
    assert_eq!(said, format!("Account {username} is on the router as it should be."));
    assert!(app.admin("accounts", &look).await.contains("Secret and queue are as they should be."));
}

#[tokio::test]
async fn staff_block_and_unblock_and_the_cause_says_who_and_why() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    let here = json!({"service": "41"});
    for _twice in 0..2 {
        let (_, said) = app.pressed("accounts", &here, &json!({"do": "block", "reason": "spam <b>"})).await;
        assert_eq!(said, format!("Account {username} is blocked."));
    }
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("true"));
    let html = app.admin("accounts", &here).await;
    assert!(html.contains("Blocked by staff: <bdi>spam &lt;b&gt; (by Grace)</bdi>"), "{html}");
    let (_, said) = app.pressed("accounts", &here, &json!({"do": "unblock"})).await;
    assert_eq!(said, format!("Account {username} is no longer blocked by staff. It is enabled."));
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("false"));
}

#[tokio::test]
async fn traffic_is_added_once_however_often_the_form_is_sent() {
    let app = TestApp::new().await;
    app.create(41).await;
    let here = json!({"service": "41"});
    let html = app.admin("accounts", &here).await;
    let form = json!({"do": "add", "once": hidden(&html, "add", "once"), "gb": "2.5", "note": "goodwill"});
    for _twice in 0..2 {
        let (_, said) = app.pressed("accounts", &here, &form).await;
        assert!(said.starts_with("2.5 GB booked for account 7-41. The balance is 12.5 GB."), "{said}");
    }
    assert_eq!(app.ledger(41).await.len(), 2);
    assert!(app.admin("accounts", &here).await.contains("goodwill (by Grace)"));
    let html = app.admin("accounts", &here).await;
    let once = hidden(&html, "add", "once");
    assert_ne!(json!(once), form["once"], "each form is another");
    let (_, said) = app.pressed("accounts", &here, &json!({"do": "add", "once": once, "gb": "-0.5"})).await;
    assert!(said.contains("The balance is 12 GB."), "{said}");
    for wrong in ["", "0", "ten", "1,5", "--1", "99999999999", "-"] {
        let answer = app.press("accounts", &here, &json!({"do": "add", "once": "0".repeat(32), "gb": wrong})).await;
        assert_eq!(answer["status"], 422, "{wrong}");
        assert!(text_of(&answer["html"]).contains("role=\"alert\""), "{wrong}");
    }
    let answer = app.press("accounts", &here, &json!({"do": "add", "gb": "1"})).await;
    assert_eq!(answer["status"], 400, "a form without its key is not ours");
    assert_eq!(app.balance(41).await, i64::try_from(12 * GB).unwrap());
}

#[tokio::test]
async fn a_change_waits_for_a_router_that_is_away_and_is_tried_again_by_hand() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.router.stop().await;
    let here = json!({"service": "41"});
    let (_, said) = app.pressed("accounts", &here, &json!({"do": "block", "reason": "abuse"})).await;
    assert!(said.ends_with("The router is away: its part is made when it returns."), "{said}");
    let answer = app.press("accounts", &here, &json!({"do": "retry"})).await;
    assert_eq!(answer["status"], 503);
    let html = text_of(&answer["html"]);
    assert!(html.contains("switch off, end sessions") && html.contains("core-1"), "{html}");
    assert!(app.admin("overview", &json!([])).await.contains("switch off, end sessions"));
    app.router.listen().await.unwrap();
    let (_, said) = app.pressed("accounts", &here, &json!({"do": "retry"})).await;
    assert_eq!(said, format!("Account {username} has no change waiting any more."));
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("true"));
}

/// What Re-apply would mend is told, and a password never is.
#[tokio::test]
async fn a_look_at_the_router_compares_all_that_re_apply_makes() {
    let app = TestApp::new().await;
    let made = app.hook("create", &app.body(41)).await.ok();
    let (username, password) = (text_of(&made["service"]["username"]), text_of(&made["service"]["password"]));
    let look = json!({"service": "41", "look": "1"});
    app.router.world(|world| {
        assert!(world.put("/ppp/secret", &username, "password", "another-0ne"));
        let comment = world.get("/queue/simple", &username, "comment").unwrap();
        assert!(world.put("/queue/simple", &username, "comment", &comment.replace("ada@", "old@")));
        assert!(world.put("/queue/simple", &username, "burst-limit", "9000000/9000000"));
        assert!(world.put("/queue/simple", &username, "disabled", "true"));
    });
    let html = app.admin("accounts", &look).await;
    for said in
        ["The secret’s password differs", "The queue’s comment is", "The queue’s burst-limit is", "switch is off"]
    {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    assert!(!html.contains("another-0ne") && !html.contains(&password), "a password is shown");
    app.pressed("accounts", &json!({"service": "41"}), &json!({"do": "apply"})).await;
    let html = app.admin("accounts", &look).await;
    assert!(html.contains("Secret and queue are as they should be.") && !html.contains("was not compared"), "{html}");
    app.router.world(|world| world.put("/queue/simple", &username, "max-limit", "1000/2000"));
    let html = app.admin("accounts", &look).await;
    assert!(html.contains("max-limit is 2 kbit/s down and 1 kbit/s up, and should be 10000 kbit/s down"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_router_compares_the_cdn_queue_too() {
    let app = TestApp::new().await;
    app.sells("Gold", "By night", "Mirrors").await;
    let cdn = json!({"name": "Far", "price": "9", "download_speed": "10M", "upload_speed": "2M", "cdn_fup_enabled": true,
        "cdn_profile_id": 1, "cdn_download_speed": "50M", "cdn_upload_speed": "10M", "cdn_fup1_threshold": "1 GB",
        "cdn_fup1_download_speed": "5M", "cdn_fup1_upload_speed": "1M"});
    assert_eq!(app.send("POST", "/v1/plans", &cdn).await.status, 201);
    let on = json!({"settings": {"plan": "Far", "download_mbps": "", "upload_mbps": ""}});
    let made = app.hook("create", &app.body_with(41, &on)).await.ok();
    let queue = format!("{}-cdn", text_of(&made["service"]["username"]));
    let look = json!({"service": "41", "look": "1"});
    assert!(app.admin("accounts", &look).await.contains("Secret and queue are as they should be."));
    app.router.world(|world| assert!(world.put("/queue/simple", &queue, "burst-limit", "90000000/90000000")));
    let html = app.admin("accounts", &look).await;
    assert!(html.contains("The CDN queue’s burst-limit is"), "{html}");
    app.router.world(|world| assert!(world.remove_row("/queue/simple", &queue)));
    let html = app.admin("accounts", &look).await;
    assert!(html.contains("The CDN queue is missing, and should be there"), "{html}");
    app.pressed("accounts", &json!({"service": "41"}), &json!({"do": "apply"})).await;
    assert!(app.admin("accounts", &look).await.contains("Secret and queue are as they should be."));
}

/// A login that is shown no passwords cannot compare one, and the page says so.
#[tokio::test]
async fn a_password_that_the_router_does_not_show_is_not_said_to_be_right() {
    let policies = Options::default().policies.into_iter().filter(|it| it != "sensitive").collect();
    let router = Simulator::start(Options { policies, ..Options::default() }).await.unwrap();
    let app = TestApp::on(router, Database::bare().await, "").await;
    app.create(41).await;
    let html = app.admin("accounts", &json!({"service": "41", "look": "1"})).await;
    assert!(html.contains("the password was not compared") && !html.contains("password differs"), "{html}");
}

#[tokio::test]
async fn whoever_may_only_look_sees_no_button_and_changes_nothing() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.send("PUT", "/v1/netflow/41", &json!({"username": "ada"})).await.ok();
    app.sells("Gold", "By night", "Mirrors").await;
    let looking = |query: Value| {
        let mut body = ask(&query);
        body["admin"]["can_edit"] = json!(false);
        body
    };
    for (page, query) in [
        ("overview", json!([])),
        ("routers", json!([])),
        ("accounts", json!({"service": "41"})),
        ("mails", json!([])),
        ("quarantine", json!([])),
        ("netflow", json!([])),
        ("netflow", json!({"service": "41"})),
        ("plans", json!([])),
        ("plans", json!({"plan": "1"})),
        ("fup", json!([])),
        ("rules", json!([])),
        ("rules", json!({"rule": "1"})),
        ("cdn", json!([])),
        ("cdn", json!({"profile": "1"})),
    ] {
        let answer = app.send("POST", &format!("/v1/admin/{page}"), &looking(query)).await.ok();
        let html = text_of(&answer["html"]);
        assert!(html.contains("You may look at these pages and change nothing."), "{page}");
        assert!(!html.contains("Block the account") && !html.contains(">Save<") && !html.contains("yes, "), "{page}");
        assert!(!html.contains("Collect now") && !html.contains("Yes, delete"), "{page}");
    }
    for (page, query, form) in [
        ("plans", json!({"plan": "1"}), json!({"do": "save", "name": "Other"})),
        ("plans", json!({"copy": "1"}), json!({"do": "duplicate", "name": "Other"})),
        ("plans", json!({"remove": "1"}), json!({"do": "delete"})),
        ("rules", json!({"rule": "1"}), json!({"do": "delete"})),
        ("cdn", json!({"profile": "1"}), json!({"do": "delete"})),
    ] {
        let mut body = looking(query);
        body["method"] = json!("POST");
        body["form"] = form;
        let answer = app.send("POST", &format!("/v1/admin/{page}"), &body).await.ok();
        assert_eq!((&answer["status"], &answer["location"]), (&json!(405), &Value::Null), "{page}");
    }
    let plans = app.send("GET", "/v1/plans", &Value::Null).await.ok();
    assert_eq!((plans["plans"].as_array().unwrap().len(), &plans["plans"][0]["name"]), (1, &json!("Gold")));
    assert!(app.admin("rules", &json!([])).await.contains("By night"));
    assert!(app.admin("cdn", &json!([])).await.contains("Mirrors"));
    let mut body = looking(json!({"service": "41"}));
    body["method"] = json!("POST");
    body["form"] = json!({"do": "block", "reason": "x"});
    let answer = app.send("POST", "/v1/admin/accounts", &body).await;
    assert_eq!(answer.refusal(), (405, "method-not-allowed", ""));
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("false"));
    let mut unsaid = ask(&json!([]));
    unsaid["admin"] = json!({"name": "x"});
    unsaid["method"] = json!("POST");
    assert_eq!(app.send("POST", "/v1/admin/netflow", &unsaid).await.code(), "method-not-allowed");
}

#[tokio::test]
async fn hostile_names_are_shown_as_text_everywhere() {
    let app = TestApp::new().await;
    let name = "\"><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}'";
    let over = json!({
        "server": {"name": name, "hostname": "<svg/onload=alert(3)>"},
        "client": {"name": name, "email": "\"<b>\"@example.net"},
        "settings": {"traffic_gb_monthly": "1"},
    });
    let made = app.hook("create", &app.body_with(41, &over)).await.ok();
    app.dial(&made);
    app.router.carry(made["service"]["username"].as_str().unwrap(), 2 * GB, 0);
    app.hook("usage-update", &app.body_with(41, &over)).await.ok();
    app.hook("admin-block", &app.body_with(41, &json!({"server": over["server"], "hook": {"reason": name}})))
        .await
        .ok();
    let record = json!({"username": name.replace('\u{202e}', ""), "group": name.replace('\u{202e}', ""), "notes": "</textarea><script>alert(4)</script>"});
    app.send("PUT", "/v1/netflow/41", &record).await.ok();
    app.sells(&name.replace('\u{202e}', ""), &name.replace('\u{202e}', ""), &name.replace('\u{202e}', "")).await;
    for (page, query) in [
        ("plans", json!([])),
        ("plans", json!({"plan": "1", "simulate": "1", "daily_bytes": name})),
        ("plans", json!({"copy": "1"})),
        ("plans", json!({"remove": "1"})),
        ("plans", json!({"add": "1"})),
        ("fup", json!([])),
        ("rules", json!([])),
        ("rules", json!({"rule": "1"})),
        ("cdn", json!([])),
        ("cdn", json!({"profile": "1"})),
        ("overview", json!([])),
        ("routers", json!([])),
        ("accounts", json!({"q": name})),
        ("accounts", json!([])),
        ("accounts", json!({"service": "41", "look": "1"})),
        ("mails", json!({"q": name, "state": "<script>"})),
        ("mails", json!([])),
        ("mails", json!({"mail": "1"})),
        ("quarantine", json!([])),
        ("netflow", json!({"q": name})),
        ("netflow", json!([])),
        ("netflow", json!({"service": "41"})),
        ("netflow", json!({"add": "1", "find": name})),
    ] {
        let mut body = ask(&query);
        body["admin"]["name"] = json!(name);
        body["token"] = json!({name: name});
        body["tabs"] = json!([{"name": name, "text": name}]);
        body["flash"] = json!({"level": "info", "text": name});
        let answer = app.send("POST", &format!("/v1/admin/{page}"), &body).await.ok();
        let html = text_of(&answer["html"]);
        for live in ["<script", "<img", "<svg/", "<b>"] {
            assert!(!html.contains(live), "{page} {query} holds {live}");
        }
        assert_eq!(html.matches("<textarea").count(), html.matches("</textarea>").count(), "{page} {query}");
        let straight = html.replace(&format!("value=\"{}", "&quot;&gt;&lt;script"), "");
        assert!(straight.contains("&lt;script&gt;"), "{page} {query} shows the name");
        // What was searched for stands in its field as it was typed; nothing else turns the page round.
        let turned = html.split('<').filter(|piece| piece.contains('\u{202e}') && !piece.starts_with("input")).count();
        assert_eq!(turned, 0, "{page} {query}");
    }
}
