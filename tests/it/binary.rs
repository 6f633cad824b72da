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

#[tokio::test]
async fn a_database_file_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    use tokio::io::AsyncBufReadExt;
    let app = TestApp::on_database(crate::world::Database::file().await, "").await;
    let (file, books) = (settings(&app), app.folder().join("fresh.db"));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(&app.database.url(), &format!("sqlite:{}", books.display()));
    let start = async || {
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "umask 022; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_turnpike"),
            "serve",
            "--json",
            "--config",
        ]);
        let command = command.arg(&file).env_clear().kill_on_drop(true).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap().expect("it serves");
        child
    };
    let modes = || {
        ["", "-wal", "-shm"].map(|end| {
            let file = app.folder().join(format!("fresh.db{end}"));
            std::fs::metadata(file).unwrap().permissions().mode() & 0o777
        })
    };
    std::fs::write(&file, text).unwrap();
    let mut child = start().await;
    assert_eq!(modes(), [0o600; 3]);
    child.kill().await.unwrap();
    // Whoever has given it another mode wanted that.
    std::fs::set_permissions(&books, std::fs::Permissions::from_mode(0o640)).unwrap();
    let mut child = start().await;
    assert_eq!(modes()[0], 0o640);
    child.kill().await.unwrap();
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
