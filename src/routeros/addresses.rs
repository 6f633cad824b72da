//! Which addresses a router's secrets and queues use, with the comment that tells ours from foreign.

use super::{Error, Mark, Router, command::Command, facts::property, queues, secrets, value::single, wire::Row};
use std::{collections::HashSet, net::Ipv4Addr};

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
/// [`addresses_of_others`] knows it.
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

/// The addresses that queues of others than that service count, and those that the router itself has: no question finds one
/// among several targets of a queue, so all queues are looked through.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn addresses_of_others(router: &Router, mark: &Mark) -> Result<HashSet<Ipv4Addr>, Error> {
    let mark = mark.clone();
    let counted = move |row: &Row<'_>| {
        let ours = mark.owns(&property(row, "comment"));
        let used: Vec<Ipv4Addr> = property(row, "target").split(',').filter_map(single).collect();
        Ok((!ours && !used.is_empty()).then_some(used))
    };
    let own = |row: &Row<'_>| Ok(property(row, "address").split('/').next().and_then(|it| it.parse().ok()));
    // The dynamic ones are tunnels' ends, one for each session: profiles say them once.
    let addresses = Command::print("/ip/address/print", "address").any("dynamic", "false");
    let (counted, own) =
        router.print_both((Command::print(queues::PRINT, OF_QUEUE), counted), (addresses, own)).await?;
    Ok(counted.into_iter().flatten().chain(own).collect())
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
