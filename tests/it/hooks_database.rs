//! The database away: every hook that needs it says so, and what was begun is finished later. On MariaDB only: SQLite is a
//! file beside the service, and does not go away.

use crate::{
    admin_pages::ask,
    wire::Wire,
    world::{Database, GB, TestApp},
};
use serde_json::json;
use std::sync::Arc;
use turnpike::{
    db::Address,
    simulator::{Fault, When},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_every_hook_says_so() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    app.create(41).await;
    app.router.clear_journal();
    wire.cut();
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
        "fup-reset",
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
    let mut form = ask(&json!({"service": "41"}));
    form["method"] = json!("POST");
    form["form"] = json!({"do": "block", "reason": "x"});
    let plan = json!({"name": "Gold", "price": "9", "download_speed": "2M", "upload_speed": "1M"});
    for (method, target, body) in [
        ("PUT", "/v1/plans/1", &plan),
        ("POST", "/v1/plans", &plan),
        ("PUT", "/v1/netflow/41", &json!({"username": "ada"})),
        ("POST", "/v1/admin/accounts", &form),
        ("POST", "/v1/admin/overview", &ask(&json!([]))),
    ] {
        let answer = app.send(method, target, body).await;
        assert_eq!(answer.refusal(), (503, "database-unavailable", ""), "{method} {target}");
    }
    assert!(app.writes().is_empty(), "the router hears of nothing that is not written down");
    app.hook("test-connection", &body).await.ok();
    wire.mend().await;
    app.hook("suspend", &body).await.ok();
    assert_eq!(app.secret("7-41", "disabled").unwrap(), "true");
}

/// MariaDB behind a wire that can be cut; `None` on SQLite.
pub async fn behind_a_wire() -> Option<(Wire, Database)> {
    let Database { address, db, .. } = Database::bare().await;
    let Address::Mysql(url) = &address else { return None };
    db.close().await;
    let wire = Wire::to(secrecy::ExposeSecret::expose_secret(url)).await;
    let database = Database::at(Address::Mysql(wire.url.clone().into())).await;
    Some((wire, database))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_loses_its_database_is_finished_by_the_next() {
    let Some((mut wire, database)) = behind_a_wire().await else { return };
    let app = TestApp::on_database(database, "").await;
    for (service, path) in
        [(41, "/ppp/profile/print"), (42, "/queue/simple/add"), (43, "/ppp/secret/add"), (44, "/queue/simple/print")]
    {
        let cut = Arc::clone(&wire.up);
        app.router.fault_at(When::at(path), Fault::call_after(move |_| cut.send_modify(|up| *up = false)));
        let answer = app.hook("create", &app.body(service)).await;
        assert_eq!(answer.refusal(), (503, "database-unavailable", ""), "{path}");
        assert!(!wire.is_up(), "{path} was not reached: {}", answer.body);
        assert_eq!(app.refused("metrics", &app.body(service)).await.1, "database-unavailable");
        wire.mend().await;
        let made = app.hook("create", &app.body(service)).await.ok();
        assert_eq!(made["account"]["balance_bytes"], 10 * GB);
        assert_eq!(app.secret(&format!("7-{service}"), "password").as_deref(), made["service"]["password"].as_str());
        assert_eq!(app.ledger(service).await.len(), 1);
    }
    let rows =
        app.router.world(|world| (world.table("/ppp/secret").rows().len(), world.table("/queue/simple").rows().len()));
    assert_eq!(rows, (4, 4));
}
