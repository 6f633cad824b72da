//! Many who ask at the same time share one lookup: group commit, for reads.
//!
//! Laws: every answer comes of a lookup that began after it was asked for. Nothing is kept: who comes while a lookup is under
//! way waits for the next one, which is one for all who wait by then. How many share a lookup is bounded, and so is how
//! many lookups are under way at once; whoever has hung up is left out. A lookup that breaks off answers nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot};

/// Who waits for what, and how many lookups are under way. `K` is what is asked for, `V` the answer.
#[derive(Debug)]
pub struct Gather<K, V> {
    queue: Arc<Queue<K, V>>,
    runtime: Handle,
}

#[derive(Debug)]
struct Queue<K, V> {
    state: Mutex<State<K, V>>,
    bounds: Bounds,
}

#[derive(Debug)]
struct State<K, V> {
    waiting: VecDeque<(K, oneshot::Sender<V>)>,
    lanes: usize,
}

/// What is bounded.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Who share one lookup, at most.
    pub most: usize,
    /// Lookups under way at once, at most.
    pub lanes: usize,
}

/// What a lookup brought.
#[derive(Debug)]
pub struct Found<V> {
    /// The answers, in the order of what was asked for.
    pub answers: Vec<V>,
    /// How long whoever was asked is left alone before the next lookup.
    pub rest: Duration,
}

impl<K: Send + 'static, V: Send + 'static> Gather<K, V> {
    /// Nobody waits. Lookups run on that runtime, which must outlive every caller's own.
    pub fn new(bounds: Bounds, runtime: Handle) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), lanes: 0 });
        Self { queue: Arc::new(Queue { state, bounds }), runtime }
    }

    /// Asks. `lookup` is used if this is what begins one, for everybody who waits by then and after. The answer does not come
    /// where the lookup broke off.
    pub fn ask<F, L>(&self, key: K, lookup: F) -> oneshot::Receiver<V>
    where
        F: Fn(Vec<K>) -> L + Send + Sync + 'static,
        L: Future<Output = Found<V>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut state = self.queue.lock();
            state.waiting.push_back((key, answer));
            let begins = state.lanes < self.queue.bounds.lanes;
            state.lanes += usize::from(begins);
            begins
        };
        if begins {
            let lane = Lane { queue: Arc::clone(&self.queue), ended: false };
            self.runtime.spawn(lane.run(lookup));
        }
        answered
    }
}

impl<K, V> Queue<K, V> {
    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One lookup after the other until nobody waits.
struct Lane<K, V> {
    queue: Arc<Queue<K, V>>,
    ended: bool,
}

impl<K: Send + 'static, V: Send + 'static> Lane<K, V> {
    async fn run<F, L>(mut self, lookup: F)
    where
        F: Fn(Vec<K>) -> L + Send + Sync + 'static,
        L: Future<Output = Found<V>> + Send + 'static,
    {
        while let Some((keys, waiting)) = self.next() {
            let found = lookup(keys).await;
            for (answer, waiting) in found.answers.into_iter().zip(waiting) {
                // Whoever has hung up meanwhile needs none.
                let _gone = waiting.send(answer);
            }
            if !found.rest.is_zero() {
                tokio::time::sleep(found.rest).await;
            }
        }
    }

    /// Those who share the next lookup; `None` ends the lane.
    fn next(&mut self) -> Option<(Vec<K>, Vec<oneshot::Sender<V>>)> {
        let mut state = self.queue.lock();
        let (mut keys, mut waiting) = (Vec::new(), Vec::new());
        while keys.len() < self.queue.bounds.most
            && let Some((key, answer)) = state.waiting.pop_front()
        {
            if !answer.is_closed() {
                keys.push(key);
                waiting.push(answer);
            }
        }
        if keys.is_empty() {
            state.lanes -= 1;
            self.ended = true;
            return None;
        }
        Some((keys, waiting))
    }
}

impl<K, V> Drop for Lane<K, V> {
    /// Broken off, by a defect or with its runtime: whoever waits is told at once rather than left waiting.
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.queue.lock();
            state.lanes -= 1;
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    fn gather<K: Send + 'static, V: Send + 'static>(most: usize, lanes: usize) -> Gather<K, V> {
        Gather::new(Bounds { most, lanes }, Handle::current())
    }

    /// Lets `tickets` lookups through, one each, and writes down who shared each of them.
    struct Gate {
        tickets: Semaphore,
        seen: Mutex<Vec<Vec<u32>>>,
    }

    impl Gate {
        fn new(tickets: usize) -> Arc<Self> {
            Arc::new(Self { tickets: Semaphore::new(tickets), seen: Mutex::default() })
        }

        fn ask(self: &Arc<Self>, gather: &Gather<u32, u32>, key: u32) -> oneshot::Receiver<u32> {
            let gate = Arc::clone(self);
            gather.ask(key, move |keys: Vec<u32>| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.seen.lock().unwrap().push(keys.clone());
                    gate.tickets.acquire().await.unwrap().forget();
                    Found { answers: keys.into_iter().map(|key| key * 10).collect(), rest: Duration::ZERO }
                }
            })
        }

        async fn begun(&self, lookups: usize) {
            while self.seen.lock().unwrap().len() < lookups {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn who_comes_while_a_lookup_is_under_way_shares_the_next_one() {
        let (gather, gate) = (gather(100, 1), Gate::new(0));
        let first = gate.ask(&gather, 1);
        gate.begun(1).await;
        let rest: Vec<_> = (2..=100).map(|key| gate.ask(&gather, key)).collect();
        gate.tickets.add_permits(2);
        assert_eq!(first.await, Ok(10));
        for (key, answer) in (2..).zip(rest) {
            assert_eq!(answer.await, Ok(key * 10));
        }
        let seen = gate.seen.lock().unwrap();
        assert_eq!(*seen, [vec![1], (2..=100).collect()]);
    }

    #[tokio::test]
    async fn a_lookup_is_shared_by_so_many_and_no_more() {
        let (gather, gate) = (gather(3, 1), Gate::new(0));
        let all: Vec<_> = (1..=8).map(|key| gate.ask(&gather, key)).collect();
        gate.tickets.add_permits(8);
        for (key, answer) in (1..).zip(all) {
            assert_eq!(answer.await, Ok(key * 10));
        }
        assert_eq!(*gate.seen.lock().unwrap(), [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8]]);
    }

    #[tokio::test]
    async fn no_more_lookups_are_under_way_than_there_are_lanes() {
        let (gather, gate) = (gather(1, 2), Gate::new(0));
        let all: Vec<_> = (1..=5).map(|key| gate.ask(&gather, key)).collect();
        gate.begun(2).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.seen.lock().unwrap().len(), 2);
        gate.tickets.add_permits(5);
        for (key, answer) in (1..).zip(all) {
            assert_eq!(answer.await, Ok(key * 10));
        }
    }

    #[tokio::test]
    async fn nobody_is_looked_up_who_has_hung_up() {
        let (gather, gate) = (gather(100, 1), Gate::new(0));
        let first = gate.ask(&gather, 1);
        gate.begun(1).await;
        drop(gate.ask(&gather, 2));
        let third = gate.ask(&gather, 3);
        gate.tickets.add_permits(2);
        assert_eq!((first.await, third.await), (Ok(10), Ok(30)));
        assert_eq!(*gate.seen.lock().unwrap(), [vec![1], vec![3]]);
    }

    #[tokio::test]
    async fn a_lookup_that_breaks_off_answers_nobody_and_the_next_asker_begins_anew() {
        let gather: Gather<u32, u32> = gather(1, 1);
        let broken = |_keys| async { panic!("a defect") };
        let (first, second) = (gather.ask(1, broken), gather.ask(2, broken));
        assert!(first.await.is_err() && second.await.is_err());
        assert_eq!(Gate::new(1).ask(&gather, 3).await, Ok(30));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_asked_is_left_alone_for_as_long_as_the_lookup_said() {
        let gather: Gather<u32, tokio::time::Instant> = gather(1, 1);
        let rest = Duration::from_millis(40);
        let at = move |_keys| async move { Found { answers: vec![tokio::time::Instant::now()], rest } };
        let (first, second) = (gather.ask(1, at), gather.ask(2, at));
        assert_eq!(second.await.unwrap() - first.await.unwrap(), rest);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The law itself: a counter that only grows is read before asking and by each lookup as it begins.
        #[test]
        fn every_answer_comes_of_a_lookup_that_began_after_it_was_asked_for(
            most in 1..5_usize, lanes in 1..4_usize, pauses in prop::collection::vec(0..4_u8, 1..60),
        ) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(async {
                let gather: Arc<Gather<u64, u64>> = Arc::new(gather(most, lanes));
                let (time, shared) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
                let asks = pauses.iter().map(|pause| {
                    let (gather, time, shared, pause) = (Arc::clone(&gather), Arc::clone(&time), Arc::clone(&shared), *pause);
                    tokio::spawn(async move {
                        for _ in 0..pause {
                            tokio::task::yield_now().await;
                        }
                        let asked = time.fetch_add(1, Ordering::SeqCst);
                        let clock = Arc::clone(&time);
                        let answer = gather.ask(asked, move |keys: Vec<u64>| {
                            shared.fetch_max(keys.len(), Ordering::SeqCst);
                            let began = clock.fetch_add(1, Ordering::SeqCst);
                            async move {
                                tokio::task::yield_now().await;
                                Found { answers: vec![began; keys.len()], rest: Duration::ZERO }
                            }
                        });
                        (asked, answer.await.unwrap())
                    })
                });
                for ask in asks.collect::<Vec<_>>() {
                    let (asked, began) = ask.await.unwrap();
                    assert!(began > asked, "asked at {asked}, answered from a lookup of {began}");
                }
                assert!(shared.load(Ordering::SeqCst) <= most);
            });
        }
    }
}
