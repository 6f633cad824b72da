//! What is let in.

use crate::{
    door::Door,
    draft::{Draft, SECRETS, T, draft, nonce, params, sha256},
};
use chrono::TimeDelta;

async fn assert_accepted(door: &Door, draft: &Draft) {
    let answer = door.send(&draft.bytes()).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 200, "{} {} {text}", draft.target, draft.input());
    answer.assert_signed(SECRETS[0], "whmcs", door.clock.now().timestamp(), &draft.mac());
}

/// The numbers were made by Python's `hmac`, `hashlib` and `base64` alone.
#[tokio::test]
async fn a_request_signed_elsewhere_is_accepted_byte_for_byte() {
    let door = Door::open();
    let request = "POST /v1/hooks/create HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Digest: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:\r\n\
        Signature-Input: turnpike=(\"@method\" \"@path\" \"@query\" \"content-digest\");created=1795176000;\
        nonce=\"000102030405060708090a0b0c0d0e0f\";keyid=\"whmcs\";alg=\"hmac-sha256\";tag=\"turnpike\"\r\n\
        Signature: turnpike=:1Anj9BScLAUMhgC4/2dEIASaRf3TPq1kC7MisI9kCUQ=:\r\n\
        Content-Length: 18\r\n\r\n{\"hello\": \"world\"}";
    let answer = door.send(request.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.json()["nonce"], "000102030405060708090a0b0c0d0e0f");
    answer.assert_signed(SECRETS[0], "whmcs", T, "1Anj9BScLAUMhgC4/2dEIASaRf3TPq1kC7MisI9kCUQ=");
}

/// RFC 9421 B.2.5 and RFC 9530 §2: MAC and digest are what those documents print.
#[test]
fn mac_and_digest_are_those_of_the_rfcs() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use turnpike::http::profile;
    let key = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\
        \"content-type\": application/json\n\
        \"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
    let mac = profile::mac(&STANDARD.decode(key).unwrap().into(), base);
    assert_eq!(STANDARD.encode(mac), "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
    let digest = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    assert_eq!(profile::content_digest(b"{\"hello\": \"world\"}\n"), digest);
}

#[tokio::test]
async fn paths_and_queries_count_as_they_were_sent() {
    let door = Door::open();
    let targets = [
        "/",
        "/?",
        "/v1/netflow/7",
        "/v1/plans?sort=name",
        "/v1/plans?",
        "/a%2Fb/%c3%A9/%7e?b=%20&a=1&&c=",
        "/a/../b/./c//d/",
        "/x?y?z=/?&%00",
        "/v1/plans?q=%E2%82%AC+x;y=('1')",
    ];
    for (number, target) in (0..).zip(targets) {
        for (offset, method) in [(0, "POST"), (100, "GET"), (200, "PUT"), (300, "DELETE")] {
            let mut draft = draft(number + offset);
            (draft.method, draft.target) = (method.into(), target.into());
            assert_accepted(&door, &draft).await;
        }
    }
}

#[tokio::test]
async fn the_absolute_form_of_a_proxy_is_signed_by_its_path() {
    let door = Door::open();
    let mut draft = draft(1);
    draft.target = "http://vpn.example.net:8780/v1/hooks/create?x".into();
    draft.signed_path = Some("/v1/hooks/create?x".into());
    assert_accepted(&door, &draft).await;
}

#[tokio::test]
async fn bodies_of_any_size_have_a_digest_also_none() {
    let door = Door::open();
    for (number, body) in (0..).zip([vec![], vec![0], vec![0xff; 200_000], "ü\r\n\r\n".into()]) {
        let mut draft = draft(number);
        draft.body = body;
        assert_accepted(&door, &draft).await;
    }
    let mut empty = draft(9);
    (empty.method, empty.body) = ("GET".into(), vec![]);
    assert_eq!(empty.digest(), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    assert_accepted(&door, &empty).await;
}

#[tokio::test]
async fn parameters_come_in_any_order() {
    let door = Door::open();
    let parts = |number: u32| -> Vec<String> {
        let with_expiry = format!(";expires={}{}", T + 5, params(T, number));
        with_expiry.split_inclusive(';').skip(1).map(|part| format!(";{}", part.trim_end_matches(';'))).collect()
    };
    for number in 0..6_u32 {
        let mut parts = parts(number);
        parts.rotate_left(usize::try_from(number).unwrap());
        if number % 2 == 1 {
            parts.reverse();
        }
        let mut draft = draft(number);
        draft.params = parts.concat();
        assert_accepted(&door, &draft).await;
    }
}

#[tokio::test]
async fn a_sloppy_spelling_counts_as_what_it_says() {
    let door = Door::open();
    let mut draft = draft(1);
    draft.canonical = Some(draft.input()["turnpike=".len()..].to_owned());
    draft.components = r#"(  "@method"   "@path" "@query" "content-digest" )"#.into();
    draft.params = draft.params.replace(";nonce", ";  nonce");
    assert_accepted(&door, &draft).await;
}

#[tokio::test]
async fn lines_of_one_header_are_one_header() {
    let door = Door::open();
    let mut draft = draft(1);
    // A digest of another kind may stand beside ours; both are covered.
    let other = "sha-512=:z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==:";
    draft.digest = Some(format!("{other}, {}", sha256(&draft.body)));
    let headers = [
        ("content-digest", format!("  {other} ")),
        ("CONTENT-DIGEST", sha256(&draft.body)),
        ("Signature-Input", "proxy=(\"@authority\");created=1".to_owned()),
        ("Signature-Input", draft.input()),
        ("Signature", "proxy=:AAAA:".to_owned()),
        ("Signature", format!("turnpike=:{}:", draft.mac())),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let answer = door.send(&draft.bytes_with(&headers)).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.assert_signed(SECRETS[0], "whmcs", T, &draft.mac());
}

#[tokio::test]
async fn two_keys_are_valid_at_once_and_each_signs_its_own_answers() {
    let door = Door::open();
    assert_accepted(&door, &draft(1)).await;
    let mut next = draft(1);
    next.params = next.params.replace("whmcs", "next");
    next.secret = SECRETS[1].to_vec();
    let answer = door.send(&next.bytes()).await;
    assert_eq!(answer.json()["key"], "next");
    answer.assert_signed(SECRETS[1], "next", T, &next.mac());
}

#[tokio::test]
async fn a_hundred_and_twenty_seconds_either_way_are_taken() {
    let door = Door::open();
    for (number, skew) in (0..).zip([-120, -119, -1, 0, 1, 119, 120]) {
        let mut draft = draft(number);
        draft.params = params(T + skew, number);
        assert_accepted(&door, &draft).await;
    }
}

#[tokio::test]
async fn requests_may_come_in_another_order_than_they_were_signed_in() {
    let door = Door::open();
    for (number, (pass, created)) in (0..).zip([(0, T), (60, T + 60), (0, T - 10), (1, T + 150), (0, T - 59)]) {
        door.clock.advance(TimeDelta::seconds(pass));
        assert_accepted(&door, &Draft { params: params(created, number), ..draft(number) }).await;
    }
}

#[tokio::test]
async fn a_signature_is_good_until_it_expires() {
    let door = Door::open();
    let mut draft = draft(1);
    draft.params = format!("{};expires={T}", draft.params);
    door.clock.advance(TimeDelta::milliseconds(999));
    assert_accepted(&door, &draft).await;
}

#[tokio::test]
async fn a_nonce_is_sixteen_to_sixty_four_visible_characters() {
    let door = Door::open();
    for text in ["0123456789abcdef", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~A0", &"n".repeat(64)] {
        let mut draft = draft(1);
        draft.params = draft.params.replace(&nonce(1), text);
        assert_accepted(&door, &draft).await;
    }
}
