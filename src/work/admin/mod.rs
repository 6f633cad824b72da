//! The admin's pages: what WHMCS staff see inside the addon, drawn here and shown there.
//!
//! Laws: whoever may only look changes nothing, whatever is sent. A change is asked for by POST alone and answered with
//! where to go next, so that reloading and going back repeat nothing; sent twice it is made once, by the nature of the
//! verb or by the form's own key. Everything shown is escaped; nothing is loaded from elsewhere and nothing needs
//! JavaScript. What a page changes, it changes through the same verbs as every other caller. Whether a request comes
//! from a person who meant it is for the caller to know (WHMCS's token); here its signature is.

mod account;
mod accounts;
mod cdn;
mod doubts;
mod draw;
mod fair_use;
mod figures;
mod fup;
mod mails;
mod netflow;
mod netflow_form;
mod overview;
mod plan_form;
mod plan_picture;
mod plans;
mod quarantine;
mod request;
mod routers;
mod rules;
mod verbs;

pub use request::{Admin, Fields, Flash, Level, Link, Method, Request, Right, Tab, WhmcsService};

use crate::{
    app::App,
    problem::{Code, Problem},
};
use serde::Serialize;
use serde_json::json;

/// A page as it is handed to whoever shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// Plain text.
    pub title: String,
    /// A fragment for the content area; empty where `location` is set.
    pub html: String,
    /// What an HTTP server would answer: 200, 303, 404, 422 …
    pub status: u16,
    /// What to say once, on the page that `location` leads to.
    pub flash: Option<Flash>,
    /// Where to go instead of showing anything, after a change: post, redirect, get.
    pub location: Option<String>,
}

/// A page's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// How everything stands.
    Overview,
    /// The routers.
    Routers,
    /// The accounts, and each one alone.
    Accounts,
    /// What is sold.
    Plans,
    /// Who stands on which level.
    Fup,
    /// Multipliers by day and hour.
    Rules,
    /// The subnets that plans count apart.
    Cdn,
    /// The letters, and each one alone.
    Mails,
    /// Traffic that cannot be true.
    Quarantine,
    /// NetFlow access records.
    Netflow,
}

impl Name {
    /// In the order of the tabs, with the tab's text.
    pub const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Overview, "overview", "Overview"),
        (Self::Routers, "routers", "Routers"),
        (Self::Accounts, "accounts", "Accounts"),
        (Self::Plans, "plans", "Plans"),
        (Self::Fup, "fup", "FUP Counters"),
        (Self::Rules, "rules", "Bandwidth Rules"),
        (Self::Cdn, "cdn", "CDN Profiles"),
        (Self::Mails, "mails", "Mails"),
        (Self::Quarantine, "quarantine", "Quarantine"),
        (Self::Netflow, "netflow", "NetFlow Manager"),
    ];

    /// The page of that name in an address.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name, _)| *name == text).map(|(page, ..)| page)
    }

    /// Its name in an address.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(page, ..)| *page == self).map_or("overview", |(_, name, _)| name)
    }
}

impl Name {
    /// Whether it is about plans, whose rights are settled apart.
    fn is_about_plans(self) -> bool {
        matches!(self, Self::Plans | Self::Fup | Self::Rules | Self::Cdn)
    }
}

/// What a form asked for came to.
enum Done {
    /// It is made: go there, and say this.
    See(String, Flash),
    /// It cannot be, and the page says why.
    Show(Page),
}

impl Done {
    /// Success, said on the page of that address (`accounts&service=41`).
    fn well(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::See(to.into(), Flash { level: Level::Success, text: text.into() })
    }

    /// Nothing was left to do.
    fn already(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::See(to.into(), Flash { level: Level::Info, text: text.into() })
    }
}

/// Draws the page, or does what its form asks for.
///
/// # Errors
/// `method-not-allowed` for what the person may not do; `database-unavailable` and `internal`. Every other
/// problem is said on the page itself.
pub async fn page(app: &App, name: Name, request: &Request) -> Result<Page, Problem> {
    let drawn = match request.method {
        Method::Get => shown(app, name, request, None).await,
        Method::Post => changed(app, name, request).await,
    };
    match drawn {
        Err(problem) if is_ours(&problem) => Err(problem),
        Err(problem) if problem.code == Code::MethodNotAllowed => Err(problem),
        Err(problem) => draw::broken(app, request, name, &problem).await,
        drawn => drawn,
    }
}

/// Nothing that a page could be drawn around.
fn is_ours(problem: &Problem) -> bool {
    matches!(problem.code, Code::Internal | Code::DatabaseUnavailable)
}

async fn shown(app: &App, name: Name, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let said = said.or_else(|| request.flash.clone());
    if name.is_about_plans() {
        allowed(request, Right::View, "look at plans")?;
    }
    match name {
        Name::Overview => overview::show(app, request, said).await,
        Name::Routers => routers::show(app, request, said).await,
        Name::Accounts => match request.query.number("service")? {
            Some(id) => account::show(app, request, id, said).await,
            None => accounts::show(app, request, said).await,
        },
        Name::Plans => plans::show(app, request, said).await,
        Name::Fup => fup::show(app, request, said).await,
        Name::Rules => rules::show(app, request, said).await,
        Name::Cdn => cdn::show(app, request, said).await,
        Name::Mails => match request.query.number("mail")? {
            Some(id) => mails::show_one(app, request, id, said).await,
            None => mails::show(app, request, said).await,
        },
        Name::Quarantine => quarantine::show(app, request, said).await,
        Name::Netflow => netflow::show(app, request, said).await,
    }
}

async fn changed(app: &App, name: Name, request: &Request) -> Result<Page, Problem> {
    let who = &request.admin.name;
    if !request.admin.can_edit && !name.is_about_plans() {
        let text = format!(
            "The administrator {who:?} may look at Turnpike's pages and change nothing; \
             the setting \"Roles that may change things\" of the addon says who may."
        );
        return Err(Problem::new(Code::MethodNotAllowed, text));
    }
    let what = request.form.get("do");
    let done = match name {
        Name::Overview | Name::Fup => Err(no_such_button()),
        Name::Plans => plans::press(app, request, what).await,
        Name::Rules => rules::press(app, request, what).await,
        Name::Cdn => cdn::press(app, request, what).await,
        Name::Routers => routers::press(app, request, what).await,
        Name::Accounts => account::press(app, request, what).await,
        Name::Mails => mails::press(app, request, what).await,
        Name::Quarantine => quarantine::press(app, request, what).await,
        Name::Netflow => netflow::press(app, request, what).await,
    };
    match done {
        Ok(Done::See(to, said)) => {
            tracing::info!(admin.name = who, page = name.as_str(), button = what, "{}", said.text);
            let location = Some(request.link.to(&to));
            Ok(Page { title: String::new(), html: String::new(), status: 303, flash: Some(said), location })
        }
        Ok(Done::Show(page)) => Ok(page),
        Err(problem) if is_ours(&problem) => Err(problem),
        Err(problem) => {
            tracing::warn!(admin.name = who, page = name.as_str(), button = what, "{}", problem.told());
            let mut text = problem.detail.clone();
            let fresh;
            let mut shown_for = request;
            if problem.code == Code::KeyReused {
                // Under the key that is used no form of this page could ever be sent again.
                text.push_str(" What this page was first sent for is done, and is below; what you sent now is not. If you want it as well, send it again.");
                fresh = request.with_no_key();
                shown_for = &fresh;
            }
            let said = Flash { level: Level::Danger, text };
            let mut page = shown(app, name, shown_for, Some(said)).await?;
            page.status = problem.code.status();
            Ok(page)
        }
    }
}

/// Refuses who may not do that with plans and bandwidth rules.
fn allowed(request: &Request, right: Right, what: &str) -> Result<(), Problem> {
    if request.admin.may(right) {
        return Ok(());
    }
    let who = &request.admin.name;
    let text = format!("The administrator {who:?} may not {what}; the addon's settings say which roles may.");
    Err(Problem::new(Code::MethodNotAllowed, text))
}

fn no_such_button() -> Problem {
    Problem::malformed("do", "names nothing that this page can do; load the page again")
}

/// The tabs, with what waits for a person on some of them.
async fn tabs(app: &App, request: &Request) -> Result<serde_json::Value, Problem> {
    let mut conn = app.db.read().await?;
    let dead = crate::mail::outbox::counts(&mut conn).await?.dead;
    let doubts = crate::usage::quarantine::waiting(&mut conn).await?.count;
    let seen = |page: Name| !page.is_about_plans() || request.admin.may(Right::View);
    let tabs = Name::ALL.into_iter().filter(|(page, ..)| seen(*page)).map(|(page, name, text)| {
        let waits = match page {
            Name::Mails => dead,
            Name::Quarantine => doubts,
            _ => 0,
        };
        json!({"name": name, "text": text, "waits": waits})
    });
    let more = request.tabs.iter().map(|it| json!({"name": it.name, "text": it.text, "waits": 0}));
    Ok(tabs.chain(more).collect())
}
