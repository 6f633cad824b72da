//! One binary of tests through the front door: real sockets, real databases, a simulated router.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod books_check;
mod books_counting;
mod books_days;
mod books_random;
mod books_reboots;
mod books_sidecars;
mod books_verdicts;
mod crash_faults;
mod crash_kills;
mod db;
mod hooks_bodies;
mod hooks_create;
mod jobs_due;
mod netflow;
mod secure;
#[expect(dead_code, reason = "the tests of mail use the rest")]
#[path = "../mail/sink.rs"]
mod sink;
mod story;
mod world;
