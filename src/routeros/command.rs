//! One command to a router, checked word by word before any of it is sent.
//!
//! Words are length-prefixed, so a value cannot become a second word; control characters are refused all the same,
//! because RouterOS's own console and scripts would stumble over them. The bytes may hold a password: no Debug.

use mikrotik_rs::proto::{
    Tag,
    command::{Cmd, CommandBuilder, QueryOperator},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The longest value sent, bytes.
const MOST_VALUE: usize = 16 << 10;

/// What a lost reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A print: nothing was changed.
    Read,
    /// A change: the outcome is unknown.
    Write,
}

/// A command under construction, then ready to be sent.
pub(super) struct Command {
    path: &'static str,
    kind: Kind,
    builder: CommandBuilder<Cmd>,
    queries: usize,
    wrong: Option<String>,
    secrets: Vec<SecretString>,
}

impl Command {
    fn new(path: &'static str, kind: Kind) -> Self {
        Self { path, kind, builder: CommandBuilder::new().command(path), queries: 0, wrong: None, secrets: Vec::new() }
    }

    /// A `print` of a menu, of these properties only.
    pub(super) fn print(path: &'static str, properties: &str) -> Self {
        Self::new(path, Kind::Read).set(".proplist", properties)
    }

    /// A command that changes something.
    pub(super) fn write(path: &'static str) -> Self {
        Self::new(path, Kind::Write)
    }

    /// `/cancel` of a print in flight.
    pub(super) fn cancel(tag: Tag) -> Self {
        Self::new("/cancel", Kind::Read).set("tag", std::str::from_utf8(&tag.to_ascii()).unwrap_or_default())
    }

    /// An argument, `=key=value`.
    pub(super) fn set(mut self, key: &str, value: &str) -> Self {
        self.check(key, value);
        self.builder = self.builder.attribute(key, Some(value));
        self
    }

    /// An argument that nobody may read, not even if the router repeats it in its words.
    pub(super) fn secret(self, key: &str, value: &SecretString) -> Self {
        let mut command = self.set(key, value.expose_secret());
        command.secrets.push(value.clone());
        command
    }

    /// A switch argument.
    pub(super) fn switch(self, key: &str, on: bool) -> Self {
        self.set(key, if on { "yes" } else { "no" })
    }

    /// A query, `?key=value`; a further one is joined to it by "or".
    pub(super) fn any(mut self, key: &str, value: &str) -> Self {
        self.check(key, value);
        self.builder = self.builder.query_equal(key, value);
        if self.queries > 0 {
            self.builder = self.builder.query_operations(&[QueryOperator::Or]);
        }
        self.queries += 1;
        self
    }

    fn check(&mut self, key: &str, value: &str) {
        let wrong = if value.len() > MOST_VALUE {
            "is too long"
        } else if value.chars().any(char::is_control) {
            "has a control character in it"
        } else {
            return;
        };
        self.wrong.get_or_insert_with(|| format!("the value for {key} of {} {wrong}", self.path));
    }

    /// The command's path.
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// Whether it reads or changes.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What is wrong with one of its values, if anything.
    pub(super) fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// What must be blotted out of the router's words.
    pub(super) fn take_secrets(&mut self) -> Vec<SecretString> {
        std::mem::take(&mut self.secrets)
    }

    /// The tag and the bytes to be sent, terminator included.
    pub(super) fn encode(self) -> (Tag, Zeroizing<Vec<u8>>) {
        let command = self.builder.build();
        (command.tag, Zeroizing::new(command.into_data()))
    }
}

/// The words without the secrets. Very short ones are left: they would blot out half of any sentence.
pub(super) fn blotted(words: &str, secrets: &[SecretString]) -> String {
    let secrets = secrets.iter().map(SecretString::expose_secret).filter(|secret| secret.len() > 3);
    secrets.fold(words.to_owned(), |words, secret| words.replace(secret, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(command: Command) -> String {
        String::from_utf8_lossy(&command.encode().1).chars().map(|c| if c.is_control() { '·' } else { c }).collect()
    }

    #[test]
    fn queries_are_joined_by_or_in_pairs() {
        let wire =
            wire(Command::print("/queue/simple/print", ".id").any(".id", "*1").any(".id", "*2").any(".id", "*3"));
        assert!(wire.ends_with("=.proplist=.id·?.id=*1·?.id=*2·?#|·?.id=*3·?#|·"), "{wire:?}");
    }

    #[test]
    fn control_characters_are_refused_before_sending() {
        for value in ["a\0b", "a\nb", "\u{7f}", "\u{85}"] {
            let command = Command::write("/ppp/secret/add").set("name", value);
            assert!(command.wrong().is_some_and(|w| w.contains("name")), "{value:?}");
        }
        assert!(Command::write("/ppp/secret/add").set("name", "a=b ?x !done .tag=1 ñ").wrong().is_none());
        assert!(Command::write("/ppp/secret/add").set("name", &"x".repeat(20_000)).wrong().is_some());
    }

    #[test]
    fn a_secret_is_blotted_out_of_the_routers_words() {
        let mut command = Command::write("/ppp/secret/add").secret("password", &SecretString::from("streng"));
        let secrets = command.take_secrets();
        assert_eq!(blotted("invalid value streng for password", &secrets), "invalid value … for password");
        assert!(wire(command).contains("=password=streng"));
    }
}
