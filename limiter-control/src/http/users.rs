//! Users.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::params::{NewUser, Paging, UserChange};
use limiter_api::views::{Page, User};

use super::answer::{Created, Tagged};
use super::input::{Asked, Bare, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List users.
#[utoipa::path(get, path = "/users", tag = "users", params(Paging), responses((status = 200, body = Page<User>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Paging>,
) -> Answer<Json<Page<User>>> {
    Ok(Json(app.users(&caller, &query).await?))
}

/// Show a user.
#[utoipa::path(get, path = "/users/{id}", tag = "users", responses((status = 200, body = User)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<User>> {
    Ok(Tagged(app.user(&caller, &id).await?))
}

/// Create a user.
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUser, responses((status = 201, body = User)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewUser>,
) -> Answer<Created<User>> {
    Ok(Created(app.create_user(&call, input).await?))
}

/// Change a user.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", request_body = UserChange, responses((status = 200, body = User)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<UserChange>,
) -> Answer<Tagged<User>> {
    Ok(Tagged(app.change_user(&call, &id, input).await?))
}

/// Delete a user.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<StatusCode> {
    app.remove_user(&call, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
