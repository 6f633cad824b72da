//! What of jobs that fail is logged, and when one that fails by a defect is tried again.
//!
//! What is due is looked for every second. So a failure that lasts is told of when it begins and when it is over, a database
//! that is away once for all jobs together, and what fails by a defect of ours is soon tried only once a minute.

use crate::problem::{Code, Problem};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What fails by a defect is tried again after 1, 2, 4 … seconds, at the most.
const REST: Duration = Duration::from_secs(60);

/// A job that was told of the database's absence and was not begun again for so long says nothing of it any more: its router
/// may be gone.
const STALE: Duration = Duration::from_secs(600);

/// The failures of all jobs, as they were told of.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<Standing>);

#[derive(Debug, Default)]
struct Standing {
    failing: HashMap<String, Failing>,
    /// Jobs that found the database away when they ran last.
    away: HashMap<String, Instant>,
}

#[derive(Debug)]
struct Failing {
    how: End,
    times: u32,
    rests_until: Instant,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    Failed(Code),
    /// It broke off.
    Broke,
}

/// What is to be logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    /// The failure itself.
    failure: bool,
    /// The job works again.
    works: bool,
    /// The database answers again.
    answers: bool,
}

impl Troubles {
    /// Whether the job is not to be tried yet.
    pub(super) fn rests(&self, job: &str) -> bool {
        let standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standing.failing.get(job).is_some_and(|it| Instant::now() < it.rests_until)
    }

    /// A job has come to an end.
    pub(super) fn ended(&self, job: &str, outcome: &Result<(), Problem>) {
        let said = self.note(job, outcome.as_ref().map_or_else(|problem| End::Failed(problem.code), |()| End::Well));
        match outcome {
            Err(problem) if !said.failure => tracing::debug!(job, "{}", problem.told()),
            Err(problem) => {
                let (code, told) = (problem.code.as_str(), problem.told());
                if matches!(problem.code, Code::Internal | Code::DatabaseUnavailable) {
                    tracing::error!(job, code, "{told}");
                } else {
                    tracing::warn!(job, code, "{told}");
                }
            }
            Ok(()) if said.works => tracing::info!(job, "the job works again"),
            Ok(()) => {}
        }
        if said.answers {
            tracing::info!("the database answers again");
        }
    }

    /// A job broke off.
    pub(super) fn broke(&self, job: &str, error: &tokio::task::JoinError) {
        if self.note(job, End::Broke).failure {
            tracing::error!(job, %error, "a job broke off");
        } else {
            tracing::debug!(job, %error, "a job broke off");
        }
    }

    fn note(&self, job: &str, how: End) -> Said {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(job, how, Instant::now())
    }
}

impl Standing {
    fn note(&mut self, job: &str, how: End, now: Instant) -> Said {
        if how == End::Failed(Code::DatabaseUnavailable) {
            self.away.retain(|_, at| now.duration_since(*at) < STALE);
            let failure = self.away.is_empty();
            self.away.insert(job.to_owned(), now);
            return Said { failure, ..Said::default() };
        }
        let answers = self.away.remove(job).is_some() && self.away.is_empty();
        match how {
            End::Well => Said { works: self.failing.remove(job).is_some(), answers, failure: false },
            // A router that went away was told of once, by who found it so.
            End::Failed(Code::Busy | Code::RouterUnreachable) => Said { answers, ..Said::default() },
            _ => Said { failure: self.fails(job, how, now), answers, works: false },
        }
    }

    /// Whether it is another failure than before.
    fn fails(&mut self, job: &str, how: End, now: Instant) -> bool {
        let before = self.failing.get(job).filter(|it| it.how == how).map_or(0, |it| it.times);
        // Routers have pauses of their own.
        let rest = match how {
            End::Broke | End::Failed(Code::Internal) => REST.min(Duration::from_secs(1 << before.min(6))),
            _ => Duration::ZERO,
        };
        let failing = Failing { how, times: before.saturating_add(1), rests_until: now + rest };
        self.failing.insert(job.to_owned(), failing);
        before == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: End = End::Failed(Code::DatabaseUnavailable);
    const DEFECT: End = End::Failed(Code::Internal);
    const NOTHING: Said = Said { failure: false, works: false, answers: false };

    #[test]
    fn an_outage_of_the_database_is_told_of_when_it_begins_and_when_it_is_over() {
        let (mut standing, mut now) = (Standing::default(), Instant::now());
        for second in 0..100 {
            for (nth, job) in ["nonces", "letters", "what is due"].into_iter().enumerate() {
                let said = standing.note(job, AWAY, now);
                assert_eq!(said, Said { failure: second == 0 && nth == 0, ..NOTHING }, "{job} in second {second}");
            }
            // It had nothing to ask.
            assert_eq!(standing.note("clock", End::Well, now), NOTHING);
            now += Duration::from_secs(1);
        }
        assert_eq!(standing.note("nonces", End::Well, now), NOTHING);
        assert_eq!(standing.note("letters", End::Failed(Code::Busy), now), NOTHING);
        assert_eq!(standing.note("what is due", End::Well, now), Said { answers: true, ..NOTHING });
        assert_eq!(standing.note("letters", End::Well, now), NOTHING);
        assert!(standing.note("router 3", AWAY, now).failure, "the next one is told of");
        // Its router is gone; so it never comes back.
        assert!(!standing.note("letters", AWAY, now + STALE / 2).failure);
        assert!(standing.note("letters", AWAY, now + STALE * 2).failure);
    }

    #[test]
    fn a_defect_is_told_of_once_and_soon_tried_once_a_minute() {
        let (mut standing, began) = (Standing::default(), Instant::now());
        let (mut told, mut tries) = (0, Vec::new());
        for second in 0..600 {
            let now = began + Duration::from_secs(second);
            if standing.failing.get("housekeeping").is_none_or(|it| now >= it.rests_until) {
                tries.push(second);
                told += usize::from(standing.note("housekeeping", DEFECT, now).failure);
            }
        }
        assert_eq!(tries, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363, 423, 483, 543]);
        assert_eq!(told, 1);
        let now = began + Duration::from_secs(603);
        assert_eq!(standing.note("housekeeping", End::Well, now), Said { works: true, ..NOTHING });
        assert_eq!(standing.note("housekeeping", End::Well, now), NOTHING);
        assert!(standing.note("housekeeping", End::Broke, now).failure, "another failure is told of anew");
    }

    #[test]
    fn a_router_that_refuses_is_told_of_once_and_not_kept_from_its_changes() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        let refused = End::Failed(Code::RouterRefused);
        assert!(standing.note("router 3", refused, now).failure);
        assert_eq!(standing.note("router 3", refused, now), NOTHING);
        assert!(standing.failing["router 3"].rests_until <= now);
        // It was away in between: it has not said that it takes us now.
        assert_eq!(standing.note("router 3", End::Failed(Code::RouterUnreachable), now), NOTHING);
        assert_eq!(standing.note("router 3", refused, now), NOTHING);
        assert_eq!(standing.note("router 3", End::Well, now), Said { works: true, ..NOTHING });
    }
}
