//! What a caller hands to a router's supervisor: commands, where their rows go, and until when.

use super::{
    command::{Command, Kind},
    error::Failure,
    fence::Fence,
    wire::Row,
};
use tokio::{sync::oneshot, time::Instant};

/// Whether a request may make a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Fails fast while the breaker is open.
    #[default]
    Usual,
    /// Tries although the breaker is open.
    Patient,
    /// Only on the connection that stands: part of something begun on it.
    Connected,
}

/// Commands that are sent back to back on one connection.
pub(super) struct Request {
    /// The commands, at most as many as may be in flight.
    pub(super) jobs: Vec<Job>,
    /// Told when the connection stands; for a caller that wants nothing else.
    pub(super) opened: Option<oneshot::Sender<Result<(), Failure>>>,
    pub(super) urgency: Urgency,
    /// Writes are sent only while it is open.
    pub(super) fence: Option<Fence>,
    /// The caller's own deadline.
    pub(super) deadline: Option<Instant>,
    /// Until when it may wait to be sent.
    pub(super) expires: Instant,
}

/// One command and its sink.
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) sink: Box<dyn Sink>,
    /// A deadline in place of the usual one: a write that waits behind a long print.
    pub(super) until: Option<Instant>,
}

impl Request {
    /// Ends everything in it; nothing of it was sent.
    pub(super) fn fail(self, failure: &Failure) {
        for job in self.jobs {
            job.sink.end(Err(failure.clone()));
        }
        if let Some(opened) = self.opened {
            let _gone = opened.send(Err(failure.clone()));
        }
    }

    /// The fence to ask before it is sent: reads need none.
    pub(super) fn guard(&self) -> Option<&Fence> {
        self.fence.as_ref().filter(|_| self.jobs.iter().any(|job| job.command.kind() == Kind::Write))
    }

    /// Whether anyone still waits for it.
    pub(super) fn wanted(&self) -> bool {
        self.jobs.iter().any(|job| job.sink.wanted()) || self.opened.as_ref().is_some_and(|opened| !opened.is_closed())
    }
}

/// Where a command's reply goes, row by row as it streams in.
pub(super) trait Sink: Send {
    /// One `!re`.
    fn row(&mut self, row: &Row<'_>);
    /// Whether the caller still waits.
    fn wanted(&self) -> bool;
    /// The end: with the `=ret=` of a complete reply, or why there is none.
    fn end(self: Box<Self>, end: Result<Option<String>, Failure>);
}

/// A complete reply.
pub(super) struct Reply<T> {
    /// What was taken from the rows.
    pub(super) rows: Vec<T>,
    /// The `=ret=` of its `!done`.
    pub(super) ret: Option<String>,
}

/// A sink that takes something from each row.
struct Collect<T, F> {
    rows: Vec<T>,
    take: F,
    strange: Option<String>,
    answer: oneshot::Sender<Result<Reply<T>, Failure>>,
}

impl<T, F> Sink for Collect<T, F>
where
    T: Send,
    F: FnMut(&Row<'_>) -> Result<Option<T>, String> + Send,
{
    fn row(&mut self, row: &Row<'_>) {
        if self.strange.is_none() {
            match (self.take)(row) {
                Ok(Some(taken)) => self.rows.push(taken),
                Ok(None) => {}
                Err(strange) => self.strange = Some(strange),
            }
        }
    }

    fn wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn end(self: Box<Self>, end: Result<Option<String>, Failure>) {
        let Self { rows, strange, answer, .. } = *self;
        let reply = match (end, strange) {
            (Ok(_), Some(strange)) => Err(Failure::Strange(strange)),
            (Ok(ret), None) => Ok(Reply { rows, ret }),
            (Err(failure), _) => Err(failure),
        };
        let _gone = answer.send(reply);
    }
}

/// A caller's half of a command.
pub(super) struct Pending<T> {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) answer: oneshot::Receiver<Result<Reply<T>, Failure>>,
}

/// Makes a command ready to be handed over; `take` reads each row.
///
/// # Errors
/// A value in it must not be sent.
pub(super) fn job<T, F>(command: Command, take: F) -> Result<(Job, Pending<T>), Failure>
where
    T: Send + 'static,
    F: FnMut(&Row<'_>) -> Result<Option<T>, String> + Send + 'static,
{
    if let Some(wrong) = command.wrong() {
        return Err(Failure::Unsendable(wrong.to_owned()));
    }
    let (sender, answer) = oneshot::channel();
    let pending = Pending { path: command.path(), kind: command.kind(), answer };
    let sink = Box::new(Collect { rows: Vec::new(), take, strange: None, answer: sender });
    Ok((Job { command, sink, until: None }, pending))
}
