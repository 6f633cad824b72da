//! What a connection does with a sentence: commands in the order they come, `/cancel`, `/quit`, and the faults that strike.
//! A tagged command that hangs, listens or is slow runs beside the others; everything else runs in order.

use std::collections::HashMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Hook;
use super::commands::{Outcome, Then};
use super::connection::Out;
use super::faults::{Fault, Moment};
use super::server::{Inner, Sentence, lock};
use super::values::Trap;
use super::wire::{Replies, Request, put_length};

/// How often a second a router with a pace of its own sends rows.
const BATCHES_A_SECOND: u32 = 50;
/// Attributes whose values stay out of the journal.
const SECRETS: [&str; 6] = ["password", "ipsec-secret", "secret", "response", "preshared-key", "private-key"];

/// Who is logged in on a connection.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) policies: Arc<[String]>,
    /// The row in `/user/active`.
    pub(super) active: String,
}

pub(super) struct Link {
    pub(super) inner: Arc<Inner>,
    out: mpsc::Sender<Out>,
    number: u64,
    pub(super) peer: SocketAddr,
    pub(super) login: Mutex<Option<Login>>,
    /// Commands that have not ended, by tag: those that hang, listen or are slow.
    running: Mutex<HashMap<String, AbortHandle>>,
    silent: AtomicBool,
}

/// What is left of an answer after a fault, and what happens to the connection.
enum After {
    Open,
    Close,
    Silence,
    Reboot,
}

impl Link {
    pub(super) fn new(inner: Arc<Inner>, out: mpsc::Sender<Out>, number: u64, peer: SocketAddr) -> Link {
        Link {
            inner,
            out,
            number,
            peer,
            login: Mutex::new(None),
            running: Mutex::default(),
            silent: AtomicBool::new(false),
        }
    }

    pub(super) fn is_logged_in(&self) -> bool {
        lock(&self.login).is_some()
    }

    /// The connection has ended.
    pub(super) fn forget(&self) {
        for (_, task) in lock(&self.running).drain() {
            task.abort();
        }
        let login = lock(&self.login).take();
        if let Some(login) = login {
            lock(&self.inner.world).remove_row("/user/active", &login.active);
        }
    }

    pub(super) fn call(&self, hook: &Hook) {
        if let Some(simulator) = self.inner.handle() {
            hook(&simulator);
        }
    }

    pub(super) fn replies(&self, tag: Option<&String>) -> Replies {
        Replies::new(tag.cloned(), lock(&self.inner.world).quirks.tag_last)
    }

    async fn send(&self, bytes: Vec<u8>, last: bool) {
        // The writing half may be gone already; the connection then ends anyway.
        let _ = self.out.send(Out::Bytes { bytes, last }).await;
    }

    async fn fatal(&self, reason: &str) {
        let mut replies = Replies::default();
        replies.fatal(reason);
        self.send(replies.bytes, true).await;
        self.received();
        self.end(Out::Close).await;
    }

    /// Ends the connection once everything before is sent.
    async fn end(&self, out: Out) {
        let _ = self.out.send(out).await;
        pending::<()>().await;
    }

    /// From now on nothing on this connection is looked at or answered; only its end is noticed.
    fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    pub(super) async fn take(self: &Arc<Self>, request: Request) {
        if self.silent.load(Ordering::Relaxed) {
            return;
        }
        match request.path.as_str() {
            "/login" => self.log_in(&request).await,
            _ if !self.is_logged_in() => self.fatal("not logged in").await,
            "/quit" => self.fatal("session terminated on request").await,
            "/cancel" => self.cancel(&request).await,
            _ => self.command(request).await,
        }
    }

    async fn cancel(&self, request: &Request) {
        let ended: Vec<String> = {
            let mut running = lock(&self.running);
            let tags: Vec<String> = match request.attribute("tag") {
                Some(tag) => running.keys().filter(|key| *key == tag).cloned().collect(),
                None => running.keys().cloned().collect(),
            };
            for tag in &tags {
                if let Some(task) = running.remove(tag) {
                    task.abort();
                }
            }
            tags
        };
        for tag in &ended {
            let mut replies = self.replies(Some(tag));
            replies.trap(Some(2), "interrupted");
            self.send(replies.bytes, false).await;
        }
        let mut replies = self.replies(request.tag.as_ref());
        replies.say("!done", []);
        self.send(replies.bytes, true).await;
        for tag in &ended {
            let mut replies = self.replies(Some(tag));
            replies.say("!done", []);
            self.send(replies.bytes, true).await;
        }
        self.received();
    }

    fn note(&self, request: &Request) {
        let hide = |(name, value): &(String, String)| {
            let secret = SECRETS.contains(&name.as_str());
            (name.clone(), if secret { "***".to_owned() } else { value.clone() })
        };
        lock(&self.inner.journal).push(Sentence {
            connection: self.number,
            path: request.path.clone(),
            attributes: request.attributes.iter().map(hide).collect(),
            queries: request.queries.clone(),
        });
    }

    /// Waits for this command's place in time, if the router is slow.
    async fn pace(&self) {
        let Some(rate) = self.inner.options.requests_per_second.filter(|rate| *rate > 0) else { return };
        let slot = {
            let mut next = self.inner.next_slot.lock().await;
            let now = Instant::now();
            let slot = next.map_or(now, |next| next.max(now));
            *next = Some(slot + Duration::from_secs(1) / rate);
            slot
        };
        tokio::time::sleep_until(slot).await;
    }

    async fn command(self: &Arc<Self>, request: Request) {
        self.note(&request);
        // Whoever waits for this command sees it in the journal now, although a slow router deals with it later.
        self.inner.received.send_modify(|_| {});
        self.pace().await;
        let mut fault = None;
        let mut after = Vec::new();
        for struck in self.inner.strike(Moment::Command(&request.path)) {
            match struck {
                Fault::Call(hook) => self.call(&hook),
                Fault::CallAfter(hook) => after.push(hook),
                other => fault = Some(other),
            }
        }
        match (fault, request.tag.clone()) {
            (Some(Fault::Hang), tag) => {
                self.received();
                if let Some(tag) = tag {
                    self.beside(tag, pending::<()>());
                }
            }
            (Some(fault @ (Fault::Slow(_) | Fault::Until(_))), Some(tag)) => {
                let link = Arc::clone(self);
                let own = tag.clone();
                self.beside(tag, async move {
                    patience(fault).await;
                    // From here on it can no longer be cancelled.
                    if lock(&link.running).remove(&own).is_some() {
                        tokio::spawn(async move { link.carry_out(request, None, after).await });
                    }
                });
            }
            (Some(fault @ (Fault::Slow(_) | Fault::Until(_))), None) => {
                patience(fault).await;
                self.carry_out(request, None, after).await;
            }
            (fault, _) => self.carry_out(request, fault, after).await,
        }
    }

    /// Runs something beside the other commands until it ends or is cancelled.
    fn beside(&self, tag: String, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = lock(&self.running);
        let handle = tokio::spawn(task).abort_handle();
        if let Some(earlier) = running.insert(tag, handle) {
            earlier.abort();
        }
    }

    fn received(&self) {
        self.inner.received.send_modify(|received| *received += 1);
    }

    async fn carry_out(self: &Arc<Self>, request: Request, fault: Option<Fault>, after: Vec<Hook>) {
        if self.before(fault.as_ref()).await {
            return;
        }
        let tag = request.tag.as_ref().filter(|_| !matches!(fault, Some(Fault::Untagged)));
        let mut replies = self.replies(tag);
        if matches!(fault, Some(Fault::UnknownReply)) {
            replies.say("!news", [("message", "of a later version")]);
        }
        let policies = lock(&self.login).as_ref().map(|login| Arc::clone(&login.policies)).unwrap_or_default();
        let outcome = match &fault {
            Some(Fault::Trap(message, category)) => refusal([Trap { category: *category, message: message.clone() }]),
            Some(Fault::TwoTraps(first, second)) => {
                refusal([first, second].map(|message| Trap::new(0, message.as_str())))
            }
            _ => lock(&self.inner.world).execute(&request, &policies),
        };
        for hook in &after {
            self.call(hook);
        }
        if let Then::Listen(menu) = outcome.then {
            return self.listen(menu, request.tag).await;
        }
        if matches!(fault, Some(Fault::EmptyDone)) {
            replies.say("!done", []);
        } else {
            put(&mut replies, &outcome);
        }
        if outcome.then == Then::Reboot {
            self.send(replies.bytes, true).await;
            self.received();
            return self.end(Out::Reboot).await;
        }
        self.answer(fault, replies).await;
    }

    /// Faults that strike before anything is done; whether nothing more is to be done.
    pub(super) async fn before(&self, fault: Option<&Fault>) -> bool {
        let announced = match fault {
            Some(Fault::Refuse) => {
                self.received();
                self.end(Out::Close).await;
                return true;
            }
            Some(Fault::RebootBefore) => {
                self.received();
                self.end(Out::Reboot).await;
                return true;
            }
            Some(Fault::Hang | Fault::Silence) => Vec::new(),
            Some(Fault::Garbage) => vec![0xFF; 64],
            Some(Fault::HugeWord(size)) => {
                let mut bytes = Vec::new();
                put_length(&mut bytes, *size);
                bytes.extend([b'!'; 64]);
                bytes
            }
            _ => return false,
        };
        self.fall_silent();
        self.send(announced, false).await;
        self.received();
        true
    }

    /// Sends an answer as far as the fault lets it.
    pub(super) async fn answer(&self, fault: Option<Fault>, mut replies: Replies) {
        let whole = replies.ends.len();
        let (keep, after) = match fault {
            Some(Fault::ApplyAndLoseReply) => (0, After::Close),
            Some(Fault::RebootAfter) => (0, After::Reboot),
            Some(Fault::ApplyThenSilence) => (0, After::Silence),
            Some(Fault::CutAfterBytes(count)) => (count, After::Close),
            Some(Fault::StallAfterBytes(count)) => (count, After::Silence),
            Some(Fault::WithoutDone) => (end_of(&replies, whole - 1), After::Open),
            Some(Fault::FatalMidway(reason)) => {
                let half = end_of(&replies, whole / 2);
                replies.bytes.truncate(half);
                replies.fatal(&reason);
                (usize::MAX, After::Close)
            }
            _ => (usize::MAX, After::Open),
        };
        let complete = keep >= replies.bytes.len();
        replies.bytes.truncate(keep);
        self.say(replies, complete).await;
        self.received();
        match after {
            After::Open => {}
            After::Close => self.end(Out::Close).await,
            After::Reboot => self.end(Out::Reboot).await,
            After::Silence => self.fall_silent(),
        }
    }

    /// Sends an answer, at the router's own pace where it has one: a batch of sentences after the time that they take.
    async fn say(&self, replies: Replies, complete: bool) {
        let Replies { mut bytes, ends, .. } = replies;
        if let Some(rate) = self.inner.options.rows_per_second.filter(|rate| *rate > 0) {
            let batch = (rate / BATCHES_A_SECOND).max(1);
            let (mut until, mut sent) = (Instant::now(), 0);
            for sentences in ends.chunks(usize::try_from(batch).unwrap_or(usize::MAX)) {
                until += Duration::from_secs(1) * u32::try_from(sentences.len()).unwrap_or(batch) / rate;
                tokio::time::sleep_until(until).await;
                // A fault may have cut the last of them short.
                let end = sentences.last().copied().unwrap_or(0).min(sent + bytes.len());
                let rest = bytes.split_off(end - sent);
                let last = complete && rest.is_empty();
                if !bytes.is_empty() {
                    self.send(std::mem::replace(&mut bytes, rest), last).await;
                }
                sent = end;
            }
        }
        if !bytes.is_empty() {
            self.send(bytes, complete).await;
        }
    }

    /// Tells of changes until it is cancelled.
    async fn listen(self: &Arc<Self>, menu: &'static str, tag: Option<String>) {
        let mut changes = lock(&self.inner.world).changes.subscribe();
        self.received();
        let link = Arc::clone(self);
        let own = tag.clone();
        let task = async move {
            // A listener that falls behind misses changes, and goes on with the next.
            loop {
                let change = match changes.recv().await {
                    Ok(change) if change.menu == menu => change,
                    Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                };
                let mut replies = link.replies(own.as_ref());
                replies.say("!re", change.words.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                link.send(replies.bytes, false).await;
            }
        };
        match tag {
            Some(tag) => self.beside(tag, task),
            None => task.await,
        }
    }
}

/// Waits for as long as the fault says.
async fn patience(fault: Fault) {
    match fault {
        Fault::Slow(time) => tokio::time::sleep(time).await,
        // Whoever would have opened it is gone: then it is open.
        Fault::Until(mut open) => drop(open.wait_for(|open| *open).await),
        _ => {}
    }
}

fn end_of(replies: &Replies, sentences: usize) -> usize {
    sentences.checked_sub(1).and_then(|last| replies.ends.get(last)).copied().unwrap_or(0)
}

fn refusal<const N: usize>(traps: [Trap; N]) -> Outcome {
    Outcome { traps: traps.into(), ..Outcome::default() }
}

fn put(replies: &mut Replies, outcome: &Outcome) {
    for row in &outcome.rows {
        replies.say("!re", row.iter().map(|(name, value)| (*name, value.as_str())));
    }
    if outcome.empty {
        replies.say("!empty", []);
    }
    for trap in &outcome.traps {
        replies.trap(trap.category, &trap.message);
    }
    replies.say("!done", outcome.ret.iter().map(|ret| ("ret", ret.as_str())));
}
