//! The one profile of RFC 9421 HTTP Message Signatures with RFC 9530 Content-Digest that both sides keep (contract §4).
//!
//! What is covered, how the signature base is written, how the parameters are read. Structured fields are parsed and
//! written by `sfv`; the base holds the parameters as `sfv` writes what it read, which is RFC 9421's own rule. Nothing
//! here knows time or keys: see `signed` and `caller`.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sfv::{BareItem, Dictionary, FieldType, InnerList, Item, ListEntry, Parser};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// The label of our signature in both headers; others are none of ours.
pub const LABEL: &str = "turnpike";
/// The `tag` parameter: what the signature is for.
pub const TAG: &str = "turnpike";
/// The `alg` parameter.
pub const ALGORITHM: &str = "hmac-sha256";
/// What a request's signature covers, in this order.
pub const REQUEST_COMPONENTS: &str = r#"("@method" "@path" "@query" "content-digest")"#;
/// What an answer's signature covers, in this order.
pub const ANSWER_COMPONENTS: &str = r#"("@status" "content-digest" "signature";req;key="turnpike")"#;

/// A signing key.
#[derive(Clone, Debug)]
pub struct Key {
    /// The `keyid` parameter.
    pub id: String,
    /// The HMAC key.
    pub secret: SecretSlice<u8>,
}

/// A signature as it came, read and not yet checked.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Components and parameters as they stand in the base's last line.
    pub params: String,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub expires: Option<i64>,
    /// 16 to 64 visible characters in a request, absent in an answer.
    pub nonce: Option<String>,
    /// Which key.
    pub keyid: String,
    /// The MAC as it came, of any length; empty where it was not spelled as RFC 4648 §3.5 spells it.
    pub mac: Vec<u8>,
}

/// Why a signature is not one of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none with our label.
    Missing,
    /// The named header is not what the profile says; the sentence continues "Signature-Input …".
    Malformed(&'static str, String),
}

impl Signature {
    /// Reads the signature labelled `turnpike` out of both headers (lines of one name joined by a comma, as HTTP does).
    ///
    /// # Errors
    /// It is missing, or not of the profile: `components` exactly, `alg` and `tag` ours, no parameter but the known.
    pub fn read(input: Option<&str>, signature: Option<&str>, components: &str) -> Result<Self, Fault> {
        let (Some(input), Some(text)) = (input, signature) else { return Err(Fault::Missing) };
        let inputs = dictionary("Signature-Input", input)?;
        let signatures = dictionary("Signature", text)?;
        let (Some(input), Some(signature)) = (inputs.get(LABEL), signatures.get(LABEL)) else {
            return Err(Fault::Missing);
        };
        let ListEntry::InnerList(list) = input else {
            return Err(malformed("Signature-Input", "must hold a list of components in parentheses"));
        };
        let mac = match signature {
            ListEntry::Item(Item { bare_item: BareItem::ByteSequence(mac), params }) if params.is_empty() => {
                once_spelled(mac, text)
            }
            _ => return Err(malformed("Signature", "must hold a byte sequence between colons, without parameters")),
        };
        let params = written(list.clone());
        // What is written begins with the components and goes on with parameters, if there are any.
        if !params.strip_prefix(components).is_some_and(|rest| rest.is_empty() || rest.starts_with(';')) {
            return Err(malformed("Signature-Input", format!("must cover exactly {components} in this order")));
        }
        Self::with_params(list, params, mac)
    }

    fn with_params(list: &InnerList, written: String, mac: Vec<u8>) -> Result<Self, Fault> {
        let known = ["created", "expires", "nonce", "keyid", "alg", "tag"];
        if let Some(unknown) = list.params.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(malformed(
                "Signature-Input",
                format!("has a parameter {} that is not known", unknown.as_str()),
            ));
        }
        let text = |name: &str| match list.params.get(name) {
            None => Ok(None),
            Some(BareItem::String(text)) => Ok(Some(text.as_str().to_owned())),
            Some(_) => Err(malformed("Signature-Input", format!("must give {name} as a text in quotes"))),
        };
        let whole = |name: &str| match list.params.get(name) {
            None => Ok(None),
            Some(BareItem::Integer(number)) => Ok(Some(i64::from(*number))),
            Some(_) => Err(malformed("Signature-Input", format!("must give {name} as whole Unix seconds"))),
        };
        let missing = |name: &str| malformed("Signature-Input", format!("must have the parameter {name}"));
        for (name, value) in [("alg", ALGORITHM), ("tag", TAG)] {
            if text(name)?.ok_or_else(|| missing(name))? != value {
                return Err(malformed("Signature-Input", format!("must have {name}=\"{value}\"")));
            }
        }
        Ok(Self {
            created: whole("created")?.ok_or_else(|| missing("created"))?,
            expires: whole("expires")?,
            nonce: text("nonce")?,
            keyid: text("keyid")?.ok_or_else(|| missing("keyid"))?,
            params: written,
            mac,
        })
    }
}

/// The MAC if `text` holds it as we would write it, else none, which fits nothing.
///
/// `sfv` takes what RFC 9651 §4.2.7 lets it take: the last character before `=` holds bits that belong to no byte, so that
/// four texts read as the same MAC. One request has one signature, and an answer is tied to it by its text.
fn once_spelled(mac: &[u8], text: &str) -> Vec<u8> {
    if text.contains(&byte_sequence(mac)) { mac.to_vec() } else { Vec::new() }
}

/// A header as a dictionary.
fn dictionary(name: &'static str, text: &str) -> Result<Dictionary, Fault> {
    Parser::new(text).parse().map_err(|error: sfv::Error| malformed(name, format!("is no structured field: {error}")))
}

fn malformed(header: &'static str, why: impl Into<String>) -> Fault {
    Fault::Malformed(header, why.into())
}

/// An inner list as RFC 9651 writes it.
fn written(list: InnerList) -> String {
    // Only an empty list has no spelling; this one has a member.
    vec![ListEntry::InnerList(list)].serialize().unwrap_or_default()
}

/// `sha-256=:…:` of a body, also of an empty one.
pub fn content_digest(body: &[u8]) -> String {
    digest_header(Sha256::digest(body).as_slice())
}

/// A SHA-256 as the header Content-Digest spells it.
pub fn digest_header(sha256: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256))
}

/// Whether a Content-Digest header's SHA-256 is the body's. Digests of other kinds beside it are not looked at.
pub fn digest_fits(header: &str, body: &[u8]) -> bool {
    let Ok(digests) = Parser::new(header).parse::<Dictionary>() else { return false };
    let Some(ListEntry::Item(Item { bare_item: BareItem::ByteSequence(given), .. })) = digests.get("sha-256") else {
        return false;
    };
    bool::from(given.ct_eq(Sha256::digest(body).as_slice()))
}

/// The signature base of a request. Path and query are as sent: no decoding, no normalising; no query is `?`.
pub fn request_base(method: &str, path: &str, query: Option<&str>, digest: &str, params: &str) -> String {
    let query = query.unwrap_or_default();
    format!(
        "\"@method\": {method}\n\"@path\": {path}\n\"@query\": ?{query}\n\"content-digest\": {digest}\n\
         \"@signature-params\": {params}"
    )
}

/// The signature base of an answer; `request_mac` is the request's own signature, which ties the two together.
pub fn answer_base(status: u16, digest: &str, request_mac: &[u8], params: &str) -> String {
    let request = byte_sequence(request_mac);
    format!(
        "\"@status\": {status}\n\"content-digest\": {digest}\n\"signature\";req;key=\"{LABEL}\": {request}\n\
         \"@signature-params\": {params}"
    )
}

/// Components and parameters, as both header and base hold them. `keyid` and `nonce` hold no quotes: see `config`.
pub fn params(components: &str, created: i64, nonce: Option<&str>, keyid: &str) -> String {
    let mut text = format!("{components};created={created}");
    if let Some(nonce) = nonce {
        // Writing into a String cannot fail.
        let _ = write!(text, ";nonce=\"{nonce}\"");
    }
    let _ = write!(text, ";keyid=\"{keyid}\";alg=\"{ALGORITHM}\";tag=\"{TAG}\"");
    text
}

/// The three headers that sign a message, from the base's parts.
pub fn headers(digest: String, params: &str, mac: &[u8]) -> [(&'static str, String); 3] {
    [
        ("Content-Digest", digest),
        ("Signature-Input", format!("{LABEL}={params}")),
        ("Signature", format!("{LABEL}={}", byte_sequence(mac))),
    ]
}

/// HMAC-SHA-256 of a base.
pub fn mac(secret: &SecretSlice<u8>, base: &str) -> Vec<u8> {
    keyed(secret, base).finalize().into_bytes().to_vec()
}

/// Whether a MAC is the base's; takes as long for a wrong one as for the right one.
pub fn mac_fits(secret: &SecretSlice<u8>, base: &str, mac: &[u8]) -> bool {
    keyed(secret, base).verify_slice(mac).is_ok()
}

fn keyed(secret: &SecretSlice<u8>, base: &str) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.expose_secret()).expect("HMAC takes keys of any length");
    hmac.update(base.as_bytes());
    hmac
}

/// `:…:`.
fn byte_sequence(bytes: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(bytes))
}
