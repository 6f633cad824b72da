//! The RouterOS client against peers that misbehave, byte by byte.
//!
//! The peers are scripted on real loopback sockets with an encoding of their own, so that a mistake in the client's
//! cannot hide. No test sleeps: what must run out does so under tiny limits, or in time that was paused.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as its body may")]

mod cdn;
mod connections;
mod logins;
mod looks;
mod peer;
mod recordings;
mod replies;
mod resets;
mod simulated;
mod tls;
mod writes;
mod zombies;
