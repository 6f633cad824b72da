//! Reading and resetting: what is known afterwards, and what is not.

use crate::peer::{Conn, Heard, OURS, Peer, router_of, sentence};
use tokio::time::pause;
use turnpike::routeros::{Error, Reset, Router, counters, read_and_reset};

const PRINT: &str = "/queue/simple/print";
const RESET: &str = "/queue/simple/reset-counters";

fn ids(of: std::ops::Range<u32>) -> Vec<String> {
    of.map(|n| format!("*{n:X}")).collect()
}

fn row(to: &Heard, id: &str) -> Vec<u8> {
    let (id, name) = (format!("=.id={id}"), format!("=name=u{id}"));
    sentence(&["!re", &to.tag, &id, &name, "=bytes=1/2", "=packets=1/1", "=dynamic=false", OURS])
}

/// Connects, so that what follows is about the reset alone.
async fn connected(peer: &Peer) -> (Router, Conn) {
    let router = router_of(peer);
    let (answer, conn) = tokio::join!(counters(&router), async {
        let mut conn = peer.session().await;
        conn.answer(PRINT, &[]).await;
        conn
    });
    answer.unwrap();
    (router, conn)
}

/// Of one queue.
async fn one(router: &Router) -> Reset {
    let mut all = read_all(router, &ids(1..2)).await;
    assert_eq!((all.len(), &all[0].0), (1, &ids(1..2)));
    all.remove(0).1
}

async fn read_all(router: &Router, ids: &[String]) -> Vec<(Vec<String>, Reset)> {
    read_and_reset(router, ids, |_| true).await
}

/// The print of that queue, answered; then its reset.
async fn until_reset(conn: &mut Conn) -> Heard {
    let print = conn.hear().await;
    conn.raw(&row(&print, "*1")).await;
    conn.done(&print).await;
    let reset = conn.hear().await;
    assert_eq!((reset.path(), reset.value("numbers")), (RESET, "*1"));
    reset
}

#[tokio::test]
async fn a_reset_that_is_done_has_the_figures_that_were_read() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let (outcome, ()) = tokio::join!(one(&router), async {
        let reset = until_reset(&mut conn).await;
        conn.done(&reset).await;
    });
    let Reset::Done(readings) = outcome else { panic!("{outcome:?}") };
    assert_eq!(readings.iter().map(|r| (r.volume.up.0, r.volume.down.0)).collect::<Vec<_>>(), [(1, 2)]);
}

#[tokio::test]
async fn a_reset_whose_reply_is_lost_is_unknown() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let (outcome, ()) = tokio::join!(one(&router), async {
        until_reset(&mut conn).await;
        drop(conn);
    });
    assert!(matches!(outcome, Reset::Unknown), "{outcome:?}");
}

#[tokio::test]
async fn a_reset_that_is_not_answered_is_unknown() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let (outcome, _conn) = tokio::join!(one(&router), async {
        until_reset(&mut conn).await;
        pause();
        conn
    });
    assert!(matches!(outcome, Reset::Unknown), "{outcome:?}");
}

#[tokio::test]
async fn a_trap_is_a_refusal_and_what_was_not_read_is_not_reset() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let (outcome, ()) = tokio::join!(one(&router), async {
        let reset = until_reset(&mut conn).await;
        conn.trap(&reset, "no such item (4)").await;
    });
    assert!(matches!(outcome, Reset::Refused(Error::Refused { .. })), "{outcome:?}");
    let (outcome, ()) = tokio::join!(one(&router), async {
        let print = conn.hear().await;
        conn.raw(&row(&print, "*1")).await;
        conn.trap(&print, "not enough permissions (9)").await;
        assert!(!conn.hears_more().await);
    });
    assert!(matches!(outcome, Reset::NotSent(Error::Refused { .. })), "{outcome:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let peer = Peer::new().await;
    let port = peer.port();
    drop(peer);
    let router = crate::peer::routers().get(1, crate::peer::login(port));
    let outcome = one(&router).await;
    assert!(matches!(outcome, Reset::NotSent(Error::Unreachable { .. })), "{outcome:?}");
    for wrong in ["7-41", "*", "", "*1,*2", "*G"] {
        let all = read_all(&router, &[wrong.to_owned()]).await;
        let [(_, outcome)] = &all[..] else { panic!("{all:?}") };
        assert!(matches!(outcome, Reset::NotSent(Error::Unsendable { .. })), "{wrong:?}: {outcome:?}");
    }
    let all = read_all(&router, &ids(0..250)).await;
    assert_eq!(all.iter().map(|(ids, _)| ids.len()).collect::<Vec<_>>(), [100, 100, 50]);
    assert!(all.iter().all(|(_, outcome)| matches!(outcome, Reset::NotSent(_))), "{all:?}");
}

#[tokio::test]
async fn a_whole_router_takes_one_print_and_a_reset_per_hundred_sent_while_the_print_goes_on() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let (wanted, on_router) = (ids(1..251), ids(1..240));
    let (all, commands) = tokio::join!(read_all(&router, &wanted), async {
        let print = conn.hear().await;
        assert_eq!(print.path(), PRINT);
        assert!(!print.words.iter().any(|word| word.starts_with('?')));
        let mut commands = 1;
        for some in on_router.chunks(100) {
            conn.raw(&row(&print, "*F0000")).await;
            for id in some {
                conn.raw(&row(&print, id)).await;
            }
            if some.len() < 100 {
                conn.done(&print).await;
            }
            let reset = conn.hear().await;
            assert_eq!(reset.path(), RESET);
            assert_eq!(reset.value("numbers"), some.join(","), "only what has been read, and ours");
            conn.done(&reset).await;
            commands += 1;
        }
        assert!(!conn.hears_more().await);
        commands
    });
    assert_eq!(commands, 4);
    let done: usize = all
        .iter()
        .map(|(ids, outcome)| {
            if let Reset::Done(rows) = outcome {
                assert_eq!(rows.len(), ids.len());
                ids.len()
            } else {
                0
            }
        })
        .sum();
    assert_eq!(done, 239);
    let (gone, outcome) = all.last().unwrap();
    assert_eq!(gone.len(), 11);
    assert!(matches!(outcome, Reset::NotSent(Error::Refused { .. })), "{outcome:?}");
}

#[tokio::test]
async fn when_the_print_of_a_whole_router_breaks_nothing_counts_as_done() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let wanted = ids(1..251);
    let (all, ()) = tokio::join!(read_all(&router, &wanted), async {
        let print = conn.hear().await;
        for id in &wanted[..150] {
            conn.raw(&row(&print, id)).await;
        }
        let reset = conn.hear().await;
        conn.done(&reset).await;
        drop(conn);
        assert!(!peer.has_visitor().await, "a reset came on another connection");
    });
    assert!(matches!(all[0].1, Reset::Unknown), "{all:?}");
    assert_eq!(all[0].0.len(), 100);
    assert!(all[1..].iter().all(|(_, outcome)| matches!(outcome, Reset::NotSent(Error::Unreachable { .. }))));
    assert_eq!(all[1..].iter().map(|(ids, _)| ids.len()).sum::<usize>(), 150);
}

#[tokio::test]
async fn a_router_that_does_one_thing_at_a_time_is_waited_for() {
    let peer = Peer::new().await;
    let (router, mut conn) = connected(&peer).await;
    let wanted = ids(1..801);
    let (all, ()) = tokio::join!(read_all(&router, &wanted), async {
        let print = conn.hear().await;
        for id in &wanted {
            conn.raw(&row(&print, id)).await;
        }
        let first = [conn.hear().await, conn.hear().await, conn.hear().await];
        assert!(!conn.hears_more().await, "more than four in flight");
        // Longer than a write may take, shorter than this print: it is not given up.
        pause();
        tokio::time::advance(std::time::Duration::from_secs(16)).await;
        tokio::time::resume();
        conn.done(&print).await;
        for reset in &first {
            conn.done(reset).await;
        }
        for _ in 3..8 {
            conn.answer(RESET, &[]).await;
        }
    });
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|(_, outcome)| matches!(outcome, Reset::Done(_))), "{all:?}");
}
