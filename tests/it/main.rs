//! One binary of tests through the front door: real sockets, real databases, a simulated router.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]
#![expect(clippy::cast_possible_wrap, reason = "a few gigabytes are far from the edge")]
#![expect(clippy::needless_pass_by_value, reason = "bodies are written where they are given")]

mod admin_books;
mod admin_netflow;
mod admin_pages;
mod admin_plans;
mod binary;
mod books_check;
mod books_counting;
mod books_days;
mod books_random;
mod books_reboots;
mod books_sheets;
mod books_sidecars;
mod books_standing;
mod books_targets;
mod books_terms;
mod books_uncharged;
mod books_verdicts;
mod check;
mod clock_set;
mod crash_faults;
mod crash_hooks;
mod crash_kills;
#[cfg(debug_assertions)]
mod crash_matrix;
mod db;
mod doctor;
mod doctor_mends;
mod door_limits;
mod doubts;
mod fuzz_corpus;
mod galera;
mod hooks_afterwards;
mod hooks_away;
mod hooks_bodies;
mod hooks_books;
mod hooks_causes;
mod hooks_create;
mod hooks_database;
mod hooks_faults;
mod hooks_page;
mod hooks_page_live;
mod hooks_reapply;
mod hooks_renamed;
mod hooks_samples;
mod hooks_server;
mod hostile_bytes;
mod import;
mod import_afterwards;
mod jobs_due;
mod kept;
mod lives;
mod netflow;
mod openapi;
mod outage;
mod plans_api;
mod plans_cdn;
mod plans_cdn_counters;
mod plans_engine;
mod plans_letters;
mod plans_page;
mod plans_refused;
mod rebuild;
mod rotate_key;
mod rotate_load;
mod routers_hanging;
mod routers_many;
mod routers_shut;
mod secure;
mod sidecars;
mod sidecars_letters;
mod sidecars_pending;
#[expect(dead_code, reason = "the tests of mail use the rest")]
#[path = "../mail/sink.rs"]
mod sink;
mod story;
mod upgrades;
mod victim;
mod wire;
mod world;
