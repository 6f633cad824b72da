//! What the documents promise: links lead somewhere, every setting, hook, problem, metric and command is described, and
//! the tests that are named exist.

use crate::source::{files, root, rust, text};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

fn pages() -> Vec<String> {
    files().into_iter().filter(|path| Path::new(path).extension().is_some_and(|it| it == "md")).collect()
}

/// The page without its blocks of code.
fn prose(page: &str) -> String {
    text(page).split("```").step_by(2).collect()
}

/// What stands between `begin` and `end`, each time.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    text.split(begin).skip(1).filter_map(|rest| rest.split_once(end)).map(|(inner, _)| inner).collect()
}

/// What stands between two marks, each time.
fn quoted(text: &str, mark: char) -> Vec<&str> {
    text.split(mark).skip(1).step_by(2).collect()
}

/// A heading's anchor, as code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let page = page.strip_prefix(root()).unwrap().display().to_string();
    prose(&page).lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// `a/b/../c` is `a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn every_link_leads_somewhere() {
    let mut complaints = Vec::new();
    let mut followed = 0;
    for page in pages() {
        for link in between(&prose(&page), "](", ")") {
            if link.starts_with("https://") {
                continue;
            }
            followed += 1;
            let (path, wanted) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let here = root().join(&page);
            let there = if path.is_empty() { here } else { plain(&here.parent().unwrap().join(path)) };
            if !there.exists() {
                complaints.push(format!("{page}: {link} is not there"));
            } else if let Some(wanted) = wanted
                && !anchors(&there).contains(wanted)
            {
                complaints.push(format!("{page}: {link}: no such heading"));
            }
        }
    }
    assert!(followed > 30, "only {followed} links were found");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_page_of_docs_is_reached_from_the_readme() {
    let readme = text("README.md");
    for page in pages().into_iter().filter(|page| page.starts_with("docs/")) {
        assert!(readme.contains(&format!("]({page})")), "{page} is not in README.md");
    }
}

fn keys(table: &toml::Table, before: &str, found: &mut BTreeSet<String>) {
    for (name, value) in table {
        let key = format!("{before}{name}");
        match value {
            toml::Value::Table(table) => keys(table, &format!("{key}."), found),
            _ => drop(found.insert(key)),
        }
    }
}

#[test]
fn every_setting_is_described_with_its_default() {
    let defaults: toml::Table = text("src/config.default.toml").parse().unwrap();
    let mut known = BTreeSet::new();
    keys(&defaults, "", &mut known);
    assert!(known.len() > 30, "{known:?}");
    let page = text("docs/operating.md");
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").collect()).collect();
    let mut described = BTreeSet::new();
    for row in rows.iter().filter(|row| row.len() >= 3) {
        let key = row[0].trim_start_matches("| ").trim().trim_matches('`');
        let Some(value) = key.split('.').try_fold(None::<&toml::Value>, |at, part| {
            let next = at.map_or_else(|| defaults.get(part), |table| table.get(part));
            next.map(Some)
        }) else {
            continue;
        };
        let said = match value.unwrap() {
            toml::Value::String(text) if text.is_empty() => vec!["empty".to_owned(), "none".to_owned()],
            toml::Value::String(text) => vec![format!("`{text}`")],
            toml::Value::Array(list) if list.is_empty() => vec!["none".to_owned()],
            other => vec![format!("`{other}`")],
        };
        assert!(said.iter().any(|it| it == row[1]), "docs/operating.md says {key} is {}; it is {said:?}", row[1]);
        described.insert(key.to_owned());
    }
    let missing: Vec<_> = known.difference(&described).collect();
    assert!(missing.is_empty(), "docs/operating.md does not describe {missing:?}");
}

#[test]
fn every_problem_is_described_with_its_status() {
    let page = text("docs/protocol.md");
    let source = text("src/problem.rs");
    let (_, rest) = source.split_once("pub enum Code {").unwrap();
    let body = rest.split_once("\n}").unwrap().0;
    let names: Vec<&str> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .filter_map(|line| line.strip_suffix(','))
        .collect();
    let all = turnpike::problem::Code::ALL;
    assert_eq!(names, all.map(|code| format!("{code:?}")), "a code is missing from Code::ALL");
    for code in all {
        let row = format!("| {} | `{}` |", code.status(), code.as_str());
        assert!(page.contains(&row), "docs/protocol.md has no row {row}");
    }
}

#[test]
fn every_hook_is_described() {
    let page = text("docs/protocol.md");
    let source = text("src/http/mod.rs");
    let hooks: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\""))
        .filter_map(|line| line.split_once("\", Hook::"))
        .map(|(name, _)| name)
        .collect();
    assert!(hooks.len() > 15, "{hooks:?}");
    let table: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    for hook in hooks {
        assert!(table.contains(&format!("`{hook}`")), "docs/protocol.md does not describe {hook}");
    }
}

#[test]
fn every_product_field_is_described() {
    let page = text("docs/whmcs.md");
    let source = text("whmcs-bridge/modules/servers/turnpike/lib/Settings.php");
    let (_, rest) = source.split_once("NAMES = [").unwrap();
    let names = quoted(rest.split_once("];").unwrap().0, '\'');
    assert_eq!(names.len(), 24, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/whmcs.md does not describe {name}");
    }
}

#[test]
fn every_metric_is_described() {
    let page = text("docs/operating.md");
    let source = text("src/meters.rs");
    let names = between(&source, "registry.register(\"", "\"");
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`turnpike_{name}")), "docs/operating.md does not describe turnpike_{name}");
    }
    for path in rust("src") {
        for call in between(&text(&path), "&meters.stored, \"", "\"") {
            assert!(page.contains(&format!("kind=\"{call}\"")), "docs/operating.md does not describe stored {call}");
        }
    }
}

#[test]
fn the_readme_has_the_commands_that_the_program_has() {
    let output = Command::new(env!("CARGO_BIN_EXE_turnpike")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let commands: BTreeSet<&str> = rest
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 6, "{help}");
    let readme = text("README.md");
    let table: BTreeSet<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `turnpike "))
        .filter_map(|line| line.split(['`', ' ']).next())
        .collect();
    assert_eq!(table, commands);
}

#[test]
fn the_tests_that_are_named_as_proof_exist() {
    let page = text("docs/security.md");
    let mut sources: String = rust("src").iter().chain(&rust("tests")).map(|path| text(path)).collect();
    for path in files().into_iter().filter(|path| path.starts_with("whmcs-bridge/tests/")) {
        sources.push_str(&std::fs::read_to_string(root().join(path)).unwrap_or_default());
    }
    let (_, table) = page.split_once("| threat |").unwrap();
    let mut named = 0;
    for row in table
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| ") && line.contains('`'))
    {
        let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in quoted(column, '`') {
            named += 1;
            let there = ["fn", "function"].iter().any(|word| sources.contains(&format!("{word} {name}(")));
            assert!(there, "docs/security.md names {name}, which is no test");
        }
    }
    assert!(named > 40, "{named} tests are named");
}
