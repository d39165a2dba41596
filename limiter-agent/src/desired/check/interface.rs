//! Checks of interfaces and uplinks.

use std::collections::HashMap;

use super::name::{self, unique};
use super::{DEFAULT_ZONE, Result};
use crate::desired::error::{FieldPath, StateError};
use crate::desired::model::{Instance, Interface, Network, Zone};
use crate::desired::near::did_you_mean;
use limiter_state::Pattern;
use limiter_state::{InterfaceSpec, NodeState};

/// Sorted.
pub(super) fn uplinks(state: &NodeState) -> Result<Vec<String>> {
    let mut seen = HashMap::new();
    let field = |index| FieldPath::element("uplinks", index);
    for (index, name) in state.uplinks.iter().enumerate() {
        if !name.parse::<Pattern>().is_ok_and(|pattern| !pattern.is_glob()) {
            return Err(
                StateError::new(field(index), "is no interface name; write one such as eth0").value(name)
            );
        }
        unique(&mut seen, name, index, field)?;
    }
    let mut uplinks = state.uplinks.clone();
    uplinks.sort_unstable();
    Ok(uplinks)
}

/// In the order of the state, each reachable; `networks` and `instances` are sorted.
pub(super) fn interfaces(
    state: &NodeState,
    zones: &[Zone],
    networks: &[Network],
    instances: &[Instance],
) -> Result<Vec<Interface>> {
    let mut interfaces: Vec<Interface> = Vec::with_capacity(state.interfaces.len());
    let mut seen = HashMap::new();
    let mut globs: Vec<usize> = Vec::new();
    for (index, spec) in state.interfaces.iter().enumerate() {
        let interface = interface(index, spec, zones, networks, instances)?;
        let field = |index| FieldPath::element("interfaces", index).key("match");
        unique(&mut seen, &spec.pattern, index, field)?;
        if let Some(&first) = globs.iter().find(|&&glob| interfaces[glob].pattern.covers(&interface.pattern))
        {
            let reason = format_args!(
                "is never reached, since {:?} before it matches the same names; put the narrower one first",
                interfaces[first].pattern.as_str()
            );
            return Err(StateError::new(field(index), reason).value(&spec.pattern).other(field(first)));
        }
        if interface.pattern.is_glob() {
            globs.push(index);
        }
        interfaces.push(interface);
    }
    for (index, uplink) in state.uplinks.iter().enumerate() {
        if let Some(both) = interfaces.iter().position(|interface| interface.pattern.matches(uplink)) {
            let reason =
                "is matched by an interface entry too; a device faces either the Internet or instances";
            let field = FieldPath::element("uplinks", index);
            return Err(StateError::new(field, reason)
                .value(uplink)
                .other(FieldPath::element("interfaces", both)));
        }
    }
    Ok(interfaces)
}

fn interface(
    index: usize,
    spec: &InterfaceSpec,
    zones: &[Zone],
    networks: &[Network],
    instances: &[Instance],
) -> Result<Interface> {
    let field = |name: &'static str| FieldPath::element("interfaces", index).key(name);
    let pattern =
        spec.pattern.parse().map_err(|error| StateError::new(field("match"), error).value(&spec.pattern))?;
    let named = |name: &String| name::zone(name, zones, || field("zone"));
    let named = spec.zone.as_ref().map(named).transpose()?;
    let bound = |name: &String| instance(name, networks, instances, || field("instance"));
    let bound = spec.instance.as_ref().map(bound).transpose()?;
    let own = bound.map(|bound| networks[instances[bound].network].zone);
    if let (Some(named), Some(own)) = (named, own)
        && named != own
    {
        let reason =
            format_args!("is not the zone of the instance behind it, {:?}; leave it out", zones[own].name);
        return Err(StateError::new(field("zone"), reason).value(&zones[named].name));
    }
    let zone = match named.or(own) {
        Some(zone) => zone,
        None => name::zone(DEFAULT_ZONE, zones, || field("zone"))?,
    };
    Ok(Interface {
        pattern,
        zone,
        bound,
        mode: spec.mode,
        observe: spec.observe,
        foreign_sources: spec.foreign_sources,
        other_ethertypes: spec.other_ethertypes,
    })
}

/// Index of the instance that `text` names as NETWORK/NAME.
fn instance(
    text: &str,
    networks: &[Network],
    instances: &[Instance],
    field: impl Fn() -> FieldPath,
) -> Result<usize> {
    let refuse = |reason: String| Err(StateError::new(field(), reason).value(text));
    let Some((network, name)) = text.split_once('/') else {
        return refuse("is no instance; write NETWORK/NAME, such as office/web".to_owned());
    };
    let Ok(n) = networks.binary_search_by(|candidate| (*candidate.name).cmp(network)) else {
        let near = did_you_mean(network, networks.iter().map(|network| &*network.name));
        return refuse(format!("is no instance: there is no network {network:?}{near}"));
    };
    let range = networks[n].instances.clone();
    let found = instances[range.clone()].binary_search_by(|candidate| (*candidate.name).cmp(name));
    found.map(|index| range.start + index).or_else(|_| {
        let near = did_you_mean(name, instances[range].iter().map(|instance| &*instance.name));
        refuse(format!("is no instance: network {network:?} has no {name:?}{near}"))
    })
}

/// Every instance can be told apart: by an address, or by an interface of its own.
pub(super) fn reach_all(
    state: &NodeState,
    interfaces: &[Interface],
    networks: &[Network],
    instances: &[Instance],
) -> Result<()> {
    let mut without: Vec<usize> =
        (0..instances.len()).filter(|&i| instances[i].addresses.is_empty()).collect();
    if without.is_empty() {
        return Ok(());
    }
    let bound: std::collections::HashSet<usize> =
        interfaces.iter().filter_map(|interface| interface.bound).collect();
    without.retain(|index| !bound.contains(index));
    let Some(lost) = without.first().map(|&index| &instances[index]) else { return Ok(()) };
    let network = &*networks[lost.network].name;
    let n = state.networks.iter().position(|spec| spec.name == network).unwrap_or_default();
    let named = |network: &limiter_state::NetworkSpec| {
        network.instances.iter().position(|instance| *instance.name == *lost.name)
    };
    let i = state.networks.get(n).and_then(named).unwrap_or_default();
    let reason = format!(
        "instance {network}/{} has no address; write addresses, or an interface with `instance: {network}/{}`",
        lost.name, lost.name
    );
    Err(StateError::new(FieldPath::element("networks", n).key("instances").index(i), reason))
}
