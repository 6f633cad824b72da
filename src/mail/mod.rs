//! Letters to customers: how they read ([`Letters`]), how they leave ([`Mailer`]), and the box they wait in ([`outbox`]).
//!
//! Law 1: a letter is written into the outbox in the transaction that decided it; it is sent later, by a step that holds
//! no transaction.

pub mod archive;
mod dispatch;
mod letters;
mod mailer;
pub mod outbox;
mod plan_words;
mod smtp;
mod variables;

pub use dispatch::{Outcome, send_due, send_until};
pub use letters::{Letters, LettersError, Rendered};
pub use lettre::message::Mailbox;
pub use mailer::{Failure, MailSettings, Mailer, MailerError, Outgoing, Sender, Session, SmtpSettings, Tls, Transport};
pub use plan_words::{PlanFacts, PlanWords};
pub use variables::{Facts, Variables};

use serde::{Deserialize, Serialize};

/// What a letter is for; each has a built-in letter of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The balance fell below the threshold.
    Threshold,
    /// The balance, or a quota of the plan, is used up and the account is blocked.
    Suspension,
    /// The plan makes the account slower.
    Slowed,
    /// The account goes at full speed again.
    Restored,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Threshold, Self::Suspension, Self::Slowed, Self::Restored];

    /// The name of the built-in letter, and the spelling in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Suspension => "suspension",
            Self::Slowed => "slowed",
            Self::Restored => "restored",
        }
    }

    /// The purpose of that spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}
