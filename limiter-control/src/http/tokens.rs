//! Tokens of machines.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::params::{NewToken, Paging};
use limiter_api::views::{Page, Secret, Token};

use super::input::{Asked, Bare, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List tokens; sessions are not among them.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(Paging), responses((status = 200, body = Page<Token>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Paging>,
) -> Answer<Json<Page<Token>>> {
    Ok(Json(app.tokens(&caller, &query).await?))
}

/// Create a token. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken, responses((status = 201, body = Secret)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewToken>,
) -> Answer<(StatusCode, Json<Secret>)> {
    Ok((StatusCode::CREATED, Json(app.create_token(&call, input).await?)))
}

/// Revoke a token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", responses((status = 204)))]
pub(super) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<StatusCode> {
    app.revoke_token(&call, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a token a new secret; the old one ends at once.
#[utoipa::path(post, path = "/tokens/{id}/rotate", tag = "tokens", responses((status = 200, body = Secret)))]
pub(super) async fn rotate(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<Json<Secret>> {
    Ok(Json(app.rotate_token(&call, &id).await?))
}
