//! The nonces that were used: what makes an accepted request impossible to send twice.
//!
//! Laws: a nonce is taken in one step, so of two equal requests at once exactly one is new. A nonce is remembered for
//! as long as its request could still be accepted. What had to be forgotten is not guessed at: below the horizon (the
//! latest moment up to which something was forgotten) every request is refused, so neither the bound on memory nor a
//! clock that is set back ever lets a replay through.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

/// Nonces remembered per key. Only who holds the key can come near it: 4,000 requests a second for four minutes. Then
/// the oldest go first, and requests signed before them are refused; those signed now are not.
const MOST: usize = 1_000_000;

/// Half of a SHA-256: as good as the nonce, and of a fixed size.
type Hash = [u8; 16];

/// What became of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was not used before; now it is.
    New,
    /// It was used.
    Seen,
    /// It may have been used: what was used at that time is no longer remembered.
    Forgotten,
}

/// One remembered nonce, for keeping across a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The key's id.
    pub key: String,
    /// The nonce's hash, hex.
    pub hash: String,
    /// Unix seconds: the last at which its request could be accepted.
    pub until: i64,
}

/// The memory, of all keys.
#[derive(Debug, Default)]
pub struct Nonces {
    keys: Mutex<HashMap<String, Memory>>,
}

/// The memory of one key.
#[derive(Debug)]
struct Memory {
    seen: HashSet<Hash>,
    by_end: BTreeMap<i64, Vec<Hash>>,
    /// Those that nobody has stored yet, with their ends.
    unstored: Vec<(Hash, i64)>,
    /// The latest end of anything forgotten.
    horizon: i64,
}

impl Nonces {
    /// Takes a nonce of `key` whose request could be accepted until `until`; `now` is when it came. Unix seconds.
    pub fn take(&self, key: &str, nonce: &str, until: i64, now: i64) -> Taken {
        // Outside of the lock, for which all workers wait.
        let hash = hash(nonce);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains_key(key) {
            keys.insert(key.to_owned(), Memory::new());
        }
        let Some(memory) = keys.get_mut(key) else { return Taken::Forgotten };
        memory.forget_before(now);
        memory.take(hash, until, MOST)
    }

    /// What was taken since the last call and is not yet past: to be stored now, or given back by [`Nonces::not_stored`].
    pub fn to_store(&self, now: i64) -> Vec<Remembered> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (key, memory) in keys.iter_mut() {
            let new = std::mem::take(&mut memory.unstored).into_iter().filter(|(_, until)| *until >= now);
            all.extend(new.map(|(hash, until)| Remembered { key: key.clone(), hash: hex::encode(hash), until }));
        }
        all
    }

    /// What could not be stored: the next call of [`Nonces::to_store`] has it again.
    pub fn not_stored(&self, all: impl IntoIterator<Item = Remembered>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for one in all {
            let mut hash = Hash::default();
            if hex::decode_to_slice(&one.hash, &mut hash).is_ok() {
                keys.entry(one.key).or_insert_with(Memory::new).unstored.push((hash, one.until));
            }
        }
    }

    /// Remembers what an earlier run stored; entries that are past, or no hashes, are left out.
    pub fn import(&self, stored: impl IntoIterator<Item = Remembered>, now: i64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for one in stored.into_iter().filter(|one| one.until >= now) {
            let mut hash = Hash::default();
            if hex::decode_to_slice(&one.hash, &mut hash).is_ok() {
                let memory = keys.entry(one.key).or_insert_with(Memory::new);
                if memory.take(hash, one.until, MOST) == Taken::New {
                    memory.unstored.pop();
                }
            }
        }
    }
}

impl Memory {
    fn new() -> Self {
        Self { seen: HashSet::new(), by_end: BTreeMap::new(), unstored: Vec::new(), horizon: i64::MIN }
    }

    fn take(&mut self, hash: Hash, until: i64, most: usize) -> Taken {
        if self.seen.contains(&hash) {
            return Taken::Seen;
        }
        if until <= self.horizon {
            return Taken::Forgotten;
        }
        self.seen.insert(hash);
        self.by_end.entry(until).or_default().push(hash);
        self.unstored.push((hash, until));
        while self.seen.len() > most && self.by_end.len() > 1 {
            self.forget_first();
        }
        Taken::New
    }

    /// Forgets what could not be accepted at `now` any more.
    fn forget_before(&mut self, now: i64) {
        while self.by_end.first_key_value().is_some_and(|(&until, _)| until < now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((until, hashes)) = self.by_end.pop_first() {
            self.horizon = self.horizon.max(until);
            for hash in hashes {
                self.seen.remove(&hash);
            }
        }
    }
}

/// A nonce as it is stored.
pub fn stored_hash(nonce: &str) -> String {
    hex::encode(hash(nonce))
}

fn hash(nonce: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&Sha256::digest(nonce)[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nonce_is_handed_out_once_to_be_stored_and_again_where_it_could_not_be() {
        let nonces = Nonces::default();
        nonces.take("a", "n", 120, 0);
        nonces.take("a", "m", 10, 0);
        let first = nonces.to_store(20);
        assert_eq!(first.len(), 1, "what is past need not be stored");
        assert!(nonces.to_store(20).is_empty());
        nonces.not_stored(first.clone());
        assert_eq!(nonces.to_store(20), first);
        let after = Nonces::default();
        after.import(first, 20);
        assert!(after.to_store(20).is_empty(), "what was stored is not stored again");
        assert_eq!(after.take("a", "n", 120, 20), Taken::Seen);
    }

    #[test]
    fn a_nonce_is_new_once_for_each_key() {
        let nonces = Nonces::default();
        assert_eq!(nonces.take("a", "n", 120, 0), Taken::New);
        assert_eq!(nonces.take("a", "n", 120, 0), Taken::Seen);
        assert_eq!(nonces.take("b", "n", 120, 0), Taken::New);
        assert_eq!(nonces.take("a", "N", 120, 0), Taken::New);
        assert_eq!(nonces.take("a", "n", 120, 120), Taken::Seen, "it could still be accepted at its end");
    }

    #[test]
    fn a_clock_set_back_does_not_let_a_forgotten_nonce_in_again() {
        let nonces = Nonces::default();
        assert_eq!(nonces.take("a", "n", 120, 0), Taken::New);
        assert_eq!(nonces.take("a", "later", 500, 400), Taken::New);
        assert_eq!(nonces.take("a", "n", 120, 0), Taken::Forgotten);
        assert_eq!(nonces.take("a", "other", 121, 0), Taken::New);
    }

    #[test]
    fn memory_ends_with_the_window() {
        let nonces = Nonces::default();
        for second in 0..10_000 {
            assert_eq!(nonces.take("a", &second.to_string(), second + 120, second), Taken::New);
        }
        let keys = nonces.keys.lock().unwrap();
        assert_eq!((keys["a"].seen.len(), keys["a"].by_end.len()), (121, 121));
    }

    #[test]
    fn past_the_bound_the_oldest_are_forgotten_and_never_let_in_again() {
        let mut memory = Memory::new();
        let nonce = |number: u32| hash(&number.to_string());
        for number in 0..10 {
            assert_eq!(memory.take(nonce(number), i64::from(number), 3), Taken::New);
        }
        assert_eq!(memory.seen.len(), 3);
        for number in 0..7 {
            assert_eq!(memory.take(nonce(number), i64::from(number), 3), Taken::Forgotten, "{number}");
        }
        assert_eq!(memory.take(nonce(9), 9, 3), Taken::Seen);
        assert_eq!(memory.take(nonce(10), 10, 3), Taken::New);
    }

    #[test]
    fn one_second_may_hold_more_than_the_bound_rather_than_forget_what_is_in_it() {
        let mut memory = Memory::new();
        for number in 0..10_u32 {
            assert_eq!(memory.take(hash(&number.to_string()), 7, 3), Taken::New);
        }
        assert_eq!(memory.take(hash("0"), 7, 3), Taken::Seen);
    }

    #[test]
    fn what_was_used_before_a_restart_is_remembered_after_it() {
        let before = Nonces::default();
        before.take("a", "past", 100, 90);
        before.take("a", "used", 300, 200);
        let stored = serde_json::to_string(&before.to_store(200)).unwrap();
        assert!(!stored.contains("used"));
        let after = Nonces::default();
        after.import(serde_json::from_str::<Vec<Remembered>>(&stored).unwrap(), 201);
        assert_eq!(after.take("a", "used", 300, 201), Taken::Seen);
        assert_eq!(after.take("a", "other", 300, 201), Taken::New);
        assert_eq!(after.take("a", "other", 300, 201), Taken::Seen);
        assert_eq!(after.to_store(201).len(), 1, "and the one of before need not be stored again");
    }

    #[test]
    fn of_many_takers_at_once_exactly_one_has_it() {
        let nonces = Nonces::default();
        let new = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8).map(|_| scope.spawn(|| nonces.take("a", "n", 120, 0))).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).filter(|taken| *taken == Taken::New).count()
        });
        assert_eq!(new, 1);
    }
}
