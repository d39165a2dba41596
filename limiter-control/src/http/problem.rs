//! Errors as problem details: the one place with status codes for them.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
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
        Fault::Quota => StatusCode::TOO_MANY_REQUESTS,
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
    )
}

/// The answer that a problem is.
pub(super) fn render(problem: Problem) -> Response {
    let mut response = (status(problem.status), Json(problem)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Nothing is at this path.
pub(super) async fn no_route() -> Error {
    let detail = "there is nothing at this path; GET /v1/openapi.json lists what there is";
    Error::request(StatusCode::NOT_FOUND, "NoSuchRoute", None, detail.to_owned())
}

/// The path does not take this method.
pub(super) async fn no_method() -> Error {
    let detail = "this path does not take this method; GET /v1/openapi.json lists what there is";
    Error::request(StatusCode::METHOD_NOT_ALLOWED, "NoSuchMethod", None, detail.to_owned())
}

/// A defect that ended a handler.
#[expect(clippy::needless_pass_by_value, reason = "as the layer calls it")]
pub(super) fn panicked(what: Box<dyn Any + Send>) -> Response {
    let text = what.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| what.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    Error(internal(&text)).into_response()
}
