//! Reads what is there: maps, hooks, devices.

use std::collections::BTreeMap;

use limiter_common::interface::Zone;
use limiter_common::meter::{Direction, Owner};

use super::error::ReconcileError;
use super::observed::{Hooked, Kernel, Observed, ObservedEgress};
use super::undo::Undo;
use crate::dataplane::attach::{self, Loaded};
use crate::dataplane::{DataPlaneError, Maps, Programs, Sizes};
use crate::desired::{Desired, Egress};
use crate::egress::{EgressError, Gate};
use crate::netlink::{Link, Netlink};

/// Reads everything a plan depends on.
pub async fn observe(
    maps: &Maps,
    programs: Option<&Programs>,
    netlink: &mut Netlink,
) -> Result<Observed, ReconcileError> {
    let loaded = programs.map_or_else(|| attach::loaded(Some(maps.meters_id())), |own| own.known().to_vec());
    let devices = devices(&loaded, netlink).await?;
    Ok(Observed { kernel: kernel(maps)?, programs: programs.map(Programs::ids), ..devices })
}

/// What a node would be without anything of ours, with empty maps of `sizes`.
pub async fn without_maps(sizes: Sizes, netlink: &mut Netlink) -> Result<Observed, ReconcileError> {
    let devices = devices(&attach::loaded(None), netlink).await?;
    let kernel = Kernel {
        zones: vec![Zone::default(); sizes.zones as usize],
        owners: vec![Owner::default(); sizes.slots as usize],
        limits: vec![Default::default(); sizes.slots as usize],
        sizes,
        ..Kernel::default()
    };
    Ok(Observed { kernel, ..devices })
}

/// The devices and which of the `loaded` programs are on them, without the content of the maps.
pub async fn devices(loaded: &[Loaded], netlink: &mut Netlink) -> Result<Observed, ReconcileError> {
    let mut links = netlink.links().await?;
    links.sort_unstable_by_key(|link| link.ifindex);
    let mut qdiscs = netlink.qdiscs().await?;
    qdiscs.sort_by_key(|qdisc| qdisc.ifindex);
    Ok(Observed {
        hooks: hooks(loaded, &links, netlink).await?,
        links,
        qdiscs,
        addresses: netlink.addresses().await?,
        default_routes: netlink.uplinks().await?.into_iter().collect(),
        kernel_has_fq: netlink.has_fq().await?,
        ..Observed::default()
    })
}

/// What the node has of egress addresses, where the state has any or the agent made a table for some.
pub async fn egress(
    desired: &Desired,
    gate: &mut Gate,
    undo: &Undo,
) -> Result<Option<ObservedEgress>, EgressError> {
    let is_wanted = desired.networks.iter().any(|network| network.egress != Egress::None);
    if !is_wanted && undo.table().is_none() {
        return Ok(None);
    }
    let table = gate.table(undo.table()).await?;
    Ok(Some(ObservedEgress { table, are_connections_doubted: !gate.are_connections_checked() }))
}

fn kernel(maps: &Maps) -> Result<Kernel, DataPlaneError> {
    let meters = maps.meters();
    Ok(Kernel {
        node: maps.node()?,
        zones: maps.zones()?,
        owners: (0..meters.slots()).map(|slot| meters.owner(slot)).collect(),
        limits: (0..meters.slots()).map(|slot| Direction::ALL.map(|way| meters.limit(slot, way))).collect(),
        instances: maps.instances()?,
        prefixes: maps.networks()?,
        interfaces: maps.interfaces().all(),
        sizes: maps.sizes(),
    })
}

/// Which of the `loaded` programs of ours are on which device, at TCX where the kernel has it, else
/// as filters.
pub async fn hooks(
    loaded: &[Loaded],
    links: &[Link],
    netlink: &mut Netlink,
) -> Result<BTreeMap<(u32, Direction), Vec<Hooked>>, ReconcileError> {
    let tcx = attach::has_tcx();
    let mut hooks = BTreeMap::new();
    for link in links {
        for direction in Direction::ALL {
            let ids = if tcx {
                attach::chain(link.ifindex, direction)?
            } else {
                let filters = netlink.filters(link.ifindex, direction).await?;
                filters.iter().filter_map(|filter| filter.program_id).collect()
            };
            let ours = ids.into_iter().filter_map(|id| loaded.iter().find(|program| program.id == id));
            let ours: Vec<Hooked> =
                ours.map(|program| Hooked { program: program.id, tcx, current: program.current }).collect();
            if !ours.is_empty() {
                hooks.insert((link.ifindex, direction), ours);
            }
        }
    }
    Ok(hooks)
}
