//! The reset half of a collection: `print` and `reset-counters` back to back, then one transaction that books what came
//! between and closes the intents.
//!
//! A reset is never repeated blindly: one whose answer was lost keeps its intent, and the next reading, which the caller
//! makes at once, judges it.

use super::{Tally, counter_of, lost_lease};
use crate::{
    account::Account,
    app::App,
    db::Tx,
    meters::Meters,
    problem::Problem,
    router::{Server, lease::Lease},
    routeros::{self, Mark, Reading, Reset, Router},
    units::Volume,
    usage::{
        counters,
        reading::{self, Counter, Reboot},
    },
    work::{
        books::{self, Moved},
        fair_use::Held,
    },
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// What became of the resets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    /// Counters that are known to have been reset.
    pub(super) done: usize,
    /// Counters of which that is not known.
    pub(super) unknown: usize,
}

/// What became of one counter's reset, where that is known.
enum Fate {
    /// Done; this is what the counter showed just before.
    Reset(Counter),
    /// Never sent.
    Untouched,
}

/// Resets the counters.
///
/// # Errors
/// Of the database. What a router does not do stays an open intent or is left for the next collection.
pub(super) async fn run(
    app: &App,
    router: &Router,
    server_id: u64,
    wanted: Vec<(u64, Counter)>,
    lease: &Lease,
) -> Result<Made, Problem> {
    let began = app.clock.now();
    let fates = make(router, &wanted).await;
    let done = fates.values().filter(|fate| matches!(fate, Fate::Reset(_))).count();
    let made = Made { done, unknown: wanted.len() - fates.len() };
    Meters::count(&app.meters.resets, "done", made.done as u64);
    Meters::count(&app.meters.resets, "unknown", made.unknown as u64);
    let came = Came { r1: wanted.into_iter().collect(), fates, began, now: app.clock.now() };
    let bytes = crate::in_tx!(app.db, tx => {
        if lease.holds(&mut tx, came.now).await? {
            came.book(app, &mut tx, server_id).await
        } else {
            Err(lost_lease(server_id))
        }
    })?;
    Tally { bytes, ..Tally::default() }.count(&app.meters);
    Ok(made)
}

async fn make(router: &Router, wanted: &[(u64, Counter)]) -> HashMap<u64, Fate> {
    let services: HashMap<&str, u64> = wanted.iter().map(|(service, it)| (it.ros_id.as_str(), *service)).collect();
    let mut ids: Vec<String> = services.keys().map(|id| (*id).to_owned()).collect();
    ids.sort();
    let mut fates = HashMap::with_capacity(wanted.len());
    // Law 5 holds up to the very command: the row that is reset must carry its service's mark.
    let marked: HashMap<String, u64> = services.iter().map(|(id, service)| ((*id).to_owned(), *service)).collect();
    let ours = move |row: &Reading| {
        let service = Mark::parse(&row.comment).map(|(_, service, _)| service);
        service.is_some() && service.as_ref() == marked.get(&row.id)
    };
    for (batch, reset) in routeros::read_ours_and_reset(router, &ids, ours).await {
        match reset {
            Reset::Done(readings) => {
                let of = |it: &Reading| Some((*services.get(it.id.as_str())?, Fate::Reset(counter_of(it))));
                fates.extend(readings.iter().filter_map(of));
            }
            Reset::NotSent(error) => {
                tracing::warn!(router.name = router.name(), %error, counters = batch.len(), "counters were not reset");
                fates.extend(batch.iter().filter_map(|id| Some((*services.get(id.as_str())?, Fate::Untouched))));
            }
            // A refusal may have come after some of the batch: nothing is known of it either.
            Reset::Unknown | Reset::Refused(_) => {}
        }
    }
    fates
}

/// What came of the resets, to be booked.
struct Came {
    r1: HashMap<u64, Counter>,
    fates: HashMap<u64, Fate>,
    began: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Came {
    /// Books what the counters moved between the two readings, in one transaction; how many bytes.
    async fn book(&self, app: &App, tx: &mut Tx, server_id: u64) -> Result<u64, Problem> {
        // Only what this run intended, and nobody has closed since.
        let mut intents = counters::intents(tx, server_id).await?;
        let (mut moved, mut next) = (HashMap::new(), Vec::new());
        for (id, fate) in &self.fates {
            let (Some(r1), Some(intent)) = (self.r1.get(id), intents.remove(id)) else { continue };
            // One that was never sent leaves the baseline where it is.
            if let Fate::Reset(r2) = fate {
                let volume = reading::delta(r1, r2, Reboot::No).volume;
                if !volume.is_zero() {
                    moved.insert(*id, (volume, intent.intended_at));
                }
                next.push((*id, r2.ros_id.as_str()));
            }
        }
        next.sort_by_key(|(id, _)| *id);
        let bytes = self.charge(app, tx, server_id, &moved).await?;
        counters::put_reset(tx, server_id, &next, self.began).await?;
        counters::set_intents(tx, server_id, &intents).await?;
        Ok(bytes)
    }

    /// Accounts are read and held only where something was moved.
    async fn charge(
        &self,
        app: &App,
        tx: &mut Tx,
        server_id: u64,
        between: &HashMap<u64, (Volume, DateTime<Utc>)>,
    ) -> Result<u64, Problem> {
        if between.is_empty() {
            return Ok(0);
        }
        let Some(server) = Server::find(tx, server_id).await? else { return Ok(0) };
        let mut accounts = Account::of_server_locked(tx, server_id).await?;
        accounts.retain(|account| between.contains_key(&account.service_id));
        let moved = |(at, account): (usize, &Account)| {
            let (volume, from) = between[&account.service_id];
            Moved { account: at, volume, from, doubtful: false }
        };
        let moved: Vec<Moved> = accounts.iter().enumerate().map(moved).collect();
        let mut held = Held::of_server(app, tx, (server_id, &accounts), self.now).await?;
        books::book(app, tx, &server, (&mut accounts, &mut held), &moved, self.now).await
    }
}
