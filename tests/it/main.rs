//! One binary of tests through the front door: real sockets, real databases, a simulated router.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod books_check;
mod books_counting;
mod db;
mod netflow;
mod secure;
#[path = "../mail/sink.rs"]
mod sink;
mod story;
mod world;
