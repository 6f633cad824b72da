//! Balances that another module kept, as a CSV file. Every line is read before any is used, and each one that cannot be
//! used is named with its number and the reason.

use crate::units::{Gigabyte, MOST_GB};
use chrono::NaiveDate;
use serde::Serialize;
use std::fmt;

/// How many lines a file may have.
const MOST_LINES: usize = 200_000;
const COLUMNS: [&str; 6] = ["service_id", "username", "balance_gb", "balance_bytes", "next_due_date", "status"];
/// WHMCS's statuses of a service that may live on a router.
const STATUSES: [&str; 3] = ["Active", "Suspended", "Completed"];

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// Its number in the file; the head is line 1.
    pub line: u64,
    /// What is wrong with it, a sentence without its subject and without a full stop.
    pub why: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// One service's balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file.
    pub number: u64,
    /// WHMCS's id of the service. With a user name beside it, both must fit.
    pub service_id: Option<u64>,
    /// The user name; may be empty where the id is given.
    pub username: String,
    /// Bytes; below zero is a debt.
    pub balance: i64,
    /// The end of the cycle that the balance is of.
    pub next_due_date: Option<NaiveDate>,
    /// WHMCS's status of the service; empty where the file does not say.
    pub status: String,
}

impl Line {
    /// Whether WHMCS has suspended the service.
    pub fn is_suspended(&self) -> bool {
        self.status == "Suspended"
    }
}

/// Where each column stands.
struct Head([Option<usize>; COLUMNS.len()]);

impl Head {
    fn read(record: &csv::StringRecord) -> Result<Self, String> {
        let mut at = [None; COLUMNS.len()];
        for (index, name) in record.iter().enumerate() {
            let known = COLUMNS.iter().position(|it| name.eq_ignore_ascii_case(it));
            let Some(column) = known else {
                return Err(format!("has the column {name:?}; there are {}", COLUMNS.join(", ")));
            };
            if at[column].replace(index).is_some() {
                return Err(format!("has the column {name} twice"));
            }
        }
        match at {
            [None, None, ..] => Err("has neither a column service_id nor a column username".to_owned()),
            [_, _, None, None, ..] => Err("has neither a column balance_gb nor a column balance_bytes".to_owned()),
            [_, _, Some(_), Some(_), ..] => Err("has both balance_gb and balance_bytes; one is enough".to_owned()),
            _ => Ok(Self(at)),
        }
    }

    fn text<'r>(&self, record: &'r csv::StringRecord, column: &str) -> &'r str {
        let at = COLUMNS.iter().position(|it| *it == column).and_then(|column| self.0[column]);
        at.and_then(|index| record.get(index)).unwrap_or_default()
    }
}

/// The line that a record begins in. The reader stands where the one before ended: between `\r` and `\n`, or before blank
/// lines that it passes over.
fn line_number(file: &[u8], at: &csv::Position) -> u64 {
    let from = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let passed = file.get(from..).unwrap_or_default().iter().take_while(|it| matches!(it, b'\r' | b'\n'));
    at.line() + passed.fold(0, |sum, it| sum + u64::from(*it == b'\n'))
}

/// Reads the file: the balances, or every line that cannot be used.
///
/// # Errors
/// The lines that cannot be used, in order.
pub fn parse(file: &[u8], gb: Gigabyte) -> Result<Vec<Line>, Vec<BadLine>> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let head = match reader.headers() {
        Ok(head) => Head::read(head).map_err(|why| vec![BadLine { line: 1, why }])?,
        Err(error) => return Err(vec![bad_record(file, &error)]),
    };
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    for record in reader.records() {
        if lines.len() + bad.len() == MOST_LINES {
            bad.push(BadLine { line: 1, why: format!("is followed by more than {MOST_LINES} lines") });
            break;
        }
        match record {
            Ok(record) => {
                let number = record.position().map_or(0, |at| line_number(file, at));
                match line(&head, &record, number, gb) {
                    Ok(line) => lines.push(line),
                    Err(why) => bad.push(BadLine { line: number, why }),
                }
            }
            Err(error) => bad.push(bad_record(file, &error)),
        }
    }
    if bad.is_empty() { Ok(lines) } else { Err(bad) }
}

fn bad_record(file: &[u8], error: &csv::Error) -> BadLine {
    let line = error.position().map_or(1, |at| line_number(file, at));
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields where the head has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        _ => "cannot be read as CSV".to_owned(),
    };
    BadLine { line, why }
}

fn line(head: &Head, record: &csv::StringRecord, number: u64, gb: Gigabyte) -> Result<Line, String> {
    let text = |column| head.text(record, column);
    let username = text("username").to_owned();
    let service_id = match text("service_id") {
        "" => None,
        id => Some(whole(id).filter(|id| *id > 0).ok_or_else(|| format!("has the service id {id:?}"))?),
    };
    if service_id.is_none() && username.is_empty() {
        return Err("names no service".to_owned());
    }
    let balance = match (text("balance_gb"), text("balance_bytes")) {
        ("", "") => return Err("has no balance".to_owned()),
        ("", bytes) => bytes_of(bytes, gb)?,
        (gigabytes, _) => gigabytes_of(gigabytes, gb)?,
    };
    let next_due_date = match text("next_due_date") {
        "" | "0000-00-00" => None,
        date => {
            Some(date.parse().map_err(|_error: chrono::ParseError| format!("has the date {date:?}, not YYYY-MM-DD"))?)
        }
    };
    let status = match text("status") {
        "" => String::new(),
        given => {
            let known = STATUSES.iter().find(|it| given.eq_ignore_ascii_case(it));
            let wrong = || format!("has the status {given:?}; only {} services are imported", STATUSES.join(", "));
            (*known.ok_or_else(wrong)?).to_owned()
        }
    };
    Ok(Line { number, service_id, username, balance, next_due_date, status })
}

/// Digits and nothing else.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|it| digits && i64::try_from(*it).is_ok())
}

fn signed(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or((false, text), |rest| (true, rest))
}

fn bytes_of(text: &str, gb: Gigabyte) -> Result<i64, String> {
    let (debt, digits) = signed(text);
    let most = u64::from(MOST_GB) * gb.bytes();
    let bytes = whole(digits).filter(|bytes| *bytes <= most).and_then(|bytes| i64::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| format!("has the balance {text:?}, which must be a whole number of bytes"))?;
    Ok(if debt { -bytes } else { bytes })
}

fn gigabytes_of(text: &str, gb: Gigabyte) -> Result<i64, String> {
    let (debt, digits) = signed(text);
    let bytes = gb.parse(digits).map_err(|why| format!("has the balance {text:?}, which {why}"))?.signed();
    Ok(if debt { -bytes } else { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GB: i64 = 1_073_741_824;

    fn read(text: &str) -> Result<Vec<Line>, Vec<(u64, String)>> {
        parse(text.as_bytes(), Gigabyte::Binary).map_err(|bad| bad.into_iter().map(|it| (it.line, it.why)).collect())
    }

    #[test]
    fn balances_are_exact_in_gigabytes_and_in_bytes() {
        let lines = read("\u{feff}service_id,balance_gb\n41,4.2\n42,-3.9496\n43,0\n").unwrap();
        let seen: Vec<_> = lines.iter().map(|it| (it.number, it.service_id, it.balance)).collect();
        assert_eq!(seen, [(2, Some(41), 4_509_715_660), (3, Some(42), -4_240_850_708), (4, Some(43), 0)]);
        let lines = read("Username , balance_bytes\r\n\" ada, b\" , -5\r\n").unwrap();
        assert_eq!((lines[0].username.as_str(), lines[0].service_id, lines[0].balance), ("ada, b", None, -5));
        assert_eq!(parse(b"service_id,balance_gb\n1,1\n", Gigabyte::Decimal).unwrap()[0].balance, 1_000_000_000);
    }

    #[test]
    fn what_whmcs_knows_may_stand_beside_the_balance() {
        let lines = read(
            "service_id,username,balance_gb,next_due_date,status\n41,vpn41,1,2026-12-01,suspended\n42,,1,0000-00-00,\n",
        )
        .unwrap();
        assert!(lines[0].is_suspended() && !lines[1].is_suspended());
        assert_eq!(lines[0].next_due_date, Some("2026-12-01".parse().unwrap()));
        assert_eq!((lines[1].next_due_date, lines[1].balance), (None, GB));
    }

    #[test]
    fn every_line_that_cannot_be_used_is_named_with_its_number() {
        let file = "service_id,balance_gb,next_due_date,status\n\
                    41,4.2,,\n42,\"4,2\",,\n0,1,,\n,1,,\n43,,,\n44,1,1.12.2026,\n45,1,,Terminated\n46,1\n-1,1,,\n47,1e3,,\n48,--1,,\n";
        let bad = read(file).unwrap_err();
        assert_eq!(bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert!(bad[0].1.contains("\"4,2\"") && bad[0].1.contains("point"), "{}", bad[0].1);
        assert_eq!(bad[6].1, "has 2 fields where the head has 4");
        let bytes = parse(b"service_id,balance_gb\n41,1\n42,\xff\n", Gigabyte::Binary).unwrap_err();
        assert_eq!(bytes, [BadLine { line: 3, why: "is not UTF-8".to_owned() }]);
        assert_eq!(read("service_id,balance_bytes\n41,9223372036854775807\n").unwrap_err()[0].0, 2);
        // As a spreadsheet writes lines, and with blank ones between.
        for (file, lines) in [
            ("service_id,balance_gb\r\n41,x\r\n42,1\r\n43,x\r\n44\r\n", [2, 4, 5]),
            ("service_id,balance_gb\n\n\n41,x\n42,x\r\n\r\n44\n", [4, 5, 7]),
            ("\r\nservice_id,balance_gb\n\"4\n1\",x\n42,x\n43\n", [3, 5, 6]),
        ] {
            let bad = read(file).unwrap_err();
            assert_eq!(bad.iter().map(|it| it.0).collect::<Vec<_>>(), lines, "{file:?}");
        }
    }

    #[test]
    fn a_head_that_does_not_say_what_is_meant_is_refused() {
        for (head, why) in [
            ("balance_gb", "neither a column service_id"),
            ("service_id", "neither a column balance_gb"),
            ("service_id,balance_gb,balance_bytes", "one is enough"),
            ("service_id,balance", "\"balance\""),
            ("service_id;balance_gb", "\"service_id;balance_gb\""),
            ("service_id,service_id,balance_gb", "twice"),
        ] {
            let bad = read(&format!("{head}\n1,1\n")).unwrap_err();
            assert_eq!((bad.len(), bad[0].0), (1, 1), "{head}");
            assert!(bad[0].1.contains(why), "{head}: {}", bad[0].1);
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file, Gigabyte::Binary);
            let _ = parse(&[b"service_id,balance_gb\n", file.as_slice()].concat(), Gigabyte::Binary);
        }
    }
}
