//! Who may do a thing of which only one may be doing it: a row with an owner, an end and a fence that grows.
//!
//! Several sidecars may share one database. Laws: a holder prolongs its lease while it works, and proves it inside each
//! transaction that depends on it; one that slept past its end finds another's fence there and writes nothing. Whether it
//! may still act outside is told by [`Lease::has_time`]: by its own two clocks, from before the lease was asked for, so that
//! it gives up before anybody else begins. Others wait for a quarter of a term past the end, because clocks of different
//! machines differ a little.
//!
//! Whoever stops waiting while a lease is asked for may have it already, as in a run that ends at another's error: it is
//! gone on with and given back, or the next run would wait for a lease that nobody holds.
//!
//! A lease need not outlive the machine: on SQLite it is not flushed to the disk, and costs next to nothing.

use crate::{
    clock::Clock,
    db::{Conn, Db, Error, Result},
    in_tx, params, sql,
};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Who takes leases, and how.
#[derive(Clone, Debug)]
pub struct Holder {
    /// This process: no other has the name.
    pub owner: String,
    /// What time it is.
    pub clock: Clock,
    /// How long a lease is good for without a word of its holder. The same for all who share a database.
    pub term: Duration,
    /// Who gives back what nobody waits for any more.
    pub returning: Returning,
}

/// Leases on their way back, on a runtime that outlives whoever held them.
#[derive(Clone, Debug)]
pub struct Returning {
    tasks: TaskTracker,
    runtime: Handle,
}

impl Returning {
    /// On that runtime.
    pub fn on(runtime: Handle) -> Self {
        Self { tasks: TaskTracker::new(), runtime }
    }

    /// Gives a lease back in its own time.
    pub fn give_back(&self, lease: Lease, db: &Db) {
        let db = db.clone();
        self.tasks.spawn_on(async move { lease.give_back(&db).await }, &self.runtime);
    }

    /// Until all are back.
    pub async fn done(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A lease in hand, prolonged until it is dropped or given back.
#[derive(Debug)]
pub struct Lease {
    proof: Proof,
    time: Arc<Time>,
    _prolonging: DropGuard,
}

/// What the row must say for the lease to be held.
#[derive(Clone, Debug)]
struct Proof {
    name: String,
    owner: String,
    fence: u64,
    clock: Clock,
    term: Duration,
}

/// How long it is good for, as its holder knows.
#[derive(Debug)]
struct Time {
    /// By the machine's steady clock, which stands still while a machine sleeps, and by the calendar, which can be set.
    end: Mutex<(Instant, DateTime<Utc>)>,
    lost: AtomicBool,
    clock: Clock,
}

impl Time {
    fn is_left(&self, margin: Duration) -> bool {
        let (steady, calendar) = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        !self.lost.load(Relaxed) && Instant::now() + margin < steady && self.clock.now() + margin < calendar
    }
}

impl Lease {
    /// Takes the lease if it is free, run out, or the owner's own; `None` while another holds it.
    pub async fn take(db: &Db, name: &str, holder: &Holder) -> Result<Option<Self>> {
        // From before the row says so: the holder's own view ends first.
        let end = (Instant::now() + holder.term, holder.clock.now() + holder.term);
        let Some(fence) = Asking::of(db, name, holder).answer().await? else { return Ok(None) };
        let Holder { owner, clock, term, .. } = holder.clone();
        let time = Arc::new(Time { end: Mutex::new(end), lost: AtomicBool::new(false), clock: clock.clone() });
        let proof = Proof { name: name.to_owned(), owner, fence, clock, term };
        let stop = CancellationToken::new();
        tokio::spawn(prolong(db.clone(), proof.clone(), Arc::clone(&time), stop.clone()));
        Ok(Some(Self { proof, time, _prolonging: stop.drop_guard() }))
    }

    /// Proves in the transaction that it is still held. `false`: write nothing, give up.
    pub async fn holds(&self, conn: &mut Conn) -> Result<bool> {
        Ok(conn.execute(PROLONG, self.proof.prolonged()).await? == 1)
    }

    /// Whether it is good for longer than `margin`: what takes no longer may be begun. To be asked again and again, also
    /// when the lease itself is gone.
    pub fn has_time(&self, margin: Duration) -> impl Fn() -> bool + Send + Sync + 'static {
        let time = Arc::clone(&self.time);
        move || time.is_left(margin)
    }

    /// Lets go of it; where that cannot be written down it runs out by itself.
    pub async fn give_back(self, db: &Db) {
        let Proof { name, owner, fence, .. } = &self.proof;
        give_back(db, (name, owner, *fence)).await;
    }
}

async fn give_back(db: &Db, (name, owner, fence): (&str, &str, u64)) {
    let sql = sql!("DELETE FROM lease WHERE name = ? AND owner = ? AND fence = ?");
    let gone = in_tx!(db, begin_unflushed, tx => tx.execute(sql, params![name, owner, fence]).await);
    if let Err(error) = gone {
        tracing::warn!(lease = name, %error, "the lease could not be given back; it runs out by itself");
    }
}

/// A lease that is being asked for.
struct Asking {
    db: Db,
    name: String,
    holder: Holder,
    /// Nobody waits for it any more.
    given_up: Arc<AtomicBool>,
    /// The fence, where it can be had; None once that is known.
    answer: Option<BoxFuture<'static, Result<Option<u64>>>>,
}

impl Asking {
    fn of(db: &Db, name: &str, holder: &Holder) -> Self {
        let given_up = Arc::new(AtomicBool::new(false));
        let answer = {
            let (db, name, holder, given_up) = (db.clone(), name.to_owned(), holder.clone(), Arc::clone(&given_up));
            Box::pin(async move { won(&db, &name, &holder, &given_up).await })
        };
        Self { db: db.clone(), name: name.to_owned(), holder: holder.clone(), given_up, answer: Some(answer) }
    }

    async fn answer(mut self) -> Result<Option<u64>> {
        let Some(answer) = &mut self.answer else { return Ok(None) };
        let fence = answer.await;
        self.answer = None;
        fence
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // What fell over cannot be gone on with.
        let Some(answer) = self.answer.take().filter(|_| !std::thread::panicking()) else { return };
        self.given_up.store(true, Relaxed);
        let (db, name, owner) = (self.db.clone(), self.name.clone(), self.holder.owner.clone());
        let unheld = async move {
            if let Ok(Some(fence)) = answer.await {
                give_back(&db, (&name, &owner, fence)).await;
            }
        };
        self.holder.returning.tasks.spawn_on(unheld, &self.holder.returning.runtime);
    }
}

/// It is also the proof: a row is met only while it is held. The count changes with every word, because a cluster compares
/// only what was changed. The end never moves back: what was said first may be heard last.
const PROLONG: crate::db::Sql = sql!(
    "UPDATE lease SET beats = beats + 1, until_at = CASE WHEN until_at < ? THEN ? ELSE until_at END \
     WHERE name = ? AND owner = ? AND fence = ?"
);

impl Proof {
    fn prolonged(&self) -> Vec<crate::db::Value> {
        let until = self.clock.now() + self.term;
        params![until, until, &self.name, &self.owner, self.fence]
    }
}

/// The fence, where the row could be had. One that was given up takes nothing once it has the row's lock: the holder's next
/// request may have the lease by then, and would lose it to this one.
async fn won(db: &Db, name: &str, holder: &Holder, given_up: &AtomicBool) -> Result<Option<u64>> {
    in_tx!(db, begin_unflushed, tx => {
        let now = holder.clock.now();
        let sql = sql!("SELECT owner, fence, until_at FROM lease WHERE name = ? /*! FOR UPDATE */");
        // A row that was given back is gone: the next fence is later all the same.
        let least = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let until = now + holder.term;
        let found = tx.one(sql, params![name]).await?;
        if given_up.load(Relaxed) {
            return Ok(None);
        }
        let fence = match found {
            // A row that is not there cannot be locked: of two who both want to make it, the second looks again.
            None => {
                let make = sql!("INSERT INTO lease (name, owner, fence, until_at, beats) VALUES (?, ?, ?, ?, 0)");
                if !tx.insert_once(make, params![name, &holder.owner, least, until]).await? {
                    return Err(Error::Retry("the lease was made by another just now".to_owned()));
                }
                least
            }
            Some(row) if row.get::<String>("owner")? != holder.owner && runs(row.get("until_at")?, now, holder.term) => {
                return Ok(None);
            }
            Some(row) => {
                let fence = least.max(row.get::<u64>("fence")? + 1);
                let put = sql!("UPDATE lease SET owner = ?, fence = ?, until_at = ?, beats = beats + 1 WHERE name = ?");
                tx.execute(put, params![&holder.owner, fence, until, name]).await?;
                fence
            }
        };
        Ok::<_, Error>(Some(fence))
    })
}

/// Whether another's lease runs: to its end and a quarter of a term. No holder asks for more than a term, so one that seems
/// to run much longer was taken before the clock was set back, and would stop all counting until the clock has caught up.
fn runs(until: DateTime<Utc>, now: DateTime<Utc>, term: Duration) -> bool {
    now < until + term / 4 && until <= now + term * 2
}

/// Prolongs it every third of a term, until told to stop or until it is another's.
async fn prolong(db: Db, proof: Proof, time: Arc<Time>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(proof.term / 3) => {}
        }
        let end = (Instant::now() + proof.term, proof.clock.now() + proof.term);
        let told = in_tx!(db, begin_unflushed, tx => tx.execute(PROLONG, proof.prolonged()).await);
        match told {
            Ok(0) => {
                time.lost.store(true, Relaxed);
                if !stop.is_cancelled() {
                    tracing::warn!(lease = proof.name, "the lease is another's by now");
                }
                return;
            }
            Ok(_) => *time.end.lock().unwrap_or_else(PoisonError::into_inner) = end,
            // It is tried again in time, or the lease runs out.
            Err(error) => tracing::debug!(lease = proof.name, %error, "the lease could not be prolonged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Address, migrate};

    #[tokio::test]
    async fn what_was_given_up_takes_nothing_from_the_same_holders_next_request() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Address::Sqlite(folder.path().join("books.db"))).await.unwrap();
        migrate::run(&db, &Clock::System).await.unwrap();
        let returning = Returning::on(Handle::current());
        let holder = Holder { owner: "me".to_owned(), clock: Clock::System, term: Duration::from_secs(60), returning };
        let given_up = AtomicBool::new(true);
        assert_eq!(won(&db, "service/41", &holder, &given_up).await.unwrap(), None, "nobody had it");
        let next = Lease::take(&db, "service/41", &holder).await.unwrap().unwrap();
        assert_eq!(won(&db, "service/41", &holder, &given_up).await.unwrap(), None, "the next request has it");
        let mut tx = db.begin().await.unwrap();
        assert!(next.holds(&mut tx).await.unwrap());
    }
}
