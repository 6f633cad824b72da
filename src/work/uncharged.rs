//! What may have gone uncharged in a booking, by cause, for the meters.
//!
//! Law 2 books the smaller figure; this says what that may have cost. A figure is never less than what was lost: where
//! the line bounds what can have passed, its bytes; where it is unlimited, the occasion alone. Counted once the booking is
//! committed.

use crate::{meters, meters::Meters, units::Bytes};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A counter began again: what passed after its last reading and before that.
    Restart,
    /// The same of a counter whose queue had not been on the router.
    Missing,
    /// A reset whose answer was lost: what passed between the booked reading and the reset; what the counter had stood at,
    /// too, where the smaller of two figures was booked.
    Reset,
    /// Put aside for a person.
    Quarantine,
    /// What a counter showed that had no baseline: of a queue that was taken over, or of a create that was interrupted.
    Begin,
    /// Between an account's last reading and the end of its queue.
    Terminate,
}

const CAUSES: [(Cause, &str); 6] = [
    (Cause::Restart, "restart"),
    (Cause::Missing, "missing"),
    (Cause::Reset, "reset"),
    (Cause::Quarantine, "quarantine"),
    (Cause::Begin, "begin"),
    (Cause::Terminate, "terminate"),
];

/// Sums by cause.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uncharged([Sum; CAUSES.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bytes: u64,
    unbounded: u64,
}

impl Uncharged {
    /// One occasion; `None`: nothing bounds it.
    pub(super) fn add(&mut self, cause: Cause, bound: Option<Bytes>) {
        let sum = &mut self.0[cause as usize];
        match bound {
            Some(bytes) => sum.bytes = sum.bytes.saturating_add(bytes.0),
            None => sum.unbounded += 1,
        }
    }

    /// Brings it to the meters.
    pub(super) fn count(self, meters: &Meters) {
        for ((_, cause), sum) in CAUSES.into_iter().zip(self.0) {
            let label = meters::Cause { cause };
            if sum.bytes > 0 {
                meters.uncharged.get_or_create(&label).inc_by(sum.bytes);
            }
            if sum.unbounded > 0 {
                meters.unbounded.get_or_create(&label).inc_by(sum.unbounded);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_name() {
        for (at, (cause, name)) in CAUSES.into_iter().enumerate() {
            assert_eq!(cause as usize, at, "{name}");
            let (mut sums, meters) = (Uncharged::default(), Meters::default());
            sums.add(cause, Some(Bytes(40)));
            sums.add(cause, Some(Bytes(2)));
            sums.add(cause, None);
            sums.count(&meters);
            let text = meters.render();
            assert!(text.contains(&format!("turnpike_uncharged_bytes_bound_total{{cause=\"{name}\"}} 42")), "{text}");
            assert!(text.contains(&format!("turnpike_uncharged_unbounded_total{{cause=\"{name}\"}} 1")), "{text}");
            assert_eq!(text.matches("{cause=").count(), 2, "{text}");
        }
    }
}
