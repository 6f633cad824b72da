//! What can go wrong between us and a router, each kind told apart because each is answered differently.

use super::tls::Fingerprint;

/// Why a call to a router did not succeed. Names the router; never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or it was lost, or no answer in time. Nothing was changed by this call.
    #[error("router {router} cannot be reached: {why}")]
    Unreachable {
        /// The router's name.
        router: String,
        /// What happened.
        why: String,
    },
    /// The router did not accept user name and password (or is too old for this login).
    #[error("router {router} refused the login: {words}")]
    LoginRefused {
        /// The router's name.
        router: String,
        /// The router's own words.
        words: String,
    },
    /// The router's certificate is neither pinned nor trusted.
    #[error(
        "the certificate of router {router} is not trusted: {why}; its SHA-256 fingerprint is {fingerprint}. \
         If that is the router's own, enter it as the server's access hash"
    )]
    Certificate {
        /// The router's name.
        router: String,
        /// The fingerprint of the certificate that was shown.
        fingerprint: Fingerprint,
        /// Why it was not accepted.
        why: String,
    },
    /// The router answered with one or more traps.
    #[error("router {router} refused {command}: {words}")]
    Refused {
        /// The router's name.
        router: String,
        /// The command that was refused.
        command: String,
        /// The router's own words, all traps joined by "; ".
        words: String,
        /// What kind of refusal the words mean.
        kind: Refusal,
    },
    /// A change was sent and its reply was lost: it may or may not have been made. Find out by reading.
    #[error("router {router}: the reply to {command} was lost, so it is not known whether it was carried out")]
    OutcomeUnknown {
        /// The router's name.
        router: String,
        /// The command whose reply was lost.
        command: String,
    },
    /// The router answered something that cannot be understood.
    #[error("router {router} answered something that cannot be understood: {what}")]
    Strange {
        /// The router's name.
        router: String,
        /// What was seen.
        what: String,
    },
    /// A secret or queue of the wanted name is on the router and does not carry the service's mark.
    #[error("router {router} already has a {what} named {name:?} that is not this service's")]
    NameTaken {
        /// The router's name.
        router: String,
        /// "secret" or "queue".
        what: &'static str,
        /// The name that is taken.
        name: String,
    },
    /// The caller's lease on what is to be changed had run out, or was too near its end. Nothing was sent.
    #[error("nothing was sent to router {router}: the lease on it had run out")]
    Fenced {
        /// The router's name.
        router: String,
    },
    /// A value that must not be sent (control characters, or far too long). Nothing was sent.
    #[error("nothing was sent to router {router}: {what}")]
    Unsendable {
        /// The router's name.
        router: String,
        /// Which value and why.
        what: String,
    },
}

impl Error {
    /// Whether trying again later may help: the router was away, or what became of the change is not known.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::OutcomeUnknown { .. })
    }

    /// The kind of refusal, where it is one.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Whether a change is to be reconciled by reading: its outcome is unknown, or the router changed under our hands.
    pub(super) fn asks_for_a_look(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
            || matches!(self.refusal(), Some(Refusal::NameExists | Refusal::NoSuchItem | Refusal::BelowLeast))
    }
}

/// What a router's trap means, read from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The API user's group lacks a policy.
    Policy,
    /// No PPP profile of that name.
    UnknownProfile,
    /// Something of that name exists.
    NameExists,
    /// The id is stale.
    NoSuchItem,
    /// A limit below what the queue's `limit-at` promises.
    BelowLeast,
    /// Anything else; the words say what.
    Other,
}

impl Refusal {
    /// Reads the router's words. Substrings, because versions add prefixes and a number in brackets.
    pub(super) fn of(words: &str) -> Self {
        let words = words.to_ascii_lowercase();
        let any = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        if any(&["not enough permissions", "permission denied"]) {
            Self::Policy
        } else if any(&["value of profile", "unknown profile"]) {
            Self::UnknownProfile
        } else if any(&["already have", "already exists"]) {
            Self::NameExists
        } else if any(&["no such item"]) {
            Self::NoSuchItem
        } else if any(&["max-limit less than"]) {
            Self::BelowLeast
        } else {
            Self::Other
        }
    }
}

/// A failure before it is known which router and command it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Not reached, lost, or too slow; of a write: it was not sent.
    Away(String),
    /// The login was refused.
    Login(String),
    /// The certificate was refused.
    Certificate(Fingerprint, String),
    /// The router's traps, joined.
    Trapped(String),
    /// A write that was sent and whose reply was lost.
    Unknown,
    /// The caller's fence was closed before a write was sent.
    Fenced,
    /// Bytes that break the protocol, or a row that cannot be read.
    Strange(String),
    /// A value that must not be sent.
    Unsendable(String),
}

impl Failure {
    /// The failure as the caller's error.
    pub(super) fn named(self, router: &str, command: &str) -> Error {
        let router = router.to_owned();
        match self {
            Self::Away(why) => Error::Unreachable { router, why },
            Self::Login(words) => Error::LoginRefused { router, words },
            Self::Certificate(fingerprint, why) => Error::Certificate { router, fingerprint, why },
            Self::Trapped(words) => {
                let kind = Refusal::of(&words);
                Error::Refused { router, command: command.to_owned(), words, kind }
            }
            Self::Unknown => Error::OutcomeUnknown { router, command: command.to_owned() },
            Self::Fenced => Error::Fenced { router },
            Self::Strange(what) => Error::Strange { router, what },
            Self::Unsendable(what) => Error::Unsendable { router, what },
        }
    }

    /// One line for the state that staff see.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Away(why) => why.clone(),
            Self::Login(words) => format!("login refused: {words}"),
            Self::Certificate(seen, why) => format!("certificate not trusted: {why} (SHA-256 {seen})"),
            Self::Trapped(words) => words.clone(),
            Self::Unknown => "the reply was lost".to_owned(),
            Self::Fenced => "the lease on it had run out".to_owned(),
            Self::Strange(what) | Self::Unsendable(what) => what.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_known_by_the_routers_words() {
        for (words, kind) in [
            ("failure: secret with the same name already exists", Refusal::NameExists),
            ("failure: already have such name", Refusal::NameExists),
            ("failure: item with such name already exists", Refusal::NameExists),
            ("No such item (4)", Refusal::NoSuchItem),
            ("not enough permissions (9)", Refusal::Policy),
            ("failure: upload-max-limit less than upload-limit", Refusal::BelowLeast),
            ("input does not match any value of profile", Refusal::UnknownProfile),
            ("input does not match any value of service", Refusal::Other),
            ("no such command prefix; no such command", Refusal::Other),
            ("", Refusal::Other),
        ] {
            assert_eq!(Refusal::of(words), kind, "{words:?}");
        }
    }

    #[test]
    fn away_is_what_may_mend_itself() {
        assert!(Failure::Away("x".into()).named("r", "/c").is_away());
        assert!(Failure::Unknown.named("r", "/c").is_away());
        assert!(!Failure::Strange("x".into()).named("r", "/c").is_away());
        assert!(!Failure::Login("x".into()).named("r", "/c").is_away());
        assert!(!Failure::Trapped("no such item".into()).named("r", "/c").is_away());
    }
}
