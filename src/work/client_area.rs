//! Client-area: everything the client page shows, from what is stored, plus a look at the router of 1.5 s at the most.
//!
//! Law 7: unknown is said as unknown, with the instant it was last known; a silent router is neither offline nor missing.
//! What the books say and what the router says are asked for after the request came, together with whoever asks at the same
//! time (see `page` and `routeros::look`): many views are few readings and few router commands, and none of them is stale.

mod asked;
mod plan;
mod shown;

use self::{
    asked::Asked,
    shown::{Connection, History, Information, Shown, Traffic},
};
use crate::{
    account::{Account, State},
    app::App,
    page::{DrawnFor, Page, Read, Sighting},
    problem::Problem,
    router::Server,
    routeros,
    usage::chart,
    written::{Beginning, Written},
};
use chrono::{DateTime, Days, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout};

/// How long the page waits to write down what it saw.
const REMEMBER: std::time::Duration = std::time::Duration::from_millis(500);

/// More bytes than a page without its history usually has.
const ROOM: usize = 1024;

/// What the router said in time.
enum Looked {
    /// It answered.
    Seen(routeros::Look),
    /// It did not, or was not asked.
    Unknown,
}

/// Runs the hook; the answer as JSON.
pub async fn run(app: &App, body: &[u8]) -> Result<Written, Problem> {
    let Asked { service_id, status: told_status, language, email } = Asked::read(body)?;
    let words = chart::Words::of(&language);
    let Read { page, drawn } = app.pages.read(&app.db, service_id).await?;
    let Page { account, server, netflow, plan, .. } = &*page;
    let account = account.as_ref().filter(|account| account.state == State::Made);
    let Some(account) = account else {
        let active = is_active(&told_status);
        let netflow = if active { super::netflow::on_page(app, netflow.as_ref())? } else { None };
        let shown = Shown::nothing(if active { "missing" } else { "inactive" }, netflow);
        return written(Beginning::of(beginning(&History::default())?), &shown);
    };
    if !email.is_empty() && *email != account.sold.email {
        moved(app, service_id, email.into_owned());
    }
    let status = if told_status.is_empty() { account.sold.status.as_str() } else { &told_status };
    let active = is_active(status);
    let looked = match server {
        Some(server) if active => look(app, server, account).await?,
        _ => Looked::Unknown,
    };
    let connection = connection(app, account, &looked).await;
    let today = app.today();
    let first = today.checked_sub_days(Days::new(u64::from(account.settings.history_days) - 1)).unwrap_or(today);
    let gb = app.config.traffic.gb;
    let password = account.password(&app.seal)?;
    let psk = if account.settings.support_l2tp { account.psk(&app.seal)? } else { SecretString::default() };
    let shown = Shown {
        state: state(status, account, &looked),
        information: Some(Information::of(account, server.as_deref(), password.expose_secret(), psk.expose_secret())),
        connection: Some(connection),
        traffic: Some(Traffic::of(account, gb)),
        // It hangs on no router: a secret that is missing there hides nothing of it. A service that is not Active shows
        // none, as its page shows no login either.
        netflow: if active { super::netflow::on_page(app, netflow.as_ref())? } else { None },
        plan: plan::shown(app, account, plan.as_ref()),
    };
    let history = drawn.or_draw(DrawnFor { today, first, words }, || {
        let days: Vec<_> = page.days.iter().copied().filter(|(day, _)| *day >= first).collect();
        let days_svg = chart::days_svg(&days, today, gb, &words);
        let history = History::of(&days, &page.months, days_svg, chart::months_svg(&page.months, today, gb, &words));
        // Figures and texts can always be written.
        beginning(&history).unwrap_or_default()
    });
    written(history, &shown)
}

/// Keeps where the client reads letters by now; the page does not wait for it.
fn moved(app: &App, service_id: u64, email: String) {
    let app = app.clone();
    app.runtime.clone().spawn(async move {
        let kept: Result<(), Problem> = crate::in_tx!(app.db, tx => {
            let now = app.clock.now();
            let account = Account::find_locked(&mut tx, service_id).await?;
            if let Some(mut account) = account.filter(|account| account.state == State::Made) {
                super::learn_client(&mut tx, &mut account, |sold| sold.email.clone_from(&email), now).await?;
                account.save(&mut tx, now).await?;
            }
            Ok::<_, Problem>(())
        });
        if let Err(problem) = kept {
            tracing::warn!(
                service.id = service_id,
                "the client's new e-mail address is not kept yet: {}",
                problem.detail
            );
        }
    });
}

/// An object that is not closed yet.
fn beginning(history: &History<'_>) -> Result<String, Problem> {
    let mut text = serde_json::to_string(history).map_err(Problem::internal)?;
    text.pop();
    Ok(text)
}

/// Both objects as one: what is the same at every view stands first.
fn written(beginning: Beginning, shown: &Shown<'_>) -> Result<Written, Problem> {
    let mut rest = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut rest, shown).map_err(Problem::internal)?;
    if let Some(brace) = rest.first_mut() {
        *brace = b',';
    }
    Ok(Written { beginning, rest })
}

fn is_active(status: &str) -> bool {
    status.eq_ignore_ascii_case("active")
}

fn state(status: &str, account: &Account, looked: &Looked) -> &'static str {
    match looked {
        _ if !is_active(status) => "inactive",
        Looked::Seen(look) if !look.secret_found => "missing",
        _ if !account.causes.is_enabled() => "blocked",
        _ => "active",
    }
}

/// Asks the router, for as long as a page can wait.
async fn look(app: &App, server: &Server, account: &Account) -> Result<Looked, Problem> {
    let router = app.router(server)?;
    match routeros::look(&router, &account.username, &super::mark(account), Instant::now() + super::LOOK).await {
        Ok(look) => Ok(Looked::Seen(look)),
        Err(error) => {
            tracing::debug!(router.name = server.told.name, %error, "the client page goes without a live look");
            Ok(Looked::Unknown)
        }
    }
}

async fn connection<'a>(app: &App, account: &Account, looked: &'a Looked) -> Connection<'a> {
    let Looked::Seen(look) = looked else {
        return Connection::unknown(account.online.map(|(_, at)| super::instant(at)));
    };
    let now = app.clock.now();
    let online = !look.sessions.is_empty();
    // Written only when it says something new, or the page's every reload would be a write.
    let fresh = |(was, at): (bool, DateTime<Utc>)| was == online && now - at < chrono::Duration::minutes(1);
    if !account.online.is_some_and(fresh) {
        // A page does not wait for a database that is busy with a poll; the next one remembers it.
        let sighting = Sighting { service_id: account.service_id, online, at: now };
        let _late = timeout(REMEMBER, app.pages.remember(&app.db, sighting)).await;
    }
    Connection::seen(look.sessions.first(), super::instant(now))
}
