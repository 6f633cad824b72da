//! What a router may answer, and what must not be taken for success.

use crate::peer::{Conn, Heard, Peer, router_of, sentence, word};
use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, pause},
};
use turnpike::routeros::{Error, Refusal, Router, counters, profiles, secrets, sessions};

/// Asks for the secrets and lets the peer answer by hand.
async fn asked<F: AsyncFnOnce(Conn, Heard) -> Option<Conn>>(script: F) -> (Result<usize, Error>, Router) {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, _conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        script(conn, heard).await
    });
    (answer.map(|rows| rows.len()), router)
}

const ROW: &[&str] = &["=.id=*1", "=name=a"];

#[tokio::test]
async fn the_end_of_the_stream_before_done_is_an_error() {
    let (answer, _) = asked(async |mut conn, heard| {
        conn.row(&heard, ROW).await;
        None
    })
    .await;
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_reset_connection_before_done_is_an_error() {
    let (answer, _) = asked(async |mut conn, heard| {
        conn.row(&heard, ROW).await;
        conn.reset();
        None
    })
    .await;
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
}

#[tokio::test]
async fn every_trap_is_told_and_rows_before_it_do_not_count() {
    let (answer, _) = asked(async |mut conn, heard| {
        conn.row(&heard, ROW).await;
        conn.say(&["!trap", "=category=0", "=message=no such command prefix", &heard.tag]).await;
        conn.row(&heard, ROW).await;
        conn.say(&["!trap", &heard.tag, "=message=not enough permissions (9)", "=new=x"]).await;
        conn.done(&heard).await;
        Some(conn)
    })
    .await;
    let Err(Error::Refused { router, command, words, kind }) = answer else { panic!("{answer:?}") };
    assert_eq!((router.as_str(), command.as_str()), ("core-1", "/ppp/secret/print"));
    assert_eq!(words, "no such command prefix; not enough permissions (9)");
    assert_eq!(kind, Refusal::Policy);
}

#[tokio::test]
async fn a_fatal_in_any_form_ends_the_session_with_its_words() {
    for (form, said) in [
        (vec!["!fatal", "session terminated on request"], "session terminated on request"),
        (vec!["!fatal", "=message=too many sessions"], "too many sessions"),
        (vec!["!fatal"], "no reason given"),
        (vec!["!fatal", "TAG", "not logged in"], "not logged in"),
    ] {
        let (answer, _) = asked(async |mut conn, heard| {
            let words: Vec<&str> = form.iter().map(|w| if *w == "TAG" { heard.tag.as_str() } else { w }).collect();
            conn.say(&words).await;
            conn.is_left().await;
            None
        })
        .await;
        let Err(Error::Unreachable { why, .. }) = answer else { panic!("{answer:?}") };
        assert!(why.contains(said), "{why}");
    }
}

#[tokio::test]
async fn empty_says_that_there_are_no_rows_and_done_still_ends_it() {
    let (answer, _) = asked(async |mut conn, heard| {
        conn.say(&["!empty", &heard.tag]).await;
        conn.done(&heard).await;
        Some(conn)
    })
    .await;
    assert_eq!(answer, Ok(0));
}

#[tokio::test]
async fn a_reply_word_from_the_future_is_passed_over() {
    let (answer, _) = asked(async |mut conn, heard| {
        conn.say(&["!progress", &heard.tag, "=percent=5"]).await;
        conn.row(&heard, ROW).await;
        conn.say(&["!re", ".tag=4000000000", "=.id=*9"]).await;
        conn.done(&heard).await;
        Some(conn)
    })
    .await;
    assert_eq!(answer, Ok(1));
}

#[tokio::test]
async fn what_breaks_the_protocol_is_strange_and_ends_the_connection() {
    let without_end: Vec<u8> = std::iter::repeat_n([1, b'x'], 5000).flatten().collect();
    for (bytes, what) in [
        (sentence(&["!re", "=.id=*1", "=name=a"]), "without a tag"),
        (sentence(&["!done"]), "without a tag"),
        (sentence(&["!re", ".tag=seven"]), "tag"),
        (sentence(&["HTTP/1.1 400 Bad Request"]), "HTTP"),
        (vec![0xFF; 10], "0xff"),
        (vec![0xF0, 0xFF, 0xFF, 0xFF, 0xFF], "4294967295"),
        (vec![0xE1, 0, 0, 0], "16777216"),
        (without_end, "without end"),
    ] {
        let (answer, _) = asked(async |mut conn, _heard| {
            conn.raw(&bytes).await;
            conn.is_left().await;
            None
        })
        .await;
        let Err(Error::Strange { what: said, .. }) = answer else { panic!("{what}: {answer:?}") };
        assert!(said.contains(what), "{said}");
    }
}

#[tokio::test]
async fn text_in_another_charset_is_read_and_the_tag_may_stand_anywhere() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, _conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        let mut row = word(b"!re");
        for part in [b"=.id=*1".as_slice(), b"=name=Ren\xe9", heard.tag.as_bytes(), b"=comment=a=b=c", b"=disabled=yes"]
        {
            row.extend(word(part));
        }
        row.push(0);
        // Three bytes at a time: sentences do not come in packets.
        for some in row.chunks(3) {
            conn.raw(some).await;
        }
        conn.done(&heard).await;
        conn
    });
    let rows = answer.unwrap();
    assert_eq!((rows[0].name.as_str(), rows[0].comment.as_str(), rows[0].disabled), ("René", "a=b=c", true));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_makes_the_whole_print_an_error() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    for bytes in ["", "12", "x/y", "-1/2", "99999999999999999999/0"] {
        let (answer, ()) = tokio::join!(counters(&router), async {
            let mut conn = peer.session().await;
            let bytes = format!("=bytes={bytes}");
            conn.answer("/queue/simple/print", &[&["=.id=*1", "=name=a", &bytes, "=packets=0/0"]]).await;
            drop(conn);
        });
        assert!(matches!(answer, Err(Error::Strange { .. })), "{bytes:?}: {answer:?}");
        // The peer has left: the next print is on a new connection.
    }
}

#[tokio::test]
async fn counters_come_in_the_customers_view_without_dynamic_queues() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, _conn) = tokio::join!(counters(&router), async {
        let mut conn = peer.session().await;
        let rows: &[&[&str]] = &[
            &[
                "=.id=*1",
                "=name=a",
                "=bytes=18446744073709551615/7",
                "=packets=3/4",
                "=disabled=false",
                "=dynamic=false",
                "=target=10.8.0.2/32",
                "=comment=c",
            ],
            &["=.id=*2", "=name=<pptp-a>", "=bytes=5/6", "=packets=1/1", "=dynamic=true", "=target=<pptp-a>"],
        ];
        let heard = conn.answer("/queue/simple/print", rows).await;
        assert!(heard.value(".proplist").contains("bytes"));
        conn
    });
    let readings = answer.unwrap();
    assert_eq!(readings.len(), 1);
    assert_eq!((readings[0].volume.up.0, readings[0].volume.down.0), (u64::MAX, 7));
    assert_eq!((readings[0].packets.up, readings[0].packets.down), (3, 4));
}

#[tokio::test]
async fn half_a_sentence_and_then_silence_runs_out() {
    let (answer, _) = asked(async |mut conn, _heard| {
        conn.raw(&[3, b'!', b'r']).await;
        pause();
        conn.is_left().await;
        None
    })
    .await;
    let Err(Error::Unreachable { why, .. }) = answer else { panic!("{answer:?}") };
    assert!(why.contains("/ppp/secret/print"), "{why}");
}

#[tokio::test]
async fn a_print_that_runs_out_is_cancelled_and_the_connection_lives() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let started = Instant::now();
    let (answer, mut conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        conn.row(&heard, ROW).await;
        pause();
        let cancel = conn.hear().await;
        assert_eq!(cancel.path(), "/cancel");
        assert_eq!(format!(".tag={}", cancel.value("tag")), heard.tag);
        assert_ne!(cancel.tag, heard.tag);
        conn.say(&["!trap", &heard.tag, "=category=2", "=message=interrupted"]).await;
        conn.done(&heard).await;
        conn.done(&cancel).await;
        tokio::time::resume();
        conn
    });
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
    assert!(started.elapsed() >= Duration::from_secs(20), "the idle limit is 20 s");
    let (answer, _) = tokio::join!(profiles(&router), conn.answer("/ppp/profile/print", &[&["=name=default"]]));
    assert_eq!(answer.unwrap()[0].name, "default");
}

#[tokio::test]
async fn a_slow_print_that_goes_on_is_waited_for() {
    let (answer, _) = asked(async |mut conn, heard| {
        for _ in 0..3 {
            pause();
            tokio::time::advance(Duration::from_secs(15)).await;
            tokio::time::resume();
            conn.row(&heard, ROW).await;
            // The row is read before the clock moves again.
            assert!(!conn.hears_more().await, "it was given up");
        }
        conn.done(&heard).await;
        Some(conn)
    })
    .await;
    assert_eq!(answer, Ok(3));
}

#[tokio::test]
async fn a_router_that_does_not_end_a_cancelled_print_is_left() {
    let (answer, router) = asked(async |mut conn, _heard| {
        pause();
        assert_eq!(conn.hear().await.path(), "/cancel");
        conn.is_left().await;
        None
    })
    .await;
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
    drop(router);
}

#[tokio::test]
async fn the_callers_earlier_deadline_wins() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, conn) = tokio::join!(
        async {
            let deadline = Instant::now() + Duration::from_millis(1500);
            let hurried = router.within(deadline).within(Instant::now() + Duration::from_hours(1));
            let answer = sessions(&hurried, "a").await;
            (answer, Instant::now().saturating_duration_since(deadline))
        },
        async {
            let mut conn = peer.session().await;
            conn.hear().await;
            pause();
            conn
        }
    );
    let (answer, late) = answer;
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
    assert!(late <= Duration::from_millis(150), "{late:?}");
    drop(conn);
}

#[tokio::test]
async fn an_endless_print_ends_at_its_total_limit() {
    let limits = turnpike::routeros::Limits { print: Duration::from_millis(300), ..Default::default() };
    let routers = turnpike::routeros::Routers::new(limits, tokio::runtime::Handle::current());
    let peer = Peer::new().await;
    let router = routers.get(1, peer.login());
    let (answer, ()) = tokio::join!(secrets(&router), async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        let row = sentence(&["!re", &heard.tag, "=.id=*1", "=name=a"]);
        let rows = row.repeat(1000);
        while conn.stream.write_all(&rows).await.is_ok() && !conn.hears_more().await {}
    });
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
}

#[tokio::test]
async fn replies_find_their_command_in_any_order() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (first, second, _conn) = tokio::join!(secrets(&router), profiles(&router), async {
        let mut conn = peer.session().await;
        let (first, second) = (conn.hear().await, conn.hear().await);
        let (secrets, profiles) = if first.path() == "/ppp/secret/print" { (first, second) } else { (second, first) };
        conn.row(&profiles, &["=name=default"]).await;
        conn.row(&secrets, ROW).await;
        conn.row(&profiles, &["=name=gold"]).await;
        conn.done(&profiles).await;
        conn.done(&secrets).await;
        conn
    });
    assert_eq!(first.unwrap().len(), 1);
    assert_eq!(second.unwrap().len(), 2);
}

#[tokio::test]
async fn fifty_thousand_counters_come_whole() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, _conn) = tokio::join!(counters(&router), async {
        let mut conn = peer.session().await;
        let heard = conn.hear().await;
        let mut bytes = Vec::new();
        for n in 0..50_000_u64 {
            let (id, name) = (format!("=.id=*{n:X}"), format!("=name=user-{n}"));
            let (volume, packets) = (format!("=bytes={n}/{}", n * 3), format!("=packets={n}/{n}"));
            bytes.extend(sentence(&["!re", &heard.tag, &id, &name, &volume, &packets, "=dynamic=false"]));
        }
        conn.raw(&bytes).await;
        conn.done(&heard).await;
        conn
    });
    let readings = answer.unwrap();
    assert_eq!(readings.len(), 50_000);
    let down: u64 = readings.iter().map(|reading| reading.volume.down.0).sum();
    assert_eq!(down, 3 * 50_000 * 49_999 / 2);
}

#[tokio::test]
async fn refusals_without_end_are_kept_in_short() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (outcome, ()) = tokio::join!(counters(&router), async {
        let mut conn = peer.session().await;
        let print = conn.hear().await;
        let long = format!("=message={}", "no ".repeat(100_000));
        for _ in 0..50 {
            conn.say(&["!trap", &print.tag, &long]).await;
        }
        conn.done(&print).await;
    });
    let Err(Error::Refused { words, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(words.len() > 16_000 && words.len() < 17_000, "{}", words.len());
}
