//! The questions to a router. What it refuses to answer is noted and the next question asked; when it is away, no more are.

use super::books::Books;
use crate::{
    app::App,
    problem::{Code, Problem},
    routeros::{self, ApiUser, Error, Facts, FastTrack, Profile, Router, Service, VpnServer},
    work::{
        marking::{self, Examined},
        rebuild::{Comparison, compare},
        watch,
    },
};
use chrono::{DateTime, Utc};
use std::{net::Ipv4Addr, time::Duration};
use tokio::time::Instant;

/// What is known of the API user.
#[derive(Default)]
pub(super) enum User {
    /// Nothing: the router did not say.
    #[default]
    Untold,
    /// It is not among the router's local users.
    Elsewhere,
    /// This.
    Local(ApiUser),
}

impl User {
    /// The local user, where it is known.
    pub(super) fn local(&self) -> Option<&ApiUser> {
        match self {
            Self::Local(user) => Some(user),
            Self::Untold | Self::Elsewhere => None,
        }
    }
}

/// What a router answered. None: it was not asked, or refused.
#[derive(Default)]
pub(super) struct Seen {
    pub facts: Option<Facts>,
    pub user: User,
    pub services: Option<Vec<Service>>,
    pub certificate_end: Option<DateTime<Utc>>,
    pub clock: Option<DateTime<Utc>>,
    pub fast_track: Option<FastTrack>,
    /// Its address pools and their ranges, where it is to be told which addresses are to be exempt.
    pub pools: Vec<(String, Vec<String>)>,
    pub profiles: Option<Vec<Profile>>,
    pub l2tp: Option<VpnServer>,
    pub pptp: Option<VpnServer>,
    pub comparison: Option<Comparison>,
    /// How CDN tiers stand, where an account has some.
    pub cdn: Option<Examined>,
    /// User names whose session moves while their queue does not.
    pub frozen: Vec<String>,
    /// What it would not say: the question, and its words.
    pub refused: Vec<(&'static str, String)>,
    /// Why nothing more was asked.
    pub ended: Option<Ended>,
}

/// Why a router was asked no further.
pub(super) enum Ended {
    /// It cannot be spoken to.
    Router(Error),
    /// Something of ours is in the way.
    Problem(Problem),
}

impl Seen {
    /// Takes an answer; Err where the router is away.
    fn take<T>(&mut self, what: &'static str, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ (Error::Refused { .. } | Error::Strange { .. } | Error::Unsendable { .. })) => {
                let words = if let Error::Refused { words, .. } = error { words } else { error.to_string() };
                self.refused.push((what, words));
                Ok(None)
            }
            Err(away) => Err(away),
        }
    }
}

pub(super) async fn run(app: &App, books: &Books, pause: Duration, until: Instant) -> Seen {
    let mut seen = Seen::default();
    let router = match app.router(&books.server) {
        Ok(router) => router.patient().within(until),
        Err(problem) => {
            seen.ended = Some(Ended::Problem(problem));
            return seen;
        }
    };
    if let Err(error) = ask(&router, books, &mut seen).await {
        seen.ended = Some(Ended::Router(error));
        return seen;
    }
    match compare::run(app, &books.server, until).await {
        Ok(comparison) => seen.comparison = Some(comparison),
        Err(problem) if problem.code == Code::RouterRefused => {
            seen.refused.push(("secrets and queues", problem.detail));
        }
        Err(problem) => {
            seen.ended = Some(Ended::Problem(problem));
            return seen;
        }
    }
    match marking::examine(app, &router, books.server.told.id).await {
        Ok(cdn) => seen.cdn = cdn,
        Err(problem) if problem.code == Code::RouterRefused => {
            seen.refused.push(("its mangle rules and address lists", problem.detail));
        }
        Err(problem) => {
            seen.ended = Some(Ended::Problem(problem));
            return seen;
        }
    }
    let usernames: Vec<&str> = books.accounts.iter().map(|it| it.username.as_str()).collect();
    match watch::look(&router, &usernames, pause).await {
        Ok(looked) => seen.frozen = looked.frozen,
        Err(error) if error.is_away() => seen.ended = Some(Ended::Router(error)),
        Err(error) => seen.refused.push(("the counters of interfaces", error.to_string())),
    }
    seen
}

async fn ask(router: &Router, books: &Books, seen: &mut Seen) -> Result<(), Error> {
    let told = &books.server.told;
    let facts = match routeros::facts(router).await {
        // A connection that was found dead is made anew, once: what it says then is the finding.
        Err(error) if error.is_away() => routeros::facts(router).await,
        answer => answer,
    };
    seen.facts = seen.take("what router it is", facts)?;
    seen.clock = seen.take("its clock", routeros::clock(router).await)?.flatten();
    let user = seen.take("the API user and its group", routeros::api_user(router, &told.username).await)?;
    seen.user = user.map_or(User::Untold, |user| user.map_or(User::Elsewhere, User::Local));
    seen.services = seen.take("its services", routeros::services(router).await)?;
    let certificate = seen.services.iter().flatten().find(|it| it.name == "api-ssl" && told.tls);
    if let Some(name) = certificate.map(|it| it.certificate.clone()).filter(|it| !it.is_empty() && it != "none") {
        // Only a date to warn of: a router that does not show it is no worse for that.
        seen.certificate_end = routeros::certificate_end(router, &name).await.unwrap_or_default();
    }
    let mut addresses: Vec<Ipv4Addr> = books.accounts.iter().map(|it| it.address).collect();
    if addresses.is_empty() {
        addresses = books.space.iter().flat_map(|space| space.iter().take(1)).collect();
    }
    seen.fast_track = seen.take("its firewall rules", routeros::fast_track(router, &addresses).await)?;
    if seen.fast_track == Some(FastTrack::PassesBy) {
        seen.pools = seen.take("its address pools", routeros::pools_and_ranges(router).await)?.unwrap_or_default();
    }
    seen.profiles = seen.take("its PPP profiles", routeros::profiles(router).await)?;
    seen.l2tp = seen.take("its L2TP server", routeros::l2tp_server(router).await)?.flatten();
    seen.pptp = seen.take("its PPtP server", routeros::pptp_server(router).await)?.flatten();
    Ok(())
}
