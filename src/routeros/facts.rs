//! What a router says about itself.

use super::{
    Error, Router,
    command::Command,
    value::{seconds, text},
    wire::Row,
};

/// What router it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name for itself.
    pub identity: String,
    /// Of RouterOS, as it says.
    pub version: String,
    /// The board's name.
    pub board: String,
    /// Seconds since it was started.
    pub uptime_seconds: u64,
}

/// A PPP profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its rate limit as entered; a queue of its own would hide the traffic from ours, so it should be empty.
    pub rate_limit: String,
    /// Whether a second session of a user ends the first: "default", "yes" or "no".
    pub only_one: String,
    /// The router's end of its tunnels: an address, or the name of a pool; empty where it has none.
    pub local_address: String,
}

/// A property as text; absent is empty.
pub(super) fn property(row: &Row<'_>, key: &str) -> String {
    row.get(key).map(|value| text(value).into_owned()).unwrap_or_default()
}

/// Identity, version, board and uptime: two prints, sent together.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn facts(router: &Router) -> Result<Facts, Error> {
    let identity = Command::print("/system/identity/print", "name");
    let (names, resources) = router
        .print_both((identity, |row| Ok(Some(property(row, "name")))), (resource(), |row| Ok(Some(of_resource(row)))))
        .await?;
    let (version, board, uptime) = one(router, resources)?;
    let identity = names.into_iter().next().unwrap_or_default();
    Ok(Facts { identity, version, board, uptime_seconds: since(router, vec![uptime])? })
}

/// Seconds since the router was started: tells a reboot.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn uptime_seconds(router: &Router) -> Result<u64, Error> {
    since(router, router.print(uptime(), |row| Ok(Some(property(row, "uptime")))).await?)
}

/// The print whose rows [`since`] reads.
pub(super) fn uptime() -> Command {
    Command::print("/system/resource/print", "uptime")
}

/// The ranges of an address pool, as the router writes them; `None` where it has no pool of that name.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn pool_ranges(router: &Router, name: &str) -> Result<Option<Vec<String>>, Error> {
    let command = Command::print("/ip/pool/print", "name,ranges").any("name", name);
    let rows = router.print(command, |row| Ok(Some(property(row, "ranges")))).await?;
    Ok(rows.into_iter().next().map(|ranges| ranges.split(',').map(str::to_owned).collect()))
}

/// Every PPP profile.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn profiles(router: &Router) -> Result<Vec<Profile>, Error> {
    let command = Command::print("/ppp/profile/print", "name,rate-limit,only-one,local-address");
    let take = |row: &Row<'_>| {
        let name = property(row, "name");
        if name.is_empty() {
            return Err("a PPP profile without a name".to_owned());
        }
        Ok(Some(Profile {
            name,
            rate_limit: property(row, "rate-limit"),
            only_one: property(row, "only-one"),
            local_address: property(row, "local-address"),
        }))
    };
    router.print(command, take).await
}

/// Every address pool: its name and its ranges, as the router writes them.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn pools_and_ranges(router: &Router) -> Result<Vec<(String, Vec<String>)>, Error> {
    let take = |row: &Row<'_>| {
        Ok(Some((property(row, "name"), property(row, "ranges").split(',').map(str::to_owned).collect())))
    };
    router.print(Command::print("/ip/pool/print", "name,ranges"), take).await
}

/// The names of the router's address pools.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn pools(router: &Router) -> Result<Vec<String>, Error> {
    let take = |row: &Row<'_>| Ok(Some(property(row, "name")).filter(|name| !name.is_empty()));
    router.print(Command::print("/ip/pool/print", "name"), take).await
}

fn resource() -> Command {
    Command::print("/system/resource/print", "uptime,version,board-name")
}

fn of_resource(row: &Row<'_>) -> (String, String, String) {
    (property(row, "version"), property(row, "board-name"), property(row, "uptime"))
}

fn one<T>(router: &Router, rows: Vec<T>) -> Result<T, Error> {
    rows.into_iter().next().ok_or_else(|| router.strange("/system/resource/print answered no row"))
}

/// The uptime in the one row of `/system/resource`, as seconds.
pub(super) fn since(router: &Router, rows: Vec<String>) -> Result<u64, Error> {
    let uptime = one(router, rows)?;
    seconds(&uptime).ok_or_else(|| router.strange(format!("an uptime of {uptime:?}")))
}
