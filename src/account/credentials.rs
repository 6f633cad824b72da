//! Names and passwords: the rules that make them, and what a given one must be.
//!
//! A given name or password goes to the router as it is (UTF-8), so only what cannot work is refused: control characters
//! anywhere, blanks at the ends of a name, nothing at all, and what is too long. Letters outside ASCII are let through,
//! but VPN clients disagree about how to send them; what the rules make is always printable ASCII.

use crate::clock::Chance;
use chrono::{Datelike, NaiveDate};
use secrecy::SecretString;
use std::fmt::Write as _;

/// The longest username, in characters.
pub const LONGEST_USERNAME: usize = 64;
/// The longest password, in characters.
pub const LONGEST_PASSWORD: usize = 128;
/// The rule for names where the product gives none.
pub const DEFAULT_USERNAME_RULE: &str = "{client_id}-{service_id}";
/// How many characters a made password has where the product gives no rule.
pub const DEFAULT_PASSWORD_LENGTH: usize = 16;
/// What a made password consists of where the product gives no rule: letters and digits that cannot be taken for one
/// another (no `0 O o`, no `1 I i l`), and nothing that HTML or a shell would read (`& < > " '`).
pub const DEFAULT_ALPHABET: &str = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// What `{random_letter_N}` draws from: lower case, without `i l o`.
const NAME_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";
/// WHMCS's ids are MySQL `int`s.
const LONGEST_ID: usize = 10;
const MACROS: &str =
    "{client_id}, {service_id}, {random_digit_N}, {random_letter_N} (N from 1 to 16), {year}, {month}, {day}";

/// How a username is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsernameRule(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    ClientId,
    ServiceId,
    Digits(u8),
    Letters(u8),
    Year,
    Month,
    Day,
}

impl UsernameRule {
    /// Reads a rule: text with macros in braces.
    ///
    /// # Errors
    /// A sentence that says what is wrong: an unknown macro, a brace without its partner, a character that a made name
    /// cannot have (only printable ASCII without blanks), or a name that could be longer than [`LONGEST_USERNAME`].
    pub fn parse(rule: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = rule;
        while let Some(at) = rest.find(['{', '}']) {
            let (text, tail) = rest.split_at(at);
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            let Some(tail) = tail.strip_prefix('{') else {
                return Err("has a closing brace without an opening one".to_owned());
            };
            let Some((name, tail)) = tail.split_once('}') else {
                return Err("has an open brace".to_owned());
            };
            pieces.push(Piece::parse(name)?);
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let rule = Self(pieces);
        rule.check()?;
        Ok(rule)
    }

    fn check(&self) -> Result<(), String> {
        let plain = |piece: &Piece| match piece {
            Piece::Text(text) => text.bytes().all(|b| b.is_ascii_graphic()),
            _ => true,
        };
        if !self.0.iter().all(plain) {
            return Err("may hold printable ASCII characters without blanks only".to_owned());
        }
        let longest: usize = self.0.iter().map(Piece::longest).sum();
        match longest {
            0 => Err("is empty".to_owned()),
            1..=LONGEST_USERNAME => Ok(()),
            _ => Err(format!("can make names of {longest} characters; {LONGEST_USERNAME} is the most")),
        }
    }

    /// A name by the rule. With random macros each call makes another one, so the caller keeps what it got.
    ///
    /// A rule without `{service_id}` or enough random characters can make the name of another service; that shows as
    /// `name-taken` when it is created.
    pub fn render(&self, client_id: u64, service_id: u64, today: NaiveDate, chance: &Chance) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            // Writing to a String cannot fail.
            let _ = match piece {
                Piece::Text(text) => write!(name, "{text}"),
                Piece::ClientId => write!(name, "{client_id}"),
                Piece::ServiceId => write!(name, "{service_id}"),
                Piece::Digits(n) => write!(name, "{}", draw(DIGITS, usize::from(*n), chance)),
                Piece::Letters(n) => write!(name, "{}", draw(NAME_LETTERS, usize::from(*n), chance)),
                Piece::Year => write!(name, "{:04}", today.year()),
                Piece::Month => write!(name, "{:02}", today.month()),
                Piece::Day => write!(name, "{:02}", today.day()),
            };
        }
        name
    }
}

impl Default for UsernameRule {
    /// [`DEFAULT_USERNAME_RULE`].
    fn default() -> Self {
        Self(vec![Piece::ClientId, Piece::Text("-".to_owned()), Piece::ServiceId])
    }
}

impl Piece {
    fn parse(name: &str) -> Result<Self, String> {
        let unknown = || {
            let name: String = name.chars().take(40).collect();
            format!("has the unknown macro {{{name}}}; there are {MACROS}")
        };
        let count = |digits: &str| match digits.parse::<u8>() {
            Ok(n @ 1..=16) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
            _ => Err(unknown()),
        };
        match name {
            "client_id" => Ok(Self::ClientId),
            "service_id" => Ok(Self::ServiceId),
            "year" => Ok(Self::Year),
            "month" => Ok(Self::Month),
            "day" => Ok(Self::Day),
            _ => match (name.strip_prefix("random_digit_"), name.strip_prefix("random_letter_")) {
                (Some(digits), _) => count(digits).map(Self::Digits),
                (_, Some(digits)) => count(digits).map(Self::Letters),
                _ => Err(unknown()),
            },
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::ClientId | Self::ServiceId => LONGEST_ID,
            Self::Digits(n) | Self::Letters(n) => usize::from(*n),
            Self::Year => 4,
            Self::Month | Self::Day => 2,
        }
    }
}

/// How a password is made: so many characters, each of the alphabet's equally likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRule {
    length: usize,
    alphabet: Vec<u8>,
}

impl PasswordRule {
    /// Reads `length:alphabet`. The length is 6 to 64; the alphabet is at least two different printable ASCII characters
    /// (no blank), each taken literally and counted once, so `a-z` is the three characters `a`, `-` and `z`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(rule: &str) -> Result<Self, String> {
        let (length, letters) =
            rule.split_once(':').ok_or("must be length:alphabet, such as 12:abcdefghjkmnpqrstuvwxyz23456789")?;
        let wrong = "must begin with a length from 6 to 64 before the colon";
        let digits = !length.is_empty() && length.len() <= 2 && length.bytes().all(|b| b.is_ascii_digit());
        let length = Some(length).filter(|_| digits).and_then(|digits| digits.parse().ok()).ok_or(wrong)?;
        if !(6..=64).contains(&length) {
            return Err(wrong.to_owned());
        }
        if !letters.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("may hold printable ASCII characters without blanks only after the colon".to_owned());
        }
        let mut alphabet: Vec<u8> = letters.bytes().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        if alphabet.len() < 2 {
            return Err("needs at least two different characters after the colon".to_owned());
        }
        Ok(Self { length, alphabet })
    }

    /// A password by the rule.
    pub fn make(&self, chance: &Chance) -> SecretString {
        SecretString::from(draw(&self.alphabet, self.length, chance))
    }
}

impl Default for PasswordRule {
    /// [`DEFAULT_PASSWORD_LENGTH`] characters of [`DEFAULT_ALPHABET`], about 92 bits.
    fn default() -> Self {
        Self { length: DEFAULT_PASSWORD_LENGTH, alphabet: DEFAULT_ALPHABET.bytes().collect() }
    }
}

fn draw(from: &[u8], length: usize, chance: &Chance) -> String {
    let below = u32::try_from(from.len()).unwrap_or(u32::MAX);
    (0..length).filter_map(|_| from.get(chance.below(below) as usize)).map(|b| char::from(*b)).collect()
}

/// Whether a name can be had: 1 to 64 characters, no control characters, no blank at either end.
///
/// # Errors
/// A sentence about the name, to follow the field's path.
pub fn check_username(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("is empty")
    } else if name.chars().any(char::is_control) {
        Err("holds a control character")
    } else if name.trim() != name {
        Err("begins or ends with a blank")
    } else if name.chars().count() > LONGEST_USERNAME {
        Err("is longer than 64 characters")
    } else {
        Ok(())
    }
}

/// Whether a password can be had: 1 to 128 characters, no control characters.
///
/// # Errors
/// A sentence about the password that does not tell it, to follow the field's path.
pub fn check_password(password: &str) -> Result<(), &'static str> {
    if password.is_empty() {
        Err("is empty")
    } else if password.chars().any(char::is_control) {
        Err("holds a control character")
    } else if password.chars().count() > LONGEST_PASSWORD {
        Err("is longer than 128 characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn render(rule: &str, chance: &Chance) -> String {
        UsernameRule::parse(rule).unwrap().render(7, 41, "2026-03-09".parse().unwrap(), chance)
    }

    #[test]
    fn every_macro_is_rendered() {
        let chance = Chance::seeded(1);
        assert_eq!(render(DEFAULT_USERNAME_RULE, &chance), "7-41");
        assert_eq!(render("vpn_{year}{month}{day}.{service_id}", &chance), "vpn_20260309.41");
        let name = render("{random_letter_16}x{random_digit_5}", &chance);
        let (letters, digits) = name.split_at(16);
        assert!(letters.bytes().all(|b| NAME_LETTERS.contains(&b)), "{name}");
        assert!(digits.len() == 6 && digits[1..].bytes().all(|b| b.is_ascii_digit()), "{name}");
        assert_ne!(render("{random_digit_16}", &chance), render("{random_digit_16}", &chance));
    }

    #[test]
    fn the_default_rule_is_the_one_that_is_written_down() {
        assert_eq!(UsernameRule::parse(DEFAULT_USERNAME_RULE), Ok(UsernameRule::default()));
        let written = format!("{DEFAULT_PASSWORD_LENGTH}:{DEFAULT_ALPHABET}");
        let mut default = PasswordRule::default();
        default.alphabet.sort_unstable();
        assert_eq!(PasswordRule::parse(&written), Ok(default));
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused() {
        for wrong in [
            "",
            "{",
            "}",
            "a{service_id",
            "a}b",
            "{}",
            "{{client_id}}",
            "{client}",
            "{Client_id}",
            "{random_digit_}",
            "{random_digit_0}",
            "{random_digit_17}",
            "{random_digit_+5}",
            "{random_letter_-1}",
            "{random_letter_999}",
            "{unixtime}",
            "a b",
            "caf\u{e9}",
            "a\nb",
            "tab\t{client_id}",
        ] {
            assert!(UsernameRule::parse(wrong).is_err(), "{wrong:?} was taken");
        }
        let long = "x".repeat(65);
        assert!(UsernameRule::parse(&long).unwrap_err().contains("65"));
        assert!(UsernameRule::parse(&long[1..]).is_ok());
        assert!(UsernameRule::parse("{unixtime}").unwrap_err().contains("{unixtime}"));
    }

    #[test]
    fn a_password_rule_is_bounded() {
        for wrong in
            ["", "12", ":abc", "5:abc", "65:abc", "12:", "12:a", "12:aaaa", "12:a b", "12:caf\u{e9}", "1e1:ab", "+9:ab"]
        {
            assert!(PasswordRule::parse(wrong).is_err(), "{wrong:?} was taken");
        }
        let made = PasswordRule::parse("12:1234567890").unwrap().make(&Chance::seeded(3));
        assert_eq!(made.expose_secret().len(), 12);
        assert!(made.expose_secret().bytes().all(|b| b.is_ascii_digit()));
        assert!(PasswordRule::parse("6::;").is_ok(), "a colon may be in the alphabet");
    }

    #[test]
    fn a_made_password_is_sixteen_characters_that_no_one_misreads() {
        let chance = Chance::seeded(5);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let password = PasswordRule::default().make(&chance);
            let password = password.expose_secret();
            assert_eq!(password.len(), 16);
            assert!(!password.contains(['0', 'O', 'o', '1', 'I', 'i', 'l', '&', '<', '>', '"', '\'']), "{password}");
            assert_eq!(check_password(password), Ok(()));
            seen.extend(password.bytes());
        }
        assert_eq!(seen.len(), DEFAULT_ALPHABET.len(), "every character of the alphabet comes up");
    }

    #[test]
    fn given_names_and_passwords_are_checked_for_what_cannot_work() {
        for good in ["a", "7-41", "ada@example.net", "J\u{f6}rg M", "*1", &"x".repeat(64)] {
            assert_eq!(check_username(good), Ok(()), "{good:?}");
        }
        for wrong in ["", " ", " a", "a ", "a\0", "a\nb", "a\u{85}b", &"x".repeat(65)] {
            assert!(check_username(wrong).is_err(), "{wrong:?} was taken");
        }
        for good in ["a", " with blanks ", "&<>\"'", "p\u{e4}ss", &"x".repeat(128)] {
            assert_eq!(check_password(good), Ok(()), "{good:?}");
        }
        for wrong in ["", "a\0", "a\r", "\u{7f}", &"x".repeat(129)] {
            assert!(check_password(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn what_a_rule_makes_is_a_name_that_can_be_had(
            rule in r"[a-z@._-]{0,9}(\{(client_id|service_id|random_digit_[1-9]|random_letter_1[0-6]|year|month|day)\}){1,2}",
            client in 0..=u64::from(u32::MAX), service in 0..=u64::from(u32::MAX), seed: u64,
        ) {
            let rule = UsernameRule::parse(&rule).unwrap();
            let name = rule.render(client, service, "2026-11-19".parse().unwrap(), &Chance::seeded(seed));
            prop_assert_eq!(check_username(&name), Ok(()));
        }

        #[test]
        fn no_rule_makes_the_reader_panic(rule in r"\PC{0,40}") {
            let _ = UsernameRule::parse(&rule);
            let _ = PasswordRule::parse(&rule);
        }
    }
}
