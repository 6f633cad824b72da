//! The CDN profiles: a list, and a form for each.

use super::{Done, Flash, Name, Page, Request, Right, allowed, draw, figures, no_such_button};
use crate::{app::App, catalogue::cdn::MOST_SUBNETS, problem::Problem, work::cdn_profiles};
use serde_json::{Value, json};

/// What is in the form's fields.
struct Typed {
    name: String,
    subnets: String,
    /// The field at fault, and why.
    fault: Option<(String, String)>,
}

/// Draws the list, or a profile's form.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    if request.query.has("add") {
        allowed(request, Right::Create, "add CDN profiles")?;
        let fresh = Typed { name: String::new(), subnets: String::new(), fault: None };
        return draw_form(app, request, None, &fresh, said).await;
    }
    if let Some(id) = request.query.number("profile")? {
        let it = cdn_profiles::get(app, id).await?.profile;
        let typed = Typed { subnets: it.text(), name: it.name, fault: None };
        return draw_form(app, request, Some(id), &typed, said).await;
    }
    let profiles = cdn_profiles::list(app).await?;
    let row = |(it, plans): &(crate::catalogue::cdn::Stored, Vec<String>)| {
        json!({"id": it.id, "name": it.profile.name, "subnets": it.profile.subnets.len(), "plans": plans,
            "changed": figures::at(app, it.changed_at)})
    };
    let own = json!({"profiles": profiles.iter().map(row).collect::<Vec<_>>()});
    draw::page(app, request, (Name::Cdn, "cdn.html", "CDN profiles"), said, own).await
}

async fn draw_form(
    app: &App,
    request: &Request,
    id: Option<u64>,
    typed: &Typed,
    said: Option<Flash>,
) -> Result<Page, Problem> {
    let fault: Option<Value> = typed.fault.as_ref().map(|(field, why)| json!({"field": field, "why": why}));
    let own = json!({
        "id": id,
        "may": request.admin.may(if id.is_some() { Right::Edit } else { Right::Create }),
        "most": MOST_SUBNETS,
        "form": {"name": typed.name, "subnets": typed.subnets, "fault": fault},
    });
    let title = if id.is_some() { format!("CDN profile {}", typed.name) } else { "Add a CDN profile".to_owned() };
    draw::page(app, request, (Name::Cdn, "cdn_form.html", &title), said, own).await
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    let id = request.query.number("profile")?;
    match (what, id) {
        ("save", Some(_)) => allowed(request, Right::Edit, "change CDN profiles")?,
        ("save", None) => allowed(request, Right::Create, "add CDN profiles")?,
        ("delete", Some(id)) => {
            allowed(request, Right::Delete, "remove CDN profiles")?;
            cdn_profiles::delete(app, id).await?;
            return Ok(Done::well("cdn", "The CDN profile is removed."));
        }
        _ => return Err(no_such_button()),
    }
    let (name, subnets) = (request.form.get("name").to_owned(), request.form.get("subnets").to_owned());
    match cdn_profiles::save(app, id, &name, &subnets).await {
        Ok(name) => {
            let what = if id.is_some() { "saved" } else { "added" };
            Ok(Done::well("cdn", format!("The CDN profile {name} is {what}; routers follow with their next readings.")))
        }
        Err(problem) => match problem.field.clone() {
            Some(field) => {
                let why = problem.detail.strip_prefix(field.as_str()).unwrap_or(&problem.detail).trim();
                let fault = Some((field, format!("{}.", why.trim_end_matches('.'))));
                let mut page = draw_form(app, request, id, &Typed { name, subnets, fault }, None).await?;
                page.status = problem.code.status();
                Ok(Done::Show(page))
            }
            None => Err(problem),
        },
    }
}
