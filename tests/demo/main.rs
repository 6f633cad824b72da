//! The demo as its visitors run it: the binary itself, its text, its pages, its end.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use reqwest::{StatusCode, header};
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(2);

fn demo(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnpike"));
    command.arg("demo").args(more).env("TMPDIR", folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn once(folder: &Path) -> Output {
    demo(folder, &["--once"]).output().unwrap()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

/// The exit status; a demo that does not end is killed, and fails the test.
async fn ended(mut child: Child) -> Option<i32> {
    let waited = async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let status = tokio::time::timeout(PATIENCE, waited).await;
    status.unwrap_or_else(|_| {
        child.kill().unwrap();
        panic!("the demo was told to stop and goes on");
    })
}

#[test]
fn the_story_is_the_same_at_every_run_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (once(folder.path()), once(folder.path()));
    let text = String::from_utf8(first.stdout).unwrap();
    assert_eq!(String::from_utf8(first.stderr).unwrap(), "");
    assert_eq!(first.status.code(), Some(0));
    assert_eq!(text, String::from_utf8(second.stdout).unwrap());
    assert!(is_empty(folder.path()), "something stays in the temporary folder");
    assert!(!text.contains('\x1b'), "colour where there is no terminal");
    for line in [
        "WHMCS tests the connection to router core-1",
        "Account 7-41 made on core-1: address 10.8.0.2, 10 Mbit/s down, 5 Mbit/s up, balance 60.00 GB.",
        "Mail to ada@example.net: \"Traffic less than 5 GB - 7-41\".",
        "The account is blocked and the session ended.",
        "She dials in again and the router refuses: user is disabled.",
        "Mail to ada@example.net: \"Suspension Information - 7-41\".",
        "Free at once, without waiting for any cron:",
        "The suspension is recorded and answered as done; 1 router change is pending.",
        "then the pending change is made: session ended.",
        "Carried 0.65 GB, charged 0.65 GB: nothing twice, nothing lost.",
        "restarts and all its counters stand at zero",
        "21.00 GB used today, so he goes on with 8 Mbit/s. His session was not cut.",
        "He pays 2.00 to begin the day anew: 20 Mbit/s at once.",
        "At once 50 Mbit/s down and 10 Mbit/s up, without a reconnect.",
        "Mails: 2, each once.",
        "The account warehouse is as it was.",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
}

#[test]
fn a_story_that_cannot_begin_ends_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("nowhere");
    let out = once(&gone);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("no temporary folder can be made"), "{said}");
}

#[tokio::test]
async fn told_to_stop_in_the_middle_of_the_story_it_ends_well_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("WHMCS tests the connection")).unwrap().unwrap();
    terminate(&child);
    assert_eq!(ended(child).await, Some(0));
    assert!(is_empty(folder.path()), "something stays in the temporary folder");
}

/// The pages of a running demo.
struct Visitor {
    base: String,
    http: reqwest::Client,
}

impl Visitor {
    async fn page(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
        // The slash is escaped too; nobody who looks at the page sees it.
        answer.text().await.unwrap().replace("&#x2f;", "/")
    }

    async fn press(&self, token: &str, action: &str, service: &str, from: &str) -> reqwest::Response {
        let form = format!("token={token}&action={action}&from={from}{service}");
        let request = self.http.post(format!("{}/play", self.base)).body(form);
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").send().await.unwrap()
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let from = text.find(before).unwrap_or_else(|| panic!("{before:?} is missing in:\n{text}")) + before.len();
    &text[from..from + text[from..].find(after).unwrap()]
}

/// The balance on a client's page, GB.
fn balance(page: &str) -> f64 {
    between(page, "<span class=\"figure\">", " GB").parse().unwrap()
}

#[tokio::test]
async fn the_pages_are_live_and_the_buttons_play_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port().to_string();
    let mut child = demo(folder.path(), &["--port", &port]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == format!("Port {port} is taken; the next free one is used.")));
    let address = lines.next().unwrap();
    let base = between(&address, "See it in a browser: ", "/  (").to_owned();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let visitor = Visitor { base, http };

    let start = visitor.page("/").await;
    assert_eq!(start.matches("Router and books agree to the byte").count(), 2, "{start}");
    let client = visitor.page("/client/41").await;
    for seen in ["vpn1.example.net", "L2TP IPsec key", "50 Mbit/s download, 10 Mbit/s upload", ">Online<"] {
        assert!(client.contains(seen), "{seen:?} is missing in:\n{client}");
    }
    let before = balance(&client);
    let statistics = visitor.page("/client/41/statistics").await;
    assert_eq!(statistics.matches("<svg").count(), 2);
    assert!(statistics.contains("<td>") && statistics.contains("2026-09"), "the figures are missing");
    assert!(visitor.page("/client/42").await.contains("Your package has no traffic limit."));
    assert!(visitor.page("/mails").await.contains("Suspension Information - 7-41"));
    let mail = visitor.page("/mails/2").await;
    assert!(mail.contains("<iframe title=\"The mail as HTML\" sandbox src=\"/mails/2/html\">"), "{mail}");
    assert!(visitor.page("/mails/2/html").await.contains("Your VPN is paused"));
    assert!(visitor.page("/admin/41").await.contains("Last entries"));
    assert!(visitor.page("/story").await.contains("A power cut"));

    let token = between(&start, "name=\"token\" value=\"", "\"");
    assert_eq!(visitor.press("0123", "away", "", "/").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(visitor.press(token, "nonsense", "", "/").await.status(), StatusCode::BAD_REQUEST);
    let foreign = visitor.http.get(format!("{}/", visitor.base)).header(header::HOST, "rebound.example");
    assert_eq!(foreign.send().await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);

    let pressed = visitor.press(token, "carry-500", "&service=41", "/client/41").await;
    assert_eq!(pressed.status(), StatusCode::SEE_OTHER);
    assert_eq!(pressed.headers()[header::LOCATION], "/client/41");
    let client = visitor.page("/client/41").await;
    assert!(client.contains("Ada carries 500 MB in a quarter of an hour."), "{client}");
    assert!((before - balance(&client) - 0.488).abs() < 0.011, "{before} GB less 500 MB is not in:\n{client}");
    let pressed = visitor.press(token, "suspend", "&service=41", "https://elsewhere.example/").await;
    assert_eq!(pressed.headers()[header::LOCATION], "/");
    assert!(visitor.page("/client/41").await.contains("This service is not active"));
    visitor.press(token, "away", "", "/").await;
    visitor.press(token, "carry-500", "&service=42", "/").await;
    visitor.press(token, "unsuspend", "&service=41", "/").await;
    let away = visitor.page("/").await;
    assert!(away.contains("Does not answer") && away.contains("1 change<"), "{away}");
    assert!(visitor.page("/client/42").await.contains("last known on 20 November 2026"));
    visitor.press(token, "back", "", "/").await;
    let back = visitor.page("/").await;
    assert_eq!(back.matches("Router and books agree to the byte").count(), 2, "{back}");
    assert!(!back.contains("1 change<"), "{back}");

    terminate(&child);
    assert_eq!(ended(child).await, Some(0));
    assert!(is_empty(folder.path()), "something stays in the temporary folder");
}
