//! Traffic between two instants, booked on the days of the installation's time zone.
//!
//! * The traffic of an interval is taken as even over it and split by overlap at local midnight, and at further edges
//!   where a plan counts differently. The shares are whole bytes and sum exactly to the whole, each way.
//! * A local day is what lies between two midnights in *elapsed* time: 23 or 25 hours long where the clock is changed. It
//!   begins at the first instant that any clock of the zone shows its date. A midnight that does not exist (clocks set
//!   forward at 0:00) is the instant of the change; an hour before midnight that comes twice after midnight has been shown
//!   belongs to the new day. So days never overlap and never go back.

use crate::units::{Bytes, Volume};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// The local day that an instant belongs to.
pub fn local_day(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let shown = at.with_timezone(&zone).date_naive();
    // The clock may show yesterday again for a while after midnight.
    match shown.succ_opt() {
        Some(next) if day_start(next, zone).is_some_and(|start| start <= at) => next,
        _ => shown,
    }
}

/// The instant at which a local day begins; `None` only outside the years that the calendar holds.
///
/// A day that a zone left out (30 December 2011 in Samoa) begins where the next one does and has no length.
pub fn day_start(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN);
    let start = zone
        .from_local_datetime(&midnight)
        .earliest()
        .or_else(|| GapInfo::new(&midnight, &zone).and_then(|gap| gap.end))?;
    Some(start.with_timezone(&Utc))
}

/// A part of an interval's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When it begins.
    pub at: DateTime<Utc>,
    /// The local day that it belongs to, whole.
    pub day: NaiveDate,
    /// Its share.
    pub volume: Volume,
}

/// Splits the traffic of `(from, to]` by local day, in order, leaving no touched day out.
///
/// An interval without length, and one whose end is before its beginning (our clock was set back), is booked whole on the
/// day of `to`. Instants count to the microsecond.
pub fn split(volume: Volume, from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<(NaiveDate, Volume)> {
    pieces(volume, from, to, &[], zone).into_iter().map(|piece| (piece.day, piece.volume)).collect()
}

/// The same, cut at these instants too, in any order; those outside the interval cut nothing.
pub fn pieces(volume: Volume, from: DateTime<Utc>, to: DateTime<Utc>, edges: &[DateTime<Utc>], zone: Tz) -> Vec<Piece> {
    let whole = u128::try_from(to.timestamp_micros() - from.timestamp_micros()).unwrap_or(0);
    if whole == 0 {
        return vec![Piece { at: to, day: local_day(to, zone), volume }];
    }
    let mut cuts = midnights(from, to, zone);
    cuts.extend(edges.iter().filter(|at| from < **at && **at < to));
    cuts.sort_unstable();
    cuts.dedup();
    cuts.push(to);
    let (mut at, mut booked) = (from, Volume::ZERO);
    let share = |end: DateTime<Utc>| {
        let passed = u128::try_from(end.timestamp_micros() - from.timestamp_micros()).unwrap_or(0);
        // Shares are differences of the running total, so that roundings do not add up.
        let until = Volume { down: part(volume.down, passed, whole), up: part(volume.up, passed, whole) };
        let piece = Piece { at, day: local_day(at, zone), volume: until.saturating_sub(booked) };
        (at, booked) = (end, until);
        piece
    };
    cuts.into_iter().map(share).collect()
}

/// The midnights within an interval, in order. Ending at the stroke of midnight touches nothing of the new day.
fn midnights(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<DateTime<Utc>> {
    let last = local_day(to, zone);
    let days = std::iter::successors(local_day(from, zone).succ_opt(), NaiveDate::succ_opt);
    let starts = days.take_while(|day| *day <= last).map_while(|day| day_start(day, zone));
    starts.filter(|at| from < *at && *at < to).collect()
}

/// `total · passed ÷ whole`, rounded down.
fn part(total: Bytes, passed: u128, whole: u128) -> Bytes {
    let passed = passed.min(whole);
    // 64 bits of bytes and 60 of microseconds fit.
    Bytes(u64::try_from(u128::from(total.0) * passed / whole).unwrap_or(total.0))
}

/// The calendar month of a day, `YYYY-MM`.
pub fn month_of(day: NaiveDate) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use chrono_tz::{Africa, America, Asia, Europe, Pacific, TZ_VARIANTS, UTC};
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn booked(down: u64, from: &str, to: &str, zone: Tz) -> Vec<(String, u64)> {
        let shares = split(Volume::new(down, 0), at(from), at(to), zone);
        shares.into_iter().map(|(day, share)| (day.to_string(), share.down.0)).collect()
    }

    fn share(day: &str, down: u64) -> (String, u64) {
        (day.to_owned(), down)
    }

    fn hours(day: &str, zone: Tz) -> i64 {
        let day: NaiveDate = day.parse().unwrap();
        (day_start(day.succ_opt().unwrap(), zone).unwrap() - day_start(day, zone).unwrap()).num_hours()
    }

    #[test]
    fn an_interval_is_split_at_midnight_by_overlap() {
        assert_eq!(
            booked(100, "2026-11-19T23:00:00Z", "2026-11-20T03:00:00Z", UTC),
            [share("2026-11-19", 25), share("2026-11-20", 75)]
        );
        assert_eq!(booked(7, "2026-11-19T10:00:00Z", "2026-11-19T10:01:00Z", UTC), [share("2026-11-19", 7)]);
        assert_eq!(
            booked(100, "2026-11-19T12:00:00Z", "2026-11-22T12:00:00Z", UTC),
            [share("2026-11-19", 16), share("2026-11-20", 34), share("2026-11-21", 33), share("2026-11-22", 17)]
        );
    }

    #[test]
    fn the_zones_midnight_counts() {
        assert_eq!(
            booked(100, "2026-11-19T22:00:00Z", "2026-11-20T00:00:00Z", Europe::Berlin),
            [share("2026-11-19", 50), share("2026-11-20", 50)]
        );
        assert_eq!(booked(9, "2026-11-19T18:00:00Z", "2026-11-19T18:29:00Z", Asia::Kolkata), [share("2026-11-19", 9)]);
        assert_eq!(local_day(at("2026-11-19T18:30:00Z"), Asia::Kolkata).to_string(), "2026-11-20");
    }

    #[test]
    fn an_interval_that_ends_at_midnight_touches_only_the_old_day() {
        assert_eq!(booked(5, "2026-11-19T23:00:00Z", "2026-11-20T00:00:00Z", UTC), [share("2026-11-19", 5)]);
        assert_eq!(booked(5, "2026-11-20T00:00:00Z", "2026-11-20T00:01:00Z", UTC), [share("2026-11-20", 5)]);
    }

    #[test]
    fn no_time_or_time_running_back_is_booked_on_the_day_of_the_reading() {
        assert_eq!(booked(5, "2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z", UTC), [share("2026-11-20", 5)]);
        assert_eq!(booked(5, "2026-11-23T00:00:00Z", "2026-11-20T12:00:00Z", UTC), [share("2026-11-20", 5)]);
        assert_eq!(booked(0, "2026-11-20T01:00:00Z", "2026-11-20T02:00:00Z", UTC), [share("2026-11-20", 0)]);
    }

    #[test]
    fn a_day_has_23_or_25_hours_where_the_clock_is_changed() {
        assert_eq!(hours("2026-03-29", Europe::Berlin), 23);
        assert_eq!(hours("2026-10-25", Europe::Berlin), 25);
        assert_eq!(hours("2026-11-19", Europe::Berlin), 24);
        // The day of 25 hours between a half hour each side of it.
        assert_eq!(
            booked(5_200, "2026-10-24T21:30:00Z", "2026-10-25T23:30:00Z", Europe::Berlin),
            [share("2026-10-24", 100), share("2026-10-25", 5_000), share("2026-10-26", 100)]
        );
        assert_eq!(
            booked(4_800, "2026-03-28T22:30:00Z", "2026-03-29T22:30:00Z", Europe::Berlin),
            [share("2026-03-28", 100), share("2026-03-29", 4_600), share("2026-03-30", 100)]
        );
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_instant_of_the_change() {
        for (zone, day, start) in [
            (America::Sao_Paulo, "2018-11-04", "2018-11-04T03:00:00Z"),
            (Africa::Cairo, "2024-04-26", "2024-04-25T22:00:00Z"),
            (Asia::Beirut, "2024-03-31", "2024-03-30T22:00:00Z"),
        ] {
            let first = at(start);
            let day: NaiveDate = day.parse().unwrap();
            assert_eq!(day_start(day, zone), Some(first), "{zone}");
            assert_eq!(local_day(first, zone), day, "{zone}");
            assert_eq!(local_day(first - Duration::seconds(1), zone), day.pred_opt().unwrap(), "{zone}");
            assert_eq!(hours(&day.to_string(), zone), 23, "{zone}");
        }
        assert_eq!(
            booked(100, "2018-11-04T02:00:00Z", "2018-11-04T04:00:00Z", America::Sao_Paulo),
            [share("2018-11-03", 50), share("2018-11-04", 50)]
        );
    }

    #[test]
    fn an_hour_that_comes_twice_before_midnight_is_counted_twice() {
        // Clocks in Sao Paulo went from 18 February 2018 0:00 back to 23:00.
        assert_eq!(hours("2018-02-17", America::Sao_Paulo), 25);
        assert_eq!(local_day(at("2018-02-18T02:30:00Z"), America::Sao_Paulo).to_string(), "2018-02-17");
        assert_eq!(
            booked(300, "2018-02-18T01:00:00Z", "2018-02-18T04:00:00Z", America::Sao_Paulo),
            [share("2018-02-17", 200), share("2018-02-18", 100)]
        );
    }

    #[test]
    fn a_day_does_not_come_back_after_its_midnight() {
        // Clocks in St. John's went from 7 November 2010 0:01 back to 6 November 23:01.
        let zone = America::St_Johns;
        assert_eq!(at("2010-11-07T03:00:00Z").with_timezone(&zone).date_naive().to_string(), "2010-11-06");
        assert_eq!(local_day(at("2010-11-07T03:00:00Z"), zone).to_string(), "2010-11-07");
        assert_eq!(hours("2010-11-07", zone), 25);
        assert_eq!(
            booked(120, "2010-11-07T01:30:00Z", "2010-11-07T03:30:00Z", zone),
            [share("2010-11-06", 60), share("2010-11-07", 60)]
        );
    }

    #[test]
    fn a_day_that_a_zone_left_out_gets_nothing() {
        assert_eq!(
            booked(100, "2011-12-30T09:00:00Z", "2011-12-30T11:00:00Z", Pacific::Apia),
            [share("2011-12-29", 50), share("2011-12-31", 50)]
        );
        assert_eq!(hours("2011-12-30", Pacific::Apia), 0);
    }

    #[test]
    fn a_month_is_written_with_its_year() {
        assert_eq!(month_of("2026-03-09".parse().unwrap()), "2026-03");
    }

    fn zone() -> impl Strategy<Value = Tz> {
        prop_oneof![
            prop::sample::select(TZ_VARIANTS.to_vec()),
            prop::sample::select(vec![
                America::Sao_Paulo,
                Africa::Cairo,
                Asia::Beirut,
                America::St_Johns,
                Pacific::Apia,
                Europe::Berlin,
                chrono_tz::Australia::Lord_Howe,
                America::Asuncion,
                Asia::Amman,
                America::Havana,
            ]),
        ]
    }

    /// From 1990 to 2050, to the second.
    fn instant() -> impl Strategy<Value = DateTime<Utc>> {
        (631_152_000..2_524_608_000_i64).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_shares_are_the_whole_and_the_days_rise(
            down: u64, up in 0..1_000_u64, from in instant(), length in 0..40 * 86_400_000_i64, zone in zone(),
        ) {
            let to = from + Duration::milliseconds(length);
            let shares = split(Volume::new(down, up), from, to, zone);
            let sum = |of: fn(&Volume) -> u64| shares.iter().map(|(_, share)| u128::from(of(share))).sum::<u128>();
            prop_assert_eq!(sum(|share| share.down.0), u128::from(down));
            prop_assert_eq!(sum(|share| share.up.0), u128::from(up));
            prop_assert!(shares.windows(2).all(|pair| pair[0].0 < pair[1].0), "{:?}", shares);
            prop_assert_eq!(shares[0].0, local_day(from, zone));
        }

        #[test]
        fn pieces_are_the_whole_each_its_overlap_and_none_spans_an_edge(
            down: u64, up: u64, from in instant(), length in 1..9 * 86_400_000_i64, zone in zone(),
            edges in prop::collection::vec(-0.5..1.5_f64, 0..9),
        ) {
            let to = from + Duration::milliseconds(length);
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a point about nine days")]
            let edge = |at: &f64| from + Duration::milliseconds((length as f64 * at) as i64);
            let edges: Vec<_> = edges.iter().map(edge).collect();
            let pieces = pieces(Volume::new(down, up), from, to, &edges, zone);
            let sum = |of: fn(&Volume) -> u64| pieces.iter().map(|it| u128::from(of(&it.volume))).sum::<u128>();
            prop_assert_eq!((sum(|it| it.down.0), sum(|it| it.up.0)), (u128::from(down), u128::from(up)));
            prop_assert_eq!(pieces[0].at, from);
            let ends = pieces.iter().skip(1).map(|it| it.at).chain([to]);
            for (piece, end) in pieces.iter().zip(ends) {
                prop_assert!(piece.at < end && piece.day == local_day(piece.at, zone));
                prop_assert!(edges.iter().all(|edge| *edge <= piece.at || *edge >= end));
                let fair = u128::from(down) * u128::try_from((end - piece.at).num_milliseconds()).unwrap()
                    / u128::try_from(length).unwrap();
                prop_assert!(u128::from(piece.volume.down.0).abs_diff(fair) <= 1);
            }
        }

        #[test]
        fn each_share_is_the_days_overlap_within_a_byte(
            from in instant(), length in 1..40 * 86_400_i64, zone in zone(),
        ) {
            let to = from + Duration::seconds(length);
            let total = 1_000_000_007_u64;
            for (day, share) in split(Volume::new(total, 0), from, to, zone) {
                let start = day_start(day, zone).unwrap().max(from);
                let end = day_start(day.succ_opt().unwrap(), zone).unwrap().min(to);
                let overlap = u64::try_from((end - start).num_seconds()).unwrap();
                let fair = u128::from(total) * u128::from(overlap) / u128::from(length.unsigned_abs());
                prop_assert!(u128::from(share.down.0).abs_diff(fair) <= 1, "{} {}: {} for {}", zone, day, share.down.0, fair);
            }
        }

        #[test]
        fn days_follow_one_another_without_gap_or_overlap(instant in instant(), zone in zone()) {
            let day = local_day(instant, zone);
            let start = day_start(day, zone).unwrap();
            let end = day_start(day.succ_opt().unwrap(), zone).unwrap();
            prop_assert!(start <= instant && instant < end, "{} {}: {} to {}", zone, day, start, end);
            prop_assert_eq!(local_day(start, zone), day);
        }
    }
}
