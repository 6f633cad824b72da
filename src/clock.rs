//! Time and chance, as inputs.
//!
//! Law 8: nothing else in the house reads the clock or the dice; `clippy.toml` bans it. A test holds a clock that moves
//! only when told and dice that repeat.

use chrono::{DateTime, Duration, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::{Arc, Mutex, PoisonError};

/// What time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// A test's or the demo's: moves only by [`Clock::advance`] and [`Clock::set`].
    Fixed(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands at `at` until it is moved.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::Fixed(Arc::new(Mutex::new(at)))
    }

    /// The instant, to the millisecond (what the database keeps).
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
            Self::System => from_millis(Utc::now().timestamp_millis()),
            Self::Fixed(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a fixed clock on; the machine's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(at) = self {
            *at.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }

    /// Sets a fixed clock; the machine's clock is left alone.
    pub fn set(&self, to: DateTime<Utc>) {
        if let Self::Fixed(at) = self {
            *at.lock().unwrap_or_else(PoisonError::into_inner) = to;
        }
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
