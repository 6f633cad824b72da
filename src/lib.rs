//! Turnpike: the service beside WHMCS that sells, counts, throttles and blocks VPN accounts on MikroTik routers.
//!
//! # The map
//!
//! A request of WHMCS's bridge comes in by [`http`], which checks its signature and hands it to a verb in [`work`]: one file
//! a verb, each the order of things and nothing else. What is due without being asked for (readings of routers, letters,
//! old rows) is begun by [`jobs`], through the same verbs. Both stand on one [`app::App`].
//!
//! The nouns keep facts and their SQL:
//!
//! * [`account`]: a service as it was sold, why it is off, what the router still has to be given.
//! * [`usage`]: readings and what they come to, the ledger, days and months, charts.
//! * [`router`]: a router as it is remembered; [`routeros`]: one as it is spoken to, which never sees the database.
//! * [`mail`]: letters, the outbox and the ways out.
//! * [`netflow`]: access records of a NetFlow collector.
//! * [`plan`]: what was sold, as pure functions.
//! * [`page`]: what the books say for clients' pages, read for many at once.
//!
//! Below them: [`db`] (one SQL, two databases), [`seal`] (secrets at rest), [`units`], [`clock`] (time and chance),
//! [`gather`] (many who ask share one lookup), [`written`] (text that many answers begin with). Around
//! them: [`config`], [`pairing`], [`log`], [`meters`]. [`problem`] is the one place where errors become answers.
//!
//! [`steps`] is where tests kill a debug build; in a release there is nothing in it.
//!
//! [`simulator`] is a RouterOS of its own on a real socket, for tests and the demo. It shares nothing with the rest.
//!
//! `docs/architecture.md` tells the laws and walks one collection through; `tests/house` holds everybody to who may name
//! whom.

pub mod account;
pub mod app;
pub mod catalogue;
pub mod clock;
pub mod config;
pub mod db;
pub mod gather;
pub mod http;
pub mod jobs;
pub mod log;
pub mod mail;
pub mod meters;
pub mod netflow;
pub mod page;
pub mod pairing;
pub mod plan;
pub mod problem;
pub mod router;
pub mod routeros;
pub mod seal;
pub mod sheet;
pub mod simulator;
pub mod steps;
pub mod units;
pub mod usage;
pub mod work;
pub mod written;
