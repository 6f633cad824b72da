//! A RouterOS on a real socket, for tests, benchmarks and the demo: strict as the real one, moved only by hand, and able to
//! fail in every way a router does. It names nothing else of this crate and shares no wire code with the client.
//!
//! What is known of RouterOS comes from MikroTik's manual, from captures of real routers (`tests/routeros/`), and from the
//! menus in `schema.txt`; what nobody has documented is a switch in [`Quirks`].

mod commands;
mod connection;
mod customers;
mod edits;
mod faults;
mod ground;
mod link;
mod login;
mod mangle;
mod menus;
mod query;
mod schema;
mod server;
mod table;
mod values;
mod wire;
mod world;

pub use customers::Session;
pub use faults::{Fault, Hook, When};
pub use ground::POLICIES;
pub use server::{Options, Sentence, Simulator};
pub use table::{Counters, Row, Table};
pub use world::{Quirks, World};
