//! What the reconciler did, counted for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Rounds of the reconciler and what they changed, since the agent started.
#[derive(Debug, Default)]
pub struct Rounds {
    settled: AtomicU64,
    failed: AtomicU64,
    state_actions: AtomicU64,
    node_actions: AtomicU64,
}

impl Rounds {
    /// Counts a round with its `actions`, after a change of the state or none.
    pub fn note(&self, settled: bool, state_changed: bool, actions: u64) {
        let round = if settled { &self.settled } else { &self.failed };
        round.fetch_add(1, Ordering::Relaxed);
        let changes = if state_changed { &self.state_actions } else { &self.node_actions };
        changes.fetch_add(actions, Ordering::Relaxed);
    }

    /// Rounds by result.
    pub(super) fn rounds(&self) -> [(&'static str, u64); 2] {
        [("settled", &self.settled), ("failed", &self.failed)].map(read)
    }

    /// Actions by cause.
    pub(super) fn actions(&self) -> [(&'static str, u64); 2] {
        [("state", &self.state_actions), ("node", &self.node_actions)].map(read)
    }
}

fn read((label, count): (&'static str, &AtomicU64)) -> (&'static str, u64) {
    (label, count.load(Ordering::Relaxed))
}
