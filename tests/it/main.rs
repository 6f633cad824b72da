//! One binary of tests through the front door: real sockets, real databases, a simulated router.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod binary;
mod books_check;
mod books_counting;
mod db;
mod doctor;
mod netflow;
mod rebuild;
mod rotate_key;
mod secure;
#[path = "../mail/sink.rs"]
mod sink;
mod story;
mod world;
