//! The simulator, asked over its socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::cast_possible_truncation, reason = "the peer checks each size before it narrows it")]

mod commands;
mod customers;
mod faults;
mod foreign;
mod lifecycle;
mod peer;
mod recordings;
