//! Premium bandwidth plans.

use axum::Json;
use axum::extract::{Path, State};
use limiter_api::params::{Associate, AutoRenew, End, NewPlan, PlanQuery, Renew, Resize};
use limiter_api::views::{Outcome, Page, Plan};

use super::answer::{Created, Tagged};
use super::input::{Asked, Bare, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// List plans; released ones are not among them.
#[utoipa::path(get, path = "/plans", tag = "plans", params(PlanQuery), responses((status = 200, body = Page<Plan>)))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<PlanQuery>,
) -> Answer<Json<Page<Plan>>> {
    Ok(Json(app.plans(&caller, &query).await?))
}

/// Show a plan.
#[utoipa::path(get, path = "/plans/{id}", tag = "plans", responses((status = 200, body = Plan)))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Tagged<Plan>> {
    Ok(Tagged(app.plan(&caller, &id).await?))
}

/// Buy a plan.
#[utoipa::path(post, path = "/plans", tag = "plans", request_body = NewPlan, responses((status = 201, body = Plan)))]
pub(super) async fn create(
    State(app): State<App>,
    Changing(call, input): Changing<NewPlan>,
) -> Answer<Created<Plan>> {
    Ok(Created(app.create_plan(&call, input).await?))
}

/// Associate a plan with a network.
#[utoipa::path(post, path = "/plans/{id}/associate", tag = "plans", request_body = Associate, responses((status = 200, body = Plan)))]
pub(super) async fn associate(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<Associate>,
) -> Answer<Tagged<Plan>> {
    Ok(Tagged(app.associate(&call, &id, input).await?))
}

/// Dissociate a plan from its network: its rules are purged, its term and billing go on.
#[utoipa::path(post, path = "/plans/{id}/dissociate", tag = "plans", responses((status = 200, body = Plan)))]
pub(super) async fn dissociate(
    State(app): State<App>,
    Path(id): Path<String>,
    Bare(call): Bare,
) -> Answer<Tagged<Plan>> {
    Ok(Tagged(app.dissociate(&call, &id).await?))
}

/// Change the peak of a plan; open connections go on.
#[utoipa::path(post, path = "/plans/{id}/resize", tag = "plans", request_body = Resize, responses((status = 200, body = Plan)))]
pub(super) async fn resize(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<Resize>,
) -> Answer<Tagged<Plan>> {
    Ok(Tagged(app.resize(&call, &id, input).await?))
}

/// Switch automatic renewal.
#[utoipa::path(put, path = "/plans/{id}/auto-renew", tag = "plans", request_body = AutoRenew, responses((status = 200, body = Plan)))]
pub(super) async fn auto_renew(
    State(app): State<App>,
    Path(id): Path<String>,
    Changing(call, input): Changing<AutoRenew>,
) -> Answer<Tagged<Plan>> {
    Ok(Tagged(app.set_auto_renew(&call, &id, input).await?))
}

/// Renew subscriptions.
#[utoipa::path(post, path = "/plans/renew", tag = "plans", request_body = Renew, responses((status = 200, body = Vec<Outcome>)))]
pub(super) async fn renew(
    State(app): State<App>,
    Changing(call, input): Changing<Renew>,
) -> Answer<Json<Vec<Outcome>>> {
    Ok(Json(app.renew(&call, input).await?))
}

/// End subscriptions before their time.
#[utoipa::path(post, path = "/plans/unsubscribe", tag = "plans", request_body = End, responses((status = 200, body = Vec<Outcome>)))]
pub(super) async fn unsubscribe(
    State(app): State<App>,
    Changing(call, input): Changing<End>,
) -> Answer<Json<Vec<Outcome>>> {
    Ok(Json(app.unsubscribe(&call, input).await?))
}

/// Delete plans that are paid as they go.
#[utoipa::path(post, path = "/plans/delete", tag = "plans", request_body = End, responses((status = 200, body = Vec<Outcome>)))]
pub(super) async fn delete(
    State(app): State<App>,
    Changing(call, input): Changing<End>,
) -> Answer<Json<Vec<Outcome>>> {
    Ok(Json(app.delete_plans(&call, input).await?))
}
