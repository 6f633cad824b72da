//! A request signed by hand after the contract's text; every part of it can be bent.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Where the clock stands: 2026-11-20T12:00:00Z.
pub const T: i64 = 1_795_176_000;
/// Key ids and secrets as configured.
pub const KEYS: [(&str, &str); 2] = [
    ("whmcs", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDE"),
    ("next", "bmV4dCBrZXkgbmV4dCBrZXkgbmV4dCBrZXkgbmV4dCBrZXk"),
];
/// The first key's bytes, the second's.
pub const SECRETS: [&[u8]; 2] = [b"secretsecretsecretsecretsecret01", b"next key next key next key next key"];

#[derive(Clone)]
pub struct Draft {
    pub method: String,
    pub target: String,
    /// What is signed as `@path` and `@query`; none: as the target says.
    pub signed_path: Option<String>,
    pub body: Vec<u8>,
    /// Sent instead of the body that was digested.
    pub sent_body: Option<Vec<u8>>,
    pub secret: Vec<u8>,
    /// As in the header, and in the base unless `canonical` says otherwise.
    pub components: String,
    pub params: String,
    /// How the list stands in the base where the header's spelling is a sloppy one.
    pub canonical: Option<String>,
    /// The base's lines for the components; none: the four of the profile.
    pub lines: Option<String>,
    /// The value of Content-Digest, lines joined; none: the body's.
    pub digest: Option<String>,
}

pub fn nonce(number: u32) -> String {
    format!("{number:032x}")
}

pub fn params(created: i64, number: u32) -> String {
    let nonce = nonce(number);
    format!(";created={created};nonce=\"{nonce}\";keyid=\"whmcs\";alg=\"hmac-sha256\";tag=\"turnpike\"")
}

/// A request as it should be; `number` makes its nonce.
pub fn draft(number: u32) -> Draft {
    Draft {
        method: "POST".into(),
        target: "/v1/hooks/create".into(),
        signed_path: None,
        body: b"{\"hello\": \"world\"}".to_vec(),
        sent_body: None,
        secret: SECRETS[0].to_vec(),
        components: r#"("@method" "@path" "@query" "content-digest")"#.into(),
        params: params(T, number),
        canonical: None,
        lines: None,
        digest: None,
    }
}

pub fn sha256(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

impl Draft {
    pub fn digest(&self) -> String {
        self.digest.clone().unwrap_or_else(|| sha256(&self.body))
    }

    pub fn input(&self) -> String {
        format!("turnpike={}{}", self.components, self.params)
    }

    /// The MAC, base64.
    pub fn mac(&self) -> String {
        let signed = self.signed_path.as_ref().unwrap_or(&self.target);
        let (path, query) = signed.split_once('?').unwrap_or((signed, ""));
        let lines = self.lines.clone().unwrap_or_else(|| {
            let (method, digest) = (&self.method, self.digest());
            format!("\"@method\": {method}\n\"@path\": {path}\n\"@query\": ?{query}\n\"content-digest\": {digest}")
        });
        let list = self.canonical.clone().unwrap_or_else(|| format!("{}{}", self.components, self.params));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap();
        mac.update(format!("{lines}\n\"@signature-params\": {list}").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    pub fn headers(&self) -> Vec<(String, String)> {
        vec![
            ("Content-Digest".into(), self.digest()),
            ("Signature-Input".into(), self.input()),
            ("Signature".into(), format!("turnpike=:{}:", self.mac())),
        ]
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_with(&self.headers())
    }

    /// With these headers instead of its own.
    pub fn bytes_with(&self, headers: &[(String, String)]) -> Vec<u8> {
        let body = self.sent_body.as_ref().unwrap_or(&self.body);
        let mut text = format!("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        let end = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        [text.as_bytes(), end.as_bytes(), body].concat()
    }
}
