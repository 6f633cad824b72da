//! The corpus of `fuzz/`, and everything that a fuzzer ever found, through the same functions that the fuzzers call.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::{collections::BTreeSet, path::PathBuf};

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
