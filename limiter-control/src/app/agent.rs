//! What agents ask and say: the state of their node, and what of it is in force.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use limiter_api::agent::{AgentAck, AgentState, StateQuery, WAIT_MAX_S};
use limiter_domain::node_state::{World, node_state};
use limiter_domain::{Code, EventKind, Node, NodeId, Revision};
use limiter_state::{NodeState, OriginSpec};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::error::refuse;
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
        self.seen.note(seen);
        let mut region: Option<Arc<str>> = None;
        loop {
            let known = *changes.borrow_and_update();
            let is_news = match (&region, has) {
                (Some(region), Some(has)) => self.region_revision(region, known).await? > has,
                _ => true,
            };
            if is_news {
                let (found, state) = self.newer(&id, has).await?;
                if let Some(state) = state {
                    return Ok(Some(state));
                }
                region = Some(found);
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    /// The last change of a region. One look answers all who wait, however many a change has woken.
    async fn region_revision(&self, region: &str, known: Revision) -> Result<Revision, AppError> {
        let mut looked = self.regions.0.lock().await;
        if looked.0 < known {
            let tx = self.store.read().await?;
            *looked = (tx.revision().max(known), tx.region_revisions().await?.into_iter().collect());
        }
        Ok(looked.1.get(region).copied().unwrap_or_default())
    }

    /// The region of a node, and its state where that is newer than `has`.
    async fn newer(
        &self,
        id: &NodeId,
        has: Option<Revision>,
    ) -> Result<(Arc<str>, Option<AgentState>), AppError> {
        // In turn: a change may wake a thousand, and they leave connections to others.
        let _turn = self.regions.1.acquire().await;
        let tx = self.store.read().await?;
        let node =
            tx.node(id).await?.ok_or_else(|| read::missing(Code::NodeNotFound, "node", id.as_str()))?;
        let revision = tx.region_revision(&node.region).await?;
        // A state of a later change than the last one is of a database that this one was restored over.
        let has = has.filter(|has| *has <= tx.revision());
        if has.is_some_and(|has| has >= revision) {
            return Ok((node.region, None));
        }
        let incarnation = self.store.incarnation().to_owned();
        let origin = OriginSpec { incarnation: incarnation.clone(), revision };
        let state = state_of(&tx, &node, origin).await?;
        Ok((node.region, Some(AgentState { incarnation, revision, state })))
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
const TURNS: usize = 2;

/// The change that was looked at last with the last change of every region, and turns at working out states.
pub(super) struct Regions(tokio::sync::Mutex<(Revision, HashMap<String, Revision>)>, Semaphore);

impl Default for Regions {
    fn default() -> Self {
        Self(tokio::sync::Mutex::default(), Semaphore::new(TURNS))
    }
}

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

/// What a node is to enforce.
async fn state_of(tx: &Tx, node: &Node, origin: OriginSpec) -> Result<NodeState, AppError> {
    let carried = tx.carried_by(node).await?;
    let world = World {
        networks: &carried.networks,
        plans: &carried.plans,
        rules: &carried.rules,
        instances: &carried.instances,
    };
    Ok(node_state(node, world, origin))
}
