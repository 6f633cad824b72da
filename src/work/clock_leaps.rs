//! Our clock, compared with the time that cannot be set: a leap is said at once, and shown until it is long past.

use crate::{
    app::App,
    meters::Meters,
    problem::Problem,
    usage::doubts::{self, Kind},
};
use chrono::Duration;

/// Looks whether the clock was set since the last look.
///
/// # Errors
/// The database's; the leap is counted and logged all the same.
pub async fn look(app: &App) -> Result<(), Problem> {
    let Some(leap) = app.clock_watch.look() else { return Ok(()) };
    let forward = leap > Duration::zero();
    Meters::count(&app.meters.clock_leaps, if forward { "forward" } else { "back" }, 1);
    let now = app.clock.now();
    let before = super::instant(now - leap);
    let what = if forward {
        format!("this machine's clock was set forward by {}, from {before}, or it slept", spoken(leap))
    } else {
        format!("this machine's clock was set back by {}, from {before}", spoken(leap))
    };
    tracing::warn!(seconds = leap.num_seconds(), "{what}");
    crate::in_tx!(app.db, tx => {
        doubts::lower(&mut tx, Kind::Clock, (0, 0)).await?;
        doubts::raise(&mut tx, Kind::Clock, (0, 0), &what, now).await.map_err(Problem::from)
    })
}

fn spoken(leap: Duration) -> String {
    let leap = leap.abs();
    match (leap.num_days(), leap.num_hours(), leap.num_minutes()) {
        (days @ 2.., ..) => format!("{days} days"),
        (_, hours @ 2.., _) => format!("{hours} hours"),
        (_, _, minutes @ 2..) => format!("{minutes} minutes"),
        _ => format!("{} seconds", leap.num_seconds()),
    }
}
