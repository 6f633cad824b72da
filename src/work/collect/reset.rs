//! The reset half of a collection: `print` and `reset-counters` back to back, then one transaction that books what came
//! between and closes the intents.
//!
//! A reset is never repeated blindly: where its answer was lost, the counters are read again at once and the smaller
//! figure is charged; where that cannot be, the intent stays open for the next reading.

use super::{counter_of, judged, line_rate, lost_lease};
use crate::{
    account::Account,
    app::App,
    problem::Problem,
    router::{Server, lease::Lease},
    routeros::{self, Reading, Reset, Router},
    usage::{
        counters,
        reading::{self, Counter, Reboot},
    },
    work::books::{self, Moved},
};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// What became of one counter's reset.
enum Fate {
    /// Done; this is what the counter showed just before.
    Reset(Counter),
    /// Not known; this is what it shows now.
    Unknown(Counter),
    /// Never sent.
    Untouched,
}

/// Resets the counters; how many are known to have been.
///
/// # Errors
/// Of the database. What a router does not do stays an open intent or is left for the next collection.
pub(super) async fn run(
    app: &App,
    router: &Router,
    server: &Server,
    wanted: Vec<(u64, Counter)>,
    lease: &Lease,
) -> Result<usize, Problem> {
    let r1: HashMap<u64, Counter> = wanted.iter().cloned().collect();
    let fates = make(router, wanted).await;
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        if lease.holds(&mut tx, now).await? {
            book(app, &mut tx, server, (&r1, &fates), now).await
        } else {
            Err(lost_lease(server))
        }
    })
}

async fn make(router: &Router, wanted: Vec<(u64, Counter)>) -> HashMap<u64, Fate> {
    let services: HashMap<String, u64> =
        wanted.into_iter().map(|(service, counter)| (counter.ros_id, service)).collect();
    let mut ids: Vec<String> = services.keys().cloned().collect();
    ids.sort();
    let mut fates = HashMap::new();
    let mut unknown = Vec::new();
    for (batch, reset) in routeros::read_all_and_reset(router, &ids).await {
        match reset {
            Reset::Done(readings) => {
                let readings: HashMap<&str, &Reading> = readings.iter().map(|it| (it.id.as_str(), it)).collect();
                for id in &batch {
                    match (services.get(id), readings.get(id.as_str())) {
                        (Some(service), Some(reading)) => fates.insert(*service, Fate::Reset(counter_of(reading))),
                        _ => None,
                    };
                }
            }
            Reset::NotSent(_) => {
                fates.extend(batch.iter().filter_map(|id| Some((*services.get(id)?, Fate::Untouched))));
            }
            // A refusal may have come after some of the batch: nothing is known of it either.
            Reset::Unknown | Reset::Refused(_) => unknown.extend(batch),
        }
    }
    if !unknown.is_empty() {
        tracing::warn!(
            router.name = router.name(),
            counters = unknown.len(),
            "resets of unknown outcome are read again"
        );
        if let Ok(readings) = routeros::counters(router).await {
            let readings: HashMap<&str, &Reading> = readings.iter().map(|it| (it.id.as_str(), it)).collect();
            for id in &unknown {
                if let (Some(service), Some(reading)) = (services.get(id), readings.get(id.as_str())) {
                    fates.insert(*service, Fate::Unknown(counter_of(reading)));
                }
            }
        }
    }
    fates
}

async fn book(
    app: &App,
    tx: &mut crate::db::Tx,
    server: &Server,
    (r1, fates): (&HashMap<u64, Counter>, &HashMap<u64, Fate>),
    now: DateTime<Utc>,
) -> Result<usize, Problem> {
    let server_id = server.told.id;
    let mut accounts = Account::of_server_locked(tx, server_id).await?;
    let intents = counters::intents(tx, server_id).await?;
    let (mut moved, mut next, mut reset) = (Vec::new(), Vec::new(), 0);
    for (at, account) in accounts.iter().enumerate() {
        let id = account.service_id;
        // Only what this run intended: another may have closed it since.
        let (Some(fate), Some(r1), Some(intent)) = (fates.get(&id), r1.get(&id), intents.get(&id)) else { continue };
        let (volume, doubtful, baseline) = match fate {
            Fate::Untouched => (crate::units::Volume::ZERO, true, r1.clone()),
            Fate::Reset(r2) => {
                reset += 1;
                (reading::delta(r1, r2, Reboot::No).volume, false, Counter::zero(r2.ros_id.clone()))
            }
            Fate::Unknown(shown) => {
                let after = reading::after_unknown_reset(r1, shown, line_rate(account), now - intent.intended_at);
                let (volume, doubtful) = judged(after, account);
                (volume, doubtful, shown.clone())
            }
        };
        moved.push(Moved { account: at, volume, from: intent.intended_at, doubtful });
        next.push((id, baseline));
    }
    books::book(app, tx, server, &mut accounts, &moved, now).await?;
    counters::put(tx, server_id, &next, now).await?;
    if next.len() == intents.len() {
        counters::close_all_intents(tx, server_id).await?;
    } else {
        for (service_id, _) in &next {
            counters::close_intent(tx, *service_id).await?;
        }
    }
    Ok(reset)
}
