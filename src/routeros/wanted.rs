//! "Ensure exists": a service's secret and queue as they should be, from whatever is there.
//!
//! All names are looked at before anything is changed. The queue comes first, so that a customer who can dial in is
//! limited and counted; any cut leaves something that the next call finishes. What a lost reply or a race left behind
//! is found by name and mark.

use super::{
    CdnQueue, Error, Mark, Router, SecretRow, TRIES,
    cdn::{cdn_queue_name, settle_cdn},
    command::Command,
    facts::property,
    queues::{self, QueueRow, both_kinds, placed, queue},
    secrets::{self, secret},
    value::single,
};
use crate::plan::burst::Rate;
use secrecy::{ExposeSecret, SecretString};
use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// A service as it should be on its router.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name of secret and queue.
    pub username: String,
    /// The PPP password.
    pub password: SecretString,
    /// any, l2tp, pptp …
    pub ppp_service: String,
    /// The PPP profile; must exist.
    pub profile: String,
    /// The customer's fixed address.
    pub address: Ipv4Addr,
    /// Whether the secret is switched off.
    pub disabled: bool,
    /// The queue's limits.
    pub rate: Rate,
    /// The queue's types, `upload/download` or one for both; `None` leaves them as they are.
    pub queue_type: Option<String>,
    /// The queue of CDN traffic, where it is counted apart; `None`: it has none.
    pub cdn: Option<CdnQueue>,
    /// The service's mark.
    pub mark: Mark,
}

/// What [`ensure`] found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// The queue's id.
    pub queue_id: String,
    /// The secret was not there before.
    pub secret_created: bool,
    /// The queue was not there before: its counters begin at zero.
    pub queue_created: bool,
    /// Something there was made or was seen to differ. A password that cannot be read back is set without counting.
    pub changed: bool,
}

#[derive(Default)]
struct Done {
    secret: AtomicBool,
    queue: AtomicBool,
    changed: AtomicBool,
}

/// Makes the router as wanted.
///
/// # Errors
/// `NameTaken` before anything is changed; `Refused` with the router's words (an unknown profile, say); the rest as
/// everywhere. After an error the same call again finishes the work.
pub async fn ensure(router: &Router, wanted: &Wanted) -> Result<Ensured, Error> {
    let done = Done::default();
    let tell = &done;
    let queue_id = settle(router, |router| async move { once(&router, wanted, tell).await }).await?;
    Ok(Ensured {
        queue_id,
        secret_created: done.secret.load(Relaxed),
        queue_created: done.queue.load(Relaxed),
        changed: done.changed.load(Relaxed),
    })
}

/// Does something that looks before it acts; when a reply was lost, or the router changed between look and act, it is
/// done again from its look on, [`TRIES`] times in all. What stays unknown is said to be.
pub(super) async fn settle<T, F, Fut>(router: &Router, attempt: F) -> Result<T, Error>
where
    F: Fn(Router) -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let mut router = router.clone();
    let mut unknown = None;
    let mut left = TRIES;
    loop {
        left -= 1;
        match attempt(router.clone()).await {
            Err(error) if left > 0 && error.asks_for_a_look() => {
                tracing::debug!(router = router.name(), %error, "looking again");
                if error.is_away() {
                    unknown = Some(error);
                    router = router.patient();
                }
            }
            Err(error @ Error::Unreachable { .. }) => return Err(unknown.unwrap_or(error)),
            done => return done,
        }
    }
}

async fn once(router: &Router, wanted: &Wanted, done: &Done) -> Result<String, Error> {
    let name = wanted.username.as_str();
    let secrets = Command::print(secrets::PRINT, &format!("{},password", secrets::ROW)).any("name", name);
    let cdn_name = cdn_queue_name(name);
    let queues = Command::print(queues::PRINT, queues::ROW).any("name", name).any("name", &cdn_name);
    let password = wanted.password.clone();
    let take = move |row: &super::wire::Row<'_>| {
        let same = row.get("password").is_some_and(|found| found == password.expose_secret().as_bytes());
        Ok(secret(row)?.map(|row| (row, same)))
    };
    let (secrets, queues) = router.print_both((secrets, take), (queues, queue)).await?;
    let (cdn, queues): (Vec<_>, Vec<_>) = placed(queues).into_iter().partition(|row| row.name == cdn_name);
    let taken = |what, name: &str| Error::NameTaken { router: router.name().to_owned(), what, name: name.to_owned() };
    if secrets.iter().any(|(row, _)| !wanted.mark.owns(&row.comment)) {
        return Err(taken("secret", name));
    }
    if queues.iter().any(|row| !wanted.mark.owns(&row.comment)) {
        return Err(taken("queue", name));
    }
    let ours = cdn.iter().find(|row| wanted.mark.owns(&row.comment));
    if wanted.cdn.is_some() && ours.is_none() && !cdn.is_empty() {
        return Err(taken("queue", &cdn_name));
    }
    let id = settle_queue(router, wanted, queues.first(), done).await?;
    settle_cdn(router, wanted, (&id, queues.first().map(|row| row.place)), ours, &done.changed).await?;
    settle_secret(router, wanted, &secrets, done).await?;
    Ok(id)
}

/// Notes what was made; a lost reply counts, since what is found afterwards can only have come from it.
pub(super) fn note<T>(made: Result<T, Error>, flags: &[&AtomicBool]) -> Result<T, Error> {
    if matches!(made, Ok(_) | Err(Error::OutcomeUnknown { .. })) {
        for flag in flags {
            flag.store(true, Relaxed);
        }
    }
    made
}

async fn settle_queue(
    router: &Router,
    wanted: &Wanted,
    found: Option<&QueueRow>,
    done: &Done,
) -> Result<String, Error> {
    let target = format!("{}/32", wanted.address);
    let Some(found) = found else {
        let command = Command::write("/queue/simple/add")
            .set("name", &wanted.username)
            .set("target", &target)
            .set("comment", &wanted.mark.comment());
        let mut command = queues::limits(command, wanted.rate);
        if let Some(kind) = &wanted.queue_type {
            command = command.set("queue", &both_kinds(kind));
        }
        let made = note(router.write(command).await, &[&done.queue, &done.changed])?;
        return match made {
            Some(id) => Ok(id),
            None => made_queue(router, wanted).await,
        };
    };
    let mut command = Command::write(queues::SET).set(".id", &found.id);
    let mut differs = false;
    let mut differ = |is: bool| {
        differs |= is;
        is
    };
    if differ(single(&found.target) != Some(wanted.address)) {
        command = command.set("target", &target);
    }
    if differ(!found.runs_at(wanted.rate)) {
        command = queues::limits(command, wanted.rate);
    }
    if let Some(kind) = &wanted.queue_type
        && differ(!found.is_of_kind(kind))
    {
        command = command.set("queue", &both_kinds(kind));
    }
    if differ(found.comment != wanted.mark.comment()) {
        command = command.set("comment", &wanted.mark.comment());
    }
    if differ(found.disabled) {
        command = command.switch("disabled", false);
    }
    if differs {
        note(queues::change(router, &found.id, command).await, &[&done.changed])?;
    }
    Ok(found.id.clone())
}

/// Some versions and menus answer an `add` without the new id.
async fn made_queue(router: &Router, wanted: &Wanted) -> Result<String, Error> {
    let command = Command::print(queues::PRINT, ".id,comment").any("name", &wanted.username);
    let rows = router.print(command, |row| Ok(Some((property(row, ".id"), property(row, "comment"))))).await?;
    let ours = rows.into_iter().find(|(_, comment)| wanted.mark.owns(comment));
    ours.map(|(id, _)| id).ok_or_else(|| router.strange("a queue that was just added is not there"))
}

async fn settle_secret(
    router: &Router,
    wanted: &Wanted,
    found: &[(SecretRow, bool)],
    done: &Done,
) -> Result<(), Error> {
    let (service, profile) = (wanted.ppp_service.as_str(), wanted.profile.as_str());
    let (address, comment) = (wanted.address.to_string(), wanted.mark.comment());
    let Some(((found, same_password), more)) = found.split_first() else {
        let command = Command::write("/ppp/secret/add")
            .set("name", &wanted.username)
            .secret("password", &wanted.password)
            .set("service", service)
            .set("profile", profile)
            .set("remote-address", &address)
            .switch("disabled", wanted.disabled)
            .set("comment", &comment);
        note(router.write(command).await, &[&done.secret, &done.changed])?;
        return Ok(());
    };
    if !more.is_empty() {
        // RouterOS may keep one secret of a name per PPP service; the service has one.
        let ids: Vec<_> = more.iter().map(|(row, _)| row.id.as_str()).collect();
        let command = Command::write("/ppp/secret/remove").set(".id", &ids.join(","));
        note(router.write(command).await, &[&done.changed])?;
    }
    let mut command = Command::write(secrets::SET).set(".id", &found.id);
    let mut differs = false;
    for (key, is, should) in [
        ("service", found.service.as_str(), service),
        ("profile", &found.profile, profile),
        ("remote-address", &found.address.map(|a| a.to_string()).unwrap_or_default(), &address),
        ("comment", &found.comment, &comment),
    ] {
        if is != should {
            command = command.set(key, should);
            differs = true;
        }
    }
    if found.disabled != wanted.disabled {
        command = command.switch("disabled", wanted.disabled);
        differs = true;
    }
    if !same_password {
        command = command.secret("password", &wanted.password);
    }
    if differs {
        note(router.write(command).await, &[&done.changed])?;
    } else if !same_password {
        router.write(command).await?;
    }
    Ok(())
}
