//! Simple queues: the counters of traffic and the limits of speed.
//!
//! RouterOS writes every pair of a queue as `upload/download`, seen from its target, which is the customer. Here they
//! become `up` and `down`, by name.

use super::{
    Error, MOST_IDS, Mark, Reading, Refusal, Router,
    command::Command,
    facts::{property, since, uptime},
    reading::{READING, READING_AND_SHAPE, reading},
    value::{rates, seconds, single, text, truth},
    wanted::settle,
    wire::Row,
};
use crate::{
    plan::burst::{Burst, Rate},
    units::{Kbps, Speed},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
};

/// The properties of a [`QueueRow`].
pub(super) const ROW: &str = ".id,name,target,max-limit,burst-limit,burst-threshold,burst-time,packet-marks,queue,disabled,dynamic,\
     comment";
pub(super) const PRINT: &str = "/queue/simple/print";
pub(super) const SET: &str = "/queue/simple/set";
/// Changes of many queues in flight: as many as a router is asked to bear.
const AT_ONCE: usize = 4;
/// Commands of one call, besides one for each batch, to find which queues of a batch are refused.
const MOST_MORE: usize = 200;

/// A queue's limits as the router shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// `max-limit`.
    pub max_limit: Rates,
    /// `burst-limit`; zero where there is none.
    pub burst_limit: Rates,
    /// `burst-threshold`.
    pub burst_threshold: Rates,
    /// `burst-time`, seconds down and up.
    pub burst_seconds: (u64, u64),
}

impl Shape {
    /// Whether the limits are these, numerically.
    pub fn runs_at(&self, rate: Rate) -> bool {
        if self.max_limit != rate.speed.into() {
            return false;
        }
        match rate.burst {
            None => self.burst_limit == Rates::default(),
            Some(Burst { limit, threshold, seconds }) => {
                self.burst_limit == limit.into()
                    && self.burst_threshold == threshold.into()
                    && self.burst_seconds == (u64::from(seconds), u64::from(seconds))
            }
        }
    }

    /// The most that it lets pass each way, rounded up to kbit/s.
    pub fn fastest(&self) -> Speed {
        let one = |limit: u64, burst: u64| {
            let most = if limit == 0 { 0 } else { limit.max(burst) };
            Kbps(u32::try_from(most.div_ceil(1000)).unwrap_or(u32::MAX))
        };
        Speed { down: one(self.max_limit.down, self.burst_limit.down), up: one(self.max_limit.up, self.burst_limit.up) }
    }
}

/// Rates in bit/s, customer's view; 0 is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rates {
    /// Towards the customer.
    pub down: u64,
    /// From the customer.
    pub up: u64,
}

impl From<Speed> for Rates {
    fn from(speed: Speed) -> Self {
        Self { down: u64::from(speed.down.0) * 1000, up: u64::from(speed.up.0) * 1000 }
    }
}

impl Rates {
    /// The same as a speed; a broken kbit/s is rounded up, so that a limit never becomes none.
    pub fn speed(self) -> Speed {
        let kbps = |rate: u64| Kbps(u32::try_from(rate.div_ceil(1000)).unwrap_or(u32::MAX));
        Speed { down: kbps(self.down), up: kbps(self.up) }
    }

    /// As RouterOS writes it: `upload/download`.
    pub(super) fn words(self) -> String {
        format!("{}/{}", self.up, self.down)
    }

    fn read(text: &str) -> Option<Self> {
        rates(text).map(|(up, down)| Self { down, up })
    }
}

/// A simple queue as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// RouterOS's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Addresses, prefixes or interfaces, joined by commas.
    pub target: String,
    /// `max-limit`.
    pub max_limit: Rates,
    /// `burst-limit`; zero where there is none.
    pub burst_limit: Rates,
    /// `burst-threshold`.
    pub burst_threshold: Rates,
    /// `burst-time`, seconds down and up.
    pub burst_seconds: (u64, u64),
    /// Whether it is switched off.
    pub disabled: bool,
    /// Its comment; see [`Mark`].
    pub comment: String,
    /// The packet marks that it takes, joined by commas; empty: all packets.
    pub packet_marks: String,
    /// Its queue types, `upload/download`.
    pub kinds: String,
    /// How many queues of the same print came before it: packets go to the first queue that takes them.
    pub place: usize,
}

/// Reads a row of a print with the properties [`ROW`]. Dynamic queues are passed over.
pub(super) fn queue(row: &Row<'_>) -> Result<Option<QueueRow>, String> {
    if row.get("dynamic").is_some_and(truth) {
        return Ok(None);
    }
    let name = property(row, "name");
    let Shape { max_limit, burst_limit, burst_threshold, burst_seconds } = shape(row)?;
    let id = property(row, ".id");
    if id.is_empty() {
        return Err(format!("queue {name:?} without an id"));
    }
    Ok(Some(QueueRow {
        id,
        target: property(row, "target"),
        max_limit,
        burst_limit,
        burst_threshold,
        burst_seconds,
        disabled: row.get("disabled").is_some_and(truth),
        comment: property(row, "comment"),
        packet_marks: property(row, "packet-marks"),
        kinds: property(row, "queue"),
        place: 0,
        name,
    }))
}

/// Queues in the router's order, as they were printed, knowing their places.
pub(super) fn placed(mut queues: Vec<QueueRow>) -> Vec<QueueRow> {
    for (place, row) in queues.iter_mut().enumerate() {
        row.place = place;
    }
    queues
}

/// The limits in a row; absent ones are none.
pub(super) fn shape(row: &Row<'_>) -> Result<Shape, String> {
    let rates = |key: &str| match row.get(key).map(text).as_deref() {
        None | Some("") => Ok(Rates::default()),
        Some(some) => {
            Rates::read(some).ok_or_else(|| format!("a {key} of {some:?} on queue {:?}", property(row, "name")))
        }
    };
    let time = row.get("burst-time").map(text).unwrap_or_default();
    let (up, down) = time.split_once('/').unwrap_or((&time, &time));
    Ok(Shape {
        max_limit: rates("max-limit")?,
        burst_limit: rates("burst-limit")?,
        burst_threshold: rates("burst-threshold")?,
        burst_seconds: (seconds(down).unwrap_or_default(), seconds(up).unwrap_or_default()),
    })
}

/// What every static queue has counted: one print, complete or an error.
///
/// # Errors
/// Any [`Error`] of a print; `Strange` also for a row whose counters cannot be read.
pub async fn counters(router: &Router) -> Result<Vec<Reading>, Error> {
    router.print(Command::print(PRINT, READING), reading).await
}

/// The same with the router's uptime in seconds, over one connection: a router that was restarted between the two would
/// have cut it, so the uptime belongs to these counters. What each queue is set to is asked for where it is wanted.
///
/// # Errors
/// As [`counters`].
pub async fn counters_and_uptime(router: &Router, shapes: bool) -> Result<(u64, Vec<Reading>), Error> {
    let up = |row: &Row<'_>| Ok(Some(property(row, "uptime")));
    let properties = if shapes { READING_AND_SHAPE } else { READING };
    let (up, readings) = router.print_both((uptime(), up), (Command::print(PRINT, properties), reading)).await?;
    Ok((since(router, up)?, readings))
}

/// What a service's queue has counted; None where it has none.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn counter(router: &Router, username: &str, mark: &Mark) -> Result<Option<Reading>, Error> {
    let rows = router.print(Command::print(PRINT, READING).any("name", username), reading).await?;
    Ok(rows.into_iter().find(|reading| reading.is_of(mark)))
}

/// Sets a service's speed with or without a burst. Sessions stay. False where it has no queue.
///
/// # Errors
/// Any [`Error`]; after `OutcomeUnknown` it was tried to find out, in vain.
pub async fn set_rate(router: &Router, username: &str, mark: &Mark, rate: Rate) -> Result<bool, Error> {
    settle(router, |router| async move {
        let found = router.print(Command::print(PRINT, ROW).any("name", username), queue).await?;
        let Some(ours) = found.into_iter().find(|row| mark.owns(&row.comment)) else { return Ok(false) };
        if !ours.runs_at(rate) {
            change(&router, &ours.id, limits(Command::write(SET).set(".id", &ours.id), rate)).await?;
        }
        Ok(true)
    })
    .await
}

/// The arguments that set a speed.
pub(super) fn limits(command: Command, rate: Rate) -> Command {
    let none = Burst { limit: Speed::default(), threshold: Speed::default(), seconds: 0 };
    let Burst { limit, threshold, seconds } = rate.burst.unwrap_or(none);
    command
        .set("max-limit", &Rates::from(rate.speed).words())
        .set("burst-limit", &Rates::from(limit).words())
        .set("burst-threshold", &Rates::from(threshold).words())
        .set("burst-time", &format!("{seconds}s/{seconds}s"))
}

/// Changes a queue of ours. RouterOS refuses a limit below the queue's `limit-at`, which nothing of ours sets: what somebody
/// entered there would hold the customer to another speed than the books say, so it goes, and the change is to be made again.
///
/// # Errors
/// Any [`Error`]; `BelowLeast` once the way is clear.
pub(super) async fn change(router: &Router, id: &str, command: Command) -> Result<Option<String>, Error> {
    let made = router.write(command).await;
    if matches!(&made, Err(error) if error.refusal() == Some(Refusal::BelowLeast)) {
        let none = Rates::default().words();
        router.write(Command::write(SET).set(".id", id).set("limit-at", &none)).await?;
    }
    made
}

/// Queue types as RouterOS writes them, `upload/download`; one stands for both.
pub(super) fn both_kinds(kinds: &str) -> String {
    if kinds.contains('/') { kinds.to_owned() } else { format!("{kinds}/{kinds}") }
}

impl QueueRow {
    /// Whether it counts and limits this address and nothing else.
    pub fn is_for(&self, address: Ipv4Addr) -> bool {
        single(&self.target) == Some(address)
    }

    /// The addresses among its targets; a prefix or an interface is none.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.target.split(',').filter_map(single)
    }

    /// Whether its types are these; one stands for both directions.
    pub(super) fn is_of_kind(&self, wanted: &str) -> bool {
        both_kinds(&self.kinds) == both_kinds(wanted)
    }

    /// Whether its limits are these, numerically.
    pub(super) fn runs_at(&self, rate: Rate) -> bool {
        let Self { max_limit, burst_limit, burst_threshold, burst_seconds, .. } = *self;
        Shape { max_limit, burst_limit, burst_threshold, burst_seconds }.runs_at(rate)
    }
}

/// What became of setting many speeds.
#[derive(Debug, Default)]
pub struct SetRates {
    /// Queues that are known to be set.
    pub set: usize,
    /// Those of which that is not known, or known not to be.
    pub unset: usize,
    /// Those that the router refuses to set, by id, and why.
    pub refused: Vec<(String, Error)>,
    /// Why others are not, the first time.
    pub error: Option<Error>,
}

/// Queues that are to have the same rate.
struct Batch {
    rate: Rate,
    ids: Vec<String>,
}

impl Batch {
    /// By rate, as many together as may be.
    fn of(wanted: &[(String, Rate)]) -> VecDeque<Self> {
        let mut by_rate: BTreeMap<String, (Rate, Vec<String>)> = BTreeMap::new();
        for (id, rate) in wanted.iter().filter(|(id, _)| is_id(id)) {
            by_rate.entry(rate.to_string()).or_insert_with(|| (*rate, Vec::new())).1.push(id.clone());
        }
        let batches = |(rate, ids): &(Rate, Vec<String>)| {
            let rate = *rate;
            ids.chunks(MOST_IDS).map(move |some| Self { rate, ids: some.to_vec() }).collect::<Vec<_>>()
        };
        by_rate.values().flat_map(batches).collect()
    }

    fn command(&self) -> Command {
        limits(Command::write(SET).set(".id", &self.ids.join(",")), self.rate)
    }

    /// Sets them, on the connection that stands.
    async fn set(&self, router: &Router) -> Result<(), Error> {
        let [only] = &self.ids[..] else { return router.write(self.command()).await.map(|_| ()) };
        match change(router, only, self.command()).await {
            Err(error) if error.refusal() == Some(Refusal::BelowLeast) => {
                router.write(self.command()).await.map(|_| ())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    /// Two halves of it.
    fn halves(mut self) -> [Self; 2] {
        let rest = self.ids.split_off(self.ids.len() / 2);
        let rate = self.rate;
        [self, Self { rate, ids: rest }]
    }
}

/// Sets queues, by id, each to its rate, on the connection that stands: those of equal rates together, in batches, a few
/// in flight. Sessions stay. A router stops at the first of a batch that it refuses, so that batch is parted until it is
/// known which one that is, and the others are set: with so many commands more, not without end. Nothing else is tried
/// again: whoever asks reads again.
pub async fn set_rates(router: &Router, wanted: &[(String, Rate)]) -> SetRates {
    let (mut made, mut left) = (SetRates::default(), MOST_MORE);
    let (mut batches, mut in_flight) = (Batch::of(wanted), FuturesUnordered::new());
    loop {
        while in_flight.len() < AT_ONCE
            && let Some(batch) = batches.pop_front()
        {
            let router = router.connected();
            in_flight.push(async move {
                let outcome = batch.set(&router).await;
                (batch, outcome)
            });
        }
        let Some((mut batch, outcome)) = in_flight.next().await else { break };
        match outcome {
            Ok(()) => made.set += batch.ids.len(),
            Err(error) if is_about_one(&error) && batch.ids.len() == 1 => {
                made.refused.extend(batch.ids.pop().map(|id| (id, error)));
            }
            Err(error) if is_about_one(&error) && left > 1 => {
                left -= 2;
                batches.extend(batch.halves());
            }
            Err(error) => made.error = made.error.or(Some(error)),
        }
    }
    made.unset = wanted.len() - made.set;
    made
}

/// Whether a refusal may be of one queue among many: who lacks a policy lacks it for all.
fn is_about_one(error: &Error) -> bool {
    error.refusal().is_some_and(|kind| kind != Refusal::Policy)
}

/// Whether a text is an id as RouterOS writes them: `*` and hexadecimal digits. A name in a list of ids would be taken
/// for an item's name.
pub(super) fn is_id(id: &str) -> bool {
    id.strip_prefix('*').is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
