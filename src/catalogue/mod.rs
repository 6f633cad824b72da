//! What there is to sell, as stored: plans, bandwidth rules and CDN profiles. What they mean is told by `plan`, which is pure.

pub mod cdn;
pub mod plans;
pub mod rules;
