//! How many connections may be open at once: bounded by the file descriptors that the process may have, with a part kept for
//! routers, the database and files, so that whoever opens connections at the door takes nothing else away.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the service itself needs: routers, database, files, wake-ups.
const KEPT: u64 = 512;
/// More connections are of no use to anybody; each may hold a head of 128 kB.
const MOST: u64 = 8192;
/// So many are taken in any case.
const LEAST: u64 = 128;
/// Descriptors that we ask for: systems commonly allow 1,024 at first and far more to who asks.
const WANTED: u64 = KEPT + 2 * MOST;

/// Asks for as many descriptors as are of use, within what the system allows. For the program, at its start.
pub fn raise() {
    let now = getrlimit(Resource::Nofile);
    let Some(soft) = now.current else { return };
    let wanted = now.maximum.unwrap_or(WANTED).min(WANTED);
    if soft < wanted
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..now })
    {
        tracing::warn!(%error, soft, "the number of open files could not be raised");
    }
}

/// Connections that the front door takes at once.
pub fn connections() -> usize {
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(fitting(soft)).unwrap_or(usize::MAX)
}

fn fitting(soft: u64) -> u64 {
    (soft.saturating_sub(KEPT) / 2).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!(fitting(WANTED), MOST);
        assert_eq!(fitting(1024), 256);
        assert_eq!(fitting(256), LEAST);
        assert_eq!(fitting(u64::MAX), MOST);
        for soft in (1024..100_000).step_by(1000) {
            assert!(fitting(soft) + KEPT <= soft, "{soft}");
        }
    }

    #[test]
    fn as_many_as_are_of_use_are_asked_for() {
        raise();
        let now = getrlimit(Resource::Nofile);
        assert!(now.current.is_none_or(|soft| soft >= now.maximum.unwrap_or(WANTED).min(WANTED)), "{now:?}");
    }
}
