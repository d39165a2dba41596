//! What an agent and the control plane say to each other.

use limiter_state::{NodeState, StateDelta};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Header with the version of the agent that asks.
pub const AGENT_VERSION: &str = "limiter-agent-version";

/// Longest that a request for a newer state may wait, in seconds.
pub const WAIT_MAX_S: u16 = 60;

/// What the agent has, and how long it waits for something newer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StateQuery {
    /// The incarnation of the state it has; absent: it has none.
    #[serde(default)]
    pub incarnation: Option<String>,
    /// The revision of the state it has.
    #[serde(default)]
    pub revision: u64,
    /// How long to wait for a newer one, in seconds, at most [`WAIT_MAX_S`].
    #[serde(default)]
    pub wait_s: u16,
}

/// What a node is to enforce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentState {
    /// Identity of the control plane's database; another one replaces everything.
    pub incarnation: String,
    /// The last change that it takes in; the same as in its origin.
    pub revision: u64,
    /// All of it, or what changed.
    #[serde(flatten)]
    pub content: AgentContent,
}

/// A state, or what makes it of the one that the agent has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentContent {
    /// All of it, in the form of a state file.
    #[schema(value_type = Object)]
    State(NodeState),
    /// What changed after the revision that the agent named.
    #[schema(value_type = Object)]
    Delta(StateDelta),
}

/// What is in force on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentAck {
    /// The incarnation of the state that was fetched.
    pub incarnation: String,
    /// The revision of the state that was fetched.
    pub revision: u64,
    /// Why that one is not in force, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The revision that is in force.
    pub in_force_revision: u64,
}
