//! Turnpike: the service beside WHMCS that sells, counts, throttles and blocks VPN accounts on MikroTik routers.

pub mod account;
pub mod clock;
pub mod db;
pub mod plan;
pub mod problem;
pub mod units;
pub mod usage;
