//! Carries actions out. The first error ends the round; the next one begins with what is there then.

use std::time::{Duration, Instant};

use limiter_common::cost::TICKS_PER_NS;
use limiter_common::gcra;
use limiter_common::interface::Zone;
use limiter_common::meter::Direction;
use limiter_common::node::Node as NodeSwitches;

use super::Node;
use super::action::{Action, SlotLimit};
use super::error::ReconcileError;
use super::observed::{Hooked, INGRESS, Observed};
use super::switch::Flush;
use crate::clock::monotonic_ns;
use crate::dataplane::{attach, meters, object};
use crate::netlink::fq;

/// Longest wait for packets that are queued with an address they had before.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Carries out `actions`, planned from `observed`, in order.
pub(super) async fn apply(
    node: &mut Node,
    observed: &Observed,
    actions: &[Action],
) -> Result<(), ReconcileError> {
    note(node, observed, actions)?;
    if actions.iter().any(|action| matches!(action, Action::Flush(_))) {
        node.gate.doubt_connections();
    }
    let claims_end = actions.iter().rposition(|action| matches!(action, Action::Claim { .. }));
    for (place, action) in actions.iter().enumerate() {
        match one(node, action, monotonic_ns()).await {
            // The device went away since it was observed; its deletion wakes the next round.
            Err(error) if error.is_device_gone() => {}
            result => result?,
        }
        // Before anything leads to new slots it is recorded whose they are, so that no byte of theirs is nobody's
        // after a kill. Limits do not wait for a disk that is full.
        if Some(place) == claims_end {
            settle(node).await;
        }
    }
    Ok(())
}

/// Has what the meters count now recorded; false where that is not durable.
async fn settle(node: &Node) -> bool {
    match &node.metering {
        Some(metering) => metering.settle().await,
        None => true,
    }
}

/// Notes for uninstall, in one write, what the devices have before the actions change it.
fn note(node: &mut Node, observed: &Observed, actions: &[Action]) -> Result<(), ReconcileError> {
    let schedulers = actions.iter().filter_map(|action| match action {
        Action::Fq { ifindex, .. } => Some(fq::save(observed.link(*ifindex)?, observed.qdiscs_of(*ifindex))),
        _ => None,
    });
    let has_ingress = |ifindex| observed.qdiscs_of(ifindex).iter().any(|qdisc| qdisc.parent == INGRESS);
    let tcx = attach::has_tcx();
    let clsact = actions.iter().filter_map(|action| match action {
        Action::Attach { ifindex, .. } if !tcx && !has_ingress(*ifindex) => Some(*ifindex),
        _ => None,
    });
    Ok(node.undo.note(|ifindex| observed.link(ifindex).is_some(), schedulers, clsact)?)
}

async fn one(node: &mut Node, action: &Action, now_ns: u64) -> Result<(), ReconcileError> {
    let maps = &node.maps;
    match action {
        Action::AssignAddresses { ifindex, addresses, announced_at, .. } => {
            node.netlink.add_addresses(*ifindex, addresses).await?;
            for &device in announced_at {
                node.gate.announce(device, addresses);
            }
        }
        Action::Attach { ifindex, direction, replaces, .. } => {
            attach_one(node, *ifindex, *direction, *replaces).await?;
        }
        Action::Bypass(on) => {
            maps.put_node(NodeSwitches { flags: if *on { NodeSwitches::BYPASS } else { 0 } })?;
        }
        Action::ChangeTable(change) => node.gate.change(change).await?,
        Action::Claim { entity, kind, limit } => {
            maps.meters().claim(limit.slot, *entity, *kind);
            set_limits(node, limit, now_ns);
        }
        Action::Detach { ifindex, direction, hooked, .. } => {
            detach_one(node, *ifindex, *direction, *hooked).await?;
        }
        Action::Flush(flush) => self::flush(node, flush).await?,
        Action::Fq { ifindex, steps, .. } => node.netlink.apply(*ifindex, steps).await?,
        Action::FreeZone(number) => maps.put_zone(*number, Zone::default())?,
        Action::Limit(limit) | Action::Switch { limit, .. } => set_limits(node, limit, now_ns),
        Action::MakeTable(content) => {
            node.undo.note_table(Some(node.undo.table().unwrap_or_default()))?;
            let made = node.gate.make(content).await?;
            node.undo.note_table(Some(made))?;
        }
        Action::PutInstances(entries) => maps.put_instances(entries)?,
        Action::PutInterface { interface, .. } => maps.interfaces().put(*interface)?,
        Action::PutPrefixes(entries) => maps.put_networks(entries)?,
        Action::PutZone { number, zone, .. } => maps.put_zone(*number, **zone)?,
        Action::Release(slots) => {
            meters::grace_period();
            // A slot that goes before its last reading is durable might have another owner after a kill.
            if !settle(node).await {
                tracing::warn!(
                    slots = slots.len(),
                    "slots are not freed before what they counted is recorded"
                );
                return Ok(());
            }
            for slot in slots {
                node.maps.meters().release(*slot);
            }
        }
        Action::RemoveAddresses { ifindex, addresses, .. } => {
            node.netlink.remove_addresses(*ifindex, addresses).await?;
        }
        Action::RemoveInstances(keys) => maps.remove_instances(keys)?,
        Action::RemoveInterface { ifindex, .. } => maps.interfaces().remove(*ifindex),
        Action::RemovePrefixes(prefixes) => maps.remove_networks(prefixes)?,
        Action::RemoveTable => {
            node.gate.remove()?;
            node.undo.note_table(None)?;
        }
    }
    Ok(())
}

/// Forgets connections when no packet is under way that was marked before, and waits until those have left that
/// are queued with the address they had.
async fn flush(node: &mut Node, flush: &Flush) -> Result<(), ReconcileError> {
    meters::grace_period();
    let now_ns = monotonic_ns();
    let meters = node.maps.meters();
    let queued = flush.queues.iter().map(|&slot| {
        let next_free = meters.read(slot, Direction::Up).next_free_ticks;
        gcra::lead(next_free, now_ns.wrapping_mul(TICKS_PER_NS)).div_ceil(TICKS_PER_NS)
    });
    let drained = Instant::now() + Duration::from_nanos(queued.max().unwrap_or(0)).min(DRAIN_MAX);
    let forgotten = node
        .gate
        .flush(flush.through.as_deref(), |connection| {
            flush.wrong.is_wrong(connection.source, connection.destination, connection.leaves_through)
        })
        .await?;
    // A queued packet belongs to a connection.
    if forgotten > 0 {
        tracing::info!(forgotten, "connections through another address are forgotten");
        tokio::time::sleep_until(drained.into()).await;
    }
    Ok(())
}

fn set_limits(node: &Node, limit: &SlotLimit, now_ns: u64) {
    for direction in Direction::ALL {
        node.maps.meters().set_limit(limit.slot, direction, limit.limits[direction as usize], now_ns);
    }
}

/// A program stays at the kind of hook where it is: changing it would leave a gap.
async fn attach_one(
    node: &mut Node,
    ifindex: u32,
    direction: Direction,
    replaces: Option<Hooked>,
) -> Result<(), ReconcileError> {
    if attach::has_tcx() {
        attach::attach(&node.programs, ifindex, direction, replaces.map(|hooked| hooked.program))?;
        return Ok(());
    }
    node.netlink.ensure_clsact(ifindex).await?;
    let program = node.programs.fd(direction);
    Ok(node.netlink.attach_filter(ifindex, direction, program, object::name(direction)).await?)
}

async fn detach_one(
    node: &mut Node,
    ifindex: u32,
    direction: Direction,
    hooked: Hooked,
) -> Result<(), ReconcileError> {
    if hooked.tcx {
        return Ok(attach::detach(Some(&node.programs), ifindex, direction, hooked.program)?);
    }
    node.netlink.detach_filter(ifindex, direction, object::name(direction)).await?;
    if node.undo.clsact().any(|made| made == ifindex) {
        node.netlink.remove_empty_clsact(ifindex).await?;
    }
    Ok(())
}
