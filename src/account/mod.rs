//! A service: what was settled about it, what it is called, which address it has, and why it is off.

pub mod addresses;
pub mod allotment;
pub mod causes;
mod cluster;
pub mod credentials;
pub mod fair_use;
pub mod interventions;
pub mod levels;
pub mod pending;
pub mod record;
pub mod roll;
pub mod settings;
pub mod verdict;

pub use record::{Account, Sold, State};
