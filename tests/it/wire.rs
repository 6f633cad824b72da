//! The way from a service to MariaDB: a wire that can be cut, mended, and told to break at a statement of one's choice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::watch,
};

/// When a wire breaks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The command never reaches the server.
    Before,
    /// The server has carried the command out, and its answer is lost.
    After,
}

/// A wire to a server.
pub struct Wire {
    /// The server's URL by way of the wire.
    pub url: String,
    pub up: Arc<watch::Sender<bool>>,
    /// How many connections go through it.
    open: watch::Receiver<usize>,
    breaks: Arc<Breaks>,
}

/// Commands left until it breaks; more than anybody sends: never.
struct Breaks {
    left: AtomicUsize,
    after: std::sync::Mutex<Break>,
}

const NEVER: usize = usize::MAX / 2;

impl Wire {
    /// A wire to the server of a URL.
    pub async fn to(url: &str) -> Self {
        let mut url: url::Url = url.parse().unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // Or the driver would leave the wire for the server's Unix socket.
        url.query_pairs_mut().append_pair("prefer_socket", "false");
        let (up, count) = (Arc::new(watch::Sender::new(true)), Arc::new(watch::Sender::new(0)));
        let breaks = Arc::new(Breaks { left: AtomicUsize::new(NEVER), after: std::sync::Mutex::new(Break::Before) });
        let wire =
            Self { url: url.to_string(), up: Arc::clone(&up), open: count.subscribe(), breaks: Arc::clone(&breaks) };
        tokio::spawn(async move {
            while let Ok((inside, _)) = listener.accept().await {
                let (up, target, count, breaks) =
                    (Arc::clone(&up), target.clone(), Arc::clone(&count), Arc::clone(&breaks));
                count.send_modify(|it| *it += 1);
                tokio::spawn(async move {
                    carry(inside, &target, &up, &breaks).await;
                    count.send_modify(|it| *it -= 1);
                });
            }
        });
        wire
    }

    /// Breaks at the nth command from now on, 1 being the next, and stays broken.
    pub fn break_at(&self, nth: usize, how: Break) {
        *self.breaks.after.lock().unwrap() = how;
        self.breaks.left.store(nth, SeqCst);
    }

    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// The database is back, and what was cut is gone. A command that the wire is about to break at is broken first: a
    /// pool says things of its own, such as that a connection is to be as new, when nobody is waiting any more.
    pub async fn mend(&mut self) {
        // Counted down to nothing, or beyond.
        let met = !(1..=NEVER).contains(&self.breaks.left.swap(NEVER, SeqCst));
        if met {
            self.up.subscribe().wait_for(|up| !up).await.unwrap();
        }
        if !self.is_up() {
            self.open.wait_for(|it| *it == 0).await.unwrap();
            self.up.send_replace(true);
        }
    }
}

/// Carries both ways until an end closes or the wire is cut; what comes after the cut is not carried.
async fn carry(inside: TcpStream, target: &str, up: &watch::Sender<bool>, breaks: &Breaks) {
    let mut cut = up.subscribe();
    if !*cut.borrow_and_update() {
        return;
    }
    let outside = TcpStream::connect(target).await.unwrap();
    let ((mut asks, mut told), (mut answers, mut to_server)) = (inside.into_split(), outside.into_split());
    // How many bytes of answers the server has said: one whose answer is to be lost must have said something.
    let lost = Arc::new(tokio::sync::Notify::new());
    let met = AtomicBool::new(false);
    let there = async {
        while let Some((packet, command)) = packet(&mut asks).await {
            let how = *breaks.after.lock().unwrap();
            let broken = command && breaks.left.fetch_sub(1, SeqCst) == 1;
            if broken && how == Break::Before {
                up.send_replace(false);
                return;
            }
            if broken {
                met.store(true, SeqCst);
                // From here on the server's answers go nowhere.
                lost.notify_one();
            }
            if to_server.write_all(&packet).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut bytes = vec![0; 65_536];
        let mut losing = false;
        loop {
            let read = tokio::select! {
                biased;
                () = lost.notified(), if !losing => {
                    losing = true;
                    continue;
                }
                read = answers.read(&mut bytes) => read.unwrap_or(0),
            };
            if losing {
                up.send_replace(false);
                return;
            }
            if read == 0 || told.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|up| !up) => {}
        () = there => {}
        () = back => {}
    }
    // Whichever end closed meanwhile: where it was to break, it does.
    if met.load(SeqCst) {
        up.send_replace(false);
    }
}

/// One packet of the client's: three bytes of length, one of its number, which is 0 for a command.
async fn packet(from: &mut OwnedReadHalf) -> Option<(Vec<u8>, bool)> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await.ok()?;
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    let command = packet[3] == 0;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).await.ok()?;
    // A statement that is closed is answered with nothing.
    let closes = packet.get(4) == Some(&0x19);
    Some((packet, command && !closes))
}
