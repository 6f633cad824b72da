//! The box that letters wait in: `mail_outbox`.
//!
//! A letter is put in by the transaction that decided it, once for its key. It is taken out under a lease, sent with no
//! transaction open, and marked. Laws: nothing is sent that was not written down; a failure is tried again after 1, 2, 4 …
//! minutes, at most 6 hours, and is dead after [`MOST_TRIES`] tries, until an administrator says otherwise; a try counts from
//! the moment that it begins, so that a letter which kills the process dies too.
//!
//! What cannot be had: a process that is killed between the server's 250 and the mark leaves a letter that was sent and is
//! not marked. It is sent once more when its lease ends, under the same `Message-ID`.

use super::mailer::shortened;
use super::{Purpose, Variables};
use crate::db::{Conn, Db, Error, Result, Row, Sql};
use crate::{in_tx, params, sql};
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

/// How often a letter is tried before it is given up.
pub const MOST_TRIES: u32 = 10;
/// How long a letter is a sender's own.
pub const LEASE: Duration = Duration::seconds(120);
/// How long a letter that was handed to WHMCS is waited for.
pub const HANDED_OUT: Duration = Duration::minutes(15);
/// How long a due letter may lie untried (mail was off, or nothing ran) and still be sent.
pub const STALE: Duration = Duration::days(7);
/// The owner's name while WHMCS has the letter.
const WHMCS: &str = "whmcs";
const LONGEST_PAUSE: Duration = Duration::hours(6);
/// The columns' width, characters.
const WIDTH: usize = 255;

/// A letter to be put in.
#[derive(Clone, Debug)]
pub struct NewLetter<'a> {
    /// The WHMCS service that it is about.
    pub service_id: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// The template's name; not empty.
    pub template: &'a str,
    /// The customer's name; may be empty.
    pub to_name: &'a str,
    /// The customer's mail address.
    pub to_address: &'a str,
    /// What it says.
    pub variables: &'a Variables,
    /// What makes it the same letter (service, purpose, crossing); at most 160 characters.
    pub dedupe_key: &'a str,
}

/// Puts a letter in, within the caller's transaction; `false` where one of this key was put in before.
pub async fn queue(conn: &mut Conn, letter: NewLetter<'_>, now: DateTime<Utc>) -> Result<bool> {
    let variables = written(letter.variables)?;
    let name: String = letter.to_name.chars().take(WIDTH).collect();
    // Cut short it would be another's address; without one the letter dies with a sentence about it.
    let address = if letter.to_address.chars().count() > WIDTH { "" } else { letter.to_address };
    let sql = sql!(
        "INSERT INTO mail_outbox (service_id, purpose, template, to_name, to_address, variables, once, state, tries, due_at, \
         queued_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?, ?)"
    );
    let NewLetter { service_id, purpose, template, dedupe_key, .. } = letter;
    let values = params![service_id, purpose.as_str(), template, name, address, variables, dedupe_key, now, now];
    conn.insert_once(sql, values).await
}

fn written(variables: &Variables) -> Result<String> {
    serde_json::to_string(variables).map_err(|error| Error::Defect(error.to_string()))
}

/// A letter in hand.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its place in the outbox.
    pub id: u64,
    /// The WHMCS service that it is about.
    pub service_id: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// The template's name.
    pub template: String,
    /// The customer's name; may be empty.
    pub to_name: String,
    /// The customer's mail address.
    pub to_address: String,
    /// What it says.
    pub variables: Variables,
    /// Which try this is, from 1.
    pub tries: u32,
}

impl Claimed {
    pub(super) fn of(row: &Row) -> Result<Self> {
        let purpose: String = row.get("purpose")?;
        let variables: String = row.get("variables")?;
        Ok(Self {
            id: row.get("id")?,
            service_id: row.get("service_id")?,
            purpose: Purpose::parse(&purpose)
                .ok_or_else(|| Error::Defect(format!("no purpose is called {purpose}")))?,
            template: row.get("template")?,
            to_name: row.get("to_name")?,
            to_address: row.get("to_address")?,
            variables: serde_json::from_str(&variables).map_err(|error| Error::Defect(error.to_string()))?,
            tries: row.get::<u32>("tries")? + 1,
        })
    }

    /// It goes to whoever has the service by now, at the address that is known by now: one that was wrong can be corrected,
    /// and who gave the service away is written to no more. An account that is not known leaves it as it was put in.
    fn goes_to(&mut self, name: Option<String>, address: Option<String>) {
        let Some(address) = address.filter(|it| !it.is_empty()) else { return };
        self.to_address = address;
        if let Some(name) = name.filter(|it| *it != self.to_name) {
            self.variables.client_name.clone_from(&name);
            self.to_name = name;
        }
    }
}

/// Takes up to `limit` due letters for `owner`, oldest first; each is its own for [`LEASE`].
pub async fn claim_due(db: &Db, owner: &str, now: DateTime<Utc>, limit: u32) -> Result<Vec<Claimed>> {
    claim(db, owner, now, LEASE, limit).await
}

async fn claim(db: &Db, owner: &str, now: DateTime<Utc>, lease: Duration, limit: u32) -> Result<Vec<Claimed>> {
    in_tx!(db, tx => {
        bury_the_worn_out(&mut tx, now).await?;
        // What is due far later than any pause lasts, or is somebody's for far longer than any lease, was so before the clock
        // was set back: far, because another sidecar's clock may be a little ahead. And one that was set far ahead makes nothing old: what seems so waits for housekeeping, which doubts a leap.
        let due = sql!(
            "SELECT m.id, m.service_id, m.purpose, m.template, m.to_name, m.to_address, m.variables, m.tries, a.email, \
             a.client_name FROM mail_outbox m LEFT JOIN account a ON a.service_id = m.service_id WHERE m.state = 'queued' AND \
             ((m.due_at <= ? AND m.due_at > ?) OR m.due_at > ?) AND (m.lease_until IS NULL OR m.lease_until <= ? OR \
             m.lease_until > ?) ORDER BY m.due_at, m.id LIMIT ?"
        );
        // Whoever else reads the same rows: only one of us changes each.
        let take = sql!(
            "UPDATE mail_outbox SET lease_owner = ?, lease_until = ?, tries = tries + 1, to_name = ?, to_address = ?, \
             variables = ? WHERE id = ? AND state = 'queued' AND ((due_at <= ? AND due_at > ?) OR due_at > ?) AND (lease_until IS NULL \
             OR lease_until <= ? OR lease_until > ?)"
        );
        let free = params![now, now - STALE, now + LONGEST_PAUSE * 2, now, now + HANDED_OUT * 2];
        let mut claimed = Vec::new();
        for row in tx.rows(due, [free.clone(), params![limit]].concat()).await? {
            let mut letter = match Claimed::of(&row) {
                Ok(letter) => letter,
                Err(error) => {
                    // One row that cannot be read must not hold up all the others.
                    bury(&mut tx, row.get("id")?, &format!("the outbox holds it in a shape that cannot be read: {error}")).await?;
                    continue;
                }
            };
            letter.goes_to(row.get("client_name")?, row.get("email")?);
            let whom = params![&letter.to_name, &letter.to_address, written(&letter.variables)?, letter.id];
            if tx.execute(take, [params![owner, now + lease], whom, free.clone()].concat()).await? == 1 {
                claimed.push(letter);
            }
        }
        Ok::<_, Error>(claimed)
    })
}

async fn bury(conn: &mut Conn, id: u64, why: &str) -> Result<()> {
    let sql = sql!("UPDATE mail_outbox SET state = 'dead', failure = ? WHERE id = ? AND state = 'queued'");
    conn.execute(sql, params![shortened(why), id]).await.map(|_| ())
}

const BURY: Sql = sql!(
    "UPDATE mail_outbox SET state = 'dead', lease_owner = NULL, lease_until = NULL, failure = ? WHERE state = 'queued' AND \
     tries >= ? AND due_at <= ? AND (lease_until IS NULL OR lease_until <= ?)"
);

/// Buries letters whose last try ended without a word ten times over (the process died of them, or WHMCS never answered).
async fn bury_the_worn_out(conn: &mut Conn, now: DateTime<Utc>) -> Result<()> {
    let why = "given up: no try ended with an answer";
    conn.execute(BURY, params![why, MOST_TRIES, now, now]).await.map(|_| ())
}

/// Gives up letters that nobody tried for [`STALE`], which are sent no more: what they say was true then. For
/// housekeeping, which does not believe every clock; how many.
pub async fn give_up_stale(db: &Db, now: DateTime<Utc>) -> Result<u64> {
    let why = "given up: nobody sent it for a week, and what it says may no longer be true; retry it if it still is";
    db.execute(BURY, params![why, 0, now - STALE, now]).await
}

/// The letter left: a fact, whoever has the lease by now. `note` is kept with it (a fallback to another template).
pub async fn delivered(db: &Db, id: u64, note: Option<&str>, now: DateTime<Utc>) -> Result<()> {
    in_tx!(db, tx => mark_delivered(&mut tx, id, note, now).await)?;
    Ok(())
}

async fn mark_delivered(conn: &mut Conn, id: u64, note: Option<&str>, now: DateTime<Utc>) -> Result<bool> {
    // Without a try it was never in anybody's hands: then the word is wrong, and the letter still waits.
    let sql = sql!(
        "UPDATE mail_outbox SET state = 'sent', sent_at = ?, failure = ?, lease_owner = NULL, lease_until = NULL WHERE id = ? AND \
         state <> 'sent' AND tries > 0"
    );
    Ok(conn.execute(sql, params![now, note.map(shortened), id]).await? == 1)
}

/// What became of a letter that did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is due again then.
    Again(DateTime<Utc>),
    /// It is given up.
    Dead,
    /// Somebody else has it by now, or it left.
    NotOurs,
}

/// The letter did not leave: due again later, or dead where it is `permanent` or was tried often enough.
pub async fn failed(db: &Db, owner: &str, id: u64, (permanent, why): (bool, &str), now: DateTime<Utc>) -> Result<Fate> {
    in_tx!(db, tx => mark_failed(&mut tx, owner, id, (permanent, why), now).await)
}

async fn mark_failed(
    conn: &mut Conn,
    owner: &str,
    id: u64,
    (permanent, why): (bool, &str),
    now: DateTime<Utc>,
) -> Result<Fate> {
    let sql =
        sql!("SELECT tries FROM mail_outbox WHERE id = ? AND state = 'queued' AND lease_owner = ? /*! FOR UPDATE */");
    let Some(row) = conn.one(sql, params![id, owner]).await? else { return Ok(Fate::NotOurs) };
    let tries: u32 = row.get("tries")?;
    let dead = permanent || tries >= MOST_TRIES;
    let due = if dead { now } else { now + pause_after(tries) };
    let sql = sql!(
        "UPDATE mail_outbox SET state = ?, due_at = ?, failure = ?, lease_owner = NULL, lease_until = NULL WHERE id = ?"
    );
    let state = if dead { State::Dead } else { State::Queued };
    conn.execute(sql, params![state.as_str(), due, shortened(why), id]).await?;
    Ok(if dead { Fate::Dead } else { Fate::Again(due) })
}

/// 1, 2, 4 … minutes after the first, second, third … try, at most six hours.
fn pause_after(tries: u32) -> Duration {
    Duration::minutes(1 << tries.saturating_sub(1).min(20)).min(LONGEST_PAUSE)
}

/// Puts a letter back that was taken and not tried; the try does not count.
pub async fn put_back(db: &Db, owner: &str, id: u64) -> Result<()> {
    let sql = sql!(
        "UPDATE mail_outbox SET tries = tries - 1, lease_owner = NULL, lease_until = NULL WHERE id = ? AND state = 'queued' AND \
         lease_owner = ? AND tries > 0"
    );
    db.execute(sql, params![id, owner]).await.map(|_| ())
}

/// Tries a dead letter again, from now on, with all its tries and to the address that its account has when it is taken;
/// `false` where it is not dead.
pub async fn retry_dead(conn: &mut Conn, id: u64, now: DateTime<Utc>) -> Result<bool> {
    let sql = sql!("UPDATE mail_outbox SET state = 'queued', tries = 0, due_at = ? WHERE id = ? AND state = 'dead'");
    Ok(conn.execute(sql, params![now, id]).await? == 1)
}

/// Forgets letters that were sent before `sent`, and those given up that were queued before `dead`; how many. Their keys are never used again: each holds its account's count
/// of letters, which only grows. The last letter stays: SQLite would give its id, and so its `Message-ID`, to the next.
pub async fn forget(db: &Db, sent: DateTime<Utc>, dead: DateTime<Utc>) -> Result<u64> {
    let last = db.read().await?.one(sql!("SELECT MAX(id) AS last FROM mail_outbox"), vec![]).await?;
    let last: Option<i64> = last.map_or(Ok(None), |row| row.get("last"))?;
    let sql = sql!(
        "DELETE FROM mail_outbox WHERE id < ? \
         AND ((state = 'sent' AND sent_at < ?) OR (state = 'dead' AND queued_at < ?))"
    );
    db.execute(sql, params![last.unwrap_or(0), sent, dead]).await
}

/// A letter for WHMCS to send (`cron`'s `mails`).
#[derive(Clone, Debug, Serialize)]
pub struct Handout {
    /// Its place in the outbox.
    pub id: u64,
    /// The name of WHMCS's template.
    pub template: String,
    /// The WHMCS service that it is about.
    pub service_id: u64,
    /// Our variables; WHMCS adds its own.
    pub variables: Variables,
}

/// Takes up to `limit` due letters for WHMCS to send. What is not acknowledged within [`HANDED_OUT`] is handed out again.
pub async fn hand_out(db: &Db, now: DateTime<Utc>, limit: u32) -> Result<Vec<Handout>> {
    let claimed = claim(db, WHMCS, now, HANDED_OUT, limit).await?;
    let handout =
        |c: Claimed| Handout { id: c.id, template: c.template, service_id: c.service_id, variables: c.variables };
    Ok(claimed.into_iter().map(handout).collect())
}

/// What WHMCS said of the letters that were handed out, in one transaction. Said twice it changes nothing more; ids that
/// are not known are passed over.
pub async fn acknowledge(db: &Db, delivered: &[u64], failed: &[NotSent], now: DateTime<Utc>) -> Result<Acknowledged> {
    in_tx!(db, tx => {
        let mut heard = Acknowledged::default();
        for id in delivered {
            heard.delivered += u32::from(mark_delivered(&mut tx, *id, None, now).await?);
        }
        for NotSent { id, why, is_final } in failed {
            let why = format!("WHMCS did not send it: {why}");
            match mark_failed(&mut tx, WHMCS, *id, (*is_final, &why), now).await? {
                Fate::Again(_) => heard.retried += 1,
                Fate::Dead => heard.dead += 1,
                Fate::NotOurs => {}
            }
        }
        Ok::<_, Error>(heard)
    })
}

/// A letter that WHMCS did not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    /// Its id.
    pub id: u64,
    /// WHMCS's own words.
    pub why: String,
    /// Whether asking again changes nothing: it is given up at once, with a button to try it again.
    pub is_final: bool,
}

/// What an acknowledgement changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Newly known as sent.
    pub delivered: u32,
    /// To be tried again.
    pub retried: u32,
    /// Given up.
    pub dead: u32,
}

/// Where a letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting, or in somebody's hands.
    Queued,
    /// It left.
    Sent,
    /// Given up.
    Dead,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Queued, Self::Sent, Self::Dead];

    /// The spelling in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }

    /// The state of that spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How many letters stand where, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting.
    pub queued: u64,
    /// Left.
    pub sent: u64,
    /// Given up.
    pub dead: u64,
    /// Since when the oldest one waits.
    pub waiting_since: Option<DateTime<Utc>>,
}

/// Counts the letters.
pub async fn counts(conn: &mut Conn) -> Result<Counts> {
    let sql = sql!(
        "SELECT state, COUNT(*) AS letters, MIN(queued_at) AS oldest FROM mail_outbox GROUP BY state ORDER BY state"
    );
    let mut counts = Counts::default();
    for row in conn.rows(sql, params![]).await? {
        let letters: u64 = row.get("letters")?;
        match State::parse(&row.get::<String>("state")?) {
            Some(State::Queued) => (counts.queued, counts.waiting_since) = (letters, row.get("oldest")?),
            Some(State::Sent) => counts.sent = letters,
            Some(State::Dead) => counts.dead = letters,
            None => {}
        }
    }
    Ok(counts)
}

/// A letter as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in the outbox.
    pub id: u64,
    /// The WHMCS service that it is about.
    pub service_id: u64,
    /// What it is for.
    pub purpose: String,
    /// The template's name.
    pub template: String,
    /// The customer's mail address.
    pub to_address: String,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, if it waits.
    pub due_at: DateTime<Utc>,
    /// Why the last try failed, or that another template was used.
    pub note: Option<String>,
    /// When it was put in.
    pub queued_at: DateTime<Utc>,
    /// When it left.
    pub sent_at: Option<DateTime<Utc>>,
}

impl Entry {
    pub(super) fn of(row: &Row) -> Result<Self> {
        let state: String = row.get("state")?;
        Ok(Self {
            id: row.get("id")?,
            service_id: row.get("service_id")?,
            purpose: row.get("purpose")?,
            template: row.get("template")?,
            to_address: row.get("to_address")?,
            state: State::parse(&state).ok_or_else(|| Error::Defect(format!("no state is called {state}")))?,
            tries: row.get("tries")?,
            due_at: row.get("due_at")?,
            note: row.get("failure")?,
            queued_at: row.get("queued_at")?,
            sent_at: row.get("sent_at")?,
        })
    }
}

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only those.
    pub state: Option<State>,
    /// Only that service's.
    pub service_id: Option<u64>,
    /// Only those put in before that one: the last id of the page before.
    pub before: Option<u64>,
}

/// The newest letters first, at most `limit`.
pub async fn list(conn: &mut Conn, filter: Filter, limit: u32) -> Result<Vec<Entry>> {
    let sql = sql!(
        "SELECT id, service_id, purpose, template, to_address, state, tries, due_at, failure, queued_at, sent_at FROM mail_outbox \
         WHERE (? = '' OR state = ?) AND (? = 0 OR service_id = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?"
    );
    let state = filter.state.map_or("", State::as_str);
    let (service, before) = (filter.service_id.unwrap_or(0), filter.before.unwrap_or(0));
    let values = params![state, state, service, service, before, before, limit];
    conn.rows(sql, values).await?.iter().map(Entry::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_six_hours() {
        let minutes: Vec<i64> = (1..=11).map(|tries| pause_after(tries).num_minutes()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
