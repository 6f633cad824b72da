//! Licences. The service is AGPL-3.0-only because mikrotik-rs is; the bridge, which runs inside WHMCS, is MIT.

use crate::source::{root, text};
use sha2::{Digest, Sha256};
use spdx::{Expression, ParseMode};
use std::process::Command;

/// Licences under which a part may come into an AGPL-3.0-only program.
const COMPATIBLE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// The parts that are AGPL themselves.
const AGPL: &[&str] = &["turnpike", "mikrotik-rs", "mikrotik-proto"];

fn is_compatible(licence: &str, part: &str) -> bool {
    let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap_or_else(|error| panic!("{part}: {error}"));
    expression.evaluate(|requirement| {
        let name = requirement.license.to_string();
        COMPATIBLE.contains(&name.as_str()) || (AGPL.contains(&part) && name.starts_with("AGPL-3.0"))
    })
}

#[test]
fn every_part_may_stand_in_an_agpl_program() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = metadata["packages"].as_array().unwrap();
    assert!(parts.len() > 200, "{} parts", parts.len());
    let mut complaints = Vec::new();
    for part in parts {
        let name = part["name"].as_str().unwrap();
        let licence = part["license"].as_str();
        if !licence.is_some_and(|licence| is_compatible(licence, name)) {
            complaints.push(format!("{name}: {licence:?}"));
        }
        let source = part["source"].as_str().unwrap_or("here");
        let known = source == "here" || source == "registry+https://github.com/rust-lang/crates.io-index";
        assert!(known && (source != "here" || name == "turnpike"), "{name} comes from {source}");
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn licences_are_told_apart() {
    assert!(is_compatible("MIT OR GPL-2.0-only", "x"));
    assert!(is_compatible("MIT/Apache-2.0", "x"));
    assert!(is_compatible("Apache-2.0 WITH LLVM-exception OR MIT", "x"));
    for wrong in ["GPL-2.0-only", "MIT AND GPL-2.0-only", "AGPL-3.0-only", "BUSL-1.1", "CC-BY-NC-4.0"] {
        assert!(!is_compatible(wrong, "x"), "{wrong} was taken");
    }
}

#[test]
fn the_service_is_agpl_and_says_so() {
    // The text as https://www.gnu.org/licenses/agpl-3.0.txt has it.
    let digest = hex::encode(Sha256::digest(text("LICENSE")));
    assert_eq!(digest, "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0");
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["license"].as_str(), Some("AGPL-3.0-only"));
}

#[test]
fn the_bridge_is_mit_and_says_so() {
    let licence = text("whmcs-bridge/LICENSE");
    let words: Vec<&str> = licence.split_whitespace().collect();
    let said = words.join(" ");
    assert!(said.starts_with("MIT License Copyright (c)"), "{said}");
    for part in [
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software",
        "The above copyright notice and this permission notice shall be included in all copies",
        "THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND",
    ] {
        assert!(said.contains(part), "{part}");
    }
    assert!(text("whmcs-bridge/README.md").contains("MIT"));
}

#[test]
fn cargo_deny_knows_the_same_licences() {
    let deny: toml::Table = text("deny.toml").parse().unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
    assert_eq!(allowed.collect::<Vec<_>>(), COMPATIBLE);
    let mut named: Vec<&str> =
        deny["licenses"]["exceptions"].as_array().unwrap().iter().map(|it| it["crate"].as_str().unwrap()).collect();
    named.sort_unstable();
    let mut agpl = AGPL.to_vec();
    agpl.sort_unstable();
    assert_eq!(named, agpl);
}
