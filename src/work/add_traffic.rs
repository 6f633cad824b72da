//! Add-traffic: a ledger entry, once per key; below zero it corrects. Decided upon at once.

use super::{Ask, Turn, apply, settle, view};
use crate::{
    app::App,
    problem::{Code, Problem},
    usage::ledger::{self, Kind},
};
use serde_json::Value;

/// The most that one entry may move: 10,000,000 GB of 1,073,741,824 bytes, the most that a packet may be.
const MOST: i64 = 10_737_418_240_000_000;
/// The longest key, characters.
const LONGEST_KEY: usize = 128;

/// Runs the hook.
pub async fn run(app: &App, ask: &Ask) -> Result<Value, Problem> {
    let until = super::deadline(super::LIFECYCLE);
    let service_id = ask.service_id()?;
    let (bytes, key) = (bytes(ask)?, key(ask)?);
    let note = ask.hook_remark("note")?;
    let turn = Turn::of(app, service_id, until).await?;
    let account = super::find_living(app, service_id).await?;
    let server = super::server_of(app, ask, &account).await?;
    let now = app.clock.now();
    crate::in_tx!(app.db, tx => {
        let mut account = super::living(&mut tx, &turn, now).await?;
        if ledger::enter(&mut tx, service_id, (Kind::TopUp, &key), bytes, &note, now).await? {
            account.balance += bytes;
            settle::settle(app, &mut tx, &server, &mut account, now).await?;
        } else if ledger::find(&mut tx, service_id, Kind::TopUp, &key).await? != Some(bytes) {
            let text = format!("The key {key} was used for this service with another number of bytes; nothing was added.");
            return Err(Problem::new(Code::KeyReused, text));
        }
        Ok(())
    })?;
    let refused = apply::or_said(&turn, &server, until).await?;
    view::booked(app, service_id, refused).await
}

fn bytes(ask: &Ask) -> Result<i64, Problem> {
    let value = ask.hook_value("bytes")?.ok_or_else(|| Problem::malformed("hook.bytes", "is missing"))?;
    if !value.is_i64() && !value.is_u64() {
        return Err(Problem::malformed("hook.bytes", "must be a whole number of bytes"));
    }
    let bytes = value.as_i64().filter(|it| *it != 0 && (-MOST..=MOST).contains(it));
    let wrong = || Problem::field("hook.bytes", "must not be zero, and 10,000,000 GB at the most either way");
    bytes.ok_or_else(wrong)
}

fn key(ask: &Ask) -> Result<String, Problem> {
    // MariaDB tells "a" and "a " apart no more than people do.
    let key = ask.hook_text("key")?.trim().to_owned();
    if key.trim().is_empty() {
        return Err(Problem::malformed(
            "hook.key",
            "is missing: what makes this entry one, such as an invoice item's number",
        ));
    }
    if key.chars().count() > LONGEST_KEY {
        return Err(Problem::field("hook.key", "must have 128 characters at the most"));
    }
    Ok(key)
}
