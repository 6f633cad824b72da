//! What a router holds for customers of a given prefix, with their passwords: read once, to be taken into the books.

use super::{
    Error, Mark, QueueRow, Reading, Router, SecretRow,
    command::Command,
    queues::{self, queue},
    secrets::{self, secret},
    wire::Row,
};
use secrecy::SecretString;

/// A secret, and its password where it bears the prefix that was asked for and the router shows it.
#[derive(Clone, Debug)]
pub struct OpenSecret {
    /// The secret.
    pub row: SecretRow,
    /// None where the router shows none (without the policy `sensitive`), where it is not text, and of everybody else.
    pub password: Option<SecretString>,
}

/// Every secret, every static queue, and what the queues have counted.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The secrets.
    pub secrets: Vec<OpenSecret>,
    /// The queues.
    pub queues: Vec<QueueRow>,
    /// What they have counted.
    pub readings: Vec<Reading>,
    /// The router's uptime, seconds, asked for over the same connection as the counters.
    pub uptime_seconds: u64,
}

/// Reads it all; changes nothing. Passwords of secrets without that prefix are not kept.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn inventory(router: &Router, prefix: &str) -> Result<Inventory, Error> {
    let prefix = prefix.to_owned();
    let all = Command::print(secrets::PRINT, &format!("{},password", secrets::ROW));
    let take = move |row: &Row<'_>| {
        let Some(found) = secret(row)? else { return Ok(None) };
        let wanted = Mark::parse(&found.comment).is_some_and(|(its, ..)| its == prefix);
        let shown = row.get("password").filter(|shown| wanted && !shown.is_empty());
        let password = shown.and_then(|it| std::str::from_utf8(it).ok()).map(SecretString::from);
        Ok(Some(OpenSecret { row: found, password }))
    };
    let (secrets, queues) = router.print_both((all, take), (Command::print(queues::PRINT, queues::ROW), queue)).await?;
    let (uptime_seconds, readings) = queues::counters_and_uptime(router).await?;
    Ok(Inventory { secrets, queues, readings, uptime_seconds })
}
