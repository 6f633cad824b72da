//! `turnpike check`: the settings in force and where each came from, and whether database, templates and mail server work.

use super::Where;
use anyhow::{Result, anyhow, bail};
use std::path::Path;
use turnpike::{
    config::{Config, Origin},
    db::{Address, Db, migrate},
    mail::Letters,
};

/// One thing that was tried.
struct Finding {
    what: &'static str,
    outcome: std::result::Result<String, String>,
}

/// Runs the command.
pub async fn run(at: &Where) -> Result<()> {
    let (config, origins) = at.load()?;
    let mut findings = vec![database(&config).await, templates(&config)];
    let database_works = findings[0].outcome.is_ok();
    if database_works {
        findings.push(mail(&config).await);
    }
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
        println!("{answer}");
    } else {
        people(origins.report(), &origins.warnings, &findings);
    }
    let wrong: Vec<&str> = findings.iter().filter(|it| it.outcome.is_err()).map(|it| it.what).collect();
    if wrong.is_empty() { Ok(()) } else { bail!("not ready: see {} above.", wrong.join(" and ")) }
}

fn people(settings: &[(String, String, Origin)], warnings: &[String], findings: &[Finding]) {
    let width = settings.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    for (key, value, origin) in settings {
        println!("{key:width$}  {value}  ({origin})");
    }
    println!();
    for warning in warnings {
        println!("warning    {warning}");
    }
    for it in findings {
        match &it.outcome {
            Ok(text) => println!("ok         {}: {text}", it.what),
            Err(text) => println!("NOT OK     {}: {text}", it.what),
        }
    }
}

async fn database(config: &Config) -> Finding {
    let look = async {
        let address = Address::parse(&config.database.url, Path::new("."))?;
        if let Address::Sqlite(path) = &address
            && !path.exists()
        {
            return Ok(format!("{} will be made at the first start", path.display()));
        }
        let db = Db::open(&address).await.map_err(|error| error.to_string())?;
        let missing = migrate::pending(&db).await.map_err(|error| error.to_string())?;
        let kind = db.kind();
        db.close().await;
        Ok(match missing {
            0 => format!("{kind} answers, schema up to date"),
            n if config.database.migrate => format!("{kind} answers, {n} schema steps will be run at the next start"),
            n => {
                return Err(format!(
                    "{n} schema steps are missing and database.migrate is off: run `turnpike migrate`"
                ));
            }
        })
    };
    Finding { what: "database", outcome: look.await }
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
