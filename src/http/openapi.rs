//! `/openapi.json`: the protocol as an `OpenAPI` 3.1 document, made from the same tables that the front door goes by.
//!
//! Hooks, settings, pages, methods and problem codes come from the code that serves them, so that none can be missing here;
//! tests hold the answers against the schemas. The signature (RFC 9421) is beyond what `OpenAPI` can say: it is told in words.

mod schemas;

use super::{Door, answer, hooks, netflow, plans, rules};
use crate::{
    problem::Code,
    work::{self, SETTINGS, admin},
};
use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Where it is, on the bridge's port and on that of `/metrics`.
pub const PATH: &str = "/openapi.json";

/// Answers it, to anybody: it holds nothing that is not in the program.
pub async fn get() -> HttpResponse {
    // Made once: anybody may ask, as often as he likes.
    static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default());
    answer::bytes_of(200, "application/json", TEXT.clone(), None)
}

/// What a hook needs in its body, and what it answers with.
struct Shape {
    needs: &'static [&'static str],
    answer: Value,
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for name in hooks() {
        paths.insert(format!("/v1/hooks/{name}"), json!({"post": hook(name)}));
    }
    for place in places() {
        paths.insert(place.path.to_owned(), operations(&place));
    }
    for (_, name, _) in admin::Name::ALL {
        paths.insert(format!("/v1/admin/{name}"), json!({"post": page(name)}));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Turnpike",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The service beside WHMCS that sells, counts, throttles and blocks VPN accounts on MikroTik routers",
            "license": {"name": "AGPL-3.0-only", "identifier": "AGPL-3.0-only"},
            "description": "Every request carries an HTTP message signature (RFC 9421) in one fixed profile, with a digest of \
                            the body (RFC 9530); docs/protocol.md tells it with a worked example. Answers are signed too.",
        },
        "security": [{"signature": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"signature": {
                "type": "apiKey", "in": "header", "name": "Signature",
                "description": "With Signature-Input and Content-Digest: hmac-sha256 over \"@method\", \"@path\", \"@query\" \
                                and \"content-digest\", label and tag \"turnpike\".",
            }},
            "schemas": schemas::all(&SETTINGS, &work::plans::fields(), &Code::ALL),
            "responses": {"problem": {
                "description": "RFC 9457 problem details",
                "content": {"application/problem+json": {"schema": schemas::named("problem")}},
            }},
        },
    })
}

fn responses(status: &str, description: &str, answer: Option<Value>) -> Value {
    let mut success = json!({"description": description});
    if let Some(schema) = answer {
        success["content"] = json!({"application/json": {"schema": schema}});
    }
    let problem = json!({"$ref": "#/components/responses/problem"});
    let mut all = Map::from_iter([(status.to_owned(), success)]);
    all.extend(Code::ALL.iter().map(|code| (code.status().to_string(), problem.clone())));
    Value::Object(all)
}

fn request(schema: &Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn hook(name: &str) -> Value {
    let Shape { needs, answer } = shape(name);
    let mut body = json!({"allOf": [schemas::named("body")], "required": needs});
    // What sells needs to know what for.
    if ["create", "change-package"].contains(&name) {
        body["properties"] = json!({"service": {"required": ["billing_cycle"]}});
    }
    json!({
        "operationId": name,
        "tags": ["hooks"],
        "requestBody": request(&body),
        "responses": responses("200", "Done", Some(answer)),
    })
}

fn shape(name: &str) -> Shape {
    let (needs, answer): (&[&str], Value) = match name {
        "test-connection" => (&["server"], schemas::named("router")),
        "options" => (&[], schemas::named("options")),
        "create" => (&["server", "service", "client"], schemas::named("created")),
        "disconnect" => (&["service"], schemas::sessions()),
        "usage-update" => (&["server"], schemas::named("collection")),
        "cron" => (&[], schemas::named("cron")),
        "client-area" => (&["service"], schemas::named("page")),
        "admin-tab" => (&["service"], schemas::named("tab")),
        "metrics" => (&["server"], schemas::named("metrics")),
        "list-accounts" => (&["server"], schemas::named("accounts")),
        "renew" | "add-traffic" | "fup-reset" | "suspend" | "unsuspend" | "admin-block" | "admin-unblock"
        | "change-package" => (&["service"], schemas::booked_answer()),
        _ => (&["service"], schemas::account_answer()),
    };
    Shape { needs, answer }
}

fn page(name: &str) -> Value {
    json!({
        "operationId": format!("admin-{name}"),
        "tags": ["pages"],
        "requestBody": request(&schemas::named("page_request")),
        "responses": responses("200", "The page", Some(schemas::named("page_drawn"))),
    })
}

/// A path beside the hooks: where it leads, what it is called, and the schemas of its answer and of what may be sent.
struct Place {
    path: &'static str,
    name: &'static str,
    door: Door,
    answer: &'static str,
    body: Option<&'static str>,
}

fn places() -> Vec<Place> {
    let at = |path, name, door, answer, body| Place { path, name, door, answer, body };
    let (netflow, plans) = (Door::Netflow, Door::Plans);
    let all = plans::Path::Plans(work::plans::Sort::Order, false);
    vec![
        at("/v1/netflow", "netflow", netflow(netflow::Path::Records), "netflow_records", None),
        at(
            "/v1/netflow/{id}",
            "netflow-record",
            netflow(netflow::Path::Record(1)),
            "netflow_record",
            Some("netflow_put"),
        ),
        at("/v1/netflow/{id}/client", "netflow-client", netflow(netflow::Path::Client(1)), "netflow_client", None),
        at(
            "/v1/netflow/{id}/merge-fields",
            "merge-fields",
            netflow(netflow::Path::MergeFields(1)),
            "merge_fields",
            None,
        ),
        at("/v1/plans", "plans", plans(all), "plans", Some("plan_put")),
        at("/v1/plans/{id}", "plan", plans(plans::Path::Plan(1)), "plan", Some("plan_put")),
        at(
            "/v1/plans/{id}/duplicate",
            "plan-duplicate",
            plans(plans::Path::Duplicate(1)),
            "plan",
            Some("plan_duplicate"),
        ),
        at(
            "/v1/plans/{id}/simulate",
            "plan-simulate",
            plans(plans::Path::Simulate(1)),
            "simulated",
            Some("plan_simulate"),
        ),
        at("/v1/bandwidth-rules", "rules", Door::Rules(rules::Path::Rules), "rules", Some("rule_put")),
        at("/v1/bandwidth-rules/{id}", "rule", Door::Rules(rules::Path::Rule(1)), "rule", Some("rule_put")),
    ]
}

/// The operations of a path: the methods are those that the door takes there.
fn operations(place: &Place) -> Value {
    let methods = place.door.methods().iter().map(|it| it.as_str().to_ascii_lowercase());
    let mut all: Map<String, Value> = methods.map(|method| (method.clone(), operation(place, &method))).collect();
    if place.path.contains('{') {
        let id = json!([{"name": "id", "in": "path", "required": true,
                         "schema": {"type": "integer", "minimum": 1, "maximum": i64::MAX}}]);
        all.insert("parameters".to_owned(), id);
    }
    Value::Object(all)
}

fn operation(place: &Place, method: &str) -> Value {
    let tag = place.path.split('/').nth(2).unwrap_or_default();
    let mut it = json!({"operationId": format!("{}-{method}", place.name), "tags": [tag]});
    // A list takes what makes one of its members, and answers that.
    let one = |list: &str| list.strip_suffix('s').map_or_else(|| list.to_owned(), str::to_owned);
    it["responses"] = match method {
        "delete" => responses("204", "Removed", None),
        "post" if place.answer == "simulated" => responses("200", "Done", Some(schemas::named(place.answer))),
        "post" => responses("201", "Made", Some(schemas::named(&one(place.answer)))),
        _ => responses("200", "Done", Some(schemas::named(place.answer))),
    };
    if let Some(body) = place.body.filter(|_| method == "put" || method == "post") {
        it["requestBody"] = request(&schemas::named(body));
    }
    it
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|it| references(it, found));
            }
            Value::Array(list) => list.iter().for_each(|it| references(it, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for it in &found {
            assert!(document.pointer(it.trim_start_matches('#')).is_some(), "{it} leads nowhere");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            let reference = format!("#/components/schemas/{name}");
            assert!(found.contains(&reference), "{name} is used nowhere");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|it| it.as_object().unwrap().values());
        let mut names: Vec<&str> = operations.filter_map(|it| it["operationId"].as_str()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), paths.len()), (count, hooks().count() + places().len() + admin::Name::ALL.len()));
    }
}
