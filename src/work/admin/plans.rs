//! The plans: a list sorted as each administrator likes it, a form with every field, a duplicate by a click on a row, a
//! simulator.
//!
//! Every plan is read and written by [`crate::work::plans`], as by programs.

use super::{
    Done, Flash, Level, Name, Page, Request, Right, allowed, draw, figures, no_such_button,
    plan_form::{Form, Offers},
    plan_picture,
};
use crate::{
    app::App,
    catalogue::plans::{self as stored, Stored},
    plan::form::speed_text,
    problem::{Code, Problem},
    router::Server,
    routeros,
    units::{Bytes, Kbps},
    work::plans::{self, Sort, simulate},
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

/// The longest name of an administrator whose sorting is remembered, characters.
const LONGEST_ADMIN: usize = 100;

/// Draws the list, with a question on top of it where one is asked, or a plan.
pub(super) async fn show(app: &App, request: &Request, said: Option<Flash>) -> Result<Page, Problem> {
    if request.query.has("add") {
        allowed(request, Right::Create, "add plans")?;
        return draw_plan(app, request, None, Form::empty(), said).await;
    }
    if let Some(id) = request.query.number("plan")? {
        let plan = find(app, id).await?;
        let form = Form::of(app, &plan.plan);
        return draw_plan(app, request, Some(plan), form, said).await;
    }
    list(app, request, said, None).await
}

async fn find(app: &App, id: u64) -> Result<Stored, Problem> {
    let found = stored::find(&mut app.db.read().await?, id).await?;
    found.ok_or_else(|| Problem::new(Code::NoSuchPlan, format!("There is no plan {id}; it may have been removed.")))
}

async fn list(app: &App, request: &Request, said: Option<Flash>, fault: Option<Problem>) -> Result<Page, Problem> {
    let (sort, falling) = sorting(app, request).await?;
    let plans = plans::sorted(app, sort, falling).await?;
    let rows = plans.iter().map(|(it, on)| row(it, *on));
    let column = |of: Sort, text: &str| {
        let here = of == sort;
        json!({"sort": of.as_str(), "text": text, "here": here, "falling": here && falling, "turn": here && !falling})
    };
    let own = json!({
        "columns": [column(Sort::Name, "Name"), column(Sort::Speed, "Speed"), column(Sort::Price, "Price"),
            column(Sort::Subscribers, "Subscribers")],
        "as_offered": sort == Sort::Order,
        "plans": rows.collect::<Vec<_>>(),
        "asks": asked(app, request, fault).await?,
    });
    draw::page(app, request, (Name::Plans, "plans.html", "Plans"), said, own).await
}

/// How the list is sorted: as the address says, which is remembered; else as it was last time.
async fn sorting(app: &App, request: &Request) -> Result<(Sort, bool), Problem> {
    let admin = &request.admin.name;
    let is_known = !admin.is_empty() && admin.chars().count() <= LONGEST_ADMIN;
    let falling = request.query.get("dir") == "desc";
    match Sort::parse(request.query.get("sort")) {
        Some(sort) => {
            if is_known {
                crate::in_tx!(app.db, tx => stored::sort_as(&mut tx, admin, sort.as_str(), falling).await.map_err(Problem::from))?;
            }
            Ok((sort, falling))
        }
        None if is_known => {
            let kept = stored::sorted_as(&mut app.db.read().await?, admin).await?;
            Ok(kept.map_or((Sort::Order, false), |(sort, falling)| (Sort::parse(&sort).unwrap_or_default(), falling)))
        }
        None => Ok((Sort::Order, false)),
    }
}

fn row(it: &Stored, on: u64) -> Value {
    let plan = &it.plan;
    let tiers = |tiers: &[crate::plan::terms::Tier]| tiers.iter().filter(|it| it.is_enabled()).count();
    json!({
        "id": it.id, "name": plan.name,
        "commercial_name": Some(&plan.commercial_name).filter(|it| !it.is_empty() && **it != plan.name),
        "down": told(plan.speed.down), "up": told(plan.speed.up), "price": plan.prices.price.to_string(),
        "subscribers": on, "daily": tiers(&plan.daily), "monthly": tiers(&plan.monthly),
        "cdn": plan.cdn.is_some(), "free": plan.free_hours.map(|it| format!("{}–{}", it.window.from, it.window.to)),
        "quota": plan.quotas.daily.0 + plan.quotas.monthly.0 > 0 || plan.quotas.minutes > 0,
    })
}

fn told(kbps: Kbps) -> String {
    if kbps.is_unlimited() { "unlimited".to_owned() } else { speed_text(kbps) }
}

/// What the list asks on top: for a duplicate's name, or whether a plan is to go.
async fn asked(app: &App, request: &Request, fault: Option<Problem>) -> Result<Value, Problem> {
    if let Some(id) = request.query.number("copy")? {
        let plan = find(app, id).await?.plan;
        let typed = Some(request.form.get("name").to_owned()).filter(|_| fault.is_some());
        let name = match typed {
            Some(name) => name,
            None => plans::free_copy_name(app, &plan.name).await?,
        };
        let why = fault.map(|it| it.detail.strip_prefix("name").unwrap_or(&it.detail).trim().to_owned());
        return Ok(json!({"what": "copy", "id": id, "of": plan.name, "name": name,
            "fault": why.map(|why| json!({"field": "name", "why": why}))}));
    }
    if let Some(id) = request.query.number("remove")? {
        let plan = plans::get(app, id).await?;
        return Ok(json!({"what": "remove", "id": id, "of": plan["name"], "on": plan["subscribers"]}));
    }
    Ok(Value::Null)
}

async fn draw_plan(
    app: &App,
    request: &Request,
    plan: Option<Stored>,
    form: Form,
    said: Option<Flash>,
) -> Result<Page, Problem> {
    let offers = offers(app, &form).await?;
    let asked = match &plan {
        Some(plan) => simulated(app, request, plan).await?,
        None => Value::Null,
    };
    let title = plan.as_ref().map_or_else(|| "Add a plan".to_owned(), |it| format!("Plan {}", it.plan.name));
    let gb = app.config.traffic.gb;
    let used =
        asked["used"].as_array().and_then(|it| Some((Bytes(it.first()?.as_u64()?), Bytes(it.get(1)?.as_u64()?))));
    let right = if plan.is_some() { Right::Edit } else { Right::Create };
    let subscribers = match &plan {
        Some(plan) => plans::get(app, plan.id).await?["subscribers"].clone(),
        None => Value::Null,
    };
    let own = json!({
        "id": plan.as_ref().map(|it| it.id),
        "may": request.admin.may(right),
        "subscribers": subscribers,
        "changed": figures::maybe_at(app, plan.as_ref().map(|it| it.changed_at)),
        "form": form.view(&offers),
        "rate": plan.as_ref().map(|it| it.plan.full_rate(it.plan.speed).to_string()),
        "picture": plan.as_ref().map(|it| plan_picture::draw(&it.plan, used, gb)),
        "simulated": asked,
    });
    draw::page(app, request, (Name::Plans, "plan.html", &title), said, own).await
}

/// The servers that are known, and the pools of the chosen one; what is saved stays among them, whoever is silent.
async fn offers(app: &App, form: &Form) -> Result<Offers, Problem> {
    let servers = Server::all(&mut app.db.read().await?).await?;
    let nas = form.get("nas_id").trim();
    let mut offers = Offers { servers: vec![(String::new(), "Any".to_owned())], ..Offers::default() };
    offers.servers.extend(servers.iter().map(|it| (it.told.id.to_string(), it.told.name.clone())));
    if !offers.servers.iter().any(|(id, _)| id == nas) {
        offers.servers.push((nas.to_owned(), format!("Server {nas} (not known here)")));
    }
    offers.pools.push((String::new(), "The server’s assigned addresses".to_owned()));
    let chosen = servers.iter().find(|it| it.told.id.to_string() == nas);
    match chosen {
        None => offers.silent = Some("Choose a router to see its pools.".to_owned()),
        Some(server) => match pools(app, server).await {
            Ok(pools) => offers.pools.extend(pools.into_iter().map(|name| (name.clone(), name))),
            Err(problem) => offers.silent = Some(problem.detail),
        },
    }
    let saved = form.get("pool_name");
    if !offers.pools.iter().any(|(name, _)| name == saved) {
        offers.pools.push((saved.to_owned(), format!("{saved} (current)")));
    }
    Ok(offers)
}

async fn pools(app: &App, server: &Server) -> Result<Vec<String>, Problem> {
    let look = async {
        let router = app.router(server)?.within(Instant::now() + crate::work::LOOK);
        routeros::pools(&router).await.map_err(Problem::from)
    };
    let silent = |_elapsed| {
        let text = format!("Router {} does not answer; this is the saved pool.", server.told.name);
        Problem::new(Code::RouterUnreachable, text)
    };
    timeout(crate::work::LOOK, look).await.map_err(silent)?
}

/// What the plan would do, where the address asks for it; what was typed stays in its fields.
async fn simulated(app: &App, request: &Request, plan: &Stored) -> Result<Value, Problem> {
    const FIELDS: [&str; 6] = ["at", "daily_bytes", "monthly_bytes", "bonus_bytes", "online_minutes", "download_speed"];
    let typed: Map<String, Value> =
        FIELDS.iter().map(|name| ((*name).to_owned(), json!(request.query.get(name)))).collect();
    let mut view = json!({"typed": typed, "answer": null, "fault": null, "used": null});
    if !request.query.has("simulate") {
        return Ok(view);
    }
    match simulate::read(app, &typed) {
        Err(problem) if problem.field.is_some() => {
            let field = problem.field.clone().unwrap_or_default();
            let why = problem.detail.strip_prefix(field.as_str()).unwrap_or(&problem.detail).trim().to_owned();
            view["fault"] = json!({"field": field, "why": format!("{}.", why.trim_end_matches('.'))});
        }
        Err(problem) => return Err(problem),
        Ok(asked) => {
            view["used"] = json!([asked.used.daily, asked.used.monthly.saturating_sub(asked.used.bonus)]);
            view["answer"] = answered(app, simulate::answer(app, plan, asked).await?, asked.at);
        }
    }
    Ok(view)
}

/// The answer with its figures as people read them.
fn answered(app: &App, mut answer: Value, at: chrono::DateTime<chrono::Utc>) -> Value {
    let gb = app.config.traffic.gb;
    let instant =
        |value: &Value| value.as_str().and_then(|it| it.parse().ok()).map_or(Value::Null, |it| figures::at(app, it));
    for kind in ["next_daily_tier", "next_monthly_tier"] {
        if let Some(left) = answer[kind]["left_bytes"].as_u64() {
            let speed =
                answer[kind]["download_speed"].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
            answer[kind]["words"] =
                json!(format!("{} in {} more", told(Kbps(speed)), gb.display(Bytes(left).signed(), 2) + " GB"));
        }
    }
    let speed = |name: &str| {
        answer[name].as_u64().and_then(|it| u32::try_from(it).ok()).map_or_else(String::new, |it| told(Kbps(it)))
    };
    let (down, up) = (speed("download_speed"), speed("upload_speed"));
    let daily = instant(&answer["resets"]["daily"]);
    let turn = instant(&answer["free_hours"]["changes_at"]);
    answer["down"] = json!(down);
    answer["up"] = json!(up);
    answer["daily_reset"] = daily;
    answer["turn"] = turn;
    answer["when"] = figures::at(app, at);
    answer
}

/// A button of the page.
pub(super) async fn press(app: &App, request: &Request, what: &str) -> Result<Done, Problem> {
    match what {
        "save" => save(app, request).await,
        "duplicate" => duplicate(app, request).await,
        "delete" => delete(app, request).await,
        _ => Err(no_such_button()),
    }
}

async fn save(app: &App, request: &Request) -> Result<Done, Problem> {
    let id = request.query.number("plan")?;
    match id {
        Some(_) => allowed(request, Right::Edit, "change plans")?,
        None => allowed(request, Right::Create, "add plans")?,
    }
    let form = Form::typed(request);
    let plan = match id {
        Some(id) => Some(find(app, id).await?),
        None => None,
    };
    if request.form.has("pools") {
        return draw_plan(app, request, plan, form, None).await.map(Done::Show);
    }
    let done = match id {
        Some(id) => plans::put(app, id, &form.body()?).await,
        None => plans::add(app, &form.body()?).await,
    };
    match done {
        Ok(saved) => Ok(told_of(&saved, id.is_none())),
        Err(problem) => match problem.field.clone() {
            // Said at the field, with everything that was typed.
            Some(field) => {
                let mut page = draw_plan(app, request, plan, form.with_fault(&field, &problem), None).await?;
                page.status = problem.code.status();
                Ok(Done::Show(page))
            }
            None => Err(problem),
        },
    }
}

/// What is said after saving: also what must be done elsewhere.
fn told_of(saved: &Value, new: bool) -> Done {
    let name = saved["name"].as_str().unwrap_or_default();
    let text = format!("The plan {name} is {}.", if new { "added" } else { "saved" });
    match saved["warning"].as_str() {
        Some(warning) => {
            Done::See("plans".to_owned(), Flash { level: Level::Warning, text: format!("{text} {warning}") })
        }
        None => Done::well("plans", text),
    }
}

async fn duplicate(app: &App, request: &Request) -> Result<Done, Problem> {
    allowed(request, Right::Create, "add plans")?;
    let Some(id) = request.query.number("copy")? else { return Err(no_such_button()) };
    let body = serde_json::to_vec(&json!({"name": request.form.get("name")})).map_err(Problem::internal)?;
    match plans::duplicate(app, id, &body).await {
        Ok(copy) => {
            let to = format!("plans&plan={}", copy["id"]);
            let name = copy["name"].as_str().unwrap_or_default();
            Ok(Done::well(to, format!("The plan {name} is added: everything is cloned. Change what is to differ.")))
        }
        Err(problem) if problem.field.is_some() => {
            let status = problem.code.status();
            let mut page = list(app, request, None, Some(problem)).await?;
            page.status = status;
            Ok(Done::Show(page))
        }
        Err(problem) => Err(problem),
    }
}

async fn delete(app: &App, request: &Request) -> Result<Done, Problem> {
    allowed(request, Right::Delete, "remove plans")?;
    let Some(id) = request.query.number("remove")? else { return Err(no_such_button()) };
    match plans::delete(app, id).await {
        Ok(()) => Ok(Done::well("plans", "The plan is removed.")),
        Err(problem) if problem.code == Code::NoSuchPlan => Ok(Done::already("plans", "The plan was removed before.")),
        Err(problem) => Err(problem),
    }
}
