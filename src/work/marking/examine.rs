//! What the doctor asks about CDN tiers on a router. Reads only.

use super::{Names, Wanted, differences, look};
use crate::{
    app::App,
    catalogue::cdn,
    problem::Problem,
    routeros::{self, Router},
};
use std::collections::BTreeSet;

/// How CDN tiers stand on a router that has accounts with them.
pub(in crate::work) struct Examined {
    /// Accounts on such plans.
    pub(in crate::work) accounts: usize,
    /// Subnets in all.
    pub(in crate::work) subnets: usize,
    /// Rules of ours that should be there.
    pub(in crate::work) rules: usize,
    /// Rules of ours that are missing or not as they should be.
    pub(in crate::work) broken_rules: usize,
    /// Entries that are missing.
    pub(in crate::work) missing_entries: usize,
    /// Profiles that hold no subnet, or are not there any more.
    pub(in crate::work) empty: Vec<String>,
    /// Marks that rules of other people give to forwarded packets.
    pub(in crate::work) foreign_marks: Vec<String>,
    /// The rules have marked packets, and no CDN queue has counted any.
    pub(in crate::work) frozen: bool,
}

/// Marked bytes from which a queue should have counted some.
const MARKED: u64 = 1_000_000;

/// Asks the router; None where no account has CDN tiers.
pub(in crate::work) async fn examine(app: &App, router: &Router, server_id: u64) -> Result<Option<Examined>, Problem> {
    let (wanted, empty) = {
        let mut conn = app.db.read().await?;
        let wanted = Wanted::of(app, &mut conn, server_id).await?;
        let mut empty = Vec::new();
        for id in &wanted.profiles {
            match cdn::find(&mut conn, *id).await? {
                Some(it) if it.profile.subnets.is_empty() => empty.push(it.profile.name),
                Some(_) => {}
                None => empty.push(format!("number {id}, which was removed")),
            }
        }
        (wanted, empty)
    };
    if wanted.profiles.is_empty() {
        return Ok(None);
    }
    let names = Names::of(app);
    let lists: BTreeSet<String> = wanted.lists();
    let seen = look(app, router, &lists).await?;
    let (changes, left) = differences(&wanted, &seen);
    let ours = names.comment();
    let (own, foreign): (Vec<_>, Vec<_>) = seen.rules.iter().partition(|it| it.rule.comment.starts_with(&ours));
    let passing = |it: &&&routeros::Rule| !it.disabled && matches!(it.chain.as_str(), "forward" | "postrouting");
    let marks: BTreeSet<String> = foreign.iter().filter(passing).map(|it| it.rule.packet_mark.clone()).collect();
    let prefix = names.packet_marks();
    let queues = routeros::cdn_counted(router, &prefix).await?;
    let marked: u64 = own.iter().map(|it| it.bytes).sum();
    let subnets = wanted.entries.values().filter(|comment| comment.starts_with(&ours)).count();
    Ok(Some(Examined {
        accounts: wanted.on_cdn,
        subnets,
        rules: wanted.rules.len(),
        broken_rules: changes.add_rules.len() + changes.set_rules.len(),
        missing_entries: changes.add.len() + left,
        empty,
        foreign_marks: marks.into_iter().collect(),
        frozen: marked >= MARKED && queues == 0,
    }))
}
