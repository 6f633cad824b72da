//! `/v1/admin/{page}`: the admin's pages, for whoever shows them.

use super::Reply;
use crate::{
    app::App,
    problem::Problem,
    work::admin::{self, Name, Request},
};

/// Draws the page, or does what its form asks for.
///
/// # Errors
/// `malformed`, `method-not-allowed` for a change by whoever may only look, `database-unavailable`, `internal`.
pub async fn run(app: &App, page: Name, body: &[u8]) -> Result<Reply, Problem> {
    let page = admin::page(app, page, &Request::parse(body)?).await?;
    serde_json::to_value(page).map(Reply::Json).map_err(Problem::internal)
}
