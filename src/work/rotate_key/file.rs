//! The settings file with another master key: two values change, every comment stays, and so do mode and owner.
//!
//! The file is replaced as a whole or not at all, and what replaces it has been read as settings before.

use crate::config::Config;
use secrecy::{ExposeSecret, SecretString};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};
use toml_edit::{Array, DocumentMut, Item, TableLike, Value};
use zeroize::Zeroizing;

/// Why the settings file was left as it was: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileError(String);

/// Makes `fresh` the master key of a settings file; the present one goes to the front of `seal.older_keys`.
///
/// # Errors
/// One sentence; the file is as it was.
pub fn add_key(path: &Path, fresh: &SecretString) -> Result<(), FileError> {
    let by_hand = "move the present seal.master_key to seal.older_keys there, put a new one in its place (openssl rand -base64 \
                   32), restart turnpike serve, and run `turnpike rotate-key` again";
    change(path, by_hand, |seal| {
        let slot = seal.get_mut("master_key").and_then(Item::as_value_mut);
        let slot = slot.ok_or_else(|| wrong(path, "seal.master_key does not stand in it"))?;
        let former = slot.as_str().map(str::to_owned).ok_or_else(|| wrong(path, "seal.master_key is not a text"))?;
        put(slot, fresh.expose_secret().into());
        let older = seal.entry("older_keys").or_insert_with(|| Item::Value(Array::new().into()));
        let older = older.as_array_mut().ok_or_else(|| wrong(path, "seal.older_keys is not a list"))?;
        older.insert(0, former);
        Ok(())
    })
}

/// Empties `seal.older_keys` of a settings file.
///
/// # Errors
/// One sentence; the file is as it was.
pub fn forget_older(path: &Path) -> Result<(), FileError> {
    change(path, "empty seal.older_keys there by hand", |seal| {
        let older = seal.get_mut("older_keys").and_then(Item::as_value_mut);
        let older = older.ok_or_else(|| wrong(path, "seal.older_keys does not stand in it"))?;
        put(older, Array::new().into());
        Ok(())
    })
}

/// Puts a value where another stood, with the blanks and the comment around it.
fn put(slot: &mut Value, value: Value) {
    let decor = slot.decor().clone();
    *slot = value;
    *slot.decor_mut() = decor;
}

fn wrong(path: &Path, why: impl std::fmt::Display) -> FileError {
    FileError(format!("{} was left as it is: {why}.", path.display()))
}

fn change(
    path: &Path,
    by_hand: &str,
    edit: impl FnOnce(&mut dyn TableLike) -> Result<(), FileError>,
) -> Result<(), FileError> {
    // Behind a link the file itself is replaced, not the link.
    let path = fs::canonicalize(path).map_err(|error| wrong(path, error))?;
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(|error| wrong(&path, error))?);
    // TOML's own message would quote the line, and that might be the key.
    let mut document: DocumentMut =
        text.parse().map_err(|_quoted: toml_edit::TomlError| wrong(&path, "it is not TOML"))?;
    let seal = document.get_mut("seal").and_then(Item::as_table_like_mut);
    edit(seal.ok_or_else(|| wrong(&path, "it has no section [seal]"))?)?;
    let changed = Zeroizing::new(document.to_string());
    replace(&path, by_hand, &changed)
}

/// A folder that cannot be written to, or a file that is mounted by itself, as in a container, lets nothing be put in its
/// place. It is not written over: killed in the middle, that would leave no key at all.
fn irreplaceable(path: &Path, error: &std::io::Error, by_hand: &str) -> FileError {
    wrong(path, format!("turnpike cannot replace it ({error}): {by_hand}"))
}

fn replace(path: &Path, by_hand: &str, text: &str) -> Result<(), FileError> {
    let irreplaceable = |error| irreplaceable(path, &error, by_hand);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let outcome = write(path, &beside, text).map_err(irreplaceable).and_then(|()| {
        Config::load(Some(&beside), Config::environment()).map_err(|error| wrong(path, error))?;
        fs::rename(&beside, path).map_err(irreplaceable)?;
        let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
        // Without it a loss of power could bring the old file back after secrets were sealed with the new key.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| wrong(path, error))
    });
    if outcome.is_err() {
        // It holds keys; where it was renamed already, nothing is there.
        drop(fs::remove_file(&beside));
    }
    outcome
}

fn write(path: &Path, beside: &Path, text: &str) -> std::io::Result<()> {
    let metadata = fs::metadata(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::os::unix::fs::fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    file.set_permissions(metadata.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const REST: &str =
        "[[bridge.key]]\nid = \"whmcs\"\nsecret = \"c2VjcmV0LW9mLXRoZS1icmlkZ2Utc2VjcmV0LW9mLXRoZS1icmlkZ2U\"\n";

    fn file(seal: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turnpike.toml");
        fs::write(&path, format!("{seal}{REST}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        (folder, path)
    }

    #[test]
    fn comments_order_and_mode_stay() {
        let (_folder, path) = file(&format!("# mine\n[seal] # seals\n# the key\nmaster_key = \"{A}\"  # keep it\n\n"));
        add_key(&path, &B.into()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let want = format!(
            "# mine\n[seal] # seals\n# the key\nmaster_key = \"{B}\"  # keep it\nolder_keys = [\"{A}\"]\n\n{REST}"
        );
        assert_eq!(text.replace("\n\n", "\n"), want.replace("\n\n", "\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        forget_older(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("older_keys = []") && text.contains("# keep it") && !text.contains(A), "{text}");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn every_way_to_write_the_section_is_understood() {
        for seal in [format!("seal.master_key = \"{A}\"\n"), format!("seal = {{ master_key = \"{A}\" }}\n")] {
            let (_folder, path) = file(&seal);
            add_key(&path, &B.into()).unwrap();
            let (config, _) = Config::load(Some(&path), std::iter::empty()).unwrap();
            assert_eq!(config.seal.master_key.expose_secret(), B);
            assert_eq!(config.seal.older_keys[0].expose_secret(), A);
        }
    }

    #[test]
    fn a_file_that_cannot_be_changed_rightly_is_left_alone() {
        for seal in
            ["", "[seal]\nmaster_key_file = \"key\"\n", &format!("[seal]\nmaster_key = \"{A}\"\nolder_keys = 5\n")]
        {
            let (_folder, path) = file(seal);
            let error = add_key(&path, &B.into()).unwrap_err().to_string();
            assert!(error.ends_with('.') && !error.contains(A), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{seal}{REST}"));
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }
        // Nothing can be put beside it, as in a folder that is read-only.
        let (_folder, path) = file(&format!("[seal]\nmaster_key = \"{A}\"\nolder_keys = [\"{B}\"]\n"));
        fs::create_dir(path.with_file_name("turnpike.toml.new")).unwrap();
        let error = add_key(&path, &B.into()).unwrap_err().to_string();
        assert!(error.contains("cannot replace it (") && error.contains("openssl rand -base64 32"), "{error}");
        assert!(
            error.contains("run `turnpike rotate-key` again") && !error.contains(A) && !error.contains(B),
            "{error}"
        );
        let error = forget_older(&path).unwrap_err().to_string();
        assert!(error.contains("empty seal.older_keys there by hand"), "{error}");
        assert!(fs::read_to_string(&path).unwrap().contains(B));
        // A key that is none: what would replace the file is not settings.
        let (_folder, path) = file(&format!("[seal]\nmaster_key = \"{A}\"\n"));
        assert!(add_key(&path, &"short".into()).is_err());
        assert!(fs::read_to_string(&path).unwrap().contains(A));
    }
}
