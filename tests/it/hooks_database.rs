//! The database away: every hook that needs it says so, and what was begun is finished later. On MariaDB only: SQLite is a
//! file beside the service, and does not go away.

use crate::world::{Database, GB, TestApp};
use serde_json::json;
use std::sync::Arc;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use turnpike::{
    db::Address,
    simulator::{Fault, When},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_every_hook_says_so() {
    let Some(Wire { up, database }) = wire().await else { return };
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
    up.send_replace(true);
    app.hook("suspend", &body).await.ok();
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
}

/// MariaDB behind a wire that can be cut.
struct Wire {
    up: Arc<watch::Sender<bool>>,
    database: Database,
}

async fn wire() -> Option<Wire> {
    let Database { address, db, .. } = Database::bare().await;
    let Address::Mysql(url) = &address else { return None };
    let mut url: url::Url = secrecy::ExposeSecret::expose_secret(url).parse().unwrap();
    db.close().await;
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let up = Arc::new(watch::Sender::new(true));
    let state = up.subscribe();
    tokio::spawn(async move {
        while let Ok((mut inside, _)) = listener.accept().await {
            let (mut state, target) = (state.clone(), target.clone());
            tokio::spawn(async move {
                if !*state.borrow_and_update() {
                    return;
                }
                let mut outside = TcpStream::connect(target).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut inside, &mut outside) => {}
                    _ = state.wait_for(|up| !up) => {}
                }
            });
        }
    });
    Some(Wire { up, database: Database::at(Address::Mysql(url.to_string().into())).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_loses_its_database_is_finished_by_the_next() {
    let Some(Wire { up, database }) = wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    for (service, path) in
        [(41, "/ppp/profile/print"), (42, "/queue/simple/add"), (43, "/ppp/secret/add"), (44, "/queue/simple/print")]
    {
        let cut = Arc::clone(&up);
        app.router.fault_at(When::at(path), Fault::call_after(move |_| cut.send_modify(|up| *up = false)));
        let answer = app.hook("create", &app.body(service)).await;
        assert_eq!(answer.refusal(), (503, "database-unavailable", ""), "{path}");
        assert_eq!(app.refused("metrics", &app.body(service)).await.1, "database-unavailable");
        up.send_replace(true);
        let made = app.hook("create", &app.body(service)).await.ok();
        assert_eq!(made["account"]["balance_bytes"], 10 * GB);
        assert_eq!(app.secret(&format!("7-{service}"), "password").as_deref(), made["service"]["password"].as_str());
        assert_eq!(app.ledger(service).await.len(), 1);
    }
    let rows =
        app.router.world(|world| (world.table("/ppp/secret").rows().len(), world.table("/queue/simple").rows().len()));
    assert_eq!(rows, (4, 4));
}
