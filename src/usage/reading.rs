//! Two readings of a router's counter become the traffic between them.
//!
//! Law 2 rules here: where a counter's story is ambiguous the *smaller* figure is booked, and the doubt is said so that it
//! can be logged and counted. A counter that shows less than before, or under another id, has certainly started again; so
//! has every counter of a router whose uptime went back. Everything else is an assumption and is treated as doubt.

use crate::units::{Bytes, Kbps, MOST_MBPS, Speed, Volume};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::{Decimal, prelude::FromPrimitive};

/// How far the instant of boot that two readings give may differ: answers are late, and clocks are set.
pub const BOOT_SLACK: Duration = Duration::seconds(90);
/// What [`plausible`] adds to the time between two readings: neither is taken at the very instant that is noted.
pub const READING_SLACK: Duration = Duration::seconds(5);
/// What [`plausible`] always lets pass, each way: a few packets just after a reading are no fault.
pub const ALWAYS_PLAUSIBLE: Bytes = Bytes(1_048_576);

/// One reading of one counter. The stored one is the baseline of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// RouterOS's `.id` of the queue: another id is another counter.
    pub ros_id: String,
    /// The bytes shown.
    pub volume: Volume,
    /// The packets shown: a second witness of a counter that started again.
    pub packets: Volume,
}

impl Counter {
    /// A counter that shows nothing: the baseline of one just made or just reset.
    pub fn zero(ros_id: impl Into<String>) -> Self {
        Self { ros_id: ros_id.into(), volume: Volume::ZERO, packets: Volume::ZERO }
    }

    /// Whether it shows nothing at all.
    pub fn is_zero(&self) -> bool {
        self.volume.is_zero() && self.packets.is_zero()
    }

    /// Whether this reading, taken later, proves that the counter started again after `before`.
    pub fn restarted_since(&self, before: &Self) -> bool {
        let fell = |now: Volume, then: Volume| now.down < then.down || now.up < then.up;
        self.ros_id != before.ros_id || fell(self.volume, before.volume) || fell(self.packets, before.packets)
    }
}

/// What two uptimes tell about the router between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reboot {
    /// It ran on.
    No,
    /// Its uptime went back: it was booted.
    Yes,
    /// Its uptime grew, yet by our clock it was booted since: either that, or our clock was set forward. Proves nothing.
    Doubtful,
}

/// Whether a router was booted between two looks at its uptime.
///
/// Only an uptime that went back is proof. A boot between the looks whose uptime has outgrown the old one since needs a
/// gap longer than the old uptime; a clock set forward looks the same, so that is [`Reboot::Doubtful`]. A boot that seems
/// to have moved into the past is our clock set back: no reboot.
pub fn rebooted(previous_uptime_s: u64, previous_at: DateTime<Utc>, uptime_s: u64, at: DateTime<Utc>) -> Reboot {
    if uptime_s < previous_uptime_s {
        return Reboot::Yes;
    }
    let elapsed = at - previous_at;
    let grown = seconds(uptime_s - previous_uptime_s);
    let moved = elapsed > grown + BOOT_SLACK;
    if moved && elapsed + BOOT_SLACK >= seconds(uptime_s) { Reboot::Doubtful } else { Reboot::No }
}

/// When an interval began that lies between two looks at a router's uptime, by our clock as it goes at its end.
///
/// That is the instant of the first look, unless our clock was set meanwhile: then the router's own tells how long the
/// interval was, and neither is a minute's traffic spread over the year that our clock leapt, nor is it too much for the
/// no time at all that is left when the clock went back. After a boot only our clock is left.
pub fn interval_start(
    (previous_uptime_s, previous_at): (Option<u64>, DateTime<Utc>),
    (uptime_s, at): (u64, DateTime<Utc>),
) -> DateTime<Utc> {
    let Some(ran) = previous_uptime_s.and_then(|before| uptime_s.checked_sub(before)) else { return previous_at };
    let ran = seconds(ran);
    let leapt = (at - previous_at - ran).abs() > BOOT_SLACK;
    if leapt { at.checked_sub_signed(ran).unwrap_or(previous_at) } else { previous_at }
}

/// The traffic between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// To be booked.
    pub volume: Volume,
    /// The counter had started again, so all that it shows is new; what it counted after the last reading and before that
    /// is lost.
    pub restarted: bool,
    /// It may have started again and climbed past the old reading; the difference, the smaller figure, is what is booked.
    pub doubtful: bool,
}

/// The traffic since `baseline`. The same reading again gives nothing.
pub fn delta(baseline: &Counter, seen: &Counter, reboot: Reboot) -> Delta {
    if reboot == Reboot::Yes || seen.restarted_since(baseline) {
        return Delta { volume: seen.volume, restarted: true, doubtful: false };
    }
    let doubtful = reboot == Reboot::Doubtful && !baseline.volume.is_zero();
    Delta { volume: seen.volume.saturating_sub(baseline.volume), restarted: false, doubtful }
}

/// What a reading taken after a reset whose answer was lost says about that reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterReset {
    /// It happened (or the counter started again some other way): all that is shown is new.
    Happened {
        /// To be booked.
        delta: Volume,
    },
    /// It did not happen.
    NotHappened {
        /// To be booked.
        delta: Volume,
    },
    /// Either may be; the smaller figure is booked and the doubt is said.
    Ambiguous {
        /// To be booked.
        delta: Volume,
    },
}

impl AfterReset {
    /// What is to be booked, whatever the finding. The next baseline is the reading that was judged, in every case.
    pub fn delta(self) -> Volume {
        match self {
            Self::Happened { delta } | Self::NotHappened { delta } | Self::Ambiguous { delta } => delta,
        }
    }
}

/// Judges a reset whose answer was lost by one reading taken after it.
///
/// `r1` is the reading that the intent holds (it is booked already), `elapsed` the time since it was taken, and
/// `line_rate_bytes_per_s` the most that the account can move one way, `None` where nothing limits it. Below `r1` in any
/// component: it happened. More than the line can have moved since: it did not. Otherwise either may be.
pub fn after_unknown_reset(
    r1: &Counter,
    now: &Counter,
    line_rate_bytes_per_s: Option<u64>,
    elapsed: Duration,
) -> AfterReset {
    if now.restarted_since(r1) {
        return AfterReset::Happened { delta: now.volume };
    }
    let delta = now.volume.saturating_sub(r1.volume);
    let movable = line_rate_bytes_per_s.map(|rate| {
        let millis = u128::try_from((elapsed + READING_SLACK).num_milliseconds()).unwrap_or(0);
        u128::from(rate) * millis / 1000
    });
    let too_much = |shown: Bytes| movable.is_some_and(|most| u128::from(shown.0) > most);
    // With nothing counted before, both stories end in the same figure.
    let same = r1.volume.is_zero();
    if same || too_much(now.volume.down) || too_much(now.volume.up) {
        AfterReset::NotHappened { delta }
    } else {
        AfterReset::Ambiguous { delta }
    }
}

/// Whether a line of that speed can have moved that much in that time; what cannot be goes to quarantine.
///
/// Each way: `speed × (elapsed + 5 s) × factor + 1 MiB`. An unlimited direction is taken as 100 Gbit/s, the most that a
/// setting may name. `speed` must be the highest that held in the interval, burst included. A `factor` of 0 (or less, or
/// not a number) turns the check off. An `elapsed` below zero, our clock set back, counts as none.
pub fn plausible(delta: Volume, speed: Speed, elapsed: Duration, factor: f64) -> bool {
    let Some(factor) = Decimal::from_f64(factor).filter(|factor| *factor > Decimal::ZERO) else { return true };
    let millis = (elapsed.max(Duration::zero()) + READING_SLACK).num_milliseconds();
    let fits = |moved: Bytes, speed: Kbps| {
        let kbps = if speed.is_unlimited() { u64::from(MOST_MBPS) * 1000 } else { u64::from(speed.0) };
        // kbit/s × ms are bits.
        let most = Decimal::from(kbps)
            .checked_mul(Decimal::from(millis))
            .map(|bits| bits / Decimal::from(8))
            .and_then(|bytes| bytes.checked_mul(factor))
            .and_then(|bytes| bytes.checked_add(Decimal::from(ALWAYS_PLAUSIBLE.0)));
        // A cap past what a decimal holds is past what a counter holds.
        most.is_none_or(|most| Decimal::from(moved.0) <= most)
    };
    fits(delta.down, speed.down) && fits(delta.up, speed.up)
}

/// The most that may have passed in that time beside what was booked of it: each way `speed × (elapsed + 5 s)`, less what
/// was booked. `None` where a direction is unlimited: then nothing bounds it. `speed` must be the highest that held.
pub fn unseen(speed: Speed, elapsed: Duration, booked: Volume) -> Option<Bytes> {
    if speed.down.is_unlimited() || speed.up.is_unlimited() {
        return None;
    }
    let millis = u64::try_from((elapsed.max(Duration::zero()) + READING_SLACK).num_milliseconds()).unwrap_or(0);
    // kbit/s × ms are bits.
    let most = |speed: Kbps| u64::from(speed.0).saturating_mul(millis).div_ceil(8);
    Some(Volume::new(most(speed.down), most(speed.up)).saturating_sub(booked).total())
}

/// Uptimes past what a duration holds (ages) are cut there.
fn seconds(count: u64) -> Duration {
    Duration::seconds(i64::try_from(count).unwrap_or(i64::MAX).min(1 << 40))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn counter(down: u64, up: u64) -> Counter {
        Counter {
            ros_id: "*1A".to_owned(),
            volume: Volume::new(down, up),
            packets: Volume::new(down.div_ceil(1000), up.div_ceil(1000)),
        }
    }

    #[test]
    fn growth_is_the_difference_and_a_replay_is_nothing() {
        let seen = counter(5_000, 700);
        let grown = delta(&counter(2_000, 500), &seen, Reboot::No);
        assert_eq!(grown, Delta { volume: Volume::new(3_000, 200), restarted: false, doubtful: false });
        assert_eq!(delta(&seen, &seen, Reboot::No).volume, Volume::ZERO);
    }

    #[test]
    fn a_counter_that_fell_anywhere_has_started_again() {
        let before = counter(5_000, 700);
        let fallen = [
            counter(4_999, 700),
            counter(9_000, 699),
            Counter { packets: Volume::new(4, 1), ..counter(9_000, 900) },
            Counter { packets: Volume::new(9, 0), ..counter(9_000, 900) },
            Counter { ros_id: "*1B".to_owned(), ..counter(9_000, 900) },
        ];
        for seen in fallen {
            assert_eq!(
                delta(&before, &seen, Reboot::No),
                Delta { volume: seen.volume, restarted: true, doubtful: false },
                "{seen:?}"
            );
        }
    }

    #[test]
    fn a_booted_router_starts_its_counters_again_even_where_they_climbed_past() {
        let (before, seen) = (counter(5_000, 700), counter(9_000, 900));
        assert_eq!(delta(&before, &seen, Reboot::Yes).volume, seen.volume);
        let doubt = delta(&before, &seen, Reboot::Doubtful);
        assert_eq!(doubt, Delta { volume: Volume::new(4_000, 200), restarted: false, doubtful: true });
        assert!(!delta(&counter(0, 0), &seen, Reboot::Doubtful).doubtful, "both stories give the same figure");
    }

    #[test]
    fn an_interval_is_as_long_as_the_router_says_when_our_clock_was_set() {
        let (day, year) = (86_400, 365 * 86_400);
        let start = |before, now| interval_start((Some(day), at(before)), (day + 60, at(now)));
        assert_eq!(start(0, 60), at(0));
        assert_eq!(start(0, 149), at(0), "a late answer is no leap");
        assert_eq!(start(0, year), at(year - 60), "forward");
        assert_eq!(start(0, -3_600), at(-3_660), "back");
        assert_eq!(interval_start((Some(day), at(0)), (60, at(3_600))), at(0), "booted: nothing tells");
        assert_eq!(interval_start((None, at(0)), (day, at(3_600))), at(0), "never asked");
    }

    #[test]
    fn only_an_uptime_that_went_back_proves_a_boot() {
        let day = 86_400;
        assert_eq!(rebooted(day, at(0), day + 60, at(60)), Reboot::No);
        assert_eq!(rebooted(day, at(0), day + 60, at(149)), Reboot::No, "an answer that was 89 s late");
        assert_eq!(rebooted(day, at(0), 20, at(60)), Reboot::Yes);
        assert_eq!(rebooted(day, at(0), day - 1, at(60)), Reboot::Yes);
        assert_eq!(rebooted(100, at(0), 500, at(3_600)), Reboot::Doubtful, "away for an hour, up for 500 s");
        assert_eq!(rebooted(day, at(0), day + 60, at(3_660)), Reboot::No, "our clock was set forward by an hour");
        assert_eq!(rebooted(day, at(0), day + 60, at(-3_600)), Reboot::No, "our clock was set back by an hour");
        assert_eq!(rebooted(0, at(0), u64::MAX, at(60)), Reboot::No);
    }

    #[test]
    fn a_lost_reset_is_judged_by_what_the_counter_shows() {
        let r1 = counter(10_000_000, 1_000_000);
        let minute = Duration::seconds(60);
        let small = counter(3_000, 200);
        assert_eq!(after_unknown_reset(&r1, &small, None, minute), AfterReset::Happened { delta: small.volume });
        let grown = counter(10_000_500, 1_000_000);
        let more = Volume::new(500, 0);
        assert_eq!(after_unknown_reset(&r1, &grown, Some(10_000), minute), AfterReset::NotHappened { delta: more });
        assert_eq!(after_unknown_reset(&r1, &grown, Some(1_000_000), minute), AfterReset::Ambiguous { delta: more });
        assert_eq!(after_unknown_reset(&r1, &grown, None, minute), AfterReset::Ambiguous { delta: more });
        let fresh = after_unknown_reset(&Counter::zero("*1A"), &grown, None, minute);
        assert_eq!(fresh, AfterReset::NotHappened { delta: grown.volume });
    }

    #[test]
    fn what_the_line_cannot_carry_is_not_plausible() {
        let (speed, minute) = (Speed::new(10_000, 1_000), Duration::seconds(60));
        // 10 Mbit/s for 65 s with a fifth on top, and 1 MiB.
        let most = 10_000_000 / 8 * 65 / 10 * 12 + 1_048_576;
        assert!(plausible(Volume::new(most, 0), speed, minute, 1.2));
        assert!(!plausible(Volume::new(most + 1, 0), speed, minute, 1.2));
        assert!(!plausible(Volume::new(0, most), speed, minute, 1.2), "the other way is slower");
        assert!(plausible(Volume::new(u64::MAX, u64::MAX), speed, minute, 0.0), "0 is off");
        assert!(plausible(Volume::new(u64::MAX, u64::MAX), speed, minute, f64::NAN));
    }

    #[test]
    fn a_few_packets_right_after_a_reading_are_plausible() {
        let slow = Speed::new(64, 64);
        assert!(plausible(Volume::new(1_000_000, 1_000_000), slow, Duration::zero(), 1.2));
        assert!(plausible(Volume::new(1_000_000, 0), slow, Duration::seconds(-900), 1.2), "our clock was set back");
        assert!(!plausible(Volume::new(5_000_000, 0), slow, Duration::seconds(-900), 1.2));
    }

    #[test]
    fn what_went_unseen_is_bounded_by_the_line_less_what_was_booked() {
        let (speed, minute) = (Speed::new(8_000, 800), Duration::seconds(60));
        let all = 1_000_000 * 65 + 100_000 * 65;
        assert_eq!(unseen(speed, minute, Volume::ZERO), Some(Bytes(all)));
        assert_eq!(unseen(speed, minute, Volume::new(5_000_000, 7)), Some(Bytes(all - 5_000_007)));
        assert_eq!(unseen(speed, minute, Volume::new(u64::MAX, 0)), Some(Bytes(6_500_000)), "each way by itself");
        assert_eq!(unseen(speed, Duration::seconds(-3_600), Volume::ZERO), Some(Bytes(5_500_000)), "a clock set back");
        assert_eq!(unseen(Speed::new(0, 800), minute, Volume::ZERO), None);
        assert!(unseen(Speed::new(u32::MAX, 1), Duration::MAX - Duration::days(1), Volume::ZERO).is_some());
    }

    #[test]
    fn an_unlimited_line_still_has_an_end() {
        let minute = Duration::seconds(60);
        assert!(plausible(Volume::new(75_000_000_000, 0), Speed::default(), minute, 1.0), "10 Gbit/s for a minute");
        assert!(!plausible(Volume::new(0, 1 << 63), Speed::default(), minute, 1.2));
        assert!(plausible(Volume::new(u64::MAX, u64::MAX), Speed::default(), Duration::MAX - Duration::days(1), 1e18));
    }

    /// What happens to a counter between two looks at it.
    #[derive(Clone, Debug)]
    enum Event {
        Traffic(u64, u64),
        /// Reset or recreated under the same id, uptime untouched.
        Restart,
        /// Recreated under another id.
        Recreate,
        /// The router boots; known or not known from its uptime.
        Boot(Reboot),
        /// Our clock jumps and makes a boot look possible.
        ClockJump,
        Read,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..5_000_000_u64, 0..500_000_u64).prop_map(|(down, up)| Event::Traffic(down, up)),
            1 => Just(Event::Restart),
            1 => Just(Event::Recreate),
            1 => prop_oneof![Just(Reboot::Yes), Just(Reboot::Doubtful)].prop_map(Event::Boot),
            1 => Just(Event::ClockJump),
            4 => Just(Event::Read),
        ]
    }

    /// A router's counter and what really passed it.
    struct World {
        shown: Counter,
        truth: Volume,
        made: u32,
    }

    impl World {
        fn new() -> Self {
            Self { shown: Counter::zero("*0"), truth: Volume::ZERO, made: 0 }
        }

        fn traffic(&mut self, down: u64, up: u64) {
            let moved = Volume::new(down, up);
            self.truth += moved;
            self.shown.volume += moved;
            self.shown.packets += Volume::new(down.div_ceil(1400), up.div_ceil(1400));
        }

        fn restart(&mut self) {
            self.shown = Counter::zero(self.shown.ros_id.clone());
        }

        fn recreate(&mut self) {
            self.made += 1;
            self.shown = Counter::zero(format!("*{:X}", self.made));
        }
    }

    fn within(booked: Volume, truth: Volume) -> bool {
        booked.down <= truth.down && booked.up <= truth.up
    }

    proptest! {
        #[test]
        fn what_is_booked_is_never_more_than_what_passed(events in prop::collection::vec(event(), 1..60)) {
            let mut world = World::new();
            let (mut baseline, mut booked, mut reboot) = (world.shown.clone(), Volume::ZERO, Reboot::No);
            for event in events {
                match event {
                    Event::Traffic(down, up) => world.traffic(down, up),
                    Event::Restart => world.restart(),
                    Event::Recreate => world.recreate(),
                    Event::Boot(seen) => {
                        world.restart();
                        reboot = if reboot == Reboot::Yes { reboot } else { seen };
                    }
                    Event::ClockJump => reboot = if reboot == Reboot::No { Reboot::Doubtful } else { reboot },
                    Event::Read => {
                        booked += delta(&baseline, &world.shown, reboot).volume;
                        baseline = world.shown.clone();
                        reboot = Reboot::No;
                        prop_assert_eq!(delta(&baseline, &world.shown, reboot).volume, Volume::ZERO);
                        prop_assert!(within(booked, world.truth), "{:?} of {:?}", booked, world.truth);
                    }
                }
            }
        }

        #[test]
        fn without_restarts_nothing_is_lost(growth in prop::collection::vec((0..u64::MAX >> 8, 0..u64::MAX >> 8), 1..40)) {
            let mut world = World::new();
            let (mut baseline, mut booked) = (world.shown.clone(), Volume::ZERO);
            for (down, up) in growth {
                world.traffic(down, up);
                booked += delta(&baseline, &world.shown, Reboot::No).volume;
                baseline = world.shown.clone();
            }
            prop_assert_eq!(booked, world.truth);
        }

        #[test]
        fn a_lost_reset_never_overcharges(
            before in (0..5_000_000_u64, 0..500_000_u64), between in (0..3_000_000_u64, 0..300_000_u64),
            after in (0..9_000_000_u64, 0..900_000_u64), happened: bool, recreated: bool,
            rate in prop::option::of(0..10_000_000_u64), elapsed in 0..600_i64,
        ) {
            let mut world = World::new();
            world.traffic(before.0, before.1);
            let r1 = world.shown.clone();
            world.traffic(between.0, between.1);
            if recreated { world.recreate() } else if happened { world.restart() }
            world.traffic(after.0, after.1);
            let judged = after_unknown_reset(&r1, &world.shown, rate, Duration::seconds(elapsed));
            prop_assert!(within(r1.volume + judged.delta(), world.truth), "{:?}", judged);
            if let AfterReset::Happened { .. } = judged {
                prop_assert!(happened || recreated);
            }
            if !happened && !recreated {
                prop_assert_eq!(r1.volume + judged.delta(), world.truth, "nothing is lost where it did not happen");
            }
        }

        #[test]
        fn a_line_rate_that_holds_never_misjudges(
            before in 1..5_000_000_u64, bits in 1..80_000_u32, seconds in 0..600_i64, share in 0..=100_u64, happened: bool,
        ) {
            let rate = u64::from(bits) * 125;
            let mut world = World::new();
            world.traffic(before, 0);
            let r1 = world.shown.clone();
            if happened { world.restart() }
            world.traffic(rate * seconds.unsigned_abs() * share / 100, 0);
            let judged = after_unknown_reset(&r1, &world.shown, Some(rate), Duration::seconds(seconds));
            let wrong = matches!((happened, judged), (true, AfterReset::NotHappened { .. }) | (false, AfterReset::Happened { .. }));
            prop_assert!(!wrong, "{:?}", judged);
            let speed = Speed::new(bits, bits);
            let moved = world.truth.saturating_sub(r1.volume);
            prop_assert!(plausible(moved, speed, Duration::seconds(seconds), 1.0), "an honest delta is never quarantined");
        }

        #[test]
        fn a_clock_that_is_set_never_proves_a_boot(
            uptime in 0..10_000_000_u64, real in 0..100_000_u64, jump in -1_000_000_000..1_000_000_000_i64,
        ) {
            let seen = rebooted(uptime, at(0), uptime + real, at(i64::try_from(real).unwrap() + jump));
            prop_assert_ne!(seen, Reboot::Yes);
            if jump.abs() <= 90 { prop_assert_eq!(seen, Reboot::No); }
        }
    }
}
