//! Every reader of a router's words, on bytes from anywhere: for `fuzz/` and the replay of its corpus, which stand outside of
//! the crate and would otherwise need a socket for each try. Nothing else names it.

use super::{
    facts::property,
    flight::fatal,
    mark::Mark,
    marking, queues, reading, secrets, sessions,
    value::{number, pair, rate, rates, seconds, single, text},
    wire::{Framer, Row},
};
use std::net::Ipv4Addr;

/// The words of whole sentences.
pub type Sentences = Vec<Vec<Vec<u8>>>;

/// The sentences in a stream that arrives in pieces of `step` bytes, and whether it broke the protocol in the end.
pub fn sentences(stream: &[u8], step: usize) -> (Sentences, bool) {
    let (mut framer, mut all) = (Framer::default(), Vec::new());
    for piece in stream.chunks(step.max(1)) {
        framer.room().extend_from_slice(piece);
        loop {
            match framer.next() {
                Ok(Some(row)) => all.push(row.words().map(<[u8]>::to_vec).collect()),
                Ok(None) => break,
                Err(_wrong) => return (all, true),
            }
        }
    }
    (all, false)
}

/// What a stream's sentences are read as, by every reader of rows; each one's outcome as text.
pub fn rows(stream: &[u8]) -> Vec<String> {
    let (mut framer, mut all) = (Framer::default(), Vec::new());
    framer.room().extend_from_slice(stream);
    while let Ok(Some(row)) = framer.next() {
        all.extend(read(&row));
    }
    all
}

fn read(row: &Row<'_>) -> Vec<String> {
    let comment = property(row, "comment");
    vec![
        format!("{:?} {:?} {}", row.kind(), row.tag(), row.size()),
        format!("{:?}", reading::reading(row)),
        format!("{:?}", queues::queue(row)),
        format!("{:?}", secrets::secret(row)),
        format!("{:?}", sessions::session(row)),
        format!("{:?}", marking::entry(row)),
        format!("{:?}", marking::rule(row)),
        fatal(row),
        format!("{:?}", Mark::parse(&comment)),
    ]
}

/// What one value is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// As text.
    pub text: String,
    /// As a counter.
    pub number: Option<u64>,
    /// As a pair of counters.
    pub pair: Option<(u64, u64)>,
    /// As a rate in bit/s.
    pub rate: Option<u64>,
    /// As a pair of rates.
    pub rates: Option<(u64, u64)>,
    /// As a length of time.
    pub seconds: Option<u64>,
    /// As a target of one address.
    pub single: Option<Ipv4Addr>,
}

/// One value, read in every way there is.
pub fn values(bytes: &[u8]) -> Values {
    let text = text(bytes);
    Values {
        number: number(bytes),
        pair: pair(bytes),
        rate: rate(&text),
        rates: rates(&text),
        seconds: seconds(&text),
        single: single(&text),
        text: text.into_owned(),
    }
}
