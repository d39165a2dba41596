//! A name for every request: in its answer, in logs and in events.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use limiter_api::{Problem, REQUEST_ID};
use rand::distr::{Alphanumeric, SampleString as _};
use tracing::Instrument as _;

use super::problem;

/// Longest name that a caller may give.
const NAME_MAX_BYTES: usize = 64;

/// The name of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// Names the request, logs it, and writes the name into the answer and into its problem. Every error is a
/// problem, whoever found it.
pub(super) async fn named(mut request: Request, next: Next) -> Response {
    let id = RequestId(own_name(&request).unwrap_or_else(new_name));
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = &*id.0);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = Instant::now();
    let mut response = next.run(request).instrument(span).await;
    let told = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = told.or_else(|| problem::untold(response.status())) {
        let problem = Problem { request_id: id.0.to_string(), ..problem };
        response = problem::render(problem, response.headers());
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_millis() as u64);
    tracing::info!(request_id = &*id.0, %method, path, status, ms, "answered");
    response
}

/// The name that the caller gave, where it is fit for a log.
fn own_name(request: &Request) -> Option<Arc<str>> {
    let name = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = !name.is_empty() && name.len() <= NAME_MAX_BYTES && name.bytes().all(plain);
    fits.then(|| name.into())
}

/// A new name.
pub(super) fn new_name() -> Arc<str> {
    Alphanumeric.sample_string(&mut rand::rng(), 16).into()
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::http::{StatusCode, header};
    use axum::middleware::from_fn;
    use axum::routing::{any, get};
    use limiter_api::problem::PROBLEM_JSON;
    use tower::ServiceExt as _;
    use tower_http::timeout::TimeoutLayer;

    use super::*;

    async fn answer(path: &str) -> (Response, Option<Problem>) {
        let patience = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO);
        let status = |status: StatusCode| any(async move || (status, "a text of somebody's"));
        let router = Router::new()
            .route("/slow", get(pending::<()>).layer(patience))
            .route("/large", status(StatusCode::PAYLOAD_TOO_LARGE))
            .route("/kind", status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
            .route("/teapot", status(StatusCode::IM_A_TEAPOT))
            .route("/broken", status(StatusCode::INTERNAL_SERVER_ERROR))
            .route("/good", status(StatusCode::OK))
            .layer(from_fn(named));
        let (method, uri) = if path == "/method" { ("POST", "/slow") } else { ("GET", path) };
        let request = Request::builder().method(method).uri(uri).header(REQUEST_ID, "r1");
        let request = request.body(Body::empty()).expect("a request");
        let mut response = router.oneshot(request).await.expect("an answer");
        let body = std::mem::take(response.body_mut());
        let bytes = axum::body::to_bytes(body, 1 << 16).await.expect("a body");
        (response, serde_json::from_slice(&bytes).ok())
    }

    #[tokio::test]
    async fn every_error_is_a_problem() {
        for (path, status, code, retry) in [
            ("/slow", 503, "TimedOut", true),
            ("/nothing", 404, "NoSuchRoute", false),
            ("/method", 405, "NoSuchMethod", false),
            ("/large", 413, "BodyTooLarge", false),
            ("/kind", 415, "UnsupportedMediaType", false),
            ("/teapot", 418, "InvalidRequest", false),
            ("/broken", 500, "InternalError", false),
        ] {
            let (response, problem) = answer(path).await;
            let problem = problem.unwrap_or_else(|| panic!("{path}: no problem in {response:?}"));
            assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON, "{path}");
            assert_eq!((response.status().as_u16(), problem.status), (status, status), "{path}");
            assert_eq!((&*problem.code, problem.retry, &*problem.request_id), (code, retry, "r1"), "{path}");
        }
        let (response, _) = answer("/method").await;
        assert!(response.headers().contains_key(header::ALLOW), "{response:?}");
        let (response, problem) = answer("/good").await;
        assert!(response.status().is_success() && problem.is_none(), "{response:?}");
    }
}
