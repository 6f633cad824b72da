//! What an answer's signature proves, checked by the caller's side.

use crate::{
    door::{Answer, Door},
    draft::{KEYS, T},
};
use chrono::DateTime;
use turnpike::{
    clock::{Chance, Clock},
    config::BridgeKey,
    http::caller::Caller,
    pairing::Pairing,
};

fn caller(door: &Door, key: usize) -> Caller {
    let (id, secret) = KEYS[key];
    caller_as(door, id, secret)
}

fn caller_as(door: &Door, id: &str, secret: &str) -> Caller {
    let key = BridgeKey { id: id.to_owned(), secret: secret.into() };
    let pairing = Pairing { url: format!("http://{}/", door.address), key, hint: None };
    Caller::new(&pairing, Clock::fixed(DateTime::from_timestamp(T, 0).unwrap()), Chance::seeded(5))
}

async fn ask(door: &Door, headers: &[(String, String)]) -> Answer {
    let mut text =
        "POST /v1/x?y=%20 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n".to_owned();
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    door.send(format!("{text}\r\n{{}}").as_bytes()).await
}

#[tokio::test]
async fn an_answer_is_trusted_as_it_was_given_to_this_request_and_not_otherwise() {
    let door = Door::open();
    let caller = caller(&door, 0);
    assert_eq!(caller.base_url, format!("http://{}", door.address));
    let sent = caller.headers("POST", "/v1/x?y=%20", b"{}");
    let answer = ask(&door, &sent).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let header = |name: &str| answer.header(name);
    assert_eq!(caller.verify(200, header, &answer.body, &sent), Ok(()));
    assert!(caller.verify(201, header, &answer.body, &sent).is_err());
    assert!(caller.verify(200, header, b"{}", &sent).is_err());
    let other = caller.headers("POST", "/v1/x?y=%20", b"{}");
    assert_ne!(other, sent, "each request has its own nonce");
    assert!(caller.verify(200, header, &answer.body, &other).is_err());
    assert!(self::caller(&door, 1).verify(200, header, &answer.body, &sent).is_err());
    let renamed = caller_as(&door, "other", KEYS[0].1);
    assert_eq!(renamed.verify(200, header, &answer.body, &sent), Err("the answer is signed with another key"));
    for missing in ["Content-Digest", "Signature", "Signature-Input"] {
        let header = |name: &str| (name != missing).then(|| answer.header(name)).flatten();
        assert!(caller.verify(200, header, &answer.body, &sent).is_err(), "{missing}");
    }
    // The request's own headers sent back are no signature of an answer.
    let echo = |name: &str| sent.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone());
    assert!(caller.verify(200, echo, b"{}", &sent).is_err());
}

#[tokio::test]
async fn a_signed_refusal_is_trusted_and_an_unsigned_one_is_not() {
    let door = Door::open();
    let caller = caller(&door, 0);
    let sent = caller.headers("POST", "/v1/x?y=%20", b"{}");
    assert_eq!(ask(&door, &sent).await.status, 200);
    let again = ask(&door, &sent).await;
    assert_eq!(again.code(), "nonce-reused");
    assert_eq!(caller.verify(401, |name| again.header(name), &again.body, &sent), Ok(()));
    let wrong = caller.headers("GET", "/v1/x?y=%20", b"{}");
    let refused = ask(&door, &wrong).await;
    assert_eq!(refused.code(), "signature-wrong");
    let verdict = caller.verify(401, |name| refused.header(name), &refused.body, &wrong);
    assert_eq!(verdict, Err("the answer is not signed"));
}

#[tokio::test]
async fn nothing_on_the_way_may_keep_an_answer() {
    let door = Door::open();
    let sent = caller(&door, 0).headers("POST", "/v1/x?y=%20", b"{}");
    for _ in 0..2 {
        assert_eq!(ask(&door, &sent).await.header("cache-control").as_deref(), Some("no-store"));
    }
}
