//! The house's laws, as tests: who may name whom, what a file must say and may not, what the documents promise, and
//! under which licences everything stands.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as its body may")]

mod documents;
mod example;
mod licences;
mod release;
mod rooms;
mod source;
mod words;
