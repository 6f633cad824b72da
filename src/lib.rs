//! Turnpike: the service beside WHMCS that sells, counts, throttles and blocks VPN accounts on MikroTik routers.

pub mod clock;
pub mod problem;
pub mod routeros;
pub mod units;
