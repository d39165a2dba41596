//! What agents ask and say.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use limiter_api::agent::{AGENT_VERSION, AgentAck, AgentState, StateQuery};

use super::input::{Asked, Said};
use super::problem::Answer;
use crate::app::{App, Caller};

/// Longest agent version that is noted.
const VERSION_MAX_BYTES: usize = 64;

/// The state of the caller's node, as soon as it is newer than what the caller has.
#[utoipa::path(get, path = "/agent/state", tag = "agent", params(StateQuery), responses(
    (status = 200, body = AgentState),
    (status = 204, description = "nothing newer in time"),
))]
pub(super) async fn state(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Asked(query): Asked<StateQuery>,
) -> Answer<Response> {
    let version = headers.get(AGENT_VERSION).and_then(|value| value.to_str().ok());
    let version = version.filter(|version| version.len() <= VERSION_MAX_BYTES);
    Ok(match app.node_state(&caller, &query, version).await? {
        Some(state) => Json(state).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Say what is in force on the caller's node.
#[utoipa::path(post, path = "/agent/ack", tag = "agent", request_body = AgentAck, responses((status = 204)))]
pub(super) async fn ack(State(app): State<App>, Said(caller, input): Said<AgentAck>) -> Answer<StatusCode> {
    app.acknowledge(&caller, input).await?;
    Ok(StatusCode::NO_CONTENT)
}
