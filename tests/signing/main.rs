//! The signed front door, through a real socket: what is let in, what is refused and how, and what the answers prove.
//!
//! Requests are signed here by hand (`draft`), by a foreign library (`foreign`), and by numbers made elsewhere; never by
//! the code under test, save where `Caller` itself is tested.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod accepted;
mod answers;
mod door;
mod draft;
mod foreign;
mod mutated;
mod refused;
