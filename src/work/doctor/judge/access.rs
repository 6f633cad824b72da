//! How the router is spoken to: login, policies, encryption, who may connect.

use super::{
    super::{
        Findings,
        Severity::{Error, Hint, Warning},
        books::Books,
        look::{Seen, User},
    },
    quoted, silent,
};
use crate::routeros::{self, ApiUser};
use chrono::{DateTime, Duration, Utc};

/// What the API user needs, and all that it needs.
const POLICIES: [&str; 4] = ["read", "write", "api", "sensitive"];
/// From when on the end of a certificate is told of.
const ENDS: Duration = Duration::days(21);

/// Gives the API user a group of its own.
pub(super) fn group_command(username: &str) -> String {
    let policies = POLICIES.join(",");
    format!(
        "/user group add name=turnpike policy={policies}\n/user set [find name={}] group=turnpike",
        quoted(username)
    )
}

/// The router could not be asked, or not to the end.
pub(super) fn ended(books: &Books, error: &routeros::Error, out: &mut Findings) {
    let username = &books.server.told.username;
    match error {
        routeros::Error::LoginRefused { words, .. } => out.add(
            Error,
            "login-refused",
            format!("The router refuses the login of {username}: {words}"),
            "Nothing can be read, blocked or freed there.",
            format!(
                "{}\n/user set [find name={}] disabled=no password=<the password in WHMCS's server record>",
                group_command(username),
                quoted(username)
            ),
        ),
        routeros::Error::Certificate { fingerprint, why, .. } => out.add(
            Error,
            "certificate",
            format!("The router's certificate is not trusted: {why}; its SHA-256 fingerprint is {fingerprint}."),
            "Turnpike speaks to nobody whose certificate it cannot verify.",
            "/certificate print detail where name=[/ip service get api-ssl certificate]\n\
             If the fingerprint is the router's own, enter it as Access Hash of the server in WHMCS.",
        ),
        routeros::Error::Unreachable { why, .. } => silent(why, out),
        other => out.add(
            Error,
            "strange",
            format!("The router could not be examined to the end: {other}."),
            "It is perhaps not a router's API that answers there.",
            "/ip service print",
        ),
    }
}

pub(super) fn judge(books: &Books, seen: &Seen, now: DateTime<Utc>, out: &mut Findings) {
    let told = &books.server.told;
    match &seen.user {
        User::Untold => {}
        User::Elsewhere => elsewhere(&told.username, out),
        User::Local(user) => policies(&told.username, user, out),
    }
    if !told.tls {
        out.add(
            Warning,
            "plain-text",
            "The API is spoken to without TLS.",
            "Whoever sits on the way reads the router's password and those of customers.",
            "/certificate add name=turnpike common-name=router days-valid=3650\n/certificate sign turnpike\n\
             /ip service set api-ssl certificate=turnpike disabled=no\n\
             Then tick Secure in WHMCS's server record, with port 8729.",
        );
    }
    if let Some(end) = seen.certificate_end.filter(|end| *end - now < ENDS) {
        let (severity, what) = if end < now {
            (Error, format!("The router's certificate has ended on {}.", end.date_naive()))
        } else {
            (Warning, format!("The router's certificate ends on {}.", end.date_naive()))
        };
        out.add(
            severity,
            "certificate-ends",
            what,
            "Unless its fingerprint is pinned, an ended certificate is refused and the router is not spoken to.",
            "/certificate add name=turnpike-new common-name=router days-valid=3650\n/certificate sign turnpike-new\n\
             /ip service set api-ssl certificate=turnpike-new",
        );
    }
    let used = if told.tls { "api-ssl" } else { "api" };
    for service in seen.services.iter().flatten().filter(|it| !it.disabled) {
        if service.name == used && service.addresses.is_empty() {
            out.add(
                Warning,
                "api-open",
                format!("The service {used} may be called from everywhere."),
                "Everybody can try passwords there.",
                format!("/ip service set {used} address=<address of Turnpike>/32"),
            );
        }
        if service.name == "api" && told.tls {
            out.add(
                Hint,
                "plain-api-on",
                "The service api without TLS is on beside api-ssl.",
                "Turnpike does not use it; whoever does sends passwords in clear.",
                "/ip service set api disabled=yes",
            );
        }
    }
}

fn elsewhere(username: &str, out: &mut Findings) {
    out.add(
        Hint,
        "user-elsewhere",
        format!("The router has no local user {username}; its policies cannot be examined."),
        "It needs the policies read, write, api and sensitive, and no others.",
        "/user aaa print",
    );
}

fn policies(username: &str, user: &ApiUser, out: &mut Findings) {
    let missing: Vec<&str> = POLICIES.into_iter().filter(|it| !user.policies.iter().any(|p| p == it)).collect();
    if !missing.is_empty() {
        out.add(
            Error,
            "policy-missing",
            format!("The group {} of user {username} lacks the policies {}.", user.group, missing.join(", ")),
            "Accounts cannot be made, blocked or compared without them.",
            group_command(username),
        );
    }
    let more: Vec<&str> = user.policies.iter().map(String::as_str).filter(|it| !POLICIES.contains(it)).collect();
    if !more.is_empty() {
        out.add(
            Warning,
            "policy-too-much",
            format!("The group {} of user {username} may do more than needed: {}.", user.group, more.join(", ")),
            "Whoever gets hold of this password should not get hold of the router.",
            group_command(username),
        );
    }
}
