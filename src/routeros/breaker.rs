//! When to try a router again: at once, after a growing pause, or only when its login has changed.
//!
//! While it is open callers fail fast with the last failure; when it is due the next caller is the probe. A refused
//! login pauses five minutes even for a patient caller: routers log and lock out, and nothing but new login data helps.
//! Pauses are spread, so that many routers that went away together are not all tried at the same instant.

use super::error::Failure;
use std::time::Duration;
use tokio::time::Instant;

/// The first pause after a connection that could not be made.
const FIRST: Duration = Duration::from_secs(1);
/// The pause after a refused login.
const LOGIN: Duration = Duration::from_mins(5);

/// One router's breaker.
pub(super) struct Breaker {
    streak: u32,
    open: Option<(Instant, Failure)>,
    seed: u64,
    longest: Duration,
}

impl Breaker {
    /// A closed breaker. The seed spreads its pauses, none of which is longer than that.
    pub(super) fn new(seed: u64, longest: Duration) -> Self {
        Self { streak: 0, open: None, seed, longest }
    }

    /// How often in a row it failed.
    pub(super) fn failures(&self) -> u32 {
        self.streak
    }

    /// Until when it is open.
    pub(super) fn until(&self) -> Option<Instant> {
        self.open.as_ref().map(|(until, _)| *until)
    }

    /// Why nothing is tried now, if so.
    pub(super) fn refuses(&self, now: Instant, patient: bool) -> Option<&Failure> {
        let (until, failure) = self.open.as_ref()?;
        let overridden = patient && !matches!(failure, Failure::Login(_));
        (now < *until && !overridden).then_some(failure)
    }

    /// No connection could be made. Returns the pause.
    pub(super) fn failed(&mut self, now: Instant, failure: Failure) -> Duration {
        let pause = if matches!(failure, Failure::Login(_)) { LOGIN } else { self.growing() };
        self.streak = self.streak.saturating_add(1);
        self.open = Some((now + pause, failure));
        pause
    }

    /// A connection was lost. One that had served is tried again at once; one that had not counts as a failure, the
    /// first of which is forgiven.
    pub(super) fn lost(&mut self, now: Instant, served: bool, failure: Failure) {
        if served {
            self.reset();
        } else if self.streak == 0 {
            self.streak = 1;
            self.open = None;
        } else {
            self.failed(now, failure);
        }
    }

    /// All is well, or the login is known to be good again.
    pub(super) fn reset(&mut self) {
        self.streak = 0;
        self.open = None;
    }

    /// A connection stands; its failures are forgiven once it has served.
    pub(super) fn connected(&mut self) {
        self.open = None;
    }

    /// 1, 2, 4 … seconds up to the longest, each 75 to 125 % of it and never over the longest.
    fn growing(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.streak.min(16)).min(self.longest);
        // splitmix64: a repeatable spread, no secret.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let percent = u32::try_from((z ^ (z >> 31)) % 51).unwrap_or_default() + 75;
        (whole * percent / 100).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_mins(1);

    fn breaker(seed: u64) -> Breaker {
        Breaker::new(seed, LONGEST)
    }

    fn away() -> Failure {
        Failure::Away("connection refused".into())
    }

    #[test]
    fn pauses_grow_to_the_longest_and_are_spread() {
        let now = Instant::now();
        let pauses = |seed| {
            let mut breaker = breaker(seed);
            (0..10).map(|_| breaker.failed(now, away())).collect::<Vec<_>>()
        };
        for seed in 0..200 {
            for (at, pause) in pauses(seed).into_iter().enumerate() {
                let whole = (FIRST * (1 << at)).min(LONGEST);
                assert!(
                    pause >= whole * 75 / 100 && pause <= (whole * 125 / 100).min(LONGEST),
                    "{seed}, {at}: {pause:?}"
                );
            }
        }
        // Two hundred routers that went away together are tried at many different instants.
        for nth in 0..5 {
            let instants: std::collections::HashSet<_> = (0..200).map(|seed| pauses(seed)[nth]).collect();
            assert!(instants.len() > 40, "{nth}: {}", instants.len());
        }
        let mut brief = Breaker::new(7, Duration::from_secs(3));
        assert!((0..40).all(|_| brief.failed(now, away()) <= Duration::from_secs(3)));
        assert_eq!(brief.failures(), 40);
    }

    #[test]
    fn open_it_refuses_all_but_the_patient_until_it_is_due() {
        let now = Instant::now();
        let mut breaker = breaker(1);
        assert_eq!(breaker.refuses(now, false), None);
        let pause = breaker.failed(now, away());
        assert_eq!(breaker.refuses(now, false), Some(&away()));
        assert_eq!(breaker.refuses(now, true), None);
        assert_eq!(breaker.refuses(now + pause, false), None);
    }

    #[test]
    fn a_refused_login_pauses_five_minutes_even_for_the_patient() {
        let now = Instant::now();
        let mut breaker = breaker(1);
        breaker.failed(now, Failure::Login("invalid user name or password (6)".into()));
        assert!(breaker.refuses(now + LOGIN - FIRST, true).is_some());
        assert!(breaker.refuses(now + LOGIN, false).is_none());
    }

    #[test]
    fn a_connection_that_served_is_tried_again_at_once() {
        let now = Instant::now();
        let mut breaker = breaker(1);
        breaker.failed(now, away());
        breaker.connected();
        breaker.lost(now, true, away());
        assert!(breaker.refuses(now, false).is_none());
        breaker.lost(now, false, away());
        assert!(breaker.refuses(now, false).is_none(), "the first is forgiven");
        breaker.lost(now, false, away());
        assert!(breaker.refuses(now, false).is_some());
    }
}
