//! What `/readyz` and `/metrics` say: asked of the database and of the connections, when asked.

use crate::{
    account::pending, app::App, mail::outbox, meters::Meters, params, problem::Problem, routeros::State, sql,
    usage::quarantine,
};
use serde_json::{Value, json};

/// Whether the database answers, and which routers are silent: those do not make it unready.
pub async fn run(app: &App) -> (bool, Value) {
    let database = async {
        let mut conn = app.db.read().await?;
        conn.one(sql!("SELECT 1 AS one"), vec![]).await
    };
    let database = match tokio::time::timeout(std::time::Duration::from_secs(2), database).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_elapsed) => Some("no answer within 2 s".to_owned()),
    };
    let silent = app.routers.states().into_iter().filter_map(|(id, name, state)| match state {
        State::Down { why } => Some(json!({"id": id, "name": name, "why": why})),
        State::Idle | State::Connected => None,
    });
    let ready = database.is_none();
    let body = json!({
        "ready": ready,
        "database": database.unwrap_or_else(|| "ok".to_owned()),
        "silent_routers": silent.collect::<Vec<_>>(),
    });
    (ready, body)
}

/// Sets the gauges from the database and the connections.
pub async fn measure(app: &App) -> Result<(), Problem> {
    let meters = &app.meters;
    let (mut idle, mut connected, mut down) = (0, 0, 0);
    for (_, _, state) in app.routers.states() {
        match state {
            State::Idle => idle += 1,
            State::Connected => connected += 1,
            State::Down { .. } => down += 1,
        }
    }
    Meters::set(&meters.routers, "idle", idle);
    Meters::set(&meters.routers, "connected", connected);
    Meters::set(&meters.routers, "down", down);
    meters.tasks.set(i64::try_from(app.runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
    let mut conn = app.db.read().await?;
    let mails = outbox::counts(&mut conn).await?;
    Meters::set(&meters.stored, "mails_queued", mails.queued);
    Meters::set(&meters.stored, "mails_sent", mails.sent);
    Meters::set(&meters.stored, "mails_dead", mails.dead);
    Meters::set(&meters.stored, "quarantine_waiting", quarantine::waiting(&mut conn).await?);
    Meters::set(&meters.stored, "pending_changes", pending::count_all(&mut conn).await?);
    let live = conn.one(sql!("SELECT COUNT(*) AS n FROM account WHERE state = ?"), params!["made"]).await?;
    Meters::set(&meters.stored, "accounts", live.map_or(Ok(0), |row| row.get("n"))?);
    Ok(())
}
