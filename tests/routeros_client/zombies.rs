//! Commands whose callers have left and which the router has not ended yet: they take nothing else with them while the router
//! may still come to them, and do not stay for ever.

use crate::peer::{Conn, Heard, Peer, mark, router_of};
use std::time::Duration;
use tokio::time::{Instant, advance, pause, resume};
use turnpike::routeros::{Error, Look, Reading, Router, counters, look, profiles, sessions};

/// A page's patience.
const LOOK: Duration = Duration::from_millis(1500);

/// Time passes, and what is due by then is done.
async fn pass(seconds: u64) {
    pause();
    advance(Duration::from_secs(seconds)).await;
    resume();
}

/// A print of all counters, and a page that looks meanwhile; the peer answers by hand.
async fn counted<T>(
    router: &Router,
    script: impl Future<Output = T>,
) -> (Result<Vec<Reading>, Error>, Result<Look, Error>, T) {
    let mark = mark();
    tokio::join!(counters(router), look(router, "7-41", &mark, Instant::now() + LOOK), script)
}

/// What was left to the router: the print, the two of the look, and the two words that should end those.
struct Left {
    conn: Conn,
    print: Heard,
    rest: Vec<Heard>,
}

impl Left {
    /// A page has come and gone.
    async fn behind(peer: &Peer) -> Self {
        let mut conn = peer.session().await;
        let print = conn.hear().await;
        assert_eq!(print.path(), "/queue/simple/print");
        let mut rest = vec![conn.hear().await, conn.hear().await];
        pass(2).await;
        rest.extend([conn.hear().await, conn.hear().await]);
        let paths: Vec<_> = rest.iter().map(Heard::path).collect();
        assert_eq!(paths, ["/ppp/secret/print", "/ppp/active/print", "/cancel", "/cancel"]);
        Self { conn, print, rest }
    }

    async fn row(&mut self, number: usize) {
        let (id, name, comment) = (format!("=.id=*{number}"), format!("=name=7-{number}"), crate::peer::OURS);
        self.conn.row(&self.print, &[&id, &name, comment, "=bytes=1/2", "=packets=1/2", "=dynamic=false"]).await;
    }

    /// Everything ends in its order, and the connection serves on.
    async fn end(mut self) -> Conn {
        self.conn.done(&self.print).await;
        for heard in &self.rest {
            self.conn.done(heard).await;
        }
        self.conn
    }
}

async fn serves_on(router: &Router, mut conn: Conn) {
    let (answer, _) = tokio::join!(profiles(router), conn.answer("/ppp/profile/print", &[&["=name=default"]]));
    assert_eq!(answer.unwrap()[0].name, "default");
}

#[tokio::test]
async fn a_page_that_was_left_takes_no_print_with_it_whose_rows_arrive() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (counters, page, conn) = counted(&router, async {
        let mut left = Left::behind(&peer).await;
        for number in 1..=10 {
            pass(1).await;
            left.row(number).await;
            assert!(!left.conn.hears_more().await, "it was left after {number} s");
        }
        left.end().await
    })
    .await;
    assert_eq!(counters.unwrap().len(), 10);
    assert!(matches!(page, Err(Error::Unreachable { .. })), "{page:?}");
    assert!(!peer.has_visitor().await, "a second connection came");
    serves_on(&router, conn).await;
}

#[tokio::test]
async fn a_router_that_stalls_within_the_prints_patience_is_waited_for_though_a_page_was_left() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let (counters, _, conn) = counted(&router, async {
        let mut left = Left::behind(&peer).await;
        for _ in 0..3 {
            pass(5).await;
            assert!(!left.conn.hears_more().await, "it was left");
        }
        left.row(1).await;
        left.end().await
    })
    .await;
    assert_eq!(counters.unwrap().len(), 1);
    serves_on(&router, conn).await;
}

#[tokio::test]
async fn a_router_that_is_silent_beyond_the_prints_patience_is_left() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let started = Instant::now();
    let (counters, _, ()) = counted(&router, async {
        let mut left = Left::behind(&peer).await;
        pause();
        left.conn.is_left().await;
    })
    .await;
    assert!(matches!(counters, Err(Error::Unreachable { .. })), "{counters:?}");
    let lasted = started.elapsed();
    assert!(lasted >= Duration::from_secs(20), "the print's patience is 20 s: {lasted:?}");
    assert!(lasted <= Duration::from_secs(30), "by the test's clock: {lasted:?}");
}

#[tokio::test]
async fn a_router_that_answers_everything_else_and_never_ends_what_was_left_is_left_in_the_end() {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let hurried = router.within(Instant::now() + LOOK);
    let (answer, mut conn) = tokio::join!(sessions(&hurried, "7-41"), async {
        let mut conn = peer.session().await;
        conn.hear().await;
        pass(2).await;
        assert_eq!(conn.hear().await.path(), "/cancel");
        conn.say(&["!re", ".tag=77"]).await;
        conn
    });
    assert!(matches!(answer, Err(Error::Unreachable { .. })), "{answer:?}");
    let mut served = 0;
    while !conn.hears_more().await {
        assert!(served < 30, "it is never left");
        let (answer, _) = tokio::join!(profiles(&router), conn.answer("/ppp/profile/print", &[]));
        assert_eq!(answer, Ok(vec![]));
        served += 1;
        pass(4).await;
    }
    assert!(served > 3, "it answered, and was left after {served}");
}
