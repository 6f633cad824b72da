//! Build and run are two calls: bind (port 0 for tests), then serve until told to stop.

use super::{Front, any, descriptors, ops};
use crate::{
    app::{App, StartError},
    config::TlsFiles,
    http::{
        nonces::{self, Remembered},
        signed::{self, Proof, Signing, WINDOW},
    },
    params,
    problem::Problem,
    sql,
};
use actix_web::{HttpServer, dev::ServerHandle, http::KeepAlive, web};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

/// Threads that read requests and write answers; the work itself runs on the service's runtime.
const WORKERS: usize = 2;
/// A head has come within this.
const HEAD: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this.
const IDLE: Duration = Duration::from_secs(75);
/// A peer that takes nothing of its answer for so long is gone.
const STALLED: Duration = Duration::from_secs(30);
/// Connections that wait to be taken.
const BACKLOG: i32 = 1024;
/// Connections at once on the port for monitoring.
const WATCHERS: usize = 64;
/// The longest that a stop waits for requests in hand: a lifecycle hook's and a collection's own limit fit in.
const GRACE_SECONDS: u64 = 30;

/// A service that is bound and not yet stopped.
pub struct Service {
    /// What it stands on.
    pub front: Front,
    /// Where the bridge calls.
    pub address: SocketAddr,
    /// Where `/healthz` and its kin are.
    pub ops_address: SocketAddr,
    handles: Vec<ServerHandle>,
    tasks: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Service {
    /// Binds both ports and begins to answer.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub async fn start(app: App) -> Result<Self, StartError> {
        let signing = Arc::new(Signing::new(&app.config.bridge, app.clock.clone()));
        recall_nonces(&app, &signing).await?;
        let front = Front { app, signing };
        let http = &front.app.config.http;
        let tls = http.tls.as_ref().map(tls).transpose()?;
        let (listener, address) = bind(http.listen, "http.listen")?;
        let (ops_listener, ops_address) = bind(front.app.config.ops.listen, "ops.listen")?;
        let data = web::Data::new(front.clone());
        let server = HttpServer::new({
            let data = data.clone();
            move || actix_web::App::new().app_data(data.clone()).default_service(web::to(any))
        })
        .workers(WORKERS)
        .max_connections(descriptors::connections().div_ceil(WORKERS))
        .client_request_timeout(HEAD)
        .keep_alive(IDLE)
        .shutdown_timeout(GRACE_SECONDS)
        .disable_signals();
        let broken = |error: std::io::Error| StartError(format!("Turnpike cannot listen: {error}."));
        let server = match tls {
            Some(config) => server.listen_rustls_0_23(listener, config).map_err(broken)?,
            None => server.listen(listener).map_err(broken)?,
        }
        .run();
        let ops = HttpServer::new(move || actix_web::App::new().app_data(data.clone()).configure(ops::routes))
            .workers(1)
            .max_connections(WATCHERS)
            .client_request_timeout(HEAD)
            // A head after an answer has no limit of actix's as long as bytes of it come, and nobody here has shown a signature.
            .keep_alive(KeepAlive::Disabled)
            .shutdown_timeout(1)
            .disable_signals()
            .listen(ops_listener)
            .map_err(broken)?
            .run();
        let handles = vec![server.handle(), ops.handle()];
        let tasks = vec![tokio::spawn(server), tokio::spawn(ops)];
        Ok(Self { front, address, ops_address, handles, tasks })
    }

    /// Takes no more requests, answers those in hand, and remembers their nonces.
    pub async fn stop(self) {
        for handle in &self.handles {
            handle.stop(true).await;
        }
        for task in self.tasks {
            if let Ok(Err(error)) = task.await {
                tracing::error!(%error, "a server ended with an error");
            }
        }
        if let Err(error) = keep_nonces(&self.front).await {
            tracing::error!(%error, "the nonces of the last two minutes could not be kept");
        }
    }
}

fn bind(address: SocketAddr, key: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let broken = |error: std::io::Error| {
        StartError(format!("Turnpike cannot listen at {address}: {error}; is it running already? See {key}."))
    };
    let listener = listen(address).map_err(broken)?;
    let bound = listener.local_addr().map_err(broken)?;
    Ok((listener, bound))
}

/// What is set here every accepted connection inherits.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(STALLED))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The certificate and its key, read and fitting together.
///
/// # Errors
/// One sentence that says which file cannot be used and why.
pub fn tls(files: &TlsFiles) -> Result<ServerConfig, StartError> {
    let wrong = |what: &str, path: &std::path::Path, why: String| {
        let keys = "see http.tls_certificate and http.tls_key";
        StartError(format!("The {what} in {} cannot be used: {why}; {keys}.", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("TLS certificate", &files.certificate, error.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong("TLS key", &files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| wrong("TLS certificate", &files.certificate, error.to_string()))
}

/// Nonces that an earlier run wrote down: a restart must not let a request in twice.
async fn recall_nonces(app: &App, signing: &Signing) -> Result<(), StartError> {
    let wrong = |error: crate::db::Error| StartError(format!("The database cannot be used: {error}."));
    let now = app.clock.now().timestamp();
    let mut conn = app.db.read().await.map_err(wrong)?;
    let sql = sql!("SELECT key_id, nonce, expires_at FROM nonce WHERE expires_at >= ? ORDER BY expires_at");
    let rows = conn.rows(sql, params![now]).await.map_err(wrong)?;
    let remembered = rows
        .iter()
        .map(|row| Ok(Remembered { key: row.get("key_id")?, hash: row.get("nonce")?, until: row.get("expires_at")? }));
    let remembered: Vec<Remembered> = remembered.collect::<crate::db::Result<_>>().map_err(wrong)?;
    signing.nonces.import(remembered, now);
    Ok(())
}

/// Writes down the nonces that could still be replayed, and forgets those that could not. Called at every tick and at the
/// end; a kill between two ticks forgets what came since the last one.
pub async fn keep_nonces(front: &Front) -> crate::db::Result<()> {
    let now = front.app.clock.now().timestamp();
    let new = front.signing.nonces.to_store(now);
    if new.is_empty() {
        return Ok(());
    }
    let stored = store_nonces(front, &new, now).await;
    if stored.is_err() {
        front.signing.nonces.not_stored(new);
    }
    stored
}

async fn store_nonces(front: &Front, new: &[Remembered], now: i64) -> crate::db::Result<()> {
    let mut tx = front.app.db.begin().await?;
    // Another sidecar's clock may be behind this one's: it would still take what is over here.
    tx.execute(sql!("DELETE FROM nonce WHERE expires_at < ?"), params![now - WINDOW]).await?;
    let sql = sql!(
        "INSERT INTO nonce (key_id, nonce, expires_at, owner) VALUES (?, ?, ?, ?) \
         ON CONFLICT (key_id, nonce) DO UPDATE SET expires_at = excluded.expires_at"
    );
    let owner = &front.app.holder.owner;
    tx.batch(sql, new.iter().map(|it| params![&it.key, &it.hash, it.until, owner]).collect()).await?;
    tx.commit().await
}

/// Takes a nonce for all who share the database, before its request is done: two sidecars do not do one request twice. This
/// process has taken it in its own memory already. A file of its own has no sidecars, and needs none of this.
///
/// # Errors
/// `nonce-reused` where another process took it; the database's.
pub(super) async fn take_for_all(front: &Front, proof: &Proof) -> Result<(), Problem> {
    let app = &front.app;
    if !app.db.is_shared() {
        return Ok(());
    }
    let (key, hash, owner) = (proof.key_id(), nonces::stored_hash(proof.nonce()), app.holder.owner.as_str());
    crate::in_tx!(app.db, tx => {
        let put = sql!("INSERT INTO nonce (key_id, nonce, expires_at, owner) VALUES (?, ?, ?, ?)");
        let new = tx.insert_once(put, params![key, &hash, proof.until(), owner]).await?;
        // It may be there already by our own hand, where the tick was faster.
        let get = sql!("SELECT key_id FROM nonce WHERE key_id = ? AND nonce = ? AND owner = ?");
        if new || tx.one(get, params![key, &hash, owner]).await?.is_some() { Ok(()) } else { Err(signed::seen()) }
    })
}
