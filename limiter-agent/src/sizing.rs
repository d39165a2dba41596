//! How large the maps are made: for use, with room for more.

use crate::dataplane::Sizes;
use crate::desired::Desired;

/// Room for entities that come later where the state names no capacity: a quarter more, at least this.
const SPARE_MIN: usize = 1024;
/// Room for networks that come later.
const SPARE_NETWORKS: usize = 256;
/// Prefixes take memory only when they are there, so this many may be.
const PREFIXES: u32 = 1 << 20;
/// Room for zones that come later.
const SPARE_ZONES: usize = 16;

/// Sizes that a state asks for by its capacity, without any room for more.
pub fn least(desired: &Desired) -> Sizes {
    let instances = desired.capacity_instances.unwrap_or(0);
    Sizes { slots: 1 + desired.networks.len() as u32 + instances, addresses: instances, ..Sizes::default() }
}

/// Sizes for a state.
///
/// A stated capacity is taken as it is: 128 B of meters, 16 B of owner and about 100 B of address
/// for each instance, so that a million instances take a quarter of a gigabyte.
pub fn sizes(desired: &Desired) -> Sizes {
    let spare = |used: usize| used + (used / 4).max(SPARE_MIN);
    let instances = desired
        .capacity_instances
        .map_or_else(|| spare(desired.instances.len()), |capacity| capacity as usize);
    let addresses: usize = desired.instances.iter().map(|instance| instance.addresses.len()).sum();
    let further = addresses.saturating_sub(desired.instances.len());
    Sizes {
        slots: (1 + desired.networks.len() + SPARE_NETWORKS + instances) as u32,
        addresses: (instances + further + further / 4).max(1) as u32,
        prefixes: PREFIXES.max(spare(desired.networks.len() + addresses) as u32),
        zones: (desired.zones.len() + SPARE_ZONES) as u32,
    }
}
