//! The client page's answer as the contract spells it, written straight to JSON: a page has a month of days, two years of
//! months and two pictures in it.

use crate::{
    account::Account,
    router::Server,
    routeros::Session,
    units::{Bytes, Gigabyte, Kbps},
    usage::history::Moved,
};
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;
use std::net::Ipv4Addr;

/// The page but for its history.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    pub(super) state: &'static str,
    pub(super) information: Option<Information<'a>>,
    pub(super) connection: Option<Connection<'a>>,
    pub(super) traffic: Option<Traffic<'a>>,
    pub(super) netflow: Option<Value>,
    pub(super) plan: Value,
}

impl Shown<'_> {
    /// Of a service that has no account.
    pub(super) fn nothing(state: &'static str, netflow: Option<Value>) -> Self {
        Self { state, information: None, connection: None, traffic: None, netflow, plan: Value::Null }
    }
}

/// How to dial in. Holds secrets: no Debug.
#[derive(Serialize)]
pub(super) struct Information<'a> {
    instruction_url: Option<&'a str>,
    server_address: Option<&'a str>,
    protocols: Vec<&'static str>,
    l2tp_psk: Option<&'a str>,
    username: &'a str,
    password: &'a str,
    download_kbps: Kbps,
    upload_kbps: Kbps,
}

impl<'a> Information<'a> {
    pub(super) fn of(account: &'a Account, server: Option<&'a Server>, password: &'a str, psk: &'a str) -> Self {
        let terms = &account.settings;
        let offered = [(terms.support_pptp, "PPtP"), (terms.support_l2tp, "L2TP")];
        let dialled = |it: &'a Server| if it.told.hostname.is_empty() { &it.told.address } else { &it.told.hostname };
        Self {
            instruction_url: terms.instruction_url.as_deref(),
            server_address: server.map(|server| dialled(server).as_str()),
            protocols: offered.into_iter().filter_map(|(on, name)| on.then_some(name)).collect(),
            l2tp_psk: Some(psk).filter(|psk| terms.support_l2tp && !psk.is_empty()),
            username: &account.username,
            password,
            download_kbps: terms.speed.down,
            upload_kbps: terms.speed.up,
        }
    }
}

/// Whether it is online.
#[derive(Serialize)]
pub(super) struct Connection<'a> {
    status: &'static str,
    as_of: Option<String>,
    address: Option<Ipv4Addr>,
    caller_id: Option<&'a str>,
    service: Option<&'a str>,
    uptime_seconds: Option<u64>,
}

impl<'a> Connection<'a> {
    /// The router did not say; it was last known at that instant.
    pub(super) fn unknown(as_of: Option<String>) -> Self {
        Self { status: "unknown", as_of, address: None, caller_id: None, service: None, uptime_seconds: None }
    }

    /// As the router said.
    pub(super) fn seen(session: Option<&'a Session>, as_of: String) -> Self {
        Self {
            status: if session.is_some() { "online" } else { "offline" },
            as_of: Some(as_of),
            address: session.and_then(|it| it.address),
            caller_id: session.map(|it| it.caller_id.as_str()),
            service: session.map(|it| it.service.as_str()),
            uptime_seconds: session.map(|it| it.uptime_seconds),
        }
    }
}

/// The balance.
#[derive(Serialize)]
pub(super) struct Traffic<'a> {
    metered: bool,
    balance_bytes: Option<i64>,
    next_cycle_bytes: Option<Bytes>,
    next_cycle_date: Option<NaiveDate>,
    blocked_by: Option<&'a str>,
    bytes_per_gb: u64,
}

impl<'a> Traffic<'a> {
    pub(super) fn of(account: &'a Account, gb: Gigabyte) -> Self {
        let metered = account.is_metered();
        Self {
            metered,
            balance_bytes: metered.then_some(account.balance),
            next_cycle_bytes: account.next_packet(),
            next_cycle_date: account.next_cycle_on(),
            blocked_by: account.causes.foremost(),
            bytes_per_gb: gb.bytes(),
        }
    }
}

/// The page's history: the same at every view until something is booked.
#[derive(Default, Serialize)]
pub(super) struct History<'a> {
    statistics: Statistics<'a>,
    charts: Charts,
}

impl<'a> History<'a> {
    pub(super) fn of(
        days: &[(NaiveDate, Moved)],
        months: &'a [(String, Moved)],
        days_svg: String,
        months_svg: String,
    ) -> Self {
        let statistics = Statistics {
            days: days.iter().map(|(date, moved)| Row::of_day(*date, *moved)).collect(),
            months: months.iter().map(|(month, moved)| Row::of_month(month, *moved)).collect(),
        };
        Self { statistics, charts: Charts { days_svg, months_svg } }
    }
}

/// Days and months, oldest first.
#[derive(Default, Serialize)]
struct Statistics<'a> {
    days: Vec<Row<'a>>,
    months: Vec<Row<'a>>,
}

/// A day's or a month's traffic; what is counted of it only where that is less.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    month: Option<&'a str>,
    download_bytes: Bytes,
    upload_bytes: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_download_bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_upload_bytes: Option<Bytes>,
}

impl<'a> Row<'a> {
    fn of_day(date: NaiveDate, moved: Moved) -> Self {
        Self { date: Some(date), ..Self::of(moved) }
    }

    fn of_month(month: &'a str, moved: Moved) -> Self {
        Self { month: Some(month), ..Self::of(moved) }
    }

    fn of(Moved { raw, counted }: Moved) -> Self {
        let less = counted != raw;
        Self {
            date: None,
            month: None,
            download_bytes: raw.down,
            upload_bytes: raw.up,
            counted_download_bytes: less.then_some(counted.down),
            counted_upload_bytes: less.then_some(counted.up),
        }
    }
}

/// The pictures.
#[derive(Default, Serialize)]
struct Charts {
    days_svg: String,
    months_svg: String,
}
