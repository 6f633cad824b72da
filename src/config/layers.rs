//! The layers that the settings come from, laid over each other, each value with its origin.
//!
//! Values are kept flat, by their dotted path (`mail.smtp.host`, `bridge.key.0.secret`). Laws: a key that the embedded
//! defaults do not name is an error that names it; a secret's text is never in an error.

use super::ConfigError;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};
use toml::Value;

/// The embedded defaults, which are the documentation too.
pub(super) const DEFAULTS: &str = include_str!("../config.default.toml");

/// Secrets: each may stand in a file of its own named by `<key>_file`. `#` stands for a list's index.
pub(super) const SECRETS: [&str; 5] =
    ["database.url", "seal.master_key", "seal.older_keys", "bridge.key.#.secret", "mail.smtp.password"];

/// Keys of list elements: the embedded list is empty, so they cannot be read from it.
const LISTED: [&str; 2] = ["bridge.key.#.id", "bridge.key.#.secret"];

/// Where a value in force came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded defaults.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A file of its own, named by `<key>_file`.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) | Self::SecretFile(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
        }
    }
}

/// A value and where it came from.
#[derive(Clone)]
pub(super) struct Leaf {
    pub value: Value,
    pub origin: Origin,
}

/// All layers laid over each other.
pub(super) struct Layers {
    leaves: BTreeMap<String, Leaf>,
    /// What relative paths are taken from.
    pub folder: PathBuf,
}

impl Layers {
    /// The embedded defaults alone.
    pub fn defaults(folder: &Path) -> Result<Self, ConfigError> {
        let mut layers = Self { leaves: BTreeMap::new(), folder: folder.to_owned() };
        let table = parse(DEFAULTS, "the embedded defaults")?;
        flatten("", Value::Table(table), &mut |path, value| {
            if path != "bridge.key" {
                layers.leaves.insert(path, Leaf { value, origin: Origin::Default });
            }
            Ok(())
        })?;
        Ok(layers)
    }

    /// Lays a file's text over what is there.
    pub fn file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table = parse(text, &path.display().to_string())?;
        let known = Known::new();
        let place = format!("in {}", path.display());
        let mut given = Vec::new();
        flatten("", Value::Table(table), &mut |key, value| {
            known.check(&key, &place, &key, &value)?;
            given.push(Given { key: key.clone(), name: key, value, origin: Origin::File(path.to_owned()) });
            Ok(())
        })?;
        self.lay(given)
    }

    /// Lays the environment over what is there. Variables that are not `TURNPIKE_…` are none of ours.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), ConfigError> {
        let known = Known::new();
        let mut given = Vec::new();
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix("TURNPIKE_") else { continue };
            if !rest.contains("__") {
                known.check_single(&name, rest)?;
                continue;
            }
            let key = rest.to_lowercase().replace("__", ".");
            let value = Value::String(value);
            known.check(&key, "in the environment", &name, &value)?;
            let origin = Origin::Environment(name.clone());
            given.push(Given { key, name, value, origin });
        }
        self.lay(given)
    }

    /// The value of a key; a key that is nowhere is none.
    pub fn get(&self, key: &str) -> Option<&Leaf> {
        self.leaves.get(key)
    }

    /// All keys with their values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Leaf)> {
        self.leaves.iter().map(|(key, leaf)| (key.as_str(), leaf))
    }

    /// The indices of a list's elements, ascending.
    pub fn indices(&self, list: &str) -> Vec<usize> {
        let prefix = format!("{list}.");
        let mut found: Vec<usize> =
            self.leaves.keys().filter_map(|key| key.strip_prefix(&prefix)?.split('.').next()?.parse().ok()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Takes one layer's values; `<key>_file` is read here, and stands for its key.
    fn lay(&mut self, given: Vec<Given>) -> Result<(), ConfigError> {
        let mut here: BTreeMap<String, String> = BTreeMap::new();
        for one in given.into_iter().filter(|one| !matches!(one.value, Value::Table(_)) && one.key != "bridge.key") {
            let Some((key, leaf)) = self.resolve(one.key, &one.name, one.value, one.origin)? else { continue };
            if let Some(other) = here.insert(key.clone(), one.name.clone()) {
                let name = one.name;
                return Err(ConfigError(format!("Both {other} and {name} are given; remove one of them.")));
            }
            self.leaves.insert(key, leaf);
        }
        Ok(())
    }

    /// A value as given, or the content of the file that it names. An empty file name is as if it were not there.
    fn resolve(
        &self,
        key: String,
        name: &str,
        value: Value,
        origin: Origin,
    ) -> Result<Option<(String, Leaf)>, ConfigError> {
        let Some(secret) = secret_of_file_key(&key) else { return Ok(Some((key, Leaf { value, origin }))) };
        let Value::String(file) = value else {
            return Err(ConfigError(format!("{name} must be the path of a file, in quotes.")));
        };
        if file.is_empty() {
            return Ok(None);
        }
        let path = self.folder.join(file);
        let shown = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| ConfigError(format!("{name} names {shown}, which cannot be read: {error}.")))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(ConfigError(format!("{name} names {shown}, which is empty.")));
        }
        let value = if secret == "seal.older_keys" {
            Value::Array(text.lines().map(|line| Value::String(line.trim().to_owned())).collect())
        } else {
            Value::String(text.to_owned())
        };
        Ok(Some((secret, Leaf { value, origin: Origin::SecretFile(path) })))
    }
}

/// A value as one layer gives it; `name` is what the administrator wrote.
struct Given {
    key: String,
    name: String,
    value: Value,
    origin: Origin,
}

/// `seal.master_key` for `seal.master_key_file`; none for anything else.
fn secret_of_file_key(key: &str) -> Option<String> {
    let base = key.strip_suffix("_file")?;
    SECRETS.contains(&pattern(base).as_str()).then(|| base.to_owned())
}

/// A path with `#` in place of a list's index.
pub(super) fn pattern(key: &str) -> String {
    let parts = key.split('.').map(|part| if part.parse::<usize>().is_ok() { "#" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

/// TOML's own message names the line, never its text: that might be a secret.
fn parse(text: &str, place: &str) -> Result<toml::Table, ConfigError> {
    text.parse::<toml::Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
        ConfigError(format!("{place}, line {line}, is not TOML: {}.", error.message().replace('\n', " ")))
    })
}

/// Calls `take` for each value with its dotted path; a section without values is passed as an empty table.
fn flatten(
    path: &str,
    value: Value,
    take: &mut impl FnMut(String, Value) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Table(table) if path.is_empty() || !table.is_empty() => {
            table.into_iter().try_for_each(|(name, value)| flatten(&below(&name), value, take))
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_table) => {
            list.into_iter().enumerate().try_for_each(|(index, value)| flatten(&below(&index.to_string()), value, take))
        }
        value => take(path.to_owned(), value),
    }
}

/// The keys that there are.
struct Known {
    patterns: Vec<String>,
    sections: Vec<String>,
}

impl Known {
    fn new() -> Self {
        let mut patterns: Vec<String> = LISTED.iter().map(|&key| key.to_owned()).collect();
        if let Ok(table) = DEFAULTS.parse::<toml::Table>() {
            // Flattening the embedded text cannot fail: the closure never does.
            let _ = flatten("", Value::Table(table), &mut |key, _| {
                patterns.push(key);
                Ok(())
            });
        }
        let mut sections: Vec<String> = Vec::new();
        for key in &patterns {
            sections.extend(key.match_indices('.').map(|(at, _)| key[..at].to_owned()));
        }
        sections.sort();
        sections.dedup();
        Self { patterns, sections }
    }

    /// Whether there is such a key; `name` is what the administrator wrote, `place` where.
    fn check(&self, key: &str, place: &str, name: &str, value: &Value) -> Result<(), ConfigError> {
        let wanted = pattern(key);
        let empty = value.as_table().is_some_and(toml::Table::is_empty) || value.as_array().is_some_and(Vec::is_empty);
        if key == "bridge.key" && !empty {
            let how = "as [[bridge.key]] with id and secret, or TURNPIKE_BRIDGE__KEY__0__ID and …__0__SECRET";
            return Err(ConfigError(format!("{name} ({place}) is a list of keys: write each {how}.")));
        }
        if self.patterns.contains(&wanted) || secret_of_file_key(key).is_some() {
            return Ok(());
        }
        if self.sections.contains(&wanted) {
            let wrong = format!("{name} ({place}) is a section, not a value: write the keys in it.");
            return if empty { Ok(()) } else { Err(ConfigError(wrong)) };
        }
        let likely = self.likely(&wanted).map_or_else(String::new, |likely| format!(" Was {likely} meant?"));
        Err(ConfigError(format!("There is no setting {name} ({place}).{likely}")))
    }

    /// A variable without `__` is a slip of ours if it nearly spells a key, and somebody else's otherwise: Kubernetes
    /// sets `TURNPIKE_PORT` and the like for a service of that name.
    fn check_single(&self, name: &str, rest: &str) -> Result<(), ConfigError> {
        let rest = rest.to_lowercase();
        for key in &self.patterns {
            if strsim::damerau_levenshtein(&rest, &key.replace('.', "_")) <= 1 {
                let variable = key.to_uppercase().replace('.', "__");
                return Err(ConfigError(format!("There is no setting {name}. Was TURNPIKE_{variable} meant?")));
            }
        }
        Ok(())
    }

    /// The key that was probably meant: alike in spelling, or of the same name in another section.
    fn likely(&self, wanted: &str) -> Option<String> {
        let files = SECRETS.iter().map(|key| format!("{key}_file"));
        let score = |key: &str| {
            let (section, last) = key.rsplit_once('.').unwrap_or(("", key));
            let (wanted_section, wanted_last) = wanted.rsplit_once('.').unwrap_or(("", wanted));
            let spelled = strsim::normalized_damerau_levenshtein(wanted, key);
            if last == wanted_last {
                spelled.max(0.95)
            } else if section == wanted_section && (last.starts_with(wanted_last) || wanted_last.starts_with(last)) {
                spelled.max(0.85)
            } else {
                spelled
            }
        };
        self.patterns
            .iter()
            .chain(&self.sections)
            .cloned()
            .chain(files)
            .map(|key| (score(&key), key))
            .filter(|(score, _)| *score >= 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, key)| key)
    }
}
