//! `/v1/bandwidth-rules`: paths and methods.

use super::Reply;
use crate::{
    app::App,
    problem::{Code, Problem},
    work::rules,
};
use actix_web::http::Method;

/// Where one may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/v1/bandwidth-rules`
    Rules,
    /// `/v1/bandwidth-rules/{id}`
    Rule(u64),
}

impl Path {
    /// Reads what comes after `/v1/bandwidth-rules`; `None` where there is nothing at such a path.
    ///
    /// # Errors
    /// `no-such-record` for an id that no rule has.
    pub fn of(rest: &str) -> Option<Result<Self, Problem>> {
        if rest.is_empty() {
            return Some(Ok(Self::Rules));
        }
        let id = rest.strip_prefix('/').filter(|id| !id.contains('/'))?;
        let none = || Problem::new(Code::NoSuchRecord, "The path names no bandwidth rule: its id is digits alone.");
        Some(super::id(id).map(Self::Rule).ok_or_else(none))
    }

    /// The methods that it takes.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Rules => &[Method::GET, Method::POST],
            Self::Rule(_) => &[Method::GET, Method::PUT, Method::DELETE],
        }
    }

    /// Does what is asked, with one of [`Path::methods`].
    pub async fn run(self, app: &App, method: &Method, body: &[u8]) -> Result<Reply, Problem> {
        Ok(match self {
            Self::Rules if method == Method::POST => Reply::Made(rules::add(app, body).await?),
            Self::Rules => Reply::Json(rules::list(app).await?),
            Self::Rule(id) if method == Method::PUT => Reply::Json(rules::put(app, id, body).await?),
            Self::Rule(id) if method == Method::DELETE => {
                rules::delete(app, id).await?;
                Reply::Empty
            }
            Self::Rule(id) => Reply::Json(rules::get(app, id).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_strictly() {
        let of = |rest| Path::of(rest).map(|path| path.map_err(|problem| problem.code));
        assert_eq!(of(""), Some(Ok(Path::Rules)));
        assert_eq!(of("/7"), Some(Ok(Path::Rule(7))));
        for odd in ["/", "/0", "/night"] {
            assert_eq!(of(odd), Some(Err(Code::NoSuchRecord)), "{odd}");
        }
        for nothing in ["x", "/7/", "/7/x"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }
}
