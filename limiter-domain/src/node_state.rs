//! All that one node is to enforce, worked out from what is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use limiter_state::address::show;
use limiter_state::{
    Access, EgressSpec, InstanceSpec, InterfaceSpec, NetworkSpec, NodeState, OriginSpec, Rate, RuleSpec,
    UntilSpec, ZoneSpec,
};

use crate::acknowledge::carries;
use crate::mode::{mode, without_plan};
use crate::{Instance, Network, NetworkId, NetworkMode, Node, Plan, Rule, RuleId};

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
    let holders: HashMap<&NetworkId, &Plan> =
        world.plans.iter().filter_map(|plan| Some((plan.network.as_ref()?, plan))).collect();
    let rules: HashMap<&RuleId, &Rule> = world.rules.iter().map(|rule| (&rule.id, rule)).collect();
    let mut carried: BTreeMap<&NetworkId, (&Network, Vec<&Instance>)> = world
        .networks
        .iter()
        .filter(|network| carries(node, network))
        .map(|network| (&network.id, (network, Vec::new())))
        .collect();
    for instance in world.instances {
        if let Some((_, instances)) = carried.get_mut(&instance.network) {
            instances.push(instance);
        }
    }
    let mut used = BTreeMap::new();
    let mut networks = Vec::with_capacity(carried.len());
    for (id, (network, mut instances)) in carried {
        instances.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let plan = holders.get(id).copied();
        let rules = Rules { all: &rules, plan, used: &mut used };
        networks.push(network_spec(network, plan, &instances, rules));
    }
    NodeState {
        origin: Some(origin),
        bypass: node.bypass,
        uplinks: node.uplinks.clone(),
        interfaces: interfaces(node),
        zones: zones(node),
        rules: used.into_values().map(rule_spec).collect(),
        networks,
        ..NodeState::default()
    }
}

/// The rules that are in force in a network, and those that some instance of the node uses.
struct Rules<'a, 'b> {
    all: &'b HashMap<&'a RuleId, &'a Rule>,
    /// The plan that serves the network; only its rules are in force.
    plan: Option<&'a Plan>,
    used: &'b mut BTreeMap<&'a RuleId, &'a Rule>,
}

impl Rules<'_, '_> {
    /// The name of the rule `id`, where it is in force.
    fn name(&mut self, id: Option<&RuleId>) -> Option<String> {
        let rule = *self.all.get(id?)?;
        self.plan.filter(|plan| plan.id == rule.plan)?;
        self.used.insert(&rule.id, rule);
        Some(unique_name(&rule.name, rule.id.as_str()))
    }
}

fn network_spec<'a>(
    network: &'a Network,
    plan: Option<&'a Plan>,
    instances: &[&'a Instance],
    mut rules: Rules<'a, '_>,
) -> NetworkSpec {
    let mode = mode(network, plan);
    let serving = match &mode {
        NetworkMode::Premium { plan, .. } => Some(plan.to_string()),
        NetworkMode::Basic { .. } | NetworkMode::Offline => None,
    };
    rules.plan = rules.plan.filter(|_| serving.is_some());
    let (rate, internet) = held(network, &mode);
    let without_rule = instances.iter().any(|instance| instance.rule.is_none());
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
        egress: EgressSpec::None,
        plan: serving,
        until: until(network, &mode),
        default_rule: rules.name(network.default_rule.as_ref().filter(|_| without_rule)),
        instances: instances.iter().map(|instance| instance_spec(instance, &mut rules)).collect(),
    }
}

fn instance_spec<'a>(instance: &'a Instance, rules: &mut Rules<'a, '_>) -> InstanceSpec {
    InstanceSpec {
        id: Some(instance.id.to_string()),
        name: instance.name.to_string(),
        addresses: instance.addresses.iter().map(|net| show(*net)).collect(),
        up: None,
        down: None,
        rule: rules.name(instance.rule.as_ref()),
        internet: instance.internet,
    }
}

/// Rate and Internet access of a network in `mode`.
fn held(network: &Network, mode: &NetworkMode) -> (Option<Rate>, Access) {
    match mode {
        NetworkMode::Premium { peak, .. } => (Some(*peak), network.internet),
        NetworkMode::Basic { rate } => (Some(*rate), network.internet),
        NetworkMode::Offline => (None, Access::Deny),
    }
}

/// What follows the term of a subscription, for a node that nobody tells.
fn until(network: &Network, mode: &NetworkMode) -> Option<UntilSpec> {
    let NetworkMode::Premium { until: Some(at), .. } = mode else { return None };
    let (rate, internet) = held(network, &without_plan(network));
    Some(UntilSpec { at: *at, up: rate, down: rate, internet, egress: EgressSpec::None })
}

fn rule_spec(rule: &Rule) -> RuleSpec {
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
