//! One flush to disk for all commits that are waiting for one.
//!
//! Law 1: a commit is told to whoever made it only after a flush that began when it was in the file. Two hundred routers that
//! are booked at once so wait for a few flushes and not, one after the other, for a thousand. A flush that failed leaves
//! nothing to trust: the kernel may have dropped what it could not write. From then on every commit fails until a restart.

use super::{Error, Result};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::Mutex;

/// What puts everything on disk that was written before it is called.
type Disk = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Flushes one file, for all who ask.
pub(super) struct Flusher {
    sync: Disk,
    /// The number of the last commit that asked.
    asked: AtomicU64,
    /// The number of the last commit that is on disk; whoever holds it is flushing.
    flushed: Mutex<u64>,
    failed: Arc<AtomicBool>,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Flusher {
    pub(super) fn new(sync: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { sync: Arc::new(sync), asked: AtomicU64::new(0), flushed: Mutex::new(0), failed: Arc::default() }
    }

    /// Waits until what the caller has committed is on disk.
    pub(super) async fn flush(&self) -> Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut flushed = self.flushed.lock().await;
        self.check()?;
        if *flushed >= mine {
            return Ok(());
        }
        // Whoever asks from here on may have committed while the flush was under way: it waits for the next.
        let until = self.asked.load(Ordering::SeqCst);
        let sync = Arc::clone(&self.sync);
        let failed = Arc::clone(&self.failed);
        // A caller that goes away does not end the flush, nor is its failure lost with it; the next one does its own.
        let outcome = tokio::task::spawn_blocking(move || {
            sync().inspect_err(|error| {
                failed.store(true, Ordering::SeqCst);
                tracing::error!(%error, "the database's file could not be flushed: nothing is committed until a restart");
            })
        });
        match outcome.await {
            Ok(Ok(())) => *flushed = until,
            Ok(Err(error)) => return Err(lost(&error.to_string())),
            Err(error) => return Err(Error::Unavailable(error.to_string())),
        }
        Ok(())
    }

    /// Fails for good where a flush has failed.
    pub(super) fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::SeqCst) { Err(lost("an earlier flush failed")) } else { Ok(()) }
    }
}

fn lost(what: &str) -> Error {
    Error::Unavailable(format!(
        "the database's file could not be flushed to disk ({what}); look after the disk, then restart Turnpike"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Condvar, Mutex as Lock, atomic::AtomicUsize},
        time::Duration,
    };

    /// A disk whose flushes end when they are let.
    #[derive(Default)]
    struct Slow {
        let_through: Lock<usize>,
        moved: Condvar,
        begun: AtomicUsize,
    }

    impl Slow {
        fn flusher(self: &Arc<Self>) -> Arc<Flusher> {
            let disk = Arc::clone(self);
            Arc::new(Flusher::new(move || {
                disk.begun.fetch_add(1, Ordering::SeqCst);
                let mut left = disk.let_through.lock().unwrap();
                while *left == 0 {
                    left = disk.moved.wait(left).unwrap();
                }
                *left -= 1;
                Ok(())
            }))
        }

        fn end_one(&self) {
            *self.let_through.lock().unwrap() += 1;
            self.moved.notify_all();
        }

        async fn has_begun(&self, count: usize) {
            while self.begun.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_commit_waits_for_a_flush_that_began_after_it_and_shares_it() {
        let disk = Arc::new(Slow::default());
        let flusher = disk.flusher();
        let commit = || {
            tokio::spawn({
                let flusher = Arc::clone(&flusher);
                async move { flusher.flush().await }
            })
        };
        let first = commit();
        disk.has_begun(1).await;
        // These were written while the first flush was under way: it may not have seen them.
        let later: Vec<_> = (0..50).map(|_| commit()).collect();
        while flusher.asked.load(Ordering::SeqCst) < 51 {
            tokio::task::yield_now().await;
        }
        disk.end_one();
        first.await.unwrap().unwrap();
        disk.has_begun(2).await;
        assert!(later.iter().all(|it| !it.is_finished()), "the first flush does not speak for those that came after");
        disk.end_one();
        for it in later {
            it.await.unwrap().unwrap();
        }
        assert_eq!(disk.begun.load(Ordering::SeqCst), 2, "fifty commits, one flush");
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_the_others_theirs() {
        let disk = Arc::new(Slow::default());
        let flusher = disk.flusher();
        let gone = tokio::spawn({
            let flusher = Arc::clone(&flusher);
            async move { flusher.flush().await }
        });
        disk.has_begun(1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        disk.end_one();
        disk.end_one();
        flusher.flush().await.unwrap();
        assert_eq!(disk.begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn after_a_failed_flush_nothing_is_called_committed() {
        let tries = Arc::new(AtomicUsize::new(0));
        let flusher = Flusher::new({
            let tries = Arc::clone(&tries);
            move || match tries.fetch_add(1, Ordering::SeqCst) {
                0 => Err(io::Error::from(io::ErrorKind::StorageFull)),
                _ => Ok(()),
            }
        });
        for _ in 0..3 {
            let Err(Error::Unavailable(text)) = flusher.flush().await else { panic!("it failed") };
            assert!(text.contains("restart"), "{text}");
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1, "a second flush would succeed and say nothing of what was lost");
    }
}
