//! What is kept over a restart, and what is not kept in clear.

use crate::world::{Database, TestApp, noon};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use turnpike::simulator::Options;

const TARGET: &str = "/v1/hooks/admin-block";

/// The very bytes, with the very signature, after a stop and a start on the same database.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_hook_is_refused_after_a_restart_too() {
    let mut app = TestApp::new().await;
    app.create(41).await;
    let body = serde_json::to_vec(&app.body_with(41, &json!({"hook": {"reason": "once"}}))).unwrap();
    let headers = app.caller.headers("POST", TARGET, &body);
    let send = async |base: &str| {
        let mut request =
            reqwest::Client::new().post(format!("{base}{TARGET}")).header("Content-Type", "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let answer = request.body(body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone())
    };
    assert_eq!(send(&app.caller.base_url).await, (200, Value::Null));
    app.hook("admin-unblock", &app.body(41)).await.ok();
    assert_eq!(send(&app.caller.base_url).await.1, "nonce-reused");
    app.restart().await;
    assert_eq!(app.clock.now(), noon(), "its signature is as fresh as before");
    assert_eq!(send(&app.caller.base_url).await.1, "nonce-reused");
    assert_eq!(app.account(41).await["causes"], json!([]), "and nothing was done");
}

/// Every file of the database, while the service runs and after it stopped: no password, and not the key of any.
#[tokio::test(flavor = "multi_thread")]
async fn no_password_and_no_key_is_in_the_database_s_files() {
    let mut app = TestApp::on_database(Database::file().await, "").await;
    let made =
        app.hook("create", &app.body_with(41, &json!({"settings": {"l2tp_psk": "psk-in-nobody-s-file"}}))).await.ok();
    app.send("PUT", "/v1/netflow/41", &json!({"username": "flow-user-41", "password": "flow-in-nobody-s-file"}))
        .await
        .ok();
    app.hook("change-password", &app.body_with(41, &json!({"service": {"password": "ppp-in-nobody-s-file"}})))
        .await
        .ok();
    app.collect().await;
    let key = app.app.config.seal.master_key.expose_secret().to_owned();
    let raw: Vec<u8> = (0..32).collect();
    let secrets: [(&str, Vec<u8>); 8] = [
        ("the router's password", Options::default().password.into_bytes()),
        ("the PPP password that was made", made["service"]["password"].as_str().unwrap().into()),
        ("the PPP password that was set", "ppp-in-nobody-s-file".into()),
        ("the pre-shared key", "psk-in-nobody-s-file".into()),
        ("the NetFlow password", "flow-in-nobody-s-file".into()),
        ("the master key", key.into_bytes()),
        ("the master key in hex", hex::encode(&raw).into_bytes()),
        ("the master key's bytes", raw),
    ];
    for running in [true, false] {
        if !running {
            app.end().await;
        }
        let mut all = Vec::new();
        let mut files = 0;
        for file in std::fs::read_dir(app.folder()).unwrap().map(|it| it.unwrap().path()) {
            if file.file_name().unwrap().to_string_lossy().starts_with("test.db") {
                all.extend(std::fs::read(file).unwrap());
                files += 1;
            }
        }
        let holds = |what: &[u8]| all.windows(what.len()).any(|it| it == what);
        assert!(files >= if running { 2 } else { 1 }, "the write-ahead log was looked through too");
        assert!(holds(b"ada@example.net") && holds(b"flow-user-41"), "what is no secret is found so");
        for (name, secret) in &secrets {
            assert!(!holds(secret), "{name} is in the database's files in clear");
        }
    }
}
