//! CDN traffic counted apart by the router itself, and what it takes on the router: queues, lists, rules; nothing of it where
//! no plan wants it.

use crate::{
    admin_pages::text_of,
    binary::{err, out, run},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use turnpike::{
    account::fair_use::{self, FairUse},
    catalogue::cdn::{self, Profile},
    simulator::{Fault, When},
    work::{doctor, rebuild},
};

pub const LISTS: &str = "/ip/firewall/address-list";
const RULES: &str = "/ip/firewall/mangle";
const QUEUES: &str = "/queue/simple";
pub const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

impl TestApp {
    /// A CDN profile of these subnets; its number.
    pub async fn cdn(&self, name: &str, subnets: &str) -> u64 {
        let (profile, mut tx) = (Profile::parse(name, subnets).unwrap(), self.app.db.begin().await.unwrap());
        let id = cdn::add(&mut tx, &profile, self.clock.now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn change_cdn(&self, id: u64, name: &str, subnets: &str) {
        let (profile, mut tx) = (Profile::parse(name, subnets).unwrap(), self.app.db.begin().await.unwrap());
        assert!(cdn::replace(&mut tx, id, &profile, self.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// A service made on the plan, its customer online; the user name.
    pub async fn subscribe(&self, service_id: u64, plan: &str) -> String {
        let over = json!({"settings": {"plan": plan, "download_mbps": "", "upload_mbps": ""}});
        let made = self.hook("create", &self.body_with(service_id, &over)).await.ok();
        self.dial(&made);
        made["service"]["username"].as_str().unwrap().to_owned()
    }

    pub async fn used(&self, service_id: u64) -> FairUse {
        fair_use::find(&mut self.app.db.read().await.unwrap(), service_id).await.unwrap().unwrap()
    }

    pub async fn minute(&self) {
        self.pass(Duration::minutes(1));
        self.step().await;
    }

    /// The entries of our lists and of `vip`: list (without the installation's tag), address; in order.
    fn listed(&self) -> Vec<String> {
        let mut all: Vec<String> = self.router.world(|world| {
            let of = |row: &turnpike::simulator::Row| {
                let list = row.get("list").unwrap();
                let list = list.split_once("-cdn-").map_or(list.to_owned(), |(_, rest)| format!("cdn-{rest}"));
                format!("{list} {}", row.get("address").unwrap())
            };
            world.table(LISTS).rows().iter().map(of).collect()
        });
        all.sort();
        all
    }

    /// The page that says why nothing was saved.
    async fn not_saved(&self, query: &Value, form: &Value) -> String {
        let answer = self.press("cdn", query, form).await;
        assert_eq!(answer["status"], 422, "{answer}");
        text_of(&answer["html"])
    }

    fn rows(&self, menu: &str) -> usize {
        self.router.world(|world| world.table(menu).rows().len())
    }
}

/// 10M/2M, and CDN traffic at 50M/10M until 1 GB a day or 3 GB a cycle.
pub fn gold(profile: u64) -> Value {
    json!({
        "name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M",
        "fup1_threshold": "2 GB", "fup1_download_speed": "4M", "fup1_upload_speed": "1M",
        "cdn_fup_enabled": true, "cdn_profile_id": profile, "cdn_download_speed": "50M", "cdn_upload_speed": "10M",
        "cdn_fup1_threshold": "1 GB", "cdn_fup1_download_speed": "5M", "cdn_fup1_upload_speed": "1M",
        "monthly_cdn_fup1_threshold": "3 GB", "monthly_cdn_fup1_download_speed": "2M",
        "monthly_cdn_fup1_upload_speed": "1M",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn cdn_traffic_is_counted_apart_to_the_byte_and_its_tiers_slow_nothing_else() {
    let app = TestApp::new().await;
    let profile = app.cdn("Akamai", "203.0.113.0/24 198.51.100.9").await;
    app.plan(&gold(profile)).await;
    let name = app.subscribe(41, "Gold").await;
    let cdn_name = format!("{name}-cdn");
    assert_eq!(app.queue(&cdn_name, "max-limit").as_deref(), Some("10000000/50000000"));
    app.minute().await;
    let address = app.router.world(|world| world.get("/ppp/secret", &name, "remote-address")).unwrap();
    let cdn_lists = ["cdn-1 198.51.100.9", "cdn-1 203.0.113.0/24", &format!("cdn-1-accounts {address}")];
    assert_eq!(app.listed(), cdn_lists);
    assert_eq!(app.rows(RULES), 2);

    let before = app.balance(41).await;
    app.router.carry_with(&name, REMOTE, 700 * MB, 13);
    app.router.carry_with(&name, [198, 51, 100, 9].into(), 11, 5);
    app.router.carry(&name, 300 * MB, 17);
    app.minute().await;
    let used = app.used(41).await;
    assert_eq!((used.cdn_daily.0, used.cdn_monthly.0), (700 * MB + 29, 700 * MB + 29));
    assert_eq!(used.daily.total().0, 300 * MB + 17);
    assert_eq!(before - app.balance(41).await, i64::try_from(300 * MB + 17).unwrap(), "the balance pays for the rest");
    let speeds = || (app.queue(&cdn_name, "max-limit").unwrap(), app.queue(&name, "max-limit").unwrap());
    assert_eq!(speeds(), ("10000000/50000000".to_owned(), "2000000/10000000".to_owned()));

    app.router.carry_with(&name, REMOTE, 400 * MB, 0);
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_daily_level, 1);
    assert_eq!(speeds(), ("1000000/5000000".to_owned(), "2000000/10000000".to_owned()));
    assert!(app.router.is_online(&name), "nobody is disconnected for a speed");
    // A collection resets the account's own counter, and this one goes on.
    app.collect().await;
    app.router.carry_with(&name, REMOTE, 7, 1);
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_daily.0, 1_100 * MB + 37);
    app.router.carry(&name, 2 * GB, 0);
    app.minute().await;
    assert_eq!(speeds(), ("1000000/5000000".to_owned(), "1000000/4000000".to_owned()));
    // The day begins again: so do its CDN counter and speed; the cycle's go on.
    app.pass(Duration::hours(13));
    app.step().await;
    let used = app.used(41).await;
    assert_eq!((used.cdn_daily.0, used.cdn_monthly.0), (0, 1_100 * MB + 37));
    assert_eq!(speeds().0, "10000000/50000000");
    app.router.carry_with(&name, REMOTE, 2 * GB, 0);
    app.minute().await;
    assert_eq!(speeds().0, "1000000/2000000", "the cycle's tier is the slower one");
}

/// Until a tier's speed is set its traffic goes on at the speed before.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_before_a_tier_was_set_is_not_put_aside() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let profile = app.cdn("Akamai", "203.0.113.0/24").await;
    app.plan(&gold(profile)).await;
    let name = app.subscribe(41, "Gold").await;
    for _ in 0..4 {
        app.minute().await;
        app.router.carry_with(&name, REMOTE, 300 * MB, 0);
    }
    app.minute().await;
    assert_eq!(app.queue(&format!("{name}-cdn"), "max-limit").as_deref(), Some("1000000/5000000"));
    // Some seconds of 50 Mbit/s, and a minute of 5.
    app.router.carry_with(&name, REMOTE, 60 * MB, 0);
    app.minute().await;
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 0);
    assert_eq!(app.used(41).await.cdn_daily.0, 1_260 * MB);
}

#[tokio::test(flavor = "multi_thread")]
async fn cdn_traffic_that_cannot_be_waits_for_a_person_and_is_nobodys_until_then() {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let profile = app.cdn("Akamai", "203.0.113.0/24").await;
    app.plan(&gold(profile)).await;
    let name = app.subscribe(41, "Gold").await;
    app.minute().await;
    let before = app.balance(41).await;
    for _twice in 0..2 {
        // A minute of 50 Mbit/s is 375 MB.
        app.router.carry_with(&name, REMOTE, 2 * GB, 0);
        app.minute().await;
    }
    assert_eq!(app.used(41).await.cdn_daily.0, 0);
    assert_eq!(app.metric("turnpike_stored{kind=\"quarantine_waiting\"}").await, 2);
    let page = app.admin("quarantine", &json!([])).await;
    assert!(page.contains("CDN traffic") && page.contains("the balance pays for none of it"), "{page}");
    app.pressed("quarantine", &json!([]), &json!({"do": "drop", "doubt": "1"})).await;
    app.pressed("quarantine", &json!([]), &json!({"do": "accept", "doubt": "2"})).await;
    let used = app.used(41).await;
    assert_eq!((used.cdn_daily.0, used.cdn_monthly.0, used.daily.total().0), (2 * GB, 2 * GB, 0));
    assert_eq!(app.balance(41).await, before, "nobody pays for CDN traffic");
    // The tier that was reached holds from the next reading on, and counting went on from what was put aside.
    app.router.carry_with(&name, REMOTE, MB, 0);
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_daily.0, 2 * GB + MB);
    assert_eq!(app.queue(&format!("{name}-cdn"), "max-limit").as_deref(), Some("1000000/5000000"));
}

/// Everything of ours on the router, in its order, without ids and counters.
fn everything(app: &TestApp) -> Vec<String> {
    let menus: &[(&str, &[&str])] = &[
        ("/ppp/secret", &["name", "password", "service", "profile", "remote-address", "disabled", "comment"]),
        (QUEUES, &["name", "target", "max-limit", "burst-limit", "packet-marks", "queue", "disabled", "comment"]),
        (LISTS, &["list", "address", "disabled", "comment"]),
        (RULES, &["chain", "action", "new-packet-mark", "src-address-list", "dst-address-list", "disabled", "comment"]),
    ];
    let mut all = Vec::new();
    for (menu, columns) in menus {
        let mut rows = app.router.world(|world| {
            let of = |row: &turnpike::simulator::Row| {
                let values = columns.iter().map(|it| row.get(it).unwrap_or_default());
                format!("{menu} {}", values.collect::<Vec<_>>().join(" | "))
            };
            world.table(menu).rows().iter().map(of).collect::<Vec<_>>()
        });
        // Each account's queues stay in their order; the accounts' own order is of no account.
        rows.sort_by_key(|row| row.replace("-cdn |", " |").split(" | ").next().unwrap().to_owned());
        all.extend(rows);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_router_gets_back_cdn_queues_lists_rules_speeds_and_blocks_and_a_dry_run_names_each() {
    let app = TestApp::new().await;
    let subnets: Vec<String> = (0..600).map(|it| format!("198.18.{}.{}", it / 64, it % 64 * 4)).collect();
    let profile = app.cdn("Akamai", &subnets.join(" ")).await;
    app.plan(&gold(profile)).await;
    let slowed = app.subscribe(41, "Gold").await;
    app.subscribe(42, "Gold").await;
    app.create(43).await;
    app.minute().await;
    app.router.carry(&slowed, 3 * GB, 0);
    app.minute().await;
    app.hook("suspend", &app.body(42)).await.ok();
    app.hook("admin-block", &app.body(43)).await.ok();
    let before = everything(&app);
    assert_eq!(app.queue(&slowed, "max-limit").as_deref(), Some("1000000/4000000"), "slowed by its plan");
    app.router.world(|world| {
        for menu in ["/ppp/secret", QUEUES, LISTS, RULES] {
            world.table_mut(menu).retain(|_| false);
        }
    });
    app.router.reboot();
    let dry = run(&app, &["rebuild", "--server", "3", "--dry-run"]).await;
    assert!(dry.status.success(), "{}", err(&dry));
    let said = out(&dry);
    for name in [&slowed, "7-42", "7-43"] {
        assert!(
            said.lines().any(|it| it.contains(&format!("({name})")) && it.contains("the secret is missing")),
            "{said}"
        );
    }
    assert_eq!(said.matches("the CDN queue is missing").count(), 2, "{said}");
    assert_eq!(said.matches("mangle rule").count(), 2, "{said}");
    assert_eq!(said.matches("in address list").count(), 500, "a visit's worth by name: {said}");
    assert!(said.contains("102 more entries of address lists are missing"), "{said}");
    assert!(everything(&app).is_empty(), "a dry run makes nothing");
    // By the test's own clock: by the machine's it is another day, with another speed.
    let made = rebuild::run(&app.app, 3, &|_| {}).await.unwrap();
    assert!(made.now.is_right() && made.mended == 3, "{:#?}", made.now);
    similar(&before, &everything(&app));
    let again = run(&app, &["rebuild", "--server", "3", "--dry-run"]).await;
    assert!(out(&again).contains("3 accounts in the books; 0 differences"), "{}", out(&again));
    assert_eq!(out(&again).lines().count(), 1, "{}", out(&again));
}

#[track_caller]
fn similar(before: &[String], after: &[String]) {
    let (missing, new): (Vec<_>, Vec<_>) = (
        before.iter().filter(|it| !after.contains(it)).collect(),
        after.iter().filter(|it| !before.contains(it)).collect(),
    );
    assert!(missing.is_empty() && new.is_empty() && before.len() == after.len(), "gone: {missing:#?}\nnew: {new:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_rules_follow_profile_and_plan_by_difference_and_leave_foreign_ones_alone() {
    let app = TestApp::new().await;
    app.foreign(RULES, &[("chain", "forward"), ("action", "mark-packet"), ("new-packet-mark", "voip")]);
    app.foreign(LISTS, &[("list", "vip"), ("address", "192.0.2.1")]);
    let profile = app.cdn("Akamai", "203.0.113.0/24 198.51.100.0/24").await;
    let mut plan = gold(profile);
    plan["address_list_in"] = json!("vip");
    plan["address_list_out"] = json!("vip");
    let id = app.plan(&plan).await;
    let name = app.subscribe(41, "Gold").await;
    app.minute().await;
    let address = app.router.world(|world| world.get("/ppp/secret", &name, "remote-address")).unwrap();
    let (accounts, vip) = (format!("cdn-1-accounts {address}"), format!("vip {address}"));
    let all = ["cdn-1 198.51.100.0/24", "cdn-1 203.0.113.0/24", &accounts, &vip, "vip 192.0.2.1"];
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    assert_eq!(app.listed(), sorted);

    // Nothing changed: the router is not even asked.
    app.router.clear_journal();
    app.minute().await;
    assert_eq!(app.commands("/ip/firewall/address-list/print") + app.commands("/ip/firewall/mangle/print"), 0);
    // One subnet for another: one entry goes, one comes.
    app.change_cdn(profile, "Akamai", "203.0.113.0/24 192.0.2.128/25").await;
    app.router.clear_journal();
    app.minute().await;
    assert_eq!(app.writes(), ["/ip/firewall/address-list/remove", "/ip/firewall/address-list/add"]);
    // Somebody's edits are found within the hour.
    app.router.world(|world| {
        let ours = world.table(RULES).rows().last().unwrap().id();
        world.put(RULES, &ours, "disabled", "true");
        let id = world.table(LISTS).rows().iter().find(|it| it.get("address") == Some("203.0.113.0/24")).unwrap().id();
        world.remove_row(LISTS, &id)
    });
    app.pass(Duration::minutes(61));
    app.step().await;
    let rule_off = app.router.world(|world| world.table(RULES).rows().iter().any(|it| it.is("disabled")));
    assert!(!rule_off && app.listed().contains(&"cdn-1 203.0.113.0/24".to_owned()));
    // The plan wants it no more: everything of ours goes, the queue with it.
    let plain = json!({"name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M"});
    app.plans("PUT", &format!("/{id}"), &plain).await.ok();
    app.minute().await;
    assert_eq!((app.listed(), app.rows(RULES)), (vec!["vip 192.0.2.1".to_owned()], 1));
    assert_eq!(app.rows(QUEUES), 1);
    app.router.clear_journal();
    app.pass(Duration::hours(2));
    app.step().await;
    assert_eq!(app.commands("/ip/firewall/address-list/print"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cdn_tiers_the_router_never_hears_of_lists_and_rules() {
    let app = TestApp::new().await;
    app.cdn("Akamai", "203.0.113.0/24").await;
    app.plan(&json!({"name": "Plain", "price": "0", "download_speed": "10M", "upload_speed": "2M"})).await;
    let name = app.subscribe(41, "Plain").await;
    app.create(42).await;
    app.router.carry_with(&name, REMOTE, 5 * MB, 0);
    app.minute().await;
    app.collect().await;
    app.hook("terminate", &app.body(42)).await.ok();
    let firewall = app.router.journal().into_iter().filter(|it| it.path.starts_with("/ip/firewall")).count();
    assert_eq!((firewall, app.rows(QUEUES), app.rows(LISTS)), (0, 1, 0));
    assert_eq!(app.used(41).await.cdn_daily.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_account_leaves_nothing_and_a_late_tier_finds_its_queue() {
    let app = TestApp::new().await;
    let profile = app.cdn("Akamai", "203.0.113.0/24").await;
    let id = app.plan(&json!({"name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": "2M"})).await;
    let name = app.subscribe(41, "Gold").await;
    app.minute().await;
    assert_eq!(app.rows(QUEUES), 1);
    // CDN tiers come to the plan of a customer who is online: the queue is made, and counts.
    app.plans("PUT", &format!("/{id}"), &gold(profile)).await.ok();
    app.minute().await;
    app.minute().await;
    app.router.carry_with(&name, REMOTE, 5 * MB, 3);
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_daily.0, 5 * MB + 3);
    // The plan takes another profile: the queue takes its mark.
    let other = app.cdn("Fastly", "198.51.100.0/24").await;
    app.plans("PUT", &format!("/{id}"), &gold(other)).await.ok();
    app.minute().await;
    assert!(app.queue(&format!("{name}-cdn"), "packet-marks").unwrap().ends_with("-cdn-2"));
    assert_eq!(app.listed()[0], "cdn-2 198.51.100.0/24");
    app.hook("terminate", &app.body(41)).await.ok();
    assert_eq!(app.rows(QUEUES), 0);
    app.subscribe(42, "Gold").await;
    app.minute().await;
    assert_eq!((app.rows(QUEUES), app.rows(LISTS), app.rows(RULES)), (2, 2, 2), "the other account's alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn reboots_and_lost_replies_count_nothing_twice_and_leave_nothing_twice() {
    let app = TestApp::new().await;
    let profile = app.cdn("Akamai", "203.0.113.0/24 198.51.100.0/24").await;
    app.plan(&gold(profile)).await;
    let name = app.subscribe(41, "Gold").await;
    for (path, nth) in [("/ip/firewall/address-list/add", 1), ("/ip/firewall/mangle/add", 2)] {
        let when = When::Command { path: path.to_owned(), nth };
        app.router.fault_at(when, Fault::ApplyAndLoseReply);
        app.minute().await;
    }
    for _ in 0..3 {
        app.minute().await;
    }
    assert_eq!((app.rows(LISTS), app.rows(RULES), app.rows(QUEUES)), (3, 2, 2));
    app.router.carry_with(&name, REMOTE, 100 * MB, 1);
    app.minute().await;
    let (counted, password) = (app.used(41).await.cdn_daily.0, app.secret(&name, "password").unwrap());
    assert_eq!(counted, 100 * MB + 1);
    app.router.reboot();
    app.router.connect(&name, &password, "l2tp", "198.51.100.7").unwrap();
    app.router.carry_with(&name, REMOTE, 150 * MB, 2);
    app.minute().await;
    app.minute().await;
    assert_eq!(app.used(41).await.cdn_daily.0, 250 * MB + 3, "what was counted after the reboot, once");
    assert_eq!((app.rows(LISTS), app.rows(RULES), app.rows(QUEUES)), (3, 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_cdn_tiers_cost_and_what_keeps_them_from_counting() {
    let app = TestApp::new().await;
    let profile = app.cdn("Akamai", "").await;
    app.plan(&gold(profile)).await;
    let name = app.subscribe(41, "Gold").await;
    app.minute().await;
    let codes = async || {
        let found = doctor::examine(&app.app, None, std::time::Duration::ZERO).await.unwrap();
        found.into_iter().map(|it| it.code).filter(|code| code.starts_with("cdn")).collect::<Vec<_>>()
    };
    assert_eq!(codes().await, ["cdn-list-empty", "cdn-cost"]);
    app.change_cdn(profile, "Akamai", "203.0.113.0/24").await;
    app.minute().await;
    assert_eq!(codes().await, ["cdn-cost"]);
    // What is marked is counted by the account's own queue.
    app.router.world(|world| assert!(world.put(QUEUES, &format!("{name}-cdn"), "disabled", "true")));
    assert!(app.router.carry_with(&name, REMOTE, 2 * MB, 0));
    assert_eq!(codes().await, ["cdn-queues-frozen", "cdn-cost"]);
    app.router.world(|world| assert!(world.put(QUEUES, &format!("{name}-cdn"), "disabled", "false")));
    assert!(app.router.carry_with(&name, REMOTE, MB, 0));
    app.foreign(RULES, &[("chain", "forward"), ("action", "mark-packet"), ("new-packet-mark", "voip")]);
    app.foreign("/ip/firewall/filter", &[("chain", "forward"), ("action", "fasttrack-connection")]);
    assert_eq!(codes().await, ["cdn-fasttrack", "cdn-foreign-marks", "cdn-cost"]);
    let ours = app.router.world(|world| world.table(RULES).rows()[0].id());
    app.router.world(|world| world.remove_row(RULES, &ours));
    assert_eq!(codes().await, ["cdn-fasttrack", "cdn-rules-missing", "cdn-foreign-marks", "cdn-cost"]);
    assert!(app.queue(&format!("{name}-cdn"), "bytes").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_keep_profiles_on_a_page_of_their_own() {
    let app = TestApp::new().await;
    assert!(app.admin("cdn", &json!({})).await.contains("There is no CDN profile yet"));
    let form = json!({"do": "save", "name": "Mirror <b>", "subnets": "203.0.113.7/24 # ours\n198.51.100.9"});
    let (location, said) = app.pressed("cdn", &json!({"add": "1"}), &form).await;
    assert!(location.ends_with("page=cdn") && said.contains("is added"), "{said}");
    let html = app.admin("cdn", &json!({})).await;
    assert!(html.contains("Mirror &lt;b&gt;") && !html.contains("Mirror <b>") && html.contains("no plan"), "{html}");
    let one = json!({"profile": "1"});
    let html = app.admin("cdn", &one).await;
    assert!(html.contains("198.51.100.9/32\n203.0.113.0/24"), "{html}");
    // What cannot be is said at its field, with what was typed.
    let wrong = json!({"do": "save", "name": "Mirror", "subnets": "203.0.113.0/24\nexample.net<i>"});
    let html = app.not_saved(&one, &wrong).await;
    assert!(html.contains("This field hold") && html.contains("example.net&lt;i&gt;"), "{html}");
    app.plan(&gold(1)).await;
    let html = app.not_saved(&one, &json!({"do": "delete"})).await;
    assert!(html.contains("is used by Gold"), "{html}");
    let free = json!({"do": "save", "name": "Other", "subnets": ""});
    app.pressed("cdn", &json!({"add": "1"}), &free).await;
    let twice = app.not_saved(&json!({"profile": "2"}), &json!({"do": "save", "name": "Mirror <b>"})).await;
    assert!(twice.contains("another CDN profile"), "{twice}");
    let (_, said) = app.pressed("cdn", &json!({"profile": "2"}), &json!({"do": "delete"})).await;
    assert!(said.contains("is removed"));
    assert!(!app.admin("cdn", &json!({})).await.contains("Other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_spoiled_or_a_new_router_lacks_is_made_right_at_once() {
    let app = TestApp::new().await;
    let profile = app.cdn("Akamai", "203.0.113.0/24").await;
    app.plan(&gold(profile)).await;
    let name = app.subscribe(41, "Gold").await;
    let cdn_name = format!("{name}-cdn");
    app.minute().await;
    // Switched off by hand, its traffic would be the account's own.
    app.router.world(|world| world.put("/queue/simple", &cdn_name, "disabled", "true"));
    app.minute().await;
    app.minute().await;
    assert_eq!(app.queue(&cdn_name, "disabled").as_deref(), Some("false"));
    // An emptied router: rebuild brings back lists and rules too, though they were seen to be right a minute ago.
    for menu in [LISTS, RULES, "/queue/simple", "/ppp/secret"] {
        app.router.world(|world| world.table_mut(menu).retain(|_| false));
    }
    rebuild::run(&app.app, 3, &|_| {}).await.unwrap();
    assert_eq!((app.rows(LISTS), app.rows(RULES)), (2, 2));
    assert!(app.queue(&cdn_name, "name").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_five_thousand_subnets_is_saved_from_its_page() {
    let app = TestApp::new().await;
    let subnets: Vec<String> = (0..5_000).map(|at| format!("100.{}.{}.0/28", 64 + at / 256, at % 256)).collect();
    let form = json!({"do": "save", "name": "Everything", "subnets": subnets.join("\r\n")});
    let answer = app.press("cdn", &json!({"add": "1"}), &form).await;
    assert_eq!(answer["status"], 303, "{answer}");
    let mut conn = app.app.db.read().await.unwrap();
    assert_eq!(cdn::all(&mut conn).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_finds_the_cdn_queues_name_taken_leaves_nothing_behind() {
    let app = TestApp::new().await;
    let id = app.cdn("Peers", "203.0.113.0/24").await;
    app.plan(&gold(id)).await;
    app.foreign(QUEUES, &[("name", "7-41-cdn"), ("target", "10.99.0.1/32"), ("comment", "theirs")]);
    app.router.clear_journal();
    let body = app.body_with(41, &json!({"settings": {"plan": "Gold", "download_mbps": "", "upload_mbps": ""}}));
    let answer = app.hook("create", &body).await;
    assert_eq!(answer.refusal(), (409, "name-taken", ""));
    assert!(answer.body["detail"].as_str().unwrap().contains("7-41-cdn"), "{}", answer.body);
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    assert!(app.queue("7-41", "name").is_none() && app.secret("7-41", "name").is_none());
}
