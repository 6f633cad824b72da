//! What can go wrong on the way to a router and on it, as an API for tests: which fault, and when it strikes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Simulator;

/// Code that runs at a command; see [`Fault::Call`]. The world is not locked meanwhile.
pub type Hook = Arc<dyn Fn(&Simulator) + Send + Sync>;

/// What goes wrong. "Applied" says whether the command changed the router's world.
#[derive(Clone)]
pub enum Fault {
    /// The connection is closed without an answer; not applied.
    Refuse,
    /// No answer to this command, ever, unless it is cancelled; not applied. Others on the connection are answered.
    Hang,
    /// No answer to this command or any later one on the connection, which stays open; not applied.
    Silence,
    /// Applied, and then as [`Fault::Silence`].
    ApplyThenSilence,
    /// Carried out and answered only after this time. A tagged command does not hold up others.
    Slow(Duration),
    /// Carried out and answered only once this says so. A tagged command does not hold up others.
    Until(watch::Receiver<bool>),
    /// Applied; the connection is cut after so many bytes of the answer.
    CutAfterBytes(usize),
    /// Applied; the connection falls silent after so many bytes of the answer.
    StallAfterBytes(usize),
    /// Applied; the connection is cut before the first byte of the answer.
    ApplyAndLoseReply,
    /// The answer is noise that is no API word; not applied.
    Garbage,
    /// The answer announces a word of this size (up to 4 GiB), brings little of it and stalls; not applied.
    HugeWord(u32),
    /// Applied; half of the answer, then `!fatal` with this reason, and the connection is closed.
    FatalMidway(String),
    /// The router restarts before it looks at the command: counters are zero, all connections cut; not applied.
    RebootBefore,
    /// Applied, then the router restarts without an answer.
    RebootAfter,
    /// Refused with this message and category; not applied.
    Trap(String, Option<u8>),
    /// Refused with two traps in a row; not applied.
    TwoTraps(String, String),
    /// Applied; the answer is a bare `!done`, without rows and without `=ret=`.
    EmptyDone,
    /// Applied; the answer lacks its `!done`, the connection stays open.
    WithoutDone,
    /// Applied; a reply word that nobody knows comes before the answer.
    UnknownReply,
    /// Applied; the answer does not carry its tag.
    Untagged,
    /// At a login only: the answer of RouterOS before 6.43, `!done =ret=<challenge>`.
    OldChallenge,
    /// Runs code, then goes on as if nothing were.
    Call(Hook),
    /// Carries the command out, runs code, then answers.
    CallAfter(Hook),
}

impl Fault {
    /// [`Fault::Call`] of a closure.
    pub fn call(hook: impl Fn(&Simulator) + Send + Sync + 'static) -> Fault {
        Fault::Call(Arc::new(hook))
    }

    /// [`Fault::CallAfter`] of a closure.
    pub fn call_after(hook: impl Fn(&Simulator) + Send + Sync + 'static) -> Fault {
        Fault::CallAfter(Arc::new(hook))
    }

    fn is_hook(&self) -> bool {
        matches!(self, Fault::Call(_) | Fault::CallAfter(_))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Call(_) => out.write_str("Call"),
            Fault::CallAfter(_) => out.write_str("CallAfter"),
            Fault::Trap(message, category) => write!(out, "Trap({message:?}, {category:?})"),
            Fault::Slow(time) => write!(out, "Slow({time:?})"),
            Fault::CutAfterBytes(count) => write!(out, "CutAfterBytes({count})"),
            Fault::StallAfterBytes(count) => write!(out, "StallAfterBytes({count})"),
            Fault::ApplyAndLoseReply => out.write_str("ApplyAndLoseReply"),
            Fault::RebootBefore => out.write_str("RebootBefore"),
            _ => out.write_str("Fault"),
        }
    }
}

/// When a fault strikes. All but the "every" ones strike once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The next command after a login, on any connection.
    Next,
    /// The nth command (1 is the next) of this path; a path that ends in `*` stands for all that begin so.
    Command {
        /// `/queue/simple/reset-counters`, `/queue/*`.
        path: String,
        /// 1 for the next one.
        nth: usize,
    },
    /// Every command of this path, until the faults are cleared.
    Every {
        /// As in [`When::Command`].
        path: String,
    },
    /// Every command.
    Always,
    /// The next login.
    Login,
    /// Every login.
    EveryLogin,
    /// The next connection, as soon as it is accepted.
    Connection,
    /// Every connection.
    EveryConnection,
}

impl When {
    /// The next command of a path.
    pub fn at(path: &str) -> When {
        When::nth(path, 1)
    }

    /// The nth command of a path, counted from now; 1 is the next.
    pub fn nth(path: &str, nth: usize) -> When {
        When::Command { path: path.to_owned(), nth }
    }

    /// Every command of a path.
    pub fn every(path: &str) -> When {
        When::Every { path: path.to_owned() }
    }
}

/// A point at which a fault may strike.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment<'a> {
    Connection,
    Login,
    Command(&'a str),
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(super) struct Plan(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    when: When,
    fault: Fault,
    seen: usize,
}

fn fits(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |head| path.starts_with(head))
}

impl Plan {
    pub(super) fn add(&mut self, when: When, fault: Fault) {
        self.0.push(Entry { when, fault, seen: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The faults that strike now: any number of hooks, and at most one other (the one planned first).
    pub(super) fn strike(&mut self, moment: Moment<'_>) -> Vec<Fault> {
        let mut struck = Vec::new();
        let mut broken = false;
        self.0.retain_mut(|entry| {
            let (due, once) = match (&entry.when, moment) {
                (When::Next, Moment::Command(_))
                | (When::Login, Moment::Login)
                | (When::Connection, Moment::Connection) => (true, true),
                (When::Always, Moment::Command(_))
                | (When::EveryLogin, Moment::Login)
                | (When::EveryConnection, Moment::Connection) => (true, false),
                (When::Every { path: pattern }, Moment::Command(path)) => (fits(pattern, path), false),
                (When::Command { path: pattern, nth }, Moment::Command(path)) if fits(pattern, path) => {
                    entry.seen += 1;
                    (entry.seen >= *nth, true)
                }
                _ => (false, false),
            };
            if !due || (broken && !entry.fault.is_hook()) {
                return true;
            }
            broken |= !entry.fault.is_hook();
            struck.push(entry.fault.clone());
            !once
        });
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_when_planned_and_once() {
        let mut plan = Plan::default();
        plan.add(When::nth("/a/print", 2), Fault::Hang);
        plan.add(When::every("/a/*"), Fault::call(|_| ()));
        plan.add(When::Next, Fault::Garbage);
        plan.add(When::Login, Fault::Refuse);
        let mut names = |moment| format!("{:?}", plan.strike(moment).len());
        assert_eq!(names(Moment::Command("/a/print")), "2", "the hook and Garbage");
        assert_eq!(names(Moment::Connection), "0");
        assert_eq!(names(Moment::Command("/b/print")), "0");
        assert_eq!(names(Moment::Command("/a/print")), "2", "the hook and Hang");
        assert_eq!(names(Moment::Command("/a/print")), "1", "the hook");
        assert_eq!(names(Moment::Login), "1");
        assert_eq!(names(Moment::Login), "0");
    }
}
