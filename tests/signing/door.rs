//! A real server with the real check, and a client that sends bytes exactly as told.

use crate::draft::{KEYS, T};
use actix_web::{App, HttpRequest, HttpServer, dev::ServerHandle, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use turnpike::{
    clock::Clock,
    config::BridgeKey,
    http::{
        answer,
        signed::{Admission, Signing},
    },
};

pub struct Door {
    pub address: SocketAddr,
    pub clock: Clock,
    pub signing: Arc<Signing>,
    server: ServerHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// As the service does it: an accepted request is answered with what was understood of it.
async fn answered(signing: web::Data<Signing>, request: HttpRequest, body: web::Bytes) -> actix_web::HttpResponse {
    match signing.admit(&request, &body) {
        Admission::Ours(proof) => {
            let seen = json!({"key": proof.key_id(), "nonce": proof.nonce(), "bytes": body.len()});
            answer::json(200, &seen, Some(&proof))
        }
        Admission::RefusedSigned(proof, problem) => answer::problem(&problem, "ref", Some(&proof)),
        Admission::Refused(problem) => {
            let problem = signing.refuse(request.peer_addr().map(|peer| peer.ip()), problem);
            answer::problem(&problem, "ref", None)
        }
    }
}

impl Door {
    /// Opened at [`T`], with the clock standing still.
    pub fn open() -> Self {
        Self::at(Clock::fixed(DateTime::from_timestamp(T, 0).unwrap()))
    }

    /// Needs the runtime around it: the server runs in it.
    pub fn at(clock: Clock) -> Self {
        let key = |(id, secret): (&str, &str)| BridgeKey { id: id.to_owned(), secret: secret.into() };
        let signing = Arc::new(Signing::new(&KEYS.map(key), clock.clone()));
        let data = web::Data::from(Arc::clone(&signing));
        let server = HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(answered)));
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, clock, signing, server: handle }
    }

    pub async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::read(&bytes)
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(header, _)| *header == name.to_lowercase()).map(|(_, value)| value.clone())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("none").to_owned()
    }

    pub fn is_signed(&self) -> bool {
        ["signature", "signature-input", "content-digest"].iter().any(|name| self.header(name).is_some())
    }

    /// Checks the answer's signature by the contract's text: the base is written out here.
    pub fn assert_signed(&self, secret: &[u8], keyid: &str, created: i64, request_mac: &str) {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&self.body)));
        assert_eq!(self.header("content-digest").as_deref(), Some(digest.as_str()));
        let params = format!(
            "(\"@status\" \"content-digest\" \"signature\";req;key=\"turnpike\");created={created};keyid=\"{keyid}\";\
             alg=\"hmac-sha256\";tag=\"turnpike\""
        );
        assert_eq!(self.header("signature-input"), Some(format!("turnpike={params}")));
        let base = format!(
            "\"@status\": {}\n\"content-digest\": {digest}\n\"signature\";req;key=\"turnpike\": :{request_mac}:\n\
             \"@signature-params\": {params}",
            self.status
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(base.as_bytes());
        let mac = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(self.header("signature"), Some(format!("turnpike=:{mac}:")));
    }
}
