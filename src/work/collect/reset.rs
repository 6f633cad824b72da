//! The reset half of a collection: `print` and `reset-counters` back to back, then one transaction that books what came
//! between and closes the intents.
//!
//! A reset is never repeated blindly: one whose answer was lost keeps its intent, and the next reading, which the caller
//! makes at once, judges it.

use super::{
    Tally,
    aside::{self, cannot_be, fastest},
    counter_of, proves,
};
use crate::{
    app::App,
    db::Tx,
    meters::Meters,
    problem::Problem,
    router::{Server, lease::Lease},
    routeros::{self, Reading, Reset, Router},
    units::{Speed, Volume},
    usage::{
        counters::{self, Intent},
        reading::{self, Counter, Reboot},
    },
    work::books::{self, Books, Moved},
};
use chrono::{DateTime, Utc};
use std::{cell::LazyCell, collections::HashMap, sync::Arc};

/// What became of the resets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    /// Counters that are known to have been reset.
    pub(super) done: usize,
    /// Counters of which that is not known.
    pub(super) unknown: usize,
}

/// What became of one counter's reset, where that is known.
#[derive(Clone, Copy)]
enum Fate {
    /// Done; so much had passed since the reading that is booked, of a queue that lets so much pass.
    Reset(Volume, Option<Speed>),
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
    let wanted: Arc<[(u64, Counter)]> = wanted.into();
    let fates = make(router, &wanted).await;
    let done = fates.iter().filter(|fate| matches!(fate, Some(Fate::Reset(..)))).count();
    let made = Made { done, unknown: fates.iter().filter(|fate| fate.is_none()).count() };
    Meters::count(&app.meters.resets, "done", made.done as u64);
    Meters::count(&app.meters.resets, "unknown", made.unknown as u64);
    let came = Came { r1: wanted, fates, spared, began, now: app.clock.now() };
    let tally = crate::in_tx!(app.db, tx => {
        proves(&mut tx, lease, server_id).await?;
        came.book(app, &mut tx, server_id).await
    })?;
    tally.count(&app.meters);
    let gap = u64::try_from((came.now - came.began).num_milliseconds()).unwrap_or(0);
    app.meters.reset_gap.inc_by(gap.saturating_mul(made.done as u64));
    Ok(made)
}

/// What became of each counter's reset, in the order of `wanted`; `None` where that is not known.
async fn make(router: &Router, wanted: &Arc<[(u64, Counter)]>) -> Vec<Option<Fate>> {
    let mut ids: Vec<String> = wanted.iter().map(|(_, it)| it.ros_id.clone()).collect();
    ids.sort_unstable();
    let mut fates: Vec<Option<Fate>> = vec![None; wanted.len()];
    // Law 5 holds up to the very command: the row that is reset must carry its service's mark.
    let ours = Arc::clone(wanted);
    let resets = routeros::read_and_reset(router, &ids, move |row: &Reading| place(&ours, row).is_some()).await;
    drop(ids);
    let by_id: LazyCell<HashMap<&str, usize>, _> =
        LazyCell::new(|| wanted.iter().enumerate().map(|(at, (_, it))| (it.ros_id.as_str(), at)).collect());
    for (batch, reset) in resets {
        match reset {
            Reset::Done(readings) => {
                for reading in &readings {
                    if let Some(at) = place(wanted, reading) {
                        let between = reading::delta(&wanted[at].1, &counter_of(reading), Reboot::No).volume;
                        fates[at] = Some(Fate::Reset(between, reading.shape.as_ref().map(|shape| shape.fastest())));
                    }
                }
            }
            Reset::NotSent(error) => {
                tracing::warn!(router.name = router.name(), %error, counters = batch.len(), "counters were not reset");
                for id in &batch {
                    if let Some(at) = by_id.get(id.as_str()) {
                        fates[*at] = Some(Fate::Untouched);
                    }
                }
            }
            // A refusal may have come after some of the batch: nothing is known of it either.
            Reset::Unknown | Reset::Refused(_) => {}
        }
    }
    fates
}

/// Which of the wanted counters a row is: of the service that its mark names, and with the id that was booked.
fn place(wanted: &[(u64, Counter)], row: &Reading) -> Option<usize> {
    let (_, service_id) = row.mark()?;
    let at = wanted.binary_search_by_key(&service_id, |(id, _)| *id).ok()?;
    (wanted[at].1.ros_id == row.id()).then_some(at)
}

/// What came of the resets, to be booked.
struct Came {
    /// By service id.
    r1: Arc<[(u64, Counter)]>,
    fates: Vec<Option<Fate>>,
    spared: Vec<u64>,
    began: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Came {
    /// Books what the counters moved between the two readings and ends the run, in one transaction.
    async fn book(&self, app: &App, tx: &mut Tx, server_id: u64) -> Result<Tally, Problem> {
        // Only what this run intended, and nobody has judged since.
        let server = Server::find_locked(tx, server_id).await?;
        let Some((server, run)) = server.and_then(|server| server.run.map(|run| (server, run))) else {
            return Ok(Tally::default());
        };
        let tally = self.charge(app, tx, &server).await?;
        let (mut done, mut kept, mut unknown) = (Vec::new(), self.spared.clone(), Vec::new());
        for ((id, r1), fate) in self.r1.iter().zip(&self.fates) {
            match fate {
                Some(Fate::Reset(..)) => done.push(*id),
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
        Ok(tally)
    }

    /// What was moved between the reading that is booked and the one just before the reset; what cannot be is put aside, as
    /// in a reading.
    async fn charge(&self, app: &App, tx: &mut Tx, server: &Server) -> Result<Tally, Problem> {
        let moved = |((id, _), fate): (&(u64, Counter), &Option<Fate>)| match fate {
            Some(Fate::Reset(volume, shown)) if !volume.is_zero() => Some((*id, (*volume, *shown))),
            _ => None,
        };
        let between: Vec<(u64, (Volume, Option<Speed>))> = self.r1.iter().zip(&self.fates).filter_map(moved).collect();
        if between.is_empty() {
            return Ok(Tally::default());
        }
        let from = server.seen_at.unwrap_or(self.began);
        let ids: Vec<u64> = between.iter().map(|(id, _)| *id).collect();
        let mut books = Books::of_some(app, tx, server.told.id, &ids, self.now).await?;
        let mut tally = Tally::default();
        while books.turn_over(tx, server.told.id).await? {
            let mut moved = Vec::with_capacity(books.all.len());
            for (at, account) in books.all.iter().enumerate() {
                let id = account.service_id;
                let Ok(place) = between.binary_search_by_key(&id, |(id, _)| *id) else { continue };
                let (volume, shown) = between[place].1;
                let line = fastest(account, books.decided(id), shown);
                let cut = account.baseline.as_ref().and_then(|it| it.cut_within(from, self.now));
                let it = Moved { account: at, volume, from, doubtful: false, cut };
                if let Some(why) = cannot_be(app, volume, line, self.now - from) {
                    tally.quarantined += 1;
                    let what = (&it, server.told.id, self.now);
                    aside::put(app, tx, &books, what, (&why, false), &mut tally.uncharged).await?;
                } else {
                    moved.push(it);
                }
            }
            tally.bytes += books::book(app, tx, server, &mut books, &moved, self.now).await?;
            books.save(tx, server.told.id).await?;
        }
        books.save_plans(tx).await?;
        Ok(tally)
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
