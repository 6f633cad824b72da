//! From laid-over values to the typed settings: each value is checked here, and an error says what would be right.

use super::{
    BridgeKey, Collect, Config, ConfigError, Database, Http, Log, LogFormat, Mail, Netflow, Ops, Plans, Router,
    SealKeys, Smtp, SmtpTls, TlsFiles, Traffic, Transport, decode,
    layers::{Layers, Leaf, Origin, SECRETS, pattern},
};
use crate::{db::Address, plan::window::Clock, units::Gigabyte};
use base64::alphabet;
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};
use toml::Value;
use url::Url;

/// Reads values by key.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    #[cfg(test)]
    pub read: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            #[cfg(test)]
            read: std::cell::RefCell::default(),
        }
    }

    fn leaf(&self, key: &str) -> Result<&Leaf, ConfigError> {
        #[cfg(test)]
        self.read.borrow_mut().insert(key.to_owned());
        self.layers.get(key).ok_or_else(|| ConfigError(format!("{key} is missing.")))
    }

    /// The sentence for a value that cannot be; the value itself is shown unless it is a secret.
    fn wrong(&self, key: &str, right: &str) -> ConfigError {
        let Some(Leaf { value, origin }) = self.layers.get(key) else {
            return ConfigError(format!("{key} must be {right}."));
        };
        let place = match origin {
            Origin::Default => String::new(),
            origin => format!(" ({origin})"),
        };
        if SECRETS.contains(&pattern(key).as_str()) {
            return ConfigError(format!("{key}{place} must be {right}."));
        }
        ConfigError(format!("{key}{place} must be {right}, not {value}."))
    }

    fn text(&self, key: &str) -> Result<&str, ConfigError> {
        self.leaf(key)?.value.as_str().ok_or_else(|| self.wrong(key, "a text in quotes"))
    }

    fn secret(&self, key: &str) -> Result<SecretString, ConfigError> {
        self.text(key).map(SecretString::from)
    }

    /// The environment has only texts; a file's texts are taken for what they say as well.
    fn flag(&self, key: &str) -> Result<bool, ConfigError> {
        match &self.leaf(key)?.value {
            Value::Boolean(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.wrong(key, "true or false")),
        }
    }

    fn whole(&self, key: &str, range: RangeInclusive<u32>) -> Result<u32, ConfigError> {
        let right = format!("a whole number from {} to {}", range.start(), range.end());
        let number = match &self.leaf(key)?.value {
            Value::Integer(number) => u32::try_from(*number).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| self.wrong(key, &right))
    }

    fn decimal(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        match &self.leaf(key)?.value {
            Value::Float(number) => Ok(Some(*number)),
            Value::Integer(number) => Ok(i32::try_from(*number).ok().map(f64::from)),
            Value::String(text) => Ok(text.trim().parse().ok()),
            _ => Ok(None),
        }
    }

    fn seconds(&self, key: &str) -> Result<Duration, ConfigError> {
        self.whole(key, 1..=600).map(|seconds| Duration::from_secs(seconds.into()))
    }

    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let value = match &self.leaf(key)?.value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let right = || {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            names.join(" or ")
        };
        let found = choices.iter().find(|(name, _)| *name == value);
        found.map(|(_, choice)| *choice).ok_or_else(|| self.wrong(key, &right()))
    }

    /// A path from the file's folder; empty is none.
    fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        let text = self.text(key)?;
        Ok((!text.is_empty()).then(|| self.layers.folder.join(text)))
    }

    fn address(&self, key: &str) -> Result<SocketAddr, ConfigError> {
        let right = "an IP address and a port such as \"127.0.0.1:8780\" or \"[::1]:8780\"";
        self.text(key)?.trim().parse().ok().ok_or_else(|| self.wrong(key, right))
    }

    fn web(&self, key: &str) -> Result<Url, ConfigError> {
        let right = "a URL that begins with http:// or https://";
        let url = Url::parse(self.text(key)?.trim()).ok();
        url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| self.wrong(key, right))
    }

    /// The same, as it was written: people are shown it.
    fn web_text(&self, key: &str) -> Result<String, ConfigError> {
        self.web(key)?;
        Ok(self.text(key)?.trim().to_owned())
    }

    /// A list of texts; in the environment with commas.
    fn list(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        let wrong = || self.wrong(key, "a list of texts in quotes");
        match &self.leaf(key)?.value {
            Value::Array(list) => list.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
            Value::String(text) => {
                Ok(text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect())
            }
            _ => Err(wrong()),
        }
    }
}

/// All settings, checked one by one and against each other.
pub(super) fn config(from: &Reader<'_>) -> Result<Config, ConfigError> {
    let http = http(from)?;
    let ops = Ops { listen: from.address("ops.listen")? };
    let same_port = http.listen.port() == ops.listen.port() && http.listen.port() != 0;
    let meets =
        http.listen.ip() == ops.listen.ip() || http.listen.ip().is_unspecified() || ops.listen.ip().is_unspecified();
    if same_port && meets {
        return Err(from.wrong("ops.listen", "an address and port that http.listen does not use"));
    }
    Ok(Config {
        folder: from.layers.folder.clone(),
        http,
        ops,
        database: Database { url: database_url(from)?, migrate: from.flag("database.migrate")? },
        seal: seal(from)?,
        bridge: bridge(from)?,
        zone: zone(from)?,
        mail: mail(from)?,
        collect: collect(from)?,
        plans: plans(from)?,
        router: router(from)?,
        traffic: Traffic {
            gb: from.choice("traffic.gb", &[("1024", Gigabyte::Binary), ("1000", Gigabyte::Decimal)])?,
            carry_over: from.flag("traffic.carry_over")?,
        },
        netflow: Netflow {
            default_url: from.web_text("netflow.default_url")?,
            show_username: from.flag("netflow.show_username")?,
            show_password: from.flag("netflow.show_password")?,
        },
        log: log(from)?,
    })
}

fn http(from: &Reader<'_>) -> Result<Http, ConfigError> {
    let listen = from.address("http.listen")?;
    let tls = match (from.path("http.tls_certificate")?, from.path("http.tls_key")?) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => return Err(from.wrong("http.tls_key", "given together with http.tls_certificate")),
        (None, Some(_)) => return Err(from.wrong("http.tls_certificate", "given together with http.tls_key")),
    };
    let allow_plain = from.flag("http.allow_plain")?;
    if tls.is_none() && !allow_plain && !listen.ip().to_canonical().is_loopback() {
        let right = "a loopback address such as \"127.0.0.1:8780\" as long as there is no TLS \
                     (set http.tls_certificate and http.tls_key, or http.allow_plain = true if the network is your own)";
        return Err(from.wrong("http.listen", right));
    }
    let public_url = if from.text("http.public_url")?.is_empty() {
        None
    } else {
        let url = from.web("http.public_url")?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(
                from.wrong("http.public_url", "scheme, host and port alone, such as \"https://vpn.example.net\"")
            );
        }
        Some(url.as_str().trim_end_matches('/').to_owned())
    };
    Ok(Http { listen, tls, allow_plain, public_url })
}

fn database_url(from: &Reader<'_>) -> Result<SecretString, ConfigError> {
    let key = "database.url";
    let url: SecretString = from.text(key)?.trim().into();
    match Address::parse(&url, &from.layers.folder) {
        Ok(Address::Sqlite(path)) => Ok(format!("sqlite:{}", path.display()).into()),
        Ok(Address::Mysql(url)) => Ok(url),
        Err(why) => {
            let right = format!("\"sqlite:<file>\" or \"mysql://user:password@host:3306/name\" ({why})");
            Err(from.wrong(key, &right))
        }
    }
}

fn seal(from: &Reader<'_>) -> Result<SealKeys, ConfigError> {
    let master_key = from.secret("seal.master_key")?;
    if master_key.expose_secret().trim().is_empty() {
        let how = "run `turnpike init`, which makes one, or set TURNPIKE_SEAL__MASTER_KEY_FILE";
        return Err(ConfigError(format!("seal.master_key is missing: {how}.")));
    }
    let is_key = |text: &str| decode(&alphabet::STANDARD, text).is_some_and(|bytes| bytes.len() == 32);
    if !is_key(master_key.expose_secret()) {
        return Err(from.wrong("seal.master_key", "base64 of exactly 32 bytes (openssl rand -base64 32)"));
    }
    let older_keys = from.list("seal.older_keys")?;
    if !older_keys.iter().all(|key| is_key(key)) {
        return Err(from.wrong("seal.older_keys", "a list of keys, each base64 of exactly 32 bytes"));
    }
    Ok(SealKeys { master_key, older_keys: older_keys.into_iter().map(Into::into).collect() })
}

fn bridge(from: &Reader<'_>) -> Result<Vec<BridgeKey>, ConfigError> {
    let mut keys: Vec<BridgeKey> = Vec::new();
    for index in from.layers.indices("bridge.key") {
        let name = format!("bridge.key.{index}.id");
        let id = from.text(&name)?.to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
            return Err(from.wrong(&name, "1 to 64 letters, digits, points, hyphens and underscores"));
        }
        if keys.iter().any(|key| key.id == id) {
            return Err(from.wrong(&name, "different from the other keys' ids"));
        }
        let name = format!("bridge.key.{index}.secret");
        let secret: SecretString = from.text(&name)?.trim().into();
        if decode(&alphabet::URL_SAFE, secret.expose_secret()).is_none_or(|bytes| bytes.len() < 32) {
            return Err(from.wrong(&name, "base64url of at least 32 bytes, as `turnpike init` makes it"));
        }
        keys.push(BridgeKey { id, secret });
    }
    if keys.is_empty() {
        let how = "run `turnpike init`, which makes one, or set TURNPIKE_BRIDGE__KEY__0__ID and …__0__SECRET_FILE";
        return Err(ConfigError(format!("bridge.key is missing: {how}.")));
    }
    Ok(keys)
}

fn zone(from: &Reader<'_>) -> Result<chrono_tz::Tz, ConfigError> {
    let right = "an IANA time zone such as \"Europe/Berlin\"";
    from.text("time.zone")?.parse().ok().ok_or_else(|| from.wrong("time.zone", right))
}

fn mail(from: &Reader<'_>) -> Result<Mail, ConfigError> {
    let transports =
        [("smtp", Transport::Smtp), ("whmcs", Transport::Whmcs), ("file", Transport::File), ("off", Transport::Off)];
    let kinds = [("none", SmtpTls::None), ("starttls", SmtpTls::Starttls), ("implicit", SmtpTls::Implicit)];
    let sender = "a sender such as \"VPN <vpn@example.net>\"";
    let username = from.text("mail.smtp.username")?.to_owned();
    let password = from.secret("mail.smtp.password")?;
    let login = match (username.is_empty(), password.expose_secret().is_empty()) {
        (true, true) => None,
        (false, false) => Some((username, password)),
        (false, true) => return Err(from.wrong("mail.smtp.password", "given where mail.smtp.username is")),
        (true, false) => return Err(from.wrong("mail.smtp.username", "given where mail.smtp.password is")),
    };
    let host = from.text("mail.smtp.host")?.trim().to_owned();
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(from.wrong("mail.smtp.host", "the mail server's name or address"));
    }
    let port = from.whole("mail.smtp.port", 1..=65_535)?;
    Ok(Mail {
        transport: from.choice("mail.transport", &transports)?,
        from: from.text("mail.from")?.parse().ok().ok_or_else(|| from.wrong("mail.from", sender))?,
        folder: from.path("mail.folder")?.ok_or_else(|| from.wrong("mail.folder", "a folder"))?,
        templates: from.path("mail.templates")?,
        smtp: Smtp {
            host,
            port: u16::try_from(port).unwrap_or_default(),
            tls: from.choice("mail.smtp.tls", &kinds)?,
            login,
        },
    })
}

fn plans(from: &Reader<'_>) -> Result<Plans, ConfigError> {
    let sync = from.whole("plans.sync_seconds", 0..=86_400)?;
    if (1..5).contains(&sync) {
        let right = "0 (only collect.poll_seconds counts) or a whole number from 5 to 86400";
        return Err(from.wrong("plans.sync_seconds", right));
    }
    let reset = Clock::parse(from.text("plans.daily_reset")?);
    Ok(Plans {
        sync: (sync > 0).then(|| Duration::from_secs(sync.into())),
        daily_reset: reset.ok_or_else(|| from.wrong("plans.daily_reset", "a time of day such as \"00:05\""))?,
    })
}

fn collect(from: &Reader<'_>) -> Result<Collect, ConfigError> {
    let poll = from.whole("collect.poll_seconds", 0..=86_400)?;
    let factor = from.decimal("collect.sanity_factor")?.filter(|f| *f == 0.0 || (1.0..=1000.0).contains(f));
    let factor = factor.ok_or_else(|| from.wrong("collect.sanity_factor", "0 (off) or a number from 1 to 1000"))?;
    let (lease, write) = (from.whole("collect.lease_seconds", 2..=600)?, from.whole("router.write_seconds", 1..=600)?);
    if lease < write * 2 {
        let right = format!("at least twice router.write_seconds, which is {write}");
        return Err(from.wrong("collect.lease_seconds", &right));
    }
    Ok(Collect {
        lease: Duration::from_secs(lease.into()),
        poll: (poll > 0).then(|| Duration::from_secs(poll.into())),
        reset: from.choice("collect.reset", &[("after-collection", true), ("never", false)])?,
        sanity_factor: (factor > 0.0).then_some(factor),
    })
}

fn router(from: &Reader<'_>) -> Result<Router, ConfigError> {
    Ok(Router {
        connect: from.seconds("router.connect_seconds")?,
        login: from.seconds("router.login_seconds")?,
        write: from.seconds("router.write_seconds")?,
        print: from.seconds("router.print_seconds")?,
        idle: from.seconds("router.idle_seconds")?,
        longest_pause: from.seconds("router.retry_seconds")?,
        ca_file: from.path("router.ca_file")?,
    })
}

fn log(from: &Reader<'_>) -> Result<Log, ConfigError> {
    let level = from.text("log.level")?.trim();
    if !crate::log::is_level(level) {
        let right = "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", \
                     or such with parts like \"info,turnpike::routeros=debug\"";
        return Err(from.wrong("log.level", right));
    }
    Ok(Log {
        format: from.choice("log.format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
        level: level.to_owned(),
    })
}

/// For `turnpike check`: each value as it may be shown, and its origin.
pub(super) fn rows(layers: &Layers) -> Vec<(String, String, Origin)> {
    layers.iter().map(|(key, leaf)| (key.to_owned(), shown(key, &leaf.value), leaf.origin.clone())).collect()
}

fn shown(key: &str, value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if key == "database.url" {
        return shown_url(&text);
    }
    let empty = text.is_empty() || text == "[]";
    if !SECRETS.contains(&pattern(key).as_str()) {
        return text;
    }
    if empty { String::new() } else { "(hidden)".to_owned() }
}

/// A database's URL without its password; one that does not parse is hidden whole.
fn shown_url(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else { return "(hidden)".to_owned() };
    if url.password().is_some() && url.set_password(Some("hidden")).is_err() {
        return "(hidden)".to_owned();
    }
    url.set_query(None);
    url.into()
}
