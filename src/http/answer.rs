//! Answers: JSON or problem details, signed where the request was.
//!
//! Answers hold passwords, so nothing on the way may keep them (`Cache-Control: no-store`).

use super::signed::Proof;
use crate::problem::Problem;
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;

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
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(content_type) = content_type {
        answer.insert_header((header::CONTENT_TYPE, content_type));
    }
    if let Some(seconds) = retry_after {
        answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if let Some(proof) = proof {
        for (name, value) in proof.sign(status.as_u16(), &body) {
            answer.insert_header((name, value));
        }
    } else {
        // Whoever has shown nothing keeps no connection: an idle one is held open for more than a minute.
        answer.force_close();
    }
    answer.body(body)
}
