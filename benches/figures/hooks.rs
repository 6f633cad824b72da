//! Hooks per second through the signed front door, against a bare actix answer of the same size over the same
//! connections.

use crate::ground::{accounts, app, router, settings};
use actix_web::{App as Web, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
};
use turnpike::{
    clock::{Chance, Clock},
    http::{caller::Caller, serve::Service},
    pairing::Pairing,
    simulator::{Options, Simulator},
};

/// Connections that ask at the same time, each for one thing after the other.
const CONNECTIONS: usize = 16;
/// Each measurement lasts this long.
const LENGTH: Duration = Duration::from_secs(5);
/// Accounts that are there already.
const ACCOUNTS: u32 = 1000;

/// Prints the figures.
pub async fn run() {
    let router = router(ACCOUNTS).await;
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(&settings(folder.path(), None, "127.0.0.1:0"), folder.path()).await;
    accounts(&app, &router, ACCOUNTS).await;
    let service = Service::start(app.clone()).await.expect("it starts");
    let mut pairing = Pairing::of(&app.config).expect("paired");
    pairing.url = format!("http://{}", service.address);
    let caller = Caller::new(&pairing, Clock::System, Chance::System);
    let page = |n: u64| ("/v1/hooks/client-area".to_owned(), body(&router, n % u64::from(ACCOUNTS) + 1));
    let create = |n: u64| ("/v1/hooks/create".to_owned(), body(&router, 100_000 + n));
    let size = once(service.address, &caller, page(0)).await;
    let bare = bare(size).await;
    let floor = rate(bare, &caller, page).await;
    println!("answers of {size} bytes, {CONNECTIONS} connections, signed by the caller in the same process");
    println!("{:32} {floor:9.0} /s  1.00", "bare actix answer");
    for (name, rate) in [
        ("client-area (with a live look)", rate(service.address, &caller, page).await),
        ("create (made on the router)", rate(service.address, &caller, create).await),
    ] {
        println!("{name:32} {rate:9.0} /s  {:.2}", rate / floor);
    }
}

/// An actix server that answers so many bytes to anything.
#[expect(clippy::unused_async, reason = "servers are started from within the runtime: async says so")]
async fn bare(size: usize) -> SocketAddr {
    let answer = web::Bytes::from(vec![b'x'; size]);
    let answer = move |_body: web::Bytes| {
        let answer = answer.clone();
        async move { HttpResponse::Ok().content_type("application/json").body(answer) }
    };
    let server = HttpServer::new(move || Web::new().default_service(web::to(answer.clone()))).workers(2);
    let server = server.disable_signals().bind("127.0.0.1:0").expect("a port is free");
    let address = server.addrs()[0];
    tokio::spawn(server.run());
    address
}

fn body(router: &Simulator, service: u64) -> Vec<u8> {
    let login = Options::default();
    let body: Value = json!({
        "server": {
            "id": 3, "name": "core-1", "hostname": "vpn1.example.net", "address": router.address().ip().to_string(),
            "port": router.address().port(), "tls": false, "username": login.username, "password": login.password,
            "certificate_sha256": "", "addresses": ["10.64.0.0/16"],
        },
        "service": {
            "id": service, "client_id": service, "product_id": 2, "status": "Active", "username": "", "password": "",
            "dedicated_address": "", "billing_cycle": "Monthly", "next_due_date": "2026-12-01",
        },
        "client": {"id": service, "name": "Ada Byron", "email": "ada@example.net", "language": "english"},
        "settings": {"traffic_gb_monthly": "10"},
        "hook": {},
    });
    serde_json::to_vec(&body).expect("JSON")
}

/// Requests answered in a second.
async fn rate(
    address: SocketAddr,
    caller: &Caller,
    ask: impl Fn(u64) -> (String, Vec<u8>) + Copy + Send + Sync,
) -> f64 {
    let number = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let runs = (0..CONNECTIONS).map(|_| {
        let number = Arc::clone(&number);
        async move {
            let mut socket = BufStream::new(TcpStream::connect(address).await.expect("connected"));
            let mut done = 0_u64;
            while begun.elapsed() < LENGTH {
                let (target, body) = ask(number.fetch_add(1, Ordering::Relaxed));
                let (status, answer) = exchange(&mut socket, caller, &target, &body).await;
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
                done += 1;
            }
            done
        }
    });
    let done: u64 = futures_util::future::join_all(runs).await.into_iter().sum();
    f64::from(u32::try_from(done).expect("few enough")) / begun.elapsed().as_secs_f64()
}

async fn once(address: SocketAddr, caller: &Caller, (target, body): (String, Vec<u8>)) -> usize {
    let mut socket = BufStream::new(TcpStream::connect(address).await.expect("connected"));
    let (status, answer) = exchange(&mut socket, caller, &target, &body).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    answer.len()
}

/// One request and its answer over a kept connection: HTTP/1.1 as far as our own servers speak it.
async fn exchange(socket: &mut BufStream<TcpStream>, caller: &Caller, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut head = format!(
        "POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in caller.headers("POST", target, body) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(body).await.expect("sent");
    socket.flush().await.expect("sent");
    let (mut status, mut length, mut line) = (0, 0, String::new());
    loop {
        line.clear();
        socket.read_line(&mut line).await.expect("answered");
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        if let Some(rest) = text.strip_prefix("HTTP/1.1 ") {
            status = rest[..3].parse().expect("a status");
        } else if let Some((name, value)) = text.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.parse().expect("a length");
        }
    }
    let mut answer = vec![0; length];
    socket.read_exact(&mut answer).await.expect("answered");
    (status, answer)
}
