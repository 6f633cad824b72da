//! The router as a thing in the net: it comes, goes, comes back, has its limits, speaks TLS.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use turnpike::simulator::{Options, Simulator};

use crate::peer::{PATIENCE, Peer};

#[tokio::test]
async fn a_router_goes_away_and_comes_back_at_its_old_address_with_its_world() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.populate(1, |_| String::new());
    simulator.connect("user00001", "secret", "l2tp", "").unwrap();
    let mut peer = Peer::logged_in(&simulator).await;
    assert_eq!(simulator.connections(), 1);
    simulator.stop().await;
    assert_eq!(peer.hear().await, None, "connections are cut");
    assert!(TcpStream::connect(simulator.address()).await.is_err(), "nobody listens");
    assert!(simulator.carry("user00001", 10, 1), "the customer does not notice");
    simulator.stop().await;
    simulator.listen().await.unwrap();
    simulator.listen().await.unwrap();
    let mut peer = Peer::logged_in(&simulator).await;
    assert_eq!(peer.lines(&["/queue/simple/print", "=.proplist=bytes"]).await, ["!re =bytes=1/10", "!done"]);
    let mut open = simulator.open();
    drop(peer);
    timeout(PATIENCE, open.wait_for(|open| *open == 0)).await.unwrap().unwrap();
    assert_eq!(simulator.world(|world| world.table("/user/active").rows().len()), 0);
}

#[tokio::test]
async fn the_last_handle_takes_the_router_with_it() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let address = simulator.address();
    let mut peer = Peer::logged_in(&simulator).await;
    let other = simulator.clone();
    drop(simulator);
    assert_eq!(peer.lines(&["/system/identity/print"]).await.len(), 2, "one handle is left");
    drop(other);
    assert_eq!(peer.hear().await, None);
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn sessions_are_limited_as_the_service_says() {
    let simulator = Simulator::start(Options { max_sessions: 2, ..Options::default() }).await.unwrap();
    let first = Peer::logged_in(&simulator).await;
    let mut second = Peer::logged_in(&simulator).await;
    let mut third = Peer::connect(simulator.address()).await;
    let login = ["/login", "=name=turnpike", "=password=router-password"];
    assert!(third.lines(&login).await[0].starts_with("!trap"));
    assert_eq!(second.lines(&login).await, ["!done"], "logging in again takes no second place");
    let mut open = simulator.open();
    drop(first);
    timeout(PATIENCE, open.wait_for(|open| *open == 2)).await.unwrap().unwrap();
    assert_eq!(third.lines(&login).await, ["!done"]);
    let users = ["/user/active/print", "=count-only="];
    assert_eq!(second.lines(&users).await, ["!done =ret=2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_once_are_accepted() {
    let simulator = Simulator::start(Options { max_sessions: 500, ..Options::default() }).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let simulator = simulator.clone();
        tasks.spawn(async move {
            let mut peer = Peer::logged_in(&simulator).await;
            peer.lines(&["/system/identity/print"]).await
        });
    }
    for lines in tasks.join_all().await {
        assert_eq!(lines, ["!re =name=MikroTik", "!done"]);
    }
}

#[tokio::test]
async fn a_thousand_commands_in_one_go_are_answered_in_order() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut peer = Peer::logged_in(&simulator).await;
    for number in 0..1_000 {
        peer.send(&["/system/identity/print", &format!(".tag={number}")]).await;
    }
    for number in 0..1_000 {
        let tag = format!(".tag={number}");
        assert_eq!(peer.answer().await, [vec!["!re", &tag, "=name=MikroTik"], vec!["!done", &tag]]);
    }
    let mut served = simulator.served();
    timeout(PATIENCE, served.wait_for(|served| *served == 1_001)).await.unwrap().unwrap();
    assert_eq!(simulator.journal().len(), 1_000);
}

#[tokio::test]
async fn a_slow_router_serves_so_many_commands_a_second_over_all_connections() {
    let options = Options { requests_per_second: Some(100), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let (mut one, mut other) = (Peer::logged_in(&simulator).await, Peer::logged_in(&simulator).await);
    let begun = tokio::time::Instant::now();
    for _ in 0..10 {
        one.ask(&["/system/identity/print"]).await;
        other.ask(&["/system/identity/print"]).await;
    }
    // Twenty commands, ten milliseconds apart: never less, however fast the machine.
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_router_that_formats_slowly_sends_so_many_rows_a_second_and_all_of_them() {
    let options = Options { rows_per_second: Some(1_000), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let mut peer = Peer::logged_in(&simulator).await;
    for number in 0..199 {
        peer.ask(&["/ppp/secret/add", &format!("=name=user{number}")]).await;
    }
    let begun = tokio::time::Instant::now();
    let answer = peer.ask(&["/ppp/secret/print", "=.proplist=name"]).await;
    // Two hundred sentences with the end, a millisecond each: never less, however fast the machine.
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let names: Vec<String> = (0..199).map(|number| format!("=name=user{number}")).collect();
    let told: Vec<String> = answer.iter().filter(|it| it[0] == "!re").map(|it| it[1].clone()).collect();
    assert_eq!((told, answer.last().unwrap()[0].as_str()), (names, "!done"));
}

#[tokio::test]
async fn the_journal_tells_commands_and_keeps_secrets_out() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut peer = Peer::logged_in(&simulator).await;
    peer.ask(&["/ppp/secret/add", "=name=ada", "=password=hunter2", ".tag=1"]).await;
    peer.ask(&["/ppp/secret/print", "=.proplist=.id", "?name=ada"]).await;
    let journal = simulator.journal();
    assert_eq!(journal.len(), 2, "the login is no part of it");
    assert_eq!((journal[0].path.as_str(), journal[0].attribute("name")), ("/ppp/secret/add", Some("ada")));
    assert_eq!((journal[1].queries.as_slice(), journal[1].connection), (["?name=ada".to_owned()].as_slice(), 1));
    assert!(!format!("{journal:?}").contains("hunter2"));
    simulator.clear_journal();
    assert!(simulator.journal().is_empty());
}

#[tokio::test]
async fn a_client_without_a_login_gets_nowhere() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let mut peer = Peer::connect(simulator.address()).await;
    assert_eq!(peer.lines(&["/ppp/secret/print"]).await, ["!fatal not logged in"]);
    assert_eq!(peer.hear().await, None);
    let mut peer = Peer::connect(simulator.address()).await;
    let refused = ["!trap =message=invalid user name or password (6)", "!done"];
    assert_eq!(peer.lines(&["/login", "=name=turnpike", "=password=wrong"]).await, refused);
    assert_eq!(peer.lines(&["/login", "=name=admin", "=password="]).await, refused, "the user admin is disabled");
    assert_eq!(peer.lines(&["/login", "=name=turnpike", "=password=router-password"]).await, ["!done"]);
}

#[tokio::test]
async fn api_ssl_speaks_tls() {
    let key = rcgen::generate_simple_self_signed(vec!["router.example.net".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let simulator = Simulator::start(Options { tls: Some(Arc::new(config)), ..Options::default() }).await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(key.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(simulator.address()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("router.example.net").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x06/login\x0e=name=turnpike\x19=password=router-password\0")
        .await
        .unwrap();
    let mut heard = [0; 7];
    timeout(PATIENCE, tokio::io::AsyncReadExt::read_exact(&mut stream, &mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"\x05!done\0");
    let mut plain = Peer::connect(simulator.address()).await;
    plain.send(&["/login", "=name=turnpike", "=password=router-password"]).await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut plain.socket, &mut rest)).await.unwrap();
    assert!(!rest.windows(5).any(|bytes| bytes == b"!done"), "no login without TLS");
}
