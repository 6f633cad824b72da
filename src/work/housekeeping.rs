//! What is kept for a time only: old days, sent letters, nonces. Safe to run twice, and by two at once.

use crate::{app::App, mail::outbox, problem::Problem, usage::history};
use chrono::Duration;

/// How long sent letters are kept for people to look up.
const SENT_LETTERS: Duration = Duration::days(90);

/// Runs it once.
pub async fn run(app: &App) -> Result<(), Problem> {
    let now = app.clock.now();
    let today = app.today();
    let days = crate::in_tx!(app.db, tx => history::forget_old_days(&mut tx, today).await.map_err(Problem::from))?;
    let letters = outbox::forget_sent(&app.db, now - SENT_LETTERS).await?;
    if days + letters > 0 {
        tracing::info!(days, letters, "old history and sent letters were forgotten");
    }
    Ok(())
}
