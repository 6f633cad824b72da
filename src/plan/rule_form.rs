//! A bandwidth rule as programs and forms write it: flat, as a plan's fields are (see [`super::form`]).
//!
//! `days` is a list, or a text with commas, of `mon` … `sun`; none is every day. `time_from` and `time_to` go together;
//! neither is the whole day. `plans` is a list, or a text with commas, of plans' numbers; none is every plan.

use super::{
    form::{Form, Invalid, LONGEST_NAME},
    rules::{Days, Factor, MOST_PERCENT, Rule},
    window::DayWindow,
};
use crate::units::Gigabyte;
use serde_json::{Map, Value, json};

/// The days' names, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The most plans that one rule names.
const MOST_PLANS: usize = 500;

/// Reads a rule that is to have that number.
///
/// # Errors
/// The first field that cannot be.
pub fn parse(id: u64, fields: &Map<String, Value>) -> Result<Rule, Invalid> {
    // Nothing of a rule is traffic; what a GB is does not matter.
    let form = Form { fields, gb: Gigabyte::Binary };
    let percent = |name| {
        let whole = form.whole(name, 1..=MOST_PERCENT.into())?;
        let whole = whole.ok_or_else(|| Invalid::new(name, "is missing; 100 leaves the speed as it is"))?;
        Ok(u16::try_from(whole).unwrap_or(MOST_PERCENT))
    };
    Ok(Rule {
        id,
        name: form.required("name", LONGEST_NAME)?,
        enabled: form.raw("enabled")?.is_none() || form.switch("enabled")?,
        days: days(fields)?,
        window: window(&form)?,
        plans: plans(fields)?,
        factor: Factor { download_percent: percent("download_percent")?, upload_percent: percent("upload_percent")? },
        priority: form.whole_signed("priority")?,
    })
}

/// The fields of a rule; what [`parse`] reads, with its number.
pub fn fields(rule: &Rule) -> Map<String, Value> {
    let days: Vec<&str> = DAYS.iter().zip(rule.days.0).filter(|(_, on)| *on).map(|(day, _)| *day).collect();
    let all = json!({
        "id": rule.id,
        "name": rule.name,
        "enabled": rule.enabled,
        "days": days,
        "time_from": rule.window.map(|it| it.from.to_string()),
        "time_to": rule.window.map(|it| it.to.to_string()),
        "plans": rule.plans,
        "download_percent": rule.factor.download_percent,
        "upload_percent": rule.factor.upload_percent,
        "priority": rule.priority,
    });
    match all {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A list's members as texts; a text's parts between commas.
fn members(fields: &Map<String, Value>, name: &str, most: usize) -> Result<Vec<String>, Invalid> {
    let wrong = || Invalid::new(name, format!("must be a list of {most} at the most, or a text with commas"));
    let parts = match fields.get(name) {
        None | Some(Value::Null) => vec![],
        Some(Value::String(text)) => text.split(',').map(|it| it.trim().to_lowercase()).collect(),
        Some(Value::Array(list)) => {
            let text = |it: &Value| match it {
                Value::String(text) => Some(text.trim().to_lowercase()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            list.iter().map(text).collect::<Option<_>>().ok_or_else(wrong)?
        }
        Some(_) => return Err(wrong()),
    };
    let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    if parts.len() > most { Err(wrong()) } else { Ok(parts) }
}

fn days(fields: &Map<String, Value>) -> Result<Days, Invalid> {
    let mut days = [false; 7];
    let named = members(fields, "days", 50)?;
    if named.is_empty() {
        return Ok(Days::ALL);
    }
    for name in named {
        let at = DAYS.iter().position(|day| *day == name);
        match at.and_then(|at| days.get_mut(at)) {
            Some(day) => *day = true,
            None => return Err(Invalid::new("days", "must be of mon, tue, wed, thu, fri, sat and sun")),
        }
    }
    Ok(Days(days))
}

fn window(form: &Form<'_>) -> Result<Option<DayWindow>, Invalid> {
    match (form.clock("time_from")?, form.clock("time_to")?) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) if from == to => Err(Invalid::new(
            "time_to",
            "is the same as From: such a window is empty; leave both blank for the whole day",
        )),
        (Some(from), Some(to)) => Ok(Some(DayWindow { from, to })),
        (Some(_), None) => Err(Invalid::new("time_to", "is missing; leave both blank for the whole day")),
        (None, Some(_)) => Err(Invalid::new("time_from", "is missing; leave both blank for the whole day")),
    }
}

fn plans(fields: &Map<String, Value>) -> Result<Vec<u64>, Invalid> {
    let wrong = || Invalid::new("plans", "must be plans' numbers");
    let number = |text: String| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|it: &u64| digits && *it > 0 && i64::try_from(*it).is_ok()).ok_or_else(wrong)
    };
    let mut plans: Vec<u64> =
        members(fields, "plans", MOST_PLANS)?.into_iter().map(number).collect::<Result<_, _>>()?;
    plans.sort_unstable();
    plans.dedup();
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::window::Clock;

    fn with(more: &Value) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.extend(
            json!({"name": "Night", "download_percent": 200, "upload_percent": "150"}).as_object().cloned().unwrap(),
        );
        fields.extend(more.as_object().cloned().unwrap());
        fields
    }

    #[test]
    fn the_least_rule_holds_always_for_everybody() {
        let rule = parse(3, &with(&json!({}))).unwrap();
        let factor = Factor { download_percent: 200, upload_percent: 150 };
        let name = "Night".to_owned();
        let expected =
            Rule { id: 3, name, enabled: true, days: Days::ALL, window: None, plans: vec![], factor, priority: 0 };
        assert_eq!(rule, expected);
    }

    #[test]
    fn every_field_is_read_and_written_back() {
        let given = with(&json!({"enabled": false, "days": ["sun", "Fri"], "time_from": "22:00", "time_to": "6:00",
            "plans": [9, "4", 9], "priority": -7}));
        let rule = parse(5, &given).unwrap();
        assert_eq!(rule.days, Days([false, false, false, false, true, false, true]));
        assert_eq!(rule.window.unwrap().to, Clock::parse("06:00").unwrap());
        assert_eq!((rule.enabled, rule.priority, rule.plans.as_slice()), (false, -7, [4, 9].as_slice()));
        assert_eq!(parse(5, &fields(&rule)), Ok(rule.clone()), "what is answered may be sent back");
        let typed = with(&json!({"enabled": "off", "days": "fri, sun,", "time_from": "22:00", "time_to": "06:00",
            "plans": "4,9", "priority": "-7"}));
        assert_eq!(parse(5, &typed), Ok(rule), "a form says the same");
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (more, field) in [
            (json!({"name": ""}), "name"),
            (json!({"name": "x".repeat(101)}), "name"),
            (json!({"enabled": "maybe"}), "enabled"),
            (json!({"days": "monday"}), "days"),
            (json!({"days": {"mon": true}}), "days"),
            (json!({"days": [null]}), "days"),
            (json!({"time_from": "24:00", "time_to": "06:00"}), "time_from"),
            (json!({"time_from": "22:00"}), "time_to"),
            (json!({"time_to": "06:00"}), "time_from"),
            (json!({"time_from": "6:00", "time_to": "06:00"}), "time_to"),
            (json!({"plans": ["gold"]}), "plans"),
            (json!({"plans": [0]}), "plans"),
            (json!({"plans": "-1"}), "plans"),
            (json!({"plans": vec![1; 501]}), "plans"),
            (json!({"download_percent": 0}), "download_percent"),
            (json!({"download_percent": null}), "download_percent"),
            (json!({"upload_percent": 1001}), "upload_percent"),
            (json!({"upload_percent": "50%"}), "upload_percent"),
            (json!({"priority": 1.5}), "priority"),
        ] {
            let refused = parse(1, &with(&more)).expect_err(&format!("{more} was taken"));
            assert_eq!(refused.field, field, "{more}: {}", refused.why);
        }
    }
}
