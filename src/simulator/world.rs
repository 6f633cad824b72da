//! The router as data: its tables, its version, its clock, its customers. Nothing here moves by itself: time passes when
//! [`World::pass`] is called, traffic moves when [`World::carry`] is, and commands change it through
//! [`World::execute`](super::commands).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use tokio::sync::broadcast;

use super::customers::Session;
use super::menus::{self, Counts, Menu};
use super::schema::{self, Version};
use super::table::{Counters, Row, Table};
use super::values;

/// Behaviours that differ between routers or that nobody has documented; each can be switched in a test.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches, each for itself")]
pub struct Quirks {
    /// `.tag` stands last in a reply, as in the manual, not second, as in captures of real routers.
    pub tag_last: bool,
    /// A list of ids with a bad one changes the rows before it and then traps; otherwise nothing is changed.
    pub partial_lists: bool,
    /// From 7.21 on, passwords are shown only to a `print` with `=show-sensitive=`.
    pub ask_for_sensitive: bool,
    /// Simple queues count nothing, interfaces do: offload, or the bug seen on 7.25. (A FastTrack rule in
    /// `/ip/firewall/filter` does the same without this.)
    pub fast_track: bool,
    /// `set`, `enable` and `disable` of a queue restart its counters.
    pub set_restarts_counters: bool,
    /// `add` answers `!done` without `=ret=`.
    pub no_ret: bool,
}

/// A row that came, changed or went; for `listen`.
#[derive(Debug, Clone)]
pub struct Change {
    /// The menu.
    pub menu: &'static str,
    /// The words of the `!re`.
    pub words: Vec<(String, String)>,
}

/// A RouterOS as data.
#[derive(Debug)]
pub struct World {
    /// Switches.
    pub quirks: Quirks,
    pub(super) version: Version,
    pub(super) tables: BTreeMap<&'static str, Table>,
    pub(super) uptime: Duration,
    pub(super) clock: Duration,
    pub(super) sessions: Vec<Session>,
    pub(super) carried: HashMap<String, (u64, u64)>,
    pub(super) changes: broadcast::Sender<Change>,
    version_text: String,
}

/// Columns that stay at nought: the simulator loses no packets, and has no fast path and no limit in total.
const NAUGHT: [&str; 15] = [
    "total-bytes",
    "total-packets",
    "total-dropped",
    "total-rate",
    "total-packet-rate",
    "total-queued-packets",
    "total-queued-bytes",
    "rx-drop",
    "tx-drop",
    "rx-error",
    "tx-error",
    "fp-rx-byte",
    "fp-tx-byte",
    "fp-rx-packet",
    "fp-tx-packet",
];

/// A property name as a word that lives for ever; there are only as many as tests and clients can think of.
fn word(name: &str) -> &'static str {
    static WORDS: LazyLock<Mutex<BTreeSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut words = WORDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(word) = words.get(name) {
        return word;
    }
    let word: &'static str = Box::leak(name.to_owned().into_boxed_str());
    words.insert(word);
    word
}

impl World {
    /// A router of this version without a row.
    pub(super) fn bare(version: &str) -> World {
        World {
            quirks: Quirks::default(),
            version: Version::read(version),
            tables: BTreeMap::new(),
            uptime: Duration::from_hours(24),
            clock: Duration::from_hours(490_896), // 2026-01-01 00:00:00
            sessions: Vec::new(),
            carried: HashMap::new(),
            changes: broadcast::channel(1024).0,
            version_text: version.to_owned(),
        }
    }

    /// The version as text: `7.18.2`.
    pub fn version(&self) -> &str {
        &self.version_text
    }

    /// Another version from now on (an upgrade without its reboot).
    pub fn set_version(&mut self, version: &str) {
        self.version = Version::read(version);
        version.clone_into(&mut self.version_text);
    }

    /// Since the last reboot.
    pub fn uptime(&self) -> Duration {
        self.uptime
    }

    /// Sets the router's clock: seconds since 1970-01-01 00:00 as the router's wall shows it, whatever its zone.
    pub fn set_clock(&mut self, seconds: u64) {
        self.clock = Duration::from_secs(seconds);
    }

    /// The table of a menu. Unknown menus have an empty one.
    pub fn table(&self, menu: &str) -> &Table {
        static EMPTY: LazyLock<Table> = LazyLock::new(Table::default);
        self.tables.get(menu).unwrap_or(&EMPTY)
    }

    /// The table of a menu, to change past all rules (a person at the console, another product).
    pub fn table_mut(&mut self, menu: &str) -> &mut Table {
        self.tables.entry(schema::menu(menu).unwrap_or_else(|| word(menu))).or_default()
    }

    /// A value as `print` would show it, of the row with this name or id (or of a menu with one row: any name).
    pub fn get(&self, menu: &str, row: &str, property: &str) -> Option<String> {
        let table = self.table(menu);
        let row = match table.resolve(row) {
            Some(id) => table.get(id)?,
            None if menus::meaning(menu).single => table.rows().first()?,
            None => return None,
        };
        self.value(menus::meaning(menu), menu, row, property).map(Cow::into_owned)
    }

    /// Writes a value past all rules, with the names of RouterOS. False if there is no such row.
    pub fn put(&mut self, menu: &str, row: &str, property: &str, value: &str) -> bool {
        let single = menus::meaning(menu).single;
        let table = self.table_mut(menu);
        let id = table.resolve(row).or_else(|| table.rows().first().filter(|_| single).map(Row::number));
        let Some(row) = id.and_then(|id| table.get_mut(id)) else { return false };
        row.put(word(property), value);
        true
    }

    /// Adds a row past all rules and returns its id: what another product, or a person at the console, has put there.
    pub fn add_row(&mut self, menu: &str, values: &[(&str, &str)]) -> String {
        let defaults = menus::meaning(menu).defaults;
        let row = self.table_mut(menu).add(values.iter().map(|(name, value)| (word(name), *value)));
        row.fill(defaults);
        row.id()
    }

    /// Removes a row past all rules. False if there is none.
    pub fn remove_row(&mut self, menu: &str, row: &str) -> bool {
        let table = self.table_mut(menu);
        table.resolve(row).is_some_and(|id| table.remove(id).is_some())
    }

    /// The counters of the row with this name or id.
    pub fn counters(&self, menu: &str, row: &str) -> Option<Counters> {
        let table = self.table(menu);
        table.get(table.resolve(row)?).map(|row| row.counters)
    }

    pub(super) fn exists(&self, menu: &str, name: &str) -> bool {
        self.table(menu).named(name).is_some()
    }

    pub(super) fn date_and_time(&self, seconds: u64) -> (String, String) {
        values::date_and_time(seconds, self.version >= Version(7, 10, 0))
    }

    pub(super) fn timestamp(&self) -> String {
        let (date, time) = self.date_and_time(self.clock.as_secs());
        format!("{date} {time}")
    }

    /// Time passes: uptime and clock move, entries of address lists run out.
    pub fn pass(&mut self, time: Duration) {
        self.uptime += time;
        self.clock += time;
        let passed = time.as_secs();
        let lists = self.table_mut("/ip/firewall/address-list");
        let left = |row: &Row| row.get("timeout").and_then(values::read_duration);
        lists.retain(|row| left(row).is_none_or(|left| left > passed));
        for row in lists.rows_mut() {
            if let Some(left) = left(row) {
                row.put("timeout", values::duration(left - passed));
            }
        }
    }

    /// Power off, power on: counters, uptime, sessions and dynamic rows are gone; the configuration stays.
    pub fn reboot(&mut self) {
        self.uptime = Duration::ZERO;
        self.sessions.clear();
        for (menu, table) in &mut self.tables {
            let volatile = matches!(*menu, "/ppp/active" | "/ip/pool/used" | "/user/active");
            table.retain(|row| !volatile && !row.is("dynamic"));
            for row in table.rows_mut() {
                row.counters = Counters::default();
                if menu.ends_with("tp-server") {
                    row.put("running", "false");
                }
            }
        }
    }

    /// The names of a row's properties, in the order of a `print`.
    pub(super) fn columns(menu: &Menu, row: &Row) -> Vec<&'static str> {
        let mut names = Vec::with_capacity(row.values().len() + 12);
        if !menu.single {
            names.push(".id");
        }
        names.extend(row.values().iter().map(|(name, _)| *name));
        names.extend(match menu.counts {
            Counts::Nothing => &[][..],
            Counts::Queue => &[
                "bytes",
                "total-bytes",
                "packets",
                "total-packets",
                "dropped",
                "total-dropped",
                "rate",
                "total-rate",
                "packet-rate",
                "total-packet-rate",
                "queued-packets",
                "total-queued-packets",
                "queued-bytes",
                "total-queued-bytes",
            ],
            Counts::Interface => &[
                "rx-byte",
                "tx-byte",
                "rx-packet",
                "tx-packet",
                "rx-drop",
                "tx-drop",
                "rx-error",
                "tx-error",
                "fp-rx-byte",
                "fp-tx-byte",
                "fp-rx-packet",
                "fp-tx-packet",
            ],
            Counts::Rule => &["bytes", "packets"],
        });
        names.extend(match menu.path {
            "/system/resource" => &["uptime", "version"][..],
            "/system/clock" => &["time", "date"],
            "/ppp/active" => &["uptime"],
            _ => &[],
        });
        names
    }

    /// One property of a row as `print` shows it.
    pub(super) fn value<'a>(&'a self, menu: &Menu, path: &str, row: &'a Row, name: &str) -> Option<Cow<'a, str>> {
        let own = |text: String| Some(Cow::Owned(text));
        let counters = &row.counters;
        match (menu.counts, name) {
            (_, ".id") if !menu.single => return own(row.id()),
            (Counts::Queue, "bytes") => return own(format!("{}/{}", counters.up, counters.down)),
            (Counts::Queue, "packets") => return own(format!("{}/{}", counters.packets_up, counters.packets_down)),
            (Counts::Queue, "dropped" | "rate" | "packet-rate" | "queued-packets" | "queued-bytes") => {
                return Some(Cow::Borrowed("0/0"));
            }
            (Counts::Interface, "rx-byte") => return own(counters.up.to_string()),
            (Counts::Interface, "tx-byte") => return own(counters.down.to_string()),
            (Counts::Interface, "rx-packet") => return own(counters.packets_up.to_string()),
            (Counts::Interface, "tx-packet") => return own(counters.packets_down.to_string()),
            (Counts::Queue | Counts::Interface, name) if NAUGHT.contains(&name) => return Some(Cow::Borrowed("0")),
            (Counts::Rule, "bytes") => return own((counters.up + counters.down).to_string()),
            (Counts::Rule, "packets") => return own((counters.packets_up + counters.packets_down).to_string()),
            _ => {}
        }
        match (path, name) {
            ("/system/resource", "uptime") => own(values::duration(self.uptime.as_secs())),
            ("/system/resource", "version") => own(format!("{} (stable)", self.version_text)),
            ("/system/clock", "date") => own(self.date_and_time(self.clock.as_secs()).0),
            ("/system/clock", "time") => own(self.date_and_time(self.clock.as_secs()).1),
            ("/ppp/active", "uptime") => {
                let session = self.sessions.iter().find(|session| session.active == row.number())?;
                own(values::duration((self.uptime.saturating_sub(session.since)).as_secs()))
            }
            _ => row.get(name).map(Cow::Borrowed),
        }
    }

    /// Tells listeners of a row as it is now.
    pub(super) fn announce(&self, menu: &'static str, id: u32) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        let meaning = menus::meaning(menu);
        let Some(row) = self.table(menu).get(id) else { return };
        let shown = Self::columns(meaning, row).into_iter().filter(|name| !meaning.sensitive.contains(name));
        let words =
            shown.filter_map(|name| Some((name.to_owned(), self.value(meaning, menu, row, name)?.into_owned())));
        // Nobody listening any more is no failure.
        let _ = self.changes.send(Change { menu, words: words.collect() });
    }

    /// Tells listeners that a row is gone.
    pub(super) fn announce_death(&self, menu: &'static str, id: u32) {
        let dead = if self.version >= Version(7, 0, 0) { "true" } else { "yes" };
        let words = vec![(".id".to_owned(), format!("*{id:X}")), (".dead".to_owned(), dead.to_owned())];
        let _ = self.changes.send(Change { menu, words });
    }
}
