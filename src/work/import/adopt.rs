//! What a survey found becomes accounts, in the caller's one transaction.
//!
//! An account with an imported balance is metered from here on, with a packet of its own still to come: what it moves is
//! charged to that balance, and the first hook that tells its product grants nothing for the cycle that the balance is of
//! (see [`super::stands_for_cycle`]). An account without one is unmetered until then, and then begins with a whole packet.

use super::{
    Adopted, Entered, LeftOut, Outcome, Progress,
    balances::{BadLine, Line},
    survey::{Candidate, Survey},
};
use crate::{
    account::{Account, Sold, State, allotment, causes::Causes, settings::Settings},
    app::App,
    db::Tx,
    problem::Problem,
    router::Server,
    units::Bytes,
    usage::{
        counters::{self, Baseline},
        ledger::{self, IMPORT, Kind},
        reading::Counter,
    },
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap};

/// Why an imported account is off, where nothing better is known.
const DISABLED: &str = "was disabled on the router when it was imported";

pub(super) struct Adoption<'a> {
    pub(super) app: &'a App,
    pub(super) server: &'a Server,
    pub(super) prefix: &'a str,
    pub(super) survey: &'a Survey,
    pub(super) balances: &'a [Line],
    /// When the first command of the reading was sent.
    pub(super) began: DateTime<Utc>,
    pub(super) watch: &'a Progress<'a>,
}

impl Adoption<'_> {
    /// Writes it all; where a line of the balances cannot be used, nothing.
    pub(super) async fn write(&self, tx: &mut Tx) -> Result<Outcome, Problem> {
        let books = Account::of_server_locked(tx, self.server.told.id).await?;
        let books: BTreeMap<u64, Account> = books.into_iter().map(|it| (it.service_id, it)).collect();
        let mut outcome = Outcome { foreign: self.survey.foreign, ..Outcome::default() };
        let lines = match self.lines(&books) {
            Ok(lines) => lines,
            Err(bad_lines) => return Ok(Outcome { bad_lines, ..outcome }),
        };
        let mut baselines = Vec::new();
        for (done, it) in self.survey.marked.iter().enumerate() {
            (self.watch)(done + 1, self.survey.marked.len());
            if let Some(known) = books.get(&it.service_id) {
                let others = it.names.iter().filter(|name| **name != known.username);
                outcome.left_out.extend(others.map(|name| left_out(it.service_id, name, self.in_the_way(known))));
                continue;
            }
            let line = lines.get(&it.service_id).copied();
            let made = match &it.outcome {
                Err(why) => Err(why.clone()),
                Ok(candidate) => {
                    let made = self.adopt(tx, it.service_id, candidate, line).await?;
                    made.inspect(|_| baselines.push((it.service_id, self.baseline(candidate))))
                }
            };
            match made {
                Ok(adopted) => outcome.adopted.push(adopted),
                Err(why) => outcome.left_out.push(left_out(it.service_id, &it.names.join(", "), why)),
            }
        }
        counters::store(tx, &baselines).await?;
        for (service_id, name) in self.survey.orphans.iter().filter(|(id, _)| !books.contains_key(id)) {
            let why = "a queue without a secret: remove it, or run Create for the service in WHMCS".to_owned();
            outcome.left_out.push(left_out(*service_id, name, why));
        }
        outcome.known = books.len();
        for account in books.values() {
            if let Some(line) = lines.get(&account.service_id) {
                self.later(tx, account.clone(), line, &mut outcome).await?;
            }
        }
        Ok(outcome)
    }

    /// The balances by service, or every line that fits none, or one that has another line already.
    fn lines(&self, books: &BTreeMap<u64, Account>) -> Result<HashMap<u64, &Line>, Vec<BadLine>> {
        let mut names: HashMap<u64, Vec<&str>> = HashMap::new();
        for account in books.values() {
            names.entry(account.service_id).or_default().push(&account.username);
        }
        for it in &self.survey.marked {
            names.entry(it.service_id).or_default().extend(it.names.iter().map(String::as_str));
        }
        // A name that two services have is nobody's.
        let mut ids: HashMap<&str, Option<u64>> = HashMap::new();
        for (id, name) in names.iter().flat_map(|(id, its)| its.iter().map(|name| (*id, *name))) {
            ids.entry(name).and_modify(|known| *known = known.filter(|it| *it == id)).or_insert(Some(id));
        }
        let (mut lines, mut bad) = (HashMap::<u64, &Line>::new(), Vec::new());
        for line in self.balances {
            let id = match (line.service_id, ids.get(line.username.as_str())) {
                (Some(id), _) => Ok(id),
                (None, Some(Some(id))) => Ok(*id),
                (None, Some(None)) => {
                    Err(format!("names the user {:?}, and so do several services: give its service_id", line.username))
                }
                (None, None) => {
                    Err(format!("names the user {:?}, who is neither on the router nor in the books", line.username))
                }
            };
            let fits = id.and_then(|id| match names.get(&id) {
                None => Err(format!("names service {id}, which is neither on the router nor in the books")),
                Some(its) if !line.username.is_empty() && !its.contains(&line.username.as_str()) => {
                    let (user, name) = (&line.username, its.join(", "));
                    Err(format!("names service {id} and the user {user:?}, but the service's name is {name}"))
                }
                Some(_) => match lines.insert(id, line) {
                    Some(before) => Err(format!("names service {id} again, after line {}", before.number)),
                    None => Ok(()),
                },
            });
            bad.extend(fits.err().map(|why| BadLine { line: line.number, why }));
        }
        if bad.is_empty() { Ok(lines) } else { Err(bad) }
    }

    /// Takes one over, or says why it cannot be.
    async fn adopt(
        &self,
        tx: &mut Tx,
        service_id: u64,
        it: &Candidate,
        line: Option<&Line>,
    ) -> Result<Result<Adopted, String>, Problem> {
        let (server_id, now) = (self.server.told.id, self.app.clock.now());
        if let Some(known) = Account::find_locked(tx, service_id).await? {
            return Ok(Err(self.in_the_way(&known)));
        }
        if Account::name_in_use(tx, server_id, &it.username, service_id).await? {
            return Ok(Err("the books have another service of this name on this server".to_owned()));
        }
        if !allotment::take(tx, server_id, service_id, it.address, now).await? {
            return Ok(Err(format!("the books have given its address {} to another service", it.address)));
        }
        let mut account = Account::new(service_id, server_id, sold(it, line), Settings::default());
        account.set_settings(&self.app.seal, self.settings(it, line));
        account.set_password(&self.app.seal, &it.password);
        account.username.clone_from(&it.username);
        account.address = it.address;
        account.state = State::Made;
        account.made_at = Some(now);
        account.causes = causes(it, line, now);
        // A fall below the threshold that lies before the import brings no letter.
        account.threshold_armed = line.is_none();
        account.save(tx, now).await?;
        account.save_standing(tx, now).await?;
        if let Some(line) = line {
            enter(tx, service_id, line, now).await?;
        }
        let mut remarks = it.remarks.clone();
        if line.is_some_and(Line::is_suspended) && !it.disabled {
            remarks.push("WHMCS has it suspended, the router has not: press Suspend in WHMCS".to_owned());
        }
        Ok(Ok(Adopted {
            service_id,
            username: it.username.clone(),
            address: it.address,
            profile: it.profile.clone(),
            download_kbps: it.speed.down,
            upload_kbps: it.speed.up,
            causes: account.causes.names(),
            balance_bytes: line.map(|line| line.balance),
            remarks,
        }))
    }

    fn in_the_way(&self, known: &Account) -> String {
        match known.state {
            State::New => "WHMCS began to create it and did not end: run Create for it again".to_owned(),
            State::Gone => "the books have it as terminated: run Create for it in WHMCS if it lives".to_owned(),
            State::Made if known.server_id != self.server.told.id => {
                format!(
                    "it lives on server {} by the books: remove the secret here, or terminate it there",
                    known.server_id
                )
            }
            State::Made => format!("it lives here as {} by the books: remove this secret", known.username),
        }
    }

    /// What the router shows, and nothing that only the product can say.
    fn settings(&self, it: &Candidate, line: Option<&Line>) -> Settings {
        Settings {
            profile: it.profile.clone(),
            ppp_service: it.ppp_service,
            speed: it.speed,
            packet: line.map(|_| Bytes::ZERO),
            comment_prefix: self.prefix.to_owned(),
            ..Settings::default()
        }
    }

    /// Nobody pays for what was counted before. Where there is no queue, one that appears is new and counts from zero.
    fn baseline(&self, it: &Candidate) -> Baseline {
        let counter = it.counter.clone().unwrap_or_else(|| Counter::zero(""));
        let missing_since = it.counter.is_none().then_some(self.began);
        let uptime_seconds = Some(self.survey.uptime_seconds);
        Baseline { uptime_seconds, missing_since, ..Baseline::new(counter, self.began) }
    }

    /// A balance for an account that the books have: entered if it came by an import and still waits for its product.
    async fn later(
        &self,
        tx: &mut Tx,
        mut account: Account,
        line: &Line,
        outcome: &mut Outcome,
    ) -> Result<(), Problem> {
        let (id, now) = (account.service_id, self.app.clock.now());
        let why = match ledger::find(tx, id, Kind::Correction, IMPORT).await? {
            Some(before) if before == line.balance => return Ok(()),
            Some(before) => format!("{before} bytes were imported for it before"),
            None if !account.sold.billing_cycle.is_empty() || ledger::has(tx, id, Kind::Packet).await? => {
                "WHMCS has told its product already, and its balance is kept here".to_owned()
            }
            None => {
                account.settings.packet = Some(Bytes::ZERO);
                account.sold.next_due_date = line.next_due_date.or(account.sold.next_due_date);
                account.threshold_armed = false;
                account.save(tx, now).await?;
                account.save_standing(tx, now).await?;
                enter(tx, id, line, now).await?;
                let username = account.username.clone();
                outcome.entered.push(Entered { service_id: id, username, balance_bytes: line.balance });
                return Ok(());
            }
        };
        let why = format!(
            "{why}; the {} bytes of line {} were not entered: correct it with Add traffic",
            line.balance, line.number
        );
        outcome.kept.push(LeftOut { service_id: id, name: account.username, why });
        Ok(())
    }
}

/// Who has it and how it was sold, as far as can be known.
fn sold(it: &Candidate, line: Option<&Line>) -> Sold {
    Sold {
        client_id: 0,
        product_id: 0,
        client_name: String::new(),
        email: it.email.clone(),
        language: String::new(),
        status: line.map(|line| line.status.clone()).unwrap_or_default(),
        // Empty until a hook tells the product: see `later`.
        billing_cycle: String::new(),
        next_due_date: line.and_then(|line| line.next_due_date),
    }
}

fn left_out(service_id: u64, name: &str, why: String) -> LeftOut {
    LeftOut { service_id, name: name.to_owned(), why }
}

/// A balance of another module's, with the cycle that it is of where that is known.
async fn enter(tx: &mut Tx, service_id: u64, line: &Line, now: DateTime<Utc>) -> Result<(), Problem> {
    let note = "balance that another module kept";
    ledger::enter(tx, service_id, (Kind::Correction, IMPORT), line.balance, note, now).await?;
    if let Some(due) = line.next_due_date {
        super::close_cycle(tx, service_id, &due.to_string(), now).await?;
    }
    Ok(())
}

/// Why it is off: its balance where that says so; else WHMCS, so that its Unsuspend frees it.
fn causes(it: &Candidate, line: Option<&Line>, now: DateTime<Utc>) -> Causes {
    let spent = it.disabled && line.is_some_and(|line| line.balance <= 0);
    let billing = it.disabled && (!spent || line.is_some_and(Line::is_suspended));
    Causes {
        billing,
        quota: spent,
        billing_reason: if billing { DISABLED.to_owned() } else { String::new() },
        quota_at: spent.then_some(now),
        ..Causes::default()
    }
}
