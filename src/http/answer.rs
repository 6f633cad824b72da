//! Answers: JSON or problem details, signed where the request was.
//!
//! Answers hold passwords, so nothing on the way may keep them (`Cache-Control: no-store`).

use super::{profile, signed::Proof};
use crate::{problem::Problem, written::Written};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody, SizedStream},
    http::{StatusCode, header},
    web::Bytes,
};
use futures_util::stream;
use serde::Serialize;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// An answer that is longer is handed on in pieces of so many bytes, as the caller takes them: the server keeps a copy of what
/// it was handed.
const PIECE: usize = 64 << 10;

/// The type of answers that are no problems.
pub const JSON: &str = "application/json";

/// A JSON answer.
pub fn json(status: u16, body: &impl Serialize, proof: Option<&Proof>) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => bytes_of(status, JSON, bytes, proof),
        // Only a map with keys that are no texts cannot be written; none of ours has any.
        Err(error) => problem(&Problem::internal(error), "", proof),
    }
}

/// An answer without a body, such as 204.
pub fn empty(status: u16, proof: Option<&Proof>) -> HttpResponse {
    build(status, None, Vec::new(), proof, None)
}

/// A JSON answer that is written already. Neither is its beginning copied nor its digest made anew.
pub fn written(status: u16, json: Written, proof: Option<&Proof>) -> HttpResponse {
    let digest = proof.map(|_| profile::digest_header(&json.digest()));
    let Written { beginning, rest } = json;
    let pieces = [Bytes::from_owner(beginning), Bytes::from(rest)];
    let size = pieces.iter().map(|piece| piece.len() as u64).sum();
    let mut answer = head(status, Some(JSON), None, proof.zip(digest));
    answer.body(Pieces { size, left: pieces.into_iter() }).map_into_boxed_body()
}

/// A body in pieces.
struct Pieces {
    size: u64,
    left: std::array::IntoIter<Bytes, 2>,
}

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.get_mut().left.next().map(Ok))
    }
}

/// An answer of any type, such as an admin page.
pub fn bytes_of(status: u16, content_type: &'static str, body: Vec<u8>, proof: Option<&Proof>) -> HttpResponse {
    build(status, Some(content_type), body, proof, None)
}

/// A problem as RFC 9457 `application/problem+json`; `reference` finds the log line.
pub fn problem(problem: &Problem, reference: &str, proof: Option<&Proof>) -> HttpResponse {
    // A JSON value is always written.
    let body = serde_json::to_vec(&problem.to_json(reference)).unwrap_or_default();
    build(problem.code.status(), Some("application/problem+json"), body, proof, problem.retry_after)
}

fn build(
    status: u16,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    proof: Option<&Proof>,
    retry_after: Option<u64>,
) -> HttpResponse {
    let digest = proof.map(|_| profile::content_digest(&body));
    let mut answer = head(status, content_type, retry_after, proof.zip(digest));
    if body.len() <= PIECE {
        return answer.body(body);
    }
    let (length, body) = (body.len(), Bytes::from(body));
    let pieces =
        (0..length).step_by(PIECE).map(move |from| Ok::<_, Infallible>(body.slice(from..length.min(from + PIECE))));
    answer.body(SizedStream::new(length as u64, stream::iter(pieces)))
}

/// All but the body, of which the digest is given where the answer is to be signed.
fn head(
    status: u16,
    content_type: Option<&'static str>,
    retry_after: Option<u64>,
    signed: Option<(&Proof, String)>,
) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(content_type) = content_type {
        answer.insert_header((header::CONTENT_TYPE, content_type));
    }
    if let Some(seconds) = retry_after {
        answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if let Some((proof, digest)) = signed {
        for (name, value) in proof.sign(status.as_u16(), digest) {
            answer.insert_header((name, value));
        }
    } else {
        // Whoever has shown nothing keeps no connection: an idle one is held open for more than a minute.
        answer.force_close();
    }
    answer
}
