//! Those who call: requests that are signed before the clock starts, sent over kept connections, each connection one after
//! the other; answers read whole, and verified where that is what is asked for.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use turnpike::http::caller::Caller;

/// Requests, ready to be sent.
pub struct Requests(Vec<Vec<u8>>);

impl Requests {
    /// Signs each.
    pub fn signed(caller: &Caller, asked: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        Self(asked.map(|(target, body)| request(&caller.headers("POST", &target, &body), &target, &body)).collect())
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

fn request(headers: &[(String, String)], target: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}

/// Sends all of them over so many connections; how long that took.
pub async fn drive(address: SocketAddr, connections: usize, requests: Requests) -> Duration {
    let mut sockets = Vec::new();
    for _ in 0..connections {
        let socket = TcpStream::connect(address).await.expect("connected");
        socket.set_nodelay(true).expect("a socket");
        sockets.push(socket);
    }
    let (requests, next) = (Arc::new(requests.0), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let runs = sockets.into_iter().map(|mut socket| {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tokio::spawn(async move {
            let mut buffer = Vec::with_capacity(64 * 1024);
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let head = exchange(&mut socket, request, &mut buffer).await;
                assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..head]));
            }
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.expect("every request is answered");
    }
    begun.elapsed()
}

/// One request and its answer, signature and all; the answer's size.
pub async fn verified(address: SocketAddr, caller: &Caller, (target, body): (&str, &[u8])) -> usize {
    let headers = caller.headers("POST", target, body);
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let mut buffer = Vec::new();
    let head = exchange(&mut socket, &request(&headers, target, body), &mut buffer).await;
    let (text, answer) = (String::from_utf8_lossy(&buffer[..head]).into_owned(), &buffer[head..]);
    let header = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    assert!(text.starts_with("HTTP/1.1 200"), "{text} {}", String::from_utf8_lossy(answer));
    caller.verify(200, header, answer, &headers).expect("the answer is the service's own");
    answer.len()
}

/// Reads the answer into the buffer; where its head ends. HTTP/1.1 as far as our own servers speak it.
async fn exchange(socket: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> usize {
    socket.write_all(request).await.expect("sent");
    buffer.clear();
    let mut whole = None;
    loop {
        let read = socket.read_buf(buffer).await.expect("answered");
        assert!(read > 0, "the connection was closed");
        if whole.is_none() {
            whole = head(buffer);
        }
        if let Some((head, length)) = whole
            && buffer.len() >= head + length
        {
            return head;
        }
    }
}

/// Where the head ends, and how long the body is.
fn head(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..end]).expect("ASCII");
    let length = text.lines().filter_map(|line| line.split_once(": "));
    let length = length
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.parse().ok());
    Some((end, length.expect("a length")))
}
