//! The pages about plans, their counters and bandwidth rules.

use crate::{
    admin_pages::{ask, hidden, text_of},
    plans_engine::with,
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::simulator::{Fault, When};

/// A plan's form, as a browser sends it.
fn filled(name: &str) -> Value {
    json!({
        "do": "save", "name": name, "price": "9.90", "download_speed": "2M", "upload_speed": "1M", "quota_action": "block",
        "monthly_fup1_threshold": "80 GB", "monthly_fup1_download_speed": "1M", "monthly_fup1_upload_speed": "512k",
        "expiry_value": "1", "expiry_unit": "months", "queue_type": "simple", "pool_name": "", "nas_id": "",
    })
}

fn filled_with(name: &str, more: Value) -> Value {
    let mut form = filled(name);
    form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    form
}

impl TestApp {
    /// Why the account is off, on the service's tab.
    pub async fn why_off(&self, service_id: u64) -> String {
        let tab = self.hook("admin-tab", &self.body(service_id)).await.ok();
        let fields = tab["fields"].as_array().unwrap();
        fields.iter().find(|it| it["label"] == "Why it is off").unwrap()["value"].as_str().unwrap().to_owned()
    }
}

/// The page asked for by somebody with these rights.
async fn as_other(app: &TestApp, page: &str, admin: Value, query: Value, form: Option<Value>) -> crate::world::Answer {
    let mut body = ask(&query);
    body["admin"] = admin;
    if let Some(form) = form {
        body["method"] = json!("POST");
        body["form"] = form;
    }
    app.send("POST", &format!("/v1/admin/{page}"), &body).await
}

async fn add(app: &TestApp, form: &Value) -> u64 {
    let (location, said) = app.pressed("plans", &json!({"add": "1"}), form).await;
    assert!(location.ends_with("page=plans") && said.contains("is added"), "{said}");
    let all = app.plans("GET", "", &json!({})).await.ok();
    let made = all["plans"].as_array().unwrap().iter().find(|it| it["name"] == form["name"]).unwrap().clone();
    made["id"].as_u64().unwrap()
}

/// The names in the table, in its order.
fn rows(html: &str) -> Vec<String> {
    html.split("title=\"Duplicate\"><bdi>").skip(1).map(|it| it.split('<').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_added_shown_edited_duplicated_and_removed() {
    let app = TestApp::new().await;
    assert!(app.admin("plans", &json!({})).await.contains("There is no plan yet"));
    let id = add(&app, &filled("2 Mbps")).await;
    let query = json!({"plan": id.to_string()});
    let html = app.admin("plans", &query).await;
    for shown in ["value=\"2M\"", "value=\"80 GB\"", "value=\"512k\"", "value=\"9.90\"", "<svg", "1024k"] {
        let absent = shown == "1024k";
        assert_eq!(html.contains(shown), !absent, "{shown}: {html}");
    }
    let changed = filled_with(
        "2 Mbps",
        json!({"time_based_speed_enabled": "on", "time_from": "00:00", "time_to": "06:00",
        "download_ratio": "100", "upload_ratio": "100", "description": "a\r\nb"}),
    );
    let (_, said) = app.pressed("plans", &query, &changed).await;
    assert_eq!(said, "The plan 2 Mbps is saved.");
    let stored = app.plans("GET", &format!("/{id}"), &json!({})).await.ok();
    assert_eq!((&stored["time_to"], &stored["description"]), (&json!("06:00"), &json!("a\nb")));

    let asked = app.admin("plans", &json!({"copy": id.to_string()})).await;
    assert!(asked.contains("role=\"dialog\"") && asked.contains("value=\"2 Mbps (Copy)\""), "{asked}");
    let (location, said) =
        app.pressed("plans", &json!({"copy": id.to_string()}), &json!({"do": "duplicate", "name": "4 Mbps"})).await;
    assert!(location.contains("page=plans&plan=") && said.contains("everything is cloned"), "{location}: {said}");
    let taken =
        app.press("plans", &json!({"copy": id.to_string()}), &json!({"do": "duplicate", "name": "4 MBPS"})).await;
    let html = text_of(&taken["html"]);
    assert!(taken["status"] == 422 && html.contains("value=\"4 MBPS\"") && html.contains("is taken"), "{html}");

    let html = app.admin("plans", &json!({"remove": id.to_string()})).await;
    assert!(html.contains("Yes, delete it"), "{html}");
    let (_, said) = app.pressed("plans", &json!({"remove": id.to_string()}), &json!({"do": "delete"})).await;
    assert_eq!(said, "The plan is removed.");
    let (_, said) = app.pressed("plans", &json!({"remove": id.to_string()}), &json!({"do": "delete"})).await;
    assert_eq!(said, "The plan was removed before.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_stands_at_its_field_and_everything_typed_stays() {
    let app = TestApp::new().await;
    let typed =
        filled_with("<b>Gold</b>\u{202e}", json!({"price": "9,90", "daily_quota": "3 gb", "soft_fup_enabled": "on"}));
    let answer = app.press("plans", &json!({"add": "1"}), &typed).await;
    assert_eq!((&answer["status"], &answer["location"]), (&json!(422), &Value::Null));
    let html = text_of(&answer["html"]);
    let field = html.split("name=\"price\"").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(field.contains("value=\"9,90\"") && field.contains("aria-invalid=\"true\""), "{field}");
    assert!(field.contains("This field must be a price"), "{field}");
    for kept in ["value=\"3 gb\"", "value=\"80 GB\"", "value=\"2M\"", "&lt;b&gt;Gold"] {
        assert!(html.contains(kept), "{kept} is gone");
    }
    let switch = html.split("name=\"soft_fup_enabled\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(switch.contains("checked"), "{switch}");
    let tier = filled_with("Gold", json!({"monthly_fup1_download_speed": "3M"}));
    let html = text_of(&app.press("plans", &json!({"add": "1"}), &tier).await["html"]);
    let cell = html.split("name=\"monthly_fup1_download_speed\"").nth(1).unwrap().split("</td>").next().unwrap();
    assert!(cell.contains("is faster than the full speed"), "{cell}");
    assert_eq!(app.plans("GET", "", &json!({})).await.ok()["plans"], json!([]), "nothing was saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sorting_is_numeric_and_remembered_for_each_administrator() {
    let app = TestApp::new().await;
    for (name, speed, price) in [("Ten", "10M", "9"), ("Two", "2M", "20"), ("Eight", "8M", "100")] {
        let form = filled_with(name, json!({"download_speed": speed, "price": price, "monthly_fup1_threshold": ""}));
        add(&app, &form).await;
    }
    let by_name = ["Eight", "Ten", "Two"];
    assert_eq!(rows(&app.admin("plans", &json!({})).await), by_name, "as in drop-downs");
    let html = app.admin("plans", &json!({"sort": "speed"})).await;
    assert_eq!(rows(&html), ["Two", "Eight", "Ten"]);
    assert!(html.contains("aria-sort=\"ascending\"") && html.contains("sort=speed&amp;dir=desc"), "{html}");
    assert_eq!(rows(&app.admin("plans", &json!({})).await), ["Two", "Eight", "Ten"], "remembered");
    assert_eq!(rows(&app.admin("plans", &json!({"sort": "price", "dir": "desc"})).await), ["Eight", "Two", "Ten"]);
    assert_eq!(rows(&app.admin("plans", &json!({})).await), ["Eight", "Two", "Ten"]);
    let other = as_other(&app, "plans", json!({"name": "Ada", "can_edit": true}), json!({}), None).await.ok();
    assert_eq!(rows(&text_of(&other["html"])), by_name, "another administrator's is another's");
    let odd = app.admin("plans", &json!({"sort": "'; DROP TABLE plan"})).await;
    assert_eq!(rows(&odd), ["Eight", "Two", "Ten"]);
    let long =
        as_other(&app, "plans", json!({"name": "x".repeat(500), "can_edit": true}), json!({"sort": "name"}), None);
    assert_eq!(rows(&text_of(&long.await.ok()["html"])), by_name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_in_use_is_not_deleted_and_says_how_many_are_on_it() {
    let app = TestApp::new().await;
    let id = add(&app, &filled("Gold")).await;
    let on = json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": ""}});
    app.hook("create", &app.body_with(41, &on)).await.ok();
    let asked = app.admin("plans", &json!({"remove": id.to_string()})).await;
    assert!(asked.contains("1 subscriber is on it") && !asked.contains("Yes, delete it"), "{asked}");
    let refused = app.press("plans", &json!({"remove": id.to_string()}), &json!({"do": "delete"})).await;
    assert_eq!(refused["status"], 409);
    assert!(text_of(&refused["html"]).contains("cannot be removed: 1 subscriber is on it"));
    let accounts = app.admin("accounts", &json!({"plan": id.to_string()})).await;
    assert!(accounts.contains("7-41"), "{accounts}");
    let none = app.admin("accounts", &json!({"plan": "999"})).await;
    assert!(none.contains("No account is like that"), "{none}");
    let (_, said) = app.pressed("plans", &json!({"plan": id.to_string()}), &filled("Silver")).await;
    assert!(said.contains("Products in WHMCS that name the plan Gold must be changed to Silver"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routers_pools_are_offered_and_the_saved_one_stays() {
    let app = TestApp::new().await;
    app.hook("create", &app.body(41)).await.ok();
    app.foreign("/ip/pool", &[("name", "vpn"), ("ranges", "10.9.0.2-10.9.0.99")]);
    let id = add(&app, &filled_with("Gold", json!({"pool_name": "old-pool"}))).await;
    let query = json!({"plan": id.to_string()});
    let html = app.admin("plans", &query).await;
    assert!(html.contains(">old-pool (current)</option>") && html.contains("Choose a router"), "{html}");
    // Asked for while typing: nothing is saved by it.
    let typed = filled_with("Unsaved", json!({"nas_id": "3", "pool_name": "old-pool", "pools": "1"}));
    let looked = app.press("plans", &query, &typed).await;
    let html = text_of(&looked["html"]);
    assert!(html.contains("<option value=\"vpn\">vpn</option>") && html.contains(">old-pool (current)<"), "{html}");
    assert!(html.contains("value=\"Unsaved\"") && html.contains("<option value=\"3\" selected>core-1<"), "{html}");
    assert_eq!(app.plans("GET", &format!("/{id}"), &json!({})).await.ok()["name"], "Gold");
    app.pressed("plans", &query, &filled_with("Gold", json!({"nas_id": "3", "pool_name": "vpn"}))).await;
    app.router.fault_at(When::Always, Fault::Hang);
    let html = app.admin("plans", &query).await;
    assert!(html.contains("<option value=\"vpn\" selected>vpn (current)</option>"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_answers_on_the_plans_page() {
    let app = TestApp::new().await;
    let id = add(&app, &filled("Gold")).await.to_string();
    let html = app.admin("plans", &json!({"plan": id, "simulate": "1", "monthly_bytes": "80 GB", "at": "21:30"})).await;
    for shown in [
        "Monthly tier 1: 80 GB or more were used.",
        "512k/1000k",
        "2026-11-20 21:30",
        "value=\"21:30\"",
        "2026-11-21 00:05",
    ] {
        assert!(html.contains(shown), "{shown} is missing: {html}");
    }
    let wrong = app.admin("plans", &json!({"plan": id, "simulate": "1", "monthly_bytes": "\"><script>"})).await;
    assert!(wrong.contains("This must be bytes, or traffic such as") && !wrong.contains("<script"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_held_to_whatever_is_sent() {
    let app = TestApp::new().await;
    let id = add(&app, &filled("Gold")).await.to_string();
    let rights = |view: bool, create: bool, edit: bool, delete: bool| json!({"name": "Ada", "can_edit": true, "plans": {"view": view, "create": create, "edit": edit, "delete": delete}});
    let looks = rights(true, false, false, false);
    let rule = json!({"name": "Night", "download_percent": 200, "upload_percent": 200});
    let rule = app.send("POST", "/v1/bandwidth-rules", &rule).await.body["id"].to_string();
    let html = text_of(&as_other(&app, "plans", looks.clone(), json!({}), None).await.ok()["html"]);
    for button in ["Add a plan", "Delete", "copy=", "Edit"] {
        assert!(!html.contains(button), "{button} is offered: {html}");
    }
    assert!(html.contains("View<"), "{html}");
    let form = text_of(&as_other(&app, "plans", looks.clone(), json!({"plan": id}), None).await.ok()["html"]);
    assert!(form.contains("<fieldset disabled>") && !form.contains(">Save</button> <a"), "{form}");
    for (page, query, form) in [
        ("plans", json!({"add": "1"}), filled("New")),
        ("plans", json!({"plan": id}), filled("Other")),
        ("plans", json!({"copy": id}), json!({"do": "duplicate", "name": "New"})),
        ("plans", json!({"remove": id}), json!({"do": "delete"})),
        ("rules", json!({"add": "1"}), json!({"do": "save", "name": "x"})),
        ("rules", json!({"rule": rule}), json!({"do": "delete"})),
    ] {
        let refused = as_other(&app, page, looks.clone(), query, Some(form.clone())).await;
        assert!(refused.status == 405 || refused.body["status"] == 405, "{page} {form}: {}", refused.body);
    }
    // A right that is not the button's does not press it.
    let refused =
        as_other(&app, "plans", rights(true, true, false, true), json!({"plan": id}), Some(filled("Other"))).await;
    assert!(refused.status == 405 || refused.body["status"] == 405, "{}", refused.body);
    let blind = rights(false, true, true, true);
    for page in ["plans", "fup", "rules"] {
        let refused = as_other(&app, page, blind.clone(), json!({}), None).await;
        assert_eq!((refused.status, refused.code()), (405, "method-not-allowed"), "{page}");
    }
    let overview = text_of(&as_other(&app, "overview", blind, json!({}), None).await.ok()["html"]);
    assert!(!overview.contains("page=plans") && !overview.contains("page=rules"), "{overview}");
    let all = app.plans("GET", "", &json!({})).await.ok();
    assert_eq!((all["plans"].as_array().unwrap().len(), &all["plans"][0]["name"]), (1, &json!("Gold")));
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_lead_to_the_accounts_behind_them() {
    let app = TestApp::new().await;
    let id = add(&app, &filled("Gold")).await;
    add(&app, &filled_with("Open", json!({"monthly_fup1_threshold": ""}))).await;
    for (service, plan) in [(41, "Gold"), (42, "Gold"), (43, "Open")] {
        let on = json!({"settings": {"plan": plan, "download_mbps": "", "upload_mbps": ""}});
        app.hook("create", &app.body_with(service, &on)).await.ok();
    }
    let html = app.admin("fup", &json!({})).await;
    let figure = |title: &str| {
        let after = html.split(title).nth(1).unwrap();
        after
            .split("tp-figure\">")
            .nth(1)
            .unwrap()
            .trim_start_matches(|it: char| !it.is_ascii_digit())
            .chars()
            .next()
            .unwrap()
    };
    assert_eq!((figure(">On plans<"), figure(">Unlimited (")), ('3', '1'));
    assert!(html.contains(&format!("accounts&amp;plan={id}")) && html.contains("from 80 GB"), "{html}");
    let slowed = app.admin("accounts", &json!({"fup": "slowed"})).await;
    assert!(slowed.contains("No account is like that"), "{slowed}");
    let odd = app.admin("accounts", &json!({"fup": "' OR 1=1"})).await;
    assert!(odd.contains("7-41") && odd.contains("7-43"), "{odd}");
    let full = app.admin("accounts", &json!({"fup": "full", "plan": id.to_string()})).await;
    assert!(full.contains("7-41") && !full.contains("7-43"), "{full}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bandwidth_rules_are_kept_on_their_page() {
    let app = TestApp::new().await;
    let id = add(&app, &filled("Gold")).await;
    let mut form = json!({"do": "save", "enabled": "on", "name": "Happy hour", "day_fri": "on", "day_sat": "on",
        "time_from": "22:00", "time_to": "2:00", "download_percent": "150", "upload_percent": "100", "priority": "3"});
    form[format!("plan_{id}")] = json!("on");
    let (_, said) = app.pressed("rules", &json!({"add": "1"}), &form).await;
    assert_eq!(said, "The bandwidth rule Happy hour is added; it counts from the next poll on.");
    let html = app.admin("rules", &json!({})).await;
    for shown in ["Happy hour", "Fri, Sat", "22:00–02:00", "Gold", "150 %", ">waits<"] {
        assert!(html.contains(shown), "{shown} is missing: {html}");
    }
    let rules = app.send("GET", "/v1/bandwidth-rules", &json!({})).await.ok();
    let rule = rules["rules"][0]["id"].to_string();
    form["time_to"] = json!("25:00");
    let wrong = app.press("rules", &json!({"rule": rule}), &form).await;
    let html = text_of(&wrong["html"]);
    assert!(
        wrong["status"] == 422 && html.contains("value=\"25:00\"") && html.contains("must be a time of day"),
        "{html}"
    );
    assert!(
        html.contains("name=\"day_fri\" value=\"on\" checked")
            && !html.contains("name=\"day_mon\" value=\"on\" checked")
    );
    let none = json!({"do": "save", "name": "x", "download_percent": "1", "upload_percent": "1"});
    let wrong = app.press("rules", &json!({"add": "1"}), &none).await;
    assert!(text_of(&wrong["html"]).contains("must be one at least"));
    let (_, said) = app.pressed("rules", &json!({"rule": rule}), &json!({"do": "delete"})).await;
    assert_eq!(said, "The bandwidth rule is removed.");
    assert!(app.admin("rules", &json!({})).await.contains("There is no rule"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_page_shows_its_plan_and_staff_intervene_there() {
    let app = TestApp::new().await;
    add(&app, &filled("Gold")).await;
    let on = json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": "", "traffic_gb_monthly": ""}});
    let made = app.hook("create", &app.body_with(41, &on)).await.ok();
    app.dial(&made);
    assert!(app.router.carry("7-41", 80 << 30, 0));
    app.pass(Duration::days(10));
    app.collect().await;
    app.step().await;
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "512000/1000000");
    let query = json!({"service": "41"});
    let html = app.admin("accounts", &query).await;
    for shown in ["Plan <a", ">Gold<", "Monthly tier 1: 80 GB or more were used.", "512k/1000k", "Reset the cycle"] {
        assert!(html.contains(shown), "{shown} is missing: {html}");
    }
    assert!(app.admin("fup", &json!({})).await.contains("accounts&amp;fup=monthly-1"));
    assert!(app.admin("accounts", &json!({"fup": "monthly-1"})).await.contains("7-41"));
    let once = |n: u32| format!("{n:032x}");

    let bonus = json!({"do": "bonus", "gb": "10", "once": once(1)});
    let (_, said) = app.pressed("accounts", &query, &bonus).await;
    assert_eq!(said, "10 GB of bonus for this cycle.");
    app.pressed("accounts", &query, &bonus).await;
    let html = app.admin("accounts", &query).await;
    assert!(html.contains("Full speed.") && html.contains("10 GB of bonus"), "sent twice, given once: {html}");
    let (_, said) = app.pressed("accounts", &query, &json!({"do": "bonus", "gb": "-10", "once": once(2)})).await;
    assert_eq!(said, "-10 GB of bonus for this cycle.");
    assert!(app.admin("accounts", &query).await.contains("Monthly tier 1"));
    app.pressed("accounts", &query, &json!({"do": "reset-cycle", "once": once(3)})).await;
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "1000000/2000000");
    app.pressed("accounts", &query, &json!({"do": "reset-daily", "once": once(4)})).await;
    let own = json!({"do": "override", "download_speed": "1.5M", "upload_speed": "", "price": "4.50", "once": once(5)});
    app.pressed("accounts", &query, &own).await;
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "1000000/1500000");
    let html = app.admin("accounts", &query).await;
    assert!(html.contains("value=\"1.5M\"") && html.contains("for this subscriber alone"), "{html}");
    for (form, status) in [
        (json!({"do": "bonus", "gb": "much", "once": once(6)}), 422),
        (json!({"do": "override", "download_speed": "fast", "once": once(7)}), 422),
        (json!({"do": "reset-daily"}), 400),
    ] {
        assert_eq!(app.press("accounts", &query, &form).await["status"], status, "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_are_told_which_quota_keeps_an_unmetered_account_off() {
    for (plan, what) in [
        (with(json!({"daily_quota": "2 GB", "quota_action": "block"})), "The daily quota is used up"),
        (with(json!({"time_quota": 60, "quota_action": "block"})), "The day’s time online is used up"),
    ] {
        let app = TestApp::new().await;
        app.plan(&plan).await;
        let user = app.create_on_plan(41, json!({})).await;
        app.step().await;
        app.pass(Duration::hours(1));
        app.receive(&user, 2 * GB).await;
        assert_eq!(app.account(41).await["causes"], json!(["quota"]));
        let why = app.why_off(41).await;
        assert_eq!(
            why,
            format!("{what} (lifted by the day’s new beginning at 2026-11-21 00:05 UTC, or a reset of the day)")
        );
        let page = app.admin("accounts", &json!({"service": "41"})).await;
        assert!(page.contains(what) && page.contains("Lifted by the day’s new beginning"), "{page}");
        assert!(!page.contains("Balance used up"), "{page}");
        let list = app.admin("accounts", &json!({})).await;
        assert!(list.contains("plan’s quota used up") && !list.contains("balance used up"), "{list}");
        assert!(app.admin("overview", &json!({})).await.contains("Balance or quota used up"));
        // It is over, and nobody has read since.
        app.pass(Duration::hours(13));
        assert_eq!(app.why_off(41).await, "Used up until now (lifted by the next reading)");
    }
}

/// A page that was left open: what it was sent for is done, and its other forms still can be sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_used_for_something_else_says_so_and_has_a_key_that_works() {
    let app = TestApp::new().await;
    add(&app, &filled("Gold")).await;
    let on = json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": "", "traffic_gb_monthly": "10"}});
    app.hook("create", &app.body_with(41, &on)).await.ok();
    let query = json!({"service": "41"});
    let settled = |speed: &str, once: &str| json!({"do": "override", "download_speed": speed, "upload_speed": "", "price": "", "once": once});
    for what in ["override", "bonus", "add"] {
        let form = |value: &str, once: &str| match what {
            "override" => settled(["1500k", "1M"][usize::from(value == "2")], once),
            what => json!({"do": what, "gb": value, "note": "", "once": once}),
        };
        let once = hidden(&app.admin("accounts", &query).await, what, "once");
        app.pressed("accounts", &query, &form("1", &once)).await;
        app.pressed("accounts", &query, &form("1", &once)).await;
        let answer = app.press("accounts", &query, &form("2", &once)).await;
        let html = text_of(&answer["html"]);
        assert_eq!(answer["status"], 409, "{what}: {html}");
        assert!(html.contains("What this page was first sent for is done"), "{what}: {html}");
        let fresh = hidden(&html, what, "once");
        assert_ne!(fresh, once, "{what}");
        app.pressed("accounts", &query, &form("2", &fresh)).await;
    }
    assert_eq!(app.queue("7-41", "max-limit").unwrap(), "1000000/1000000", "what was settled last holds");
    let mut added: Vec<i64> =
        app.ledger(41).await.into_iter().filter(|it| it.0 == "top-up").map(|it| it.1 >> 30).collect();
    added.sort_unstable();
    assert_eq!(added, [1, 2]);
}
