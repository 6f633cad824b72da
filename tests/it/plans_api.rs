//! `/v1/plans` and `/v1/bandwidth-rules`, contract by contract, through the front door.

use crate::world::{Answer, TestApp, noon};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::catalogue::cdn::{self, Profile};

/// What staff would call a plan with some tiers.
fn gold() -> Value {
    json!({
        "name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M",
        "fup1_threshold": "10 GB", "fup1_download_speed": "4M", "fup1_upload_speed": "1M",
        "fup2_threshold": "20 GB", "fup2_download_speed": "2M", "fup2_upload_speed": "512k",
        "monthly_fup1_threshold": "80 GB", "monthly_fup1_download_speed": "1M", "monthly_fup1_upload_speed": "1M",
    })
}

fn with(more: Value) -> Value {
    let mut body = gold();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

impl TestApp {
    pub async fn plans(&self, method: &str, below: &str, body: &Value) -> Answer {
        self.send(method, &format!("/v1/plans{below}"), body).await
    }

    /// A plan made of these fields; its number.
    pub async fn plan(&self, body: &Value) -> u64 {
        let made = self.plans("POST", "", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["id"].as_u64().unwrap()
    }

    /// A CDN profile's number.
    pub async fn cdn_profile(&self) -> u64 {
        let profile = Profile::parse("Mirrors", "192.0.2.0/24").unwrap();
        let mut tx = self.app.db.begin().await.unwrap();
        let id = cdn::add(&mut tx, &profile, noon()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A service on the plan of that name.
    async fn on_plan(&self, service_id: u64, name: &str) -> Answer {
        self.hook(
            "create",
            &self.body_with(service_id, &json!({"settings": {"plan": name, "download_mbps": "", "upload_mbps": ""}})),
        )
        .await
    }
}

fn names(answer: &Value) -> Vec<&str> {
    answer["plans"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_read_replaced_and_removed() {
    let app = TestApp::new().await;
    assert_eq!(app.plans("GET", "", &json!({})).await.ok(), json!({"plans": [], "sort": "order"}));
    let made = app.plans("POST", "", &gold()).await;
    assert_eq!(made.status, 201);
    let id = made.body["id"].as_u64().unwrap();
    let shown = &made.body;
    assert_eq!((&shown["download_speed"], &shown["download_speed_string"]), (&json!(10_000), &json!("10M")));
    assert_eq!(shown["fup1_threshold"], 10_u64 << 30);
    assert_eq!((&shown["subscribers"], &shown["rate_string"]), (&json!(0), &json!("2000k/10000k")));
    assert_eq!(shown["changed_at"], "2026-11-20T12:00:00Z");
    assert_eq!(app.plans("GET", &format!("/{id}"), &json!({})).await.ok(), *shown);

    app.pass(Duration::minutes(1));
    let same = app.plans("PUT", &format!("/{id}"), shown).await.ok();
    assert_eq!(same, *shown, "what was answered, sent back, changes nothing, not even the instant");
    let burst = json!({"burst_download": "20M", "burst_upload": "4M", "name": "Gold 2"});
    let changed = app.plans("PUT", &format!("/{id}"), &with(burst)).await.ok();
    assert_eq!(changed["rate_string"], "2000k/10000k 4000k/20000k 1500k/7500k 10/10");
    assert_eq!((&changed["name"], &changed["changed_at"]), (&json!("Gold 2"), &json!("2026-11-20T12:01:00Z")));
    let replaced = app.plans("PUT", &format!("/{id}"), &gold()).await.ok();
    assert_eq!((&replaced["burst_download"], &replaced["name"]), (&json!(0), &json!("Gold")), "it is replaced whole");

    let gone = app.plans("DELETE", &format!("/{id}"), &json!({})).await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));
    for (method, below) in [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/duplicate"), ("POST", "/simulate")] {
        let answer = app.plans(method, &format!("/{id}{below}"), &gold()).await;
        assert_eq!((answer.status, answer.code()), (404, "no-such-plan"), "{method} {below}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_sorted_by_numbers_where_they_are_numbers() {
    let app = TestApp::new().await;
    let least = |name: &str, speed: &str, price: &str, order: i32| json!({"name": name, "download_speed": speed, "upload_speed": "1M", "price": price, "sort_order": order});
    for (name, speed, price, order) in
        [("ten", "10M", "9", 3), ("Two", "2M", "100", 2), ("unlimited", "0", "20", 2), ("eight", "8M", "8.5", 1)]
    {
        app.plan(&least(name, speed, price, order)).await;
    }
    for (query, wanted) in [
        ("", ["eight", "Two", "unlimited", "ten"]),
        ("?sort=order", ["eight", "Two", "unlimited", "ten"]),
        ("?sort=name", ["eight", "ten", "Two", "unlimited"]),
        ("?sort=speed", ["Two", "eight", "ten", "unlimited"]),
        ("?sort=price", ["eight", "ten", "unlimited", "Two"]),
        ("?sort=price&direction=desc", ["Two", "unlimited", "ten", "eight"]),
    ] {
        assert_eq!(names(&app.plans("GET", query, &json!({})).await.ok()), wanted, "{query}");
    }
    for query in ["?sort=size", "?sort=", "?direction=down"] {
        let refused = app.plans("GET", query, &json!({})).await;
        assert_eq!((refused.status, refused.code()), (400, "malformed"), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_field_and_nothing_is_kept() {
    let app = TestApp::new().await;
    for (more, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "a\u{0}b"}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"price": null}), "price"),
        (json!({"price": "1e9"}), "price"),
        (json!({"price": "-1"}), "price"),
        (json!({"download_speed": "fast"}), "download_speed"),
        (json!({"upload_speed": {"k": 1}}), "upload_speed"),
        (json!({"fup2_threshold": "10 GB"}), "fup2_threshold"),
        (json!({"fup2_download_speed": "5M"}), "fup2_download_speed"),
        (json!({"monthly_fup1_upload_speed": "3M"}), "monthly_fup1_upload_speed"),
        (json!({"daily_quota": "'; DROP TABLE plan; --"}), "daily_quota"),
        (json!({"daily_quota": 18_446_744_073_709_551_615_u64}), "daily_quota"),
        (json!({"time_based_speed_enabled": true, "time_from": "06:00", "time_to": "06:00"}), "time_to"),
        (json!({"expiry_value": 99_999}), "expiry_value"),
        (json!({"nas_id": -1}), "nas_id"),
        (json!({"cdn_fup_enabled": true}), "cdn_profile_id"),
        (json!({"cdn_fup_enabled": true, "cdn_profile_id": 999}), "cdn_profile_id"),
    ] {
        let refused = app.plans("POST", "", &with(more.clone())).await;
        assert_eq!((refused.status, refused.code()), (422, "plan-invalid"), "{more}: {}", refused.body);
        assert_eq!(refused.body["field"], field, "{more}");
    }
    for body in [json!([1]), json!("gold"), json!(7), Value::Null] {
        let refused = app.plans("POST", "", &body).await;
        assert_eq!((refused.status, refused.code()), (400, "malformed"), "{body}");
    }
    let broken = app.send_raw("POST", "/v1/plans", "application/json", b"{\"name\":".to_vec()).await;
    assert_eq!((broken.status, broken.code()), (400, "malformed"));
    let form = app.send_raw("POST", "/v1/plans", "application/x-www-form-urlencoded", b"name=Gold".to_vec()).await;
    assert_eq!((form.status, form.code()), (415, "not-json"));
    for (method, below) in
        [("DELETE", ""), ("PUT", ""), ("POST", "/1"), ("GET", "/1/simulate"), ("PUT", "/1/duplicate")]
    {
        let refused = app.plans(method, below, &gold()).await;
        assert_eq!((refused.status, refused.code()), (405, "method-not-allowed"), "{method} {below}");
    }
    assert_eq!(app.plans("GET", "", &json!({})).await.ok()["plans"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_kept_as_they_are_and_no_two_plans_have_one_name() {
    let app = TestApp::new().await;
    let odd = ["<script>alert(1)</script>", "'; DROP TABLE plan; --", "100 % \\\" _ń漢字😀", "../..", "{{ 7*7 }}"];
    for name in odd {
        let id = app.plan(&with(json!({"name": name, "description": name, "pool_name": name}))).await;
        let got = app.plans("GET", &format!("/{id}"), &json!({})).await.ok();
        assert_eq!((&got["name"], &got["description"], &got["pool_name"]), (&json!(name), &json!(name), &json!(name)));
    }
    let gold_id = app.plan(&gold()).await;
    let other = app.plan(&with(json!({"name": "Silver"}))).await;
    for name in ["Gold", "gold", "  GOLD  "] {
        for (method, below) in
            [("POST", String::new()), ("PUT", format!("/{other}")), ("POST", format!("/{other}/duplicate"))]
        {
            let refused = app.plans(method, &below, &with(json!({"name": name}))).await;
            assert_eq!((refused.status, refused.code()), (422, "plan-invalid"), "{method} {name}: {}", refused.body);
            assert_eq!(refused.body["field"], "name");
        }
    }
    // Its own name, spelled otherwise, is its own.
    let renamed = app.plans("PUT", &format!("/{gold_id}"), &with(json!({"name": "GOLD"}))).await.ok();
    assert_eq!(renamed["name"], "GOLD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_has_everything_but_the_name() {
    let app = TestApp::new().await;
    let all = json!({
        "commercial_name": "Gold!", "description": "two\nlines", "day_price": "0.50", "reset_price": "3.00",
        "burst_download": "20M", "burst_upload": "4M", "soft_fup_enabled": true, "monthly_quota": "500 GB",
        "quota_action": "throttle", "quota_download_speed": 64, "quota_upload_speed": 32, "time_quota": 90,
        "time_based_speed_enabled": true, "time_from": "00:00", "time_to": "06:00", "download_ratio": 100,
        "upload_ratio": 70, "expiry_value": 7, "expiry_unit": "days", "nas_id": 3, "pool_name": "vpn",
        "address_list_in": "in", "filter_id_fup1": "f1", "sort_order": 4, "cdn_fup_enabled": true,
        "cdn_profile_id": app.cdn_profile().await, "cdn_download_speed": "50M", "cdn_upload_speed": "9M",
    });
    let id = app.plan(&with(all)).await;
    let original = app.plans("GET", &format!("/{id}"), &json!({})).await.ok();
    let below = format!("/{id}/duplicate");
    for name in ["Gold (Copy)", "Gold (Copy 2)", "Gold (Copy 3)"] {
        let copy = app.plans("POST", &below, &json!({})).await;
        assert_eq!(copy.status, 201);
        let mut wanted = original.clone();
        wanted["id"] = copy.body["id"].clone();
        wanted["name"] = json!(name);
        assert_eq!(copy.body, wanted);
    }
    let named = app.plans("POST", &below, &json!({"name": "Platinum"})).await;
    assert_eq!((named.status, &named.body["name"], &named.body["pool_name"]), (201, &json!("Platinum"), &json!("vpn")));
    let bare = app.send_raw("POST", &format!("/v1/plans{below}"), "application/json", vec![]).await;
    assert_eq!((bare.status, &bare.body["name"]), (201, &json!("Gold (Copy 4)")));
    let untyped = app.send_raw("POST", &format!("/v1/plans{below}"), "", vec![]).await;
    assert_eq!((untyped.status, &untyped.body["name"]), (201, &json!("Gold (Copy 5)")));
    let simulated = app.send_raw("POST", &format!("/v1/plans/{id}/simulate"), "", vec![]).await;
    assert_eq!(simulated.status, 200, "{}", simulated.body);
    for (target, bytes) in [(format!("/v1/plans{below}"), b"{}".to_vec()), ("/v1/plans".to_owned(), vec![])] {
        let refused = app.send_raw("POST", &target, "", bytes).await;
        assert_eq!((refused.status, refused.code()), (415, "not-json"), "{target}");
    }
    let refused = app.plans("POST", &below, &json!({"name": "x".repeat(101)})).await;
    assert_eq!((refused.status, refused.code(), &refused.body["field"]), (422, "plan-invalid", &json!("name")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_somebody_is_on_stays() {
    let app = TestApp::new().await;
    let id = app.plan(&gold()).await;
    // Products may name it as people write it.
    app.on_plan(41, "gold").await.ok();
    app.on_plan(42, "Gold").await.ok();
    assert_eq!(app.plans("GET", &format!("/{id}"), &json!({})).await.ok()["subscribers"], 2);
    let refused = app.plans("DELETE", &format!("/{id}"), &json!({})).await;
    assert_eq!((refused.status, refused.code(), &refused.body["subscribers"]), (409, "plan-in-use", &json!(2)));
    assert!(refused.body["detail"].as_str().unwrap().contains("2 subscribers are on it"), "{}", refused.body);
    app.hook("terminate", &app.body(41)).await.ok();
    let refused = app.plans("DELETE", &format!("/{id}"), &json!({})).await;
    assert!(refused.body["detail"].as_str().unwrap().contains("1 subscriber is on it"), "{}", refused.body);
    app.hook("terminate", &app.body(42)).await.ok();
    assert_eq!(app.plans("DELETE", &format!("/{id}"), &json!({})).await.status, 204);
    let (status, code, detail) =
        app.refused("create", &app.body_with(43, &json!({"settings": {"plan": "Gold"}}))).await;
    assert_eq!((status, code.as_str()), (422, "setting-invalid"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_that_race_with_a_removal_leave_nobody_on_a_plan_that_is_gone() {
    let app = TestApp::new().await;
    for round in 0..4_u64 {
        let id = app.plan(&gold()).await;
        let (first, second) = (100 + round * 2, 101 + round * 2);
        let below = format!("/{id}");
        let (one, gone, two) = tokio::join!(
            app.on_plan(first, "Gold"),
            app.plans("DELETE", &below, &Value::Null),
            app.on_plan(second, "Gold")
        );
        let living = [&one, &two].iter().filter(|it| it.status == 200).count();
        assert!(
            [&one, &two].iter().all(|it| it.status == 200 || it.code() == "setting-invalid"),
            "{} {}",
            one.body,
            two.body
        );
        match gone.status {
            204 => assert_eq!(living, 0, "a service is on a plan that was removed"),
            409 => {
                assert!(living > 0, "{}", gone.body);
                for service in [first, second] {
                    app.hook("terminate", &app.body(service)).await;
                }
                assert_eq!(app.plans("DELETE", &below, &Value::Null).await.status, 204);
            }
            other => panic!("{other}: {}", gone.body),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_speed_is_the_subscribers_and_their_routers_without_a_disconnect() {
    let app = TestApp::new().await;
    let id = app.plan(&gold()).await;
    let made = app.on_plan(41, "Gold").await.ok();
    let name = made["account"]["username"].as_str().unwrap().to_owned();
    app.dial(&made);
    let own = app.body_with(42, &json!({"settings": {"plan": "Gold", "download_mbps": "33", "upload_mbps": ""}}));
    let other = app.hook("create", &own).await.ok()["account"]["username"].as_str().unwrap().to_owned();
    assert_eq!(app.queue(&name, "max-limit").unwrap(), "2000000/10000000");
    assert_eq!(app.queue(&other, "max-limit").unwrap(), "2000000/33000000");
    let faster = with(json!({"download_speed": "20M", "upload_speed": "5M"}));
    app.plans("PUT", &format!("/{id}"), &faster).await.ok();
    app.pass(Duration::minutes(2));
    app.step().await;
    assert_eq!(app.queue(&name, "max-limit").unwrap(), "5000000/20000000");
    assert_eq!(app.queue(&other, "max-limit").unwrap(), "5000000/33000000", "its own download stays");
    assert!(!app.writes().iter().any(|it| it.starts_with("/ppp/active/remove")), "nobody was disconnected");
    // Sent again, nothing waits for the router.
    app.plans("PUT", &format!("/{id}"), &faster).await.ok();
    assert_eq!(app.account(41).await["pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renaming_says_that_products_must_follow() {
    let app = TestApp::new().await;
    let id = app.plan(&gold()).await;
    let silent = app.plans("PUT", &format!("/{id}"), &with(json!({"name": "Gold 10"}))).await.ok();
    assert_eq!(silent.get("warning"), None, "nobody is on it");
    app.on_plan(41, "Gold 10").await.ok();
    let told = app.plans("PUT", &format!("/{id}"), &with(json!({"name": "Aurum"}))).await.ok();
    assert!(told["warning"].as_str().unwrap().contains("Gold 10 must be changed to Aurum"), "{told}");
    assert_eq!(told["subscribers"], 1, "who is on it stays on it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_tells_level_speed_rule_and_resets() {
    let app = TestApp::with("time.zone = \"Europe/Berlin\"\n").await;
    let hours = json!({"burst_download": "20M", "burst_upload": "4M", "time_based_speed_enabled": true, "time_from": "00:00",
        "time_to": "06:00", "download_ratio": 100, "upload_ratio": 100, "reset_price": 1});
    let id = app.plan(&with(hours)).await;
    let below = format!("/{id}/simulate");
    let at = |more: Value| {
        let mut body = json!({"at": "2026-11-20T20:30:00Z"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let full = app.plans("POST", &below, &at(json!({}))).await.ok();
    assert_eq!((&full["level"], &full["why"], &full["because"]), (&json!(0), &json!("full"), &json!("Full speed.")));
    assert_eq!(full["rate_string"], "2000k/10000k 4000k/20000k 1500k/7500k 10/10");
    assert_eq!(full["next_daily_tier"]["tier"], 1);
    assert_eq!(full["next_daily_tier"]["left_bytes"], 10_u64 << 30);
    assert_eq!((&full["free_hours"]["on"], &full["rule"]), (&json!(false), &Value::Null));
    assert_eq!(full["free_hours"]["changes_at"], "2026-11-20T23:00:00Z");
    assert_eq!(full["resets"], json!({"daily": "2026-11-20T23:05:00Z", "monthly": "2026-12-20"}));

    let eighty = app.plans("POST", &below, &at(json!({"monthly_bytes": "80 GB"}))).await.ok();
    assert_eq!(
        (&eighty["level"], &eighty["why"], &eighty["monthly_level"]),
        (&json!(1), &json!("monthly-1"), &json!(1))
    );
    assert_eq!((&eighty["download_speed"], &eighty["rate_string"]), (&json!(1_000), &json!("1000k/1000k")));
    assert_eq!(
        (&eighty["because"], &eighty["next_monthly_tier"]),
        (&json!("Monthly tier 1: 80 GB or more were used."), &Value::Null)
    );
    let bonus = app.plans("POST", &below, &at(json!({"monthly_bytes": "80 GB", "bonus_bytes": 1}))).await.ok();
    assert_eq!(bonus["why"], "full");
    let both =
        app.plans("POST", &below, &at(json!({"monthly_bytes": "90 GB", "daily_bytes": 20_u64 << 30}))).await.ok();
    assert_eq!((&both["daily_level"], &both["level"], &both["why"]), (&json!(2), &json!(2), &json!("monthly-1")));
    let slow = app.plans("POST", &below, &at(json!({"download_speed": "3M", "daily_bytes": "10 GB"}))).await.ok();
    assert_eq!((&slow["download_speed"], &slow["full_speed"]["download_speed"]), (&json!(3_000), &json!(3_000)));

    // Local times are the installation's.
    let night = app.plans("POST", &below, &json!({"at": "03:00"})).await.ok();
    assert_eq!((&night["at"], &night["free_hours"]["on"]), (&json!("2026-11-20T02:00:00Z"), &json!(true)));
    let typed = app.plans("POST", &below, &json!({"at": "2026-11-20T21:30"})).await.ok();
    assert_eq!(typed["at"], "2026-11-20T20:30:00Z");

    let rule = json!({"name": "Evening", "time_from": "20:00", "time_to": "22:00", "download_percent": 50, "upload_percent": 100});
    assert_eq!(app.send("POST", "/v1/bandwidth-rules", &rule).await.status, 201);
    let ruled = app.plans("POST", &below, &at(json!({}))).await.ok();
    assert_eq!((&ruled["rule"]["name"], &ruled["download_speed"]), (&json!("Evening"), &json!(5_000)));

    for (more, field) in [
        (json!({"at": "tomorrow"}), "at"),
        (json!({"at": 7}), "at"),
        (json!({"daily_bytes": "much"}), "daily_bytes"),
        (json!({"monthly_bytes": -1}), "monthly_bytes"),
        (json!({"online_minutes": 1441}), "online_minutes"),
        (json!({"download_speed": "x"}), "download_speed"),
    ] {
        let refused = app.plans("POST", &below, &at(more.clone())).await;
        assert_eq!(
            (refused.status, refused.code(), &refused.body["field"]),
            (422, "setting-invalid", &json!(field)),
            "{more}"
        );
    }
    let bare = app.plans("POST", &below, &json!({})).await.ok();
    assert_eq!(bare["at"], "2026-11-20T12:00:00Z", "now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_blocks_is_told() {
    let app = TestApp::new().await;
    let id = app.plan(&with(json!({"daily_quota": "30 GB", "time_quota": 60}))).await;
    let below = format!("/{id}/simulate");
    let full = app.plans("POST", &below, &json!({"daily_bytes": "30 GB"})).await.ok();
    assert_eq!((&full["blocked"], &full["full_quota"]), (&json!(true), &json!("daily")));
    let time = app.plans("POST", &below, &json!({"online_minutes": "60"})).await.ok();
    assert_eq!((&time["blocked"], &time["full_quota"]), (&json!(true), &json!("time")));
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_downs_offer_the_plans_of_their_server_and_keep_what_is_saved() {
    let app = TestApp::new().await;
    app.plan(&with(json!({"name": "Last", "sort_order": 9}))).await;
    app.plan(&with(json!({"name": "Best", "sort_order": -1}))).await;
    app.plan(&with(json!({"name": "Here", "nas_id": 3}))).await;
    app.plan(&with(json!({"name": "Elsewhere", "nas_id": 4}))).await;
    let body = app.body(41);
    let offered = app.hook("options", &body).await.ok();
    assert_eq!(offered["plans"], json!(["Best", "Here", "Last"]));
    let saved = app.body_with(41, &json!({"settings": {"plan": "Elsewhere"}}));
    assert_eq!(app.hook("options", &saved).await.ok()["plans"], json!(["Best", "Here", "Last", "Elsewhere"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bandwidth_rules_are_made_listed_replaced_and_removed() {
    let app = TestApp::new().await;
    let rules = async |method: &str, below: &str, body: &Value| {
        app.send(method, &format!("/v1/bandwidth-rules{below}"), body).await
    };
    let plan = app.plan(&gold()).await;
    let night = json!({"name": "Night", "days": ["fri", "sat"], "time_from": "22:00", "time_to": "06:00", "plans": [plan],
        "download_percent": 200, "upload_percent": 150, "priority": 5});
    let made = rules("POST", "", &night).await;
    assert_eq!(made.status, 201);
    let id = made.body["id"].as_u64().unwrap();
    for (name, value) in night.as_object().unwrap() {
        assert_eq!(&made.body[name], value, "{name}");
    }
    let day = json!({"name": "Always", "download_percent": 50, "upload_percent": 50});
    rules("POST", "", &day).await;
    let list = rules("GET", "", &json!({})).await.ok();
    let told: Vec<_> = list["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["in_force"] == true))
        .collect();
    assert_eq!(told, [("Night", false), ("Always", true)]);
    let off = rules(
        "PUT",
        &format!("/{id}"),
        &json!({"name": "Night", "enabled": false, "download_percent": 1, "upload_percent": 1000}),
    )
    .await
    .ok();
    assert_eq!(
        (&off["enabled"], &off["time_from"], &off["days"].as_array().unwrap().len()),
        (&json!(false), &Value::Null, &7)
    );
    for (more, field) in [
        (json!({"name": "x", "download_percent": 0, "upload_percent": 1}), "download_percent"),
        (json!({"name": "x", "download_percent": 1, "upload_percent": 1, "plans": [999]}), "plans"),
        (json!({"name": "x", "download_percent": 1, "upload_percent": 1, "days": ["someday"]}), "days"),
    ] {
        for (method, below) in [("POST", String::new()), ("PUT", format!("/{id}"))] {
            let refused = rules(method, &below, &more).await;
            assert_eq!(
                (refused.status, refused.code(), &refused.body["field"]),
                (422, "setting-invalid", &json!(field))
            );
        }
    }
    assert_eq!(rules("DELETE", &format!("/{id}"), &Value::Null).await.status, 204);
    for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null), ("PUT", day)] {
        let none = rules(method, &format!("/{id}"), &body).await;
        assert_eq!((none.status, none.code()), (404, "no-such-record"), "{method}");
    }
}
