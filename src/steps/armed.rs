//! Counts the steps of a story and kills at the one that the environment names.

use rustix::process::{Signal, getpid, kill_process};
use std::{
    io::Write,
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

tokio::task_local! {
    /// How many steps the story has passed, where it is the one.
    static PASSED: AtomicU64;
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

/// Runs a story of that name, whose steps count if it is the one.
pub async fn story<F: Future>(name: &str, work: F) -> F::Output {
    match plan().filter(|plan| plan.story == name) {
        None => work.await,
        Some(plan) => {
            let counted = async {
                if plan.step == 0 {
                    die(0, "the start");
                }
                work.await
            };
            PASSED.scope(AtomicU64::new(0), counted).await
        }
    }
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
        // Outside of a story that is to be killed there is no count.
        let passed = PASSED.try_with(|passed| passed.fetch_add(1, Relaxed) + 1);
        if let (Ok(passed), Some(plan)) = (passed, plan())
            && passed == plan.step
        {
            die(passed, self.0);
        }
    }
}

/// By the signal that nothing can catch: no destructor runs, nothing is flushed.
fn die(step: u64, what: &str) {
    let what = what.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
    let _unread = writeln!(std::io::stderr(), "killed after step {step}: {what}");
    let _alive = kill_process(getpid(), Signal::KILL);
    // It is delivered at the latest when the call returns to us, and to every other thread as well.
    std::process::abort();
}
