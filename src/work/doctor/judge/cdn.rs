//! CDN tiers: what keeps them from counting, and what they cost the router.

use super::{Findings, some};
use crate::{
    routeros::FastTrack,
    work::{
        doctor::{
            Severity::{Error, Hint, Warning},
            look::Seen,
        },
        marking::Examined,
    },
};

const UNCOUNTED: &str = "What is not marked goes through the account's own queue: at its speed, and out of its quota.";

pub(super) fn judge(seen: &Seen, out: &mut Findings) {
    let Some(cdn) = &seen.cdn else { return };
    if matches!(seen.fast_track, Some(FastTrack::PassesBy | FastTrack::Unclear)) {
        out.add(
            Error,
            "cdn-fasttrack",
            "A FastTrack rule is on, and there are plans with CDN tiers.",
            "Packets of a FastTracked connection pass by mangle and by every queue: they are neither marked, limited nor counted.",
            "/ip firewall filter print where action=fasttrack-connection",
        );
    }
    marks(cdn, out);
    out.add(
        Hint,
        "cdn-cost",
        format!(
            "CDN tiers: {} accounts with a second queue each, {} mangle rules, {} subnets.",
            cdn.accounts, cdn.rules, cdn.subnets
        ),
        "Each packet is compared with the rules and passes the queues in their order; a router's CPU pays for both.",
        "/tool profile\n/system resource print",
    );
}

fn marks(cdn: &Examined, out: &mut Findings) {
    // A collection looks at them once an hour; a rebuild at once.
    let rebuild = format!("turnpike rebuild --server {}", out.server_id);
    if cdn.broken_rules > 0 {
        let what =
            format!("{} of {} mangle rules for CDN traffic are missing or were changed.", cdn.broken_rules, cdn.rules);
        out.add(Error, "cdn-rules-missing", what, UNCOUNTED, rebuild.clone());
    }
    if cdn.missing_entries > 0 {
        let what = format!("{} entries of CDN address lists are missing.", cdn.missing_entries);
        out.add(Warning, "cdn-list-short", what, UNCOUNTED, rebuild);
    }
    if cdn.frozen {
        out.add(
            Error,
            "cdn-queues-frozen",
            "Packets are marked as CDN traffic, and no CDN queue counts any.",
            UNCOUNTED,
            "/queue simple print stats\n/ip firewall mangle print stats where action=mark-packet",
        );
    }
    if !cdn.empty.is_empty() {
        let what = format!("These CDN profiles hold no subnet: {}.", some(&cdn.empty));
        let mend =
            "Open WHMCS > Addons > Turnpike > CDN profiles and enter the subnets, or take CDN tiers off the plans.";
        out.add(Warning, "cdn-list-empty", what, UNCOUNTED, mend);
    }
    if !cdn.foreign_marks.is_empty() {
        let what = format!("Other mangle rules mark forwarded packets too: {}.", some(&cdn.foreign_marks));
        let why = "A packet has one mark: a rule behind Turnpike's takes its place, one before it may end the chain.";
        out.add(Warning, "cdn-foreign-marks", what, why, "/ip firewall mangle print where action=mark-packet");
    }
}
