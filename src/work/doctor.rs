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
    params,
    problem::{Code, Problem},
    router::Server,
    sheet::{self, Lost},
    sql,
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

/// So many services are named in a sentence.
const MOST_NAMED: usize = 10;
/// So many are in one statement.
const MOST_AT_ONCE: usize = 500;

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
    let own = itself(app, &mut conn).await?;
    drop(conn);
    let each = join_all(servers.into_iter().map(|server| one(app, server, pause))).await;
    let each = each.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(own.into_iter().chain(each.into_iter().flatten()).collect())
}

/// Findings about no router: server 0.
async fn itself(app: &App, conn: &mut Conn) -> Result<Vec<Finding>, Problem> {
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
    if app.db.is_shared() {
        durability(conn, &mut findings).await?;
    }
    Ok(findings.found)
}

/// Whether MariaDB has written what it says it has; SQLite is told to.
async fn durability(conn: &mut Conn, findings: &mut Findings) -> Result<(), Problem> {
    let asked = sql!("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit AS mode /* MySQL only */");
    let mode: i64 = conn.one(asked, params![]).await?.map_or(Ok(1), |row| row.get("mode"))?;
    // 1 flushes at each commit; 3, of MariaDB alone, too.
    if mode == 0 || mode == 2 {
        findings.add(
            Severity::Warning,
            "database-forgets",
            format!("The database calls a commit done up to a second before it is on disk (innodb_flush_log_at_trx_commit is {mode})."),
            "Counters are reset once their traffic is committed; after a power cut it would be in neither place.",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1; and the same in MariaDB's configuration, for its next start",
        );
    }
    Ok(())
}

fn lost_figures(lost: &Lost, findings: &mut Findings) {
    let Lost { accounts, sheets } = lost;
    // Some at a time, for a statement that can be pasted; the doctor names the others when it is asked again.
    let ids: Vec<String> = accounts.iter().take(MOST_AT_ONCE).map(u64::to_string).collect();
    let of: Vec<&str> = ids.iter().take(MOST_NAMED).map(String::as_str).collect();
    let broken: Vec<String> = sheets.iter().take(MOST_AT_ONCE).map(u64::to_string).collect();
    let more =
        if accounts.len() > of.len() { format!(" and {} more", accounts.len() - of.len()) } else { String::new() };
    let again = if accounts.len() > ids.len() || sheets.len() > broken.len() {
        " Then ask the doctor again, for the others."
    } else {
        ""
    };
    let what = if of.is_empty() {
        "The database holds sheets of figures that cannot be read, of nobody's any more.".to_owned()
    } else {
        format!(
            "The database does not say what these services have (their sheets are gone or cannot be read): {}{more}.",
            of.join(", ")
        )
    };
    // A line each.
    let mut statements = String::new();
    if !broken.is_empty() {
        let (server_id, broken) = (findings.server_id, broken.join(", "));
        statements += &format!("\nDELETE FROM sheet WHERE server_id = {server_id} AND first_id IN ({broken});");
    }
    if !ids.is_empty() {
        statements += &format!(
            "\nUPDATE standing SET seated = 0, ros_id = NULL, counter = NULL, day = NULL, page = NULL, balance_bytes = \
             (SELECT COALESCE(SUM(l.bytes), 0) FROM ledger l WHERE l.service_id = standing.service_id) WHERE service_id IN ({});",
            ids.join(", ")
        );
    }
    findings.add(
        Severity::Error,
        "figures-lost",
        what,
        "Nothing of this router is counted, and hooks and pages of these services fail.",
        format!(
            "Put the database's backup back. Without one, stop Turnpike and say to the database what follows: balances become \
             what the ledger says, and counters begin anew, so that this day's traffic until now is nobody's.{again}{statements}"
        ),
    );
}

/// What is in the way of one router's examination is a finding, and the others' go on; a database that is away is not.
async fn one(app: &App, server: Server, pause: Duration) -> Result<Vec<Finding>, Problem> {
    let router = if server.told.name.is_empty() { server.told.host().to_owned() } else { server.told.name.clone() };
    let mut findings = Findings { server_id: server.told.id, router, found: Vec::new() };
    match whole(app, server, pause, &mut findings).await {
        Err(problem) if problem.code == Code::DatabaseUnavailable => return Err(problem),
        Err(problem) => judge::not_examined(&problem, &mut findings),
        Ok(()) => {}
    }
    findings.found.sort_by_key(|finding| finding.severity);
    Ok(findings.found)
}

async fn whole(app: &App, server: Server, pause: Duration, findings: &mut Findings) -> Result<(), Problem> {
    let until = Instant::now() + LONGEST;
    let lost = sheet::lost(&mut app.db.read().await?, server.told.id).await?;
    if !lost.is_nothing() {
        // Nothing else of the router's books can be read until that is mended.
        lost_figures(&lost, findings);
        return Ok(());
    }
    let books = Books::read(app, server).await?;
    judge::books(&books, app.clock.now(), findings);
    if books.server.password(&app.seal).is_err() {
        judge::sealed_login(findings);
        return Ok(());
    }
    // The deadline is each call's own; the timeout around them is for what nobody thought of.
    match tokio::time::timeout_at(until + Duration::from_secs(1), look::run(app, &books, pause, until)).await {
        Ok(seen) => judge::router(&books, &seen, app.clock.now(), findings),
        Err(_late) => judge::silent(&books.server.told, "no answer in time", findings),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lost_figures_are_mended_some_at_a_time_and_none_is_left_out_of_the_count() {
        for (lost, stated, again) in [(3, 3, false), (500, 500, false), (501, 500, true)] {
            let mut findings = Findings { server_id: 3, router: "core-1".to_owned(), found: Vec::new() };
            lost_figures(&Lost { accounts: (1..=lost).collect(), ..Lost::default() }, &mut findings);
            let Finding { what, mend, .. } = &findings.found[0];
            assert_eq!(mend.rsplit_once(" IN (").unwrap().1.split(", ").count(), stated);
            assert!(!mend.contains("DELETE"), "{mend}");
            assert_eq!(mend.contains("ask the doctor again"), again, "{mend}");
            assert_eq!(what.contains(&format!("10 and {} more.", lost.saturating_sub(10))), lost > 10, "{what}");
        }
    }
}
