//! NetFlow access: the records that staff keep, and what of them a customer's page and welcome mail show.
//!
//! A record is replaced whole; only its password stays where none is sent, for nobody gets it to send it back. The same
//! request again changes nothing, not even the instant of the last change. The password leaves here in two answers
//! alone: the mail's fields, and the page's where `netflow.show_password` is on. Notes leave in neither.

use super::instant;
use crate::{
    app::App,
    netflow::{Hidden, Record},
    problem::{Code, Problem},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

/// The longest text but for the notes and the URL, in characters.
const LONGEST: usize = 255;
/// The longest notes, in characters.
const LONGEST_NOTES: usize = 4000;

/// All records, by service id.
pub async fn list(app: &App) -> Result<Value, Problem> {
    let records = Record::all(&mut app.db.read().await?).await?;
    Ok(json!({"records": records.iter().map(|record| view(app, record)).collect::<Vec<_>>()}))
}

/// One record.
///
/// # Errors
/// `no-such-record`.
pub async fn get(app: &App, service_id: u64) -> Result<Value, Problem> {
    let record = Record::find(&mut app.db.read().await?, service_id).await?;
    record.map(|record| view(app, &record)).ok_or_else(|| no_such_record(service_id))
}

/// Replaces the record whole, or makes it; answers it.
///
/// # Errors
/// `malformed` or `setting-invalid`, naming the field.
pub async fn put(app: &App, service_id: u64, body: &[u8]) -> Result<Value, Problem> {
    write(app, service_id, body, false).await
}

/// Makes the record, and replaces none; one that says the same already is as good as made.
///
/// # Errors
/// Those of [`put`], and `setting-invalid` naming `service_id` where there is another record.
pub async fn add(app: &App, service_id: u64, body: &[u8]) -> Result<Value, Problem> {
    write(app, service_id, body, true).await
}

async fn write(app: &App, service_id: u64, body: &[u8], only_new: bool) -> Result<Value, Problem> {
    let Wanted { record, password } = Wanted::read(app, service_id, body)?;
    let record = crate::in_tx!(app.db, tx => {
        let stored = Record::find_locked(&mut tx, service_id).await?;
        let record = settled(app, record.clone(), &password, stored.as_ref());
        if only_new && stored.as_ref().is_some_and(|stored| !stored.says_the_same(&record)) {
            let why = format!("is service {service_id}, which has a record already; a service has one, so change that one");
            return Err(Problem::field("service_id", why));
        }
        if stored.as_ref().is_none_or(|stored| !stored.says_the_same(&record)) {
            record.save(&mut tx).await?;
        }
        let saved = Record::find(&mut tx, service_id).await?;
        saved.ok_or_else(|| Problem::internal("a NetFlow record just written is not there"))
    })?;
    Ok(view(app, &record))
}

/// Removes the record.
///
/// # Errors
/// `no-such-record`.
pub async fn delete(app: &App, service_id: u64) -> Result<(), Problem> {
    let there = crate::in_tx!(app.db, tx => Record::remove(&mut tx, service_id).await.map_err(Problem::from))?;
    if there { Ok(()) } else { Err(no_such_record(service_id)) }
}

/// The fields that WHMCS's mail templates may name. Texts that are not set are empty, as templates print them.
pub async fn merge_fields(app: &App, service_id: u64) -> Result<Value, Problem> {
    let record = match shown(app, service_id).await? {
        Ok(record) => record,
        Err(_hidden) => return Ok(json!({"netflow_enabled": false})),
    };
    let password = record.password(&app.seal)?;
    Ok(json!({
        "netflow_enabled": true,
        "netflow_url": url(app, &record),
        "netflow_username": record.username,
        "netflow_password": password.as_ref().map_or("", |it| it.expose_secret()),
        "netflow_group": record.group,
        "netflow_ip_address": record.ip_address.map(|it| it.to_string()).unwrap_or_default(),
    }))
}

/// What the customer's page shows; where that is nothing, why, for staff.
pub async fn client(app: &App, service_id: u64) -> Result<Value, Problem> {
    match shown(app, service_id).await? {
        Ok(record) => to_client(app, &record),
        Err(hidden) => Ok(json!({"visible": false, "why": hidden.why()})),
    }
}

fn to_client(app: &App, record: &Record) -> Result<Value, Problem> {
    let show = &app.config.netflow;
    let password = if show.show_password { record.password(&app.seal)? } else { None };
    let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Ok(json!({
        "visible": true,
        "url": url(app, record),
        "username": set(&record.username).filter(|_| show.show_username),
        "group": set(&record.group),
        "ip_address": record.ip_address.map(|it| it.to_string()),
        "password": password.as_ref().map(ExposeSecret::expose_secret),
    }))
}

/// [`client`]'s answer where the customer sees something: for the page of a service of ours, which has read the record.
pub(super) fn on_page(app: &App, record: Option<&Record>) -> Result<Option<Value>, Problem> {
    record.filter(|record| record.hidden().is_none()).map(|record| to_client(app, record)).transpose()
}

async fn shown(app: &App, service_id: u64) -> Result<Result<Record, Hidden>, Problem> {
    let record = Record::find(&mut app.db.read().await?, service_id).await?;
    Ok(record.ok_or(Hidden::NoRecord).and_then(|record| record.hidden().map_or(Ok(record), Err)))
}

/// A record as staff see it.
fn view(app: &App, record: &Record) -> Value {
    let hidden = record.hidden();
    json!({
        "service_id": record.service_id,
        "enabled": record.enabled,
        "client_id": record.client_id,
        "url": url(app, record),
        "url_is_default": record.url.is_none(),
        "username": record.username,
        "has_password": record.has_password(),
        "group": record.group,
        "ip_address": record.ip_address.map(|it| it.to_string()).unwrap_or_default(),
        "notes": record.notes,
        "updated_at": instant(record.updated_at),
        "visible": hidden.is_none(),
        "why": hidden.map(Hidden::why),
    })
}

fn url<'a>(app: &'a App, record: &'a Record) -> &'a str {
    record.url.as_ref().map_or(&app.config.netflow.default_url, |url| url.as_str())
}

fn no_such_record(service_id: u64) -> Problem {
    let detail = format!("Service {service_id} has no NetFlow record; add one in the NetFlow Manager.");
    Problem::new(Code::NoSuchRecord, detail)
}

/// What is to become of the stored password.
#[derive(Debug)]
enum Password {
    Keep,
    Clear,
    New(SecretString),
}

/// What a body asks for.
struct Wanted {
    record: Record,
    password: Password,
}

/// The record with its password: what is the same already stays as it is.
fn settled(app: &App, mut record: Record, password: &Password, stored: Option<&Record>) -> Record {
    match (password, stored) {
        (Password::Keep, Some(stored)) => record.keep_password(stored),
        (Password::New(new), Some(stored)) if is_password(app, stored, new) => record.keep_password(stored),
        (Password::New(new), _) => record.set_password(&app.seal, Some(new)),
        (Password::Keep, None) | (Password::Clear, _) => record.set_password(&app.seal, None),
    }
    record
}

/// A stored password that cannot be opened is none of these: entering it anew mends it.
fn is_password(app: &App, stored: &Record, new: &SecretString) -> bool {
    let old = stored.password(&app.seal).ok().flatten();
    old.is_some_and(|old| old.expose_secret() == new.expose_secret())
}

impl Wanted {
    fn read(app: &App, service_id: u64, body: &[u8]) -> Result<Self, Problem> {
        let fields = Fields::parse(body)?;
        let invalid = |name: &'static str| move |why: String| Problem::field(name, why);
        let mut record = Record::new(service_id, app.clock.now());
        record.enabled = fields.switch("enabled")?.unwrap_or(true);
        record.client_id = fields.client_id()?;
        let url = fields.text("url", usize::MAX)?.trim();
        record.url = (!url.is_empty()).then(|| url.parse()).transpose().map_err(invalid("url"))?;
        record.username = fields.name("username")?;
        record.group = fields.name("group")?;
        let address = fields.text("ip_address", LONGEST)?.trim();
        record.ip_address =
            (!address.is_empty()).then(|| address.parse()).transpose().map_err(invalid("ip_address"))?;
        record.notes = fields.notes()?;
        Ok(Self { record, password: fields.password()? })
    }
}

/// A body's members. What is null counts as absent.
struct Fields(Map<String, Value>);

impl Fields {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            // PHP's empty array.
            Ok(Value::Array(list)) if list.is_empty() => Ok(Self(Map::new())),
            Ok(_) => Err(Problem::malformed("body", "must be a JSON object")),
            Err(error) => Err(Problem::malformed("body", format!("is not JSON: {error}"))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn switch(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        let wrong = || Problem::malformed(name, "must be true or false");
        self.get(name).map(|value| value.as_bool().ok_or_else(wrong)).transpose()
    }

    /// WHMCS's ids begin at 1; 0 is none.
    fn client_id(&self) -> Result<Option<u64>, Problem> {
        let wrong = || Problem::malformed("client_id", "must be a whole number, zero or more");
        let number = |value: &Value| value.as_u64().filter(|it| i64::try_from(*it).is_ok());
        let id = self.get("client_id").map(|value| number(value).ok_or_else(wrong)).transpose()?;
        Ok(id.filter(|id| *id != 0))
    }

    /// A text in one line; empty where it is absent.
    fn text(&self, name: &'static str, longest: usize) -> Result<&str, Problem> {
        let text = self.string(name)?;
        check(name, text, longest, char::is_control)?;
        Ok(text)
    }

    /// A name as typed or pasted: blanks at its ends are not part of it.
    fn name(&self, name: &'static str) -> Result<String, Problem> {
        Ok(self.text(name, LONGEST)?.trim().to_owned())
    }

    /// Lines of text. A browser's form sends CR and LF for a line's end.
    fn notes(&self) -> Result<String, Problem> {
        let text = self.string("notes")?.replace("\r\n", "\n");
        check("notes", &text, LONGEST_NOTES, |c| c.is_control() && c != '\n')?;
        Ok(text)
    }

    fn password(&self) -> Result<Password, Problem> {
        let new = self.text("password", LONGEST)?;
        match (new.is_empty(), self.switch("clear_password")?.unwrap_or(false)) {
            (true, false) => Ok(Password::Keep),
            (true, true) => Ok(Password::Clear),
            (false, false) => Ok(Password::New(new.into())),
            (false, true) => {
                let why =
                    "cannot go with a new password: send the one to replace the stored one, or the other to remove it";
                Err(Problem::field("clear_password", why))
            }
        }
    }

    fn string(&self, name: &'static str) -> Result<&str, Problem> {
        let wrong = || Problem::malformed(name, "must be a string");
        self.get(name).map_or(Ok(""), |value| value.as_str().ok_or_else(wrong))
    }
}

fn check(name: &'static str, text: &str, longest: usize, refused: impl Fn(char) -> bool) -> Result<(), Problem> {
    if text.chars().count() > longest {
        return Err(Problem::field(name, format!("must have {longest} characters at the most")));
    }
    if text.contains(refused) {
        return Err(Problem::field(name, "must not hold control characters"));
    }
    Ok(())
}
