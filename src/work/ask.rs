//! A hook's body, read part by part: a verb reads what it needs, and what it does not need may be absent or odd.
//!
//! Parse at the edge (law 11): a wrong JSON type or something missing is `malformed` with the field's path from the
//! body's root; a value that cannot be is `setting-invalid`. PHP's empty array counts as an empty object.

use crate::{
    account::{
        Sold,
        addresses::AddressSpace,
        credentials::{check_password, check_username},
        settings::Settings,
    },
    problem::Problem,
    router::Told,
    units::Gigabyte,
};
use chrono::NaiveDate;
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// The longest text taken anywhere in a body, in characters; settings have their own, shorter limit.
const LONGEST: usize = 255;

/// A hook's body.
#[derive(Clone, Debug)]
pub struct Ask(Map<String, Value>);

/// The `service` part.
#[derive(Clone, Debug)]
pub struct Service {
    /// WHMCS's id.
    pub id: u64,
    /// Its status, `Active`.
    pub status: String,
    /// The user name that WHMCS has; empty: to be made.
    pub username: String,
    /// The password that WHMCS has; empty: to be made.
    pub password: SecretString,
    /// The address that WHMCS has; `None`: to be allotted.
    pub dedicated_address: Option<Ipv4Addr>,
}

/// One part of the body, with its path.
struct Part<'a> {
    path: &'static str,
    map: Option<&'a Map<String, Value>>,
}

impl Ask {
    /// Reads the body.
    ///
    /// # Errors
    /// `malformed` where it is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(Problem::malformed("body", "must be a JSON object")),
            Err(error) => Err(Problem::malformed("body", format!("is not JSON: {error}"))),
        }
    }

    fn part(&self, path: &'static str) -> Result<Part<'_>, Problem> {
        let map = match self.0.get(path) {
            None | Some(Value::Null) => None,
            Some(Value::Array(list)) if list.is_empty() => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => return Err(Problem::malformed(path, "must be a JSON object")),
        };
        Ok(Part { path, map: map.filter(|map| !map.is_empty()) })
    }

    /// Whether the part is there and not empty.
    pub fn has(&self, path: &'static str) -> bool {
        self.part(path).is_ok_and(|part| part.map.is_some())
    }

    /// The router.
    pub fn server(&self) -> Result<Told, Problem> {
        let part = self.part("server")?.required()?;
        let tls = part.switch("tls")?;
        let number = part.integer("port")?.unwrap_or(if tls { 8729 } else { 8728 });
        let number = u16::try_from(number).ok().filter(|number| *number != 0);
        let told = Told {
            id: part.integer("id")?.unwrap_or(0),
            name: part.text("name")?,
            hostname: part.text("hostname")?,
            address: part.text("address")?,
            port: number.ok_or_else(|| Problem::field("server.port", "must be from 1 to 65535"))?,
            tls,
            username: part.text("username")?,
            password: part.long_text("password")?.into(),
            certificate_sha256: part.long_text("certificate_sha256")?.trim().to_owned(),
            addresses: part.texts("addresses")?,
        };
        if told.host().is_empty() {
            return Err(Problem::malformed("server.address", "is missing: the router's address or hostname"));
        }
        if told.username.is_empty() {
            return Err(Problem::malformed("server.username", "is missing: the router's API user"));
        }
        crate::app::fingerprint(&told.certificate_sha256)?;
        Ok(told)
    }

    /// The router's id alone, where the rest is remembered.
    pub fn server_id(&self) -> Result<u64, Problem> {
        self.part("server")?.required()?.id("id")
    }

    /// The addresses that the router's customers may have.
    pub fn address_space(&self) -> Result<AddressSpace, Problem> {
        let texts = self.part("server")?.texts("addresses")?;
        AddressSpace::parse(&texts).map_err(|(at, why)| {
            let mut problem = Problem::field("server.addresses", format!("(entry {}) {why}", at + 1));
            problem.field = Some("server.addresses".to_owned());
            problem
        })
    }

    /// The service's id alone.
    pub fn service_id(&self) -> Result<u64, Problem> {
        self.part("service")?.required()?.id("id")
    }

    /// WHMCS's status of the service.
    pub fn status(&self) -> Result<String, Problem> {
        self.part("service")?.required()?.text("status")
    }

    /// The service.
    pub fn service(&self) -> Result<Service, Problem> {
        let part = self.part("service")?.required()?;
        let username = part.text("username")?;
        if !username.is_empty() {
            check_username(&username).map_err(|why| Problem::field("service.username", why))?;
        }
        let password = part.long_text("password")?;
        if !password.is_empty() {
            check_password(&password).map_err(|why| Problem::field("service.password", why))?;
        }
        let address = part.text("dedicated_address")?;
        let wrong = || Problem::field("service.dedicated_address", "must be an IPv4 address");
        let dedicated_address = match address.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_error: std::net::AddrParseError| wrong())?),
        };
        Ok(Service {
            id: part.id("id")?,
            status: part.text("status")?,
            username,
            password: password.into(),
            dedicated_address,
        })
    }

    /// To whom and how it was sold, from `service` and `client`.
    pub fn sold(&self) -> Result<Sold, Problem> {
        let service = self.part("service")?.required()?;
        let client = self.part("client")?;
        Ok(Sold {
            client_id: service.integer("client_id")?.or(client.integer("id")?).unwrap_or(0),
            product_id: service.integer("product_id")?.unwrap_or(0),
            client_name: client.text("name")?,
            email: client.text("email")?,
            language: client.text("language")?,
            status: service.text("status")?,
            billing_cycle: service.text("billing_cycle")?,
            next_due_date: self.next_due_date()?,
        })
    }

    /// `service.next_due_date`; WHMCS's zero date counts as none.
    pub fn next_due_date(&self) -> Result<Option<NaiveDate>, Problem> {
        let text = self.part("service")?.text("next_due_date")?;
        match text.trim() {
            "" | "0000-00-00" => Ok(None),
            text => text.parse().map(Some).map_err(|_error: chrono::ParseError| {
                Problem::field("service.next_due_date", "must be a date, YYYY-MM-DD")
            }),
        }
    }

    /// `settings` and `options`, parsed for the service's billing cycle. The plan is not looked up here.
    pub fn settings(&self, gb: Gigabyte) -> Result<Settings, Problem> {
        let settings = self.part("settings")?.all_texts()?;
        let options = self.part("options")?.all_texts()?;
        let cycle = self.part("service")?.text("billing_cycle")?;
        if let Some(plan) = crate::account::settings::plan_name(&settings, &options)? {
            let whence =
                if options.get("plan").is_some_and(|it| !it.trim().is_empty()) { "options" } else { "settings" };
            let why = format!("names a plan that does not exist: {plan}");
            return Err(Problem::field(format!("{whence}.plan"), why));
        }
        Settings::parse(&settings, &options, &cycle, gb, None)
    }

    /// A text of the `hook` part; empty where it is absent.
    pub fn hook_text(&self, name: &str) -> Result<String, Problem> {
        self.part("hook")?.text(name)
    }

    /// A value of the `hook` part.
    pub fn hook_value(&self, name: &str) -> Result<Option<&Value>, Problem> {
        Ok(self.part("hook")?.map.and_then(|map| map.get(name)).filter(|value| !value.is_null()))
    }

    /// The same ask about another service: for tests and the command line.
    pub fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl<'a> Part<'a> {
    fn required(self) -> Result<Self, Problem> {
        if self.map.is_none() {
            return Err(Problem::malformed(self.path, "is missing"));
        }
        Ok(self)
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.and_then(|map| map.get(name)).filter(|value| !value.is_null())
    }

    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn long_text(&self, name: &str) -> Result<String, Problem> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Problem::malformed(self.at(name), "must be a string")),
        }
    }

    /// A text of up to 255 characters without control characters; empty where it is absent.
    fn text(&self, name: &str) -> Result<String, Problem> {
        let text = self.long_text(name)?;
        if text.chars().count() > LONGEST {
            return Err(Problem::field(self.at(name), "must have 255 characters at the most"));
        }
        if text.chars().any(char::is_control) {
            return Err(Problem::field(self.at(name), "must not hold control characters"));
        }
        Ok(text)
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Problem> {
        let wrong = || Problem::malformed(self.at(name), "must be a list of strings");
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list
                .iter()
                .map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong))
                .filter(|text| text.as_ref().map_or(true, |text| !text.trim().is_empty()))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// Every member as a text, for the settings' own parser.
    fn all_texts(&self) -> Result<BTreeMap<String, String>, Problem> {
        let members = self.map.into_iter().flatten().filter(|(_, value)| !value.is_null());
        members
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name.clone(), text.clone())),
                _ => Err(Problem::malformed(self.at(name), "must be a string")),
            })
            .collect()
    }

    fn integer(&self, name: &str) -> Result<Option<u64>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => {
                let wrong = || Problem::malformed(self.at(name), "must be a whole number, zero or more");
                value.as_u64().filter(|it| i64::try_from(*it).is_ok()).map(Some).ok_or_else(wrong)
            }
        }
    }

    fn id(&self, name: &str) -> Result<u64, Problem> {
        match self.integer(name)? {
            None => Err(Problem::malformed(self.at(name), "is missing")),
            Some(0) => Err(Problem::malformed(self.at(name), "must be above zero")),
            Some(id) => Ok(id),
        }
    }

    fn switch(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(Problem::malformed(self.at(name), "must be true or false")),
        }
    }
}
