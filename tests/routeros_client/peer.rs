//! A scripted router: says exactly the bytes that a test tells it to.

use secrecy::SecretString;
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use turnpike::routeros::{Limits, Login, Mark, Router, Routers};

/// Nothing in these tests takes so long, whatever the machine is busy with.
pub const GENEROUS: Duration = Duration::from_secs(20);

/// Where a scripted router listens.
pub struct Peer {
    listener: TcpListener,
}

/// One connection to it.
pub struct Conn<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
}

/// A command as it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    pub words: Vec<String>,
    pub tag: String,
}

impl Heard {
    pub fn path(&self) -> &str {
        &self.words[0]
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    /// The value of an `=key=value`.
    pub fn value(&self, key: &str) -> &str {
        let start = format!("={key}=");
        self.words.iter().find_map(|word| word.strip_prefix(&start)).unwrap_or_else(|| panic!("{key} in {self:?}"))
    }
}

impl Peer {
    pub async fn new() -> Self {
        Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap() }
    }

    /// One that takes little at a time: the rest waits at the client's end.
    pub fn narrow() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(4).unwrap();
        Self { listener: TcpListener::from_std(socket.into()).unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub fn login(&self) -> Login {
        login(self.port())
    }

    /// The next connection, not logged in.
    pub async fn accept(&self) -> Conn {
        let (stream, _) = tokio::time::timeout(GENEROUS, self.listener.accept()).await.expect("a connection").unwrap();
        Conn::on(stream)
    }

    /// The next connection, logged in.
    pub async fn session(&self) -> Conn {
        let mut conn = self.accept().await;
        conn.log_in().await;
        conn
    }

    /// Whether a connection waits to be accepted.
    pub async fn has_visitor(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.listener.accept()).await.is_ok()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    pub fn on(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn log_in(&mut self) {
        let login = self.hear().await;
        assert_eq!(login.path(), "/login");
        assert_eq!((login.value("name"), login.value("password")), ("whmcs", "geheim"));
        self.done(&login).await;
    }

    /// The next command.
    pub async fn hear(&mut self) -> Heard {
        self.listen().await.expect("a command, not the end")
    }

    /// The next command, or None at the end of the connection.
    pub async fn listen(&mut self) -> Option<Heard> {
        let mut words = Vec::new();
        loop {
            let length = self.length().await?;
            if length == 0 {
                break;
            }
            let word = self.take(length).await?;
            words.push(String::from_utf8(word).unwrap());
        }
        let tag = words.iter().find(|word| word.starts_with(".tag=")).cloned().unwrap_or_default();
        Some(Heard { words, tag })
    }

    /// Whether a command arrives within a moment.
    pub async fn hears_more(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.listen()).await.is_ok()
    }

    /// Waits for the other side to close; what it still says is passed over.
    pub async fn is_left(&mut self) {
        let left = async { while self.listen().await.is_some() {} };
        tokio::time::timeout(Duration::from_hours(1), left).await.expect("the connection to be closed");
    }

    async fn length(&mut self) -> Option<usize> {
        let first = usize::from(self.take(1).await?[0]);
        let (more, bits) = match first {
            0..0x80 => (0, first),
            0x80..0xC0 => (1, first & 0x3F),
            0xC0..0xE0 => (2, first & 0x1F),
            _ => panic!("a word longer than any command of ours"),
        };
        let rest = self.take(more).await?;
        Some(rest.iter().fold(bits, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            match tokio::time::timeout(GENEROUS * 60, self.stream.read_buf(&mut self.buffer)).await.expect("bytes") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    /// Sends bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends one sentence.
    pub async fn say(&mut self, words: &[&str]) {
        self.raw(&sentence(words)).await;
    }

    /// Sends a row in answer.
    pub async fn row(&mut self, to: &Heard, attributes: &[&str]) {
        let mut words = vec!["!re", &to.tag];
        words.extend(attributes);
        self.say(&words).await;
    }

    pub async fn done(&mut self, to: &Heard) {
        self.say(&["!done", &to.tag]).await;
    }

    pub async fn trap(&mut self, to: &Heard, message: &str) {
        self.say(&["!trap", &to.tag, &format!("=message={message}")]).await;
        self.done(to).await;
    }

    /// Hears a command of that path, and answers it with these rows.
    pub async fn answer(&mut self, path: &str, rows: &[&[&str]]) -> Heard {
        let heard = self.hear().await;
        assert_eq!(heard.path(), path, "{heard:?}");
        for row in rows {
            self.row(&heard, row).await;
        }
        self.done(&heard).await;
        heard
    }
}

impl Conn {
    /// Ends the connection with RST.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// One word with its length.
pub fn word(word: &[u8]) -> Vec<u8> {
    let n = u32::try_from(word.len()).unwrap();
    let mut out = match n {
        0..0x80 => n.to_be_bytes()[3..].to_vec(),
        0x80..0x4000 => (n | 0x8000).to_be_bytes()[2..].to_vec(),
        0x4000..0x20_0000 => (n | 0xC0_0000).to_be_bytes()[1..].to_vec(),
        _ => (n | 0xE000_0000).to_be_bytes().to_vec(),
    };
    out.extend_from_slice(word);
    out
}

pub fn sentence(words: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|w| word(w.as_bytes())).collect();
    bytes.push(0);
    bytes
}

pub fn login(port: u16) -> Login {
    Login {
        name: "core-1".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        fingerprint: None,
        certified_as: None,
        username: "whmcs".to_owned(),
        password: SecretString::from("geheim"),
    }
}

pub fn routers() -> Routers {
    Routers::new(Limits::default(), Handle::current())
}

/// A handle to a peer, nothing connected yet.
pub fn router_of(peer: &Peer) -> Router {
    routers().get(1, peer.login())
}

pub fn mark() -> Mark {
    Mark { prefix: "WHMCS".to_owned(), service_id: 41, email: "ada@example.net".to_owned() }
}

pub const OURS: &str = "=comment=WHMCS|Product ID:41|ada@example.net";
