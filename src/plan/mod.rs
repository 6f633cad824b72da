//! What was sold: the pure side of plans and billing cycles. Names nothing of ours but `units`: no database, no clock.

pub mod burst;
pub mod cycle;
pub mod form;
pub mod fup;
pub mod hours;
pub mod rule_form;
pub mod rules;
pub mod terms;
pub mod window;

pub use terms::Plan;
