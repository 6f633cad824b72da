//! All that a router holds, compared with what it should hold: by the same rules by which [`super::super::ensure`] mends.

use crate::{
    plan::burst::Rate,
    routeros::{
        Error, QueueRow, Router, SecretRow, Wanted, cdn_queue_name,
        command::Command,
        queues::{self, placed, queue},
        secrets::{self, secret},
        value::single,
        wire::Row,
    },
};
use secrecy::{ExposeSecret, SecretString};
use std::{collections::HashMap, fmt};

/// Expected passwords by user name.
pub type Passwords = HashMap<String, SecretString>;

/// A secret, and whether its password is the one that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSecret {
    /// The secret.
    pub row: SecretRow,
    /// None where the router does not show it, or none was expected of that name.
    pub same_password: Option<bool>,
}

/// Every secret and every static queue of a router, ours and foreign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The secrets.
    pub secrets: Vec<HeldSecret>,
    /// The queues.
    pub queues: Vec<QueueRow>,
}

/// One way in which a router differs from what it should hold for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has no such object.
    Missing(&'static str),
    /// Something that is not ours has the name.
    Foreign(&'static str),
    /// It has more than one.
    Several(&'static str, usize),
    /// A property is not as it should be.
    Property {
        /// "secret", "queue" or "CDN queue".
        object: &'static str,
        /// RouterOS's name of it.
        property: &'static str,
        /// What it is.
        is: String,
        /// What it should be.
        should: String,
    },
    /// The password is another one.
    Password,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(object) => write!(f, "the {object} is missing"),
            Self::Foreign(object) => write!(f, "a {object} of this name is not ours"),
            Self::Several(object, count) => write!(f, "there are {count} {object}s of this name"),
            Self::Property { object, property, is, should } if is.is_empty() => {
                write!(f, "the {object} has no {property}, should be {should}")
            }
            Self::Property { object, property, is, should } => {
                write!(f, "the {object}'s {property} is {is}, should be {should}")
            }
            Self::Password => f.write_str("the secret's password is another one"),
        }
    }
}

/// Reads it all: two prints, sent together. `passwords` are the expected ones by user name; they are compared while the
/// rows stream in, and what the router shows is not kept.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn holding(router: &Router, passwords: Passwords) -> Result<Holding, Error> {
    read(router, passwords, |command, _| command).await
}

/// The same of what bears the names of one account alone: its own and its CDN queue's.
///
/// # Errors
/// As [`holding`].
pub async fn held(router: &Router, wanted: &Wanted) -> Result<Holding, Error> {
    let (name, cdn) = (wanted.username.as_str(), cdn_queue_name(&wanted.username));
    let passwords = Passwords::from([(name.to_owned(), wanted.password.clone())]);
    let named = |command: Command, queues: bool| {
        let command = command.any("name", name);
        if queues { command.any("name", &cdn) } else { command }
    };
    read(router, passwords, named).await
}

async fn read(
    router: &Router,
    passwords: Passwords,
    narrowed: impl Fn(Command, bool) -> Command,
) -> Result<Holding, Error> {
    let all = Command::print(secrets::PRINT, &format!("{},password", secrets::ROW));
    let take = move |row: &Row<'_>| {
        let Some(held) = secret(row)? else { return Ok(None) };
        // Without the policy `sensitive` there is no password, or an empty one.
        let shown = row.get("password").filter(|shown| !shown.is_empty());
        let expected = passwords.get(&held.name);
        let same_password = shown.zip(expected).map(|(shown, it)| shown == it.expose_secret().as_bytes());
        Ok(Some(HeldSecret { row: held, same_password }))
    };
    let queues = narrowed(Command::print(queues::PRINT, queues::ROW), true);
    let (secrets, queues) = router.print_both((narrowed(all, false), take), (queues, queue)).await?;
    Ok(Holding { secrets, queues: placed(queues) })
}

/// In what the objects of an account's name, and those of its CDN queue's, differ from what is wanted; empty: in nothing.
pub fn differences(wanted: &Wanted, secrets: &[&HeldSecret], queues: &[&QueueRow]) -> Vec<Difference> {
    let cdn_name = cdn_queue_name(&wanted.username);
    let (cdn, queues): (Vec<&QueueRow>, Vec<&QueueRow>) = queues.iter().partition(|row| row.name == cdn_name);
    let mut found = Vec::new();
    let owned = |comment: &str| wanted.mark.owns(comment);
    if secrets.iter().any(|held| !owned(&held.row.comment)) {
        found.push(Difference::Foreign("secret"));
    }
    if queues.iter().any(|row| !owned(&row.comment)) {
        found.push(Difference::Foreign("queue"));
    }
    let mut ours = secrets.iter().filter(|held| owned(&held.row.comment));
    match ours.next() {
        None => found.push(Difference::Missing("secret")),
        Some(first) => of_secret(wanted, first, &mut found),
    }
    let more = ours.count();
    if more > 0 {
        found.push(Difference::Several("secret", more + 1));
    }
    match queues.iter().find(|row| owned(&row.comment)) {
        None => found.push(Difference::Missing("queue")),
        Some(row) => of_queue(wanted, row, &mut found),
    }
    let own = queues.iter().find(|row| owned(&row.comment));
    of_cdn_queue(wanted, &cdn, own.map(|row| row.place), &mut found);
    found
}

fn of_cdn_queue(wanted: &Wanted, queues: &[&QueueRow], own: Option<usize>, found: &mut Vec<Difference>) {
    const OBJECT: &str = "CDN queue";
    let ours = queues.iter().find(|row| wanted.mark.owns(&row.comment));
    let (cdn, row) = match (&wanted.cdn, ours) {
        (None, None) => return,
        (None, Some(row)) => {
            let (is, should) = (row.name.clone(), "none".to_owned());
            return found.push(Difference::Property { object: OBJECT, property: "name", is, should });
        }
        (Some(_), None) if !queues.is_empty() => return found.push(Difference::Foreign(OBJECT)),
        (Some(_), None) => return found.push(Difference::Missing(OBJECT)),
        (Some(cdn), Some(row)) => (cdn, row),
    };
    let (target, limit) = (format!("{}/32", wanted.address), super::super::Rates::from(cdn.speed).words());
    let same_target = single(&row.target) == Some(wanted.address);
    let place = |before| if before { "before the queue" } else { "behind the queue" }.to_owned();
    // As it is mended: at its speed and without a burst.
    if row.max_limit == cdn.speed.into() && !row.runs_at(Rate::plain(cdn.speed)) {
        let (is, should) = (row.burst_limit.words(), "none".to_owned());
        found.push(Difference::Property { object: OBJECT, property: "burst-limit", is, should });
    }
    for (property, is, should) in [
        ("target", if same_target { target.clone() } else { row.target.clone() }, target),
        ("max-limit", row.max_limit.words(), limit),
        ("packet-marks", row.packet_marks.clone(), cdn.packet_mark.clone()),
        ("comment", row.comment.clone(), wanted.mark.comment()),
        ("disabled", if row.disabled { "yes" } else { "no" }.to_owned(), "no".to_owned()),
        ("place", place(own.is_none_or(|own| row.place < own)), place(true)),
    ] {
        if is != should {
            found.push(Difference::Property { object: OBJECT, property, is, should });
        }
    }
}

fn of_secret(wanted: &Wanted, held: &HeldSecret, found: &mut Vec<Difference>) {
    let row = &held.row;
    let yes = |on: bool| if on { "yes" } else { "no" }.to_owned();
    let address = row.address.map(|it| it.to_string()).unwrap_or_default();
    for (property, is, should) in [
        ("service", row.service.clone(), wanted.ppp_service.clone()),
        ("profile", row.profile.clone(), wanted.profile.clone()),
        ("remote-address", address, wanted.address.to_string()),
        ("comment", row.comment.clone(), wanted.mark.comment()),
        ("disabled", yes(row.disabled), yes(wanted.disabled)),
    ] {
        if is != should {
            found.push(Difference::Property { object: "secret", property, is, should });
        }
    }
    if held.same_password == Some(false) {
        found.push(Difference::Password);
    }
}

fn of_queue(wanted: &Wanted, row: &QueueRow, found: &mut Vec<Difference>) {
    let mut differ = |property, is: String, should: String| {
        found.push(Difference::Property { object: "queue", property, is, should });
    };
    if single(&row.target) != Some(wanted.address) {
        differ("target", row.target.clone(), format!("{}/32", wanted.address));
    }
    let limit = super::super::Rates::from(wanted.rate.speed);
    if row.max_limit != limit {
        differ("max-limit", row.max_limit.words(), limit.words());
    } else if !row.runs_at(wanted.rate) {
        differ("burst-limit", row.burst_limit.words(), wanted.rate.to_string());
    }
    if let Some(kind) = wanted.queue_type.as_ref().filter(|kind| !row.is_of_kind(kind)) {
        differ("queue", row.kinds.clone(), kind.clone());
    }
    if row.comment != wanted.mark.comment() {
        differ("comment", row.comment.clone(), wanted.mark.comment());
    }
    if row.disabled {
        differ("disabled", "yes".to_owned(), "no".to_owned());
    }
}
