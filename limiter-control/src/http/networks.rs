//! Networks.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::params::{MoveEgress, NetworkChange, NetworkQuery, NewNetwork};
use limiter_api::views::{Network, Page};

use super::answer::{Created, Tagged};
use super::input::{Asked, Bare, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List networks.
#[utoipa::path(get, path = "/networks", tag = "networks", params(NetworkQuery), responses((status = 200, body = Page<Network>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<NetworkQuery>,
) -> Answer<Json<Page<Network>>> {
    Ok(Json(app.networks(&caller, &query).await?))
}

/// Show a network.
#[utoipa::path(get, path = "/networks/{id}", tag = "networks", responses((status = 200, body = Network)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<Network>> {
    Ok(Tagged(app.network(&caller, &id).await?))
}

/// Create a network.
#[utoipa::path(post, path = "/networks", tag = "networks", request_body = NewNetwork, responses((status = 201, body = Network)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewNetwork>,
) -> Answer<Created<Network>> {
    Ok(Created(app.create_network(&call, input).await?))
}

/// Change a network.
#[utoipa::path(patch, path = "/networks/{id}", tag = "networks", request_body = NetworkChange, responses((status = 200, body = Network)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<NetworkChange>,
) -> Answer<Tagged<Network>> {
    Ok(Tagged(app.change_network(&call, &id, input).await?))
}

/// Delete a network.
#[utoipa::path(delete, path = "/networks/{id}", tag = "networks", responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<StatusCode> {
    app.remove_network(&call, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a network's own address to another node; the one that has it lets go first.
#[utoipa::path(post, path = "/networks/{id}/move-egress", tag = "networks", request_body = MoveEgress, responses((status = 200, body = Network)))]
pub(super) async fn move_egress(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<MoveEgress>,
) -> Answer<Tagged<Network>> {
    Ok(Tagged(app.move_egress(&call, &id, input).await?))
}
