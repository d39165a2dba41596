//! Signing in and out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use limiter_api::params::SignIn;
use limiter_api::views::{Me, Secret};

use super::input::{Bare, Posted};
use super::problem::Answer;
use super::request::RequestId;
use crate::app::{App, Caller};

/// Sign in with a name and a password.
#[utoipa::path(post, path = "/sessions", tag = "sessions", request_body = SignIn, responses((status = 201, body = Secret)))]
pub(super) async fn sign_in(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Posted(input): Posted<SignIn>,
) -> Answer<(StatusCode, Json<Secret>)> {
    Ok((StatusCode::CREATED, Json(app.sign_in(input, id.0).await?)))
}

/// End the session of the token that is shown.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions", responses((status = 204)))]
pub(super) async fn sign_out(State(app): State<App>, Bare(call): Bare) -> Answer<StatusCode> {
    app.sign_out(&call).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who calls.
#[utoipa::path(get, path = "/me", tag = "sessions", responses((status = 200, body = Me)))]
pub(super) async fn me(State(app): State<App>, caller: Caller) -> Answer<Json<Me>> {
    Ok(Json(app.me(&caller)))
}
