//! What changed of a node's state since an earlier one, and the state that this makes.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::seq::bounded;
use crate::state::{InstanceSpec, NetworkSpec, NodeState, OriginSpec, RuleSpec};

/// What makes a later state of the control plane of an earlier one. Networks, rules and instances all have
/// identities in these states, and are in their order; interfaces, uplinks and zones are as they were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDelta {
    /// The revision of the earlier state.
    pub since: u64,
    /// Which state it makes.
    pub origin: OriginSpec,
    /// Rules that are new or changed. Those that nothing refers to any more go by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 100_000>")]
    pub rules: Vec<RuleSpec>,
    /// Networks that are new or changed, with all their instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 1_000_000>")]
    pub networks: Vec<NetworkSpec>,
    /// What is new or changed in other networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 1_000_000>")]
    pub instances: Vec<InstancesDelta>,
    /// Identities of networks that are no longer carried.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 1_000_000>")]
    pub gone: Vec<String>,
}

/// Instances of one network that are new or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstancesDelta {
    /// Identity of the network.
    pub network: String,
    /// Its instances.
    #[serde(deserialize_with = "bounded::<_, _, 4_000_000>")]
    pub instances: Vec<InstanceSpec>,
}

/// Why a delta makes nothing of a state: the whole state is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// It is of another state.
    #[error("the changes are of revision {since} of {incarnation:?}, the state is not")]
    Other {
        /// The revision it changes.
        since: u64,
        /// The control plane's database.
        incarnation: String,
    },
    /// It changes a network that the state has not.
    #[error("the changes are of network {0}, which the state has not")]
    Network(String),
    /// Something has no identity.
    #[error("{0} has no identity")]
    Unidentified(String),
}

impl NodeState {
    /// The state that `delta` makes of this one.
    ///
    /// # Errors
    /// Where `delta` is not of this state.
    pub fn changed_by(self, delta: StateDelta) -> Result<Self, DeltaError> {
        let of_this = |origin: &OriginSpec| {
            origin.incarnation == delta.origin.incarnation && origin.revision == delta.since
        };
        if !self.origin.as_ref().is_some_and(of_this) {
            let (since, incarnation) = (delta.since, delta.origin.incarnation);
            return Err(DeltaError::Other { since, incarnation });
        }
        let mut networks = identified(self.networks)?;
        for id in &delta.gone {
            networks.remove(id);
        }
        networks.extend(identified(delta.networks)?);
        for InstancesDelta { network: id, instances } in delta.instances {
            let network = networks.get_mut(&id).ok_or(DeltaError::Network(id))?;
            let mut all = identified(std::mem::take(&mut network.instances))?;
            all.extend(identified(instances)?);
            network.instances = all.into_values().collect();
        }
        let mut rules = identified(self.rules)?;
        rules.extend(identified(delta.rules)?);
        let used: HashSet<&str> = networks.values().flat_map(rules_of).collect();
        rules.retain(|_, rule| used.contains(&*rule.name));
        let rules = rules.into_values().collect();
        let networks = networks.into_values().collect();
        Ok(Self { origin: Some(delta.origin), rules, networks, ..self })
    }
}

/// Names of the rules that a network refers to.
fn rules_of(network: &NetworkSpec) -> impl Iterator<Item = &str> {
    let own = network.instances.iter().filter_map(|instance| instance.rule.as_deref());
    own.chain(network.default_rule.as_deref())
}

trait Identified {
    fn id(&self) -> Option<&str>;
    fn name(&self) -> &str;
}

macro_rules! identified {
    ($($spec:ty),*) => {
        $(impl Identified for $spec {
            fn id(&self) -> Option<&str> {
                self.id.as_deref()
            }

            fn name(&self) -> &str {
                &self.name
            }
        })*
    };
}

identified!(RuleSpec, NetworkSpec, InstanceSpec);

fn identified<T: Identified>(specs: Vec<T>) -> Result<BTreeMap<String, T>, DeltaError> {
    let keyed = |spec: T| match spec.id() {
        Some(id) => Ok((id.to_owned(), spec)),
        None => Err(DeltaError::Unidentified(spec.name().to_owned())),
    };
    specs.into_iter().map(keyed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(revision: u64) -> OriginSpec {
        OriginSpec { incarnation: "a".to_owned(), revision }
    }

    fn instance(id: &str, rule: Option<&str>) -> InstanceSpec {
        let (id, rule) = (Some(id.to_owned()), rule.map(ToOwned::to_owned));
        InstanceSpec { id, rule, ..InstanceSpec::default() }
    }

    fn network(id: &str, instances: Vec<InstanceSpec>) -> NetworkSpec {
        NetworkSpec { id: Some(id.to_owned()), instances, ..NetworkSpec::default() }
    }

    fn rule(id: &str) -> RuleSpec {
        RuleSpec { id: Some(id.to_owned()), name: format!("r@{id}"), ..RuleSpec::default() }
    }

    fn state() -> NodeState {
        NodeState {
            origin: Some(origin(7)),
            rules: vec![rule("r1"), rule("r2")],
            networks: vec![
                network("n1", vec![instance("i1", Some("r@r1")), instance("i3", Some("r@r2"))]),
                network("n3", vec![]),
            ],
            ..NodeState::default()
        }
    }

    fn delta() -> StateDelta {
        let (rules, networks, instances, gone) = Default::default();
        StateDelta { since: 7, origin: origin(9), rules, networks, instances, gone }
    }

    #[test]
    fn what_is_new_changed_and_gone_in_the_order_of_identities() {
        let made = state().changed_by(StateDelta {
            rules: vec![rule("r3")],
            networks: vec![network("n2", vec![])],
            instances: vec![InstancesDelta {
                network: "n1".to_owned(),
                instances: vec![instance("i2", Some("r@r3")), instance("i3", None)],
            }],
            gone: vec!["n3".to_owned(), "n9".to_owned()],
            ..delta()
        });
        let instances =
            vec![instance("i1", Some("r@r1")), instance("i2", Some("r@r3")), instance("i3", None)];
        let expected = NodeState {
            origin: Some(origin(9)),
            rules: vec![rule("r1"), rule("r3")],
            networks: vec![network("n1", instances), network("n2", vec![])],
            ..NodeState::default()
        };
        assert_eq!(made, Ok(expected));
    }

    #[test]
    fn a_default_rule_is_referred_to() {
        let whole = NetworkSpec { default_rule: Some("r@r2".to_owned()), ..network("n1", vec![]) };
        let made = state().changed_by(StateDelta { networks: vec![whole], ..delta() }).expect("a state");
        assert_eq!(made.rules, [rule("r2")]);
    }

    #[test]
    fn a_delta_of_another_state_makes_nothing() {
        let other = |state: NodeState, delta| state.changed_by(delta).expect_err("refused").to_string();
        let not_ours = "the changes are of revision 7 of \"a\", the state is not";
        assert_eq!(other(NodeState { origin: Some(origin(8)), ..state() }, delta()), not_ours);
        assert_eq!(other(NodeState { origin: None, ..state() }, delta()), not_ours);
        let replaced = OriginSpec { incarnation: "b".to_owned(), revision: 7 };
        assert_eq!(other(NodeState { origin: Some(replaced), ..state() }, delta()), not_ours);
        let unknown = InstancesDelta { network: "n9".to_owned(), instances: vec![] };
        let unknown = StateDelta { instances: vec![unknown], ..delta() };
        assert_eq!(other(state(), unknown), "the changes are of network n9, which the state has not");
        let own = NetworkSpec { name: "own".to_owned(), ..NetworkSpec::default() };
        assert_eq!(other(state(), StateDelta { networks: vec![own], ..delta() }), "own has no identity");
    }
}
