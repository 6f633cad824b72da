//! The letters that were caught, read back from their files as a mail client reads them.

use anyhow::{Context, Result};
use mail_parser::{Address, MessageParser};
use serde::Serialize;
use std::path::Path;

/// A letter as a mail client shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Letter {
    /// The outbox's number.
    pub number: u64,
    /// Sender.
    pub from: String,
    /// Recipient.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// When it was written.
    pub date: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The file, as it would have left.
    pub raw: String,
}

/// The letters in a folder, oldest first. A folder that is not there holds none.
pub fn caught(folder: &Path) -> Result<Vec<Letter>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut letters = Vec::new();
    for entry in entries {
        let path = entry.context("the caught mails cannot be listed")?.path();
        let number = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|it| it == "eml")) {
            let raw = std::fs::read(&path).context("a caught mail cannot be read")?;
            letters.push(read(number, &raw).with_context(|| format!("mail {number} is not a mail"))?);
        }
    }
    letters.sort_by_key(|letter| letter.number);
    Ok(letters)
}

fn read(number: u64, raw: &[u8]) -> Option<Letter> {
    let message = MessageParser::default().parse(raw)?;
    Some(Letter {
        number,
        from: people(message.from()),
        to: people(message.to()),
        subject: message.subject().unwrap_or_default().to_owned(),
        date: message.date().map(|date| {
            format!("{:04}-{:02}-{:02} {:02}:{:02} UTC", date.year, date.month, date.day, date.hour, date.minute)
        })?,
        text: message.body_text(0).unwrap_or_default().into_owned(),
        html: message.body_html(0).unwrap_or_default().into_owned(),
        raw: String::from_utf8_lossy(raw).into_owned(),
    })
}

fn people(address: Option<&Address<'_>>) -> String {
    let one = |it: &mail_parser::Addr<'_>| {
        let address = it.address().unwrap_or_default();
        it.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"))
    };
    address.map(|list| list.iter().map(one).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}
