//! A morning of a customer on a plan: used too fast he goes slower, without losing his session; he pays to begin the day
//! anew and is at full speed at once.

use super::{Cast, at, day};
use crate::demo::{
    figures::{GB, MB, gb_of, speed},
    plans,
    stage::Stage,
    teller::Teller,
};
use anyhow::{Context, Result, ensure};
use chrono::Duration;
use serde_json::{Value, json};

/// What he downloads, and the tier of his plan that it reaches: from 20 GB a day on 8 Mbit/s.
const DOWNLOAD: u64 = 21 * GB;
const FULL: u64 = 20_000;
const SLOWED: u64 = 8_000;

pub(super) async fn play(cast: &Cast, teller: &mut Teller) -> Result<()> {
    let stage = &cast.stage;
    stage.pass_until(at(day(11, 14)?, 6, 0)?);
    teller.step(stage.clock.now(), &format!("Charles, on plan {}, downloads {}", plans::CHARLES, gb_of(DOWNLOAD)));
    let before = plan(cast).await?;
    ensure!(
        before["slowed"] == false && current(&before) == FULL,
        "Charles is slowed before he used anything: {before}"
    );
    let mut left = DOWNLOAD;
    while left > 0 {
        // 20 Mbit/s, less a little, for five minutes.
        let some = left.min(700 * MB);
        stage.router.carry(&cast.charles.username, some, 0);
        stage.pass(Duration::minutes(5));
        stage.jobs().await?;
        left -= some;
    }
    let slowed = plan(cast).await?;
    ensure!(slowed["why"]["code"] == "daily" && current(&slowed) == SLOWED, "20 GB do not slow Charles: {slowed}");
    ensure!(limit(stage, cast) == Some("8000000/8000000".to_owned()), "the router was not told of it");
    ensure!(stage.router.is_online(&cast.charles.username), "Charles was disconnected for a change of speed");
    let today = slowed["today"]["used_bytes"].as_u64().context("his page does not say what he used")?;
    teller.good(&format!(
        "{}: {} used today, so he goes on with {}. His session was not cut.",
        stage.clock.now().format("%H:%M"),
        gb_of(today),
        speed(SLOWED)
    ));
    let price = slowed["reset"]["price"].as_str().context("no reset is for sale")?.to_owned();
    for _twice in 0..2 {
        let key = json!({"hook": {"what": "daily", "key": "invoice-1203-item-1", "note": "paid on the client page"}});
        let body = merged(cast.charles.parts(), &key);
        let answer = stage.ask("/v1/hooks/fup-reset", &body).await?;
        ensure!(answer.status == 200, "a paid reset was refused: {}", answer.detail());
    }
    let free = plan(cast).await?;
    ensure!(current(&free) == FULL && free["today"]["used_bytes"] == 0, "paid, and still slowed: {free}");
    ensure!(limit(stage, cast) == Some("20000000/20000000".to_owned()), "the router was not told that he has paid");
    teller.good(&format!(
        "He pays {price} to begin the day anew: {} at once. WHMCS tells it twice; it counts once.",
        speed(FULL)
    ));
    Ok(())
}

/// What his page says of his plan.
async fn plan(cast: &Cast) -> Result<Value> {
    Ok(cast.stage.done("client-area", &cast.charles).await?["plan"].clone())
}

fn current(plan: &Value) -> u64 {
    plan["current"]["download_kbps"].as_u64().unwrap_or_default()
}

fn limit(stage: &Stage, cast: &Cast) -> Option<String> {
    stage.router.world(|world| world.get("/queue/simple", &cast.charles.username, "max-limit"))
}

fn merged(mut body: Value, more: &Value) -> Value {
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}
