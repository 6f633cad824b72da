//! From an address to a session: TCP, TLS where wanted, login. Each step has its own deadline.

use super::{
    Limits, Login,
    command::{Command, blotted},
    error::Failure,
    names::Name,
    tls::Trust,
    value::text,
    wire::Framer,
};
use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

/// A connected stream, plain or TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A session that is logged in; the framer may already hold bytes that came after the login's reply.
pub(super) struct Session {
    pub(super) stream: Box<dyn Stream>,
    pub(super) framer: Framer,
    pub(super) socket: Option<Socket>,
}

/// The same socket once more: by it a connection that broke is ended for good.
pub(super) struct Socket(socket2::Socket);

impl Socket {
    /// When the connection is closed, what was written and has not arrived is thrown away, instead of being sent until the
    /// router takes it: by then the change may have been asked for anew, or its opposite.
    pub(super) fn forget_what_is_on_its_way(&self) {
        if let Err(error) = self.0.set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "the socket's lingering could not be set");
        }
    }
}

/// Connects and logs in.
///
/// # Errors
/// `Away`, `Certificate`, `Login` or `Strange`, each within its deadline.
pub(super) async fn dial(login: &Login, limits: &Limits, trust: &Trust, name: &mut Name) -> Result<Session, Failure> {
    let tcp = connect(name, &login.host, login.port, limits).await?;
    let socket = SockRef::from(&tcp).try_clone().map(Socket).ok();
    let mut stream: Box<dyn Stream> = if login.tls {
        let secure = timeout(limits.connect, trust.handshake(tcp, login));
        let slow = |_| Failure::Away(format!("no TLS handshake within {} s", limits.connect.as_secs_f32()));
        Box::new(secure.await.map_err(slow)??)
    } else {
        Box::new(tcp)
    };
    let mut framer = Framer::default();
    let secs = limits.login.as_secs_f32();
    let silent = |_| {
        Failure::Away(format!(
            "it accepts connections but did not answer the login within {secs} s; \
             is our address allowed in its /ip/service, and is this its API port?"
        ))
    };
    timeout(limits.login, log_in(&mut *stream, &mut framer, login)).await.map_err(silent)??;
    Ok(Session { stream, framer, socket })
}

/// Every address of the name in turn, all within the limit: one that swallows packets leaves time for the next.
async fn connect(name: &mut Name, host: &str, port: u16, limits: &Limits) -> Result<TcpStream, Failure> {
    let limit = limits.connect;
    let end = Instant::now() + limit;
    let slow = || format!("no connection to {host}:{port} within {} s", limit.as_secs_f32());
    let unnamed = |_late| Failure::Away(format!("the name {host} was not found within {} s", limit.as_secs_f32()));
    let found = timeout_at(end, name.addresses(host, port)).await.map_err(unnamed)?;
    let addresses = found.map_err(|e| Failure::Away(format!("{host}: {e}")))?;
    let mut why = format!("{host} has no address");
    for (at, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = end.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                tune(&tcp, limits);
                return Ok(tcp);
            }
            Ok(Err(error)) => why = format!("{host}:{port}: {error}"),
            Err(_) => why = slow(),
        }
    }
    Err(Failure::Away(why))
}

/// Small commands go at once, and a peer that vanished is noticed in about a minute of silence. What a router does not
/// acknowledge within the time of a change the kernel gives up, connection and all: so nothing that was written under a
/// lease is still on its way when that lease has ended.
fn tune(tcp: &TcpStream, limits: &Limits) {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    #[cfg(target_os = "linux")]
    let keepalive = keepalive.with_retries(3);
    let socket = SockRef::from(tcp);
    if let Err(error) = tcp.set_nodelay(true).and_then(|()| socket.set_tcp_keepalive(&keepalive)) {
        tracing::debug!(%error, "the socket's options could not be set");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_user_timeout(Some(limits.write)) {
        tracing::debug!(%error, "the socket's time limit could not be set");
    }
}

async fn log_in(stream: &mut dyn Stream, framer: &mut Framer, login: &Login) -> Result<(), Failure> {
    let away = |e: std::io::Error| Failure::Away(format!("the connection broke during the login: {e}"));
    let mut command = Command::write("/login").set("name", &login.username).secret("password", &login.password);
    if let Some(wrong) = command.wrong() {
        return Err(Failure::Unsendable(wrong.to_owned()));
    }
    let secrets = command.take_secrets();
    let (_tag, bytes) = command.encode();
    stream.write_all(&bytes).await.map_err(away)?;
    stream.flush().await.map_err(away)?;
    let mut refused: Option<String> = None;
    loop {
        while let Some(row) = framer.next().map_err(Failure::Strange)? {
            match row.kind() {
                b"!done" => {
                    if let Some(words) = refused {
                        return Err(refusal(words));
                    }
                    // The challenge of the login before 6.43: an answer in MD5 that we do not give.
                    return match row.get("ret") {
                        Some(_) => Err(Failure::Login("RouterOS older than 6.43 is not supported".to_owned())),
                        None => Ok(()),
                    };
                }
                b"!trap" => {
                    let words = row.get("message").map_or_else(|| "no reason given".into(), text);
                    refused.get_or_insert(blotted(&words, &secrets));
                }
                b"!fatal" => return Err(Failure::Away(format!("it ended the login: {}", super::flight::fatal(&row)))),
                other if other.starts_with(b"!") => {}
                other => {
                    return Err(Failure::Strange(format!(
                        "{:?} in answer to the login",
                        text(&other[..other.len().min(40)])
                    )));
                }
            }
        }
        if stream.read_buf(framer.room()).await.map_err(away)? == 0 {
            return Err(
                refused.map_or_else(|| Failure::Away("it closed the connection during the login".to_owned()), refusal)
            );
        }
    }
}

/// A refused login pauses for long; a router that has too many sessions just now may have fewer in a moment.
fn refusal(words: String) -> Failure {
    if words.to_ascii_lowercase().contains("too many") {
        return Failure::Away(format!("it refused the login for now: {words}"));
    }
    Failure::Login(words)
}
