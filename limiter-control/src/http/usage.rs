//! What passed: what agents measured, and what is shown of it.

use axum::Json;
use axum::extract::{Path, State};
use limiter_api::series::{TopInstances, TopQuery, UsageQuery, UsageSeries};
use limiter_api::usage::{RecordQuery, UsageBatch, UsageTaken};

use super::input::{Asked, Said};
use super::problem::Answer;
use crate::app::{App, Caller};

/// Store what an agent measured, once.
#[utoipa::path(post, path = "/agent/usage", tag = "agent", request_body = UsageBatch, responses((status = 200, body = UsageTaken)))]
pub(super) async fn take(
    State(app): State<App>,
    Said(caller, batch): Said<UsageBatch>,
) -> Answer<Json<UsageTaken>> {
    Ok(Json(app.take_usage(&caller, batch).await?))
}

/// Up to where a record of the caller's node is stored.
#[utoipa::path(get, path = "/agent/usage", tag = "agent", params(RecordQuery), responses((status = 200, body = UsageTaken)))]
pub(super) async fn taken(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<RecordQuery>,
) -> Answer<Json<UsageTaken>> {
    Ok(Json(app.usage_taken(&caller, &query.record).await?))
}

/// What networks passed while a plan served them.
#[utoipa::path(get, path = "/plans/{id}/usage", tag = "usage", params(UsageQuery), responses((status = 200, body = UsageSeries)))]
pub(super) async fn of_plan(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<UsageQuery>,
) -> Answer<Json<UsageSeries>> {
    Ok(Json(app.plan_usage(&caller, &id, &query).await?))
}

/// What a network passed.
#[utoipa::path(get, path = "/networks/{id}/usage", tag = "usage", params(UsageQuery), responses((status = 200, body = UsageSeries)))]
pub(super) async fn of_network(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<UsageQuery>,
) -> Answer<Json<UsageSeries>> {
    Ok(Json(app.network_usage(&caller, &id, &query).await?))
}

/// What an instance passed.
#[utoipa::path(get, path = "/instances/{id}/usage", tag = "usage", params(UsageQuery), responses((status = 200, body = UsageSeries)))]
pub(super) async fn of_instance(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<UsageQuery>,
) -> Answer<Json<UsageSeries>> {
    Ok(Json(app.instance_usage(&caller, &id, &query).await?))
}

/// The busiest instances of a network.
#[utoipa::path(get, path = "/networks/{id}/usage/top", tag = "usage", params(TopQuery), responses((status = 200, body = TopInstances)))]
pub(super) async fn top(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<TopQuery>,
) -> Answer<Json<TopInstances>> {
    Ok(Json(app.top_instances(&caller, &id, &query).await?))
}
