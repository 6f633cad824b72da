//! How it stands with a router's connection: for pages, metrics, and whoever waits for it.

use std::time::Duration;
use tokio::time::Instant;

/// The state of a router's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection; none was needed yet, or it was not used for a while.
    Idle,
    /// A connection stands.
    Connected,
    /// The last connection was lost or could not be made.
    Down {
        /// What happened.
        why: String,
    },
}

/// How it stands with a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its connection.
    pub state: State,
    /// How often in a row it could not be reached, or was lost before it had answered anything.
    pub failures: u32,
    /// Since when it has answered nothing.
    pub down_since: Option<Instant>,
    /// The breaker is open: nobody tries before then, but for a caller with patience.
    pub next_try: Option<Instant>,
    /// It was asked something, or is being connected to, and has said nothing since then.
    pub waiting_since: Option<Instant>,
}

impl Standing {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { state: State::Idle, failures: 0, down_since: None, next_try: None, waiting_since: None }
    }

    /// Whether the breaker refuses all but patient callers now.
    pub fn is_open(&self) -> bool {
        self.next_try.is_some_and(|at| at > Instant::now())
    }

    /// How long until it is tried again; none while the breaker is closed.
    pub fn pause(&self) -> Option<Duration> {
        self.next_try.map(|at| at.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    /// For how long it has been silent although it was asked something, or away.
    pub fn silent_for(&self) -> Option<Duration> {
        let since = self.down_since.into_iter().chain(self.waiting_since).min()?;
        Some(since.elapsed())
    }

    /// It said something whole: what was before is over.
    pub(super) fn answered(&mut self) {
        (self.failures, self.down_since, self.next_try) = (0, None, None);
    }
}
