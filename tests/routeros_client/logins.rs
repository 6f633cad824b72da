//! Getting in: what is refused, what stays silent, and how often it is tried.

use crate::peer::{Peer, login, router_of, routers};
use secrecy::SecretString;
use std::time::Duration;
use tokio::runtime::Handle;
use turnpike::routeros::{Error, Limits, Login, Routers, State, facts, secrets};

const REFUSED: &str = "invalid user name or password (6)";

async fn refuse(peer: &Peer) {
    let mut conn = peer.accept().await;
    let login = conn.hear().await;
    conn.trap(&login, REFUSED).await;
    conn.is_left().await;
}

#[tokio::test]
async fn a_refused_login_is_told_and_does_not_storm() {
    let peer = Peer::new().await;
    let routers = routers();
    let router = routers.get(7, peer.login());
    let (answer, ()) = tokio::join!(secrets(&router), refuse(&peer));
    let refused = Error::LoginRefused { router: "core-1".into(), words: REFUSED.into() };
    assert_eq!(answer, Err(refused.clone()));
    for router in [router.clone(), router.patient(), routers.get(7, peer.login())] {
        assert_eq!(secrets(&router).await, Err(refused.clone()));
    }
    assert!(!peer.has_visitor().await, "it was tried again");
    let State::Down { why } = &routers.states()[0].2 else { panic!("{routers:?}") };
    assert!(why.contains(REFUSED));
}

#[tokio::test]
async fn a_changed_login_is_tried_at_once() {
    let peer = Peer::new().await;
    let routers = routers();
    let wrong = Login { password: SecretString::from("falsch"), ..peer.login() };
    let router = routers.get(7, wrong);
    let (answer, ()) = tokio::join!(secrets(&router), refuse(&peer));
    assert!(answer.is_err());
    let router = routers.get(7, peer.login());
    let (answer, _conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        conn.answer("/ppp/secret/print", &[]).await;
        conn
    });
    assert_eq!(answer, Ok(vec![]));
    assert_eq!(routers.states(), vec![(7, "core-1".to_owned(), State::Connected)]);
}

#[tokio::test]
async fn the_same_login_working_elsewhere_ends_the_pause() {
    let peer = Peer::new().await;
    let routers = routers();
    let router = routers.get(7, peer.login());
    let (answer, ()) = tokio::join!(secrets(&router), refuse(&peer));
    assert!(answer.is_err());
    let (once, mut conn) = tokio::join!(routers.once(peer.login()), peer.session());
    once.unwrap();
    conn.is_left().await;
    let (answer, _conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        conn.answer("/ppp/secret/print", &[]).await;
        conn
    });
    assert_eq!(answer, Ok(vec![]));
}

#[tokio::test]
async fn the_login_before_6_43_is_refused_by_name() {
    for words in [["!done", "TAG", "=ret=0123456789abcdef0123456789abcdef"], ["!done", "=ret=00", "TAG"]] {
        let peer = Peer::new().await;
        let router = router_of(&peer);
        let (answer, ()) = tokio::join!(secrets(&router), async {
            let mut conn = peer.accept().await;
            let login = conn.hear().await;
            conn.say(&words.map(|word| if word == "TAG" { login.tag.as_str() } else { word })).await;
            conn.is_left().await;
        });
        let Err(Error::LoginRefused { words, .. }) = answer else { panic!("{answer:?}") };
        assert!(words.contains("6.43"));
    }
}

#[tokio::test]
async fn an_address_that_accepts_and_never_answers_runs_out() {
    let limits = Limits { login: Duration::from_millis(200), ..Limits::default() };
    let routers = Routers::new(limits, Handle::current());
    let peer = Peer::new().await;
    let router = routers.get(1, peer.login());
    let (answer, _conn) = tokio::join!(facts(&router), async {
        let mut conn = peer.accept().await;
        conn.is_left().await;
    });
    let Err(Error::Unreachable { why, .. }) = answer else { panic!("{answer:?}") };
    assert!(why.contains("/ip/service"), "{why}");
}

#[tokio::test]
async fn whatever_else_comes_instead_of_the_logins_reply_is_told() {
    for (bytes, want) in [
        (crate::peer::sentence(&["!fatal", "too many sessions"]), "too many sessions"),
        (Vec::new(), "closed the connection during the login"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), ""),
        (vec![0xFA], "0xfa"),
        (crate::peer::sentence(&["SSH-2.0-ROSSSH"]), "SSH"),
    ] {
        let peer = Peer::new().await;
        let router = router_of(&peer);
        let (answer, ()) = tokio::join!(secrets(&router), async {
            let mut conn = peer.accept().await;
            conn.hear().await;
            conn.raw(&bytes).await;
        });
        let Err(Error::Unreachable { why: said, .. } | Error::Strange { what: said, .. }) = answer else {
            panic!("{want}: {answer:?}")
        };
        assert!(said.contains(want), "{said}");
    }
}

#[tokio::test]
async fn a_password_that_must_not_be_sent_is_not() {
    let peer = Peer::new().await;
    let bad = Login { password: SecretString::from("a\0b"), ..peer.login() };
    let routers = routers();
    let (answer, mut conn) = tokio::join!(routers.once(bad), peer.accept());
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Unsendable { .. }), "{error:?}");
    assert!(!error.to_string().contains('b') || !error.to_string().contains("a\0b"));
    assert!(conn.listen().await.is_none(), "something was sent");
}

#[test]
fn the_password_shows_nowhere() {
    let shown = format!("{:?}", login(8728));
    assert!(shown.contains("core-1") && !shown.contains("geheim") && !shown.contains("whmcs"), "{shown}");
}
