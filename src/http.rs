//! The front door.

pub mod answer;
pub mod caller;
pub mod nonces;
pub mod profile;
pub mod refusals;
pub mod signed;
