//! One binary of tests through the front door: real sockets, real databases, a simulated router.

mod db;
mod hooks_away;
mod hooks_bodies;
mod hooks_causes;
mod hooks_create;
mod hooks_faults;
mod story;
mod world;
