//! Giving a plan to a network, and taking it back.

use std::sync::Arc;

use jiff::Timestamp;

use crate::guard::{Verb, admit};
use crate::{
    AccountId, Code, EventKind, Network, NetworkStatus, NodeId, OperationKind, Plan, PlanId, Refusal,
    Revision, Status, Step,
};

/// A network as a plan meets it.
#[derive(Clone, Debug)]
pub struct Slot<'a> {
    /// The network.
    pub network: &'a Network,
    /// The plan that holds it, also while it is on its way out.
    pub holder: Option<&'a PlanId>,
    /// The node that is to use the plan's address, [`crate::egress::choose`]'s; [`None`]: no node carries
    /// the network and is not fenced.
    pub node: Option<NodeId>,
}

impl Slot<'_> {
    pub(crate) fn owned_by(&self, account: &AccountId) -> Result<(), Refusal> {
        if self.network.account == *account {
            return Ok(());
        }
        Err(Refusal::missing(Code::NetworkNotFound, "network", &self.network.id).at("network"))
    }

    /// Gives the address of a plan that takes the network to its node.
    pub(crate) fn places(&self, plan: &mut Plan) {
        if let Some(egress) = &mut plan.egress {
            egress.node.clone_from(&self.node);
        }
    }

    /// Whether a plan of `region` may have the network.
    pub(crate) fn takes(&self, region: &str) -> Result<(), Refusal> {
        let network = self.network;
        let id = &network.id;
        let (code, message) = if *network.region != *region {
            let message = format!(
                "network {id} is in region {:?}, the plan in {region:?}; choose a network of the plan's region",
                network.region
            );
            (Code::RegionMismatch, message)
        } else if network.status != NetworkStatus::Active {
            (Code::NetworkNotReady, format!("network {id} is being deleted; choose another"))
        } else if let Some(holder) = self.holder {
            let message = format!(
                "plan {holder} holds network {id}; dissociate it and wait until nodes acknowledged that, or choose another network"
            );
            (Code::NetworkHasPlan, message)
        } else if self.node.is_none() {
            let message = format!(
                "no node carries network {id}; add one in region {:?} with an interface in zone {:?}, or take its fence away",
                network.region, network.zone
            );
            (Code::NetworkHasNoNode, message)
        } else {
            return Ok(());
        };
        Err(Refusal::new(code, message).at("network"))
    }
}

/// Begins to give `plan` to a network: T07. It is in use when nodes acknowledged that.
///
/// Refused with `NetworkNotFound`, the codes of [`admit`], `RegionMismatch`, `NetworkNotReady`,
/// `NetworkHasPlan` and `NetworkHasNoNode`.
pub fn associate(plan: &Plan, slot: &Slot<'_>, now: Timestamp, revision: Revision) -> Result<Step, Refusal> {
    crate::guard::exists(plan)?;
    slot.owned_by(&plan.account)?;
    admit(plan, Verb::Associate, false)?;
    slot.takes(&plan.region)?;
    let mut next = plan.clone();
    next.network = Some(slot.network.id.clone());
    next.status = Status::Changing;
    next.reason = None;
    slot.places(&mut next);
    next.start(OperationKind::Associate, now);
    let detail = format!("association with network {}", slot.network.id);
    Ok(Step::of(plan, next, now, revision).with(now, EventKind::PlanChanging, detail))
}

/// Begins to take `plan` from its network, also while its association is under way: T10. The network is
/// free when nodes acknowledged that. Again while it is under way, it changes nothing.
///
/// Refused with the codes of [`admit`].
pub fn dissociate(plan: &Plan, now: Timestamp, revision: Revision) -> Result<Step, Refusal> {
    admit(plan, Verb::Dissociate, false)?;
    if plan.operation.as_ref().is_some_and(|op| op.kind == OperationKind::Dissociate) {
        return Ok(Step::of(plan, plan.clone(), now, revision));
    }
    Ok(withdraw(plan, None, now, revision))
}

/// Takes `plan` from its network; `reason`: why, where nobody asked for it.
pub(crate) fn withdraw(plan: &Plan, reason: Option<Arc<str>>, now: Timestamp, revision: Revision) -> Step {
    let mut next = plan.clone();
    next.status = Status::Changing;
    next.start(OperationKind::Dissociate, now);
    let network = plan.network.as_ref().map(ToString::to_string).unwrap_or_default();
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    next.reason = reason;
    let detail = format!("dissociation from network {network}{why}");
    Step::of(plan, next, now, revision).purging().with(now, EventKind::PlanChanging, detail)
}
