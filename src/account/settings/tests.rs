//! What settings are read from, which wins, and what is refused.

use super::*;
use crate::problem::Code;
use proptest::prelude::*;
use secrecy::ExposeSecret;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parse(settings: &[(&str, &str)], options: &[(&str, &str)], cycle: &str) -> Result<Settings, Problem> {
    Settings::parse(&map(settings), &map(options), cycle, Gigabyte::Binary, None)
}

fn refused(settings: &[(&str, &str)], options: &[(&str, &str)]) -> String {
    let problem = parse(settings, options, "Monthly").expect_err(&format!("{settings:?} {options:?} was taken"));
    assert_eq!(problem.code, Code::SettingInvalid);
    problem.field.unwrap()
}

#[test]
fn nothing_given_is_the_defaults() {
    let settings = parse(&[], &[], "Monthly").unwrap();
    assert_eq!(settings.profile, "default");
    assert_eq!(settings.ppp_service, PppService::Any);
    assert_eq!(settings.speed, Speed::new(10_000, 10_000));
    assert_eq!(settings.packet, None);
    assert_eq!(settings.history_days, 32);
    assert_eq!(settings.threshold, None);
    assert_eq!((settings.threshold_template, settings.suspension_template), (None, None));
    assert_eq!((settings.plan, settings.instruction_url), (None, None));
    assert!(!settings.support_pptp && !settings.support_l2tp);
    assert_eq!(settings.l2tp_psk.expose_secret(), "");
    assert_eq!(settings.collect, Collect::Daily);
    assert_eq!(settings.username_rule, UsernameRule::default());
    assert_eq!(settings.password_rule, PasswordRule::default());
    assert_eq!(settings.comment_prefix, "WHMCS");
}

#[test]
fn blank_fields_are_as_good_as_none() {
    let names = [
        "plan",
        "profile",
        "ppp_service",
        "download_mbps",
        "upload_mbps",
        "history_days",
        "threshold_gb",
        "threshold_template",
        "suspension_template",
        "instruction_url",
        "support_pptp",
        "support_l2tp",
        "l2tp_psk",
        "collect",
        "username_rule",
        "password_rule",
        "comment_prefix",
        "traffic_gb_monthly",
        "traffic_gb",
    ];
    for blank in ["", "  "] {
        let all: Vec<_> = names.iter().map(|name| (*name, blank)).collect();
        let settings = parse(&all, &all, "Monthly").unwrap();
        assert_eq!((settings.profile.as_str(), settings.history_days), ("default", 32));
        assert_eq!((settings.packet, settings.threshold), (None, None));
    }
}

#[test]
fn everything_given_is_read() {
    let settings = parse(
        &[
            ("plan", "Gold"),
            ("profile", " vpn "),
            ("ppp_service", "L2TP"),
            ("download_mbps", "0.5"),
            ("upload_mbps", "0"),
            ("traffic_gb_monthly", "10"),
            ("history_days", "3660"),
            ("threshold_gb", "0.5"),
            ("threshold_template", "threshold"),
            ("suspension_template", "VPN suspended"),
            ("instruction_url", "https://example.net/how?a=1&b=2"),
            ("support_pptp", "on"),
            ("support_l2tp", "YES"),
            ("l2tp_psk", " with blank "),
            ("collect", "cron"),
            ("username_rule", "vpn{service_id}"),
            ("password_rule", "12:1234567890"),
            ("comment_prefix", "ACME"),
            ("something_else", "\u{1}"),
        ],
        &[],
        "Monthly",
    )
    .unwrap();
    assert_eq!(settings.profile, "vpn");
    assert_eq!(settings.ppp_service.as_str(), "l2tp");
    assert_eq!(settings.speed, Speed::new(500, 0));
    assert_eq!(settings.packet, Some(Bytes(10_737_418_240)));
    assert_eq!(settings.history_days, 3660);
    assert_eq!(settings.threshold, Some(Bytes(536_870_912)));
    assert_eq!(settings.suspension_template.as_deref(), Some("VPN suspended"));
    assert_eq!(settings.instruction_url.as_deref(), Some("https://example.net/how?a=1&b=2"));
    assert!(settings.support_pptp && settings.support_l2tp);
    assert_eq!(settings.l2tp_psk.expose_secret(), " with blank ");
    assert!(!format!("{settings:?}").contains("with blank"), "the key is in the debug output");
    assert_eq!(settings.collect.as_str(), "cron");
    assert_eq!(settings.comment_prefix, "ACME");
}

#[test]
fn the_field_of_the_services_cycle_counts() {
    let fields = [
        ("traffic_gb_one_time", "1"),
        ("traffic_gb_monthly", "2"),
        ("traffic_gb_quarterly", "3"),
        ("traffic_gb_semi_annually", "4"),
        ("traffic_gb_annually", "5"),
        ("traffic_gb_biennially", "6"),
        ("traffic_gb_triennially", "7"),
    ];
    for (cycle, gb) in [
        ("One Time", 1),
        ("Free Account", 1),
        ("Monthly", 2),
        ("Quarterly", 3),
        ("Semi-Annually", 4),
        ("Annually", 5),
        ("Biennially", 6),
        ("Triennially", 7),
    ] {
        assert_eq!(parse(&fields, &[], cycle).unwrap().packet, Some(Bytes(gb << 30)), "{cycle}");
    }
    assert_eq!(parse(&fields[..1], &[], "Monthly").unwrap().packet, None);
    assert_eq!(parse(&fields, &[("traffic_gb", "200")], "Annually").unwrap().packet, Some(Bytes(200 << 30)));
    assert_eq!(parse(&fields, &[("traffic_gb", "0")], "Annually").unwrap().packet, Some(Bytes::ZERO));
    assert_eq!(parse(&fields, &[("traffic_gb_annually", "9")], "Annually").unwrap().packet, Some(Bytes(9 << 30)));
    assert_eq!(parse(&[("traffic_gb", "200")], &[], "Annually").unwrap().packet, None, "it is an option's name only");
}

#[test]
fn a_billing_cycle_that_is_no_cycle_is_refused() {
    let missing = parse(&[], &[], " ").unwrap_err();
    assert_eq!((missing.code, missing.field.as_deref()), (Code::Malformed, Some("service.billing_cycle")));
    let strange = parse(&[], &[], "Weekly").unwrap_err();
    assert_eq!((strange.code, strange.field.as_deref()), (Code::SettingInvalid, Some("service.billing_cycle")));
}

#[test]
fn an_option_wins_over_the_field_the_field_over_the_plan_the_plan_over_the_default() {
    let plan = Plan { speed: Speed::new(50_000, 5_000), ..Plan::default() };
    let parse = |settings: &[(&str, &str)], options: &[(&str, &str)]| {
        Settings::parse(&map(settings), &map(options), "Monthly", Gigabyte::Decimal, Some((7, &plan))).unwrap()
    };
    assert_eq!(parse(&[], &[]).speed, Speed::new(50_000, 5_000));
    assert_eq!(parse(&[], &[]).plan, Some(7));
    let field = [("download_mbps", "20"), ("traffic_gb_monthly", "2")];
    assert_eq!(parse(&field, &[]).speed, Speed::new(20_000, 5_000));
    assert_eq!(parse(&field, &[]).packet, Some(Bytes(2_000_000_000)));
    assert_eq!(parse(&field, &[("download_mbps", "30")]).speed, Speed::new(30_000, 5_000));
    assert_eq!(parse(&field, &[("download_mbps", "")]).speed, Speed::new(20_000, 5_000));
    assert!(!parse(&[("support_pptp", "on")], &[("support_pptp", "0")]).support_pptp);
    let names = (map(&[("plan", "Gold")]), map(&[("plan", "Silver")]));
    assert_eq!(plan_name(&names.0, &names.1).unwrap().as_deref(), Some("Silver"));
    assert_eq!(plan_name(&names.0, &map(&[])).unwrap().as_deref(), Some("Gold"));
}

#[test]
fn a_value_that_cannot_be_is_refused_with_its_path() {
    for (name, wrong) in [
        ("download_mbps", "100000.1"),
        ("download_mbps", "-1"),
        ("upload_mbps", "ten"),
        ("upload_mbps", "1,5"),
        ("upload_mbps", "0.0001"),
        ("history_days", "31"),
        ("history_days", "3661"),
        ("history_days", "40.5"),
        ("history_days", "+40"),
        ("history_days", "99999"),
        ("threshold_gb", "1e3"),
        ("threshold_gb", "10000000.1"),
        ("threshold_gb", "-0.1"),
        ("traffic_gb_monthly", "x"),
        ("traffic_gb_triennially", "10000001"),
        ("ppp_service", "ppptp"),
        ("collect", "weekly"),
        ("support_pptp", "2"),
        ("support_l2tp", "enabled"),
        ("l2tp_psk", "a\0b"),
        ("comment_prefix", "A|B"),
        ("comment_prefix", "A\nB"),
        ("profile", "a\tb"),
        ("plan", "Gold\r"),
        ("username_rule", "{client"),
        ("username_rule", "{uid}"),
        ("password_rule", "4:abc"),
        ("instruction_url", "javascript:alert(1)"),
        ("instruction_url", "ftp://example.net/"),
        ("instruction_url", "https://"),
        ("instruction_url", "https:///path"),
        ("instruction_url", "example.net"),
        ("instruction_url", "http:/example.net"),
        ("instruction_url", "http://exa mple.net/"),
    ] {
        assert_eq!(refused(&[(name, wrong)], &[]), format!("settings.{name}"), "{wrong:?}");
        assert_eq!(refused(&[], &[(name, wrong)]), format!("options.{name}"), "{wrong:?}");
    }
    assert_eq!(refused(&[], &[("traffic_gb", "much")]), "options.traffic_gb");
}

#[test]
fn what_does_not_count_is_checked_too() {
    assert_eq!(refused(&[("traffic_gb_annually", "x")], &[]), "settings.traffic_gb_annually");
    assert_eq!(refused(&[("download_mbps", "x")], &[("download_mbps", "5")]), "settings.download_mbps");
    assert_eq!(refused(&[("traffic_gb_monthly", "x")], &[("traffic_gb", "5")]), "settings.traffic_gb_monthly");
}

#[test]
fn texts_have_an_end() {
    let long = "x".repeat(LONGEST_TEXT + 1);
    for name in ["profile", "plan", "threshold_template", "l2tp_psk", "comment_prefix", "username_rule"] {
        assert_eq!(refused(&[(name, &long)], &[]), format!("settings.{name}"));
    }
    assert!(parse(&[("profile", &long[1..])], &[], "Monthly").is_ok());
}

#[test]
fn a_problem_never_repeats_the_key() {
    let problem = parse(&[("l2tp_psk", "hush\nhush")], &[], "Monthly").unwrap_err();
    assert!(!problem.detail.contains("hush"), "{}", problem.detail);
}

#[test]
fn switches_are_read_in_any_case() {
    for on in ["on", "On", "YES", "true", "1", " on "] {
        assert!(parse(&[("support_l2tp", on)], &[], "Monthly").unwrap().support_l2tp, "{on:?}");
    }
    for off in ["", "off", "No", "FALSE", "0"] {
        assert!(!parse(&[("support_l2tp", off)], &[], "Monthly").unwrap().support_l2tp, "{off:?}");
    }
}

proptest! {
    #[test]
    fn no_value_makes_the_reader_panic(
        name in prop::sample::select(vec!["download_mbps", "threshold_gb", "history_days", "instruction_url",
            "username_rule", "password_rule", "comment_prefix", "traffic_gb_monthly", "support_l2tp"]),
        value in ".{0,40}",
    ) {
        let _ = parse(&[(name, &value)], &[], "Monthly");
    }
}
