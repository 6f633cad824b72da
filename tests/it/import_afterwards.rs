//! After an import: WHMCS's hooks find the accounts as their own, and balances stand to the byte.

use crate::{
    import::{dial, import, puq, tell},
    world::{GB, MB, TestApp},
};
use chrono::Duration;
use serde_json::{Value, json};
use turnpike::work::rebuild;

/// 4.2 GB.
const BALANCE: i64 = 4_509_715_660;
const TEN: i64 = 10 * GB as i64;

fn due(app: &TestApp, id: u64, date: &str) -> Value {
    app.body_with(id, &json!({"service": {"next_due_date": date}}))
}

async fn imported(csv: &str) -> TestApp {
    let app = TestApp::new().await;
    for (id, address) in [(41, "10.8.0.2"), (42, "10.8.0.17"), (43, "10.8.0.18"), (44, "10.8.0.19")] {
        puq(&app, id, address);
    }
    tell(&app).await;
    assert_eq!(import(&app, csv).await.adopted.len(), 4);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_balance_stands_for_its_cycle_whatever_is_pressed() {
    let app = imported("service_id,balance_gb\n41,4.2\n42,4.2\n43,4.2\n").await;
    // 41: settings by Change Package, then Create, twice; 42: the other way round.
    for hooks in [["change-package", "create"], ["create", "change-package"]] {
        for hook in hooks {
            for id in [41, 42] {
                app.hook(hook, &app.body(id)).await.ok();
                assert_eq!(app.balance(id).await, BALANCE, "{hook} of {id}");
            }
        }
    }
    // The cycle that the balance is of brings no second packet, the next one does, once.
    for (date, balance) in [("2026-12-01", BALANCE), ("2027-01-01", BALANCE + TEN), ("2027-01-01", BALANCE + TEN)] {
        app.hook("renew", &due(&app, 41, date)).await.ok();
        assert_eq!(app.balance(41).await, balance, "renewed until {date}");
    }
    let entries: Vec<_> = app.ledger(41).await;
    let wanted = [("correction", BALANCE), ("packet", 0), ("packet", TEN)];
    let mut seen: Vec<_> = entries.iter().map(|(kind, bytes)| (kind.as_str(), *bytes)).collect();
    seen.sort_unstable();
    assert_eq!(seen, wanted);
    // 43: the customer paid before anything else was pressed.
    for hook in ["renew", "change-package", "create", "renew"] {
        app.hook(hook, &due(&app, 43, "2027-01-01")).await.ok();
        assert_eq!(app.balance(43).await, BALANCE + TEN, "{hook}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_date_beside_the_balance_makes_even_a_first_renew_of_that_cycle_bring_nothing() {
    let app = imported("service_id,balance_gb,next_due_date\n41,4.2,2026-12-01\n").await;
    for (date, balance) in [("2026-12-01", BALANCE), ("2027-01-01", BALANCE + TEN)] {
        for hook in ["renew", "change-package", "create"] {
            app.hook(hook, &due(&app, 41, date)).await.ok();
            assert_eq!(app.balance(41).await, balance, "{hook} until {date}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_balance_an_account_begins_with_one_whole_packet() {
    let app = imported("").await;
    for (id, hooks) in [(41, ["change-package", "create", "renew"]), (42, ["create", "renew", "change-package"])] {
        for hook in hooks {
            app.hook(hook, &app.body(id)).await.ok();
            assert_eq!(app.balance(id).await, TEN, "{hook} of {id}");
        }
    }
    for hook in ["renew", "create", "change-package"] {
        app.hook(hook, &due(&app, 43, "2027-01-01")).await.ok();
        assert_eq!(app.balance(43).await, TEN, "{hook}");
    }
    assert_eq!(
        app.hook("change-package", &app.body_with(44, &json!({"settings": {"traffic_gb_monthly": ""}}))).await.ok()["account"]
            ["metered"],
        false
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_charged_to_an_imported_balance_from_the_import_on() {
    let app = imported("service_id,balance_gb\n41,4.2\n").await;
    for id in [41, 42] {
        dial(&app, &format!("vpn{id}"));
    }
    app.router.carry("vpn41", GB, 3 * MB);
    app.router.carry("vpn42", GB, 3 * MB);
    app.pass(Duration::minutes(30));
    app.collect().await;
    let left = BALANCE - (GB + 3 * MB) as i64;
    assert_eq!(app.balance(41).await, left);
    for id in [41, 42] {
        app.hook("change-package", &app.body(id)).await.ok();
    }
    assert_eq!(app.balance(41).await, left);
    assert_eq!(app.balance(42).await, TEN, "what was moved before the product was told is nobody's to pay");
    app.router.carry("vpn41", MB, 0);
    app.pass(Duration::minutes(30));
    app.collect().await;
    assert_eq!(app.balance(41).await, left - MB as i64);
    // The product's speed is on the queue, the session goes on, and so does the counter.
    app.hook("change-package", &app.body_with(41, &json!({"settings": {"download_mbps": "20"}}))).await.ok();
    assert_eq!(app.queue("vpn41", "max-limit").unwrap(), "5000000/20000000");
    assert!(app.router.is_online("vpn41"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_another_module_did_not_need_is_made_by_change_package_and_counts_from_zero() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    app.router.world(|world| assert!(world.remove_row("/queue/simple", "vpn41")));
    tell(&app).await;
    import(&app, "service_id,balance_gb\n41,4.2\n").await;
    dial(&app, "vpn41");
    app.router.carry("vpn41", GB, 0);
    app.pass(Duration::minutes(5));
    app.collect().await;
    app.hook("change-package", &app.body(41)).await.ok();
    assert_eq!(app.queue("vpn41", "max-limit").unwrap(), "5000000/10000000");
    assert!(app.router.is_online("vpn41"));
    for _ in 0..2 {
        app.router.carry("vpn41", MB, 0);
        app.pass(Duration::minutes(5));
        app.collect().await;
    }
    assert_eq!(app.balance(41).await, BALANCE - 2 * MB as i64);
    assert!(rebuild::compare(&app.app, 3).await.unwrap().drifts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_off_stays_off_until_its_own_event() {
    let app = TestApp::new().await;
    for id in 41..=45 {
        puq(&app, id, &format!("10.8.1.{}", id - 30));
        app.router.world(|world| world.put("/ppp/secret", &format!("vpn{id}"), "disabled", "true"));
    }
    tell(&app).await;
    let csv = "service_id,balance_gb,status\n42,-1,Active\n43,-1,Suspended\n44,5,Suspended\n45,0,\n";
    let outcome = import(&app, csv).await;
    let causes: Vec<_> = outcome.adopted.iter().map(|it| it.causes.clone()).collect();
    let wanted: [&[&str]; 5] = [&["billing"], &["quota"], &["billing", "quota"], &["billing"], &["quota"]];
    assert_eq!(causes, wanted);
    assert!(rebuild::compare(&app.app, 3).await.unwrap().drifts.is_empty());
    let off = |id: u64| app.secret(&format!("vpn{id}"), "disabled").unwrap() == "true";
    for id in 41..=45 {
        app.hook("change-package", &app.body(id)).await.ok();
        assert!(off(id), "{id} was let in by Change Package");
    }
    assert!(app.mails().is_empty(), "{:?}", app.mails());
    // WHMCS frees whom it has suspended, a renewal whose traffic was used up, and neither the other's.
    for id in [41, 43] {
        app.hook("unsuspend", &app.body(id)).await.ok();
    }
    assert!(!off(41) && off(43));
    for id in [42, 43, 44] {
        app.hook("renew", &due(&app, id, "2027-01-01")).await.ok();
    }
    assert!(!off(42) && !off(43) && off(44));
    assert_eq!(app.account(43).await["balance_bytes"], TEN - GB as i64);
    app.hook("unsuspend", &app.body(44)).await.ok();
    assert!(!off(44) && off(45));
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_whose_product_is_not_told_yet() {
    let app = imported("service_id,balance_gb\n41,4.2\n").await;
    let words = "WHMCS has not told its product yet";
    for (query, id) in [(json!({"service": "41"}), 41), (json!({"service": "42"}), 42)] {
        let page = app.admin("accounts", &query).await;
        assert!(page.contains(words) && page.contains("ada@example.net") && !page.contains("client 0"), "{page}");
        // A renewal tells no more of what was sold than its packet.
        app.hook("renew", &app.body(id)).await.ok();
        assert!(app.admin("accounts", &query).await.contains(words), "{id}");
        app.hook("change-package", &app.body(id)).await.ok();
        let page = app.admin("accounts", &query).await;
        assert!(!page.contains(words) && page.contains("client 7"), "{page}");
    }
    let page = app.admin("accounts", &json!({"service": "41"})).await;
    assert!(page.contains("balance that another module kept") && page.contains("4.2 GB"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whmcs_has_it_suspended_and_the_router_has_not() {
    let app = TestApp::new().await;
    puq(&app, 41, "10.8.0.2");
    tell(&app).await;
    let outcome = import(&app, "service_id,balance_gb,status\n41,4.2,Suspended\n").await;
    assert!(outcome.adopted[0].remarks[0].contains("press Suspend"), "{outcome:#?}");
    assert!(outcome.adopted[0].causes.is_empty());
    app.hook("suspend", &app.body(41)).await.ok();
    assert_eq!(app.secret("vpn41", "disabled").unwrap(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_for_what_happens_after_the_import() {
    let app = imported("service_id,balance_gb\n41,1.5\n42,-1\n43,3\n").await;
    for id in [41, 42, 43] {
        app.hook("change-package", &app.body(id)).await.ok();
    }
    app.step().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1, "{mails:#?}");
    // 42 was on with nothing left: that is decided here, and said.
    assert!(mails[0].contains("vpn42"), "{}", mails[0]);
    assert_eq!(app.secret("vpn42", "disabled").unwrap(), "true");
    // 43 falls below the threshold now; 41 was below it before.
    for name in ["vpn41", "vpn43"] {
        dial(&app, name);
        app.router.carry(name, GB + 100 * MB, 0);
    }
    app.pass(Duration::minutes(30));
    app.collect().await;
    app.step().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 2, "{mails:#?}");
    assert!(mails[1].contains("vpn43"), "{}", mails[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_life_goes_on_as_any_other_s_and_ends_with_nothing_left() {
    let app = imported("service_id,balance_gb\n41,4.2\n").await;
    dial(&app, "vpn41");
    let mark = app.secret("vpn41", "comment").unwrap();
    app.hook("change-package", &app.body(41)).await.ok();
    for hook in ["suspend", "unsuspend", "admin-block", "admin-unblock"] {
        app.hook(hook, &app.body(41)).await.ok();
    }
    app.hook("change-password", &app.body_with(41, &json!({"service": {"password": "another word"}}))).await.ok();
    assert_eq!(app.secret("vpn41", "password").unwrap(), "another word");
    assert_eq!(app.secret("vpn41", "comment").unwrap(), mark);
    assert_eq!(app.queue("vpn41", "comment").unwrap(), mark);
    assert_eq!(app.secret("vpn41", "remote-address").unwrap(), "10.8.0.2");
    assert_eq!(app.balance(41).await, BALANCE);
    app.hook("terminate", &app.body(41)).await.ok();
    assert!(app.secret("vpn41", "name").is_none() && app.queue("vpn41", "name").is_none());
    // An address that is free again is handed out, one that was imported is not.
    let made = app.hook("create", &app.body(50)).await.ok();
    assert_eq!(made["service"]["dedicated_address"], "10.8.0.2");
    let next = app.hook("create", &app.body(51)).await.ok();
    assert_eq!(next["service"]["dedicated_address"], "10.8.0.20");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_alone_takes_a_puq_account_over_with_what_whmcs_knows_of_it() {
    let app = TestApp::new().await;
    let name = puq(&app, 41, "10.8.0.17");
    dial(&app, &name);
    app.router.carry(&name, 50 * GB, GB);
    let known = json!({"service": {"username": name, "password": "word-41", "dedicated_address": "10.8.0.17"}});
    let made = app.hook("create", &app.body_with(41, &known)).await.ok();
    assert_eq!(made["service"], json!({"username": name, "password": "word-41", "dedicated_address": "10.8.0.17"}));
    assert!(app.router.is_online(&name));
    app.pass(Duration::minutes(5));
    app.collect().await;
    assert_eq!(app.balance(41).await, TEN, "what PUQ's queue had counted was charged");
    assert_eq!(app.router.world(|world| world.table("/ppp/secret").rows().len()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_carried_over_an_imported_balance_ends_with_its_cycle() {
    let app = TestApp::with("traffic.carry_over = false\n").await;
    puq(&app, 41, "10.8.0.2");
    puq(&app, 42, "10.8.0.17");
    tell(&app).await;
    import(&app, "service_id,balance_gb\n41,4.2\n42,-1\n").await;
    for id in [41, 42] {
        app.hook("change-package", &app.body(id)).await.ok();
        app.hook("renew", &due(&app, id, "2027-01-01")).await.ok();
    }
    assert_eq!(app.balance(41).await, TEN);
    assert_eq!(app.balance(42).await, TEN - GB as i64, "debt carries");
}
