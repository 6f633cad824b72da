//! What a RouterOS of a given version knows: its menus, their commands and the arguments of each, from `schema.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!("schema.txt");
static ALL: LazyLock<BTreeMap<&'static str, Vec<Command>>> = LazyLock::new(|| read(TEXT));

/// A RouterOS version as far as it orders: `7.18.2` is `(7, 18, 2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// Reads `7.18.2`, `7.24`, `7.24rc1`, `7.18.2 (stable)`; what is not a number counts as nought.
    pub fn read(text: &str) -> Version {
        let mut parts = text.split(['.', ' ']).map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().unwrap_or(0)
        });
        let mut next = || parts.next().unwrap_or(0);
        Version(next(), next(), next())
    }
}

/// A word that exists in some versions: from the first (inclusive) to the second (exclusive).
#[derive(Debug)]
struct Known {
    name: &'static str,
    from: Option<Version>,
    before: Option<Version>,
}

impl Known {
    fn read(word: &'static str) -> Known {
        let (word, before) = match word.split_once('<') {
            Some((word, version)) => (word, Some(Version::read(version))),
            None => (word, None),
        };
        match word.split_once(">=") {
            Some((name, version)) => Known { name, from: Some(Version::read(version)), before },
            None => Known { name: word, from: None, before },
        }
    }

    fn at(&self, version: Version) -> bool {
        self.from.is_none_or(|from| version >= from) && self.before.is_none_or(|before| version < before)
    }
}

#[derive(Debug)]
struct Command {
    word: Known,
    arguments: Vec<Known>,
}

fn read(text: &'static str) -> BTreeMap<&'static str, Vec<Command>> {
    let mut menus: BTreeMap<&'static str, Vec<Command>> = BTreeMap::new();
    let mut menu = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('/') {
            menu = line;
            menus.entry(menu).or_default();
            continue;
        }
        let Some(commands) = menus.get_mut(menu) else { continue };
        let mut words = line.split_whitespace().map(Known::read);
        if !line.starts_with("  ")
            && let Some(word) = words.next()
        {
            commands.push(Command { word, arguments: Vec::new() });
        }
        if let Some(command) = commands.last_mut() {
            command.arguments.extend(words);
        }
    }
    menus
}

/// The menu's name as a word that lives for ever, if any version has it.
pub fn menu(path: &str) -> Option<&'static str> {
    ALL.get_key_value(path).map(|(name, _)| *name)
}

/// All menus.
pub fn menus() -> impl Iterator<Item = &'static str> {
    ALL.keys().copied()
}

/// Whether `menu` has `command` at this version.
pub fn has_command(menu: &str, command: &str, version: Version) -> bool {
    find(menu, command).is_some_and(|command| command.word.at(version))
}

/// The argument `name` of a command as a word that lives for ever, if the version has it.
pub fn argument(menu: &str, command: &str, name: &str, version: Version) -> Option<&'static str> {
    let known = find(menu, command)?.arguments.iter().find(|known| known.name == name)?;
    known.at(version).then_some(known.name)
}

fn find(menu: &str, command: &str) -> Option<&'static Command> {
    ALL.get(menu)?.iter().find(|known| known.word.name == command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_and_go_with_versions() {
        let (v6, v79, v716, v724) =
            (Version::read("6.49.10"), Version::read("7.9.2"), Version::read("7.16.2"), Version::read("7.24"));
        for version in [v6, v79, v716, v724] {
            assert_eq!(argument("/ppp/secret", "add", "remote-address", version), Some("remote-address"));
            assert_eq!(argument("/ppp/secret", "add", "remote-adress", version), None);
            assert!(has_command("/queue/simple", "reset-counters-all", version));
            assert!(!has_command("/ppp/active", "add", version));
        }
        assert_eq!(argument("/ip/service", "set", "max-sessions", v79), None);
        assert_eq!(argument("/ip/service", "set", "max-sessions", v716), Some("max-sessions"));
        assert_eq!(argument("/ip/firewall/filter", "add", "hw-offload", v79), Some("hw-offload"));
        assert_eq!(argument("/ip/firewall/filter", "add", "hw-offload", v724), None);
        assert!(menu("/ppp/secret").is_some() && menu("/ppp/secrt").is_none());
        assert!(menus().count() > 25);
    }

    #[test]
    fn versions_order_as_numbers() {
        assert!(Version::read("7.9.2") < Version::read("7.18.2"));
        assert!(Version::read("6.49.10") < Version::read("7.0"));
        assert_eq!(Version::read("7.24rc1 (testing)"), Version(7, 24, 0));
    }
}
