//! How letters read, and what an administrator's own may and may not do.

use std::path::Path;
use turnpike::mail::{Facts, Letters, PlanFacts, Purpose, Rendered, Variables};
use turnpike::plan::fup::{Quota, Why};
use turnpike::units::{Bytes, Gigabyte, Speed};

const BYTES: u64 = 1_073_741_824;
const GB: i64 = 1_073_741_824;

fn facts() -> Facts<'static> {
    Facts {
        service_id: 41,
        username: "7-41",
        client_name: "Ada Byron",
        balance_bytes: 4_509_715_661,
        packet: Bytes(100 * BYTES),
        has_next_packet: true,
        threshold: Some(Bytes(5 * BYTES)),
        next_due_date: chrono::NaiveDate::from_ymd_opt(2026, 12, 1),
        server_address: "vpn1.example.net",
        plan: None,
    }
}

/// The same service on a plan.
fn on_plan(why: Why, blocked_by: Option<Quota>) -> Facts<'static> {
    let current = if why == Why::Full { Speed::new(10_000, 2_000) } else { Speed::new(4_000, 512) };
    let plan = PlanFacts {
        name: "Gold",
        full: Speed::new(10_000, 2_000),
        current,
        why,
        blocked_by,
        full_too: None,
        used_today: Bytes(20 * BYTES + BYTES / 2),
        used_cycle: Bytes(87 * BYTES),
        next_day_at: "2026-11-21T00:05:00".parse().ok(),
        next_cycle_on: chrono::NaiveDate::from_ymd_opt(2026, 12, 1),
    };
    Facts { plan: Some(plan), ..facts() }
}

fn words(facts: &Facts<'_>) -> Variables {
    Variables::new(facts, Gigabyte::Binary)
}

fn built_in(purpose: Purpose, facts: &Facts<'_>) -> Rendered {
    Letters::load(None).unwrap().render(purpose, purpose.as_str(), &words(facts)).unwrap()
}

/// A folder with one letter of these files.
fn folder(name: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), name, files);
    folder
}

fn add(folder: &Path, name: &str, files: &[(&str, &str)]) {
    std::fs::create_dir(folder.join(name)).unwrap();
    for (file, text) in files {
        std::fs::write(folder.join(name).join(file), text).unwrap();
    }
}

fn load_error(folder: &tempfile::TempDir) -> String {
    Letters::load(Some(folder.path())).unwrap_err().to_string()
}

#[test]
fn the_built_in_letters_read_as_they_were_approved() {
    let ordinary = facts();
    let spent = Facts { balance_bytes: -4_240_850_944, packet: Bytes(10 * BYTES), ..ordinary.clone() };
    let deep = Facts { balance_bytes: -40 * GB, ..spent.clone() };
    let bare =
        Facts { client_name: "", next_due_date: None, server_address: "", packet: Bytes::ZERO, ..ordinary.clone() };
    let once = Facts { has_next_packet: false, next_due_date: None, ..ordinary.clone() };
    let plan = PlanFacts { full_too: Some(Quota::Daily), ..on_plan(Why::Daily(2), None).plan.unwrap() };
    let both = Facts { plan: Some(plan), ..spent.clone() };
    for (shape, purpose, facts) in [
        ("threshold", Purpose::Threshold, &ordinary),
        ("threshold_with_nothing_but_the_balance", Purpose::Threshold, &bare),
        ("threshold_of_a_single_packet", Purpose::Threshold, &once),
        ("suspension_of_a_single_packet", Purpose::Suspension, &Facts { balance_bytes: -GB, ..once.clone() }),
        ("suspension", Purpose::Suspension, &spent),
        ("suspension_that_a_renewal_does_not_lift", Purpose::Suspension, &deep),
        ("suspension_with_nothing_but_the_balance", Purpose::Suspension, &Facts { balance_bytes: 0, ..bare.clone() }),
        ("suspension_by_a_days_quota", Purpose::Suspension, &on_plan(Why::Daily(2), Some(Quota::Daily))),
        ("suspension_by_the_balance_and_a_days_quota", Purpose::Suspension, &both),
        ("slowed_for_the_day", Purpose::Slowed, &on_plan(Why::Daily(2), None)),
        ("slowed_for_the_cycle", Purpose::Slowed, &on_plan(Why::Monthly(1), None)),
        ("slowed_with_nothing_known", Purpose::Slowed, &bare),
        ("restored", Purpose::Restored, &on_plan(Why::Full, None)),
        ("restored_with_nothing_known", Purpose::Restored, &bare),
    ] {
        let letter = built_in(purpose, facts);
        assert_eq!(letter.fell_back, None);
        insta::assert_snapshot!(format!("{shape}_text"), format!("Subject: {}\n\n{}", letter.subject, letter.text));
        insta::assert_snapshot!(format!("{shape}_html"), letter.html);
        if let Ok(folder) = std::env::var("TURNPIKE_LETTERS_OUT") {
            std::fs::write(Path::new(&folder).join(format!("{shape}.html")), &letter.html).unwrap();
        }
    }
}

#[test]
fn html_fetches_nothing_from_elsewhere() {
    for purpose in Purpose::ALL {
        let html = built_in(purpose, &facts()).html;
        for foreign in ["http:", "https:", "src=", "url(", "@import", "<img", "<link", "<script"] {
            assert!(!html.contains(foreign), "{purpose:?} holds {foreign}");
        }
    }
}

#[test]
fn what_a_customer_is_called_is_no_markup_and_no_header() {
    let evil = "<img src=x onerror=alert(1)>\r\nBcc: eve@example.net\u{202e}";
    let facts = Facts { client_name: evil, username: evil, server_address: evil, ..facts() };
    for purpose in Purpose::ALL {
        let letter = built_in(purpose, &facts);
        assert!(!letter.subject.contains(['\r', '\n']), "{:?}", letter.subject);
        assert!(!letter.html.contains("<img"), "{}", letter.html);
        assert!(letter.html.contains("&lt;img src=x onerror=alert(1)&gt; Bcc: eve@example.net"), "{}", letter.html);
        assert!(!letter.text.contains("\nBcc:") && !letter.text.contains('\u{202e}'), "{}", letter.text);
    }
}

#[test]
fn a_template_cannot_be_injected_through_a_name() {
    let facts = Facts { client_name: "{{ username }}{% include 'layout.html' %}", ..facts() };
    let letter = built_in(Purpose::Threshold, &facts);
    assert!(letter.text.contains("{{ username }}{% include 'layout.html' %}"), "{}", letter.text);
}

#[test]
fn an_administrators_letter_is_used_under_its_name_with_whmcs_names_too() {
    let folder = folder(
        "Low traffic 2",
        &[
            ("subject.txt", "{{ service_username }}: {{ traffic_balance_gb }} GB\n"),
            (
                "body.txt",
                "Dear {{ client_name }},\n\n{{ service_id }} & {{ service_server_hostname }}\nuntil {{ service_next_due_date }}\n",
            ),
        ],
    );
    let letters = Letters::load(Some(folder.path())).unwrap();
    assert_eq!(
        letters.names().into_iter().collect::<Vec<_>>(),
        ["Low traffic 2", "restored", "slowed", "suspension", "threshold"]
    );
    let facts = Facts { client_name: "Ada <Byron>", ..facts() };
    let letter = letters.render(Purpose::Threshold, "Low traffic 2", &words(&facts)).unwrap();
    assert_eq!(letter.subject, "7-41: 4.2000 GB");
    assert_eq!(letter.text, "Dear Ada <Byron>,\n\n41 & vpn1.example.net\nuntil 2026-12-01\n");
    assert!(letter.html.contains("Dear Ada &lt;Byron&gt;,</p>"), "{}", letter.html);
    assert!(letter.html.contains("41 &amp; vpn1.example.net<br>until 2026-12-01</p>"), "{}", letter.html);
    assert_eq!(letter.fell_back, None);
}

#[test]
fn an_administrators_letter_may_extend_the_layout_and_replace_a_built_in_one() {
    let html = "{% extends \"layout.html\" %}{% block content %}<p>Only {{ traffic_balance_gb }}</p>{% endblock %}";
    let folder = folder("threshold", &[("subject.txt", "ours"), ("body.txt", "Only"), ("body.html", html)]);
    let letters = Letters::load(Some(folder.path())).unwrap();
    let letter = letters.render(Purpose::Threshold, "threshold", &words(&facts())).unwrap();
    assert_eq!((letter.subject.as_str(), &letter.fell_back), ("ours", &None));
    assert!(letter.html.contains("<p>Only 4.2000</p>") && letter.html.contains("viewport"), "{}", letter.html);
    // A name that is not there leads to the replaced letter, not past it.
    assert_eq!(letters.render(Purpose::Threshold, "gone", &words(&facts())).unwrap().subject, "ours");
}

#[test]
fn an_unknown_name_falls_back_to_the_built_in_letter_and_says_so() {
    let letters = Letters::load(None).unwrap();
    for (purpose, subject) in [
        (Purpose::Threshold, "Traffic less than 5 GB - 7-41"),
        (Purpose::Suspension, "Suspension Information - 7-41"),
        (Purpose::Slowed, "Your speed is reduced - 7-41"),
        (Purpose::Restored, "Full speed again - 7-41"),
    ] {
        let letter = letters.render(purpose, "Our own letter", &words(&facts())).unwrap();
        assert_eq!(letter.subject, subject);
        assert!(letter.fell_back.unwrap().contains("\"Our own letter\""));
    }
    assert!(letters.render(Purpose::Threshold, "../../etc", &words(&facts())).unwrap().fell_back.is_some());
}

#[test]
fn whmcs_syntax_is_recognised_and_the_right_one_is_named() {
    for (text, found, instead) in [
        ("Hello\n{$username}", "{$username}", "{{ username }}"),
        ("\n{if $x}a{/if}", "{if", "{% if … %}"),
        ("\n{foreach $a as $b}", "{foreach", "{% for … in … %}"),
    ] {
        let error = load_error(&folder("low", &[("subject.txt", "s"), ("body.txt", text)]));
        for part in ["low/body.txt, line 2", found, instead, "WHMCS"] {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}

#[test]
fn a_broken_letter_is_refused_at_the_start_with_its_file_and_line() {
    for (files, parts) in [
        (vec![("subject.txt", "s")], vec!["low/body.txt", "cannot be read"]),
        (vec![("body.txt", "s")], vec!["low/subject.txt", "cannot be read"]),
        (vec![("subject.txt", " \n"), ("body.txt", "b")], vec!["low/subject.txt", "empty"]),
        (vec![("subject.txt", "s"), ("body.txt", "a\n{% if %}")], vec!["low/body.txt, line 2"]),
        (
            vec![("subject.txt", "s"), ("body.txt", "{% if username == 'x' %}{{ pasword }}{% endif %}")],
            vec!["low/body.txt", "pasword", "traffic_balance_gb"],
        ),
        (vec![("subject.txt", "s"), ("body.txt", "{{ username|nonsense }}")], vec!["low/body.txt", "line 1"]),
        (
            vec![
                ("subject.txt", "s"),
                ("body.txt", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
            ],
            vec!["low/body.txt", "fuel"],
        ),
        (vec![("subject.txt", "s"), ("body.txt", "{% include '/etc/passwd' %}")], vec!["low/body.txt"]),
        (vec![("subject.txt", "s"), ("body.txt", "{{ '{{ x }}' * 99999 }}")], vec!["low/body.txt"]),
    ] {
        let error = load_error(&folder("low", &files));
        for part in parts {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}

#[test]
fn a_folder_whose_name_is_no_template_name_is_refused_and_hidden_ones_are_passed_over() {
    for name in ["a:b", "ümlaut", " a", "a.", "a\nb"] {
        let error = load_error(&folder(name, &[]));
        assert!(error.contains("not a name for a mail template"), "{error}");
    }
    let folder = folder(".git", &[]);
    std::fs::write(folder.path().join("README"), "not a letter").unwrap();
    assert_eq!(Letters::load(Some(folder.path())).unwrap().names().len(), Purpose::ALL.len());
    let missing = Letters::load(Some(&folder.path().join("missing"))).unwrap_err().to_string();
    assert!(missing.contains("missing") && missing.contains("create it"), "{missing}");
}

#[test]
fn a_letter_that_fails_with_a_customers_facts_gives_way_to_the_built_in_one() {
    // Divides by zero for one balance that no sample has.
    let body = "{{ 1 // (traffic_balance_gb|float - 7)|int }}";
    let folder = folder("odd", &[("subject.txt", "s"), ("body.txt", body)]);
    let letters = Letters::load(Some(folder.path())).unwrap();
    let facts = Facts { balance_bytes: 7 * GB, ..facts() };
    let letter = letters.render(Purpose::Threshold, "odd", &words(&facts)).unwrap();
    assert_eq!(letter.subject, "Traffic less than 5 GB - 7-41");
    assert!(letter.fell_back.unwrap().contains("odd/body.txt"));
}
