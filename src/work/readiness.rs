//! What `/readyz` and `/metrics` say: asked of the database and of the connections, when asked.

use crate::{
    account::pending,
    app::App,
    mail::outbox,
    meters::Meters,
    params,
    problem::Problem,
    router::Server,
    routeros::{Standing, State},
    sql,
    usage::{
        counters,
        doubts::{self, Kind},
        quarantine,
    },
};
use chrono::Duration;
use serde_json::{Value, json};

/// Whether the database answers and nobody has told the service to stop, and which routers are silent: those do not make
/// it unready.
pub async fn run(app: &App) -> (bool, Value) {
    let database = async {
        app.db.check_disk()?;
        let mut conn = app.db.read().await?;
        conn.one(sql!("SELECT 1 AS one"), vec![]).await
    };
    let database = match tokio::time::timeout(std::time::Duration::from_secs(2), database).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_elapsed) => Some("no answer within 2 s".to_owned()),
    };
    let silent =
        app.routers.standings().into_iter().filter_map(|(id, name, standing)| silent(app, id, &name, &standing));
    let stopping = app.stopping.is_cancelled();
    let ready = database.is_none() && !stopping;
    let body = json!({
        "ready": ready,
        "stopping": stopping,
        "database": database.unwrap_or_else(|| "ok".to_owned()),
        "silent_routers": silent.collect::<Vec<_>>(),
    });
    (ready, body)
}

/// A router that is away: why, since when, how often it was tried, and when it is tried next.
fn silent(app: &App, id: u64, name: &str, standing: &Standing) -> Option<Value> {
    let State::Down { why } = &standing.state else { return None };
    let since = standing.down_since.map(|since| {
        let elapsed = Duration::from_std(since.elapsed()).unwrap_or_default();
        super::instant(app.clock.now() - elapsed)
    });
    let pause = standing.pause().unwrap_or_default().as_secs();
    Some(json!({
        "id": id, "name": name, "why": why, "since": since, "failures": standing.failures,
        "breaker": if standing.is_open() { "open" } else { "closed" }, "next_try_in_seconds": pause,
    }))
}

/// Sets the gauges from the database and the connections.
pub async fn measure(app: &App) -> Result<(), Problem> {
    let meters = &app.meters;
    measure_connections(app);
    let mut conn = app.db.read().await?;
    let now = app.clock.now();
    meters.router_reading_age.clear();
    for server in Server::in_use(&mut conn).await? {
        if let Some(seen_at) = server.seen_at {
            let age = u64::try_from((now - seen_at).num_seconds()).unwrap_or_default();
            Meters::set_of(&meters.router_reading_age, server.told.id, age);
        }
    }
    meters.tasks.set(i64::try_from(app.runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
    let mails = outbox::counts(&mut conn).await?;
    Meters::set(&meters.stored, "mails_queued", mails.queued);
    Meters::set(&meters.stored, "mails_sent", mails.sent);
    Meters::set(&meters.stored, "mails_dead", mails.dead);
    Meters::set(&meters.stored, "quarantine_waiting", quarantine::waiting(&mut conn).await?.count);
    Meters::set(&meters.stored, "counters_missing", counters::missing_in_all(&mut conn).await?.0);
    Meters::set(&meters.stored, "queues_frozen", doubts::of_kind(&mut conn, Kind::Frozen).await?.len() as u64);
    Meters::set(&meters.stored, "clocks_in_doubt", doubts::of_kind(&mut conn, Kind::Clock).await?.len() as u64);
    Meters::set(&meters.stored, "resets_open", counters::open_intents(&mut conn).await?.0);
    Meters::set(&meters.stored, "pending_changes", pending::count_all(&mut conn).await?);
    let live = conn.one(sql!("SELECT COUNT(*) AS n FROM account WHERE state = ?"), params!["made"]).await?;
    Meters::set(&meters.stored, "accounts", live.map_or(Ok(0), |row| row.get("n"))?);
    Ok(())
}

fn measure_connections(app: &App) {
    let meters = &app.meters;
    let (mut idle, mut connected, mut down) = (0, 0, 0);
    // A router that was forgotten or given away has no figure.
    let of_each = [&meters.router_breaker, &meters.router_failures, &meters.router_next_try];
    for family in of_each {
        family.clear();
    }
    for (id, _, standing) in app.routers.standings() {
        match standing.state {
            State::Idle => idle += 1,
            State::Connected => connected += 1,
            State::Down { .. } => down += 1,
        }
        let pause = standing.pause().unwrap_or_default();
        let figures = [u64::from(standing.is_open()), standing.failures.into(), pause.as_secs()];
        for (family, figure) in of_each.into_iter().zip(figures) {
            Meters::set_of(family, id, figure);
        }
    }
    Meters::set(&meters.routers, "idle", idle);
    Meters::set(&meters.routers, "connected", connected);
    Meters::set(&meters.routers, "down", down);
}
