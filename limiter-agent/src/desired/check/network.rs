//! Checks of the networks.

use std::sync::Arc;

use super::egress;
use super::name::{self, Identities, unique_names};
use super::{DEFAULT_ZONE, Result, prefixes};
use crate::desired::error::{FieldPath, StateError};
use crate::desired::model::{LimitSource, Limits, Network, Rule, Until, Zone};
use crate::desired::overlap::{self, Claim};
use limiter_state::address;
use limiter_state::{NetworkSpec, NodeState};

/// In the order of the state, their prefixes disjoint within each zone.
pub(super) fn networks(state: &NodeState, zones: &[Zone], rules: &[Rule]) -> Result<Vec<Network>> {
    unique_names("networks", state.networks.iter().map(|network| network.name.as_str()))?;
    let mut ids = Identities::new(state.networks.iter().any(|network| network.id.is_some()));
    let mut claims = Vec::new();
    let mut networks = Vec::with_capacity(state.networks.len());
    for (index, spec) in state.networks.iter().enumerate() {
        let network = network(index, spec, &mut ids, zones, rules)?;
        let claim = |(at, &net)| Claim { zone: network.zone, net, at: (index, at) };
        claims.extend(network.prefixes.iter().enumerate().map(claim));
        networks.push(network);
    }
    if let Some((later, earlier)) = overlap::first(claims) {
        let field = |at: (usize, usize)| FieldPath::element("networks", at.0).key("prefixes").index(at.1);
        let (name, zone) = (&networks[earlier.at.0].name, &zones[later.zone].name);
        let reason = format_args!("overlaps {} of network {name:?} in zone {zone:?}", earlier.net);
        return Err(StateError::new(field(later.at), reason)
            .value(later.net.to_string())
            .other(field(earlier.at)));
    }
    for network in &mut networks {
        network.prefixes.sort_unstable_by_key(overlap::order);
    }
    Ok(networks)
}

fn network(
    index: usize,
    spec: &NetworkSpec,
    ids: &mut Identities<usize>,
    zones: &[Zone],
    rules: &[Rule],
) -> Result<Network> {
    let field = |index| FieldPath::element("networks", index);
    let zone = name::zone(spec.zone.as_deref().unwrap_or(DEFAULT_ZONE), zones, || field(index).key("zone"))?;
    if spec.prefixes.is_empty() {
        let reason = "the list is empty; write the prefixes that the network's addresses are from";
        return Err(StateError::new(field(index).key("prefixes"), reason));
    }
    if let Some(name) = &spec.default_rule {
        name::rule(name, rules, || field(index).key("default_rule"))?;
    }
    if let Some(plan) = &spec.plan {
        name::valid_id(plan, || field(index).key("plan"))?;
    }
    let plan: Option<Arc<str>> = spec.plan.as_deref().map(Into::into);
    let source = match &plan {
        Some(plan) => LimitSource::Plan(plan.clone()),
        None if spec.up.is_some() || spec.down.is_some() => LimitSource::Own,
        None => LimitSource::None,
    };
    let until = match &spec.until {
        None => None,
        Some(until) => Some(Until {
            at: until.at,
            limits: Limits { up: until.up, down: until.down, source: LimitSource::Expired(plan.clone()) },
            internet: until.internet,
            egress: egress::egress(&until.egress, || field(index).key("until").key("egress"))?,
        }),
    };
    Ok(Network {
        id: ids.identity(spec.id.as_deref(), || spec.name.clone(), index, field)?,
        name: spec.name.as_str().into(),
        zone,
        prefixes: prefixes(&spec.prefixes, address::network_prefix, || field(index).key("prefixes"))?,
        limits: Limits { up: spec.up, down: spec.down, source },
        internet: spec.internet,
        observe: spec.observe,
        unknown_sources: spec.unknown_sources,
        egress: egress::egress(&spec.egress, || field(index).key("egress"))?,
        plan,
        until,
        instances: 0..0,
    })
}
