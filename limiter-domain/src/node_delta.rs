//! What changed of all that one node is to enforce.

use std::collections::BTreeMap;

use limiter_state::{InstancesDelta, OriginSpec, StateDelta};

use crate::node_state::{World, is_told, rule_spec};
use crate::{Network, Node, Revision};

/// What makes the state of `node` at the revision of `origin` of that at `since`. It must not have changed
/// itself since then, nor have let go of anything that it is not asked for here.
///
/// `world` is of all networks of its zones of which anything changed after `since`: those that
/// [`is_rebuilt`] with everything, others with at least the instances and rules that changed and the rules
/// that these instances are bound to.
pub fn node_delta(node: &Node, world: World<'_>, since: Revision, origin: OriginSpec) -> StateDelta {
    let (told, gone): (Vec<_>, Vec<_>) = world.networks.iter().partition(|network| is_told(node, network));
    let (mut used, mut networks, mut instances) = (BTreeMap::new(), Vec::new(), Vec::new());
    for told in world.told(told) {
        used.extend(told.rules_changed(since));
        if is_rebuilt(told.network, since) {
            networks.push(told.spec(node, &mut used));
        } else if !told.instances.is_empty() {
            let network = told.network.id.to_string();
            instances.push(InstancesDelta { network, instances: told.instance_specs(&mut used) });
        }
    }
    StateDelta {
        since,
        origin,
        rules: used.into_values().map(rule_spec).collect(),
        networks,
        instances,
        gone: gone.iter().map(|network| network.id.to_string()).collect(),
    }
}

/// True where more of a network changed after `since` than instances and rules: it is told whole.
pub fn is_rebuilt(network: &Network, since: Revision) -> bool {
    network.revision > since
}
