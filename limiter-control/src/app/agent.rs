//! What agents ask and say: the state of their node, and what of it is in force.

use std::time::Duration;

use limiter_api::agent::{AgentAck, AgentState, StateQuery, WAIT_MAX_S};
use limiter_domain::node_state::{World, node_state};
use limiter_domain::{Code, EventKind, Node, NodeId, Revision};
use limiter_state::{NodeState, OriginSpec};
use tokio::time::Instant;

use super::error::{refuse, refuse_field};
use super::{App, AppError, Caller, read};
use crate::store::{Ack, Seen, Tx};

impl App {
    /// The state of the caller's node, as soon as it is newer than what `query` names; [`None`]: not in time.
    pub async fn node_state(
        &self,
        caller: &Caller,
        query: &StateQuery,
        agent_version: Option<&str>,
    ) -> Result<Option<AgentState>, AppError> {
        let id = caller.agent()?;
        let has = query.incarnation.as_deref() == Some(self.store.incarnation());
        let has = has.then_some(query.revision);
        let wait = Duration::from_secs(query.wait_s.min(WAIT_MAX_S).into());
        let deadline = Instant::now() + wait;
        // Subscribed before the first look, so that no change falls between them.
        let mut changes = self.store.changes();
        let seen = Seen { node: id.clone(), at: self.now(), agent_version: agent_version.map(Into::into) };
        self.store.note_seen(&[seen]).await?;
        loop {
            changes.mark_unchanged();
            if let Some(state) = self.newer(&id, has).await? {
                return Ok(Some(state));
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    async fn newer(&self, id: &NodeId, has: Option<Revision>) -> Result<Option<AgentState>, AppError> {
        let tx = self.store.read().await?;
        let node =
            tx.node(id).await?.ok_or_else(|| read::missing(Code::NodeNotFound, "node", id.as_str()))?;
        let revision = tx.region_revision(&node.region).await?;
        if has.is_some_and(|has| has >= revision) {
            return Ok(None);
        }
        let incarnation = self.store.incarnation().to_owned();
        let origin = OriginSpec { incarnation: incarnation.clone(), revision };
        let state = state_of(&tx, &node, origin).await?;
        Ok(Some(AgentState { incarnation, revision, state }))
    }

    /// Notes what is in force on the caller's node, and completes what waited for it.
    pub async fn acknowledge(&self, caller: &Caller, ack: AgentAck) -> Result<(), AppError> {
        let id = caller.agent()?;
        if ack.incarnation != self.store.incarnation() {
            let message = "this database is another one than the state came from; fetch the whole state";
            return Err(refuse(Code::VersionConflict, message));
        }
        let tx = self.store.read().await?;
        let node =
            tx.node(&id).await?.ok_or_else(|| read::missing(Code::NodeNotFound, "node", id.as_str()))?;
        let known = tx.revision();
        drop(tx);
        if ack.in_force_revision > known {
            let message =
                format!("revision {} is not there yet, the last one is {known}", ack.in_force_revision);
            return Err(refuse_field(Code::InvalidParameter, "in_force_revision", message));
        }
        let noted = Ack {
            node: id.clone(),
            at: self.now(),
            revision: ack.in_force_revision,
            problem: ack.problem.as_deref().map(Into::into),
        };
        self.store.note_ack(&noted).await?;
        if let Some(problem) = ack.problem.filter(|new| node.problem.as_deref() != Some(new.as_str())) {
            let mut change = self.begin_own(caller.clone(), "refused").await?;
            change.event(EventKind::NodeRefused, None, id.as_str(), &problem);
            change.commit().await?;
        }
        // Also where the node said so before: a crash may have come between its word and what it completes.
        self.settle_region(caller.clone(), &node.region).await
    }
}

/// What a node is to enforce.
async fn state_of(tx: &Tx, node: &Node, origin: OriginSpec) -> Result<NodeState, AppError> {
    let zones: Vec<&str> = node.interfaces.iter().map(|interface| &*interface.zone).collect();
    let carried = tx.carried(&node.region, &zones).await?;
    let world = World {
        networks: &carried.networks,
        plans: &carried.plans,
        rules: &carried.rules,
        instances: &carried.instances,
    };
    Ok(node_state(node, world, origin))
}
