//! Reading counters and setting them to zero, with as little counted in between as can be.
//!
//! RouterOS has no "take and clear". What a customer moves between the print of its row and the reset of its queue is
//! lost to the books, so no row waits for more than the hundred that are reset with it. And a row must be known to be older
//! than the reset, or its bytes would be booked twice: a reset is sent when its rows are here.

use super::{
    Error, MOST_IDS, Reading, Refusal, Router,
    command::Command,
    error::Failure,
    queues::{PRINT, is_id},
    reading::{READING, reading},
    request::{Job, Request, Sink},
    wire::Row,
};
use crate::steps;
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

const RESET: &str = "/queue/simple/reset-counters";
/// Resets of one collection in flight: with the print they are as many as a router is asked to bear.
const AT_ONCE: usize = 3;

/// What became of reading and resetting a batch of counters.
#[derive(Debug)]
pub enum Reset {
    /// Both replies were complete: the counters as they were just before they were set to zero.
    Done(Vec<Reading>),
    /// The reset was sent, and it is not known whether it was carried out: read again.
    Unknown,
    /// The router refused it. Of several ids some may have been reset all the same: read again.
    Refused(Error),
    /// It was not sent; no counter was touched.
    NotSent(Error),
}

/// Reads and resets these counters of a router in one print and ⌈N/100⌉ resets. Each batch's reset is sent as soon
/// as its rows have come in, while the print goes on: so no row waits for the rest of the print, and no reset can
/// overtake the row it belongs to. The batches are in the router's order; ids that the print did not show come in
/// batches `NotSent` (no such item). Without the print's own `!done` no batch is `Done`.
///
/// A row that `ours` does not know is as good as gone. An id alone may name another queue than it did when it was read: one
/// made by hand after a restart.
pub async fn read_and_reset(
    router: &Router,
    ids: &[String],
    ours: impl Fn(&Reading) -> bool + Send + 'static,
) -> Vec<(Vec<String>, Reset)> {
    if ids.is_empty() {
        return Vec::new();
    }
    let none = |error: &Error| batched(ids, || Reset::NotSent(error.clone()));
    if let Err(error) = are_ids(router, ids) {
        return none(&error);
    }
    let (ready, batches) = mpsc::unbounded_channel();
    let (answer, printed) = oneshot::channel();
    let broken = Arc::new(AtomicBool::new(false));
    let sink = Box::new(Batches {
        missing: ids.iter().cloned().collect(),
        ours: Box::new(ours),
        batch: Vec::new(),
        strange: None,
        ready,
        broken: Arc::clone(&broken),
        answer,
    });
    let print = Job { command: Command::print(PRINT, READING), sink, until: None };
    if let Err(failure) = router.submit(Request { jobs: vec![print], ..router.request() }).await {
        return none(&router.error(failure, PRINT));
    }
    let resets = reset_as_they_come(router, batches, &broken).await;
    let _step = steps::step(PRINT);
    let printed = printed.await.unwrap_or_else(|_| Err(Failure::Away("the connection was closed".to_owned())));
    match printed {
        Ok(missing) => {
            let done = |(batch, reset): (Vec<Reading>, Result<(), Reset>)| {
                (ids_of(&batch), reset.err().unwrap_or(Reset::Done(batch)))
            };
            let mut all: Vec<_> = resets.into_iter().map(done).collect();
            all.extend(batched(&missing, || Reset::NotSent(no_such_item(router))));
            all
        }
        Err(failure) => {
            let error = router.error(failure, PRINT);
            let doubtful = |(batch, reset): (Vec<Reading>, Result<(), Reset>)| {
                (ids_of(&batch), reset.err().unwrap_or(Reset::Unknown))
            };
            let mut all: Vec<_> = resets.into_iter().map(doubtful).collect();
            let sent: HashSet<String> = all.iter().flat_map(|(ids, _)| ids.iter().cloned()).collect();
            let rest: Vec<_> = ids.iter().filter(|id| !sent.contains(*id)).cloned().collect();
            all.extend(batched(&rest, || Reset::NotSent(error.clone())));
            all
        }
    }
}

/// Resets each batch when its rows are in; once the print has broken, no further one.
async fn reset_as_they_come(
    router: &Router,
    mut batches: mpsc::UnboundedReceiver<Vec<Reading>>,
    broken: &AtomicBool,
) -> Vec<(Vec<Reading>, Result<(), Reset>)> {
    let (mut flying, mut all) = (FuturesUnordered::new(), Vec::new());
    loop {
        tokio::select! {
            biased;
            Some(done) = flying.next() => all.push(done),
            Some(batch) = batches.recv(), if flying.len() < AT_ONCE => {
                if !broken.load(Relaxed) {
                    flying.push(reset_batch(router, batch));
                }
            }
            else => return all,
        }
    }
}

async fn reset_batch(router: &Router, batch: Vec<Reading>) -> (Vec<Reading>, Result<(), Reset>) {
    // On the connection that the rows came by; a router that does one thing at a time gets to it after the print.
    let router = router.connected();
    let until = Instant::now() + router.limits().print + router.limits().write;
    let made = reset_command(&router, &ids_of(&batch)).and_then(|command| router.job(command, |_| Ok(None::<()>)));
    let (job, outcome) = match made {
        Ok(made) => made,
        Err(error) => return (batch, Err(Reset::NotSent(error))),
    };
    let job = Job { until: Some(until), ..job };
    if let Err(failure) = router.submit(Request { jobs: vec![job], ..router.request() }).await {
        return (batch, Err(Reset::NotSent(router.error(failure, RESET))));
    }
    let reset = router.settle(outcome).await;
    (batch, reset.map(|_| ()).map_err(|failure| not_done(&router, failure)))
}

/// What a reset's failure says: a trap is a refusal, a lost reply leaves it open, anything else came before sending.
fn not_done(router: &Router, failure: Failure) -> Reset {
    match failure {
        Failure::Unknown => Reset::Unknown,
        Failure::Trapped(_) => Reset::Refused(router.error(failure, RESET)),
        before => Reset::NotSent(router.error(before, RESET)),
    }
}

fn are_ids(router: &Router, ids: &[String]) -> Result<(), Error> {
    match ids.iter().find(|id| !is_id(id)) {
        Some(other) => Err(router.error(Failure::Unsendable(format!("{other:?} is not the id of a queue")), RESET)),
        None => Ok(()),
    }
}

fn reset_command(router: &Router, ids: &[String]) -> Result<Command, Error> {
    are_ids(router, ids)?;
    if ids.len() > MOST_IDS {
        return Err(router.error(Failure::Unsendable(format!("{} ids in one reset", ids.len())), RESET));
    }
    Ok(Command::write(RESET).set("numbers", &ids.join(",")))
}

fn no_such_item(router: &Router) -> Error {
    let words = "no such item: the queue was not in the print".to_owned();
    Error::Refused { router: router.name().to_owned(), command: RESET.to_owned(), words, kind: Refusal::NoSuchItem }
}

fn ids_of(batch: &[Reading]) -> Vec<String> {
    batch.iter().map(|reading| reading.id().to_owned()).collect()
}

fn batched(ids: &[String], outcome: impl Fn() -> Reset) -> Vec<(Vec<String>, Reset)> {
    ids.chunks(MOST_IDS).map(|some| (some.to_vec(), outcome())).collect()
}

/// The sink of the whole router's print: passes on the wanted rows a hundred at a time.
struct Batches {
    missing: HashSet<String>,
    ours: Box<dyn Fn(&Reading) -> bool + Send>,
    batch: Vec<Reading>,
    strange: Option<String>,
    ready: mpsc::UnboundedSender<Vec<Reading>>,
    broken: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Vec<String>, Failure>>,
}

impl Sink for Batches {
    fn row(&mut self, row: &Row<'_>) {
        if self.strange.is_some() {
            return;
        }
        match reading(row) {
            Ok(Some(seen)) if (self.ours)(&seen) && self.missing.remove(seen.id()) => self.batch.push(seen),
            Ok(_) => {}
            Err(strange) => {
                self.broken.store(true, Relaxed);
                self.strange = Some(strange);
            }
        }
        if self.batch.len() == MOST_IDS {
            let _gone = self.ready.send(std::mem::take(&mut self.batch));
        }
    }

    fn wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn end(self: Box<Self>, end: Result<Option<String>, Failure>) {
        let Self { missing, batch, strange, ready, broken, answer, .. } = *self;
        let _gone = match (end, strange) {
            (Ok(_), None) => {
                if !batch.is_empty() {
                    let _gone = ready.send(batch);
                }
                answer.send(Ok(missing.into_iter().collect()))
            }
            (end, strange) => {
                broken.store(true, Relaxed);
                answer.send(Err(end.err().or(strange.map(Failure::Strange)).unwrap_or(Failure::Unknown)))
            }
        };
    }
}
