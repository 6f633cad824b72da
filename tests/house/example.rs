//! The worked example of `docs/protocol.md`, recomputed: by HMAC and SHA-256 alone, and by the service's own reading.

use crate::source::text;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use turnpike::http::profile;

/// The block of code that is marked so.
fn block(mark: &str) -> String {
    let page = text("docs/protocol.md");
    let (_, rest) = page.split_once(&format!("```{mark}\n")).unwrap_or_else(|| panic!("no block {mark}"));
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// A message in a block: its first line, its headers, its body.
struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Message {
    fn of(mark: &str) -> Self {
        let text = block(mark);
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let first = lines.next().unwrap().to_owned();
        let headers =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { first, headers: headers.collect(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(header, _)| header == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn params(&self) -> &str {
        self.header("Signature-Input").strip_prefix("turnpike=").unwrap()
    }

    fn mac(&self) -> Vec<u8> {
        let text = self.header("Signature").strip_prefix("turnpike=:").unwrap().strip_suffix(':').unwrap();
        STANDARD.decode(text).unwrap()
    }

    fn assert_digest_and_mac(&self, base: &str) {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&self.body)));
        assert_eq!(self.header("Content-Digest"), digest);
        let secret = URL_SAFE_NO_PAD.decode(block("secret")).unwrap();
        assert_eq!(secret, (0..32).collect::<Vec<u8>>());
        let mut hmac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        hmac.update(base.as_bytes());
        assert_eq!(STANDARD.encode(hmac.finalize().into_bytes()), STANDARD.encode(self.mac()));
    }
}

#[test]
fn the_request_is_signed_as_the_page_says() {
    let request = Message::of("request");
    let base = block("request-base");
    request.assert_digest_and_mac(&base);
    let mut first = request.first.split(' ');
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let ours = profile::request_base(method, path, None, request.header("Content-Digest"), request.params());
    assert_eq!(ours, base);
    let read = profile::Signature::read(
        Some(request.header("Signature-Input")),
        Some(request.header("Signature")),
        profile::REQUEST_COMPONENTS,
    );
    let read = read.unwrap();
    assert_eq!((read.params.as_str(), read.mac), (request.params(), request.mac()));
    serde_json::from_str::<serde_json::Value>(&request.body).unwrap();
}

#[test]
fn the_answer_is_signed_as_the_page_says_and_tied_to_the_request() {
    let (request, answer) = (Message::of("request"), Message::of("answer"));
    let base = block("answer-base");
    answer.assert_digest_and_mac(&base);
    let status: u16 = answer.first.split(' ').nth(1).unwrap().parse().unwrap();
    let ours = profile::answer_base(status, answer.header("Content-Digest"), &request.mac(), answer.params());
    assert_eq!(ours, base);
    let read = profile::Signature::read(
        Some(answer.header("Signature-Input")),
        Some(answer.header("Signature")),
        profile::ANSWER_COMPONENTS,
    );
    assert_eq!(read.unwrap().mac, answer.mac());
}
