//! The checks: a written node state becomes a [`Desired`], or one error.

mod egress;
mod instance;
mod interface;
mod name;
mod network;

use super::error::{FieldPath, StateError};
use super::model::{Desired, Instance, Network, Rule, Zone};
use super::overlap;
use limiter_state::address::{self, AddressError};
use limiter_state::{NodeState, OriginSpec, STATE_VERSION};
use name::{Identities, unique_names};

type Result<T> = std::result::Result<T, Box<StateError>>;

/// Zone of everything that names none.
pub const DEFAULT_ZONE: &str = "default";

/// Most instances a node may hold or keep room for.
pub const INSTANCES_MAX: usize = 4_000_000;

/// Checks `state` as a whole; equal states give equal results, in whatever order they were written.
///
/// The error names the field, but no file and line, which a state from elsewhere does not have.
pub fn check(state: &NodeState) -> Result<Desired> {
    if state.version != STATE_VERSION {
        let reason = format_args!("is no version this program knows; write {STATE_VERSION}");
        return Err(StateError::new(FieldPath::root("version"), reason).value(state.version.to_string()));
    }
    let uplinks = interface::uplinks(state)?;
    let mut zones = zones(state)?;
    let rules = rules(state)?;
    let mut networks = network::networks(state, &zones, &rules)?;
    local_prefixes(state, &mut zones, &networks)?;
    egress::fit_together(state, &zones, &networks)?;
    let mut instances = instance::instances(state, &networks, &rules)?;
    let capacity_instances = capacity(state, instances.len())?;
    sort(&mut networks, &mut instances);
    let interfaces = interface::interfaces(state, &zones, &networks, &instances)?;
    interface::reach_all(state, &interfaces, &networks, &instances)?;
    Ok(Desired {
        origin: origin(state)?,
        bypass: state.bypass,
        capacity_instances,
        uplinks,
        egress_addresses: state.egress_addresses,
        zones,
        interfaces,
        rules,
        networks,
        instances,
    })
}

/// An incarnation is told and sent back, so it has the form of an identity.
fn origin(state: &NodeState) -> Result<Option<OriginSpec>> {
    let Some(origin) = &state.origin else { return Ok(None) };
    valid_origin(origin)?;
    Ok(Some(origin.clone()))
}

fn valid_origin(origin: &OriginSpec) -> Result<()> {
    name::valid_id(&origin.incarnation, || FieldPath::root("origin").key("incarnation"))
}

/// True where the incarnation has its form.
pub(super) fn is_origin(origin: &OriginSpec) -> bool {
    valid_origin(origin).is_ok()
}

/// Sorted by name; [`local_prefixes`] fills them.
fn zones(state: &NodeState) -> Result<Vec<Zone>> {
    unique_names("zones", state.zones.iter().map(|zone| zone.name.as_str()))?;
    let mut names: Vec<&str> = state.zones.iter().map(|zone| zone.name.as_str()).collect();
    if !names.contains(&DEFAULT_ZONE) {
        names.push(DEFAULT_ZONE);
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|name| Zone { name: name.to_owned(), local_prefixes: Vec::new() }).collect())
}

/// Local prefixes may hold networks, but not lie inside one: that is local already.
fn local_prefixes(state: &NodeState, zones: &mut [Zone], networks: &[Network]) -> Result<()> {
    let mut taken: Vec<Vec<(_, &Network)>> = vec![Vec::new(); zones.len()];
    for network in networks {
        taken[network.zone].extend(network.prefixes.iter().map(|&prefix| (prefix, network)));
    }
    for taken in &mut taken {
        taken.sort_unstable_by_key(|(prefix, _)| overlap::order(prefix));
    }
    for (index, spec) in state.zones.iter().enumerate() {
        let field = || FieldPath::element("zones", index).key("local_prefixes");
        let zone = name::zone(&spec.name, zones, field)?;
        let local = prefixes(&spec.local_prefixes, address::local_prefix, field)?;
        for (at, prefix) in local.iter().enumerate() {
            let after = taken[zone].partition_point(|(outer, _)| outer.addr() <= prefix.addr());
            if let Some((outer, network)) =
                taken[zone][..after].last().filter(|(outer, _)| outer.contains(prefix))
            {
                let reason = format_args!(
                    "is inside {outer} of network {:?} and so local already; remove it",
                    network.name
                );
                return Err(StateError::new(field().index(at), reason).value(prefix.to_string()));
            }
        }
        zones[zone].local_prefixes = overlap::outermost(local);
    }
    Ok(())
}

/// Sorted by name.
fn rules(state: &NodeState) -> Result<Vec<Rule>> {
    unique_names("rules", state.rules.iter().map(|rule| rule.name.as_str()))?;
    let mut ids = Identities::new(state.rules.iter().any(|rule| rule.id.is_some()));
    let mut rules = Vec::with_capacity(state.rules.len());
    for (index, spec) in state.rules.iter().enumerate() {
        let field = |index| FieldPath::element("rules", index);
        if spec.up.is_none() && spec.down.is_none() {
            return Err(StateError::new(field(index), "the rule limits nothing; write up, down or both"));
        }
        let id = ids.identity(spec.id.as_deref(), || spec.name.clone(), index, field)?;
        rules.push(Rule { id, name: spec.name.as_str().into(), up: spec.up, down: spec.down });
    }
    rules.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(rules)
}

/// The list of prefixes at `field`, each read by `parse`.
fn prefixes(
    texts: &[String],
    parse: impl Fn(&str) -> std::result::Result<ipnet::IpNet, AddressError>,
    field: impl Fn() -> FieldPath,
) -> Result<Vec<ipnet::IpNet>> {
    let read = |(index, text): (usize, &String)| {
        parse(text).map_err(|error| StateError::new(field().index(index), error).value(text))
    };
    texts.iter().enumerate().map(read).collect()
}

fn capacity(state: &NodeState, instances: usize) -> Result<Option<u32>> {
    if instances > INSTANCES_MAX {
        let reason =
            format_args!("the state has {instances} instances; a node holds at most {INSTANCES_MAX}");
        return Err(StateError::new(FieldPath::root("networks"), reason));
    }
    let Some(capacity) = state.capacity.instances else { return Ok(None) };
    if !(instances.max(1)..=INSTANCES_MAX).contains(&(capacity as usize)) {
        let field = FieldPath::root("capacity").key("instances");
        let reason = format_args!(
            "is out of range; write {} (the instances here) to {INSTANCES_MAX}",
            instances.max(1)
        );
        return Err(StateError::new(field, reason).value(capacity.to_string()));
    }
    Ok(Some(capacity))
}

/// Brings both into the order of the names and the references between them along.
fn sort(networks: &mut [Network], instances: &mut [Instance]) {
    let mut order: Vec<usize> = (0..networks.len()).collect();
    order.sort_unstable_by(|&a, &b| networks[a].name.cmp(&networks[b].name));
    let mut place = vec![0; networks.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    for instance in &mut *instances {
        instance.network = place[instance.network];
    }
    networks.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    instances.sort_unstable_by(|a, b| (a.network, &a.name).cmp(&(b.network, &b.name)));
    let mut begin = 0;
    for (index, network) in networks.iter_mut().enumerate() {
        let count = instances[begin..].partition_point(|instance| instance.network == index);
        network.instances = begin..begin + count;
        begin += count;
    }
}

#[cfg(test)]
mod tests;
