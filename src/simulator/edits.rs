//! Commands that change rows: `add`, `set`, `unset`, `remove`, `enable`, `disable`, `move`.

use super::commands::{Answer, Outcome, done, missing, no_such_item, refuse, unknown};
use super::menus::{self, Menu};
use super::schema;
use super::table::{Counters, Row, Table};
use super::values::{self, Trap};
use super::wire::Request;
use super::world::World;

/// The given arguments of an `add` or `set`, read: the value to store, or `None` to take it away.
type Given = Vec<(&'static str, Option<String>)>;

impl World {
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
            if taken && meaning.is_needed(word) {
                return refuse(Trap::invalid(word));
            }
            if taken || (word == "comment" && value.is_empty()) {
                given.push((word, meaning.default_of(word)));
                continue;
            }
            let kind = meaning.kind(word);
            given.push((word, Some(values::normalise(kind, word, value, |menu, name| self.exists(menu, name))?)));
        }
        Ok(given)
    }

    pub(super) fn add(&mut self, menu: &'static str, meaning: &Menu, request: &Request) -> Answer {
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
            let mut number = 1;
            while self.exists(menu, &format!("{stem}{number}")) {
                number += 1;
            }
            given.insert(0, ("name", Some(format!("{stem}{number}"))));
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
        row.fill(meaning.defaults);
        match menu {
            "/ppp/secret" => row.put("last-logged-out", format!("{} {}", never.0, never.1)),
            "/ip/address" => {
                let net = row.get("address").and_then(values::read_net).map(values::network);
                row.put("network", net.map(|(address, _)| address.to_string()).unwrap_or_default());
                let interface = row.get("interface").unwrap_or_default().to_owned();
                row.put("actual-interface", interface);
            }
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

    pub(super) fn set(&mut self, menu: &'static str, meaning: &Menu, request: &Request) -> Answer {
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
                    row.counters = Counters::default();
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

    pub(super) fn unset(&mut self, menu: &'static str, request: &Request) -> Answer {
        let name = request.attribute("value-name").ok_or_else(|| missing("value-name"))?.to_owned();
        let meaning = menus::meaning(menu);
        let known = schema::argument(menu, "set", &name, self.version);
        let known = known.filter(|name| *name != "numbers" && !meaning.is_needed(name));
        let Some(known) = known else { return refuse(Trap::no_match("value-name")) };
        for id in self.items(menu, request, "unset")? {
            self.change(menu, id, |row| match meaning.default_of(known) {
                Some(value) => row.put(known, value),
                None => row.take(known),
            });
        }
        Ok(done())
    }

    pub(super) fn remove(&mut self, menu: &'static str, request: &Request) -> Answer {
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

    pub(super) fn switch(&mut self, menu: &'static str, request: &Request, disabled: bool) -> Answer {
        let command = if disabled { "disable" } else { "enable" };
        let restart = menu == "/queue/simple" && self.quirks.set_restarts_counters;
        for id in self.items(menu, request, command)? {
            self.change(menu, id, |row| {
                row.put("disabled", disabled.to_string());
                if restart {
                    row.counters = Counters::default();
                }
            });
        }
        Ok(done())
    }

    pub(super) fn reorder(&mut self, menu: &'static str, request: &Request) -> Answer {
        let before = match request.attribute("destination") {
            Some(text) => Some(self.table(menu).resolve(text).ok_or_else(no_such_item)?),
            None => None,
        };
        for id in self.items(menu, request, "move")? {
            self.table_mut(menu).place(id, before);
        }
        Ok(done())
    }
}
