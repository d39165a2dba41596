//! Checks of egress addresses: their form, and that they go together with one another and with the networks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use limiter_common::mark;
use limiter_state::address;
use limiter_state::{EgressSpec, NodeState};

use super::Result;
use crate::desired::error::{FieldPath, StateError};
use crate::desired::model::{Egress, Network, Zone};
use crate::desired::overlap;

/// The address that is written at `field`.
pub(super) fn egress(spec: &EgressSpec, field: impl Fn() -> FieldPath) -> Result<Egress> {
    let read = |text: &String, kind: &'static str| {
        address::egress_address(text)
            .map_err(|error| StateError::new(field().key(kind), error).value(text.as_str()))
    };
    Ok(match spec {
        EgressSpec::None => Egress::None,
        EgressSpec::Shared(text) => Egress::Shared(read(text, "shared")?),
        EgressSpec::Exclusive(text) => Egress::Exclusive(read(text, "exclusive")?),
    })
}

/// Who has an address when: the one field of the state that says so.
#[derive(Clone, Copy)]
struct Use {
    network: usize,
    is_later: bool,
    egress: Egress,
}

/// Checks all of them together; `networks` are in the order of `state`. What a network falls back to counts
/// like what it has: nobody is there at the instant to refuse it.
pub(super) fn fit_together(state: &NodeState, zones: &[Zone], networks: &[Network]) -> Result<()> {
    let mut users: HashMap<Ipv4Addr, Use> = HashMap::new();
    for (index, network) in networks.iter().enumerate() {
        let later = network.until.as_ref().map(|until| until.egress);
        for (is_later, egress) in [(false, network.egress), (true, later.unwrap_or_default())] {
            let Some(address) = egress.address() else { continue };
            let this = Use { network: index, is_later, egress };
            let first = *users.entry(address).or_insert(this);
            let is_one_owner = first.network == index && first.egress == egress;
            if !is_one_owner && !matches!((first.egress, egress), (Egress::Shared(_), Egress::Shared(_))) {
                return Err(taken(networks, this, first));
            }
            if users.len() > mark::NUMBER_MAX as usize {
                let reason =
                    format_args!("is one too many; a node holds at most {} addresses", mark::NUMBER_MAX);
                return Err(StateError::new(field(this), reason).value(address.to_string()));
            }
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    let mut prefixes: Vec<(IpNet, &Network)> =
        networks.iter().flat_map(|network| network.prefixes.iter().map(move |&net| (net, network))).collect();
    prefixes.sort_unstable_by_key(|(net, _)| overlap::order(net));
    let outermost = overlap::outermost(prefixes.iter().map(|(net, _)| *net).collect());
    let inside = users
        .iter()
        .filter(|(address, _)| address::containing(&outermost, &IpAddr::V4(**address).into()).is_some())
        .min_by_key(|(_, user)| (user.network, user.is_later));
    if let Some((&address, &user)) = inside {
        let owner = prefixes.iter().find(|(net, _)| net.contains(&IpAddr::V4(address)));
        let owner =
            owner.map(|(net, owner)| format!("{net} of network {:?}", owner.name)).unwrap_or_default();
        let reason = format_args!("is inside {owner}; write an address that no network has");
        return Err(StateError::new(field(user), reason).value(address.to_string()));
    }
    zones_apart(state, zones, networks, &prefixes)
}

fn field(this: Use) -> FieldPath {
    let network = FieldPath::element("networks", this.network);
    let network = if this.is_later { network.key("until") } else { network };
    network.key("egress").key(this.egress.kind())
}

fn taken(networks: &[Network], this: Use, first: Use) -> Box<StateError> {
    let name = &networks[first.network].name;
    let reason = format!(
        "is {} of network {name:?}; an exclusive address is of one network alone, a shared one is shared in all",
        match first.egress {
            Egress::Exclusive(_) => "the exclusive address",
            _ => "a shared address",
        }
    );
    let value = this.egress.address().map(|address| address.to_string()).unwrap_or_default();
    StateError::new(field(this), reason).value(value).other(field(first))
}

/// Answers come back by address alone: the kernel cannot tell two networks with the same addresses apart.
fn zones_apart(
    state: &NodeState,
    zones: &[Zone],
    networks: &[Network],
    prefixes: &[(IpNet, &Network)],
) -> Result<()> {
    let translated = |network: &Network| {
        network.egress != Egress::None
            || network.until.as_ref().is_some_and(|until| until.egress != Egress::None)
    };
    // Whatever sorts between a prefix and one inside it begins inside it too, so the outermost prefix so far
    // is the only one that can hold the next.
    let mut outer: Option<&(IpNet, &Network)> = None;
    for inner in prefixes {
        match outer {
            Some(outer) if outer.0.contains(&inner.0) => {
                if outer.1.zone != inner.1.zone && (translated(outer.1) || translated(inner.1)) {
                    let (one, other) = if translated(outer.1) { (outer, inner) } else { (inner, outer) };
                    return Err(same_addresses(state, zones, networks, one, other));
                }
            }
            _ => outer = Some(inner),
        }
    }
    Ok(())
}

fn same_addresses(
    state: &NodeState,
    zones: &[Zone],
    networks: &[Network],
    one: &(IpNet, &Network),
    other: &(IpNet, &Network),
) -> Box<StateError> {
    let index = networks.iter().position(|network| network.name == one.1.name).unwrap_or_default();
    let field = FieldPath::element("networks", index);
    let field = if state.networks[index].egress == EgressSpec::None { field.key("until") } else { field };
    let reason = format!(
        "{} of the network overlaps {} of network {:?} in zone {:?}; an egress address for one of two zones with \
         the same addresses needs a node, VRF or network namespace of its own, with an agent in it",
        one.0, other.0, other.1.name, zones[other.1.zone].name
    );
    StateError::new(field.key("egress"), reason)
}
