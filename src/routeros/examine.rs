//! What an examination reads of a router beyond what the product needs day by day: its clock, API user, services, VPN
//! servers, and what its interfaces counted. Prints only: nothing here changes anything.

mod fasttrack;
mod holding;

pub use fasttrack::{FastTrack, fast_track};
pub use holding::{Difference, HeldSecret, Holding, differences, held, holding};

use super::{
    Error, Router,
    command::Command,
    facts::property,
    sessions,
    value::{number, truth},
    wire::Row,
};
use crate::units::Volume;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use secrecy::SecretString;
use std::collections::HashMap;

/// The API user as the router knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUser {
    /// Its group's name.
    pub group: String,
    /// What the group may do: `read`, `write`, `api`, …
    pub policies: Vec<String>,
    /// The names of all groups there.
    pub groups: Vec<String>,
}

/// A row of `/ip/service`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `api`, `api-ssl`, …
    pub name: String,
    /// Who may connect; empty: everybody.
    pub addresses: String,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The certificate's name; empty or `none`: none.
    pub certificate: String,
}

/// A VPN server as it is set up.
#[derive(Clone, Debug)]
pub struct VpnServer {
    /// Whether it is on.
    pub enabled: bool,
    /// `use-ipsec`: no, yes, required; empty where the server has no such setting.
    pub use_ipsec: String,
    /// The pre-shared key, where the router shows it.
    pub psk: Option<SecretString>,
}

/// The API user of that name, with the policies of its group; None where the router has no such local user.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn api_user(router: &Router, username: &str) -> Result<Option<ApiUser>, Error> {
    let users = Command::print("/user/print", "name,group").any("name", username);
    let groups = Command::print("/user/group/print", "name,policy");
    let group = |row: &Row<'_>| Ok(Some(property(row, "group")));
    let policy = |row: &Row<'_>| Ok(Some((property(row, "name"), property(row, "policy"))));
    let (users, groups) = router.print_both((users, group), (groups, policy)).await?;
    let Some(group) = users.into_iter().next() else { return Ok(None) };
    let policy = groups.iter().find(|(name, _)| *name == group).map(|(_, policy)| policy.clone()).unwrap_or_default();
    let granted = policy.split(',').map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('!'));
    let policies = granted.map(str::to_owned).collect();
    Ok(Some(ApiUser { policies, group, groups: groups.into_iter().map(|(name, _)| name).collect() }))
}

/// The router's own services.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn services(router: &Router) -> Result<Vec<Service>, Error> {
    let take = |row: &Row<'_>| {
        Ok(Some(Service {
            name: property(row, "name"),
            addresses: property(row, "address"),
            disabled: row.get("disabled").is_some_and(truth),
            certificate: property(row, "certificate"),
        }))
    };
    router.print(Command::print("/ip/service/print", "name,address,disabled,certificate"), take).await
}

/// The instant that the router's clock shows; None where it cannot be read.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn clock(router: &Router) -> Result<Option<DateTime<Utc>>, Error> {
    let take = |row: &Row<'_>| Ok(Some((property(row, "date"), property(row, "time"), property(row, "gmt-offset"))));
    let rows = router.print(Command::print("/system/clock/print", "date,time,gmt-offset"), take).await?;
    Ok(rows.into_iter().next().and_then(|(date, time, offset)| instant(&date, &time, &offset)))
}

/// When the certificate of that name ends; None where the router does not say.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn certificate_end(router: &Router, name: &str) -> Result<Option<DateTime<Utc>>, Error> {
    let command = Command::print("/certificate/print", "name,invalid-after").any("name", name);
    let rows = router.print(command, |row| Ok(Some(property(row, "invalid-after")))).await?;
    let read = |text: &String| {
        let (date, time) = text.split_once(' ')?;
        instant(date, time, "+00:00")
    };
    Ok(rows.first().and_then(read))
}

/// The L2TP server.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn l2tp_server(router: &Router) -> Result<Option<VpnServer>, Error> {
    let command = Command::print("/interface/l2tp-server/server/print", "enabled,use-ipsec,ipsec-secret");
    Ok(router.print(command, |row| Ok(Some(vpn_server(row)))).await?.into_iter().next())
}

/// The PPtP server.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn pptp_server(router: &Router) -> Result<Option<VpnServer>, Error> {
    let command = Command::print("/interface/pptp-server/server/print", "enabled");
    Ok(router.print(command, |row| Ok(Some(vpn_server(row)))).await?.into_iter().next())
}

fn vpn_server(row: &Row<'_>) -> VpnServer {
    VpnServer {
        enabled: row.get("enabled").is_some_and(truth),
        use_ipsec: property(row, "use-ipsec"),
        psk: row.get("ipsec-secret").map(|_| property(row, "ipsec-secret").into()),
    }
}

/// What the interfaces of live sessions have counted, by user name. Sessions over a static server binding are not among
/// them: their interface has a name of its own.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn session_traffic(router: &Router) -> Result<HashMap<String, Volume>, Error> {
    let mut command = Command::print("/interface/print", "name,rx-byte,tx-byte");
    for kind in ["l2tp-in", "pptp-in", "sstp-in", "ovpn-in", "pppoe-in"] {
        command = command.any("type", kind);
    }
    let counted = |row: &Row<'_>| {
        let bytes = |key| row.get(key).and_then(number);
        // The router's receiving is the customer's sending.
        Ok(bytes("tx-byte").zip(bytes("rx-byte")).map(|(down, up)| (property(row, "name"), Volume::new(down, up))))
    };
    let all = Command::print(sessions::PRINT, sessions::ROW);
    let (interfaces, sessions) = router.print_both((command, counted), (all, sessions::session)).await?;
    let interfaces: HashMap<String, Volume> = interfaces.into_iter().collect();
    let of = |session: super::Session| {
        let counted = *interfaces.get(&format!("<{}-{}>", session.service, session.name))?;
        Some((session.name, counted))
    };
    Ok(sessions.into_iter().filter_map(of).collect())
}

/// An instant from RouterOS's date (`2026-01-31`, or `jan/31/2026` before 7.10), time and offset (`+02:00`).
fn instant(date: &str, time: &str, offset: &str) -> Option<DateTime<Utc>> {
    let date = day(date)?;
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S").ok()?;
    let (hours, minutes) = offset.trim_start_matches(['+', '-']).split_once(':')?;
    let seconds = i32::from(hours.parse::<u8>().ok()?) * 3600 + i32::from(minutes.parse::<u8>().ok()?) * 60;
    let zone = FixedOffset::east_opt(if offset.starts_with('-') { -seconds } else { seconds })?;
    NaiveDateTime::new(date, time).and_local_timezone(zone).single().map(|at| at.to_utc())
}

fn day(text: &str) -> Option<NaiveDate> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if let Ok(date) = text.parse() {
        return Some(date);
    }
    let mut parts = text.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|it| month.eq_ignore_ascii_case(it))?;
    NaiveDate::from_ymd_opt(year.parse().ok()?, u32::try_from(month).ok()? + 1, day.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routers_clock_is_read_in_both_spellings_and_any_zone() {
        let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
        assert_eq!(instant("2026-11-20", "14:00:00", "+02:00"), at("2026-11-20T12:00:00Z"));
        assert_eq!(instant("nov/20/2026", "06:30:00", "-05:30"), at("2026-11-20T12:00:00Z"));
        assert_eq!(instant("2026-11-20", "12:00:00", "+00:00"), at("2026-11-20T12:00:00Z"));
        for wrong in [("2026-13-01", "00:00:00"), ("xyz/01/2026", "00:00:00"), ("2026-01-01", "25:00:00"), ("", "")] {
            assert_eq!(instant(wrong.0, wrong.1, "+00:00"), None, "{wrong:?}");
        }
        assert_eq!(instant("2026-01-01", "00:00:00", ""), None);
    }
}
