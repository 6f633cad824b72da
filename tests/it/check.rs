//! Check: what `serve` would refuse to start for is said before, each in a sentence, and the status is 1.

use crate::{
    binary::{err, out, settings, turnpike},
    world::TestApp,
};
use serde_json::Value;
use std::process::Output;

const OTHER_KEY: &str = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// `turnpike check` with some settings laid over the test's own, as the environment does.
async fn check(app: &TestApp, over: &[(&str, &str)]) -> (Output, Vec<(String, bool, String)>) {
    let mut command = turnpike();
    for (key, value) in over {
        command.env(format!("TURNPIKE_{key}"), value);
    }
    let output = command.args(["check", "--json", "--config"]).arg(settings(app)).output().await.unwrap();
    let answer: Value = serde_json::from_str(&out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let found = answer["findings"].as_array().unwrap().iter();
    let found = found.map(|it| (text(&it["what"]), it["ok"].as_bool().unwrap(), text(&it["detail"]))).collect();
    (output, found)
}

/// What it says of one thing that is not well; the status and the sentence on standard error say so too.
async fn wrong(app: &TestApp, what: &str, over: &[(&str, &str)]) -> String {
    let (output, found) = check(app, over).await;
    let (_, ok, detail) = found.iter().find(|(name, ..)| name == what).unwrap_or_else(|| panic!("{what} in {found:?}"));
    assert!(!ok, "{what}: {detail}");
    assert_eq!(output.status.code(), Some(1), "{what}");
    assert!(err(&output).contains(what) && err(&output).lines().count() == 1, "{}", err(&output));
    detail.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_where_it_is() {
    let app = TestApp::new().await;
    let (output, found) = check(&app, &[]).await;
    assert!(output.status.success(), "{}", err(&output));
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["database", "master key", "templates", "mail"]);
    assert!(found[1].2.contains("opens this database"), "{found:?}");
    // A former key that is still known is no reason to refuse.
    let key = app.app.config.seal.master_key.clone();
    let older = secrecy::ExposeSecret::expose_secret(&key);
    let (output, _) = check(&app, &[("SEAL__MASTER_KEY", OTHER_KEY), ("SEAL__OLDER_KEYS", older)]).await;
    assert!(output.status.success(), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_than_the_database_s_is_found_before_the_start() {
    let app = TestApp::new().await;
    let said = wrong(&app, "master key", &[("SEAL__MASTER_KEY", OTHER_KEY)]).await;
    assert!(said.contains("is not the key") && said.contains("seal.older_keys"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_be_used_are_found_before_the_start() {
    let app = TestApp::new().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let write = |name: &str, text: String| {
        let path = app.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = (write("cert.pem", certificate.pem()), write("key.pem", key.serialize_pem()));
    let other = write("other.pem", rcgen::KeyPair::generate().unwrap().serialize_pem());
    let tls = |cert: &str, key: &str| [("HTTP__TLS_CERTIFICATE", cert.to_owned()), ("HTTP__TLS_KEY", key.to_owned())];
    for (a, b) in [("missing.pem", key.as_str()), (&cert, "missing.pem"), (&cert, &other), (&key, &key)] {
        let over = tls(a, b);
        let over: Vec<(&str, &str)> = over.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let said = wrong(&app, "certificate", &over).await;
        assert!(said.contains("cannot be used") && said.contains("see http.tls_certificate"), "{said}");
    }
    for file in ["missing.pem", &key] {
        let said = wrong(&app, "routers' authorities", &[("ROUTER__CA_FILE", file)]).await;
        assert!(said.ends_with("see router.ca_file."), "{said}");
    }
    let well = [("HTTP__TLS_CERTIFICATE", cert.as_str()), ("HTTP__TLS_KEY", &key), ("ROUTER__CA_FILE", &cert)];
    let (output, found) = check(&app, &well).await;
    assert!(output.status.success(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_away_the_mail_server_is_tried_all_the_same() {
    let app = TestApp::new().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let url = format!("mysql://nobody@127.0.0.1:{nobody}/turnpike");
    let smtp = [("MAIL__TRANSPORT", "smtp"), ("MAIL__SMTP__HOST", "127.0.0.1"), ("MAIL__SMTP__PORT", nobody.as_str())];
    let over = [&[("DATABASE__URL", url.as_str()), ("MAIL__FROM", "vpn@example.org")][..], &smtp].concat();
    let said = wrong(&app, "database", &over).await;
    assert!(said.ends_with("see database.url."), "{said}");
    wrong(&app, "mail", &over).await;
    let folder = app.folder().join("nowhere/test.db");
    let said = wrong(&app, "database", &[("DATABASE__URL", &format!("sqlite:{}", folder.display()))]).await;
    assert!(said.contains("its folder is not there"), "{said}");
}
