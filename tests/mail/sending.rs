//! The ways out, against a real mail server.

use crate::sink::{Identity, Sink, Wants, show};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use turnpike::mail::{
    Facts, Failure, Letters, MailSettings, Mailer, Outgoing, Purpose, Rendered, SmtpSettings, Tls, Transport, Variables,
};
use turnpike::units::{Bytes, Gigabyte};

pub const INSTALLATION: &str = "6b1f5f4e-7f0c-4c0e-9d0a-1f2e3d4c5b6a";

pub fn at() -> DateTime<Utc> {
    "2026-11-20T06:30:00Z".parse().unwrap()
}

pub fn variables(client_name: &str) -> Variables {
    let facts = Facts {
        service_id: 41,
        username: "7-41",
        client_name,
        balance_bytes: 4_509_715_661,
        packet: Bytes(10_737_418_240),
        has_next_packet: true,
        threshold: Some(Bytes(5_368_709_120)),
        next_due_date: chrono::NaiveDate::from_ymd_opt(2026, 12, 1),
        server_address: "vpn1.example.net",
        plan: None,
    };
    Variables::new(&facts, Gigabyte::Binary)
}

pub fn mailer(transport: Transport) -> Mailer {
    let from = "VPN <vpn@example.net>".parse().unwrap();
    Mailer::new(MailSettings { transport, from, installation: INSTALLATION.parse().unwrap() }).unwrap()
}

pub fn smtp(port: u16) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        username: String::new(),
        password: SecretString::from(""),
        extra_roots: None,
        timeout: Duration::from_secs(30),
    }
}

pub fn plain(port: u16) -> Mailer {
    mailer(Transport::Smtp(smtp(port)))
}

fn secured(port: u16, tls: Tls, password: &str, identity: Option<&Identity>) -> Mailer {
    mailer(Transport::Smtp(SmtpSettings {
        host: "localhost".into(),
        tls,
        username: "vpn".into(),
        password: SecretString::from(password),
        extra_roots: identity.map(|identity| identity.authority_pem.clone()),
        ..smtp(port)
    }))
}

fn letter() -> Rendered {
    Letters::load(None).unwrap().render(Purpose::Threshold, "threshold", &variables("Ada Byron")).unwrap()
}

async fn send(mailer: &Mailer, id: u64, name: &str, address: &str, letter: &Rendered) -> Result<(), Failure> {
    let mut session = mailer.session().unwrap();
    let outgoing = Outgoing { outbox_id: id, to_name: name, to_address: address, letter, date: at() };
    let sent = session.deliver(&outgoing).await;
    session.close().await;
    sent
}

fn names_once(message: &Value, header: &str) -> bool {
    message["headers"].as_array().unwrap().iter().filter(|name| *name == header).count() == 1
}

#[tokio::test]
async fn a_letter_arrives_whole_and_recognisable() {
    let sink = Sink::start(Wants::default());
    let letter = letter();
    send(&plain(sink.port), 17, "Ada Býron, née “Gordon”", "ada@example.net", &letter).await.unwrap();
    let message = sink.next();
    assert_eq!(message["message_id"], format!("<outbox-17.{INSTALLATION}@example.net>"));
    assert_eq!(message["subject"], "Traffic less than 5 GB - 7-41");
    assert_eq!(message["from"], "VPN <vpn@example.net>");
    assert_eq!(message["to"][0]["name"], "Ada Býron, née “Gordon”");
    assert_eq!(message["envelope_to"], serde_json::json!(["ada@example.net"]));
    assert_eq!(message["envelope_from"], "vpn@example.net");
    assert_eq!(message["auto_submitted"], "auto-generated");
    assert_eq!(message["date"], "2026-11-20T06:30:00+00:00");
    assert_eq!(message["content_type"], "multipart/alternative");
    for (part, sent) in [("text", &letter.text), ("html", &letter.html)] {
        assert_eq!(message[part].as_str().unwrap().replace("\r\n", "\n").trim_end(), sent.trim_end());
    }
    assert_eq!(message["defects"], serde_json::json!([]));
    assert_eq!((&message["tls"], &message["login"]), (&false.into(), &false.into()));
}

#[tokio::test]
async fn starttls_and_implicit_tls_log_in_and_deliver() {
    let identity = Identity::new();
    for (kind, tls) in [("starttls", Tls::StartTls), ("implicit", Tls::Implicit)] {
        let login = Some(("vpn", "right-password"));
        let sink = Sink::start(Wants { tls: Some(kind), identity: Some(&identity), login, ..Wants::default() });
        let mailer = secured(sink.port, tls, "right-password", Some(&identity));
        mailer.test_connection().await.unwrap();
        send(&mailer, 1, "Ada Byron", "ada@example.net", &letter()).await.unwrap();
        let message = sink.next();
        assert_eq!((&message["tls"], &message["login"]), (&true.into(), &true.into()), "{kind}");

        let wrong = secured(sink.port, tls, "wrong-password", Some(&identity)).test_connection().await.unwrap_err();
        let Failure::Retry(said) = &wrong else { panic!("{wrong} is final") };
        assert!(said.contains("535") && said.contains("username, password"), "{said}");
        assert!(!said.contains("wrong-password"), "{said}");

        let stranger = secured(sink.port, tls, "right-password", None).test_connection().await.unwrap_err();
        assert!(matches!(stranger, Failure::Retry(_)) && stranger.to_string().contains("certificate"), "{stranger}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_is_refused_rather_than_spoken_to_in_clear() {
    let sink = Sink::start(Wants::default());
    let identity = Identity::new();
    let refused = secured(sink.port, Tls::StartTls, "x", Some(&identity)).test_connection().await.unwrap_err();
    assert!(matches!(&refused, Failure::Retry(said) if said.contains("STARTTLS")), "{refused}");
}

#[tokio::test]
async fn a_login_that_is_missing_is_the_configurations_fault_and_not_the_recipients() {
    let sink = Sink::start(Wants { login: Some(("vpn", "right-password")), ..Wants::default() });
    let refused = send(&plain(sink.port), 1, "", "ada@example.net", &letter()).await.unwrap_err();
    assert!(
        matches!(&refused, Failure::Retry(said) if said.contains("530") && said.contains("mail.smtp")),
        "{refused}"
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let sink = Sink::start(Wants::default());
    let mailer = plain(sink.port);
    for (address, retry) in [
        ("greylisted@example.net", true),
        ("full@example.net", true),
        ("policy@example.net", true),
        ("nobody@example.net", false),
        ("no-address", false),
        ("ada@example.net, bob@example.net", false),
        ("ada@example.net>\r\nRCPT TO:<eve@example.net", false),
        ("äda@example.net", false),
    ] {
        let failure = send(&mailer, 1, "", address, &letter()).await.unwrap_err();
        assert_eq!(matches!(failure, Failure::Retry(_)), retry, "{address}: {failure}");
        assert!(!failure.sentence().contains(['\r', '\n']), "{failure}");
    }
    send(&mailer, 1, "", "greylisted@example.net", &letter()).await.unwrap();
    assert_eq!(sink.next()["envelope_to"], serde_json::json!(["greylisted@example.net"]));
    assert_eq!(sink.rest(), Vec::<Value>::new());
}

#[tokio::test]
async fn one_conversation_carries_a_batch_and_survives_a_refused_recipient() {
    let sink = Sink::start(Wants::default());
    let (mailer, letter) = (plain(sink.port), letter());
    let mut session = mailer.session().unwrap();
    let mut conversations = Vec::new();
    for (id, address, arrives) in [
        (1, "a@example.net", true),
        (2, "b@example.net", true),
        (3, "nobody@example.net", false),
        (4, "c@example.net", true),
    ] {
        let outgoing = Outgoing { outbox_id: id, to_name: "", to_address: address, letter: &letter, date: at() };
        assert_eq!(session.deliver(&outgoing).await.is_ok(), arrives, "{address}");
        if arrives {
            let message = sink.next();
            assert_eq!(message["envelope_to"], serde_json::json!([address]));
            conversations.push(message["conversation"].clone());
        }
    }
    session.close().await;
    assert_eq!(conversations[0], conversations[1]);
    assert_ne!(conversations[1], conversations[2]);
}

#[tokio::test]
async fn no_name_and_no_subject_starts_a_header() {
    let sink = Sink::start(Wants::default());
    let evil = "Ada\r\nBcc: eve@example.net\r\n\r\n<b>body</b>";
    let letter = Rendered { subject: evil.to_owned(), ..letter() };
    send(&plain(sink.port), 1, evil, "ada@example.net", &letter).await.unwrap();
    let message = sink.next();
    assert!(names_once(&message, "subject") && names_once(&message, "to"));
    assert!(!message["headers"].as_array().unwrap().contains(&"bcc".into()), "{message}");
    assert_eq!(message["subject"], "Ada Bcc: eve@example.net <b>body</b>");
    assert_eq!(message["to"].as_array().unwrap().len(), 1);
    assert_eq!(message["to"][0]["address"], "ada@example.net");
    assert_eq!(message["envelope_to"], serde_json::json!(["ada@example.net"]));
    assert!(message["text"].as_str().unwrap().starts_with("Hello Ada Byron,"));
}

#[tokio::test]
async fn a_server_that_is_away_or_says_nothing_is_worth_another_try() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let hasty = mailer(Transport::Smtp(SmtpSettings { timeout: Duration::from_millis(50), ..smtp(port) }));
    let failure = send(&hasty, 1, "", "ada@example.net", &letter()).await.unwrap_err();
    assert!(matches!(&failure, Failure::Retry(said) if said.contains("did not answer")), "{failure}");
    drop(silent);
    let failure = plain(port).test_connection().await.unwrap_err();
    assert!(matches!(&failure, Failure::Retry(said) if said.contains("cannot be reached")), "{failure}");
}

#[tokio::test]
async fn the_file_transport_writes_each_letter_whole_under_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = folder.path().join("mails");
    let mailer = mailer(Transport::File { folder: mailbox.clone() });
    mailer.test_connection().await.unwrap();
    for _ in 0..2 {
        send(&mailer, 23, "Ada Býron", "ada@example.net", &letter()).await.unwrap();
    }
    let files: Vec<_> = std::fs::read_dir(&mailbox).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["23.eml"]);
    let message = show(&mailbox.join("23.eml"));
    assert_eq!(message["message_id"], format!("<outbox-23.{INSTALLATION}@example.net>"));
    assert_eq!(message["to"][0]["name"], "Ada Býron");
    assert!(message["html"].as_str().unwrap().contains("Less than 5"));

    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    let blocked = super::sending::mailer(Transport::File { folder: folder.path().join("file") });
    let failure = send(&blocked, 1, "", "ada@example.net", &letter()).await.unwrap_err();
    assert!(matches!(&failure, Failure::Retry(said) if said.contains("cannot be written")), "{failure}");
}

#[test]
fn whmcs_and_off_send_nothing_themselves() {
    assert!(mailer(Transport::Whmcs).session().is_none());
    assert!(mailer(Transport::Off).session().is_none());
}
