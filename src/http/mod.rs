//! The front door: one line a verb. A request is read whole, its signature checked, its verb run, its answer signed.
//!
//! The work runs on the service's own runtime: a client that hangs up does not stop it half-way.

pub mod answer;
pub mod caller;
pub mod nonces;
pub mod ops;
pub mod profile;
pub mod refusals;
pub mod serve;
pub mod signed;

use crate::{
    app::App,
    log, meters,
    problem::{Code, Problem},
    work::{self, Ask, blocks::Change},
};
use actix_web::{HttpRequest, HttpResponse, http::Method, http::header, web};
use futures_util::StreamExt;
use serde_json::Value;
use signed::{Admission, Proof, Signing};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::Instrument;

/// The largest body that is read (contract §5).
pub const LARGEST_BODY: usize = 1024 * 1024;
/// A body must have come within this.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What the front door stands on.
#[derive(Clone, Debug)]
pub struct Front {
    /// The service.
    pub app: App,
    /// Who may come in.
    pub signing: Arc<Signing>,
}

/// Any request on the bridge's port.
pub async fn any(front: web::Data<Front>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let begun = Instant::now();
    let reference = log::reference(&front.app.chance);
    let hook = hook_of(&request).map_or_else(|| "other".to_owned(), str::to_owned);
    let span = tracing::info_span!("request", reference, hook);
    let response = answered(&front, &request, payload, &reference).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    span.in_scope(|| {
        tracing::info!(status, duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "answered")
    });
    let known = if Hook::of(&hook).is_some() { hook } else { "other".to_owned() };
    front.app.meters.requests.get_or_create(&meters::Request { hook: known, status }).inc();
    front.app.meters.seconds.observe(took.as_secs_f64());
    response
}

async fn answered(front: &Front, request: &HttpRequest, payload: web::Payload, reference: &str) -> HttpResponse {
    let peer = request.peer_addr().map(|address| address.ip());
    let body = match read(payload).await {
        Ok(body) => body,
        Err(problem) => return refused(&problem, reference, None),
    };
    let proof = match front.signing.admit(request, &body) {
        Admission::Ours(proof) => proof,
        Admission::RefusedSigned(proof, problem) => return refused(&problem, reference, Some(&proof)),
        Admission::Refused(problem) => return refused(&front.signing.refuse(peer, problem), reference, None),
    };
    match route(front, request, &body).await {
        Ok(value) => answer::json(200, &value, Some(&proof)),
        Err(problem) => refused(&problem, reference, Some(&proof)),
    }
}

/// The one place where a failure is logged.
fn refused(problem: &Problem, reference: &str, proof: Option<&Proof>) -> HttpResponse {
    let code = problem.code.as_str();
    let cause = problem.cause.as_deref().unwrap_or_default();
    match problem.code {
        Code::Internal | Code::DatabaseUnavailable => tracing::error!(code, cause, "{}", problem.detail),
        _ => tracing::warn!(code, cause, "{}", problem.detail),
    }
    answer::problem(problem, reference, proof)
}

async fn read(mut payload: web::Payload) -> Result<Vec<u8>, Problem> {
    let whole = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Problem::malformed("body", "did not come whole").because(error))?;
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(Problem::new(
                    Code::TooLarge,
                    "The body is larger than 1 MiB; nothing of that size is asked for here.",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let late = |_elapsed| Problem::malformed("body", "did not come within 10 s");
    tokio::time::timeout(BODY_TIME, whole).await.map_err(late)?
}

fn hook_of(request: &HttpRequest) -> Option<&str> {
    request.uri().path().strip_prefix("/v1/hooks/").filter(|name| name.len() <= 64)
}

async fn route(front: &Front, request: &HttpRequest, body: &[u8]) -> Result<Value, Problem> {
    let Some(name) = hook_of(request) else {
        return Err(Problem::new(Code::NoSuchHook, "There is nothing at this path; hooks are at /v1/hooks/{hook}."));
    };
    let missing = || {
        Problem::new(
            Code::NoSuchHook,
            format!("There is no hook named {name:?}; update Turnpike if the WHMCS module is newer than it."),
        )
    };
    let hook = Hook::of(name).ok_or_else(missing)?;
    if request.method() != Method::POST {
        return Err(Problem::new(Code::MethodNotAllowed, "Hooks are called with POST."));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Problem::new(Code::NotJson, "The body must be JSON, with Content-Type: application/json."));
    }
    let ask = Ask::parse(body)?;
    let app = front.app.clone();
    let work = async move { run(&app, hook, &ask).await }.in_current_span();
    match front.app.runtime.spawn(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::internal(error)),
    }
}

/// The hooks of contract §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    TestConnection,
    Options,
    Create,
    Block(Change),
    Terminate,
    Renew,
    ChangePackage,
    ChangePassword,
    Disconnect,
    AddTraffic,
    UsageUpdate,
    Cron,
    ClientArea,
    AdminTab,
    Metrics,
    ListAccounts,
}

impl Hook {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "test-connection" => Self::TestConnection,
            "options" => Self::Options,
            "create" => Self::Create,
            "suspend" => Self::Block(Change::Suspend),
            "unsuspend" => Self::Block(Change::Unsuspend),
            "admin-block" => Self::Block(Change::AdminBlock),
            "admin-unblock" => Self::Block(Change::AdminUnblock),
            "terminate" => Self::Terminate,
            "renew" => Self::Renew,
            "change-package" => Self::ChangePackage,
            "change-password" => Self::ChangePassword,
            "disconnect" => Self::Disconnect,
            "add-traffic" => Self::AddTraffic,
            "usage-update" => Self::UsageUpdate,
            "cron" => Self::Cron,
            "client-area" => Self::ClientArea,
            "admin-tab" => Self::AdminTab,
            "metrics" => Self::Metrics,
            "list-accounts" => Self::ListAccounts,
            _ => return None,
        })
    }
}

async fn run(app: &App, hook: Hook, ask: &Ask) -> Result<Value, Problem> {
    match hook {
        Hook::TestConnection => work::test_connection::run(app, ask).await,
        Hook::Options => work::options::run(app, ask).await,
        Hook::Create => work::create::run(app, ask).await,
        Hook::Block(change) => work::blocks::run(app, ask, change).await,
        Hook::Terminate => work::terminate::run(app, ask).await,
        Hook::Renew => work::renew::run(app, ask).await,
        Hook::ChangePackage => work::change_package::run(app, ask).await,
        Hook::ChangePassword => work::change_password::run(app, ask).await,
        Hook::Disconnect => work::disconnect::run(app, ask).await,
        Hook::AddTraffic => work::add_traffic::run(app, ask).await,
        Hook::UsageUpdate => work::usage_update::run(app, ask).await,
        Hook::Cron => work::cron::run(app, ask).await,
        Hook::ClientArea => work::client_area::run(app, ask).await,
        Hook::AdminTab => work::admin_tab::run(app, ask).await,
        Hook::Metrics => work::metrics::run(app, ask).await,
        Hook::ListAccounts => work::list_accounts::run(app, ask).await,
    }
}
