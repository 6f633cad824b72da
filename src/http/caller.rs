//! The other side of the door: signs requests and checks answers, as the bridge in WHMCS does.
//!
//! For the demo, which plays its story through the signed front door, and for tests.

use super::profile::{self, ANSWER_COMPONENTS, Fault, Key, REQUEST_COMPONENTS, Signature};
use crate::{
    clock::{Chance, Clock},
    pairing::Pairing,
};

/// A caller with its key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Scheme, host and port, without a slash at its end.
    pub base_url: String,
    key: Key,
    clock: Clock,
    chance: Chance,
}

impl Caller {
    /// A caller that was paired.
    pub fn new(pairing: &Pairing, clock: Clock, chance: Chance) -> Self {
        let key = Key { id: pairing.key.id.clone(), secret: pairing.key.bytes() };
        Self { base_url: pairing.url.trim_end_matches('/').to_owned(), key, clock, chance }
    }

    /// The headers that sign a request: Content-Digest, Signature-Input, Signature. `target` is path and query as they
    /// will be sent.
    pub fn headers(&self, method: &str, target: &str, body: &[u8]) -> Vec<(String, String)> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let nonce = hex::encode(self.chance.bytes::<16>());
        let digest = profile::content_digest(body);
        let params = profile::params(REQUEST_COMPONENTS, self.clock.now().timestamp(), Some(&nonce), &self.key.id);
        let base = profile::request_base(method, path, query, &digest, &params);
        let mac = profile::mac(&self.key.secret, &base);
        profile::headers(digest, &params, &mac).map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// Whether an answer is the service's own, to this very request, unchanged. `header` gives an answer's header by
    /// name; `request` is what [`Caller::headers`] made.
    ///
    /// # Errors
    /// Why it is not to be trusted.
    pub fn verify(
        &self,
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        request: &[(String, String)],
    ) -> Result<(), &'static str> {
        let of_request =
            |name: &str| request.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let asked = Signature::read(of_request("Signature-Input"), of_request("Signature"), REQUEST_COMPONENTS);
        let asked = asked.map_err(|_fault| "the request was not signed")?;
        let (input, mac) = (header("Signature-Input"), header("Signature"));
        let answer =
            Signature::read(input.as_deref(), mac.as_deref(), ANSWER_COMPONENTS).map_err(|fault| match fault {
                Fault::Missing => "the answer is not signed",
                Fault::Malformed(..) => "the answer's signature is not of the profile",
            })?;
        if answer.keyid != self.key.id {
            return Err("the answer is signed with another key");
        }
        let digest = header("Content-Digest").ok_or("the answer has no Content-Digest")?;
        let base = profile::answer_base(status, &digest, &asked.mac, &answer.params);
        if !profile::mac_fits(&self.key.secret, &base, &answer.mac) {
            return Err("the answer's signature does not fit");
        }
        if !profile::digest_fits(&digest, body) {
            return Err("the answer's body is not the one that was signed");
        }
        Ok(())
    }
}
