//! Edits of a node state, as the commands make them. They are pure; [`super::check`] judges the result.

use std::str::FromStr;

use super::near::did_you_mean;
use limiter_state::{Access, InstanceSpec, NetworkSpec, NodeState, RuleSpec, UnknownSources};
use limiter_state::{Rate, RateError};

type Result<T = NodeState> = std::result::Result<T, EditError>;

/// Why a state cannot be edited as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The state has no such element.
    #[error("there is no {kind} {name:?}{near}")]
    Unknown {
        /// `network`, `instance` or `rule`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// Empty, or a question with near names.
        near: String,
    },
    /// The state has it already.
    #[error("there is an instance {0:?} already; change it with `instance set`")]
    Exists(String),
    /// A new network has no prefixes.
    #[error("there is no network {name:?}{near}; to make it, give its prefixes")]
    NewNetwork {
        /// The name asked for.
        name: String,
        /// Empty, or a question with near names.
        near: String,
    },
    /// The rule limits something.
    #[error("rule {name:?} is in use by {user} ({count} in all); give them another limit first")]
    InUse {
        /// The rule.
        name: String,
        /// The first that uses it.
        user: String,
        /// How many use it.
        count: usize,
    },
    /// The network has instances.
    #[error("network {name:?} has {count} instances; remove them first, or ask to remove them with it")]
    NotEmpty {
        /// The network.
        name: String,
        /// How many instances.
        count: usize,
    },
    /// Not NETWORK/NAME.
    #[error("{0:?} is no instance; write NETWORK/NAME, such as office/web")]
    NoInstance(String),
    /// A rule and rates at once.
    #[error("give an instance either a rule or rates of its own")]
    RuleAndRates,
}

/// What a limit becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitEdit {
    /// This rate.
    Rate(Rate),
    /// No limit in this direction.
    Unlimited,
}

impl LimitEdit {
    fn apply(edit: Option<Self>, rate: &mut Option<Rate>) {
        match edit {
            Some(Self::Rate(new)) => *rate = Some(new),
            Some(Self::Unlimited) => *rate = None,
            None => {}
        }
    }
}

impl FromStr for LimitEdit {
    type Err = RateError;

    fn from_str(text: &str) -> std::result::Result<Self, RateError> {
        if text == "unlimited" { Ok(Self::Unlimited) } else { text.parse().map(Self::Rate) }
    }
}

/// Changes of a network; [`None`] leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkEdit {
    /// All its prefixes.
    pub prefixes: Option<Vec<String>>,
    /// Its zone.
    pub zone: Option<String>,
    /// All instances together to the Internet.
    pub up: Option<LimitEdit>,
    /// The Internet to all instances together.
    pub down: Option<LimitEdit>,
    /// Whether its instances reach the Internet.
    pub internet: Option<Access>,
    /// Observe mode.
    pub observe: Option<bool>,
    /// Sources that are no known instance.
    pub unknown_sources: Option<UnknownSources>,
    /// Rule of instances without limits of their own; empty for none.
    pub default_rule: Option<String>,
}

/// Changes of an instance; [`None`] leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceEdit {
    /// All its addresses.
    pub addresses: Option<Vec<String>>,
    /// Instance to Internet, instead of a rule.
    pub up: Option<LimitEdit>,
    /// Internet to instance, instead of a rule.
    pub down: Option<LimitEdit>,
    /// The rule, instead of rates of its own.
    pub rule: Option<String>,
    /// Whether it reaches the Internet.
    pub internet: Option<Access>,
}

/// Turns bypass on or off.
pub fn set_bypass(mut state: NodeState, on: bool) -> NodeState {
    state.bypass = on;
    state
}

/// Makes or changes the rule `name`.
pub fn set_rule(
    mut state: NodeState,
    name: &str,
    up: Option<LimitEdit>,
    down: Option<LimitEdit>,
) -> NodeState {
    let index = state.rules.iter().position(|rule| rule.name == name).unwrap_or_else(|| {
        state.rules.push(RuleSpec { name: name.to_owned(), ..RuleSpec::default() });
        state.rules.len() - 1
    });
    let rule = &mut state.rules[index];
    LimitEdit::apply(up, &mut rule.up);
    LimitEdit::apply(down, &mut rule.down);
    state
}

/// Removes the rule `name`, which nothing may use.
pub fn remove_rule(mut state: NodeState, name: &str) -> Result {
    let Some(index) = state.rules.iter().position(|rule| rule.name == name) else {
        return Err(unknown("rule", name, state.rules.iter().map(|rule| rule.name.as_str())));
    };
    let uses = |rule: &Option<String>| rule.as_deref() == Some(name);
    let networks = state.networks.iter().filter(|network| uses(&network.default_rule));
    let networks = networks.map(|network| format!("network {}", network.name));
    let instances = state.networks.iter().flat_map(|network| {
        let instances = network.instances.iter().filter(|instance| uses(&instance.rule));
        instances.map(|instance| format!("instance {}/{}", network.name, instance.name))
    });
    let mut users = networks.chain(instances);
    if let Some(user) = users.next() {
        return Err(EditError::InUse { name: name.to_owned(), user, count: 1 + users.count() });
    }
    state.rules.remove(index);
    Ok(state)
}

/// Changes the network `name`, or makes it where the edit gives prefixes.
pub fn set_network(mut state: NodeState, name: &str, edit: NetworkEdit) -> Result {
    let index = match state.networks.iter().position(|network| network.name == name) {
        Some(index) => index,
        None if edit.prefixes.is_some() => {
            state.networks.push(NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() });
            state.networks.len() - 1
        }
        None => {
            let near = did_you_mean(name, state.networks.iter().map(|network| network.name.as_str()));
            return Err(EditError::NewNetwork { name: name.to_owned(), near });
        }
    };
    let network = &mut state.networks[index];
    set(&mut network.prefixes, edit.prefixes);
    network.zone = edit.zone.or(network.zone.take());
    LimitEdit::apply(edit.up, &mut network.up);
    LimitEdit::apply(edit.down, &mut network.down);
    set(&mut network.internet, edit.internet);
    set(&mut network.observe, edit.observe);
    set(&mut network.unknown_sources, edit.unknown_sources);
    network.default_rule = edit.default_rule.or(network.default_rule.take()).filter(|rule| !rule.is_empty());
    Ok(state)
}

/// Removes the network `name`; its instances only where `with_instances` says so.
pub fn remove_network(mut state: NodeState, name: &str, with_instances: bool) -> Result {
    let index = network_index(&state, name)?;
    let count = state.networks[index].instances.len();
    if count > 0 && !with_instances {
        return Err(EditError::NotEmpty { name: name.to_owned(), count });
    }
    state.networks.remove(index);
    Ok(state)
}

/// Adds the instance `path` (NETWORK/NAME), which may not exist.
pub fn add_instance(mut state: NodeState, path: &str, edit: InstanceEdit) -> Result {
    let (network, name) = split(path)?;
    let network = network_index(&state, network)?;
    let instances = &mut state.networks[network].instances;
    if instances.iter().any(|instance| instance.name == name) {
        return Err(EditError::Exists(path.to_owned()));
    }
    let mut instance = InstanceSpec { name: name.to_owned(), ..InstanceSpec::default() };
    edit_instance(&mut instance, edit)?;
    instances.push(instance);
    Ok(state)
}

/// Changes the instance `path` (NETWORK/NAME), which must exist.
pub fn set_instance(mut state: NodeState, path: &str, edit: InstanceEdit) -> Result {
    let (network, instance) = instance_index(&state, path)?;
    edit_instance(&mut state.networks[network].instances[instance], edit)?;
    Ok(state)
}

/// Removes the instance `path` (NETWORK/NAME).
pub fn remove_instance(mut state: NodeState, path: &str) -> Result {
    let (network, instance) = instance_index(&state, path)?;
    state.networks[network].instances.remove(instance);
    Ok(state)
}

fn edit_instance(instance: &mut InstanceSpec, edit: InstanceEdit) -> Result<()> {
    let rates = edit.up.is_some() || edit.down.is_some();
    match edit.rule {
        Some(_) if rates => return Err(EditError::RuleAndRates),
        Some(rule) => (instance.rule, instance.up, instance.down) = (Some(rule), None, None),
        None if rates => instance.rule = None,
        None => {}
    }
    LimitEdit::apply(edit.up, &mut instance.up);
    LimitEdit::apply(edit.down, &mut instance.down);
    set(&mut instance.addresses, edit.addresses);
    set(&mut instance.internet, edit.internet);
    Ok(())
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn network_index(state: &NodeState, name: &str) -> Result<usize> {
    let index = state.networks.iter().position(|network| network.name == name);
    index.ok_or_else(|| unknown("network", name, state.networks.iter().map(|network| network.name.as_str())))
}

fn instance_index(state: &NodeState, path: &str) -> Result<(usize, usize)> {
    let (network, name) = split(path)?;
    let network = network_index(state, network)?;
    let instances = &state.networks[network].instances;
    let index = instances.iter().position(|instance| instance.name == name);
    let index = index
        .ok_or_else(|| unknown("instance", path, instances.iter().map(|instance| instance.name.as_str())))?;
    Ok((network, index))
}

fn split(path: &str) -> Result<(&str, &str)> {
    path.split_once('/').ok_or_else(|| EditError::NoInstance(path.to_owned()))
}

/// Near names are looked for by the last part of `name`.
fn unknown<'a>(kind: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> EditError {
    let last = name.rsplit('/').next().unwrap_or(name);
    EditError::Unknown { kind, name: name.to_owned(), near: did_you_mean(last, known) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{check, parse};

    fn state() -> NodeState {
        let text = "version: 1
rules: [{name: small, up: 2Mbps, down: 1Mbps}]
networks:
  - name: office
    prefixes: [10.10.0.0/24]
    up: 5Mbps
    down: 5Mbps
    instances:
      - {name: web, addresses: [10.10.0.2], rule: small}
      - {name: db, addresses: [10.10.0.3], up: 3Mbps}
  - {name: lab, prefixes: [10.20.0.0/24]}
";
        parse(text.as_bytes()).expect("a good state").0
    }

    fn limit(text: &str) -> LimitEdit {
        text.parse().expect("a limit")
    }

    fn message(result: Result) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn bypass() {
        assert!(set_bypass(state(), true).bypass);
        assert_eq!(set_bypass(set_bypass(state(), true), false), state());
    }

    #[test]
    fn rules() {
        let changed = set_rule(state(), "small", None, Some(limit("unlimited")));
        assert_eq!((changed.rules[0].up.map(Rate::bps), changed.rules[0].down), (Some(2_000_000), None));
        let made = set_rule(state(), "big", Some(limit("1Gbps")), None);
        assert_eq!(made.rules[1].name, "big");
        assert_eq!(remove_rule(made, "big"), Ok(state()));
        assert_eq!(
            message(remove_rule(state(), "smal")),
            "there is no rule \"smal\"; did you mean \"small\"?"
        );
        assert_eq!(
            message(remove_rule(state(), "small")),
            "rule \"small\" is in use by instance office/web (1 in all); give them another limit first"
        );
    }

    #[test]
    fn networks() {
        let edit = NetworkEdit {
            up: Some(limit("20Mbps")),
            down: Some(limit("unlimited")),
            internet: Some(Access::Deny),
            unknown_sources: Some(UnknownSources::Budget),
            default_rule: Some("small".to_owned()),
            observe: Some(true),
            ..NetworkEdit::default()
        };
        let changed = set_network(state(), "office", edit).expect("changed");
        let desired = check(&changed).expect("still good");
        let network = &desired.networks[1];
        assert_eq!((network.limits.up.map(Rate::bps), network.limits.down), (Some(20_000_000), None));
        assert_eq!((network.internet, network.unknown_sources), (Access::Deny, UnknownSources::Budget));
        assert!(network.observe);
        assert_eq!(network.prefixes, [("10.10.0.0/24").parse().expect("a prefix")]);

        let clear = NetworkEdit { default_rule: Some(String::new()), ..NetworkEdit::default() };
        assert_eq!(set_network(changed, "office", clear).expect("changed").networks[0].default_rule, None);

        let new = NetworkEdit { prefixes: Some(vec!["10.30.0.0/24".to_owned()]), ..NetworkEdit::default() };
        let made = set_network(state(), "shop", new).expect("made");
        assert_eq!(remove_network(made, "shop", false), Ok(state()));
        assert_eq!(
            message(set_network(state(), "ofice", NetworkEdit::default())),
            "there is no network \"ofice\"; did you mean \"office\"?; to make it, give its prefixes"
        );
        assert_eq!(
            message(remove_network(state(), "office", false)),
            "network \"office\" has 2 instances; remove them first, or ask to remove them with it"
        );
        assert_eq!(remove_network(state(), "office", true).expect("removed").networks.len(), 1);
    }

    #[test]
    fn instances() {
        let edit = InstanceEdit {
            addresses: Some(vec!["10.20.0.5".to_owned()]),
            up: Some(limit("1Mbps")),
            ..Default::default()
        };
        let added = add_instance(state(), "lab/pc", edit.clone()).expect("added");
        check(&added).expect("still good");
        assert_eq!(remove_instance(added.clone(), "lab/pc"), Ok(state()));
        assert_eq!(
            message(add_instance(added, "lab/pc", edit.clone())),
            "there is an instance \"lab/pc\" already; change it with `instance set`"
        );
        assert_eq!(
            message(add_instance(state(), "labb/pc", edit)),
            "there is no network \"labb\"; did you mean \"lab\"?"
        );
        assert_eq!(
            message(set_instance(state(), "office/wep", InstanceEdit::default())),
            "there is no instance \"office/wep\"; did you mean \"web\"?"
        );
        assert_eq!(
            message(remove_instance(state(), "web")),
            "\"web\" is no instance; write NETWORK/NAME, such as office/web"
        );
    }

    #[test]
    fn a_rule_and_rates_replace_one_another() {
        let rates = InstanceEdit { down: Some(limit("9Mbps")), ..InstanceEdit::default() };
        let own = set_instance(state(), "office/web", rates.clone()).expect("changed");
        let web = &own.networks[0].instances[0];
        assert_eq!((&web.rule, web.up, web.down.map(Rate::bps)), (&None, None, Some(9_000_000)));
        let rule = InstanceEdit { rule: Some("small".to_owned()), ..InstanceEdit::default() };
        assert_eq!(set_instance(own, "office/web", rule.clone()), Ok(state()));
        let both = InstanceEdit { rule: rule.rule, ..rates };
        assert_eq!(set_instance(state(), "office/web", both), Err(EditError::RuleAndRates));
    }
}
