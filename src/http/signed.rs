//! Who is at the door: a request is checked against contract §4 before anything reads it.
//!
//! Order: head read, key known, signature right; then the body, signed just now, body is the one signed, nonce new. The
//! nonce comes last and is the only thing that a request changes, so a copy of a request with another body cannot use up
//! its nonce. From "signature right" on the answer is signed, also a refusal: the caller may then trust what it says.
//! Nobody's body is read before, so that strangers cannot fill the memory.
//!
//! `@path` and `@query` are taken from the request line as sent. A middleware that rewrites paths must stay behind this.

use super::{
    nonces::{Nonces, Taken},
    profile::{self, Fault, Key, REQUEST_COMPONENTS, Signature},
    refusals::Refusals,
};
use crate::{
    clock::{Clock, from_millis},
    config::BridgeKey,
    problem::{Code, Problem},
};
use actix_web::HttpRequest;
use chrono::SecondsFormat;
use std::{net::IpAddr, sync::Arc};

/// Seconds that a request's `created` may be away from our clock, either way.
pub const WINDOW: i64 = 120;

/// What signatures are checked with; one for the whole service.
#[derive(Debug)]
pub struct Signing {
    keys: Vec<Arc<Key>>,
    clock: Clock,
    /// Nonces in use. [`Nonces::to_store`] and [`Nonces::import`] carry them over a restart.
    pub nonces: Nonces,
    /// Addresses that are refused too often.
    pub refusals: Refusals,
}

/// What became of a request.
#[derive(Debug)]
pub enum Admission {
    /// It is from whom it says: do it, and sign the answer.
    Ours(Proof),
    /// Signed rightly and refused: sign the answer.
    RefusedSigned(Proof, Problem),
    /// Refused; nothing is proved, so the answer is not signed. See [`Signing::refuse`].
    Refused(Problem),
}

/// A request whose signature is right; when it was made and what its body is has not been looked at.
#[derive(Debug)]
pub struct Known {
    signature: Signature,
    digest: String,
    proof: Proof,
}

/// The proof that a request was signed with one of our keys; signs its answer.
#[derive(Clone, Debug)]
pub struct Proof {
    key: Arc<Key>,
    clock: Clock,
    request_mac: Vec<u8>,
    nonce: String,
    until: i64,
}

impl Signing {
    /// With these keys.
    pub fn new(keys: &[BridgeKey], clock: Clock) -> Self {
        let keys = keys.iter().map(|key| Arc::new(Key { id: key.id.clone(), secret: key.bytes() })).collect();
        Self { keys, clock: clock.clone(), nonces: Nonces::default(), refusals: Refusals::new(clock) }
    }

    /// Checks a request and its whole body.
    pub fn admit(&self, request: &HttpRequest, body: &[u8]) -> Admission {
        match self.recognise(request) {
            Ok(known) => self.judge(known, body),
            Err(problem) => Admission::Refused(problem),
        }
    }

    /// Checks a request's signature, for which its body is not needed: what a stranger sends after its head is not read,
    /// let alone kept.
    ///
    /// # Errors
    /// Nothing is proved, so the answer is not signed. See [`Signing::refuse`].
    pub fn recognise(&self, request: &HttpRequest) -> Result<Known, Problem> {
        let Headers { signature, nonce, digest } = Headers::of(request).map_err(unreadable)?;
        let Some(key) = self.keys.iter().find(|key| key.id == signature.keyid) else {
            return Err(Problem::new(
                Code::KeyUnknown,
                "The request is signed with a key that this Turnpike does not have; \
                 paste the code that `turnpike pair` prints into WHMCS.",
            ));
        };
        let (path, query) = (request.uri().path(), request.uri().query());
        let base = profile::request_base(request.method().as_str(), path, query, &digest, &signature.params);
        if !profile::mac_fits(&key.secret, &base, &signature.mac) {
            return Err(Problem::new(
                Code::SignatureWrong,
                "The signature does not fit: the secret differs, or something between WHMCS and Turnpike changed the \
                 request; paste the code that `turnpike pair` prints into WHMCS, and let proxies pass paths unchanged.",
            ));
        }
        let until = signature.created.saturating_add(WINDOW);
        let proof =
            Proof { key: Arc::clone(key), clock: self.clock.clone(), request_mac: signature.mac.clone(), nonce, until };
        Ok(Known { signature, digest, proof })
    }

    /// Checks the rest of a request whose signature is right: its time, its whole body, its nonce.
    pub fn judge(&self, known: Known, body: &[u8]) -> Admission {
        let Known { signature, digest, proof } = known;
        match self.refusal(&signature, &digest, body, &proof) {
            None => Admission::Ours(proof),
            Some(problem) => Admission::RefusedSigned(proof, problem),
        }
    }

    /// What is wrong with a rightly signed request; takes its nonce when nothing is.
    fn refusal(&self, signature: &Signature, digest: &str, body: &[u8], proof: &Proof) -> Option<Problem> {
        let now = self.clock.now().timestamp();
        let skew = signature.created.saturating_sub(now);
        if skew.saturating_abs() > WINDOW {
            return Some(skewed(skew, now));
        }
        if signature.expires.is_some_and(|expires| now > expires) {
            let detail =
                "The request's signature had expired when it came; check both machines' clocks, or send it anew.";
            return Some(Problem::new(Code::ClockSkew, detail).with("skew_seconds", skew));
        }
        if !profile::digest_fits(digest, body) {
            let detail = "The body is not the one that was signed (Content-Digest, sha-256); \
                          something between WHMCS and Turnpike changed it.";
            return Some(Problem::new(Code::DigestWrong, detail));
        }
        let detail = match self.nonces.take(&proof.key.id, &proof.nonce, proof.until, now) {
            Taken::New => return None,
            Taken::Seen => return Some(seen()),
            Taken::Forgotten => {
                "The request is older than what Turnpike remembers, so it cannot tell whether it came before; \
                 send it anew, and check both machines' clocks."
            }
        };
        Some(Problem::new(Code::NonceReused, detail))
    }

    /// Counts a refused, unsigned request of `peer`; after too many the answer is `slow-down` instead.
    pub fn refuse(&self, peer: Option<IpAddr>, problem: Problem) -> Problem {
        let Some(seconds) = peer.and_then(|peer| self.refusals.failed(peer)) else { return problem };
        let detail = format!(
            "Too many requests from this address were refused, the last one as {}; try again in {seconds} s.",
            problem.code.as_str()
        );
        let mut slow = Problem::new(Code::SlowDown, detail);
        slow.retry_after = Some(seconds);
        slow
    }
}

impl Proof {
    /// The headers that sign an answer with this status and a body of this digest, written as its header.
    pub fn sign(&self, status: u16, digest: String) -> [(&'static str, String); 3] {
        let created = self.clock.now().timestamp();
        let params = profile::params(profile::ANSWER_COMPONENTS, created, None, &self.key.id);
        let base = profile::answer_base(status, &digest, &self.request_mac, &params);
        let mac = profile::mac(&self.key.secret, &base);
        profile::headers(digest, &params, &mac)
    }

    /// Which key signed the request.
    pub fn key_id(&self) -> &str {
        &self.key.id
    }

    /// The request's nonce; with [`Proof::until`] for a memory that several services share.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Unix seconds: the last at which the request could be accepted.
    pub fn until(&self) -> i64 {
        self.until
    }
}

/// What the headers say, before anything is believed.
struct Headers {
    signature: Signature,
    nonce: String,
    digest: String,
}

impl Headers {
    fn of(request: &HttpRequest) -> Result<Self, Fault> {
        let input = joined(request, "Signature-Input")?;
        let mac = joined(request, "Signature")?;
        let signature = Signature::read(input.as_deref(), mac.as_deref(), REQUEST_COMPONENTS)?;
        let Some(digest) = joined(request, "Content-Digest")? else {
            return Err(Fault::Malformed("Content-Digest", "is missing".to_owned()));
        };
        let visible = |nonce: &String| (16..=64).contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_graphic());
        let Some(nonce) = signature.nonce.clone().filter(visible) else {
            let why = "must have a nonce of 16 to 64 visible characters".to_owned();
            return Err(Fault::Malformed("Signature-Input", why));
        };
        Ok(Self { signature, nonce, digest })
    }
}

/// All lines of a header as one value (RFC 9110 §5.3, RFC 9421 §2.1): trimmed, joined by comma and blank.
fn joined(request: &HttpRequest, name: &'static str) -> Result<Option<String>, Fault> {
    let mut joined: Option<String> = None;
    for line in request.headers().get_all(name) {
        let line = line.to_str().map_err(|_odd| Fault::Malformed(name, "must be plain ASCII".to_owned()))?.trim();
        match &mut joined {
            None => joined = Some(line.to_owned()),
            Some(text) => *text += &format!(", {line}"),
        }
    }
    Ok(joined)
}

fn unreadable(fault: Fault) -> Problem {
    match fault {
        Fault::Missing => Problem::new(
            Code::SignatureMissing,
            "The request carries no signature labelled turnpike (headers Signature-Input and Signature, RFC 9421); \
             only the WHMCS module that was paired may call here.",
        ),
        Fault::Malformed(header, why) => {
            let mut problem = Problem::new(Code::Malformed, format!("The header {header} {why}."));
            problem.field = Some(header.to_lowercase());
            problem
        }
    }
}

/// The request was done before, here or by another sidecar.
pub(super) fn seen() -> Problem {
    let detail = "This very request came before and was not done again; send a new one with a new nonce.";
    Problem::new(Code::NonceReused, detail)
}

/// `skew` is positive where the caller's clock is ahead of ours.
fn skewed(skew: i64, now: i64) -> Problem {
    let side = if skew > 0 { "ahead of" } else { "behind" };
    let ours = from_millis(now.saturating_mul(1000)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let detail = format!(
        "The request was signed {} s {side} Turnpike's clock, which says {ours}; at most {WINDOW} s are taken: \
         set both machines' clocks (NTP).",
        skew.saturating_abs()
    );
    Problem::new(Code::ClockSkew, detail).with("skew_seconds", skew)
}
