//! In what a router's lists and rules differ from what plans want, in words: for a rebuild. Reads only.

use super::{Wanted, differences, look};
use crate::{app::App, problem::Problem, router::Server, router::marking, routeros::Entry};
use std::collections::{BTreeSet, HashMap};
use tokio::time::Instant;

/// Differences.
#[derive(Debug, Default)]
pub(in crate::work) struct Named {
    /// Each as a sentence without a full stop; those that are for a later visit together.
    pub(in crate::work) said: Vec<String>,
    /// How many.
    pub(in crate::work) count: usize,
}

/// Asks the router, unless nothing of ours is wanted there or ever was.
pub(in crate::work) async fn named(app: &App, server: &Server, until: Instant) -> Result<Named, Problem> {
    let id = server.told.id;
    let (wanted, stored) = {
        let mut conn = app.db.read().await?;
        (Wanted::of(app, &mut conn, id).await?, marking::find(&mut conn, id).await?)
    };
    if wanted.is_empty() && stored.is_none() {
        return Ok(Named::default());
    }
    let lists: BTreeSet<String> = stored.unwrap_or_default().lists.union(&wanted.lists()).cloned().collect();
    let seen = look(app, &app.router(server)?.within(until), &lists).await?;
    let (changes, left) = differences(&wanted, &seen);
    let by_id: HashMap<&str, &Entry> = seen.listed.iter().map(|it| (it.id.as_str(), &it.entry)).collect();
    let entry = |it: &Entry| format!("{} in address list {}", it.address, it.list);
    let known = |id: &String| by_id.get(id.as_str()).map_or_else(|| format!("entry {id}"), |it| entry(it));
    let mut said: Vec<String> = changes.add.iter().map(|it| format!("{} is missing", entry(it))).collect();
    said.extend(changes.enable.iter().map(|id| format!("{} is disabled", known(id))));
    said.extend(changes.comment.iter().map(|(id, _)| format!("{} has another comment", known(id))));
    said.extend(changes.remove.iter().map(|id| format!("{} is wanted by nobody any more", known(id))));
    said.extend(changes.add_rules.iter().map(|it| format!("the mangle rule {} is missing", it.comment)));
    said.extend(changes.set_rules.iter().map(|(_, it)| format!("the mangle rule {} was changed", it.comment)));
    let left_over = seen.rules.iter().filter(|it| changes.remove_rules.contains(&it.id));
    said.extend(left_over.map(|it| format!("the mangle rule {} is wanted by nobody any more", it.rule.comment)));
    let count = said.len() + left;
    if left > 0 {
        said.push(format!("{left} more entries of address lists are missing"));
    }
    Ok(Named { said, count })
}
