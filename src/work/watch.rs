//! Whether queues count: a session that moves while its queue stands still is passed by, by FastTrack, hardware offload, a
//! queue in front, or a defect of RouterOS, and its traffic is neither limited nor charged.
//!
//! Seen by two looks a moment apart: two lists of sessions and interfaces, two of queues, once an hour for each router. That
//! reads only, so it takes no turn and holds nobody up.

use crate::{
    account::Account,
    app::App,
    meters::Meters,
    problem::Problem,
    router::Server,
    routeros::{self, Error, Reading, Router},
    units::Volume,
    usage::doubts::{self, Kind},
};
use chrono::{DateTime, Utc};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// The time between the two looks.
pub const PAUSE: Duration = Duration::from_secs(2);
/// How often each router is looked at.
pub const EVERY: chrono::Duration = chrono::Duration::hours(1);
/// Sessions that moved less between the two looks say nothing: keep-alives move interfaces too.
const MOVED: u64 = 20_000;
/// The looks end within this.
const LONGEST: Duration = Duration::from_secs(60);

/// What two looks showed, by user name, of accounts whose sessions moved.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Their queues do not count.
    pub(super) frozen: Vec<String>,
    /// Their queues count.
    pub(super) counting: Vec<String>,
}

/// Looks at a router unless that was done within the hour, and keeps what was found for pages, metrics and the doctor.
///
/// # Errors
/// The router's, with what was known before unchanged; the database's.
pub async fn run(app: &App, server_id: u64, pause: Duration) -> Result<(), Problem> {
    let now = app.clock.now();
    let mine =
        crate::in_tx!(app.db, tx => Server::watch(&mut tx, server_id, now - EVERY, now).await.map_err(Problem::from))?;
    if !mine {
        return Ok(());
    }
    let (server, names) = {
        let mut conn = app.db.read().await?;
        (Server::find(&mut conn, server_id).await?, Account::names(&mut conn, server_id).await?)
    };
    let Some(server) = server else { return Ok(()) };
    let router = app.router(&server)?.within(Instant::now() + LONGEST);
    let usernames: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let looked = look(&router, &usernames, pause).await?;
    keep(app, &server, &names, &looked, now).await
}

async fn keep(
    app: &App,
    server: &Server,
    names: &[(u64, String)],
    looked: &Looked,
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let server_id = server.told.id;
    let id = |name: &String| names.iter().find(|(_, its)| its == name).map(|(service_id, _)| *service_id);
    let frozen: Vec<u64> = looked.frozen.iter().filter_map(id).collect();
    let counting: Vec<u64> = looked.counting.iter().filter_map(id).collect();
    let new = crate::in_tx!(app.db, tx => {
        let known: HashSet<u64> =
            doubts::of_kind(&mut tx, Kind::Frozen).await?.into_iter().map(|it| it.service_id).collect();
        for service_id in counting.iter().filter(|id| known.contains(id)) {
            doubts::lower(&mut tx, Kind::Frozen, (server_id, *service_id)).await?;
        }
        for service_id in &frozen {
            let what = "its session moved, its queue counted nothing";
            doubts::raise(&mut tx, Kind::Frozen, (server_id, *service_id), what, now).await?;
        }
        Ok::<_, Problem>(frozen.iter().filter(|id| !known.contains(id)).count())
    })?;
    if new > 0 {
        Meters::count(&app.meters.doubts, "frozen", new as u64);
        tracing::warn!(
            server.id = server_id,
            router.name = server.told.name,
            queues = new,
            "sessions move and their queues do not count; `turnpike doctor --server {server_id}` says what mends it"
        );
    }
    Ok(())
}

/// Two looks. The queues' span encloses the interfaces', so that traffic at its edges accuses nobody; a queue that was reset
/// in between is passed over.
///
/// # Errors
/// Any [`Error`] of a print.
pub(super) async fn look(router: &Router, usernames: &[&str], pause: Duration) -> Result<Looked, Error> {
    // Of each look only the totals are kept.
    let queues = totals(&routeros::counters(router).await?);
    let before = routeros::session_traffic(router).await?;
    if !usernames.iter().any(|name| before.contains_key(*name)) {
        return Ok(Looked::default());
    }
    tokio::time::sleep(pause).await;
    let after = routeros::session_traffic(router).await?;
    let now = totals(&routeros::counters(router).await?);
    let mut looked = Looked::default();
    for name in usernames.iter().copied() {
        let (Some(from), Some(to)) = (before.get(name), after.get(name)) else { continue };
        let (Some(counted), Some(counts)) = (counted(&queues, name), counted(&now, name)) else { continue };
        let moved = to.total().0.saturating_sub(from.total().0);
        let fell = counts.total() < counted.total();
        if moved < MOVED || fell {
            continue;
        }
        let stands = (counts.total().0 - counted.total().0).saturating_mul(4) < moved;
        if stands { &mut looked.frozen } else { &mut looked.counting }.push(name.to_owned());
    }
    looked.frozen.sort();
    Ok(looked)
}

/// What an account's queues have counted: its own, and that of CDN traffic where it has one.
fn counted(totals: &HashMap<Box<str>, Volume>, username: &str) -> Option<Volume> {
    let own = *totals.get(username)?;
    let cdn = totals.get(routeros::cdn_queue_name(username).as_str());
    Some(cdn.map_or(own, |cdn| own + *cdn))
}

fn totals(readings: &[Reading]) -> HashMap<Box<str>, Volume> {
    readings.iter().map(|it| (it.name().into(), it.volume)).collect()
}
