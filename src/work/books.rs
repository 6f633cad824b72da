//! Books what counters moved: the open day, balances, usage under plans, verdicts, in the caller's one transaction.
//!
//! Tens of thousands of accounts may have moved: each is a slim row here, its whole account is read only where a letter or
//! a block is due, or where it is on a plan.

use super::{
    fair_use::Held,
    settle::{self, Plan},
};
use crate::{
    account::Account,
    app::App,
    db::Conn,
    problem::Problem,
    router::Server,
    units::{Bytes, Volume},
    usage::{
        days,
        history::Moved as Traffic,
        page::{self, Page},
        standing::{self, Standing},
    },
};
use chrono::{DateTime, NaiveDate, Utc};

/// So many accounts are read one by one rather than with all of their router's.
const FEW: usize = 100;

/// Traffic of one account in the interval (`from`, now].
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Which of the accounts.
    pub account: usize,
    /// How much.
    pub volume: Volume,
    /// Since when.
    pub from: DateTime<Utc>,
    /// From a doubtful reading: booked, but nothing is decided from it.
    pub doubtful: bool,
}

/// Open books, held against others until the transaction ends.
pub(super) struct Books {
    /// By service id.
    pub(super) all: Vec<Standing>,
    /// Those of them that are on a plan, whole, by service id.
    pub(super) planned: Vec<Account>,
    /// Their usage.
    pub(super) held: Held,
    changed: Vec<bool>,
    /// An interval that lies within one day, and that day: most accounts were read last at the same instant.
    within: Option<(DateTime<Utc>, DateTime<Utc>, NaiveDate)>,
}

impl Books {
    /// Those of all accounts on a router.
    pub(super) async fn of_server(
        app: &App,
        tx: &mut Conn,
        server_id: u64,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let (all, planned) = read(tx, server_id).await?;
        Self::hold(app, tx, server_id, (all, planned), now).await
    }

    /// Those of some accounts on a router, by service id.
    pub(super) async fn of_some(
        app: &App,
        tx: &mut Conn,
        server_id: u64,
        wanted: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let (mut all, mut planned) = (Vec::new(), Vec::new());
        if wanted.len() > FEW {
            (all, planned) = read(tx, server_id).await?;
            all.retain(|it| wanted.binary_search(&it.service_id).is_ok());
            planned.retain(|it| wanted.binary_search(&it.service_id).is_ok());
            return Self::hold(app, tx, server_id, (all, planned), now).await;
        }
        for id in wanted {
            let Some(one) = Standing::find_locked(tx, *id).await? else { continue };
            if one.plan.is_some() {
                planned.extend(Account::find_locked(tx, *id).await?);
            }
            all.push(one);
        }
        Self::hold(app, tx, server_id, (all, planned), now).await
    }

    async fn hold(
        app: &App,
        tx: &mut Conn,
        server_id: u64,
        (all, planned): (Vec<Standing>, Vec<Account>),
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let held = Held::of_server(app, tx, (server_id, &planned), now).await?;
        let changed = vec![false; all.len()];
        Ok(Self { all, planned, held, changed, within: None })
    }

    fn place(&self, service_id: u64) -> Option<usize> {
        self.planned.binary_search_by_key(&service_id, |it| it.service_id).ok()
    }

    /// One that has to be written.
    pub(super) fn change(&mut self, at: usize) -> &mut Standing {
        self.changed[at] = true;
        &mut self.all[at]
    }

    /// Writes counters, open days and balances that changed, and usage under plans.
    pub(super) async fn save(&self, tx: &mut Conn) -> Result<(), Problem> {
        let changed = self.all.iter().zip(&self.changed).filter(|(_, changed)| **changed);
        standing::store(tx, &changed.map(|(it, _)| it).collect::<Vec<_>>()).await?;
        self.held.save(tx).await
    }

    /// Each day's share of an interval's traffic.
    fn shares(&mut self, app: &App, it: &Moved, now: DateTime<Utc>) -> Vec<(NaiveDate, Traffic)> {
        if let Some(at) = self.place(self.all[it.account].service_id) {
            let shares = self.held.share(&self.planned[at], it.volume, (it.from, now));
            return shares.into_iter().map(|(day, raw, counted)| (day, Traffic { raw, counted })).collect();
        }
        if let Some((from, to, day)) = self.within
            && (from, to) == (it.from, now)
        {
            return vec![(day, Traffic { raw: it.volume, counted: it.volume })];
        }
        let shares = days::split(it.volume, it.from, now, app.config.zone);
        if let [(day, _)] = shares[..] {
            self.within = Some((it.from, now, day));
        }
        shares.into_iter().map(|(day, raw)| (day, Traffic { raw, counted: raw })).collect()
    }

    /// Books one account's traffic; days that it ends go to `closed`.
    fn enter(&mut self, app: &App, it: &Moved, now: DateTime<Utc>, closed: &mut Vec<(u64, Page)>) {
        for (day, traffic) in self.shares(app, it, now) {
            let standing = self.change(it.account);
            let charged = if standing.metered { traffic.counted.total() } else { Bytes::ZERO };
            standing.charge(charged);
            let ended = Page::add(&mut standing.page, day, traffic, charged);
            closed.extend(ended.map(|page| (standing.service_id, page)));
        }
    }
}

/// A router's accounts, and those of them that are on a plan, whole.
async fn read(tx: &mut Conn, server_id: u64) -> Result<(Vec<Standing>, Vec<Account>), Problem> {
    let all = Standing::of_server_locked(tx, server_id).await?;
    let some = all.iter().any(|it| it.plan.is_some());
    let planned = if some { Account::on_plans_locked(tx, server_id).await? } else { Vec::new() };
    Ok((all, planned))
}

/// Books it all; how many bytes that was. Then decides: upon those that moved something, and upon all that are on plans.
/// What changed is written by [`Books::save`].
pub(super) async fn book(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    books: &mut Books,
    moved: &[Moved],
    now: DateTime<Utc>,
) -> Result<u64, Problem> {
    let (mut closed, mut bytes) = (Vec::new(), 0_u64);
    for it in moved.iter().filter(|it| !it.volume.is_zero()) {
        bytes = bytes.saturating_add(it.volume.total().0);
        books.enter(app, it, now, &mut closed);
    }
    page::close(tx, &closed, now).await?;
    decide(app, tx, server, books, moved, now).await?;
    Ok(bytes)
}

async fn decide(
    app: &App,
    tx: &mut Conn,
    server: &Server,
    books: &mut Books,
    moved: &[Moved],
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    let mut doubtful: Vec<Option<bool>> = vec![None; books.all.len()];
    for it in moved {
        doubtful[it.account] = Some(it.doubtful);
    }
    let Books { all, planned, held, .. } = books;
    let mut planned = planned.iter_mut().peekable();
    for (standing, doubtful) in all.iter().zip(doubtful) {
        let account = planned.next_if(|account| account.service_id == standing.service_id);
        if doubtful == Some(true) {
            continue;
        }
        let moved = doubtful.is_some();
        if let Some(account) = account {
            account.balance = standing.balance;
            let plan = Plan::of(held, account);
            // Where nothing was moved only the plan can have changed anything.
            if moved || plan.as_ref().is_some_and(|plan| plan.is_news(account)) {
                settle::conclude(app, tx, server, (account, held), plan, now).await?;
            }
        } else if moved && settle::is_news(standing) {
            let Some(mut account) = Account::find_locked(tx, standing.service_id).await? else { continue };
            // The row is written at the end.
            account.balance = standing.balance;
            settle::conclude(app, tx, server, (&mut account, held), None, now).await?;
        }
    }
    Ok(())
}
