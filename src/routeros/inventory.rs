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

fn print() -> Command {
    Command::print(secrets::PRINT, &format!("{},password", secrets::ROW))
}

/// Reads rows; keeps the passwords of one prefix.
fn read(prefix: &str) -> impl FnMut(&Row<'_>) -> Result<Option<OpenSecret>, String> + Send + use<> {
    let prefix = prefix.to_owned();
    move |row| {
        let Some(found) = secret(row)? else { return Ok(None) };
        let wanted = Mark::parse(&found.comment).is_some_and(|(its, ..)| its == prefix);
        let shown = row.get("password").filter(|shown| wanted && !shown.is_empty());
        let password = shown.and_then(|it| std::str::from_utf8(it).ok()).map(SecretString::from);
        Ok(Some(OpenSecret { row: found, password }))
    }
}

/// Reads it all; changes nothing. Passwords of secrets without that prefix are not kept.
///
/// # Errors
/// Any [`Error`] of a print.
pub async fn inventory(router: &Router, prefix: &str) -> Result<Inventory, Error> {
    let of_queues = Command::print(queues::PRINT, queues::ROW);
    let (mut secrets, queues) = router.print_both((print(), read(prefix)), (of_queues, queue)).await?;
    let wanted = |it: &OpenSecret| Mark::parse(&it.row.comment).is_some_and(|(its, ..)| its == prefix);
    if secrets.iter().any(wanted) && secrets.iter().all(|it| it.password.is_none()) {
        // From 7.21 on a router may want to be asked for passwords by name; one that does not know the word refuses it.
        match router.print(print().set("show-sensitive", ""), read(prefix)).await {
            Ok(shown) => secrets = shown,
            Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let (uptime_seconds, readings) = queues::counters_and_uptime(router).await?;
    Ok(Inventory { secrets, queues, readings, uptime_seconds })
}
