//! What others recorded of real routers, played against the simulator. The form of the files is told in
//! `tests/routeros/README.md`.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::time::timeout;
use turnpike::simulator::{Options, Simulator, World};

use crate::peer::{PATIENCE, Peer};

type Words = Vec<String>;

#[derive(Debug, PartialEq)]
enum Step {
    Say(Words),
    Hear(Words),
    Bytes(Vec<u8>),
    Meanwhile(Words),
    Closed,
}

#[derive(Default)]
struct Recording {
    version: String,
    anonymous: bool,
    tag: Option<String>,
    world: Vec<(String, String)>,
    steps: Vec<Step>,
}

fn read(text: &str) -> Recording {
    let mut recording = Recording { version: "7.18.2".to_owned(), ..Recording::default() };
    let (mut said, mut heard) = (Words::new(), Words::new());
    for line in text.lines().chain([""]) {
        if let Some(word) = line.strip_prefix("> ") {
            said.push(word.to_owned());
            continue;
        }
        if let Some(word) = line.strip_prefix("< ") {
            heard.push(word.to_owned());
            continue;
        }
        for (words, step) in [(&mut said, Step::Say as fn(Words) -> Step), (&mut heard, Step::Hear)] {
            if !words.is_empty() {
                recording.steps.push(step(std::mem::take(words)));
            }
        }
        let (directive, rest) = line.split_once(' ').unwrap_or((line, ""));
        match directive {
            "" | "#" => {}
            "@version" => rest.clone_into(&mut recording.version),
            "@anonymous" => recording.anonymous = true,
            "@tag" => recording.tag = Some(rest.to_owned()),
            "@user" | "@given" | "@without" => recording.world.push((directive.to_owned(), rest.to_owned())),
            "@bytes" => {
                let bytes = rest.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
                recording.steps.push(Step::Bytes(bytes));
            }
            "@do" => recording.steps.push(Step::Meanwhile(rest.split(' ').map(str::to_owned).collect())),
            "@closed" => recording.steps.push(Step::Closed),
            _ => panic!("no such line in a recording: {line}"),
        }
    }
    recording
}

/// `{*}` stands for any text.
fn fits(pattern: &str, word: &str) -> bool {
    match pattern.split_once("{*}") {
        Some((head, tail)) => word.len() >= head.len() + tail.len() && word.starts_with(head) && word.ends_with(tail),
        None => pattern == word,
    }
}

/// The first words agree, the others in any order.
fn agrees(expected: &[String], heard: &[String]) -> bool {
    if expected[0] != heard[0] {
        return false;
    }
    let mut left: Vec<&String> = heard[1..].iter().collect();
    let more = expected.iter().any(|word| word == "...");
    let found = expected[1..].iter().filter(|word| *word != "...").all(|pattern| {
        let place = left.iter().position(|word| fits(pattern, word));
        place.map(|place| left.remove(place)).is_some()
    });
    found && (more || left.is_empty())
}

fn tag(words: &[String]) -> String {
    words.iter().find(|word| word.starts_with(".tag=")).cloned().unwrap_or_default()
}

/// Puts the rows into the world that the recording starts from.
fn furnish(name: &str, world: &mut World, recording: &Recording) {
    world.quirks.tag_last = recording.tag.as_deref() == Some("last");
    for (directive, rest) in &recording.world {
        let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match directive.as_str() {
            "@user" => world.add_user(first, rest, &["api".to_owned(), "read".to_owned()]),
            "@without" => assert!(world.remove_row(first, rest), "{name}: nothing to take away"),
            _ => {
                let values: Vec<_> = rest.split(';').filter_map(|pair| pair.split_once('=')).collect();
                world.add_row(first, &values);
            }
        }
    }
}

fn compare(name: &str, tag: &str, expected: &[Words], heard: &[Words], last: bool) {
    let same =
        expected.len() == heard.len() && expected.iter().zip(heard).all(|(expected, heard)| agrees(expected, heard));
    assert!(same, "{name}, {tag}\nrecorded: {expected:#?}\nheard: {heard:#?}");
    for words in heard.iter().filter(|words| words.iter().any(|word| word.starts_with(".tag="))) {
        let place = if last { words.len() - 1 } else { 1 };
        assert!(words[place].starts_with(".tag="), "{name}: {words:?}");
    }
}

async fn play(name: &str, recording: Recording) {
    let options = Options { version: recording.version.clone(), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let last = recording.tag.as_deref() == Some("last");
    simulator.world(|world| furnish(name, world, &recording));
    let mut peer =
        if recording.anonymous { Peer::connect(simulator.address()).await } else { Peer::logged_in(&simulator).await };
    let mut steps = recording.steps.into_iter().peekable();
    let (mut received, mut commands) = (simulator.received(), u64::from(!recording.anonymous));
    while let Some(step) = steps.next() {
        match step {
            Step::Say(words) => {
                commands += 1;
                peer.send(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
            Step::Meanwhile(words) => {
                timeout(PATIENCE, received.wait_for(|count| *count >= commands)).await.unwrap().unwrap();
                // A login and a command.
                commands += 2;
                let mut other = Peer::logged_in(&simulator).await;
                let heard = other.ask(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
                assert_eq!(heard.last().unwrap()[0], "!done", "{name}: {heard:?}");
                assert_ne!(heard[0][0], "!trap", "{name}: {heard:?}");
            }
            Step::Closed => assert_eq!(peer.hear().await, None, "{name}: still open"),
            Step::Bytes(bytes) => assert_eq!(peer.raw, bytes, "{name}"),
            Step::Hear(first) => {
                let mut expected: BTreeMap<String, Vec<Words>> = BTreeMap::new();
                let mut heard: BTreeMap<String, Vec<Words>> = BTreeMap::new();
                let mut next = Some(first);
                while let Some(words) = next {
                    expected.entry(tag(&words)).or_default().push(words);
                    let words = peer.hear().await.unwrap_or_else(|| panic!("{name}: closed too early"));
                    heard.entry(tag(&words)).or_default().push(words);
                    next = match steps.next_if(|step| matches!(step, Step::Hear(_))) {
                        Some(Step::Hear(words)) => Some(words),
                        _ => None,
                    };
                }
                for (tag, expected) in expected {
                    compare(name, &tag, &expected, &heard.remove(&tag).unwrap_or_default(), last);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulator_answers_as_recorded_routers_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routeros");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("# Source: "), "{}: where is it from?", path.display());
            play(&path.file_name().unwrap().to_string_lossy(), read(&text)).await;
            played += 1;
        }
    }
    assert!(played > 15, "only {played} recordings found");
}

#[test]
fn wildcards_stand_for_any_text_and_nothing_else() {
    assert!(fits("=ret={*}", "=ret=*3") && fits("=ret={*}", "=ret="));
    assert!(!fits("=ret={*}", "=id=*3") && !fits("=ret=*3", "=ret=*4"));
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Words>();
    assert!(agrees(&words("!re =a=1 =b={*}"), &words("!re =b=2 =a=1")));
    assert!(!agrees(&words("!re =a=1"), &words("!re =b=2 =a=1")));
    assert!(agrees(&words("!re =a=1 ..."), &words("!re =b=2 =a=1")));
    assert!(!agrees(&words("!re =a=1"), &words("!done =a=1")));
    assert!(!agrees(&words("!re =a=1 =a=1"), &words("!re =a=1 =b=1")));
}
