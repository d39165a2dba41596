//! Checks of the instances.

use std::collections::HashMap;

use super::name::{self, Identities, unique, valid_name};
use super::{Result, prefixes};
use crate::desired::error::{FieldPath, StateError};
use crate::desired::model::{Instance, LimitSource, Limits, Network, Rule};
use crate::desired::overlap::{self, Claim};
use limiter_state::address;
use limiter_state::{InstanceSpec, NodeState};

/// Place of an instance: its network's in the state, its own in the network.
type Place = (usize, usize);

/// In the order of the state, `network` being the index there; their addresses disjoint.
pub(super) fn instances(state: &NodeState, networks: &[Network], rules: &[Rule]) -> Result<Vec<Instance>> {
    let total = state.networks.iter().map(|network| network.instances.len()).sum();
    let own_ids =
        state.networks.iter().flat_map(|network| &network.instances).any(|instance| instance.id.is_some());
    let mut ids = Identities::new(own_ids);
    let mut claims = Vec::with_capacity(total);
    let mut instances = Vec::with_capacity(total);
    for (n, (spec, network)) in state.networks.iter().zip(networks).enumerate() {
        let mut names = HashMap::with_capacity(spec.instances.len());
        let default_rule = spec.default_rule.as_ref();
        let default_rule =
            default_rule.map(|name| name::rule(name, rules, FieldPath::default)).transpose()?;
        for (i, spec) in spec.instances.iter().enumerate() {
            let at = (n, i);
            valid_name(&spec.name, || field(at).key("name"))?;
            unique(&mut names, &spec.name, at, |at| field(at).key("name"))?;
            let id =
                ids.identity(spec.id.as_deref(), || format!("{}/{}", network.id, spec.name), at, field)?;
            let addresses = addresses(spec, network, at)?;
            let claim = |(a, &net)| Claim { zone: network.zone, net, at: (at, a) };
            claims.extend(addresses.iter().enumerate().map(claim));
            let limits = limits(spec, rules, default_rule, at)?;
            let name = spec.name.as_str().into();
            instances.push(Instance { id, name, network: n, addresses, limits, internet: spec.internet });
        }
    }
    if let Some((later, earlier)) = overlap::first(claims) {
        return Err(shared(state, &later, &earlier));
    }
    for instance in &mut instances {
        instance.addresses.sort_unstable_by_key(overlap::order);
    }
    Ok(instances)
}

fn field((network, instance): Place) -> FieldPath {
    FieldPath::element("networks", network).key("instances").index(instance)
}

fn shared(
    state: &NodeState,
    later: &Claim<(Place, usize)>,
    earlier: &Claim<(Place, usize)>,
) -> Box<StateError> {
    let field = |(at, a)| field(at).key("addresses").index(a);
    let ((n, i), _) = earlier.at;
    let (network, owner) = (&state.networks[n].name, &state.networks[n].instances[i].name);
    let net = address::show(earlier.net);
    let reason =
        format_args!("overlaps {net} of instance {network}/{owner}; an address has one owner in a zone");
    StateError::new(field(later.at), reason).value(address::show(later.net)).other(field(earlier.at))
}

fn addresses(spec: &InstanceSpec, network: &Network, at: Place) -> Result<Vec<ipnet::IpNet>> {
    let list = || field(at).key("addresses");
    let addresses = prefixes(&spec.addresses, address::instance_address, list)?;
    let outside = |net| address::containing(&network.prefixes, net).is_none();
    let Some(index) = addresses.iter().position(outside) else { return Ok(addresses) };
    let refuse = |reason: &dyn std::fmt::Display| {
        Err(StateError::new(list().index(index), reason).value(&spec.addresses[index]))
    };
    if let Err(error) = address::unicast(addresses[index]) {
        return refuse(&error);
    }
    let mut known: Vec<String> = network.prefixes.iter().take(8).map(ToString::to_string).collect();
    if known.len() < network.prefixes.len() {
        known.push("...".to_owned());
    }
    refuse(&format_args!("is outside the prefixes of network {:?}: {}", network.name, known.join(", ")))
}

fn limits(spec: &InstanceSpec, rules: &[Rule], default_rule: Option<&Rule>, at: Place) -> Result<Limits> {
    let own = spec.up.is_some() || spec.down.is_some();
    let of = |rule: &Rule, source| Limits { up: rule.up, down: rule.down, source };
    Ok(match (&spec.rule, default_rule) {
        (Some(name), _) if own => {
            let reason = "stands beside up or down; write either the rule or the rates";
            return Err(StateError::new(field(at).key("rule"), reason).value(name));
        }
        (Some(name), _) => {
            let rule = name::rule(name, rules, || field(at).key("rule"))?;
            of(rule, LimitSource::Rule(rule.name.clone()))
        }
        (None, _) if own => Limits { up: spec.up, down: spec.down, source: LimitSource::Own },
        (None, Some(rule)) => of(rule, LimitSource::DefaultRule(rule.name.clone())),
        (None, None) => Limits { up: None, down: None, source: LimitSource::None },
    })
}
