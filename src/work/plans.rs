//! Plans: what is sold, kept by staff and programs alike.
//!
//! A plan is replaced whole; the same request again changes nothing, not even the instant of the last change. A speed that
//! changes is the accounts' in the same transaction, and their routers' with their next readings; nobody is
//! disconnected for it. A plan that a service is on is not removed, and no service comes onto one while it is. Accounts
//! hold a plan by its number and WHMCS's products name it, so that after a renaming the products must be changed.

pub mod simulate;
pub(crate) mod words;

use super::instant;
use crate::{
    account::{Account, pending, roll, settings::Settings},
    app::App,
    catalogue::{
        cdn,
        plans::{self, Stored},
        rules,
    },
    db::Tx,
    plan::{
        Plan,
        form::{self, Invalid, LONGEST_NAME},
    },
    problem::{Code, Problem},
    units::Speed,
};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// How often a duplicate is given another number before that is given up.
const COPIES: u32 = 1000;

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As drop-downs show it: by the plans' sort order, then by name.
    #[default]
    Order,
    /// A to Z, capitals disregarded.
    Name,
    /// By the download's number, then the upload's; unlimited is fastest.
    Speed,
    /// By the price's number.
    Price,
    /// By how many are on it.
    Subscribers,
}

impl Sort {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Order, "order"),
        (Self::Name, "name"),
        (Self::Speed, "speed"),
        (Self::Price, "price"),
        (Self::Subscribers, "subscribers"),
    ];

    /// The one of that spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(it, _)| it)
    }

    /// Its spelling.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(it, _)| *it == self).map_or("order", |(_, name)| name)
    }

    fn compare(self, one: &(Stored, u64), two: &(Stored, u64)) -> Ordering {
        let (a, b) = (&one.0.plan, &two.0.plan);
        let name = |it: &Plan| it.name.to_lowercase();
        match self {
            Self::Order => a.sort_order.cmp(&b.sort_order),
            Self::Name => name(a).cmp(&name(b)),
            Self::Speed => rank(a.speed).cmp(&rank(b.speed)),
            Self::Price => a.prices.price.cmp(&b.prices.price),
            Self::Subscribers => one.1.cmp(&two.1),
        }
    }
}

/// Unlimited is faster than any number.
fn rank(speed: Speed) -> (u32, u32) {
    (speed.down.0.wrapping_sub(1), speed.up.0.wrapping_sub(1))
}

/// The names of a plan's fields, as they are answered.
pub fn fields() -> Vec<String> {
    form::fields(&Plan::default()).into_iter().map(|(name, _)| name).collect()
}

/// The plans with how many are on each, sorted; equals stay in the order of drop-downs.
pub async fn sorted(app: &App, sort: Sort, falling: bool) -> Result<Vec<(Stored, u64)>, Problem> {
    let mut conn = app.db.read().await?;
    let on = roll::by_plan(&mut conn).await?;
    let count = |it: &Stored| on.get(&it.id).copied().unwrap_or_default();
    let mut all: Vec<(Stored, u64)> = plans::all(&mut conn)
        .await?
        .into_iter()
        .map(|it| {
            let on = count(&it);
            (it, on)
        })
        .collect();
    all.sort_by(|one, two| if falling { sort.compare(two, one) } else { sort.compare(one, two) });
    Ok(all)
}

/// All plans.
pub async fn list(app: &App, sort: Sort, falling: bool) -> Result<Value, Problem> {
    let plans = sorted(app, sort, falling).await?;
    Ok(json!({"plans": plans.iter().map(|(it, on)| view(it, *on)).collect::<Vec<_>>(), "sort": sort.as_str()}))
}

/// One plan.
///
/// # Errors
/// `no-such-plan`.
pub async fn get(app: &App, id: u64) -> Result<Value, Problem> {
    let mut conn = app.db.read().await?;
    let stored = plans::find(&mut conn, id).await?.ok_or_else(|| no_such_plan(id))?;
    let on = roll::on_plan(&mut conn, id).await?;
    Ok(view(&stored, on))
}

/// Makes a plan of the body's fields; answers it.
///
/// # Errors
/// `malformed`; `plan-invalid` naming the field, also where the name is taken.
pub async fn add(app: &App, body: &[u8]) -> Result<Value, Problem> {
    let plan = read(app, &object(body)?)?;
    let added = crate::in_tx!(app.db, tx => {
        check_profile(&mut tx, &plan).await?;
        plans::add(&mut tx, &plan, app.clock.now()).await.map_err(Problem::from)
    })?;
    get(app, added.ok_or_else(|| taken(&plan.name))?).await
}

/// Replaces the plan whole; answers it, with a `warning` where products of WHMCS must be changed by hand.
///
/// # Errors
/// Those of [`add`], and `no-such-plan`.
pub async fn put(app: &App, id: u64, body: &[u8]) -> Result<Value, Problem> {
    let plan = read(app, &object(body)?)?;
    let before = crate::in_tx!(app.db, tx => replaced(app, &mut tx, id, &plan).await)?;
    let mut answer = get(app, id).await?;
    if before.name != plan.name && answer["subscribers"] != 0 {
        answer["warning"] = Value::from(format!(
            "Products in WHMCS that name the plan {} must be changed to {}: until then their services cannot be created \
             or changed.",
            before.name, plan.name
        ));
    }
    Ok(answer)
}

/// A CDN profile that is not there would leave the CDN's tiers without any traffic to hold.
async fn check_profile(tx: &mut Tx, plan: &Plan) -> Result<(), Problem> {
    let Some(id) = plan.cdn.map(|it| it.profile_id) else { return Ok(()) };
    if cdn::find(tx, id).await?.is_some() {
        return Ok(());
    }
    let why = format!("names the CDN profile {id}, which does not exist");
    Err(invalid(Invalid { field: "cdn_profile_id".to_owned(), why }))
}

/// The plan as it was before.
async fn replaced(app: &App, tx: &mut Tx, id: u64, plan: &Plan) -> Result<Plan, Problem> {
    let before = plans::find_locked(tx, id).await?.ok_or_else(|| no_such_plan(id))?.plan;
    if before == *plan {
        return Ok(before);
    }
    check_profile(tx, plan).await?;
    let now = app.clock.now();
    if !plans::replace(tx, id, plan, now).await? {
        return Err(taken(&plan.name));
    }
    // Everything else that routers hold of a plan is compared at every reading; types of queues are not read there.
    if before.place.queue_type != plan.place.queue_type {
        for (server_id, service_id) in roll::made_on_plan(tx, id).await? {
            pending::decide(tx, (server_id, service_id), pending::Kind::Change, false, now).await?;
        }
    }
    if before.speed != plan.speed {
        // Their routers' next readings decide upon each of them, see what its queue is set to, and set it.
        Account::take_plans_speed(tx, id, plan.speed).await?;
    }
    Ok(before)
}

/// Removes the plan.
///
/// # Errors
/// `no-such-plan`; `plan-in-use` saying how many services are on it.
pub async fn delete(app: &App, id: u64) -> Result<(), Problem> {
    crate::in_tx!(app.db, tx => {
        let stored = plans::find_locked(&mut tx, id).await?.ok_or_else(|| no_such_plan(id))?;
        // A rule for no plan at all would be for every plan.
        if let Some(rule) = rules::all(&mut tx).await?.iter().find(|rule| rule.plans.contains(&id)) {
            return Err(named_by_a_rule(&stored.plan.name, &rule.name));
        }
        match roll::on_plan(&mut tx, id).await? {
            0 => plans::remove(&mut tx, id).await.map(|_| ()).map_err(Problem::from),
            on => Err(in_use(&stored.plan.name, on)),
        }
    })
}

fn named_by_a_rule(plan: &str, rule: &str) -> Problem {
    let text = format!(
        "The bandwidth rule {rule} is for the plan {plan}; take the plan out of the rule, or remove the rule, first."
    );
    Problem::new(Code::PlanInUse, text)
}

/// Clones the plan with all that it says, under the body's `name`, else under `<Name> (Copy)`, `(Copy 2)` …; answers it.
///
/// # Errors
/// Those of [`add`], and `no-such-plan`.
pub async fn duplicate(app: &App, id: u64, body: &[u8]) -> Result<Value, Problem> {
    let fields = if body.is_empty() { Map::new() } else { object(body)? };
    let named = fields.get("name").filter(|it| !it.is_null() && it.as_str() != Some("")).cloned();
    let added = crate::in_tx!(app.db, tx => duplicated(app, &mut tx, id, named.as_ref()).await)?;
    get(app, added).await
}

async fn duplicated(app: &App, tx: &mut Tx, id: u64, named: Option<&Value>) -> Result<u64, Problem> {
    let original = plans::held(tx, id).await?.ok_or_else(|| no_such_plan(id))?.plan;
    let now = app.clock.now();
    if let Some(name) = named {
        let mut fields = form::fields(&original);
        fields.insert("name".to_owned(), name.clone());
        let plan = read(app, &fields)?;
        return plans::add(tx, &plan, now).await?.ok_or_else(|| taken(&plan.name));
    }
    for number in 1..=COPIES {
        let name = copy_name(&original.name, number);
        if plans::named(tx, &name).await?.is_none()
            && let Some(id) = plans::add(tx, &Plan { name, ..original.clone() }, now).await?
        {
            return Ok(id);
        }
    }
    Err(taken(&copy_name(&original.name, COPIES)))
}

/// The name that a duplicate would have: the first that is free.
pub async fn free_copy_name(app: &App, name: &str) -> Result<String, Problem> {
    let mut conn = app.db.read().await?;
    for number in 1..COPIES {
        let name = copy_name(name, number);
        if plans::named(&mut conn, &name).await?.is_none() {
            return Ok(name);
        }
    }
    Ok(copy_name(name, COPIES))
}

fn copy_name(name: &str, number: u32) -> String {
    let ending = if number == 1 { " (Copy)".to_owned() } else { format!(" (Copy {number})") };
    let room = LONGEST_NAME - ending.chars().count();
    let begin: String = name.chars().take(room).collect();
    begin.trim_end().to_owned() + &ending
}

/// The settings on their plan as it stands now; it stands so until this transaction ends.
///
/// # Errors
/// `setting-invalid` where it was removed since the settings were read.
pub(super) async fn on_plan(tx: &mut Tx, settings: &Settings) -> Result<Settings, Problem> {
    let Some(id) = settings.plan else { return Ok(settings.clone()) };
    let gone = || Problem::field("settings.plan", "names a plan that was removed just now");
    let stored = plans::held(tx, id).await?.ok_or_else(gone)?;
    Ok(Settings { speed: settings.own_speed.or(stored.plan.speed), ..settings.clone() })
}

/// A plan as programs see it: what may be sent back, and what is known of it beside.
fn view(stored: &Stored, subscribers: u64) -> Value {
    let mut fields = form::fields(&stored.plan);
    let rate = stored.plan.full_rate(stored.plan.speed).to_string();
    fields.insert("id".to_owned(), stored.id.into());
    fields.insert("subscribers".to_owned(), subscribers.into());
    fields.insert("rate_string".to_owned(), rate.into());
    fields.insert("changed_at".to_owned(), instant(stored.changed_at).into());
    Value::Object(fields)
}

fn read(app: &App, fields: &Map<String, Value>) -> Result<Plan, Problem> {
    form::parse(fields, app.config.traffic.gb).map_err(invalid)
}

fn invalid(invalid: Invalid) -> Problem {
    let mut problem = Problem::field(invalid.field, invalid.why);
    problem.code = Code::PlanInvalid;
    problem
}

fn taken(name: &str) -> Problem {
    let why = format!("is taken: there is a plan named {} already", words::plain(name));
    invalid(Invalid { field: "name".to_owned(), why })
}

fn in_use(name: &str, on: u64) -> Problem {
    let who = if on == 1 { "1 subscriber is".to_owned() } else { format!("{on} subscribers are") };
    let name = words::plain(name);
    let text = format!("The plan {name} cannot be removed: {who} on it. Move them to another plan first.");
    Problem::new(Code::PlanInUse, text).with("subscribers", on)
}

fn no_such_plan(id: u64) -> Problem {
    Problem::new(Code::NoSuchPlan, format!("There is no plan {id}; it may have been removed meanwhile."))
}

/// A body's members.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        // PHP's empty array.
        Ok(Value::Array(list)) if list.is_empty() => Ok(Map::new()),
        Ok(_) => Err(Problem::malformed("body", "must be a JSON object")),
        Err(error) => Err(Problem::malformed("body", format!("is not JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copys_name_is_never_longer_than_a_name_may_be() {
        assert_eq!(copy_name("Gold", 1), "Gold (Copy)");
        assert_eq!(copy_name("Gold", 12), "Gold (Copy 12)");
        let long = copy_name(&"ä".repeat(100), 2);
        assert!(long.chars().count() == 100 && long.ends_with("ä (Copy 2)"), "{long}");
    }

    #[test]
    fn unlimited_is_the_fastest() {
        let mut speeds = [Speed::new(0, 0), Speed::new(10_000, 0), Speed::new(2_000, 9_000), Speed::new(10_000, 1_000)];
        speeds.sort_by_key(|it| rank(*it));
        assert_eq!(
            speeds,
            [Speed::new(2_000, 9_000), Speed::new(10_000, 1_000), Speed::new(10_000, 0), Speed::new(0, 0)]
        );
    }
}
