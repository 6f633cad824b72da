//! A router that begins to answer and then hangs: whoever comes meanwhile is told of the router, not that somebody is busy. And
//! a service that is told to stop while somebody has not answered.

use crate::world::{GB, MB, TestApp};
use chrono::Duration;
use serde_json::Value;
use std::{sync::Arc, time::Duration as Patience};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, unbounded_channel},
        watch,
    },
    time::Instant,
};
use turnpike::{
    jobs::Jobs,
    problem::Code,
    simulator::{Fault, When},
    sql,
    work::collect::{self, Scope},
};

const QUEUES: &str = "/queue/simple/print";

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_behind_a_reading_that_hangs_is_told_of_the_router_and_since_when() {
    let app = TestApp::with("router.print_seconds = 600\nrouter.idle_seconds = 600\n").await;
    let user = app.create(41).await;
    app.step().await;
    assert!(app.router.carry(&user, MB, 0));
    let since = app.clock.now();
    let let_go = watch::Sender::new(false);
    app.router.fault_at(When::at(QUEUES), Fault::Until(let_go.subscribe()));
    app.router.clear_journal();
    let reading = {
        let app = app.app.clone();
        tokio::spawn(async move { collect::run(&app, 3, Scope::Poll, Instant::now() + Patience::from_secs(600)).await })
    };
    let mut received = app.router.received();
    while app.commands(QUEUES) == 0 {
        received.changed().await.unwrap();
    }
    // The wait of a collection by WHMCS, and of a terminate, only shorter.
    let waited = collect::run(&app.app, 3, Scope::All, Instant::now() + Patience::from_secs(4)).await.unwrap_err();
    assert_eq!((waited.code, waited.code.status()), (Code::RouterUnreachable, 503));
    let said = &waited.detail;
    // The test's clock stands, the router's silence is real: some seconds before it.
    let day = since.format("%Y-%m-%dT%H:%M").to_string();
    let before = (since - Duration::minutes(1)).format("%Y-%m-%dT%H:%M").to_string();
    assert!(said.contains("Router core-1") && (said.contains(&day) || said.contains(&before)), "{said}");
    assert!(waited.customer_detail.is_some());
    // Pages take no turn.
    assert_eq!(app.live_page(41).await["connection"]["status"], "online");
    let_go.send_replace(true);
    assert_eq!(reading.await.unwrap().unwrap().read, [41], "the reading that hung was booked after all");
    assert_eq!(app.collect().await["collected"], 1);
    assert_eq!(app.uncharged(&user, crate::books_check::booked(&app.app, 41).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_us_alone_is_told_that_somebody_is_busy() {
    let app = TestApp::new().await;
    app.create(41).await;
    let _turn = app.app.locks.server(3, Instant::now()).await.unwrap();
    let waited = collect::run(&app.app, 3, Scope::All, Instant::now() + Patience::from_millis(300)).await.unwrap_err();
    assert_eq!(waited.code, Code::Busy, "{}", waited.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_router_refuses_is_tried_at_growing_pauses() {
    let app = TestApp::with("collect.poll_seconds = 0\n").await;
    app.create(41).await;
    app.router.fault_at(When::every("/ppp/secret/set"), Fault::Trap("out of memory".into(), None));
    assert_eq!(app.hook("suspend", &app.body(41)).await.code(), "router-refused");
    app.router.clear_journal();
    let mut tries = Vec::new();
    for second in (10..=1_800).step_by(10) {
        app.pass(Duration::seconds(10));
        let before = app.commands("/ppp/secret/set");
        app.step().await;
        if app.commands("/ppp/secret/set") > before {
            tries.push(second);
        }
    }
    let pauses: Vec<i32> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && tries.len() >= 5 && tries.len() <= 12, "{tries:?}");
    // What is decided anew is tried at once, and with it all that waits.
    app.router.clear_faults();
    app.hook("admin-block", &app.body(41)).await.ok();
    assert_eq!(app.account(41).await["pending"], 0);
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
}

/// A mail server that says of each letter that it came, and answers it when it is let.
async fn slow_mail_server() -> (u16, UnboundedReceiver<()>, Arc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((came, letters), answers) = (unbounded_channel(), Arc::new(Semaphore::new(0)));
    let let_go = Arc::clone(&answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            write.write_all(b"220 mail.example.net\r\n").await.unwrap();
            let mut lines = BufReader::new(read).lines();
            let mut is_letter = false;
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match line.as_str() {
                    "." => {
                        came.send(()).unwrap();
                        let_go.acquire().await.unwrap().forget();
                        is_letter = false;
                        "250 ok\r\n"
                    }
                    _ if is_letter => continue,
                    "DATA" => {
                        is_letter = true;
                        "354 go on\r\n"
                    }
                    _ => "250 ok\r\n",
                };
                write.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (port, letters, answers)
}

/// Two letters are due. While the mail server thinks about the first the service is told to stop: the second is left to the
/// next run, and who watches the service is told at once that nothing is to be sent to it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_begins_no_further_letter_and_is_told_to_who_watches() {
    let (port, mut letters, answers) = slow_mail_server().await;
    let app = TestApp::with(&format!(
        "mail.transport = \"smtp\"\nmail.from = \"VPN <vpn@example.net>\"\n\
         mail.smtp = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\" }}\n"
    ))
    .await;
    for id in [41, 42] {
        let user = app.create(id).await;
        assert!(app.router.carry(&user, 9 * GB, 0));
    }
    app.pass(Duration::hours(2));
    app.collect().await;
    let jobs = Jobs::start(app.service.as_ref().unwrap().front.clone()).await.unwrap();
    letters.recv().await.unwrap();
    app.app.stopping.cancel();
    let ready = reqwest::get(format!("{}/readyz", app.ops())).await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap()["stopping"], true);
    answers.add_permits(2);
    jobs.stop().await;
    assert!(letters.try_recv().is_err(), "a second letter was begun");
    let count = sql!("SELECT SUM(state = 'sent') AS sent, SUM(state <> 'sent') AS waiting FROM mail_outbox");
    let row = app.app.db.read().await.unwrap().one(count, vec![]).await.unwrap().unwrap();
    assert_eq!((row.get::<i64>("sent").unwrap(), row.get::<i64>("waiting").unwrap()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_router_that_is_silent() {
    let app = TestApp::with("router.print_seconds = 600\nrouter.idle_seconds = 600\n").await;
    app.create(41).await;
    app.pass(Duration::minutes(1));
    app.router.fault_at(When::Always, Fault::Hang);
    app.router.clear_journal();
    let jobs = Jobs::start(app.service.as_ref().unwrap().front.clone()).await.unwrap();
    let mut received = app.router.received();
    while app.router.journal().is_empty() {
        received.changed().await.unwrap();
    }
    // Left to itself the reading would go on for a hundred seconds.
    tokio::time::timeout(Patience::from_secs(80), jobs.stop()).await.expect("it ends");
    app.router.open().wait_for(|open| *open == 0).await.unwrap();
}
