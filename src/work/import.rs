//! Import: accounts that another module made with the same comment form are taken into the books.
//!
//! Nothing on the router is changed. What is adopted is what the router shows: name, password, address, profile, speed,
//! whether it is on. A dry run does the same in a transaction that is thrown away. All of one router is one transaction, so
//! that a run that was killed has done nothing, and the same run again completes; one that is repeated finds its accounts
//! known and changes nothing. It reads the counters as their one reader, so that nobody is charged for what they showed
//! before.

mod adopt;
pub mod balances;
mod survey;

use self::{
    adopt::Adoption,
    balances::{BadLine, Line},
    survey::Survey,
};
use super::{collect, rotate_key};
use crate::{
    account::Account,
    app::App,
    db::Tx,
    problem::{Code, Problem},
    router::Server,
    routeros,
    units::Kbps,
    usage::ledger::{self, IMPORT, Kind},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::{net::Ipv4Addr, time::Duration};
use tokio::time::Instant;

/// A router is read within this.
const READING: Duration = Duration::from_mins(2);

/// Told how many of how many services were dealt with.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// What is to be imported.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What the comments begin with.
    pub prefix: &'a str,
    /// Balances by service; may be empty.
    pub balances: &'a [Line],
    /// Whether it is only to be told what would be done.
    pub dry_run: bool,
}

/// A service that was taken into the books.
#[derive(Clone, Debug, Serialize)]
pub struct Adopted {
    /// WHMCS's id.
    pub service_id: u64,
    /// Its user name.
    pub username: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its PPP profile.
    pub profile: String,
    /// Its speed as its queue has it; 0 is unlimited.
    pub download_kbps: Kbps,
    /// The same for what it sends.
    pub upload_kbps: Kbps,
    /// Why it is off; empty: it is on.
    pub causes: Vec<&'static str>,
    /// The balance that was imported for it.
    pub balance_bytes: Option<i64>,
    /// What staff should know, sentences without a full stop.
    pub remarks: Vec<String>,
}

/// A service that was not taken over, or a balance that was not entered.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// The service that the comment names.
    pub service_id: u64,
    /// The name of the secret, or of the queue where there is none.
    pub name: String,
    /// Why, and what to do.
    pub why: String,
}

/// A balance that was entered for an account which an earlier import had taken over.
#[derive(Clone, Debug, Serialize)]
pub struct Entered {
    /// WHMCS's id.
    pub service_id: u64,
    /// Its user name.
    pub username: String,
    /// Bytes; below zero is a debt.
    pub balance_bytes: i64,
}

/// What an import came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Services that were taken over.
    pub adopted: Vec<Adopted>,
    /// Accounts of this server that the books had before.
    pub known: usize,
    /// Balances for those.
    pub entered: Vec<Entered>,
    /// Balances for those that were not entered.
    pub kept: Vec<LeftOut>,
    /// Services that were not taken over.
    pub left_out: Vec<LeftOut>,
    /// Objects on the router without a mark of that prefix: untouched, and none of our business.
    pub foreign: usize,
    /// Lines of the balances that cannot be used. With any, nothing was done.
    pub bad_lines: Vec<BadLine>,
}

/// Imports a router's accounts.
///
/// # Errors
/// `no-such-server`; `setting-invalid` for the prefix; what keeps the router from being read; `busy` while another process
/// reads it, or a running service does not know the master key yet. Nothing was done then.
pub async fn run(app: &App, server_id: u64, wish: Wish<'_>, watch: &Progress<'_>) -> Result<Outcome, Problem> {
    if wish.prefix.contains('|') || wish.prefix.chars().any(char::is_control) {
        return Err(Problem::field("prefix", "may not hold a | or a control character"));
    }
    let server = find(app, server_id).await?;
    let until = Instant::now() + READING;
    if wish.dry_run {
        let (began, survey) = look(app, &server, wish.prefix, until).await?;
        // Never committed.
        let mut tx = app.db.begin().await?;
        return adoption(app, &server, wish, (began, &survey), watch).write(&mut tx).await;
    }
    // What is adopted is sealed with a key that a running service may not know yet: in the middle of a rotation.
    rotate_key::known_before(app, &app.seal, "turnpike import").await?;
    collect::alone(app, server_id, until, async |lease| {
        let (began, survey) = look(app, &server, wish.prefix, until).await?;
        let adoption = adoption(app, &server, wish, (began, &survey), watch);
        crate::in_tx!(app.db, tx => {
            // Another may have read the counters since, and reset them.
            collect::proves(&mut tx, lease, server_id).await?;
            adoption.write(&mut tx).await
        })
    })
    .await
}

fn adoption<'a>(
    app: &'a App,
    server: &'a Server,
    wish: Wish<'a>,
    (began, survey): (DateTime<Utc>, &'a Survey),
    watch: &'a Progress<'a>,
) -> Adoption<'a> {
    Adoption { app, server, prefix: wish.prefix, survey, balances: wish.balances, began, watch }
}

async fn find(app: &App, server_id: u64) -> Result<Server, Problem> {
    let server = Server::find(&mut app.db.read().await?, server_id).await?;
    server.ok_or_else(|| {
        let text = format!(
            "Server {server_id} is not known here: press Sync Accounts for it in WHMCS (System Settings, Servers; import \
             nothing there), which tells Turnpike of it, then run this again."
        );
        Problem::new(Code::NoSuchServer, text)
    })
}

async fn look(app: &App, server: &Server, prefix: &str, until: Instant) -> Result<(DateTime<Utc>, Survey), Problem> {
    let router = app.router(server)?.patient().within(until);
    let began = app.clock.now();
    let inventory = routeros::inventory(&router, prefix).await?;
    Ok((began, survey::take(&inventory, prefix, &server.told.addresses)))
}

/// Whether an imported balance stands for the cycle in which a service's product is told for the first time: then that
/// cycle's packet is written down as having been granted by another module, and none is to be granted here.
pub(super) async fn stands_for_cycle(tx: &mut Tx, account: &Account, now: DateTime<Utc>) -> Result<bool, Problem> {
    let id = account.service_id;
    if !account.is_metered()
        || ledger::find(tx, id, Kind::Correction, IMPORT).await?.is_none()
        || ledger::has(tx, id, Kind::Packet).await?
    {
        return Ok(false);
    }
    close_cycle(tx, id, &account.cycle(), now).await?;
    Ok(true)
}

/// The packet of the cycle until then was granted before the import.
async fn close_cycle(tx: &mut Tx, service_id: u64, due: &str, now: DateTime<Utc>) -> Result<(), Problem> {
    let note = format!("the imported balance is that of the cycle until {due}");
    ledger::enter(tx, service_id, (Kind::Packet, due), 0, &note, now).await?;
    Ok(())
}
