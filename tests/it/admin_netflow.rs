//! The NetFlow Manager's pages.

use crate::{
    admin_pages::{ask, text_of},
    world::TestApp,
};
use serde_json::{Value, json};
use turnpike::{
    netflow::Record,
    steps::cut_short,
    work::admin::{self, Request},
};

/// A form for a service, filled in.
fn filled(service: &str) -> Value {
    json!({
        "do": "save", "old": "", "has_password": "", "enabled": "1", "service": service, "client_id": "",
        "url": "https://flows.example.net/", "username": "ada", "password": "s3cret-of-ada", "group": "Byron VPS",
        "ip_address": "192.0.2.0/28", "notes": "Read-only.\r\nAsk Grace.",
    })
}

async fn record(app: &TestApp, id: u64) -> Value {
    app.send("GET", &format!("/v1/netflow/{id}"), &Value::Null).await.ok()
}

async fn password(app: &TestApp, id: u64) -> Value {
    app.send("GET", &format!("/v1/netflow/{id}/merge-fields"), &Value::Null).await.ok()["netflow_password"].clone()
}

#[tokio::test]
async fn a_record_is_added_shown_changed_and_removed() {
    let app = TestApp::new().await;
    let (location, said) = app.pressed("netflow", &json!({"add": "1"}), &filled("77")).await;
    assert_eq!(location, "addonmodules.php?module=turnpike&page=netflow");
    assert_eq!(said, "The NetFlow access of service 77 is added.");
    let stored = record(&app, 77).await;
    assert_eq!((&stored["group"], &stored["notes"]), (&json!("Byron VPS"), &json!("Read-only.\nAsk Grace.")));
    assert_eq!(password(&app, 77).await, "s3cret-of-ada");
    let html = app.admin("netflow", &json!([])).await;
    for said in ["Service 77", "https://flows.example.net/", "password stored", "192.0.2.0/28", ">yes<"] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    let html = app.admin("netflow", &json!({"service": "77"})).await;
    assert!(html.contains("Clear stored password") && html.contains("leave this blank to keep it"), "{html}");
    assert!(html.contains("Read-only.\nAsk Grace.</textarea>") && !html.contains("s3cret-of-ada"));
    let mut form = filled("77");
    for (name, value) in [("old", "1"), ("has_password", "1"), ("password", ""), ("url", ""), ("group", "Other")] {
        form[name] = json!(value);
    }
    form.as_object_mut().unwrap().remove("enabled");
    let (_, said) = app.pressed("netflow", &json!({"service": "77"}), &form).await;
    assert_eq!(said, "The NetFlow access of service 77 is changed.");
    let stored = record(&app, 77).await;
    assert_eq!((&stored["enabled"], &stored["url_is_default"]), (&json!(false), &json!(true)));
    assert_eq!(stored["has_password"], true, "blank keeps");
    let html = app.admin("netflow", &json!([])).await;
    assert!(html.contains("The record is disabled; enable it in the NetFlow Manager."), "{html}");
    form["enabled"] = json!("1");
    form["clear_password"] = json!("1");
    app.pressed("netflow", &json!({"service": "77"}), &form).await;
    assert_eq!(record(&app, 77).await["has_password"], false);
    let gone = json!({"do": "delete", "service": "77"});
    let (_, said) = app.pressed("netflow", &json!({"service": "77"}), &gone).await;
    assert_eq!(said, "The NetFlow access of service 77 is removed.");
    let (_, said) = app.pressed("netflow", &json!({"service": "77"}), &gone).await;
    assert_eq!(said, "The NetFlow access of service 77 was removed before.");
    assert!(app.admin("netflow", &json!([])).await.contains("There is no record yet."));
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost_but_the_password() {
    let app = TestApp::new().await;
    let mut there = filled("77");
    there["notes"] = json!("Another record than the one below.");
    app.pressed("netflow", &json!({"add": "1"}), &there).await;
    for (field, value, fault) in [
        ("url", "ftp://flows.example.net/", "must be a web address that begins with"),
        ("url", "https://ada:pw@flows.example.net/", "must not hold a user name or password"),
        ("ip_address", "192.0.2.0/33", "must be an IPv4 or IPv6 address or prefix"),
        ("username", "a\u{7}b", "must not hold control characters"),
        ("group", "long", "must have 255 characters at the most"),
        ("notes", "long", "must have 4000 characters at the most"),
        ("client_id", "seven", "must be a client’s number"),
        ("clear_password", "1", "cannot go with a new password"),
        ("service", "", "is needed"),
        ("service", "no-such-name", "must be a service’s number, or the user name"),
        ("service", "77", "has a record already"),
    ] {
        let mut form = filled("78");
        let long = "x".repeat(4001);
        form[field] = json!(if value == "long" { &long } else { value });
        form["has_password"] = json!("1");
        let answer = app.press("netflow", &json!({"add": "1"}), &form).await;
        assert_eq!(answer["status"], 422, "{field}");
        let html = text_of(&answer["html"]);
        let said = html.split_once("id=\"tpFault\">").expect(field).1.split('<').next().unwrap().replace("&#x27;", "’");
        assert!(said.starts_with("This field ") && said.contains(fault), "{field}: {said}");
        let before = html.split("id=\"tpFault\"").next().unwrap();
        assert!(before.rsplit("aria-invalid=\"true\"").next().unwrap().len() < before.len(), "{field}");
        assert!(!html.contains("s3cret-of-ada"), "{field}");
        for (name, kept) in [("group", "Byron VPS"), ("username", "ada"), ("ip_address", "192.0.2.0/28")] {
            assert!(name == field || html.contains(&format!("value=\"{kept}\"")), "{field}: {name} is lost");
        }
        assert!(field == "notes" || html.contains("Ask Grace."), "{field}");
    }
    assert_eq!(app.send("GET", "/v1/netflow/78", &Value::Null).await.code(), "no-such-record");
    assert_eq!(password(&app, 77).await, "s3cret-of-ada", "the record that was there is untouched");
}

#[tokio::test]
async fn sending_the_form_for_a_new_record_twice_makes_one() {
    let app = TestApp::new().await;
    for _twice in 0..2 {
        let (_, said) = app.pressed("netflow", &json!({"add": "1"}), &filled("77")).await;
        assert_eq!(said, "The NetFlow access of service 77 is added.");
    }
    let all = app.send("GET", "/v1/netflow", &Value::Null).await.ok();
    assert_eq!(all["records"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_of_ours_is_named_by_its_user_and_brings_its_client() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    let html = app.admin("netflow", &json!({"add": "1", "find": "byron"})).await;
    assert!(html.contains("&amp;service=41\">Service 41, <bdi>7-41</bdi>, <bdi>Ada Byron</bdi>"), "{html}");
    let html = app.admin("netflow", &json!({"service": "41"})).await;
    assert!(html.contains("<bdi>7-41</bdi> of <bdi>Ada Byron</bdi>"), "{html}");
    app.pressed("netflow", &json!({"add": "1"}), &filled(&username)).await;
    assert_eq!(record(&app, 41).await["client_id"], 7);
    // The same login serves another service, of another module.
    app.pressed("netflow", &json!({"add": "1"}), &filled("500")).await;
    assert_eq!(record(&app, 500).await["username"], "ada");
    let shows =
        |html: String| [41, 500].into_iter().filter(|id| html.contains(&format!(">Service {id}<"))).collect::<Vec<_>>();
    for (q, ids) in [
        ("", vec![41, 500]),
        ("41", vec![41]),
        ("7", vec![41]),
        ("babbage", vec![]),
        ("BYRON VPS", vec![41, 500]),
        ("ada byron", vec![41]),
        ("192.0.2", vec![41, 500]),
    ] {
        assert_eq!(shows(app.admin("netflow", &json!({"q": q})).await), ids, "{q}");
    }
    let unseen = "The service is Suspended in WHMCS; its page shows the record while it is Active.";
    app.hook("suspend", &app.body(41)).await.ok();
    let html = app.admin("netflow", &json!({"q": "41"})).await;
    assert!(html.contains(unseen), "{html}");
    app.hook("unsuspend", &app.body_with(41, &json!({"service": {"status": "Suspended"}}))).await.ok();
    let html = app.admin("netflow", &json!({"q": "41"})).await;
    assert!(!html.contains(unseen), "WHMCS tells how it was before: {html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_just_made_is_active() {
    let app = TestApp::new().await;
    let pending = app.body_with(42, &json!({"service": {"status": "Pending"}}));
    app.hook("create", &pending).await.ok();
    assert!(app.admin("accounts", &json!({"service": "42"})).await.contains("Active in WHMCS"));
    // Staff's Re-apply runs the same hook, and leaves WHMCS's status as it is.
    app.hook("suspend", &app.body(42)).await.ok();
    app.hook("create", &app.body_with(42, &json!({"service": {"status": "Suspended"}}))).await.ok();
    assert!(app.admin("accounts", &json!({"service": "42"})).await.contains("Suspended in WHMCS"));
}

#[tokio::test]
async fn what_whmcs_says_of_a_service_of_another_module_is_believed() {
    let app = TestApp::new().await;
    let mut body = ask(&json!({"add": "1"}));
    body["method"] = json!("POST");
    body["form"] = filled("500");
    body["service"] = json!({"id": 500, "found": false});
    let answer = app.send("POST", "/v1/admin/netflow", &body).await.ok();
    assert_eq!(answer["status"], 422);
    assert!(text_of(&answer["html"]).contains("which has none with the number 500"));
    body["service"] = json!({"id": 500, "found": true, "client_id": 12, "label": "VPS vps1.example.net"});
    assert_eq!(app.send("POST", "/v1/admin/netflow", &body).await.ok()["status"], 303);
    assert_eq!(record(&app, 500).await["client_id"], 12);
    let mut body = ask(&json!({"service": "500"}));
    body["service"] = json!({"id": 500, "found": true, "client_id": 12, "label": "VPS <vps1>"});
    let html = text_of(&app.send("POST", "/v1/admin/netflow", &body).await.ok()["html"]);
    assert!(html.contains("Service 500</strong>, <bdi>VPS &lt;vps1&gt;</bdi>"), "{html}");
}

/// So many records of services of another module, one group for every hundred.
async fn thousands(app: &TestApp, many: u64) {
    let mut tx = app.app.db.begin().await.unwrap();
    for service_id in 1000..1000 + many {
        let mut record = Record::new(service_id, app.app.clock.now());
        record.group = format!("Rack {}", service_id / 100);
        record.client_id = Some(service_id + 50_000);
        record.save(&mut tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The services that a page shows, first to last, and what it says of how many there are.
async fn page(app: &TestApp, query: Value) -> (Vec<u64>, String) {
    let request = Request::parse(ask(&query).to_string().as_bytes()).unwrap();
    // However many records there are, the database is asked a few times for all of them.
    let drawn = cut_short(20, Box::pin(admin::page(&app.app, admin::Name::Netflow, &request))).await;
    let html = drawn.expect("no statement for each record").unwrap().html;
    let shown = html.split(">Service ").skip(1).map(|it| it.split('<').next().unwrap().parse().unwrap()).collect();
    let caption = html.split_once("<caption>").map(|(_, it)| it.split('<').next().unwrap().to_owned());
    (shown, caption.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_records_are_searched_and_turned_over_in_a_few_statements() {
    let app = TestApp::new().await;
    let username = app.create(41).await;
    app.pressed("netflow", &json!({"add": "1"}), &filled(&username)).await;
    thousands(&app, 3000).await;
    let (first, caption) = page(&app, json!({})).await;
    assert_eq!((first[0], first[1], first.len(), caption.as_str()), (41, 1000, 50, "1 to 50 of 3001"));
    let (last, caption) = page(&app, json!({"from": "3000"})).await;
    assert_eq!((last, caption.as_str()), (vec![3999], "3001 to 3001 of 3001"));
    let (rack, caption) = page(&app, json!({"q": "RACK 25", "from": "50"})).await;
    assert_eq!((rack, caption.as_str()), ((2550..2600).collect(), "51 to 100 of 100"));
    for (q, services) in [("ada byron", vec![41]), ("7-41", vec![41]), ("52345", vec![2345]), ("2345", vec![2345])] {
        assert_eq!(page(&app, json!({"q": q})).await.0, services, "{q}");
    }
}
