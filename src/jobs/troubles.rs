//! What of jobs that fail is logged, and when one that fails by a defect is tried again.
//!
//! What is due is looked for every second. So a failure that lasts is told of when it begins and when it is over, a database
//! that is away once for all jobs together and for each cause that it gives, and what fails by a defect of ours is soon tried
//! only once a minute. A transaction that others were in the way of for too long says nothing of the database: it is that job's
//! failure alone.

use crate::problem::{Code, Problem};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What fails by a defect is tried again after 1, 2, 4 … seconds, at the most.
const REST: Duration = Duration::from_secs(60);

/// A job that was told of the database's absence and was not begun again for so long says nothing of it any more: its router
/// may be gone. So long a cause is not told of again either.
const STALE: Duration = Duration::from_secs(600);

/// An outage tells of so many causes at the most: one may have a number in it that is another each time.
const MOST_CAUSES: usize = 16;

/// The failures of all jobs, as they were told of.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<Standing>);

#[derive(Debug, Default)]
struct Standing {
    failing: HashMap<String, Failing>,
    /// Jobs that found the database away when they ran last; a router's parts together, since one of them may not be due again
    /// for an hour.
    away: HashMap<String, Instant>,
    /// Why it was, and when that was said last: one job that lastingly finds a table full must not hide an outage that comes
    /// later, nor one outage be told of at every try because its causes take turns.
    causes: HashMap<String, Instant>,
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
        self.standing().failing.get(job).is_some_and(|it| Instant::now() < it.rests_until)
    }

    /// A job has come to an end.
    pub(super) fn ended(&self, job: &str, outcome: &Result<(), Problem>) {
        let is_away = |it: &Problem| it.code == Code::DatabaseUnavailable && !it.is_retryable();
        let said = {
            let (mut standing, now) = (self.standing(), Instant::now());
            match outcome {
                Ok(()) => standing.note(job, End::Well, now),
                Err(it) if is_away(it) => standing.away(job, it.cause.as_deref().unwrap_or_default(), now),
                Err(it) => standing.note(job, End::Failed(it.code), now),
            }
        };
        match outcome {
            Err(problem) if !said.failure => tracing::debug!(job, "{}", problem.told()),
            Err(problem) => {
                let (code, told) = (problem.code.as_str(), problem.told());
                // A defect's sentence names it.
                let cause = problem.cause.as_deref().filter(|_| problem.code == Code::DatabaseUnavailable);
                if problem.code == Code::Internal || is_away(problem) {
                    tracing::error!(job, code, cause, "{told}");
                } else {
                    tracing::warn!(job, code, cause, "{told}");
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
    pub(super) fn broke(&self, job: &str, error: &str) {
        if self.standing().note(job, End::Broke, Instant::now()).failure {
            tracing::error!(job, error, "a job broke off");
        } else {
            tracing::debug!(job, error, "a job broke off");
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of `queues of router 3` the router.
fn whose(job: &str) -> &str {
    job.rsplit_once(" of ").map_or(job, |(_, router)| router)
}

impl Standing {
    /// The job found the database away, which says why.
    fn away(&mut self, job: &str, cause: &str, now: Instant) -> Said {
        self.away.retain(|_, at| now.duration_since(*at) < STALE);
        self.causes.retain(|_, at| now.duration_since(*at) < STALE);
        if self.away.is_empty() {
            self.causes.clear();
        }
        let is_known = self.causes.contains_key(cause);
        let failure = !is_known && self.causes.len() < MOST_CAUSES;
        if is_known || failure {
            self.causes.insert(cause.to_owned(), now);
        }
        self.away.insert(whose(job).to_owned(), now);
        Said { failure, ..Said::default() }
    }

    /// The job came to another end.
    fn note(&mut self, job: &str, how: End, now: Instant) -> Said {
        self.away.retain(|_, at| now.duration_since(*at) < STALE);
        let answers = self.away.remove(whose(job)).is_some() && self.away.is_empty();
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
    use crate::db;

    const REFUSED: &str = "Connection refused";
    const DEFECT: End = End::Failed(Code::Internal);
    const NOTHING: Said = Said { failure: false, works: false, answers: false };

    #[test]
    fn a_part_of_a_visit_that_is_not_due_again_keeps_no_outage_open() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        assert!(standing.away("queues of router 3", REFUSED, now).failure);
        assert_eq!(standing.note("router 3", End::Well, now), Said { answers: true, ..NOTHING });
        assert!(standing.away("router 3", REFUSED, now).failure, "the next one is told of");
    }

    #[test]
    fn an_outage_of_the_database_is_told_of_when_it_begins_and_when_it_is_over() {
        let (mut standing, mut now) = (Standing::default(), Instant::now());
        for second in 0..100 {
            for (nth, job) in ["nonces", "letters", "what is due"].into_iter().enumerate() {
                let said = standing.away(job, REFUSED, now);
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
        assert!(standing.away("router 3", REFUSED, now).failure, "the next one is told of");
        // Its router is gone; so it never comes back.
        assert!(!standing.away("letters", REFUSED, now + STALE / 2).failure);
        assert!(standing.away("letters", REFUSED, now + STALE * 2).failure);
    }

    #[test]
    fn an_outage_that_comes_while_a_job_lastingly_fails_of_the_database_is_told_of_too() {
        let (mut standing, began) = (Standing::default(), Instant::now());
        let mut told = Vec::new();
        for second in 0..3 * STALE.as_secs() {
            let now = began + Duration::from_secs(second);
            // Two outages, whose causes take turns.
            let is_out = (100..160).contains(&second) || (1000..1060).contains(&second);
            let cause = if second % 2 == 0 { REFUSED } else { "no connection within 5 s" };
            for (job, finds) in [("housekeeping", Some("table is full")), ("letters", is_out.then_some(cause))] {
                let said = match finds {
                    Some(cause) => standing.away(job, cause, now),
                    None => standing.note(job, End::Well, now),
                };
                told.extend(said.failure.then_some((second, job)));
                assert!(!said.answers, "not while one is away: {job} in second {second}");
            }
        }
        let outages = [100, 101, 1000, 1001].map(|second| (second, "letters"));
        assert_eq!(told, [&[(0, "housekeeping")], &outages[..]].concat());
        let now = began + STALE * 3;
        assert!(standing.note("housekeeping", End::Well, now).answers);
        // One whose words are never the same ends by itself.
        let told = (0..100).filter(|n| standing.away("letters", &format!("connection {n} was killed"), now).failure);
        assert_eq!(told.count(), MOST_CAUSES);
    }

    #[test]
    fn a_transaction_that_others_were_in_the_way_of_is_its_jobs_failure_alone() {
        let troubles = Troubles::default();
        let busy = Problem::from(db::Error::Retry("Lock wait timeout exceeded".to_owned()));
        troubles.ended("letters", &Err(busy));
        assert!(troubles.standing().away.is_empty() && troubles.standing().failing.contains_key("letters"));
        assert!(!troubles.rests("letters"));
        let away = Problem::from(db::Error::Unavailable(REFUSED.to_owned()));
        troubles.ended("nonces", &Err(away));
        assert!(troubles.standing().away.contains_key("nonces"));
        let said = troubles.standing().note("letters", End::Well, Instant::now());
        assert_eq!(said, Said { works: true, ..NOTHING }, "and nothing is said of the database");
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
