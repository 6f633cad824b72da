//! The corpus of `fuzz/`, and everything that a fuzzer ever found, through the same functions that the fuzzers call.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::{collections::BTreeSet, panic::catch_unwind, path::PathBuf};
use turnpike::clock::Chance;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// What a target has been fed, by file name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = std::fs::read_dir(corpus().join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let files = folder.map(|it| it.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn every_input_of_the_fuzzers_corpus_is_withstood() {
    for (name, target) in targets::TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() >= 4, "{name} has {} inputs", inputs.len());
        for (file, bytes) in inputs {
            eprintln!("{file}");
            target(&bytes);
            // And with a piece missing: not every reader is held to whole inputs.
            for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                target(&bytes[..cut]);
            }
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer_and_all_of_it_is_small() {
    let named: BTreeSet<String> = targets::TARGETS.iter().map(|it| it.0.to_owned()).collect();
    let list = |path: PathBuf| std::fs::read_dir(path).unwrap().map(|it| it.unwrap().path()).collect::<Vec<_>>();
    let stems = |paths: Vec<PathBuf>| {
        paths.iter().map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<BTreeSet<String>>()
    };
    assert_eq!(stems(list(corpus())), named);
    assert_eq!(stems(list(corpus().join("../fuzz_targets"))), named);
    let size: usize = named.iter().flat_map(|it| inputs(it)).map(|(_, bytes)| bytes.len()).sum();
    assert!(size < 200_000, "{size} bytes");
}

/// What parsers stumble over.
const TOKENS: [&[u8]; 16] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\"",
    b"\\",
    b"{",
    b"[",
    b"-",
    b"99999999999999999999",
    b":",
    b"=",
    b"<",
    b"\xe2\x80\xae",
];

/// A neighbour of an input: a few bytes changed, put in, taken out, doubled, or the end of another.
fn mutated(input: &[u8], other: &[u8], chance: &Chance) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let below = |most: usize| chance.below(u32::try_from(most).unwrap_or(u32::MAX)) as usize;
    for _ in 0..=below(4) {
        let at = below(bytes.len() + 1);
        let until = (at + below(9)).min(bytes.len());
        match below(6) {
            0 => {
                bytes.splice(at..at, TOKENS[below(TOKENS.len())].iter().copied());
            }
            1 if at < bytes.len() => bytes[at] ^= 1 << below(8),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[below(other.len() + 1)..]);
            }
            _ => bytes.push(chance.bytes::<1>()[0]),
        }
    }
    bytes
}

/// `TURNPIKE_FUZZ_ROUNDS` asks for more of each input than the few that every run does.
#[test]
fn neighbours_of_the_fuzzers_corpus_are_withstood() {
    let rounds = std::env::var("TURNPIKE_FUZZ_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(20);
    let chance = Chance::seeded(20_261_120);
    for (name, target) in targets::TARGETS {
        let inputs: Vec<Vec<u8>> = inputs(name).into_iter().map(|it| it.1).collect();
        for round in 0..rounds {
            for (number, input) in inputs.iter().enumerate() {
                let bytes = mutated(input, &inputs[(number + round) % inputs.len()], &chance);
                let withstood = catch_unwind(|| target(&bytes)).is_ok();
                assert!(withstood, "{name} does not withstand {:?}", String::from_utf8_lossy(&bytes));
            }
        }
        println!("{name}: {} inputs", inputs.len() * rounds);
    }
}
