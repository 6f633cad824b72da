//! The pages as such: what each is drawn from, and the templates.

use super::{Shown, lock, number};
use crate::demo::{customers::Customer, figures, letters::Letter, stage::ROUTER};
use anyhow::{Context, Result};
use chrono::{DateTime, NaiveDate, Utc};
use minijinja::{Environment, Error, ErrorKind, value::Serde};
use serde_json::{Value, json};
use std::sync::LazyLock;
use turnpike::clock::Chance;

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("../../../templates/demo/demo.css");
/// Copy buttons.
pub(super) const SCRIPT: &str = include_str!("../../../templates/demo/demo.js");
/// In the browser's tab.
pub(super) const ICON: &str = include_str!("../../../templates/demo/icon.svg");

const TEMPLATES: [(&str, &str); 10] = [
    ("layout.html", include_str!("../../../templates/demo/layout.html")),
    ("macros.html", include_str!("../../../templates/demo/macros.html")),
    ("start.html", include_str!("../../../templates/demo/start.html")),
    ("client.html", include_str!("../../../templates/demo/client.html")),
    ("admin.html", include_str!("../../../templates/demo/admin.html")),
    ("mails.html", include_str!("../../../templates/demo/mails.html")),
    ("mail.html", include_str!("../../../templates/demo/mail.html")),
    ("staff.html", include_str!("../../../templates/demo/staff.html")),
    ("story.html", include_str!("../../../templates/demo/story.html")),
    ("broken.html", include_str!("../../../templates/demo/broken.html")),
];

static PAGES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        pages.add_template(name, source)?;
    }
    pages.add_filter("gb", |bytes: i64| figures::gb(bytes));
    pages.add_filter("speed", |kbps: u64| figures::speed(kbps));
    pages.add_filter("duration", |seconds: u64| figures::duration(seconds));
    pages.add_filter("grouped", |bytes: u64| figures::grouped(bytes));
    pages.add_filter("date", date);
    pages.add_filter("when", when);
    Ok(pages)
});

fn date(text: &str) -> Result<String, Error> {
    let wrong = |error: chrono::ParseError| Error::new(ErrorKind::InvalidOperation, "not a date").with_source(error);
    text.parse::<NaiveDate>().map(figures::date).map_err(wrong)
}

fn when(text: &str) -> Result<String, Error> {
    let wrong =
        |error: chrono::ParseError| Error::new(ErrorKind::InvalidOperation, "not an instant").with_source(error);
    text.parse::<DateTime<Utc>>().map(|at| at.format("%-d %B %Y, %H:%M UTC").to_string()).map_err(wrong)
}

fn drawn(name: &str, page: &Value) -> Result<String> {
    let pages = PAGES.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    Ok(pages.get_template(name)?.render(Serde(page))?)
}

/// A page that says what went wrong.
pub(super) fn broken(why: &str) -> String {
    drawn("broken.html", &json!({"why": why})).unwrap_or_else(|_| why.replace(['<', '&'], " "))
}

impl Shown {
    /// Draws a page: from what it holds itself, and what every page needs.
    pub(super) fn page(&self, name: &str, here: &str, own: Value) -> Result<String> {
        let mut all = json!({
            "here": here,
            "people": self.customers().iter().map(person).collect::<Vec<_>>(),
            "router": ROUTER,
            "token": self.token,
            "once": hex::encode(Chance::System.bytes::<8>()),
            "now": self.stage.clock.now().format("%A, %-d %B %Y, %H:%M UTC").to_string(),
            "note": lock(&self.played).last(),
        });
        if let (Value::Object(all), Value::Object(own)) = (&mut all, own) {
            all.extend(own);
        }
        drawn(name, &all)
    }

    pub(super) async fn start(&self) -> Result<String> {
        let mut cards = Vec::new();
        for customer in self.customers() {
            // The page of a suspended service does not ask for its sessions; this one shows them.
            let active = Customer { status: "Active", ..customer.clone() };
            let (account, page) =
                (self.stage.account(&customer).await?, self.stage.done("client-area", &active).await?);
            let (carried, booked) =
                (self.stage.router.carried(&customer.username), self.stage.booked(&customer).await?);
            cards.push(json!({
                "person": person(&customer), "account": account, "connection": page["connection"],
                "carried": carried.0 + carried.1, "booked": booked.0 + booked.1,
            }));
        }
        let away = self.is_away().await?;
        let (letters, played) = (self.stage.letters()?, lock(&self.played).iter().rev().cloned().collect::<Vec<_>>());
        let own = json!({"cards": cards, "away": away, "letters": letters.len(), "played": played});
        self.page("start.html", "/", own)
    }

    pub(super) async fn client(&self, id: &str, statistics: bool) -> Result<Option<String>> {
        let Some(customer) = self.customer_of(id) else { return Ok(None) };
        let page: Value = self.stage.done("client-area", &customer).await?;
        let here = format!("/client/{}{}", customer.service_id, if statistics { "/statistics" } else { "" });
        let own = json!({"person": person(&customer), "page": page, "statistics": statistics});
        self.page("client.html", &here, own).map(Some)
    }

    pub(super) async fn admin(&self, id: &str) -> Result<Option<String>> {
        let Some(customer) = self.customer_of(id) else { return Ok(None) };
        let tab = self.stage.done("admin-tab", &customer).await?;
        let here = format!("/admin/{}", customer.service_id);
        self.page("admin.html", &here, json!({"person": person(&customer), "tab": tab})).map(Some)
    }

    pub(super) fn mails(&self) -> Result<String> {
        let mut letters = self.stage.letters()?;
        letters.reverse();
        self.page("mails.html", "/mails", json!({"letters": letters}))
    }

    pub(super) fn mail(&self, text: &str) -> Result<Option<String>> {
        let Some(letter) = self.letter(text)? else { return Ok(None) };
        self.page("mail.html", &format!("/mails/{}", letter.number), json!({"letter": letter})).map(Some)
    }

    /// The HTML part alone, for the frame.
    pub(super) fn mail_html(&self, text: &str) -> Result<Option<String>> {
        Ok(self.letter(text)?.map(|letter| letter.html))
    }

    pub(super) fn story_page(&self) -> Result<String> {
        self.page("story.html", "/story", json!({"story": self.story}))
    }

    fn letter(&self, text: &str) -> Result<Option<Letter>> {
        let Ok(number) = number(text) else { return Ok(None) };
        Ok(self.stage.letters().context("the mails cannot be read")?.into_iter().find(|it| it.number == number))
    }
}

fn person(customer: &Customer) -> Value {
    json!({
        "id": customer.service_id, "name": customer.name, "first": customer.first, "email": customer.email,
        "status": customer.status, "username": customer.username, "due": customer.due,
    })
}
