//! What agents ask and say: the state of their node, and what of it is in force.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use limiter_api::agent::{AgentAck, AgentContent, AgentState, StateQuery, WAIT_MAX_S};
use limiter_domain::node_delta::node_delta;
use limiter_domain::node_state::{World, node_state};
use limiter_domain::{Code, EventKind, Node, NodeId, Revision};
use limiter_state::OriginSpec;
use tokio::time::Instant;

use super::error::refuse;
use super::{App, AppError, Caller, read};
use crate::store::{Ack, Carried, Seen, Tx};

impl App {
    /// The state of the caller's node, or what changed of it, as soon as it is newer than what `query`
    /// names; [`None`]: not in time.
    pub async fn node_state(
        &self,
        caller: &Caller,
        query: &StateQuery,
        agent_version: Option<&str>,
    ) -> Result<Option<AgentState>, AppError> {
        let id = caller.agent()?;
        let wait = Duration::from_secs(query.wait_s.min(WAIT_MAX_S).into());
        let deadline = Instant::now() + wait;
        // Subscribed before the first look, so that no change falls between them.
        let mut changes = self.store.changes();
        let (node, committed) = {
            let tx = self.store.read().await?;
            (node_of(&tx, &id).await?, tx.revision())
        };
        // A state of a later change than the last one is of a database that this one was restored over.
        let ours = query.incarnation.as_deref() == Some(self.store.incarnation());
        let has = Some(query.revision).filter(|has| ours && *has <= committed);
        self.note_asked(&node, agent_version).await?;
        loop {
            let known = *changes.borrow_and_update();
            let last = self.news(known.max(committed)).await?.of(&node);
            if has.is_none_or(|has| has < last) {
                return self.newer(&id, has).await.map(Some);
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    /// The state of a node, or what changed of it after `has`.
    async fn newer(&self, id: &NodeId, has: Option<Revision>) -> Result<AgentState, AppError> {
        // In turn: a change may wake a thousand, and they leave connections to others.
        let _turn = self.turns.acquire().await;
        let tx = self.store.read().await?;
        let node = node_of(&tx, id).await?;
        let (incarnation, revision) = (self.store.incarnation().to_owned(), tx.revision());
        let origin = OriginSpec { incarnation: incarnation.clone(), revision };
        // What was taken from the database meanwhile is known to nodes that acknowledged that, and only there.
        let follows = |has: &Revision| !node.fenced && *has >= node.revision.max(node.acked_revision);
        let content = if let Some(since) = has.filter(follows) {
            let changed = tx.changed_of(&node, since).await?;
            AgentContent::Delta(node_delta(&node, world(&changed), since, origin))
        } else {
            let carried = tx.carried_by(&node).await?;
            AgentContent::State(node_state(&node, world(&carried), origin))
        };
        Ok(AgentState { incarnation, revision, content })
    }

    /// Notes that a node asked. Before its first answer that is durable: an end waits for every node that
    /// was told something.
    async fn note_asked(&self, node: &Node, agent_version: Option<&str>) -> Result<(), AppError> {
        let agent_version = agent_version.map(Into::into);
        let seen = Seen { node: node.id.clone(), at: self.now(), agent_version };
        match node.seen_at {
            Some(_) => self.seen.note(seen),
            None => self.store.note_seen(&[seen]).await?,
        }
        Ok(())
    }

    /// Notes what is in force on the caller's node, and completes what waited for it.
    pub async fn acknowledge(&self, caller: &Caller, ack: AgentAck) -> Result<(), AppError> {
        let id = caller.agent()?;
        if ack.incarnation != self.store.incarnation() {
            let message = "this database is another one than the state came from; fetch the whole state";
            return Err(refuse(Code::VersionConflict, message));
        }
        let node = {
            let tx = self.store.read().await?;
            if ack.in_force_revision > tx.revision() {
                let message = "this database has no such revision; fetch the whole state";
                return Err(refuse(Code::VersionConflict, message));
            }
            tx.node(&id).await?
        };
        let node = node.ok_or_else(|| read::missing(Code::NodeNotFound, "node", id.as_str()))?;
        let noted = Ack {
            node: id.clone(),
            at: self.now(),
            revision: ack.in_force_revision,
            problem: ack.problem.as_deref().map(plain),
        };
        self.store.note_ack(&noted).await?;
        if let Some(problem) = noted.problem.filter(|new| node.problem.as_ref() != Some(new)) {
            let mut change = self.begin_own(caller.clone(), "refused").await?;
            change.event(EventKind::NodeRefused, None, id.as_str(), &problem);
            change.commit().await?;
        }
        self.settle_region(caller, &node.region).await
    }

    /// Writes when which nodes asked last. It is late by the period of scheduled work, so that an agent is
    /// answered while nothing can be written, and a thousand that ask at once cost one transaction.
    pub(super) async fn write_seen(&self) -> Result<(), AppError> {
        let seen = self.seen.take();
        if seen.is_empty() {
            return Ok(());
        }
        Ok(self.store.note_seen(&seen).await?)
    }
}

/// What is kept of a reason why a node refused its state.
const PROBLEM_MAX_CHARS: usize = 1000;

/// Most states that are worked out at once.
pub(super) const TURNS: usize = 2;

/// Nodes that asked since it was written last.
#[derive(Default)]
pub(super) struct Asked(Mutex<HashMap<NodeId, Seen>>);

impl Asked {
    fn note(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(seen.node.clone(), seen);
    }

    fn take(&self) -> Vec<Seen> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.drain().map(|(_, seen)| seen).collect()
    }
}

/// What a node says, fit for a table and a log.
fn plain(text: &str) -> Arc<str> {
    let shown = text.chars().take(PROBLEM_MAX_CHARS);
    shown.map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().into()
}

async fn node_of(tx: &Tx, id: &NodeId) -> Result<Node, AppError> {
    tx.node(id).await?.ok_or_else(|| read::missing(Code::NodeNotFound, "node", id.as_str()))
}

fn world(carried: &Carried) -> World<'_> {
    World {
        networks: &carried.networks,
        plans: &carried.plans,
        rules: &carried.rules,
        instances: &carried.instances,
    }
}
