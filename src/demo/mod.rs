//! `turnpike demo`: two months of a customer's life, played through the signed front door against a simulated router, told
//! on the terminal, and then shown in a browser.
//!
//! Laws: nothing but loopback is spoken to; everything lives in a fresh temporary folder that goes away in the end,
//! however it ends; the story's text is the same at every run; what does not come out as told ends with a sentence.

mod customers;
mod figures;
mod letters;
mod plans;
mod site;
mod stage;
mod story;
mod teller;

use anyhow::{Context, Result};
use stage::Stage;
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};
use teller::Teller;
use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs the command: the story, and unless it is told `once` only, the pages at that port of loopback (0: any; the next free
/// one where it is taken).
pub async fn run(port: u16, once: bool) -> Result<()> {
    let mut stop = Stop::listen()?;
    let folder = folder().context("no temporary folder can be made; is TMPDIR writable?")?;
    let outcome = tokio::select! {
        outcome = play(port, once, folder.path().to_owned()) => outcome,
        () = stop.told() => Ok(None),
    };
    let outcome = match outcome {
        Ok(Some(site)) => {
            stop.told().await;
            site.stop().await;
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    let cleared = folder.close().context("the temporary folder could not be removed");
    outcome.and(cleared)
}

/// A fresh temporary folder. Two months are some thousand commits, each of them flushed: where nothing else is asked for,
/// and the system has a folder in memory, the story does not wait for a disk.
fn folder() -> std::io::Result<TempDir> {
    let fresh = |place: &Path| tempfile::Builder::new().prefix("turnpike-demo-").tempdir_in(place);
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none()
        && memory.is_dir()
        && let Ok(folder) = fresh(memory)
    {
        return Ok(folder);
    }
    fresh(&std::env::temp_dir())
}

/// The story, then the pages.
async fn play(port: u16, once: bool, folder: PathBuf) -> Result<Option<site::Site>> {
    let mut teller = Teller::new(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let stage = Stage::set(folder).await?;
    let cast = story::play(stage, &mut teller).await.context("the story did not come out as told")?;
    if once {
        cast.stage.clear().await;
        return Ok(None);
    }
    let site = site::Site::open(cast, teller.told(), port)?;
    teller::plain("");
    if port != 0 && site.address.port() != port {
        teller::plain(&format!("Port {port} is taken; the next free one is used."));
    }
    teller::plain(&format!("See it in a browser: http://{}/  (ctrl-c ends it)", site.address));
    Ok(Some(site))
}

/// SIGTERM and SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
