//! The real binary beside a test's own service: same database, same keys, machine's clock.

use crate::world::TestApp;
use std::{path::PathBuf, process::Output};
use tokio::process::Command;

/// The settings of a test's service as a file for the binary.
pub fn settings(app: &TestApp) -> PathBuf {
    let file = app.folder().join("turnpike.toml");
    let text = format!(
        "http.listen = \"127.0.0.1:0\"\nops.listen = \"127.0.0.1:0\"\ndatabase.url = \"{}\"\n\
         seal.master_key = \"{}\"\nbridge.key = [{{ id = \"whmcs\", secret = \"{}\" }}]\nmail.transport = \"off\"\n\
         collect.sanity_factor = 0\nlog.level = \"warn\"\n",
        app.database.url(),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "c2VjcmV0LW9mLXRoZS1icmlkZ2Utc2VjcmV0LW9mLXRoZS1icmlkZ2U",
    );
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    file
}

/// The binary, to be given arguments.
pub fn turnpike() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnpike"));
    command.kill_on_drop(true).env_clear();
    command
}

/// Runs `turnpike <arguments> --config <the test's>`.
pub async fn run(app: &TestApp, arguments: &[&str]) -> Output {
    turnpike().args(arguments).arg("--config").arg(settings(app)).output().await.unwrap()
}

/// Standard output as text.
pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A reading's memory is given back, because the allocator was built with `.cargo/config.toml`.
#[tokio::test]
async fn the_allocator_gives_back_what_was_freed() {
    let output = turnpike().arg("--version").env("_RJEM_MALLOC_CONF", "confirm_conf:true").output().await.unwrap();
    let said = err(&output);
    for setting in ["background_thread:true", "dirty_decay_ms:1000", "muzzy_decay_ms:0", "narenas:4"] {
        assert!(said.contains(&format!("-- Set conf value: {setting}\n")), "{setting}: {said}");
    }
}
