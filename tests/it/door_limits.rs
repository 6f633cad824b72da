//! Bytes at the front door that no bridge sends: what is refused, that the connection is closed, and that nobody who opens
//! connections keeps the bridge out.

use crate::{
    binary::{settings, turnpike},
    world::TestApp,
};
use serde_json::{Value, json};
use std::{net::SocketAddr, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use turnpike::{
    clock::{Chance, Clock},
    http::{caller::Caller, descriptors},
    pairing::Pairing,
};

/// A guard against hanging, far beyond every limit of the door's.
const GUARD: Duration = Duration::from_secs(120);

fn address(app: &TestApp) -> SocketAddr {
    app.service.as_ref().unwrap().address
}

/// Everything that comes until the other side closes; a reset is an end too.
async fn until_closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    let _ = tokio::time::timeout(GUARD, socket.read_to_end(&mut got)).await.expect("the connection is closed");
    got
}

/// What is answered to these bytes before the connection is closed.
async fn said(app: &TestApp, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address(app)).await.unwrap();
    // It may be closed before all is sent.
    let _ = socket.write_all(bytes).await;
    until_closed(&mut socket).await
}

/// The statuses of the answers in it, in order.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split("HTTP/1.1 ").skip(1).chain(text.split("HTTP/1.0 ").skip(1));
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

/// A signed request by hand, so that its first line and its headers can be bent.
fn signed(app: &TestApp, method: &str, target: &str, body: &[u8], more: &str) -> Vec<u8> {
    raw(app, (method, target, target, "HTTP/1.1"), body, &format!("Content-Length: {}\r\n{more}", body.len()))
}

/// The same: signed for one target and sent to another, with a length or none.
fn raw(
    app: &TestApp,
    (method, target, sent, version): (&str, &str, &str, &str),
    body: &[u8],
    headers: &str,
) -> Vec<u8> {
    let mut head = format!("{method} {sent} {version}\r\nHost: x\r\nContent-Type: application/json\r\n{headers}");
    for (name, value) in app.caller.headers(method, target, body) {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

#[tokio::test]
async fn bytes_that_are_no_request_of_the_bridge_are_refused_and_the_connection_is_closed() {
    let app = TestApp::new().await;
    let post = "POST /v1/hooks/create HTTP/1.1\r\nHost: x\r\n";
    let long = "x".repeat(200_000);
    let many = (0..200).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("noise", (0..=255).cycle().take(4000).collect(), &[400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400]),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec(), &[400]),
        ("no signature", format!("{post}Content-Length: 2\r\n\r\n{{}}").into(), &[401]),
        ("no host", b"POST /v1/hooks/create HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_vec(), &[400]),
        ("HTTP/1.0", b"POST /v1/hooks/create HTTP/1.0\r\nContent-Length: 0\r\n\r\n".to_vec(), &[401]),
        ("a head without end", format!("{post}X-Long: {long}").into(), &[400, 431]),
        ("a target without end", format!("GET /{long} HTTP/1.1\r\n\r\n").into(), &[400, 414, 431]),
        ("a long query", format!("GET /v1/plans?{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..60_000]).into(), &[401]),
        ("two hundred headers", format!("{post}{many}\r\n").into(), &[400, 431]),
        ("a folded header", format!("{post}X: a\r\n b\r\n\r\n").into(), &[400]),
        ("a blank before the colon", format!("{post}Content-Length : 0\r\n\r\n").into(), &[400]),
        ("NUL in a header", format!("{post}X: a\0b\r\n\r\n").into(), &[400]),
        ("a length and chunks", both_lengths(post, "").into(), &[400]),
        ("two lengths", format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x").into(), &[400]),
        ("a list of lengths", format!("{post}Content-Length: 2, 2\r\n\r\n{{}}").into(), &[400]),
        ("a length with a sign", format!("{post}Content-Length: +2\r\n\r\n{{}}").into(), &[400]),
        ("a negative length", format!("{post}Content-Length: -2\r\n\r\n{{}}").into(), &[400]),
        ("a length past all", format!("{post}Content-Length: 99999999999999999999\r\n\r\n{{}}").into(), &[400]),
        ("chunks of nobody's kind", format!("{post}Transfer-Encoding: xchunked\r\n\r\n").into(), &[400, 401]),
        ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[401]),
        ("CONNECT", b"CONNECT router:8728 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[400, 401]),
        ("TRACE", b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[401]),
        ("a path beside UTF-8", b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[400, 401]),
        ("a signature beside ASCII", with_header(post, b"Signature: \xff\xfe"), &[400]),
        ("two half signatures", with_header(post, b"Signature: a=:AA==:\r\nSignature: b=:AA==:"), &[401]),
    ];
    let mut otherwise = Vec::new();
    for (what, bytes, expected) in cases {
        let got = statuses(&said(&app, &bytes).await);
        if !matches!(got[..], [one] if expected.contains(&one)) {
            otherwise.push(format!("{what}: {got:?} instead of one of {expected:?}"));
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    app.hook("options", &app.body(1)).await.ok();
}

fn both_lengths(post: &str, more: &str) -> String {
    format!(
        "{post}{more}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/plans HTTP/1.1\r\nHost: x\r\n\r\n"
    )
}

fn with_header(post: &str, header: &[u8]) -> Vec<u8> {
    [post.as_bytes(), header, b"\r\nSignature-Input: a=()\r\nContent-Length: 0\r\n\r\n"].concat()
}

#[tokio::test]
async fn odd_spellings_of_a_signed_request_are_understood_or_refused_and_never_a_defect() {
    let app = TestApp::new().await;
    let body = serde_json::to_vec(&app.body(1)).unwrap();
    let hook = "/v1/hooks/options";
    let close = "Connection: close\r\n";
    let length = format!("Content-Length: {}\r\n{close}", body.len());
    let chunked = |body: &[u8]| {
        let mut bytes = raw(&app, ("POST", hook, hook, "HTTP/1.1"), body, "Transfer-Encoding: chunked\r\n");
        bytes.truncate(bytes.len() - body.len());
        [
            &bytes[..bytes.len() - 2],
            close.as_bytes(),
            b"\r\n",
            format!("{:x}\r\n", body.len()).as_bytes(),
            body,
            b"\r\n0\r\n\r\n",
        ]
        .concat()
    };
    let long = format!("{hook}?{}", "q".repeat(50_000));
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("plain", signed(&app, "POST", hook, &body, close), 200),
        ("chunked", chunked(&body), 200),
        ("HTTP/1.0", raw(&app, ("POST", hook, hook, "HTTP/1.0"), &body, &length), 200),
        ("absolute", raw(&app, ("POST", hook, "http://x/v1/hooks/options", "HTTP/1.1"), &body, &length), 200),
        ("a long query", signed(&app, "POST", &long, &body, close), 200),
        ("two slashes", signed(&app, "POST", "//v1/hooks/options", &body, close), 404),
        ("up and down", signed(&app, "POST", "/v1/x/../hooks/options", &body, close), 404),
        ("encoded", signed(&app, "POST", "/v1/hooks/option%73", &body, close), 404),
        ("NUL", signed(&app, "POST", "/v1/hooks/options%00", &body, close), 404),
        ("another path", raw(&app, ("POST", hook, "/v1/hooks/create", "HTTP/1.1"), &body, &length), 401),
        ("GET", signed(&app, "GET", hook, b"", close), 405),
        ("a made-up method", signed(&app, "BREW", hook, &body, close), 405),
        ("no JSON", signed(&app, "POST", hook, b"\xff\xfe\x00", close), 400),
        ("half a surrogate", signed(&app, "POST", hook, br#"{"server": "\ud800"}"#, close), 400),
        ("deep", signed(&app, "POST", hook, "[".repeat(100_000).as_bytes(), close), 400),
        ("too much", signed(&app, "POST", hook, &vec![b' '; 1_048_577], close), 413),
        ("a digest of another", swapped(&app, hook, &body), 401),
    ];
    for (what, bytes, expected) in cases {
        let answer = said(&app, &bytes).await;
        let got = statuses(&answer);
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(got, [expected], "{what}: {}", &text[..text.len().min(600)]);
    }
}

/// Signed rightly, with the last byte of its body changed on the way.
fn swapped(app: &TestApp, hook: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = signed(app, "POST", hook, body, "Connection: close\r\n");
    *bytes.last_mut().unwrap() = b' ';
    bytes
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_one_hidden_in_another_is_not_seen() {
    let app = TestApp::new().await;
    let body = serde_json::to_vec(&app.body(1)).unwrap();
    let close = "Connection: close\r\n";
    let options = signed(&app, "POST", "/v1/hooks/options", &body, "");
    let nothing = signed(&app, "POST", "/v1/hooks/nothing", &body, "");
    let last = signed(&app, "POST", "/v1/hooks/metrics", &body, close);
    let answer = said(&app, &[options, nothing, last].concat()).await;
    assert_eq!(statuses(&answer), [200, 404, 200]);
    // A body that is itself a signed request: the outer one's body, and no request.
    let hidden = signed(&app, "POST", "/v1/hooks/create", &serde_json::to_vec(&app.body(41)).unwrap(), "");
    let outer = signed(&app, "POST", "/v1/hooks/options", &hidden, close);
    assert_eq!(statuses(&said(&app, &outer).await), [400]);
    // The same behind a head that says two lengths: refused before anything of it is believed.
    let head = raw(&app, ("POST", "/v1/hooks/options", "/v1/hooks/options", "HTTP/1.1"), &hidden, "");
    let head = &head[..head.len() - hidden.len() - 2];
    let both = [head, b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &hidden].concat();
    assert_eq!(statuses(&said(&app, &both).await), [400]);
    assert!(app.writes().is_empty(), "nothing hidden was done: {:?}", app.writes());
}

#[tokio::test]
async fn a_stranger_s_body_is_not_waited_for() {
    // Announced and never sent: refused by its head alone. A body of the bridge's that does not come is refused later.
    let app = TestApp::new().await;
    let stranger = b"POST /v1/hooks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{";
    let mut stranger_s = TcpStream::connect(address(&app)).await.unwrap();
    stranger_s.write_all(stranger).await.unwrap();
    let mut bridge_s = TcpStream::connect(address(&app)).await.unwrap();
    let body = serde_json::to_vec(&app.body(1)).unwrap();
    let half = signed(&app, "POST", "/v1/hooks/options", &body, "");
    bridge_s.write_all(&half[..half.len() - 1]).await.unwrap();
    tokio::select! {
        biased;
        answer = until_closed(&mut stranger_s) => assert_eq!(statuses(&answer), [401]),
        answer = until_closed(&mut bridge_s) => panic!("the bridge's was given up first: {answer:?}"),
    }
    let answer = until_closed(&mut bridge_s).await;
    assert_eq!(statuses(&answer), [400], "{}", String::from_utf8_lossy(&answer));
}

/// What is said to whoever sends this and then a byte now and then, for as long as it is taken.
async fn drip(at: SocketAddr, beginning: &[u8], then: u8) -> Vec<u8> {
    let (mut reading, mut writing) = TcpStream::connect(at).await.unwrap().into_split();
    writing.write_all(beginning).await.unwrap();
    let mut got = Vec::new();
    let dripping = async {
        while writing.write_all(&[then]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        // Nobody is there any more; what was said is still read.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => {}
        closed = tokio::time::timeout(GUARD, reading.read_to_end(&mut got)) =>
            assert!(closed.is_ok(), "a steady drip after {:?} keeps a connection", String::from_utf8_lossy(beginning)),
    }
    got
}

/// Whoever sends a little again and again has no more time than whoever sends nothing. On the port for monitoring, where
/// nobody signs, also after an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_steady_drip_is_closed_like_silence() {
    let app = TestApp::new().await;
    let (door, ops) = (address(&app), app.service.as_ref().unwrap().ops_address);
    let body = serde_json::to_vec(&app.body(1)).unwrap();
    let whole = signed(&app, "POST", "/v1/hooks/options", &body, "");
    let header = b"POST /v1/hooks/create HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    let second = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nX-Slow: ";
    let (line, header, slow_body, second) = tokio::join!(
        drip(door, b"", b'P'),
        drip(door, header, b'x'),
        drip(door, &whole[..whole.len() - body.len()], b' '),
        drip(ops, second, b'x'),
    );
    for (what, said) in [("a first line", line), ("a header", header), ("a body", slow_body)] {
        assert!(statuses(&said).iter().all(|status| (400..500).contains(status)), "{what}: {said:?}");
    }
    assert_eq!(statuses(&second)[0], 200, "the first request was whole");
    app.hook("options", &app.body(1)).await.ok();
}

/// `turnpike serve` as a process of its own; the test's calls go to it.
async fn serve(app: &mut TestApp) -> (tokio::process::Child, SocketAddr, SocketAddr) {
    let mut child =
        turnpike().args(["serve", "--json", "--config"]).arg(settings(app)).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said: Value = serde_json::from_str(&lines.next_line().await.unwrap().expect("it serves")).unwrap();
    let at = |name: &str| said[name].as_str().unwrap().parse().unwrap();
    let (listen, ops) = (at("listen"), at("ops"));
    let mut pairing = Pairing::of(&app.app.config).unwrap();
    pairing.url = format!("http://{listen}");
    app.caller = Caller::new(&pairing, Clock::System, Chance::System);
    (child, listen, ops)
}

/// Connections that send a beginning and then nothing.
async fn slow(address: SocketAddr, count: usize, beginning: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(beginning).await.unwrap();
        all.push(socket);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_connections_keep_neither_the_bridge_nor_the_watchers_out_and_end() {
    descriptors::raise();
    let mut app = TestApp::new().await;
    app.create(41).await;
    let (mut child, listen, ops) = serve(&mut app).await;
    let unfinished = b"POST /v1/hooks/create HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    // Fewer where the system allows fewer: two descriptors each, and the process keeps some for itself.
    let most = (descriptors::connections() - 100).min(2000);
    let mut open = slow(listen, most / 4, b"").await;
    open.extend(slow(listen, most / 2, unfinished).await);
    open.extend(slow(listen, most / 4, &both_lengths("", "").as_bytes()[..1].repeat(3)).await);
    // Past its own limit the port for monitoring keeps people waiting until the slow ones are closed.
    open.extend(slow(ops, 40, unfinished).await);
    assert!(open.len() >= most, "{}", open.len());
    for _ in 0..5 {
        let page = app.hook("client-area", &app.body(41)).await.ok();
        assert_eq!(page["state"], "active");
        let ready = reqwest::get(format!("http://{ops}/readyz")).await.unwrap();
        assert_eq!(ready.status(), 200);
    }
    let body = app.body_with(41, &json!({"service": {"password": "while-they-trickle"}}));
    app.hook("change-password", &body).await.ok();
    assert_eq!(app.secret("7-41", "password").unwrap(), "while-they-trickle");
    // All of them are closed by the door, one byte now and then or not.
    for socket in &mut open {
        let _ = socket.write_all(b"x").await;
    }
    for mut socket in open {
        let answer = until_closed(&mut socket).await;
        assert!(statuses(&answer).iter().all(|status| (400..500).contains(status)), "{answer:?}");
    }
    app.hook("client-area", &app.body(41)).await.ok();
    child.kill().await.unwrap();
}
