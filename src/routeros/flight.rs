//! A command in flight: what its reply has brought so far, and what the end of it means.

use super::{
    Limits,
    command::{Kind, blotted},
    error::Failure,
    request::Sink,
    value::text,
    wire::Row,
};
use secrecy::SecretString;
use tokio::time::Instant;

/// Rows and bytes of one reply at most; a router of this size does not exist.
const MOST_ROWS: u64 = 1_000_000;
const MOST_BYTES: u64 = 512 << 20;
/// Traps of one reply that are kept, and characters of each: RouterOS sends one or two.
const MOST_TRAPS: usize = 16;
const LONGEST_TRAP: usize = 1000;

/// A command whose reply is awaited.
pub(super) struct InFlight {
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// None once the caller has its answer (a zombie).
    pub(super) sink: Option<Box<dyn Sink>>,
    traps: Vec<String>,
    /// What is blotted out of its traps.
    pub(super) secrets: Vec<SecretString>,
    pub(super) until: Instant,
    /// How long a zombie is borne with, whatever speaks for the router.
    pub(super) at_last: Instant,
    pub(super) silent_after: Option<Instant>,
    rows: u64,
    bytes: u64,
}

/// The path of the command that cancels another.
pub(super) const CANCEL: &str = "/cancel";

impl InFlight {
    pub(super) fn new(path: &'static str, kind: Kind, sink: Option<Box<dyn Sink>>, until: Instant) -> Self {
        let (traps, secrets) = (Vec::new(), Vec::new());
        Self { path, kind, sink, traps, secrets, until, at_last: until, silent_after: None, rows: 0, bytes: 0 }
    }

    /// When it runs out: in all, or of silence.
    pub(super) fn runs_out(&self) -> Instant {
        self.silent_after.map_or(self.until, |silent| silent.min(self.until))
    }

    /// Takes a row. True when the command is to be given up: nobody wants it, or it has no end.
    pub(super) fn row(&mut self, row: &Row<'_>, now: Instant, limits: &Limits) -> bool {
        let Some(sink) = self.sink.as_mut() else { return false };
        self.rows += 1;
        self.bytes += row.size() as u64;
        if self.silent_after.is_some() {
            self.silent_after = Some(now + limits.print_idle);
        }
        if !sink.wanted() {
            return true;
        }
        if self.rows > MOST_ROWS || self.bytes > MOST_BYTES {
            if let Some(sink) = self.sink.take() {
                sink.end(Err(Failure::Strange(format!("the reply to {} has no end", self.path))));
            }
            return true;
        }
        sink.row(row);
        false
    }

    /// Takes a refusal, until there are enough of them.
    pub(super) fn trap(&mut self, row: &Row<'_>) {
        if self.sink.is_some() && self.traps.len() < MOST_TRAPS {
            let words = row.get("message").map_or_else(|| "no reason given".into(), text);
            // A secret that is cut would not be known for one.
            self.traps.push(blotted(&words, &self.secrets).chars().take(LONGEST_TRAP).collect());
        }
    }

    /// The `!done` has come.
    pub(super) fn done(self, ret: Option<String>) {
        let Some(sink) = self.sink else { return };
        let words = self.traps.join("; ");
        let slow = words.to_ascii_lowercase();
        sink.end(if self.traps.is_empty() {
            Ok(ret)
        } else if slow.contains("timeout") || slow.contains("timed out") {
            // The router's own parts did not answer each other: it may have been done after all.
            Err(match self.kind {
                Kind::Write => Failure::Unknown,
                Kind::Read => Failure::Away(words),
            })
        } else {
            Err(Failure::Trapped(words))
        });
    }
}

/// The reason in a `!fatal`: loose text, or an attribute, or nothing.
pub(super) fn fatal(row: &Row<'_>) -> String {
    let mut words: Vec<_> =
        row.get("message").into_iter().chain(row.loose()).map(|word| text(word).into_owned()).collect();
    if words.is_empty() {
        words.push("no reason given".to_owned());
    }
    words.join(" ")
}
