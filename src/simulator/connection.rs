//! One API connection: its socket, its reading half and its writing half.
//!
//! Replies go through one bounded queue. A client that sends and does not read therefore stops being read, as with a real
//! router.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::faults::{Fault, Moment};
use super::link::Link;
use super::server::{Inner, lock};
use super::wire::{Inbox, Request};

/// A client that has not logged in may send this much.
const MOST_BEFORE_LOGIN: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What the writing half is told.
pub(super) enum Out {
    /// Bytes of an answer; `last` if they complete one.
    Bytes { bytes: Vec<u8>, last: bool },
    /// Everything before this is sent; then the connection is closed.
    Close,
    /// As [`Out::Close`], and the router restarts.
    Reboot,
}

/// Counts the connection as long as it is open, and tidies up after it.
struct Counted(Arc<Link>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.forget();
        self.0.inner.open.send_modify(|open| *open -= 1);
    }
}

/// Serves a connection until it ends, or until the router is away.
pub(super) async fn serve(inner: Arc<Inner>, socket: TcpStream, peer: SocketAddr, mut cut: watch::Receiver<u64>) {
    let number = {
        let mut numbers = lock(&inner.numbers);
        *numbers += 1;
        *numbers
    };
    let (out, queue) = mpsc::channel(64);
    let link = Arc::new(Link::new(inner, out, number, peer));
    link.inner.open.send_modify(|open| *open += 1);
    let counted = Counted(Arc::clone(&link));
    let after = cut.clone();
    let talking = talk(&link, socket, queue, &after);
    tokio::pin!(talking);
    tokio::select! {
        _ = cut.changed() => {}
        () = &mut talking => {}
    }
    // Before the socket closes: who sees it closed may come again at once, and is no second session.
    drop(counted);
}

async fn talk(link: &Arc<Link>, mut socket: TcpStream, queue: mpsc::Receiver<Out>, cut: &watch::Receiver<u64>) {
    // Answers are small; waiting to fill a packet would only slow the tests down.
    let _ = socket.set_nodelay(true);
    for fault in link.inner.strike(Moment::Connection) {
        match fault {
            Fault::Call(hook) | Fault::CallAfter(hook) => link.call(&hook),
            Fault::Slow(time) => tokio::time::sleep(time).await,
            Fault::Hang | Fault::Silence => return ignore(&mut socket).await,
            Fault::Garbage => {
                let _ = socket.write_all(&[0xFF; 64]).await;
                return ignore(&mut socket).await;
            }
            _ => return,
        }
    }
    let stream: Box<dyn Stream> = match &link.inner.options.tls {
        None => Box::new(socket),
        Some(config) => match tokio_rustls::TlsAcceptor::from(Arc::clone(config)).accept(socket).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
    };
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        () = read(link, reader, cut) => {}
        () = write(link, writer, queue) => {}
    }
}

/// Says nothing and waits for the client to go.
async fn ignore(socket: &mut TcpStream) {
    let mut buffer = [0; 1024];
    while socket.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

async fn read(link: &Arc<Link>, mut reader: impl AsyncRead + Unpin, cut: &watch::Receiver<u64>) {
    let mut inbox = Inbox::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => inbox.push(&buffer[..count]),
        }
        loop {
            // What came before a restart is not answered after it.
            if cut.has_changed().unwrap_or(true) {
                return;
            }
            match inbox.sentence() {
                Ok(Some(words)) => link.take(Request::read(&words)).await,
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if !link.is_logged_in() && inbox.waiting() > MOST_BEFORE_LOGIN {
            return;
        }
    }
}

async fn write(link: &Link, mut writer: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Out>) {
    while let Some(out) = queue.recv().await {
        match out {
            Out::Bytes { bytes, last } => {
                if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
                if last {
                    link.inner.served.send_modify(|served| *served += 1);
                }
            }
            Out::Close => {
                link.forget();
                let _ = writer.shutdown().await;
                return;
            }
            Out::Reboot => {
                link.forget();
                let _ = writer.shutdown().await;
                if let Some(simulator) = link.inner.handle() {
                    simulator.reboot();
                }
                return;
            }
        }
    }
}
