//! The front door: one line a verb. A request is read whole, its signature checked, its verb run, its answer signed.
//!
//! The work runs on the service's own runtime: a client that hangs up does not stop it half-way. A client's page alone is made
//! where its request was read: it changes nothing, so it may be stopped, and it is asked for more often than all else.

pub mod admin;
pub mod answer;
pub mod caller;
pub mod descriptors;
pub mod netflow;
pub mod nonces;
pub mod openapi;
pub mod ops;
pub mod plans;
pub mod profile;
pub mod refusals;
pub mod rules;
pub mod serve;
pub mod signed;

use crate::{
    app::App,
    log, meters,
    problem::{Code, Problem},
    steps,
    work::{self, Ask, blocks::Change},
    written::Written,
};
use actix_web::{HttpRequest, HttpResponse, http::Method, http::header, web};
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use signed::{Admission, Proof, Signing};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
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

/// What a verb answers with when nothing went wrong.
#[derive(Debug)]
pub enum Reply {
    /// 200 with JSON.
    Json(Value),
    /// 200 with JSON that is written already.
    Written(Vec<u8>),
    /// 200 with a client's page.
    Page(Written),
    /// 201 with what was made, as JSON.
    Made(Value),
    /// 204: done, and nothing to say.
    Empty,
}

/// Any request on the bridge's port.
pub async fn any(front: web::Data<Front>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    if request.method() == Method::GET && request.uri().path() == openapi::PATH {
        return openapi::get().await;
    }
    let begun = Instant::now();
    let reference = log::reference(&front.app.chance);
    let door = Door::at(request.uri().path(), request.uri().query().unwrap_or_default());
    let hook = door.as_ref().map_or("other", Door::name);
    let span = tracing::info_span!("request", reference, hook);
    let response = answered(&front, door, &request, payload, &reference).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    span.in_scope(|| {
        tracing::info!(status, duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "answered");
    });
    front.app.meters.requests.get_or_create(&meters::Request { hook, status }).inc();
    front.app.meters.seconds.observe(took.as_secs_f64());
    response
}

async fn answered(
    front: &Front,
    door: Result<Door, Problem>,
    request: &HttpRequest,
    payload: web::Payload,
    reference: &str,
) -> HttpResponse {
    let peer = request.peer_addr().map(|address| address.ip());
    let known = match front.signing.recognise(request) {
        Ok(known) => known,
        Err(problem) => return refused(&front.signing.refuse(peer, problem), reference, None),
    };
    let body = match read(payload).await {
        Ok(body) => body,
        Err(problem) => return refused(&problem, reference, None),
    };
    let proof = match front.signing.judge(known, &body) {
        Admission::Ours(proof) => proof,
        Admission::RefusedSigned(proof, problem) => return refused(&problem, reference, Some(&proof)),
        Admission::Refused(problem) => return refused(&front.signing.refuse(peer, problem), reference, None),
    };
    let door = match door {
        Ok(door) => door,
        Err(problem) => return refused(&problem, reference, Some(&proof)),
    };
    if door.changes(request.method())
        && let Err(problem) = serve::take_for_all(front, &proof).await
    {
        return refused(&problem, reference, Some(&proof));
    }
    match through(front, door.clone(), request, body).await {
        Ok(Reply::Json(value)) => answer::json(200, &value, Some(&proof)),
        Ok(Reply::Written(json)) => answer::bytes_of(200, answer::JSON, json, Some(&proof)),
        Ok(Reply::Page(json)) => answer::written(200, json, Some(&proof)),
        Ok(Reply::Made(value)) => answer::json(201, &value, Some(&proof)),
        Ok(Reply::Empty) => answer::empty(204, Some(&proof)),
        Err(problem) => {
            let mut answer = refused(&problem, reference, Some(&proof));
            if problem.code == Code::MethodNotAllowed
                && let Ok(methods) = header::HeaderValue::from_str(&listed(door.methods()))
            {
                answer.headers_mut().insert(header::ALLOW, methods);
            }
            answer
        }
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

/// Where a path leads.
#[derive(Clone, Debug)]
enum Door {
    /// `/v1/hooks/client-area`.
    ClientArea,
    /// `/v1/hooks/{hook}` of every other one, with its name.
    Hook(Hook, &'static str),
    /// `/v1/netflow` and below.
    Netflow(netflow::Path),
    /// `/v1/plans` and below.
    Plans(plans::Path),
    /// `/v1/bandwidth-rules` and below.
    Rules(rules::Path),
    /// `/v1/admin/{page}`.
    Admin(work::admin::Name),
}

impl Door {
    /// Paths are taken as sent: what is percent-encoded leads nowhere.
    fn at(path: &str, query: &str) -> Result<Self, Problem> {
        if let Some(name) = path.strip_prefix("/v1/hooks/").filter(|name| name.len() <= 64) {
            let missing =
                || format!("There is no hook named {name:?}; update Turnpike if the WHMCS module is newer than it.");
            if name == CLIENT_AREA {
                return Ok(Self::ClientArea);
            }
            let found = HOOKS.into_iter().find(|(it, _)| *it == name);
            let (name, hook) = found.ok_or_else(|| Problem::new(Code::NoSuchHook, missing()))?;
            return Ok(Self::Hook(hook, name));
        }
        if let Some(path) = path.strip_prefix("/v1/netflow").and_then(netflow::Path::of) {
            return path.map(Self::Netflow);
        }
        if let Some(path) = path.strip_prefix("/v1/plans").and_then(|rest| plans::Path::of(rest, query)) {
            return path.map(Self::Plans);
        }
        if let Some(path) = path.strip_prefix("/v1/bandwidth-rules").and_then(rules::Path::of) {
            return path.map(Self::Rules);
        }
        if let Some(page) = path.strip_prefix("/v1/admin/").and_then(work::admin::Name::parse) {
            return Ok(Self::Admin(page));
        }
        let nothing = "There is nothing at this path; hooks are at /v1/hooks/{hook}, NetFlow records at /v1/netflow, \
                       plans at /v1/plans, bandwidth rules at /v1/bandwidth-rules, pages at /v1/admin/{page}.";
        Err(Problem::new(Code::NoSuchHook, nothing))
    }

    /// What the log and the meters call it.
    fn name(&self) -> &'static str {
        match self {
            Self::ClientArea => CLIENT_AREA,
            Self::Hook(_, name) => name,
            Self::Netflow(_) => "netflow",
            Self::Plans(_) => "plans",
            Self::Rules(_) => "bandwidth-rules",
            Self::Admin(_) => "admin",
        }
    }

    /// Whether it may change anything. What only shows something may be shown twice: whoever asks again with a recorded
    /// request has recorded its answer too.
    fn changes(&self, method: &Method) -> bool {
        let shows = [Hook::AdminTab, Hook::Metrics, Hook::Options, Hook::ListAccounts, Hook::TestConnection];
        match self {
            Self::ClientArea => false,
            Self::Hook(hook, _) => !shows.contains(hook),
            _ => *method != Method::GET,
        }
    }

    fn methods(&self) -> &'static [Method] {
        match self {
            Self::ClientArea | Self::Hook(..) | Self::Admin(_) => &[Method::POST],
            Self::Netflow(path) => path.methods(),
            Self::Plans(path) => path.methods(),
            Self::Rules(path) => path.methods(),
        }
    }

    async fn run(&self, app: &App, method: &Method, body: &[u8]) -> Result<Reply, Problem> {
        match self {
            Self::ClientArea => page(app, body).await,
            Self::Hook(hook, _) => run(app, *hook, &Ask::parse(body)?).await,
            Self::Netflow(path) => path.run(app, method, body).await,
            Self::Plans(path) => path.run(app, method, body).await,
            Self::Rules(path) => path.run(app, method, body).await,
            Self::Admin(page) => admin::run(app, *page, body).await,
        }
    }
}

/// Every hook's name.
fn hooks() -> impl Iterator<Item = &'static str> {
    HOOKS.into_iter().map(|(name, _)| name).chain([CLIENT_AREA])
}

/// One spelling an id: digits alone, none in front that says nothing.
fn id(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|id: &u64| plain && i64::try_from(*id).is_ok())
}

fn listed(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

async fn through(front: &Front, door: Door, request: &HttpRequest, body: Vec<u8>) -> Result<Reply, Problem> {
    let method = request.method().clone();
    if !door.methods().contains(&method) {
        let why = format!("This path takes {} and nothing else.", listed(door.methods()));
        return Err(Problem::new(Code::MethodNotAllowed, why));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"));
    // Some requests say all in their path.
    let says_nothing = body.is_empty() && kind.is_empty() && matches!(&door, Door::Plans(path) if path.needs_no_body());
    if (method == Method::POST || method == Method::PUT) && !is_json && !says_nothing {
        return Err(Problem::new(Code::NotJson, "The body must be JSON, with Content-Type: application/json."));
    }
    if matches!(door, Door::ClientArea) {
        let here = AssertUnwindSafe(steps::story(door.name(), page(&front.app, &body)));
        return here.catch_unwind().await.unwrap_or_else(|_panic| Err(Problem::internal("the page broke off")));
    }
    let app = front.app.clone();
    let work = async move { steps::story(door.name(), door.run(&app, &method, &body)).await }.in_current_span();
    match front.app.runtime.spawn(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::internal(error)),
    }
}

/// The client's page.
async fn page(app: &App, body: &[u8]) -> Result<Reply, Problem> {
    work::client_area::run(app, body).await.map(Reply::Page)
}

/// The hooks of contract §6 but for [`CLIENT_AREA`].
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
    FupReset,
    UsageUpdate,
    Cron,
    AdminTab,
    Metrics,
    ListAccounts,
}

/// The hook that makes a client's page.
const CLIENT_AREA: &str = "client-area";

/// Each other hook with its name in the path.
const HOOKS: [(&str, Hook); 19] = [
    ("test-connection", Hook::TestConnection),
    ("options", Hook::Options),
    ("create", Hook::Create),
    ("suspend", Hook::Block(Change::Suspend)),
    ("unsuspend", Hook::Block(Change::Unsuspend)),
    ("admin-block", Hook::Block(Change::AdminBlock)),
    ("admin-unblock", Hook::Block(Change::AdminUnblock)),
    ("terminate", Hook::Terminate),
    ("renew", Hook::Renew),
    ("change-package", Hook::ChangePackage),
    ("change-password", Hook::ChangePassword),
    ("disconnect", Hook::Disconnect),
    ("add-traffic", Hook::AddTraffic),
    ("fup-reset", Hook::FupReset),
    ("usage-update", Hook::UsageUpdate),
    ("cron", Hook::Cron),
    ("admin-tab", Hook::AdminTab),
    ("metrics", Hook::Metrics),
    ("list-accounts", Hook::ListAccounts),
];

async fn run(app: &App, hook: Hook, ask: &Ask) -> Result<Reply, Problem> {
    let answer = match hook {
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
        Hook::FupReset => work::fair_use::hook(app, ask).await,
        Hook::UsageUpdate => return work::usage_update::run(app, ask).await.map(Reply::Written),
        Hook::Cron => return work::cron::run(app, ask).await.map(Reply::Written),
        Hook::AdminTab => work::admin_tab::run(app, ask).await,
        Hook::Metrics => work::metrics::run(app, ask).await,
        Hook::ListAccounts => work::list_accounts::run(app, ask).await,
    };
    answer.map(|answer| Reply::Json(work::view::with_gigabyte(app, answer)))
}
