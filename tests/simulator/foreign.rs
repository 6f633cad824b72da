//! Three API clients that strangers wrote drive the simulator over its socket: librouteros and RouterOS-api (Python),
//! node-routeros (JavaScript). They come from a venv and a folder of node modules that `./test` makes.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;
use turnpike::simulator::{Options, Simulator};

const HELP: &str = "the foreign clients are not installed; run `./test`, which makes them a venv and node modules \
                    and points TURNPIKE_PYTHON and TURNPIKE_NODE_MODULES there";

async fn run(mut command: Command, program: &str, simulator: &Simulator) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    let (host, port) = (simulator.address().ip().to_string(), simulator.address().port().to_string());
    command.arg(folder.join(program)).args([&host, &port, "turnpike", "router-password"]).kill_on_drop(true);
    let run = tokio::time::timeout(std::time::Duration::from_mins(2), command.output());
    let output = run.await.expect("the foreign client hangs").unwrap_or_else(|error| panic!("{HELP} ({error})"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    let missing = ["ModuleNotFoundError", "Cannot find module"].iter().any(|word| complaint.contains(word));
    assert!(!missing, "{HELP}\n{complaint}");
    assert!(output.status.success(), "{program} failed:\n{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn python(program: &str, simulator: &Simulator) -> Value {
    let python = std::env::var("TURNPIKE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    run(Command::new(python), program, simulator).await
}

async fn node(program: &str, simulator: &Simulator) -> Value {
    let mut command = Command::new("node");
    match std::env::var_os("TURNPIKE_NODE_MODULES") {
        // The folder that holds `node_modules`, or that one itself.
        Some(folder) if Path::new(&folder).ends_with("node_modules") => command.env("NODE_PATH", folder),
        Some(folder) => command.env("NODE_PATH", Path::new(&folder).join("node_modules")),
        None => &mut command,
    };
    run(command, program, simulator).await
}

async fn router(version: &str) -> Simulator {
    let options = Options { version: version.to_owned(), identity: "gate".to_owned(), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    // Queues without secrets: the clients make secrets of their own and expect to find no other.
    simulator.populate(1_000, |number| format!("x|Product ID:{number}|a@example.net"));
    simulator.world(|world| world.table_mut("/ppp/secret").retain(|_| false));
    simulator
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librouteros_is_at_home_on_every_version() {
    for version in ["6.49.10", "7.9.2", "7.18.2", "7.24"] {
        let saw = python("librouteros_client.py", &router(version).await).await;
        let expected = json!({
            "bad_login": "invalid user name or password (6)",
            "identity": "gate",
            "added": "*3E9",
            "twice": "failure: secret with the same name already exists",
            "no_profile": "input does not match any value of profile",
            "bad_argument": "unknown parameter colour",
            "bad_menu": ["no such command or directory (secrt)", "no such command prefix"],
            "ada": [{".id": "*3E9", "name": "ada", "comment": "Zoë | 7", "disabled": false}],
            "disabled": ["bea"],
            "in": ["ada", "bea"],
            "not": ["bea"],
            "changed": [{"comment": "changed"}],
            "none": [],
            "count": 2,
            "gone": "no such item (4)",
            "left": [],
            "queues": 1000,
            "last_queue": {"name": "user01000", "max-limit": "10000000/50000000", "bytes": "0/0"},
            "whole_rows": 1000,
        });
        assert_eq!(saw, expected, "RouterOS {version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routeros_api_is_at_home_before_and_after_empty_replies() {
    for version in ["7.16.2", "7.18.2"] {
        let saw = python("routeros_api_client.py", &router(version).await).await;
        for (word, part) in [
            ("bad_login", "invalid user name or password (6)"),
            ("twice", "failure: secret with the same name already exists"),
            ("bad_menu", "no such command"),
            ("gone", "no such item (4)"),
        ] {
            assert!(saw[word].as_str().is_some_and(|text| text.contains(part)), "{word}: {}", saw[word]);
        }
        assert_eq!(saw["identity"], "gate");
        assert_eq!(saw["row"], json!([{"id": "*3E9", "name": "cleo", "comment": "8", "disabled": "false"}]));
        assert_eq!(saw["changed"], json!(["changed"]));
        assert_eq!((&saw["none"], &saw["left"]), (&json!([]), &json!([])));
        assert_eq!(saw["at_once"], json!(vec![1; 20]));
        assert_eq!(saw["queues"], 1000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_routeros_is_at_home_and_meets_empty_replies_as_it_does_on_real_routers() {
    // `!empty` came with 7.18; node-routeros 1.6.9 ends with "unknown reply" there.
    for (version, none) in [("7.16.2", json!([])), ("7.18.2", json!("!empty"))] {
        let saw = node("node_routeros_client.js", &router(version).await).await;
        assert_eq!(saw["bad_login"].as_str().map(|text| text.contains("assword")), Some(true), "{}", saw["bad_login"]);
        assert_eq!(saw["identity"], "gate");
        assert_eq!(saw["added"], "*3E9");
        assert_eq!(saw["twice"], "failure: secret with the same name already exists");
        assert_eq!(saw["row"], json!([{".id": "*3E9", "name": "dora", "comment": "9"}]));
        assert_eq!(saw["changed"], "changed");
        assert_eq!(saw["at_once"], json!(vec![1; 20]));
        assert_eq!(saw["queues"], 1000);
        assert_eq!(saw["gone"], "no such item (4)");
        match none.as_str() {
            Some(word) => assert!(saw["none"].as_str().is_some_and(|text| text.contains(word)), "{}", saw["none"]),
            None => assert_eq!(saw["none"], none),
        }
    }
}
