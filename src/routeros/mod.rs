//! A router as spoken to: RouterOS's binary API over our own connection.
//!
//! Built on the sans-IO layer of `mikrotik-rs` (its command encoder, length decoder and tags); the connection is ours,
//! because a hung router, a cut reply and a lost write must each be told apart from success. The laws kept here:
//!
//! * Everything has a deadline ([`Limits`]); a caller's earlier one ([`Router::within`]) wins.
//! * A reply counts only with its `!done`. The end of the stream before it is an error, never an empty success.
//! * A write whose reply was lost is [`Error::OutcomeUnknown`]; it is reconciled by reading (name and [`Mark`]), never
//!   blindly repeated.
//! * Exactly one connection per router, at most four commands in flight, `.proplist` on every print, ids in batches of
//!   at most 100, rows parsed as they stream in.
//! * A change is sent only while its caller's [`Fence`] is open, and the fence is asked again at the socket.
//! * Nothing without our mark is changed or removed; `reset` and `reset-counters-all` are never sent.
//! * RouterOS's order of directions (`upload/download`) is turned into the customer's view here and nowhere else.
//! * Secrets show in no Debug output, log line or error.

mod addresses;
mod breaker;
mod cdn;
mod command;
mod dial;
mod error;
mod examine;
mod facts;
mod fence;
mod flight;
#[doc(hidden)]
pub mod hostile;
mod inventory;
mod link;
mod looks;
mod mark;
mod marking;
mod names;
mod queues;
mod reading;
mod refusers;
mod remove;
mod renamed;
mod request;
mod reset;
mod router;
mod routers;
mod secrets;
mod sessions;
mod standing;
mod supervisor;
mod tls;
mod value;
mod wanted;
mod wire;

pub use addresses::{Shared, addresses_in_use, addresses_taken};
pub use cdn::{CdnQueue, cdn_counted, cdn_queue_name};
pub use error::{Error, Refusal};
pub use examine::{
    ApiUser, Difference, FastTrack, HeldSecret, Holding, Service, VpnServer, api_user, certificate_end, clock,
    differences, fast_track, held, holding, l2tp_server, pptp_server, services, session_traffic,
};
pub use facts::{Facts, Profile, facts, pool_ranges, pools, pools_and_ranges, profiles, uptime_seconds};
pub use fence::Fence;
pub use inventory::{Inventory, OpenSecret, inventory};
pub use looks::{Look, look};
pub use mark::Mark;
pub use marking::{Changes, Entry, Listed, MarkRule, Rule, listed, make_changes, mark_rules};
pub use queues::{QueueRow, Rates, SetRates, Shape, counter, counters, counters_and_uptime, set_rate, set_rates};
pub use reading::{Packets, Reading};
pub use refusers::Refusers;
pub use remove::remove;
pub use renamed::{remove_renamed, switch_off_renamed};
pub use reset::{Reset, read_and_reset};
pub use router::Router;
pub use routers::{Limits, Login, Routers};
pub use secrets::{Found, SecretRow, find, secrets, set_disabled, set_password};
pub use sessions::{Session, all_sessions, kick, sessions, uptimes};
pub use standing::{Standing, State};
pub use tls::{Fingerprint, NotAFingerprint, extra_roots};
pub use wanted::{Ensured, Wanted, ensure};

/// The most ids in one `set`, `remove` or `reset-counters`.
const MOST_IDS: usize = 100;
/// How often a change is reconciled by reading and gone on with, before its error is handed to the caller.
const TRIES: usize = 3;
