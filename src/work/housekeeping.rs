//! What is kept for a time only: old days, letters, doubts that were decided; and days that have ended are closed. Safe to
//! run twice, and by two at once. What cannot be read stops nothing else.

use crate::{
    app::App,
    mail::outbox,
    problem::Problem,
    usage::{
        doubts, history,
        page::{self, Passed},
        quarantine,
    },
    work::rotate_key,
};
use chrono::Duration;

/// How long sent letters are kept for people to look up.
const SENT_LETTERS: Duration = Duration::days(90);
/// How long letters that were given up and verdicts on doubtful traffic are kept: over a year, for whoever closes its books.
const ENDED: Duration = Duration::days(400);
/// How long a doubt is shown that was not found again.
const DOUBTS: Duration = Duration::days(14);

/// Accounts whose open days are closed, or whose old ones are forgotten, in one transaction: hooks write in between, and no
/// database has to do in one statement what a long absence has left.
const AT_ONCE: u32 = 200;

/// Runs it once.
pub async fn run(app: &App) -> Result<(), Problem> {
    let now = app.clock.now();
    let today = app.today();
    // Of accounts that moved nothing since: those that do have their day closed by the reading that opens the next.
    let mut passed = Passed::default();
    loop {
        let (closed, unreadable) = crate::in_tx!(app.db, tx => {
            page::close_before(&mut tx, today, (AT_ONCE, &passed), now).await.map_err(Problem::from)
        })?;
        if closed == 0 && unreadable.is_nothing() {
            break;
        }
        passed.add(unreadable);
    }
    if !passed.is_nothing() {
        tracing::error!(
            sheets = ?passed.sheets, services = ?passed.services,
            "figures that cannot be read were passed over, and their days stay open: see `turnpike doctor`, or put the backup back"
        );
    }
    let (mut days, mut after) = (0, 0);
    while let Some((last, forgotten)) = crate::in_tx!(app.db, tx => {
        history::forget_old_days(&mut tx, today, (after, AT_ONCE)).await.map_err(Problem::from)
    })? {
        (after, days) = (last, days + forgotten);
    }
    outbox::give_up_stale(&app.db, now).await?;
    let letters = outbox::forget(&app.db, now - SENT_LETTERS, now - ENDED).await?;
    let verdicts = crate::in_tx!(app.db, tx => {
        let verdicts = quarantine::forget_decided(&mut tx, now - ENDED).await?;
        doubts::forget(&mut tx, now - DOUBTS).await?;
        Ok::<_, Problem>(verdicts)
    })?;
    if days + letters + verdicts > 0 {
        tracing::info!(days, letters, verdicts, "old history, letters and verdicts were forgotten");
    }
    // Services that were killed: who is asked which of them run forgets the others.
    rotate_key::running(app).await?;
    Ok(())
}
