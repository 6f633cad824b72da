//! The client page's two charts, as SVG that stands inline in HTML: nothing is loaded, nothing is scripted.
//!
//! * The time axis is true: a day or month without a reading is a gap, not left out.
//! * A chart fills its container's width while its letters keep their size, from 320 px upwards; labels are thinned for
//!   the narrowest, so they never overlap.
//! * The directions differ by more than hue (solid against hatched), both colours stand out at least 3:1 from white and
//!   from a dark page, and everything else takes the page's own text colour.
//! * Whoever cannot see it gets a title and a summary; hovering a column tells its figures.

mod scale;
mod svg;

use self::{
    scale::{Amount, Fixed, PLOT, Scale},
    svg::{Bar, Drawing, Kind, Legend, Part, Percent, Period},
};
use super::{days::month_of, history::Moved};
use crate::units::{Bytes, Gigabyte};
use chrono::{Datelike, Days, Months, NaiveDate};
use std::{collections::BTreeMap, fmt::Write};

/// How many days the first chart shows.
pub const DAYS: u32 = 30;
/// The most months that the second chart shows, and the fewest slots it is drawn with.
pub const MONTHS: (u32, u32) = (24, 12);

const DOWN_COLOUR: &str = "#2a78cf";
const UP_COLOUR: &str = "#c2620e";
/// The plot's width on the narrowest screen that labels are thinned for.
const NARROWEST: i32 = 240;
/// A generous width of a character of the labels, in pixels.
const CHARACTER: i32 = 7;
/// The room of a legend's swatch and the gap after it, in pixels.
const SWATCH: i32 = 17;
/// Where in its slot a bar begins and how wide it is, in hundredths of the slot.
const LEFT: u32 = 9;
const RIGHT: u32 = 53;
const WIDTH: u32 = 38;
/// More bytes than nearly every picture has.
const ROOM: usize = 16 * 1024;

/// What the charts say, in the reader's language. Units and dates are the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    /// The first chart's title.
    pub days_title: &'a str,
    /// The second chart's title.
    pub months_title: &'a str,
    /// What the customer received, as within a sentence.
    pub download: &'a str,
    /// What the customer sent, as within a sentence.
    pub upload: &'a str,
    /// What a plan does not count of it, as within a sentence.
    pub free: &'a str,
    /// Before the sums of the summary.
    pub total: &'a str,
    /// Before the day with the most traffic.
    pub highest_day: &'a str,
    /// Before the month with the most traffic.
    pub highest_month: &'a str,
    /// Instead of a chart where there is nothing to draw.
    pub nothing: &'a str,
}

impl Words<'static> {
    /// English.
    pub const ENGLISH: Self = Self {
        days_title: "Traffic of the last 30 days",
        months_title: "Traffic per month",
        download: "download",
        upload: "upload",
        free: "not counted",
        total: "Total",
        highest_day: "Highest day",
        highest_month: "Highest month",
        nothing: "No traffic has been recorded yet.",
    };

    /// Polish.
    pub const POLISH: Self = Self {
        days_title: "Transfer z ostatnich 30 dni",
        months_title: "Transfer miesięczny",
        download: "pobieranie",
        upload: "wysyłanie",
        free: "niewliczone",
        total: "Razem",
        highest_day: "Dzień z największym transferem",
        highest_month: "Miesiąc z największym transferem",
        nothing: "Nie zapisano jeszcze żadnego transferu.",
    };

    /// Those of a language by WHMCS's name of it (`polish`); English where there are none.
    #[must_use]
    pub fn of(language: &str) -> Self {
        if language.eq_ignore_ascii_case("polish") { Self::POLISH } else { Self::ENGLISH }
    }
}

/// The chart of the [`DAYS`] days that end with `today`; days outside are passed over. Without any, a sentence.
pub fn days_svg(days: &[(NaiveDate, Moved)], today: NaiveDate, gb: Gigabyte, words: &Words<'_>) -> String {
    let values: BTreeMap<NaiveDate, Moved> = days.iter().copied().collect();
    let axis = (0..DAYS).rev().filter_map(|back| today.checked_sub_days(Days::new(back.into())));
    let slots: Vec<Slot> = axis
        .map(|day| Slot {
            name: day.to_string(),
            label: format!("{:02}", day.day()),
            period: month_of(day),
            moved: values.get(&day).copied(),
        })
        .collect();
    let chart = Chart { id: "turnpike-days", title: words.days_title, highest: words.highest_day, gb, words };
    chart.svg(&slots)
}

/// The chart of the months up to `today`'s, 24 at most; months are written `YYYY-MM`. Without any, a sentence.
///
/// A young account's months stand at the right of a year's axis.
pub fn months_svg(months: &[(String, Moved)], today: NaiveDate, gb: Gigabyte, words: &Words<'_>) -> String {
    let values: BTreeMap<&str, Moved> = months.iter().map(|(month, moved)| (month.as_str(), *moved)).collect();
    let (most, fewest) = MONTHS;
    let this = today.with_day(1).unwrap_or(today);
    let mut axis: Vec<NaiveDate> = (0..most).filter_map(|back| this.checked_sub_months(Months::new(back))).collect();
    let oldest = axis.iter().rposition(|month| values.contains_key(month_of(*month).as_str()));
    axis.truncate(oldest.map_or(0, |back| back + 1).max(fewest as usize));
    let slots: Vec<Slot> = axis
        .into_iter()
        .rev()
        .map(|month| Slot {
            name: month_of(month),
            label: format!("{:02}", month.month()),
            period: format!("{:04}", month.year()),
            moved: values.get(month_of(month).as_str()).copied(),
        })
        .collect();
    let chart = Chart { id: "turnpike-months", title: words.months_title, highest: words.highest_month, gb, words };
    chart.svg(&slots)
}

/// One place on the time axis.
struct Slot {
    /// In full, for the hover.
    name: String,
    /// Short, under the axis.
    label: String,
    /// What several slots share, under the labels.
    period: String,
    /// What was moved; `None` is a gap.
    moved: Option<Moved>,
}

struct Chart<'a> {
    /// What the ids begin with, so that two charts on one page do not clash.
    id: &'static str,
    title: &'a str,
    highest: &'a str,
    gb: Gigabyte,
    words: &'a Words<'a>,
}

impl Chart<'_> {
    fn svg(&self, slots: &[Slot]) -> String {
        let mut text = String::with_capacity(if slots.iter().any(|slot| slot.moved.is_some()) { ROOM } else { 1024 });
        // Writing into a String cannot fail.
        let _ = write!(text, "{}", self.drawing(slots));
        text
    }

    fn drawing<'a>(&'a self, slots: &'a [Slot]) -> Drawing<'a> {
        let count = count(slots);
        let scale = Scale::of(slots.iter().filter_map(|slot| slot.moved).map(|moved| moved.raw), self.gb);
        let widest = (0..=scale.steps()).map(|n| scale.label(n).to_string().len()).max().unwrap_or(0).max(2);
        let pad = pixels(widest) + 10;
        let legend = self.legend(slots, pad);
        let top = legend.last().map_or(0, |item| item.y).unsigned_abs() + 34;
        let bottom = top + PLOT;
        Drawing {
            id: self.id,
            title: self.title,
            summary: self.summary(slots),
            pad,
            top,
            bottom,
            slot: percent(100, count),
            width: percent(WIDTH, count),
            legend,
            ticks: (0..=scale.steps()).map(|n| (scale.line(n, bottom), scale.label(n))).collect(),
            bars: self.bars(slots, &scale, bottom),
            labels: labels(slots),
            periods: periods(slots),
        }
    }

    /// The directions with their sums, beside each other where the narrowest screen has room for it; below them what is
    /// not counted, where there is any.
    fn legend(&self, slots: &[Slot], pad: i32) -> Vec<Legend> {
        let (sum, x) = (total(slots), 1 - pad);
        let (free, sum) = (sum.free().total(), sum.raw);
        let text = |word, bytes| format!("{} {}", capital(word), self.amount(bytes));
        let (down, up) = (text(self.words.download, sum.down), text(self.words.upload, sum.up));
        let width = |text: &str| SWATCH + pixels(text.chars().count());
        let first = width(&down) + 14;
        let second = if first + width(&up) <= NARROWEST + pad { (x + first, 14) } else { (x, 32) };
        let mut legend = vec![
            Legend { kind: Kind::Down, x, y: 14, text: down },
            Legend { kind: Kind::Up, x: second.0, y: second.1, text: up },
        ];
        if free > Bytes::ZERO {
            legend.push(Legend { kind: Kind::Free, x, y: second.1 + 18, text: text(self.words.free, free) });
        }
        legend
    }

    fn bars(&self, slots: &[Slot], scale: &Scale, bottom: u32) -> Vec<Bar> {
        let count = count(slots);
        let bar = |(index, slot): (u32, &Slot)| {
            let moved = slot.moved?;
            let mut parts = Vec::with_capacity(4);
            let both = [
                (Kind::Down, moved.raw.down, moved.counted.down, LEFT),
                (Kind::Up, moved.raw.up, moved.counted.up, RIGHT),
            ];
            for (kind, raw, counted, offset) in both {
                let x = percent(index * 100 + offset, count);
                parts.extend(stacked(scale, raw, counted).map(|(free, from, to)| {
                    let (y, height) = (Fixed::tenths(bottom * 10 - to), Fixed::tenths(to - from));
                    Part { kind, free, x, y, height }
                }));
            }
            let tip = format!("{}: {}", slot.name, self.figures(moved));
            Some(Bar { tip, x: percent(index * 100, count), parts })
        };
        (0..).zip(slots).filter_map(bar).collect()
    }

    fn figures(&self, moved: Moved) -> String {
        let Words { download, upload, free, .. } = self.words;
        let raw = moved.raw;
        let mut text = format!("{download} {}, {upload} {}", self.amount(raw.down), self.amount(raw.up));
        if !moved.free().is_zero() {
            text += &format!(", {free} {}", self.amount(moved.free().total()));
        }
        text
    }

    /// The text alternative: the sums and the highest slot, or that there is nothing.
    fn summary(&self, slots: &[Slot]) -> String {
        let drawn = slots.iter().filter_map(|slot| slot.moved.map(|moved| (slot, moved.raw.total())));
        let Some((highest, most)) = drawn.rev().max_by_key(|(_, total)| *total) else {
            return self.words.nothing.to_owned();
        };
        let (sums, most) = (self.figures(total(slots)), self.amount(most));
        format!("{}: {sums}. {}: {}, {most}.", self.words.total, self.highest, highest.name)
    }

    fn amount(&self, bytes: Bytes) -> Amount {
        Amount(bytes, self.gb)
    }
}

/// The short labels, thinned so that they have room on the narrowest screen; the last slot has one.
fn labels(slots: &[Slot]) -> Vec<(Percent, &str)> {
    let count = count(slots);
    let widest = slots.iter().map(|slot| slot.label.chars().count()).max().unwrap_or(0);
    let every = slots_for(widest, 2, count);
    let shown = (0..).zip(slots).filter(|(index, _)| (count - 1 - index).is_multiple_of(every));
    shown.map(|(index, slot)| (percent(index * 100 + 50, count), slot.label.as_str())).collect()
}

/// The periods under the labels. A first one without room for its text goes unnamed; a last one is named from the right.
fn periods(slots: &[Slot]) -> Vec<Period<'_>> {
    let count = count(slots);
    let mut starts: Vec<(u32, &str)> = (0..).zip(slots).map(|(index, slot)| (index, slot.period.as_str())).collect();
    starts.dedup_by_key(|(_, period)| *period);
    let ends: Vec<u32> = starts.iter().skip(1).map(|(start, _)| *start).chain([count]).collect();
    let mut named = Vec::new();
    for ((start, text), end) in starts.into_iter().zip(ends) {
        let room = end - start >= slots_for(text.chars().count(), 8, count);
        if room || end == count {
            let x = percent(if room { start * 100 } else { count * 100 }, count);
            let line = (start > 0).then(|| percent(start * 100, count));
            named.push(Period { x, at_end: !room, text, line });
        }
    }
    named
}

/// How many slots a text and a gap take on the narrowest screen.
fn slots_for(characters: usize, gap: i32, count: u32) -> u32 {
    let width = (pixels(characters) + gap).unsigned_abs();
    (width * count).div_ceil(NARROWEST.unsigned_abs()).max(1)
}

/// How wide a text is at most; words longer than any language's are cut there.
fn pixels(characters: usize) -> i32 {
    CHARACTER * i32::try_from(characters.min(1000)).unwrap_or(1000)
}

/// How many slots there are, at least one.
fn count(slots: &[Slot]) -> u32 {
    u32::try_from(slots.len()).unwrap_or(u32::MAX).max(1)
}

fn total(slots: &[Slot]) -> Moved {
    let add = |sum: Moved, one: Moved| Moved { raw: sum.raw + one.raw, counted: sum.counted + one.counted };
    slots.iter().filter_map(|slot| slot.moved).fold(Moved::default(), add)
}

/// A bar's parts above each other: whether each is free, and from and to what height, in tenths of a pixel. A free part of
/// less than a pixel is not drawn.
fn stacked(scale: &Scale, raw: Bytes, counted: Bytes) -> impl Iterator<Item = (bool, u32, u32)> + use<> {
    let (whole, counted) = (scale.height(raw), scale.height(counted.min(raw)));
    let free = (whole >= counted + 10).then_some((true, counted, whole));
    let solid = if free.is_some() { counted } else { whole };
    (solid > 0).then_some((false, 0, solid)).into_iter().chain(free)
}

/// So many hundredths of one of `count` slots, as a percentage of the plot.
fn percent(hundredths: u32, count: u32) -> Percent {
    Percent(Fixed::ratio(hundredths.into(), count.max(1).into(), 3))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Volume;
    use proptest::prelude::*;
    use roxmltree::{Document, Node};
    use std::collections::BTreeSet;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn gigabytes(down: u64, up: u64) -> Volume {
        Volume::new(down << 30, up << 30)
    }

    /// All of it counted.
    fn all(raw: Volume) -> Moved {
        Moved { raw, counted: raw }
    }

    fn days(values: &[(&str, Volume)], today: &str) -> String {
        let values: Vec<_> = values.iter().map(|(name, volume)| (day(name), all(*volume))).collect();
        days_svg(&values, day(today), Gigabyte::Binary, &Words::ENGLISH)
    }

    fn months(values: &[(&str, Volume)], today: &str) -> String {
        let values: Vec<_> = values.iter().map(|(name, volume)| ((*name).to_owned(), all(*volume))).collect();
        months_svg(&values, day(today), Gigabyte::Binary, &Words::ENGLISH)
    }

    fn named<'a>(document: &'a Document<'_>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
        document.descendants().filter(move |node| node.has_tag_name(name) || node.tag_name().name() == name)
    }

    fn texts(svg: &str) -> Vec<String> {
        let document = Document::parse(svg).unwrap();
        named(&document, "text").map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    /// The hover texts of the columns, in order.
    fn tips(svg: &str) -> Vec<String> {
        let document = Document::parse(svg).unwrap();
        let titles = named(&document, "title").filter(|node| node.attribute("id").is_none());
        titles.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    fn snapshot(name: &str, svg: &str) {
        insta::with_settings!({snapshot_path => "../../tests/snapshots", omit_expression => true}, {
            insta::assert_snapshot!(name, svg);
        });
    }

    #[test]
    fn a_month_of_days_is_drawn() {
        let half = Volume::new(1_320_702_443, 214_748_364);
        snapshot("days", &days(&[("2026-10-31", gigabytes(4, 1)), ("2026-11-19", half)], "2026-11-19"));
    }

    #[test]
    fn a_year_of_months_is_drawn() {
        snapshot("months", &months(&[("2026-09", gigabytes(130, 12)), ("2026-11", gigabytes(48, 0))], "2026-11-19"));
    }

    #[test]
    fn a_column_says_its_day_and_figures() {
        let svg = days(&[("2026-11-19", Volume::new(1_320_702_443, 214_748_364))], "2026-11-19");
        assert_eq!(tips(&svg), ["2026-11-19: download 1.23 GB, upload 0.20 GB"]);
        let little = days(&[("2026-11-19", Volume::new(3_000_000, 0))], "2026-11-19");
        assert_eq!(tips(&little), ["2026-11-19: download 2.86 MB, upload 0.00 GB"]);
    }

    #[test]
    fn the_summary_says_the_sums_and_the_highest() {
        let svg = days(&[("2026-11-17", gigabytes(1, 1)), ("2026-11-18", gigabytes(4, 0))], "2026-11-19");
        assert!(svg.contains(
            "<desc id=\"turnpike-days-desc\">Total: download 5.00 GB, upload 1.00 GB. Highest day: 2026-11-18, 4.00 GB.</desc>"
        ));
        assert!(months(&[("2026-11", gigabytes(1, 0))], "2026-11-19").contains("Highest month: 2026-11, 1.00 GB."));
    }

    #[test]
    fn the_words_are_those_of_the_language_and_english_where_there_are_none() {
        for (language, title) in
            [("polish", "Transfer miesięczny"), ("klingon", "Traffic per month"), ("", "Traffic per month")]
        {
            let svg = months_svg(&[], day("2026-11-19"), Gigabyte::Binary, &Words::of(language));
            let document = Document::parse(&svg).unwrap();
            let found = named(&document, "title").next().and_then(|node| node.text());
            assert_eq!(found, Some(title), "{language}");
        }
        let values = [(day("2026-11-19"), all(gigabytes(1, 0)))];
        let svg = days_svg(&values, day("2026-11-19"), Gigabyte::Binary, &Words::of("Polish"));
        assert_eq!(tips(&svg), ["2026-11-19: pobieranie 1.00 GB, wysyłanie 0.00 GB"]);
        assert!(texts(&svg).contains(&"Pobieranie 1.00 GB".to_owned()));
    }

    #[test]
    fn days_without_a_reading_are_gaps_at_their_place() {
        let svg = days(&[("2026-10-21", gigabytes(1, 0)), ("2026-11-19", gigabytes(1, 0))], "2026-11-19");
        let document = Document::parse(&svg).unwrap();
        let columns: Vec<_> = named(&document, "rect")
            .filter(|node| node.attribute("pointer-events").is_some())
            .map(|node| node.attribute("x").unwrap().to_owned())
            .collect();
        assert_eq!(columns, ["0%", "96.667%"], "the first and the last of thirty places");
    }

    #[test]
    fn what_is_not_of_the_last_thirty_days_is_not_drawn() {
        let outside = [("2026-10-20", gigabytes(9, 9)), ("2026-11-20", gigabytes(9, 9))];
        assert_eq!(texts(&days(&outside, "2026-11-19")), ["No traffic has been recorded yet."]);
    }

    #[test]
    fn what_is_not_counted_is_a_part_of_its_own() {
        let half = Moved { raw: gigabytes(4, 2), counted: gigabytes(1, 2) };
        let svg = days_svg(&[(day("2026-11-19"), half)], day("2026-11-19"), Gigabyte::Binary, &Words::ENGLISH);
        assert_eq!(tips(&svg), ["2026-11-19: download 4.00 GB, upload 2.00 GB, not counted 3.00 GB"]);
        assert!(texts(&svg).contains(&"Not counted 3.00 GB".to_owned()));
        let document = Document::parse(&svg).unwrap();
        let drawn: Vec<_> = named(&document, "rect")
            .filter(|node| node.attribute("x").is_some_and(|x| x.ends_with('%') && x != "96.667%"))
            .map(|node| (node.attribute("stroke-dasharray").is_some(), node.attribute("height").unwrap().to_owned()))
            .collect();
        let part = |free, height: &str| (free, height.to_owned());
        assert_eq!(drawn, [part(false, "42.5"), part(true, "127.5"), part(false, "85")]);
        let whole = days(&[("2026-11-19", gigabytes(4, 2))], "2026-11-19");
        assert!(!whole.contains("stroke-dasharray") && !whole.contains("ot counted"), "said only where there is any");
    }

    #[test]
    fn nothing_to_draw_is_said() {
        for svg in [days(&[], "2026-11-19"), months(&[], "2026-11-19")] {
            assert_eq!(texts(&svg), ["No traffic has been recorded yet."]);
        }
        let idle = texts(&days(&[("2026-11-19", Volume::ZERO)], "2026-11-19"));
        assert!(idle.contains(&"Download 0.00 GB".to_owned()), "an idle day is a reading: {idle:?}");
    }

    #[test]
    fn months_are_the_last_two_years_and_at_least_a_year() {
        let all: Vec<(String, Moved)> =
            (0..40).map(|back| (month_of(day("2026-11-01") - Months::new(back)), all(gigabytes(1, 1)))).collect();
        let tips = |count: usize| {
            let svg = months_svg(&all[..count], day("2026-11-19"), Gigabyte::Binary, &Words::ENGLISH);
            let first = tips(&svg).first().cloned().unwrap_or_default();
            let document = Document::parse(&svg).unwrap();
            let slot =
                named(&document, "rect").find_map(|node| node.attribute("pointer-events").and(node.attribute("width")));
            (first[..7].to_owned(), slot.unwrap_or_default().to_owned())
        };
        assert_eq!(tips(40), ("2024-12".to_owned(), "4.167%".to_owned()), "24 places");
        assert_eq!(tips(15), ("2025-09".to_owned(), "6.667%".to_owned()), "15 places");
        assert_eq!(tips(2), ("2026-10".to_owned(), "8.333%".to_owned()), "12 places");
    }

    #[test]
    fn the_scale_is_written_beside_the_plot() {
        let svg = days(&[("2026-11-19", gigabytes(7, 0))], "2026-11-19");
        let texts = texts(&svg);
        for tick in ["GB", "0", "2", "4", "6", "8"] {
            assert!(texts.contains(&tick.to_owned()), "{tick} of {texts:?}");
        }
    }

    #[test]
    fn both_colours_stand_out_from_a_light_and_from_a_dark_page() {
        let luminance = |colour: &str| {
            let part = |at: usize| {
                let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        for colour in [DOWN_COLOUR, UP_COLOUR] {
            for page in ["#ffffff", "#f5f5f5", "#212529", "#121212"] {
                let ratio = contrast(luminance(colour), luminance(page));
                assert!(ratio >= 3.0, "{colour} on {page} is {ratio:.2}");
            }
        }
    }

    #[test]
    fn labels_keep_their_distance_on_a_narrow_screen() {
        let each_day = (0..400).map(|more| (day("2026-11-19") + Days::new(more)).to_string());
        let charts = each_day.flat_map(|today| {
            let old = month_of(day(&today) - Months::new(17));
            let now = gigabytes(1, 1);
            [days(&[(&today, now)], &today), months(&[(&today[..7], now)], &today), months(&[(&old, now)], &today)]
        });
        for svg in charts.chain([months(&[("2024-12", gigabytes(1, 1))], "2026-11-19")]) {
            let document = Document::parse(&svg).unwrap();
            let placed = named(&document, "text").filter(|node| node.attribute("x").is_some_and(|x| x.ends_with('%')));
            let mut rows: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
            for node in placed {
                let x: f64 = node.attribute("x").unwrap().trim_end_matches('%').parse().unwrap();
                let width = 6.5 * f64::from(u32::try_from(node.text().unwrap().chars().count()).unwrap());
                let anchor = node.attribute("text-anchor").or_else(|| node.parent().unwrap().attribute("text-anchor"));
                let left = x / 100.0 * f64::from(NARROWEST)
                    - match anchor {
                        Some("middle") => width / 2.0,
                        Some("end") => width,
                        _ => 0.0,
                    };
                rows.entry(node.attribute("y").unwrap().to_owned()).or_default().push((left, left + width));
            }
            assert_eq!(rows.len(), 2, "a row of labels and a row of periods");
            for row in rows.values() {
                assert!(row.windows(2).all(|pair| pair[0].1 < pair[1].0), "{row:?} overlap");
            }
        }
    }

    /// What must hold of any chart, whatever it shows.
    fn check(svgs: &[String]) {
        let mut ids = BTreeSet::new();
        for svg in svgs {
            let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error} in {svg}"));
            assert!(document.root_element().attribute("role") == Some("img"));
            for node in document.descendants().filter(Node::is_element) {
                assert!(!matches!(
                    node.tag_name().name(),
                    "script" | "image" | "use" | "a" | "foreignObject" | "style"
                ));
                for attribute in node.attributes() {
                    assert!(!attribute.name().starts_with("on") && attribute.name() != "href", "{}", attribute.name());
                }
                if let Some(id) = node.attribute("id") {
                    assert!(ids.insert(id.to_owned()), "{id} is there twice");
                }
                if node.tag_name().name() == "rect" && node.attribute("height").is_some() {
                    let height: f64 = node.attribute("height").unwrap().parse().unwrap();
                    assert!((1.0..=f64::from(PLOT)).contains(&height), "a height of {height}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_chart_is_sound(
            volumes in prop::collection::vec((0..40_u64, prop_oneof![Just(0), 1..4096_u64, any::<u64>()], any::<u64>(), 0..64_u32, 0..64_u32), 0..40),
            today in 0..40_000_i64, decimal: bool,
            word in r#"[a-zA-Z<>&"'/{}%\u{e4}\u{4e0b}\u{202e} ]{0,30}"#,
        ) {
            let today = day("1990-01-01") + chrono::Duration::days(today);
            let gb = if decimal { Gigabyte::Decimal } else { Gigabyte::Binary };
            let words = Words {
                days_title: &word, months_title: &word, download: &word, upload: &word, total: &word, free: &word,
                highest_day: &word, highest_month: &word, nothing: &word,
            };
            let values: Vec<_> = volumes
                .iter()
                .map(|(back, down, up, shift, free)| {
                    let raw = Volume::new(*down, up >> shift);
                    (*back, Moved { raw, counted: Volume::new(down >> free, raw.up.0 >> (63 - free)) })
                })
                .collect();
            let by_day: Vec<_> = values.iter().map(|(back, volume)| (today - Days::new(*back), *volume)).collect();
            let by_month: Vec<_> = values
                .iter()
                .map(|(back, volume)| (month_of(today - Months::new(u32::try_from(*back).unwrap())), *volume))
                .collect();
            check(&[days_svg(&by_day, today, gb, &words), months_svg(&by_month, today, gb, &words)]);
        }
    }
}
