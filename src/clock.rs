//! Time and chance, as inputs.
//!
//! Law 8: nothing else in the house reads the clock or the dice; `clippy.toml` bans it. A test holds a clock that moves
//! only when told and dice that repeat. A clock can be set, by people, by NTP, by a machine that slept; how long the process
//! ran cannot: [`Watch`] compares the two.

use chrono::{DateTime, Duration, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Instant,
};

/// What time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// A test's or the demo's: moves only by [`Clock::advance`] and [`Clock::set`].
    Fixed(Arc<Mutex<Hands>>),
}

/// Where a fixed clock stands.
#[derive(Clone, Copy, Debug)]
pub struct Hands {
    at: DateTime<Utc>,
    ran: Duration,
}

impl Clock {
    /// A clock that stands at `at` until it is moved.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::Fixed(Arc::new(Mutex::new(Hands { at, ran: Duration::zero() })))
    }

    /// The instant, to the millisecond (what the database keeps).
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
            Self::System => from_millis(Utc::now().timestamp_millis()),
            Self::Fixed(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).at,
        }
    }

    /// For how long this process has run (a machine that sleeps may not count that), whatever the clock was set to.
    pub fn ran(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => Duration::from_std(START.elapsed()).unwrap_or(Duration::MAX),
            Self::Fixed(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).ran,
        }
    }

    /// Time passes on a fixed clock, or it is set back; the machine's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(hands) = self {
            let mut hands = hands.lock().unwrap_or_else(PoisonError::into_inner);
            hands.at += by;
            hands.ran += by.max(Duration::zero());
        }
    }

    /// Sets a fixed clock, without time passing; the machine's clock is left alone.
    pub fn set(&self, to: DateTime<Utc>) {
        if let Self::Fixed(hands) = self {
            hands.lock().unwrap_or_else(PoisonError::into_inner).at = to;
        }
    }
}

/// Less than this is no leap: clocks are corrected a little all the time.
const LEAP: Duration = Duration::seconds(10);

/// Looks at the clock again and again, and sees when it was set.
#[derive(Debug)]
pub struct Watch {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    began: DateTime<Utc>,
    last: (DateTime<Utc>, Duration),
    /// The sum of all leaps since it began.
    leapt: Duration,
    /// The same, forward and back alike.
    moved: Duration,
}

impl Seen {
    fn leap(&self, now: (DateTime<Utc>, Duration)) -> Option<Duration> {
        let leap = (now.0 - self.last.0) - (now.1 - self.last.1);
        Some(leap).filter(|leap| leap.abs() >= LEAP)
    }
}

impl Watch {
    /// Begins to watch.
    pub fn new(clock: Clock) -> Self {
        let last = (clock.now(), clock.ran());
        Self { seen: Mutex::new(Seen { began: last.0, last, leapt: Duration::zero(), moved: Duration::zero() }), clock }
    }

    /// By how much the clock was set since the last look: forward, or back (below zero); `None`: it was not.
    pub fn look(&self) -> Option<Duration> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock.now(), self.clock.ran());
        let leap = seen.leap(now);
        seen.last = now;
        leap.inspect(|leap| {
            seen.leapt += *leap;
            seen.moved += leap.abs();
        })
    }

    /// How far the clock was set since the watch began, forward and back alike; also where nobody has looked yet.
    pub fn moved(&self) -> Duration {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.moved + self.unseen(&seen).abs()
    }

    /// When the watch began, by the clock as it went then; and how far the clock was set since, in all; also where nobody has
    /// looked yet.
    pub fn since(&self) -> (DateTime<Utc>, Duration) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.began, seen.leapt + self.unseen(&seen))
    }

    /// The leap that the next look will find: whoever asks may be sooner than the job that looks.
    fn unseen(&self, seen: &Seen) -> Duration {
        seen.leap((self.clock.now(), self.clock.ran())).unwrap_or_else(Duration::zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_seen_and_time_that_passes_is_not() {
        let clock = Clock::fixed(from_millis(1_800_000_000_000));
        let watch = Watch::new(clock.clone());
        assert_eq!(watch.look(), None);
        clock.advance(Duration::days(400));
        assert_eq!(watch.look(), None, "time passed");
        clock.set(clock.now() + Duration::seconds(9));
        assert_eq!(watch.look(), None, "a correction");
        clock.set(clock.now() - Duration::hours(3));
        clock.advance(Duration::seconds(1));
        assert_eq!(watch.look(), Some(Duration::hours(-3)));
        assert_eq!(watch.look(), None, "seen once");
        clock.set(clock.now() + Duration::days(365));
        assert_eq!(watch.since().1, Duration::days(365) - Duration::hours(3), "before anybody looked");
        assert_eq!(watch.moved(), Duration::days(365) + Duration::hours(3));
        assert_eq!(watch.look(), Some(Duration::days(365)), "and it is still to be seen");
        assert_eq!(watch.since().1, Duration::days(365) - Duration::hours(3));
        assert_eq!(watch.moved(), Duration::days(365) + Duration::hours(3));
        let system = Watch::new(Clock::System);
        assert_eq!(system.look(), None);
    }
}

/// An instant from the database's milliseconds since 1970; one outside chrono's years becomes 1970.
pub fn from_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// Where random bytes come from.
#[derive(Clone, Debug)]
pub enum Chance {
    /// The operating system, by way of a generator seeded from it.
    System,
    /// A test's or the demo's: the same seed gives the same bytes.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Chance {
    /// Dice that repeat.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Fills `into` with random bytes fit for keys and nonces (with `System`).
    pub fn fill(&self, into: &mut [u8]) {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place where the dice are thrown")]
            Self::System => rand::rng().fill_bytes(into),
            Self::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(into),
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number in `0..below`, each equally likely; 0 where `below` is 0.
    pub fn below(&self, below: u32) -> u32 {
        if below == 0 {
            return 0;
        }
        // Values past the last whole multiple are thrown again, or small numbers would come up more often.
        let limit = u32::MAX - u32::MAX % below;
        loop {
            let value = u32::from_le_bytes(self.bytes());
            if value < limit {
                return value % below;
            }
        }
    }
}
