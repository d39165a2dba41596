//! Which devices need `fq`, and how large.

use std::collections::BTreeMap;

use limiter_common::meter::Direction;

use super::action::Action;
use super::bound::{Shaping, bound_ns};
use super::interfaces::uplinks;
use super::observed::Observed;
use super::wanted::Wanted;
use crate::desired::{Desired, Mode};
use crate::netlink::Link;
use crate::netlink::fq::{FqPlan, OWN_MEMORY_BYTES, SHARED_MEMORY_BYTES, Standing, fq_options, plan};

/// The plan of each egress device that may shape: uplinks, and interfaces of ours that are not to police.
pub fn plans(desired: &Desired, observed: &Observed, wanted: &Wanted) -> BTreeMap<u32, FqPlan> {
    if !observed.kernel_has_fq {
        return BTreeMap::new();
    }
    let polices =
        |zone: usize| desired.interfaces.iter().any(|entry| entry.zone == zone && entry.mode == Mode::Police);
    let shaped: Vec<usize> = (0..desired.zones.len()).filter(|&zone| !polices(zone)).collect();
    let mut plans = BTreeMap::new();
    if !shaped.is_empty() {
        let standing = standing(desired, wanted, &shaped, Direction::Up);
        for ifindex in uplinks(desired, observed).unwrap_or_default() {
            plans.insert(
                ifindex,
                plan(ifindex, observed.qdiscs_of(ifindex), &fq_options(standing, true, SHARED_MEMORY_BYTES)),
            );
        }
    }
    for &ifindex in wanted.interfaces.keys() {
        let Some(link) = observed.link(ifindex) else { continue };
        let Some(zone) = desired.interface(&link.name).map(|entry| entry.zone) else { continue };
        if !shaped.contains(&zone) {
            continue;
        }
        let shared = is_shared(link);
        let memory = if shared { SHARED_MEMORY_BYTES } else { OWN_MEMORY_BYTES };
        let options = fq_options(standing(desired, wanted, &[zone], Direction::Down), shared, memory);
        plans.insert(ifindex, plan(ifindex, observed.qdiscs_of(ifindex), &options));
    }
    plans
}

/// The actions of [`plans`].
pub fn steps(desired: &Desired, observed: &Observed, wanted: &Wanted) -> Vec<Action> {
    let plans = plans(desired, observed, wanted);
    let changes = plans.into_iter().filter(|(_, plan)| !plan.steps().is_empty());
    changes
        .map(|(ifindex, plan)| Action::Fq {
            ifindex,
            device: observed.device(ifindex),
            steps: plan.steps().to_vec(),
        })
        .collect()
}

/// What the meters of some zones may have waiting at once. Where a network has a limit, its meter
/// stands for all its instances.
fn standing(desired: &Desired, wanted: &Wanted, zones: &[usize], direction: Direction) -> Standing {
    let mut standing = Standing::default();
    for network in desired.networks.iter().filter(|network| zones.contains(&network.zone)) {
        let of = |limits: &crate::desired::Limits| {
            if direction == Direction::Up { limits.up } else { limits.down }
        };
        let rates = match of(&network.limits) {
            Some(rate) => vec![rate],
            None => desired.instances[network.instances.clone()]
                .iter()
                .filter_map(|instance| of(&instance.limits))
                .collect(),
        };
        let mtu = wanted.modes.mtu_bytes(network.zone);
        standing = rates
            .into_iter()
            .fold(standing, |sum, rate| sum.with(rate.bps(), bound_ns(Shaping::Shape, rate, mtu)));
    }
    standing
}

/// A device that carries many instances, not one instance's own.
fn is_shared(link: &Link) -> bool {
    !matches!(link.kind.as_deref(), Some("veth" | "tun" | "netkit"))
}
