//! How everything stands: routers, accounts, letters, doubts, what waits.

use super::{Flash, Name, Page, Request, doubts, draw, figures, routers};
use crate::{
    account::roll::{self, Tally},
    app::App,
    mail::outbox,
    problem::Problem,
    router::Server,
    usage::quarantine,
};
use serde_json::{Value, json};

/// Rows of a table.
const ROWS: u32 = 10;

/// Draws it.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let (servers, tallies) = {
        let mut conn = app.db.read().await?;
        (Server::all(&mut conn).await?, roll::tally(&mut conn).await?)
    };
    let glances = routers::glances(app, &servers).await;
    let mut conn = app.db.read().await?;
    let (mails, quarantined) = (outbox::counts(&mut conn).await?, quarantine::waiting(&mut conn).await?.count);
    let waiting = roll::waiting(&mut conn, None, ROWS).await?;
    let all = total(&tallies);
    let rows = servers.iter().zip(&glances).map(|(server, glance)| {
        let tally = tallies.iter().find(|it| it.server_id == server.told.id).copied().unwrap_or_default();
        router(app, server, tally, glance.as_ref())
    });
    let online: Vec<usize> = glances.iter().filter_map(|it| it.as_ref().map(|seen| seen.online)).collect();
    let own = json!({
        "routers": rows.collect::<Vec<_>>(),
        "accounts": {
            "made": all.made, "enabled": all.enabled, "off": all.made - all.enabled, "billing": all.billing,
            "quota": all.quota, "admin": all.admin, "new": all.new, "gone": all.gone,
        },
        "online": (!online.is_empty()).then(|| online.iter().sum::<usize>()),
        "asked": online.len(),
        "mails": {
            "queued": mails.queued, "sent": mails.sent, "dead": mails.dead,
            "since": figures::maybe_at(app, mails.waiting_since.filter(|_| mails.queued > 0)),
        },
        "quarantined": quarantined,
        "doubts": doubts::lines(app, &mut conn).await?,
        "waiting": waiting.iter().map(|it| change(app, it)).collect::<Vec<_>>(),
        "waiting_count": crate::account::pending::count_all(&mut conn).await?,
    });
    drop(conn);
    draw::page(app, request, (Name::Overview, "overview.html", "Overview"), said, own).await
}

fn total(tallies: &[Tally]) -> Tally {
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum();
    Tally {
        server_id: 0,
        new: sum(|it| it.new),
        made: sum(|it| it.made),
        enabled: sum(|it| it.enabled),
        billing: sum(|it| it.billing),
        quota: sum(|it| it.quota),
        admin: sum(|it| it.admin),
        gone: sum(|it| it.gone),
    }
}

fn router(app: &App, server: &Server, tally: Tally, glance: Option<&routers::Glance>) -> Value {
    json!({
        "id": server.told.id,
        "name": server.told.name,
        "state": routers::state(app, server),
        "seen": figures::maybe_at(app, server.seen_at),
        "collected": figures::maybe_at(app, server.collected_at),
        "failure": server.failed.as_ref().map(|(at, why)| json!({"at": figures::at(app, *at), "why": why})),
        "trouble": routers::trouble(app, server),
        "made": tally.made,
        "off": tally.made - tally.enabled,
        "online": glance.map(|it| it.online),
    })
}

/// A router change that waits.
pub(super) fn change(app: &App, it: &roll::Waiting) -> Value {
    let what = match it.kind.as_str() {
        "enable" => "switch on",
        "disable" => "switch off",
        "change" => "bring in line",
        "remove" => "remove",
        other => other,
    };
    json!({
        "service_id": it.service_id, "server_id": it.server_id, "what": what, "kick": it.kick,
        "decided": figures::at(app, it.decided_at), "tries": it.tries, "tried": figures::maybe_at(app, it.tried_at),
        "failure": it.failure,
    })
}
