//! What others recorded of real routers, said to the client: each answer must be taken for what it was. The form of
//! the files is told in `tests/routeros/README.md`.

use crate::peer::{Conn, Peer, router_of};
use std::path::Path;
use turnpike::routeros::{Error, secrets};

/// The replies to one command: sentences of words.
type Replies = Vec<Vec<String>>;

/// Every command of a recording with its replies: those of its tag, or, without tags, those that follow it.
fn exchanges(text: &str) -> Vec<(String, Replies)> {
    let mut all: Vec<(String, String, Replies)> = Vec::new();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    for line in text.lines().chain([""]) {
        if let Some(word) = line.strip_prefix("> ") {
            said.push(word.to_owned());
        } else if let Some(word) = line.strip_prefix("< ") {
            heard.push(word.replace("{*}", "*1F"));
        } else if !said.is_empty() {
            let words = std::mem::take(&mut said);
            all.push((words[0].clone(), tag(&words), Vec::new()));
        } else if !heard.is_empty() {
            let words = std::mem::take(&mut heard);
            let its = tag(&words);
            let (.., replies) = all.iter_mut().rev().find(|(_, tag, _)| *tag == its).unwrap();
            replies.push(words);
        }
    }
    all.into_iter().map(|(path, _, replies)| (path, replies)).collect()
}

fn tag(words: &[String]) -> String {
    words.iter().find(|word| word.starts_with(".tag=")).cloned().unwrap_or_default()
}

fn first(reply: &[String]) -> &str {
    &reply[0]
}

fn messages(replies: &Replies) -> Vec<&str> {
    let traps = replies.iter().filter(|reply| first(reply) == "!trap");
    traps.filter_map(|reply| reply.iter().find_map(|word| word.strip_prefix("=message="))).collect()
}

/// Says recorded replies, each with this command's tag: where the recording has one, there, else second or last.
async fn say(conn: &mut Conn, replies: &Replies, tag: &str, last: bool) {
    for reply in replies {
        let mut words: Vec<&str> = reply.iter().map(String::as_str).filter(|word| *word != "...").collect();
        if first(reply) != "!fatal" {
            match words.iter().position(|word| word.starts_with(".tag=")) {
                Some(at) => words[at] = tag,
                None if last => words.push(tag),
                None => words.insert(1, tag),
            }
        }
        conn.say(&words).await;
    }
}

#[tokio::test]
async fn every_recorded_answer_is_taken_for_what_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routeros");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (command, replies) in exchanges(&text) {
            for last in [false, true] {
                play(&format!("{}: {command}", path.display()), &command, &replies, last).await;
                played += 1;
            }
        }
    }
    assert!(played > 30, "only {played} exchanges were found");
}

async fn play(name: &str, command: &str, replies: &Replies, last: bool) {
    let peer = Peer::new().await;
    let router = router_of(&peer);
    let is_login = command == "/login";
    let (answer, conn) = tokio::join!(secrets(&router), async {
        let mut conn = peer.accept().await;
        let heard = conn.hear().await;
        if is_login {
            say(&mut conn, replies, &heard.tag, last).await;
            if messages(replies).is_empty() && !replies.iter().flatten().any(|word| word.starts_with("=ret=")) {
                conn.answer("/ppp/secret/print", &[]).await;
            }
        } else {
            conn.done(&heard).await;
            let heard = conn.hear().await;
            say(&mut conn, replies, &heard.tag, last).await;
        }
        conn
    });
    let rows: Vec<_> = replies.iter().filter(|reply| first(reply) == "!re").collect();
    let traps = messages(replies).join("; ");
    if replies.iter().any(|reply| first(reply) == "!fatal") {
        assert!(matches!(answer, Err(Error::Unreachable { .. })), "{name}: {answer:?}");
    } else if is_login && (!traps.is_empty() || replies[0].iter().any(|word| word.starts_with("=ret="))) {
        let Err(Error::LoginRefused { words, .. }) = answer else { panic!("{name}: {answer:?}") };
        assert!(words == traps || words.contains("6.43"), "{name}: {words}");
    } else if !traps.is_empty() {
        let Err(Error::Refused { words, .. }) = answer else { panic!("{name}: {answer:?}") };
        assert_eq!(words, traps, "{name}");
    } else if rows.iter().all(|row| row.iter().any(|word| word.starts_with("=.id="))) {
        assert_eq!(answer.map(|found| found.len()), Ok(if is_login { 0 } else { rows.len() }), "{name}");
    } else {
        assert!(matches!(answer, Err(Error::Strange { .. })), "{name}: rows without ids are no secrets: {answer:?}");
    }
    drop(conn);
}
