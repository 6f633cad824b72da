//! A handle to one router: cheap to clone, every call with a deadline.

use super::{
    Error, Limits,
    command::{Command, Kind},
    error::Failure,
    fence::Fence,
    looks::Looks,
    request::{Pending, Reply, Request, Urgency, job},
    wire::Row,
};
use crate::steps;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// How long after a deadline the supervisor's own, better answer is waited for.
const GRACE: Duration = Duration::from_millis(100);

/// One router. The connection is made when first needed, kept while used, and closed with the last handle.
#[derive(Clone)]
pub struct Router {
    pub(super) name: Arc<str>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) limits: Arc<Limits>,
    pub(super) deadline: Option<Instant>,
    pub(super) urgency: Urgency,
    /// Pages that wait for a look at it.
    pub(super) looks: Arc<Looks>,
    pub(super) fence: Option<Fence>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Router {
    /// The router's name, as WHMCS has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same router; every call through this handle ends by then (a tenth of a second later at the latest).
    #[must_use]
    pub fn within(&self, deadline: Instant) -> Self {
        let deadline = self.deadline.map_or(deadline, |earlier| earlier.min(deadline));
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same router; calls try to connect although the breaker is open (never while a refused login pauses).
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { urgency: Urgency::Patient, ..self.clone() }
    }

    /// The same router; changes through this handle are sent only while the fence is open.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// The same router, on the connection that stands or not at all.
    pub(super) fn connected(&self) -> Self {
        Self { urgency: Urgency::Connected, ..self.clone() }
    }

    /// The limits in force.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The failure as an error of this router.
    pub(super) fn error(&self, failure: Failure, command: &str) -> Error {
        failure.named(&self.name, command)
    }

    /// Something in an answer that cannot be understood.
    pub(super) fn strange(&self, what: impl Into<String>) -> Error {
        Error::Strange { router: self.name.to_string(), what: what.into() }
    }

    /// A print, each row read as it arrives. Complete, or an error.
    pub(super) async fn print<T, F>(&self, command: Command, take: F) -> Result<Vec<T>, Error>
    where
        T: Send + 'static,
        F: FnMut(&Row<'_>) -> Result<Option<T>, String> + Send + 'static,
    {
        let (job, pending) = self.job(command, take)?;
        self.submit(Request { jobs: vec![job], ..self.request() }).await.map_err(|f| self.error(f, pending.path))?;
        Ok(self.answer(pending).await?.rows)
    }

    /// Two prints, sent together.
    pub(super) async fn print_both<T, F, U, G>(
        &self,
        (first, take): (Command, F),
        (second, take_too): (Command, G),
    ) -> Result<(Vec<T>, Vec<U>), Error>
    where
        T: Send + 'static,
        F: FnMut(&Row<'_>) -> Result<Option<T>, String> + Send + 'static,
        U: Send + 'static,
        G: FnMut(&Row<'_>) -> Result<Option<U>, String> + Send + 'static,
    {
        let (job, pending) = self.job(first, take)?;
        let (job_too, pending_too) = self.job(second, take_too)?;
        let jobs = vec![job, job_too];
        self.submit(Request { jobs, ..self.request() }).await.map_err(|f| self.error(f, pending.path))?;
        let rows = self.answer(pending).await?.rows;
        Ok((rows, self.answer(pending_too).await?.rows))
    }

    /// A change. Answers the `=ret=` of its `!done`.
    pub(super) async fn write(&self, command: Command) -> Result<Option<String>, Error> {
        let (job, pending) = self.job(command, |_| Ok(None::<()>))?;
        self.submit(Request { jobs: vec![job], ..self.request() }).await.map_err(|f| self.error(f, pending.path))?;
        Ok(self.answer(pending).await?.ret)
    }

    /// Makes sure that the connection stands.
    pub(super) async fn open(&self) -> Result<(), Error> {
        let (opened, answer) = oneshot::channel();
        let _step = steps::step("/login");
        let request = Request { opened: Some(opened), ..self.request() };
        let end = self.backstop();
        self.submit(request).await.map_err(|f| self.error(f, "/login"))?;
        match timeout_at(end, answer).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(failure))) => Err(self.error(failure, "/login")),
            Ok(Err(_)) => Err(self.error(closed(), "/login")),
            Err(_) => Err(self.error(late(), "/login")),
        }
    }

    /// A command and where its answer comes.
    pub(super) fn job<T, F>(&self, command: Command, take: F) -> Result<(super::request::Job, Pending<T>), Error>
    where
        T: Send + 'static,
        F: FnMut(&Row<'_>) -> Result<Option<T>, String> + Send + 'static,
    {
        let path = command.path();
        job(command, take).map_err(|failure| self.error(failure, path))
    }

    /// An empty request with this handle's deadline and urgency.
    pub(super) fn request(&self) -> Request {
        let usual = Instant::now() + self.making() + self.limits.print;
        let expires = self.deadline.map_or(usual, |deadline| deadline.min(usual));
        let (urgency, fence, deadline) = (self.urgency, self.fence.clone(), self.deadline);
        Request { jobs: Vec::new(), opened: None, urgency, fence, deadline, expires }
    }

    /// Hands a request to the supervisor.
    pub(super) async fn submit(&self, request: Request) -> Result<(), Failure> {
        match timeout_at(request.expires, self.requests.send(request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(late()),
        }
    }

    /// Waits for an answer.
    pub(super) async fn answer<T>(&self, pending: Pending<T>) -> Result<Reply<T>, Error> {
        let path = pending.path;
        self.settle(pending).await.map_err(|failure| self.error(failure, path))
    }

    /// Waits for an answer, as a failure that has not been named yet.
    pub(super) async fn settle<T>(&self, pending: Pending<T>) -> Result<Reply<T>, Failure> {
        let _step = steps::step(pending.path);
        // A supervisor that is gone or stuck says nothing; whether a write was sent is then not known.
        let unheard = |away: Failure| if pending.kind == Kind::Write { Failure::Unknown } else { away };
        match timeout_at(self.backstop(), pending.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unheard(closed())),
            Err(_) => Err(unheard(late())),
        }
    }

    /// What others are in the way of, for as long as this handle may wait.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = T>, path: &str) -> Result<T, Error> {
        timeout_at(self.backstop(), work).await.map_err(|_elapsed| self.error(late(), path))
    }

    /// When to give up on the supervisor itself.
    fn backstop(&self) -> Instant {
        let usual = Instant::now() + self.making() + self.limits.print * 2 + self.limits.write * 2;
        self.deadline.map_or(usual, |deadline| deadline + GRACE)
    }

    /// How long making a connection may take: name and TCP, TLS, login.
    fn making(&self) -> Duration {
        self.limits.connect * 2 + self.limits.login
    }
}

pub(super) fn closed() -> Failure {
    Failure::Away("the connection was closed".to_owned())
}

pub(super) fn late() -> Failure {
    Failure::Away("no answer in time".to_owned())
}
