//! The pages, on loopback: the client's, the staff's, the mails, and buttons to play on.
//!
//! Laws: every page is drawn from what the service answers at that moment through the signed front door; a request counts
//! only with this address as its Host, and a button only with this run's token, so that no other page in the visitor's
//! browser can press it; a button of one drawing of a page works once, however often it is clicked; nothing is loaded
//! from elsewhere, and everything works without JavaScript.

mod pages;
mod play;
mod staff;

use super::{customers::Customer, stage::Stage, story::Cast, teller::Step};
use actix_web::{
    HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{Method, StatusCode, header},
    web,
};
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{runtime::Handle, task::JoinHandle};
use turnpike::clock::Chance;

/// How many ports after the wanted one are tried.
const PORTS: u16 = 50;
/// What a page may do: its own style, script, forms and frames; charts carry style attributes.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; \
     frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What a mail may do in its frame: be looked at.
const MAIL_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'";

/// The pages, open.
pub struct Site {
    /// Where.
    pub address: SocketAddr,
    shown: Arc<Shown>,
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

/// What the pages are drawn from.
struct Shown {
    stage: Stage,
    customers: Mutex<[Customer; 2]>,
    story: Vec<Step>,
    played: Mutex<Vec<Note>>,
    /// Buttons that were pressed: a page's mark, the action, the service.
    pressed: Mutex<HashSet<(String, String, Option<u64>)>>,
    /// One button at a time: the clock moves with each.
    turn: tokio::sync::Mutex<()>,
    /// What a staff page's form came to, to be said on the next page.
    said: Mutex<Option<serde_json::Value>>,
    /// This run's; a form without it is not ours.
    token: String,
    /// The Host headers that name us.
    hosts: [String; 2],
    runtime: Handle,
}

/// What a button did.
#[derive(Clone, Debug, Serialize)]
struct Note {
    at: String,
    text: String,
}

/// A pressed button.
#[derive(Debug, Deserialize)]
struct Order {
    token: String,
    /// The mark of the page it stands on, new at every drawing.
    once: Option<String>,
    action: String,
    service: Option<u64>,
    from: String,
}

/// What is sent back.
enum Reply {
    Page(String),
    Mail(String),
    Raw(&'static str, &'static str),
    See(String),
    Refused(StatusCode, &'static str),
    Broken(StatusCode, String),
}

impl Site {
    /// Opens the pages at that port of loopback, or at the next free one.
    pub fn open(cast: Cast, story: Vec<Step>, port: u16) -> Result<Self> {
        let listener = bind(port)?;
        let address = listener.local_addr()?;
        let shown = Arc::new(Shown {
            stage: cast.stage,
            customers: Mutex::new([cast.ada, cast.charles]),
            story,
            played: Mutex::default(),
            pressed: Mutex::default(),
            said: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            token: hex::encode(Chance::System.bytes::<16>()),
            hosts: [address.to_string(), format!("localhost:{}", address.port())],
            runtime: Handle::current(),
        });
        let data = web::Data::from(Arc::clone(&shown));
        let server = HttpServer::new(move || {
            let forms = web::FormConfig::default().limit(4096);
            let staff = web::resource("/staff").route(web::get().to(staff)).route(web::post().to(staff));
            let pages = actix_web::App::new().app_data(data.clone()).app_data(forms);
            pages.service(staff).default_service(web::to(any))
        })
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        Ok(Self { address, shown, handle, task: tokio::spawn(server) })
    }

    /// Closes them, and the stage behind.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        // A server that ended badly has ended all the same.
        let _ = self.task.await;
        self.shown.stage.clear().await;
    }
}

fn bind(port: u16) -> Result<TcpListener> {
    let mut last = None;
    for port in (port..=port.saturating_add(PORTS)).take(if port == 0 { 1 } else { usize::from(PORTS) }) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(String::new, |error| format!(" ({error})"));
    Err(anyhow!("no port from {port} on is free at 127.0.0.1{why}; name another with --port."))
}

async fn any(shown: web::Data<Shown>, request: HttpRequest, form: Option<web::Form<Order>>) -> HttpResponse {
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let own = Arc::clone(&shown);
    let form = form.map(web::Form::into_inner);
    here(&shown, &request, async move { own.reply(&method, &path, form).await }).await
}

/// The addon's pages.
async fn staff(shown: web::Data<Shown>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let (sent, query) = (request.method() == Method::POST, request.query_string().to_owned());
    let own = Arc::clone(&shown);
    let work = async move { if sent { own.staff_form(&query, &body).await } else { own.staff(&query).await } };
    here(&shown, &request, work).await
}

/// Answers a request that is meant for this address.
async fn here(
    shown: &Shown,
    request: &HttpRequest,
    work: impl Future<Output = Result<Reply>> + Send + 'static,
) -> HttpResponse {
    let host = request.headers().get(header::HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !shown.hosts.iter().any(|it| it == host) {
        return answer(Reply::Refused(StatusCode::MISDIRECTED_REQUEST, "This is not the address of the demo."));
    }
    // On the demo's own runtime: what a button began goes on although the browser went away.
    match shown.runtime.spawn(work).await.map_err(anyhow::Error::from).and_then(|it| it) {
        Ok(reply) => answer(reply),
        Err(error) => {
            let page = pages::broken(&format!("{error:#}"));
            answer_with(StatusCode::INTERNAL_SERVER_ERROR, PAGE_POLICY, "text/html; charset=utf-8", page)
        }
    }
}

fn answer(reply: Reply) -> HttpResponse {
    const HTML: &str = "text/html; charset=utf-8";
    match reply {
        Reply::Page(page) => answer_with(StatusCode::OK, PAGE_POLICY, HTML, page),
        Reply::Mail(page) => answer_with(StatusCode::OK, MAIL_POLICY, HTML, page),
        Reply::Raw(kind, text) => answer_with(StatusCode::OK, PAGE_POLICY, kind, text.to_owned()),
        Reply::See(path) => HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish(),
        Reply::Refused(status, why) => answer_with(status, PAGE_POLICY, HTML, pages::broken(why)),
        Reply::Broken(status, why) => answer_with(status, PAGE_POLICY, HTML, pages::broken(&why)),
    }
}

fn answer_with(status: StatusCode, policy: &str, kind: &str, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

impl Shown {
    async fn reply(&self, method: &Method, path: &str, order: Option<Order>) -> Result<Reply> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts == ["play"] {
            return if method == Method::POST { self.pressed(order).await } else { Ok(Reply::See("/".to_owned())) };
        }
        if method != Method::GET && method != Method::HEAD {
            return Ok(Reply::Refused(StatusCode::METHOD_NOT_ALLOWED, "Pages are only looked at."));
        }
        let reply = match parts.as_slice() {
            [] => Some(Reply::Page(self.start().await?)),
            ["story"] => Some(Reply::Page(self.story_page()?)),
            ["client", id] => self.client(id, false).await?.map(Reply::Page),
            ["client", id, "statistics"] => self.client(id, true).await?.map(Reply::Page),
            ["admin", id] => self.admin(id).await?.map(Reply::Page),
            ["mails"] => Some(Reply::Page(self.mails()?)),
            ["mails", number] => self.mail(number)?.map(Reply::Page),
            ["mails", number, "html"] => self.mail_html(number)?.map(Reply::Mail),
            ["demo.css"] => Some(Reply::Raw("text/css; charset=utf-8", pages::STYLE)),
            ["demo.js"] => Some(Reply::Raw("text/javascript; charset=utf-8", pages::SCRIPT)),
            ["icon.svg"] => Some(Reply::Raw("image/svg+xml", pages::ICON)),
            _ => None,
        };
        Ok(reply.unwrap_or(Reply::Refused(StatusCode::NOT_FOUND, "There is no such page.")))
    }

    /// A button: only with this run's token, and once for each drawing of its page. Back to the page it stood on.
    async fn pressed(&self, order: Option<Order>) -> Result<Reply> {
        let Some(order) = order else {
            return Ok(Reply::Refused(StatusCode::BAD_REQUEST, "This button came without its form."));
        };
        if !self.is_ours(&order.token) {
            let why = "This button is from another run of the demo; load the page again.";
            return Ok(Reply::Refused(StatusCode::FORBIDDEN, why));
        }
        let _turn = self.turn.lock().await;
        let mark = order.once.map(|once| (once, order.action.clone(), order.service));
        // A double click, or the same button again on a page that the browser kept: shown what came of the first.
        if !mark.as_ref().is_some_and(|mark| lock(&self.pressed).contains(mark)) {
            let customer = order.service.and_then(|id| self.customer(id));
            let at = super::figures::moment(self.stage.clock.now());
            let Some(text) = self.play(&order.action, customer).await? else {
                return Ok(Reply::Refused(StatusCode::BAD_REQUEST, "There is no such button."));
            };
            lock(&self.played).push(Note { at, text });
            lock(&self.pressed).extend(mark);
        }
        let known = self.customers().into_iter().map(|it| it.service_id);
        let back = known
            .flat_map(|id| [format!("/client/{id}"), format!("/client/{id}/statistics"), format!("/admin/{id}")])
            .find(|path| *path == order.from);
        Ok(Reply::See(back.unwrap_or_else(|| "/".to_owned())))
    }

    /// Whether a form holds this run's token.
    fn is_ours(&self, token: &str) -> bool {
        use subtle::ConstantTimeEq;
        token.as_bytes().ct_eq(self.token.as_bytes()).into()
    }

    fn customers(&self) -> [Customer; 2] {
        lock(&self.customers).clone()
    }

    fn customer(&self, service_id: u64) -> Option<Customer> {
        self.customers().into_iter().find(|it| it.service_id == service_id)
    }

    fn customer_of(&self, text: &str) -> Option<Customer> {
        text.parse().ok().and_then(|id| self.customer(id))
    }

    /// Keeps what WHMCS changed on file.
    fn keep(&self, customer: Customer) {
        let mut all = lock(&self.customers);
        if let Some(kept) = all.iter_mut().find(|it| it.service_id == customer.service_id) {
            *kept = customer;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number of a letter in a path.
fn number(text: &str) -> Result<u64> {
    text.parse().context("that is no number")
}
