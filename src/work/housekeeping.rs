//! What is kept for a time only: old days, letters, doubts that were decided; and days that have ended are closed. Safe to
//! run twice, and by two at once.

use crate::{
    app::App,
    mail::outbox,
    problem::Problem,
    usage::{history, page, quarantine},
};
use chrono::Duration;

/// How long sent letters are kept for people to look up.
const SENT_LETTERS: Duration = Duration::days(90);
/// How long letters that were given up, and decided doubts, are kept: into the next year's accounts.
const DECIDED: Duration = Duration::days(400);

/// Open days that are closed in one transaction.
const AT_ONCE: u32 = 200;

/// Runs it once.
pub async fn run(app: &App) -> Result<(), Problem> {
    let now = app.clock.now();
    let today = app.today();
    // Of accounts that moved nothing since: those that do have their day closed by the reading that opens the next.
    while crate::in_tx!(app.db, tx => page::close_before(&mut tx, today, AT_ONCE, now).await.map_err(Problem::from))?
        > 0
    {}
    let days = crate::in_tx!(app.db, tx => history::forget_old_days(&mut tx, today).await.map_err(Problem::from))?;
    let decided = now - DECIDED;
    let doubts =
        crate::in_tx!(app.db, tx => quarantine::forget_decided(&mut tx, decided).await.map_err(Problem::from))?;
    let letters = outbox::forget(&app.db, now - SENT_LETTERS, decided).await?;
    if days + letters + doubts > 0 {
        tracing::info!(days, letters, doubts, "old history, letters and decided doubts were forgotten");
    }
    Ok(())
}
