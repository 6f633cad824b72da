//! Housekeeping, once a local day, whenever in it the service runs; and the care that a clock which leaps ahead makes it
//! forget nothing.
//!
//! Rows are forgotten by their day, so a clock that stands a year ahead would forget a year too soon, and nothing brings them
//! back. A date that is more than a week past the last housekeeping's is believed where this process has lived through the
//! time between, by the clock that cannot be set; else it has to stand for three days first.

use crate::{
    app::App,
    db::{Conn, Result},
    params,
    problem::Problem,
    sql,
    work::housekeeping,
};
use chrono::{Duration, NaiveDate};

/// The local day of the last housekeeping.
const LAST: &str = "housekeeping";
/// The local day on which a date was seen first that is not believed yet.
const HELD: &str = "housekeeping-held";

/// From one housekeeping to the next, at most this passes unquestioned: holidays of a machine.
const UNQUESTIONED: Duration = Duration::days(7);
/// For so long a date has to stand that is not believed.
const STANDS: Duration = Duration::days(3);

/// Does what is due.
pub(super) async fn run(app: &App) -> std::result::Result<(), Problem> {
    let today = app.today();
    let (last, held) = {
        let mut conn = app.db.read().await?;
        (fact(&mut conn, LAST).await?, fact(&mut conn, HELD).await?)
    };
    if let Some(last) = last.filter(|last| !is_believed(app, *last, today)) {
        match held.filter(|held| (*held..=*held + UNQUESTIONED).contains(&today)) {
            None => {
                tracing::warn!(
                    %last, %today,
                    "the date has leapt: old rows are kept until {} unless it leaps again", today + STANDS
                );
                return put(app, HELD, today).await;
            }
            Some(held) if today < held + STANDS => return Ok(()),
            Some(_) => {}
        }
    }
    if last != Some(today) {
        housekeeping::run(app).await?;
        put(app, LAST, today).await?;
    }
    // Today is believed: a date that was seen before has not stood, and does not begin to stand when it is seen again.
    if held.is_some() { forget(app, HELD).await } else { Ok(()) }
}

/// Whether so much time has passed since the last housekeeping, as far as can be told.
fn is_believed(app: &App, last: NaiveDate, today: NaiveDate) -> bool {
    let (began, leapt) = app.clock_watch.since();
    let began = crate::usage::days::local_day(began, app.config.zone);
    let lived_through = began - last <= UNQUESTIONED && leapt <= Duration::days(1);
    today - last <= UNQUESTIONED || lived_through
}

async fn fact(conn: &mut Conn, name: &str) -> Result<Option<NaiveDate>> {
    let row = conn.one(sql!("SELECT value FROM installation WHERE name = ?"), params![name]).await?;
    Ok(row.map(|row| row.get::<String>("value")).transpose()?.and_then(|day| day.parse().ok()))
}

async fn forget(app: &App, name: &str) -> std::result::Result<(), Problem> {
    Ok(app.db.execute(sql!("DELETE FROM installation WHERE name = ?"), params![name]).await.map(|_| ())?)
}

async fn put(app: &App, name: &str, day: NaiveDate) -> std::result::Result<(), Problem> {
    let sql = sql!(
        "INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    );
    Ok(app.db.execute(sql, params![name, day.to_string()]).await.map(|_| ())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Chance, Clock},
        config::Config,
    };
    use chrono::DateTime;

    /// Jobs run side by side: this one may be sooner than the one that looks at the clock.
    #[tokio::test]
    async fn a_leap_that_nobody_has_looked_at_yet_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "database.url = \"sqlite:{}/test.db\"\nseal.master_key = \"{}\"\nmail.transport = \"off\"\n\
             bridge.key = [{{ id = \"whmcs\", secret = \"{}\" }}]\n",
            folder.path().display(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "c2VjcmV0LW9mLXRoZS1icmlkZ2Utc2VjcmV0LW9mLXRoZS1icmlkZ2U",
        );
        let (config, clock) = (Config::from_text(&text, folder.path()).unwrap(), Clock::fixed(DateTime::UNIX_EPOCH));
        let app = App::build(config, clock.clone(), Chance::System, tokio::runtime::Handle::current()).await.unwrap();
        run(&app).await.unwrap();
        let first = app.today();
        clock.set(clock.now() + Duration::days(365));
        run(&app).await.unwrap();
        let mut conn = app.db.read().await.unwrap();
        assert_eq!(fact(&mut conn, LAST).await.unwrap(), Some(first), "a year has not been seen to pass");
        assert_eq!(fact(&mut conn, HELD).await.unwrap(), Some(app.today()));
    }
}
