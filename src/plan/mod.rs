//! What was sold: the pure side of plans and billing cycles. Names nothing of ours but `units`.

pub mod cycle;

use crate::units::{Bytes, Speed};

/// What a plan says where the product's own fields are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanDefaults {
    /// The plan's full speed.
    pub speed: Option<Speed>,
    /// The traffic that each billing cycle brings; `None` is unmetered.
    pub packet: Option<Bytes>,
}
