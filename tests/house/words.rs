//! What a file must say, and what it may not.

use crate::source::{each_sequence, files, is_punct, root, rust, text, tokens};
use proc_macro2::TokenTree;
use std::os::unix::fs::PermissionsExt;

fn all_rust() -> Vec<String> {
    [rust("src"), rust("tests")].concat()
}

/// Files that hold bytes or other people's words.
fn is_ours_to_word(path: &str) -> bool {
    let bytes = [".png", ".ico", ".lock", "package-lock.json", "LICENSE"];
    !bytes.iter().any(|end| path.ends_with(end))
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for path in all_rust() {
        let first = text(&path).lines().next().unwrap_or_default().to_owned();
        let said = first.strip_prefix("//! ").is_some_and(|rest| rest.len() > 10);
        assert!(said, "{path} does not open with `//!` and what it is for");
    }
}

#[test]
fn nothing_is_left_to_be_done() {
    // In two halves, so that this file does not hold them.
    let words = [
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
        concat!("unimple", "mented!"),
        concat!("to", "do!"),
    ];
    let mut complaints = Vec::new();
    for path in files().into_iter().filter(|path| is_ours_to_word(path)) {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for word in words {
                if line.contains(word) {
                    complaints.push(format!("{path}:{}: {word}", number + 1));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn no_file_names_a_place_of_its_maker_s_machine() {
    let places = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/tmp", "/w/"),
        concat!("/wo", "rk/shared"),
        concat!("/wo", "rk/main"),
    ];
    let mut complaints = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            complaints.extend(
                places.iter().filter(|it| line.contains(**it)).map(|it| format!("{path}:{}: {it}", number + 1)),
            );
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A text that begins like a statement.
fn is_sql(literal: &str) -> bool {
    let text = literal.trim_start_matches(['r', '#', '"']);
    ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "REPLACE INTO "].iter().any(|verb| text.starts_with(verb))
}

#[test]
fn sql_is_written_in_the_sql_macro_alone() {
    let mut complaints = Vec::new();
    let mut marked = 0;
    for path in rust("src").into_iter().filter(|path| !path.starts_with("src/db")) {
        each_sequence(&tokens(&path), &mut |tokens| {
            for (at, token) in tokens.iter().enumerate() {
                // The macro's own group is looked into here, and passed over as a sequence of its own below.
                let is_macro = |name: &str| {
                    at >= 2
                        && is_punct(&tokens[at - 1], '!')
                        && matches!(&tokens[at - 2], TokenTree::Ident(word) if word == name)
                };
                if let TokenTree::Group(group) = token
                    && is_macro("sql")
                {
                    marked += group.stream().into_iter().filter(|it| is_sql(&it.to_string())).count();
                }
                if let TokenTree::Literal(literal) = token
                    && is_sql(&literal.to_string())
                {
                    complaints.push(format!("{path}:{}", literal.span().start().line));
                }
            }
        });
    }
    assert!(marked > 50, "the statements were not found: {marked}");
    assert_eq!(complaints.len(), marked, "a statement outside of sql!(…) is among {}", complaints.join("\n"));
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    for path in all_rust() {
        each_sequence(&tokens(&path), &mut |tokens| {
            for (at, token) in tokens.iter().enumerate() {
                let TokenTree::Group(group) = token else { continue };
                if at == 0 || !(is_punct(&tokens[at - 1], '#') || is_punct(&tokens[at - 1], '!')) {
                    continue;
                }
                let attribute = group.to_string().replace(' ', "");
                let line = group.span_open().start().line;
                assert!(!attribute.starts_with("[allow("), "{path}:{line}: allow");
                let given = !attribute.starts_with("[expect(") || attribute.contains("reason=");
                assert!(given, "{path}:{line}: expect without a reason");
            }
        });
    }
}

#[test]
fn templates_and_schema_files_are_built_in() {
    let letters = text("src/mail/letters.rs");
    let migrate = text("src/db/migrate.rs");
    for path in files() {
        if let Some(name) = path.strip_prefix("templates/mail/")
            && !name.contains("README")
        {
            assert!(letters.contains(&format!("../../{path}")), "{path} is in no letter");
        }
        if path.starts_with("sql/") {
            assert!(migrate.contains(&format!("../../{path}")), "{path} is not run by src/db/migrate.rs");
        }
    }
}

#[test]
fn what_is_run_can_be_run() {
    for path in ["test", ".ci/run", "whmcs-bridge/tests/run"] {
        let mode = std::fs::metadata(root().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{path} is not executable");
    }
    let steps: Vec<String> = text(".ci/run").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(
        steps,
        ["set -eu", r#"cd "$(dirname "$0")/..""#, "exec ./test"],
        "a build server runs ./test and nothing else"
    );
}
