//! Instances.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::params::{InstanceChange, InstanceQuery, MoveInstance, NewInstance};
use limiter_api::views::{Instance, Page};

use super::answer::{Created, Tagged};
use super::input::{Asked, Bare, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List instances.
#[utoipa::path(get, path = "/instances", tag = "instances", params(InstanceQuery), responses((status = 200, body = Page<Instance>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<InstanceQuery>,
) -> Answer<Json<Page<Instance>>> {
    Ok(Json(app.instances(&caller, &query).await?))
}

/// Show an instance.
#[utoipa::path(get, path = "/instances/{id}", tag = "instances", responses((status = 200, body = Instance)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<Instance>> {
    Ok(Tagged(app.instance(&caller, &id).await?))
}

/// Create an instance.
#[utoipa::path(post, path = "/instances", tag = "instances", request_body = NewInstance, responses((status = 201, body = Instance)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewInstance>,
) -> Answer<Created<Instance>> {
    Ok(Created(app.create_instance(&call, input).await?))
}

/// Change an instance.
#[utoipa::path(patch, path = "/instances/{id}", tag = "instances", request_body = InstanceChange, responses((status = 200, body = Instance)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<InstanceChange>,
) -> Answer<Tagged<Instance>> {
    Ok(Tagged(app.change_instance(&call, &id, input).await?))
}

/// Move an instance to another network of its account. It leaves its rule.
#[utoipa::path(post, path = "/instances/{id}/move", tag = "instances", request_body = MoveInstance, responses((status = 200, body = Instance)))]
pub(super) async fn relocate(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<MoveInstance>,
) -> Answer<Tagged<Instance>> {
    Ok(Tagged(app.move_instance(&call, &id, input).await?))
}

/// Delete an instance.
#[utoipa::path(delete, path = "/instances/{id}", tag = "instances", responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<StatusCode> {
    app.remove_instance(&call, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
