//! Changes: ours only, and lost replies found out by reading.

use crate::peer::{Conn, GENEROUS, OURS, Peer, mark, router_of};
use secrecy::SecretString;
use std::net::Ipv4Addr;
use tokio::time::pause;
use turnpike::plan::burst::Rate;
use turnpike::{
    routeros::{
        Ensured, Error, Refusal, Wanted, addresses_in_use, addresses_taken, ensure, find, kick, look, remove,
        set_disabled, set_password, set_rate,
    },
    units::Speed,
};

const SECRETS: &str = "/ppp/secret/print";
const QUEUES: &str = "/queue/simple/print";
const ACTIVE: &str = "/ppp/active/print";

pub fn wanted() -> Wanted {
    Wanted {
        username: "7-41".to_owned(),
        password: SecretString::from("streng"),
        ppp_service: "any".to_owned(),
        profile: "default".to_owned(),
        address: Ipv4Addr::new(10, 8, 0, 2),
        disabled: false,
        rate: Rate::plain(Speed::new(50_000, 10_000)),
        queue_type: None,
        cdn: None,
        mark: mark(),
    }
}

const SECRET: &[&str] = &[
    "=.id=*5",
    "=name=7-41",
    "=service=any",
    "=profile=default",
    "=remote-address=10.8.0.2",
    "=disabled=false",
    "=password=streng",
    OURS,
];
const QUEUE: &[&str] = &[
    "=.id=*A",
    "=name=7-41",
    "=target=10.8.0.2/32",
    "=max-limit=10M/50M",
    "=burst-limit=0/0",
    "=disabled=false",
    "=dynamic=false",
    OURS,
];
const FOREIGN: &str = "=comment=the boss's own";

/// Answers the look at both names.
async fn looked(conn: &mut Conn, secrets: &[&[&str]], queues: &[&[&str]]) {
    let heard = conn.answer(SECRETS, secrets).await;
    assert!(heard.has("?name=7-41"), "{heard:?}");
    conn.answer(QUEUES, queues).await;
}

#[tokio::test]
async fn ensure_makes_queue_and_secret_in_that_order() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[]).await;
        let queue = conn.hear().await;
        assert_eq!(queue.path(), "/queue/simple/add");
        assert_eq!(queue.value("name"), "7-41");
        assert_eq!(queue.value("target"), "10.8.0.2/32");
        assert_eq!(queue.value("max-limit"), "10000000/50000000");
        assert_eq!(queue.value("comment"), "WHMCS|Product ID:41|ada@example.net");
        conn.say(&["!done", "=ret=*A", &queue.tag]).await;
        let secret = conn.hear().await;
        assert_eq!(secret.path(), "/ppp/secret/add");
        for (key, value) in [
            ("name", "7-41"),
            ("password", "streng"),
            ("service", "any"),
            ("profile", "default"),
            ("remote-address", "10.8.0.2"),
            ("disabled", "no"),
            ("comment", "WHMCS|Product ID:41|ada@example.net"),
        ] {
            assert_eq!(secret.value(key), value);
        }
        conn.say(&["!done", &secret.tag, "=ret=*5"]).await;
        conn
    });
    let made = Ensured { queue_id: "*A".into(), secret_created: true, queue_created: true, changed: true };
    assert_eq!(answer, Ok(made));
}

#[tokio::test]
async fn ensure_leaves_what_is_right_alone() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, mut conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[SECRET], &[QUEUE]).await;
        conn
    });
    let same = Ensured { queue_id: "*A".into(), secret_created: false, queue_created: false, changed: false };
    assert_eq!(answer, Ok(same));
    assert!(!conn.hears_more().await);
}

#[tokio::test]
async fn ensure_repairs_only_what_differs_and_sets_a_password_it_cannot_read() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        let secret: &[&str] = &[
            "=.id=*5",
            "=name=7-41",
            "=service=any",
            "=profile=old",
            "=remote-address=10.8.0.2",
            "=disabled=yes",
            OURS,
        ];
        let queue: &[&str] = &[
            "=.id=*A",
            "=name=7-41",
            "=target=10.8.0.9/32",
            "=max-limit=10M/50M",
            "=disabled=true",
            "=comment=WHMCS|Product ID:41|old@example.net",
        ];
        looked(&mut conn, &[secret], &[queue]).await;
        let queue = conn.answer("/queue/simple/set", &[]).await;
        assert_eq!(queue.value(".id"), "*A");
        assert_eq!((queue.value("target"), queue.value("disabled")), ("10.8.0.2/32", "no"));
        assert!(queue.value("comment").contains("ada@") && !queue.words.iter().any(|w| w.contains("max-limit")));
        let secret = conn.answer("/ppp/secret/set", &[]).await;
        assert_eq!((secret.value(".id"), secret.value("profile")), ("*5", "default"));
        assert_eq!((secret.value("disabled"), secret.value("password")), ("no", "streng"));
        assert!(!secret.words.iter().any(|w| w.contains("remote-address") || w.contains("comment")));
        conn
    });
    let repaired = Ensured { queue_id: "*A".into(), secret_created: false, queue_created: false, changed: true };
    assert_eq!(answer, Ok(repaired));
}

#[tokio::test]
async fn a_foreign_name_is_refused_before_anything_is_changed() {
    for (secret, queue, what) in [(true, false, "secret"), (false, true, "queue")] {
        let peer = Peer::new().await;
        let router = router_of(&peer);
        let wanted = wanted();
        let row: &[&str] = &["=.id=*1", "=name=7-41", FOREIGN];
        let rows: &[&[&str]] = &[row];
        let (answer, mut conn) = tokio::join!(ensure(&router, &wanted), async {
            let mut conn = peer.session().await;
            looked(&mut conn, if secret { rows } else { &[] }, if queue { rows } else { &[] }).await;
            conn
        });
        let taken = Error::NameTaken { router: "core-1".into(), what, name: "7-41".into() };
        assert_eq!(answer, Err(taken));
        assert!(!conn.hears_more().await, "something was changed");
    }
}

#[tokio::test]
async fn an_add_whose_reply_was_lost_is_found_and_gone_on_from() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[]).await;
        assert_eq!(conn.hear().await.path(), "/queue/simple/add");
        drop(conn);
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[QUEUE]).await;
        assert_eq!(conn.hear().await.path(), "/ppp/secret/add");
        conn.reset();
        let mut conn = peer.session().await;
        looked(&mut conn, &[SECRET], &[QUEUE]).await;
        assert!(!conn.hears_more().await, "something was added twice");
        conn
    });
    let made = Ensured { queue_id: "*A".into(), secret_created: true, queue_created: true, changed: true };
    assert_eq!(answer, Ok(made));
}

#[tokio::test]
async fn an_add_that_lost_a_race_is_looked_at_again() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[QUEUE]).await;
        let add = conn.hear().await;
        conn.trap(&add, "failure: secret with the same name already exists").await;
        looked(&mut conn, &[SECRET], &[QUEUE]).await;
        conn
    });
    let made = Ensured { queue_id: "*A".into(), secret_created: false, queue_created: false, changed: false };
    assert_eq!(answer, Ok(made));
}

#[tokio::test]
async fn an_add_answered_without_an_id_is_looked_up() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[SECRET], &[]).await;
        conn.answer("/queue/simple/add", &[]).await;
        conn.answer(QUEUES, &[&["=.id=*B", OURS]]).await;
        conn
    });
    assert_eq!(answer.unwrap().queue_id, "*B");
}

#[tokio::test]
async fn a_write_that_runs_out_is_unknown_and_read_about() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let (answer, _conn) = tokio::join!(set_disabled(&router, "7-41", &mark, true), async {
        let mut conn = peer.session().await;
        conn.answer(SECRETS, &[SECRET]).await;
        let set = conn.hear().await;
        assert_eq!((set.path(), set.value(".id"), set.value("disabled")), ("/ppp/secret/set", "*5", "yes"));
        pause();
        let cancel = conn.hear().await;
        tokio::time::resume();
        assert_eq!(cancel.path(), "/cancel");
        assert!(!conn.hears_more().await, "nothing is sent into silence");
        conn.done(&cancel).await;
        let again = conn.hear().await;
        assert_eq!(again.path(), SECRETS, "read, not repeated");
        conn.row(&again, &["=.id=*5", "=name=7-41", "=disabled=true", OURS]).await;
        conn.done(&again).await;
        conn
    });
    assert_eq!(answer, Ok(true));
}

#[tokio::test]
async fn what_stays_unknown_is_said_to_be() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let (answer, ()) = tokio::join!(set_rate(&router, "7-41", &mark, Rate::plain(Speed::new(1, 1))), async {
        let mut conn = peer.session().await;
        conn.answer(QUEUES, &[QUEUE]).await;
        conn.hear().await;
        drop(peer);
        drop(conn);
    });
    let unknown = Error::OutcomeUnknown { router: "core-1".into(), command: "/queue/simple/set".into() };
    assert_eq!(answer, Err(unknown));
}

#[tokio::test]
async fn a_timeout_inside_the_router_leaves_a_change_open() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let (answer, _conn) = tokio::join!(set_disabled(&router, "7-41", &mark, true), async {
        let mut conn = peer.session().await;
        conn.answer(SECRETS, &[SECRET]).await;
        let set = conn.hear().await;
        conn.trap(&set, "std failure: timeout (13)").await;
        conn.answer(SECRETS, &[SECRET]).await;
        conn.answer("/ppp/secret/set", &[]).await;
        conn
    });
    assert_eq!(answer, Ok(true));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_routers_words() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = wanted();
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[QUEUE]).await;
        let add = conn.hear().await;
        conn.trap(&add, "input does not match any value of profile (streng)").await;
        conn
    });
    let error = answer.unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::UnknownProfile));
    assert!(!format!("{error:?} {error}").contains("streng"));
}

#[tokio::test]
async fn values_with_control_characters_are_not_sent() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let wanted = Wanted { password: SecretString::from("a\nb"), ..wanted() };
    let (answer, _conn) = tokio::join!(ensure(&router, &wanted), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[QUEUE]).await;
        assert!(!conn.hears_more().await);
        conn
    });
    assert!(matches!(answer, Err(Error::Unsendable { .. })), "{answer:?}");
}

#[tokio::test]
async fn foreign_objects_of_the_name_are_neither_set_nor_removed() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let foreign: &[&str] = &["=.id=*1", "=name=7-41", FOREIGN];
    let password = SecretString::from("neu");
    let (answers, mut conn) = tokio::join!(
        async {
            (
                set_disabled(&router, "7-41", &mark, true).await,
                set_password(&router, "7-41", &mark, &password).await,
                set_rate(&router, "7-41", &mark, Rate::plain(Speed::new(1, 1))).await,
                remove(&router, "7-41", &mark).await,
                find(&router, "7-41", &mark).await,
            )
        },
        async {
            let mut conn = peer.session().await;
            conn.answer(SECRETS, &[foreign]).await;
            conn.answer(SECRETS, &[foreign]).await;
            conn.answer(QUEUES, &[foreign]).await;
            // Of the removal, which looks twice; then what is found.
            for _ in 0..3 {
                looked(&mut conn, &[foreign], &[foreign]).await;
            }
            conn
        }
    );
    assert_eq!((answers.0, answers.1, answers.2, answers.3), (Ok(false), Ok(false), Ok(false), Ok(())));
    let found = answers.4.unwrap();
    assert!(found.secret.is_none() && found.queue.is_none() && found.foreign_secret && found.foreign_queue);
    assert!(!conn.hears_more().await, "foreign sessions were ended");
}

#[tokio::test]
async fn remove_takes_secret_sessions_and_queue_in_that_order() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let (answer, _conn) = tokio::join!(remove(&router, "7-41", &mark), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[SECRET], &[QUEUE]).await;
        assert_eq!(conn.answer("/ppp/secret/remove", &[]).await.value(".id"), "*5");
        conn.answer(ACTIVE, &[&["=.id=*80", "=name=7-41"]]).await;
        assert_eq!(conn.answer("/ppp/active/remove", &[]).await.value(".id"), "*80");
        conn.answer(ACTIVE, &[]).await;
        assert_eq!(conn.answer("/queue/simple/remove", &[]).await.value(".id"), "*A");
        looked(&mut conn, &[], &[]).await;
        conn
    });
    assert_eq!(answer, Ok(()));
}

#[tokio::test]
async fn what_a_print_did_not_show_is_not_said_to_be_removed() {
    for (secrets, queues) in [(&[SECRET][..], &[][..]), (&[], &[QUEUE])] {
        let peer = Peer::new().await;
        let router = router_of(&peer);
        let mark = mark();
        let (answer, _conn) = tokio::join!(remove(&router, "7-41", &mark), async {
            let mut conn = peer.session().await;
            looked(&mut conn, &[], &[]).await;
            conn.answer(ACTIVE, &[]).await;
            looked(&mut conn, secrets, queues).await;
            conn
        });
        assert!(matches!(answer, Err(Error::Strange { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn remove_goes_on_from_what_a_lost_reply_left() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let (answer, _conn) = tokio::join!(remove(&router, "7-41", &mark), async {
        let mut conn = peer.session().await;
        looked(&mut conn, &[SECRET], &[QUEUE]).await;
        conn.hear().await;
        drop(conn);
        let mut conn = peer.session().await;
        looked(&mut conn, &[], &[QUEUE]).await;
        conn.answer(ACTIVE, &[]).await;
        let queue = conn.hear().await;
        conn.trap(&queue, "no such item (4)").await;
        looked(&mut conn, &[], &[]).await;
        conn.answer(ACTIVE, &[]).await;
        looked(&mut conn, &[], &[]).await;
        conn
    });
    assert_eq!(answer, Ok(()));
}

#[tokio::test]
async fn kick_ends_every_session_and_one_that_came_between() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, _conn) = tokio::join!(kick(&router, "7-41"), async {
        let mut conn = peer.session().await;
        conn.answer(ACTIVE, &[&["=.id=*80", "=name=7-41"], &["=.id=*81", "=name=7-41"]]).await;
        let first = conn.hear().await;
        assert_eq!(first.value(".id"), "*80,*81");
        conn.trap(&first, "no such item").await;
        conn.answer(ACTIVE, &[&["=.id=*81", "=name=7-41"]]).await;
        conn.answer("/ppp/active/remove", &[]).await;
        conn.answer(ACTIVE, &[&["=.id=*82", "=name=7-41"]]).await;
        assert_eq!(conn.answer("/ppp/active/remove", &[]).await.value(".id"), "*82");
        conn
    });
    assert_eq!(answer, Ok(3));
}

#[tokio::test]
async fn look_asks_for_both_at_once() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let mark = mark();
    let (answer, _conn) = tokio::join!(look(&router, "7-41", &mark, tokio::time::Instant::now() + GENEROUS), async {
        let mut conn = peer.session().await;
        let (secrets, active) = (conn.hear().await, conn.hear().await);
        assert_eq!((secrets.path(), active.path()), (SECRETS, ACTIVE));
        let session =
            ["=.id=*80", "=name=7-41", "=service=l2tp", "=caller-id=192.0.2.7", "=address=10.8.0.2", "=uptime=1m1s"];
        conn.row(&active, &session).await;
        conn.done(&active).await;
        conn.row(&secrets, SECRET).await;
        conn.done(&secrets).await;
        conn
    });
    let look = answer.unwrap();
    assert!(look.secret_found && !look.disabled);
    assert_eq!((look.sessions[0].uptime_seconds, look.sessions[0].address), (61, Some(Ipv4Addr::new(10, 8, 0, 2))));
}

#[tokio::test]
async fn addresses_are_found_in_secrets_and_in_lists_of_targets() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (answer, mut conn) = tokio::join!(addresses_in_use(&router), async {
        let mut conn = peer.session().await;
        conn.answer(SECRETS, &[&["=remote-address=10.8.0.2", OURS], &["=remote-address=pool1"], &[]]).await;
        let queues: &[&[&str]] = &[&["=target=10.8.0.3/32,10.8.1.0/24,10.8.0.4/32", FOREIGN], &["=target=ether1"]];
        conn.answer(QUEUES, queues).await;
        conn
    });
    let found: Vec<String> =
        answer.unwrap().into_iter().map(|(address, comment)| format!("{address} {comment}")).collect();
    let ours = OURS.trim_start_matches("=comment=");
    assert_eq!(found, [format!("10.8.0.2 {ours}"), "10.8.0.3 the boss's own".into(), "10.8.0.4 the boss's own".into()]);
    let asked: Vec<Ipv4Addr> = (0..120).map(|n| Ipv4Addr::new(10, 8, 0, n)).collect();
    let (answer, ()) = tokio::join!(addresses_taken(&router, &asked), async {
        for queries in [50, 50, 20] {
            let heard = conn.answer(SECRETS, &[]).await;
            assert_eq!(heard.words.iter().filter(|w| w.starts_with("?remote-address=")).count(), queries);
            assert_eq!(heard.words.iter().filter(|w| *w == "?#|").count(), queries - 1);
            assert!(
                conn.answer(QUEUES, &[]).await.words.iter().any(|w| w.starts_with("?target=") && w.ends_with("/32"))
            );
        }
    });
    assert_eq!(answer, Ok(vec![]));
}
