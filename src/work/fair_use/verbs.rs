//! What people do to an account's usage under its plan: begin its counters again, give bytes on top, settle another speed.
//!
//! Each is written down once per key and decided upon at once; a router that is away is told when it returns.

use super::Held;
use crate::{
    account::{
        fair_use::Override,
        interventions::{self, Kind},
    },
    app::App,
    problem::{Code, Problem},
    units::{Bytes, Kbps},
    work::{Ask, Turn, apply, settle, view},
};
use serde_json::Value;

/// The most that a bonus may give or take: 10,000,000 GB of 1,073,741,824 bytes.
const MOST: i64 = 10_737_418_240_000_000;
/// The longest key, characters.
const LONGEST_KEY: usize = 128;

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The day's counters begin again.
    ResetDaily,
    /// The cycle's counters begin again, without a renewal.
    ResetCycle,
    /// Bytes on top for this cycle; below zero takes back what was given.
    Bonus(i64),
    /// Speed and price of this subscriber, whole: what is `None` is as sold.
    Override(Override),
}

impl Change {
    fn kind(&self) -> Kind {
        match self {
            Self::ResetDaily => Kind::ResetDaily,
            Self::ResetCycle => Kind::ResetCycle,
            Self::Bonus(_) => Kind::Bonus,
            Self::Override(_) => Kind::Override,
        }
    }

    /// What is kept beside the key: who asks again with the key and for something else is told so.
    fn noted(&self, note: &str) -> String {
        match self {
            Self::Override(staff) => format!("{}{}", settled(staff), note),
            Self::ResetDaily | Self::ResetCycle | Self::Bonus(_) => note.to_owned(),
        }
    }

    /// Whether that is what was written down under its key.
    fn is(&self, (bytes, note): &(i64, String)) -> bool {
        match self {
            Self::Override(staff) => note.starts_with(&settled(staff)),
            Self::ResetDaily | Self::ResetCycle | Self::Bonus(_) => *bytes == self.bytes(),
        }
    }

    fn bytes(&self) -> i64 {
        match self {
            Self::Bonus(bytes) => *bytes,
            Self::ResetDaily | Self::ResetCycle | Self::Override(_) => 0,
        }
    }
}

/// What was settled, in words; each other settlement has others.
fn settled(staff: &Override) -> String {
    let own = |kbps: Option<Kbps>| kbps.map_or_else(|| "as sold".to_owned(), |it| format!("{} kbit/s", it.0));
    let price = staff.price.as_deref().unwrap_or("as sold");
    format!("down {}, up {}, price {price}; ", own(staff.down), own(staff.up))
}

/// The hook `fup-reset`: `{"what": "daily" | "cycle", "key", "note"}`, once per key. An invoice item that was paid is one.
pub async fn hook(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let change = match ask.hook_text("what")?.as_str() {
        "" | "daily" => Change::ResetDaily,
        "cycle" => Change::ResetCycle,
        _ => return Err(Problem::field("hook.what", "must be daily or cycle")),
    };
    intervene(app, ask.service_id()?, &change, &ask.hook_text("key")?, &ask.hook_remark("note")?).await
}

/// Does it to an account on a plan, once per key: answers the contract's `{"account"}` either way.
///
/// # Errors
/// `no-such-plan` where it is on none, `key-reused` for a key that gave another bonus or settled other speeds, a field that
/// cannot be; a router that refuses. One that is away is no error.
pub async fn intervene(app: &App, service_id: u64, change: &Change, key: &str, note: &str) -> Result<Value, Problem> {
    let until = crate::work::deadline(crate::work::LIFECYCLE);
    let key = checked(change, key)?;
    let turn = Turn::of(app, service_id, until).await?;
    let account = crate::work::find_living(app, service_id).await?;
    let server = crate::work::find_server(app, account.server_id).await?;
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let mut account = crate::work::living(&mut tx, &turn, now).await?;
        let mut held = Held::of_one(app, &mut tx, &account, now).await?;
        let Some(fair) = held.get_mut(service_id) else { return Err(no_plan(service_id)) };
        let once = (change.kind(), key.as_str());
        if !interventions::enter(&mut tx, service_id, once, change.bytes(), &change.noted(note), now).await? {
            let before = interventions::find(&mut tx, service_id, once).await?;
            return if before.is_none_or(|it| change.is(&it)) { Ok(()) } else { Err(key_reused(change, &key)) };
        }
        match change {
            Change::ResetDaily => fair.begin_day(now),
            Change::ResetCycle => fair.begin_cycle(now),
            Change::Bonus(bytes) => fair.bonus = Bytes(fair.bonus.0.saturating_add_signed(*bytes)),
            Change::Override(staff) => fair.staff.clone_from(staff),
        }
        settle::settle_held(app, &mut tx, &server, (&mut account, &mut held), now).await?;
        Ok(())
    })?;
    let refused = apply::or_said(&turn, &server, until).await?;
    view::booked(app, service_id, refused).await
}

fn checked(change: &Change, key: &str) -> Result<String, Problem> {
    let key = key.trim().to_owned();
    if key.is_empty() {
        let why = "is missing: what makes this one, such as an invoice item's number";
        return Err(Problem::malformed("hook.key", why));
    }
    if key.chars().count() > LONGEST_KEY || key.chars().any(char::is_control) {
        return Err(Problem::field("hook.key", "must have 128 characters at the most, and no control characters"));
    }
    if let Change::Bonus(bytes) = change
        && (*bytes == 0 || !(-MOST..=MOST).contains(bytes))
    {
        return Err(Problem::field("bytes", "must not be zero, and 10,000,000 GB at the most either way"));
    }
    Ok(key)
}

fn no_plan(service_id: u64) -> Problem {
    let text = format!("Service {service_id} is on no plan; choose one in its product's settings in WHMCS first.");
    Problem::new(Code::NoSuchPlan, text)
}

fn key_reused(change: &Change, key: &str) -> Problem {
    let (other, nothing) = match change {
        Change::Override(_) => ("other speeds or another price", "nothing was changed"),
        _ => ("another number of bytes", "nothing was given"),
    };
    let text = format!("The key {key} was used for this service with {other}; {nothing}.");
    Problem::new(Code::KeyReused, text)
}
