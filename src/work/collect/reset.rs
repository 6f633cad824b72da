//! The reset half of a collection: `print` and `reset-counters` back to back, then one transaction that books what came
//! between and closes the intents.
//!
//! A reset is never repeated blindly: one whose answer was lost keeps its intent, and the next reading, which the caller
//! makes at once, judges it.

use super::{Tally, counter_of, proves};
use crate::{
    app::App,
    db::Tx,
    meters::Meters,
    problem::Problem,
    router::{Server, lease::Lease},
    routeros::{self, Mark, Reading, Reset, Router},
    units::Volume,
    usage::{
        counters::{self, Intent},
        reading::{self, Counter, Reboot},
    },
    work::books::{self, Books, Moved},
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

/// What is to be reset, by service, with what was booked of it; and what counted something and is not to be reset now.
pub(super) struct Wanted {
    pub(super) counters: Vec<(u64, Counter)>,
    pub(super) spared: Vec<u64>,
}

/// Resets the counters.
///
/// # Errors
/// Of the database. What a router does not do stays an open intent or is left for the next collection.
pub(super) async fn run(
    app: &App,
    router: &Router,
    server_id: u64,
    wanted: Wanted,
    lease: &Lease,
) -> Result<Made, Problem> {
    let began = app.clock.now();
    let Wanted { counters: wanted, spared } = wanted;
    let fates = make(router, &wanted).await;
    let done = fates.values().filter(|fate| matches!(fate, Fate::Reset(_))).count();
    let made = Made { done, unknown: wanted.len() - fates.len() };
    Meters::count(&app.meters.resets, "done", made.done as u64);
    Meters::count(&app.meters.resets, "unknown", made.unknown as u64);
    let came = Came { r1: wanted, fates, spared, began, now: app.clock.now() };
    let bytes = crate::in_tx!(app.db, tx => {
        proves(&mut tx, lease, server_id).await?;
        came.book(app, &mut tx, server_id).await
    })?;
    Tally { bytes, ..Tally::default() }.count(&app.meters);
    let gap = u64::try_from((came.now - came.began).num_milliseconds()).unwrap_or(0);
    app.meters.reset_gap.inc_by(gap.saturating_mul(made.done as u64));
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
    /// By service id.
    r1: Vec<(u64, Counter)>,
    fates: HashMap<u64, Fate>,
    spared: Vec<u64>,
    began: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Came {
    /// Books what the counters moved between the two readings and ends the run, in one transaction; how many bytes.
    async fn book(&self, app: &App, tx: &mut Tx, server_id: u64) -> Result<u64, Problem> {
        // Only what this run intended, and nobody has judged since.
        let server = Server::find_locked(tx, server_id).await?;
        let Some((server, run)) = server.and_then(|server| server.run.map(|run| (server, run))) else { return Ok(0) };
        let bytes = self.charge(app, tx, &server).await?;
        let (mut done, mut kept, mut unknown) = (Vec::new(), self.spared.clone(), Vec::new());
        for (id, r1) in &self.r1 {
            match self.fates.get(id) {
                Some(Fate::Reset(_)) => done.push(*id),
                // One that was never sent leaves the baseline where it is.
                Some(Fate::Untouched) => kept.push(*id),
                None => unknown.push((*id, r1)),
            }
        }
        kept.extend(unknown.iter().map(|(id, _)| *id));
        let read = (server.seen_at.unwrap_or(self.began), server.uptime_seconds);
        // One word about the router says it of all; the fewer exceptions are written apart.
        let all = kept.len() < done.len();
        if all {
            counters::keep(tx, &kept, read).await?;
        } else {
            counters::zero(tx, &done, (self.began, read.1)).await?;
        }
        remember(tx, server_id, &unknown, run.intended_at).await?;
        server.run_ended(tx, all).await?;
        Ok(bytes)
    }

    /// What was moved between the reading that is booked and the one just before the reset.
    async fn charge(&self, app: &App, tx: &mut Tx, server: &Server) -> Result<u64, Problem> {
        let moved = |(id, r1): &(u64, Counter)| {
            let Some(Fate::Reset(r2)) = self.fates.get(id) else { return None };
            let volume = reading::delta(r1, r2, Reboot::No).volume;
            (!volume.is_zero()).then_some((*id, volume))
        };
        let between: Vec<(u64, Volume)> = self.r1.iter().filter_map(moved).collect();
        if between.is_empty() {
            return Ok(0);
        }
        let from = server.seen_at.unwrap_or(self.began);
        let ids: Vec<u64> = between.iter().map(|(id, _)| *id).collect();
        let mut books = Books::of_some(app, tx, server.told.id, &ids, self.now).await?;
        let moved: Vec<Moved> = (books.all.iter().enumerate())
            .filter_map(|(at, account)| {
                let place = between.binary_search_by_key(&account.service_id, |(id, _)| *id).ok()?;
                Some(Moved { account: at, volume: between[place].1, from, doubtful: false })
            })
            .collect();
        let bytes = books::book(app, tx, server, &mut books, &moved, self.now).await?;
        books.save(tx).await?;
        Ok(bytes)
    }
}

/// Resets whose outcome is not known are written down one by one: the run has ended.
async fn remember(
    tx: &mut Tx,
    server_id: u64,
    unknown: &[(u64, &Counter)],
    intended_at: DateTime<Utc>,
) -> Result<(), Problem> {
    if unknown.is_empty() {
        return Ok(());
    }
    let mut intents = counters::intents(tx, server_id).await?;
    intents.extend(unknown.iter().map(|(id, r1)| (*id, Intent { counter: (*r1).clone(), intended_at })));
    Ok(counters::set_intents(tx, server_id, &intents).await?)
}
