//! The shapes of bodies and answers. Answers may grow: members that are not named here may come.

use crate::problem::Code;
use serde_json::{Map, Value, json};

/// A reference to one of [`all`].
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object all of whose members are always there.
fn object(members: &Value) -> Value {
    let names: Vec<String> = members.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({"type": "object", "required": names, "properties": members})
}

/// An object whose members may be absent.
fn loose(members: &Value) -> Value {
    json!({"type": "object", "properties": members})
}

fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn truth() -> Value {
    json!({"type": "boolean"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn signed() -> Value {
    json!({"type": "integer"})
}

fn word(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn month() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"})
}

fn day() -> Value {
    json!({"type": "string", "format": "date"})
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// `{"account": …}`; null for a service that was never known.
pub fn account_answer() -> Value {
    object(&json!({"account": or_null(&named("account"))}))
}

/// The same for what is booked: what the router said where it refuses its part.
pub fn booked_answer() -> Value {
    let mut answer = account_answer();
    answer["properties"]["warning"] = json!({"type": "string"});
    answer
}

/// `{"sessions": n}`.
pub fn sessions() -> Value {
    object(&json!({"sessions": count()}))
}

/// All that are referred to, by name.
pub fn all(settings: &[&str], plan: &[String], codes: &[Code]) -> Value {
    let mut schemas = Map::new();
    for (name, schema) in requests(settings)
        .into_iter()
        .chain(answers())
        .chain(answers_of_hooks())
        .chain(netflow())
        .chain(plans(plan))
        .chain(pages())
    {
        schemas.insert(name.to_owned(), schema);
    }
    schemas.insert("problem".to_owned(), problem(codes));
    Value::Object(schemas)
}

fn problem(codes: &[Code]) -> Value {
    let codes: Vec<String> = codes.iter().map(|code| code.as_str()).collect();
    let mut schema = object(&json!({
        "type": {"type": "string", "pattern": "^urn:turnpike:problem:"},
        "title": text(), "status": count(), "detail": text(), "reference": text(),
        "code": {"type": "string", "enum": codes},
    }));
    schema["properties"]["customer_detail"] = text();
    schema["properties"]["field"] = text();
    schema["properties"]["skew_seconds"] = signed();
    schema["properties"]["certificate_sha256"] = text();
    schema
}

type Named = (&'static str, Value);

fn requests(settings: &[&str]) -> Vec<Named> {
    let text = |most: u32| json!({"type": "string", "maxLength": most});
    let values: Map<String, Value> = settings.iter().map(|name| ((*name).to_owned(), text(255))).collect();
    vec![
        (
            "body",
            loose(&json!({
                "whmcs": loose(&json!({"version": text(255), "bridge": text(255)})),
                "server": named("server"), "service": named("service"), "client": named("client"),
                "settings": named("settings"), "options": named("settings"),
                "hook": {"type": "object", "description": "The hook's own arguments, by docs/protocol.md"},
            })),
        ),
        ("settings", json!({"type": "object", "properties": values})),
        (
            "server",
            json!({
                "type": "object",
                "description": "A router: by its id alone it is the one that was told before; one that WHMCS has not saved yet \
                                has none.",
                "anyOf": [{"required": ["id"]}, {"required": ["address", "username"]}, {"required": ["hostname", "username"]}],
                "properties": {
                    "id": {"type": "integer", "minimum": 1, "maximum": i64::MAX}, "name": text(255), "hostname": text(255),
                    "address": text(255), "port": {"type": "integer", "minimum": 1, "maximum": 65535}, "tls": {"type": "boolean"},
                    "username": text(255), "password": text(4096), "certificate_sha256": text(128),
                    "addresses": list(&text(64)),
                },
            }),
        ),
        (
            "service",
            json!({
                "type": "object", "required": ["id"],
                "properties": {
                    "id": {"type": "integer", "minimum": 1, "maximum": i64::MAX}, "client_id": count(), "product_id": count(),
                    "status": text(255), "username": text(64), "password": text(255), "dedicated_address": text(15),
                    "billing_cycle": word(&["One Time", "Free Account", "Monthly", "Quarterly", "Semi-Annually", "Annually",
                                            "Biennially", "Triennially"]),
                    "next_due_date": day(),
                },
            }),
        ),
        ("client", loose(&json!({"id": count(), "name": text(255), "email": text(255), "language": text(64)}))),
    ]
}

fn answers() -> Vec<Named> {
    let causes = || list(&word(&["billing", "quota", "admin"]));
    let volume = || object(&json!({"download_bytes": count(), "upload_bytes": count()}));
    vec![
        (
            "account",
            object(&json!({
                "service_id": count(), "username": text(), "address": {"type": "string", "format": "ipv4"}, "enabled": truth(),
                "causes": causes(), "download_kbps": count(), "upload_kbps": count(), "metered": truth(),
                "balance_bytes": or_null(&signed()), "next_cycle_bytes": or_null(&count()), "bytes_per_gb": count(),
                "pending": count(),
            })),
        ),
        (
            "usage",
            object(&json!({
                "service_id": count(), "month": volume(), "bandwidth_used_mb": count(), "bandwidth_limit_mb": count(),
                "balance_bytes": or_null(&signed()), "enabled": truth(), "causes": causes(),
                "last_reading_at": or_null(&instant()),
            })),
        ),
    ]
}

fn answers_of_hooks() -> Vec<Named> {
    let skipped = || list(&object(&json!({"service_id": or_null(&count()), "reason": text()})));
    vec![
        (
            "router",
            object(&json!({
                "router": object(&json!({"identity": text(), "version": text(), "board": text(), "uptime_seconds": count()})),
                "warnings": list(&text()),
            })),
        ),
        (
            "options",
            object(&json!({
                "profiles": list(&text()), "plans": list(&text()), "warning": or_null(&text()), "version": text(),
            })),
        ),
        (
            "created",
            object(&json!({
                "service": object(&json!({"username": text(), "password": text(), "dedicated_address": text()})),
                "account": named("account"),
            })),
        ),
        (
            "collection",
            object(&json!({
                "server_id": count(), "collected_at": instant(), "collected": count(), "month": month(),
                "services": list(&named("usage")), "skipped": skipped(),
            })),
        ),
        (
            "cron",
            object(&json!({
                "month": month(), "services": list(&named("usage")), "skipped": list(&json!({"type": "object", "required": ["reason"]})),
                "mails": list(&object(&json!({"id": count(), "template": text(), "service_id": count(),
                                            "variables": {"type": "object"}}))),
            })),
        ),
        (
            "metrics",
            object(&json!({"month": month(), "accounts": list(&object(&json!({
                "username": text(), "download_bytes": count(), "upload_bytes": count(),
            })))})),
        ),
        (
            "accounts",
            object(&json!({"accounts": list(&object(&json!({
                "username": text(), "service_id": or_null(&count()), "address": text(), "enabled": truth(), "profile": text(),
                "comment": text(),
            })))})),
        ),
        ("tab", json!({"type": "object"})),
        ("page", page_of_the_client()),
    ]
}

fn page_of_the_client() -> Value {
    let moved = |what: &str, when: Value| {
        let mut members = json!({"download_bytes": count(), "upload_bytes": count()});
        members[what] = when;
        let mut row = object(&members);
        // only where a plan counts less
        row["properties"]["counted_download_bytes"] = count();
        row["properties"]["counted_upload_bytes"] = count();
        list(&row)
    };
    object(&json!({
        "state": word(&["active", "blocked", "inactive", "missing"]),
        "information": or_null(&object(&json!({
            "instruction_url": or_null(&text()), "server_address": or_null(&text()), "protocols": list(&word(&["PPtP", "L2TP"])),
            "l2tp_psk": or_null(&text()), "username": text(), "password": text(), "download_kbps": count(),
            "upload_kbps": count(),
        }))),
        "connection": or_null(&object(&json!({
            "status": word(&["online", "offline", "unknown"]), "as_of": or_null(&instant()), "address": or_null(&text()),
            "caller_id": or_null(&text()), "service": or_null(&text()), "uptime_seconds": or_null(&count()),
        }))),
        "traffic": or_null(&object(&json!({
            "metered": truth(), "balance_bytes": or_null(&signed()), "next_cycle_bytes": or_null(&count()),
            "next_cycle_date": or_null(&day()), "blocked_by": or_null(&word(&["quota", "billing", "admin"])),
        }))),
        "statistics": or_null(&object(&json!({
            "days": moved("date", day()), "months": moved("month", month()),
        }))),
        "charts": or_null(&object(&json!({"days_svg": text(), "months_svg": text()}))),
        "netflow": or_null(&named("netflow_client")),
        "plan": or_null(&plan_of_the_client()),
    }))
}

fn plan_of_the_client() -> Value {
    let speed = || object(&json!({"download_kbps": count(), "upload_kbps": count()}));
    let step = object(&json!({"threshold_bytes": count(), "download_kbps": count(), "upload_kbps": count()}));
    let counter = |more: &Value| {
        let mut members = json!({
            "used_bytes": count(), "download_bytes": count(), "upload_bytes": count(), "began_at": instant(),
            "next_threshold_bytes": or_null(&count()), "next_download_kbps": or_null(&count()), "quota_bytes": or_null(&count()),
            "tiers": list(&step),
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            members[name] = value.clone();
        }
        object(&members)
    };
    object(&json!({
        "name": text(), "full": speed(), "current": speed(), "rate": text(), "slowed": truth(),
        "level": object(&json!({"daily": count(), "monthly": count()})),
        "why": object(&json!({
            "code": word(&["full", "daily", "monthly", "quota"]), "level": or_null(&count()),
            "quota": or_null(&word(&["daily", "monthly", "time"])), "blocked": truth(),
        })),
        "today": counter(&json!({"resets_at": or_null(&instant())})),
        "cycle": counter(&json!({"resets_on": or_null(&day()), "bonus_bytes": count()})),
        "time": or_null(&object(&json!({"used_minutes": count(), "quota_minutes": count()}))),
        "free_hours": or_null(&object(&json!({
            "on_now": truth(), "from": text(), "to": text(), "download_ratio": count(), "upload_ratio": count(),
            "ends_at": or_null(&instant()), "begins_at": or_null(&instant()),
        }))),
        "rule": or_null(&object(&json!({"name": text(), "download_percent": count(), "upload_percent": count()}))),
        "cdn": or_null(&object(&json!({
            "daily_level": count(), "monthly_level": count(), "download_kbps": count(), "upload_kbps": count(),
            "used_today_bytes": count(), "used_cycle_bytes": count(),
        }))),
        "reset": object(&json!({"price": text(), "offered": truth()})),
        "time_zone": text(), "as_of": or_null(&instant()),
    }))
}

fn netflow() -> Vec<Named> {
    let maybe = |most: u32| json!({"type": ["string", "null"], "maxLength": most});
    vec![
        (
            "netflow_record",
            object(&json!({
                "service_id": count(), "enabled": truth(), "client_id": or_null(&count()), "url": or_null(&text()),
                "url_is_default": truth(), "username": text(), "has_password": truth(), "group": text(),
                "ip_address": or_null(&text()), "notes": text(), "updated_at": instant(), "visible": truth(),
                "why": or_null(&text()),
            })),
        ),
        ("netflow_records", object(&json!({"records": list(&named("netflow_record"))}))),
        (
            "netflow_client",
            json!({
                "type": "object", "required": ["visible"],
                "properties": {"visible": truth(), "why": text(), "url": or_null(&text()), "username": or_null(&text()),
                               "group": or_null(&text()), "ip_address": or_null(&text()), "password": or_null(&text())},
            }),
        ),
        (
            "merge_fields",
            json!({"type": "object", "required": ["netflow_enabled"], "properties": {"netflow_enabled": truth()}}),
        ),
        (
            "netflow_put",
            loose(&json!({
                "enabled": {"type": ["boolean", "null"]}, "client_id": {"type": ["integer", "null"], "minimum": 0}, "url": maybe(2048),
                "username": maybe(255), "password": maybe(255), "clear_password": {"type": ["boolean", "null"]}, "group": maybe(255),
                "ip_address": maybe(64), "notes": maybe(4000),
            })),
        ),
    ]
}

fn plans(fields: &[String]) -> Vec<Named> {
    let value = json!({"type": ["string", "number", "boolean", "null"]});
    let any: Map<String, Value> = fields.iter().map(|name| (name.clone(), value.clone())).collect();
    let amount = || json!({"type": ["integer", "string", "null"]});
    let rule = || {
        json!({
            "name": text(), "enabled": truth(), "days": list(&word(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"])),
            "time_from": or_null(&text()), "time_to": or_null(&text()), "plans": list(&count()), "download_percent": count(),
            "upload_percent": count(), "priority": signed(),
        })
    };
    let mut answered = rule();
    answered["id"] = count();
    let listed = json!({"allOf": [named("rule"), object(&json!({"in_force": truth()}))]});
    let named_plan = |required: &[&str]| json!({"type": "object", "required": required, "properties": any});
    let mut plan: Vec<&str> = fields.iter().map(String::as_str).collect();
    plan.extend(["id", "subscribers", "rate_string", "changed_at"]);
    vec![
        ("plan_put", named_plan(&["name", "price", "download_speed", "upload_speed"])),
        ("plan", json!({"type": "object", "required": plan})),
        ("plans", object(&json!({"plans": list(&named("plan")), "sort": text()}))),
        ("plan_duplicate", loose(&json!({"name": {"type": ["string", "null"], "maxLength": 100}}))),
        (
            "plan_simulate",
            loose(&json!({
                "at": {"type": ["string", "null"]}, "daily_bytes": amount(), "monthly_bytes": amount(), "bonus_bytes": amount(),
                "cdn_daily_bytes": amount(), "cdn_monthly_bytes": amount(), "online_minutes": amount(),
                "download_speed": amount(), "upload_speed": amount(),
            })),
        ),
        (
            "simulated",
            object(&json!({
                "level": count(), "daily_level": count(), "monthly_level": count(), "blocked": truth(), "why": text(),
                "because": text(), "rate_string": text(),
            })),
        ),
        ("rule_put", loose(&rule())),
        ("rule", object(&answered)),
        ("rules", object(&json!({"rules": list(&listed)}))),
    ]
}

fn pages() -> Vec<Named> {
    // PHP writes an empty array for what holds nothing.
    let texts = || {
        json!({"anyOf": [
            {"type": "object", "properties": {"subnets": {"type": "string", "maxLength": 262_144}},
             "additionalProperties": {"type": "string", "maxLength": 8_192}},
            {"type": "array", "maxItems": 0},
        ]})
    };
    let right = || json!({"type": ["boolean", "null"]});
    let rights = || loose(&json!({"view": right(), "create": right(), "edit": right(), "delete": right()}));
    let service = || {
        json!({"type": ["object", "null"], "required": ["id", "found"],
               "properties": {"id": count(), "found": truth(), "client_id": count(), "label": text()}})
    };
    let flash = || {
        json!({"type": ["object", "null"], "required": ["level", "text"],
                          "properties": {"level": word(&["success", "info", "warning", "danger"]), "text": text()}})
    };
    vec![
        (
            "page_request",
            json!({
                "type": "object", "required": ["admin", "link", "method"],
                "properties": {
                    "admin": loose(&json!({"name": text(), "can_edit": truth(), "language": text(), "plans": rights()})),
                    "link": text(), "token": texts(), "method": word(&["GET", "POST"]), "query": texts(), "form": texts(),
                    "flash": flash(), "service": service(), "tabs": list(&object(&json!({"name": text(), "text": text()}))),
                },
            }),
        ),
        (
            "page_drawn",
            object(&json!({
                "title": text(), "html": text(), "status": count(), "flash": flash(), "location": or_null(&text()),
            })),
        ),
    ]
}
