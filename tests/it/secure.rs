//! Certificates and mail servers, end to end: what the administrator sees when one is wrong, and that it works when right.

use crate::{
    sink::{Sink, Wants},
    world::{Database, GB, TestApp},
};
use chrono::Duration;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turnpike::simulator::{Options, Simulator};

/// A certificate that nobody has signed, for `127.0.0.1` and `localhost`.
pub struct SelfSigned {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl SelfSigned {
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub fn new() -> Self {
        Self::named(&["127.0.0.1", "localhost"])
    }

    fn named(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { der: certificate.der().clone(), pem: certificate.pem(), key }
    }

    fn server(&self) -> Arc<rustls::ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![self.der.clone()], key).unwrap())
    }
}

pub async fn on_tls(certificate: &SelfSigned, more: &str) -> TestApp {
    let options = Options { tls: Some(certificate.server()), ..Options::default() };
    TestApp::on(Simulator::start(options).await.unwrap(), Database::bare().await, more).await
}

pub fn over_tls(app: &TestApp, fingerprint: &str) -> Value {
    app.body_with(41, &json!({"server": {"tls": true, "certificate_sha256": fingerprint}}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_certificate_is_refused_with_the_fingerprint_that_pins_it() {
    let certificate = SelfSigned::new();
    let app = on_tls(&certificate, "").await;
    let refused = app.hook("test-connection", &over_tls(&app, "")).await;
    assert_eq!(refused.code(), "router-refused");
    let fingerprint = refused.body["certificate_sha256"].as_str().unwrap();
    assert!(refused.body["detail"].as_str().unwrap().contains(fingerprint), "{}", refused.body);
    let pinned = app.hook("test-connection", &over_tls(&app, fingerprint)).await.ok();
    assert_eq!(pinned["warnings"], json!([]));
    let plain = fingerprint.replace(':', "").to_lowercase();
    app.hook("create", &over_tls(&app, &plain)).await.ok();
    let other = "00".repeat(32);
    assert_eq!(app.hook("test-connection", &over_tls(&app, &other)).await.code(), "router-refused");
    let nonsense = app.hook("test-connection", &over_tls(&app, "not a fingerprint")).await;
    assert_eq!((nonsense.code(), &nonsense.body["field"]), ("setting-invalid", &json!("server.certificate_sha256")));
}

/// What a router with a certificate for these names answers to a service that trusts its authority.
async fn trusted(names: &[&str]) -> crate::world::Answer {
    let certificate = SelfSigned::named(names);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &certificate.pem).unwrap();
    let app = on_tls(&certificate, &format!("router.ca_file = \"{}\"\n", file.display())).await;
    app.hook("test-connection", &over_tls(&app, "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_authority_is_trusted_for_the_address_or_the_hostname() {
    trusted(&["127.0.0.1"]).await.ok();
    // Dialled by its address, certified by the name that WHMCS has for it.
    trusted(&["vpn1.example.net"]).await.ok();
    assert_eq!(trusted(&["other.example.net"]).await.code(), "router-refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_door_speaks_tls() {
    let certificate = SelfSigned::new();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, &certificate.pem).unwrap();
    std::fs::write(&key, certificate.key.serialize_pem()).unwrap();
    let files = format!("http.tls_certificate = \"{}\"\nhttp.tls_key = \"{}\"\n", cert.display(), key.display());
    let app = TestApp::with(&files).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let address = app.service.as_ref().unwrap().address;
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
    let body = serde_json::to_vec(&json!({"service": {"id": 9}})).unwrap();
    let mut head = format!("POST /v1/hooks/terminate HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
    head += "Content-Type: application/json\r\nConnection: close\r\n";
    for (name, value) in app.caller.headers("POST", "/v1/hooks/terminate", &body) {
        head += &format!("{name}: {value}\r\n");
    }
    tls.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    tls.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"account\":null}"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_letters_arrive_over_smtp() {
    let sink = Sink::start(Wants::default());
    let smtp = format!(
        "mail.transport = \"smtp\"\nmail.from = \"VPN <vpn@example.net>\"\n\
         mail.smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"none\", username = \"\", password = \"\" }}\n",
        sink.port
    );
    let app = TestApp::with(&smtp).await;
    let username = app.create(41).await;
    for (moved, subject) in [(9 * GB, "Traffic less than 2 GB - 7-41"), (2 * GB, "Suspension Information - 7-41")] {
        assert!(app.router.carry(&username, moved, 0));
        app.pass(Duration::hours(1));
        app.collect().await;
        app.step().await;
        let letter = sink.next();
        assert_eq!(letter["subject"], subject, "{letter}");
    }
    app.step().await;
    assert!(sink.rest().is_empty(), "a letter came twice");
}
