//! Names, addresses and templates that want more than they may: what is sent is read back by Python's `email`, which shares
//! no code with us.

use crate::{
    sending::{at, mailer, variables},
    sink::show,
};
use std::{os::unix::fs::symlink, path::Path, process::Command};
use turnpike::mail::{Failure, Letters, MailSettings, Mailer, Outgoing, Purpose, Rendered, Transport};

const HEADERS: [&str; 8] =
    ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];

/// Characters that end a line somewhere, or turn text around.
const TURNS: [&str; 12] =
    ["\r\n", "\n", "\r", "\0", "\u{b}", "\u{c}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{feff}"];

fn letter(subject: &str) -> Rendered {
    let mut letter = Letters::load(None).unwrap().render(Purpose::Threshold, "threshold", &variables("Ada")).unwrap();
    subject.clone_into(&mut letter.subject);
    letter
}

/// The letter as it is written into a file, read back; the refusal, where it is refused for ever.
async fn sent(from: &str, to_name: &str, to_address: &str, subject: &str) -> Result<serde_json::Value, String> {
    let folder = tempfile::tempdir().unwrap();
    written(&folder, from, to_name, to_address, subject).await.map(|()| show(&folder.path().join("7.eml")))
}

async fn written(
    folder: &tempfile::TempDir,
    from: &str,
    to_name: &str,
    to_address: &str,
    subject: &str,
) -> Result<(), String> {
    let transport = Transport::File { folder: folder.path().to_owned() };
    let settings = MailSettings { transport, from: from.parse().unwrap(), installation: uuid::Uuid::nil() };
    let mailer = Mailer::new(settings).unwrap();
    let letter = letter(subject);
    let outgoing = Outgoing { outbox_id: 7, to_name, to_address, letter: &letter, date: at() };
    match mailer.session().unwrap().deliver(&outgoing).await {
        Ok(()) => Ok(()),
        Err(Failure::Permanent(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

fn assert_headers(message: &serde_json::Value, what: &str) {
    let mut names: Vec<&str> = message["headers"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, HEADERS, "{what}");
    assert_eq!(message["to"].as_array().unwrap().len(), 1, "{what}: {message}");
}

#[tokio::test]
async fn no_character_in_a_name_or_a_subject_adds_a_header_or_a_recipient() {
    let mut marks: Vec<String> = (0..=255_u8).map(|byte| char::from(byte).to_string()).collect();
    marks.extend(TURNS.map(str::to_owned));
    // All at once, each before what would be a header if a line began there.
    let all = marks.iter().map(|mark| format!("a{mark}Bcc: all@example.net{mark} ")).collect::<Vec<_>>().concat();
    let message = sent("VPN <vpn@example.net>", &all, "ada@example.net", &all).await.unwrap();
    assert_headers(&message, "all characters");
    assert_eq!(message["to"][0]["address"], "ada@example.net", "{message}");
    for name in [
        "Ada, Byron",
        "\"Ada\" <eve@example.net>",
        "eve@example.net>, <mallory@example.net",
        "(comment) Ada",
        "=?utf-8?q?=0D=0ABcc:_x@y.example?=",
        "\\",
        "Ada; group: eve@example.net;",
        &"ä".repeat(5000),
        &"x".repeat(5000),
    ] {
        let message = sent("VPN <vpn@example.net>", name, "ada@example.net", name).await.unwrap();
        assert_headers(&message, name);
        assert_eq!(message["to"][0]["address"], "ada@example.net", "{name}: {message}");
        assert_eq!(message["from"], "VPN <vpn@example.net>", "{name}");
        assert_eq!(message["defects"], serde_json::json!([]), "{name}: {message}");
    }
}

#[tokio::test]
async fn an_address_is_one_address_or_the_letter_is_refused_for_good() {
    for address in [
        "ada@example.net\r\nBcc: all@example.net",
        "ada@example.net, eve@example.net",
        "ada@example.net>\r\nRCPT TO:<eve@example.net",
        "<ada@example.net>",
        "Ada <ada@example.net>",
        "ada@example.net\0",
        "ada@exam ple.net",
        "ada",
        "",
        "@example.net",
        "ada@",
        &format!("{}@example.net", "a".repeat(300)),
        &format!("ada@{}.net", "e".repeat(300)),
    ] {
        let why = sent("VPN <vpn@example.net>", "Ada", address, "s").await.unwrap_err();
        assert!(why.contains("is no mail address") && !why.contains(['\r', '\n', '\0']), "{address:?}: {why}");
    }
    // Quoted, tagged and international ones are sent to as they are or refused; never to somebody else.
    for address in ["\"a b\"@example.net", "o'hara+vpn@example.net", "ada@bücher.example", "büro@bücher.example"] {
        let folder = tempfile::tempdir().unwrap();
        if written(&folder, "VPN <vpn@example.net>", "Ada", address, "s").await.is_ok() {
            let text = std::fs::read_to_string(folder.path().join("7.eml")).unwrap();
            let to: Vec<&str> = text.lines().filter(|line| line.starts_with("To:")).collect();
            assert_eq!(to, [format!("To: Ada <{address}>")]);
        }
    }
}

#[tokio::test]
async fn the_senders_name_adds_no_header() {
    for from in ["\"VPN, Ltd. (net)\" <vpn@example.net>", "Büro – VPN <vpn@example.net>", "vpn@example.net"] {
        let message = sent(from, "Ada", "ada@example.net", "s").await.unwrap();
        assert_headers(&message, from);
        assert!(message["from"].as_str().unwrap().contains("vpn@example.net"), "{message}");
    }
    let wrong: Result<turnpike::mail::Mailbox, _> = "VPN\r\nBcc: x@y.example <vpn@example.net>".parse();
    assert!(wrong.is_err(), "{wrong:?}");
}

/// What is wrong with a folder of one letter `odd` with this text.
fn refused(body: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "odd", body);
    match Letters::load(Some(folder.path())) {
        Ok(_) => "it was taken".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn write(folder: &Path, name: &str, body: &str) {
    std::fs::create_dir_all(folder.join(name)).unwrap();
    std::fs::write(folder.join(name).join("subject.txt"), "s").unwrap();
    std::fs::write(folder.join(name).join("body.txt"), body).unwrap();
}

#[test]
fn a_template_reaches_no_file_and_comes_to_an_end() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}";
    let huge = format!("{{% for a in range(9999) %}}{}{{% endfor %}}", "x".repeat(1000));
    let mut otherwise = Vec::new();
    let recursion = "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}";
    for (body, says) in [
        ("{% include '../../../etc/passwd' %}", "etc/passwd"),
        ("{% include '/etc/passwd' %}", "/etc/passwd"),
        ("{% extends '../own:odd/body.txt' %}", "odd/body.txt"),
        ("{% import 'file:///etc/passwd' as p %}{{ p }}", "etc/passwd"),
        (endless, "fuel"),
        (&huge, "longer than"),
        (recursion, "recursion"),
        ("{{ username|shell }}", "filter"),
        ("{{ secret }}", "secret"),
        ("{{ username.password }}", "undefined"),
        ("{{ namespace.__class__ }}", "odd/body.txt"),
        ("{% set x = 1 %}{{ x.y.z }}", "undefined"),
        ("{{ debug() }}", "debug"),
        ("{{ 1 // 0 }}", "odd/body.txt"),
        ("{% if %}", "syntax"),
        ("{{", "syntax"),
    ] {
        let error = refused(body);
        if !error.contains("odd/body.txt") || !error.to_lowercase().contains(says) || error.contains("root:") {
            otherwise.push(format!("{}: {error}", &body[..body.len().min(80)]));
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    // A letter that includes itself.
    let error = refused("{% include 'own:odd/body.txt' %}");
    assert!(error.contains("odd/body.txt"), "{error}");
}

#[test]
fn a_link_leads_about_in_the_folder_of_templates_and_not_out_of_it() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.txt"), "root:x:0:0").unwrap();
    write(outside.path(), "letter", "from outside");
    let folder = tempfile::tempdir().unwrap();
    // A whole letter by a link, within: as container platforms lay out their volumes.
    write(folder.path(), ".versions/1", "hello");
    symlink(".versions/1", folder.path().join("inside")).unwrap();
    assert!(Letters::load(Some(folder.path())).unwrap().knows("inside"));
    // One file, and a whole letter, from elsewhere.
    write(folder.path(), "file", "hello");
    std::fs::remove_file(folder.path().join("file/body.txt")).unwrap();
    symlink(outside.path().join("secret.txt"), folder.path().join("file/body.txt")).unwrap();
    let error = Letters::load(Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("leads out of the folder") && !error.contains("root:"), "{error}");
    std::fs::remove_dir_all(folder.path().join("file")).unwrap();
    symlink(outside.path().join("letter"), folder.path().join("whole")).unwrap();
    let error = Letters::load(Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("leads out of the folder"), "{error}");
    // The folder itself may be a link: that is how it was configured.
    let link = outside.path().join("templates");
    std::fs::remove_file(folder.path().join("whole")).unwrap();
    symlink(folder.path(), &link).unwrap();
    assert!(Letters::load(Some(&link)).unwrap().knows("inside"));
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "pipe", "");
    let pipe = folder.path().join("pipe/body.txt");
    std::fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = Letters::load(Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("is not a file"), "{error}");
}

#[tokio::test]
async fn markup_in_a_letters_facts_is_text_in_its_html() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}";
    let mut facts = variables(hostile);
    hostile.clone_into(&mut facts.username);
    hostile.clone_into(&mut facts.server_address);
    // Also where an administrator's letter has no HTML of its own, which is then made of its text.
    write(folder.path(), "own", "Dear {{ client_name }}\n\n{{ username }} at {{ server_address }}");
    let letters = Letters::load(Some(folder.path())).unwrap();
    for (purpose, name) in [(Purpose::Threshold, "own"), (Purpose::Suspension, "suspension"), (Purpose::Slowed, "")] {
        let letter = letters.render(purpose, name, &facts).unwrap();
        assert!(!letter.html.contains("<script") && !letter.html.contains("<img"), "{}", letter.html);
        assert!(!letter.html.contains("49") && !letter.text.contains("49"), "a name is not a template");
        let mailer = mailer(Transport::File { folder: folder.path().join("out") });
        let outgoing =
            Outgoing { outbox_id: 7, to_name: hostile, to_address: "ada@example.net", letter: &letter, date: at() };
        mailer.session().unwrap().deliver(&outgoing).await.unwrap();
        assert_headers(&show(&folder.path().join("out/7.eml")), name);
    }
}
