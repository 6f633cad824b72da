//! What went wrong, as an answer: RFC 9457 problem details with a stable code.
//!
//! Law 12: an error names the thing and tells WHMCS staff what to do; this file is the one place where codes and
//! statuses meet. A 500 says one fixed sentence; its cause goes to the log, found by the reference.

use crate::{db, routeros, seal};
use serde::Serialize;
use serde_json::{Map, Value};

/// The closed list of codes (contract §5). Wire spelling is kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Bytes that do not parse, wrong JSON types, or something missing.
    Malformed,
    /// The path exists, not with this method.
    MethodNotAllowed,
    /// The body is over 1 MiB.
    TooLarge,
    /// The content type is not JSON.
    NotJson,
    /// Too many refused requests from this address.
    SlowDown,
    /// No signature headers.
    SignatureMissing,
    /// The signature does not fit.
    SignatureWrong,
    /// The body is not the one that was signed.
    DigestWrong,
    /// No such signing key.
    KeyUnknown,
    /// This nonce was seen.
    NonceReused,
    /// Signed more than 120 s away from our clock.
    ClockSkew,
    /// No such hook.
    NoSuchHook,
    /// The service is not known here.
    NoSuchService,
    /// The plan is not known here.
    NoSuchPlan,
    /// No such NetFlow record.
    NoSuchRecord,
    /// The server is not known here.
    NoSuchServer,
    /// A secret or queue of that name is on the router and is not ours.
    NameTaken,
    /// A plan that services use.
    PlanInUse,
    /// `add-traffic`: the key was used with other bytes.
    KeyReused,
    /// Something else has hold of it; try again.
    Busy,
    /// A field's value cannot be.
    SettingInvalid,
    /// No address is left.
    AddressesExhausted,
    /// A plan that contradicts itself.
    PlanInvalid,
    /// The router said no.
    RouterRefused,
    /// The router answered something that cannot be understood.
    RouterStrange,
    /// The router does not answer.
    RouterUnreachable,
    /// The database does not answer.
    DatabaseUnavailable,
    /// A defect of ours.
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Malformed,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::NotJson,
        Self::SlowDown,
        Self::SignatureMissing,
        Self::SignatureWrong,
        Self::DigestWrong,
        Self::KeyUnknown,
        Self::NonceReused,
        Self::ClockSkew,
        Self::NoSuchHook,
        Self::NoSuchService,
        Self::NoSuchPlan,
        Self::NoSuchRecord,
        Self::NoSuchServer,
        Self::NameTaken,
        Self::PlanInUse,
        Self::KeyReused,
        Self::Busy,
        Self::SettingInvalid,
        Self::AddressesExhausted,
        Self::PlanInvalid,
        Self::RouterRefused,
        Self::RouterStrange,
        Self::RouterUnreachable,
        Self::DatabaseUnavailable,
        Self::Internal,
    ];

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::SignatureMissing
            | Self::SignatureWrong
            | Self::DigestWrong
            | Self::KeyUnknown
            | Self::NonceReused
            | Self::ClockSkew => 401,
            Self::NoSuchHook | Self::NoSuchService | Self::NoSuchPlan | Self::NoSuchRecord | Self::NoSuchServer => 404,
            Self::MethodNotAllowed => 405,
            Self::NameTaken | Self::PlanInUse | Self::KeyReused | Self::Busy => 409,
            Self::TooLarge => 413,
            Self::NotJson => 415,
            Self::SettingInvalid | Self::AddressesExhausted | Self::PlanInvalid => 422,
            Self::SlowDown => 429,
            Self::Internal => 500,
            Self::RouterRefused | Self::RouterStrange => 502,
            Self::RouterUnreachable | Self::DatabaseUnavailable => 503,
        }
    }

    /// The code's short title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request cannot be read",
            Self::MethodNotAllowed => "Not with this method",
            Self::TooLarge => "The body is too large",
            Self::NotJson => "The body is not JSON",
            Self::SlowDown => "Too many refused requests",
            Self::SignatureMissing => "The request is not signed",
            Self::SignatureWrong => "The signature does not fit",
            Self::DigestWrong => "The body is not the one that was signed",
            Self::KeyUnknown => "The signing key is not known",
            Self::NonceReused => "The request was seen before",
            Self::ClockSkew => "The clocks differ",
            Self::NoSuchHook => "No such hook",
            Self::NoSuchService => "No such service",
            Self::NoSuchPlan => "No such plan",
            Self::NoSuchRecord => "No such record",
            Self::NoSuchServer => "No such server",
            Self::NameTaken => "The name is taken",
            Self::PlanInUse => "The plan is in use",
            Self::KeyReused => "The key was used before",
            Self::Busy => "Busy with the same thing",
            Self::SettingInvalid => "A setting cannot be",
            Self::AddressesExhausted => "No address is left",
            Self::PlanInvalid => "The plan cannot be",
            Self::RouterRefused => "The router refused",
            Self::RouterStrange => "The router answered something strange",
            Self::RouterUnreachable => "The router does not answer",
            Self::DatabaseUnavailable => "The database does not answer",
            Self::Internal => "A defect in Turnpike",
        }
    }

    /// The wire spelling, `name-taken`.
    pub fn as_str(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(text)) => text,
            _ => "internal".to_owned(),
        }
    }
}

/// What every defect's sentence begins with.
const DEFECT: &str = "Turnpike could not do this because of a defect or a broken installation";

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// One sentence for WHMCS staff: what failed, where, what to do. Never a secret, never HTML.
    pub detail: String,
    /// A sentence that a customer may see.
    pub customer_detail: Option<&'static str>,
    /// The path of the field at fault, from the body's root.
    pub field: Option<String>,
    /// More members, such as `skew_seconds`.
    pub extra: Map<String, Value>,
    /// For `slow-down`: seconds until the next try makes sense.
    pub retry_after: Option<u64>,
    /// For the log alone: the chain of causes.
    pub cause: Option<String>,
    retryable: bool,
    shuts_out: bool,
}

impl Problem {
    /// A problem of this code with its sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            customer_detail: None,
            field: None,
            extra: Map::new(),
            retry_after: None,
            cause: None,
            retryable: false,
            shuts_out: false,
        }
    }

    /// A field whose value cannot be: `setting-invalid`. The sentence is completed with the field's path.
    pub fn field(path: impl Into<String>, why: impl AsRef<str>) -> Self {
        let path = path.into();
        let mut problem = Self::new(Code::SettingInvalid, format!("{path} {}", why.as_ref()));
        problem.field = Some(path);
        problem
    }

    /// Something missing or of a wrong JSON type: `malformed`, with its field.
    pub fn malformed(path: impl Into<String>, why: impl AsRef<str>) -> Self {
        let path = path.into();
        let mut problem = Self::new(Code::Malformed, format!("{path} {}", why.as_ref()));
        problem.field = Some(path);
        problem
    }

    /// A defect of ours: the answer says a fixed sentence, the log gets the cause.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(Code::Internal, format!("{DEFECT}; the log line with this reference says more."));
        problem.cause = Some(cause.to_string());
        problem
    }

    /// A router that others wait for already, in vain, since then: `router-unreachable`.
    pub fn silent(router: &str, since: &str) -> Self {
        let detail = format!(
            "Router {router} has not answered since {since}, and its counters are still waited for by an earlier request; \
             check that it is up and the network between."
        );
        Self::new(Code::RouterUnreachable, detail).for_customer(LATER)
    }

    /// The same, with a sentence for the customer.
    #[must_use]
    pub fn for_customer(mut self, sentence: &'static str) -> Self {
        self.customer_detail = Some(sentence);
        self
    }

    /// The same, with the cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same, with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// The sentence for whoever runs a command or reads the log, who has no reference to look up: that of a defect names its
    /// cause, which holds no secret, being made for the log.
    pub fn told(&self) -> String {
        match &self.cause {
            Some(cause) if self.code == Code::Internal => {
                stopped(&format!("{DEFECT}: {}", cause.split_whitespace().collect::<Vec<_>>().join(" ")))
            }
            _ => stopped(&self.detail),
        }
    }

    /// Whether the transaction that it ended may be done over (see [`in_tx!`](crate::in_tx)).
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Whether the router let nobody of ours in, so that it was asked for nothing: it refuses no change, and none is made
    /// until somebody mends the login or the certificate.
    pub fn shuts_out(&self) -> bool {
        self.shuts_out
    }

    /// The problem as `application/problem+json`.
    pub fn to_json(&self, reference: &str) -> Value {
        let mut body = self.extra.clone();
        let code = self.code.as_str();
        body.insert("type".to_owned(), format!("urn:turnpike:problem:{code}").into());
        body.insert("title".to_owned(), self.code.title().into());
        body.insert("status".to_owned(), self.code.status().into());
        body.insert("detail".to_owned(), stopped(&self.detail).into());
        body.insert("code".to_owned(), code.into());
        body.insert("reference".to_owned(), reference.into());
        if let Some(field) = &self.field {
            body.insert("field".to_owned(), field.clone().into());
        }
        if let Some(sentence) = self.customer_detail {
            body.insert("customer_detail".to_owned(), sentence.into());
        }
        Value::Object(body)
    }
}

/// A sentence with its end.
fn stopped(sentence: &str) -> String {
    let stop = if sentence.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{sentence}{stop}")
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match &error {
            db::Error::Unavailable(_) => Self::new(
                Code::DatabaseUnavailable,
                // A commit whose answer is lost may have been made.
                "Turnpike's database does not answer. Look at the database server, then try again: nothing is done twice.",
            )
            .because(error),
            db::Error::Retry(_) => {
                let mut problem = Self::new(
                    Code::DatabaseUnavailable,
                    "Turnpike's database was too busy to finish this; nothing was changed. Try again.",
                );
                problem.retryable = true;
                problem.because(error)
            }
            db::Error::Duplicate | db::Error::Cancelled | db::Error::Defect(_) => Self::internal(error),
        }
    }
}

impl From<seal::SealError> for Problem {
    fn from(error: seal::SealError) -> Self {
        Self::internal(format!("a stored secret cannot be opened: {error}"))
    }
}

const LATER: &str = "The VPN server cannot be reached right now; nothing was changed. Please try again later.";

impl From<routeros::Error> for Problem {
    fn from(error: routeros::Error) -> Self {
        use routeros::{Error, Refusal};
        let shuts_out = matches!(error, Error::LoginRefused { .. } | Error::Certificate { .. });
        let problem = match &error {
            Error::Unreachable { router, why } => Self::new(
                Code::RouterUnreachable,
                format!(
                    "Router {router} does not answer ({why}); check its address and port, /ip service address= on it, and \
                     the network between."
                ),
            )
            .for_customer(LATER),
            Error::OutcomeUnknown { router, command } => Self::new(
                Code::RouterUnreachable,
                format!("Router {router} was lost while {command} was on its way; try again, it is safe to."),
            )
            .for_customer(LATER),
            Error::LoginRefused { router, words } => Self::new(
                Code::RouterRefused,
                format!("Router {router} refused the login: {words}. Check the user name and password of this server in WHMCS."),
            ),
            Error::Certificate { router, fingerprint, why } => Self::new(
                Code::RouterRefused,
                format!(
                    "The certificate of router {router} cannot be trusted ({why}). If SHA-256 {fingerprint} is the \
                     fingerprint that the router itself shows, put it into the server's Access Hash to pin it."
                ),
            )
            .with("certificate_sha256", fingerprint.to_string()),
            Error::Refused { router, command, words, kind } => {
                let advice = match kind {
                    Refusal::Policy => " Give the API user's group the policies read, write, api and sensitive.",
                    Refusal::UnknownProfile => " Make this PPP profile on the router or choose another in the product.",
                    Refusal::NameExists | Refusal::NoSuchItem | Refusal::BelowLeast | Refusal::Other => "",
                };
                Self::new(Code::RouterRefused, format!("Router {router} refused {command}: {words}.{advice}"))
            }
            Error::Strange { router, what } => {
                Self::new(Code::RouterStrange, format!("Router {router} answered something that cannot be understood: {what}."))
            }
            Error::Fenced { router } => Self::new(
                Code::Busy,
                format!(
                    "This Turnpike was held up for so long that another may have taken over router {router}; nothing more was \
                     sent to it from here. Try again in a minute."
                ),
            ),
            Error::Unsendable { .. } => Self::internal(&error),
            Error::NameTaken { router, what, name } => Self::new(
                Code::NameTaken,
                format!(
                    "Router {router} has a {what} named {name} that is not this service's; rename or remove it there, or \
                     give this service another user name."
                ),
            ),
        };
        Self { shuts_out, ..problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_names_its_cause_to_whoever_has_no_reference() {
        let sealed = Problem::from(seal::SealError::KeyUnknown);
        assert!(sealed.detail.ends_with("the log line with this reference says more."), "{}", sealed.detail);
        let told = sealed.told();
        assert!(told.contains("a stored secret cannot be opened: None of the master keys"), "{told}");
        assert!(told.ends_with("to seal.older_keys.") && !told.contains("reference"), "{told}");
        assert_eq!(Problem::new(Code::Busy, "Try again.").because("a lock").told(), "Try again.");
        assert_eq!(Problem::field("prefix", "is wrong").told(), "prefix is wrong.");
    }
}
