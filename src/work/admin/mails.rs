//! The letters: those that wait, those that left, those that were given up; one of them as its reader sees it.

use super::{Done, Flash, Name, Page, Request, draw, figures, no_such_button};
use crate::{
    app::App,
    config::Transport,
    mail::{
        archive::{self, Filter},
        outbox::{self, Entry, State},
    },
    problem::{Code, Problem},
};
use serde_json::{Value, json};

/// Letters on a page.
const ROWS: u32 = 50;

/// Draws a page of them.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let query = &request.query;
    let state = State::parse(query.get("state"));
    let filter = Filter { state, text: query.get("q").trim().to_owned(), before: query.number("before")? };
    let mut conn = app.db.read().await?;
    let mut letters = archive::search(&mut conn, &filter, ROWS + 1).await?;
    let counts = outbox::counts(&mut conn).await?;
    drop(conn);
    let more = letters.len() > ROWS as usize;
    letters.truncate(ROWS as usize);
    let own = json!({
        "letters": letters.iter().map(|it| row(app, it)).collect::<Vec<_>>(),
        "q": filter.text,
        "state": state.map_or("", State::as_str),
        "counts": {"queued": counts.queued, "sent": counts.sent, "dead": counts.dead},
        "before": filter.before,
        "next": letters.last().filter(|_| more).map(|it| it.id),
        "transport": transport(app),
    });
    draw::page(app, request, (Name::Mails, "mails.html", "Mails"), said, own).await
}

fn transport(app: &App) -> &'static str {
    match app.config.mail.transport {
        Transport::Smtp => "smtp",
        Transport::Whmcs => "whmcs",
        Transport::File => "file",
        Transport::Off => "off",
    }
}

fn row(app: &App, it: &Entry) -> Value {
    json!({
        "id": it.id, "service_id": it.service_id, "purpose": it.purpose, "template": it.template, "to": it.to_address,
        "state": it.state.as_str(), "tries": it.tries, "note": it.note,
        "queued": figures::at(app, it.queued_at), "sent": figures::maybe_at(app, it.sent_at),
        "due": figures::at(app, it.due_at),
    })
}

/// Draws one, rendered as it is sent.
pub(super) async fn show_one(app: &App, request: &Request, id: u64, said: Option<Flash>) -> Result<Page, Problem> {
    let found = archive::find(&mut app.db.read().await?, id).await?;
    let (entry, letter) = found.ok_or_else(|| no_such_letter(id))?;
    let rendered = app.letters.render(letter.purpose, &letter.template, &letter.variables);
    let rendered = rendered.map_err(|error| Problem::internal(error.to_string()))?;
    let variables = serde_json::to_value(&letter.variables).map_err(Problem::internal)?;
    let own = json!({
        "letter": row(app, &entry),
        "to_name": letter.to_name,
        "subject": rendered.subject,
        "text": rendered.text,
        "html": rendered.html,
        "fell_back": rendered.fell_back,
        "variables": variables,
        "transport": transport(app),
    });
    let title = format!("Mail {id}");
    draw::page(app, request, (Name::Mails, "mail.html", &title), said, own).await
}

fn no_such_letter(id: u64) -> Problem {
    Problem::new(
        Code::NoSuchRecord,
        format!("There is no letter {id}; letters that were sent are kept for a while only."),
    )
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    let ("retry", Some(id)) = (what, request.form.number("mail")?) else { return Err(no_such_button()) };
    let now = app.clock.now();
    let retried = crate::in_tx!(app.db, tx => outbox::retry_dead(&mut tx, id, now).await.map_err(Problem::from))?;
    let here = format!("mails&mail={id}");
    if retried {
        app.letters_queued.notify_one();
        return Ok(Done::well(here, format!("Letter {id} is tried again, from now on.")));
    }
    match archive::find(&mut app.db.read().await?, id).await? {
        Some(_) => Ok(Done::already(here, format!("Letter {id} waits already, or was sent."))),
        None => Err(no_such_letter(id)),
    }
}
