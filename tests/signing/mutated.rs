//! Whatever is bent in a signed request: it is not let in, and the door does not fall over.

use crate::draft::{Draft, KEYS, T, draft};
use actix_web::{http::Method, test::TestRequest};
use chrono::DateTime;
use proptest::{prelude::*, sample::Index};
use turnpike::{
    clock::Clock,
    config::BridgeKey,
    http::signed::{Admission, Signing},
};

fn signing() -> Signing {
    let key = BridgeKey { id: KEYS[0].0.to_owned(), secret: KEYS[0].1.into() };
    Signing::new(&[key], Clock::fixed(DateTime::from_timestamp(T, 0).unwrap()))
}

fn admitted(draft: &Draft, headers: &[(String, String)]) -> bool {
    let method = Method::from_bytes(draft.method.as_bytes()).unwrap();
    let mut request = TestRequest::default().method(method).uri(&draft.target);
    for (name, value) in headers {
        let value = actix_web::http::header::HeaderValue::from_bytes(value.as_bytes());
        let Ok(value) = value else { return false };
        request = request.append_header((name.as_str(), value));
    }
    matches!(signing().admit(&request.to_http_request(), &draft.body), Admission::Ours(_))
}

#[test]
fn the_request_that_is_bent_below_is_let_in_as_it_stands() {
    assert!(admitted(&draft(1), &draft(1).headers()));
}

proptest! {
    #[test]
    fn one_character_changed_in_any_header_is_one_too_many(at in 0..3_usize, index: Index, to in 0x20_u8..0x7f) {
        let draft = draft(1);
        let mut headers = draft.headers();
        let mut bytes = headers[at].1.clone().into_bytes();
        let place = index.index(bytes.len());
        prop_assume!(bytes[place] != to);
        bytes[place] = to;
        headers[at].1 = String::from_utf8(bytes).unwrap();
        prop_assert!(!admitted(&draft, &headers), "{headers:?}");
    }

    #[test]
    fn any_text_in_any_header_is_refused_without_a_fall(at in 0..3_usize, text in "[ -~]{0,200}|turnpike=.{0,100}") {
        let draft = draft(1);
        let mut headers = draft.headers();
        prop_assume!(headers[at].1 != text);
        headers[at].1 = text;
        prop_assert!(!admitted(&draft, &headers), "{headers:?}");
    }

    #[test]
    fn one_bit_of_the_body_is_one_too_many(index: Index, bit in 0..8_u8) {
        let draft = draft(1);
        let mut body = draft.body.clone();
        let place = index.index(body.len());
        body[place] ^= 1 << bit;
        let bent = Draft { body, ..draft.clone() };
        prop_assert!(!admitted(&bent, &draft.headers()));
    }
}
