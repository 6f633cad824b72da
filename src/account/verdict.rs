//! What follows from a balance and a plan's quotas: one pure function, called after each booking (design: one decision, in one place).
//!
//! The threshold letter goes out once per crossing and is armed again when the balance rises above the threshold; who is off
//! and has some balance left hears of it when he is on again. The suspension letter goes out once per block, and once more
//! where it named the plan's quota, which ends by itself, and then the balance is used up. Both at once: only the suspension
//! letter. Never called for a doubtful reading.

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
    /// Whether the letter of the block that holds named the plan's quota, and not the balance.
    pub told_of_plan: bool,
    /// Whether a quota of the plan is full that blocks.
    pub plan_full: bool,
    /// Whether it is off for another cause.
    pub off: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the next fall below the threshold brings a letter.
    pub armed: bool,
    /// Whether the quota cause holds from now on.
    pub quota: bool,
    /// Whether the letter of the block that holds named the plan's quota, and not the balance.
    pub told_of_plan: bool,
    /// The letter to write, if any.
    pub letter: Option<Letter>,
}

impl Books {
    /// Whether the account is to be blocked: its balance is zero or less, or the plan says so.
    pub fn is_used_up(&self) -> bool {
        self.plan_full || self.is_empty()
    }

    /// Whether its balance alone would block it. It is named before the plan's quota, which ends by itself.
    fn is_empty(&self) -> bool {
        self.metered && self.balance <= 0
    }
}

/// Decides. The threshold is passed when the balance is *less* than it.
pub fn decide(books: Books) -> Verdict {
    let (empty, quota) = (books.is_empty(), books.is_used_up());
    let suspends = quota && (!books.quota || (empty && books.told_of_plan));
    let told_of_plan = if suspends { !empty } else { quota && books.told_of_plan };
    let threshold = books.threshold.filter(|_| books.metered).map(Bytes::signed);
    let below = threshold.is_some_and(|threshold| books.balance < threshold);
    let above = threshold.is_some_and(|threshold| books.balance > threshold);
    let is_on = !quota && !books.off;
    let letter = if suspends {
        Some(Letter::Suspension)
    } else if below && books.armed && is_on {
        Some(Letter::Threshold)
    } else {
        None
    };
    // The letter says that it still works: whoever is off has it when he is on again. Of an empty balance there is another.
    let waits = !is_on && !empty;
    Verdict { armed: !books.metered || above || (books.armed && (!below || waits)), quota, told_of_plan, letter }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn books(balance: i64) -> Books {
        Books {
            metered: true,
            balance,
            threshold: Some(Bytes(100)),
            armed: true,
            quota: false,
            told_of_plan: false,
            plan_full: false,
            off: false,
        }
    }

    /// The quota cause holds, by the plan.
    fn by_plan(letter: Option<Letter>) -> Verdict {
        Verdict { armed: true, quota: true, told_of_plan: true, letter }
    }

    #[test]
    fn the_threshold_is_strict_and_the_block_is_not() {
        assert_eq!(decide(books(100)).letter, None);
        assert_eq!(decide(books(99)).letter, Some(Letter::Threshold));
        assert_eq!(decide(books(1)).letter, Some(Letter::Threshold));
        let told_of_plan = false;
        assert_eq!(
            decide(books(0)),
            Verdict { armed: false, quota: true, told_of_plan, letter: Some(Letter::Suspension) }
        );
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
        let free = Verdict { armed: true, quota: false, told_of_plan: false, letter: None };
        assert_eq!(decide(Books { quota: true, ..unmetered }), free);
    }

    #[test]
    fn a_full_plan_blocks_once_and_frees_at_once_whatever_the_balance() {
        let full = Books { plan_full: true, ..books(500) };
        assert_eq!(decide(full), by_plan(Some(Letter::Suspension)));
        assert_eq!(decide(Books { quota: true, ..full }).letter, None, "told once");
        let free = Verdict { armed: true, quota: false, told_of_plan: false, letter: None };
        assert_eq!(decide(Books { quota: true, told_of_plan: true, ..books(500) }), free);
        assert!(decide(Books { quota: true, ..books(0) }).quota, "the balance holds it still");
        let unmetered = Books { metered: false, ..full };
        assert_eq!(decide(unmetered), by_plan(Some(Letter::Suspension)));
        assert!(!decide(Books { plan_full: false, quota: true, ..unmetered }).quota);
    }

    #[test]
    fn whom_the_plan_was_to_free_is_told_once_that_his_balance_keeps_him_off() {
        let blocked = Books { quota: true, told_of_plan: true, ..books(0) };
        for plan_full in [true, false] {
            let verdict = decide(Books { plan_full, ..blocked });
            assert_eq!((verdict.letter, verdict.told_of_plan), (Some(Letter::Suspension), false), "{plan_full}");
            let told = Books { plan_full, told_of_plan: false, ..blocked };
            assert_eq!((decide(told).letter, decide(told).told_of_plan), (None, false), "{plan_full}");
        }
        // Both at once: the letter names the balance, and nothing is left to be told.
        let both = decide(Books { plan_full: true, ..books(0) });
        assert_eq!((both.letter, both.told_of_plan), (Some(Letter::Suspension), false));
    }

    #[test]
    fn who_is_off_is_not_told_that_it_works_and_is_when_he_is_on_again() {
        for off in [Books { plan_full: true, quota: true, ..books(50) }, Books { off: true, ..books(50) }] {
            let verdict = decide(off);
            assert_eq!((verdict.letter, verdict.armed), (None, true));
            let on = decide(Books { plan_full: false, off: false, ..off });
            assert_eq!((on.letter, on.armed), (Some(Letter::Threshold), false));
        }
        let crossed = decide(Books { plan_full: true, ..books(50) });
        assert_eq!((crossed.letter, crossed.armed), (Some(Letter::Suspension), true));
        let empty = decide(Books { off: true, ..books(0) });
        assert_eq!((empty.letter, empty.armed), (Some(Letter::Suspension), false));
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
                prop_assert!(!verdict.told_of_plan);
                now.armed = verdict.armed;
                now.quota = verdict.quota;
            }
        }
    }
}
