//! CDN queues at a reading: what they moved counts to the account's CDN tiers and stands in its history, and to nothing
//! else: neither balance nor quota nor the plan's other tiers know of it.
//!
//! The same laws hold as for an account's own counter: the difference to a baseline that moves in this transaction, the
//! smaller figure where there is doubt. Without a baseline nothing tells what is new, and nothing is counted. A queue that
//! is not as the plan has it is made so by a pending change, like everything else on a router.

use super::{
    counter_of,
    sample::{Past, Sample},
};
use crate::{
    account::{
        Account,
        pending::{self, Kind},
    },
    app::App,
    db::Tx,
    plan::{burst::Rate, terms::Cdn},
    problem::Problem,
    routeros::{Reading, cdn_queue_name},
    units::{Bytes, Speed, Volume},
    usage::{
        cdn::{self, Baseline},
        days,
        history::{self, Booking},
        quarantine::{self, By},
        reading::{self, Counter, Reboot},
    },
    work::{fair_use::Held, marking::Names},
};
use std::collections::{HashMap, HashSet};

/// The CDN queues of a reading.
#[derive(Default)]
pub(super) struct CdnQueues<'a> {
    /// Of accounts whose plan counts CDN traffic apart, by service; and the most that may have moved there.
    found: Vec<(u64, &'a Reading, Speed)>,
    /// What they moved, bytes.
    pub(super) bytes: u64,
    /// How many moved what cannot be: put aside.
    pub(super) doubted: u64,
}

impl Sample<'_> {
    fn cdn_baseline(&self, counter: Counter) -> Baseline {
        Baseline { counter, uptime_seconds: self.uptime_seconds, booked_at: self.began }
    }
}

impl<'a> CdnQueues<'a> {
    /// Books what they moved, and decides changes where plan and router differ. Each account is given with its own queue.
    pub(super) async fn book(
        app: &App,
        tx: &mut Tx,
        sample: &'a Sample<'_>,
        (server_id, accounts, past): (u64, &[(&Account, Option<&Reading>)], &Past),
        held: &mut Held,
    ) -> Result<Self, Problem> {
        let mut all = Self::default();
        let sold = |account: &Account| held.plan(account).and_then(|plan| plan.cdn);
        let on_plan: Vec<(&Account, Option<&Reading>, Option<Cdn>)> = accounts
            .iter()
            .filter(|(account, _)| account.settings.plan.is_some())
            .map(|(account, own)| (*account, *own, sold(account)))
            .collect();
        let names = Names::of(app);
        let mut by_name: HashMap<&str, (usize, &Reading)> = HashMap::new();
        if !on_plan.is_empty() {
            by_name.extend(sample.readings.iter().enumerate().map(|(place, it)| (it.name(), (place, it))));
        }
        for (account, own, sold) in on_plan {
            let mark = crate::work::mark(account);
            let name = cdn_queue_name(&account.username);
            let found = by_name.get(name.as_str()).filter(|(_, it)| it.is_of(&mark));
            let own_place = own.and_then(|own| by_name.get(own.name())).map(|(place, _)| *place);
            let fits = match (sold, found) {
                (Some(cdn), Some((place, it))) => {
                    // The queue shows what holds now: until a moment ago it may have let pass what it did at full speed.
                    let shown = it.shape.as_ref().map(|shape| shape.fastest()).unwrap_or_default();
                    let line = held.fastest_cdn(account).map_or(shown, |most| most.faster(shown));
                    all.found.push((account.service_id, *it, line));
                    let counts_it = !it.disabled && it.is_for(account.address);
                    let marked = it.packet_marks() == names.packet_mark(cdn.profile_id);
                    counts_it && marked && own_place.is_none_or(|own| *place < own)
                }
                (sold, found) => sold.is_none() && found.is_none(),
            };
            // Where its own queue is missing too, a person has been told.
            if !fits && own.is_some() && !past.changing.contains(&account.service_id) {
                pending::decide(tx, (server_id, account.service_id), Kind::Change, false, sample.now).await?;
            }
        }
        all.count(app, tx, sample, server_id, held).await?;
        Ok(all)
    }

    async fn count(
        &mut self,
        app: &App,
        tx: &mut Tx,
        sample: &Sample<'_>,
        server_id: u64,
        held: &mut Held,
    ) -> Result<(), Problem> {
        let baselines = cdn::baselines(tx, server_id).await?;
        let (mut next, mut bookings) = (Vec::with_capacity(self.found.len()), Vec::new());
        for (service_id, found, line) in &self.found {
            let counter = counter_of(found);
            if let Some(before) = baselines.get(service_id) {
                let volume = moved(sample, *service_id, &counter, before);
                if let Some(why) = cannot_be(app, sample, *line, volume, before) {
                    self.doubted += 1;
                    let bytes = volume.total().0;
                    tracing::warn!(service.id = service_id, bytes, %why, "CDN traffic put into quarantine");
                    let since = sample.since(before.booked_at, Some(before.uptime_seconds));
                    let (whose, interval) = ((*service_id, server_id), (since, sample.now));
                    quarantine::put(tx, whose, interval, (volume, By::Cdn, Bytes::ZERO), &why).await?;
                    next.push((*service_id, sample.cdn_baseline(counter)));
                    continue;
                }
                self.bytes = self.bytes.saturating_add(volume.total().0);
                bookings.extend(share(app, sample, (*service_id, before), volume, held));
            }
            next.push((*service_id, sample.cdn_baseline(counter)));
        }
        history::add(tx, &bookings).await?;
        cdn::store(tx, server_id, &next).await?;
        // Whose queue is not there, or not wanted any more, begins anew when it comes back: what it shows then was moved
        // since, and not in all the time since its last reading.
        let found: HashSet<u64> = next.iter().map(|(service_id, _)| *service_id).collect();
        if !baselines.keys().all(|service_id| found.contains(service_id)) {
            cdn::forget_others(tx, server_id, sample.began).await?;
        }
        Ok(())
    }

    /// Queues, by id, that are not set to what has been decided.
    pub(super) fn to_set(&self, held: &Held) -> Vec<(String, Rate)> {
        let differs = |(service_id, found, _): &(u64, &Reading, Speed)| {
            let rate = Rate::plain(held.get(*service_id)?.cdn_speed?);
            (!found.shape.as_ref()?.runs_at(rate)).then(|| (found.id().to_owned(), rate))
        };
        self.found.iter().filter_map(differs).collect()
    }
}

/// What a queue moved since it was booked.
fn moved(sample: &Sample<'_>, service_id: u64, counter: &Counter, before: &Baseline) -> Volume {
    let reboot = reading::rebooted(before.uptime_seconds, before.booked_at, sample.uptime_seconds, sample.began);
    let delta = reading::delta(&before.counter, counter, reboot);
    if delta.restarted || reboot != Reboot::No {
        tracing::info!(service.id = service_id, "the CDN queue's counter began again since it was read last");
    }
    delta.volume
}

/// Why a queue cannot have moved that much, or has not: the counter of another router. These are never reset, and show all
/// their life.
fn cannot_be(app: &App, sample: &Sample<'_>, line: Speed, volume: Volume, before: &Baseline) -> Option<String> {
    let factor = app.config.collect.sanity_factor.unwrap_or(0.0);
    let elapsed = sample.elapsed(before.booked_at, Some(before.uptime_seconds));
    let fits = reading::plausible(volume, line, elapsed, factor);
    if volume.is_zero() {
        return None;
    }
    let why = || format!("more than {factor} times what its queue lets pass in {} s", elapsed.num_seconds());
    (!fits).then(why).or_else(|| sample.is_anothers(app, (Some(before.uptime_seconds), before.booked_at)))
}

/// Counts what was moved to the day's and the cycle's CDN traffic; its bookings, of which nothing is counted elsewhere.
fn share(
    app: &App,
    sample: &Sample<'_>,
    (service_id, before): (u64, &Baseline),
    volume: Volume,
    held: &mut Held,
) -> Vec<Booking> {
    let Some(fair) = held.get_mut(service_id).filter(|_| !volume.is_zero()) else { return Vec::new() };
    let edges = [fair.day_began_at, fair.cycle_began_at];
    let mut bookings: Vec<Booking> = Vec::new();
    let since = sample.since(before.booked_at, Some(before.uptime_seconds));
    for piece in days::pieces(volume, since, sample.now, &edges, app.config.zone) {
        fair.count_cdn(piece.at, piece.volume.total(), sample.now);
        match bookings.last_mut().filter(|it| it.day == piece.day) {
            Some(same) => same.raw += piece.volume,
            None => bookings.push(Booking { service_id, day: piece.day, raw: piece.volume, counted: Volume::ZERO }),
        }
    }
    bookings
}
