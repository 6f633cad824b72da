//! Usage-update: one collection of a server (read, book, reset), then verdicts, letters and blocks, and the figures that
//! WHMCS keeps.
//!
//! The answer tells of a hundred thousand accounts, so it is written as their rows are read, two thousand at a time.

use super::{
    Ask,
    books::IN_HAND,
    collect::{self, Outcome, Scope, Skipped},
    view,
};
use crate::{
    app::App,
    problem::Problem,
    usage::{
        figures::{self, Figures},
        history,
    },
};
use serde_json::{Value, json};

/// About how long one account's figures are in an answer, bytes.
const ABOUT: usize = 256;

/// Runs the hook; its answer, as JSON.
pub async fn run(app: &App, ask: &Ask) -> Result<Vec<u8>, Problem> {
    let until = super::deadline(super::COLLECTION);
    let server = super::told_server(app, ask).await?;
    let id = server.told.id;
    let outcome = collect::run(app, id, Scope::All, until).await?;
    let mut services = Services::of_this_month(app);
    services.add(app, id, &outcome, |_| true).await?;
    services.end(&json!({
        "server_id": id,
        "collected_at": super::instant(outcome.at),
        "collected": outcome.read.len(),
        "skipped": outcome.skipped.iter().map(skipped).collect::<Vec<_>>(),
    }))
}

/// An account that was left out, and why.
pub(super) fn skipped(it: &Skipped) -> Value {
    json!({"service_id": it.service_id, "reason": it.reason})
}

/// `month` and `services` of an answer, as it is being written: the answer's first members.
pub(super) struct Services {
    /// Whose figures they are, `YYYY-MM`: one for all, and said, because WHMCS's own clock may be in another.
    month: String,
    text: Vec<u8>,
    none_yet: bool,
}

impl Services {
    /// None yet; their figures are of the month in which today falls.
    pub(super) fn of_this_month(app: &App) -> Self {
        let month = view::this_month(app);
        let text = format!("{{\"month\":\"{month}\",\"services\":[").into_bytes();
        Self { month, text, none_yet: true }
    }

    /// Adds the figures of a router's services that were read, as they stand now.
    pub(super) async fn add(
        &mut self,
        app: &App,
        server_id: u64,
        outcome: &Outcome,
        wanted: impl Fn(&Figures) -> bool,
    ) -> Result<(), Problem> {
        let mut conn = app.db.read().await?;
        let months = history::in_month_of_server(&mut conn, server_id, &self.month).await?;
        self.text.reserve(outcome.read.len() * ABOUT);
        let mut from = 0;
        loop {
            let some = figures::of_server(&mut conn, server_id, from, IN_HAND).await?;
            let chosen = some.iter().filter(|it| outcome.read.binary_search(&it.service_id).is_ok() && wanted(it));
            for it in chosen {
                let month = months.binary_search_by_key(&it.service_id, |(id, _)| *id);
                let month = month.map(|at| months[at].1).unwrap_or_default();
                if !std::mem::take(&mut self.none_yet) {
                    self.text.push(b',');
                }
                serde_json::to_writer(&mut self.text, &view::usage(it, month)).map_err(Problem::internal)?;
            }
            match some.last() {
                Some(last) if some.len() == IN_HAND as usize => from = last.service_id + 1,
                _ => return Ok(()),
            }
        }
    }

    /// The whole answer: the services, and an object's other members after them.
    pub(super) fn end(mut self, others: &Value) -> Result<Vec<u8>, Problem> {
        let others = serde_json::to_vec(others).map_err(Problem::internal)?;
        self.text.extend_from_slice(b"],");
        self.text.extend_from_slice(others.get(1..).unwrap_or_default());
        Ok(self.text)
    }
}
