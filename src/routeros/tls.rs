//! Whom we speak TLS with: a pinned leaf certificate, or one that the system's roots (or a configured file) vouch for.
//!
//! Never skipped. Routers carry self-signed leaves without names as often as not, so a pin asks nothing but the
//! SHA-256 of the leaf; the handshake's signatures are checked either way. A certificate that fails is reported with
//! the fingerprint seen, so that staff can compare and pin it.

use super::{error::Failure, routers::Login};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The SHA-256 of a certificate's DER bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is not 64 hex digits, with or without a colon between each two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a SHA-256 fingerprint: 64 hex digits, with or without colons between the pairs")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let text = text.trim();
        let plain = if text.contains(':') {
            if text.split(':').any(|pair| pair.len() != 2) {
                return Err(NotAFingerprint);
            }
            text.replace(':', "")
        } else {
            text.to_owned()
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(plain, &mut bytes).map_err(|_wrong| NotAFingerprint)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What every TLS connection of the process shares: the crypto provider and the roots, read once when first needed.
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    extra: Option<PathBuf>,
    roots: OnceCell<Arc<WebPkiServerVerifier>>,
}

impl Trust {
    pub(super) fn new(extra: Option<PathBuf>) -> Self {
        Self { provider: Arc::new(ring::default_provider()), extra, roots: OnceCell::new() }
    }

    async fn rule(&self, pin: Option<Fingerprint>) -> Rule {
        if let Some(pin) = pin {
            return Rule::Pinned(pin);
        }
        let (provider, extra) = (Arc::clone(&self.provider), self.extra.clone());
        let load = || async {
            tokio::task::spawn_blocking(move || load(provider, extra.as_deref())).await.map_err(|e| e.to_string())?
        };
        match self.roots.get_or_try_init(load).await {
            Ok(verifier) => Rule::Roots(Arc::clone(verifier)),
            Err(why) => Rule::Nothing(why),
        }
    }

    /// The TLS handshake on a connected socket. The caller sets the deadline.
    pub(super) async fn handshake(&self, tcp: TcpStream, login: &Login) -> Result<TlsStream<TcpStream>, Failure> {
        let peer = tcp.peer_addr().map_err(|e| Failure::Away(e.to_string()))?.ip();
        let refused = Arc::new(Mutex::new(None));
        let verifier = Verifier {
            rule: self.rule(login.fingerprint).await,
            also: login.certified_as.as_deref().and_then(|name| ServerName::try_from(name.to_owned()).ok()),
            provider: Arc::clone(&self.provider),
            refused: Arc::clone(&refused),
        };
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| Failure::Away(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        match TlsConnector::from(Arc::new(config)).connect(server_name(&login.host, peer), tcp).await {
            Ok(stream) => Ok(stream),
            Err(error) => {
                let seen = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(match seen {
                    Some((fingerprint, why)) => Failure::Certificate(fingerprint, why),
                    None => Failure::Away(format!(
                        "the TLS handshake failed ({error}); api-ssl needs a certificate, and its own port (8729)"
                    )),
                })
            }
        }
    }
}

/// The name to be certified. One that cannot be a DNS name (an underscore, say) can still be pinned.
fn server_name(host: &str, peer: IpAddr) -> ServerName<'static> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).unwrap_or(ServerName::IpAddress(peer.into()))
}

/// The system's roots and those of the configured file. Blocking: reads files.
fn load(provider: Arc<CryptoProvider>, extra: Option<&Path>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(%error, "some of the system's root certificates cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = extra {
        add_extra(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err("there are no root certificates on this machine".to_owned());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|e| e.to_string())
}

fn add_extra(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let unreadable = |e: &dyn fmt::Display| format!("the file of root certificates {}: {e}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))? {
        let certificate = certificate.map_err(|e| unreadable(&e))?;
        roots.add(certificate).map_err(|e| unreadable(&e))?;
    }
    Ok(())
}

/// How many certificates of authorities a file holds. Blocking: reads it.
///
/// # Errors
/// Why it cannot be used, without a full stop.
pub fn extra_roots(path: &Path) -> Result<usize, String> {
    let mut roots = RootCertStore::empty();
    add_extra(&mut roots, path)?;
    if roots.is_empty() { Err(format!("{} holds no certificate", path.display())) } else { Ok(roots.len()) }
}

/// What makes a certificate good.
#[derive(Debug)]
enum Rule {
    Pinned(Fingerprint),
    Roots(Arc<WebPkiServerVerifier>),
    /// There is nothing to verify against; the certificate is refused with its fingerprint.
    Nothing(String),
}

#[derive(Debug)]
struct Verifier {
    rule: Rule,
    also: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
    refused: Arc<Mutex<Option<(Fingerprint, String)>>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of(leaf);
        let (error, why) = match &self.rule {
            Rule::Pinned(pin) if *pin == seen => return Ok(ServerCertVerified::assertion()),
            Rule::Pinned(_) => {
                let error = rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
                (error, "it is not the one that is pinned".to_owned())
            }
            Rule::Roots(verifier) => {
                let verify = |name: &ServerName<'_>| verifier.verify_server_cert(leaf, intermediates, name, ocsp, now);
                let also = |error| self.also.as_ref().map_or(Err(error), verify);
                match verify(name).or_else(also) {
                    Ok(good) => return Ok(good),
                    Err(error) => {
                        let why = error.to_string();
                        (error, why)
                    }
                }
            }
            Rule::Nothing(why) => (rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), why.clone()),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((seen, why));
        Err(error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons_in_any_case() {
        let want = Fingerprint::of(b"abc");
        let plain = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let colons = want.to_string();
        assert!(colons.starts_with("BA:78:16"));
        for text in [plain, &plain.to_uppercase(), &colons, &colons.to_lowercase(), &format!(" {plain}\n")] {
            assert_eq!(text.parse(), Ok(want), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_not_a_fingerprint() {
        let plain = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let odd = plain.replacen("ba78", "ba7:8", 1);
        for text in ["", ":", &plain[2..], &format!("{plain}00"), &plain.replace('b', "g"), &odd, "sha256:00"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotAFingerprint), "{text:?}");
        }
    }

    #[test]
    fn any_host_gives_a_server_name() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        assert!(matches!(server_name("vpn1.example.net", peer), ServerName::DnsName(_)));
        assert!(matches!(server_name("[::1]", peer), ServerName::IpAddress(_)));
        assert_eq!(server_name("not a name", peer), ServerName::IpAddress(peer.into()));
    }
}
