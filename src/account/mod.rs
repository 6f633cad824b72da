//! A service: what was settled about it, what it is called, which address it has.

pub mod addresses;
pub mod credentials;
pub mod settings;
