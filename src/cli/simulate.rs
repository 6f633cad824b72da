//! `turnpike simulate`: a simulated router on loopback for the bridge's tests. One JSON line in, one JSON line out.

use anyhow::Result;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::io::{AsyncBufReadExt, BufReader};
use turnpike::simulator::{Options, Simulator, Table};

/// Runs until standard input ends.
pub async fn run(port: u16) -> Result<()> {
    let bind = SocketAddr::from(([127, 0, 0, 1], port));
    let simulator = Simulator::start(Options { bind, ..Options::default() }).await?;
    let login = Options::default();
    say!(
        "{}",
        json!({"address": simulator.address().to_string(), "username": login.username, "password": login.password})
    );
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str::<Value>(&line) {
            Ok(order) => obey(&simulator, &order).await.unwrap_or_else(|error| json!({"error": error})),
            Err(error) => json!({"error": error.to_string()}),
        };
        say!("{answer}");
    }
    simulator.stop().await;
    Ok(())
}

async fn obey(simulator: &Simulator, order: &Value) -> std::result::Result<Value, String> {
    let text = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| order[name].as_u64().unwrap_or_default();
    match text("do").as_str() {
        "connect" => simulator.connect(&text("user"), &text("password"), &text("service"), "198.51.100.7")?,
        "hang-up" => simulator.hang_up(&text("user")),
        "carry" => return Ok(json!({"carried": simulator.carry(&text("user"), number("down"), number("up"))})),
        "online" => return Ok(json!({"sessions": simulator.sessions(&text("user"))})),
        "pass" => simulator.pass(Duration::from_secs(number("seconds"))),
        "reboot" => simulator.reboot(),
        "stop" => simulator.stop().await,
        "listen" => simulator.listen().await.map_err(|error| error.to_string())?,
        "print" => {
            let path = text("path");
            return Ok(json!({"rows": simulator.world(|world| rows(world.table(&path)))}));
        }
        other => return Err(format!("unknown order {other:?}")),
    }
    Ok(json!({"ok": true}))
}

fn rows(table: &Table) -> Vec<Value> {
    let row = |values: &[(&'static str, String)]| {
        values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    };
    table.rows().iter().map(|it| Value::Object(row(it.values()))).collect()
}
