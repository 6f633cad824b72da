//! PPP secrets: who may dial in. Found by name, ours by mark; the password is never read into a row.

use super::{
    Error, Mark, QueueRow, Router,
    command::Command,
    facts::property,
    queues::{self, queue},
    value::truth,
    wanted::settle,
    wire::Row,
};
use secrecy::SecretString;
use std::net::Ipv4Addr;

/// The properties of a [`SecretRow`].
pub(super) const ROW: &str = ".id,name,service,profile,remote-address,disabled,comment";
pub(super) const PRINT: &str = "/ppp/secret/print";
pub(super) const SET: &str = "/ppp/secret/set";

/// A PPP secret, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// RouterOS's id.
    pub id: String,
    /// The user name.
    pub name: String,
    /// any, l2tp, pptp …
    pub service: String,
    /// The PPP profile's name.
    pub profile: String,
    /// The fixed address; None where it has none (or a pool).
    pub address: Option<Ipv4Addr>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Its comment; see [`Mark`].
    pub comment: String,
}

/// What a router has under a service's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The service's secret.
    pub secret: Option<SecretRow>,
    /// The service's queue.
    pub queue: Option<QueueRow>,
    /// Whether there is a secret of that name that is not this service's.
    pub foreign_secret: bool,
    /// The fixed addresses of such secrets.
    pub foreign_addresses: Vec<Ipv4Addr>,
    /// Whether there is a queue of that name that is not this service's.
    pub foreign_queue: bool,
}

/// Reads a row of a print with the properties [`ROW`].
pub(super) fn secret(row: &Row<'_>) -> Result<Option<SecretRow>, String> {
    let (id, name) = (property(row, ".id"), property(row, "name"));
    if id.is_empty() {
        return Err(format!("PPP secret {name:?} without an id"));
    }
    Ok(Some(SecretRow {
        id,
        name,
        service: property(row, "service"),
        profile: property(row, "profile"),
        address: property(row, "remote-address").parse().ok(),
        disabled: row.get("disabled").is_some_and(truth),
        comment: property(row, "comment"),
    }))
}

pub(super) fn named(username: &str) -> Command {
    Command::print(PRINT, ROW).any("name", username)
}

/// What the router has under that name, ours and foreign: two prints, sent together.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn find(router: &Router, username: &str, mark: &Mark) -> Result<Found, Error> {
    let queues = Command::print(queues::PRINT, queues::ROW).any("name", username);
    let (secrets, queues) = router.print_both((named(username), secret), (queues, queue)).await?;
    let foreign_secret = secrets.iter().any(|row| !mark.owns(&row.comment));
    let foreign_addresses =
        secrets.iter().filter(|row| !mark.owns(&row.comment)).filter_map(|row| row.address).collect();
    let foreign_queue = queues.iter().any(|row| !mark.owns(&row.comment));
    Ok(Found {
        secret: secrets.into_iter().find(|row| mark.owns(&row.comment)),
        queue: queues.into_iter().find(|row| mark.owns(&row.comment)),
        foreign_secret,
        foreign_addresses,
        foreign_queue,
    })
}

/// Every secret, ours and foreign.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn secrets(router: &Router) -> Result<Vec<SecretRow>, Error> {
    router.print(Command::print(PRINT, ROW), secret).await
}

/// Switches a service's secret off or on; sessions are the caller's to end ([`super::kick`]). False where it has none.
///
/// # Errors
/// Any [`Error`]; after `OutcomeUnknown` it was tried to find out, in vain.
pub async fn set_disabled(router: &Router, username: &str, mark: &Mark, disabled: bool) -> Result<bool, Error> {
    settle(router, |router| async move {
        let mut ours = router.print(named(username), secret).await?;
        ours.retain(|row| mark.owns(&row.comment));
        let wrong: Vec<_> = ours.iter().filter(|row| row.disabled != disabled).map(|row| row.id.as_str()).collect();
        if !wrong.is_empty() {
            let command = Command::write(SET).set(".id", &wrong.join(",")).switch("disabled", disabled);
            router.write(command).await?;
        }
        Ok(!ours.is_empty())
    })
    .await
}

/// Sets a service's password; sessions are the caller's to end. False where it has no secret.
///
/// # Errors
/// As [`set_disabled`].
pub async fn set_password(
    router: &Router,
    username: &str,
    mark: &Mark,
    password: &SecretString,
) -> Result<bool, Error> {
    settle(router, |router| async move {
        let mut ours = router.print(named(username), secret).await?;
        ours.retain(|row| mark.owns(&row.comment));
        let ids: Vec<_> = ours.iter().map(|row| row.id.as_str()).collect();
        if !ids.is_empty() {
            // Setting it again after a lost reply changes nothing: found again by name and mark, it is the same word.
            let command = Command::write(SET).set(".id", &ids.join(",")).secret("password", password);
            router.write(command).await?;
        }
        Ok(!ids.is_empty())
    })
    .await
}
