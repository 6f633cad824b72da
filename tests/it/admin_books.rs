//! The admin's pages of letters and of traffic that cannot be true.

use crate::{
    admin_pages::text_of,
    world::{GB, TestApp},
};
use chrono::Duration;
use serde_json::json;
use turnpike::simulator::{Fault, When};

/// A service whose counter moved more than its line can in a minute.
async fn with_a_doubt(metered: bool) -> (TestApp, String) {
    let app = TestApp::with("collect.sanity_factor = 1.2\n").await;
    let packet = if metered { "10" } else { "" };
    let made = app.hook("create", &app.body_with(41, &json!({"settings": {"traffic_gb_monthly": packet}}))).await.ok();
    app.dial(&made);
    let username = made["service"]["username"].as_str().unwrap().to_owned();
    app.collect().await;
    app.pass(Duration::minutes(1));
    assert!(app.router.carry(&username, 11 * GB, GB));
    app.collect().await;
    (app, username)
}

#[tokio::test]
async fn doubted_traffic_is_accepted_once_booked_and_decided_upon() {
    let (app, username) = with_a_doubt(true).await;
    assert_eq!(app.balance(41).await, i64::try_from(10 * GB).unwrap());
    let html = app.admin("quarantine", &json!([])).await;
    for said in ["12 GB of", &username, "11 GB down, 1 GB up", "more than 1.2 times", "leave the balance"] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    let form = json!({"do": "accept", "doubt": "1"});
    let (location, said) = app.pressed("quarantine", &json!([]), &form).await;
    assert!(location.ends_with("&page=quarantine"));
    assert_eq!(said, "12 GB booked for service 41.");
    let (_, said) = app.pressed("quarantine", &json!([]), &form).await;
    assert_eq!(said, "That was decided before; nothing was changed.");
    let (_, said) = app.pressed("quarantine", &json!([]), &json!({"do": "drop", "doubt": "1"})).await;
    assert_eq!(said, "That was decided before; nothing was changed.");
    assert_eq!(app.balance(41).await, -i64::try_from(2 * GB).unwrap());
    let corrections: Vec<i64> =
        app.ledger(41).await.into_iter().filter(|(kind, _)| kind == "correction").map(|(_, bytes)| bytes).collect();
    assert_eq!(corrections, [-i64::try_from(12 * GB).unwrap()]);
    let page = app.client_area(41).await;
    assert_eq!(page["statistics"]["months"][0]["download_bytes"], 11 * GB);
    assert_eq!(page["traffic"]["blocked_by"], "quota");
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("true"), "decided upon at once");
    let html = app.admin("quarantine", &json!([])).await;
    assert!(html.contains("Nothing waits.") && html.contains(">accepted<"), "{html}");
    assert!(app.admin("accounts", &json!({"service": "41"})).await.contains("accepted from quarantine by Grace"));
}

#[tokio::test]
async fn doubted_traffic_that_is_dropped_is_nobody_s() {
    let (app, username) = with_a_doubt(true).await;
    let (_, said) = app.pressed("quarantine", &json!([]), &json!({"do": "drop", "doubt": "1"})).await;
    assert_eq!(said, "12 GB of service 41 dropped: nobody pays for it.");
    assert_eq!(app.balance(41).await, i64::try_from(10 * GB).unwrap());
    assert_eq!(app.secret(&username, "disabled").as_deref(), Some("false"));
    for (form, status) in [
        (json!({"do": "accept", "doubt": "7"}), 404),
        (json!({"do": "accept"}), 400),
        (json!({"do": "accept", "doubt": "x"}), 400),
        (json!({"do": "keep", "doubt": "1"}), 400),
    ] {
        assert_eq!(app.press("quarantine", &json!([]), &form).await["status"], status, "{form}");
    }
}

#[tokio::test]
async fn doubted_traffic_of_an_unmetered_account_is_counted_and_not_charged() {
    let (app, _) = with_a_doubt(false).await;
    assert!(app.admin("quarantine", &json!([])).await.contains("The account is unmetered"));
    app.pressed("quarantine", &json!([]), &json!({"do": "accept", "doubt": "1"})).await;
    assert!(app.ledger(41).await.is_empty());
    assert_eq!(app.client_area(41).await["statistics"]["months"][0]["upload_bytes"], GB);
}

#[tokio::test]
async fn doubted_traffic_is_booked_although_the_router_refuses_its_part() {
    let (app, _) = with_a_doubt(true).await;
    app.router.fault_at(When::every("/ppp/secret/set"), Fault::Trap("failure: busy".to_owned(), None));
    let form = json!({"do": "accept", "doubt": "1"});
    let (_, said) = app.pressed("quarantine", &json!([]), &form).await;
    assert!(said.starts_with("12 GB booked for service 41. The router refuses its part"), "{said}");
    assert_eq!(app.balance(41).await, -i64::try_from(2 * GB).unwrap());
}

#[tokio::test]
async fn letters_are_found_read_and_tried_again() {
    // Nobody listens there, so a letter is tried in vain until it is given up.
    let app = TestApp::with(
        "mail.transport = \"smtp\"\nmail.from = \"VPN <vpn@example.net>\"\n\
         mail.smtp = { host = \"127.0.0.1\", port = 9, tls = \"none\" }\n",
    )
    .await;
    let username = app.create(41).await;
    assert!(app.router.carry(&username, 11 * GB, 0));
    app.collect().await;
    for _try in 0..10 {
        app.step().await;
        app.pass(Duration::hours(7));
    }
    let html = app.admin("mails", &json!([])).await;
    for said in ["suspension", "ada@example.net", "given up", "Tried 10 ×", "Given up (1)"] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    let there = |html: String| html.contains("&amp;mail=1\"");
    for (query, found) in [
        (json!({"q": "ADA@"}), true),
        (json!({"q": "41"}), true),
        (json!({"q": "susp"}), true),
        (json!({"state": "dead"}), true),
        (json!({"state": "sent"}), false),
        (json!({"q": "%"}), false),
        (json!({"q": "nobody"}), false),
        (json!({"before": "1"}), false),
    ] {
        assert_eq!(there(app.admin("mails", &query).await), found, "{query}");
    }
    let html = app.admin("mails", &json!({"mail": "1"})).await;
    assert!(html.contains("<iframe class=\"tp-paper\" sandbox srcdoc=\"&lt;!doctype html&gt;"), "{html}");
    assert!(
        html.contains("Dear Ada Byron") || html.contains("Hello Ada Byron") || html.contains("Ada Byron"),
        "{html}"
    );
    let form = json!({"do": "retry", "mail": "1"});
    let (location, said) = app.pressed("mails", &json!([]), &form).await;
    assert!(location.ends_with("&page=mails&mail=1"));
    assert_eq!(said, "Letter 1 is tried again, from now on.");
    let (_, said) = app.pressed("mails", &json!([]), &form).await;
    assert_eq!(said, "Letter 1 waits already, or was sent.");
    assert!(app.admin("mails", &json!([])).await.contains("not tried yet"));
    let answer = app.press("mails", &json!([]), &json!({"do": "retry", "mail": "2"})).await;
    assert_eq!(answer["status"], 404);
    assert!(text_of(&answer["html"]).contains("There is no letter 2"));
}

#[tokio::test]
async fn a_letter_that_whmcs_writes_shows_what_whmcs_is_given() {
    let app = TestApp::with("mail.transport = \"whmcs\"\n").await;
    let username = app.create(41).await;
    assert!(app.router.carry(&username, 11 * GB, 0));
    app.collect().await;
    let html = app.admin("mails", &json!({"mail": "1"})).await;
    assert!(html.contains("What WHMCS is given") && html.contains("traffic_balance_gb") && html.contains("-1.0000"));
    assert!(!html.contains("<iframe"));
}

/// What was wrong is corrected, and who gave the service away is written to no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_retried_goes_to_whoever_has_the_service_by_then() {
    let app = TestApp::new().await;
    let of = |id: u64, name: &str, email: &str| {
        app.body_with(41, &json!({"client": {"id": id, "name": name, "email": email}, "service": {"client_id": id}}))
    };
    let made = app.hook("create", &of(7, "Ada Byron", "ada at example")).await.ok();
    app.dial(&made);
    app.router.carry(made["service"]["username"].as_str().unwrap(), 9 * GB, 0);
    app.collect().await;
    app.step().await;
    let mail = json!({"mail": "1"});
    assert!(app.mails().is_empty() && app.admin("mails", &mail).await.contains("is no mail address"));
    let retry = json!({"do": "retry", "mail": "1"});
    app.pressed("mails", &mail, &retry).await;
    app.step().await;
    assert!(app.admin("mails", &mail).await.contains("is no mail address"), "nothing was corrected");
    app.hook("change-package", &of(8, "Charles Babbage", "charles@example.org")).await.ok();
    app.pressed("mails", &mail, &retry).await;
    app.step().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("charles@example.org") && mails[0].contains("Charles Babbage"), "{}", mails[0]);
    assert!(!mails[0].contains("Ada") && !mails[0].contains("ada at"), "{}", mails[0]);
    let html = app.admin("mails", &mail).await;
    assert!(html.contains("charles@example.org") && !html.contains("ada at example"), "where it went: {html}");
}
