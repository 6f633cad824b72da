//! One connection per router: when it is made, when it is left, and what waits for it.

use crate::peer::{Peer, router_of, routers};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::{io::AsyncReadExt, net::TcpListener, time::pause};
use turnpike::routeros::{Error, State, profiles, secrets, sessions};

#[tokio::test]
async fn many_callers_share_one_connection_and_four_commands_are_in_flight() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let calls = join_all((0..20).map(|_| secrets(&router)));
    let (answers, ()) = tokio::join!(calls, async {
        let mut conn = peer.session().await;
        let mut left = 20;
        while left > 0 {
            let mut flying = Vec::new();
            for _ in 0..4 {
                flying.push(conn.hear().await);
            }
            assert!(!conn.hears_more().await, "a fifth command came");
            left -= flying.len();
            for heard in flying {
                conn.done(&heard).await;
            }
        }
        assert!(!peer.has_visitor().await, "a second connection came");
    });
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_router_that_does_not_read_while_it_answers_locks_nothing_up() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let long = "x".repeat(15_000);
    let calls = join_all((0..60).map(|_| sessions(&router, &long)));
    let (answers, ()) = tokio::join!(calls, async {
        let mut conn = peer.session().await;
        let value = format!("=caller-id={}", "y".repeat(60_000));
        for _ in 0..60 {
            let heard = conn.hear().await;
            for _ in 0..10 {
                conn.row(&heard, &["=.id=*1", "=name=a", &value]).await;
            }
            conn.done(&heard).await;
        }
    });
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|rows| rows.len() == 10)));
}

/// What was written to a router and has not arrived when the connection breaks does not arrive later: by then its opposite
/// may have been asked for.
#[tokio::test]
async fn what_is_on_its_way_when_a_connection_breaks_never_arrives() {
    let peer = Peer::narrow();
    let router = router_of(&peer);
    let long = "x".repeat(15_000);
    let calls = join_all((0..4).map(|_| sessions(&router, &long)));
    let (answers, mut conn) = tokio::join!(calls, async {
        let mut conn = peer.session().await;
        let first = conn.hear().await;
        assert!(first.words.iter().any(|word| word.ends_with(&long)));
        conn.say(&["nonsense"]).await;
        conn
    });
    assert!(answers.iter().all(Result::is_err));
    // Time enough for a kernel that goes on.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut rest = Vec::new();
    let end = conn.stream.read_to_end(&mut rest).await;
    assert_eq!(
        end.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionReset),
        "{} bytes came",
        rest.len()
    );
    assert!(rest.len() < 45_000, "{}", rest.len());
}

#[tokio::test]
async fn nothing_is_connected_before_it_is_needed_and_the_last_handle_closes_it() {
    let peer = Peer::new().await;
    let routers = routers();
    let router = routers.get(1, peer.login());
    assert!(!peer.has_visitor().await);
    assert_eq!(routers.states(), vec![(1, "core-1".to_owned(), State::Idle)]);
    let (answer, mut conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        conn.answer("/ppp/secret/print", &[]).await;
        conn
    });
    answer.unwrap();
    drop(router);
    assert!(!conn.hears_more().await, "the registry still holds it");
    routers.forget(1);
    conn.is_left().await;
    assert!(routers.states().is_empty());
}

#[tokio::test]
async fn closing_waits_until_every_connection_is_closed_and_later_calls_fail() {
    let peer = Peer::new().await;
    let routers = routers();
    let (registered, mut first) = tokio::join!(
        async {
            let router = routers.get(1, peer.login());
            secrets(&router).await.unwrap();
            router
        },
        async {
            let mut conn = peer.session().await;
            conn.answer("/ppp/secret/print", &[]).await;
            conn
        }
    );
    let (once, mut second) = tokio::join!(routers.once(peer.login()), peer.session());
    let once = once.unwrap();
    routers.close().await;
    first.is_left().await;
    second.is_left().await;
    for router in [registered, once] {
        assert!(matches!(secrets(&router).await, Err(Error::Unreachable { .. })));
    }
}

#[tokio::test]
async fn what_is_in_flight_is_finished_when_it_is_told_to_close() {
    let peer = Peer::new().await;
    let routers = routers();
    let router = routers.get(1, peer.login());
    let (answer, ()) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        routers.forget(1);
        tokio::task::yield_now().await;
        conn.row(&heard, &["=.id=*1", "=name=a"]).await;
        conn.done(&heard).await;
        conn.is_left().await;
    });
    assert_eq!(answer.unwrap().len(), 1);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_after_a_while_and_made_again() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let serve = async || {
        let mut conn = peer.session().await;
        conn.answer("/ppp/secret/print", &[]).await;
        conn
    };
    let (answer, mut conn) = tokio::join!(secrets(&router), serve());
    answer.unwrap();
    pause();
    let before = tokio::time::Instant::now();
    conn.is_left().await;
    assert!(before.elapsed() >= Duration::from_secs(299));
    tokio::time::resume();
    let (answer, _conn) = tokio::join!(secrets(&router), serve());
    answer.unwrap();
}

#[tokio::test]
async fn while_a_router_is_away_callers_fail_fast_and_a_patient_one_tries() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let routers = routers();
    let router = routers.get(3, crate::peer::login(address.port()));
    let first = secrets(&router).await;
    assert!(matches!(first, Err(Error::Unreachable { .. })), "{first:?}");
    assert!(first.as_ref().unwrap_err().is_away());
    assert!(matches!(routers.states()[0].2, State::Down { .. }));
    // It is back, but the breaker does not know yet.
    let back = TcpListener::bind(address).await.unwrap();
    assert_eq!(secrets(&router).await, first, "failed with the last reason");
    let (answer, _conn) = tokio::join!(profiles_patiently(&router), async {
        let mut conn = crate::peer::Conn::on(back.accept().await.unwrap().0);
        conn.log_in().await;
        conn.answer("/ppp/profile/print", &[]).await;
        conn.answer("/ppp/profile/print", &[]).await;
        conn
    });
    assert_eq!(answer, (Ok(0), Ok(0)));
    assert_eq!(routers.states()[0].2, State::Connected);
}

async fn profiles_patiently(router: &turnpike::routeros::Router) -> (Result<usize, Error>, Result<usize, Error>) {
    let patient = profiles(&router.patient()).await.map(|rows| rows.len());
    (patient, profiles(router).await.map(|rows| rows.len()))
}

#[tokio::test]
async fn when_the_pause_is_over_the_next_caller_is_the_probe() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let router = routers().get(3, crate::peer::login(address.port()));
    assert!(secrets(&router).await.is_err());
    let back = TcpListener::bind(address).await.unwrap();
    pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    let (answer, _conn) = tokio::join!(secrets(&router), async {
        let mut conn = crate::peer::Conn::on(back.accept().await.unwrap().0);
        conn.log_in().await;
        conn.answer("/ppp/secret/print", &[]).await;
        conn
    });
    assert_eq!(answer, Ok(vec![]));
}

#[tokio::test]
async fn a_connection_that_was_lost_after_it_served_is_made_again_at_once() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    for _ in 0..5 {
        let (answer, ()) = tokio::join!(secrets(&router), async {
            let mut conn = peer.session().await;
            conn.answer("/ppp/secret/print", &[]).await;
        });
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_caller_that_leaves_takes_nothing_with_it() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let bell = tokio::sync::Notify::new();
    let leaves = async {
        tokio::select! {
            answer = secrets(&router) => panic!("nobody has answered: {answer:?}"),
            () = bell.notified() => {}
        }
    };
    let ((), mut conn) = tokio::join!(leaves, async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        // The caller leaves; its print goes on.
        bell.notify_one();
        assert!(!conn.hears_more().await);
        while !conn.hears_more().await {
            conn.row(&heard, &["=.id=*1", "=name=a"]).await;
        }
        conn.done(&heard).await;
        conn
    });
    let (answer, _) = tokio::join!(profiles(&router), conn.answer("/ppp/profile/print", &[]));
    assert_eq!(answer, Ok(vec![]));
}

#[test]
fn a_callers_runtime_may_end_and_the_connection_stays() {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (peer, routers) = own.block_on(async { (Peer::new().await, routers()) });
    let router = routers.get(1, peer.login());
    let served = own.spawn(async move {
        let mut conn = peer.session().await;
        for _ in 0..3 {
            conn.answer("/ppp/secret/print", &[]).await;
        }
        assert!(!peer.has_visitor().await);
        conn
    });
    for _ in 0..3 {
        let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(worker.block_on(secrets(&router)), Ok(vec![]));
    }
    own.block_on(async {
        let mut conn = served.await.unwrap();
        routers.close().await;
        conn.is_left().await;
    });
}

#[test]
fn every_call_may_be_spawned_on_any_thread() {
    fn sent<T: Send>(_: T) {}
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = own.enter();
    let routers = routers();
    let (router, mark) = (routers.get(1, crate::peer::login(1)), crate::peer::mark());
    sent(routers.once(crate::peer::login(1)));
    sent(routers.close());
    sent(secrets(&router));
    sent(turnpike::routeros::look(&router, "a", &mark, tokio::time::Instant::now()));
    sent(turnpike::routeros::set_disabled(&router, "a", &mark, true));
    sent(turnpike::routeros::remove(&router, "a", &mark));
    sent(turnpike::routeros::kick(&router, "a"));
    sent(turnpike::routeros::read_and_reset(&router, &[], |_| true));
    let wanted = crate::writes::wanted();
    sent(turnpike::routeros::ensure(&router, &wanted));
}

#[tokio::test]
async fn a_changed_login_closes_the_old_connection_though_its_handle_is_held() {
    let peer = Peer::new().await;
    let routers = routers();
    let old = routers.get(1, peer.login());
    let (answer, mut conn) = tokio::join!(secrets(&old), async {
        let mut conn = peer.session().await;
        conn.answer("/ppp/secret/print", &[]).await;
        conn
    });
    answer.unwrap();
    let renamed = turnpike::routeros::Login { name: "core-one".to_owned(), ..peer.login() };
    let new = routers.get(1, renamed.clone());
    conn.is_left().await;
    assert!(matches!(secrets(&old).await, Err(Error::Unreachable { .. })));
    assert_eq!((new.name(), routers.get(1, renamed).name()), ("core-one", "core-one"));
    assert!(!peer.has_visitor().await);
}
