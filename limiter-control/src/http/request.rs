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

/// Names the request, logs it, and writes the name into the answer and into its problem.
pub(super) async fn named(mut request: Request, next: Next) -> Response {
    let id = RequestId(own_name(&request).unwrap_or_else(new_name));
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = &*id.0);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = Instant::now();
    let mut response = next.run(request).instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem::render(Problem { request_id: id.0.to_string(), ..problem });
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
