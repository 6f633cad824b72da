//! Counts the steps of a story and ends it at the one that was named.

use futures_util::FutureExt;
use rustix::process::{Signal, getpid, kill_process};
use std::{
    io::Write,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Which story, and after how many of its steps.
struct Plan {
    story: String,
    step: u64,
}

/// How many steps a story has passed, and what happens at which.
struct Count {
    passed: AtomicU64,
    last: u64,
    end: fn(u64, &str) -> !,
}

/// What a story that was cut short is unwound with.
struct CutShort;

tokio::task_local! {
    /// Where the story is one that ends early.
    static COUNT: Count;
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let read = || {
        let text = std::env::var("TURNPIKE_KILL_AT").ok()?;
        let (story, step) = text.rsplit_once(':')?;
        Some(Plan { story: story.to_owned(), step: step.parse().ok()? })
    };
    PLAN.get_or_init(read).as_ref()
}

/// Runs a story of that name; the process dies in it if it is the one.
pub fn story<F: Future>(name: &str, work: F) -> impl Future<Output = F::Output> {
    let plan = plan().filter(|plan| plan.story == name);
    // A long story is a large future, and would stand in this one more than once.
    let work = Box::pin(work);
    async move {
        match plan {
            None => work.await,
            Some(plan) => counted(plan.step, die, work).await,
        }
    }
}

/// Runs work of which nothing more happens after so many steps, as if the process had died there; what it came to, where
/// it lived. The same number cuts the same work at the same place.
pub async fn cut_short<F: Future>(steps: u64, work: F) -> Option<F::Output> {
    let unwind = |_, _: &str| resume_unwind(Box::new(CutShort));
    match AssertUnwindSafe(counted(steps, unwind, work)).catch_unwind().await {
        Ok(output) => Some(output),
        Err(reason) if reason.is::<CutShort>() => None,
        Err(reason) => resume_unwind(reason),
    }
}

async fn counted<F: Future>(last: u64, end: fn(u64, &str) -> !, work: F) -> F::Output {
    let begun = async {
        if last == 0 {
            end(0, "the start");
        }
        work.await
    };
    COUNT.scope(Count { passed: AtomicU64::new(0), last, end }, begun).await
}

/// Something that is done outside; the step is passed when this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Step<'a>(&'a str);

/// Begins a step, to be called by what it does.
pub fn step(what: &str) -> Step<'_> {
    Step(what)
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        let passed = |count: &Count| {
            let passed = count.passed.fetch_add(1, Relaxed) + 1;
            (passed == count.last).then_some((passed, count.end))
        };
        // Most work is no story that is to end early.
        if let Ok(Some((step, end))) = COUNT.try_with(passed) {
            end(step, self.0);
        }
    }
}

/// By the signal that nothing can catch: no destructor runs, nothing is flushed.
fn die(step: u64, what: &str) -> ! {
    let what = what.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
    let _unread = writeln!(std::io::stderr(), "killed after step {step}: {what}");
    let _alive = kill_process(getpid(), Signal::KILL);
    // A process that signals itself does not return from it alive.
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn three() -> u32 {
        for what in ["one", "two", "three"] {
            let _step = step(what);
            tokio::task::yield_now().await;
        }
        3
    }

    #[tokio::test]
    async fn work_is_cut_short_at_its_step() {
        for steps in 0..=3 {
            assert_eq!(cut_short(steps, three()).await, None);
        }
        assert_eq!(cut_short(4, three()).await, Some(3));
        assert_eq!(three().await, 3, "outside of a story nothing is counted");
    }
}
