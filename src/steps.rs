//! Where a test may kill the program: after each thing that it does outside of itself.
//!
//! What SIGKILL leaves is what lies outside of the process: the database, the router, the mail server. Between two
//! operations upon these, all lines and all awaits leave the same behind. So a kill at the start of a story, and one after
//! each of its statements, commits, router replies and mail commands, are kills at every await of it; a command that is
//! sent and not yet answered is the router's to see, and a test kills from there.
//!
//! `TURNPIKE_KILL_AT=create:17` kills the process after the seventeenth step of any story of that name (0: at its
//! start). [`cut_short`] is the same within a test's own process, where thousands of deaths are wanted. Only in a build with debug assertions: in a release build there is nothing here, and nothing reads the variable.

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub use armed::{Step, cut_short, step, story};

#[cfg(not(debug_assertions))]
pub use disarmed::{Step, cut_short, step, story};

#[cfg(not(debug_assertions))]
mod disarmed {
    /// Nothing.
    #[derive(Debug)]
    pub struct Step<'a>(std::marker::PhantomData<&'a str>);

    /// The work, as it is.
    pub fn story<F: Future>(_name: &str, work: F) -> F {
        work
    }

    /// The work, as it is.
    pub async fn cut_short<F: Future>(_steps: u64, work: F) -> Option<F::Output> {
        Some(work.await)
    }

    /// Nothing.
    pub const fn step(_what: &str) -> Step<'_> {
        Step(std::marker::PhantomData)
    }
}
