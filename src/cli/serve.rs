//! `turnpike serve`: runs until told to stop; SIGTERM and SIGINT finish what is in hand.

use super::Where;
use anyhow::{Result, anyhow};
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};
use turnpike::{
    app::App,
    clock::{Chance, Clock},
    http::{descriptors, serve::Service},
    jobs::Jobs,
    work::rotate_key::Presence,
};

/// Runs the command.
pub async fn run(at: &Where) -> Result<()> {
    let (config, _) = at.load()?;
    // Caught from here on: a stop that comes while starting is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    descriptors::raise();
    let app = App::build(config, Clock::System, Chance::System, Handle::current()).await;
    let app = app.map_err(|error| anyhow!("{error}"))?;
    // Before anything is sealed or opened: a rotation of the master key waits for whoever does not know the new one.
    let presence = Presence::announce(&app).await.map_err(|problem| anyhow!("{}", problem.told()))?;
    let (service, jobs) = match start(&app).await {
        Ok(started) => started,
        Err(error) => {
            // Or it would count as running for as long as one that was killed.
            presence.leave().await;
            app.close().await;
            return Err(error);
        }
    };
    tracing::info!(address = %service.address, ops = %service.ops_address, database = app.db.kind(), "turnpike serves");
    if at.json {
        say!("{}", serde_json::json!({"listen": service.address.to_string(), "ops": service.ops_address.to_string()}));
    } else {
        say!("Turnpike serves at {} (health and metrics at {}).", service.address, service.ops_address);
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("told to stop: finishing what is in hand");
    // Who watches `/readyz` sends nothing more, and no further poll is begun, while requests in hand are answered.
    app.stopping.cancel();
    service.stop().await;
    jobs.stop().await;
    presence.leave().await;
    app.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn start(app: &App) -> Result<(Service, Jobs)> {
    let service = Service::start(app.clone()).await.map_err(|error| anyhow!("{error}"))?;
    match Jobs::start(service.front.clone()).await {
        Ok(jobs) => Ok((service, jobs)),
        Err(error) => {
            service.stop().await;
            Err(anyhow!("the jobs cannot be started: {error}."))
        }
    }
}
