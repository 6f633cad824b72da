//! Every byte value on its way to a router and back: what WHMCS gives is refused by its field's name or arrives byte for
//! byte; what a router gives is shown and breaks nothing.

use crate::world::{Database, MB, TestApp};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use turnpike::{
    simulator::{Options, Simulator},
    work::doctor,
};

/// Beyond Latin-1: letters of several bytes, marks that turn text around or show nothing, what is no character.
const MORE: [&str; 14] = [
    "é",
    "ł",
    "日本",
    "عر",
    "\u{301}",
    "\u{200b}",
    "\u{200f}",
    "\u{202e}",
    "\u{2028}",
    "\u{2066}",
    "\u{feff}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{1f600}",
];

fn control() -> impl Iterator<Item = char> {
    (0..=255_u8).map(char::from).filter(|it| it.is_control())
}

/// Everything in Latin-1 that is no control character, and [`MORE`], in pieces that a name holds.
fn printable() -> Vec<String> {
    let plain: Vec<String> = (0..=255_u8).map(char::from).filter(|it| !it.is_control()).map(String::from).collect();
    let all: Vec<String> = plain.into_iter().chain(MORE.map(str::to_owned)).collect();
    // What stands at an end is not a blank.
    all.chunks(20).map(|some| format!("a{}z", some.concat())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_character_is_refused_by_the_name_of_its_field_wherever_it_stands() {
    let app = TestApp::new().await;
    app.create(41).await;
    app.router.clear_journal();
    for mark in control() {
        for (part, name, hook) in [
            ("service", "username", "create"),
            ("service", "password", "create"),
            ("service", "password", "change-password"),
            ("settings", "comment_prefix", "create"),
            ("settings", "l2tp_psk", "create"),
            ("settings", "profile", "create"),
        ] {
            let service = if hook == "create" { 42 } else { 41 };
            let mut body = app.body(service);
            body[part][name] = json!(format!("a{mark}z"));
            let refusal = app.refused(hook, &body).await;
            assert_eq!(refusal, (422, "setting-invalid".to_owned(), format!("{part}.{name}")), "{mark:?}");
        }
    }
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    for mark in control() {
        for name in ["email", "name"] {
            let body = app.body_with(43, &json!({"client": {name: format!("a{mark}z")}}));
            let field = format!("client.{name}");
            assert_eq!(app.refused("create", &body).await, (422, "setting-invalid".to_owned(), field), "{mark:?}");
        }
    }
    assert!(app.writes().is_empty(), "{:?}", app.writes());
    // What parts a comment is left out of it.
    let made = app.hook("create", &app.body_with(43, &json!({"client": {"email": "ada|@example.net"}}))).await.ok();
    let comment = app.secret(made["service"]["username"].as_str().unwrap(), "comment").unwrap();
    assert_eq!(comment, "WHMCS|Product ID:43|ada@example.net");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_character_arrives_on_the_router_byte_for_byte_and_comes_back() {
    let app = TestApp::new().await;
    for (number, text) in (100..).zip(printable()) {
        let prefix = text.replace('|', "");
        let mut body = app.body_with(
            number,
            &json!({
                "service": {"username": text, "password": format!("{text}1")},
                "settings": {"comment_prefix": prefix, "l2tp_psk": format!("{text}2")},
                "client": {"email": format!("{text}@example.net"), "name": text},
            }),
        );
        let made = app.hook("create", &body).await.ok();
        assert_eq!(made["service"]["username"], json!(text));
        assert_eq!(app.secret(&text, "password"), Some(format!("{text}1")));
        let comment = format!("{prefix}|Product ID:{number}|{prefix}@example.net");
        assert_eq!(app.secret(&text, "comment"), Some(comment.clone()));
        assert_eq!(app.queue(&text, "comment"), Some(comment));
        body["service"]["password"] = json!(format!("{text}3"));
        app.hook("change-password", &body).await.ok();
        assert_eq!(app.secret(&text, "password"), Some(format!("{text}3")));
        app.router.connect(&text, &format!("{text}3"), "l2tp", "198.51.100.7").unwrap();
        assert!(app.router.carry(&text, MB, 1));
        let page = app.live_page_of(&body).await;
        assert_eq!(page["information"]["username"], json!(text));
        assert_eq!(page["information"]["password"], json!(format!("{text}3")));
        assert_eq!(page["information"]["l2tp_psk"], json!(format!("{text}2")));
        assert_eq!(page["connection"]["status"], "online", "{text}");
    }
    app.pass(chrono::Duration::minutes(5));
    let collected = app.collect().await;
    assert_eq!((&collected["collected"], &collected["skipped"]), (&json!(printable().len()), &json!([])));
    let listed = app.hook("list-accounts", &app.body(1)).await.ok();
    let names: Vec<&str> =
        listed["accounts"].as_array().unwrap().iter().map(|it| it["username"].as_str().unwrap()).collect();
    assert!(printable().iter().all(|text| names.contains(&text.as_str())), "{names:?}");
}

/// The router's own login: the one name and password that are not a customer's.
#[tokio::test(flavor = "multi_thread")]
async fn the_routers_login_holds_every_character_or_is_refused_by_the_name_of_its_field() {
    for text in printable() {
        let login = Options { username: text.clone(), password: format!("{text}1"), ..Options::default() };
        let app = TestApp::on(Simulator::start(login).await.unwrap(), Database::bare().await, "").await;
        let of = |password: String| app.body_with(41, &json!({"server": {"username": text, "password": password}}));
        app.hook("test-connection", &of(format!("{text}1"))).await.ok();
        assert_eq!(app.hook("test-connection", &of(format!("{text}2"))).await.code(), "router-refused", "{text}");
        app.hook("create", &of(format!("{text}1"))).await.ok();
    }
    let app = TestApp::new().await;
    for mark in control() {
        for (name, hook) in [("username", "test-connection"), ("password", "test-connection"), ("password", "create")] {
            let body = app.body_with(41, &json!({"server": {name: format!("a{mark}z")}}));
            let refusal = app.refused(hook, &body).await;
            assert_eq!(refusal, (422, "setting-invalid".to_owned(), format!("server.{name}")), "{mark:?} {hook}");
        }
    }
    let endless = app.body_with(41, &json!({"server": {"password": "é".repeat(4097)}}));
    let refusal = app.refused("test-connection", &endless).await;
    assert_eq!(refusal, (422, "setting-invalid".to_owned(), "server.password".to_owned()));
    assert!(app.router.journal().is_empty(), "no router is called for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_json_text_are_malformed_wherever_they_stand() {
    let app = TestApp::new().await;
    app.create(41).await;
    let with = |part: &str, name: &str, bytes: &[u8]| {
        let mut body = app.body(41);
        body[part][name] = json!("@@@@");
        let text = serde_json::to_vec(&body).unwrap();
        let at = text.windows(4).position(|four| four == b"@@@@").unwrap();
        [&text[..at], bytes, &text[at + 4..]].concat()
    };
    let mut wrong: Vec<Vec<u8>> = (0..0x20_u8).chain(0x80..=0xff).map(|byte| vec![b'a', byte, b'z']).collect();
    // Overlong spellings, surrogates, beyond Unicode, half of a pair, and what no escape is.
    let more: [&[u8]; 9] = [
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\\ud800x",
        b"\\x41",
        b"\\u00",
    ];
    wrong.extend(more.map(<[u8]>::to_vec));
    for bytes in wrong {
        for (part, name) in
            [("service", "username"), ("service", "password"), ("client", "email"), ("settings", "l2tp_psk")]
        {
            let body = with(part, name, &bytes);
            let answer = app.send_raw("POST", "/v1/hooks/change-password", "application/json", body).await;
            assert_eq!((answer.status, answer.code()), (400, "malformed"), "{part}.{name} {bytes:?}");
        }
    }
    // A pair of surrogates is one character.
    let body = with("service", "password", b"\\ud83d\\ude00");
    assert_eq!(app.send_raw("POST", "/v1/hooks/change-password", "application/json", body).await.status, 200);
    assert_eq!(app.secret("7-41", "password").unwrap(), "\u{1f600}");
}

/// What the simulated router's rows hold, to be replaced on the way by bytes that are no text.
const MARK: [u8; 32] = [b'Q'; 32];

/// Between service and router: [`MARK`] becomes `bytes` in what the router says.
async fn between(router: SocketAddr, bytes: [u8; 32]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((ours, _)) = listener.accept().await {
            let theirs = TcpStream::connect(router).await.unwrap();
            let ((mut ours_read, ours_write), (theirs_read, mut theirs_write)) =
                (ours.into_split(), theirs.into_split());
            tokio::spawn(replaced(theirs_read, ours_write, bytes));
            tokio::spawn(async move { tokio::io::copy(&mut ours_read, &mut theirs_write).await });
        }
    });
    address
}

async fn replaced(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, by: [u8; 32]) {
    let mut held: Vec<u8> = Vec::new();
    while let Ok(1..) = from.read_buf(&mut held).await {
        while let Some(at) = held.windows(32).position(|it| it == MARK) {
            held[at..at + 32].copy_from_slice(&by);
        }
        // What may go on in the next piece waits for it.
        let open = (1..32).rev().find(|length| held.ends_with(&MARK[..*length])).unwrap_or(0);
        let rest = held.split_off(held.len() - open);
        if to.write_all(&held).await.is_err() {
            return;
        }
        held = rest;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_router_with_every_byte_in_names_and_comments_break_nothing() {
    let mark = String::from_utf8(MARK.to_vec()).unwrap();
    for block in 0..8_u8 {
        let bytes: [u8; 32] = std::array::from_fn(|at| block * 32 + u8::try_from(at).unwrap());
        let app = TestApp::new().await;
        let proxy = between(app.router.address(), bytes).await;
        let body = |service: u64| -> Value {
            let mut body = app.body(service);
            body["server"]["port"] = json!(proxy.port());
            body
        };
        let made = app.hook("create", &body(41)).await.ok();
        app.dial(&made);
        // Others' objects of such names, and our own whose comments somebody has changed.
        let comment = format!("x{mark}");
        app.foreign(
            "/ppp/secret",
            &[("name", &mark), ("password", &mark), ("service", "any"), ("profile", "default"), ("comment", &comment)],
        );
        app.foreign(
            "/queue/simple",
            &[("name", &format!("q{mark}")), ("target", "10.9.9.9/32"), ("comment", &comment)],
        );
        app.foreign("/ppp/profile", &[("name", &format!("p{mark}"))]);
        app.router.connect(&mark, &mark, "l2tp", "198.51.100.8").ok();
        app.router.world(|world| {
            let ours = format!("WHMCS|Product ID:41|{mark}");
            world.put("/ppp/secret", "7-41", "comment", &ours);
            world.put("/queue/simple", "7-41", "comment", &ours);
        });
        assert!(app.router.carry("7-41", MB, MB));
        app.pass(chrono::Duration::minutes(5));
        let collected = app.hook("usage-update", &body(41)).await.ok();
        assert_eq!((&collected["collected"], &collected["skipped"]), (&json!(1), &json!([])), "block {block}");
        assert_eq!(collected["services"][0]["month"]["download_bytes"], MB);
        let listed = app.hook("list-accounts", &body(41)).await.ok();
        let read: String =
            String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| bytes.iter().map(|it| char::from(*it)).collect());
        let names: Vec<&Value> = listed["accounts"].as_array().unwrap().iter().map(|it| &it["username"]).collect();
        assert!(names.contains(&&json!(read)) && names.contains(&&json!("7-41")), "block {block}: {names:?}");
        assert_eq!(app.hook("client-area", &body(41)).await.ok()["state"], "active", "block {block}");
        for hook in ["admin-tab", "options", "test-connection", "metrics", "cron"] {
            app.hook(hook, &body(41)).await.ok();
        }
        let findings = doctor::examine(&app.app, None, std::time::Duration::ZERO).await.unwrap();
        assert!(!findings.iter().any(|it| it.code.contains("unreachable")), "block {block}");
        for page in ["overview", "routers", "accounts"] {
            let html = app.admin(page, &json!([])).await;
            assert!(!html.contains(|it: char| it.is_control() && it != '\n'), "block {block}: {page}");
        }
    }
}
