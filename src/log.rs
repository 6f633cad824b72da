//! The log: where it goes, how it looks, and the reference that joins an answer to its lines.
//!
//! Events carry fields with dotted names (`server.id`, `service.id`, `http.status`), the same in both formats. Never
//! logged: passwords, PSKs, keys, pairing codes, signatures, bodies of requests and answers, the database's URL. They
//! are `SecretString`s, whose Debug says nothing; whoever exposes one does not log. Words of routers and callers are
//! logged with `?`, which escapes line ends, so that nobody can write a line of their own.

use crate::{
    clock::{Chance, Clock},
    config::{Log, LogFormat},
};
use chrono::SecondsFormat;
use std::{fmt, str::FromStr};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    layer::SubscriberExt,
};

/// The target of all our own lines.
const OWN: &str = "turnpike";

/// Whether a text is a level, or levels by target: `info,turnpike::routeros=debug`. A bare word that is no level would
/// be taken for a target by `Targets`, and a slip of the pen would silence the log; so it is refused.
pub fn is_level(text: &str) -> bool {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
    let level = |text: &str| word(text) && LevelFilter::from_str(text).is_ok();
    !text.trim().is_empty()
        && text.split(',').all(|part| match part.split_once('=') {
            Some((target, of)) => !target.trim().is_empty() && level(of.trim()),
            None => level(part.trim()),
        })
        && Targets::from_str(text).is_ok()
}

/// Sends this process's log to standard error. Only the first call of a process counts.
pub fn start(log: &Log, clock: Clock) {
    let _ = tracing::subscriber::set_global_default(subscriber(log, clock, std::io::stderr));
}

/// The log into any writer: for tests, and for [`start`].
pub fn subscriber<W>(log: &Log, clock: Clock, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false).with_timer(At(clock));
    // Where nobody takes the log any more there is nobody to be told so: it would be said on standard error, in vain.
    let lines = lines.log_internal_errors(false);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter(&log.level)))
}

/// A bare level is for Turnpike's own lines. Libraries say no more than warnings unless named: what they tell at
/// `debug` is not under the laws above, and some tell what they send.
fn filter(level: &str) -> Targets {
    let asked = Targets::from_str(level).unwrap_or_default();
    let own = asked.default_level().unwrap_or(LevelFilter::INFO);
    let named = asked.iter().any(|(target, _)| target == OWN);
    let quiet = asked.with_default(own.min(LevelFilter::WARN));
    if named { quiet } else { quiet.with_target(OWN, own) }
}

/// The clock's instant, RFC 3339 UTC with milliseconds.
struct At(Clock);

impl FormatTime for At {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        w.write_str(&self.0.now().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// A request's reference: 12 characters (60 random bits) without look-alikes, to be read out on the telephone.
pub fn reference(chance: &Chance) -> String {
    /// Crockford's base 32, lower case: no i, l, o, u.
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    chance.bytes::<12>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: &str, story: impl FnOnce()) -> String {
        let paper = Paper::default();
        let clock = Clock::fixed(Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).unwrap());
        let writer = paper.clone();
        let log = Log { format, level: level.to_owned() };
        let subscriber = subscriber(&log, clock, move || writer.clone());
        tracing::subscriber::with_default(subscriber, story);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_are_objects_with_dotted_fields_and_the_clock_s_instant() {
        let text = written(LogFormat::Json, "info", || {
            let span = tracing::info_span!("request", reference = "abc");
            let _in = span.enter();
            tracing::info!(server.id = 3, "collected");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["timestamp"], "2026-11-20T12:00:00.000Z");
        assert_eq!(line["message"], "collected");
        assert_eq!(line["server.id"], 3);
        assert_eq!(line["span"]["reference"], "abc");
    }

    #[test]
    fn the_level_may_differ_by_target() {
        let text = written(LogFormat::Text, "warn,turnpike::loud=debug", || {
            tracing::info!("not this");
            tracing::debug!(target: "turnpike::loud", "but this");
            tracing::warn!("and this");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("but this") && text.contains("and this"), "{text}");
    }

    #[test]
    fn libraries_say_no_more_than_warnings_unless_they_are_named() {
        let story = || {
            tracing::debug!("ours");
            tracing::debug!(target: "lettre::transport", "C: AUTH PLAIN");
            tracing::warn!(target: "lettre::transport", "trouble");
        };
        let text = written(LogFormat::Text, "debug", story);
        assert!(text.contains("ours") && text.contains("trouble") && !text.contains("AUTH"), "{text}");
        assert!(written(LogFormat::Text, "debug,lettre=debug", story).contains("AUTH"));
        assert!(!written(LogFormat::Text, "debug,turnpike=info", story).contains("ours"));
        assert!(!written(LogFormat::Text, "error", story).contains("trouble"));
        assert_eq!(written(LogFormat::Text, "off", || tracing::error!("anything")), "");
        assert!(written(LogFormat::Text, "lettre=trace", || tracing::info!("ours")).contains("ours"));
    }

    #[test]
    fn a_router_s_words_cannot_begin_a_line_of_their_own() {
        let text = written(LogFormat::Text, "info", || {
            let words = "no such item\n2026-11-20T12:00:00.000Z ERROR forged \u{1b}[31m";
            tracing::info!(router.words = ?words, "refused");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        for right in ["info", "off", "WARN", "info,turnpike::routeros=debug", "turnpike=trace"] {
            assert!(is_level(right), "{right:?} was refused");
        }
        for wrong in ["", "inof", "info,", "3", "turnpike=loud", "=info", "info;debug"] {
            assert!(!is_level(wrong), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_reference_is_twelve_plain_characters_and_new_each_time() {
        let chance = Chance::seeded(7);
        let (one, two) = (reference(&chance), reference(&chance));
        assert_eq!((one.len(), two.len()), (12, 12));
        assert_ne!(one, two);
        assert!(one.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }
}
