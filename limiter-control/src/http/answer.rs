//! Answers with a version that a later change can name.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use limiter_api::views;
use serde::Serialize;

/// Something that has a version.
pub(super) trait Versioned: Serialize {
    /// Raised by every write.
    fn version(&self) -> u64;
}

macro_rules! versioned {
    ($($view:ident),+) => {
        $(impl Versioned for views::$view {
            fn version(&self) -> u64 {
                self.version
            }
        })+
    };
}

versioned!(Account, User, Node, Network, Instance, Plan, Rule);

/// It, with its version as `ETag`.
pub(super) struct Tagged<T>(pub(super) T);

/// A new one.
pub(super) struct Created<T>(pub(super) T);

impl<T: Versioned> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        tagged(StatusCode::OK, &self.0)
    }
}

impl<T: Versioned> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        tagged(StatusCode::CREATED, &self.0)
    }
}

fn tagged<T: Versioned>(status: StatusCode, view: &T) -> Response {
    let mut response = (status, Json(view)).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", view.version())) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}
