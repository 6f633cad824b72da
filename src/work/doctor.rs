//! The doctor: examines routers and the books about them, and says of each finding what it is, why it matters, and the
//! command that mends it. Reads only.
//!
//! Each router is examined by itself and within [`LONGEST`]: a silent one is a finding and delays nobody.

mod books;
mod judge;
mod look;

use crate::{
    app::App,
    db::Conn,
    problem::{Code, Problem},
    router::Server,
    usage::doubts,
};
use books::Books;
use futures_util::future::join_all;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// One router's examination ends within this.
pub const LONGEST: Duration = Duration::from_secs(25);

/// The name under which findings stand that are about no router, as server 0.
pub const ITSELF: &str = "this machine";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Customers or the books suffer now.
    Error,
    /// They may.
    Warning,
    /// Worth knowing.
    Hint,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// WHMCS's id of the router.
    pub server_id: u64,
    /// Its name.
    pub router: String,
    /// How bad.
    pub severity: Severity,
    /// A word for programs, such as `fasttrack`.
    pub code: &'static str,
    /// What was found, as a sentence.
    pub what: String,
    /// Why it matters, as a sentence.
    pub why: &'static str,
    /// What mends it: commands for the router's terminal, or a command line; one a line.
    pub mend: String,
}

/// The findings of one router, as they are made.
struct Findings {
    server_id: u64,
    router: String,
    found: Vec<Finding>,
}

impl Findings {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        what: impl Into<String>,
        why: &'static str,
        mend: impl Into<String>,
    ) {
        let (server_id, router) = (self.server_id, self.router.clone());
        self.found.push(Finding { server_id, router, severity, code, what: what.into(), why, mend: mend.into() });
    }
}

/// Examines one router or all that are remembered, worst findings first for each.
///
/// # Errors
/// `no-such-server`; the database's. Nothing that is wrong with a router is an error here.
pub async fn run(app: &App, server: Option<u64>) -> Result<Vec<Finding>, Problem> {
    examine(app, server, super::watch::PAUSE).await
}

/// The same with another time between the two looks at sessions and queues.
pub async fn examine(app: &App, server: Option<u64>, pause: Duration) -> Result<Vec<Finding>, Problem> {
    let mut conn = app.db.read().await?;
    let servers = match server {
        None => Server::all(&mut conn).await?,
        Some(id) => {
            let text =
                format!("Server {id} is not known here; Turnpike knows the servers that WHMCS has called about.");
            let server = Server::find(&mut conn, id).await?;
            vec![server.ok_or_else(|| Problem::new(Code::NoSuchServer, text))?]
        }
    };
    let own = itself(&mut conn).await?;
    drop(conn);
    let each = join_all(servers.into_iter().map(|server| one(app, server, pause))).await;
    let each = each.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(own.into_iter().chain(each.into_iter().flatten()).collect())
}

/// Findings about no router: server 0.
async fn itself(conn: &mut Conn) -> Result<Vec<Finding>, Problem> {
    let mut findings = Findings { server_id: 0, router: ITSELF.to_owned(), found: Vec::new() };
    let clock = doubts::of_kind(conn, doubts::Kind::Clock).await?.into_iter().find(|it| it.server_id == 0);
    if let Some(clock) = clock {
        findings.add(
            Severity::Warning,
            "clock-set",
            format!("On {}: {}.", super::instant(clock.since), clock.what),
            "Days, renewals and letters go by this clock; traffic is booked by the routers' own time where they differ.",
            "timedatectl set-ntp true",
        );
    }
    Ok(findings.found)
}

async fn one(app: &App, server: Server, pause: Duration) -> Result<Vec<Finding>, Problem> {
    let until = Instant::now() + LONGEST;
    let router = if server.told.name.is_empty() { server.told.host().to_owned() } else { server.told.name.clone() };
    let mut findings = Findings { server_id: server.told.id, router, found: Vec::new() };
    let books = Books::read(app, server).await?;
    judge::books(&books, app.clock.now(), &mut findings);
    // The deadline is each call's own; the timeout around them is for what nobody thought of.
    match tokio::time::timeout_at(until + Duration::from_secs(1), look::run(app, &books, pause, until)).await {
        Ok(seen) => judge::router(&books, &seen, app.clock.now(), &mut findings),
        Err(_late) => judge::silent("no answer in time", &mut findings),
    }
    findings.found.sort_by_key(|finding| finding.severity);
    Ok(findings.found)
}
