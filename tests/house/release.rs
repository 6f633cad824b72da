//! What serves the tests alone is not in a release.

use crate::source::{rust, text};

#[test]
fn what_kills_the_program_is_in_debug_builds_alone() {
    let steps = text("src/steps.rs");
    for (what, guard) in [
        ("mod armed;", "#[cfg(debug_assertions)]\nmod armed;"),
        ("pub use armed::", "#[cfg(debug_assertions)]\npub use armed::"),
        ("pub use disarmed::", "#[cfg(not(debug_assertions))]\npub use disarmed::"),
    ] {
        assert_eq!(steps.matches(what).count(), 1, "{what}");
        assert!(steps.contains(guard), "{what} is not guarded");
    }
    // Nothing else knows the variable or the signal, nor the file by another way.
    for path in rust("src").into_iter().filter(|path| path != "src/steps/armed.rs") {
        let source = text(&path);
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let kills =
                ["KILL_AT", "kill_process", "steps/armed", "Signal::KILL"].into_iter().find(|it| line.contains(it));
            assert_eq!(kills, None, "{path}: {line}");
        }
    }
    let manifest = text("Cargo.toml");
    let release = manifest.split("[profile.release]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(!release.contains("debug-assertions"), "a release has no debug assertions: {release}");
}
