//! Secrets of a service under another name than its own: somebody renamed or copied them on the router, and left the mark.
//!
//! Ours is what bears the mark and gives the service's address, whatever its name: whoever is to be off is off under every
//! name, and nothing of an ended service lets anybody in. By the mark alone it could be another WHMCS's, with the same prefix
//! and a service of the same number. Nobody is let in under another name by us.

use super::{
    Error, Mark, Router, SecretRow,
    command::Command,
    secrets::{self, secret},
    sessions::kick,
    wanted::settle,
};
use std::net::Ipv4Addr;

/// A service's own user name and address.
pub type Own<'a> = (&'a str, Ipv4Addr);

/// What a print of all secrets reads of each.
const MARKED: &str = ".id,name,remote-address,disabled,comment";

/// Switches off what lets the service's customer in under another name, and ends the sessions of that name. False where there
/// is nothing of the kind.
///
/// # Errors
/// Any [`Error`]; the same call again finishes the work.
pub async fn switch_off_renamed(router: &Router, own: Own<'_>, mark: &Mark) -> Result<bool, Error> {
    let renamed = settle(router, |router| async move {
        let renamed = find(&router, own, mark).await?;
        let on: Vec<_> = renamed.iter().filter(|row| !row.disabled).map(|row| row.id.as_str()).collect();
        if !on.is_empty() {
            let command = Command::write(secrets::SET).set(".id", &on.join(",")).switch("disabled", true);
            router.write(command).await?;
        }
        Ok(renamed)
    })
    .await?;
    let mut names: Vec<&str> = renamed.iter().map(|row| row.name.as_str()).collect();
    names.dedup();
    for name in names {
        kick_ours(router, name, mark).await?;
    }
    Ok(!renamed.is_empty())
}

/// Removes what lets the service's customer in under another name, its sessions first: once it is gone nobody would know
/// them.
///
/// # Errors
/// Any [`Error`]; the same call again finishes the work.
pub async fn remove_renamed(router: &Router, own: Own<'_>, mark: &Mark) -> Result<(), Error> {
    if !switch_off_renamed(router, own, mark).await? {
        return Ok(());
    }
    settle(router, |router| async move {
        let renamed = find(&router, own, mark).await?;
        let ids: Vec<_> = renamed.iter().map(|row| row.id.as_str()).collect();
        if !ids.is_empty() {
            router.write(Command::write("/ppp/secret/remove").set(".id", &ids.join(","))).await?;
        }
        Ok(())
    })
    .await
}

async fn find(router: &Router, (username, address): Own<'_>, mark: &Mark) -> Result<Vec<SecretRow>, Error> {
    let mut ours = router.print(secrets::named(username).any("comment", &mark.comment()), secret).await?;
    ours.retain(|row| mark.owns(&row.comment));
    if ours.is_empty() {
        // It may hold an e-mail address of before, which no query knows: all of them are read, for once.
        let whose = mark.clone();
        let take = move |row: &super::wire::Row<'_>| Ok(secret(row)?.filter(|row| whose.owns(&row.comment)));
        ours = router.print(Command::print(secrets::PRINT, MARKED), take).await?;
    }
    ours.retain(|row| row.name != username && row.address == Some(address));
    Ok(ours)
}

/// Sessions are known by name only: where it is also somebody else's they are left alone.
async fn kick_ours(router: &Router, name: &str, mark: &Mark) -> Result<(), Error> {
    let named = router.print(secrets::named(name), secret).await?;
    if named.iter().all(|row| mark.owns(&row.comment)) {
        kick(router, name).await?;
    }
    Ok(())
}
