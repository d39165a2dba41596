//! Observe, plan, apply: the node is brought to the desired state, whatever it was before.

pub mod action;
mod apply;
pub mod bound;
pub mod cover;
pub mod egress;
pub mod entity;
pub mod error;
pub mod fq;
pub mod growth;
pub mod interfaces;
pub mod mode;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod slots;
pub mod switch;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;
pub mod undo;
pub mod wanted;

use crate::dataplane::{Maps, Programs};
use crate::desired::Desired;
use crate::egress::Gate;
use crate::metering::Metering;
use crate::netlink::Netlink;
use action::Action;
use error::ReconcileError;
use plan::Plan;
use undo::Undo;

/// What a reconciler works on.
pub struct Node {
    /// The maps.
    pub maps: Maps,
    /// The programs to attach.
    pub programs: Programs,
    /// The devices.
    pub netlink: Netlink,
    /// Egress addresses.
    pub gate: Gate,
    /// What uninstall gives back.
    pub undo: Undo,
    /// What records what the meters count; none where nobody is to know.
    pub metering: Option<Metering>,
    /// Actions carried out so far.
    pub actions: u64,
}

/// Rounds after which a state that does not settle is left to the next signal or timer.
const ROUNDS_MAX: usize = 4;

/// Actions of a round that are logged one by one.
const LOGGED_MAX: usize = 20;

/// Brings the node to `desired`; returns the last plan, which has no actions where all is settled.
///
/// It takes no hint of what changed: signal, timer and start call the same function, which reads
/// everything again. A round may show what the one before made possible (a device that has `fq` now
/// shapes), so rounds go on until one finds nothing to do.
pub async fn reconcile(node: &mut Node, desired: &Desired) -> Result<Plan, ReconcileError> {
    let mut round = 0;
    let mut carried_out = Vec::new();
    loop {
        let mut observed = observe::observe(&node.maps, Some(&node.programs), &mut node.netlink).await?;
        observed.egress = observe::egress(desired, &mut node.gate, &node.undo).await?;
        let plan = plan::plan(desired, &observed)?;
        round += 1;
        // Slots that still have to wait for their last reading to be durable wait for the next signal or timer.
        let waits = matches!(&*plan.actions, [Action::Release(_)]) && plan.actions == carried_out;
        if plan.actions.is_empty() || waits || round == ROUNDS_MAX {
            return Ok(plan);
        }
        for action in plan.actions.iter().take(LOGGED_MAX) {
            tracing::info!(%action, "apply");
        }
        if plan.actions.len() > LOGGED_MAX {
            tracing::info!(more = plan.actions.len() - LOGGED_MAX, "apply");
        }
        apply::apply(node, &observed, &plan.actions).await?;
        node.actions += plan.actions.len() as u64;
        carried_out = plan.actions;
    }
}
