//! What every fuzz target does with its bytes. `fuzz_targets/` runs it under libFuzzer; `tests/it/fuzz_corpus.rs` replays the
//! corpus through the same functions with the stable compiler. Each holds its subject to more than "does not panic".

use chrono::{DateTime, Days, NaiveDate};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, sync::LazyLock};
use turnpike::{
    account::{
        addresses::AddressSpace,
        settings::{Settings, is_setting},
    },
    config::Config,
    http::profile::{self, REQUEST_COMPONENTS, Signature},
    mail::{Letters, MailSettings, Mailer, Outgoing, PlanWords, Purpose, Transport, Variables},
    pairing::Pairing,
    plan::form,
    routeros::hostile,
    units::{Bytes, Gigabyte, Volume},
    usage::{
        chart::{self, Words},
        history::Moved,
    },
    work::{Ask, import::balances},
};

/// A target's work.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 11] = [
    ("addresses", addresses),
    ("balances", balances_file),
    ("body", body),
    ("chart", chart),
    ("config", config),
    ("letters", letters),
    ("pairing", pairing),
    ("plan", plan),
    ("replies", replies),
    ("settings", settings),
    ("signatures", signatures),
];

/// The API's spelling of a length, written here anew.
fn word(word: &[u8]) -> Vec<u8> {
    let length = u32::try_from(word.len()).unwrap();
    let mut out = match length {
        0..0x80 => vec![u8::try_from(length).unwrap()],
        0x80..0x4000 => (length | 0x8000).to_be_bytes()[2..].to_vec(),
        0x4000..0x20_0000 => (length | 0xC0_0000).to_be_bytes()[1..].to_vec(),
        _ => (length | 0xE000_0000).to_be_bytes().to_vec(),
    };
    out.extend_from_slice(word);
    out
}

/// A router's replies: cut anywhere they are the same sentences, which survive being written and read again; every reader
/// takes every sentence.
pub fn replies(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else { return };
    let (whole, broken) = hostile::sentences(stream, stream.len());
    let (cut, cut_broken) = hostile::sentences(stream, usize::from(step));
    assert_eq!((&whole, broken), (&cut, cut_broken));
    let again: Vec<u8> = whole.iter().flat_map(|it| it.iter().flat_map(|it| word(it)).chain([0])).collect();
    assert_eq!(hostile::sentences(&again, 7), (whole, false));
    hostile::rows(stream);
    let values = hostile::values(stream);
    assert!(!values.text.is_empty() || stream.is_empty());
    if let Some((up, down)) = values.pair {
        assert_eq!(hostile::values(format!("{up}/{down}").as_bytes()).pair, Some((up, down)));
    }
    if let Some(rate) = values.rate {
        assert_eq!(hostile::values(rate.to_string().as_bytes()).rate, Some(rate));
        assert_eq!(values.rates, Some((rate, rate)));
    }
    if let Some(seconds) = values.seconds {
        assert_eq!(
            hostile::values(format!("{seconds}s").as_bytes()).seconds,
            (seconds < u64::MAX / 1000).then_some(seconds)
        );
    }
    if let Some(address) = values.single {
        assert_eq!(hostile::values(format!("{address}/32").as_bytes()).single, Some(address));
    }
}

/// Signature-Input, Signature, Content-Digest, each a line, and a body: what is read as a signature is one of the profile and
/// reads the same again; a digest that fits holds the body's SHA-256, computed here.
pub fn signatures(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|it| std::str::from_utf8(it).ok());
    let (input, mac, digest) = (line(), line(), line());
    let body = parts.next().unwrap_or_default();
    if let Ok(signature) = Signature::read(input, mac, REQUEST_COMPONENTS) {
        assert!(signature.params.starts_with(REQUEST_COMPONENTS), "{}", signature.params);
        assert!(signature.params.is_ascii() && !signature.params.contains(['\r', '\n']));
        let again = format!("turnpike={}", signature.params);
        let read = Signature::read(Some(&again), mac, REQUEST_COMPONENTS).expect("it was written by us");
        assert_eq!(read.params, signature.params);
        assert_eq!((read.created, read.expires, &read.keyid), (signature.created, signature.expires, &signature.keyid));
        assert_eq!((read.nonce, read.mac), (signature.nonce, signature.mac));
    }
    let ours = profile::content_digest(body);
    assert!(profile::digest_fits(&ours, body));
    if let Some(digest) = digest
        && profile::digest_fits(digest, body)
    {
        let sum = base64(&Sha256::digest(body));
        assert!(digest.contains(sum.trim_end_matches('=')), "{digest}");
        let mut other = body.to_vec();
        other.push(b'x');
        assert!(!profile::digest_fits(digest, &other));
    }
}

/// RFC 4648, written here anew.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut all = [0; 4];
        all[1..=three.len()].copy_from_slice(three);
        let number = u32::from_be_bytes(all);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = char::from(LETTERS[(number >> shift & 63) as usize]);
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

/// A product's fields, `{"settings": {…}, "options": {…}, "cycle": "…"}`: refused by a known field's name, or within range.
pub fn settings(data: &[u8]) {
    let Ok(Value::Object(all)) = serde_json::from_slice(data) else { return };
    let texts = |name: &str| -> BTreeMap<String, String> {
        let fields = all.get(name).and_then(Value::as_object).into_iter().flatten();
        fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    let cycle = all.get("cycle").and_then(Value::as_str).unwrap_or("Monthly");
    let (settings, options) = (texts("settings"), texts("options"));
    match Settings::parse(&settings, &options, cycle, Gigabyte::Binary, None) {
        Ok(it) => {
            assert!(it.speed.down.0 <= 100_000_000 && it.speed.up.0 <= 100_000_000);
            assert!(it.packet.is_none_or(|packet| packet.0 <= 10_000_000 << 30));
            assert!((32..=3660).contains(&it.history_days));
            let sent = [&it.comment_prefix, &it.profile, it.l2tp_psk.expose_secret()];
            assert!(sent.iter().all(|text| !text.chars().any(char::is_control)), "{sent:?}");
            assert!(!it.comment_prefix.contains('|'));
            assert!(it.instruction_url.is_none_or(|url| url.starts_with("http")));
        }
        Err(problem) => {
            let field = problem.field.expect("it names the field");
            let name = field.trim_start_matches("settings.").trim_start_matches("options.");
            assert!(is_setting(name) || name == "traffic_gb" || field.starts_with("service."), "{field}");
            assert!(!problem.detail.is_empty(), "{field}");
        }
    }
}

/// A plan's form: what is taken is written so that the same is read again, in both kinds of GB.
pub fn plan(data: &[u8]) {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(data) else { return };
    for gb in [Gigabyte::Binary, Gigabyte::Decimal] {
        match form::parse(&fields, gb) {
            Ok(plan) => {
                let written = form::fields(&plan);
                let again = form::parse(&written, gb).unwrap_or_else(|error| panic!("{error:?} in {written:?}"));
                assert_eq!(again, plan);
            }
            Err(invalid) => assert!(!invalid.field.is_empty() && !invalid.why.is_empty()),
        }
    }
}

/// Six texts, a line each, as the facts of a letter: neither markup nor a header nor a line comes out of them.
pub fn letters(data: &[u8]) {
    static LETTERS: LazyLock<Letters> = LazyLock::new(|| Letters::load(None).expect("they are sound"));
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\u{1e}').map(str::to_owned).chain(std::iter::repeat(String::new()));
    let mut next = || lines.next().unwrap_or_default();
    let (to_name, to_address) = (next(), next());
    let mut variables =
        Variables { username: next(), client_name: next(), server_address: next(), ..Variables::default() };
    // Figures are ours: as they come out of the books.
    let balance = next().bytes().fold(0_i64, |sum, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
    variables.traffic_balance_gb = Gigabyte::Binary.four_decimals(balance);
    variables.traffic_billingcycle_gb = Gigabyte::Binary.four_decimals(balance.saturating_abs() / 3);
    "5".clone_into(&mut variables.notification_traffic_remainder);
    variables.next_due_date = next();
    variables.plan = Some(PlanWords { plan_name: next(), speed_reason: next(), ..PlanWords::default() });
    let name = next();
    for purpose in Purpose::ALL {
        let letter = LETTERS.render(purpose, &name, &variables).expect("the built-in letter takes anything");
        assert!(
            !letter.subject.is_empty() && !letter.subject.contains(|c: char| c.is_control()),
            "{:?}",
            letter.subject
        );
        let plain = LETTERS.render(purpose, &name, &harmless(&variables)).expect("the same without marks");
        for mark in ['<', '>', '"'] {
            let count = |html: &str| html.matches(mark).count();
            assert_eq!(count(&letter.html), count(&plain.html), "{mark} came through:\n{}", letter.html);
        }
        written(&to_name, &to_address, &letter);
    }
}

/// The same with marks that mean nothing in HTML.
fn harmless(variables: &Variables) -> Variables {
    let plain = |text: &str| text.replace(['<', '>', '"', '\'', '&'], "x");
    let mut plan = variables.plan.clone().unwrap_or_default();
    (plan.plan_name, plan.speed_reason) = (plain(&plan.plan_name), plain(&plan.speed_reason));
    Variables {
        username: plain(&variables.username),
        client_name: plain(&variables.client_name),
        server_address: plain(&variables.server_address),
        plan: Some(plan),
        ..variables.clone()
    }
}

/// The letter as it would be sent, read by a parser that shares no code with the writer.
fn written(to_name: &str, to_address: &str, letter: &turnpike::mail::Rendered) {
    let from = "VPN <vpn@example.net>".parse().expect("an address");
    let transport = Transport::File { folder: "unused".into() };
    let mailer = Mailer::new(MailSettings { transport, from, installation: uuid::Uuid::nil() });
    let Ok(Mailer::File(_, sender)) = mailer else { unreachable!("it writes files") };
    let date = DateTime::from_timestamp(1_795_176_000, 0).expect("a date");
    let Ok(bytes) = sender.written(&Outgoing { outbox_id: 7, to_name, to_address, letter, date }) else { return };
    let message = mail_parser::MessageParser::default().parse(&bytes).expect("a message");
    let mut names: Vec<String> = message.headers().iter().map(|it| it.name().to_lowercase()).collect();
    names.sort_unstable();
    let known = ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
    assert_eq!(names, known, "{}", String::from_utf8_lossy(&bytes));
    let to = message.to().expect("somebody").clone().into_list();
    assert_eq!(to.len(), 1, "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(message.body_text(0).map(|it| it.replace("\r\n", "\n")).as_deref(), Some(letter.text.as_str()));
}

/// A settings file: refused in a sentence that holds no key, or in force. Files that it names are not read here.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains("_file") || text.contains("\\u") {
        return;
    }
    if let Err(error) = Config::from_text(text, Path::new("/nonexistent")) {
        let said = error.to_string();
        assert!(!said.is_empty() && said.len() < 4000, "{said}");
        assert!(!said.contains("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), "{said}");
    }
}

/// A pairing code: what is taken apart is put together again the same.
pub fn pairing(data: &[u8]) {
    let Ok(code) = std::str::from_utf8(data) else { return };
    if let Ok(pairing) = Pairing::parse(code) {
        let again = Pairing::parse(pairing.code().expose_secret()).expect("it was made by us");
        assert_eq!((&again.url, &again.key.id), (&pairing.url, &pairing.key.id));
        assert_eq!(again.key.secret.expose_secret(), pairing.key.secret.expose_secret());
    }
}

/// Balances of another module: lines that can be used name a service, lines that cannot say why.
pub fn balances_file(data: &[u8]) {
    match balances::parse(data, Gigabyte::Binary) {
        Ok(lines) => {
            for line in lines {
                assert!(line.service_id.is_some() || !line.username.is_empty(), "{line:?}");
                assert!(line.number > 1, "{line:?}");
            }
        }
        Err(bad) => assert!(!bad.is_empty() && bad.iter().all(|it| !it.why.is_empty())),
    }
}

/// A server's address list, an entry a line: as many as it says, each once, each contained, and no more than are allowed.
pub fn addresses(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let entries: Vec<String> = text.lines().map(str::to_owned).collect();
    match AddressSpace::parse(&entries) {
        Ok(space) => {
            let mut all: Vec<Ipv4Addr> = space.iter().collect();
            assert_eq!((all.len(), all.is_empty()), (space.len(), space.is_empty()));
            assert!(all.len() <= 65_536 && all.iter().all(|it| space.contains(*it)));
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), space.len(), "one twice");
        }
        Err((at, why)) => assert!(at < entries.len() && !why.is_empty()),
    }
}

/// Days of traffic, 16 bytes each: a chart is XML, whatever the figures, and holds nothing but what charts hold.
pub fn chart(data: &[u8]) {
    let today = NaiveDate::from_ymd_opt(2026, 11, 20).expect("a date");
    let figure = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight")) >> 1;
    // From 15 days after today back.
    let axis = (0..60).filter_map(|back| (today + Days::new(15)).checked_sub_days(Days::new(back)));
    let days: Vec<(NaiveDate, Moved)> = (data.chunks_exact(16).zip(axis))
        .map(|(bytes, day)| {
            let raw = Volume { down: Bytes(figure(&bytes[..8])), up: Bytes(figure(&bytes[8..])) };
            (day, Moved { raw, counted: raw })
        })
        .collect();
    let months: Vec<(String, Moved)> =
        days.iter().map(|(day, moved)| (day.format("%Y-%m").to_string(), *moved)).collect();
    for words in [Words::of("english"), Words::of("polish")] {
        for svg in [
            chart::days_svg(&days, today, Gigabyte::Binary, &words),
            chart::months_svg(&months, today, Gigabyte::Decimal, &words),
        ] {
            let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
            let foreign = document.descendants().find(|it| it.is_element() && it.has_tag_name("script"));
            assert!(foreign.is_none() && !svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
        }
    }
}

/// A hook's body: its parts are read or refused with the field, and what is said of them is safe to show.
pub fn body(data: &[u8]) {
    let Ok(ask) = Ask::parse(data) else { return };
    let told = [
        ask.service_id().err(),
        ask.server_id().err(),
        ask.server().err(),
        ask.address_space().err(),
        ask.service().err(),
        ask.sold().err(),
        ask.language().err(),
        ask.plan_name().err(),
        ask.settings(Gigabyte::Binary, None).err(),
        ask.hook_remark("reason").err(),
        ask.hook_text("key").err(),
        ask.hook_list("delivered").err(),
    ];
    for problem in told.into_iter().flatten() {
        let said = problem.to_json("reference");
        assert!(matches!(problem.code.status(), 400 | 422) && problem.field.is_some(), "{said}");
        let detail = said["detail"].as_str().expect("a sentence");
        assert!(
            detail.ends_with('.') && !detail.contains(['<', '>']) && !detail.contains(char::is_control),
            "{detail:?}"
        );
    }
}
