//! Whether changes may still be sent to a router.
//!
//! Who changes something on a router holds a lease on it, and a lease ends. A process that was stopped for a while wakes up
//! in the middle of whatever it was doing, so the question is asked where a change leaves: before it is handed to the
//! connection, and again for every piece that is handed to the socket.

use std::{fmt, sync::Arc};

/// Open while its holder may change things.
#[derive(Clone)]
pub struct Fence(Arc<dyn Fn() -> bool + Send + Sync>);

impl Fence {
    /// A fence that is open as long as `open` says so. It is asked often, and must not wait.
    pub fn new(open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// Whether a change may be sent now.
    pub fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fence").field(&self.is_open()).finish()
    }
}
