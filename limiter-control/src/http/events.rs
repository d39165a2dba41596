//! What happened, and the whole at a glance.

use axum::Json;
use axum::extract::State;
use limiter_api::params::EventQuery;
use limiter_api::views::{Event, Page, StatusView};

use super::input::Asked;
use super::problem::Answer;
use crate::app::{App, Caller};

/// List events.
#[utoipa::path(get, path = "/events", tag = "events", params(EventQuery), responses((status = 200, body = Page<Event>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<EventQuery>,
) -> Answer<Json<Page<Event>>> {
    Ok(Json(app.events(&caller, &query).await?))
}

/// The whole at a glance.
#[utoipa::path(get, path = "/status", tag = "events", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(app): State<App>, caller: Caller) -> Answer<Json<StatusView>> {
    Ok(Json(app.status(&caller).await?))
}

/// This description of the interface.
#[utoipa::path(get, path = "/openapi.json", tag = "events", responses((status = 200, description = "OpenAPI")))]
pub(super) async fn openapi_document(_: Caller) -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}
