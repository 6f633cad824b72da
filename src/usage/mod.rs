//! What was used: two readings become a delta, a delta becomes days, days become charts; and the books of it.

pub mod cdn;
pub mod chart;
pub mod counters;
pub mod days;
pub mod doubts;
pub mod figures;
pub mod history;
pub mod ledger;
pub mod page;
pub mod quarantine;
pub mod reading;
pub mod standing;
