//! Accounts and their usage as the contract spells them.

use crate::{
    account::{Account, pending},
    app::App,
    db::Conn,
    problem::Problem,
    units::Volume,
    usage::{counters::Baseline, days::month_of},
};
use serde_json::{Value, json};

/// The contract's `account`.
pub async fn account(conn: &mut Conn, account: &Account) -> Result<Value, Problem> {
    Ok(json!({
        "service_id": account.service_id,
        "username": account.username,
        "address": account.address.to_string(),
        "enabled": account.causes.is_enabled(),
        "causes": account.causes.names(),
        "download_kbps": account.settings.speed.down,
        "upload_kbps": account.settings.speed.up,
        "metered": account.is_metered(),
        "balance_bytes": account.is_metered().then_some(account.balance),
        "pending": pending::count(conn, account.service_id).await?,
    }))
}

/// The month in which today falls, `YYYY-MM`.
pub fn this_month(app: &App) -> String {
    month_of(app.today())
}

/// The contract's `usage`.
pub fn usage(account: &Account, month: Volume, baseline: Option<&Baseline>) -> Value {
    json!({
        "service_id": account.service_id,
        "month": {"download_bytes": month.down, "upload_bytes": month.up},
        "bandwidth_used_mb": month.total().megabytes_up(),
        "bandwidth_limit_mb": account.settings.packet.map_or(0, crate::units::Bytes::megabytes_up),
        "balance_bytes": account.is_metered().then_some(account.balance),
        "enabled": account.causes.is_enabled(),
        "causes": account.causes.names(),
        "last_reading_at": baseline.map(|it| super::instant(it.booked_at)),
    })
}
