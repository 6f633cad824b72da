//! TLS: a pin, or roots, and never nothing.

use crate::peer::{Conn, Peer, login};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{net::Ipv4Addr, sync::Arc};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_rustls::TlsAcceptor;
use turnpike::routeros::{Error, Fingerprint, Limits, Login, Routers, facts};

/// A router that speaks TLS with that certificate.
struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

impl Secure {
    async fn new(
        certificate: CertificateDer<'static>,
        key: &KeyPair,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), certificate }
    }

    /// As routers make it themselves: self-signed, no name in it, expired.
    async fn self_signed() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        Self::new(certificate.der().clone(), &key, rustls::ALL_VERSIONS).await
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    fn login(&self, fingerprint: Option<Fingerprint>) -> Login {
        Login { tls: true, fingerprint, ..login(self.listener.local_addr().unwrap().port()) }
    }

    async fn serve(&self) {
        let (tcp, _) = self.listener.accept().await.unwrap();
        let Ok(stream) = self.acceptor.accept(tcp).await else { return };
        let mut conn = Conn::on(stream);
        conn.log_in().await;
        conn.answer("/system/identity/print", &[&["=name=MikroTik"]]).await;
        let resource = ["=uptime=1w2d", "=version=7.16.2 (stable)", "=board-name=CHR"];
        conn.answer("/system/resource/print", &[&resource]).await;
        conn.is_left().await;
    }
}

async fn talk(secure: &Secure, limits: Limits, login: Login) -> Result<String, Error> {
    let routers = Routers::new(limits, Handle::current());
    let (answer, ()) = tokio::join!(
        async {
            let router = routers.once(login).await?;
            facts(&router).await.map(|facts| format!("{} {} {}", facts.identity, facts.board, facts.uptime_seconds))
        },
        secure.serve()
    );
    answer
}

#[tokio::test]
async fn a_pinned_certificate_needs_neither_name_nor_date() {
    let secure = Secure::self_signed().await;
    let pin = secure.fingerprint().to_string().to_lowercase().parse().unwrap();
    let answer = talk(&secure, Limits::default(), secure.login(Some(pin))).await;
    assert_eq!(answer.as_deref(), Ok("MikroTik CHR 777600"));
}

#[tokio::test]
async fn a_pinned_certificate_over_tls_1_2_is_as_good() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let secure = Secure::new(certificate.der().clone(), &key, &[&rustls::version::TLS12]).await;
    let answer = talk(&secure, Limits::default(), secure.login(Some(secure.fingerprint()))).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused_with_its_fingerprint() {
    let secure = Secure::self_signed().await;
    let answer = talk(&secure, Limits::default(), secure.login(Some(Fingerprint::of(b"another")))).await;
    let Err(Error::Certificate { fingerprint, why, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(fingerprint, secure.fingerprint());
    assert!(why.contains("pinned"), "{why}");
}

#[tokio::test]
async fn a_certificate_that_no_root_vouches_for_is_refused_with_its_fingerprint() {
    let secure = Secure::self_signed().await;
    let answer = talk(&secure, Limits::default(), secure.login(None)).await;
    let Err(error @ Error::Certificate { fingerprint, .. }) = &answer else { panic!("{answer:?}") };
    assert_eq!(*fingerprint, secure.fingerprint());
    assert!(error.to_string().contains(&fingerprint.to_string()));
}

#[tokio::test]
async fn a_root_from_the_configured_file_vouches_for_its_own() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), root.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let limits = Limits { extra_roots: Some(file.path().to_owned()), ..Limits::default() };
    for (name, good) in [("127.0.0.1", true), ("192.0.2.1", false)] {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let secure = Secure::new(leaf.der().clone(), &key, rustls::ALL_VERSIONS).await;
        let answer = talk(&secure, limits.clone(), secure.login(None)).await;
        assert_eq!(answer.is_ok(), good, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_file_of_roots_that_cannot_be_read_is_named() {
    let secure = Secure::self_signed().await;
    let limits = Limits { extra_roots: Some("/nonexistent/roots.pem".into()), ..Limits::default() };
    let answer = talk(&secure, limits, secure.login(None)).await;
    let Err(Error::Certificate { why, .. }) = answer else { panic!("{answer:?}") };
    assert!(why.contains("/nonexistent/roots.pem"), "{why}");
}

#[tokio::test]
async fn a_plain_port_is_not_taken_for_tls_and_silence_runs_out() {
    let peer = Peer::new().await;
    let routers = Routers::new(Limits::default(), Handle::current());
    let (answer, ()) = tokio::join!(routers.once(Login { tls: true, ..peer.login() }), async {
        let mut conn = peer.accept().await;
        conn.raw(&crate::peer::sentence(&["!fatal", "bad"])).await;
    });
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
    let limits = Limits { connect: std::time::Duration::from_millis(200), ..Limits::default() };
    let routers = Routers::new(limits, Handle::current());
    let login = Login { tls: true, fingerprint: Some(Fingerprint::of(b"x")), ..peer.login() };
    let (answer, _conn) = tokio::join!(routers.once(login), peer.accept());
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
}
