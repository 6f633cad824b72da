//! What was used: two readings become a delta, a delta becomes days, days become charts.

pub mod chart;
pub mod days;
pub mod reading;
