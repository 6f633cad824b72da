//! Draws pages: the templates, and what every page holds around its own content.
//!
//! Every text is escaped by the engine; what turns the reading direction round is left out of everything but the fields
//! of forms, which say what is stored. A template that is wrong is found by its test, not by staff.

use super::{Flash, Level, Name, Page, Request, Right, figures, tabs};
use crate::{app::App, problem::Problem};
use minijinja::{
    AutoEscape, Environment, HtmlEscape, UndefinedBehavior, Value as Shown, escape_formatter, value::Serde,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

const TEMPLATES: [(&str, &str); 20] = [
    ("admin.css", include_str!("../../../templates/admin/admin.css")),
    ("layout.html", include_str!("../../../templates/admin/layout.html")),
    ("macros.html", include_str!("../../../templates/admin/macros.html")),
    ("overview.html", include_str!("../../../templates/admin/overview.html")),
    ("routers.html", include_str!("../../../templates/admin/routers.html")),
    ("accounts.html", include_str!("../../../templates/admin/accounts.html")),
    ("account.html", include_str!("../../../templates/admin/account.html")),
    ("plans.html", include_str!("../../../templates/admin/plans.html")),
    ("plan.html", include_str!("../../../templates/admin/plan.html")),
    ("fup.html", include_str!("../../../templates/admin/fup.html")),
    ("rules.html", include_str!("../../../templates/admin/rules.html")),
    ("rule.html", include_str!("../../../templates/admin/rule.html")),
    ("mails.html", include_str!("../../../templates/admin/mails.html")),
    ("mail.html", include_str!("../../../templates/admin/mail.html")),
    ("quarantine.html", include_str!("../../../templates/admin/quarantine.html")),
    ("netflow.html", include_str!("../../../templates/admin/netflow.html")),
    ("netflow_form.html", include_str!("../../../templates/admin/netflow_form.html")),
    ("cdn.html", include_str!("../../../templates/admin/cdn.html")),
    ("cdn_form.html", include_str!("../../../templates/admin/cdn_form.html")),
    ("broken.html", include_str!("../../../templates/admin/broken.html")),
];

static PAGES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::Strict);
    let html = |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| ending == "html");
    pages.set_auto_escape_callback(move |name| if html(name) { AutoEscape::Html } else { AutoEscape::None });
    pages.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() && text.contains(turns) => {
            let straight: String = text.chars().filter(|c| !turns(*c)).collect();
            escape_formatter(out, state, &Shown::from(straight))
        }
        _ => escape_formatter(out, state, value),
    });
    // A field's content as it is stored, turning marks and all: it is sent back.
    pages.add_filter("as_typed", |text: &str| Shown::from_safe_string(HtmlEscape(text).to_string()));
    pages
        .add_filter("in_query", |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    for (name, source) in TEMPLATES {
        pages.add_template(name, source)?;
    }
    Ok(pages)
});

/// Whether the mark turns the reading direction of what follows round.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

/// The key that makes a form's deed one. A form that is shown again with an error keeps its own: whatever of it was done
/// all the same is not done twice.
fn once(app: &App, request: &Request, said: Option<&Flash>) -> String {
    let sent = request.form.get("once");
    let again = said.is_some_and(|said| said.level == Level::Danger);
    if again && sent.len() == 32 && sent.bytes().all(|b| b.is_ascii_hexdigit()) {
        return sent.to_owned();
    }
    hex::encode(app.chance.bytes::<16>())
}

/// Draws a template with its own members and those of every page.
pub(super) async fn page(
    app: &App,
    request: &Request,
    (name, template, title): (Name, &str, &str),
    said: Option<Flash>,
    own: Value,
) -> Result<Page, Problem> {
    let link = &request.link;
    let mut all = json!({
        "t": {
            "base": link.base(),
            "path": link.path(),
            "link_fields": link.query(),
            "token": request.token.iter().collect::<Vec<_>>(),
            "once": once(app, request, said.as_ref()),
            "can_edit": request.admin.can_edit,
            "plans": {
                "view": request.admin.may(Right::View),
                "create": request.admin.may(Right::Create),
                "edit": request.admin.may(Right::Edit),
                "delete": request.admin.may(Right::Delete),
            },
        },
        "admin": request.admin.name,
        "title": title,
        "here": name.as_str(),
        "tabs": tabs(app, request).await?,
        "said": said,
        "now": figures::at(app, app.clock.now()),
    });
    if let (Value::Object(all), Value::Object(own)) = (&mut all, own) {
        all.extend(own);
    }
    let html = rendered(template, &all)?;
    Ok(Page { title: title.to_owned(), html, status: 200, flash: None, location: None })
}

fn rendered(template: &str, all: &Value) -> Result<String, Problem> {
    let pages = PAGES.as_ref().map_err(|error| Problem::internal(format!("{error:#}")))?;
    let drawn = pages.get_template(template).and_then(|it| it.render(Serde(all)));
    drawn.map_err(|error| Problem::internal(format!("the admin page {template} cannot be drawn: {error:#}")))
}

/// A page that says what is wrong and leads to the others.
pub(super) async fn broken(app: &App, request: &Request, name: Name, problem: &Problem) -> Result<Page, Problem> {
    let said = Flash { level: Level::Danger, text: problem.detail.clone() };
    let title = problem.code.title();
    let mut page = page(app, request, (name, "broken.html", title), Some(said), json!({})).await?;
    page.status = problem.code.status();
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        assert!(PAGES.is_ok(), "{:#}", PAGES.as_ref().unwrap_err());
    }

    #[test]
    fn no_template_loads_anything_runs_anything_or_marks_its_own_text_as_safe() {
        for (name, source) in TEMPLATES {
            for never in
                ["<script", "javascript:", " style=", "@import", "url(", "http://", "https://", "|e(", "autoescape"]
            {
                assert!(!source.contains(never), "{name} holds {never}");
            }
            // The pictures, which are drawn here.
            let safe = source.matches("safe").count();
            assert_eq!(safe, usize::from(["account.html", "plan.html"].contains(&name)), "{name}");
            let handlers = source.split_whitespace().filter(|word| word.starts_with("on") && word.contains('='));
            assert_eq!(handlers.count(), 0, "{name}");
        }
    }
}
