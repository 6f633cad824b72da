//! Addresses that keep sending what is not signed rightly are answered 429 for a while.
//!
//! Laws: only refused requests are counted, and only after they were refused; a rightly signed request never comes here,
//! so that nobody can lock the bridge out, not even from its own address. Memory is bounded.

use crate::clock::Clock;
use governor::{Quota, RateLimiter, clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Refusals that an address has free, and how many come back in a minute.
pub const FREE: NonZeroU32 = NonZeroU32::new(20).expect("twenty is not zero");
/// From so many addresses at once, all share one allowance.
const MOST: usize = 50_000;
/// How often those that have their allowance back are forgotten: each so many refusals.
const SWEEP: u32 = 1024;

/// Counts refusals by address; IPv6 by /64, which is what one customer has.
pub struct Refusals {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, Ticks, NoOpMiddleware<Duration>>,
    clock: Ticks,
    counted: AtomicU32,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refusals({} addresses)", self.limiter.len())
    }
}

/// The house's clock, as `governor` wants it.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().timestamp_millis()).unwrap_or_default())
    }
}

impl Refusals {
    /// No refusals yet.
    pub fn new(clock: Clock) -> Self {
        let clock = Ticks(clock);
        let limiter = RateLimiter::hashmap_with_clock(Quota::per_minute(FREE), clock.clone());
        Self { limiter, clock, counted: AtomicU32::new(0) }
    }

    /// Counts a refused request. `Some(seconds)`: there were too many; the next try makes sense after so many seconds.
    pub fn failed(&self, peer: IpAddr) -> Option<u64> {
        if self.counted.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let peer = if self.limiter.len() < MOST { network(peer) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        let refused = self.limiter.check_key(&peer).err()?;
        let wait = refused.wait_time_from(clock::Clock::now(&self.clock));
        Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }
}

/// What one sender can choose from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, TimeZone, Utc};

    fn refusals() -> (Refusals, Clock) {
        let clock = Clock::fixed(Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).unwrap());
        (Refusals::new(clock.clone()), clock)
    }

    #[test]
    fn twenty_refusals_are_free_then_one_comes_back_every_three_seconds() {
        let (refusals, clock) = refusals();
        let peer = "192.0.2.1".parse().unwrap();
        for number in 0..20 {
            assert_eq!(refusals.failed(peer), None, "{number}");
        }
        assert_eq!(refusals.failed(peer), Some(3));
        clock.advance(TimeDelta::milliseconds(2_500));
        assert_eq!(refusals.failed(peer), Some(1));
        clock.advance(TimeDelta::milliseconds(500));
        assert_eq!(refusals.failed(peer), None);
        assert_eq!(refusals.failed(peer), Some(3));
        assert_eq!(refusals.failed("192.0.2.2".parse().unwrap()), None, "another address has its own");
    }

    #[test]
    fn one_ipv6_network_is_one_sender_and_a_mapped_address_is_its_ipv4_one() {
        let (refusals, _) = refusals();
        for host in 0..20 {
            assert_eq!(refusals.failed(format!("2001:db8::{host:x}").parse().unwrap()), None);
        }
        assert!(refusals.failed("2001:db8::ffff".parse().unwrap()).is_some());
        assert!(refusals.failed("2001:db8:0:1::1".parse().unwrap()).is_none());
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), network("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn addresses_that_have_their_allowance_back_are_forgotten() {
        let (refusals, clock) = refusals();
        for number in 0..3_000_u32 {
            assert_eq!(refusals.failed(Ipv4Addr::from_bits(0x0a00_0000 + number).into()), None);
            clock.advance(TimeDelta::seconds(1));
        }
        assert!(refusals.limiter.len() < 2_000, "{}", refusals.limiter.len());
    }

    #[test]
    fn so_many_addresses_at_once_share_one_allowance() {
        let (refusals, _) = refusals();
        for number in 0..60_000_u32 {
            refusals.failed(Ipv4Addr::from_bits(0x0a00_0000 + number).into());
        }
        assert!(refusals.limiter.len() <= MOST + 1);
        assert!(refusals.failed("192.0.2.1".parse().unwrap()).is_some());
    }
}
