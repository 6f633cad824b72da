//! One connection at work: what is in flight, what waits, what each reply means.
//!
//! The supervisor's task reads; a task of its own writes, so that a router that stops reading while it answers cannot
//! lock both sides up. A command ends by its `!done`, by its deadline, or with the connection. One that ran out of time
//! is cancelled and kept as a zombie for five seconds; if it does not end then, the connection does. But not while the
//! router may only be slow, and come to it in its turn: while it says anything, or something else in flight has time left
//! by its own limits, the zombie is borne with, as long as a print may take. Until the router says anything again nothing
//! more is sent to it: what waits goes on the next connection, unharmed.

use super::{
    Limits,
    command::{Command, Kind},
    dial::{Session, Socket, Stream},
    error::Failure,
    fence::Fence,
    flight::{CANCEL, InFlight, fatal},
    request::{Job, Request},
    standing::Standing,
    value::text,
    wire::{Framer, Row},
};
use mikrotik_rs::proto::Tag;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Commands in flight at most: more make a router slower, not faster.
const IN_FLIGHT: usize = 4;
/// Requests that wait at most; further callers wait in the channel.
const WAITING: usize = 64;
/// How long a command that ran out of time may take to end, where nothing speaks for the router.
const ZOMBIE: Duration = Duration::from_secs(5);
/// A connection that nobody used for so long is closed.
const IDLE: Duration = Duration::from_mins(5);
/// What is in flight gets so long when the connection is told to close.
const PARTING: Duration = Duration::from_secs(5);
/// Why a connection ended.
pub(super) enum End {
    /// Nobody used it, or every handle is gone, or it was told to.
    Closed,
    /// It broke, with nothing wrong in what the router said.
    Lost(String),
    /// The router broke the protocol.
    Strange(String),
}

/// Bytes for the router, and the fence that must be open for them.
type Outgoing = (Zeroizing<Vec<u8>>, Option<Fence>);

/// A connection that is logged in.
pub(super) struct Link<'a> {
    read: ReadHalf<Box<dyn Stream>>,
    socket: Option<Socket>,
    framer: Framer,
    writer: Option<mpsc::UnboundedSender<Outgoing>>,
    writing: JoinHandle<std::io::Result<()>>,
    flying: HashMap<Tag, InFlight>,
    limits: &'a Limits,
    standing: &'a watch::Sender<Standing>,
    used: Instant,
    /// Since when something has been in flight, while anything is.
    asked: Instant,
    /// When anything last arrived, and since when it is in doubt whether anything will.
    heard: Instant,
    doubted: Option<Instant>,
    parting: Option<Instant>,
    /// Replies that came to their `!done`.
    pub(super) served: u64,
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

impl<'a> Link<'a> {
    pub(super) fn new(session: Session, limits: &'a Limits, standing: &'a watch::Sender<Standing>) -> Self {
        let (read, write) = tokio::io::split(session.stream);
        let (writer, queue) = mpsc::unbounded_channel();
        Self {
            read,
            socket: session.socket,
            framer: session.framer,
            writer: Some(writer),
            writing: tokio::spawn(write_on(write, queue)),
            flying: HashMap::new(),
            limits,
            standing,
            used: Instant::now(),
            asked: Instant::now(),
            heard: Instant::now(),
            doubted: None,
            parting: None,
            served: 0,
        }
    }

    /// Serves requests until the connection ends. What waits unsent stays in `waiting`; what was sent is answered.
    pub(super) async fn run(
        &mut self,
        waiting: &mut VecDeque<Request>,
        requests: &mut mpsc::Receiver<Request>,
        closing: &CancellationToken,
    ) -> End {
        let end = self.serve(waiting, requests, closing).await;
        if let (Some(socket), End::Lost(_) | End::Strange(_)) = (&self.socket, &end) {
            socket.forget_what_is_on_its_way();
        }
        for (_, command) in self.flying.drain() {
            let Some(sink) = command.sink else { continue };
            sink.end(Err(match (&end, command.kind) {
                (_, Kind::Write) => Failure::Unknown,
                (End::Strange(what), Kind::Read) => Failure::Strange(what.clone()),
                (End::Lost(why), Kind::Read) => Failure::Away(why.clone()),
                (End::Closed, Kind::Read) => Failure::Away("the connection was closed".to_owned()),
            }));
        }
        self.writer = None;
        if matches!(end, End::Closed) {
            // The last words and TLS's own farewell; a router that does not take them is left all the same.
            let _slow = tokio::time::timeout(Duration::from_secs(1), &mut self.writing).await;
        }
        end
    }

    async fn serve(
        &mut self,
        waiting: &mut VecDeque<Request>,
        requests: &mut mpsc::Receiver<Request>,
        closing: &CancellationToken,
    ) -> End {
        loop {
            if let Err(end) = self.digest() {
                return end;
            }
            let now = Instant::now();
            if let Err(end) = self.expire(now) {
                return end;
            }
            self.dispatch(waiting, now);
            if self.flying.is_empty() {
                if self.parting.is_some() {
                    return End::Closed;
                }
                if now >= self.used + IDLE {
                    return End::Closed;
                }
            }
            let wake = self.wake(waiting);
            self.tell();
            tokio::select! {
                read = self.read.read_buf(self.framer.room()) => match read {
                    Ok(0) => return End::Lost("it closed the connection".to_owned()),
                    Ok(_) => self.heard = Instant::now(),
                    Err(error) => return End::Lost(format!("the connection broke: {error}")),
                },
                request = requests.recv(), if waiting.len() < WAITING && self.parting.is_none() => match request {
                    Some(request) => waiting.push_back(request),
                    None => self.parting = Some(Instant::now() + PARTING),
                },
                () = closing.cancelled(), if self.parting.is_none() => self.parting = Some(Instant::now() + PARTING),
                () = sleep_until(wake) => {}
                written = &mut self.writing => return End::Lost(match written {
                    Ok(Err(error)) => format!("the connection broke: {error}"),
                    _ => "the connection broke".to_owned(),
                }),
            }
        }
    }

    /// Says since when an answer has been waited for.
    fn tell(&self) {
        let since = (!self.flying.is_empty()).then(|| self.heard.max(self.asked));
        self.standing.send_if_modified(|it| {
            let news = it.waiting_since != since;
            it.waiting_since = since;
            news
        });
    }

    /// The next instant at which something runs out.
    fn wake(&self, waiting: &VecDeque<Request>) -> Instant {
        let idle = self.flying.is_empty().then(|| self.used + IDLE);
        let flying = self.flying.values().map(InFlight::runs_out);
        let waiting = waiting.iter().map(|request| request.expires);
        let next = flying.chain(waiting).chain(idle).chain(self.parting).min();
        next.unwrap_or_else(|| self.used + IDLE)
    }

    /// Sends what fits: whole requests in their order, back to back.
    fn dispatch(&mut self, waiting: &mut VecDeque<Request>, now: Instant) {
        waiting.retain(Request::wanted);
        let mut at = 0;
        while at < waiting.len() {
            if waiting[at].expires <= now {
                if let Some(request) = waiting.remove(at) {
                    request.fail(&Failure::Away("it was too busy to take the command in time".to_owned()));
                }
            } else {
                at += 1;
            }
        }
        if self.parting.is_some() {
            for request in waiting.drain(..) {
                request.fail(&Failure::Away("the connection was closed".to_owned()));
            }
        }
        if self.doubted.is_some_and(|since| since >= self.heard) {
            return;
        }
        while waiting.front().is_some_and(|next| self.flying.len() + next.jobs.len() <= IN_FLIGHT) {
            let Some(request) = waiting.pop_front() else { break };
            self.send(request, now);
        }
    }

    fn send(&mut self, request: Request, now: Instant) {
        let fence = request.guard().cloned();
        if fence.as_ref().is_some_and(|fence| !fence.is_open()) {
            return request.fail(&Failure::Fenced);
        }
        self.used = now;
        if self.flying.is_empty() {
            self.asked = now;
        }
        let mut bytes = Zeroizing::new(Vec::new());
        for Job { mut command, sink, until } in request.jobs {
            let (path, kind) = (command.path(), command.kind());
            let (limit, idle) = match kind {
                Kind::Read => (self.limits.print, Some(self.limits.print_idle)),
                Kind::Write => (self.limits.write, None),
            };
            let until = until.unwrap_or(now + limit);
            let until = request.deadline.map_or(until, |deadline| deadline.min(until));
            let secrets = command.take_secrets();
            let (tag, words) = command.encode();
            bytes.extend_from_slice(&words);
            let silent_after = idle.map(|idle| now + idle);
            let mut flying = InFlight::new(path, kind, Some(sink), until);
            flying.silent_after = silent_after;
            flying.secrets = secrets;
            self.flying.insert(tag, flying);
        }
        if let Some(opened) = request.opened {
            let _gone = opened.send(Ok(()));
        }
        self.write(bytes, fence);
    }

    /// Hands bytes to the writer. One that has ended is noticed by the loop.
    fn write(&self, bytes: Zeroizing<Vec<u8>>, fence: Option<Fence>) {
        if let Some(writer) = self.writer.as_ref().filter(|_| !bytes.is_empty()) {
            let _ended = writer.send((bytes, fence));
        }
    }

    /// Reads every whole sentence that has arrived.
    fn digest(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let mut framer = std::mem::take(&mut self.framer);
        let outcome = loop {
            match framer.next() {
                Ok(None) => break Ok(()),
                Ok(Some(row)) => {
                    if let Err(end) = self.sentence(&row, now) {
                        break Err(end);
                    }
                }
                Err(what) => break Err(End::Strange(what)),
            }
        };
        self.framer = framer;
        outcome
    }

    fn sentence(&mut self, row: &Row<'_>, now: Instant) -> Result<(), End> {
        let kind = row.kind();
        if kind == b"!fatal" {
            return Err(End::Lost(format!("it ended the session: {}", fatal(row))));
        }
        if !kind.starts_with(b"!") {
            return Err(End::Strange(format!("a reply that begins with {:?}", text(&kind[..kind.len().min(40)]))));
        }
        let Some(tag) = row.tag() else {
            return Err(End::Strange(format!("{} without a tag", text(&kind[..kind.len().min(40)]))));
        };
        let tag = Tag::try_from(tag).map_err(|_wrong| End::Strange("a tag that is not ours".to_owned()))?;
        let Some(command) = self.flying.get_mut(&tag) else {
            // Tags are never used twice, so this can only be the late end of something already answered.
            tracing::debug!(%tag, "a reply to nothing that is in flight");
            return Ok(());
        };
        match kind {
            b"!re" => {
                if command.row(row, now, self.limits) {
                    self.give_up(tag, now);
                }
            }
            b"!done" => {
                self.served += 1;
                self.used = now;
                if self.served == 1 {
                    self.standing.send_modify(Standing::answered);
                }
                if let Some(command) = self.flying.remove(&tag) {
                    command.done(row.get("ret").map(|ret| text(ret).into_owned()));
                }
            }
            b"!trap" => command.trap(row),
            // It says that there are no rows; the `!done` is still to come.
            b"!empty" => {}
            other => tracing::debug!(word = %text(&other[..other.len().min(40)]), "a reply word that is not known"),
        }
        Ok(())
    }

    /// Ends what ran out of time.
    fn expire(&mut self, now: Instant) -> Result<(), End> {
        if self.parting.is_some_and(|parting| parting <= now) {
            return Err(End::Closed);
        }
        let late: Vec<Tag> = self.flying.iter().filter(|(_, c)| c.runs_out() <= now).map(|(tag, _)| *tag).collect();
        for tag in late {
            let Some(command) = self.flying.get_mut(&tag) else { continue };
            let Some(sink) = command.sink.take() else {
                self.bear(tag, now)?;
                continue;
            };
            sink.end(Err(match command.kind {
                Kind::Write => Failure::Unknown,
                Kind::Read => Failure::Away(format!("it did not answer {} in time", command.path)),
            }));
            self.give_up(tag, now);
        }
        Ok(())
    }

    /// Makes a zombie of a command and cancels it.
    fn give_up(&mut self, tag: Tag, now: Instant) {
        let Some(command) = self.flying.get_mut(&tag) else { return };
        command.sink = None;
        command.silent_after = None;
        let zombie = ZOMBIE.min(self.limits.write);
        let at_last = now + zombie.max(self.limits.print);
        command.until = now + zombie;
        command.at_last = at_last;
        self.doubted = Some(now);
        if command.path != CANCEL {
            let (cancel, bytes) = Command::cancel(tag).encode();
            let mut cancelling = InFlight::new(CANCEL, Kind::Read, None, now + zombie);
            cancelling.at_last = at_last;
            self.flying.insert(cancel, cancelling);
            self.write(bytes, None);
        }
    }

    /// A zombie's time is over. It gets more while the router is heard of, or something else has time left: what a page
    /// has left takes no reading with it. A router that is really away runs out of the limits of what it was asked.
    fn bear(&mut self, tag: Tag, now: Instant) -> Result<(), End> {
        let zombie = ZOMBIE.min(self.limits.write);
        let in_time = |command: &InFlight| command.sink.is_some() && command.runs_out() > now;
        // Where zombies have taken every place, only what may still be answered speaks for them: a hook waits for a place.
        let heard = self.heard + zombie > now && self.flying.len() < IN_FLIGHT;
        let may_come = heard || self.flying.values().any(in_time);
        let Some(command) = self.flying.get_mut(&tag) else { return Ok(()) };
        if !may_come || command.at_last <= now {
            return Err(End::Lost(format!("it did not end {} when told to", command.path)));
        }
        command.until = (now + zombie).min(command.at_last);
        Ok(())
    }
}

/// Writes what it is handed until there is nothing more to come. A change whose fence has closed meanwhile is not written,
/// nor is the rest of it: the connection ends, and a router does nothing with half a sentence.
async fn write_on(
    mut to: WriteHalf<Box<dyn Stream>>,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
) -> std::io::Result<()> {
    while let Some((bytes, fence)) = queue.recv().await {
        let mut written = 0;
        while written < bytes.len() {
            if fence.as_ref().is_some_and(|fence| !fence.is_open()) {
                return Err(std::io::Error::other("the lease on it ran out before a change was written"));
            }
            written += match to.write(&bytes[written..]).await? {
                0 => return Err(std::io::ErrorKind::WriteZero.into()),
                more => more,
            };
        }
        to.flush().await?;
    }
    to.shutdown().await
}
