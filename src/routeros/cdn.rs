//! The second queue of an account whose plan counts CDN traffic apart.
//!
//! It has the account's target too, takes only packets with the CDN's mark, and stands before the account's own queue:
//! RouterOS gives a packet to the first queue that takes it, so what this one counts never reaches the other. Its bytes are
//! the router's own counters, as the other's are. The marks are made by the rules of [`super::marking`]; without them it
//! counts nothing and the account's own queue counts everything.

use super::{
    Error, Router, Wanted,
    command::Command,
    facts::property,
    queues::{self, QueueRow},
    value::{pair, single},
    wanted::note,
    wire::Row,
};
use crate::{plan::burst::Rate, units::Speed};
use std::sync::atomic::AtomicBool;

const ENDING: &str = "-cdn";

/// What the CDN queue of an account should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdnQueue {
    /// The packet mark that it takes.
    pub packet_mark: String,
    /// How fast that traffic is.
    pub speed: Speed,
}

/// The name of an account's CDN queue.
pub fn cdn_queue_name(username: &str) -> String {
    format!("{username}{ENDING}")
}

/// What all queues count together that take only packets whose marks begin so, bytes.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn cdn_counted(router: &Router, packet_marks: &str) -> Result<u64, Error> {
    let begins = packet_marks.to_owned();
    let take = move |row: &Row<'_>| {
        let ours = property(row, "packet-marks").starts_with(&begins);
        Ok(row.get("bytes").and_then(pair).filter(|_| ours).map(|(up, down)| up.saturating_add(down)))
    };
    let counted = router.print(Command::print(queues::PRINT, "packet-marks,bytes"), take).await?;
    Ok(counted.into_iter().fold(0, u64::saturating_add))
}

/// Brings the CDN queue in line: makes, mends, moves or removes it. `own` is the account's own queue, which is there by now:
/// its id, and its place where it was there before. `ours` is the CDN queue that was found; that nobody else has its name was
/// seen before anything was changed.
pub(super) async fn settle_cdn(
    router: &Router,
    wanted: &Wanted,
    own: (&str, Option<usize>),
    ours: Option<&QueueRow>,
    changed: &AtomicBool,
) -> Result<(), Error> {
    match (&wanted.cdn, ours) {
        (None, None) => Ok(()),
        (None, Some(ours)) => {
            let command = Command::write("/queue/simple/remove").set(".id", &ours.id);
            note(router.write(command).await, &[changed]).map(|_| ())
        }
        (Some(cdn), None) => {
            let command = Command::write("/queue/simple/add")
                .set("name", &cdn_queue_name(&wanted.username))
                .set("target", &format!("{}/32", wanted.address))
                .set("packet-marks", &cdn.packet_mark)
                .set("comment", &wanted.mark.comment())
                .set("place-before", own.0);
            let command = queues::limits(command, Rate::plain(cdn.speed));
            note(router.write(command).await, &[changed]).map(|_| ())
        }
        (Some(cdn), Some(ours)) => mend(router, wanted, cdn, (ours, own), changed).await,
    }
}

async fn mend(
    router: &Router,
    wanted: &Wanted,
    cdn: &CdnQueue,
    (found, own): (&QueueRow, (&str, Option<usize>)),
    changed: &AtomicBool,
) -> Result<(), Error> {
    let rate = Rate::plain(cdn.speed);
    let mut command = Command::write(queues::SET).set(".id", &found.id);
    let mut differs = false;
    let mut differ = |is: bool| {
        differs |= is;
        is
    };
    if differ(single(&found.target) != Some(wanted.address)) {
        command = command.set("target", &format!("{}/32", wanted.address));
    }
    if differ(!found.runs_at(rate)) {
        command = queues::limits(command, rate);
    }
    for (key, is, should) in
        [("packet-marks", &found.packet_marks, &cdn.packet_mark), ("comment", &found.comment, &wanted.mark.comment())]
    {
        if differ(is != should) {
            command = command.set(key, should);
        }
    }
    if differ(found.disabled) {
        command = command.switch("disabled", false);
    }
    if differs {
        note(queues::change(router, &found.id, command).await, &[changed])?;
    }
    if own.1.is_some_and(|place| place < found.place) {
        let command = Command::write("/queue/simple/move").set("numbers", &found.id).set("destination", own.0);
        note(router.write(command).await, &[changed])?;
    }
    Ok(())
}
