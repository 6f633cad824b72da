//! The paths of plans and bandwidth rules, and what is sent and answered there. The methods are those that the doors take.

use super::{Door, plans, request, responses, rules, schemas};
use crate::work::plans::Sort;
use serde_json::{Map, Value, json};

/// Each path with its operations.
pub(super) fn paths() -> Vec<(&'static str, Value)> {
    let all = [
        ("/v1/plans", "plans", Door::Plans(plans::Path::Plans(Sort::Order, false)), "plans"),
        ("/v1/plans/{id}", "plan", Door::Plans(plans::Path::Plan(1)), "plan"),
        ("/v1/plans/{id}/duplicate", "plan-duplicate", Door::Plans(plans::Path::Duplicate(1)), "plan"),
        ("/v1/plans/{id}/simulate", "plan-simulate", Door::Plans(plans::Path::Simulate(1)), "simulation"),
        ("/v1/bandwidth-rules", "bandwidth-rules", Door::Rules(rules::Path::Rules), "rules"),
        ("/v1/bandwidth-rules/{id}", "bandwidth-rule", Door::Rules(rules::Path::Rule(1)), "rule"),
    ];
    all.into_iter().map(|(path, name, door, answer)| (path, whole(path, name, &door, answer))).collect()
}

fn whole(path: &str, name: &str, door: &Door, answer: &str) -> Value {
    let methods = door.methods().iter().map(|it| it.as_str().to_ascii_lowercase());
    let mut operations: Map<String, Value> =
        methods.map(|method| (method.clone(), operation(name, &method, answer))).collect();
    if path.contains('{') {
        let id = json!({"name": "id", "in": "path", "required": true,
                        "schema": {"type": "integer", "minimum": 1, "maximum": i64::MAX}});
        operations.insert("parameters".to_owned(), json!([id]));
    }
    Value::Object(operations)
}

fn operation(name: &str, method: &str, answer: &str) -> Value {
    let mut it = json!({"operationId": format!("{name}-{method}"), "tags": ["plans"]});
    let made = match answer {
        "plans" => "plan",
        "rules" => "rule",
        other => other,
    };
    it["responses"] = match method {
        "delete" => responses("204", "Removed", None),
        "post" if answer != "simulation" => responses("201", "Made", Some(schemas::named(made))),
        _ => responses("200", "Done", Some(schemas::named(answer))),
    };
    if method == "post" || method == "put" {
        let body = if made == "rule" { "rule_fields" } else { "plan_fields" };
        it["requestBody"] = request(&match name {
            "plan-duplicate" | "plan-simulate" => json!({"type": "object"}),
            _ => schemas::named(body),
        });
    }
    if name == "plans" && method == "get" {
        let one = |name: &str, words: &[&str]| json!({"name": name, "in": "query", "schema": {"enum": words}});
        let sorts = ["name", "speed", "price", "subscribers", "order"];
        it["parameters"] = json!([one("sort", &sorts), one("direction", &["asc", "desc"])]);
    }
    it
}
