//! Host names become addresses, on threads that may block.
//!
//! The system's resolver cannot be told to hurry or to give up: a name whose server is silent holds its thread for half a
//! minute, whatever the caller's deadline. So a router has one look-up at a time, which the next try goes on waiting for,
//! and all routers together have no more than a part of the runtime's threads: SQLite needs the others.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};
use tokio::{sync::Semaphore, task::JoinHandle};

/// Look-ups at once, of all routers together. The runtime has 512 threads for such work.
const AT_ONCE: usize = 128;

/// The look-ups of all routers.
#[derive(Clone, Debug)]
pub(super) struct Resolver(Arc<Semaphore>);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// One router's name.
pub(super) struct Name {
    resolver: Resolver,
    looking: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
}

impl Name {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self { resolver, looking: None }
    }

    /// The addresses of a host. Dropped in the middle, the look-up goes on, and the next call waits for its end.
    pub(super) async fn addresses(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::from((address, port))]);
        }
        if self.looking.is_none() {
            let permit = Arc::clone(&self.resolver.0).acquire_owned().await.map_err(io::Error::other)?;
            let bare = bare.to_owned();
            self.looking = Some(tokio::task::spawn_blocking(move || {
                // Held until the thread is free, not until the caller has lost patience.
                let _permit = permit;
                (bare.as_str(), port).to_socket_addrs().map(Iterator::collect)
            }));
        }
        let Some(looking) = self.looking.as_mut() else { return Ok(Vec::new()) };
        let found = looking.await;
        self.looking = None;
        found.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, sync::mpsc, time::Duration};
    use tokio::time::timeout;

    #[tokio::test]
    async fn an_address_needs_no_thread_and_a_name_has_one_at_a_time() {
        let resolver = Resolver(Arc::new(Semaphore::new(0)));
        let mut name = Name::new(resolver.clone());
        assert_eq!(name.addresses("192.0.2.7", 8728).await.unwrap(), [SocketAddr::from(([192, 0, 2, 7], 8728))]);
        assert!(name.addresses("[2001:db8::1]", 8729).await.unwrap()[0].is_ipv6());
        // A look-up that hangs, as the system's may.
        let (free, hang) = mpsc::channel::<()>();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        name.looking = Some(tokio::task::spawn_blocking(move || {
            let _freed = hang.recv();
            Ok(vec![address])
        }));
        for _impatient in 0..3 {
            // Another look-up would need a permit, of which there is none, and would not find that address.
            assert!(timeout(Duration::from_millis(5), name.addresses("vpn1.example.net", 8728)).await.is_err());
        }
        free.send(()).unwrap();
        assert_eq!(name.addresses("vpn1.example.net", 8728).await.unwrap(), [address]);
        assert!(name.looking.is_none());
        assert!(timeout(Duration::from_millis(5), name.addresses("vpn1.example.net", 8728)).await.is_err());
        resolver.0.add_permits(1);
        assert!(name.addresses("localhost", 8728).await.unwrap().iter().all(|it| it.ip().is_loopback()));
        assert_eq!(resolver.0.available_permits(), 1, "given back");
    }
}
