//! The form of a plan: its sections, what is in their fields, and the fields as `POST` and `PUT` take them.
//!
//! What is shown reads back exactly: speeds as `10M`, traffic as `80 GB`. What was typed stays as typed, right or wrong.

use super::Request;
use crate::{
    app::App,
    plan::{
        Plan,
        form::{self, bytes_text, speed_text},
    },
    problem::Problem,
    units::{Bytes, Kbps},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the content of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Lines,
    Switch,
    Speed,
    Amount,
    /// One of these, by value and text.
    Choice(&'static [(&'static str, &'static str)]),
    /// A drop-down whose entries are looked up.
    Looked,
}

/// A field: its name, what people call it, its kind, whether it is required, a note, an example.
struct Field(&'static str, &'static str, Kind, bool, &'static str, &'static str);

/// Tiers of one kind: what they are of, before and after it in their fields' names, how many.
struct Tiers(&'static str, &'static str, &'static str, usize);

struct Section {
    id: &'static str,
    title: &'static str,
    note: &'static str,
    fields: &'static [Field],
    tiers: &'static [Tiers],
}

const PLAIN: &[Tiers] = &[];

const SECTIONS: [Section; 11] = [
    Section {
        id: "tpBasics",
        title: "Basics",
        note: "",
        fields: &[
            Field("name", "Name", Kind::Text, true, "What products in WHMCS and lists call it; unique.", "Gold 10M"),
            Field(
                "commercial_name",
                "Commercial name",
                Kind::Text,
                false,
                "What customers are shown; blank: the name.",
                "",
            ),
            Field("description", "Description", Kind::Lines, false, "", ""),
            Field(
                "price",
                "Price",
                Kind::Text,
                true,
                "For a renewal. WHMCS bills; this is the default that staff see.",
                "9.90",
            ),
            Field("day_price", "Day price", Kind::Text, false, "For one day, where a part of a cycle is billed.", "0"),
            Field(
                "reset_price",
                "Reset price",
                Kind::Text,
                false,
                "For having the day’s counters begin again; 0: not for sale.",
                "0",
            ),
            Field("sort_order", "Sort order", Kind::Text, false, "In drop-downs, smaller first.", "0"),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpSpeed",
        title: "Speed",
        note: "2000, 2000k, 2M, 1.5M or 0.5M; 0 is unlimited.",
        fields: &[
            Field("download_speed", "Download speed", Kind::Speed, true, "", "10M"),
            Field("upload_speed", "Upload speed", Kind::Speed, true, "", "2M"),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpBurst",
        title: "Burst",
        note: "A short while above the speed, as RouterOS does it. Blank: none.",
        fields: &[
            Field("burst_download", "Burst download", Kind::Speed, false, "", "20M"),
            Field("burst_upload", "Burst upload", Kind::Speed, false, "", "4M"),
            Field(
                "burst_threshold",
                "Burst threshold, %",
                Kind::Text,
                false,
                "Of the speed: an average above it ends the burst.",
                "75",
            ),
            Field("burst_time", "Burst time, s", Kind::Text, false, "The average is taken over this.", "10"),
            Field(
                "soft_fup_enabled",
                "Soft FUP",
                Kind::Switch,
                false,
                "Customers who are throttled keep the burst.",
                "",
            ),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpQuota",
        title: "Quota",
        note: "500 MB, 80 GB, 1.5 TB or bytes; blank or 0: unlimited.",
        fields: &[
            Field("daily_quota", "Daily quota", Kind::Amount, false, "Begins again at the daily reset.", "30 GB"),
            Field("monthly_quota", "Monthly quota", Kind::Amount, false, "Begins again at the renewal.", "500 GB"),
            Field("time_quota", "Time quota, minutes a day", Kind::Text, false, "Online; blank or 0: unlimited.", "0"),
            Field(
                "quota_action",
                "When a quota is full",
                Kind::Choice(&[("block", "Block until it begins again"), ("throttle", "Go on at the speed below")]),
                false,
                "",
                "",
            ),
            Field("quota_download_speed", "Download then", Kind::Speed, false, "", "512k"),
            Field("quota_upload_speed", "Upload then", Kind::Speed, false, "", "256k"),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpDaily",
        title: "Daily FUP tiers",
        note: "From so much used since the daily reset on, so fast. Blank: no such tier.",
        fields: &[],
        tiers: &[Tiers("day", "", "fup", 6)],
    },
    Section {
        id: "tpMonthly",
        title: "Monthly FUP tiers",
        note: "The same by what was used since the renewal; bonus raises what is allowed. Of both kinds the slower counts.",
        fields: &[],
        tiers: &[Tiers("cycle", "monthly_", "fup", 6)],
    },
    Section {
        id: "tpFree",
        title: "Free hours",
        note: "Hours in which a part of the traffic is not counted against quota and tiers.",
        fields: &[
            Field("time_based_speed_enabled", "Time-based discount enabled", Kind::Switch, false, "", ""),
            Field("time_from", "From", Kind::Text, false, "", "00:00"),
            Field("time_to", "To", Kind::Text, false, "May be on the next day.", "06:00"),
            Field(
                "download_ratio",
                "Download ratio, %",
                Kind::Text,
                false,
                "100: completely free; 70: 30 % counted.",
                "100",
            ),
            Field("upload_ratio", "Upload ratio, %", Kind::Text, false, "", "100"),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpCdn",
        title: "CDN FUP",
        note: "Traffic to and from a CDN’s subnets has a speed and tiers of its own, whatever the others say.",
        fields: &[
            Field("cdn_fup_enabled", "CDN FUP enabled", Kind::Switch, false, "", ""),
            Field("cdn_profile_id", "CDN profile", Kind::Text, false, "The profile’s number.", "1"),
            Field("cdn_download_speed", "CDN download", Kind::Speed, false, "0: unlimited.", "50M"),
            Field("cdn_upload_speed", "CDN upload", Kind::Speed, false, "", "10M"),
        ],
        tiers: &[Tiers("day, CDN", "", "cdn_fup", 3), Tiers("cycle, CDN", "monthly_", "cdn_fup", 3)],
    },
    Section {
        id: "tpExpiry",
        title: "Expiry",
        note: "How long it lasts where WHMCS bills no cycle of its own.",
        fields: &[
            Field("expiry_value", "Expiry value", Kind::Text, false, "", "1"),
            Field("expiry_unit", "Expiry unit", Kind::Choice(&[("months", "months"), ("days", "days")]), false, "", ""),
            Field(
                "entire_month",
                "Entire month",
                Kind::Switch,
                false,
                "A renewal always lasts until a month’s end.",
                "",
            ),
            Field(
                "monthly_account",
                "Monthly account",
                Kind::Switch,
                false,
                "A mark of older imports; it changes nothing.",
                "",
            ),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpPlace",
        title: "NAS and IP pool",
        note: "",
        fields: &[
            Field("nas_id", "NAS / Router", Kind::Looked, false, "The only server that it is sold on.", ""),
            Field("pool_name", "Pool name", Kind::Looked, false, "Read from the router’s /ip/pool just now.", ""),
            Field("address_list_in", "Address list in", Kind::Text, false, "For traffic towards the customer.", ""),
            Field("address_list_out", "Address list out", Kind::Text, false, "For traffic from the customer.", ""),
            Field("queue_type", "Queue type", Kind::Text, false, "simple leaves RouterOS’s default.", "simple"),
        ],
        tiers: PLAIN,
    },
    Section {
        id: "tpFilter",
        title: "Generic RADIUS: Filter-Id",
        note: "For routers that are told of levels by RADIUS. Blank: the plan’s name.",
        fields: &[
            Field("filter_id_normal", "Filter-Id normal", Kind::Text, false, "At full speed.", ""),
            Field("filter_id_fup1", "Filter-Id FUP1", Kind::Text, false, "", ""),
            Field("filter_id_fup2", "Filter-Id FUP2", Kind::Text, false, "", ""),
            Field("filter_id_fup3", "Filter-Id FUP3", Kind::Text, false, "Also above.", ""),
        ],
        tiers: PLAIN,
    },
];

/// The parts of a tier, with what people call them.
const PARTS: [(&str, &str, Kind); 3] = [
    ("threshold", "From", Kind::Amount),
    ("download_speed", "Download", Kind::Speed),
    ("upload_speed", "Upload", Kind::Speed),
];

/// Each field's name and kind.
fn each() -> impl Iterator<Item = (String, Kind)> {
    SECTIONS.iter().flat_map(|section| {
        let plain = section.fields.iter().map(|Field(name, _, kind, ..)| ((*name).to_owned(), *kind));
        let tiers = section.tiers.iter().flat_map(|Tiers(_, prefix, kind, count)| {
            (1..=*count).flat_map(move |n| PARTS.map(|(part, _, of)| (format!("{prefix}{kind}{n}_{part}"), of)))
        });
        plain.chain(tiers).collect::<Vec<_>>()
    })
}

/// What is in the fields.
#[derive(Clone, Debug)]
pub(super) struct Form {
    values: BTreeMap<String, String>,
    /// The field at fault, and why.
    fault: Option<(String, String)>,
}

/// What the drop-downs that are looked up offer, by value and text.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    /// The servers.
    pub(super) servers: Vec<(String, String)>,
    /// The router's pools.
    pub(super) pools: Vec<(String, String)>,
    /// Why there are no more pools.
    pub(super) silent: Option<String>,
}

impl Form {
    /// A plan's, to be changed.
    pub(super) fn of(app: &App, plan: &Plan) -> Self {
        let fields = form::fields(plan);
        let human = |(name, kind): (String, Kind)| {
            let text = shown(app, &fields[&name], kind, needs_zero(&name));
            (name, text)
        };
        Self { values: each().map(human).collect(), fault: None }
    }

    /// An empty one, with what is mostly wanted.
    pub(super) fn empty() -> Self {
        let usual =
            [("quota_action", "block"), ("expiry_unit", "months"), ("expiry_value", "1"), ("queue_type", "simple")];
        Self { values: usual.map(|(name, text)| (name.to_owned(), text.to_owned())).into(), fault: None }
    }

    /// As it was sent.
    pub(super) fn typed(request: &Request) -> Self {
        Self {
            values: each().map(|(name, _)| (name.clone(), request.form.get(&name).to_owned())).collect(),
            fault: None,
        }
    }

    /// The same, with what is wrong beside its field.
    pub(super) fn with_fault(mut self, field: &str, problem: &Problem) -> Self {
        let why = problem.detail.strip_prefix(field).unwrap_or(&problem.detail).trim_start();
        self.fault = Some((field.to_owned(), format!("{}.", why.trim_end_matches('.'))));
        self
    }

    /// What is in a field.
    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// The plan's fields as `POST /v1/plans` takes them.
    pub(super) fn body(&self) -> Result<Vec<u8>, Problem> {
        let fields: Map<String, Value> = self.values.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        serde_json::to_vec(&fields).map_err(Problem::internal)
    }

    /// For the template.
    pub(super) fn view(&self, offers: &Offers) -> Value {
        let sections = SECTIONS.iter().map(|section| {
            json!({
                "id": section.id, "title": section.title, "note": section.note,
                "fields": section.fields.iter().map(|it| self.field(it, offers)).collect::<Vec<_>>(),
                "tiers": section.tiers.iter().map(|it| self.tiers(it)).collect::<Vec<_>>(),
            })
        });
        json!({
            "sections": sections.collect::<Vec<_>>(),
            "fault": self.fault.as_ref().map(|(field, why)| json!({"field": field, "why": why})),
            "silent": offers.silent,
        })
    }

    fn field(&self, Field(name, label, kind, required, note, example): &Field, offers: &Offers) -> Value {
        let choices = match kind {
            Kind::Choice(all) => all.iter().map(|(value, text)| json!([value, text])).collect(),
            Kind::Looked if *name == "nas_id" => offers.servers.iter().map(|it| json!(it)).collect(),
            Kind::Looked => offers.pools.iter().map(|it| json!(it)).collect(),
            _ => Vec::new(),
        };
        let look = match kind {
            Kind::Choice(_) | Kind::Looked => "choice",
            Kind::Lines => "lines",
            Kind::Switch => "switch",
            Kind::Text | Kind::Speed | Kind::Amount => "text",
        };
        let on = matches!(self.get(name), "on" | "1" | "true" | "yes");
        json!({
            "name": name, "label": label, "look": look, "value": self.get(name), "on": on, "required": required,
            "note": note, "example": example, "choices": choices,
        })
    }

    fn tiers(&self, Tiers(of, prefix, kind, count): &Tiers) -> Value {
        let rows = (1..=*count).map(|number| {
            let cells = PARTS.map(|(part, label, of)| {
                let name = format!("{prefix}{kind}{number}_{part}");
                let example = if of == Kind::Amount { "GB" } else { "M" };
                json!({"name": name, "label": label, "value": self.get(&name), "example": example})
            });
            json!({"number": number, "cells": cells})
        });
        json!({"of": of, "rows": rows.collect::<Vec<_>>()})
    }
}

/// Where a zero says something else than a blank does.
fn needs_zero(name: &str) -> bool {
    matches!(name, "download_speed" | "upload_speed" | "cdn_download_speed" | "cdn_upload_speed")
}

/// A value as people read it.
fn shown(app: &App, value: &Value, kind: Kind, zero: bool) -> String {
    let number = value.as_u64().filter(|it| zero || *it > 0);
    match kind {
        Kind::Speed => {
            let kbps = number.and_then(|it| u32::try_from(it).ok());
            kbps.map(|it| speed_text(Kbps(it))).unwrap_or_default()
        }
        Kind::Amount => number.map(|it| bytes_text(Bytes(it), app.config.traffic.gb)).unwrap_or_default(),
        Kind::Switch => if value == true { "on" } else { "" }.to_owned(),
        Kind::Text | Kind::Lines | Kind::Choice(_) | Kind::Looked => match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_form_has_every_field_of_a_plan_once() {
        let mut all = BTreeSet::new();
        for (name, _) in each() {
            assert!(all.insert(name.clone()), "{name} is there twice");
        }
        let written: BTreeSet<String> = form::fields(&Plan::default()).keys().cloned().collect();
        let told = ["download_speed_string", "upload_speed_string"].map(str::to_owned).into();
        assert_eq!(written.difference(&all).cloned().collect::<BTreeSet<_>>(), told, "derived, not typed");
        assert!(all.is_subset(&written));
    }
}
