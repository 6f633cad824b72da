//! What is in doubt, for the overview: each kind with how many, since when, what it means, and where to go.

use super::figures;
use crate::{
    app::App,
    db::Conn,
    problem::Problem,
    usage::{
        counters,
        doubts::{self, Doubt, Kind},
        quarantine,
    },
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Services that are named at most.
const NAMED: usize = 8;

/// A kind of doubt, where there is any.
struct Line {
    kind: &'static str,
    what: String,
    /// What it means and what to do.
    note: String,
    count: u64,
    since: Option<DateTime<Utc>>,
    /// The page that it leads to, with its query; empty: none.
    link: String,
    services: Vec<u64>,
}

/// All that is in doubt.
pub(super) async fn lines(app: &App, conn: &mut Conn) -> Result<Vec<Value>, Problem> {
    let mut lines = vec![quarantined(conn).await?, missing(conn).await?, frozen(conn).await?, resets(conn).await?];
    lines.extend(doubts::of_kind(conn, Kind::Clock).await?.iter().map(clock));
    let shown = |it: Line| {
        json!({
            "kind": it.kind, "what": it.what, "note": it.note, "count": it.count, "link": it.link,
            "since": figures::maybe_at(app, it.since), "services": it.services,
        })
    };
    Ok(lines.into_iter().filter(|it| it.count > 0).map(shown).collect())
}

async fn quarantined(conn: &mut Conn) -> Result<Line, Problem> {
    let waiting = quarantine::waiting(conn).await?;
    Ok(Line {
        kind: "quarantine",
        what: "Traffic that cannot be true".to_owned(),
        note: "Not charged until somebody accepts or drops it.".to_owned(),
        count: waiting.count,
        since: waiting.since,
        link: "quarantine".to_owned(),
        services: Vec::new(),
    })
}

async fn missing(conn: &mut Conn) -> Result<Line, Problem> {
    let (count, since) = counters::missing_in_all(conn).await?;
    let services = counters::missing(conn, u32::try_from(NAMED).unwrap_or(u32::MAX)).await?;
    Ok(Line {
        kind: "missing",
        what: "Queues that are not on their router".to_owned(),
        note: "Their traffic is neither limited nor counted. Re-apply brings one back, turnpike rebuild all of them."
            .to_owned(),
        count,
        since,
        link: String::new(),
        services: services.into_iter().map(|(id, _)| id).collect(),
    })
}

async fn frozen(conn: &mut Conn) -> Result<Line, Problem> {
    let found = doubts::of_kind(conn, Kind::Frozen).await?;
    let router = found.first().map_or_else(|| "routers".to_owned(), |it| format!("routers&examine={}", it.server_id));
    Ok(Line {
        kind: "frozen",
        what: "Queues that do not count while the session moves".to_owned(),
        note:
            "FastTrack, hardware offload or RouterOS 7.25 let this traffic pass uncounted. Examine the router: it says \
               what mends it."
                .to_owned(),
        count: found.len() as u64,
        since: found.first().map(|it| it.since),
        link: router,
        services: found.iter().take(NAMED).map(|it| it.service_id).collect(),
    })
}

async fn resets(conn: &mut Conn) -> Result<Line, Problem> {
    let (count, since) = counters::open_intents(conn).await?;
    Ok(Line {
        kind: "resets",
        what: "Counter resets of unknown outcome".to_owned(),
        note: "The next reading judges them; until then nothing more is charged.".to_owned(),
        count,
        since,
        link: String::new(),
        services: Vec::new(),
    })
}

/// Our clock, or one router's.
fn clock(it: &Doubt) -> Line {
    let (what, note, link) = if it.server_id == 0 {
        let note =
            "Traffic is booked by the routers' own time meanwhile. See that this machine's clock is kept by NTP.";
        ("The clock was set".to_owned(), note, String::new())
    } else {
        let note = "One of the two clocks was set, or the router slept. Compare them.";
        (format!("The time of router {}", it.server_id), note, format!("routers&examine={}", it.server_id))
    };
    let said = super::super::sentence(&it.what);
    Line {
        kind: "clock",
        what,
        note: format!("{said} {note}"),
        count: 1,
        since: Some(it.since),
        link,
        services: Vec::new(),
    }
}
