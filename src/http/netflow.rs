//! `/v1/netflow`: paths and methods.

use super::Reply;
use crate::{
    app::App,
    problem::{Code, Problem},
    work::netflow,
};
use actix_web::http::Method;

/// Where one may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/v1/netflow`
    Records,
    /// `/v1/netflow/{service_id}`
    Record(u64),
    /// `/v1/netflow/{service_id}/merge-fields`
    MergeFields(u64),
    /// `/v1/netflow/{service_id}/client`
    Client(u64),
}

impl Path {
    /// Reads what comes after `/v1/netflow`; `None` where there is nothing at such a path.
    ///
    /// # Errors
    /// `no-such-record` for an id that no service has.
    pub fn of(rest: &str) -> Option<Result<Self, Problem>> {
        if rest.is_empty() {
            return Some(Ok(Self::Records));
        }
        let (id, of): (_, fn(u64) -> Self) = match rest.strip_prefix('/')?.split_once('/') {
            None => (&rest[1..], Self::Record),
            Some((id, "merge-fields")) => (id, Self::MergeFields),
            Some((id, "client")) => (id, Self::Client),
            Some(_) => return None,
        };
        let none = || Problem::new(Code::NoSuchRecord, "The path names no service: its id is digits alone.");
        Some(super::id(id).map(of).ok_or_else(none))
    }

    /// The methods that it takes.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Record(_) => &[Method::GET, Method::PUT, Method::DELETE],
            Self::Records | Self::MergeFields(_) | Self::Client(_) => &[Method::GET],
        }
    }

    /// Does what is asked, with one of [`Path::methods`].
    pub async fn run(self, app: &App, method: &Method, body: &[u8]) -> Result<Reply, Problem> {
        Ok(Reply::Json(match self {
            Self::Records => netflow::list(app).await?,
            Self::MergeFields(id) => netflow::merge_fields(app, id).await?,
            Self::Client(id) => netflow::client(app, id).await?,
            Self::Record(id) if method == Method::PUT => netflow::put(app, id, body).await?,
            Self::Record(id) if method == Method::DELETE => {
                netflow::delete(app, id).await?;
                return Ok(Reply::Empty);
            }
            Self::Record(id) => netflow::get(app, id).await?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_strictly() {
        let of = |rest| Path::of(rest).map(|path| path.map_err(|problem| problem.code));
        assert_eq!(of(""), Some(Ok(Path::Records)));
        assert_eq!(of("/41"), Some(Ok(Path::Record(41))));
        assert_eq!(of("/41/client"), Some(Ok(Path::Client(41))));
        assert_eq!(of("/41/merge-fields"), Some(Ok(Path::MergeFields(41))));
        assert_eq!(of("/9223372036854775807"), Some(Ok(Path::Record(i64::MAX.unsigned_abs()))));
        for odd in
            ["/", "/0", "/041", "/+41", "/-41", "/4.1", "/four", "/4%31", "/ 41", "/9223372036854775808", "//client"]
        {
            assert_eq!(of(odd), Some(Err(Code::NoSuchRecord)), "{odd}");
        }
        for nothing in ["x", "x/41", "/41/", "/41/client/", "/41/Client", "/41/password", "/41/client/41"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }
}
