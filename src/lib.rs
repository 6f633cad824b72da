//! Turnpike: the service beside WHMCS that sells, counts, throttles and blocks VPN accounts on MikroTik routers.

pub mod account;
pub mod app;
pub mod clock;
pub mod config;
pub mod db;
pub mod http;

pub mod jobs;
pub mod log;
pub mod mail;
pub mod meters;
pub mod netflow;
pub mod pairing;
pub mod plan;
pub mod problem;
pub mod router;
pub mod routeros;
pub mod seal;
pub mod simulator;
pub mod units;
pub mod usage;
pub mod work;
