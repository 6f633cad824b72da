//! What was read for pages before, and the pictures that were drawn from it: kept as long as it is known to hold, within a
//! bound.
//!
//! Who is not looked at goes first: a page that was used since it was last passed by is passed by once more.

use super::{Page, Read};
use crate::{db::Stamp, usage::chart::Words, written::Beginning};
use chrono::NaiveDate;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most memory that pages are kept in, bytes.
const MOST: usize = 8 << 20;
/// What a page takes without its history; what two pictures take, where there is anything to draw; and what a day or a month
/// takes as figures and as text. Rather too much than too little.
const EACH: usize = 4 << 10;
const PICTURES: usize = 20 << 10;
const EACH_ROW: usize = 192;

/// Pages by service.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pages: HashMap<u64, Entry>,
    /// Each page's service once, the one that is looked at next in front.
    order: VecDeque<u64>,
    size: usize,
}

#[derive(Debug)]
struct Entry {
    stamp: Option<Stamp>,
    read: Read,
    size: usize,
    used: bool,
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page, if nobody has written anything since it was read.
    pub(super) fn get(&self, service_id: u64, now: Option<Stamp>) -> Option<Read> {
        let now = now?;
        let mut state = self.state();
        let entry = state.pages.get_mut(&service_id).filter(|entry| entry.stamp == Some(now))?;
        entry.used = true;
        Some(entry.read.clone())
    }

    /// Keeps a page that was read after that stamp was taken. Its history is the one that was drawn before where its figures
    /// are the same.
    pub(super) fn put(&self, service_id: u64, stamp: Option<Stamp>, page: Page) -> Read {
        let rows = page.days.len() + page.months.len();
        let size = EACH + rows * EACH_ROW + if rows > 0 { PICTURES } else { 0 };
        let mut state = self.state();
        let before = state.pages.remove(&service_id);
        let same = |before: &&Entry| before.read.page.days == page.days && before.read.page.months == page.months;
        let drawn = before.as_ref().filter(same).map_or_else(Arc::default, |before| Arc::clone(&before.read.drawn));
        let read = Read { page: Arc::new(page), drawn };
        match &before {
            Some(before) => state.size -= before.size,
            None => state.order.push_back(service_id),
        }
        state.size += size;
        let used = before.is_some();
        state.pages.insert(service_id, Entry { stamp, read: read.clone(), size, used });
        state.make_room(MOST);
        read
    }
}

impl State {
    fn make_room(&mut self, most: usize) {
        while self.size > most
            && let Some(next) = self.order.pop_front()
        {
            let used = self.pages.get_mut(&next).is_some_and(|entry| std::mem::take(&mut entry.used));
            if used {
                self.order.push_back(next);
            } else if let Some(entry) = self.pages.remove(&next) {
                self.size -= entry.size;
            }
        }
    }
}

/// A service's history as text, for whom and as of which day it was drawn.
#[derive(Debug, Default)]
pub struct Drawn(Mutex<Option<(DrawnFor, Beginning)>>);

/// What a picture hangs on besides its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnFor {
    /// The last day.
    pub today: NaiveDate,
    /// The first day that the product keeps.
    pub first: NaiveDate,
    /// The language.
    pub words: Words<'static>,
}

impl Drawn {
    /// What was drawn for the same before, or is drawn now.
    pub fn or_draw(&self, on: DrawnFor, draw: impl FnOnce() -> String) -> Beginning {
        let slot = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = slot().as_ref().filter(|(before, _)| *before == on).map(|(_, text)| text.clone());
        before.unwrap_or_else(|| {
            let text = Beginning::of(draw());
            *slot() = Some((on, text.clone()));
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{units::Volume, usage::history::Moved};

    fn page(down: u64) -> Page {
        let moved = Moved { raw: Volume::new(down, 0), counted: Volume::new(down, 0) };
        Page { months: vec![("2026-11".to_owned(), moved)], ..Page::default() }
    }

    fn on(day: &str) -> DrawnFor {
        DrawnFor { today: day.parse().unwrap(), first: "2026-10-20".parse().unwrap(), words: Words::ENGLISH }
    }

    #[test]
    fn pages_are_kept_within_the_bound_and_those_that_are_used_stay() {
        let kept = Kept::default();
        for service in 0..10_000 {
            kept.put(service, None, page(service));
            let mut state = kept.state();
            if let Some(first) = state.pages.get_mut(&0) {
                first.used = true;
            }
            assert!(state.size <= MOST && state.pages.len() == state.order.len());
            assert_eq!(state.size, state.pages.values().map(|entry| entry.size).sum::<usize>());
        }
        assert!(kept.state().pages.contains_key(&0) && kept.state().pages.len() > 100);
    }

    #[test]
    fn a_page_that_is_larger_than_the_bound_is_not_kept() {
        let kept = Kept::default();
        let moved = page(1).months[0].clone();
        kept.put(1, None, Page { months: vec![moved; 100_000], ..Page::default() });
        let state = kept.state();
        assert_eq!((state.pages.len(), state.order.len(), state.size), (0, 0, 0));
    }

    #[test]
    fn a_picture_is_used_again_for_the_same_figures_day_and_language_alone() {
        let kept = Kept::default();
        let read = kept.put(1, None, page(5));
        let text = |read: &Read, on, text: &str| read.drawn.or_draw(on, || text.to_owned()).text().to_owned();
        let first = text(&read, on("2026-11-20"), "one");
        let again = kept.put(1, None, page(5));
        assert_eq!(text(&again, on("2026-11-20"), "two"), first);
        assert_eq!(text(&again, on("2026-11-21"), "three"), "three");
        let polish = DrawnFor { words: Words::POLISH, ..on("2026-11-21") };
        assert_eq!(text(&again, polish, "four"), "four");
        assert_eq!(text(&kept.put(1, None, page(6)), polish, "five"), "five");
        assert_eq!(text(&kept.put(2, None, page(6)), polish, "six"), "six");
    }

    #[test]
    fn without_a_stamp_nothing_is_taken_for_current() {
        let kept = Kept::default();
        kept.put(1, None, page(5));
        assert!(kept.get(1, None).is_none());
    }
}
