//! A hook's body, read part by part: a verb reads what it needs, and what it does not need may be absent or odd.
//!
//! Parse at the edge (law 11): a wrong JSON type or something missing is `malformed` with the field's path from the
//! body's root; a value that cannot be is `setting-invalid`. PHP's empty array counts as an empty object.

use crate::{
    account::{
        Sold,
        addresses::AddressSpace,
        credentials::{check_password, check_username},
        settings::{Settings, is_setting, packet_alone, plan_name},
    },
    plan::Plan,
    problem::Problem,
    router::Told,
    units::{Bytes, Gigabyte},
};
use chrono::NaiveDate;
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, net::Ipv4Addr};

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
    /// The longest text taken anywhere in a body, in characters; settings have their own, shorter limit.
    pub(super) const LONGEST: usize = 255;
    /// The longest password of a router, in characters: what its API can be told in one word, whatever they are.
    const LONGEST_PASSWORD: usize = 4096;

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
    ///
    /// # Errors
    /// `malformed` where it is there and is not an object.
    pub fn has(&self, path: &'static str) -> Result<bool, Problem> {
        Ok(self.part(path)?.map.is_some())
    }

    /// The router.
    pub fn server(&self) -> Result<Told, Problem> {
        let part = self.part("server")?.required()?;
        let tls = part.switch("tls")?;
        let usual = if tls { 8729 } else { 8728 };
        let given = part.number("port")?;
        let told = Told {
            id: part.integer("id")?.unwrap_or(0),
            name: part.text("name")?,
            hostname: part.text("hostname")?,
            address: part.text("address")?,
            port: given
                .map_or(Some(usual), |it| u16::try_from(it).ok().filter(|it| *it != 0))
                .ok_or_else(|| Problem::field("server.port", "must be from 1 to 65535"))?,
            tls,
            username: part.text("username")?,
            password: part.bounded("password", Self::LONGEST_PASSWORD)?.into(),
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

    /// Whether of the router nothing but its id is told: it is the one that is remembered.
    ///
    /// # Errors
    /// `malformed` where the part is none, or a member is of a wrong type.
    pub fn server_by_id(&self) -> Result<bool, Problem> {
        let part = self.part("server")?.required()?;
        let told = [part.text("address")?, part.text("hostname")?, part.text("username")?, part.long_text("password")?];
        Ok(told.iter().all(String::is_empty) && part.id("id").is_ok())
    }

    /// The addresses that the router's customers may have.
    pub fn address_space(&self) -> Result<AddressSpace, Problem> {
        let texts = self.part("server")?.texts("addresses")?;
        AddressSpace::parse(&texts).map_err(|(at, why)| {
            let why = format!("(Assigned IP Addresses) cannot be used: in entry {}, {why}", at + 1);
            Problem::field("server.addresses", why)
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
        let password = self.password()?;
        let address = part.text("dedicated_address")?;
        let wrong = || Problem::field("service.dedicated_address", "must be an IPv4 address");
        let dedicated_address = match address.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_error: std::net::AddrParseError| wrong())?),
        };
        Ok(Service { id: part.id("id")?, status: part.text("status")?, username, password, dedicated_address })
    }

    /// The service's password alone; empty where WHMCS has none.
    pub fn password(&self) -> Result<SecretString, Problem> {
        let password = self.part("service")?.long_text("password")?;
        if !password.is_empty() {
            check_password(&password).map_err(|why| Problem::field("service.password", why))?;
        }
        Ok(password.into())
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

    /// Whose the service is by now: e-mail, name and language change in WHMCS, and services change hands, without a hook
    /// of their own. What is odd counts as not said: it refuses no work that is about something else.
    pub fn learn_client(&self, sold: &mut Sold) {
        let (service, client) = (self.part("service").ok(), self.part("client").ok());
        let id = |part: &Option<Part<'_>>, name| part.as_ref().and_then(|part| part.integer(name).ok().flatten());
        let text = |name| client.as_ref().and_then(|part| part.text(name).ok()).unwrap_or_default();
        let said = Sold {
            client_id: id(&service, "client_id").or(id(&client, "id")).unwrap_or(0),
            client_name: text("name"),
            email: text("email"),
            language: text("language"),
            ..Sold::nobody()
        };
        *sold = said.or(sold);
    }

    /// The client's e-mail address; empty where it was not said, or is odd.
    pub fn email(&self) -> String {
        self.part("client").and_then(|part| part.text("email")).unwrap_or_default()
    }

    /// WHMCS's name of the client's language; empty where it was not said.
    pub fn language(&self) -> Result<String, Problem> {
        self.part("client")?.text("language")
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

    /// WHMCS's name of the service's billing cycle; empty where it was not said.
    pub fn billing_cycle(&self) -> Result<String, Problem> {
        self.part("service")?.text("billing_cycle")
    }

    /// The name of the plan that the service is on, and where it stands.
    pub fn plan_name(&self) -> Result<Option<(String, String)>, Problem> {
        let (settings, options) = (self.part("settings")?.settings()?, self.part("options")?.settings()?);
        Ok(plan_name(&settings, &options)?.map(|name| (name, self.setting_path("plan"))))
    }

    /// `settings` and `options`, parsed for the service's billing cycle, on that plan.
    pub fn settings(&self, gb: Gigabyte, plan: Option<(u64, &Plan)>) -> Result<Settings, Problem> {
        let settings = self.part("settings")?.settings()?;
        let options = self.part("options")?.settings()?;
        Settings::parse(&settings, &options, &self.billing_cycle()?, gb, plan)
    }

    /// The packet that `settings` and `options` sell, if they say any; nothing else of them is looked at.
    pub fn packet(&self, gb: Gigabyte) -> Result<Option<Option<Bytes>>, Problem> {
        let (settings, options) = (self.part("settings")?.settings()?, self.part("options")?.settings()?);
        packet_alone(&settings, &options, &self.billing_cycle()?, gb)
    }

    /// The product's field of that name, if it is given.
    pub fn setting(&self, name: &str) -> Result<Option<String>, Problem> {
        Ok(Some(self.part("settings")?.text(name)?.trim().to_owned()).filter(|it| !it.is_empty()))
    }

    /// Where the winning value of a setting stands: a configurable option that is not blank wins.
    pub fn setting_path(&self, name: &str) -> String {
        let option = self.part("options").ok().and_then(|part| part.get(name));
        let given = option.and_then(Value::as_str).is_some_and(|it| !it.trim().is_empty());
        format!("{}.{name}", if given { "options" } else { "settings" })
    }

    /// What a person wrote in the `hook` part, on one line and no longer than can be kept: a remark never refuses the
    /// work that it is about.
    pub fn hook_remark(&self, name: &str) -> Result<String, Problem> {
        let text = self.part("hook")?.long_text(name)?;
        let plain = text.chars().map(|it| if it.is_control() { ' ' } else { it });
        Ok(plain.take(Self::LONGEST).collect::<String>().trim().to_owned())
    }

    /// A text of the `hook` part; empty where it is absent.
    pub fn hook_text(&self, name: &str) -> Result<String, Problem> {
        self.part("hook")?.text(name)
    }

    /// A value of the `hook` part.
    pub fn hook_value(&self, name: &str) -> Result<Option<&Value>, Problem> {
        Ok(self.part("hook")?.get(name))
    }

    /// A list of the `hook` part; empty where it is absent.
    pub fn hook_list(&self, name: &str) -> Result<&[Value], Problem> {
        match self.hook_value(name)? {
            None => Ok(&[]),
            Some(Value::Object(map)) if map.is_empty() => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(Problem::malformed(format!("hook.{name}"), "must be a list")),
        }
    }
}

impl<'a> Part<'a> {
    fn required(self) -> Result<Self, Problem> {
        if self.map.is_none() {
            return Err(Problem::malformed(self.path, "is missing from the body"));
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
        self.bounded(name, Ask::LONGEST)
    }

    fn bounded(&self, name: &str, most: usize) -> Result<String, Problem> {
        let text = self.long_text(name)?;
        if text.chars().count() > most {
            return Err(Problem::field(self.at(name), format!("must have {most} characters at the most")));
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
            Some(Value::Object(map)) if map.is_empty() => Ok(Vec::new()),
            Some(Value::Array(list)) => list
                .iter()
                .map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong))
                .filter(|text| text.as_ref().map_or(true, |text| !text.trim().is_empty()))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// The settings among the members; whatever else is there is not ours to judge.
    fn settings(&self) -> Result<BTreeMap<String, String>, Problem> {
        let members = self.map.into_iter().flatten().filter(|(name, value)| is_setting(name) && !value.is_null());
        members
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name.clone(), text.clone())),
                _ => Err(Problem::malformed(self.at(name), "must be a string")),
            })
            .collect()
    }

    /// A whole number of any size.
    fn number(&self, name: &str) -> Result<Option<i128>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
        number.map(Some).ok_or_else(|| Problem::malformed(self.at(name), "must be a whole number"))
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
