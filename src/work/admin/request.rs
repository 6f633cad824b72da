//! What a page is asked with, parsed at the edge.

use crate::problem::Problem;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// The longest text of a query or a form, in characters; a NetFlow record's notes are the longest that is meant.
const LONGEST: usize = 8_192;
/// The longest list of subnets, in characters: as many as a CDN profile may hold.
const LONGEST_LIST: usize = 262_144;

/// Who asks.
#[derive(Clone, Debug, Deserialize)]
pub struct Admin {
    /// The administrator's name, for the log and for reasons.
    #[serde(default)]
    pub name: String,
    /// Whether changes are asked for rightly.
    #[serde(default)]
    pub can_edit: bool,
    /// What this person may do with plans, where that is settled apart.
    #[serde(default)]
    plans: PlanRights,
    /// WHMCS's name of the administrator's language. The pages are English so far.
    #[serde(default)]
    pub language: String,
}

/// What may be done with plans and bandwidth rules; what is not said is as `can_edit` says, and looking is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct PlanRights {
    view: Option<bool>,
    create: Option<bool>,
    edit: Option<bool>,
    delete: Option<bool>,
}

/// Something that may be done with plans and bandwidth rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Look at them.
    View,
    /// Add and duplicate.
    Create,
    /// Change.
    Edit,
    /// Remove.
    Delete,
}

impl Admin {
    /// Whether this person may do that with plans and bandwidth rules.
    pub fn may(&self, right: Right) -> bool {
        let said = match right {
            Right::View => return self.plans.view.unwrap_or(true),
            Right::Create => self.plans.create,
            Right::Edit => self.plans.edit,
            Right::Delete => self.plans.delete,
        };
        self.plans.view.unwrap_or(true) && said.unwrap_or(self.can_edit)
    }
}

/// Looked at or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Looked at.
    Get,
    /// A form was sent.
    Post,
}

/// Texts by name: a query, a form, hidden fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// The text; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether there is one, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A whole number above zero; `None` where the text is empty or absent.
    ///
    /// # Errors
    /// `malformed` where it is anything else.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let text = self.get(name).trim();
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|it: &u64| digits && *it > 0 && i64::try_from(*it).is_ok());
        number.map(Some).ok_or_else(|| Problem::malformed(name, "must be a whole number above zero"))
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }
}

fn longest(name: &str) -> usize {
    if name == "subnets" { LONGEST_LIST } else { LONGEST }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Map(BTreeMap<String, String>),
            // PHP's empty array.
            List(Vec<String>),
        }
        match Either::deserialize(from)? {
            Either::Map(map) => match map.iter().find(|(name, text)| text.chars().count() > longest(name)) {
                Some((name, _)) => Err(de::Error::custom(format!("{name} has more than {} characters", longest(name)))),
                None => Ok(Self(map)),
            },
            Either::List(list) if list.is_empty() => Ok(Self::default()),
            Either::List(_) => Err(de::Error::custom("texts by name are wanted")),
        }
    }
}

/// How what is said looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is done.
    Success,
    /// It was done already, or nothing was to do.
    Info,
    /// It is not as it should be.
    Warning,
    /// It could not be done.
    Danger,
}

/// What is said once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// How it looks.
    pub level: Level,
    /// One or two sentences, plain text.
    pub text: String,
}

/// The pages' own address where they are shown, such as `addonmodules.php?module=turnpike`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// Takes an address relative to the page that is shown.
    ///
    /// # Errors
    /// A sentence where it could lead to another site, or run as a script.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.is_empty() || text.contains(odd) || path.contains(':') || path.starts_with("//") || text.contains('#') {
            return Err("must be an address on the same site, such as addonmodules.php?module=turnpike");
        }
        Ok(Self(text.to_owned()))
    }

    /// The address of a page: `accounts&service=41`.
    pub fn to(&self, page: &str) -> String {
        format!("{}{page}", self.base())
    }

    /// What a page's name is put after.
    pub fn base(&self) -> String {
        format!("{}{}page=", self.0, if self.0.contains('?') { '&' } else { '?' })
    }

    /// The address without its query: a form that is sent by GET loses the query of its action.
    pub fn path(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// The query, for hidden fields of such a form.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

/// One more tab, of a page that whoever shows ours draws itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Tab {
    /// The page's name in an address.
    pub name: String,
    /// The tab's text.
    pub text: String,
}

/// What WHMCS says of the service that a NetFlow form names: of any module, so it need not be known here.
#[derive(Clone, Debug, Deserialize)]
pub struct WhmcsService {
    /// Its number.
    pub id: u64,
    /// Whether WHMCS has such a service.
    pub found: bool,
    /// Its client.
    #[serde(default)]
    pub client_id: u64,
    /// What it is called: product and domain, say.
    #[serde(default)]
    pub label: String,
}

/// What a page is asked with.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub admin: Admin,
    /// Where the pages are.
    pub link: Link,
    /// Hidden fields that every form must carry: WHMCS's token.
    pub token: Fields,
    /// Looked at or sent.
    pub method: Method,
    /// The address's query.
    pub query: Fields,
    /// The form.
    pub form: Fields,
    /// What the page before has to say.
    pub flash: Option<Flash>,
    /// The service that is named, as WHMCS knows it.
    pub service: Option<WhmcsService>,
    /// More tabs, after ours.
    pub tabs: Vec<Tab>,
}

#[derive(Deserialize)]
struct Body {
    admin: Admin,
    link: String,
    #[serde(default)]
    token: Fields,
    method: Method,
    #[serde(default)]
    query: Fields,
    #[serde(default)]
    form: Fields,
    #[serde(default)]
    flash: Option<Flash>,
    #[serde(default)]
    service: Option<WhmcsService>,
    #[serde(default)]
    tabs: Vec<Tab>,
}

impl Request {
    /// Reads the body of `POST /v1/admin/{page}`.
    ///
    /// # Errors
    /// `malformed`.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let wrong = |error: serde_json::Error| Problem::malformed("body", format!("cannot be read: {error}"));
        let Body { admin, link, token, method, query, form, flash, service, tabs } =
            serde_json::from_slice(body).map_err(wrong)?;
        let link = Link::parse(&link).map_err(|why| Problem::malformed("link", why))?;
        Ok(Self { admin, link, token, method, query, form, flash, service, tabs })
    }

    /// The same without the key that its form brought.
    pub(super) fn with_no_key(&self) -> Self {
        let mut same = self.clone();
        same.form.0.remove("once");
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_on_its_site_and_makes_addresses_of_pages() {
        let link = Link::parse("addonmodules.php?module=turnpike").unwrap();
        assert_eq!(link.to("accounts&service=41"), "addonmodules.php?module=turnpike&page=accounts&service=41");
        assert_eq!((link.path(), link.query()), ("addonmodules.php", vec![("module".into(), "turnpike".into())]));
        assert_eq!(Link::parse("/staff").unwrap().to("mails"), "/staff?page=mails");
        for elsewhere in
            ["", "javascript:alert(1)", "https://example.net/", "//example.net/", "\\\\x", "a b", "a#b", "a\n"]
        {
            assert!(Link::parse(elsewhere).is_err(), "{elsewhere:?} was taken");
        }
    }

    #[test]
    fn php_s_empty_arrays_are_empty_forms_and_a_form_holds_texts_alone() {
        let body = |form: &str| {
            format!(r#"{{"admin":{{"name":"ada"}},"link":"a.php","method":"GET","query":[],"form":{form}}}"#)
        };
        let read = Request::parse(body("[]").as_bytes()).unwrap();
        assert!(!read.admin.can_edit && read.query == Fields::default() && !read.form.has("x"));
        assert_eq!(Request::parse(body(r#"{"x":"1"}"#).as_bytes()).unwrap().form.get("x"), "1");
        for wrong in [r#"{"x":["1"]}"#, r#"["x"]"#, "7", &format!(r#"{{"x":"{}"}}"#, "a".repeat(8_193))] {
            assert_eq!(Request::parse(body(wrong).as_bytes()).unwrap_err().code, crate::problem::Code::Malformed);
        }
    }

    #[test]
    fn a_right_that_is_not_said_is_that_of_changing_things() {
        let admin = |text: &str| serde_json::from_str::<Admin>(text).unwrap();
        let rights = |it: &Admin| [Right::View, Right::Create, Right::Edit, Right::Delete].map(|right| it.may(right));
        assert_eq!(rights(&admin("{}")), [true, false, false, false]);
        assert_eq!(rights(&admin(r#"{"can_edit":true}"#)), [true; 4]);
        let some = admin(r#"{"can_edit":true,"plans":{"view":true,"create":false,"delete":false}}"#);
        assert_eq!(rights(&some), [true, false, true, false]);
        let apart = admin(r#"{"can_edit":false,"plans":{"edit":true}}"#);
        assert_eq!(rights(&apart), [true, false, true, false]);
        let blind = admin(r#"{"can_edit":true,"plans":{"view":false,"edit":true}}"#);
        assert_eq!(rights(&blind), [false; 4], "what is not seen is not changed");
    }

    #[test]
    fn numbers_are_digits_above_zero() {
        let fields = |text: &str| Fields::from_iter([("n", text)]);
        assert_eq!(fields(" 41 ").number("n").unwrap(), Some(41));
        assert_eq!(fields("").number("n").unwrap(), None);
        for wrong in ["0", "-1", "+1", "4.1", "four", "9223372036854775808"] {
            assert!(fields(wrong).number("n").is_err(), "{wrong}");
        }
    }
}
