//! Letters, the ways they leave, and the outbox, against a real mail server (`tests/foreign/smtp_sink.py`).

mod letters;
mod sending;
mod sink;
