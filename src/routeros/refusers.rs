//! Queues whose limits their router refuses: asked again at growing pauses, so that each reading need not find them anew.

use crate::plan::burst::Rate;
use chrono::{DateTime, Duration, Utc};
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// One of them.
struct Refuser {
    rate: Rate,
    times: u32,
    refused_at: DateTime<Utc>,
}

/// Those of all routers, by router and id. Nothing is lost with it: whoever refuses still is found again.
#[derive(Default)]
pub struct Refusers(Mutex<HashMap<(u64, String), Refuser>>);

impl Refusers {
    fn all(&self) -> MutexGuard<'_, HashMap<(u64, String), Refuser>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of these is to be asked of the router now. Those that differ no longer are forgotten.
    pub fn due(&self, server_id: u64, wanted: &[(String, Rate)], now: DateTime<Utc>) -> Vec<(String, Rate)> {
        let mut all = self.all();
        if all.is_empty() {
            return wanted.to_vec();
        }
        let ids: HashSet<&str> = wanted.iter().map(|(id, _)| id.as_str()).collect();
        all.retain(|(server, id), _| *server != server_id || ids.contains(id.as_str()));
        let rests = |(id, rate): &&(String, Rate)| {
            let known = all.get(&(server_id, id.clone())).filter(|it| it.rate == *rate);
            known.is_some_and(|it| it.refused_at <= now && now < it.refused_at + pause(it.times))
        };
        wanted.iter().filter(|it| !rests(it)).cloned().collect()
    }

    /// The router has refused that rate; whether that is news.
    pub fn refused(&self, server_id: u64, id: &str, rate: Rate, now: DateTime<Utc>) -> bool {
        let mut all = self.all();
        let known = all.get(&(server_id, id.to_owned())).filter(|it| it.rate == rate);
        let times = known.map_or(0, |it| it.times) + 1;
        all.insert((server_id, id.to_owned()), Refuser { rate, times, refused_at: now });
        times == 1
    }
}

/// How long one rests that refused so often: 1, 2, 4 … minutes, an hour at the most.
fn pause(times: u32) -> Duration {
    Duration::minutes(1 << times.saturating_sub(1).min(6)).min(Duration::hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Speed;

    #[test]
    fn who_refuses_rests_longer_each_time_and_not_for_another_speed() {
        let refusers = Refusers::default();
        let [slow, fast] = [Speed::new(1_000, 1_000), Speed::new(9_000, 9_000)].map(Rate::plain);
        let wanted = |rate: Rate| vec![("*1".to_owned(), rate), ("*2".to_owned(), rate)];
        let due = |server: u64, rate: Rate, now| refusers.due(server, &wanted(rate), now).len();
        let mut now = DateTime::UNIX_EPOCH;
        for (times, minutes) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            assert_eq!(refusers.refused(3, "*1", slow, now), times == 0);
            assert_eq!((due(3, slow, now), due(3, fast, now), due(4, slow, now)), (1, 2, 2));
            now += Duration::minutes(minutes);
            assert_eq!(due(3, slow, now - Duration::seconds(1)), 1, "{minutes}");
            assert_eq!(due(3, slow, now), 2, "{minutes}");
        }
        refusers.refused(3, "*1", slow, now);
        assert_eq!(due(3, slow, now - Duration::hours(1)), 2, "the clock was set back");
        refusers.due(3, &[], now);
        assert!(refusers.refused(3, "*1", slow, now), "what was set meanwhile begins anew");
    }
}
