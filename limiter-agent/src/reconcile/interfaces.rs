//! Which devices are instance-facing, and which lead to the Internet.

use std::collections::BTreeMap;

use super::error::PlanError;
use super::observed::Observed;
use crate::desired::{Desired, Mode};
use crate::netlink::double_charge;

/// Devices that an interface entry matches, with the entry's index. Loopback is never one.
pub fn matched(desired: &Desired, observed: &Observed) -> Result<BTreeMap<u32, usize>, PlanError> {
    let mut matched = BTreeMap::new();
    for link in observed.links.iter().filter(|link| link.name != "lo") {
        let entry = desired.interfaces.iter().position(|interface| interface.pattern.matches(&link.name));
        if let Some(entry) = entry {
            matched.insert(link.ifindex, entry);
        }
    }
    for ifindex in uplinks(desired, observed)? {
        if let Some(&entry) = matched.get(&ifindex) {
            return Err(PlanError::UplinkMatched {
                entry,
                pattern: desired.interfaces[entry].pattern.to_string(),
                device: observed.device(ifindex),
            });
        }
    }
    let shapes = |entry: &usize| desired.interfaces[*entry].mode == Mode::Shape;
    if let Some(&entry) = matched.values().filter(|entry| shapes(entry)).min()
        && !observed.kernel_has_fq
    {
        return Err(PlanError::CannotShape { entry });
    }
    match double_charge(&observed.links, &matched.keys().copied().collect()) {
        Some(overlap) => Err(PlanError::DoubleCharge(overlap.to_string())),
        None => Ok(matched),
    }
}

/// Devices towards the Internet: those the state names, else those of the default routes.
pub fn uplinks(desired: &Desired, observed: &Observed) -> Result<Vec<u32>, PlanError> {
    if desired.uplinks.is_empty() {
        return Ok(observed.default_routes.clone());
    }
    let find = |name: &String| {
        let link = observed.links.iter().find(|link| link.name == *name);
        link.map(|link| link.ifindex).ok_or_else(|| PlanError::NoUplink {
            name: name.clone(),
            devices: observed.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    };
    desired.uplinks.iter().map(find).collect()
}
