//! All that one node is to enforce, worked out from what is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use limiter_state::address::show;
use limiter_state::{
    Access, EgressSpec, InstanceSpec, InterfaceSpec, NetworkSpec, NodeState, OriginSpec, Rate, RuleSpec,
    UntilSpec, ZoneSpec,
};

use crate::acknowledge::carries;
use crate::egress;
use crate::mode::{mode, without_plan};
use crate::{
    Instance, Network, NetworkId, NetworkMode, NetworkStatus, Node, Plan, PlanId, Revision, Rule, RuleId,
};

/// What there is, in any order; what does not concern the node is passed over.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Networks.
    pub networks: &'a [Network],
    /// Their plans.
    pub plans: &'a [Plan],
    /// Rules of those plans.
    pub rules: &'a [Rule],
    /// Instances of the networks.
    pub instances: &'a [Instance],
}

/// Zone that needs no mention.
const DEFAULT_ZONE: &str = "default";

/// What `node` is to enforce. Everything is in the order of identities, interfaces as they were written.
///
/// Names of networks and rules are unique in an account or plan only, so `@` and the identity follow them,
/// and long ones are cut before that; they change with the name alone. Instances have their own names,
/// which are unique in the network.
pub fn node_state(node: &Node, world: World<'_>, origin: OriginSpec) -> NodeState {
    let carried = world.networks.iter().filter(|network| is_told(node, network)).collect();
    let (mut used, mut networks) = (BTreeMap::new(), Vec::new());
    for told in world.told(carried) {
        networks.push(told.spec(node, &mut used));
    }
    NodeState {
        origin: Some(origin),
        bypass: node.bypass,
        uplinks: node.uplinks.clone(),
        egress_addresses: node.egress_addresses,
        interfaces: interfaces(node),
        zones: zones(node),
        rules: used.into_values().map(rule_spec).collect(),
        networks,
        ..NodeState::default()
    }
}

/// True where `node` is told of `network`; of a deleted one it is not.
pub(crate) fn is_told(node: &Node, network: &Network) -> bool {
    network.status == NetworkStatus::Active && carries(node, network)
}

/// The rules that some instance of the node uses.
pub(crate) type Used<'a> = BTreeMap<&'a RuleId, &'a Rule>;

/// A network as a node is told of it.
pub(crate) struct Told<'a> {
    /// The network.
    pub(crate) network: &'a Network,
    /// Its instances, in the order of identities.
    pub(crate) instances: Vec<&'a Instance>,
    mode: NetworkMode,
    /// The plan that serves it.
    plan: Option<&'a Plan>,
    /// The rules in force: those of the plan that serves the network.
    rules: HashMap<&'a RuleId, &'a Rule>,
}

impl<'a> World<'a> {
    /// What there is of `networks`, in the order of identities.
    pub(crate) fn told(self, networks: Vec<&'a Network>) -> Vec<Told<'a>> {
        let mut plans: HashMap<&NetworkId, &Plan> =
            self.plans.iter().filter_map(|plan| Some((plan.network.as_ref()?, plan))).collect();
        let mut rules: HashMap<&PlanId, HashMap<&RuleId, &Rule>> = HashMap::new();
        for rule in self.rules {
            rules.entry(&rule.plan).or_default().insert(&rule.id, rule);
        }
        let mut told: BTreeMap<&NetworkId, Told<'_>> = BTreeMap::new();
        for network in networks {
            let plan = plans.remove(&network.id);
            let mode = mode(network, plan);
            let serving = plan.filter(|_| matches!(mode, NetworkMode::Premium { .. }));
            let rules = serving.and_then(|plan| rules.remove(&plan.id)).unwrap_or_default();
            let instances = Vec::new();
            told.insert(&network.id, Told { network, instances, mode, plan: serving, rules });
        }
        for instance in self.instances {
            if let Some(told) = told.get_mut(&instance.network) {
                told.instances.push(instance);
            }
        }
        let mut told: Vec<_> = told.into_values().collect();
        for told in &mut told {
            told.instances.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        }
        told
    }
}

impl<'a> Told<'a> {
    /// The network with all its instances.
    pub(crate) fn spec(&self, node: &Node, used: &mut Used<'a>) -> NetworkSpec {
        let Self { network, mode, .. } = self;
        let (rate, internet, egress) = held(network, mode, egress::told(network, self.plan, node));
        NetworkSpec {
            id: Some(network.id.to_string()),
            name: unique_name(&network.name, network.id.as_str()),
            zone: named_zone(&network.zone),
            prefixes: network.prefixes.iter().map(ToString::to_string).collect(),
            up: rate,
            down: rate,
            internet,
            observe: network.observe,
            unknown_sources: network.unknown_sources,
            egress,
            plan: match mode {
                NetworkMode::Premium { plan, .. } => Some(plan.to_string()),
                NetworkMode::Basic { .. } | NetworkMode::Offline => None,
            },
            until: until(network, mode, node),
            default_rule: self.rule(network.default_rule.as_ref(), used),
            instances: self.instance_specs(used),
        }
    }

    /// Its instances.
    pub(crate) fn instance_specs(&self, used: &mut Used<'a>) -> Vec<InstanceSpec> {
        let spec = |instance: &&Instance| InstanceSpec {
            id: Some(instance.id.to_string()),
            name: instance.name.to_string(),
            addresses: instance.addresses.iter().map(|net| show(*net)).collect(),
            up: None,
            down: None,
            rule: self.rule(instance.rule.as_ref(), used),
            internet: instance.internet,
        };
        self.instances.iter().map(spec).collect()
    }

    /// The rules in force that changed after `since`.
    pub(crate) fn rules_changed(&self, since: Revision) -> impl Iterator<Item = (&'a RuleId, &'a Rule)> {
        self.rules.iter().map(|(id, rule)| (*id, *rule)).filter(move |(_, rule)| rule.revision > since)
    }

    /// The name of the rule `id`, where it is in force.
    fn rule(&self, id: Option<&RuleId>, used: &mut Used<'a>) -> Option<String> {
        let rule = *self.rules.get(id?)?;
        used.insert(&rule.id, rule);
        Some(unique_name(&rule.name, rule.id.as_str()))
    }
}

/// Rate, Internet access and address of a network in `mode`. Without an `egress` nothing leaves.
fn held(
    network: &Network,
    mode: &NetworkMode,
    egress: Option<EgressSpec>,
) -> (Option<Rate>, Access, EgressSpec) {
    let rate = match mode {
        NetworkMode::Premium { peak, .. } => Some(*peak),
        NetworkMode::Basic { rate } => Some(*rate),
        NetworkMode::Offline => None,
    };
    match egress.filter(|_| rate.is_some()) {
        Some(egress) => (rate, network.internet, egress),
        None => (rate, Access::Deny, EgressSpec::None),
    }
}

/// What follows the term of a subscription, for a node that nobody tells.
fn until(network: &Network, mode: &NetworkMode, node: &Node) -> Option<UntilSpec> {
    let NetworkMode::Premium { until: Some(at), .. } = mode else { return None };
    let (rate, internet, egress) = held(network, &without_plan(network), egress::told(network, None, node));
    Some(UntilSpec { at: *at, up: rate, down: rate, internet, egress })
}

pub(crate) fn rule_spec(rule: &Rule) -> RuleSpec {
    RuleSpec {
        id: Some(rule.id.to_string()),
        name: unique_name(&rule.name, rule.id.as_str()),
        up: Some(rule.up),
        down: Some(rule.down),
    }
}

fn interfaces(node: &Node) -> Vec<InterfaceSpec> {
    let spec = |interface: &crate::NodeInterface| InterfaceSpec {
        zone: named_zone(&interface.zone),
        mode: interface.mode,
        observe: interface.observe,
        foreign_sources: interface.foreign_sources,
        ..InterfaceSpec::new(&interface.pattern)
    };
    node.interfaces.iter().map(spec).collect()
}

fn zones(node: &Node) -> Vec<ZoneSpec> {
    let names: BTreeSet<&str> = node.interfaces.iter().map(|interface| &*interface.zone).collect();
    let named = names.into_iter().filter_map(named_zone);
    named.map(|name| ZoneSpec { name, local_prefixes: Vec::new() }).collect()
}

fn named_zone(zone: &str) -> Option<String> {
    (zone != DEFAULT_ZONE).then(|| zone.to_owned())
}

/// A name that no other thing of the node has, within the 64 characters that a node takes.
fn unique_name(name: &str, id: &str) -> String {
    let room = crate::text::NAME_MAX_CHARS - id.len() - 1;
    let mut unique: String = name.chars().take(room).map(|c| if c == '/' { '_' } else { c }).collect();
    unique.push('@');
    unique.push_str(id);
    unique
}
