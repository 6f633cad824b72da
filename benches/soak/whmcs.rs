//! WHMCS as far as the service sees it: signed requests with bodies like the bridge's.

use crate::{life::Customer, process::Process};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use turnpike::simulator::{Options, Simulator};

/// Sends, checks the answers' signatures and counts.
pub struct Whmcs {
    http: reqwest::Client,
    /// Requests sent.
    pub requests: u64,
    /// Refusals by code.
    pub refused: BTreeMap<String, u64>,
}

impl Whmcs {
    /// Nothing was sent yet.
    pub fn new() -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().expect("a client");
        Self { http, requests: 0, refused: BTreeMap::new() }
    }

    /// A signed request; the answer's body where it is a success.
    pub async fn send(&mut self, process: &Process, method: &str, target: &str, body: &Value) -> Option<Value> {
        process.now();
        let bytes = serde_json::to_vec(body).expect("JSON");
        let headers = process.caller.headers(method, target, &bytes);
        let url = format!("{}{target}", process.caller.base_url);
        let mut request = self.http.request(method.parse().expect("a method"), url);
        request = request.header("Content-Type", "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        self.requests += 1;
        let answer = match request.body(bytes).send().await {
            Ok(answer) => answer,
            Err(error) => return self.count(&format!("no answer ({error:?})")),
        };
        let (status, got) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.unwrap_or_default();
        let header = |name: &str| Some(got.get(name)?.to_str().ok()?.to_owned());
        if let Err(why) = process.caller.verify(status, header, &body, &headers) {
            return self.count(&format!("unsigned: {why}"));
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status >= 400 {
            return self.count(body["code"].as_str().unwrap_or("no code"));
        }
        Some(body)
    }

    /// A hook.
    pub async fn hook(&mut self, process: &Process, hook: &str, body: &Value) -> Option<Value> {
        self.send(process, "POST", &format!("/v1/hooks/{hook}"), body).await
    }

    /// What is not from WHMCS: unsigned, half a head, noise. The connections are dropped by whoever likes to first.
    pub async fn stranger(&mut self, process: &Process) -> Option<tokio::net::TcpStream> {
        let url = format!("{}/v1/hooks/client-area", process.caller.base_url);
        let _ = self.http.post(url).header("Signature", "turnpike=:AAAA:").body("{}").send().await;
        let address = process.caller.base_url.trim_start_matches("http://");
        let mut half = tokio::net::TcpStream::connect(address).await.ok()?;
        tokio::io::AsyncWriteExt::write_all(&mut half, b"POST /v1/hooks/create HTTP/1.1\r\nHost: x\r\nX-")
            .await
            .ok()?;
        Some(half)
    }

    fn count(&mut self, code: &str) -> Option<Value> {
        *self.refused.entry(code.to_owned()).or_default() += 1;
        None
    }
}

/// A router as WHMCS has it.
pub fn server(id: usize, router: &Simulator) -> Value {
    let login = Options::default();
    json!({
        "id": id, "name": format!("core-{id}"), "hostname": format!("vpn{id}.example.net"),
        "address": router.address().ip().to_string(), "port": router.address().port(), "tls": false,
        "username": login.username, "password": login.password, "certificate_sha256": "",
        "addresses": [format!("10.{}.0.0/16", 64 + id)],
    })
}

/// A hook's body about a customer.
pub fn body(server: &Value, customer: &Customer, hook: &Value) -> Value {
    json!({
        "whmcs": {"version": "8.13.1", "bridge": "1.0.0"},
        "server": server,
        "service": {
            "id": customer.service, "client_id": customer.service, "product_id": 2, "status": "Active",
            "username": customer.username, "password": customer.password, "dedicated_address": "",
            "billing_cycle": "Monthly", "next_due_date": customer.due.to_string(),
        },
        "client": {
            "id": customer.service, "name": format!("Client {}", customer.service),
            "email": format!("client{}@example.net", customer.service), "language": "english",
        },
        "settings": {
            "plan": if customer.on_plan { "Gold" } else { "" }, "traffic_gb_monthly": "10", "threshold_gb": "2",
            // A line of its own bounds what may be lost on it.
            "download_mbps": if customer.on_plan { "" } else { "50" }, "upload_mbps": if customer.on_plan { "" } else { "20" },
            "threshold_template": "threshold", "suspension_template": "suspension", "support_l2tp": "on",
            "l2tp_psk": "shared-by-all", "collect": if customer.service.is_multiple_of(5) { "cron" } else { "daily" },
        },
        "options": {},
        "hook": hook,
    })
}

/// A page of the admin's, as the addon asks for it.
pub fn page() -> Value {
    json!({
        "admin": {"name": "Grace", "can_edit": true, "language": "english"},
        "link": "addonmodules.php?module=turnpike", "token": {"token": "whmcs-token-1"},
        "method": "GET", "query": [], "form": [], "tabs": [],
    })
}
