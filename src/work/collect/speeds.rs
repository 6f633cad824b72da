//! Speeds that plans decided, brought to the router after the books: only limits of queues are set, so no session ends.
//!
//! Nothing is written down about it: each reading asks for the limits and compares them with what was decided. So a speed
//! that was not set, or of which that is not known, is set after the next reading.

use crate::{
    app::App,
    meters::Meters,
    plan::burst::Rate,
    routeros::{self, Router},
};

/// Sets queues, by id, to their rates. The rows were seen to carry our mark in the reading just before, over this
/// connection.
pub(super) async fn set(app: &App, router: &Router, wanted: &[(String, Rate)]) {
    if wanted.is_empty() {
        return;
    }
    let made = routeros::set_rates(router, wanted).await;
    Meters::count(&app.meters.speeds, "set", made.set as u64);
    Meters::count(&app.meters.speeds, "unset", made.unset as u64);
    if let Some(error) = made.error {
        let (router, queues) = (router.name(), made.unset);
        tracing::warn!(router.name = router, queues, %error, "speeds were not set; they are after the next reading");
    }
}
