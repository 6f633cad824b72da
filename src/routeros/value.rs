//! RouterOS's spellings of values, read into numbers: every form that versions 6 and 7 are known to print.

use std::{borrow::Cow, net::Ipv4Addr};

/// A value as text. RouterOS does not say which charset it kept; what is not UTF-8 is read as Latin-1.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// A switch: `true`/`yes`, and everything else is off.
pub(super) fn truth(bytes: &[u8]) -> bool {
    matches!(bytes, b"true" | b"yes")
}

/// A whole number.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 20 {
        return None;
    }
    bytes.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A counter pair, `upload/download` on queues.
pub(super) fn pair(bytes: &[u8]) -> Option<(u64, u64)> {
    let cut = bytes.iter().position(|&byte| byte == b'/')?;
    Some((number(&bytes[..cut])?, number(&bytes[cut + 1..])?))
}

/// A rate in bit/s: `10000000`, `10M`, `512k`, `1G`, `1.5M`.
pub(super) fn rate(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1_000_u64),
        b'M' | b'm' => (&text[..text.len() - 1], 1_000_000),
        b'G' | b'g' => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let mut sum = number(whole.as_bytes())?.checked_mul(unit)?;
    let mut step = unit;
    for digit in part.bytes() {
        step /= 10;
        sum = sum.checked_add(number(&[digit])?.checked_mul(step)?)?;
    }
    (!digits.ends_with('.')).then_some(sum)
}

/// A pair of rates in bit/s; one rate alone stands for both.
pub(super) fn rates(text: &str) -> Option<(u64, u64)> {
    match text.split_once('/') {
        Some((first, second)) => Some((rate(first)?, rate(second)?)),
        None => rate(text).map(|both| (both, both)),
    }
}

/// A length of time in whole seconds: `1w2d3h4m5s`, `100ms`, `00:01:02`, `1d 00:00:00`, `1w2d03:04:05`, `none`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "none" {
        return Some(0);
    }
    let mut millis = 0_u64;
    let mut rest = text;
    let mut found = false;
    while !rest.is_empty() {
        rest = rest.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = &rest[digits..];
        if after.starts_with(':') {
            return (millis / 1000).checked_add(clock(rest)?);
        }
        let value = number(&rest.as_bytes()[..digits])?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &after[..letters] {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            "us" | "ns" => 0,
            _ => return None,
        };
        millis = millis.checked_add(value.checked_mul(unit)?)?;
        rest = &after[letters..];
        found = true;
    }
    found.then_some(millis / 1000)
}

/// `hours:minutes:seconds`, a fraction of a second dropped.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let (hours, minutes, secs) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let secs = secs.split('.').next()?;
    let part = |text: &str| number(text.as_bytes());
    part(hours)?.checked_mul(3600)?.checked_add(part(minutes)?.checked_mul(60)?)?.checked_add(part(secs)?)
}

/// The address of a target that is one address: `10.0.0.1/32` or `10.0.0.1`.
pub(super) fn single(target: &str) -> Option<Ipv4Addr> {
    let target = target.trim();
    target.strip_suffix("/32").unwrap_or(target).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_time_are_read_in_every_form() {
        for (text, secs) in [
            ("1w2d3h4m5s", 788_645),
            ("71w3d", 500 * 86_400),
            ("5s", 5),
            ("100ms", 0),
            ("1s500ms", 1),
            ("00:01:02", 62),
            ("1d 00:00:00", 86_400),
            ("1w2d03:04:05", 788_645),
            ("1d00:00:01.5", 86_401),
            ("none", 0),
            ("0s", 0),
        ] {
            assert_eq!(seconds(text), Some(secs), "{text:?}");
        }
        let past_all = format!("1s0:0:{}", u64::MAX);
        for wrong in ["", "5", "5x", "1:2", "1:2:3:4", "h", "-5s", "s5", &past_all] {
            assert_eq!(seconds(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn rates_are_read_in_every_form() {
        assert_eq!(rates("10M/50M"), Some((10_000_000, 50_000_000)));
        assert_eq!(rates("10000000/50000000"), Some((10_000_000, 50_000_000)));
        assert_eq!(rates("1.5M/512k"), Some((1_500_000, 512_000)));
        assert_eq!(rates("0/0"), Some((0, 0)));
        assert_eq!(rates("2G"), Some((2_000_000_000, 2_000_000_000)));
        for wrong in ["", "/", "10M/", "M", "1.M", "x/1", "-1/1", "1e3", "99999999999999999999G"] {
            assert_eq!(rates(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn switches_are_read_in_all_four_spellings() {
        assert!(truth(b"true") && truth(b"yes"));
        assert!(!truth(b"false") && !truth(b"no") && !truth(b""));
    }

    #[test]
    fn text_that_is_not_utf8_is_read_as_latin1() {
        assert_eq!(text(b"caf\xe9"), "café");
        assert_eq!(text("café".as_bytes()), "café");
    }

    #[test]
    fn a_target_of_one_address_is_known() {
        let address = Ipv4Addr::new(10, 8, 0, 2);
        assert_eq!(single("10.8.0.2/32"), Some(address));
        assert_eq!(single("10.8.0.2"), Some(address));
        for other in ["10.8.0.0/24", "ether1", "", "10.8.0.2/32,10.8.0.3/32", "::1/128"] {
            assert_eq!(single(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn counters_of_64_bits_are_exact(up in any::<u64>(), down in any::<u64>()) {
            prop_assert_eq!(pair(format!("{up}/{down}").as_bytes()), Some((up, down)));
        }

        #[test]
        fn nothing_makes_the_readers_panic(any in ".{0,40}") {
            let _ = (seconds(&any), rates(&any), single(&any), pair(any.as_bytes()), number(any.as_bytes()));
        }

        #[test]
        fn uptimes_add_up(w in 0_u64..200, d in 0_u64..7, h in 0_u64..24, m in 0_u64..60, s in 0_u64..60) {
            let want = ((w * 7 + d) * 24 + h) * 3600 + m * 60 + s;
            prop_assert_eq!(seconds(&format!("{w}w{d}d{h}h{m}m{s}s")), Some(want));
            prop_assert_eq!(seconds(&format!("{w}w{d}d{h:02}:{m:02}:{s:02}")), Some(want));
        }
    }
}
