//! Keeps a router's firewall lists and mark rules as the plans of its accounts want them: the subnets of CDN profiles, the
//! addresses of the accounts on such plans, the two rules that mark the packets between them, and the address lists that
//! plans name.
//!
//! By comparison, after every reading: where nothing has changed since router and books were seen to agree, the router is
//! not asked; where no plan wants anything and nothing of ours is there, it never hears of it. Only entries and rules with
//! our comment are changed or removed. A list that is long is made in several visits.

mod examine;
mod named;

pub(super) use examine::{Examined, examine};
pub(super) use named::named;

use super::{mark, turn};
use crate::{
    account::Account,
    app::App,
    catalogue::{cdn, plans},
    db::Conn,
    plan::Plan,
    problem::{Code, Problem},
    router::{
        Server,
        lease::Lease,
        marking::{self, Marking},
    },
    routeros::{self, Changes, Entry, Listed, Mark, MarkRule, Router, Rule},
};
use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tokio::time::Instant;

/// Entries added in one visit at the most: a router takes one at a time, about a hundred a second.
const MOST_ADDS: usize = 500;
/// How often a router is asked although nothing has changed: somebody may have changed something there.
const LOOK_AGAIN: Duration = Duration::hours(1);

/// Names on routers that are this installation's alone: two of them may share a router.
pub(super) struct Names {
    tag: String,
}

impl Names {
    pub(super) fn of(app: &App) -> Self {
        Self { tag: app.installation.simple().to_string()[..6].to_owned() }
    }

    /// The packet mark of a profile's traffic, which is also the name of the list of its subnets.
    pub(super) fn packet_mark(&self, profile_id: u64) -> String {
        format!("{}{profile_id}", self.packet_marks())
    }

    /// How every packet mark begins.
    fn packet_marks(&self) -> String {
        format!("turnpike-{}-cdn-", self.tag)
    }

    fn accounts(&self, profile_id: u64) -> String {
        format!("{}-accounts", self.packet_mark(profile_id))
    }

    /// How the comments of subnets and rules begin.
    fn comment(&self) -> String {
        format!("Turnpike {}|CDN:", self.tag)
    }
}

/// What a router should hold.
#[derive(Default)]
struct Wanted {
    /// Comments by list and address.
    entries: BTreeMap<(String, String), String>,
    rules: BTreeSet<MarkRule>,
    /// Profiles that accounts here need.
    profiles: BTreeSet<u64>,
    /// How many accounts do.
    on_cdn: usize,
}

impl Wanted {
    async fn of(app: &App, conn: &mut Conn, server_id: u64) -> Result<Self, Problem> {
        let mut wanted = Self::default();
        let plans: HashMap<u64, Plan> = plans::all(conn).await?.into_iter().map(|it| (it.id, it.plan)).collect();
        let lists = |it: &Plan| !it.place.address_list_in.is_empty() || !it.place.address_list_out.is_empty();
        if !plans.values().any(|it| it.cdn.is_some() || lists(it)) {
            return Ok(wanted);
        }
        let names = Names::of(app);
        for account in Account::of_server(conn, server_id).await? {
            let Some(plan) = account.settings.plan.and_then(|id| plans.get(&id)) else { continue };
            let cdn = plan.cdn.map(|it| it.profile_id);
            wanted.profiles.extend(cdn);
            wanted.on_cdn += usize::from(cdn.is_some());
            let place = &plan.place;
            let own = [place.address_list_in.clone(), place.address_list_out.clone()];
            let lists = own.into_iter().filter(|name| !name.is_empty()).chain(cdn.map(|id| names.accounts(id)));
            let comment = mark(&account).comment();
            wanted.entries.extend(lists.map(|list| ((list, account.address.to_string()), comment.clone())));
        }
        for id in wanted.profiles.clone() {
            if let Some(stored) = cdn::find(conn, id).await? {
                wanted.add_profile(&names, &stored);
            }
        }
        Ok(wanted)
    }

    fn add_profile(&mut self, names: &Names, stored: &cdn::Stored) {
        let (list, accounts) = (names.packet_mark(stored.id), names.accounts(stored.id));
        let comment = format!("{}{}", names.comment(), stored.id);
        for net in &stored.profile.subnets {
            let address = if net.prefix_len() == 32 { net.addr().to_string() } else { net.to_string() };
            self.entries.insert((list.clone(), address), comment.clone());
        }
        for (from, to, way) in [(&accounts, &list, "to"), (&list, &accounts, "from")] {
            let (from, to) = (from.clone(), to.clone());
            let comment = format!("{comment}|{way}");
            self.rules.insert(MarkRule { from, to, packet_mark: list.clone(), comment });
        }
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.rules.is_empty()
    }

    fn lists(&self) -> BTreeSet<String> {
        self.entries.keys().map(|(list, _)| list.clone()).collect()
    }

    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for ((list, address), comment) in &self.entries {
            digest.update(format!("{list}\n{address}\n{comment}\n"));
        }
        for rule in &self.rules {
            digest.update(format!("{rule:?}\n"));
        }
        hex::encode(digest.finalize())
    }
}

/// Brings the router's lists and rules in line, if they may differ. What cannot be made now is made after a later reading.
pub(super) async fn run(app: &App, server_id: u64, until: Instant) {
    match agree(app, server_id, until).await {
        Ok(()) => {}
        Err(problem) if matches!(problem.code, Code::RouterUnreachable | Code::Busy) => {
            tracing::debug!(server.id = server_id, "firewall lists wait: {}", problem.detail);
        }
        Err(problem) => tracing::warn!(server.id = server_id, "firewall lists wait: {}", problem.told()),
    }
}

async fn agree(app: &App, server_id: u64, until: Instant) -> Result<(), Problem> {
    // A lease is anybody's in this process: who comes second here looks at what the first has made, and at books of now.
    let Some(_turn) = app.locks.marking(server_id, until).await else { return Ok(()) };
    let now = app.clock.now();
    let (wanted, stored, server) = {
        let mut conn = app.db.read().await?;
        let stored = marking::find(&mut conn, server_id).await?;
        (Wanted::of(app, &mut conn, server_id).await?, stored, Server::find(&mut conn, server_id).await?)
    };
    let digest = wanted.digest();
    let agrees = |it: &Marking| it.agreed.as_ref().is_some_and(|(of, at)| *of == digest && is_fresh(*at, now));
    let untouched = wanted.is_empty() && stored.is_none();
    let Some(server) = server.filter(|_| !untouched && !stored.as_ref().is_some_and(agrees)) else { return Ok(()) };
    let Some(lease) = Lease::take(&app.db, &format!("marking/{server_id}"), &app.holder).await? else {
        return Ok(());
    };
    let before = stored.unwrap_or_default();
    let done = make(app, (&server, &lease), (&wanted, digest, before), until).await;
    lease.give_back(&app.db).await;
    done
}

fn is_fresh(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at <= now && now - at < LOOK_AGAIN
}

async fn make(
    app: &App,
    (server, lease): (&Server, &Lease),
    (wanted, digest, before): (&Wanted, String, Marking),
    until: Instant,
) -> Result<(), Problem> {
    let id = server.told.id;
    let router = app.router(server)?.within(until).fenced(turn::fence(app, lease));
    let lists: BTreeSet<String> = before.lists.union(&wanted.lists()).cloned().collect();
    let (changes, left) = differences(wanted, &look(app, &router, &lists).await?);
    if !changes.is_empty() {
        save(app, (id, lease), Some(&Marking { lists, agreed: None })).await?;
        tracing::info!(
            server.id = id,
            added = changes.add.len(),
            removed = changes.remove.len(),
            left,
            rules = changes.add_rules.len() + changes.set_rules.len() + changes.remove_rules.len(),
            "firewall lists and mark rules brought in line"
        );
        routeros::make_changes(&router, &changes).await?;
    }
    if left > 0 {
        return Ok(());
    }
    let agreed = Marking { lists: wanted.lists(), agreed: Some((digest, app.clock.now())) };
    save(app, (id, lease), (!wanted.is_empty()).then_some(&agreed)).await
}

async fn save(app: &App, (server_id, lease): (u64, &Lease), marking: Option<&Marking>) -> Result<(), Problem> {
    crate::in_tx!(app.db, tx => {
        super::collect::proves(&mut tx, lease, server_id).await?;
        match marking {
            Some(it) => marking::save(&mut tx, server_id, it).await?,
            None => marking::forget(&mut tx, server_id).await?,
        }
        Ok::<_, Problem>(())
    })
}

/// What a router holds, and what tells ours from foreign.
struct Seen {
    listed: Vec<Listed>,
    rules: Vec<Rule>,
    /// Every service with what its comments begin with.
    known: HashSet<(u64, String)>,
    /// How the comments of subnets and rules begin.
    own: String,
}

async fn look(app: &App, router: &Router, lists: &BTreeSet<String>) -> Result<Seen, Problem> {
    let names: Vec<&str> = lists.iter().map(String::as_str).collect();
    let listed = routeros::listed(router, &names).await?;
    let rules = routeros::mark_rules(router).await?;
    let known = Account::marks(&mut app.db.read().await?).await?;
    Ok(Seen { listed, rules, known, own: Names::of(app).comment() })
}

/// What is to be changed now, and how many entries are left for later.
fn differences(wanted: &Wanted, seen: &Seen) -> (Changes, usize) {
    let is_ours = |comment: &str| {
        let marked = || Mark::parse(comment).is_some_and(|(prefix, id, _)| seen.known.contains(&(id, prefix)));
        comment.starts_with(&seen.own) || marked()
    };
    let mut changes = Changes::default();
    let left = of_entries(wanted, &seen.listed, is_ours, &mut changes);
    of_rules(wanted, &seen.rules, &seen.own, &mut changes);
    (changes, left)
}

fn of_entries(wanted: &Wanted, listed: &[Listed], is_ours: impl Fn(&str) -> bool, changes: &mut Changes) -> usize {
    let mut there = HashSet::new();
    for row in listed {
        let Entry { list, address, comment } = &row.entry;
        let key = (list.clone(), address.clone());
        let should = wanted.entries.get(&key);
        let ours = is_ours(comment) && !row.dynamic;
        match should {
            // An entry of somebody else's does as well, and stays as it is.
            Some(should) if ours => {
                if row.disabled {
                    changes.enable.push(row.id.clone());
                }
                if comment != should {
                    changes.comment.push((row.id.clone(), should.clone()));
                }
            }
            None if ours => changes.remove.push(row.id.clone()),
            _ => {}
        }
        there.insert(key);
    }
    let missing = wanted.entries.iter().filter(|(key, _)| !there.contains(*key));
    let mut missing = missing.map(|((list, address), comment)| Entry {
        list: list.clone(),
        address: address.clone(),
        comment: comment.clone(),
    });
    changes.add = missing.by_ref().take(MOST_ADDS).collect();
    missing.count()
}

fn of_rules(wanted: &Wanted, rules: &[Rule], own: &str, changes: &mut Changes) {
    let mut missing = wanted.rules.clone();
    for rule in rules.iter().filter(|it| it.rule.comment.starts_with(own)) {
        let should = missing.iter().find(|it| it.comment == rule.rule.comment).cloned();
        match should {
            Some(should) => {
                missing.remove(&should);
                if !rule.is(&should) {
                    changes.set_rules.push((rule.id.clone(), should));
                }
            }
            None => changes.remove_rules.push(rule.id.clone()),
        }
    }
    changes.add_rules = missing.into_iter().collect();
}
