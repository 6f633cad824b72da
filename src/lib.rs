//! Turnpike: the service beside WHMCS that sells, counts, throttles and blocks VPN accounts on MikroTik routers.

pub mod clock;
pub mod config;
pub mod http;
pub mod log;
pub mod pairing;
pub mod problem;
pub mod seal;
pub mod units;
