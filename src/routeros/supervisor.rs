//! One task per router: makes the connection when someone needs it, keeps to the breaker, and serves until every
//! handle is gone.

use super::{
    Limits, Login,
    breaker::Breaker,
    dial::{Session, dial},
    error::Failure,
    link::{End, Link},
    names::Name,
    request::{Request, Urgency},
    standing::{Standing, State},
    tls::Trust,
};
use std::{collections::VecDeque, sync::Arc};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Requests that wait at most while the connection is being made.
const WAITING: usize = 64;

/// What a supervisor is made of.
pub(super) struct Supervisor {
    pub(super) login: Login,
    pub(super) limits: Arc<Limits>,
    pub(super) trust: Arc<Trust>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) closing: CancellationToken,
    /// Told when the same login has just worked elsewhere: forget past failures.
    pub(super) again: Arc<Notify>,
    pub(super) breaker: Breaker,
    pub(super) host: Name,
}

impl Supervisor {
    /// Serves until every handle is gone or it is told to close.
    pub(super) async fn run(mut self) {
        let mut waiting = VecDeque::new();
        while self.wanted(&mut waiting).await {
            self.standing.send_modify(|it| it.waiting_since = Some(Instant::now()));
            let outcome = self.connect(&mut waiting).await;
            self.standing.send_modify(|it| it.waiting_since = None);
            let session = match outcome {
                None => break,
                Some(Ok(session)) => session,
                Some(Err(failure)) => {
                    self.failed(&failure);
                    for request in waiting.drain(..) {
                        request.fail(&failure);
                    }
                    continue;
                }
            };
            self.serve(session, &mut waiting).await;
        }
        self.requests.close();
        let closed = Failure::Away("the connection was closed".to_owned());
        while let Some(request) = waiting.pop_front().or_else(|| self.requests.try_recv().ok()) {
            request.fail(&closed);
        }
        self.standing.send_replace(Standing::new());
    }

    /// Waits until someone wants a connection that may be tried. False when it is over.
    async fn wanted(&mut self, waiting: &mut VecDeque<Request>) -> bool {
        loop {
            let now = Instant::now();
            let mut kept = VecDeque::new();
            for request in waiting.drain(..).filter(Request::wanted) {
                if request.urgency == Urgency::Connected {
                    request.fail(&Failure::Away("the connection was lost before it was sent".to_owned()));
                } else if let Some(failure) = self.breaker.refuses(now, request.urgency == Urgency::Patient) {
                    request.fail(failure);
                } else {
                    kept.push_back(request);
                }
            }
            *waiting = kept;
            if self.closing.is_cancelled() {
                return false;
            }
            if !waiting.is_empty() {
                return true;
            }
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => waiting.push_back(request),
                    None => return false,
                },
                () = self.closing.cancelled() => return false,
                () = self.again.notified() => {
                    self.breaker.reset();
                    self.standing.send_modify(|it| (it.failures, it.next_try) = (0, None));
                }
            }
        }
    }

    /// Makes the connection while more requests gather. None when it is no longer wanted at all.
    async fn connect(&mut self, waiting: &mut VecDeque<Request>) -> Option<Result<Session, Failure>> {
        let dialling = dial(&self.login, &self.limits, &self.trust, &mut self.host);
        tokio::pin!(dialling);
        loop {
            let far = Instant::now() + self.limits.print;
            let wake = waiting.iter().map(|request| request.expires).min().unwrap_or(far);
            tokio::select! {
                session = &mut dialling => return Some(session),
                request = self.requests.recv(), if waiting.len() < WAITING => match request {
                    Some(request) if request.urgency == Urgency::Connected => {
                        request.fail(&Failure::Away("the connection was lost before it was sent".to_owned()));
                    }
                    Some(request) => waiting.push_back(request),
                    None => return None,
                },
                () = self.closing.cancelled() => return None,
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    for request in std::mem::take(waiting) {
                        if request.expires <= now {
                            request.fail(&Failure::Away("no connection in time".to_owned()));
                        } else {
                            waiting.push_back(request);
                        }
                    }
                }
            }
        }
    }

    /// Serves on a connection until it ends.
    async fn serve(&mut self, session: Session, waiting: &mut VecDeque<Request>) {
        tracing::debug!(router = %self.login.name, "connected");
        self.breaker.connected();
        self.standing.send_modify(|it| (it.state, it.next_try) = (State::Connected, None));
        let mut link = Link::new(session, &self.limits, &self.standing);
        let end = link.run(waiting, &mut self.requests, &self.closing).await;
        let served = link.served > 0;
        drop(link);
        let failure = match end {
            End::Closed => {
                self.breaker.reset();
                self.standing.send_replace(Standing::new());
                return;
            }
            End::Lost(why) => Failure::Away(why),
            End::Strange(what) => Failure::Strange(what),
        };
        tracing::warn!(router = %self.login.name, why = %failure.why(), "the connection to the router was lost");
        let why = failure.why();
        self.breaker.lost(Instant::now(), served, failure);
        self.is_down(why);
    }

    fn failed(&mut self, failure: &Failure) {
        let pause = self.breaker.failed(Instant::now(), failure.clone());
        let (why, secs) = (failure.why(), pause.as_secs_f32());
        // Once when it goes, quietly while it stays away.
        if self.is_down(why.clone()) {
            tracing::warn!(router = %self.login.name, %why, pause_seconds = secs, "the router cannot be reached");
        } else {
            tracing::debug!(router = %self.login.name, %why, pause_seconds = secs, "the router is still away");
        }
    }

    /// Says that it is away and when it is tried next; whether that is news.
    fn is_down(&self, why: String) -> bool {
        let (failures, next_try) = (self.breaker.failures(), self.breaker.until());
        let down = State::Down { why };
        let mut news = false;
        self.standing.send_modify(|it| {
            news = it.state != down;
            let down_since = it.down_since.or_else(|| Some(Instant::now()));
            *it = Standing { state: down, failures, down_since, next_try, waiting_since: None };
        });
        news
    }
}
