//! What an account's page shows of its plan, and what staff can do about it: through the verbs of every other caller.

use super::{Request, figures};
use crate::{
    account::{Account, fair_use::Override},
    app::App,
    plan::{
        form::{self, bytes_text, speed_text},
        fup,
        terms::Tier,
    },
    problem::Problem,
    units::{Bytes, Kbps},
    work::{
        fair_use::{self, Change, Standing},
        plans::words,
    },
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Map, Value, json};

/// Where the account stands on its plan.
pub(super) fn view(app: &App, account: &Account, standing: &Standing) -> Value {
    let Standing { plan, fair, full, blocked, rule, next_day_at, next_cycle_on } = standing;
    let used = fair.used();
    let gb = |bytes: Bytes| figures::gb(app, bytes.signed());
    let of = |most: Bytes| (most.0 > 0).then(|| gb(most));
    let staff = &fair.staff;
    let own = |kbps: Option<Kbps>| kbps.map(speed_text).unwrap_or_default();
    json!({
        "id": account.settings.plan,
        "name": plan.name,
        "blocked": blocked,
        "slowed": fair.why != fup::Why::Full,
        "because": words::because(app, plan, fair.why, fair.full_quota.filter(|_| *blocked)),
        "daily_level": fair.daily_level,
        "monthly_level": fair.monthly_level,
        "speed": figures::speed(fair.rate.speed),
        "full": figures::speed(*full),
        "rate": fair.rate.to_string(),
        "day": {"used": gb(used.daily), "of": of(plan.quotas.daily), "next": next(app, &plan.daily, used.daily)},
        "cycle": {
            "used": gb(used.monthly), "of": of(plan.quotas.monthly),
            "next": next(app, &plan.monthly, used.monthly.saturating_sub(used.bonus)),
        },
        "bonus": (used.bonus.0 > 0).then(|| gb(used.bonus)),
        "online": figures::duration(used.online_seconds),
        "next_day": figures::maybe_at(app, *next_day_at),
        "next_cycle": next_cycle_on,
        "rule": rule.as_ref().map(|it| json!({"id": it.id, "name": it.name})),
        "staff": {
            "download_speed": own(staff.down), "upload_speed": own(staff.up), "price": staff.price,
            "any": *staff != Override::default(),
        },
        "price": staff.price.clone().unwrap_or_else(|| plan.prices.price.to_string()),
    })
}

fn next(app: &App, tiers: &[Tier], used: Bytes) -> Option<String> {
    let (number, tier) = fup::next_tier(tiers, used)?;
    let from = bytes_text(tier.threshold, app.config.traffic.gb);
    Some(format!("tier {number} from {from} on: {} down", speed_text(tier.speed.down)))
}

/// Does what a button of the plan's section asks for; what is said of it.
pub(super) async fn press(app: &App, request: &Request, id: u64, what: &str) -> Result<Option<String>, Problem> {
    let (change, said) = match what {
        "reset-daily" => (Change::ResetDaily, "The day’s counters begin again.".to_owned()),
        "reset-cycle" => (Change::ResetCycle, "The cycle’s counters begin again.".to_owned()),
        "bonus" => {
            let bytes = bonus(app, request.form.get("gb"))?;
            (Change::Bonus(bytes), format!("{} of bonus for this cycle.", figures::gb(app, bytes)))
        }
        "override" => {
            let staff = settled(request)?;
            let said = if staff == Override::default() {
                "Speed and price are as sold again."
            } else {
                "Speed and price are settled for this subscriber."
            };
            (Change::Override(staff), said.to_owned())
        }
        _ => return Ok(None),
    };
    let once = request.form.get("once");
    if once.len() != 32 || !once.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Problem::malformed("once", "is missing: load the page again, and send its own form"));
    }
    let note = match request.admin.name.trim() {
        "" => String::new(),
        name => format!("by {name}"),
    };
    let answer = fair_use::intervene(app, id, &change, &format!("staff/{once}"), &note).await?;
    Ok(Some(said + &super::verbs::waits(&answer)))
}

/// GB as a person types them: with a point, below zero to take back.
fn bonus(app: &App, typed: &str) -> Result<i64, Problem> {
    let typed = typed.trim();
    let wrong = || Problem::field("gb", "must be a number of GB that is not zero, such as 10 or -0.5");
    let (digits, sign) = typed.strip_prefix(['-', '\u{2212}']).map_or((typed, 1), |rest| (rest, -1));
    let bytes = app.config.traffic.gb.parse(digits).map_err(|_why| wrong())?;
    (Decimal::from(bytes.0) * Decimal::from(sign)).to_i64().filter(|it| *it != 0).ok_or_else(wrong)
}

/// What was typed for this subscriber alone; blank is as sold.
fn settled(request: &Request) -> Result<Override, Problem> {
    let fields: Map<String, Value> =
        request.form.iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
    let wrong = |it: form::Invalid| Problem::field(it.field, it.why);
    Ok(Override {
        down: form::one_speed(&fields, "download_speed").map_err(wrong)?,
        up: form::one_speed(&fields, "upload_speed").map_err(wrong)?,
        price: form::one_price(&fields, "price").map_err(wrong)?.map(|it| it.to_string()),
    })
}
