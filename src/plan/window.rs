//! Clock times and daily windows in a time zone whose clocks are changed.
//!
//! * A clock time of a local day is one instant: the first at which a clock shows it or, where the clocks jump over it, the
//!   instant of the jump. So "every day at 00:05" comes once a day, in every zone, on every day.
//! * A window `[from, to)` may cross midnight; `from = to` is off. It is what lies between the two instants in *elapsed*
//!   time, so that it is one stretch a day; where its end comes twice, the later one ends it, in the customer's favour.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::{GapInfo, Tz};
use std::fmt;

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock(NaiveTime);

impl Clock {
    /// The clock time of so many minutes after midnight; `None` from 1440 on.
    pub fn from_minutes(minutes: u32) -> Option<Self> {
        NaiveTime::from_num_seconds_from_midnight_opt(minutes.checked_mul(60)?, 0).map(Self)
    }

    /// Minutes after midnight, 0 to 1439.
    pub fn minutes(self) -> u32 {
        self.0.num_seconds_from_midnight() / 60
    }

    /// Reads `HH:MM`, 00:00 to 23:59.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.trim().split_once(':')?;
        let digits = |it: &str| (1..=2).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_digit());
        if !digits(hours) || !digits(minutes) || minutes.len() != 2 {
            return None;
        }
        NaiveTime::from_hms_opt(hours.parse().ok()?, minutes.parse().ok()?, 0).map(Self)
    }

    /// The first instant of that local day at which a clock shows it, or the jump over it.
    pub fn on(self, day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
        self.find(day, zone, false)
    }

    /// The same, but the last instant where the clocks show it twice.
    fn last_on(self, day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
        self.find(day, zone, true)
    }

    fn find(self, day: NaiveDate, zone: Tz, last: bool) -> Option<DateTime<Utc>> {
        let local = day.and_time(self.0);
        let found = zone.from_local_datetime(&local);
        let found = if last { found.latest() } else { found.earliest() };
        found.or_else(|| GapInfo::new(&local, &zone)?.end).map(|it| it.with_timezone(&Utc))
    }

    /// The latest instant at or before `now` at which it came: by comparison with a stored instant this is what makes a
    /// daily event neither skip nor double, whatever slept in between.
    pub fn last_before(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        around(now, zone).filter_map(|day| self.on(day, zone)).filter(|at| *at <= now).max()
    }

    /// The first instant after `now` at which it comes.
    pub fn next_after(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        around(now, zone).filter_map(|day| self.on(day, zone)).filter(|at| *at > now).min()
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%H:%M"))
    }
}

/// The local days whose events may be near an instant. A zone may leave a day out, so two each way.
fn around(now: DateTime<Utc>, zone: Tz) -> impl Iterator<Item = NaiveDate> {
    let today = now.with_timezone(&zone).date_naive();
    let first = today.checked_sub_days(Days::new(2)).unwrap_or(today);
    (0..5).filter_map(move |n| first.checked_add_days(Days::new(n)))
}

/// A stretch of each local day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayWindow {
    /// When it begins.
    pub from: Clock,
    /// When it ends; earlier than `from`: on the next day. Equal: there is none.
    pub to: Clock,
}

impl DayWindow {
    /// Whether there is one at all.
    pub fn is_on(self) -> bool {
        self.from != self.to
    }

    /// The stretch that begins on a local day; `None` where it is off or has no length.
    pub fn on(self, day: NaiveDate, zone: Tz) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        if !self.is_on() {
            return None;
        }
        let end = if self.to > self.from { day } else { day.succ_opt()? };
        let (from, to) = (self.from.on(day, zone)?, self.to.last_on(end, zone)?);
        (from < to).then_some((from, to))
    }

    /// The local day on which the stretch that holds `at` began; `None` outside.
    pub fn day_of(self, at: DateTime<Utc>, zone: Tz) -> Option<NaiveDate> {
        around(at, zone).find(|day| self.on(*day, zone).is_some_and(|(from, to)| from <= at && at < to))
    }

    /// Whether an instant is inside.
    pub fn holds(self, at: DateTime<Utc>, zone: Tz) -> bool {
        self.day_of(at, zone).is_some()
    }

    /// Its beginnings and ends within (`from`, `to`), in order.
    pub fn edges(self, from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<DateTime<Utc>> {
        let mut edges = Vec::new();
        if from < to && self.is_on() {
            let last = to.with_timezone(&zone).date_naive();
            let first = from.with_timezone(&zone).date_naive();
            let mut day = first.checked_sub_days(Days::new(2)).unwrap_or(first);
            while day <= last {
                edges.extend(self.on(day, zone).into_iter().flat_map(|(begin, end)| [begin, end]));
                let Some(next) = day.succ_opt() else { break };
                day = next;
            }
        }
        edges.retain(|at| from < *at && *at < to);
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use chrono_tz::{Africa, America, Europe, Pacific, TZ_VARIANTS, UTC};
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn clock(text: &str) -> Clock {
        Clock::parse(text).unwrap()
    }

    fn window(from: &str, to: &str) -> DayWindow {
        DayWindow { from: clock(from), to: clock(to) }
    }

    #[test]
    fn a_clock_time_is_read_and_written() {
        assert_eq!(clock("00:05").to_string(), "00:05");
        assert_eq!(clock("7:30").to_string(), "07:30");
        assert_eq!(Clock::from_minutes(1439), Some(clock("23:59")));
        for wrong in ["", "24:00", "12:60", "12", "12:5", "-1:00", "12:00:00", "aa:bb", "012:00", "12:+5"] {
            assert_eq!(Clock::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Clock::from_minutes(1440), None);
    }

    #[test]
    fn a_window_may_cross_midnight_and_ends_before_its_end() {
        let night = window("22:00", "06:00");
        for (inside, when) in [
            (false, "2026-11-20T21:59:59Z"),
            (true, "2026-11-20T22:00:00Z"),
            (true, "2026-11-21T00:00:00Z"),
            (true, "2026-11-21T05:59:59Z"),
            (false, "2026-11-21T06:00:00Z"),
        ] {
            assert_eq!(night.holds(at(when), UTC), inside, "{when}");
        }
        assert_eq!(night.day_of(at("2026-11-21T03:00:00Z"), UTC), "2026-11-20".parse().ok());
        assert!(!window("06:00", "06:00").holds(at("2026-11-21T06:00:00Z"), UTC), "equal ends are off");
    }

    #[test]
    fn a_time_that_does_not_exist_is_the_jump_and_one_that_comes_twice_is_the_first() {
        let berlin = Europe::Berlin;
        assert_eq!(clock("02:30").on("2026-03-29".parse().unwrap(), berlin), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(clock("02:30").on("2026-10-25".parse().unwrap(), berlin), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(
            window("01:00", "02:30").on("2026-10-25".parse().unwrap(), berlin).unwrap().1,
            at("2026-10-25T01:30:00Z")
        );
        let night = window("00:00", "06:00");
        let hours = |day: &str| night.on(day.parse().unwrap(), berlin).map(|(from, to)| (to - from).num_hours());
        assert_eq!((hours("2026-03-29"), hours("2026-10-25"), hours("2026-11-20")), (Some(5), Some(7), Some(6)));
        assert_eq!(window("02:00", "03:00").on("2026-03-29".parse().unwrap(), berlin), None, "the hour is left out");
        assert_eq!(clock("00:05").on("2026-04-24".parse().unwrap(), Africa::Cairo), Some(at("2026-04-23T22:00:00Z")));
    }

    #[test]
    fn edges_are_those_within_the_interval() {
        let night = window("22:00", "06:00");
        let edges = night.edges(at("2026-11-20T06:00:00Z"), at("2026-11-21T23:00:00Z"), UTC);
        assert_eq!(edges, [at("2026-11-20T22:00:00Z"), at("2026-11-21T06:00:00Z"), at("2026-11-21T22:00:00Z")]);
        assert!(window("05:00", "05:00").edges(at("2026-11-20T00:00:00Z"), at("2026-11-22T00:00:00Z"), UTC).is_empty());
        assert!(night.edges(at("2026-11-21T00:00:00Z"), at("2026-11-20T00:00:00Z"), UTC).is_empty());
    }

    fn zone() -> impl Strategy<Value = Tz> {
        prop_oneof![
            prop::sample::select(TZ_VARIANTS.to_vec()),
            prop::sample::select(vec![America::Sao_Paulo, Africa::Cairo, Pacific::Apia, Europe::Berlin, UTC]),
        ]
    }

    proptest! {
        /// Looking once an hour, or once a week, finds the same events in the same order: none is skipped, none doubled.
        #[test]
        fn a_daily_event_comes_once_a_local_day(
            zone in zone(), minutes in 0_u32..1440, start in 0_i64..1_900_000_000, steps in prop::collection::vec(1_i64..200_000, 1..40),
        ) {
            let clock = Clock::from_minutes(minutes).unwrap();
            let mut now = DateTime::from_timestamp(start, 0).unwrap();
            let mut last = clock.last_before(now, zone).unwrap();
            prop_assert!(now - last <= Duration::hours(49));
            for step in steps {
                let next = clock.next_after(now, zone).unwrap();
                now += Duration::seconds(step);
                let found = clock.last_before(now, zone).unwrap();
                prop_assert!(found >= last && found <= now);
                prop_assert_eq!(found > last, next <= now);
                last = found;
            }
        }

        #[test]
        fn between_edges_nothing_changes(
            zone in zone(), from in 0_u32..1440, to in 0_u32..1440, start in 0_i64..1_900_000_000, length in 60_i64..500_000, at in 0.0_f64..1.0,
        ) {
            let window = DayWindow { from: Clock::from_minutes(from).unwrap(), to: Clock::from_minutes(to).unwrap() };
            let begin = DateTime::from_timestamp(start, 0).unwrap();
            let end = begin + Duration::seconds(length);
            let mut cuts = vec![begin];
            cuts.extend(window.edges(begin, end, zone));
            cuts.push(end);
            for pair in cuts.windows(2) {
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a point within a few days")]
                let inside = pair[0] + Duration::milliseconds(((pair[1] - pair[0]).num_milliseconds() as f64 * at) as i64);
                prop_assert_eq!(window.holds(pair[0], zone), window.holds(inside, zone));
            }
        }
    }
}
