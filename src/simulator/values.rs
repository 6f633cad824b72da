//! How RouterOS reads and writes values: rates, addresses, durations, dates, closed sets of words.

use std::net::Ipv4Addr;

/// A refusal in RouterOS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// 0 missing item or command, 1 argument value, 2 interrupted, 4 general failure, …; `None` where RouterOS says none.
    pub category: Option<u8>,
    /// The text a person would see.
    pub message: String,
}

impl Trap {
    /// A refusal of a category.
    pub fn new(category: u8, message: impl Into<String>) -> Trap {
        Trap { category: Some(category), message: message.into() }
    }

    /// A refusal without a category: `failure: …`.
    pub fn plain(message: impl Into<String>) -> Trap {
        Trap { category: None, message: message.into() }
    }

    /// The words for a value that cannot be read at all.
    pub fn invalid(property: &str) -> Trap {
        Trap::new(1, format!("invalid value for argument {property}"))
    }

    /// The words for a value outside a closed set.
    pub fn no_match(property: &str) -> Trap {
        Trap::new(1, format!("input does not match any value of {property}"))
    }
}

/// What a property may hold and how it is written back.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text, as entered.
    Text,
    /// Text that must not be empty.
    Name,
    /// `yes`, `no`, `true` or `false`; written `true` or `false`.
    Bool,
    /// A whole number from 0 up to this.
    Int(u64),
    /// One rate in bit/s: `10M` is written `10000000`.
    Rate,
    /// Upload and download rate: `10M/50M`, or one for both.
    Rates,
    /// Two texts with a stroke; one stands for both.
    Pair,
    /// An IPv4 address.
    Ip,
    /// An IPv4 address or the name of a row in `/ip/pool`.
    IpOrPool,
    /// An IPv4 address with or without a prefix length, written as in `/ip/address`: `10.0.0.1/24`.
    IpWithLength,
    /// IPv4 prefixes (a bare address becomes `/32`) or names of interfaces, with commas.
    Targets,
    /// What an address list takes: a prefix (a `/32` is written bare), a range `10.0.0.1-10.0.0.9`, or a name of the DNS.
    Listed,
    /// A span of time, written `1w2d3h4m5s`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of a row of this menu, or one of these words.
    Row(&'static str, &'static [&'static str]),
}

/// An IPv4 network: address and prefix length.
pub type Net = (Ipv4Addr, u8);

/// Reads `10.0.0.1` (a /32) or `10.0.0.0/24`.
pub fn read_net(text: &str) -> Option<Net> {
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
    Some((address.parse().ok()?, length))
}

/// The bits of a prefix.
pub fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

/// The first address of the network.
pub fn network((address, length): Net) -> Net {
    (Ipv4Addr::from(u32::from(address) & mask(length)), length)
}

/// `10M` as bit/s; `k`, `M` and `G` are powers of 1000.
pub fn read_rate(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1_000),
        b'M' | b'm' => (&text[..text.len() - 1], 1_000_000),
        b'G' | b'g' => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The two halves of `a/b`; one value stands for both.
pub fn halves(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or((text, text))
}

/// An entry of an address list as it is written back.
fn listed(text: &str) -> Option<String> {
    if let Some((address, length)) = read_net(text).map(network) {
        return Some(if length == 32 { address.to_string() } else { format!("{address}/{length}") });
    }
    let range = text.split_once('-').is_some_and(|(first, last)| {
        matches!((first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>()), (Ok(first), Ok(last)) if first <= last)
    });
    let name = text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(['/', ' ', ',']);
    (range || name).then(|| text.to_owned())
}

/// Reads `1w2d3h4m5s`, `100ms` (as 0), `90`, `00:01:30`, `1d 00:00:00`, `none`; in seconds.
pub fn read_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "none" {
        return Some(0);
    }
    if let Some((days, clock)) = text.split_once(' ') {
        return read_duration(days)?.checked_add(read_duration(clock)?);
    }
    if text.contains(':') {
        let parts: Vec<&str> = text.split(':').collect();
        let &[hours, minutes, seconds] = parts.as_slice() else { return None };
        let number = |part: &str| part.parse::<u64>().ok();
        return Some(number(hours)? * 3600 + number(minutes)? * 60 + number(seconds)?);
    }
    let mut sum: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let unit_and_rest = &rest[digits..];
        let unit = unit_and_rest.find(|c: char| c.is_ascii_digit()).unwrap_or(unit_and_rest.len());
        let (part, divisor) = match &unit_and_rest[..unit] {
            "w" => (604_800, 1),
            "d" => (86_400, 1),
            "h" => (3_600, 1),
            "m" => (60, 1),
            "s" | "" => (1, 1),
            "ms" => (1, 1_000),
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(part)? / divisor)?;
        rest = &unit_and_rest[unit..];
    }
    Some(sum)
}

/// Seconds as RouterOS writes a span: `1w2d3h4m5s`, `0s`.
pub fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 604_800, "w"),
        (seconds / 86_400 % 7, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let mut text = String::new();
    for (count, unit) in parts.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&count.to_string());
        text.push_str(unit);
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Date and time of day of `seconds` since 1970-01-01 00:00 on the router's own clock; ISO from 7.10 on, else `jan/31/1970`.
pub fn date_and_time(seconds: u64, iso: bool) -> (String, String) {
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut days = seconds / 86_400;
    let mut year = 1970_u64;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let day = days + 1;
    if iso {
        return (format!("{year}-{:02}-{day:02}", month + 1), time);
    }
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    (format!("{}/{day:02}/{year}", names[month]), time)
}

/// `yes`, `true`, `no` and `false` as a truth.
pub fn read_bool(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

/// `value` as RouterOS would write it back, or its refusal. `exists(menu, name)` tells whether a row of that name is there.
pub fn normalise(kind: Kind, property: &str, value: &str, exists: impl Fn(&str, &str) -> bool) -> Result<String, Trap> {
    let invalid = || Trap::invalid(property);
    match kind {
        Kind::Name if value.is_empty() => Err(invalid()),
        Kind::Name | Kind::Text => Ok(value.to_owned()),
        Kind::Bool => read_bool(value).map(|truth| truth.to_string()).ok_or_else(invalid),
        Kind::Int(most) => {
            let number = value.parse::<u64>().ok().filter(|number| *number <= most);
            number.map(|number| number.to_string()).ok_or_else(invalid)
        }
        Kind::Rate => read_rate(value).map(|rate| rate.to_string()).ok_or_else(invalid),
        Kind::Rates => {
            let (up, down) = halves(value);
            let (up, down) = read_rate(up).zip(read_rate(down)).ok_or_else(invalid)?;
            Ok(format!("{up}/{down}"))
        }
        Kind::Pair => {
            let (first, second) = halves(value);
            Ok(format!("{first}/{second}"))
        }
        Kind::Ip => value.parse::<Ipv4Addr>().ok().map(|address| address.to_string()).ok_or_else(invalid),
        Kind::IpOrPool => match value.parse::<Ipv4Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) if exists("/ip/pool", value) => Ok(value.to_owned()),
            Err(_) => Err(Trap::no_match(property)),
        },
        Kind::IpWithLength => {
            read_net(value).map(|(address, length)| format!("{address}/{length}")).ok_or_else(invalid)
        }
        Kind::Targets => {
            let one = |part: &str| match read_net(part).map(network) {
                Some((address, length)) => Ok(format!("{address}/{length}")),
                None if exists("/interface", part) => Ok(part.to_owned()),
                None => Err(invalid()),
            };
            Ok(value.split(',').map(one).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Kind::Listed => listed(value).ok_or_else(invalid),
        Kind::Duration => read_duration(value).map(duration).ok_or_else(invalid),
        Kind::Choice(words) if words.contains(&value) => Ok(value.to_owned()),
        Kind::Row(menu, words) if words.contains(&value) || exists(menu, value) => Ok(value.to_owned()),
        Kind::Choice(_) | Kind::Row(..) => Err(Trap::no_match(property)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_as_routeros_does() {
        for (text, seconds, written) in [
            ("1w2d3h4m5s", 788_645, "1w2d3h4m5s"),
            ("71w3d", 43_200_000, "71w3d"),
            ("00:01:02", 62, "1m2s"),
            ("1d 00:00:10", 86_410, "1d10s"),
            ("90", 90, "1m30s"),
            ("1500ms", 1, "1s"),
            ("none", 0, "0s"),
        ] {
            assert_eq!(read_duration(text), Some(seconds), "{text}");
            assert_eq!(duration(seconds), written);
        }
        for bad in ["", "abc", "1x", "1:2", "s"] {
            assert_eq!(read_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_change_their_form_with_7_10() {
        let seconds = 1_682_974_333; // 2023-05-01 20:52:13
        assert_eq!(date_and_time(seconds, true), ("2023-05-01".into(), "20:52:13".into()));
        assert_eq!(date_and_time(seconds, false), ("may/01/2023".into(), "20:52:13".into()));
        assert_eq!(date_and_time(951_782_400, true).0, "2000-02-29");
    }

    #[test]
    fn values_come_back_in_the_routers_own_form() {
        let exists =
            |menu: &str, name: &str| (menu, name) == ("/ip/pool", "vpn") || (menu, name) == ("/interface", "ether1");
        let good = [
            (Kind::Rates, "10M/50M", "10000000/50000000"),
            (Kind::Rates, "512k", "512000/512000"),
            (Kind::Rate, "1G", "1000000000"),
            (Kind::Bool, "yes", "true"),
            (Kind::Targets, "10.0.0.7,10.1.2.3/24,ether1", "10.0.0.7/32,10.1.2.0/24,ether1"),
            (Kind::Listed, "10.1.2.3/24", "10.1.2.0/24"),
            (Kind::Listed, "10.1.2.3/32", "10.1.2.3"),
            (Kind::Listed, "10.1.2.3-10.1.2.9", "10.1.2.3-10.1.2.9"),
            (Kind::Listed, "cdn.example.net", "cdn.example.net"),
            (Kind::IpOrPool, "vpn", "vpn"),
            (Kind::Pair, "8", "8/8"),
            (Kind::Int(10), "7", "7"),
        ];
        for (kind, value, written) in good {
            assert_eq!(normalise(kind, "x", value, exists), Ok(written.to_owned()));
        }
        let bad = [
            (Kind::Rates, "fast"),
            (Kind::Rates, ""),
            (Kind::Rate, "-1"),
            (Kind::Bool, "maybe"),
            (Kind::Ip, "10.0.0.256"),
            (Kind::Ip, ""),
            (Kind::Listed, "10.1.2.0/33"),
            (Kind::Listed, ""),
            (Kind::Targets, "nowhere"),
            (Kind::Targets, "10.0.0.1/33"),
            (Kind::Name, ""),
            (Kind::Int(10), "11"),
        ];
        for (kind, value) in bad {
            assert_eq!(normalise(kind, "x", value, exists), Err(Trap::invalid("x")), "{kind:?} {value}");
        }
        let no_match = Err(Trap::no_match("service"));
        assert_eq!(normalise(Kind::Choice(&["any", "pptp"]), "service", "ppptp", exists), no_match);
        assert_eq!(normalise(Kind::Row("/ip/pool", &["none"]), "service", "other", exists), no_match);
    }

    #[test]
    fn networks_begin_where_their_masks_say() {
        for (net, first) in [("10.0.0.200/25", "10.0.0.128"), ("1.2.3.4/0", "0.0.0.0"), ("1.2.3.4", "1.2.3.4")] {
            assert_eq!(network(read_net(net).unwrap()).0, first.parse::<Ipv4Addr>().unwrap());
        }
        assert_eq!((mask(0), mask(24), mask(32)), (0, 0xFFFF_FF00, u32::MAX));
    }
}
