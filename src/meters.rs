//! What this process counts, for Prometheus. What the database knows is asked when `/metrics` is read.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::Mutex;

/// Labels of a request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Request {
    /// The hook, or `other`.
    pub hook: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// A label with one of a few values.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Kind {
    /// Which.
    pub kind: &'static str,
}

/// The label of a router.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OfRouter {
    /// WHMCS's id of the server.
    pub server: u64,
}

/// Why something may have gone uncharged.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Cause {
    /// Which.
    pub cause: &'static str,
}

/// The counters of this process. A registry of its own, so that tests can run several services in one process.
#[derive(Debug)]
pub struct Meters {
    registry: Mutex<Registry>,
    /// Requests answered.
    pub requests: Family<Request, Counter>,
    /// How long they took, seconds.
    pub seconds: Histogram,
    /// Readings of routers: `read`, `failed`.
    pub readings: Family<Kind, Counter>,
    /// Bytes booked to accounts.
    pub booked_bytes: Counter,
    /// Doubts, each of which may be an under-charge: `restart`, `reset`, `quarantine`, `missing`, `frozen`, `clock`.
    pub doubts: Family<Kind, Counter>,
    /// How often this machine's clock was set: `forward`, `back`.
    pub clock_leaps: Family<Kind, Counter>,
    /// The most bytes that may have gone uncharged, by cause, where the line bounds them.
    pub uncharged: Family<Cause, Counter>,
    /// The same causes where the line is unlimited and nothing bounds the bytes: how often.
    pub unbounded: Family<Cause, Counter>,
    /// For how long counters stood between their reading and their reset, summed over counters, milliseconds.
    pub reset_gap: Counter,
    /// Counters reset: `done`, `unknown`.
    pub resets: Family<Kind, Counter>,
    /// Queues whose speed was to be changed by a plan: `set`, `unset` (tried again after the next reading).
    pub speeds: Family<Kind, Counter>,
    /// What the database knows, set when asked: mails by state, pending changes, accounts by state, quarantine.
    pub stored: Family<Kind, Gauge>,
    /// Routers by state: `idle`, `connected`, `down`.
    pub routers: Family<Kind, Gauge>,
    /// Tasks alive on the service's runtime.
    pub tasks: Gauge,
    /// 1 while a router's breaker is open: nobody tries it, but for a caller with patience.
    pub router_breaker: Family<OfRouter, Gauge>,
    /// How often in a row a router could not be reached.
    pub router_failures: Family<OfRouter, Gauge>,
    /// Seconds until it is tried again.
    pub router_next_try: Family<OfRouter, Gauge>,
    /// Seconds since its last complete reading.
    pub router_reading_age: Family<OfRouter, Gauge>,
}

impl Default for Meters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("turnpike");
        let meters = Self {
            registry: Mutex::default(),
            requests: Family::default(),
            seconds: Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 8.0, 30.0]),
            readings: Family::default(),
            booked_bytes: Counter::default(),
            doubts: Family::default(),
            clock_leaps: Family::default(),
            uncharged: Family::default(),
            unbounded: Family::default(),
            reset_gap: Counter::default(),
            resets: Family::default(),
            speeds: Family::default(),
            stored: Family::default(),
            routers: Family::default(),
            tasks: Gauge::default(),
            router_breaker: Family::default(),
            router_failures: Family::default(),
            router_next_try: Family::default(),
            router_reading_age: Family::default(),
        };
        registry.register("requests", "Requests answered", meters.requests.clone());
        registry.register("request_seconds", "How long requests took", meters.seconds.clone());
        registry.register("readings", "Readings of routers", meters.readings.clone());
        registry.register("booked_bytes", "Bytes booked to accounts", meters.booked_bytes.clone());
        registry.register("doubts", "Readings that left a doubt", meters.doubts.clone());
        registry.register("clock_leaps", "How often this machine's clock was set", meters.clock_leaps.clone());
        let bound = "The most bytes that may have gone uncharged";
        registry.register("uncharged_bytes_bound", bound, meters.uncharged.clone());
        let unbounded = "Occasions of the same on lines without a limit";
        registry.register("uncharged_unbounded", unbounded, meters.unbounded.clone());
        let gap = "Time between counters' readings and their resets, summed";
        registry.register("reset_gap_milliseconds", gap, meters.reset_gap.clone());
        registry.register("resets", "Counters reset", meters.resets.clone());
        registry.register("speeds", "Queues whose speed plans changed", meters.speeds.clone());
        registry.register("stored", "What the database knows", meters.stored.clone());
        registry.register("routers", "Routers by state of their connection", meters.routers.clone());
        registry.register("tasks", "Tasks alive on the runtime that work runs on", meters.tasks.clone());
        registry.register("router_breaker", "1 while nobody tries the router", meters.router_breaker.clone());
        registry.register("router_failures", "Failures to reach it in a row", meters.router_failures.clone());
        registry.register("router_next_try_seconds", "Until it is tried again", meters.router_next_try.clone());
        registry.register("router_reading_age_seconds", "Since its last reading", meters.router_reading_age.clone());
        Self { registry: Mutex::new(registry), ..meters }
    }
}

impl Meters {
    /// Counts one of a kind.
    pub fn count(family: &Family<Kind, Counter>, kind: &'static str, by: u64) {
        family.get_or_create(&Kind { kind }).inc_by(by);
    }

    /// Sets a figure of a kind.
    pub fn set(family: &Family<Kind, Gauge>, kind: &'static str, to: u64) {
        family.get_or_create(&Kind { kind }).set(i64::try_from(to).unwrap_or(i64::MAX));
    }

    /// Sets a figure of a router.
    pub fn set_of(family: &Family<OfRouter, Gauge>, server: u64, to: u64) {
        family.get_or_create(&OfRouter { server }).set(i64::try_from(to).unwrap_or(i64::MAX));
    }

    /// All of it in OpenMetrics text.
    pub fn render(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
