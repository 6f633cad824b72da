//! How letters leave: through a mail server, into a folder, by way of WHMCS, or not at all.
//!
//! Laws: a letter sent twice is recognisable, because its `Message-ID` is made from its place in the outbox; nothing that
//! a customer or WHMCS wrote can start a header; a failure says whether trying again can help; no password in clear over
//! a network, and never in an error.

use super::letters::Rendered;
use super::smtp::{Connection, Server};
use super::variables::one_line;
use chrono::{DateTime, Utc};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use secrecy::SecretString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// The longest reason that is kept with a letter, characters.
const LONGEST_REASON: usize = 500;

/// How mail is to leave, as configured.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The way.
    pub transport: Transport,
    /// Whom letters are from.
    pub from: Mailbox,
    /// Which installation this is; part of every `Message-ID`.
    pub installation: Uuid,
}

/// `mail.transport`, with what each way needs.
#[derive(Clone, Debug)]
pub enum Transport {
    /// A mail server.
    Smtp(SmtpSettings),
    /// One `.eml` file a letter.
    File {
        /// Where they are written; made if it is not there.
        folder: PathBuf,
    },
    /// Handed to the bridge at WHMCS's next cron run.
    Whmcs,
    /// Kept in the outbox.
    Off,
}

/// `mail.smtp`.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Name or address of the server; with TLS also the name its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: Tls,
    /// User name; empty = no login.
    pub username: String,
    /// Password.
    pub password: SecretString,
    /// Certificates (PEM) to trust besides the system's roots.
    pub extra_roots: Option<Vec<u8>>,
    /// How long connecting, securing and logging in may take together, at most 15 s; sending a letter may take three
    /// times that.
    pub timeout: Duration,
}

/// `mail.smtp.tls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// In clear.
    None,
    /// In clear until STARTTLS; a server without it is refused.
    StartTls,
    /// From the first byte (port 465).
    Implicit,
}

/// Why a mailer cannot be made of its settings.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// A password would cross a network in clear.
    #[error(
        "mail.smtp has a user name but tls = \"none\", so the password would cross the network to {host} in clear; \
         set tls to \"starttls\" or \"implicit\""
    )]
    PlainPassword {
        /// The server.
        host: String,
    },
    /// The certificates to trust, or the server's name, cannot be used.
    #[error(
        "TLS to the mail server {host} cannot be set up: {why}; check mail.smtp.host and the certificates to trust"
    )]
    Tls {
        /// The server.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// No server.
    #[error("mail.smtp.host is empty; name the mail server, or choose another mail.transport")]
    NoHost,
}

/// Why a letter did not leave, in one sentence for staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server, the way there or the configuration is at fault: the same letter may leave later.
    Retry(String),
    /// This recipient cannot be written to: trying again is of no use.
    Permanent(String),
}

impl Failure {
    /// The sentence: one line, short enough for the outbox.
    pub fn sentence(&self) -> String {
        let (Self::Retry(said) | Self::Permanent(said)) = self;
        shortened(said)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl std::error::Error for Failure {}

/// One line of at most [`LONGEST_REASON`] characters.
pub(super) fn shortened(text: &str) -> String {
    one_line(text).chars().take(LONGEST_REASON).collect()
}

/// A letter on its way.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Its place in the outbox.
    pub outbox_id: u64,
    /// The customer's name; may be empty.
    pub to_name: &'a str,
    /// The customer's address.
    pub to_address: &'a str,
    /// What it says.
    pub letter: &'a Rendered,
    /// When it is sent.
    pub date: DateTime<Utc>,
}

/// The way out. Made once; [`Mailer::session`] is opened for each batch.
#[derive(Debug)]
pub enum Mailer {
    /// Through a mail server.
    Smtp(Box<Server>, Sender),
    /// Into a folder.
    File(PathBuf, Sender),
    /// By way of WHMCS: see [`super::outbox::hand_out`].
    Whmcs,
    /// Not at all.
    Off,
}

impl Mailer {
    /// A mailer of these settings. Nothing is connected to yet.
    pub fn new(settings: MailSettings) -> Result<Self, MailerError> {
        let sender = Sender { from: settings.from, installation: settings.installation };
        Ok(match settings.transport {
            Transport::Smtp(smtp) => Self::Smtp(Box::new(Server::new(smtp)?), sender),
            Transport::File { folder } => Self::File(folder, sender),
            Transport::Whmcs => Self::Whmcs,
            Transport::Off => Self::Off,
        })
    }

    /// `mail.transport`'s word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Smtp(..) => "smtp",
            Self::File(..) => "file",
            Self::Whmcs => "whmcs",
            Self::Off => "off",
        }
    }

    /// Whether mail could leave now: connects, secures, logs in and hangs up; or writes and removes a file.
    pub async fn test_connection(&self) -> Result<(), Failure> {
        match self {
            Self::Smtp(server, _) => {
                server.open().await?.close().await;
                Ok(())
            }
            Self::File(folder, _) => {
                write_file(folder, "test", b"").await?;
                let file = folder.join("test.eml");
                tokio::fs::remove_file(&file).await.map_err(|error| unwritable(&file, &error))
            }
            Self::Whmcs | Self::Off => Ok(()),
        }
    }

    /// For a batch of letters; `None` where this mailer sends nothing itself.
    pub fn session(&self) -> Option<Session<'_>> {
        match self {
            Self::Smtp(server, sender) => Some(Session::Smtp { server, sender, open: None, away: None }),
            Self::File(folder, sender) => Some(Session::File { folder, sender }),
            Self::Whmcs | Self::Off => None,
        }
    }
}

/// A batch on its way: one connection for all its letters, opened by the first.
#[derive(Debug)]
pub enum Session<'a> {
    /// Through a mail server.
    Smtp {
        /// Which.
        server: &'a Server,
        /// Whom from.
        sender: &'a Sender,
        /// The connection, once there is one.
        open: Option<Connection>,
        /// Why it could not be opened: one batch knocks once, or a server that is away would cost a time limit a letter.
        away: Option<Failure>,
    },
    /// Into a folder.
    File {
        /// Which.
        folder: &'a Path,
        /// Whom from.
        sender: &'a Sender,
    },
}

impl Session<'_> {
    /// Sends a letter. `Ok` means that the server took it over (250) or that the file is whole and on disk.
    ///
    /// Dropped half-way it is not known whether the letter left; it is then sent again under the same `Message-ID`.
    pub async fn deliver(&mut self, outgoing: &Outgoing<'_>) -> Result<(), Failure> {
        match self {
            Self::Smtp { server, sender, open, away } => {
                let message = sender.compose(outgoing)?;
                if let Some(failure) = away {
                    return Err(failure.clone());
                }
                let mut connection = match open.take() {
                    Some(connection) => connection,
                    None => server.open().await.inspect_err(|failure| *away = Some(failure.clone()))?,
                };
                server.send(&mut connection, &message).await?;
                // Only a connection whose last letter went well is used again.
                *open = Some(connection);
                Ok(())
            }
            Self::File { folder, sender } => {
                let message = sender.compose(outgoing)?;
                write_file(folder, &outgoing.outbox_id.to_string(), &message.formatted()).await
            }
        }
    }

    /// Says good-bye to the server.
    pub async fn close(self) {
        if let Self::Smtp { open: Some(connection), .. } = self {
            connection.close().await;
        }
    }
}

/// Whom letters are from, and how they are put together.
#[derive(Clone, Debug)]
pub struct Sender {
    from: Mailbox,
    installation: Uuid,
}

impl Sender {
    /// The letter as it is sent, byte for byte. For those who look at letters from outside: `fuzz/` and tests.
    ///
    /// # Errors
    /// The recipient's address is none.
    #[doc(hidden)]
    pub fn written(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, Failure> {
        self.compose(outgoing).map(|message| message.formatted())
    }

    /// The letter as a message. Fails only for a recipient that is no mail address.
    fn compose(&self, outgoing: &Outgoing<'_>) -> Result<Message, Failure> {
        let address = outgoing.to_address.trim().parse::<Address>().map_err(|error| {
            let address = one_line(outgoing.to_address);
            Failure::Permanent(format!("{address:?} is no mail address ({error}); correct it in WHMCS"))
        })?;
        let name = one_line(outgoing.to_name);
        let id = format!("<outbox-{}.{}@{}>", outgoing.outbox_id, self.installation, self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new((!name.is_empty()).then_some(name), address))
            .subject(one_line(&outgoing.letter.subject))
            .date(outgoing.date.into())
            .message_id(Some(id))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(outgoing.letter.text.clone(), outgoing.letter.html.clone()))
            .map_err(|error| Failure::Permanent(format!("the letter cannot be put together: {error}")))
    }
}

/// RFC 3834: keeps holiday notices and other robots from answering.
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Writes `<folder>/<name>.eml` whole or not at all.
async fn write_file(folder: &Path, name: &str, content: &[u8]) -> Result<(), Failure> {
    let target = folder.join(format!("{name}.eml"));
    let temporary = folder.join(format!(".{name}.eml.part"));
    let written = async {
        tokio::fs::create_dir_all(folder).await?;
        let mut file = tokio::fs::File::create(&temporary).await?;
        file.write_all(content).await?;
        file.sync_all().await?;
        drop(file);
        tokio::fs::rename(&temporary, &target).await
    };
    written.await.map_err(|error| unwritable(&target, &error))
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Retry(format!("the mail file {} cannot be written ({error}); check mail.folder", file.display()))
}
