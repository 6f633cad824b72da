//! The database away: every hook that needs it says so, and what was begun is finished later. On MariaDB only: SQLite is a
//! file beside the service, and does not go away.

use crate::world::{Database, GB, TestApp};
use serde_json::json;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use turnpike::{
    db::Address,
    simulator::{Fault, When},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_every_hook_says_so() {
    let Some(Wire { up, mut open, database }) = Wire::new().await else { return };
    let app = TestApp::on_database(database, "").await;
    app.create(41).await;
    app.router.clear_journal();
    up.send_replace(false);
    let mut body = app.body(41);
    body["service"]["password"] = json!("another one");
    body["hook"] = json!({"bytes": 5, "key": "k"});
    for hook in [
        "create",
        "suspend",
        "unsuspend",
        "terminate",
        "renew",
        "change-package",
        "change-password",
        "disconnect",
        "add-traffic",
        "admin-block",
        "admin-unblock",
        "usage-update",
        "cron",
        "client-area",
        "admin-tab",
        "metrics",
        "list-accounts",
        "options",
    ] {
        let answer = app.hook(hook, &body).await;
        assert_eq!(answer.refusal(), (503, "database-unavailable", ""), "{hook}");
    }
    assert!(app.writes().is_empty(), "the router hears of nothing that is not written down");
    app.hook("test-connection", &body).await.ok();
    mend(&up, &mut open).await;
    app.hook("suspend", &body).await.ok();
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
}

/// MariaDB behind a wire that can be cut.
struct Wire {
    up: Arc<watch::Sender<bool>>,
    open: watch::Receiver<usize>,
    database: Database,
}

impl Wire {
    async fn new() -> Option<Self> {
        let Database { address, db, .. } = Database::bare().await;
        let Address::Mysql(url) = &address else { return None };
        let mut url: url::Url = secrecy::ExposeSecret::expose_secret(url).parse().unwrap();
        db.close().await;
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // Or the driver would leave the wire for the server's Unix socket.
        url.query_pairs_mut().append_pair("prefer_socket", "false");
        let (up, count) = (Arc::new(watch::Sender::new(true)), Arc::new(watch::Sender::new(0)));
        let (state, open) = (up.subscribe(), count.subscribe());
        tokio::spawn(async move {
            while let Ok((inside, _)) = listener.accept().await {
                let (state, target, count) = (state.clone(), target.clone(), Arc::clone(&count));
                count.send_modify(|it| *it += 1);
                tokio::spawn(async move {
                    carry(inside, &target, state).await;
                    count.send_modify(|it| *it -= 1);
                });
            }
        });
        Some(Self { up, open, database: Database::at(Address::Mysql(url.to_string().into())).await })
    }
}

/// Carries bytes both ways until an end closes or the wire is cut; what comes after the cut is not carried.
async fn carry(mut inside: TcpStream, target: &str, mut state: watch::Receiver<bool>) {
    if !*state.borrow_and_update() {
        return;
    }
    let mut outside = TcpStream::connect(target).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let live = state.clone();
    loop {
        let (to, bytes) = tokio::select! {
            _ = state.wait_for(|up| !up) => return,
            read = inside.read(&mut asked) => (&mut outside, &asked[..read.unwrap_or(0)]),
            read = outside.read(&mut answered) => (&mut inside, &answered[..read.unwrap_or(0)]),
        };
        if bytes.is_empty() || !*live.borrow() || to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// The database is back, and what was cut is gone.
async fn mend(up: &watch::Sender<bool>, open: &mut watch::Receiver<usize>) {
    open.wait_for(|it| *it == 0).await.unwrap();
    up.send_replace(true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_loses_its_database_is_finished_by_the_next() {
    let Some(Wire { up, mut open, database }) = Wire::new().await else { return };
    let app = TestApp::on_database(database, "").await;
    for (service, path) in
        [(41, "/ppp/profile/print"), (42, "/queue/simple/add"), (43, "/ppp/secret/add"), (44, "/queue/simple/print")]
    {
        let cut = Arc::clone(&up);
        app.router.fault_at(When::at(path), Fault::call_after(move |_| cut.send_modify(|up| *up = false)));
        let answer = app.hook("create", &app.body(service)).await;
        assert_eq!(answer.refusal(), (503, "database-unavailable", ""), "{path}");
        assert!(!*up.borrow(), "{path} was not reached: {}", answer.body);
        assert_eq!(app.refused("metrics", &app.body(service)).await.1, "database-unavailable");
        mend(&up, &mut open).await;
        let made = app.hook("create", &app.body(service)).await.ok();
        assert_eq!(made["account"]["balance_bytes"], 10 * GB);
        assert_eq!(app.secret(&format!("7-{service}"), "password").as_deref(), made["service"]["password"].as_str());
        assert_eq!(app.ledger(service).await.len(), 1);
    }
    let rows =
        app.router.world(|world| (world.table("/ppp/secret").rows().len(), world.table("/queue/simple").rows().len()));
    assert_eq!(rows, (4, 4));
}
