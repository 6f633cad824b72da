//! One step of sending: takes what is due out of the outbox, sends it, marks it. Who calls it again, and when, is `jobs`.

use super::outbox::{self, Claimed, Fate};
use super::{Failure, Letters, Mailer, Outgoing, Session};
use crate::clock::Clock;
use crate::db::{Db, Result};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Letters in one batch.
const BATCH: u32 = 20;
/// After this long no further letter of a batch is begun: with 15 s to connect and 45 s to send, the last one still ends
/// within its lease of 120 s.
const PATIENCE: Duration = Duration::from_secs(50);
const PATIENCE_BY_CALENDAR: chrono::TimeDelta = chrono::TimeDelta::seconds(50);

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Letters that left.
    pub sent: u32,
    /// Letters to be tried again.
    pub retried: u32,
    /// Letters given up.
    pub dead: u32,
    /// Whether more may be due at once.
    pub more: bool,
}

/// Sends one batch of what is due. `owner` names this process among those that share the database.
///
/// # Errors
/// The database's. What was taken then comes free when its lease ends; a letter that left and could not be marked is sent
/// once more, recognisably.
pub async fn send_due(db: &Db, letters: &Letters, mailer: &Mailer, clock: &Clock, owner: &str) -> Result<Outcome> {
    send_until(db, letters, mailer, clock, owner, &CancellationToken::new()).await
}

/// The same; begins no letter any more once it is told to stop, and leaves the others to the next run.
///
/// # Errors
/// As for [`send_due`].
pub async fn send_until(
    db: &Db,
    letters: &Letters,
    mailer: &Mailer,
    clock: &Clock,
    owner: &str,
    stop: &CancellationToken,
) -> Result<Outcome> {
    let Some(mut session) = mailer.session() else { return Ok(Outcome::default()) };
    let (begun, claimed_at) = (Instant::now(), clock.now());
    let claimed = outbox::claim_due(db, owner, claimed_at, BATCH).await?;
    let mut outcome = Outcome { more: claimed.len() == BATCH as usize, ..Outcome::default() };
    for letter in claimed {
        // By both clocks: the steady one stands still while a machine sleeps.
        let late = begun.elapsed() > PATIENCE || clock.now() - claimed_at > PATIENCE_BY_CALENDAR;
        if late || stop.is_cancelled() {
            outbox::put_back(db, owner, letter.id).await?;
            outcome.more = true;
            continue;
        }
        match deliver(&mut session, letters, &letter, clock).await {
            Ok(note) => {
                outbox::delivered(db, letter.id, note.as_deref(), clock.now()).await?;
                outcome.sent += 1;
            }
            Err(failure) => {
                let permanent = matches!(failure, Failure::Permanent(_));
                let why = failure.sentence();
                let fate = outbox::failed(db, owner, letter.id, (permanent, &why), clock.now()).await?;
                tell(&letter, fate, &why);
                outcome.retried += u32::from(matches!(fate, Fate::Again(_)));
                outcome.dead += u32::from(fate == Fate::Dead);
            }
        }
    }
    session.close().await;
    Ok(outcome)
}

/// Renders and sends; the answer is a note about another template than the one asked for.
async fn deliver(
    session: &mut Session<'_>,
    letters: &Letters,
    claimed: &Claimed,
    clock: &Clock,
) -> std::result::Result<Option<String>, Failure> {
    let letter = letters
        .render(claimed.purpose, &claimed.template, &claimed.variables)
        .map_err(|error| Failure::Retry(error.to_string()))?;
    if let Some(why) = &letter.fell_back {
        tracing::warn!(mail_id = claimed.id, service_id = claimed.service_id, "{why}");
    }
    let outgoing = Outgoing {
        outbox_id: claimed.id,
        to_name: &claimed.to_name,
        to_address: &claimed.to_address,
        letter: &letter,
        date: clock.now(),
    };
    session.deliver(&outgoing).await?;
    tracing::info!(mail_id = claimed.id, service_id = claimed.service_id, tries = claimed.tries, "mail sent");
    Ok(letter.fell_back)
}

fn tell(letter: &Claimed, fate: Fate, why: &str) {
    let Claimed { id, service_id, tries, .. } = letter;
    match fate {
        Fate::Again(due) => {
            tracing::warn!(mail_id = id, service_id, tries, due = %due.to_rfc3339(), "mail not sent, tried again: {why}");
        }
        Fate::Dead => tracing::error!(mail_id = id, service_id, tries, "mail given up: {why}"),
        Fate::NotOurs => tracing::warn!(mail_id = id, service_id, "mail not sent, and no longer ours: {why}"),
    }
}
