//! One binary of tests through the front door: real sockets, real databases, a simulated router.

mod books_check;
mod books_counting;
mod books_reboots;
mod crash_faults;
mod db;
mod story;
mod world;
