//! Errors as problem details: the one place with status codes for them.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use limiter_api::Problem;
use limiter_api::problem::PROBLEM_JSON;
use limiter_domain::{Code, Fault, Refusal};

use crate::app::AppError;

/// What a handler answers.
pub(super) type Answer<T> = Result<T, Error>;

/// An error on its way to the caller.
#[derive(Debug)]
pub struct Error(Problem);

impl Error {
    /// A request that no operation was asked for.
    pub(super) fn request(status: StatusCode, code: &str, field: Option<String>, detail: String) -> Self {
        Self(Problem {
            status: status.as_u16(),
            code: code.to_owned(),
            detail,
            field,
            retry: false,
            request_id: String::new(),
        })
    }
}

impl From<AppError> for Error {
    fn from(error: AppError) -> Self {
        Self(of(error))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        // The middleware that knows the request's name writes the body.
        let mut response = status(self.0.status).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// The problem of an operation that did not happen.
pub(super) fn of(error: AppError) -> Problem {
    let plain = |status: StatusCode, code: &str, detail: String, retry: bool| Problem {
        status: status.as_u16(),
        code: code.to_owned(),
        detail,
        field: None,
        retry,
        request_id: String::new(),
    };
    match error {
        AppError::Unauthenticated(detail) => {
            plain(StatusCode::UNAUTHORIZED, "Unauthenticated", detail.to_owned(), false)
        }
        AppError::Forbidden(detail) => plain(StatusCode::FORBIDDEN, "Forbidden", detail, false),
        AppError::Refused(refusal) => refused(refusal),
        AppError::Store(error) if error.is_passing() => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "DatabaseUnavailable", error.to_string(), true)
        }
        AppError::Store(error) => internal(&error),
        AppError::Broken(what) => internal(&what),
    }
}

/// A problem for the caller, the whole for the log.
fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a defect");
    Problem {
        status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
        code: "InternalError".to_owned(),
        detail: "something is wrong here; the log has the rest under the request's name".to_owned(),
        field: None,
        retry: false,
        request_id: String::new(),
    }
}

fn refused(refusal: Refusal) -> Problem {
    let status = match refusal.code.fault() {
        Fault::Input => StatusCode::BAD_REQUEST,
        Fault::Missing => StatusCode::NOT_FOUND,
        Fault::Conflict => StatusCode::CONFLICT,
        Fault::Money => StatusCode::PAYMENT_REQUIRED,
        Fault::Quota => StatusCode::TOO_MANY_REQUESTS,
        Fault::Supply => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem {
        status: status.as_u16(),
        code: refusal.code.code().to_owned(),
        detail: refusal.message,
        field: refusal.field,
        retry: is_passing(refusal.code),
        request_id: String::new(),
    }
}

/// Conditions that end by themselves.
const fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::AssociationNotSupport
            | Code::DissociationNotSupport
            | Code::ModificationNotSupport
            | Code::DeletionNotSupport
            | Code::RuleNotSupport
            | Code::NetworkNotReady
            | Code::NoAddressAvailable
    )
}

/// The problem of an error that none of ours found: a layer or the framework answered with a bare status.
pub(super) fn untold(status: StatusCode) -> Option<Problem> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let (code, detail, retry) = match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => {
            ("TimedOut", "this takes too long and was given up; try again, or ask for less at once", true)
        }
        StatusCode::NOT_FOUND => ("NoSuchRoute", NO_ROUTE, false),
        StatusCode::METHOD_NOT_ALLOWED => ("NoSuchMethod", NO_METHOD, false),
        StatusCode::PAYLOAD_TOO_LARGE => ("BodyTooLarge", BODY_TOO_LARGE, false),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("UnsupportedMediaType", "send application/json", false),
        _ if status.is_client_error() => ("InvalidRequest", "the request cannot be read; correct it", false),
        _ => return Some(internal(&status)),
    };
    Some(Problem {
        status: status.as_u16(),
        code: code.to_owned(),
        detail: detail.to_owned(),
        field: None,
        retry,
        request_id: String::new(),
    })
}

/// What is said where a body is larger than a call takes.
pub(super) const BODY_TOO_LARGE: &str = "the body is larger than this call takes; send less at once";

const NO_ROUTE: &str = "there is nothing at this path; GET /v1/openapi.json lists what there is";

const NO_METHOD: &str = "this path does not take this method; GET /v1/openapi.json lists what there is";

/// The answer that a problem is, with what `headers` say beside it.
pub(super) fn render(problem: Problem, headers: &HeaderMap) -> Response {
    let mut response = (status(problem.status), Json(problem)).into_response();
    for (name, value) in headers {
        if *name == header::ALLOW || *name == header::RETRY_AFTER {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Nothing is at this path.
pub(super) async fn no_route() -> Error {
    Error::request(StatusCode::NOT_FOUND, "NoSuchRoute", None, NO_ROUTE.to_owned())
}

/// The path does not take this method.
pub(super) async fn no_method() -> Error {
    Error::request(StatusCode::METHOD_NOT_ALLOWED, "NoSuchMethod", None, NO_METHOD.to_owned())
}

/// A defect that ended a handler.
#[expect(clippy::needless_pass_by_value, reason = "as the layer calls it")]
pub(super) fn panicked(what: Box<dyn Any + Send>) -> Response {
    let text = what.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| what.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    Error(internal(&text)).into_response()
}
