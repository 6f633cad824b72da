//! What is read and what is refused, field by field.

use super::*;
use crate::plan::terms::TIERS;
use proptest::prelude::*;
use serde_json::json;

fn least() -> Map<String, Value> {
    json!({"name": "Gold", "price": "9.90", "download_speed": "10M", "upload_speed": 2000})
        .as_object()
        .cloned()
        .unwrap()
}

fn with(more: &Value) -> Map<String, Value> {
    let mut fields = least();
    fields.extend(more.as_object().cloned().unwrap());
    fields
}

fn read(more: &Value) -> Read<Plan> {
    parse(&with(more), Gigabyte::Binary)
}

#[test]
fn speeds_are_normalised_as_the_seed_says() {
    for (text, kbps) in [
        ("2000", 2_000),
        ("2000k", 2_000),
        ("2M", 2_000),
        ("1.5M", 1_500),
        ("0.5M", 500),
        (" 12000K ", 12_000),
        ("0", 0),
    ] {
        assert_eq!(speed(text), Ok(Kbps(kbps)), "{text}");
    }
    for wrong in ["", "M", "k", "-1", "2G", "2 M M", "0.0005M", "1e3", "100001M", "1,5M", "é"] {
        assert!(speed(wrong).is_err(), "{wrong:?}");
    }
    for (kbps, text) in [(2_000, "2M"), (1_500, "1.5M"), (500, "500k"), (0, "0"), (12_345, "12.345M")] {
        assert_eq!(speed_text(Kbps(kbps)), text);
    }
}

#[test]
fn the_least_plan_has_the_defaults() {
    let plan = parse(&least(), Gigabyte::Binary).unwrap();
    let expected = Plan {
        name: "Gold".to_owned(),
        prices: Prices { price: "9.9".parse().unwrap(), ..Prices::default() },
        speed: Speed::new(10_000, 2_000),
        ..Plan::default()
    };
    assert_eq!(plan, expected);
}

#[test]
fn traffic_is_bytes_or_has_a_unit() {
    let quota = |value: Value| read(&json!({"daily_quota": value})).map(|plan| plan.quotas.daily.0);
    for (value, bytes) in [
        (json!(5), 5),
        (json!("80 GB"), 80 << 30),
        (json!("80gb"), 80 << 30),
        (json!("1.5 TB"), (3 << 40) / 2),
        (json!("500M"), 500 << 20),
        (json!(""), 0),
    ] {
        assert_eq!(quota(value.clone()), Ok(bytes), "{value}");
    }
    for wrong in [json!("1.5"), json!(-1), json!("80 XB"), json!("GB"), json!(1.5), json!("99999999 GB"), json!([])] {
        assert_eq!(quota(wrong.clone()).unwrap_err().field, "daily_quota", "{wrong}");
    }
    let thousand = parse(&with(&json!({"daily_quota": "1 GB"})), Gigabyte::Decimal).unwrap();
    assert_eq!(thousand.quotas.daily, Bytes(1_000_000_000));
}

#[test]
fn traffic_is_written_as_people_read_it_and_read_back_exactly() {
    for (bytes, text) in
        [(80 << 30, "80 GB"), ((3 << 40) / 2, "1.5 TB"), (500 << 20, "500 MB"), (0, "0"), (1023, "1023")]
    {
        assert_eq!(bytes_text(Bytes(bytes), Gigabyte::Binary), text);
    }
    assert_eq!(bytes_text(Bytes(2_500_000_000), Gigabyte::Decimal), "2.5 GB");
    assert_eq!(bytes_text(Bytes((80 << 30) + 1), Gigabyte::Binary), "85899345921", "no digit is lost");
}

#[test]
fn a_wrong_field_is_named() {
    for (more, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"price": "free"}), "price"),
        (json!({"price": "-1"}), "price"),
        (json!({"price": "1.00001"}), "price"),
        (json!({"download_speed": null}), "download_speed"),
        (json!({"upload_speed": "fast"}), "upload_speed"),
        (json!({"burst_threshold": 0}), "burst_threshold"),
        (json!({"burst_time": 1.5}), "burst_time"),
        (json!({"fup1_threshold": 5}), "fup1_download_speed"),
        (json!({"fup1_threshold": 5, "fup1_download_speed": 1}), "fup1_upload_speed"),
        (json!({"fup1_threshold": 5, "fup1_download_speed": "11M", "fup1_upload_speed": 1}), "fup1_download_speed"),
        (
            json!({"fup1_threshold": 5, "fup1_download_speed": 9, "fup1_upload_speed": 9,
                "fup3_threshold": 5, "fup3_download_speed": 9, "fup3_upload_speed": 9}),
            "fup3_threshold",
        ),
        (
            json!({"fup1_threshold": 5, "fup1_download_speed": 9, "fup1_upload_speed": 9,
                "fup3_threshold": 6, "fup3_download_speed": 9, "fup3_upload_speed": 10}),
            "fup3_upload_speed",
        ),
        (json!({"monthly_fup6_threshold": "x"}), "monthly_fup6_threshold"),
        (json!({"quota_action": "stop"}), "quota_action"),
        (json!({"quota_action": "throttle"}), "quota_download_speed"),
        (json!({"time_quota": 1441}), "time_quota"),
        (json!({"time_based_speed_enabled": true, "time_from": "00:00"}), "time_to"),
        (json!({"time_based_speed_enabled": "on", "time_from": "6:00", "time_to": "06:00"}), "time_to"),
        (json!({"time_from": "25:00"}), "time_from"),
        (json!({"download_ratio": 101}), "download_ratio"),
        (json!({"expiry_unit": "weeks"}), "expiry_unit"),
        (json!({"expiry_value": 0}), "expiry_value"),
        (json!({"cdn_fup_enabled": true}), "cdn_profile_id"),
        (json!({"nas_id": "first"}), "nas_id"),
        (json!({"sort_order": "1.5"}), "sort_order"),
        (json!({"soft_fup_enabled": "maybe"}), "soft_fup_enabled"),
        (json!({"pool_name": "x".repeat(65)}), "pool_name"),
        (json!({"description": {}}), "description"),
    ] {
        let refused = read(&more).expect_err(&format!("{more} was taken"));
        assert_eq!(refused.field, field, "{more}: {}", refused.why);
    }
}

#[test]
fn every_field_is_read_and_written_back() {
    let mut all = json!({
        "commercial_name": "Gold!", "description": "two\nlines", "day_price": "0.50", "reset_price": 3,
        "burst_download": "20M", "burst_upload": "4M", "burst_threshold": 80, "burst_time": 12, "soft_fup_enabled": true,
        "daily_quota": 7, "monthly_quota": 8, "time_quota": 90, "quota_action": "throttle",
        "quota_download_speed": 64, "quota_upload_speed": 32, "time_based_speed_enabled": true,
        "time_from": "22:00", "time_to": "06:30", "download_ratio": 100, "upload_ratio": 70,
        "expiry_value": 7, "expiry_unit": "days", "entire_month": true, "monthly_account": true, "nas_id": 3,
        "pool_name": "vpn", "address_list_in": "in", "address_list_out": "out", "queue_type": "pcq-down",
        "filter_id_normal": "n", "filter_id_fup1": "f1", "filter_id_fup2": "f2", "filter_id_fup3": "f3",
        "sort_order": -5, "cdn_fup_enabled": true, "cdn_profile_id": 2, "cdn_download_speed": "50M", "cdn_upload_speed": "9M",
    });
    let object = all.as_object_mut().unwrap();
    for prefix in ["", "monthly_"] {
        for (kind, tiers) in [("fup", TIERS), ("cdn_fup", CDN_TIERS)] {
            for number in 1..=tiers {
                object.insert(format!("{prefix}{kind}{number}_threshold"), json!(number * 1000));
                object.insert(format!("{prefix}{kind}{number}_download_speed"), json!(2_000 - number * 100));
                object.insert(format!("{prefix}{kind}{number}_upload_speed"), json!(1_000 - number * 100));
            }
        }
    }
    let given = with(&all);
    let plan = parse(&given, Gigabyte::Binary).unwrap();
    let written = fields(&plan);
    for (name, value) in &given {
        let same = match name.as_str() {
            "price" => json!("9.90"),
            "reset_price" => json!("3.00"),
            name if name.ends_with("_speed") || name.starts_with("burst_") => {
                value.as_str().map_or_else(|| value.clone(), |text| json!(speed(text).unwrap()))
            }
            _ => value.clone(),
        };
        assert_eq!(written.get(name), Some(&same), "{name}");
    }
    assert_eq!(written["download_speed_string"], json!("10M"));
    assert_eq!(parse(&written, Gigabyte::Binary), Ok(plan), "what is answered may be sent back");
    let missing: Vec<_> = written.keys().filter(|it| !given.contains_key(*it)).collect();
    assert_eq!(missing, ["download_speed_string", "upload_speed_string"], "a field that this test does not know");
}

proptest! {
    #[test]
    fn every_amount_of_traffic_survives_being_shown(amount in 0..=u64::from(MOST_GB) << 30, decimal in any::<bool>()) {
        let gb = if decimal { Gigabyte::Decimal } else { Gigabyte::Binary };
        let amount = amount.min(u64::from(MOST_GB) * gb.bytes());
        prop_assert_eq!(bytes(&bytes_text(Bytes(amount), gb), gb), Ok(Bytes(amount)));
    }

    #[test]
    fn no_text_makes_the_reader_panic(name in prop::sample::select(vec!["download_speed", "daily_quota", "time_from",
        "price", "fup1_threshold", "burst_time", "sort_order", "description"]), value in ".{0,30}") {
        let _ = read(&json!({name: value}));
    }
}
