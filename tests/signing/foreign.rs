//! A foreign implementation of RFC 9421 (Python's `http-message-signatures`) signs and verifies against a real socket.

use crate::{door::Door, draft::KEYS};
use serde_json::{Value, json};
use tokio::process::Command;
use turnpike::clock::Clock;

#[tokio::test]
async fn a_foreign_library_signs_what_we_take_and_verifies_what_we_answer() {
    let door = Door::at(Clock::System);
    let python = std::env::var("TURNPIKE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/signing.py");
    let run = Command::new(&python)
        .arg(script)
        .arg(format!("http://{}", door.address))
        .args([KEYS[0].0, KEYS[0].1])
        .env("NO_PROXY", "*")
        .output()
        .await
        .unwrap_or_else(|error| panic!("{python} does not start ({error}): run ./test, which prepares it"));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{python} {script}: {said}\nRun ./test, which prepares the foreign packages.");
    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    let ours = |name: &str| json!({"name": name, "status": 200, "code": null, "verified": true});
    let signed = |name: &str, code: &str| json!({"name": name, "status": 401, "code": code, "verified": true});
    let unsigned = |name: &str, code: &str| json!({"name": name, "status": 401, "code": code, "verified": false});
    let want = json!([
        ours("POST with a body"),
        ours("GET without a body"),
        ours("an empty query"),
        ours("a path and query in percent"),
        ours("a body of bytes"),
        ours("with an expiry"),
        signed("sent twice", "nonce-reused"),
        signed("another body", "digest-wrong"),
        signed("signed too early", "clock-skew"),
        signed("signed too late", "clock-skew"),
        signed("expired", "clock-skew"),
        unsigned("another secret", "signature-wrong"),
        unsigned("another key", "key-unknown"),
        unsigned("not signed", "signature-missing"),
    ]);
    assert_eq!(told, want);
}
