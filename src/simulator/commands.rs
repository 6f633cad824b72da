//! Commands as RouterOS carries them out: which menu, which rights, which arguments, and its own words for every refusal.

use super::menus::{self, Menu};
use super::query::Query;
use super::schema;
use super::table::{Counters, Row};
use super::values::Trap;
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

pub(super) type Answer = Result<Outcome, Vec<Trap>>;

impl From<Trap> for Vec<Trap> {
    fn from(trap: Trap) -> Self {
        vec![trap]
    }
}

pub(super) fn done() -> Outcome {
    Outcome::default()
}

pub(super) fn refuse<T>(trap: Trap) -> Result<T, Vec<Trap>> {
    Err(vec![trap])
}

pub(super) fn no_such_item() -> Trap {
    Trap::new(0, "no such item (4)")
}

pub(super) fn missing(argument: &str) -> Trap {
    Trap::new(1, format!("missing value(s) of argument(s) {argument}"))
}

pub(super) fn unknown(parameter: &str) -> Trap {
    Trap::new(0, format!("unknown parameter {parameter}"))
}

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
            return refuse(Trap::new(0, "no such command"));
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
                    self.change(menu, id, |row| row.counters = Counters::default());
                }
                Ok(done())
            }
            "reset-counters-all" => {
                self.table_mut(menu).rows_mut().iter_mut().for_each(|row| row.counters = Counters::default());
                Ok(done())
            }
            other => refuse(Trap::new(4, format!("failure: the simulator does not know {menu}/{other}"))),
        }
    }

    pub(super) fn change(&mut self, menu: &'static str, id: u32, change: impl FnOnce(&mut Row)) {
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
        let table = self.table(menu);
        let candidates = query.names().map_or_else(|| table.rows().iter().collect(), |names| table.of_names(names));
        for row in candidates {
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

    /// The rows that `.id` or `numbers` of a command mean, after looking at its other arguments and at what may be changed.
    pub(super) fn items(&self, menu: &'static str, request: &Request, command: &str) -> Result<Vec<u32>, Vec<Trap>> {
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
    vec![Trap::new(0, format!("no such command or directory ({wrong})")), Trap::plain("no such command prefix")]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::ground::{POLICIES, ground};
    use super::*;

    fn word() -> impl Strategy<Value = String> {
        let known = [
            "name",
            "target",
            "parent",
            "profile",
            "address",
            "list",
            "ranges",
            "chain",
            ".id",
            "numbers",
            "copy-from",
            "place-before",
            "destination",
            "value-name",
            "rate-limit",
            "remote-address",
            "max-limit",
            "disabled",
            "a",
            "b",
            "*1",
            "*2",
            "*1,*2",
            "none",
            "10.0.0.1",
            "10.0.0.0/8",
            "1M/2M",
            "yes",
            "",
            "timeout",
            "1h",
            "vpn",
        ];
        prop_oneof![9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"]
    }

    fn request() -> impl Strategy<Value = Request> {
        let menus: Vec<&'static str> = schema::menus().collect();
        let commands = [
            "print",
            "add",
            "set",
            "unset",
            "remove",
            "enable",
            "disable",
            "move",
            "reset-counters",
            "reset-counters-all",
            "getall",
            "monitor",
            "",
        ];
        let attributes = prop::collection::vec((word(), word()), 0..4);
        let queries = prop::collection::vec("\\?[-<>#]?[a-z]{0,4}[=0-9!&|.]{0,4}", 0..3);
        (prop::sample::select(menus), prop::sample::select(commands.to_vec()), attributes, queries).prop_map(
            |(menu, command, attributes, queries)| Request {
                path: format!("{menu}/{command}"),
                attributes,
                queries,
                tag: None,
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_answered_and_leaves_a_sound_world(
            requests in prop::collection::vec(request(), 1..60),
        ) {
            let mut world = ground("7.18.2", "gate", 20);
            let all: Vec<String> = POLICIES.iter().map(|policy| (*policy).to_owned()).collect();
            let mut given: BTreeSet<(String, String)> = BTreeSet::new();
            for request in &requests {
                let outcome = world.execute(request, &all);
                if let (Some(ret), Some(menu)) = (outcome.ret, request.path.strip_suffix("/add")) {
                    prop_assert!(given.insert((menu.to_owned(), ret)), "an id was given twice: {request:?}");
                }
                for menu in ["/ppp/secret", "/queue/simple", "/ppp/profile", "/ip/pool"] {
                    let names: Vec<_> = world.table(menu).rows().iter().map(|row| row.get("name")).collect();
                    let different: BTreeSet<_> = names.iter().collect();
                    prop_assert_eq!(names.len(), different.len(), "a name twice in {} after {:?}", menu, request);
                    prop_assert!(!names.contains(&None) && !names.contains(&Some("")));
                }
            }
            world.add_row("/ppp/secret", &[("name", "probe"), ("remote-address", "10.0.0.1")]);
            world.connect("probe", "", "l2tp", "").ok();
            world.carry("probe", 1, 1);
            world.reboot();
            prop_assert!(world.sessions().is_empty());
        }
    }
}
