//! A conversation with a mail server.
//!
//! lettre's own pool is not used: when a send is given up half-way it puts the connection back with the answer still to
//! come, and the next letter would take that answer for its own. Here a connection belongs to one batch, and to nobody
//! after its first failure; whoever gives up drops it. lettre limits only the connecting in time; here every step is.

use super::mailer::{Failure, MailerError, SmtpSettings, Tls};
use crate::steps;
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest patience that still ends within an outbox lease (see `dispatch`).
const LONGEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a good-bye may take.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// A mail server, with everything needed to speak to it.
pub struct Server {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
    hello: ClientId,
}

// lettre's TLS parameters and our password say nothing here.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}, {:?})", self.address(), self.settings.tls)
    }
}

/// An open conversation, logged in where that was asked for.
pub struct Connection(Box<AsyncSmtpConnection>);

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// Says QUIT, and waits a moment for the answer.
    pub(super) async fn close(mut self) {
        let _step = steps::step("QUIT");
        // Whatever the server answers: nothing is left to be lost.
        drop(timeout(GOOD_BYE, self.0.quit()).await);
    }
}

impl Server {
    pub(super) fn new(mut settings: SmtpSettings) -> Result<Self, MailerError> {
        let host = settings.host.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
        settings.host = host;
        if settings.host.is_empty() {
            return Err(MailerError::NoHost);
        }
        if settings.tls == Tls::None && !settings.username.is_empty() && !is_loopback(&settings.host) {
            return Err(MailerError::PlainPassword { host: settings.host });
        }
        settings.timeout = settings.timeout.min(LONGEST_TIMEOUT);
        let tls = (settings.tls != Tls::None).then(|| tls_parameters(&settings)).transpose()?;
        Ok(Self { settings, tls, hello: ClientId::default() })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Connects, secures and logs in.
    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        let _step = steps::step("EHLO");
        match timeout(self.settings.timeout, self.conversation()).await {
            Ok(Ok(connection)) => Ok(Connection(Box::new(connection))),
            Ok(Err(error)) => Err(self.not_opened(&error)),
            Err(_) => Err(Failure::Retry(format!(
                "the mail server {} did not answer within {} s; check mail.smtp.host, port and tls",
                self.address(),
                self.settings.timeout.as_secs()
            ))),
        }
    }

    async fn conversation(&self) -> Result<AsyncSmtpConnection, Error> {
        let SmtpSettings { host, port, tls, username, password, timeout, .. } = &self.settings;
        let at_once = self.tls.clone().filter(|_| *tls == Tls::Implicit);
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(*timeout), &self.hello, at_once, None).await?;
        if let (Tls::StartTls, Some(parameters)) = (tls, &self.tls) {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if !username.is_empty() {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        Ok(connection)
    }

    /// Sends one message. After an error the connection must not be used again.
    pub(super) async fn send(&self, connection: &mut Connection, message: &Message) -> Result<(), Failure> {
        let bytes = message.formatted();
        let patience = self.settings.timeout * 3;
        let _step = steps::step("DATA");
        // The time first: a process that was stopped in the middle of a letter, and woke up when somebody else may be
        // sending it, says no further word of it.
        tokio::select! {
            biased;
            () = sleep(patience) => Err(Failure::Retry(format!(
                "the mail server {} took longer than {} s over the letter",
                self.address(),
                patience.as_secs()
            ))),
            sent = connection.0.send(message.envelope(), &bytes) => match sent {
                Ok(_) => Ok(()),
                Err(error) => Err(self.not_sent(&error, message)),
            },
        }
    }

    /// Nothing about a recipient was said yet: it may always go better later.
    fn not_opened(&self, error: &Error) -> Failure {
        let (server, words) = (self.address(), self.words(error));
        Failure::Retry(match error.status().map(u16::from) {
            Some(530 | 534 | 535 | 538) => format!(
                "the mail server {server} refused the login ({words}); correct mail.smtp username, password and tls"
            ),
            Some(_) => format!("the mail server {server} refuses to talk to us ({words})"),
            None if error.is_client() => {
                format!(
                    "the mail server {server} does not offer what is configured ({words}); correct mail.smtp tls and username"
                )
            }
            None => format!("the mail server {server} cannot be reached ({words}); check mail.smtp host, port and tls"),
        })
    }

    fn not_sent(&self, error: &Error, message: &Message) -> Failure {
        let (server, words) = (self.address(), self.words(error));
        match error.status().map(u16::from) {
            Some(530 | 534 | 535 | 538) => Failure::Retry(format!(
                "the mail server {server} wants a login ({words}); correct mail.smtp username, password and tls"
            )),
            Some(500..600) if is_the_recipients_fault(&answer(error)) => {
                Failure::Permanent(format!("the mail server {server} refused the recipient ({words})"))
            }
            Some(500..600) => Failure::Retry(format!(
                "the mail server {server} refused the letter ({words}); if it refuses others too, check mail.from and mail.smtp"
            )),
            Some(_) => Failure::Retry(format!("the mail server {server} did not take the letter ({words})")),
            None if error.is_client() && has_non_ascii_recipient(message) => Failure::Permanent(format!(
                "the mail server {server} cannot write to an address with letters beyond ASCII ({words})"
            )),
            None => Failure::Retry(format!("the connection to the mail server {server} broke ({words})")),
        }
    }

    /// The error's own words, without the password should a server repeat it.
    fn words(&self, error: &Error) -> String {
        let password = self.settings.password.expose_secret();
        let words = error.to_string();
        if password.is_empty() { words } else { words.replace(password, "…") }
    }
}

/// What the server said behind the number.
fn answer(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Whether a refusal is about the one who should get the letter, and not about us, the server or the moment.
///
/// RFC 3463's second and third number say so, and nothing else does: 5.1.1 to 5.1.3, 5.1.6 and 5.1.10 are addresses, 5.2.1
/// is a mailbox shut down. A bare 550 is also what Exim says of a sender that it cannot verify and of one who may not
/// relay. The numbers begin the answer (RFC 2034): further on it may quote what somebody else said of our own address.
fn is_the_recipients_fault(answer: &str) -> bool {
    let mut numbers = answer.split_whitespace().next().unwrap_or_default().split('.').map(str::parse::<u16>);
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(5)), Some(Ok(subject)), Some(Ok(detail)), None) => {
            matches!((subject, detail), (1, 1 | 2 | 3 | 6 | 10) | (2, 1))
        }
        _ => false,
    }
}

fn has_non_ascii_recipient(message: &Message) -> bool {
    message.envelope().to().iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, MailerError> {
    let wrong = |error: Error| MailerError::Tls { host: settings.host.clone(), why: error.to_string() };
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.extra_roots {
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(wrong)?);
    }
    builder.build_rustls().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn only_a_refusal_of_the_recipient_is_final() {
        for answer in ["5.1.1 no such user", "5.1.3 bad address syntax", "5.1.10 not found", "5.2.1 mailbox disabled"] {
            assert!(is_the_recipients_fault(answer), "{answer}");
        }
        for answer in [
            "5.2.2 mailbox full",
            "5.7.1 relay access denied",
            "5.7.26 unauthenticated mail",
            "5.1.8 sender address refused",
            "5.0.0 no",
            "command unknown",
            "no such user",
            "relay not permitted",
            "5.1.1.1 is on a list",
            "Verification failed for <vpn@example.net> Response: 550 5.1.1 no such user Sender verify failed",
            "",
        ] {
            assert!(!is_the_recipients_fault(answer), "{answer}");
        }
    }

    fn settings(host: &str, tls: Tls, username: &str) -> SmtpSettings {
        SmtpSettings {
            host: host.into(),
            port: 25,
            tls,
            username: username.into(),
            password: SecretString::from("wholly-secret"),
            extra_roots: None,
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_password_crosses_no_network_in_clear() {
        let refused = Server::new(settings("mail.example.net", Tls::None, "vpn")).unwrap_err();
        assert!(refused.to_string().contains("in clear"), "{refused}");
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(Server::new(settings(host, Tls::None, "vpn")).is_ok(), "{host}");
        }
        assert!(Server::new(settings("mail.example.net", Tls::None, "")).is_ok());
        assert!(Server::new(settings(" ", Tls::None, "")).is_err());
    }

    #[test]
    fn a_server_shows_no_password() {
        let server = Server::new(settings("localhost", Tls::None, "vpn")).unwrap();
        assert!(!format!("{server:?} {:?}", server.settings).contains("wholly-secret"));
    }
}
