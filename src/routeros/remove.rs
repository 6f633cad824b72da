//! Taking a service off its router: secret, sessions, queues, in that order. What is gone is gone; foreign things stay.

use super::{
    Error, Mark, Router,
    cdn::cdn_queue_name,
    command::Command,
    queues::{self, queue},
    secrets::{self, secret},
    sessions::kick,
    wanted::settle,
};

/// Removes a service's secret, ends its sessions, removes its queue and its CDN queue. The caller books the last reading before.
/// Already gone is success. Where the name also belongs to a foreign secret, its sessions are left alone.
///
/// # Errors
/// Any [`Error`]; the same call again finishes the work.
pub async fn remove(router: &Router, username: &str, mark: &Mark) -> Result<(), Error> {
    settle(router, |router| async move {
        let named = Command::print(secrets::PRINT, secrets::ROW).any("name", username);
        let queues =
            Command::print(queues::PRINT, queues::ROW).any("name", username).any("name", &cdn_queue_name(username));
        let (secrets, queues) = router.print_both((named, secret), (queues, queue)).await?;
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
        Ok(())
    })
    .await
}
