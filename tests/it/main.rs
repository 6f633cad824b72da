//! One binary of tests through the front door: real sockets, real databases, a simulated router.

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
mod jobs_due;
mod story;
mod world;
