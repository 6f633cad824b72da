//! Whose turn it is with a service: a lock in this process, and between processes a lease on the row `service/41`.
//!
//! The books need no lease, only their rows' locks; the lease is taken where a router is about to be changed, or read for a
//! change. Laws: it is taken before the account is read that is to be made; changes are sent only through
//! [`Turn::router`], whose fence closes before the lease ends; what was made is written down only while it is held. A
//! request that was held up past its own time limit decides nothing: its caller has given it up, and may have asked for
//! something else since.

use crate::{
    app::{App, Guard},
    db::{Conn, Tx},
    problem::{Code, Problem},
    router::{Server, lease::Lease},
    routeros::{Fence, Router},
};
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::{sync::OnceCell, time::Instant};

/// How often another sidecar's lease is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A turn with a service; over when it is dropped.
pub(super) struct Turn {
    app: App,
    service_id: u64,
    /// The request's own time limit, by the steady clock and by the calendar.
    until: (Instant, DateTime<Utc>),
    lease: OnceCell<Lease>,
    _guard: Guard,
}

impl Turn {
    /// Waits for its turn in this process, until the deadline.
    ///
    /// # Errors
    /// `busy`.
    pub(super) async fn of(app: &App, service_id: u64, until: Instant) -> Result<Self, Problem> {
        let left = until.saturating_duration_since(Instant::now());
        let calendar = app.clock.now() + left;
        let guard = app.locks.service(service_id, until).await?;
        Ok(Self { app: app.clone(), service_id, until: (until, calendar), lease: OnceCell::new(), _guard: guard })
    }

    /// The service's parts.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Whose.
    pub(super) fn service_id(&self) -> u64 {
        self.service_id
    }

    /// Takes the service's lease, if this turn has not yet: waits for another sidecar until then, and looks at least once.
    ///
    /// # Errors
    /// `busy`; the database's.
    pub(super) async fn alone(&self, until: Instant) -> Result<(), Problem> {
        self.lease.get_or_try_init(|| self.take(until)).await.map(|_| ())
    }

    async fn take(&self, until: Instant) -> Result<Lease, Problem> {
        let name = format!("service/{}", self.service_id);
        loop {
            if let Some(lease) = Lease::take(&self.app.db, &name, &self.app.holder).await? {
                return Ok(lease);
            }
            let next = Instant::now() + LOOK;
            if next > until {
                let text =
                    format!("Another Turnpike is working on service {}; try again in a minute.", self.service_id);
                return Err(Problem::new(Code::Busy, text));
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// The service's router. Changes are sent only while the lease lasts: without one, none are.
    ///
    /// # Errors
    /// Where its password cannot be opened with the master key.
    pub(super) fn router(&self, server: &Server) -> Result<Router, Problem> {
        let router = self.app.router(server)?;
        let fence = self.lease.get().map_or_else(|| Fence::new(|| false), |lease| fence(&self.app, lease));
        Ok(router.fenced(fence))
    }

    /// Proves, in the transaction that decides something and once its rows are locked, that the request is still waited for
    /// and that the lease is held, if it was taken.
    ///
    /// # Errors
    /// `busy`: write nothing.
    pub(super) async fn decides(&self, tx: &mut Tx) -> Result<(), Problem> {
        if Instant::now() > self.until.0 || self.app.clock.now() > self.until.1 {
            let text = "Turnpike was held up until nobody waited for this any more; nothing was changed. Try again.";
            return Err(Problem::new(Code::Busy, text));
        }
        self.holds(tx).await
    }

    /// Proves, in the transaction that writes down what was made, that the lease is held, if it was taken.
    ///
    /// # Errors
    /// `busy`: write nothing.
    pub(super) async fn holds(&self, conn: &mut Conn) -> Result<(), Problem> {
        match self.lease.get() {
            Some(lease) if !lease.holds(conn).await? => Err(self.lost()),
            _ => Ok(()),
        }
    }

    fn lost(&self) -> Problem {
        let text = format!(
            "Another Turnpike has taken over service {}; nothing was written here. Try again in a minute.",
            self.service_id
        );
        Problem::new(Code::Busy, text)
    }
}

/// The fence of a lease: open while a change that is sent now ends before the lease does.
pub(super) fn fence(app: &App, lease: &Lease) -> Fence {
    Fence::new(lease.has_time(app.config.router.write))
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.app.holder.returning.give_back(lease, &self.app.db);
        }
    }
}
