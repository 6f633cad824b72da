//! A plan's fields as they are answered and stored, group by group.

use super::{BURST_THRESHOLD, BURST_TIME, speed_text};
use crate::{
    plan::{
        Plan,
        terms::{ExpiryUnit, Tier, WhenFull},
        window::Clock,
    },
    units::{Kbps, Speed},
};
use serde_json::{Map, Value, json};

/// The fields of a plan; what [`super::parse`] reads, with the speeds' texts beside.
pub fn fields(plan: &Plan) -> Map<String, Value> {
    [basics(plan), speeds(plan), quotas(plan), free_hours(plan), place(plan), cdn(plan), tiers(plan)]
        .into_iter()
        .flat_map(|part| match part {
            Value::Object(members) => members,
            _ => Map::new(),
        })
        .collect()
}

fn basics(plan: &Plan) -> Value {
    json!({
        "name": plan.name,
        "commercial_name": plan.commercial_name,
        "description": plan.description,
        "price": plan.prices.price.to_string(),
        "day_price": plan.prices.day_price.to_string(),
        "reset_price": plan.prices.reset_price.to_string(),
        "expiry_value": plan.expiry.value,
        "expiry_unit": if plan.expiry.unit == ExpiryUnit::Days { "days" } else { "months" },
        "entire_month": plan.expiry.entire_month,
        "monthly_account": plan.monthly_account,
        "sort_order": plan.sort_order,
    })
}

fn speeds(plan: &Plan) -> Value {
    let burst = plan.burst;
    json!({
        "download_speed": plan.speed.down,
        "upload_speed": plan.speed.up,
        "download_speed_string": speed_text(plan.speed.down),
        "upload_speed_string": speed_text(plan.speed.up),
        "burst_download": burst.map_or(Kbps(0), |it| it.limit.down),
        "burst_upload": burst.map_or(Kbps(0), |it| it.limit.up),
        "burst_threshold": burst.map_or(BURST_THRESHOLD, |it| it.threshold_percent),
        "burst_time": burst.map_or(BURST_TIME, |it| it.seconds),
        "soft_fup_enabled": plan.soft_fup,
    })
}

fn quotas(plan: &Plan) -> Value {
    let (action, slow) = match plan.quotas.when_full {
        WhenFull::Block => ("block", Speed::default()),
        WhenFull::Throttle(speed) => ("throttle", speed),
    };
    json!({
        "daily_quota": plan.quotas.daily,
        "monthly_quota": plan.quotas.monthly,
        "time_quota": plan.quotas.minutes,
        "quota_action": action,
        "quota_download_speed": slow.down,
        "quota_upload_speed": slow.up,
    })
}

fn free_hours(plan: &Plan) -> Value {
    let free = plan.free_hours;
    let clock = |it: Option<Clock>| it.map_or_else(|| "00:00".to_owned(), |it| it.to_string());
    json!({
        "time_based_speed_enabled": free.is_some(),
        "time_from": clock(free.map(|it| it.window.from)),
        "time_to": clock(free.map(|it| it.window.to)),
        "download_ratio": free.map_or(0, |it| it.download_ratio),
        "upload_ratio": free.map_or(0, |it| it.upload_ratio),
    })
}

fn place(plan: &Plan) -> Value {
    let [fup1, fup2, fup3] = &plan.filter_ids.fup;
    json!({
        "nas_id": plan.place.nas_id,
        "pool_name": plan.place.pool_name,
        "address_list_in": plan.place.address_list_in,
        "address_list_out": plan.place.address_list_out,
        "queue_type": plan.place.queue_type,
        "filter_id_normal": plan.filter_ids.normal,
        "filter_id_fup1": fup1,
        "filter_id_fup2": fup2,
        "filter_id_fup3": fup3,
    })
}

fn cdn(plan: &Plan) -> Value {
    let cdn = plan.cdn.unwrap_or_default();
    json!({
        "cdn_fup_enabled": plan.cdn.is_some(),
        "cdn_profile_id": plan.cdn.map(|it| it.profile_id),
        "cdn_download_speed": cdn.speed.down,
        "cdn_upload_speed": cdn.speed.up,
    })
}

fn tiers(plan: &Plan) -> Value {
    let cdn = plan.cdn.unwrap_or_default();
    let kinds: [(&str, &[Tier]); 4] = [
        ("fup", &plan.daily),
        ("monthly_fup", &plan.monthly),
        ("cdn_fup", &cdn.daily),
        ("monthly_cdn_fup", &cdn.monthly),
    ];
    let mut members = Map::new();
    for (kind, tiers) in kinds {
        for (number, tier) in (1..).zip(tiers) {
            members.insert(format!("{kind}{number}_threshold"), json!(tier.threshold));
            members.insert(format!("{kind}{number}_download_speed"), json!(tier.speed.down));
            members.insert(format!("{kind}{number}_upload_speed"), json!(tier.speed.up));
        }
    }
    Value::Object(members)
}
