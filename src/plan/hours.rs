//! Free hours: how much of the traffic of a stretch of time is counted.

use super::terms::FreeHours;
use crate::units::{Bytes, Volume};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// What is counted of traffic that was moved from `at` on, within a stretch that no edge of the window cuts:
/// `delta × (100 − ratio) ÷ 100` each way, rounded down.
pub fn counted(free: Option<FreeHours>, volume: Volume, at: DateTime<Utc>, zone: Tz) -> Volume {
    let Some(free) = free.filter(|free| free.window.holds(at, zone)) else { return volume };
    Volume { down: share(volume.down, free.download_ratio), up: share(volume.up, free.upload_ratio) }
}

fn share(bytes: Bytes, ratio: u8) -> Bytes {
    let counted = u128::from(bytes.0) * u128::from(100 - ratio.min(100)) / 100;
    Bytes(u64::try_from(counted).unwrap_or(bytes.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::window::{Clock, DayWindow};
    use chrono_tz::UTC;
    use proptest::prelude::*;

    fn free(download_ratio: u8, upload_ratio: u8) -> FreeHours {
        let window = DayWindow { from: Clock::parse("00:00").unwrap(), to: Clock::parse("06:00").unwrap() };
        FreeHours { window, download_ratio, upload_ratio }
    }

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-11-20T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn the_seeds_examples() {
        let moved = Volume::new(1_000, 1_000);
        assert_eq!(counted(Some(free(100, 100)), moved, at(3), UTC), Volume::ZERO, "completely free");
        assert_eq!(counted(Some(free(70, 0)), moved, at(3), UTC), Volume::new(300, 1_000), "70 % free, 30 % counted");
        assert_eq!(counted(Some(free(0, 0)), moved, at(3), UTC), moved, "no discount");
        assert_eq!(counted(Some(free(100, 100)), moved, at(6), UTC), moved, "after the window");
        assert_eq!(counted(None, moved, at(3), UTC), moved);
    }

    proptest! {
        #[test]
        fn counted_is_never_more_than_raw(down in any::<u64>(), up in any::<u64>(), one in 0_u8..=100, two in 0_u8..=100, hour in 0_u32..24) {
            let raw = Volume::new(down, up);
            let counted = counted(Some(free(one, two)), raw, at(hour), UTC);
            prop_assert!(counted.down <= raw.down && counted.up <= raw.up);
        }
    }
}
