//! The simulator's handle: it listens, goes away and comes back, and lets a test look into the world.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection;
use super::faults::{Fault, Moment, Plan, When};
use super::ground;
use super::world::World;

/// How a simulated router is set up.
#[derive(Clone)]
pub struct Options {
    /// RouterOS version: `6.49.10`, `7.9.2`, `7.18.2`, `7.24`, …
    pub version: String,
    /// `/system/identity name`.
    pub identity: String,
    /// The API user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// The policies of its group; without `api` it cannot log in.
    pub policies: Vec<String>,
    /// Speaks TLS (api-ssl) when given.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Where to listen; port 0 for any free one.
    pub bind: SocketAddr,
    /// How many commands a second all connections together are served; a real router manages about 130 for long.
    pub requests_per_second: Option<u32>,
    /// How many sentences of a reply a second; none for as fast as they can be sent. A real router formats field by field:
    /// some 400 rows a second with all fields, 1,100 to 2,000 with two, 4,000 with the id alone (tik4net's findings on a
    /// router's throughput ceiling, measured on RouterOS 7.24).
    pub rows_per_second: Option<u32>,
    /// API sessions at once (`/ip/service max-sessions`); further logins are refused.
    pub max_sessions: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: "7.18.2".to_owned(),
            identity: "MikroTik".to_owned(),
            username: "turnpike".to_owned(),
            password: "router-password".to_owned(),
            policies: ground::POLICIES.iter().map(|policy| (*policy).to_owned()).collect(),
            tls: None,
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            requests_per_second: None,
            rows_per_second: None,
            max_sessions: 20,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Options {{ version: {:?}, identity: {:?}, .. }}", self.version, self.identity)
    }
}

/// A command as the router received it after a login. Values of secret properties are replaced by `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Which connection, counted from 1 since the start.
    pub connection: u64,
    /// `/queue/simple/print`.
    pub path: String,
    /// `=name=value` words in their order.
    pub attributes: Vec<(String, String)>,
    /// Query words with their `?`.
    pub queries: Vec<String>,
}

impl Sentence {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the connections share.
pub(super) struct Inner {
    pub(super) world: Mutex<World>,
    pub(super) plan: Mutex<Plan>,
    pub(super) journal: Mutex<Vec<Sentence>>,
    pub(super) served: watch::Sender<u64>,
    pub(super) received: watch::Sender<u64>,
    pub(super) open: watch::Sender<usize>,
    pub(super) numbers: Mutex<u64>,
    pub(super) logins: AtomicU64,
    pub(super) most_sessions: AtomicUsize,
    pub(super) options: Options,
    pub(super) next_slot: tokio::sync::Mutex<Option<Instant>>,
    address: SocketAddr,
    guard: Weak<Guard>,
}

/// Lives as long as a handle does; when the last one goes, listener and connections end.
pub(super) struct Guard {
    cut: watch::Sender<u64>,
    state: tokio::sync::Mutex<State>,
}

enum State {
    Listening(JoinHandle<()>),
    /// Away; the socket keeps the port from being given to somebody else.
    Away(TcpSocket),
    Between,
}

/// A running RouterOS simulator. Cheap to clone; it ends with its last handle.
#[derive(Clone)]
pub struct Simulator {
    pub(super) inner: Arc<Inner>,
    guard: Arc<Guard>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Simulator({})", self.inner.address)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bound socket that does not listen yet.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Inner {
    /// A handle for a hook; `None` when the last one outside is gone.
    pub(super) fn handle(self: &Arc<Self>) -> Option<Simulator> {
        Some(Simulator { inner: Arc::clone(self), guard: self.guard.upgrade()? })
    }

    pub(super) fn strike(&self, moment: Moment<'_>) -> Vec<Fault> {
        lock(&self.plan).strike(moment)
    }
}

async fn accept(inner: Arc<Inner>, listener: TcpListener, mut gone: watch::Receiver<u64>) {
    loop {
        tokio::select! {
            changed = gone.changed() => if changed.is_err() { return },
            accepted = listener.accept() => {
                // A connection that was reset before it was accepted is the client's affair.
                if let Ok((socket, peer)) = accepted {
                    // A cut that this loop has yet to hear of was before this connection.
                    let mut cut = gone.clone();
                    cut.mark_unchanged();
                    tokio::spawn(connection::serve(Arc::clone(&inner), socket, peer, cut));
                }
            }
        }
    }
}

impl Simulator {
    /// Starts a router and listens. Must be called on a tokio runtime; it lives on that one.
    pub async fn start(options: Options) -> io::Result<Simulator> {
        let mut world = ground::ground(&options.version, &options.identity, options.max_sessions);
        world.add_user(&options.username, &options.password, &options.policies);
        let socket = reserve(options.bind)?;
        let address = socket.local_addr()?;
        let guard = Arc::new(Guard { cut: watch::Sender::new(0), state: tokio::sync::Mutex::new(State::Away(socket)) });
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
            plan: Mutex::default(),
            journal: Mutex::default(),
            served: watch::Sender::new(0),
            received: watch::Sender::new(0),
            open: watch::Sender::new(0),
            numbers: Mutex::new(0),
            logins: AtomicU64::new(0),
            most_sessions: AtomicUsize::new(0),
            options,
            next_slot: tokio::sync::Mutex::new(None),
            address,
            guard: Arc::downgrade(&guard),
        });
        let simulator = Simulator { inner, guard };
        simulator.listen().await?;
        Ok(simulator)
    }

    /// Where it listens; the same over [`Simulator::stop`] and [`Simulator::listen`].
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// The router goes away: connections are cut and new ones refused. The world stays as it is.
    pub async fn stop(&self) {
        let mut state = self.guard.state.lock().await;
        if let State::Listening(task) = &mut *state {
            task.abort();
            // It ends by being aborted; its listener is closed then.
            let _ = task.await;
            *state = reserve(self.inner.address).map_or(State::Between, State::Away);
        }
        self.cut();
    }

    /// The router comes back at its old address. Does nothing while it listens.
    pub async fn listen(&self) -> io::Result<()> {
        let mut state = self.guard.state.lock().await;
        let socket = match std::mem::replace(&mut *state, State::Between) {
            State::Away(socket) => socket,
            State::Between => reserve(self.inner.address)?,
            listening @ State::Listening(_) => {
                *state = listening;
                return Ok(());
            }
        };
        let listener = socket.listen(1024)?;
        let task = accept(Arc::clone(&self.inner), listener, self.guard.cut.subscribe());
        *state = State::Listening(tokio::spawn(task));
        Ok(())
    }

    /// Cuts every open connection; new ones are welcome.
    pub fn cut(&self) {
        self.guard.cut.send_modify(|generation| *generation += 1);
    }

    /// Looks into the world, or changes it.
    pub fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut lock(&self.inner.world))
    }

    /// A customer dials in; `Err` says why the router does not let him. See [`World::connect`].
    pub fn connect(&self, user: &str, password: &str, service: &str, caller_id: &str) -> Result<(), String> {
        self.world(|world| world.connect(user, password, service, caller_id))
    }

    /// A customer hangs up all his sessions.
    pub fn hang_up(&self, user: &str) {
        self.world(|world| world.hang_up(user, "peer-request"));
    }

    /// Whether the customer has a session.
    pub fn is_online(&self, user: &str) -> bool {
        self.sessions(user) > 0
    }

    /// How many sessions the customer has.
    pub fn sessions(&self, user: &str) -> usize {
        self.world(|world| world.sessions().iter().filter(|session| session.user == user).count())
    }

    /// Moves traffic over the customer's live session, in bytes; false when he is offline. See [`World::carry`].
    pub fn carry(&self, user: &str, down: u64, up: u64) -> bool {
        self.world(|world| world.carry(user, down, up))
    }

    /// The same with somebody of that address, whom firewall lists may know. See [`World::carry_with`].
    pub fn carry_with(&self, user: &str, remote: Ipv4Addr, down: u64, up: u64) -> bool {
        self.world(|world| world.carry_with(user, remote, down, up))
    }

    /// All the customer ever carried, (download, upload) in bytes; survives reboots and resets.
    pub fn carried(&self, user: &str) -> (u64, u64) {
        self.world(|world| world.carried(user))
    }

    /// Time passes on the router: uptime, clock, time-outs.
    pub fn pass(&self, time: Duration) {
        self.world(|world| world.pass(time));
    }

    /// The router restarts: counters, uptime, sessions and dynamic rows are gone and connections cut. It is back at once;
    /// for an outage use [`Simulator::stop`] before and [`Simulator::listen`] after.
    pub fn reboot(&self) {
        self.world(World::reboot);
        self.cut();
    }

    /// The next command meets this fault.
    pub fn fault(&self, fault: Fault) {
        self.fault_at(When::Next, fault);
    }

    /// Plans a fault.
    pub fn fault_at(&self, when: When, fault: Fault) {
        lock(&self.inner.plan).add(when, fault);
    }

    /// Forgets the faults that have not struck.
    pub fn clear_faults(&self) {
        lock(&self.inner.plan).clear();
    }

    /// Every command received after a login, in order; passwords are kept out.
    pub fn journal(&self) -> Vec<Sentence> {
        lock(&self.inner.journal).clone()
    }

    /// Forgets the journal.
    pub fn clear_journal(&self) {
        lock(&self.inner.journal).clear();
    }

    /// How many commands, logins included, have been answered whole so far (the answer is in the socket); to wait on.
    pub fn served(&self) -> watch::Receiver<u64> {
        self.inner.served.subscribe()
    }

    /// How many commands, logins included, have been dealt with so far, answered or not; to wait on.
    pub fn received(&self) -> watch::Receiver<u64> {
        self.inner.received.subscribe()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        *self.inner.open.borrow()
    }

    /// How many API sessions there ever were at once.
    pub fn most_sessions(&self) -> usize {
        self.inner.most_sessions.load(Ordering::Relaxed)
    }

    /// How many logins were let in.
    pub fn logins(&self) -> u64 {
        self.inner.logins.load(Ordering::Relaxed)
    }

    /// The number of open connections; to wait on.
    pub fn open(&self) -> watch::Receiver<usize> {
        self.inner.open.subscribe()
    }

    /// Another RouterOS version from now on.
    pub fn set_version(&self, version: &str) {
        self.world(|world| world.set_version(version));
    }

    /// Puts `count` customers there at once, past the API: secret `user00001` (password `secret`) with address 10.64.0.1
    /// upwards and a static queue of the same name with 10M/50M; `comment` is called with 1, 2, …
    pub fn populate(&self, count: u32, comment: impl Fn(u32) -> String) {
        self.world(|world| world.populate(count, comment));
    }
}
