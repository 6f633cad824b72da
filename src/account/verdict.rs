//! What follows from a balance and a plan's quotas: one pure function, called after each booking (design: one decision, in one place).
//!
//! The threshold letter goes out once per crossing and is armed again when the balance rises above the threshold; the
//! suspension letter once per block. Both at once: only the suspension letter. Never called for a doubtful reading.

use crate::units::Bytes;

/// Why a letter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// The balance fell below the threshold.
    Threshold,
    /// The balance or a quota of the plan is used up and the account was blocked.
    Suspension,
}

/// Where the books stand.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// Whether a balance is kept at all.
    pub metered: bool,
    /// Bytes; below zero is a debt.
    pub balance: i64,
    /// The letter's threshold; `None` is off.
    pub threshold: Option<Bytes>,
    /// Whether the next fall below it brings a letter.
    pub armed: bool,
    /// Whether the quota cause holds.
    pub quota: bool,
    /// Whether a quota of the plan is full that blocks.
    pub plan_full: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the next fall below the threshold brings a letter.
    pub armed: bool,
    /// Whether the quota cause holds from now on.
    pub quota: bool,
    /// The letter to write, if any.
    pub letter: Option<Letter>,
}

impl Books {
    /// Whether the account is to be blocked: its balance is zero or less, or the plan says so.
    pub fn is_used_up(&self) -> bool {
        self.plan_full || (self.metered && self.balance <= 0)
    }
}

/// Decides. The threshold is passed when the balance is *less* than it.
pub fn decide(books: Books) -> Verdict {
    let quota = books.is_used_up();
    if !books.metered {
        let letter = (quota && !books.quota).then_some(Letter::Suspension);
        return Verdict { armed: true, quota, letter };
    }
    let below = books.threshold.is_some_and(|threshold| books.balance < threshold.signed());
    let above = books.threshold.is_some_and(|threshold| books.balance > threshold.signed());
    let letter = if quota && !books.quota {
        Some(Letter::Suspension)
    } else if below && books.armed && !quota {
        Some(Letter::Threshold)
    } else {
        None
    };
    Verdict { armed: above || (books.armed && !below), quota, letter }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn books(balance: i64) -> Books {
        Books { metered: true, balance, threshold: Some(Bytes(100)), armed: true, quota: false, plan_full: false }
    }

    #[test]
    fn the_threshold_is_strict_and_the_block_is_not() {
        assert_eq!(decide(books(100)).letter, None);
        assert_eq!(decide(books(99)).letter, Some(Letter::Threshold));
        assert_eq!(decide(books(1)).letter, Some(Letter::Threshold));
        assert_eq!(decide(books(0)), Verdict { armed: false, quota: true, letter: Some(Letter::Suspension) });
    }

    #[test]
    fn a_threshold_letter_is_armed_again_only_above_the_threshold() {
        let spent = Books { armed: false, ..books(50) };
        assert!(!decide(spent).armed);
        assert!(!decide(Books { balance: 100, ..spent }).armed);
        assert!(decide(Books { balance: 101, ..spent }).armed);
    }

    #[test]
    fn unmetered_is_never_blocked_and_never_written_to() {
        let unmetered = Books { metered: false, balance: -5, ..books(0) };
        assert_eq!(decide(Books { quota: true, ..unmetered }), Verdict { armed: true, quota: false, letter: None });
    }

    #[test]
    fn a_full_plan_blocks_once_and_frees_at_once_whatever_the_balance() {
        let full = Books { plan_full: true, ..books(500) };
        assert_eq!(decide(full), Verdict { armed: true, quota: true, letter: Some(Letter::Suspension) });
        assert_eq!(decide(Books { quota: true, ..full }).letter, None, "told once");
        assert_eq!(decide(Books { quota: true, ..books(500) }), Verdict { armed: true, quota: false, letter: None });
        assert!(decide(Books { quota: true, ..books(0) }).quota, "the balance holds it still");
        let unmetered = Books { metered: false, ..full };
        assert_eq!(decide(unmetered), Verdict { armed: true, quota: true, letter: Some(Letter::Suspension) });
        assert!(!decide(Books { plan_full: false, quota: true, ..unmetered }).quota);
    }

    proptest! {
        /// Whatever the balance does, letters of a kind are separated by a rise above their line.
        #[test]
        fn letters_come_once_per_crossing(balances in prop::collection::vec(-300_i64..300, 1..60)) {
            let mut now = books(200);
            let (mut may_warn, mut may_suspend) = (true, true);
            for balance in balances {
                now.balance = balance;
                let verdict = decide(now);
                may_warn |= balance > 100;
                may_suspend |= balance > 0;
                match verdict.letter {
                    Some(Letter::Threshold) => { prop_assert!(may_warn && balance < 100 && balance > 0); may_warn = false; }
                    Some(Letter::Suspension) => { prop_assert!(may_suspend && balance <= 0); may_suspend = false; may_warn = false; }
                    None => prop_assert!(!(may_suspend && balance <= 0)),
                }
                prop_assert_eq!(verdict.quota, balance <= 0);
                now.armed = verdict.armed;
                now.quota = verdict.quota;
            }
        }
    }
}
