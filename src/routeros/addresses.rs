//! Which addresses a router's secrets and queues use, with the comment that tells ours from foreign.

use super::{Error, Router, command::Command, facts::property, queues, secrets, value::single, wire::Row};
use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The most queries in one print.
const MOST_QUERIES: usize = 50;

/// An address in use and the comment of what uses it.
type Used = (Ipv4Addr, String);

/// Every address that a secret hands out or a queue counts. A target that is a wider prefix or an interface is not an
/// address. The same address comes once for each object that uses it.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn addresses_in_use(router: &Router) -> Result<Vec<Used>, Error> {
    both(router, Command::print(secrets::PRINT, OF_SECRET), Command::print(queues::PRINT, OF_QUEUE)).await
}

/// Which of these addresses are in use, asked for precisely. A queue whose target lists several is not found so;
/// [`Shared`] knows it.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn addresses_taken(router: &Router, addresses: &[Ipv4Addr]) -> Result<Vec<Used>, Error> {
    let mut taken = Vec::new();
    for some in addresses.chunks(MOST_QUERIES) {
        let mut of_secrets = Command::print(secrets::PRINT, OF_SECRET);
        let mut of_queues = Command::print(queues::PRINT, OF_QUEUE);
        for address in some {
            of_secrets = of_secrets.any("remote-address", &address.to_string());
            of_queues = of_queues.any("target", &format!("{address}/32"));
        }
        taken.extend(both(router, of_secrets, of_queues).await?);
    }
    Ok(taken)
}

/// How long what [`Shared`] knows is believed: many accounts that are made at once ask the router once.
const BELIEVED: Duration = Duration::from_secs(10);

/// Addresses that no question about one of them finds, as each router had them a moment ago: those that a queue counts among
/// others, and the router's own. They change when somebody sets the router up.
#[derive(Default)]
pub struct Shared(Mutex<HashMap<u64, Arc<Latest>>>);

/// What a router said, and when it had said it. Held while it is asked: who comes meanwhile waits for the same answer.
type Latest = tokio::sync::Mutex<Option<(Instant, Arc<HashSet<Ipv4Addr>>)>>;

impl Shared {
    /// Those of a router: two prints, sent together, where it did not say just now.
    ///
    /// # Errors
    /// Any [`Error`] of a print.
    pub async fn of(&self, server_id: u64, router: &Router) -> Result<Arc<HashSet<Ipv4Addr>>, Error> {
        let latest = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(server_id).or_default());
        let mut latest = router.in_time(latest.lock(), ADDRESSES).await?;
        if let Some((_, known)) = latest.as_ref().filter(|(at, _)| at.elapsed() < BELIEVED) {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(shared(router).await?);
        *latest = Some((Instant::now(), Arc::clone(&known)));
        Ok(known)
    }
}

const ADDRESSES: &str = "/ip/address/print";

async fn shared(router: &Router) -> Result<HashSet<Ipv4Addr>, Error> {
    let several = |row: &Row<'_>| {
        let target = property(row, "target");
        Ok(target.contains(',').then(|| target.split(',').filter_map(single).collect::<Vec<_>>()))
    };
    let own = |row: &Row<'_>| Ok(property(row, "address").split('/').next().and_then(|it| it.parse().ok()));
    // The dynamic ones too: a router may have its own by DHCP, and the ends of its tunnels from a pool.
    let addresses = (Command::print(ADDRESSES, "address"), own);
    let (several, own) = router.print_both((Command::print(queues::PRINT, "target"), several), addresses).await?;
    Ok(several.into_iter().flatten().chain(own).collect())
}

const OF_SECRET: &str = "remote-address,comment";
const OF_QUEUE: &str = "target,comment";

async fn both(router: &Router, of_secrets: Command, of_queues: Command) -> Result<Vec<Used>, Error> {
    let read = |key: &'static str| {
        move |row: &Row<'_>| {
            let used: Vec<Ipv4Addr> = property(row, key).split(',').filter_map(single).collect();
            Ok((!used.is_empty()).then(|| (used, property(row, "comment"))))
        }
    };
    let (secrets, queues) =
        router.print_both((of_secrets, read("remote-address")), (of_queues, read("target"))).await?;
    let each = |(used, comment): (Vec<Ipv4Addr>, String)| used.into_iter().map(move |a| (a, comment.clone()));
    Ok(secrets.into_iter().chain(queues).flat_map(each).collect())
}
