//! A running service says in the database that it runs and which keys it knows, and says so again while it does. One that
//! was killed is forgotten when its time is over.

use crate::{app::App, params, problem::Problem, sql};
use chrono::{DateTime, Duration, Utc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a service is taken to run without another word of it.
const TERM: Duration = Duration::seconds(90);
/// How often it says so.
const BEAT: std::time::Duration = std::time::Duration::from_secs(30);
const PREFIX: &str = "running/";

/// A service's word that it runs; kept up until [`Presence::leave`].
pub struct Presence {
    app: App,
    stop: CancellationToken,
    beating: JoinHandle<()>,
}

impl Presence {
    /// Says that this process runs, and goes on saying so.
    ///
    /// # Errors
    /// The database's.
    pub async fn announce(app: &App) -> Result<Self, Problem> {
        say(app).await?;
        let stop = CancellationToken::new();
        let (stopped, beats) = (stop.clone(), app.clone());
        let beating = app.runtime.spawn(async move {
            let mut noted = true;
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(BEAT) => {}
                }
                let said = say(&beats).await;
                if let (Err(problem), true) = (&said, noted) {
                    tracing::warn!("it could not be noted that this service runs: {}", problem.told());
                }
                noted = said.is_ok();
            }
        });
        Ok(Self { app: app.clone(), stop, beating })
    }

    /// Takes the word back.
    pub async fn leave(self) {
        self.stop.cancel();
        // It ends by itself; what it says at the very end would stay.
        let _ = self.beating.await;
        let forget = sql!("DELETE FROM installation WHERE name = ?");
        if let Err(error) = self.app.db.execute(forget, params![name(&self.app)]).await {
            tracing::debug!(%error, "it could not be noted that this service stops; that runs out by itself");
        }
    }
}

fn name(app: &App) -> String {
    format!("{PREFIX}{}", app.holder.owner)
}

async fn say(app: &App) -> Result<(), Problem> {
    let until = (app.clock.now() + TERM).timestamp_millis();
    let value = format!("{until} {}", app.seal.key_ids().join(","));
    let put = sql!(
        "INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    );
    app.db.execute(put, params![name(app), value]).await?;
    Ok(())
}

/// The ids of the keys that each running service knows, its sealing one first. Those whose time is over are forgotten.
pub(super) async fn running(app: &App) -> Result<Vec<Vec<String>>, Problem> {
    let now = app.clock.now();
    let all = sql!("SELECT name, value FROM installation WHERE name LIKE 'running/%'");
    let rows = app.db.read().await?.rows(all, vec![]).await?;
    let mut running = Vec::new();
    for row in rows {
        let (name, value): (String, String) = (row.get("name")?, row.get("value")?);
        if let Some(keys) = read(&value, now) {
            running.push(keys);
        } else {
            let forget = sql!("DELETE FROM installation WHERE name = ? AND value = ?");
            app.db.execute(forget, params![name, value]).await?;
        }
    }
    Ok(running)
}

fn read(value: &str, now: DateTime<Utc>) -> Option<Vec<String>> {
    let (until, keys) = value.split_once(' ')?;
    let until: i64 = until.parse().ok()?;
    (until >= now.timestamp_millis()).then(|| keys.split(',').map(str::to_owned).collect())
}
