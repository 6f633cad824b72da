//! What there is to sell, as stored: plans and bandwidth rules. What they mean is told by `plan`, which is pure.

pub mod plans;
pub mod rules;
