//! The routers: how each is reached, how it stands, what room it has; and a collection now.

use super::{Done, Flash, Name, Page, Request, draw, figures, no_such_button};
use crate::{
    account::{Account, addresses::AddressSpace, allotment, roll},
    app::App,
    problem::{Code, Problem},
    router::Server,
    routeros,
    work::{
        collect::{self, Scope},
        doctor,
    },
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::time::{Instant, timeout};

/// Routers that are looked at for one page, those with the lowest ids first.
const MOST_GLANCES: usize = 32;

/// What a router said just now.
#[derive(Clone, Debug)]
pub(super) struct Glance {
    /// Accounts of ours that are dialled in.
    pub(super) online: usize,
    facts: Option<routeros::Facts>,
}

/// Draws all of them.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let (servers, tallies) = {
        let mut conn = app.db.read().await?;
        (Server::all(&mut conn).await?, roll::tally(&mut conn).await?)
    };
    let glances = glances(app, &servers).await;
    let mut rows = Vec::new();
    for (server, glance) in servers.iter().zip(&glances) {
        let tally = tallies.iter().find(|it| it.server_id == server.told.id).copied().unwrap_or_default();
        rows.push(row(app, server, tally, glance.as_ref()).await?);
    }
    let examined = request.query.number("examine")?;
    let findings = match examined {
        Some(id) => Some(doctor::run(app, Some(id)).await?),
        None => None,
    };
    let poll = app.config.collect.poll.map(|it| figures::duration(it.as_secs()));
    let own = json!({"routers": rows, "poll": poll, "reset": app.config.collect.reset,
        "examined": examined, "findings": findings});
    draw::page(app, request, (Name::Routers, "routers.html", "Routers"), said, own).await
}

async fn row(app: &App, server: &Server, tally: roll::Tally, glance: Option<&Glance>) -> Result<Value, Problem> {
    let told = &server.told;
    let facts = glance.and_then(|it| it.facts.as_ref());
    Ok(json!({
        "id": told.id,
        "name": told.name,
        "hostname": told.hostname,
        "address": format!("{}:{}", told.host(), told.port),
        "tls": told.tls,
        "pinned": !told.certificate_sha256.is_empty(),
        "username": told.username,
        "state": state(app, server),
        "version": facts.map(|it| &it.version),
        "board": facts.map(|it| &it.board),
        "uptime": facts.map(|it| it.uptime_seconds).or(server.uptime_seconds).map(figures::duration),
        "online": glance.map(|it| it.online),
        "seen": figures::maybe_at(app, server.seen_at),
        "collected": figures::maybe_at(app, server.collected_at),
        "failure": server.failed.as_ref().map(|(at, why)| json!({"at": figures::at(app, *at), "why": why})),
        "trouble": trouble(app, server),
        "made": tally.made, "off": tally.made - tally.enabled, "new": tally.new, "gone": tally.gone,
        "room": room(app, server).await?,
    }))
}

/// How many of its addresses are in use, and what is wrong with them.
async fn room(app: &App, server: &Server) -> Result<Value, Problem> {
    let space = match AddressSpace::parse(&server.told.addresses) {
        Ok(space) => space,
        Err((at, why)) => return Ok(json!({"wrong": format!("Assigned IP Addresses, entry {}: {why}", at + 1)})),
    };
    let taken = allotment::taken(&mut app.db.read().await?, server.told.id, 0).await?;
    let used = taken.iter().filter(|address| space.contains(**address)).count();
    let left = space.len() - used;
    Ok(json!({
        "wrong": null, "all": space.len(), "used": used, "left": left, "outside": taken.len() - used,
        "short": !space.is_empty() && left * 10 <= space.len(),
    }))
}

/// The word for how a router stands, from the last reading and the connection.
pub(super) fn state(app: &App, server: &Server) -> &'static str {
    let connection = app.routers.standing(server.told.id).map(|standing| standing.state);
    match (connection, &server.failed, server.seen_at) {
        (Some(routeros::State::Down { .. }), ..) => "silent",
        (_, Some(_), _) => "failed",
        (Some(routeros::State::Connected), ..) => "connected",
        (_, None, Some(_)) => "well",
        (_, None, None) => "never read",
    }
}

/// Since when a router has been tried in vain, how often, and when this process tries it next; nothing where it answers.
pub(super) fn trouble(app: &App, server: &Server) -> Value {
    let standing = app.routers.standing(server.told.id);
    let pause = standing.as_ref().and_then(routeros::Standing::pause);
    let silent = standing
        .as_ref()
        .and_then(|it| it.down_since)
        .map(|since| app.clock.now() - chrono::Duration::from_std(since.elapsed()).unwrap_or_default());
    let (stored, tries) = server.failing.unzip();
    let Some(since) = [stored, silent].into_iter().flatten().min() else { return Value::Null };
    let tries = tries.unwrap_or_default().max(standing.map_or(0, |it| it.failures.into()));
    json!({
        "since": figures::at(app, since), "tries": tries,
        "next": pause.map(|pause| figures::duration(pause.as_secs().max(1))),
    })
}

/// Looks at the routers that a connection stands with, for as long as a page can wait; `None` for all others.
pub(super) async fn glances(app: &App, servers: &[Server]) -> Vec<Option<Glance>> {
    let connected: HashSet<u64> = app
        .routers
        .states()
        .into_iter()
        .filter_map(|(id, _, state)| (state == routeros::State::Connected).then_some(id))
        .take(MOST_GLANCES)
        .collect();
    let mut looks = Vec::with_capacity(servers.len());
    for server in servers {
        looks.push(glance_if(app, server, connected.contains(&server.told.id)));
    }
    join_all(looks).await
}

async fn glance_if(app: &App, server: &Server, connected: bool) -> Option<Glance> {
    if connected { glance(app, server).await } else { None }
}

async fn glance(app: &App, server: &Server) -> Option<Glance> {
    let look = async {
        let router = app.router(server)?.within(Instant::now() + crate::work::LOOK);
        let accounts = Account::of_server(&mut app.db.read().await?, server.told.id).await?;
        let ours: HashSet<&str> = accounts.iter().map(|it| it.username.as_str()).collect();
        let (sessions, facts) = tokio::join!(routeros::all_sessions(&router), routeros::facts(&router));
        let names: HashSet<String> = sessions?.into_iter().map(|it| it.name).collect();
        let online = names.iter().filter(|name| ours.contains(name.as_str())).count();
        Ok::<_, Problem>(Glance { online, facts: facts.ok() })
    };
    match timeout(crate::work::LOOK, look).await {
        Ok(Ok(glance)) => Some(glance),
        Ok(Err(problem)) => {
            tracing::debug!(router.name = server.told.name, "a page goes without a live look: {}", problem.detail);
            None
        }
        Err(_elapsed) => None,
    }
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    match (what, request.form.number("server")?) {
        ("collect", Some(id)) => collect(app, id).await,
        _ => Err(no_such_button()),
    }
}

async fn collect(app: &App, id: u64) -> Result<Done, Problem> {
    let server = Server::find(&mut app.db.read().await?, id).await?;
    let missing = || Problem::new(Code::NoSuchServer, format!("Server {id} is not known here."));
    let name = server.ok_or_else(missing)?.told.name;
    let outcome = collect::run(app, id, Scope::All, crate::work::deadline(crate::work::COLLECTION)).await?;
    let accounts =
        if outcome.read.len() == 1 { "1 account".into() } else { format!("{} accounts", outcome.read.len()) };
    let left = match outcome.skipped.as_slice() {
        [] => String::new(),
        [first, ..] => format!(" {} left out, the first of them: {}", outcome.skipped.len(), first.reason),
    };
    Ok(Done::well("routers", format!("Router {name} was collected: {accounts} read and booked.{left}")))
}
