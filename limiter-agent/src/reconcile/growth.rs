//! Makes room for a state that outgrew the maps, before it is put in force.

use std::path::Path;

use super::error::ReconcileError;
use super::observe::{self, observe};
use super::plan::plan;
use crate::dataplane::{Growth, Maps, Sizes, attach, object};
use crate::desired::Desired;
use crate::netlink::Netlink;
use crate::sizing;

/// Makes the maps pinned in `pins` large enough for `desired`. What is in force stays in force.
pub async fn make_room(pins: &Path, desired: &Desired, netlink: &mut Netlink) -> Result<(), ReconcileError> {
    if let Some(growth) = Growth::resume(pins)? {
        tracing::warn!("an agent was killed while it made larger maps; going on");
        carry_out(growth, netlink).await?;
    }
    let Some(maps) = Maps::open(pins)? else { return Ok(()) };
    let there = maps.sizes();
    let needed = needed(&maps, desired, netlink).await?;
    if there.max(needed) == there {
        return Ok(());
    }
    let sizes = there.max(needed).max(sizing::sizes(desired));
    tracing::info!(?there, ?sizes, "the state outgrew the maps; larger ones take their place");
    match Growth::begin(pins, &sizes)? {
        Some(growth) => carry_out(growth, netlink).await,
        None => Ok(()),
    }
}

/// Room that the state takes, as the plan would use it were there enough.
async fn needed(maps: &Maps, desired: &Desired, netlink: &mut Netlink) -> Result<Sizes, ReconcileError> {
    let mut observed = observe(maps, None, netlink).await?;
    observed.kernel.sizes = Sizes::MAX;
    Ok(plan(desired, &observed)?.needed.max(sizing::least(desired)))
}

/// Exchanges every attached program for one that writes the new maps: at no moment is there none.
async fn carry_out(growth: Growth, netlink: &mut Netlink) -> Result<(), ReconcileError> {
    let links = netlink.links().await?;
    for ((ifindex, direction), hooks) in observe::hooks(&growth.loaded(), &links, netlink).await? {
        for hooked in hooks.into_iter().filter(|hooked| hooked.current) {
            let exchanged = if hooked.tcx {
                let old = Some(hooked.program);
                attach::attach(growth.programs(), ifindex, direction, old).map_err(ReconcileError::from)
            } else {
                let (program, name) = (growth.programs().fd(direction), object::name(direction));
                netlink.attach_filter(ifindex, direction, program, name).await.map_err(ReconcileError::from)
            };
            match exchanged {
                Err(error) if !error.is_device_gone() => return Err(error),
                _ => {}
            }
        }
    }
    Ok(growth.finish()?)
}
