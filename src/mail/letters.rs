//! Letters as templates: the built-in ones and an administrator's own.
//!
//! A letter is a folder of `subject.txt`, `body.txt` and `body.html`. The built-in ones are part of the binary; an
//! administrator's folder adds more, or replaces a built-in one by its name, and may leave `body.html` out.
//!
//! Laws: everything is compiled and tried with sample facts when it is loaded, so that a mistake is found by
//! `turnpike check` and not by a customer; a subject is one line; what stands in a variable is escaped in HTML; a
//! template reaches no file and no name that is not among the letter's variables, and its work is bounded.

use super::variables::one_line;
use super::{Purpose, Variables};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Instructions that one template may take; the built-in ones take a few hundred.
const FUEL: u64 = 100_000;
/// The longest template file, and the longest letter that may come out of one, bytes.
const LONGEST: usize = 256 * 1024;
/// The longest subject, characters; more is cut.
const LONGEST_SUBJECT: usize = 200;
/// The longest template name, characters (the database's column).
const LONGEST_NAME: usize = 100;
/// What every letter in HTML may extend, and what those without a `body.html` of their own get.
const LAYOUT: &str = "layout.html";
const FROM_TEXT: &str = "from_text.html";

/// Subject, text and HTML of a built-in letter.
type Source = (Purpose, [(&'static str, &'static str); 3]);

const BUILT_IN: [Source; 4] = [
    (
        Purpose::Threshold,
        [
            ("subject.txt", include_str!("../../templates/mail/threshold/subject.txt")),
            ("body.txt", include_str!("../../templates/mail/threshold/body.txt")),
            ("body.html", include_str!("../../templates/mail/threshold/body.html")),
        ],
    ),
    (
        Purpose::Suspension,
        [
            ("subject.txt", include_str!("../../templates/mail/suspension/subject.txt")),
            ("body.txt", include_str!("../../templates/mail/suspension/body.txt")),
            ("body.html", include_str!("../../templates/mail/suspension/body.html")),
        ],
    ),
    (
        Purpose::Slowed,
        [
            ("subject.txt", include_str!("../../templates/mail/slowed/subject.txt")),
            ("body.txt", include_str!("../../templates/mail/slowed/body.txt")),
            ("body.html", include_str!("../../templates/mail/slowed/body.html")),
        ],
    ),
    (
        Purpose::Restored,
        [
            ("subject.txt", include_str!("../../templates/mail/restored/subject.txt")),
            ("body.txt", include_str!("../../templates/mail/restored/body.txt")),
            ("body.html", include_str!("../../templates/mail/restored/body.html")),
        ],
    ),
];

/// A letter as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line, not empty.
    pub subject: String,
    /// The whole letter as plain text.
    pub text: String,
    /// The whole letter as HTML.
    pub html: String,
    /// Why this is not the letter that was asked for; one sentence for the log and the admin's list.
    pub fell_back: Option<String>,
}

/// Why letters cannot be used; every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// The configured folder cannot be listed.
    #[error("the folder of mail templates {folder} cannot be read ({source}); create it or correct mail.templates")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder whose name is no template name.
    #[error(
        "{name:?} is not a name for a mail template: up to 100 letters, digits, blanks, dots, hyphens and underscores, \
         not beginning with a dot or a blank nor ending with one; rename the folder"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A file of a letter is missing or cannot be read.
    #[error("the mail template {file} cannot be read ({why}); a letter needs subject.txt and body.txt, as UTF-8")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Written in WHMCS's template language.
    #[error("{file}, line {line}: {found} is WHMCS's way of writing; here it is {instead}")]
    WhmcsSyntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What should.
        instead: String,
    },
    /// A name that no letter knows.
    #[error("{file} uses {unknown}, which no letter has; there are: {known}")]
    UnknownVariable {
        /// The file.
        file: String,
        /// The names used.
        unknown: String,
        /// The names there are.
        known: String,
    },
    /// A template that does not compile or does not render.
    #[error("{file}, line {line}: {why}")]
    Template {
        /// The file.
        file: String,
        /// The line, from 1; 0 where it is the whole file.
        line: usize,
        /// What the template engine says.
        why: String,
    },
}

/// Every letter there is, compiled.
#[derive(Clone, Debug)]
pub struct Letters {
    env: Arc<Environment<'static>>,
    /// Key (`own:<name>` or `built-in:<name>`) of each letter, and whether it has HTML of its own.
    letters: BTreeMap<String, bool>,
}

impl Letters {
    /// The built-in letters and those in `folder`, each compiled and tried with sample facts.
    pub fn load(folder: Option<&Path>) -> Result<Self, LettersError> {
        let mut env = environment();
        add(&mut env, LAYOUT, include_str!("../../templates/mail/layout.html"))?;
        add(&mut env, FROM_TEXT, include_str!("../../templates/mail/from_text.html"))?;
        let mut letters = BTreeMap::new();
        for (purpose, files) in BUILT_IN {
            let key = built_in(purpose.as_str());
            for (file, source) in files {
                add(&mut env, &format!("{key}/{file}"), source)?;
            }
            letters.insert(key, true);
        }
        for own in folder.map(own_letters).transpose()?.unwrap_or_default() {
            let key = own_key(&own.name);
            for (file, source) in &own.files {
                add(&mut env, &format!("{key}/{file}"), source)?;
            }
            letters.insert(key, own.files.iter().any(|(file, _)| *file == "body.html"));
        }
        let all = Self { env: Arc::new(env), letters };
        all.letters.keys().try_for_each(|key| all.try_out(key))?;
        Ok(all)
    }

    /// The names of all letters, for drop-downs and for `check`.
    pub fn names(&self) -> BTreeSet<&str> {
        self.letters.keys().filter_map(|key| key.split_once(':')).map(|(_, name)| name).collect()
    }

    /// Whether there is a letter of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.names().contains(name)
    }

    /// The letter `name` with these facts; where there is none, or where it fails with them, the built-in letter for
    /// `purpose` and in [`Rendered::fell_back`] the reason.
    ///
    /// # Errors
    /// Only where the built-in letter itself fails, which [`Letters::load`] has tried.
    pub fn render(&self, purpose: Purpose, name: &str, variables: &Variables) -> Result<Rendered, LettersError> {
        let context = Value::from(Serde(variables.for_templates()));
        let last = built_in(purpose.as_str());
        let wanted = [own_key(name), built_in(name), own_key(purpose.as_str())];
        let mut why = (!self.knows(name)).then(|| {
            format!("there is no mail template named {name:?}; the built-in letter {:?} was sent", purpose.as_str())
        });
        for key in wanted.iter().filter(|key| self.letters.contains_key(*key)) {
            match self.render_letter(key, &context) {
                Ok(letter) => return Ok(Rendered { fell_back: why, ..letter }),
                Err(error) => {
                    why.get_or_insert_with(|| format!("{error}; the built-in letter {last:?} was sent"));
                }
            }
        }
        self.render_letter(&last, &context).map(|letter| Rendered { fell_back: why, ..letter })
    }

    /// Renders a letter with facts of every shape.
    fn try_out(&self, key: &str) -> Result<(), LettersError> {
        for sample in Variables::samples() {
            self.render_letter(key, &Value::from(Serde(sample.for_templates())))?;
        }
        Ok(())
    }

    fn render_letter(&self, key: &str, context: &Value) -> Result<Rendered, LettersError> {
        let file = format!("{key}/subject.txt");
        let subject = one_line(&self.render_file(&file, context)?);
        if subject.is_empty() {
            return Err(LettersError::Template { file: shown(&file), line: 0, why: "the subject is empty".into() });
        }
        let mut text = self.render_file(&format!("{key}/body.txt"), context)?.trim().replace("\r\n", "\n");
        let html = if self.letters.get(key) == Some(&true) {
            self.render_file(&format!("{key}/body.html"), context)?
        } else {
            let paragraphs: Vec<Vec<&str>> = text.split("\n\n").map(|p| p.trim().lines().collect()).collect();
            let context = serde_json::json!({ "subject": subject, "paragraphs": paragraphs });
            self.render_file(FROM_TEXT, &Value::from(Serde(context)))?
        };
        text.push('\n');
        Ok(Rendered { subject: subject.chars().take(LONGEST_SUBJECT).collect(), text, html, fell_back: None })
    }

    fn render_file(&self, file: &str, context: &Value) -> Result<String, LettersError> {
        let template = self.env.get_template(file).map_err(|error| explained(file, &error))?;
        let mut page = Page::default();
        let outcome = template.render_captured_to(context.clone(), &mut page).map(drop);
        if page.full {
            let why = format!("it came out longer than {LONGEST} bytes");
            return Err(LettersError::Template { file: shown(file), line: 0, why });
        }
        outcome.map_err(|error| explained(file, &error))?;
        // A template is text, and so is what comes out of it.
        Ok(String::from_utf8_lossy(&page.bytes).into_owned())
    }
}

/// What a template writes: no more than a letter may be, however long the template would go on.
#[derive(Default)]
struct Page {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > LONGEST {
            self.full = true;
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An administrator's letter as it lies in its folder.
struct OwnLetter {
    name: String,
    files: Vec<(&'static str, String)>,
}

fn built_in(name: &str) -> String {
    format!("built-in:{name}")
}

fn own_key(name: &str) -> String {
    format!("own:{name}")
}

/// The file's name for a person: without the marks that keep own and built-in letters apart.
fn shown(file: &str) -> String {
    let path = file.trim_start_matches("own:").trim_start_matches("built-in:");
    format!("the mail template {path}")
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(50);
    env.set_debug(false);
    // It would write everything that the engine knows into a customer's letter.
    env.remove_global("debug");
    // A block on a line of its own leaves no blank line behind; matters for plain text.
    let mut syntax = SyntaxConfig::builder();
    if let Ok(syntax) = syntax.trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env
}

/// Compiles a file and looks for names that no letter has, also in branches that no sample takes.
fn add(env: &mut Environment<'static>, file: &str, source: &str) -> Result<(), LettersError> {
    refuse_whmcs_syntax(file, source)?;
    env.add_template_owned(file.to_owned(), source.to_owned()).map_err(|error| explained(file, &error))?;
    let mut known: BTreeSet<String> = Variables::default().for_templates().into_iter().map(|(name, _)| name).collect();
    if file == FROM_TEXT {
        known.extend(["subject".to_owned(), "paragraphs".to_owned()]);
    }
    let functions: BTreeSet<String> = env.globals().map(|(name, _)| name.to_owned()).collect();
    let template = env.get_template(file).map_err(|error| explained(file, &error))?;
    let unknown: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    let unknown: Vec<&str> =
        unknown.iter().filter(|n| !known.contains(*n) && !functions.contains(*n)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(LettersError::UnknownVariable { file: shown(file), unknown: unknown.join(", "), known })
}

/// Refuses Smarty, the language of WHMCS's own templates: it would go out to customers as it stands.
fn refuse_whmcs_syntax(file: &str, source: &str) -> Result<(), LettersError> {
    const BLOCKS: [(&str, &str); 7] = [
        ("{if ", "{% if … %}"),
        ("{elseif ", "{% elif … %}"),
        ("{else}", "{% else %}"),
        ("{/if}", "{% endif %}"),
        ("{foreach ", "{% for … in … %}"),
        ("{/foreach}", "{% endfor %}"),
        ("{literal}", "{% raw %}"),
    ];
    for (index, line) in source.lines().enumerate() {
        let found = if let Some((_, rest)) = line.split_once("{$") {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            Some((format!("{{${name}}}"), format!("{{{{ {name} }}}}")))
        } else {
            let block = BLOCKS.iter().find(|(theirs, _)| line.contains(theirs));
            block.map(|(theirs, ours)| (theirs.trim_end().to_owned(), (*ours).to_owned()))
        };
        if let Some((found, instead)) = found {
            return Err(LettersError::WhmcsSyntax { file: shown(file), line: index + 1, found, instead });
        }
    }
    Ok(())
}

/// The template engine's error, with the file and line where it happened (which may be the layout's).
fn explained(file: &str, error: &minijinja::Error) -> LettersError {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let file = shown(error.name().unwrap_or(file));
    LettersError::Template { file, line: error.line().unwrap_or(0), why }
}

/// The letters in an administrator's folder, by name. What is hidden and what is no folder is passed over.
fn own_letters(folder: &Path) -> Result<Vec<OwnLetter>, LettersError> {
    let unlisted = |source| LettersError::Folder { folder: folder.to_owned(), source };
    let mut letters = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || !path.is_dir() {
            continue;
        }
        if !is_template_name(&name) {
            return Err(LettersError::Name { name });
        }
        let mut files = Vec::new();
        for (file, needed) in [("subject.txt", true), ("body.txt", true), ("body.html", false)] {
            if let Some(source) = read(folder, &path.join(file), needed)? {
                files.push((file, source));
            }
        }
        letters.push(OwnLetter { name, files });
    }
    letters.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(letters)
}

/// Whether a name can be a template's: also what keeps a name from leaving the folder.
pub(super) fn is_template_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-');
    let edge = |c: char| matches!(c, ' ' | '.');
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(allowed)
        && !name.starts_with(edge)
        && !name.ends_with(edge)
}

/// A link may lead about within the folder and not out of it, where files lie that are no letters.
fn read(folder: &Path, path: &Path, needed: bool) -> Result<Option<String>, LettersError> {
    let unreadable = |why: String| LettersError::Unreadable { file: path.to_owned(), why };
    let failed = |error: std::io::Error| unreadable(error.to_string());
    let real = match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound && !needed => return Ok(None),
        found => found.map_err(failed)?,
    };
    if !real.starts_with(folder.canonicalize().map_err(failed)?) {
        return Err(unreadable("it is a link that leads out of the folder of mail templates".to_owned()));
    }
    // Whatever else there is, a pipe for instance, would keep the service waiting.
    if !real.metadata().map_err(failed)?.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    let file = std::fs::File::open(&real).map_err(failed)?;
    let mut text = String::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
    file.take(most).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() > LONGEST {
        return Err(unreadable(format!("it is longer than {LONGEST} bytes")));
    }
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}
