//! `/healthz`, `/readyz`, `/metrics` and `/openapi.json`, on a port of their own that the bridge never sees.

use super::{Front, answer, openapi};
use crate::work::readiness;
use actix_web::{HttpResponse, web};

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/healthz").route(web::get().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)))
        .service(web::resource(openapi::PATH).route(web::get().to(openapi::get)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

/// The process lives.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The database answers; silent routers are named.
async fn readyz(front: web::Data<Front>) -> HttpResponse {
    let (ready, body) = readiness::run(&front.app).await;
    answer::json(if ready { 200 } else { 503 }, &body, None)
}

/// For Prometheus. With the database away, what this process counted is still told.
async fn metrics(front: web::Data<Front>) -> HttpResponse {
    if let Err(problem) = readiness::measure(&front.app).await {
        tracing::warn!("the stored figures of /metrics could not be read: {}", problem.told());
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    HttpResponse::Ok().content_type(kind).body(front.app.meters.render())
}
