//! `/v1/plans`: paths and methods.

use super::Reply;
use crate::{
    app::App,
    problem::{Code, Problem},
    work::plans::{self, Sort, simulate},
};
use actix_web::http::Method;

/// Where one may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/v1/plans`, sorted; whether it falls.
    Plans(Sort, bool),
    /// `/v1/plans/{id}`
    Plan(u64),
    /// `/v1/plans/{id}/duplicate`
    Duplicate(u64),
    /// `/v1/plans/{id}/simulate`
    Simulate(u64),
}

impl Path {
    /// Reads what comes after `/v1/plans`; `None` where there is nothing at such a path.
    ///
    /// # Errors
    /// `no-such-plan` for an id that no plan has; `malformed` for a query that says nothing.
    pub fn of(rest: &str, query: &str) -> Option<Result<Self, Problem>> {
        if rest.is_empty() {
            return Some(sorting(query));
        }
        let (id, of): (_, fn(u64) -> Self) = match rest.strip_prefix('/')?.split_once('/') {
            None => (&rest[1..], Self::Plan),
            Some((id, "duplicate")) => (id, Self::Duplicate),
            Some((id, "simulate")) => (id, Self::Simulate),
            Some(_) => return None,
        };
        let none = || Problem::new(Code::NoSuchPlan, "The path names no plan: its id is digits alone.");
        Some(super::id(id).map(of).ok_or_else(none))
    }

    /// The methods that it takes.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Plans(..) => &[Method::GET, Method::POST],
            Self::Plan(_) => &[Method::GET, Method::PUT, Method::DELETE],
            Self::Duplicate(_) | Self::Simulate(_) => &[Method::POST],
        }
    }

    /// Whether the path alone says all that must be said.
    pub fn needs_no_body(self) -> bool {
        matches!(self, Self::Duplicate(_) | Self::Simulate(_))
    }

    /// Does what is asked, with one of [`Path::methods`].
    pub async fn run(self, app: &App, method: &Method, body: &[u8]) -> Result<Reply, Problem> {
        Ok(match self {
            Self::Plans(..) if method == Method::POST => Reply::Made(plans::add(app, body).await?),
            Self::Plans(sort, falling) => Reply::Json(plans::list(app, sort, falling).await?),
            Self::Duplicate(id) => Reply::Made(plans::duplicate(app, id, body).await?),
            Self::Simulate(id) => Reply::Json(simulate::run(app, id, body).await?),
            Self::Plan(id) if method == Method::PUT => Reply::Json(plans::put(app, id, body).await?),
            Self::Plan(id) if method == Method::DELETE => {
                plans::delete(app, id).await?;
                Reply::Empty
            }
            Self::Plan(id) => Reply::Json(plans::get(app, id).await?),
        })
    }
}

fn sorting(query: &str) -> Result<Path, Problem> {
    let (mut sort, mut falling) = (Sort::Order, false);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "sort" => {
                let wrong = || Problem::malformed("sort", "must be name, speed, price, subscribers or order");
                sort = Sort::parse(&value).ok_or_else(wrong)?;
            }
            "direction" if value == "desc" => falling = true,
            "direction" if value == "asc" => falling = false,
            "direction" => return Err(Problem::malformed("direction", "must be asc or desc")),
            _ => {}
        }
    }
    Ok(Path::Plans(sort, falling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_strictly() {
        let of = |rest, query| Path::of(rest, query).map(|path| path.map_err(|problem| problem.code));
        assert_eq!(of("", ""), Some(Ok(Path::Plans(Sort::Order, false))));
        assert_eq!(of("", "sort=speed"), Some(Ok(Path::Plans(Sort::Speed, false))));
        assert_eq!(of("", "sort=price&direction=desc"), Some(Ok(Path::Plans(Sort::Price, true))));
        assert_eq!(of("", "sort=size"), Some(Err(Code::Malformed)));
        assert_eq!(of("", "sort=name&direction=up"), Some(Err(Code::Malformed)));
        assert_eq!(of("/7", ""), Some(Ok(Path::Plan(7))));
        assert_eq!(of("/7/duplicate", ""), Some(Ok(Path::Duplicate(7))));
        assert_eq!(of("/7/simulate", ""), Some(Ok(Path::Simulate(7))));
        for odd in ["/", "/0", "/07", "/gold", "/-1", "/9223372036854775808", "//simulate"] {
            assert_eq!(of(odd, ""), Some(Err(Code::NoSuchPlan)), "{odd}");
        }
        for nothing in ["x", "/7/", "/7/delete", "/7/simulate/"] {
            assert_eq!(of(nothing, ""), None, "{nothing}");
        }
    }
}
