//! Looks for pages: shared by all who ask meanwhile, each handed what is its own and nothing else.

use crate::peer::{Conn, GENEROUS, Heard, Peer, login, router_of, routers};
use futures_util::future::join_all;
use std::net::Ipv4Addr;
use tokio::time::Instant;
use turnpike::routeros::{Error, Look, Mark, Router, look};

const SECRETS: &str = "/ppp/secret/print";
const ACTIVE: &str = "/ppp/active/print";

fn name(service: u64) -> String {
    format!("7-{service}")
}

fn mark(service: u64) -> Mark {
    Mark { prefix: "WHMCS".to_owned(), service_id: service, email: String::new() }
}

async fn ask(router: &Router, service: u64) -> Result<Look, Error> {
    look(router, &name(service), &mark(service), Instant::now() + GENEROUS).await
}

/// The next look: the prints of secrets and of sessions, and for whom.
async fn hear(conn: &mut Conn) -> (Heard, Heard, Vec<String>) {
    let (secrets, active) = (conn.hear().await, conn.hear().await);
    assert_eq!((secrets.path(), active.path()), (SECRETS, ACTIVE));
    let names = |heard: &Heard| -> Vec<String> {
        heard.words.iter().filter_map(|word| word.strip_prefix("?name=")).map(str::to_owned).collect()
    };
    assert_eq!(names(&secrets), names(&active));
    assert_eq!(secrets.words.iter().filter(|word| *word == "?#|").count(), names(&secrets).len() - 1);
    let names = names(&secrets);
    (secrets, active, names)
}

async fn secret(conn: &mut Conn, to: &Heard, name: &str, service: u64) {
    let (name, comment) = (format!("=name={name}"), format!("=comment=WHMCS|Product ID:{service}|"));
    conn.row(to, &[&name, "=disabled=false", &comment]).await;
}

async fn session(conn: &mut Conn, to: &Heard, name: &str, host: u64) {
    let (name, address) = (format!("=name={name}"), format!("=address=10.8.0.{host}"));
    conn.row(to, &["=.id=*80", &name, "=service=l2tp", "=caller-id=192.0.2.7", &address, "=uptime=1m1s"]).await;
}

/// Answers a look with everybody's secret, and a session each at the address of its number.
async fn all_online(conn: &mut Conn) -> Vec<String> {
    let (secrets, active, names) = hear(conn).await;
    for name in &names {
        let number = name.trim_start_matches("7-").parse().unwrap();
        secret(conn, &secrets, name, number).await;
        session(conn, &active, name, number).await;
    }
    conn.done(&secrets).await;
    conn.done(&active).await;
    names
}

fn address(look: &Look) -> Option<Ipv4Addr> {
    look.sessions.first().and_then(|session| session.address)
}

#[expect(clippy::unnecessary_wraps, reason = "as a look takes it")]
fn host(service: u64) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::new(10, 8, 0, u8::try_from(service).unwrap()))
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_are_four_commands() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let first = tokio::spawn({
        let router = router.clone();
        async move { ask(&router, 1).await }
    });
    let mut conn = peer.session().await;
    let begun = hear(&mut conn).await;
    assert_eq!(begun.2, [name(1)]);
    let (rest, ()) = tokio::join!(join_all((2..=100).map(|service| ask(&router, service))), async {
        conn.done(&begun.0).await;
        conn.done(&begun.1).await;
        assert_eq!(all_online(&mut conn).await.len(), 99);
    });
    assert!(!first.await.unwrap().unwrap().secret_found, "as the router said at its turn");
    for (service, look) in (2..).zip(rest) {
        let look = look.unwrap();
        assert!(look.secret_found);
        assert_eq!(address(&look), host(service));
    }
    assert!(!conn.hears_more().await);
}

#[tokio::test]
async fn who_asks_while_a_look_is_under_way_is_not_answered_by_it() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let first = tokio::spawn({
        let router = router.clone();
        async move { ask(&router, 41).await }
    });
    let mut conn = peer.session().await;
    let (secrets, active, _) = hear(&mut conn).await;
    secret(&mut conn, &secrets, "7-41", 41).await;
    // The router has looked: nobody is online. Then the customer dials in, and his page is asked for.
    let (second, ()) = tokio::join!(ask(&router, 41), async {
        conn.done(&secrets).await;
        conn.done(&active).await;
        all_online(&mut conn).await;
    });
    assert_eq!(address(&first.await.unwrap().unwrap()), None);
    assert_eq!(address(&second.unwrap()), host(41));
}

#[tokio::test]
async fn whatever_else_a_router_sends_nobody_is_handed_what_is_anothers() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let first = tokio::spawn({
        let router = router.clone();
        async move { ask(&router, 9).await }
    });
    let mut conn = peer.session().await;
    let begun = hear(&mut conn).await;
    let (answers, ()) = tokio::join!(join_all((1..=4).map(|service| ask(&router, service))), async {
        conn.done(&begun.0).await;
        conn.done(&begun.1).await;
        let (secrets, active, _) = hear(&mut conn).await;
        // In another order, with rows that nobody asked for: 2 is a stranger's, 3 is a stranger's too, 4 is not there.
        for (name, service) in [("7-3", 3), ("7-3", 9), ("boss", 1), ("7-1", 1), ("7-2", 9)] {
            secret(&mut conn, &secrets, name, service).await;
        }
        for (name, host) in [("7-2", 2), ("boss", 66), ("7-3", 3), ("7-1", 1), ("7-12", 12)] {
            session(&mut conn, &active, name, host).await;
        }
        conn.done(&active).await;
        conn.done(&secrets).await;
    });
    first.await.unwrap().unwrap();
    let seen: Vec<_> = answers.into_iter().map(|it| it.map(|it| (it.secret_found, address(&it))).unwrap()).collect();
    assert_eq!(seen, [(true, host(1)), (false, None), (true, None), (false, None)]);
}

#[tokio::test]
async fn a_reply_that_is_not_whole_is_an_answer_to_nobody() {
    let peer = Peer::new().await;
    let routers = routers();
    let router = routers.get(1, login(peer.port()));
    let asked = join_all((1..=3).map(|service| ask(&router, service)));
    let (answers, ()) = tokio::join!(asked, async {
        let mut conn = peer.session().await;
        let (secrets, active, names) = hear(&mut conn).await;
        for name in &names {
            secret(&mut conn, &secrets, name, 1).await;
        }
        conn.done(&secrets).await;
        session(&mut conn, &active, "7-1", 1).await;
        conn.reset();
        // Whoever was not in the first look is in another one, which is cut too.
        if names.len() < 3 {
            let mut conn = peer.session().await;
            let _ = hear(&mut conn).await;
            conn.reset();
        }
    });
    for answer in answers {
        assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_name_that_must_not_be_sent_spoils_nobody_elses_look() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let until = Instant::now() + GENEROUS;
    let (mark, bad) = (mark(2), "7-2\n".to_owned());
    let (wrong, right, names) = tokio::join!(look(&router, &bad, &mark, until), ask(&router, 1), async {
        let mut conn = peer.session().await;
        (all_online(&mut conn).await, conn)
    });
    assert!(matches!(wrong, Err(Error::Unsendable { .. })), "{wrong:?}");
    assert_eq!(address(&right.unwrap()), host(1));
    assert_eq!(names.0, [name(1)]);
}
