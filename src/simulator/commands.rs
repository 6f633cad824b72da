//! Commands as RouterOS carries them out: which menu, which rights, which arguments, and its own words for every refusal.

use super::menus::{self, Menu};
use super::query::Query;
use super::schema;
use super::table::{Row, Table};
use super::values::{self, Trap};
use super::wire::Request;
use super::world::World;

/// What a command answers.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The `!re` sentences.
    pub rows: Vec<Vec<(&'static str, String)>>,
    /// `=ret=` of the `!done`.
    pub ret: Option<String>,
    /// `!empty` goes before `!done`.
    pub empty: bool,
    /// The `!trap` sentences.
    pub traps: Vec<Trap>,
    /// What the router does besides.
    pub then: Then,
}

/// What follows a command.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    #[default]
    Nothing,
    /// The changes of this menu are told until `/cancel`.
    Listen(&'static str),
    /// The router restarts.
    Reboot,
}

type Answer = Result<Outcome, Vec<Trap>>;

impl From<Trap> for Vec<Trap> {
    fn from(trap: Trap) -> Self {
        vec![trap]
    }
}

fn done() -> Outcome {
    Outcome::default()
}

fn refuse<T>(trap: Trap) -> Result<T, Vec<Trap>> {
    Err(vec![trap])
}

fn no_such_item() -> Trap {
    Trap::new(0, "no such item (4)")
}

fn missing(argument: &str) -> Trap {
    Trap::new(1, format!("missing value(s) of argument(s) {argument}"))
}

fn unknown(parameter: &str) -> Trap {
    Trap::new(0, format!("unknown parameter {parameter}"))
}

/// The given arguments of an `add` or `set`, read: the value to store, or `None` to take it away.
type Given = Vec<(&'static str, Option<String>)>;

impl World {
    /// Carries out one command of a user with these policies.
    pub(super) fn execute(&mut self, request: &Request, policies: &[String]) -> Outcome {
        let stale = self.quirks.partial_lists && self.names_a_stale_item(request);
        let mut outcome = self.dispatch(request, policies).unwrap_or_else(|traps| Outcome { traps, ..done() });
        if stale && outcome.traps.is_empty() {
            outcome.traps.push(no_such_item());
        }
        outcome
    }

    fn names_a_stale_item(&self, request: &Request) -> bool {
        let list = request.attribute(".id").or(request.attribute("numbers")).unwrap_or_default();
        let menu = request.path.rsplit_once('/').map_or("", |(menu, _)| menu);
        list.contains(',') && list.split(',').any(|text| self.table(menu).resolve(text).is_none())
    }

    fn dispatch(&mut self, request: &Request, policies: &[String]) -> Answer {
        let may = |policy: &str| {
            let granted = policies.iter().any(|name| name == policy);
            if granted { Ok(()) } else { refuse(Trap::plain("not enough permissions (9)")) }
        };
        let (menu, command) = request.path.rsplit_once('/').unwrap_or(("", &request.path));
        if request.path == "/system/reboot" {
            may("reboot")?;
            return Ok(Outcome { then: Then::Reboot, ..Outcome::default() });
        }
        let Some(menu) = schema::menu(menu) else { return Err(no_such_menu(&request.path)) };
        let known = if matches!(command, "getall" | "listen") { "print" } else { command };
        if !schema::has_command(menu, known, self.version) {
            return refuse(Trap::new(0, format!("no such command or directory ({command})")));
        }
        let meaning = menus::meaning(menu);
        may(if known == "print" { "read" } else { "write" })?;
        if known != "print" && matches!(menu, "/user" | "/user/group") {
            may("policy")?;
        }
        match command {
            "print" | "getall" => self.print(menu, meaning, request, may("sensitive").is_ok()),
            "listen" => Ok(Outcome { then: Then::Listen(menu), ..Outcome::default() }),
            "add" => self.add(menu, meaning, request),
            "set" => self.set(menu, meaning, request),
            "unset" => self.unset(menu, request),
            "remove" => self.remove(menu, request),
            "enable" | "disable" => self.switch(menu, request, command == "disable"),
            "move" => self.reorder(menu, request),
            "reset-counters" => {
                for id in self.items(menu, request, "reset-counters")? {
                    self.change(menu, id, |row| row.counters = super::table::Counters::default());
                }
                Ok(done())
            }
            "reset-counters-all" => {
                self.table_mut(menu)
                    .rows_mut()
                    .iter_mut()
                    .for_each(|row| row.counters = super::table::Counters::default());
                Ok(done())
            }
            other => refuse(Trap::new(4, format!("failure: the simulator does not know {menu}/{other}"))),
        }
    }

    fn change(&mut self, menu: &'static str, id: u32, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.table_mut(menu).get_mut(id) {
            change(row);
        }
        self.announce(menu, id);
    }

    fn print(&mut self, menu: &'static str, meaning: &Menu, request: &Request, sensitive: bool) -> Answer {
        for (name, _) in &request.attributes {
            let own = matches!(name.as_str(), ".proplist" | ".id" | "count-only" | "stats" | "detail" | "from");
            if !own && schema::argument(menu, "print", name, self.version).is_none() {
                return refuse(unknown(name));
            }
        }
        let asked = request.attribute("show-sensitive").is_some();
        let hide_from = schema::Version(7, 21, 0);
        let shown = sensitive && (asked || !(self.quirks.ask_for_sensitive && self.version >= hide_from));
        let only = match request.attribute(".id").or(request.attribute("from")) {
            Some(list) => Some(self.ids(menu, list)?.0),
            None => None,
        };
        let query = Query::read(&request.queries);
        let wanted: Option<Vec<&str>> = request.attribute(".proplist").map(|list| list.split(',').collect());
        let mut rows = Vec::new();
        let mut count = 0_usize;
        for row in self.table(menu).rows() {
            let visible = |name: &str| shown || !meaning.sensitive.contains(&name);
            let value = |name: &str| self.value(meaning, menu, row, name).filter(|_| visible(name));
            if only.as_ref().is_some_and(|ids| !ids.contains(&row.number())) || !query.passes(value) {
                continue;
            }
            count += 1;
            if request.attribute("count-only").is_some() {
                continue;
            }
            let names = Self::columns(meaning, row).into_iter();
            let names = names.filter(|name| wanted.as_ref().is_none_or(|wanted| wanted.contains(name)));
            rows.push(names.filter_map(|name| Some((name, value(name)?.into_owned()))).collect());
        }
        if request.attribute("count-only").is_some() {
            return Ok(Outcome { ret: Some(count.to_string()), ..Outcome::default() });
        }
        let empty = rows.is_empty() && self.version >= schema::Version(7, 18, 0);
        Ok(Outcome { rows, empty, ..Outcome::default() })
    }

    /// Reads the arguments of `add` and `set`, leaving out those that name or place the row.
    fn given(&self, menu: &'static str, meaning: &Menu, command: &str, request: &Request) -> Result<Given, Vec<Trap>> {
        let mut given = Given::new();
        for (name, value) in &request.attributes {
            if matches!(name.as_str(), ".id" | "numbers") && command == "set" && !meaning.single {
                continue;
            }
            let (bare, taken) = name.strip_prefix('!').map_or((name.as_str(), false), |bare| (bare, true));
            let Some(word) = schema::argument(menu, command, bare, self.version) else {
                return refuse(unknown(bare));
            };
            if matches!(word, "place-before" | "copy-from") {
                continue;
            }
            if taken || (word == "comment" && value.is_empty()) {
                given.push((word, None));
                continue;
            }
            let kind = meaning.kind(word);
            given.push((word, Some(values::normalise(kind, word, value, |menu, name| self.exists(menu, name))?)));
        }
        Ok(given)
    }

    fn add(&mut self, menu: &'static str, meaning: &Menu, request: &Request) -> Answer {
        let mut given = self.given(menu, meaning, "add", request)?;
        let template = match request.attribute("copy-from") {
            Some(text) => Some(self.table(menu).resolve(text).ok_or_else(no_such_item)?),
            None => None,
        };
        for name in meaning.required {
            let is_given = given.iter().any(|(word, value)| word == name && value.is_some());
            if !is_given && template.is_none() {
                return refuse(missing(name));
            }
        }
        let named = given.iter().any(|(word, _)| *word == "name");
        if !named && meaning.duplicate.is_some() {
            let stem = if menu == "/queue/simple" { "queue" } else { "item" };
            let free = (1..).map(|number| format!("{stem}{number}")).find(|name| !self.exists(menu, name));
            given.insert(0, ("name", free));
        }
        self.check(menu, meaning, None, &given)?;
        let before = match request.attribute("place-before") {
            Some(text) => Some(self.table(menu).resolve(text).ok_or_else(no_such_item)?),
            None => None,
        };
        let copied: Vec<(&'static str, String)> =
            template.and_then(|id| self.table(menu).get(id)).map(|row| row.values().to_vec()).unwrap_or_default();
        let never = self.date_and_time(0);
        let now = self.timestamp();
        let row = self.table_mut(menu).add(copied);
        for (name, value) in given {
            if let Some(value) = value {
                row.put(name, value);
            }
        }
        for (name, value) in meaning.defaults {
            if row.get(name).is_none() {
                row.put(name, *value);
            }
        }
        match menu {
            "/ppp/secret" => row.put("last-logged-out", format!("{} {}", never.0, never.1)),
            "/ip/firewall/address-list" => {
                row.put("creation-time", now);
                if row.get("timeout").is_some() {
                    row.put("dynamic", "true");
                }
            }
            _ => {}
        }
        let (id, ret) = (row.number(), row.id());
        if before.is_some() {
            self.table_mut(menu).place(id, before);
        }
        self.bind(menu, id);
        self.announce(menu, id);
        Ok(Outcome { ret: Some(ret).filter(|_| !self.quirks.no_ret), ..Outcome::default() })
    }

    /// A static server binding is also an interface.
    fn bind(&mut self, menu: &'static str, id: u32) {
        let Some(kind) = menu.strip_prefix("/interface/").and_then(|rest| rest.strip_suffix("-server")) else { return };
        let name = self.table(menu).get(id).and_then(|row| row.get("name")).unwrap_or_default().to_owned();
        let values = [("name", name), ("type", format!("{kind}-in")), ("running", "false".to_owned())];
        let row = self.table_mut("/interface").add(values);
        row.put("dynamic", "false");
        row.put("disabled", "false");
    }

    /// What is wrong with a row as it would be: names twice, limits that contradict each other.
    fn check(&self, menu: &str, meaning: &Menu, id: Option<u32>, given: &Given) -> Result<(), Vec<Trap>> {
        let new =
            |name: &str| given.iter().rev().find(|(word, _)| *word == name).and_then(|(_, value)| value.as_deref());
        let taken = |table: &Table, name: &str| table.named(name).is_some_and(|row| Some(row.number()) != id);
        if let (Some(words), Some(name)) = (meaning.duplicate, new("name"))
            && taken(self.table(menu), name)
        {
            return refuse(Trap::plain(words));
        }
        let old = id.and_then(|id| self.table(menu).get(id));
        let now = |name: &str| new(name).or_else(|| old.and_then(|row| row.get(name)));
        if menu == "/ip/firewall/address-list" && id.is_none() {
            let same = |row: &Row| row.get("list") == new("list") && row.get("address") == new("address");
            if self.table(menu).rows().iter().any(same) {
                return refuse(Trap::plain("failure: already have such entry"));
            }
        }
        if menu == "/queue/simple" {
            let rates = |name| now(name).map_or(("0", "0"), values::halves);
            let (least, most) = (rates("limit-at"), rates("max-limit"));
            for (way, least, most) in [("upload", least.0, most.0), ("download", least.1, most.1)] {
                let (least, most) = (values::read_rate(least).unwrap_or(0), values::read_rate(most).unwrap_or(0));
                if most > 0 && least > most {
                    return refuse(Trap::plain(format!("failure: {way}-max-limit less than {way}-limit")));
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, menu: &'static str, meaning: &Menu, request: &Request) -> Answer {
        let given = self.given(menu, meaning, "set", request)?;
        let ids = if meaning.single {
            self.table(menu).rows().iter().map(Row::number).collect()
        } else {
            self.items(menu, request, "set")?
        };
        for id in ids {
            self.check(menu, meaning, Some(id), &given)?;
            let old_name = self.table(menu).get(id).and_then(|row| row.get("name")).map(str::to_owned);
            let restart = menu == "/queue/simple" && self.quirks.set_restarts_counters;
            self.change(menu, id, |row| {
                for (name, value) in &given {
                    match value {
                        Some(value) => row.put(name, value.clone()),
                        None => row.take(name),
                    }
                }
                if restart {
                    row.counters = super::table::Counters::default();
                }
            });
            let new_name = self.table(menu).get(id).and_then(|row| row.get("name")).map(str::to_owned);
            if let (Some(old), Some(new)) = (old_name, new_name)
                && old != new
            {
                self.follow(menu, &old, &new);
            }
        }
        Ok(done())
    }

    /// References follow a renamed row; those to a removed one become its id.
    fn follow(&mut self, menu: &str, old: &str, new: &str) {
        let places: &[(&str, &'static str)] = match menu {
            "/ppp/profile" => &[
                ("/ppp/secret", "profile"),
                ("/interface/l2tp-server/server", "default-profile"),
                ("/interface/pptp-server/server", "default-profile"),
            ],
            "/ip/pool" => &[("/ppp/profile", "remote-address"), ("/ppp/profile", "local-address")],
            "/queue/simple" => &[("/queue/simple", "parent"), ("/ppp/profile", "parent-queue")],
            "/interface/pptp-server" | "/interface/l2tp-server" => &[("/interface", "name")],
            _ => &[],
        };
        for (menu, property) in places {
            for row in self.table_mut(menu).rows_mut().iter_mut().filter(|row| row.get(property) == Some(old)) {
                row.put(property, new);
            }
        }
    }

    fn unset(&mut self, menu: &'static str, request: &Request) -> Answer {
        let name = request.attribute("value-name").ok_or_else(|| missing("value-name"))?.to_owned();
        let version = self.version;
        let known = schema::argument(menu, "set", &name, version).filter(|name| *name != "numbers");
        let Some(known) = known else { return refuse(Trap::no_match("value-name")) };
        for id in self.items(menu, request, "unset")? {
            self.change(menu, id, |row| row.take(known));
        }
        Ok(done())
    }

    fn remove(&mut self, menu: &'static str, request: &Request) -> Answer {
        for id in self.items(menu, request, "remove")? {
            if menu == "/ppp/active" {
                self.end_session(id, "nas-request");
                continue;
            }
            let Some(row) = self.table_mut(menu).remove(id) else { continue };
            let name = row.get("name").unwrap_or_default().to_owned();
            if menu.ends_with("tp-server") {
                self.table_mut("/interface").retain(|row| row.get("name") != Some(&name));
            }
            self.follow(menu, &name, &row.id());
            self.announce_death(menu, id);
        }
        Ok(done())
    }

    fn switch(&mut self, menu: &'static str, request: &Request, disabled: bool) -> Answer {
        let command = if disabled { "disable" } else { "enable" };
        let restart = menu == "/queue/simple" && self.quirks.set_restarts_counters;
        for id in self.items(menu, request, command)? {
            self.change(menu, id, |row| {
                row.put("disabled", disabled.to_string());
                if restart {
                    row.counters = super::table::Counters::default();
                }
            });
        }
        Ok(done())
    }

    fn reorder(&mut self, menu: &'static str, request: &Request) -> Answer {
        let before = match request.attribute("destination") {
            Some(text) => Some(self.table(menu).resolve(text).ok_or_else(no_such_item)?),
            None => None,
        };
        for id in self.items(menu, request, "move")? {
            self.table_mut(menu).place(id, before);
        }
        Ok(done())
    }

    /// The rows that `.id` or `numbers` of a command mean, after looking at its other arguments and at what may be changed.
    fn items(&self, menu: &'static str, request: &Request, command: &str) -> Result<Vec<u32>, Vec<Trap>> {
        for (name, _) in &request.attributes {
            let bare = name.strip_prefix('!').unwrap_or(name);
            if bare != ".id" && schema::argument(menu, command, bare, self.version).is_none() {
                return refuse(unknown(bare));
            }
        }
        let list = request.attribute(".id").or(request.attribute("numbers")).ok_or_else(|| missing("numbers"))?;
        let (ids, bad) = self.ids(menu, list)?;
        if bad && !self.quirks.partial_lists {
            return refuse(no_such_item());
        }
        let dynamic = menu != "/ppp/active" && !matches!(command, "reset-counters");
        for row in ids.iter().filter_map(|id| self.table(menu).get(*id)) {
            if row.is("dynamic") && dynamic {
                let what = if command == "remove" { "remove" } else { "change" };
                return refuse(Trap::plain(format!("failure: can not {what} dynamic item")));
            }
            if command == "remove" && row.is("default") {
                return refuse(Trap::plain("failure: can not remove default item"));
            }
        }
        Ok(ids)
    }

    /// The ids of a list, and whether one of them is unknown.
    fn ids(&self, menu: &str, list: &str) -> Result<(Vec<u32>, bool), Vec<Trap>> {
        let found: Vec<Option<u32>> = list.split(',').map(|text| self.table(menu).resolve(text)).collect();
        if list.is_empty() || found.first() == Some(&None) {
            return refuse(no_such_item());
        }
        let bad = found.contains(&None);
        Ok((found.into_iter().map_while(|id| id).collect(), bad))
    }
}

/// The two traps for a path that leads nowhere; the first names the part that is not known.
fn no_such_menu(path: &str) -> Vec<Trap> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let leads_on = |count: usize| {
        let head = format!("/{}", parts[..count].join("/"));
        schema::menus().any(|menu| menu == head || menu.strip_prefix(&head).is_some_and(|rest| rest.starts_with('/')))
    };
    let wrong = (1..=parts.len()).find(|count| !leads_on(*count)).map_or("", |count| parts[count - 1]);
    vec![Trap::new(0, format!("no such command or directory ({wrong})")), Trap::new(0, "no such command prefix")]
}
