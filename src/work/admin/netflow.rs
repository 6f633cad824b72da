//! The NetFlow Manager: the access records of services of any module, found, explained, changed and removed.
//!
//! Every record is read and written by [`crate::work::netflow`], as the bridge's own calls are.

use super::{
    Done, Flash, Name, Page, Request, draw, figures,
    netflow_form::{self, Form},
    no_such_button,
};
use crate::{
    account::{
        Account,
        roll::{self, Filter, Owner},
    },
    app::App,
    netflow::Record,
    problem::{Code, Problem},
    work::netflow,
};
use serde_json::{Value, json};

/// Records on a page.
const ROWS: usize = 50;
/// Characters of a record's notes in the list.
const NOTES: usize = 80;
/// Services that a search for one finds.
const FOUND: u32 = 20;

/// Draws the list, a record's form, or the form for a new one.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    if let Some(id) = request.query.number("service")? {
        let found = Record::find(&mut app.db.read().await?, id).await?.is_some();
        let form = if found { Form::of(&netflow::get(app, id).await?) } else { Form::for_new(&id.to_string()) };
        return draw_form(app, request, form, said).await;
    }
    if request.query.has("add") {
        return draw_form(app, request, Form::for_new(""), said).await;
    }
    list(app, request, said).await
}

async fn list(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    let wanted = request.query.get("q").trim().to_lowercase();
    let answer = netflow::list(app).await?;
    // In one statement: one for each record would keep whoever asks waiting, with thousands of them.
    let owners = roll::of_netflow(&mut app.db.read().await?).await?;
    let owner = |record: &Value| owners.get(&record["service_id"].as_u64().unwrap_or_default());
    let records = answer["records"].as_array().into_iter().flatten();
    let found: Vec<&Value> = records.filter(|it| wanted.is_empty() || is_about(it, owner(it), &wanted)).collect();
    let all = found.len();
    let from = request.query.get("from").parse::<usize>().unwrap_or(0).min(all);
    let own = json!({
        "records": found.iter().skip(from).take(ROWS).map(|it| row(app, it, owner(it))).collect::<Vec<_>>(),
        "q": request.query.get("q").trim(),
        "first": from + 1,
        "last": all.min(from + ROWS),
        "all": all,
        "back": (from > 0).then(|| from.saturating_sub(ROWS)),
        "next": (from + ROWS < all).then_some(from + ROWS),
        "shows_username": app.config.netflow.show_username,
        "shows_password": app.config.netflow.show_password,
    });
    draw::page(app, request, (Name::Netflow, "netflow.html", "NetFlow Manager"), said, own).await
}

fn row(app: &App, record: &Value, owner: Option<&Owner>) -> Value {
    let mut row = record.clone();
    row["account"] = owner.map_or(Value::Null, |it| json!({"username": it.username, "client": it.client_name}));
    row["client_id"] = client(record, owner).map_or(Value::Null, Value::from);
    row["updated"] =
        record["updated_at"].as_str().and_then(|at| at.parse().ok()).map_or(Value::Null, |at| figures::at(app, at));
    let notes = record["notes"].as_str().unwrap_or_default();
    let begin: String = notes.chars().take(NOTES).collect();
    row["notes_begin"] = Value::from(if begin == notes { begin } else { begin + "…" });
    row["why"] = Value::from(why_unseen(record, owner));
    row
}

/// The client is the service's; the record's own number is for services that are not known here.
fn client(record: &Value, owner: Option<&Owner>) -> Option<u64> {
    owner.map(|it| it.client_id).filter(|id| *id > 0).or_else(|| record["client_id"].as_u64())
}

/// Why the customer does not see it; empty where the customer does.
fn why_unseen(record: &Value, owner: Option<&Owner>) -> String {
    if let Some(why) = record["why"].as_str() {
        return why.to_owned();
    }
    match owner {
        Some(it) if !it.status.eq_ignore_ascii_case("active") && !it.status.is_empty() => {
            format!("The service is {} in WHMCS; its page shows the record while it is Active.", it.status)
        }
        _ => String::new(),
    }
}

fn is_about(record: &Value, owner: Option<&Owner>, wanted: &str) -> bool {
    let said = ["url", "username", "group", "ip_address", "notes"].into_iter().filter_map(|name| record[name].as_str());
    let names = owner.into_iter().flat_map(|it| [it.username.as_str(), it.client_name.as_str()]);
    let found = said.chain(names).any(|text| text.to_lowercase().contains(wanted));
    let number: Option<u64> = wanted.parse().ok();
    found || number.is_some() && [record["service_id"].as_u64(), client(record, owner)].contains(&number)
}

async fn draw_form(app: &App, request: &Request, form: Form, said: Option<Flash>) -> Result<Page, Problem> {
    let search = request.query.get("find").trim().to_owned();
    let filter = Filter { text: search.clone(), ..Filter::default() };
    let mut conn = app.db.read().await?;
    // What is offered while typing, and what was searched for.
    let offered = roll::list(&mut conn, &filter, if search.is_empty() { 200 } else { FOUND }, 0).await?;
    let account = match form.service_id() {
        Some(id) => Account::find(&mut conn, id).await?,
        None => None,
    };
    let stored = match form.service_id() {
        Some(id) => Record::find(&mut conn, id).await?.map(|_| id),
        None => None,
    };
    drop(conn);
    let record = match stored {
        Some(id) if form.is_old() => {
            Some(row(app, &netflow::get(app, id).await?, account.as_ref().map(Owner::from).as_ref()))
        }
        _ => None,
    };
    let service = |it: &roll::Line| json!({"id": it.service_id, "username": it.username, "client": it.client_name});
    let told = request.service.as_ref().filter(|it| it.found && Some(it.id) == form.service_id());
    let own = json!({
        "form": form.view(),
        "record": record,
        "taken": stored.filter(|_| !form.is_old()),
        "account": account.as_ref().map(|it| json!({"username": it.username, "client": it.sold.client_name,
            "client_id": it.sold.client_id})),
        "whmcs": told.map(|it| json!({"label": it.label, "client_id": it.client_id})),
        "services": offered.iter().map(service).collect::<Vec<_>>(),
        "find": search,
        "default_url": app.config.netflow.default_url,
    });
    let title =
        if form.is_old() { format!("NetFlow access of service {}", form.service) } else { "Add NetFlow access".into() };
    draw::page(app, request, (Name::Netflow, "netflow_form.html", &title), said, own).await
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    match what {
        "save" => save(app, request).await,
        "delete" => delete(app, request).await,
        _ => Err(no_such_button()),
    }
}

async fn save(app: &App, request: &Request) -> Result<Done, Problem> {
    let form = Form::typed(request);
    match netflow_form::save(app, request, &form).await {
        Ok(id) => {
            let what = if form.is_old() { "changed" } else { "added" };
            Ok(Done::well("netflow", format!("The NetFlow access of service {id} is {what}.")))
        }
        Err(problem) => match problem.field.clone() {
            // Said at the field, with everything that was typed but the password.
            Some(field) => {
                let mut page = draw_form(app, request, form.with_fault(&field, &problem), None).await?;
                page.status = problem.code.status();
                Ok(Done::Show(page))
            }
            None => Err(problem),
        },
    }
}

async fn delete(app: &App, request: &Request) -> Result<Done, Problem> {
    let Some(id) = request.form.number("service")? else { return Err(no_such_button()) };
    match netflow::delete(app, id).await {
        Ok(()) => Ok(Done::well("netflow", format!("The NetFlow access of service {id} is removed."))),
        Err(problem) if problem.code == Code::NoSuchRecord => {
            Ok(Done::already("netflow", format!("The NetFlow access of service {id} was removed before.")))
        }
        Err(problem) => Err(problem),
    }
}
