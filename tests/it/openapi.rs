//! `/openapi.json` is what the service does: a foreign program reads it, asks whatever it allows and some that it does not,
//! and finds no 5xx and no answer that the document does not tell of. `TURNPIKE_OPENAPI_CASES` sets how many per operation.

use crate::world::{SECRET, TestApp};
use serde_json::Value;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_5xx_and_no_answer_beside_the_document() {
    let app = TestApp::new().await;
    app.create(41).await;
    let python = std::env::var("TURNPIKE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/openapi.py");
    let cases = std::env::var("TURNPIKE_OPENAPI_CASES").unwrap_or_else(|_| "8".to_owned());
    let run = Command::new(&python)
        .arg(script)
        .args([app.caller.base_url.as_str(), "whmcs", SECRET])
        .arg(app.clock.now().timestamp().to_string())
        .arg(app.body(41)["server"].to_string())
        .arg(cases)
        .env("NO_PROXY", "*")
        .output()
        .await
        .unwrap_or_else(|error| panic!("{python} does not start ({error}): run ./test, which prepares it"));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{python} {script}: {said}");
    let told: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(told["wrong"], serde_json::json!([]), "{told:#}");
    assert!(told["operations"].as_u64().unwrap() >= 25, "{told}");
    assert!(told["statuses"]["200"].as_u64().unwrap() > 50, "most of it never came to anything: {told}");
    let refused = |status: &str| told["forbidden"][status].as_u64().unwrap_or_default();
    assert!(refused("400") > 50 && refused("422") > 0, "what the document forbids was hardly asked for: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_to_anybody_on_both_ports_and_names_every_sampled_hook() {
    let app = TestApp::new().await;
    let mut told = Vec::new();
    for base in [app.caller.base_url.clone(), app.ops()] {
        let answer = reqwest::get(format!("{base}/openapi.json")).await.unwrap();
        assert_eq!(answer.status(), 200);
        told.push(serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap());
    }
    assert_eq!(told[0], told[1]);
    for sample in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol")).unwrap() {
        let name = sample.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(told[0]["paths"][format!("/v1/hooks/{name}")].is_object(), "{name} is not told of");
    }
}
