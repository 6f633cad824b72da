//! What a view asks: four members of a body that tells all of a service, its router and its client. They are read where they
//! stand, and nothing is kept of the rest.
//!
//! Law: a body means here what it means to every other hook ([`Ask`]). Whatever cannot be read so simply is read by it, which
//! also words what is wrong.

use crate::{problem::Problem, work::Ask};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// See above.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) service_id: u64,
    /// As WHMCS told; may be empty.
    pub(super) status: Cow<'a, str>,
    /// WHMCS's name of it; may be empty.
    pub(super) language: Cow<'a, str>,
    /// The client's; may be empty.
    pub(super) email: Cow<'a, str>,
}

impl<'a> Asked<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// As every hook.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(simple) => Ok(simple),
            Err(_odd) => Self::of(&Ask::parse(body)?),
        }
    }

    fn of(ask: &Ask) -> Result<Self, Problem> {
        let (service_id, status) = (ask.service_id()?, Cow::Owned(ask.status()?));
        Ok(Self { service_id, status, language: Cow::Owned(ask.language()?), email: Cow::Owned(ask.email()) })
    }
}

impl<'de> Deserialize<'de> for Asked<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Body)
    }
}

struct Body;

impl<'de> Visitor<'de> for Body {
    type Value = Asked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hook's body")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Asked<'de>, M::Error> {
        let (mut service, mut client) = (Part::default(), Part::default());
        // Of a member that stands there twice the last one counts.
        while let Some(Text(name)) = members.next_key()? {
            match &*name {
                "service" => service = members.next_value_seed(Members { number: "id", texts: ["status", ""] })?,
                "client" => client = members.next_value_seed(Members { number: "", texts: ["language", "email"] })?,
                _ => members.next_value::<Skipped>().map(drop)?,
            }
        }
        let id = service.number.filter(|id| *id > 0 && i64::try_from(*id).is_ok());
        let service_id = id.ok_or_else(|| M::Error::missing_field("id"))?;
        let ([status, _], [language, email]) = (service.texts, client.texts);
        Ok(Asked { service_id, status, language, email })
    }
}

/// Which members of a part are wanted.
struct Members {
    number: &'static str,
    texts: [&'static str; 2],
}

#[derive(Default)]
struct Part<'a> {
    number: Option<u64>,
    texts: [Cow<'a, str>; 2],
}

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Part<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a body")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Part<'de>, M::Error> {
        let mut part = Part::default();
        while let Some(Text(name)) = members.next_key()? {
            match &*name {
                name if name == self.texts[0] => part.texts[0] = members.next_value::<Text>()?.plain()?,
                name if name == self.texts[1] => part.texts[1] = members.next_value::<Text>()?.plain()?,
                name if name == self.number => part.number = Some(members.next_value()?),
                _ => members.next_value::<Skipped>().map(drop)?,
            }
        }
        Ok(part)
    }
}

/// A text, where it stands if it needs no unescaping.
struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Short and without control characters, as every text that is not looked at closer.
    fn plain<E: Error>(self) -> Result<Cow<'a, str>, E> {
        let plain = self.0.len() <= Ask::LONGEST && !self.0.chars().any(char::is_control);
        if plain { Ok(self.0) } else { Err(E::custom("to be looked at closer")) }
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Of)
    }
}

/// Anything that JSON may hold, read as strictly as if it were kept. serde's `IgnoredAny` would take halves of surrogate pairs and
/// numbers beyond all bounds.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self, S::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self, M::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_ask(body: &[u8]) -> Result<(u64, [String; 3]), String> {
        let asked = Ask::parse(body).and_then(|ask| Asked::of(&ask).map(told));
        asked.map_err(|problem| format!("{problem:?}"))
    }

    fn told(asked: Asked<'_>) -> (u64, [String; 3]) {
        (asked.service_id, [asked.status, asked.language, asked.email].map(Cow::into_owned))
    }

    #[test]
    fn what_whmcs_sends_is_read_where_it_stands() {
        let body = br#"{"server":{"id":3,"addresses":["10.0.0.0/8"],"tls":false,"load":-1.5e3},"service":{"id":41,"status":"Active",
            "dedicated_address":null},"client":{"id":"odd","email":"a@b.test","language":"polish"},"hook":{}}"#;
        let asked: Asked<'_> = serde_json::from_slice(body).unwrap();
        assert!(matches!((&asked.status, &asked.language), (Cow::Borrowed("Active"), Cow::Borrowed("polish"))));
        assert_eq!(Ok(told(asked)), by_ask(body));
    }

    #[test]
    fn what_is_odd_is_read_or_refused_as_by_every_hook() {
        let long = format!(r#"{{"service":{{"id":41,"status":"{}"}}}}"#, "\\u00e9".repeat(255));
        let deep = format!(r#"{{"service":{{"id":41}},"x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for body in [
            r#"{"service":{"id":41}}"#,
            r#"{"service":{"id":41},"client":[]}"#,
            r#"{"service":{"id":41,"status":null},"client":null}"#,
            r#"{"service":{"id":41,"st\u0061tus":"\u0041ctive"}}"#,
            r#"{"service":{"id":1},"service":{"id":41,"id":42,"status":"a","status":"b"}}"#,
            r#"{"service":{"id":1,"status":"Active"},"service":{"id":41}}"#,
            r#"{"service":{"id":0}}"#,
            r#"{"service":{"id":-0}}"#,
            r#"{"service":{"id":41.0}}"#,
            r#"{"service":{"id":"41"}}"#,
            r#"{"service":{"id":9223372036854775808}}"#,
            r#"{"service":{"id":41,"status":7}}"#,
            r#"{"service":{"id":41,"status":"a\u0007b"}}"#,
            r#"{"service":[41,"Active"]}"#,
            r#"{"service":{"id":41,"":"x"},"client":{"email":"a\u0007b"}}"#,
            r#"{"service":{"id":41,"":7},"client":{"email":7,"language":"x"}}"#,
            r#"[{"service":{"id":41}}]"#,
            r#"{"service":{"id":41},"x":"\ud800"}"#,
            r#"{"service":{"id":41},"x":1e999}"#,
            r#"{"service":{"id":41},"\ud800":1}"#,
            r#"{"service":{"id":41}} {}"#,
            r#"{"service":{"id":41}"#,
            "",
            &long,
            &deep,
        ] {
            let asked = Asked::read(body.as_bytes()).map(told).map_err(|problem| format!("{problem:?}"));
            assert_eq!(asked, by_ask(body.as_bytes()), "{body}");
        }
        assert!(by_ask(long.as_bytes()).is_ok() && by_ask(deep.as_bytes()).is_err());
    }

    proptest! {
        /// Bodies of the right shape with any byte changed.
        #[test]
        fn no_change_of_a_body_means_something_else_here(at in 0..190_usize, byte in any::<u8>()) {
            let mut body = br#"{"server":{"id":3,"addresses":["10.0.0.0/8"],"n":-1.5e3},"service":{"id":41,"status":"Active","b":true},"client":{"language":"p\u006flish","email":"a@b"},"hook":{}}"#.to_vec();
            let at = at % body.len();
            body[at] = byte;
            let asked = Asked::read(&body).map(told).map_err(|problem| format!("{problem:?}"));
            prop_assert_eq!(asked, by_ask(&body));
        }
    }
}
