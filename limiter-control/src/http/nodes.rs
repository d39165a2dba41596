//! Nodes.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use limiter_api::params::{NewNode, NodeChange, Paging};
use limiter_api::views::{Node, Page};

use super::answer::{Created, Tagged};
use super::input::{Asked, Bare, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List nodes.
#[utoipa::path(get, path = "/nodes", tag = "nodes", params(Paging), responses((status = 200, body = Page<Node>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Paging>,
) -> Answer<Json<Page<Node>>> {
    Ok(Json(app.nodes(&caller, &query).await?))
}

/// Show a node.
#[utoipa::path(get, path = "/nodes/{id}", tag = "nodes", responses((status = 200, body = Node)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<Node>> {
    Ok(Tagged(app.node(&caller, &id).await?))
}

/// Create a node.
#[utoipa::path(post, path = "/nodes", tag = "nodes", request_body = NewNode, responses((status = 201, body = Node)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewNode>,
) -> Answer<Created<Node>> {
    Ok(Created(app.create_node(&call, input).await?))
}

/// Change a node.
#[utoipa::path(patch, path = "/nodes/{id}", tag = "nodes", request_body = NodeChange, responses((status = 200, body = Node)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<NodeChange>,
) -> Answer<Tagged<Node>> {
    Ok(Tagged(app.change_node(&call, &id, input).await?))
}

/// Delete a node.
#[utoipa::path(delete, path = "/nodes/{id}", tag = "nodes", responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<StatusCode> {
    app.remove_node(&call, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
