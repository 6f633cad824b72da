//! Which address a new account gets: one of the server's, or of its plan's pool, that nobody uses.

use super::Wish;
use crate::{
    account::{Account, State, addresses::AddressSpace, allotment},
    app::App,
    problem::{Code, Problem},
    router::Server,
    routeros::{self, Mark, Profile, Router},
};
use std::{collections::HashSet, net::Ipv4Addr};

/// How many free addresses are looked up on the router at first; most of the time the first will do.
const CANDIDATES: usize = 8;
/// How many at a time after that: where much is foreign, few questions are better than short ones.
const MORE_CANDIDATES: usize = 50;
pub(super) fn remembered_space(server: &Server) -> Result<AddressSpace, Problem> {
    AddressSpace::parse(&server.told.addresses).map_err(|(_, why)| Problem::field("server.addresses", why))
}

/// The addresses of the plan's pool on the router: handed out by us like those of the server, and by nobody else.
pub(super) async fn pool_space(router: &Router, pool: &str, path: &str) -> Result<AddressSpace, Problem> {
    let ranges = routeros::pool_ranges(router, pool).await?.ok_or_else(|| {
        let router = router.name();
        let why =
            format!("is on the address pool {pool}, which is not on router {router}; make it there or change the plan");
        Problem::field(path, why)
    })?;
    let wrong = |(_, why): (usize, String)| Problem::field(path, format!("is on the address pool {pool}: {why}"));
    AddressSpace::parse(&ranges).map_err(wrong)
}

/// The addresses to try, in order: free by our books, and not used by anything else on the router.
pub(super) async fn free_addresses(
    app: &App,
    server: &Server,
    (router, profiles): (&Router, &[Profile]),
    wish: &Wish,
    known: Option<&Account>,
) -> Result<Vec<Ipv4Addr>, Problem> {
    let service_id = wish.service.id;
    let living = known.filter(|known| known.state != State::Gone && known.server_id == server.told.id);
    let mark = Mark { prefix: wish.settings.comment_prefix.clone(), service_id, email: wish.sold.email.clone() };
    let taken = allotment::taken(&mut app.db.read().await?, server.told.id, service_id).await?;
    if let Some(address) = wish.service.dedicated_address {
        let kept = living.is_some_and(|known| known.address == address);
        if !kept && !wish.space.contains(address) {
            return Err(dedicated(&not_here(wish.pool.as_deref()), address));
        }
        if taken.contains(&address) {
            return Err(dedicated(ANOTHERS, address));
        }
        // Who lives there stays, whatever was put beside him.
        if !kept && others(app, server, (router, profiles)).await?.contains(&address) {
            return Err(dedicated("is the router's own or counted by a queue with several targets", address));
        }
        if !foreign(router, &[address], &mark).await?.is_empty() {
            let why = "is used on the router by a secret or a queue that is not this service's";
            return Err(dedicated(why, address));
        }
        return Ok(vec![address]);
    }
    if let Some(known) = living.filter(|known| known.state == State::Made) {
        return Ok(vec![known.address]);
    }
    let others = others(app, server, (router, profiles)).await?;
    let may_be = |address: Ipv4Addr| wish.space.contains(address) && !others.contains(&address);
    if let Some(known) = living.filter(|known| may_be(known.address))
        && foreign(router, &[known.address], &mark).await?.is_empty()
    {
        // What an earlier try was given, as long as it still may be.
        return Ok(vec![known.address]);
    }
    let mut free = wish.space.iter().filter(|address| !taken.contains(address) && !others.contains(address));
    let mut at_a_time = CANDIDATES;
    loop {
        let candidates: Vec<Ipv4Addr> = free.by_ref().take(at_a_time).collect();
        at_a_time = MORE_CANDIDATES;
        if candidates.is_empty() {
            let passed = wish.space.iter().filter(|it| others.contains(it) && !taken.contains(it)).count();
            return Err(exhausted(server, wish, passed));
        }
        let foreign = foreign(router, &candidates, &mark).await?;
        let left: Vec<Ipv4Addr> = candidates.into_iter().filter(|address| !foreign.contains(address)).collect();
        if !left.is_empty() {
            return Ok(left);
        }
    }
}

/// What nobody is given because the router has it for itself, or counts it among others.
async fn others(
    app: &App,
    server: &Server,
    (router, profiles): (&Router, &[Profile]),
) -> Result<HashSet<Ipv4Addr>, Problem> {
    let shared = app.shared.of(server.told.id, router).await?;
    let ends = profiles.iter().filter_map(|it| it.local_address.parse::<Ipv4Addr>().ok());
    Ok(shared.iter().copied().chain(ends).collect())
}

/// Those of the addresses that something else on the router uses.
async fn foreign(router: &Router, addresses: &[Ipv4Addr], mark: &Mark) -> Result<HashSet<Ipv4Addr>, Problem> {
    let taken = routeros::addresses_taken(router, addresses).await?;
    Ok(taken.into_iter().filter(|(_, comment)| !mark.owns(comment)).map(|(address, _)| address).collect())
}

/// Of an address that another service has.
pub(super) const ANOTHERS: &str = "is the address of another service on this server";

pub(super) fn dedicated(why: &str, address: Ipv4Addr) -> Problem {
    Problem::field("service.dedicated_address", format!("{why}: {address}"))
}

fn not_here(pool: Option<&str>) -> String {
    match pool {
        None => "is not one of the server's assigned addresses".to_owned(),
        Some(pool) => format!("is not one of the addresses of {pool}, the address pool of this service's plan"),
    }
}

/// Where no address is left; so many of them were passed over although nobody of ours has them.
fn exhausted(server: &Server, wish: &Wish, passed: usize) -> Problem {
    let (name, of) = (&server.told.name, wish.space.len());
    let passed = match passed {
        0 => String::new(),
        _ => format!(", of which {passed} are the router's own or counted by a queue with several targets"),
    };
    let text = match (&wish.pool, of) {
        (Some(pool), _) => format!(
            "All {of} addresses of the pool {pool} on router {name} are in use{passed}, and the plan takes them from there \
             alone; add ranges to it on the router (/ip pool set), or give the plan another pool."
        ),
        (None, 0) => format!("Server {name} has no addresses; fill in Assigned IP Addresses of this server in WHMCS."),
        (None, _) => format!(
            "All {of} addresses of server {name} are in use{passed}; add more to Assigned IP Addresses of this server in WHMCS."
        ),
    };
    Problem::new(Code::AddressesExhausted, text)
}
