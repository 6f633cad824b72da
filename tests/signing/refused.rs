//! What is refused, with which code, and whether the refusal is signed.

use crate::{
    door::{Answer, Door},
    draft::{Draft, SECRETS, T, draft, nonce, params},
};
use chrono::TimeDelta;

/// Refused with a signed answer.
async fn assert_refused_signed(door: &Door, draft: &Draft, code: &str) -> Answer {
    let answer = door.send(&draft.bytes()).await;
    assert_eq!(answer.code(), code, "{}", draft.input());
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(answer.json()["reference"], "ref");
    answer.assert_signed(SECRETS[0], "whmcs", door.clock.now().timestamp(), &draft.mac());
    answer
}

/// Refused with an answer that proves nothing. Each time with the allowance back, so that 429 does not hide the reason.
async fn assert_refused(door: &Door, bytes: &[u8], status: u16, code: &str) -> Answer {
    door.clock.advance(TimeDelta::seconds(3));
    let answer = door.send(bytes).await;
    let shown = String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{shown}\n{}", answer.json());
    assert!(!answer.is_signed(), "{shown}");
    answer
}

/// The last character before `=` holds two bits that belong to no byte: four spellings, one MAC.
#[tokio::test]
async fn a_signature_has_one_spelling() {
    let door = Door::open();
    let draft = draft(1);
    let mac = draft.mac();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (head, last) = (&mac[..mac.len() - 2], mac.as_bytes()[mac.len() - 2]);
    let place = alphabet.iter().position(|letter| *letter == last).unwrap();
    let mut headers = draft.headers();
    for other in &alphabet[place + 1..place + 4] {
        headers[2].1 = format!("turnpike=:{head}{}=:", char::from(*other));
        assert_refused(&door, &draft.bytes_with(&headers), 401, "signature-wrong").await;
    }
    headers[2].1 = format!("turnpike=:{head}{}:", char::from(last));
    assert_refused(&door, &draft.bytes_with(&headers), 401, "signature-wrong").await;
    assert_eq!(door.send(&draft.bytes()).await.status, 200);
}

#[tokio::test]
async fn a_request_is_done_once() {
    let door = Door::open();
    let draft = draft(1);
    assert_eq!(door.send(&draft.bytes()).await.status, 200);
    assert_refused_signed(&door, &draft, "nonce-reused").await;
    // To the last moment at which it could be accepted, and after.
    door.clock.advance(TimeDelta::seconds(120));
    assert_refused_signed(&door, &draft, "nonce-reused").await;
    door.clock.advance(TimeDelta::seconds(1));
    assert_refused_signed(&door, &draft, "clock-skew").await;
    // The machine's clock is set back.
    assert_eq!(door.send(&Draft { params: params(T + 121, 2), ..draft.clone() }.bytes()).await.status, 200);
    door.clock.advance(TimeDelta::seconds(-121));
    assert_refused_signed(&door, &draft, "nonce-reused").await;
}

#[tokio::test]
async fn the_same_nonce_in_another_request_is_refused_too() {
    let door = Door::open();
    assert_eq!(door.send(&draft(1).bytes()).await.status, 200);
    let mut other = draft(1);
    other.target = "/v1/hooks/suspend".into();
    other.params = params(T + 60, 1);
    assert_refused_signed(&door, &other, "nonce-reused").await;
}

#[tokio::test]
async fn a_copy_with_another_body_is_refused_and_does_not_use_up_the_nonce() {
    let door = Door::open();
    let draft = draft(1);
    for body in [&b"{\"hello\": \"World\"}"[..], b"", b"{\"hello\": \"world\"} "] {
        let copy = Draft { sent_body: Some(body.to_vec()), ..draft.clone() };
        assert_refused_signed(&door, &copy, "digest-wrong").await;
    }
    assert_eq!(door.send(&draft.bytes()).await.status, 200);
}

#[tokio::test]
async fn a_signed_digest_that_is_none_is_refused() {
    let door = Door::open();
    let right = draft(1).digest();
    let base64 = &right["sha-256=".len()..];
    for digest in [
        format!("sha-512={base64}"),
        right.replace("sha-256", "SHA-256"),
        "sha-256=:AAAA:".to_owned(),
        "sha-256=::".to_owned(),
        base64.replace(':', "\""),
        "sha-256".to_owned(),
        right.replace('=', ""),
        format!("{right}, sha-256=:AAAA:"),
        ", ,".to_owned(),
    ] {
        let draft = Draft { digest: Some(digest), ..draft(1) };
        assert_refused_signed(&door, &draft, "digest-wrong").await;
    }
}

#[tokio::test]
async fn past_the_window_the_answer_says_how_far_the_clocks_differ() {
    let door = Door::open();
    for skew in [-121, 121, -86_400, 999_999_999_999_999 - T, -999_999_999_999_999 - T] {
        let draft = Draft { params: params(T + skew, 1), ..draft(1) };
        let answer = assert_refused_signed(&door, &draft, "clock-skew").await;
        assert_eq!(answer.json()["skew_seconds"], skew);
        let side = if skew > 0 { "ahead" } else { "behind" };
        assert!(answer.json()["detail"].as_str().unwrap().contains(side));
    }
    // None of them used up the nonce.
    assert_eq!(door.send(&draft(1).bytes()).await.status, 200);
}

#[tokio::test]
async fn an_expired_signature_is_refused() {
    let door = Door::open();
    let draft = Draft { params: format!("{};expires={}", params(T - 5, 1), T - 1), ..draft(1) };
    let answer = assert_refused_signed(&door, &draft, "clock-skew").await;
    assert_eq!(answer.json()["skew_seconds"], -5);
    assert!(answer.json()["detail"].as_str().unwrap().contains("expired"));
}

#[tokio::test]
async fn without_a_signature_of_ours_nothing_is_read() {
    let door = Door::open();
    let draft = draft(1);
    let all = draft.headers();
    let without = |name: &str| all.iter().filter(|(header, _)| header != name).cloned().collect::<Vec<_>>();
    for headers in [vec![], without("Signature"), without("Signature-Input")] {
        assert_refused(&door, &draft.bytes_with(&headers), 401, "signature-missing").await;
    }
    let labelled: Vec<(String, String)> =
        all.iter().map(|(name, value)| (name.clone(), value.replace("turnpike=", "other="))).collect();
    assert_refused(&door, &draft.bytes_with(&labelled), 401, "signature-missing").await;
    let answer = assert_refused(&door, &draft.bytes_with(&without("Content-Digest")), 400, "malformed").await;
    assert_eq!(answer.json()["field"], "content-digest");
}

#[tokio::test]
async fn what_is_signed_with_another_secret_or_over_something_else_does_not_fit() {
    let door = Door::open();
    let base = draft(1);
    let bent: Vec<Draft> = vec![
        Draft { secret: b"another".to_vec(), ..base.clone() },
        Draft { secret: SECRETS[1].to_vec(), ..base.clone() },
        // The secret is the HMAC key after decoding, never its text.
        Draft { secret: crate::draft::KEYS[0].1.into(), ..base.clone() },
        Draft { signed_path: Some("/v1/hooks/terminate".into()), ..base.clone() },
        Draft { signed_path: Some("/v1/hooks/create?x".into()), ..base.clone() },
        Draft { target: "/v1/hooks/%63reate".into(), signed_path: Some("/v1/hooks/create".into()), ..base.clone() },
        Draft { target: "/v1//hooks/create".into(), signed_path: Some("/v1/hooks/create".into()), ..base.clone() },
        Draft { target: "/x?a=1&b=2".into(), signed_path: Some("/x?b=2&a=1".into()), ..base.clone() },
        Draft { target: "/x?a=%20".into(), signed_path: Some("/x?a=+".into()), ..base.clone() },
        Draft { canonical: Some(String::new()), ..base.clone() },
        Draft { params: base.params.replace("whmcs", "next"), ..base.clone() },
    ];
    for draft in bent {
        assert_refused(&door, &draft.bytes(), 401, "signature-wrong").await;
    }
    let mut headers = base.headers();
    headers[0].1 = crate::draft::sha256(b"other");
    assert_refused(&door, &base.bytes_with(&headers), 401, "signature-wrong").await;
    let put = Draft { method: "PUT".into(), ..base.clone() };
    assert_refused(&door, &put.bytes_with(&base.headers()), 401, "signature-wrong").await;
    let longer = format!("AAAA{}", base.mac());
    for mac in ["", "AAAA", &base.mac()[..4], &base.mac()[..40], &base.mac()[4..], &longer] {
        let mut headers = base.headers();
        headers[2].1 = format!("turnpike=:{mac}:");
        assert_refused(&door, &base.bytes_with(&headers), 401, "signature-wrong").await;
    }
    // The true one is not used up by any of them.
    assert_eq!(door.send(&Draft { params: params(door.clock.now().timestamp(), 1), ..base }.bytes()).await.status, 200);
}

#[tokio::test]
async fn a_key_that_is_not_known_is_said_to_be_so() {
    let door = Door::open();
    for id in ["", "other", "WHMCS", "whmcs "] {
        let draft = draft(1);
        let draft = Draft { params: draft.params.replace("whmcs", id), ..draft };
        assert_refused(&door, &draft.bytes(), 401, "key-unknown").await;
    }
}

#[tokio::test]
async fn other_components_than_the_four_in_their_order_are_refused() {
    let door = Door::open();
    for components in [
        r#"("@path" "@method" "@query" "content-digest")"#,
        r#"("@method" "@path" "content-digest" "@query")"#,
        r#"("@method" "@path" "@query")"#,
        r#"("@method" "@path" "content-digest")"#,
        r#"("@method" "@path" "@query" "content-digest" "host")"#,
        r#"("@method" "@path" "@query" "content-digest" "content-digest")"#,
        r#"("@method" "@path" "@query" "content-digest";sf)"#,
        r#"("@method" "@path" "@query" "content-digest";bs)"#,
        r#"("@method" "@path" "@query" "content-digest";key="sha-256")"#,
        r#"("@method";req "@path" "@query" "content-digest")"#,
        r#"("@method" "@path" "@query" "content-digest";req)"#,
        r#"("@method" "@target-uri" "content-digest")"#,
        r#"("@Method" "@path" "@query" "content-digest")"#,
        r"(method path query content-digest)",
        "()",
    ] {
        // Signed over exactly the lines that it names, as far as they can be named: only the profile refuses it.
        let draft = Draft { components: components.into(), ..draft(1) };
        let answer = assert_refused(&door, &draft.bytes(), 400, "malformed").await;
        assert_eq!(answer.json()["field"], "signature-input");
    }
}

#[tokio::test]
async fn parameters_that_are_unknown_missing_or_of_another_kind_are_refused() {
    let door = Door::open();
    let right = params(T, 1);
    let nonce = nonce(1);
    let swap = |from: &str, to: &str| {
        assert!(right.contains(from), "{from}");
        right.replace(from, to)
    };
    let mut bent: Vec<String> = [";x=1", ";x", ";sf", ";Created=1", ";expires=\"1\"", ";expires=1.5", ";expires=@1"]
        .iter()
        .map(|more| format!("{right}{more}"))
        .collect();
    bent.extend(right.split(';').skip(1).map(|part| right.replace(&format!(";{part}"), "")));
    bent.push(String::new());
    let created = T.to_string();
    bent.extend([
        swap(&created, &format!("\"{created}\"")),
        swap(&created, &format!("{created}.0")),
        swap(&created, &format!("@{created}")),
        swap(&format!("={created}"), ""),
        swap(&created, "9999999999999999"),
        swap("\"hmac-sha256\"", "\"hmac-sha512\""),
        swap("\"hmac-sha256\"", "hmac-sha256"),
        swap("\"turnpike\"", "\"other\""),
        swap("\"turnpike\"", "turnpike"),
        swap("\"whmcs\"", "whmcs"),
        swap("\"whmcs\"", "7"),
        swap(&nonce, "fifteen_letters"),
        swap(&nonce, &"n".repeat(65)),
        swap(&nonce, "with a blank in it"),
        swap(&nonce, ""),
        swap(&format!("\"{nonce}\""), "1234567890123456"),
        swap(&format!("\"{nonce}\""), "token-of-16-chars"),
        swap(&format!("\"{nonce}\""), ":AAAAAAAAAAAAAAAAAAAAAA==:"),
    ]);
    for params in bent {
        let draft = Draft { params, ..draft(1) };
        let answer = assert_refused(&door, &draft.bytes(), 400, "malformed").await;
        assert_eq!(answer.json()["field"], "signature-input", "{}", draft.params);
    }
}

#[tokio::test]
async fn headers_that_are_no_structured_fields_are_refused() {
    let door = Door::open();
    let draft = draft(1);
    let right = draft.headers();
    for (at, field, value) in [
        (1, "signature-input", "turnpike=(".to_owned()),
        (1, "signature-input", "turnpike=1".to_owned()),
        (1, "signature-input", "turnpike=:AAAA:".to_owned()),
        (1, "signature-input", "turnpike".to_owned()),
        (1, "signature-input", format!("{},", right[1].1)),
        (1, "signature-input", format!("{}é", right[1].1)),
        (1, "signature-input", format!("é=1, {}", right[1].1)),
        (2, "signature", "turnpike=abc".to_owned()),
        (2, "signature", "turnpike=:!!!:".to_owned()),
        (2, "signature", "turnpike=(:AAAA:)".to_owned()),
        (2, "signature", format!("{};x", right[2].1)),
        (2, "signature", format!("{}; ", right[2].1)),
        (2, "signature", "turnpike=\"AAAA\"".to_owned()),
        (0, "content-digest", "sha-256=:é:".to_owned()),
    ] {
        let mut headers = right.clone();
        headers[at].1 = value;
        let answer = assert_refused(&door, &draft.bytes_with(&headers), 400, "malformed").await;
        assert_eq!(answer.json()["field"], field, "{}", headers[at].1);
    }
}

#[tokio::test]
async fn a_request_line_with_more_than_ascii_is_no_http_and_goes_no_further() {
    let door = Door::open();
    for target in ["/é", "/x?ü=1"] {
        let draft = Draft { target: target.into(), ..draft(1) };
        let answer = door.send(&draft.bytes()).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.is_empty() && !answer.is_signed(), "{target}");
    }
    assert!(door.signing.nonces.to_store(T).is_empty());
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_slowed_and_right_requests_from_it_are_not() {
    let door = Door::open();
    let wrong = Draft { secret: b"guess".to_vec(), ..draft(1) };
    for _ in 0..20 {
        assert_eq!(door.send(&wrong.bytes()).await.code(), "signature-wrong");
    }
    let slowed = door.send(&wrong.bytes()).await;
    assert_eq!((slowed.status, slowed.code().as_str()), (429, "slow-down"));
    assert_eq!(slowed.header("retry-after").as_deref(), Some("3"));
    assert!(!slowed.is_signed());
    for number in 2..40 {
        assert_eq!(door.send(&draft(number).bytes()).await.status, 200);
    }
    // Rightly signed and refused is told its reason, slowed or not, and is not counted.
    assert_refused_signed(&door, &draft(2), "nonce-reused").await;
    door.clock.advance(TimeDelta::seconds(3));
    assert_eq!(door.send(&wrong.bytes()).await.code(), "signature-wrong");
    assert_eq!(door.send(&wrong.bytes()).await.code(), "slow-down");
}

#[tokio::test]
async fn nonces_outlive_a_restart() {
    let before = Door::open();
    assert_eq!(before.send(&draft(1).bytes()).await.status, 200);
    let after = Door::open();
    after.signing.nonces.import(before.signing.nonces.to_store(T), T);
    assert_refused_signed(&after, &draft(1), "nonce-reused").await;
    assert_eq!(after.send(&draft(2).bytes()).await.status, 200);
}

#[tokio::test]
async fn of_equal_requests_at_once_one_is_done() {
    let door = Door::open();
    let bytes = draft(1).bytes();
    let answers = futures_util::future::join_all((0..12).map(|_| door.send(&bytes))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.code() == "nonce-reused").count(), 11);
}
