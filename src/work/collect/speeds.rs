//! Speeds that plans decided, brought to the router after the books: only limits of queues are set, so no session ends.
//!
//! Nothing is written down about it: each reading asks for the limits and compares them with what was decided. So a speed
//! that was not set, or of which that is not known, is set after the next reading; one that the router refuses, after a while.

use crate::{
    app::App,
    meters::Meters,
    plan::burst::Rate,
    routeros::{self, Router},
};

/// Sets queues, by id, to their rates. The rows were seen to carry our mark in the reading just before, over this
/// connection.
pub(super) async fn set(app: &App, router: &Router, server_id: u64, wanted: &[(String, Rate)]) {
    let now = app.clock.now();
    let due = app.refusers.due(server_id, wanted, now);
    if wanted.is_empty() {
        return;
    }
    let made = routeros::set_rates(router, &due).await;
    Meters::count(&app.meters.speeds, "set", made.set as u64);
    Meters::count(&app.meters.speeds, "unset", (wanted.len() - made.set) as u64);
    for (id, error) in &made.refused {
        let rate = due.iter().find(|(it, _)| it == id).map(|(_, rate)| *rate);
        if rate.is_some_and(|rate| app.refusers.refused(server_id, id, rate, now)) {
            tracing::warn!(
                router.name = router.name(), queue = %id, %error,
                "the router refuses an account's speed; see /queue simple print where .id={id}, and take off it what was entered by hand"
            );
        }
    }
    if let Some(error) = made.error {
        let (router, queues) = (router.name(), due.len() - made.set - made.refused.len());
        tracing::warn!(router.name = router, queues, %error, "speeds were not set; they are after the next reading");
    }
}
