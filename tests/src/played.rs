//! An agent that a test plays: it fetches states and says what is in force, over real HTTP, and limits nothing.

use std::time::Duration;

use limiter_agent::desired::{NodeState, OriginSpec};
use limiter_api::agent::{AgentAck, AgentContent, AgentState, StateQuery};
use limiter_api::client::Endpoint;
use limiter_api::usage::{UsageBatch, UsageTaken};
use reqwest::{Client, StatusCode};

/// Nothing takes longer than the longest wait for news and this.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An agent, and the state it has.
pub struct Played {
    http: Client,
    endpoint: Endpoint,
    token: String,
    has: Option<NodeState>,
}

/// Why a fetch or an acknowledgement did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Nobody answered.
    #[error("no answer: {0}")]
    Transport(#[from] reqwest::Error),
    /// The control plane refused.
    #[error("status {0}: {1}")]
    Refused(StatusCode, String),
}

impl Played {
    /// An agent with nothing.
    pub fn new(endpoint: Endpoint, token: &str) -> Self {
        let http = endpoint.connector().build().expect("a client");
        Self { http, endpoint, token: token.to_owned(), has: None }
    }

    /// What it is to enforce.
    pub fn state(&self) -> Option<&NodeState> {
        self.has.as_ref()
    }

    /// Which state that is.
    pub fn origin(&self) -> Option<&OriginSpec> {
        self.has.as_ref()?.origin.as_ref()
    }

    /// Waits up to `wait_s` for a newer state and takes it; false where there was none.
    pub async fn fetch(&mut self, wait_s: u16) -> Result<bool, Lost> {
        let query = StateQuery {
            incarnation: self.origin().map(|origin| origin.incarnation.clone()),
            revision: self.origin().map_or(0, |origin| origin.revision),
            wait_s,
        };
        let url = self.endpoint.url(&["agent", "state"]).expect("an address");
        let request = self.http.get(url).query(&query).bearer_auth(&self.token);
        let timeout = Duration::from_secs(wait_s.into()) + TIMEOUT;
        let response = request.timeout(timeout).send().await?;
        match response.status() {
            StatusCode::OK => {
                let told: AgentState = response.json().await?;
                self.has = Some(match told.content {
                    AgentContent::State(state) => state,
                    AgentContent::Delta(delta) => {
                        let before = self.has.take().expect("a state before");
                        before.changed_by(delta).expect("changes of this state")
                    }
                });
                Ok(true)
            }
            StatusCode::NO_CONTENT => Ok(false),
            status => Err(Lost::Refused(status, response.text().await?)),
        }
    }

    /// Says what it measured.
    pub async fn report(&self, batch: &UsageBatch) -> Result<UsageTaken, Lost> {
        let url = self.endpoint.url(&["agent", "usage"]).expect("an address");
        let request = self.http.post(url).json(batch).bearer_auth(&self.token).timeout(TIMEOUT);
        let response = request.send().await?;
        match response.status() {
            status if status.is_success() => Ok(response.json().await?),
            status => Err(Lost::Refused(status, response.text().await?)),
        }
    }

    /// Says that the state it has is in force.
    ///
    /// # Panics
    /// Where it has none.
    pub async fn acknowledge(&self) -> Result<(), Lost> {
        let has = self.origin().expect("a state to acknowledge");
        let ack = AgentAck {
            incarnation: has.incarnation.clone(),
            revision: has.revision,
            problem: None,
            in_force_revision: has.revision,
        };
        let url = self.endpoint.url(&["agent", "ack"]).expect("an address");
        let request = self.http.post(url).json(&ack).bearer_auth(&self.token).timeout(TIMEOUT);
        let response = request.send().await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(Lost::Refused(status, response.text().await?)),
        }
    }
}
