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
use crate::{
    router::Told,
    routeros::{self, ApiUser},
};
use chrono::{DateTime, Duration, Utc};

/// What the API user needs, and all that it needs.
const POLICIES: [&str; 4] = ["read", "write", "api", "sensitive"];
/// From when on the end of a certificate is told of.
const ENDS: Duration = Duration::days(21);

/// What the API user should be named, and its group, unless somebody chose otherwise.
const OWN: &str = "turnpike";

/// Gives Turnpike a user of its own, or that user's group the right policies. One that people log in with is left as it is: it
/// would lose what they need.
pub(super) fn own_user(username: &str, user: Option<&ApiUser>) -> String {
    let policies = POLICIES.join(",");
    let has_group = user.is_some_and(|it| it.groups.iter().any(|group| group == OWN));
    let group = if has_group {
        format!("/user group set [find name={OWN}] policy={policies}")
    } else {
        format!("/user group add name={OWN} policy={policies}")
    };
    let of_people = user.is_none_or(|it| it.group == "full") && username != OWN;
    if username == "admin" || of_people {
        return format!(
            "{group}\n/user add name={OWN} group={OWN} password=<a long random one> address=<address of Turnpike>/32\n\
             Then enter this user and its password in the server's record in WHMCS, and press Test Connection."
        );
    }
    if user.is_some_and(|it| it.group == OWN) {
        return group;
    }
    format!("{group}\n/user set [find name={}] group={OWN}", quoted(username))
}

/// Nothing is known of a user that may not log in: what WHMCS has is looked at first.
fn login_refused(told: &Told, words: &str, out: &mut Findings) {
    let username = &told.username;
    let name = quoted(username);
    let own = own_user(username, None);
    // Its own user is nobody else's; another may be somebody's who would be locked out.
    let mend = if username == OWN {
        format!("/user set [find name={name}] disabled=no password=<the password in WHMCS's server record>")
    } else {
        format!("Where Turnpike has no user of its own there, make one:\n{own}")
    };
    out.add(
        Error,
        "login-refused",
        format!("The router refuses the login of {username}: {words}"),
        "Nothing can be read, blocked or freed there.",
        format!(
            "Compare user name and password of the server in WHMCS with the router's, and press Test Connection.\n\
             /user print detail where name={name}\n{mend}"
        ),
    );
}

/// The router could not be asked, or not to the end.
pub(super) fn ended(told: &Told, error: &routeros::Error, out: &mut Findings) {
    match error {
        routeros::Error::LoginRefused { words, .. } => login_refused(told, words, out),
        routeros::Error::Certificate { fingerprint, why, .. } => out.add(
            Error,
            "certificate",
            format!("The router's certificate is not trusted: {why}; its SHA-256 fingerprint is {fingerprint}."),
            "Turnpike speaks to nobody whose certificate it cannot verify.",
            "/certificate print detail where name=[/ip service get api-ssl certificate]\n\
             If the fingerprint is the router's own, enter it as Access Hash of the server in WHMCS.",
        ),
        routeros::Error::Unreachable { why, .. } => silent(told, why, out),
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
        plain_text(seen, out);
    }
    if let Some(end) = seen.certificate_end.filter(|end| *end - now < ENDS) {
        certificate_ends(told, end, now, out);
    }
    reachable(told, seen, out);
}

/// Makes a certificate, as text for the terminal.
fn certificate(name: &str) -> String {
    format!("/certificate add name={name} common-name=router days-valid=3650\n/certificate sign {name}\n")
}

/// Nobody vouches for a certificate that the router made for itself.
fn pin(name: &str) -> String {
    format!(
        "/certificate print detail where name={name}\n\
         Then enter that certificate's SHA-256 fingerprint as Access Hash of the server in WHMCS"
    )
}

fn plain_text(seen: &Seen, out: &mut Findings) {
    let has = |it: &&routeros::Service| it.name == "api-ssl" && !matches!(it.certificate.as_str(), "" | "none");
    let first = if let Some(service) = seen.services.iter().flatten().find(has) {
        format!("/ip service set api-ssl disabled=no\n{}", pin(&quoted(&service.certificate)))
    } else {
        let made = certificate("turnpike");
        format!("{made}/ip service set api-ssl certificate=turnpike disabled=no\n{}", pin("turnpike"))
    };
    out.add(
        Warning,
        "plain-text",
        "The API is spoken to without TLS.",
        "Whoever sits on the way reads the router's password and those of customers.",
        format!("{first}, tick Secure there, and set port 8729."),
    );
}

fn certificate_ends(told: &Told, end: DateTime<Utc>, now: DateTime<Utc>, out: &mut Findings) {
    let what = if end < now { "has ended" } else { "ends" };
    let what = format!("The router's certificate {what} on {}.", end.date_naive());
    if !told.certificate_sha256.is_empty() {
        out.add(
            Hint,
            "certificate-ends",
            what,
            "Its fingerprint is pinned, so Turnpike goes on; one that takes its place is refused until its fingerprint is known.",
            "Leave it. If it is renewed for others' sake, enter the new SHA-256 fingerprint as Access Hash of the server in WHMCS.",
        );
        return;
    }
    let severity = if end < now { Error } else { Warning };
    let new = "turnpike-new";
    out.add(
        severity,
        "certificate-ends",
        what,
        "An ended certificate is refused, unless its fingerprint is pinned, and the router is not spoken to.",
        format!(
            "Have it renewed by whoever vouches for it (router.ca_file, or a public authority). Or make one and pin it:\n\
             {}/ip service set api-ssl certificate={new}\n{}; until then the router is not spoken to.",
            certificate(new),
            pin(new)
        ),
    );
}

/// Who may call.
fn reachable(told: &Told, seen: &Seen, out: &mut Findings) {
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
            own_user(username, Some(user)),
        );
    }
    let more: Vec<&str> = user.policies.iter().map(String::as_str).filter(|it| !POLICIES.contains(it)).collect();
    if !more.is_empty() {
        out.add(
            Warning,
            "policy-too-much",
            format!("The group {} of user {username} may do more than needed: {}.", user.group, more.join(", ")),
            "Whoever gets hold of this password should not get hold of the router.",
            own_user(username, Some(user)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(username: &str, tls: bool) -> Told {
        let (username, name) = (username.to_owned(), "core-1".to_owned());
        let (hostname, address, certificate_sha256) = (String::new(), "192.0.2.1".to_owned(), String::new());
        let password = "s".to_owned().into();
        Told {
            id: 3,
            name,
            hostname,
            address,
            port: 8729,
            tls,
            username,
            password,
            certificate_sha256,
            addresses: vec![],
        }
    }

    fn findings() -> Findings {
        Findings { server_id: 3, router: "core-1".to_owned(), found: Vec::new() }
    }

    fn user(group: &str, groups: &[&str]) -> ApiUser {
        let groups = groups.iter().map(|it| (*it).to_owned()).collect();
        ApiUser { group: group.to_owned(), policies: Vec::new(), groups }
    }

    #[test]
    fn nobody_elses_user_is_changed() {
        let few = user("full", &["full", "read"]);
        for (username, known) in [("admin", Some(&few)), ("whmcs", Some(&few)), ("whmcs", None), ("admin", None)] {
            let mend = own_user(username, known);
            assert!(mend.starts_with("/user group add name=turnpike policy=") && !mend.contains("/user set"), "{mend}");
            assert!(mend.contains("/user add name=turnpike group=turnpike ") && mend.contains("WHMCS"), "{mend}");
        }
        let administrators = user("turnpike", &["full", "turnpike"]);
        assert!(!own_user("admin", Some(&administrators)).contains("/user set"));
    }

    #[test]
    fn a_group_that_is_there_is_set_and_a_user_of_its_own_is_moved_into_it() {
        let set = "/user group set [find name=turnpike] policy=read,write,api,sensitive";
        assert_eq!(own_user("api", Some(&user("turnpike", &["full", "turnpike"]))), set);
        assert!(own_user("admin", Some(&user("full", &["full", "turnpike"]))).starts_with(set));
        for (username, group) in [("api", "api"), ("turnpike", "full")] {
            let mend = own_user(username, Some(&user(group, &["full", "api"])));
            assert!(mend.ends_with(&format!("\n/user set [find name=\"{username}\"] group=turnpike")), "{mend}");
        }
    }

    #[test]
    fn a_login_that_is_refused_takes_nobodys_password() {
        for (username, sets) in [("admin", false), ("whmcs", false), ("turnpike", true)] {
            let refused = routeros::Error::LoginRefused { router: "core-1".into(), words: "no".into() };
            let mut out = findings();
            ended(&told(username, true), &refused, &mut out);
            let it = &out.found[0];
            assert_eq!((it.code, it.mend.contains("/user set")), ("login-refused", sets), "{it:?}");
            assert!(it.mend.starts_with("Compare user name and password of the server in WHMCS"), "{it:?}");
        }
    }

    #[test]
    fn a_router_that_is_silent_is_opened_as_it_is_spoken_to_and_for_nobody_less() {
        for (tls, service) in [(true, "api-ssl"), (false, "api")] {
            let silent = routeros::Error::Unreachable { router: "core-1".into(), why: "no answer in time".into() };
            let mut out = findings();
            ended(&told("turnpike", tls), &silent, &mut out);
            let it = &out.found[0];
            assert!(it.mend.contains(&format!("/ip service set {service} disabled=no\n")), "{it:?}");
            assert!(!it.mend.contains("address=<") && it.mend.contains("leave the others"), "{it:?}");
        }
    }

    #[test]
    fn what_is_no_routers_api_is_strange() {
        let mut out = findings();
        let what = "an HTTP answer".to_owned();
        ended(&told("turnpike", true), &routeros::Error::Strange { router: "core-1".into(), what }, &mut out);
        assert_eq!((out.found[0].code, out.found[0].severity), ("strange", Error));
    }
}
