//! `turnpike init`: a configuration file with fresh keys.
//!
//! Laws: it never overwrites (keys that sealed a database would be lost), and only its owner may read it.

use super::{Config, PLACES, fresh};
use crate::{clock::Chance, pairing::Pairing};
use anyhow::{Context, Result, anyhow};
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What [`init`] made.
#[derive(Debug)]
pub struct InitOutcome {
    /// The file with the fresh keys.
    pub file: PathBuf,
    /// To be pasted into WHMCS.
    pub pairing: Pairing,
}

/// Writes `turnpike.toml` into `dir` (made where it is missing), readable by its owner alone, safely on disk.
///
/// # Errors
/// A file of that name is there already, or the folder cannot be written to.
pub fn init(dir: &Path, chance: &Chance) -> Result<InitOutcome> {
    let file = dir.join(PLACES[0]);
    let master = fresh(chance, &STANDARD);
    let bridge = fresh(chance, &URL_SAFE_NO_PAD);
    let text = Zeroizing::new(text(master.expose_secret(), bridge.expose_secret()));
    fs::create_dir_all(dir).with_context(|| format!("The folder {} cannot be made.", dir.display()))?;
    match write_new(&file, text.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let shown = file.display();
            return Err(anyhow!("{shown} is there already and was left as it is; `turnpike pair` prints its code."));
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be written.", file.display())),
    }
    let config = Config::from_text(&text, dir)?;
    Ok(InitOutcome { file, pairing: Pairing::of(&config)? })
}

/// A new file, its content and its name on disk before this returns.
fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a file with half a key would stop the next `init`; this one made it, so this one takes it away.
        drop(fs::remove_file(path));
        return Err(error);
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn text(master: &str, bridge: &str) -> String {
    format!(
        r#"# Turnpike's settings. Whatever is not here has its default; the handbook (docs/operating.md) lists every key.
# This file holds keys: only the service's user may read it. Keep a copy in a safe place; without seal.master_key
# the passwords in the database cannot be read again.

[http]
# Where the bridge in WHMCS calls. For another machine: set tls_certificate and tls_key too.
listen = "127.0.0.1:8780"

[ops]
# /healthz, /readyz and /metrics.
listen = "127.0.0.1:8781"

[database]
# Relative to this file's folder; or mysql://user:password@host:3306/turnpike
url = "sqlite:turnpike.db"

[seal]
master_key = "{master}"

[[bridge.key]]
# WHMCS signs with it; `turnpike pair` prints it as a pairing code.
id = "whmcs"
secret = "{bridge}"

[time]
# Whose midnights part the days, such as "Africa/Johannesburg".
zone = "UTC"

[mail]
# smtp, whmcs (WHMCS sends them), file or off.
transport = "smtp"
from = "VPN <vpn@example.net>"
smtp = {{ host = "localhost", port = 25, tls = "none", username = "", password = "" }}
"#
    )
}
