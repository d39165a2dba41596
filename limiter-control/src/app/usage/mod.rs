//! What nodes measured: each batch is stored once, in one transaction.

mod check;
mod kept;
mod rows;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use limiter_api::usage::{UsageBatch, UsageTaken};
use limiter_domain::usage_source::{Placed, Sent, UsageSource, place};
use limiter_domain::{Code, EventKind, NodeId};
use sha2::{Digest as _, Sha256};

pub(super) use kept::{INSTANCE_MINUTES, INSTANCES_KEPT, NETWORK_MINUTES, NETWORKS_KEPT};

use super::{App, AppError, Caller, read};
use check::check;
use rows::Rows;

/// Operators are told of a node's trouble so often at most.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// When operators were told last of the trouble of each node.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<(NodeId, EventKind), Timestamp>>);

impl Told {
    fn is_due(&self, node: &NodeId, kind: EventKind, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.get(&(node.clone(), kind)).copied();
        let is_due = last.is_none_or(|last| now.duration_since(last) >= TOLD_AGAIN);
        if is_due {
            told.insert((node.clone(), kind), now);
        }
        is_due
    }
}

impl App {
    /// Stores a batch of the caller's node. One that is stored already changes nothing.
    pub async fn take_usage(&self, caller: &Caller, batch: UsageBatch) -> Result<UsageTaken, AppError> {
        let node = caller.agent()?;
        let now = self.now();
        check(&batch, now)?;
        let digest = digest(&batch)?;
        let tx = self.store.write_unnumbered().await?;
        let known = tx.lock_usage_source(&node, &batch.record).await?;
        let sent = Sent { sequence: batch.sequence, oldest: batch.oldest, digest };
        let missing = match place(known.as_ref(), sent) {
            Ok(Placed::Again) => return Ok(UsageTaken { through: batch.sequence, refused_rows: 0 }),
            Ok(Placed::New { missing }) => missing,
            Err(refusal) => {
                drop(tx);
                if refusal.code == Code::UsageConflict {
                    self.tell(caller, &node, EventKind::UsageRefused, &refusal.message).await?;
                }
                return Err(refusal.into());
            }
        };
        let source = source(&node, &batch, digest, known.as_ref());
        let sequence = batch.sequence;
        let node = tx.node(&node).await?;
        let node = node.ok_or_else(|| read::missing(Code::NodeNotFound, "node", source.node.as_str()))?;
        let refused = Rows::of(&tx, &node, batch, now).await?.store(&tx, &node.id).await?;
        tx.put_usage_source(&source).await?;
        tx.commit().await?;
        if missing > 0 {
            let detail = format!(
                "{missing} batches before {sequence} of record {} were given to another copy of this database, and are \
                 not in it",
                source.record
            );
            self.tell(caller, &node.id, EventKind::UsageMissing, &detail).await?;
        }
        if let Some(first) = &refused.first {
            let detail = format!("{} rows of batch {sequence}, the first of {first}", refused.rows);
            self.tell(caller, &node.id, EventKind::UsageRefused, &detail).await?;
        }
        Ok(UsageTaken { through: sequence, refused_rows: refused.rows })
    }

    /// Up to where a record of the caller's node is stored.
    pub async fn usage_taken(&self, caller: &Caller, record: &str) -> Result<UsageTaken, AppError> {
        let node = caller.agent()?;
        let known = self.store.read().await?.usage_source(&node, record).await?;
        Ok(UsageTaken { through: known.map_or(0, |known| known.through), refused_rows: 0 })
    }

    /// Tells operators of a node's trouble, unless they were told not long ago.
    async fn tell(
        &self,
        caller: &Caller,
        node: &NodeId,
        kind: EventKind,
        detail: &str,
    ) -> Result<(), AppError> {
        if !self.told.is_due(node, kind, self.now()) {
            return Ok(());
        }
        let mut change = self.begin_own(caller.clone(), "usage").await?;
        change.event(kind, None, node.as_str(), detail);
        change.commit().await?;
        Ok(())
    }
}

/// SHA-256 of what a batch says, however it was written.
fn digest(batch: &UsageBatch) -> Result<[u8; 32], AppError> {
    let said = (&batch.record, batch.sequence, batch.complete_until, &batch.networks, &batch.instances);
    let written = serde_json::to_vec(&said).map_err(|error| AppError::Broken(error.to_string()))?;
    Ok(Sha256::digest(&written).into())
}

fn source(node: &NodeId, batch: &UsageBatch, digest: [u8; 32], known: Option<&UsageSource>) -> UsageSource {
    let complete_until =
        known.map_or(batch.complete_until, |known| known.complete_until.max(batch.complete_until));
    UsageSource {
        node: node.clone(),
        record: batch.record.clone(),
        through: batch.sequence,
        digest,
        complete_until,
    }
}
