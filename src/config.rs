//! The settings: `config.default.toml`, the file and the environment laid over each other, each value checked once.
//!
//! Laws: an unknown key or an impossible value refuses to start with a sentence that names the key and what would be
//! right; a secret is a type whose Debug says nothing; defaults stand in `config.default.toml` and nowhere else.

mod init;
mod layers;
mod reader;

pub use init::{InitOutcome, init};
pub use layers::Origin;

use crate::{clock::Chance, plan::window::Clock, units::Gigabyte};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use layers::Layers;
use lettre::message::Mailbox;
use reader::Reader;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the file is looked for without `--config`, in this order.
pub const PLACES: [&str; 2] = ["turnpike.toml", "/etc/turnpike/turnpike.toml"];

/// What is wrong with the settings: one sentence that names the key and says what to do, without any secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What relative paths are taken from: the file's folder, absolute.
    pub folder: PathBuf,
    /// For the bridge.
    pub http: Http,
    /// For whoever watches.
    pub ops: Ops,
    /// Where the books are.
    pub database: Database,
    /// What seals secrets at rest.
    pub seal: SealKeys,
    /// The signing keys; at least one. The first is the one that the pairing code holds.
    pub bridge: Vec<BridgeKey>,
    /// `time.zone`: whose midnights part the days.
    pub zone: chrono_tz::Tz,
    /// Letters.
    pub mail: Mail,
    /// Counting.
    pub collect: Collect,
    /// Plans.
    pub plans: Plans,
    /// Patience with routers.
    pub router: Router,
    /// Balances.
    pub traffic: Traffic,
    /// What customers see of NetFlow records.
    pub netflow: Netflow,
    /// The log.
    pub log: Log,
}

/// `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// Address and port for the bridge.
    pub listen: SocketAddr,
    /// Certificate and key; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Plain HTTP on an address that other machines can reach.
    pub allow_plain: bool,
    /// The URL that WHMCS calls, without a slash at its end, where it cannot be made of `listen`.
    pub public_url: Option<String>,
}

/// `http.tls_certificate` and `http.tls_key`: PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[ops]`.
#[derive(Clone, Debug)]
pub struct Ops {
    /// Address and port for health and metrics.
    pub listen: SocketAddr,
}

/// `[database]`.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:<absolute path>` or `mysql://…`; a secret because of the password in it.
    pub url: SecretString,
    /// Whether `serve` brings the schema up to date.
    pub migrate: bool,
}

/// `[seal]`: base64 of 32 bytes each.
#[derive(Clone, Debug)]
pub struct SealKeys {
    /// The key that seals.
    pub master_key: SecretString,
    /// Keys that only open.
    pub older_keys: Vec<SecretString>,
}

/// One `[[bridge.key]]`.
#[derive(Clone, Debug)]
pub struct BridgeKey {
    /// The key id on the wire: letters, digits, points, hyphens, underscores.
    pub id: String,
    /// Base64url of at least 32 bytes, as the pairing code holds it.
    pub secret: SecretString,
}

impl BridgeKey {
    /// The HMAC key: the secret, decoded. Empty only for a text that [`Config`] would not have taken.
    pub fn bytes(&self) -> SecretSlice<u8> {
        decode(&alphabet::URL_SAFE, self.secret.expose_secret()).unwrap_or_default().into()
    }
}

/// How letters leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By a mail server.
    Smtp,
    /// Handed to the bridge, for WHMCS to send.
    Whmcs,
    /// Written to a folder.
    File,
    /// Not at all.
    Off,
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// How letters leave.
    pub transport: Transport,
    /// The sender.
    pub from: Mailbox,
    /// For [`Transport::File`]: where to.
    pub folder: PathBuf,
    /// The administrator's own templates.
    pub templates: Option<PathBuf>,
    /// For [`Transport::Smtp`].
    pub smtp: Smtp,
}

/// Encryption towards the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// None.
    None,
    /// STARTTLS, required.
    Starttls,
    /// TLS from the first byte.
    Implicit,
}

/// `[mail.smtp]`.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: SmtpTls,
    /// User name and password, where a login is wanted.
    pub login: Option<(String, SecretString)>,
}

/// `[collect]`.
#[derive(Clone, Debug)]
pub struct Collect {
    /// Time between two reads; none: only when asked.
    pub poll: Option<Duration>,
    /// How long a router or a service is a sidecar's own without a word of it.
    pub lease: Duration,
    /// Whether a collection resets our counters (`after-collection`).
    pub reset: bool,
    /// The factor over line rate from which a delta is set aside; none: off.
    pub sanity_factor: Option<f64>,
}

/// `[plans]`.
#[derive(Clone, Debug)]
pub struct Plans {
    /// Time between two reads of a router that has accounts on plans, where that is shorter than [`Collect::poll`];
    /// none: no other than that.
    pub sync: Option<Duration>,
    /// When the day's counters begin again.
    pub daily_reset: Clock,
}

/// `[router]`.
#[derive(Clone, Debug)]
pub struct Router {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the login is answered.
    pub login: Duration,
    /// Until a change is answered.
    pub write: Duration,
    /// Until a list is complete.
    pub print: Duration,
    /// Between two pieces of a list.
    pub idle: Duration,
    /// Between two tries of a router that is away, at the longest.
    pub longest_pause: Duration,
    /// Certificates besides the system's roots.
    pub ca_file: Option<PathBuf>,
}

/// `[traffic]`.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// What GB means.
    pub gb: Gigabyte,
    /// Whether unused balance survives renewal.
    pub carry_over: bool,
}

/// `[netflow]`.
#[derive(Clone, Debug)]
pub struct Netflow {
    /// The URL where a record names none.
    pub default_url: String,
    /// Whether customers see the login name.
    pub show_username: bool,
    /// Whether customers see the password.
    pub show_password: bool,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object a line.
    Json,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// How it is written.
    pub format: LogFormat,
    /// What is written: `info`, or by target `info,turnpike::routeros=debug`.
    pub level: String,
}

/// For `turnpike check`: each value in force, secrets hidden, and where it came from.
#[derive(Clone, Debug)]
pub struct Origins {
    /// The configuration file that was read; none: only defaults and environment.
    pub file: Option<PathBuf>,
    /// Things that are allowed and probably not meant, as sentences.
    pub warnings: Vec<String>,
    rows: Vec<(String, String, Origin)>,
}

impl Origins {
    /// Key, value as it may be shown, origin; sorted by key.
    pub fn report(&self) -> &[(String, String, Origin)] {
        &self.rows
    }
}

impl Config {
    /// Reads the layers: embedded defaults, `path` (or the first of [`PLACES`] that exists), `env`.
    ///
    /// # Errors
    /// One sentence that names the key or file at fault and what would be right.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Origins), ConfigError> {
        let found = path.or_else(|| PLACES.iter().map(Path::new).find(|place| place.exists()));
        let Some(path) = found else { return Self::lay(Path::new("."), None, env) };
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("The settings in {shown} cannot be read: {error}.")))?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let (config, mut origins) = Self::lay(folder, Some((path, &text)), env)?;
        origins.warnings.extend(exposed(path));
        Ok((config, origins))
    }

    /// The settings that `text` makes, laid over the defaults, as if it were `turnpike.toml` in `folder`; no
    /// environment. For the demo and for tests.
    pub fn from_text(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        Self::lay(folder, Some((&folder.join(PLACES[0]), text)), std::iter::empty()).map(|(config, _)| config)
    }

    /// The process's environment as [`Config::load`] takes it; what is not UTF-8 cannot be a setting.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
    }

    fn lay(
        folder: &Path,
        file: Option<(&Path, &str)>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Origins), ConfigError> {
        let folder = std::path::absolute(folder)
            .map_err(|error| ConfigError(format!("The folder {} cannot be had: {error}.", folder.display())))?;
        let mut layers = Layers::defaults(&folder)?;
        if let Some((path, text)) = file {
            layers.file(path, text)?;
        }
        layers.environment(env)?;
        let config = reader::config(&Reader::new(&layers))?;
        let file = file.map(|(path, _)| path.to_owned());
        Ok((config.clone(), Origins { file, warnings: warnings(&config), rows: reader::rows(&layers) }))
    }
}

/// What is allowed and probably not meant.
fn warnings(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let sends = matches!(config.mail.transport, Transport::Smtp | Transport::File);
    if sends && config.mail.from.email.domain() == "example.net" {
        found.push("mail.from is still the sample address at example.net: write the address of your own.".to_owned());
    }
    let local = ["localhost", "127.0.0.1", "::1"].contains(&config.mail.smtp.host.as_str());
    let clear = config.mail.smtp.tls == SmtpTls::None && config.mail.smtp.login.is_some() && !local;
    if config.mail.transport == Transport::Smtp && clear {
        found.push("mail.smtp.password travels unencrypted: set mail.smtp.tls to starttls or implicit.".to_owned());
    }
    if config.http.tls.is_none() && !config.http.listen.ip().to_canonical().is_loopback() {
        found.push("http.listen is plain HTTP for other machines: passwords can be read on the way.".to_owned());
    }
    if !config.seal.older_keys.is_empty() {
        found.push("seal.older_keys is not empty: run `turnpike rotate-key`, then remove them.".to_owned());
    }
    found
}

/// A warning where others on this machine can read the file with the keys.
#[cfg(unix)]
fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let shown = path.display();
    (mode & 0o007 != 0).then(|| format!("Every user of this machine can read {shown}: chmod o-rwx {shown}"))
}

#[cfg(not(unix))]
fn exposed(_: &Path) -> Option<String> {
    None
}

/// Base64 with or without padding, in the given alphabet; blanks around it do not count.
pub(crate) fn decode(alphabet: &alphabet::Alphabet, text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(text.trim()).ok()
}

/// Fresh random bytes as base64: standard for the master key, URL-safe without padding for a bridge key.
fn fresh(chance: &Chance, engine: &GeneralPurpose) -> SecretString {
    let mut bytes: [u8; 32] = chance.bytes();
    let text = engine.encode(bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    text.into()
}

#[cfg(test)]
mod tests;
