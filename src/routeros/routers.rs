//! Every router in use: one supervisor, and so one connection, each.

use super::{
    Error, Fingerprint, Router,
    breaker::Breaker,
    looks::Looks,
    names::{Name, Resolver},
    request::{Request, Urgency},
    standing::{Standing, State},
    supervisor::Supervisor,
    tls::Trust,
};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long each step may take; a caller's earlier deadline wins.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Name and TCP together, and the TLS handshake once more as long; 5 s.
    pub connect: Duration,
    /// The login; 10 s.
    pub login: Duration,
    /// A change; 15 s.
    pub write: Duration,
    /// A print from being sent to its `!done`; 60 s.
    pub print: Duration,
    /// A print's longest silence; 20 s.
    pub print_idle: Duration,
    /// The longest pause between two tries of a router that is away; 60 s.
    pub longest_pause: Duration,
    /// Root certificates (PEM) besides the system's.
    pub extra_roots: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            login: Duration::from_secs(10),
            write: Duration::from_secs(15),
            print: Duration::from_mins(1),
            print_idle: Duration::from_secs(20),
            longest_pause: Duration::from_mins(1),
            extra_roots: None,
        }
    }
}

/// How to reach a router and log in.
#[derive(Clone)]
pub struct Login {
    /// WHMCS's server name, for messages.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// The API's port: 8728, or 8729 with TLS.
    pub port: u16,
    /// Whether to speak TLS.
    pub tls: bool,
    /// The pinned certificate. None: the roots decide.
    pub fingerprint: Option<Fingerprint>,
    /// Another name that the certificate may be for, besides the host: routers are dialled by address and certified by
    /// name.
    pub certified_as: Option<String>,
    /// The API user.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.host == other.host
            && self.port == other.port
            && self.tls == other.tls
            && self.fingerprint == other.fingerprint
            && self.certified_as == other.certified_as
            && self.username == other.username
            && self.password.expose_secret() == other.password.expose_secret()
    }
}

impl Eq for Login {}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// All routers. Clones share them.
#[derive(Clone)]
pub struct Routers(Arc<Inner>);

struct Inner {
    limits: Arc<Limits>,
    trust: Arc<Trust>,
    resolver: Resolver,
    runtime: Handle,
    known: Mutex<HashMap<u64, Known>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

struct Known {
    login: Login,
    router: Router,
    standing: watch::Receiver<Standing>,
    closing: CancellationToken,
    again: Arc<Notify>,
}

impl fmt::Debug for Routers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.states().into_iter().map(|(id, name, state)| (id, (name, state)))).finish()
    }
}

impl Routers {
    /// No routers yet. Their tasks run on `runtime`, which must outlive every caller's own (an actix worker's may
    /// block or end).
    pub fn new(limits: Limits, runtime: Handle) -> Self {
        Self(Arc::new(Inner {
            trust: Arc::new(Trust::new(limits.extra_roots.clone())),
            limits: Arc::new(limits),
            resolver: Resolver::new(),
            runtime,
            known: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }))
    }

    /// The router of that id. While the login is the same, so is the connection; a changed login closes the old one
    /// (what is in flight gets five seconds) and forgets its failures.
    pub fn get(&self, id: u64, login: Login) -> Router {
        let mut known = self.known();
        if let Some(found) = known.get(&id) {
            if found.login == login {
                return found.router.clone();
            }
            found.closing.cancel();
        }
        let made = self.make(login, id);
        let router = made.router.clone();
        known.insert(id, made);
        router
    }

    /// A connection beside the registered ones, to try a login; closed with its last handle. When it stands, the
    /// registered router of the same login forgets its failures.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn once(&self, login: Login) -> Result<Router, Error> {
        let mut hasher = DefaultHasher::new();
        login.host.hash(&mut hasher);
        let router = self.make(login.clone(), hasher.finish()).router;
        router.open().await?;
        for found in self.known().values().filter(|found| found.login == login) {
            found.again.notify_one();
        }
        Ok(router)
    }

    /// Id, name and state of every registered router, by id.
    pub fn states(&self) -> Vec<(u64, String, State)> {
        self.standings().into_iter().map(|(id, name, standing)| (id, name, standing.state)).collect()
    }

    /// Id, name and how it stands with every registered router, by id.
    pub fn standings(&self) -> Vec<(u64, String, Standing)> {
        let known = self.known();
        let one = |(id, found): (&u64, &Known)| (*id, found.login.name.clone(), found.standing.borrow().clone());
        let mut all: Vec<_> = known.iter().map(one).collect();
        all.sort_by_key(|(id, ..)| *id);
        all
    }

    /// How it stands with a router; `None` where nobody has asked for it yet.
    pub fn standing(&self, id: u64) -> Option<Standing> {
        self.known().get(&id).map(|found| found.standing.borrow().clone())
    }

    /// Closes and forgets the router of that id, if there is one.
    pub fn forget(&self, id: u64) {
        if let Some(found) = self.known().remove(&id) {
            found.closing.cancel();
        }
    }

    /// Closes every connection, those of [`Routers::once`] too, and waits until they are closed. What is in flight
    /// gets five seconds; later calls fail.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.known().clear();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, login: Login, seed: u64) -> Known {
        let (sender, requests) = mpsc::channel::<Request>(32);
        let (standing, watched) = watch::channel(Standing::new());
        let closing = self.0.closing.child_token();
        let again = Arc::new(Notify::new());
        let supervisor = Supervisor {
            login: login.clone(),
            limits: Arc::clone(&self.0.limits),
            trust: Arc::clone(&self.0.trust),
            requests,
            standing,
            closing: closing.clone(),
            again: Arc::clone(&again),
            breaker: Breaker::new(seed, self.0.limits.longest_pause),
            host: Name::new(self.0.resolver.clone()),
        };
        self.0.tasks.spawn_on(supervisor.run(), &self.0.runtime);
        let router = Router {
            name: login.name.as_str().into(),
            requests: sender,
            limits: Arc::clone(&self.0.limits),
            deadline: None,
            urgency: Urgency::Usual,
            looks: Looks::new(self.0.runtime.clone()),
            fence: None,
        };
        Known { login, router, standing: watched, closing, again }
    }
}
