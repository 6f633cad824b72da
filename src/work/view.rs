//! Accounts and their usage as the contract spells them.

use crate::{
    account::{Account, causes::Causes, pending},
    app::App,
    db::Conn,
    problem::Problem,
    units::{Bytes, Volume},
    usage::{days::month_of, figures::Figures},
};
use serde::Serialize;
use serde_json::{Value, json};

/// The contract's `account`, but for the size of a GB (see [`with_gigabyte`]).
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
        "next_cycle_bytes": account.next_packet(),
        "pending": pending::count(conn, account.service_id).await?,
    }))
}

/// The answer to what is in the books, and stays so; with what the router said where it refuses its part.
pub async fn booked(app: &App, service_id: u64, refused: Option<String>) -> Result<Value, Problem> {
    let mut conn = app.db.read().await?;
    let found = Account::find(&mut conn, service_id).await?.ok_or_else(|| super::no_such_service(service_id))?;
    let mut answer = json!({"account": account(&mut conn, &found).await?});
    if let Some(warning) = refused {
        answer["warning"] = warning.into();
    }
    Ok(answer)
}

/// An answer whose `account`, if it has one, also says how long a GB is here: WHMCS words bytes in mails that go out before
/// it has asked for any page.
pub fn with_gigabyte(app: &App, mut answer: Value) -> Value {
    if let Some(account) = answer.get_mut("account").and_then(Value::as_object_mut) {
        account.insert("bytes_per_gb".to_owned(), app.config.traffic.gb.bytes().into());
    }
    answer
}

/// The month in which today falls, `YYYY-MM`.
pub fn this_month(app: &App) -> String {
    month_of(app.today())
}

/// The contract's `usage`.
#[derive(Debug, Serialize)]
pub struct Usage {
    service_id: u64,
    month: Month,
    bandwidth_used_mb: u64,
    bandwidth_limit_mb: u64,
    balance_bytes: Option<i64>,
    enabled: bool,
    causes: Vec<&'static str>,
    last_reading_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Month {
    download_bytes: Bytes,
    upload_bytes: Bytes,
}

/// An account's figures as they are told.
pub fn usage(it: &Figures, month: Volume) -> Usage {
    let causes = Causes { billing: it.billing, quota: it.quota, admin: it.admin, ..Causes::default() };
    Usage {
        service_id: it.service_id,
        month: Month { download_bytes: month.down, upload_bytes: month.up },
        bandwidth_used_mb: month.total().megabytes_up(),
        bandwidth_limit_mb: it.packet.map_or(0, Bytes::megabytes_up),
        balance_bytes: it.packet.map(|_| it.balance),
        enabled: causes.is_enabled(),
        causes: causes.names(),
        last_reading_at: it.read_at.map(super::instant),
    }
}
