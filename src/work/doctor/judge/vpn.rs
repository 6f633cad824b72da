//! What customers dial: PPP profiles, the L2TP and PPtP servers, and whether queues see the packets.

use super::{
    super::{
        Findings,
        Severity::{Error, Hint, Warning},
        books::Books,
        look::Seen,
    },
    fast_track, quoted,
};
use crate::{
    account::settings::PppService,
    routeros::{Profile, VpnServer},
};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;

pub(super) fn judge(books: &Books, seen: &Seen, out: &mut Findings) {
    fast_track(books, seen, out);
    if let Some(profiles) = &seen.profiles {
        judge_profiles(books, profiles, out);
    }
    let dials = |service: PppService, offered: fn(&crate::account::settings::Settings) -> bool| {
        books.accounts.iter().any(|it| offered(&it.settings) || it.settings.ppp_service == service)
    };
    if let Some(server) = &seen.l2tp
        && dials(PppService::L2tp, |it| it.support_l2tp)
    {
        l2tp(books, server, out);
    }
    if let Some(server) = &seen.pptp {
        pptp(server, dials(PppService::Pptp, |it| it.support_pptp), out);
    }
}

fn judge_profiles(books: &Books, profiles: &[Profile], out: &mut Findings) {
    let mut used: BTreeSet<&str> = books.accounts.iter().map(|it| it.settings.profile.as_str()).collect();
    if used.is_empty() {
        used.insert("default");
    }
    let default = profiles.iter().find(|it| it.name == "default");
    for name in used {
        let Some(profile) = profiles.iter().find(|it| it.name == name) else {
            out.add(
                Error,
                "profile-missing",
                format!("The PPP profile {name}, which products use, is not on the router."),
                "No account can be made or changed with it.",
                format!("/ppp profile add name={} only-one=yes change-tcp-mss=yes", quoted(name)),
            );
            continue;
        };
        if !profile.rate_limit.is_empty() {
            out.add(
                Error,
                "profile-rate-limit",
                format!("The PPP profile {name} has the rate limit {}.", profile.rate_limit),
                "Its dynamic queue stands before the account's own: that one counts nothing, and nothing is charged.",
                format!("/ppp profile set [find name={}] rate-limit=\"\"", quoted(name)),
            );
        }
        let own = profile.only_one.as_str();
        let only_one = if own == "default" { default.map_or("no", |it| it.only_one.as_str()) } else { own };
        if only_one != "yes" {
            out.add(
                Warning,
                "several-sessions",
                format!("The PPP profile {name} lets a customer have several sessions at once."),
                "They would share one address, and one account serves a whole neighbourhood.",
                format!("/ppp profile set [find name={}] only-one=yes", quoted(name)),
            );
        }
    }
}

fn l2tp(books: &Books, server: &VpnServer, out: &mut Findings) {
    let set = |what: &str| format!("/interface l2tp-server server set {what}");
    if !server.enabled {
        out.add(
            Error,
            "l2tp-off",
            "The L2TP server is off while products offer L2TP.",
            "Customers cannot connect.",
            set("enabled=yes use-ipsec=required ipsec-secret=<the PSK that the product shows>"),
        );
    }
    if server.use_ipsec != "required" {
        out.add(
            Warning,
            "ipsec-not-required",
            format!("The L2TP server has use-ipsec={}.", server.use_ipsec),
            "Without required IPsec a customer's traffic can travel unencrypted.",
            set("use-ipsec=required"),
        );
    }
    let Some(psk) = &server.psk else { return };
    let same = |it: &secrecy::SecretString| it.expose_secret() == psk.expose_secret();
    if psk.expose_secret().is_empty() {
        out.add(
            Error,
            "psk-missing",
            "The L2TP server has no pre-shared key.",
            "Customers cannot connect with the key that the client page shows.",
            set("ipsec-secret=<the PSK that the product shows>"),
        );
    } else if !books.psks.iter().all(same) {
        out.add(
            Error,
            "psk-differs",
            "The L2TP server's pre-shared key is not the one that products show to customers.",
            "Customers cannot connect with the key that the client page shows.",
            set("ipsec-secret=<the PSK that the product shows>"),
        );
    }
}

fn pptp(server: &VpnServer, offered: bool, out: &mut Findings) {
    match (server.enabled, offered) {
        (false, true) => out.add(
            Error,
            "pptp-off",
            "The PPtP server is off while products offer PPtP.",
            "Customers cannot connect with it. Better than to turn it on is not to offer it: PPtP's encryption is broken.",
            "/interface pptp-server server set enabled=yes",
        ),
        (true, true) => out.add(
            Hint,
            "pptp-insecure",
            "Products offer PPtP.",
            "Its encryption is broken; whoever listens can read along. Offer L2TP with IPsec instead.",
            "Untick PPtP in the product's settings; then: /interface pptp-server server set enabled=no",
        ),
        (true, false) => out.add(
            Hint,
            "pptp-unused",
            "The PPtP server is on, and no product offers PPtP.",
            "Its encryption is broken.",
            "/interface pptp-server server set enabled=no",
        ),
        (false, false) => {}
    }
}
