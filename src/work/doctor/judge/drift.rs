//! Where the router holds something else than the books: accounts that differ, and what bears our mark and is nobody's.

use super::{
    super::{
        Findings,
        Severity::{Error, Warning},
    },
    quoted, some,
};
use crate::work::{
    rebuild::{Comparison, Drift, Mend, Stray, Why},
    sentence,
};

pub(super) fn judge(comparison: &Comparison, out: &mut Findings) {
    accounts(comparison, out);
    strays(comparison, out);
}

fn accounts(comparison: &Comparison, out: &mut Findings) {
    let why = "The router does something else for these customers than the books say.";
    let rebuild = format!("turnpike rebuild --server {} --dry-run\nturnpike rebuild --server {0}", out.server_id);
    // That a password cannot be opened is a finding of the books; what else differs for such an account is told here.
    let differs = comparison.drifts.iter().filter(|it| !it.sealed || it.differences.len() > 1);
    let by_hand = |it: &&Drift| it.mend == Mend::ByHand && !it.sealed;
    let (taken, drifted): (Vec<&Drift>, Vec<&Drift>) = differs.partition(by_hand);
    let names = |drifts: Vec<&Drift>| -> Vec<String> {
        drifts.iter().map(|it| format!("{} ({})", it.username, it.differences.join("; "))).collect()
    };
    let (drifted, taken) = (names(drifted), names(taken));
    if !drifted.is_empty() {
        let what = format!("{} accounts are not on the router as the books say: {}.", drifted.len(), some(&drifted));
        out.add(Error, "drift", what, why, rebuild);
    }
    if !taken.is_empty() {
        let what = format!("{} user names are taken by something that is not ours: {}.", taken.len(), some(&taken));
        let mend = format!("Rename or remove it on the router; then: turnpike rebuild --server {}", out.server_id);
        out.add(Error, "name-taken", what, why, mend);
    }
}

/// A finding for each reason: what mends one would take a paying customer's access from another.
fn strays(comparison: &Comparison, out: &mut Findings) {
    for why in [Why::Unknown, Why::Ended, Why::Elsewhere, Why::OtherName] {
        let found: Vec<&Stray> = comparison.strays.iter().filter(|it| it.why == why).collect();
        let Some(first) = found.first() else { continue };
        let named: Vec<String> = found.iter().map(|it| named(it)).collect();
        let what = format!("{} objects carry our mark and belong to no account: {}.", found.len(), some(&named));
        let lets = "Such a secret lets somebody in whom nobody counts or blocks.";
        out.add(Warning, "strays", what, lets, mend(why, first, out.server_id));
    }
}

fn named(it: &Stray) -> String {
    format!("{} {} (service {}, {})", it.object, it.name, it.service_id, it.why.words())
}

/// What to do about the first of them. A command that removes is said where nobody is known to pay for it any more, and
/// names its comment too: a living account's object may have the same name.
fn mend(why: Why, first: &Stray, server_id: u64) -> String {
    let menu = if first.object == "secret" { "/ppp secret" } else { "/queue simple" };
    let (name, comment) = (quoted(&first.name), quoted(&first.comment));
    let look = format!("{menu} print where name={name}");
    let advice = sentence(why.advice());
    match why {
        Why::Unknown => format!("{advice}\nturnpike import --server {server_id} --dry-run\n{look}"),
        Why::Ended => format!("{look}\n{menu} remove [find name={name} comment={comment}]"),
        Why::Elsewhere | Why::OtherName => format!("{advice}\n{look}"),
    }
}
