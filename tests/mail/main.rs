//! Letters, the ways they leave, and the outbox, against a real mail server (`tests/foreign/smtp_sink.py`).

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod faults;
mod hostile;
mod letters;
mod outbox;
mod sending;
mod sink;
#[path = "../it/world.rs"]
#[expect(dead_code, reason = "the database is shared with the other tests; not all of it is needed here")]
mod world;
