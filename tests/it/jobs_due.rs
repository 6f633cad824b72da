//! What is due, by comparison with stored time: neither a restart nor a sleep nor a change of the clocks skips or doubles
//! it, and a router that is silent delays no other.

use crate::{
    books_check::booked,
    world::{GB, MB, TestApp},
};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use turnpike::{
    jobs::Jobs,
    params,
    simulator::{Fault, Options, Simulator, When},
    sql,
    usage::history,
};

/// Puts a day there that is due to be forgotten.
async fn plant(app: &TestApp) {
    let sql = sql!(
        "INSERT INTO usage_day (service_id, day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
         VALUES (?, '2001-01-01', 1, 1, 1, 1)"
    );
    app.app.db.execute(sql, params![41]).await.unwrap();
}

/// Whether housekeeping has been there since.
async fn swept(app: &TestApp) -> bool {
    let sql = sql!("SELECT day FROM usage_day WHERE day = '2001-01-01'");
    app.app.db.read().await.unwrap().one(sql, vec![]).await.unwrap().is_none()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_is_done_once_a_local_day() {
    let mut app = TestApp::with("time.zone = \"Europe/Berlin\"\ncollect.poll_seconds = 0\n").await;
    app.clock.set(at("2026-10-24T12:00:00Z"));
    app.create(41).await;
    plant(&app).await;
    app.step().await;
    assert!(swept(&app).await);
    plant(&app).await;
    app.step().await;
    app.restart().await;
    app.step().await;
    assert!(!swept(&app).await, "not twice a day, nor after a restart");
    // 21:59 UTC is 23:59 in Berlin.
    app.clock.set(at("2026-10-24T21:59:59Z"));
    app.step().await;
    assert!(!swept(&app).await);
    app.clock.set(at("2026-10-24T22:00:00Z"));
    app.step().await;
    assert!(swept(&app).await, "a new day begins at the zone's midnight");
    // The day of 25 hours: the hour that comes twice is no new day.
    plant(&app).await;
    for hour in 0..25 {
        app.clock.set(at("2026-10-24T22:00:00Z") + Duration::hours(hour));
        app.step().await;
        assert!(!swept(&app).await, "hour {hour} of a day of 25");
    }
    // Asleep over four midnights: once, at waking up.
    app.clock.set(at("2026-10-29T09:00:00Z"));
    app.step().await;
    assert!(swept(&app).await);
    plant(&app).await;
    app.step().await;
    assert!(!swept(&app).await);
}

/// Old days go a few services at a time, each by what its product keeps: one statement for all of them could outlast what a
/// statement may take, and then nothing would be forgotten any more.
#[tokio::test(flavor = "multi_thread")]
async fn old_days_are_forgotten_a_few_services_at_a_time() {
    let app = TestApp::new().await;
    let today = app.app.today();
    let kept = [(41, 40), (42, 100), (43, 40)];
    for (id, days) in kept {
        let body = app.body_with(id, &json!({"settings": {"history_days": days.to_string()}}));
        app.hook("create", &body).await.ok();
        for age in [0, 39, 40, 99, 100, 4000] {
            let put = sql!(
                "INSERT INTO usage_day (service_id, day, down_bytes, up_bytes, counted_down_bytes, counted_up_bytes) \
                 VALUES (?, ?, 1, 1, 1, 1)"
            );
            app.app.db.execute(put, params![id, today - Duration::days(age)]).await.unwrap();
        }
    }
    let (mut after, mut forgotten) = (0, Vec::new());
    loop {
        let mut tx = app.app.db.begin().await.unwrap();
        let Some((last, days)) = history::forget_old_days(&mut tx, today, (after, 2)).await.unwrap() else { break };
        tx.commit().await.unwrap();
        forgotten.push((last, days));
        after = last;
    }
    assert_eq!(forgotten, [(42, 4 + 2), (43, 4)]);
    for (id, left) in [(41, 2), (42, 4), (43, 2)] {
        let count = sql!("SELECT COUNT(*) AS n FROM usage_day WHERE service_id = ?");
        let row = app.app.db.read().await.unwrap().one(count, params![id]).await.unwrap().unwrap();
        assert_eq!(row.get::<u64>("n").unwrap(), left, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_or_given_up_is_forgotten_after_more_than_a_year_and_what_waits_is_not() {
    let app = TestApp::with("collect.poll_seconds = 0\n").await;
    app.create(41).await;
    let now = app.clock.now();
    for (number, state, decided) in [
        (1, "accepted", Some(now)),
        (2, "waiting", None),
        (3, "dropped", Some(now + Duration::days(30))),
        (4, "dropped", Some(now)),
    ] {
        let doubt = sql!(
            "INSERT INTO quarantine (id, service_id, server_id, from_at, to_at, down_bytes, up_bytes, why, state, decided_at) \
             VALUES (?, 41, 3, 0, 0, 1, 1, 'test', ?, ?)"
        );
        app.app.db.execute(doubt, params![number, state, decided]).await.unwrap();
        let letter = sql!(
            "INSERT INTO mail_outbox (id, service_id, purpose, template, to_name, to_address, variables, once, state, tries, \
             due_at, queued_at, sent_at) VALUES (?, 41, 'threshold', 't', '', 'a@example.net', '{}', ?, ?, 10, ?, ?, ?)"
        );
        let state = if decided.is_some() { "dead" } else { "queued" };
        let queued = decided.unwrap_or(now);
        let values = params![number, format!("key-{number}"), state, now, queued, None::<DateTime<Utc>>];
        app.app.db.execute(letter, values).await.unwrap();
    }
    let left = async |table| {
        let rows = app.app.db.read().await.unwrap().rows(table, vec![]).await.unwrap();
        rows.iter().map(|row| row.get::<u64>("id").unwrap()).collect::<Vec<_>>()
    };
    let (doubts, letters) =
        (sql!("SELECT id FROM quarantine ORDER BY id"), sql!("SELECT id FROM mail_outbox ORDER BY id"));
    // Time passes, and the one that waits is between two tries.
    let pass = async |days| {
        app.clock.advance(Duration::days(days));
        let pause = sql!("UPDATE mail_outbox SET due_at = ? WHERE state = 'queued'");
        assert_eq!(app.app.db.execute(pause, params![app.clock.now() + Duration::hours(6)]).await.unwrap(), 1);
        app.step().await;
    };
    pass(399).await;
    assert_eq!((left(doubts).await, left(letters).await), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
    pass(2).await;
    // The last one stays: its number is not given to another.
    assert_eq!((left(doubts).await, left(letters).await), (vec![2, 3, 4], vec![2, 3, 4]));
    pass(30).await;
    assert_eq!((left(doubts).await, left(letters).await), (vec![2, 4], vec![2, 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_are_due_by_the_last_reading() {
    let mut app = TestApp::new().await;
    app.create(41).await;
    let polls = |app: &TestApp| app.commands("/system/resource/print");
    app.step().await;
    let first = polls(&app);
    app.step().await;
    app.pass(Duration::seconds(59));
    app.restart().await;
    app.step().await;
    assert_eq!(polls(&app), first, "not before its time, whatever was started again");
    app.pass(Duration::seconds(1));
    app.step().await;
    assert_eq!(polls(&app), first + 1);
    // Asleep for a day: one reading, not 1440.
    app.pass(Duration::days(1));
    app.step().await;
    app.step().await;
    assert_eq!(polls(&app), first + 2);
    // The clock is set back: read at once, and then in its turn.
    app.clock.advance(Duration::days(-3));
    app.step().await;
    app.step().await;
    assert_eq!(polls(&app), first + 3);
    // A collection is a reading as well.
    app.pass(Duration::seconds(50));
    app.collect().await;
    let after = polls(&app);
    app.pass(Duration::seconds(50));
    app.step().await;
    assert_eq!(polls(&app), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_polls_only_changes_bring_us_to_a_router() {
    let app = TestApp::with("collect.poll_seconds = 0\n").await;
    let user = app.create(41).await;
    app.pass(Duration::days(1));
    app.router.clear_journal();
    app.step().await;
    assert!(app.router.journal().is_empty());
    // The router is away, a block waits; then the clock is set back: it does not wait until the old time comes again.
    app.router.stop().await;
    app.clock.advance(Duration::days(30));
    assert_eq!(app.hook("suspend", &app.body(41)).await.ok()["account"]["pending"], 1);
    app.clock.advance(Duration::days(-30));
    app.router.listen().await.unwrap();
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while app.secret(&user, "disabled").unwrap() != "true" {
        assert!(tokio::time::Instant::now() < end);
        app.hook("test-connection", &app.body(1)).await;
        app.step().await;
    }
}

async fn until_commands(router: &Simulator, path: &str, count: usize) {
    let mut received = router.received();
    let enough = async {
        while router.journal().iter().filter(|it| it.path == path).count() < count {
            received.changed().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), enough).await.expect("the router is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_router_delays_no_other_and_is_asked_once_at_a_time() {
    const UPTIME: &str = "/system/resource/print";
    let app = TestApp::with("router.print_seconds = 600\nrouter.idle_seconds = 600\n").await;
    let silent = Simulator::start(Options::default()).await.unwrap();
    let user = app.create(41).await;
    let server = json!({"id": 4, "name": "core-2", "port": silent.address().port(), "addresses": ["10.8.9.2"]});
    app.hook("create", &app.body_with(42, &json!({"server": server}))).await.ok();
    silent.fault_at(When::Always, Fault::Hang);
    silent.clear_journal();
    app.router.clear_journal();
    let jobs = Jobs::start(app.service.as_ref().unwrap().front.clone()).await.unwrap();
    for round in 1..=3 {
        assert!(app.router.carry(&user, MB, 0));
        app.pass(Duration::seconds(61));
        silent.pass(std::time::Duration::from_secs(61));
        until_commands(&app.router, UPTIME, round).await;
        until_commands(&silent, UPTIME, 1).await;
    }
    let asked = silent.journal().iter().filter(|it| it.path == UPTIME).count();
    assert_eq!(asked, 1, "the reading that hangs is still the one");
    silent.cut();
    silent.clear_faults();
    jobs.stop().await;
    let charged = booked(&app.app, 41).await.charged;
    assert!((2 * MB..=3 * MB).contains(&charged), "{charged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_cannot_leave_is_tried_again_with_growing_pauses() {
    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let app = TestApp::with(&format!(
        "mail.transport = \"smtp\"\nmail.from = \"VPN <vpn@example.net>\"\n\
         mail.smtp = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\" }}\n"
    ))
    .await;
    let user = app.create(41).await;
    assert!(app.router.carry(&user, 9 * GB, 0));
    app.pass(Duration::minutes(30));
    let tries = async || -> u64 {
        let sql = sql!("SELECT tries FROM mail_outbox");
        app.app.db.read().await.unwrap().one(sql, vec![]).await.unwrap().unwrap().get("tries").unwrap()
    };
    app.step().await;
    assert_eq!(tries().await, 1);
    app.step().await;
    assert_eq!(tries().await, 1, "not at once");
    let mut pauses = Vec::new();
    for nth in 2..=4 {
        let mut pause = Duration::zero();
        while tries().await < nth {
            app.clock.advance(Duration::seconds(30));
            pause += Duration::seconds(30);
            assert!(pause < Duration::hours(12));
            app.step().await;
        }
        pauses.push(pause);
    }
    assert!(pauses.is_sorted() && pauses[0] < pauses[2], "{pauses:?}");
    assert_eq!(app.metric("turnpike_stored{kind=\"mails_queued\"}").await, 1);
}
