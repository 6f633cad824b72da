//! `turnpike check`: the settings in force and where each came from, and whether database, master key, certificates,
//! templates and mail server work: all that `serve` would refuse to start for.

use super::Where;
use anyhow::{Result, anyhow, bail};
use std::path::Path;
use turnpike::{
    config::{Config, Origin},
    db::{Address, Db, migrate},
    http::serve,
    mail::Letters,
    routeros,
};

/// One thing that was tried.
struct Finding {
    what: &'static str,
    outcome: std::result::Result<String, String>,
}

/// Runs the command.
pub async fn run(at: &Where) -> Result<()> {
    let (config, origins) = at.load()?;
    let mut findings = Vec::from(books(&config).await);
    findings.extend(certificates(&config));
    findings.extend([templates(&config), mail(&config).await]);
    if at.json {
        let settings = origins
            .report()
            .iter()
            .map(|(key, value, origin)| serde_json::json!({"key": key, "value": value, "origin": origin.to_string()}));
        let found = findings.iter().map(|it| {
            let (ok, text) = match &it.outcome {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            };
            serde_json::json!({"what": it.what, "ok": ok, "detail": text})
        });
        let answer = serde_json::json!({
            "settings": settings.collect::<Vec<_>>(), "findings": found.collect::<Vec<_>>(), "warnings": origins.warnings,
        });
        say!("{answer}");
    } else {
        people(origins.report(), &origins.warnings, &findings);
    }
    let wrong: Vec<&str> = findings.iter().filter(|it| it.outcome.is_err()).map(|it| it.what).collect();
    if wrong.is_empty() { Ok(()) } else { bail!("not ready: see {} above.", wrong.join(" and ")) }
}

fn people(settings: &[(String, String, Origin)], warnings: &[String], findings: &[Finding]) {
    let width = settings.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    for (key, value, origin) in settings {
        say!("{key:width$}  {value}  ({origin})");
    }
    say!();
    for warning in warnings {
        say!("warning    {warning}");
    }
    for it in findings {
        match &it.outcome {
            Ok(text) => say!("ok         {}: {text}", it.what),
            Err(text) => say!("NOT OK     {}: {text}", it.what),
        }
    }
}

/// The database, and whether the master key is the one that it was sealed with.
async fn books(config: &Config) -> [Finding; 2] {
    let (outcome, db) = match open(config).await {
        Ok(Some(db)) => (schema(config, &db).await, Some(db)),
        Ok(None) => (Ok("the file will be made at the first start".to_owned()), None),
        Err(why) => (Err(why), None),
    };
    let is_made = match &db {
        Some(db) => migrate::is_new(db).await.is_ok_and(|new| !new),
        None => false,
    };
    let seal = master_key(config, db.as_ref().filter(|_| is_made)).await;
    if let Some(db) = db {
        db.close().await;
    }
    [Finding { what: "database", outcome }, seal]
}

/// Opens it; None is a file that is still to be made: looking makes none.
async fn open(config: &Config) -> std::result::Result<Option<Db>, String> {
    let address = Address::parse(&config.database.url, Path::new("."))?;
    if let Address::Sqlite(path) = &address
        && !path.exists()
    {
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let missing = format!("{} cannot be made, its folder is not there; see database.url.", path.display());
        return if folder.is_dir() { Ok(None) } else { Err(missing) };
    }
    Db::open(&address).await.map(Some).map_err(|error| format!("{error}; see database.url."))
}

async fn schema(config: &Config, db: &Db) -> std::result::Result<String, String> {
    let kind = db.kind();
    match migrate::pending(db).await.map_err(|error| format!("{error}; see database.url."))? {
        0 => Ok(format!("{kind} answers, schema up to date")),
        n if config.database.migrate => Ok(format!("{kind} answers, {n} schema steps will be run at the next start")),
        n => Err(format!("{n} schema steps are missing and database.migrate is off: run `turnpike migrate`")),
    }
}

async fn master_key(config: &Config, db: Option<&Db>) -> Finding {
    let fits = if db.is_some() { "opens this database" } else { "is one; there is no database to try it on" };
    let outcome = turnpike::app::master_key(config, db).await;
    Finding { what: "master key", outcome: outcome.map(|()| fits.to_owned()).map_err(|error| error.to_string()) }
}

/// The front door's own certificate, and the authorities that routers' are verified by; nothing where none are set.
fn certificates(config: &Config) -> Vec<Finding> {
    let own = config.http.tls.as_ref().map(|files| {
        let outcome = serve::tls(files).map(|_| format!("{} and its key fit", files.certificate.display()));
        Finding { what: "certificate", outcome: outcome.map_err(|error| error.to_string()) }
    });
    let authorities = config.router.ca_file.as_ref().map(|path| {
        let outcome = routeros::extra_roots(path).map(|count| format!("{count} certificates in {}", path.display()));
        Finding { what: "routers' authorities", outcome: outcome.map_err(|why| format!("{why}; see router.ca_file.")) }
    });
    own.into_iter().chain(authorities).collect()
}

fn templates(config: &Config) -> Finding {
    let outcome = Letters::load(config.mail.templates.as_deref()).map_err(|error| error.to_string());
    let names = |letters: Letters| letters.names().into_iter().collect::<Vec<_>>().join(", ");
    Finding { what: "templates", outcome: outcome.map(names) }
}

async fn mail(config: &Config) -> Finding {
    let look = async {
        let mailer = turnpike::app::mailer(config).map_err(|error| anyhow!("{error}"))?;
        mailer.test_connection().await.map_err(|failure| anyhow!("{}", failure.sentence()))?;
        anyhow::Ok(mailer.name().to_owned())
    };
    Finding { what: "mail", outcome: look.await.map_err(|error| error.to_string()) }
}
