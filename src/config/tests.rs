//! The settings' layers, read from texts: what wins, what is refused, and in which words.

use super::*;
use layers::DEFAULTS;
use std::collections::BTreeSet;

const MASTER: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDE";

fn keys() -> String {
    format!("[seal]\nmaster_key = \"{MASTER}\"\n[[bridge.key]]\nid = \"whmcs\"\nsecret = \"{SECRET}\"\n")
}

fn load(text: &str, env: &[(&str, &str)]) -> Result<(Config, Origins), ConfigError> {
    let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Config::lay(Path::new("/srv/turnpike"), Some((Path::new("/srv/turnpike/turnpike.toml"), text)), env)
}

fn with(text: &str) -> Result<Config, ConfigError> {
    load(&format!("{}{text}", keys()), &[]).map(|(config, _)| config)
}

fn refused(text: &str) -> String {
    with(text).expect_err(text).to_string()
}

#[test]
fn the_embedded_file_documents_every_key_and_the_program_reads_every_one_of_them() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ") && !line.starts_with('#')) {
        let above = lines[at - 1];
        assert!(above.starts_with("# ") && above.len() > 10, "no comment above {line:?}");
    }
    let mut layers = Layers::defaults(Path::new("/srv")).unwrap();
    let mut documented: BTreeSet<String> = layers.iter().map(|(key, _)| key.to_owned()).collect();
    layers.file(Path::new("/srv/turnpike.toml"), &keys()).unwrap();
    let reader = Reader::new(&layers);
    reader::config(&reader).unwrap();
    documented.extend(["bridge.key.0.id".to_owned(), "bridge.key.0.secret".to_owned()]);
    assert_eq!(*reader.read.borrow(), documented);
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = with("").unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8780");
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:8781");
    assert!(config.http.tls.is_none() && !config.http.allow_plain && config.http.public_url.is_none());
    assert_eq!(config.database.url.expose_secret(), "sqlite:/srv/turnpike/turnpike.db");
    assert!(config.database.migrate && config.seal.older_keys.is_empty());
    assert_eq!(config.zone, chrono_tz::UTC);
    assert_eq!(config.mail.transport, Transport::Smtp);
    assert_eq!(config.mail.from.to_string(), "VPN <vpn@example.net>");
    assert_eq!((config.mail.smtp.host.as_str(), config.mail.smtp.port), ("localhost", 25));
    assert!(config.mail.smtp.tls == SmtpTls::None && config.mail.smtp.login.is_none());
    assert_eq!(config.collect.poll, Some(Duration::from_mins(1)));
    assert!(config.collect.reset);
    assert_eq!(config.collect.sanity_factor, Some(1.2));
    let router = &config.router;
    let seconds = [router.connect, router.login, router.write, router.print, router.idle].map(|time| time.as_secs());
    assert_eq!(seconds, [5, 10, 15, 60, 20]);
    assert!(router.ca_file.is_none() && config.mail.templates.is_none());
    assert!(config.traffic.gb == Gigabyte::Binary && config.traffic.carry_over);
    assert_eq!(config.netflow.default_url, "https://netflow.example.net/");
    let written = with("[netflow]\ndefault_url = \" https://Flow.example.org \"").unwrap();
    assert_eq!(written.netflow.default_url, "https://Flow.example.org");
    assert!(config.netflow.show_username && !config.netflow.show_password);
    assert!(config.log.format == LogFormat::Text && config.log.level == "info");
}

#[test]
fn the_contract_s_sample_is_taken_as_it_stands() {
    let text = format!(
        r#"
[http]
listen = "127.0.0.1:8780"
[ops]
listen = "127.0.0.1:8781"
[database]
url = "mysql://user:password@host:3306/turnpike"
[seal]
master_key = "{MASTER}"
older_keys = ["{MASTER}"]
[[bridge.key]]
id = "whmcs"
secret = "{SECRET}"
[[bridge.key]]
id = "whmcs-2"
secret = "{SECRET}A=="
[time]
zone = "Africa/Johannesburg"
[mail]
transport = "whmcs"
from = "VPN <vpn@example.net>"
smtp = {{ host = "mail.example.net", port = 587, tls = "starttls", username = "u", password = "p" }}
[collect]
poll_seconds = 0
reset = "never"
sanity_factor = 0
[router]
connect_seconds = 6
ca_file = "ca.pem"
[traffic]
gb = "1000"
carry_over = false
"#
    );
    // The second secret above is not one: its padding stands after a byte too many.
    assert!(load(&text, &[]).unwrap_err().to_string().contains("bridge.key.1.secret"));
    let (config, _) = load(&text.replace("A==", ""), &[]).unwrap();
    assert_eq!(config.bridge.len(), 2);
    assert_eq!(config.bridge[0].bytes().expose_secret().len(), 32);
    assert_eq!(config.mail.smtp.login.as_ref().unwrap().0, "u");
    assert!(config.collect.poll.is_none() && config.collect.sanity_factor.is_none() && !config.collect.reset);
    assert_eq!(config.router.ca_file.as_deref(), Some(Path::new("/srv/turnpike/ca.pem")));
    assert_eq!(config.zone, chrono_tz::Africa::Johannesburg);
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let text = format!("{}[mail.smtp]\nhost = \"file.example.net\"\nport = 26\n", keys());
    let env = [
        ("TURNPIKE_MAIL__SMTP__HOST", "env.example.net"),
        ("TURNPIKE_COLLECT__POLL_SECONDS", "5"),
        ("TURNPIKE_TRAFFIC__CARRY_OVER", "false"),
        ("TURNPIKE_COLLECT__SANITY_FACTOR", "2.5"),
        ("TURNPIKE_BRIDGE__KEY__0__ID", "other"),
        ("TURNPIKE_BRIDGE__KEY__1__ID", "next"),
        ("TURNPIKE_BRIDGE__KEY__1__SECRET", SECRET),
        ("TURNPIKE_SEAL__OLDER_KEYS", &format!("{MASTER}, {MASTER}")),
        ("PATH", "/bin"),
    ];
    let (config, origins) = load(&text, &env).unwrap();
    assert_eq!((config.mail.smtp.host.as_str(), config.mail.smtp.port), ("env.example.net", 26));
    assert_eq!(config.collect.poll, Some(Duration::from_secs(5)));
    assert!(!config.traffic.carry_over);
    assert_eq!(config.collect.sanity_factor, Some(2.5));
    assert_eq!(config.bridge.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["other", "next"]);
    assert_eq!(config.seal.older_keys.len(), 2);
    let of = |key: &str| origins.report().iter().find(|row| row.0 == key).unwrap().2.clone();
    assert_eq!(of("mail.smtp.host"), Origin::Environment("TURNPIKE_MAIL__SMTP__HOST".to_owned()));
    assert_eq!(of("mail.smtp.port"), Origin::File("/srv/turnpike/turnpike.toml".into()));
    assert_eq!(of("mail.smtp.tls"), Origin::Default);
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    put("master", &format!("  {MASTER}\n"));
    put("older", &format!("{MASTER}\n{MASTER}\n"));
    put("bridge", &format!("{SECRET}\r\n"));
    put("url", "mysql://u:p@db.example.net/turnpike\n");
    put("smtp", "pass word\n");
    let text = "[seal]\nmaster_key_file = \"master\"\nolder_keys_file = \"older\"\n[database]\nurl_file = \"url\"\n\
                [[bridge.key]]\nid = \"whmcs\"\nsecret_file = \"bridge\"\n[mail.smtp]\nusername = \"u\"\n";
    let path = dir.path().join("turnpike.toml");
    std::fs::write(&path, text).unwrap();
    let smtp = dir.path().join("smtp");
    let env = [("TURNPIKE_MAIL__SMTP__PASSWORD_FILE".to_owned(), smtp.display().to_string())];
    let (config, origins) = Config::load(Some(&path), env.into_iter()).unwrap();
    assert_eq!(config.seal.master_key.expose_secret(), MASTER);
    assert_eq!(config.seal.older_keys.len(), 2);
    assert_eq!(config.database.url.expose_secret(), "mysql://u:p@db.example.net/turnpike");
    assert_eq!(config.bridge[0].secret.expose_secret(), SECRET);
    assert_eq!(config.mail.smtp.login.unwrap().1.expose_secret(), "pass word");
    let row = origins.report().iter().find(|row| row.0 == "mail.smtp.password").unwrap();
    assert_eq!((row.1.as_str(), &row.2), ("(hidden)", &Origin::SecretFile(smtp)));
}

#[test]
fn a_secret_given_twice_or_in_a_file_that_is_not_there_is_an_error_that_names_it() {
    let both = load(&keys().replace("[[", "master_key_file = \"x\"\n[["), &[]).unwrap_err().to_string();
    assert!(both.contains("x, which cannot be read"), "{both}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, MASTER).unwrap();
    let line = format!("master_key_file = \"{}\"\n[[", file.display());
    let both = load(&keys().replace("[[", &line), &[]).unwrap_err().to_string();
    assert!(both.contains("seal.master_key and seal.master_key_file"), "{both}");
    let shown = file.display().to_string();
    let env = [("TURNPIKE_SEAL__MASTER_KEY", MASTER), ("TURNPIKE_SEAL__MASTER_KEY_FILE", shown.as_str())];
    let both = load(&keys(), &env).unwrap_err().to_string();
    assert!(both.contains("TURNPIKE_SEAL__MASTER_KEY and TURNPIKE_SEAL__MASTER_KEY_FILE"), "{both}");
    // A later layer replaces an earlier one, however each gives it.
    assert!(load(&keys(), &env[1..]).is_ok());
    std::fs::write(&file, " \n").unwrap();
    assert!(load(&keys(), &env[1..]).unwrap_err().to_string().contains("empty"));
}

#[test]
fn unknown_keys_refuse_to_start_with_the_likely_one() {
    for (text, key, likely) in [
        ("[http]\nlisten_on = \"x\"", "http.listen_on", "http.listen"),
        ("[htpp]\n", "htpp", "http"),
        ("[colect]\npoll_seconds = 5", "colect.poll_seconds", "collect.poll_seconds"),
        ("[router]\npoll_seconds = 5", "router.poll_seconds", "collect.poll_seconds"),
        ("[mail.smtp]\nhostname = \"x\"", "mail.smtp.hostname", "mail.smtp.host"),
        ("[[bridge.key]]\nid = \"b\"\nsekret = \"x\"", "bridge.key.1.sekret", "bridge.key.#.secret"),
        ("[mail.smtp]\npasword_file = \"x\"", "mail.smtp.pasword_file", "mail.smtp.password_file"),
    ] {
        let error = refused(&format!("\n{text}"));
        assert!(error.contains(&format!("no setting {key} ")), "{error}");
        assert!(error.ends_with(&format!("Was {likely} meant?")), "{error}");
    }
    let nothing_like_it = refused("\n[xyzzy]\nplugh = 1");
    assert!(nothing_like_it.contains("no setting xyzzy.plugh") && !nothing_like_it.contains("meant"));
    let error = load(&keys(), &[("TURNPIKE_HTTP__LISTN", "x")]).unwrap_err().to_string();
    assert!(error.contains("TURNPIKE_HTTP__LISTN") && error.contains("Was http.listen meant?"), "{error}");
    let error = load(&keys(), &[("TURNPIKE_HTTP_LISTEN", "x")]).unwrap_err().to_string();
    assert!(error.contains("Was TURNPIKE_HTTP__LISTEN meant?"), "{error}");
    // What Kubernetes sets beside a service of this name, and what our own tests use, is none of our settings.
    let env =
        [("TURNPIKE_PORT", "tcp://10.0.0.1:8780"), ("TURNPIKE_SERVICE_HOST", "x"), ("TURNPIKE_PYTHON", "python3")];
    assert!(load(&keys(), &env).is_ok());
}

#[test]
fn a_section_where_a_value_belongs_and_the_other_way_round_are_refused() {
    assert!(load(&format!("http = 5\n{}", keys()), &[]).unwrap_err().to_string().contains("http "));
    assert!(refused("\n[http.listen]\nx = 1").contains("http.listen.x"));
    assert!(load("[bridge]\nkey = \"x\"", &[]).unwrap_err().to_string().contains("[[bridge.key]]"));
    let env = [("TURNPIKE_BRIDGE__KEY", "[]")];
    assert!(load(&keys(), &env).unwrap_err().to_string().contains("TURNPIKE_BRIDGE__KEY__0__ID"));
    assert!(refused("\n[mail]\nsmtp = \"x\"").contains("mail.smtp"));
}

#[test]
fn what_cannot_be_is_refused_by_a_sentence_that_names_the_key_and_what_would_be_right() {
    for (text, key, right) in [
        ("[http]\nlisten = \"localhost\"", "http.listen", "127.0.0.1:8780"),
        ("[http]\nlisten = \"0.0.0.0:8780\"", "http.listen", "http.allow_plain"),
        ("[http]\nlisten = \"192.0.2.1:8780\"", "http.listen", "http.allow_plain"),
        ("[http]\nlisten = \"[::]:8780\"", "http.listen", "http.tls_certificate"),
        ("[http]\ntls_key = \"k\"", "http.tls_certificate", "http.tls_key"),
        ("[http]\npublic_url = \"https://example.net/turnpike\"", "http.public_url", "host and port alone"),
        ("[http]\npublic_url = \"example.net\"", "http.public_url", "https://"),
        ("[http]\nallow_plain = 1", "http.allow_plain", "true or false"),
        ("[ops]\nlisten = \"127.0.0.1:8780\"", "ops.listen", "http.listen does not use"),
        ("[ops]\nlisten = \"0.0.0.0:8780\"", "ops.listen", "http.listen does not use"),
        ("[database]\nurl = \"postgres://x/y\"", "database.url", "mysql://"),
        ("[database]\nurl = \"mysql://host\"", "database.url", "mysql://"),
        ("[database]\nurl = \"sqlite:\"", "database.url", "sqlite:<file>"),
        ("[time]\nzone = \"Mars/Olympus\"", "time.zone", "Europe/Berlin"),
        ("[mail]\ntransport = \"pigeon\"", "mail.transport", "\"whmcs\""),
        ("[mail]\nfrom = \"nobody\"", "mail.from", "vpn@example.net"),
        ("[mail.smtp]\nport = 0", "mail.smtp.port", "1 to 65535"),
        ("[mail.smtp]\nport = \"x\"", "mail.smtp.port", "1 to 65535"),
        ("[mail.smtp]\ntls = \"ssl\"", "mail.smtp.tls", "\"starttls\""),
        ("[mail.smtp]\nusername = \"u\"", "mail.smtp.password", "username"),
        ("[mail.smtp]\nhost = \"\"", "mail.smtp.host", "name"),
        ("[collect]\npoll_seconds = -1", "collect.poll_seconds", "0 to 86400"),
        ("[collect]\nreset = \"daily\"", "collect.reset", "\"after-collection\""),
        ("[collect]\nsanity_factor = 0.5", "collect.sanity_factor", "1 to 1000"),
        ("[collect]\nsanity_factor = nan", "collect.sanity_factor", "1 to 1000"),
        ("[router]\nconnect_seconds = 0", "router.connect_seconds", "1 to 600"),
        ("[traffic]\ngb = \"1023\"", "traffic.gb", "\"1000\""),
        ("[netflow]\ndefault_url = \"ftp://x\"", "netflow.default_url", "https://"),
        ("[log]\nlevel = \"loud\"", "log.level", "\"debug\""),
        ("[log]\nformat = \"xml\"", "log.format", "\"json\""),
    ] {
        let error = refused(&format!("\n{text}"));
        assert!(error.starts_with(key) && error.contains(right) && error.ends_with('.'), "{text:?}: {error}");
    }
    for (text, key) in [
        (keys().replace(MASTER, "short"), "seal.master_key"),
        (keys().replace(SECRET, "c2hvcnQ"), "bridge.key.0.secret"),
        (keys().replace("\"whmcs\"", "\"two words\""), "bridge.key.0.id"),
        (format!("{0}[[bridge.key]]\nid = \"whmcs\"\nsecret = \"{SECRET}\"\n", keys()), "bridge.key.1.id"),
        (keys().replace("[[", &format!("older_keys = [\"{MASTER}\", \"x\"]\n[[")), "seal.older_keys"),
    ] {
        let error = load(&text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(key), "{error}");
    }
}

#[test]
fn a_missing_key_says_how_to_get_one() {
    for text in ["", &keys().replace(MASTER, ""), &keys()[..keys().find("[[").unwrap()]] {
        let error = load(text, &[]).unwrap_err().to_string();
        assert!(error.contains("is missing") && error.contains("`turnpike init`"), "{error}");
    }
}

#[test]
fn plain_http_for_other_machines_is_allowed_when_asked_for_and_warned_of() {
    let config = with("\n[http]\nlisten = \"192.0.2.1:8780\"\nallow_plain = true").unwrap();
    assert!(warnings(&config).iter().any(|warning| warning.contains("http.listen")));
    assert!(with("\n[http]\nlisten = \"192.0.2.1:1\"\ntls_certificate = \"c\"\ntls_key = \"k\"").is_ok());
    assert!(with("\n[http]\nlisten = \"127.8.8.8:1\"").is_ok());
    assert!(with("\n[http]\nlisten = \"[::1]:1\"").is_ok());
}

#[test]
fn no_secret_is_in_debug_reports_or_errors() {
    let marked = "TOPSECRETTOPSECRETTOPSECRETTOPSECRETTOPSECRA";
    let text = format!(
        "[database]\nurl = \"mysql://u:{marked}@h/d?x=1\"\n[seal]\nmaster_key = \"{MASTER}\"\n\
         [[bridge.key]]\nid = \"w\"\nsecret = \"{marked}\"\n[mail.smtp]\nusername = \"u\"\npassword = \"{marked}\"\n"
    );
    let env = [("TURNPIKE_DATABASE__URL", "mysql://u:TOPSECRET@h/d")];
    let (config, origins) = load(&text, &env).unwrap();
    assert!(!format!("{config:?} {origins:?}").contains("TOPSECRET"));
    assert!(!format!("{config:?} {origins:?}").contains(MASTER));
    let url = origins.report().iter().find(|row| row.0 == "database.url").unwrap();
    assert_eq!(url.1, "mysql://u:hidden@h/d");
    for wrong in [
        format!("[seal]\nmaster_key = \"{marked}\n"),
        format!("[seal]\nmaster_key = {marked}\n"),
        format!("[seal]\nmaster_key = [\"{marked}\"]\n"),
        format!("[seal]\nmaster_key = \"{marked}\"\n"),
        text.replace("mysql:", "pgsql:"),
        text.replace("mysql://u:", "mysql//u:"),
    ] {
        let error = load(&wrong, &[]).unwrap_err().to_string();
        assert!(!error.contains("TOPSECRET"), "{error}");
    }
}

#[test]
fn text_that_is_not_toml_is_named_by_its_line() {
    let error = load("[http]\nlisten = \"127.0.0.1:1\"\nlisten =\n", &[]).unwrap_err().to_string();
    assert!(error.contains("turnpike.toml, line 3, is not TOML"), "{error}");
}

#[test]
fn a_file_that_was_named_and_is_not_there_is_an_error() {
    let error = Config::load(Some(Path::new("/nowhere/turnpike.toml")), std::iter::empty()).unwrap_err().to_string();
    assert!(error.contains("/nowhere/turnpike.toml"), "{error}");
}

#[test]
fn init_writes_fresh_keys_for_its_owner_alone_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    let made = init(&inner, &Chance::seeded(1)).unwrap();
    let text = std::fs::read_to_string(&made.file).unwrap();
    let (config, origins) = Config::load(Some(&made.file), std::iter::empty()).unwrap();
    assert_eq!(made.pairing.url, "http://127.0.0.1:8780");
    assert_eq!(made.pairing.key.secret.expose_secret(), config.bridge[0].secret.expose_secret());
    assert_eq!(config.bridge[0].bytes().expose_secret().len(), 32);
    let database = format!("sqlite:{}", inner.join("turnpike.db").display());
    assert_eq!(config.database.url.expose_secret(), database);
    assert!(!origins.warnings.iter().any(|warning| warning.contains("chmod")), "{:?}", origins.warnings);
    let again = init(&inner, &Chance::seeded(2)).unwrap_err().to_string();
    assert!(again.contains("there already"), "{again}");
    assert_eq!(std::fs::read_to_string(&made.file).unwrap(), text);
    let other = init(&dir.path().join("c"), &Chance::seeded(2)).unwrap();
    assert_ne!(other.pairing.key.secret.expose_secret(), made.pairing.key.secret.expose_secret());
}

#[cfg(unix)]
#[test]
fn a_file_with_keys_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let made = init(dir.path(), &Chance::seeded(1)).unwrap();
    assert_eq!(std::fs::metadata(&made.file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&made.file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, origins) = Config::load(Some(&made.file), std::iter::empty()).unwrap();
    assert!(origins.warnings.iter().any(|warning| warning.contains("chmod")));
}
