//! The repository as the tests read it: its files, and Rust as tokens, so that comments and texts name nobody.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
#[track_caller]
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of the repository, from its root: what git tracks or would; without git, what is there but for builds.
pub fn files() -> Vec<String> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(list).current_dir(root()).output();
    let mut files: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
        }
        _ => walk(root()).iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string()).collect(),
    };
    files.retain(|path| root().join(path).is_file());
    files.sort();
    assert!(files.len() > 100, "the repository's files were not found");
    files
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !["target", ".git", "node_modules"].contains(&name.as_str()) {
            found.extend(walk(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The Rust files below a folder.
pub fn rust(folder: &str) -> Vec<String> {
    let folder = format!("{folder}/");
    let is_rust = |path: &String| Path::new(path).extension().is_some_and(|it| it == "rs");
    files().into_iter().filter(|path| path.starts_with(&folder) && is_rust(path)).collect()
}

/// A Rust file as tokens, without what is compiled for tests alone.
pub fn tokens(path: &str) -> Vec<TokenTree> {
    let stream: TokenStream = text(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    without_tests(stream)
}

/// Leaves out `#[cfg(test)]` and the item after it.
fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = stream.into_iter().peekable();
    while let Some(token) = rest.next() {
        if is_punct(&token, '#')
            && let Some(TokenTree::Group(group)) = rest.peek()
            && group.to_string().replace(' ', "") == "[cfg(test)]"
        {
            for token in rest.by_ref() {
                let body = matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                if body || is_punct(&token, ';') {
                    break;
                }
            }
            continue;
        }
        kept.push(token);
    }
    kept
}

pub fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Whether `::` stands at `at`.
pub fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    matches!(
        (tokens.get(at), tokens.get(at + 1)),
        (Some(TokenTree::Punct(one)), Some(TokenTree::Punct(two)))
            if one.as_char() == ':' && one.spacing() == Spacing::Joint && two.as_char() == ':'
    )
}

/// Calls `look` with every sequence of tokens: the file's own and each group's.
pub fn each_sequence(tokens: &[TokenTree], look: &mut impl FnMut(&[TokenTree])) {
    look(tokens);
    for token in tokens {
        if let TokenTree::Group(group) = token {
            each_sequence(&without_tests(group.stream()), look);
        }
    }
}
