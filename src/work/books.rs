//! Books what counters moved: the open day, balances, usage under plans, verdicts, in the caller's one transaction.
//!
//! A hundred thousand accounts may have moved: each is a slim row here, two thousand of them in hand at a time, and its
//! whole account is read only where a letter or a block is due, or where it is on a plan.

use super::{
    fair_use::Held,
    settle::{self, Plan},
};
use crate::{
    account::Account,
    app::App,
    db::{self, Conn},
    problem::Problem,
    router::Server,
    sheet::Sheets,
    units::{Bytes, Speed, Volume},
    usage::{
        counters::Cut,
        days,
        history::Moved as Traffic,
        page::{self, Page},
        standing::{self, Standing, Together},
    },
};
use chrono::{DateTime, NaiveDate, Utc};

/// So many accounts are read one by one rather than with all of their router's.
const FEW: usize = 100;
/// So many accounts of a router are in memory at a time. In a debug build so few that each test of several turns over.
pub(super) const IN_HAND: u32 = if cfg!(debug_assertions) { 7 } else { 2_000 };

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
    /// What pays for it changed within the interval.
    pub cut: Option<Cut>,
}

/// A part of it, moved in an interval of its own.
struct Part {
    volume: Volume,
    interval: (DateTime<Utc>, DateTime<Utc>),
    /// So much of it is charged nothing.
    free: Bytes,
}

impl Moved {
    /// What was moved before the terms changed, and after; mostly the whole.
    fn parts(&self, app: &App, now: DateTime<Utc>) -> impl Iterator<Item = Part> + use<> {
        let before = |cut: Cut| {
            let pieces = days::pieces(self.volume, self.from, now, &[cut.at], app.config.zone);
            let before = pieces.iter().filter(|piece| cut.at >= now || piece.at < cut.at);
            let volume = before.fold(Volume::ZERO, |sum, piece| sum + piece.volume);
            Part { volume, interval: (self.from, cut.at), free: cut.free }
        };
        let before = self.cut.map(before);
        let rest = before.as_ref().map_or(self.volume, |before| self.volume.saturating_sub(before.volume));
        let from = before.as_ref().map_or(self.from, |before| before.interval.1);
        let after = Part { volume: rest, interval: (from, now), free: Bytes::ZERO };
        before.into_iter().chain([after]).filter(|part| !part.volume.is_zero())
    }
}

/// Open books, held against others until the transaction ends: some of a router's accounts in hand, and the usage under
/// plans of them all.
pub(super) struct Books {
    /// Those in hand, by service id.
    pub(super) all: Vec<Standing>,
    /// All that are on a plan, whole, by service id.
    pub(super) planned: Vec<Account>,
    /// Their usage.
    pub(super) held: Held,
    changed: Vec<bool>,
    /// On which those in hand stand that are seated.
    sheets: Sheets,
    /// Whether no other router's accounts lie between; asked where it makes a difference.
    together: Option<Together>,
    next: Next,
    /// Of the router's accounts only these are taken in hand, by service id.
    only: Option<Vec<u64>>,
    /// An interval that lies within one day, and that day: most accounts were read last at the same instant.
    within: Option<(DateTime<Utc>, DateTime<Utc>, NaiveDate)>,
}

/// Which accounts are taken in hand next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Those that are in hand already.
    Here,
    /// The router's, from that service id on.
    From(u64),
    /// None: there are no more.
    End,
}

impl Books {
    /// The most that an account on a plan may move; `None` for one on none.
    pub(super) fn decided(&self, service_id: u64) -> Option<Speed> {
        let at = self.planned.binary_search_by_key(&service_id, |it| it.service_id).ok()?;
        self.held.fastest(&self.planned[at])
    }

    /// Those of all accounts on a router. [`Books::turn_over`] takes the first of them in hand.
    pub(super) async fn of_server(
        app: &App,
        tx: &mut Conn,
        server_id: u64,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let planned = Account::on_plans_locked(tx, server_id).await?;
        let together = if app.db.is_shared() { Together::find(tx, server_id).await? } else { None };
        Ok(Self { next: Next::From(0), together, ..Self::hold(app, tx, server_id, (Vec::new(), planned), now).await? })
    }

    /// Those of some accounts on a router, by service id. A few are in hand at once, before [`Books::turn_over`].
    pub(super) async fn of_some(
        app: &App,
        tx: &mut Conn,
        server_id: u64,
        wanted: &[u64],
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let (mut all, mut planned, mut sheets) = (Vec::new(), Vec::new(), Sheets::default());
        if wanted.len() > FEW {
            planned = Account::on_plans_locked(tx, server_id).await?;
            planned.retain(|it| wanted.binary_search(&it.service_id).is_ok());
            let books = Self::hold(app, tx, server_id, (all, planned), now).await?;
            return Ok(Self { next: Next::From(0), only: Some(wanted.to_vec()), ..books });
        }
        for id in wanted {
            let one = Standing::find_locked(tx, (server_id, &mut sheets), *id).await?;
            let Some(one) = one else { continue };
            if one.plan.is_some() {
                planned.extend(Account::find_locked(tx, *id).await?);
            }
            all.push(one);
        }
        Ok(Self { sheets, ..Self::hold(app, tx, server_id, (all, planned), now).await? })
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
        let sheets = Sheets::default();
        Ok(Self { all, planned, held, changed, sheets, together: None, next: Next::Here, only: None, within: None })
    }

    /// Takes the next accounts in hand, in place of those before; false where there are no more. What has changed of those
    /// must have been written.
    pub(super) async fn turn_over(&mut self, tx: &mut Conn, server_id: u64) -> Result<bool, Problem> {
        loop {
            let from = match std::mem::replace(&mut self.next, Next::End) {
                Next::Here => return Ok(!self.all.is_empty()),
                Next::From(from) => from,
                Next::End => return Ok(false),
            };
            // What was in hand is not in memory beside what comes.
            drop(std::mem::take(&mut self.all));
            let from_where = (server_id, self.together.as_mut());
            (self.all, self.sheets) = Standing::of_server_locked(tx, from_where, from, IN_HAND).await?;
            if let Some(last) = self.all.last().filter(|_| self.all.len() == IN_HAND as usize) {
                self.next = Next::From(last.service_id + 1);
            }
            if let Some(only) = &self.only {
                self.all.retain(|it| only.binary_search(&it.service_id).is_ok());
            }
            if self.all.iter().any(|it| it.plan.is_some() && self.place(it.service_id).is_none()) {
                // Those on plans were locked before. It is read again, as a whole, so that it is counted as its plan says.
                return Err(db::Error::Retry("an account was put on a plan meanwhile".to_owned()).into());
            }
            self.changed.clear();
            self.changed.resize(self.all.len(), false);
            if !self.all.is_empty() {
                return Ok(true);
            }
        }
    }

    fn place(&self, service_id: u64) -> Option<usize> {
        self.planned.binary_search_by_key(&service_id, |it| it.service_id).ok()
    }

    /// One that has to be written.
    pub(super) fn change(&mut self, at: usize) -> &mut Standing {
        self.changed[at] = true;
        &mut self.all[at]
    }

    /// Writes counters, open days and balances that changed of those in hand.
    pub(super) async fn save(&mut self, tx: &mut Conn, server_id: u64) -> Result<(), Problem> {
        let changed = self.all.iter().zip(&self.changed).filter(|(_, changed)| **changed);
        let changed: Vec<_> = changed.map(|(it, _)| it).collect();
        Ok(standing::store(tx, (server_id, &mut self.sheets), &changed).await?)
    }

    /// Writes usage under plans: at the end.
    pub(super) async fn save_plans(&self, tx: &mut Conn) -> Result<(), Problem> {
        self.held.save(tx).await
    }

    /// Each day's share of an interval's traffic.
    fn shares(&mut self, app: &App, account: usize, it: &Part) -> Vec<(NaiveDate, Traffic)> {
        let (from, now) = it.interval;
        if let Some(at) = self.place(self.all[account].service_id) {
            let shares = self.held.share(&self.planned[at], it.volume, it.interval);
            return shares.into_iter().map(|(day, raw, counted)| (day, Traffic { raw, counted })).collect();
        }
        if let Some((since, until, day)) = self.within
            && (since, until) == it.interval
        {
            return vec![(day, Traffic { raw: it.volume, counted: it.volume })];
        }
        let shares = days::split(it.volume, from, now, app.config.zone);
        if let [(day, _)] = shares[..] {
            self.within = Some((from, now, day));
        }
        shares.into_iter().map(|(day, raw)| (day, Traffic { raw, counted: raw })).collect()
    }

    /// Books one account's traffic; days that it ends go to `closed`.
    fn enter(&mut self, app: &App, it: &Moved, now: DateTime<Utc>, closed: &mut Vec<(u64, Page)>) {
        for mut part in it.parts(app, now) {
            for (day, traffic) in self.shares(app, it.account, &part) {
                let standing = self.change(it.account);
                let counted = if standing.metered { traffic.counted.total() } else { Bytes::ZERO };
                let charged = counted.saturating_sub(part.free);
                part.free = part.free.saturating_sub(counted);
                standing.charge(charged);
                let ended = Page::add(&mut standing.page, day, traffic, charged);
                closed.extend(ended.map(|page| (standing.service_id, page)));
            }
        }
    }

    /// What the balance would pay for traffic that is put aside, as things stand.
    pub(super) fn payable(&self, app: &App, it: &Moved, now: DateTime<Utc>) -> Bytes {
        let standing = &self.all[it.account];
        if !standing.metered {
            return Bytes::ZERO;
        }
        let planned = self.place(standing.service_id).map(|at| &self.planned[at]);
        let counted = |part: &Part| match planned {
            Some(account) => self.held.counted(account, part.volume, part.interval).total(),
            None => part.volume.total(),
        };
        let paid = it.parts(app, now).map(|part| counted(&part).saturating_sub(part.free));
        paid.fold(Bytes::ZERO, std::ops::Add::add)
    }
}

/// Books what those in hand moved; how many bytes that was. Then decides: upon those that moved something, and upon all that
/// are on plans. What changed is written by [`Books::save`] and [`Books::save_plans`].
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
    for (standing, doubtful) in all.iter_mut().zip(doubtful) {
        let on_plan = planned.binary_search_by_key(&standing.service_id, |it| it.service_id).ok();
        let account = on_plan.map(|at| &mut planned[at]);
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
            // The row is written at the end: that was taken out of its seat, if it had one.
            standing.unseat();
            account.balance = standing.balance;
            settle::conclude(app, tx, server, (&mut account, held), None, now).await?;
        }
    }
    Ok(())
}
