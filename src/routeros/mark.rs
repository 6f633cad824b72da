//! The comment by which our objects are known on a router: `<prefix>|Product ID:<service id>|<client e-mail>`.
//!
//! Law 5: nothing without the mark is touched. Ours for a service is exactly its prefix and its id; the e-mail is for
//! people and may change. The form is the one PUQ's module writes, so that its customers can be adopted.

use std::fmt;

/// A service's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The product's comment prefix, without `|`.
    pub prefix: String,
    /// WHMCS's service id.
    pub service_id: u64,
    /// The client's e-mail address; a `|` or control character in it is left out of the comment.
    pub email: String,
}

impl Mark {
    /// The comment as it is written.
    pub fn comment(&self) -> String {
        self.to_string()
    }

    /// Whether a comment found on a router is this service's.
    pub fn owns(&self, comment: &str) -> bool {
        Self::read(comment).is_some_and(|(prefix, id, _)| prefix == self.prefix && id == self.service_id)
    }

    /// Reads any prefix's mark: prefix, service id, e-mail. None where the comment is not a mark.
    pub fn parse(comment: &str) -> Option<(String, u64, String)> {
        Self::read(comment).map(|(prefix, id, email)| (prefix.to_owned(), id, email.to_owned()))
    }

    /// The same without a copy.
    pub fn read(comment: &str) -> Option<(&str, u64, &str)> {
        let (prefix, rest) = comment.split_once('|')?;
        let (id, email) = rest.strip_prefix("Product ID:")?.split_once('|')?;
        // One spelling per number, or two comments could claim the same service.
        let digits = id.bytes().all(|byte| byte.is_ascii_digit()) && (id == "0" || !id.starts_with('0'));
        id.parse().ok().filter(|_| digits).map(|number| (prefix, number, email))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let email: String = self.email.chars().filter(|c| *c != '|' && !c.is_control()).collect();
        write!(f, "{}|Product ID:{}|{email}", self.prefix, self.service_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark() -> Mark {
        Mark { prefix: "WHMCS".into(), service_id: 41, email: "ada|@exa\nmple.net".into() }
    }

    #[test]
    fn the_comment_has_the_agreed_form() {
        assert_eq!(mark().comment(), "WHMCS|Product ID:41|ada@example.net");
    }

    #[test]
    fn ours_is_prefix_and_id_whatever_the_email() {
        assert!(mark().owns("WHMCS|Product ID:41|someone@else.example"));
        assert!(mark().owns("WHMCS|Product ID:41|"));
        for other in [
            "",
            "WHMCS",
            "WHMCS|Product ID:4|a@b",
            "WHMCS|Product ID:410|a@b",
            "WHMCS|Product ID:041|a@b",
            "WHMCS|Product ID:+41|a@b",
            "WHMCS|Product ID: 41|a@b",
            "WHMCS|Product ID:41",
            "whmcs|Product ID:41|a@b",
            "X|WHMCS|Product ID:41|a@b",
            "Other|Product ID:41|a@b",
        ] {
            assert!(!mark().owns(other), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn a_mark_owns_its_own_comment(prefix in "[^|\\p{C}]{0,12}", id in any::<u64>(), email in ".{0,30}") {
            let mark = Mark { prefix: prefix.clone(), service_id: id, email };
            prop_assert!(mark.owns(&mark.comment()));
            prop_assert!(!mark.comment().chars().any(char::is_control));
        }
    }
}
