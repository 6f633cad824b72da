//! The form of a NetFlow access record: what is in its fields, and the record that they ask for.

use super::{Request, WhmcsService};
use crate::{
    account::{Account, roll},
    app::App,
    problem::Problem,
    work::netflow,
};
use serde_json::{Value, json};

/// What is in the fields. There is no place for a password: it is never sent back.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "boxes to be ticked, and two facts of what is stored")]
pub(super) struct Form {
    /// The service as it was named: a number, or a user name of ours.
    pub(super) service: String,
    old: bool,
    enabled: bool,
    client: String,
    url: String,
    username: String,
    has_password: bool,
    clear_password: bool,
    group: String,
    ip_address: String,
    notes: String,
    /// The field at fault, and why.
    fault: Option<(String, String)>,
}

impl Form {
    /// A record's, to be changed.
    pub(super) fn of(record: &Value) -> Self {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| record[name].as_u64().map(|it| it.to_string()).unwrap_or_default();
        Self {
            service: number("service_id"),
            old: true,
            enabled: record["enabled"] == true,
            client: number("client_id"),
            // The default stays the default, whatever it will be.
            url: if record["url_is_default"] == true { String::new() } else { text("url") },
            username: text("username"),
            has_password: record["has_password"] == true,
            group: text("group"),
            ip_address: text("ip_address"),
            notes: text("notes"),
            ..Self::default()
        }
    }

    /// An empty one, for that service.
    pub(super) fn for_new(service: &str) -> Self {
        Self { service: service.to_owned(), enabled: true, ..Self::default() }
    }

    /// As it was sent.
    pub(super) fn typed(request: &Request) -> Self {
        let text = |name: &str| request.form.get(name).to_owned();
        Self {
            service: text("service").trim().to_owned(),
            old: request.form.get("old") == "1",
            enabled: request.form.has("enabled"),
            client: text("client_id").trim().to_owned(),
            url: text("url"),
            username: text("username"),
            has_password: request.form.get("has_password") == "1",
            clear_password: request.form.has("clear_password"),
            group: text("group"),
            ip_address: text("ip_address"),
            notes: text("notes"),
            fault: None,
        }
    }

    /// The same, with what is wrong beside its field.
    pub(super) fn with_fault(mut self, field: &str, problem: &Problem) -> Self {
        let why = problem.detail.strip_prefix(field).unwrap_or(&problem.detail).trim_start();
        self.fault = Some((field.to_owned(), why.to_owned()));
        self
    }

    /// Whether it changes a record that is there.
    pub(super) fn is_old(&self) -> bool {
        self.old
    }

    /// The service, where it is named by its number.
    pub(super) fn service_id(&self) -> Option<u64> {
        self.service.parse().ok().filter(|id: &u64| *id > 0 && i64::try_from(*id).is_ok())
    }

    /// For the template.
    pub(super) fn view(&self) -> Value {
        json!({
            "service": self.service, "old": self.old, "enabled": self.enabled, "client": self.client, "url": self.url,
            "username": self.username, "has_password": self.has_password, "clear_password": self.clear_password,
            "group": self.group, "ip_address": self.ip_address, "notes": self.notes,
            "fault": self.fault.as_ref().map(|(field, why)| json!({"field": field, "why": why})),
        })
    }

    /// The record as `PUT /v1/netflow/{service_id}` takes it.
    fn body(&self, client_id: Option<u64>, password: &str) -> Result<Vec<u8>, Problem> {
        let body = json!({
            "enabled": self.enabled, "client_id": client_id, "url": self.url, "username": self.username,
            "password": password, "clear_password": self.clear_password, "group": self.group,
            "ip_address": self.ip_address, "notes": self.notes,
        });
        serde_json::to_vec(&body).map_err(Problem::internal)
    }
}

/// Makes or changes the record; its service.
pub(super) async fn save(app: &App, request: &Request, form: &Form) -> Result<u64, Problem> {
    let id = service(app, form).await?;
    let told = request.service.as_ref().filter(|it| it.id == id);
    if !form.old && told.is_some_and(|it| !it.found) {
        return Err(Problem::field(
            "service_id",
            format!("must be a service of WHMCS, which has none with the number {id}"),
        ));
    }
    let client = client(app, form, id, told).await?;
    let body = form.body(client, request.form.get("password"))?;
    if form.old {
        netflow::put(app, id, &body).await?
    } else {
        netflow::add(app, id, &body).await?
    };
    Ok(id)
}

/// The service: by its number, or by the user name of one of ours.
async fn service(app: &App, form: &Form) -> Result<u64, Problem> {
    if let Some(id) = form.service_id() {
        return Ok(id);
    }
    if form.service.is_empty() {
        return Err(Problem::field("service_id", "is needed: a service's number, or the user name of a VPN account"));
    }
    let named = roll::named(&mut app.db.read().await?, &form.service).await?;
    match named.as_slice() {
        [only] => Ok(*only),
        [_, _, ..] => Err(Problem::field("service_id", "must be a number here: several accounts have this name")),
        [] => Err(Problem::field(
            "service_id",
            "must be a service's number, or the user name of a VPN account known here",
        )),
    }
}

/// The client: as typed, else the service's.
async fn client(app: &App, form: &Form, id: u64, told: Option<&WhmcsService>) -> Result<Option<u64>, Problem> {
    if !form.client.is_empty() {
        let number = form.client.parse().ok().filter(|it: &u64| i64::try_from(*it).is_ok());
        return number.map(Some).ok_or_else(|| Problem::field("client_id", "must be a client's number, or empty"));
    }
    let account = Account::find(&mut app.db.read().await?, id).await?;
    let known = account.map(|it| it.sold.client_id).filter(|id| *id > 0);
    Ok(known.or_else(|| told.map(|it| it.client_id).filter(|id| *id > 0)))
}
