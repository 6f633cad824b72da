//! One binary of tests through the front door: real sockets, real databases, a simulated router.

mod db;
mod hooks_away;
mod hooks_bodies;
mod hooks_books;
mod hooks_causes;
mod hooks_create;
mod hooks_database;
mod hooks_faults;
mod hooks_page;
mod hooks_samples;
mod hooks_server;
mod story;
mod world;
