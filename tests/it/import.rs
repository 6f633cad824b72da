//! Import: what another module made is taken into the books once, completely or not at all, and the router is only read.

use crate::{
    binary::{err, out, run},
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::{
    app::App,
    clock::Chance,
    router::lease::{Holder, Lease},
    simulator::{Options, Simulator},
    units::Gigabyte,
    work::{
        import::{self, LeftOut, Outcome, Wish, balances},
        rebuild,
        rotate_key::Presence,
    },
};

/// A customer as PUQ's module leaves it: upload before download, in megabits, the target without a length.
pub fn puq(app: &TestApp, service_id: u64, address: &str) -> String {
    let name = format!("vpn{service_id}");
    let mark = format!("WHMCS|Product ID:{service_id}|ada@example.net");
    let (password, target) = (format!("word-{service_id}"), address);
    let secret = [
        ("name", name.as_str()),
        ("password", &password),
        ("service", "any"),
        ("profile", "default"),
        ("remote-address", address),
        ("comment", &mark),
    ];
    app.foreign("/ppp/secret", &secret);
    let queue = [("name", name.as_str()), ("target", target), ("max-limit", "5M/10M"), ("comment", &mark)];
    app.foreign("/queue/simple", &queue);
    name
}

pub fn dial(app: &TestApp, name: &str) {
    let password = app.secret(name, "password").unwrap();
    app.router.connect(name, &password, "l2tp", "198.51.100.7").unwrap();
}

/// WHMCS tells of its server, as Sync Accounts does.
pub async fn tell(app: &TestApp) -> Value {
    app.hook("list-accounts", &app.body(1)).await.ok()
}

pub async fn import(app: &TestApp, csv: &str) -> Outcome {
    let lines = balances::parse(csv.as_bytes(), Gigabyte::Binary);
    let lines = if csv.is_empty() { Vec::new() } else { lines.unwrap() };
    let wish = Wish { prefix: "WHMCS", balances: &lines, dry_run: false };
    import::run(&app.app, 3, wish, &|_, _| {}).await.unwrap()
}

async fn dry(app: &TestApp) -> Outcome {
    let wish = Wish { prefix: "WHMCS", balances: &[], dry_run: true };
    import::run(&app.app, 3, wish, &|_, _| {}).await.unwrap()
}

fn ids(outcome: &Outcome) -> Vec<u64> {
    outcome.adopted.iter().map(|it| it.service_id).collect()
}

fn why(left_out: &[LeftOut], name: &str) -> String {
    let found: Vec<_> = left_out.iter().filter(|it| it.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {left_out:#?}");
    found[0].why.clone()
}

/// Everything on the router, but for what a clock moves.
fn everything(app: &TestApp) -> Vec<Vec<(&'static str, String)>> {
    let rows =
        |menu: &str| app.router.world(|world| world.table(menu).rows().iter().map(|it| it.values().to_vec()).collect());
    let (mut all, queues): (Vec<_>, Vec<_>) = (rows("/ppp/secret"), rows("/queue/simple"));
    all.extend(queues);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_puq_made_is_taken_over_as_it_is_and_the_router_is_only_read() {
    let app = TestApp::new().await;
    let (ada, other) = (puq(&app, 41, "10.8.0.2"), puq(&app, 42, "10.8.0.17"));
    app.foreign("/ppp/secret", &[("name", "office"), ("password", "x"), ("comment", "the boss")]);
    app.foreign("/ppp/secret", &[("name", "theirs"), ("comment", "Other|Product ID:41|x@example.net")]);
    app.foreign("/queue/simple", &[("name", "office"), ("target", "10.9.0.1/32")]);
    dial(&app, &ada);
    assert!(app.router.carry(&ada, 50 * GB, GB));
    tell(&app).await;
    let before = everything(&app);
    app.router.clear_journal();
    let would = dry(&app).await;
    assert_eq!((ids(&would), would.known, would.foreign), (vec![41, 42], 0, 3), "{would:#?}");
    assert!(app.account(41).await.is_null());
    let outcome = import(&app, "").await;
    assert_eq!(ids(&outcome), [41, 42]);
    assert_eq!(serde_json::to_value(&outcome).unwrap()["adopted"], serde_json::to_value(&would).unwrap()["adopted"]);
    let first = json!({
        "service_id": 41, "username": ada, "address": "10.8.0.2", "profile": "default", "download_kbps": 10_000,
        "upload_kbps": 5_000, "causes": [], "balance_bytes": null, "remarks": [],
    });
    assert_eq!(serde_json::to_value(&outcome.adopted[0]).unwrap(), first);
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    assert_eq!(everything(&app), before);
    // The books hold what the router does: nothing is left to be mended, and the password is the customer's own.
    let now = rebuild::compare(&app.app, 3).await.unwrap();
    assert!(now.drifts.is_empty() && now.strays.is_empty(), "{now:#?}");
    assert_eq!(app.client_area(42).await["information"]["password"], format!("word-{}", 42));
    assert_eq!(app.client_area(42).await["information"]["username"], other);
    // What was counted before is nobody's to pay, by the next reading and by the one after.
    for _ in 0..2 {
        app.pass(Duration::minutes(5));
        app.collect().await;
    }
    assert_eq!(app.account(41).await["metered"], false);
    assert_eq!(app.client_area(41).await["statistics"]["days"], json!([]));
    assert!(app.router.is_online(&ada));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_takes_over_what_came_since() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    tell(&app).await;
    let csv = "service_id,balance_gb\n41,4.2\n";
    assert_eq!(ids(&import(&app, csv).await), [41]);
    puq(&app, 42, "10.8.0.17");
    let again = import(&app, csv).await;
    assert_eq!((ids(&again), again.known), (vec![42], 1), "{again:#?}");
    assert!(again.kept.is_empty() && again.entered.is_empty() && again.left_out.is_empty(), "{again:#?}");
    assert_eq!(app.ledger(41).await, [("correction".to_owned(), 4_509_715_660)]);
    let other = import(&app, "username,balance_gb\nvpn41,5\n").await;
    assert!(why(&other.kept, "vpn41").contains("4509715660 bytes were imported"), "{other:#?}");
    assert_eq!(app.balance(41).await, 4_509_715_660);
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_may_come_after_the_accounts_until_the_product_is_told() {
    let app = TestApp::new().await;
    for (id, address) in [(41, "10.8.0.2"), (42, "10.8.0.17"), (43, "10.8.0.18")] {
        puq(&app, id, address);
    }
    tell(&app).await;
    import(&app, "").await;
    app.hook("change-package", &app.body(42)).await.ok();
    app.hook("change-package", &app.body_with(43, &json!({"settings": {"traffic_gb_monthly": ""}}))).await.ok();
    let outcome = import(&app, "service_id,balance_bytes\n41,7\n42,8\n43,9\n").await;
    assert_eq!(outcome.entered.iter().map(|it| (it.service_id, it.balance_bytes)).collect::<Vec<_>>(), [(41, 7)]);
    for name in ["vpn42", "vpn43"] {
        assert!(why(&outcome.kept, name).contains("WHMCS has told its product already"), "{outcome:#?}");
    }
    assert_eq!(app.account(41).await["balance_bytes"], 7);
    assert_eq!(app.account(42).await["balance_bytes"], 10 * GB);
    assert_eq!(app.account(43).await["metered"], false);
}

/// Services 50 to 67, most of them with something wrong.
fn spoilt(app: &TestApp) {
    for id in 50..=67 {
        puq(app, id, &format!("10.8.1.{}", id - 40));
    }
    let mark = |id: u64| format!("WHMCS|Product ID:{id}|ada@example.net");
    app.router.world(|world| {
        world.remove_row("/queue/simple", "vpn50");
        world.put("/queue/simple", "vpn51", "name", "ada");
        world.put("/queue/simple", "vpn52", "comment", "mine");
        world.put("/queue/simple", "vpn53", "target", "10.8.1.0/24");
        world.add_row("/ppp/secret", &[("name", "twin"), ("remote-address", "10.8.1.40"), ("comment", &mark(54))]);
        world.add_row("/ppp/secret", &[("name", "vpn55"), ("service", "pptp"), ("comment", "somebody else")]);
        world.put("/ppp/secret", "vpn56", "remote-address", "");
        world.put("/ppp/secret", "vpn57", "remote-address", "10.8.1.18");
        world.put("/queue/simple", "vpn57", "target", "10.8.1.18/32");
        world.add_row("/queue/simple", &[("name", "printer"), ("target", "10.8.1.19/32")]);
        world.put("/ppp/secret", "vpn60", "password", "");
        world.put("/queue/simple", "vpn61", "disabled", "true");
        world.put("/ppp/secret", "vpn62", "remote-address", "192.0.2.7");
        world.put("/queue/simple", "vpn62", "target", "192.0.2.7");
        world.put("/ppp/secret", "vpn63", "profile", "default-encryption");
        world.remove_row("/ppp/secret", "vpn64");
        world.put("/ppp/secret", "vpn65", "comment", "WHMCS|Product ID:0|x@example.net");
        world.put("/queue/simple", "vpn65", "comment", "WHMCS|Product ID:0|x@example.net");
        world.put("/ppp/secret", "vpn66", "name", " vpn66");
    });
}

/// Of those, whom nobody can take over, and a piece of the reason.
const REASONS: &[(&str, &str)] = &[
    ("vpn51", "its queue is called ada"),
    ("vpn52", "the queue vpn52 does not name this service"),
    ("vpn53", "its queue counts 10.8.1.0/24, not 10.8.1.13/32"),
    ("vpn54, twin", "2 secrets name this service"),
    ("vpn55", "another secret has the same name"),
    ("vpn56", "no remote-address"),
    ("vpn57", "10.8.1.18 is also used by secret vpn58, queue vpn58"),
    ("vpn58", "10.8.1.18 is also used by secret vpn57, queue vpn57"),
    ("vpn59", "10.8.1.19 is also used by queue printer"),
    ("vpn60", "the router does not show its password"),
    ("vpn64", "a queue without a secret"),
    ("vpn65", "no service that WHMCS can have"),
    (" vpn66", "its name begins or ends with a blank"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_named_with_what_to_do_and_the_rest_is() {
    let app = TestApp::new().await;
    spoilt(&app);
    tell(&app).await;
    app.router.clear_journal();
    let would = dry(&app).await;
    let outcome = import(&app, "").await;
    assert!(app.writes().is_empty());
    let texts = |outcome: &Outcome| serde_json::to_value(outcome).unwrap();
    assert_eq!(texts(&would), texts(&outcome), "the dry run said something else");
    assert_eq!(ids(&outcome), [50, 61, 62, 63, 67], "{outcome:#?}");
    let remarks: Vec<&str> = outcome.adopted.iter().flat_map(|it| &it.remarks).map(String::as_str).collect();
    assert!(
        remarks[0].starts_with("it has no queue") && remarks[1].starts_with("its queue is disabled"),
        "{remarks:?}"
    );
    assert!(remarks[2].contains("none of the server's Assigned IP Addresses") && remarks.len() == 3, "{remarks:?}");
    let speeds: Vec<u32> = outcome.adopted.iter().map(|it| it.download_kbps.0).collect();
    assert_eq!(speeds, [0, 10_000, 10_000, 10_000, 10_000], "without a queue nothing limits it");
    assert_eq!(outcome.adopted[3].profile, "default-encryption");
    for (name, words) in REASONS {
        assert!(why(&outcome.left_out, name).contains(words), "{name}: {}", why(&outcome.left_out, name));
    }
    assert_eq!(outcome.left_out.len(), 13, "{:#?}", outcome.left_out);
    // What has no address of its own is given one by WHMCS's Create.
    let known = json!({"service": {"username": "vpn56", "password": "word-56"}});
    let made = app.hook("create", &app.body_with(56, &known)).await.ok();
    assert_eq!(made["service"]["dedicated_address"], app.secret("vpn56", "remote-address").unwrap());
    // Mended by hand, the same run takes it over.
    app.router.world(|world| world.put("/queue/simple", "ada", "name", "vpn51"));
    assert_eq!(ids(&import(&app, "").await), [51]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_books_have_otherwise_stays_theirs() {
    let app = TestApp::new().await;
    // 41 lives here by another name, 42 was terminated, 43 lives elsewhere, and 44's name and 45's address are taken.
    for id in [41, 42] {
        app.hook("create", &app.body(id)).await.ok();
    }
    app.hook("terminate", &app.body(42)).await.ok();
    let second = Simulator::start(Options::default()).await.unwrap();
    let elsewhere = json!({"server": {"id": 4, "name": "core-2", "port": second.address().port()}});
    app.hook("create", &app.body_with(43, &elsewhere)).await.ok();
    let named = json!({"service": {"username": "vpn44", "dedicated_address": "10.8.0.20"}});
    app.hook("create", &app.body_with(46, &named)).await.ok();
    for (id, address) in [(41, "10.8.1.41"), (42, "10.8.1.42"), (43, "10.8.1.43"), (45, "10.8.1.45"), (47, "10.8.0.20")]
    {
        puq(&app, id, address);
    }
    app.router.world(|world| {
        // The books go on with what the router has lost.
        world.remove_row("/ppp/secret", "vpn44");
        world.remove_row("/queue/simple", "vpn44");
    });
    puq(&app, 44, "10.8.1.44");
    let outcome = import(&app, "").await;
    assert_eq!(ids(&outcome), [45]);
    for (name, words) in [
        ("vpn41", "it lives here as 7-41"),
        ("vpn42", "the books have it as terminated"),
        ("vpn43", "it lives on server 4"),
        ("vpn44", "another service of this name"),
        ("vpn47", "have given its address 10.8.0.20 to another service"),
    ] {
        assert!(why(&outcome.left_out, name).contains(words), "{name}: {:#?}", outcome.left_out);
    }
    assert_eq!(app.account(41).await["username"], "7-41");
    assert_eq!(app.account(46).await["address"], "10.8.0.20");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_be_used_stops_all_of_it() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    tell(&app).await;
    // A name that two services have is nobody's.
    puq(&app, 42, "10.8.0.17");
    app.router.world(|world| world.put("/ppp/secret", "vpn42", "name", "both"));
    app.foreign("/ppp/secret", &[("name", "both"), ("comment", "WHMCS|Product ID:43|x@example.net")]);
    let csv = "service_id,username,balance_gb\n41,,1\n99,,1\n,nobody,1\n41,ada,1\n,vpn41,2\n,both,3\n";
    let outcome = import(&app, csv).await;
    let bad: Vec<_> = outcome.bad_lines.iter().map(ToString::to_string).collect();
    let names = [
        "line 3: names service 99, which is neither on the router nor in the books",
        "line 4: names the user \"nobody\", who is neither on the router nor in the books",
        "line 5: names service 41 and the user \"ada\", but the service's name is vpn41",
        "line 6: names service 41 again, after line 2",
        "line 7: names the user \"both\", and so do several services: give its service_id",
    ];
    assert_eq!(bad, names);
    assert!(outcome.adopted.is_empty());
    assert!(app.account(41).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_step_it_is_all_or_nothing_and_the_same_run_completes_it() {
    let csv = "service_id,balance_gb\n41,4.2\n42,-1\n";
    let mut survived = 0;
    let app = TestApp::new().await;
    for (id, address) in [(41, "10.8.0.2"), (42, "10.8.0.17")] {
        puq(&app, id, address);
    }
    tell(&app).await;
    dial(&app, "vpn41");
    app.router.carry("vpn41", GB, 0);
    for step in 0.. {
        let done = turnpike::steps::cut_short(step, Box::pin(import(&app, csv))).await;
        let mut conn = app.app.db.read().await.unwrap();
        let count = conn.one(turnpike::sql!("SELECT COUNT(*) AS n FROM account"), vec![]).await.unwrap().unwrap();
        let (count, whole): (u64, u64) = (count.get("n").unwrap(), 2);
        assert!(count == 0 || count == whole, "killed after step {step} there were {count}");
        survived += 1;
        if done.is_some() {
            break;
        }
    }
    assert!(survived > 20, "only {survived} places to be killed at");
    import(&app, csv).await;
    for (id, balance) in [(41, 4_509_715_660), (42, -(GB as i64))] {
        assert_eq!(app.ledger(id).await, [("correction".to_owned(), balance)]);
        assert_eq!(app.balance(id).await, balance);
    }
    app.pass(Duration::minutes(1));
    app.collect().await;
    assert_eq!(app.balance(41).await, 4_509_715_660, "what was counted before the import was charged");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_whoever_reads_the_counters() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    tell(&app).await;
    let another = Holder { owner: "another".to_owned(), ..app.app.holder.clone() };
    let lease = Lease::take(&app.app.db, "server/3", &another).await.unwrap().unwrap();
    let waits = tokio::time::timeout(std::time::Duration::from_millis(300), import(&app, "")).await;
    assert!(waits.is_err(), "it read beside another");
    lease.give_back(&app.app.db).await;
    assert_eq!(ids(&import(&app, "").await), [41]);
}

/// Between the two steps of a rotation the running service does not know the key that the settings name.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_rotation_it_waits_until_the_service_knows_the_new_key() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    tell(&app).await;
    let running = Presence::announce(&app.app).await.unwrap();
    let mut config = app.app.config.clone();
    let fresh = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
    config.seal.older_keys = vec![std::mem::replace(&mut config.seal.master_key, fresh)];
    let runtime = tokio::runtime::Handle::current();
    let newer = App::beside(config, app.clock.clone(), Chance::System, runtime).await.unwrap();
    let wish = |dry_run| Wish { prefix: "WHMCS", balances: &[], dry_run };
    let refused = import::run(&newer, 3, wish(false), &|_, _| {}).await.unwrap_err();
    assert_eq!(refused.code.as_str(), "busy");
    assert!(refused.detail.ends_with("restart it, then run `turnpike import` again."), "{}", refused.detail);
    assert!(app.account(41).await.is_null());
    // To look seals nothing that stays.
    assert_eq!(ids(&import::run(&newer, 3, wish(true), &|_, _| {}).await.unwrap()), [41]);
    running.leave().await;
    assert_eq!(ids(&import::run(&newer, 3, wish(false), &|_, _| {}).await.unwrap()), [41]);
    newer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_asked_for_by_name_where_the_router_wants_that_and_never_made_up() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    tell(&app).await;
    app.router.world(|world| world.quirks.ask_for_sensitive = true);
    app.router.set_version("7.21.5");
    assert_eq!(ids(&import(&app, "").await), [41]);
    assert_eq!(app.client_area(41).await["information"]["password"], "word-41");
    // A user without the policy sees none, on a router that does not know the word either.
    let policies = ["read", "write", "api"].map(str::to_owned).to_vec();
    let options = Options { policies, version: "7.16.2".to_owned(), ..Options::default() };
    let blind = TestApp::on(Simulator::start(options).await.unwrap(), crate::world::Database::bare().await, "").await;
    puq(&blind, 41, "10.8.0.2");
    tell(&blind).await;
    let outcome = import(&blind, "").await;
    assert!(why(&outcome.left_out, "vpn41").contains("the policy sensitive"), "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_prefix_is_another_installation_until_it_is_named() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    app.router.world(|world| {
        for menu in ["/ppp/secret", "/queue/simple"] {
            world.put(menu, "vpn41", "comment", "VPN|Product ID:41|ada@example.net");
        }
    });
    tell(&app).await;
    assert!(import(&app, "").await.adopted.is_empty());
    let wish = |prefix| Wish { prefix, balances: &[], dry_run: false };
    let refused = import::run(&app.app, 3, wish("V|PN"), &|_, _| {}).await.unwrap_err();
    assert!(refused.detail.contains("may not hold a |"), "{}", refused.detail);
    assert_eq!(ids(&import::run(&app.app, 3, wish("VPN"), &|_, _| {}).await.unwrap()), [41]);
    // The mark stays what it is, whatever the product says.
    app.hook("change-package", &app.body(41)).await.ok();
    assert_eq!(app.secret("vpn41", "comment").unwrap(), "VPN|Product ID:41|ada@example.net");
    assert_eq!(tell(&app).await["accounts"][0]["service_id"], 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_it_did_and_what_to_do() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    puq(&app, 42, "10.8.0.2");
    puq(&app, 43, "10.8.0.18");
    app.foreign("/ppp/secret", &[("name", "\u{1b}[2Jall gone"), ("comment", "WHMCS|Product ID:44|x@example.net")]);
    let unknown = run(&app, &["import", "--server", "3", "--dry-run"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("press Sync Accounts"), "{}", err(&unknown));
    tell(&app).await;
    app.router.clear_journal();
    let balances = app.folder().join("balances.csv");
    let file = balances.to_str().unwrap();
    std::fs::write(&balances, "service_id,balance_gb\n41,4.2\n43,many\n").unwrap();
    let refused = run(&app, &["import", "--server", "3", "--balances", file]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(out(&refused).starts_with("line 3: has the balance \"many\""), "{}", out(&refused));
    assert!(err(&refused).contains("nothing was imported") && err(&refused).lines().count() == 1, "{}", err(&refused));
    std::fs::write(&balances, "service_id,balance_gb\n43,4.2\n").unwrap();
    let dry = run(&app, &["import", "--server", "3", "--balances", file, "--dry-run"]).await;
    assert!(dry.status.success(), "{}", err(&dry));
    let said = out(&dry);
    assert!(said.starts_with("1 services would be taken into the books; 3 would be left out"), "{said}");
    assert!(
        said.contains("service 43 (vpn43): 10.8.0.18; profile default; down 10 Mbit/s, up 5 Mbit/s; balance 4.2000 GB"),
        "{said}"
    );
    assert!(said.contains("service 41 (vpn41): left out: its address 10.8.0.2 is also used by secret vpn42"), "{said}");
    assert!(said.contains("Nothing was changed"), "{said}");
    assert!(said.contains("(\u{fffd}[2Jall gone): left out") && !said.contains('\u{1b}'), "a name steers the terminal");
    let wet = run(&app, &["import", "--server", "3", "--balances", file]).await;
    assert_eq!(wet.status.code(), Some(1));
    assert!(err(&wet).contains("3 of them were left out"), "{}", err(&wet));
    assert!(out(&wet).contains("Change Package"), "{}", out(&wet));
    assert_eq!(app.balance(43).await, 4_509_715_660);
    let json = run(&app, &["import", "--server", "3", "--json"]).await;
    let json: Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!((json["server_id"].as_u64(), json["outcome"]["known"].as_u64()), (Some(3), Some(1)), "{json}");
    assert_eq!(json["outcome"]["left_out"][1]["service_id"], 42);
    let missing = run(&app, &["import", "--server", "3", "--balances", "nowhere.csv"]).await;
    assert!(err(&missing).contains("nowhere.csv cannot be read"), "{}", err(&missing));
    assert!(app.writes().is_empty());
}
