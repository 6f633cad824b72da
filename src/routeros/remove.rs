//! Taking a service off its router: secret, sessions, queues, in that order. What is gone is gone; foreign things stay.

use super::{
    Error, Mark, QueueRow, Router, SecretRow,
    cdn::cdn_queue_name,
    command::Command,
    queues::{self, queue},
    secrets::{self, secret},
    sessions::kick,
    wanted::settle,
};

/// Removes a service's secret, ends its sessions, removes its queue and its CDN queue. The caller books the last reading before.
/// Already gone is success, seen twice: a router may answer a print without the rows that it has. Where the name also belongs
/// to a foreign secret, its sessions are left alone.
///
/// # Errors
/// Any [`Error`]; `Strange` where something of the service is there after all. The same call again finishes the work.
pub async fn remove(router: &Router, username: &str, mark: &Mark) -> Result<(), Error> {
    settle(router, |router| async move {
        let (secrets, queues) = held(&router, username).await?;
        let ours: Vec<_> = secrets.iter().filter(|row| mark.owns(&row.comment)).map(|row| row.id.as_str()).collect();
        if !ours.is_empty() {
            router.write(Command::write("/ppp/secret/remove").set(".id", &ours.join(","))).await?;
        }
        if ours.len() == secrets.len() {
            kick(&router, username).await?;
        }
        let ours: Vec<_> = queues.iter().filter(|row| mark.owns(&row.comment)).map(|row| row.id.as_str()).collect();
        if !ours.is_empty() {
            router.write(Command::write("/queue/simple/remove").set(".id", &ours.join(","))).await?;
        }
        let (secrets, queues) = held(&router, username).await?;
        let mut comments = secrets.iter().map(|row| &row.comment).chain(queues.iter().map(|row| &row.comment));
        if comments.any(|comment| mark.owns(comment)) {
            return Err(router.strange(format!("{username} is there after it was removed, or was not shown before")));
        }
        Ok(())
    })
    .await
}

/// What has the name, ours and foreign.
async fn held(router: &Router, username: &str) -> Result<(Vec<SecretRow>, Vec<QueueRow>), Error> {
    let named = Command::print(secrets::PRINT, secrets::ROW).any("name", username);
    let queues =
        Command::print(queues::PRINT, queues::ROW).any("name", username).any("name", &cdn_queue_name(username));
    router.print_both((named, secret), (queues, queue)).await
}
