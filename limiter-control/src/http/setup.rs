//! Whole setups.

use axum::Json;
use axum::extract::State;
use limiter_api::params::Whose;
use limiter_api::setup::{Applied, Apply, Setup};

use super::input::{Asked, Changing};
use super::problem::Answer;
use crate::app::{App, Caller};

/// Make networks, instances, plans and rules as a setup says, in one transaction; or only say what would change.
#[utoipa::path(post, path = "/apply", tag = "setup", request_body = Apply, responses((status = 200, body = Applied)))]
pub(super) async fn apply(
    State(app): State<App>,
    Changing(call, input): Changing<Apply>,
) -> Answer<Json<Applied>> {
    Ok(Json(app.apply(&call, input).await?))
}

/// The setup of an account as it is.
#[utoipa::path(get, path = "/export", tag = "setup", params(Whose), responses((status = 200, body = Setup)))]
pub(super) async fn export(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<Whose>,
) -> Answer<Json<Setup>> {
    Ok(Json(app.export(&caller, query.account.as_deref()).await?))
}
