//! Figures as staff read them, and instants with how long ago they were.

use crate::{
    app::App,
    units::{Bytes, Speed, Volume},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// An amount of traffic, `4.2 GB`.
pub(super) fn gb(app: &App, bytes: i64) -> String {
    let amount = app.config.traffic.gb.display(bytes, 2);
    // A few bytes are not nothing.
    if amount == "0" && bytes != 0 { format!("{} GB", app.config.traffic.gb.display(bytes, 4)) } else { amount + " GB" }
}

/// Both directions.
pub(super) fn volume(app: &App, volume: Volume) -> Value {
    let shown = |bytes: Bytes| gb(app, bytes.signed());
    json!({"down": shown(volume.down), "up": shown(volume.up), "total": shown(volume.total())})
}

/// An account's speed, `10 Mbit/s down, 5 Mbit/s up`.
pub(super) fn speed(speed: Speed) -> String {
    let one = |kbps: u32| match kbps {
        0 => "unlimited".to_owned(),
        kbps if kbps < 1000 => format!("{kbps} kbit/s"),
        kbps => format!("{} Mbit/s", rust_decimal::Decimal::new(kbps.into(), 3).normalize()),
    };
    format!("{} down, {} up", one(speed.down.0), one(speed.up.0))
}

/// A length of time in its largest two units, `3 d 4 h`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// An instant in the installation's zone, with how far from now it is.
pub(super) fn at(app: &App, instant: DateTime<Utc>) -> Value {
    let away = app.clock.now() - instant;
    json!({
        "iso": crate::work::instant(instant),
        "text": instant.with_timezone(&app.config.zone).format("%Y-%m-%d %H:%M %Z").to_string(),
        "ago": ago(away),
    })
}

/// The same for one that may not be.
pub(super) fn maybe_at(app: &App, instant: Option<DateTime<Utc>>) -> Value {
    instant.map_or(Value::Null, |it| at(app, it))
}

fn ago(away: TimeDelta) -> String {
    let words = duration(away.num_seconds().unsigned_abs());
    match away.num_seconds() {
        -1..=1 => "now".to_owned(),
        ..=-2 => format!("in {words}"),
        _ => format!("{words} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_two_units() {
        let told = [59, 60, 3_659, 3_660, 90_000, 864_000].map(duration);
        assert_eq!(told, ["59 s", "1 min", "1 h 0 min", "1 h 1 min", "1 d 1 h", "10 d 0 h"]);
        assert_eq!(ago(TimeDelta::seconds(-90)), "in 1 min");
        assert_eq!(ago(TimeDelta::zero()), "now");
    }

    #[test]
    fn speeds_are_told_in_the_unit_that_fits() {
        assert_eq!(speed(Speed::new(10_000, 512)), "10 Mbit/s down, 512 kbit/s up");
        assert_eq!(speed(Speed::new(1_500, 0)), "1.5 Mbit/s down, unlimited up");
    }
}
