//! The node state as it is written: in the YAML file of a node, or sent by the control plane.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rate::Rate;
use super::seq::bounded;

/// The version of [`NodeState`] that this program reads and writes.
pub const STATE_VERSION: u32 = 1;

/// All that a node is to enforce. [`super::check`] turns it into [`super::Desired`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeState {
    /// Version of this form, [`STATE_VERSION`].
    pub version: u32,
    /// Where the control plane's state comes from; absent in a file of the node's own.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub origin: Option<OriginSpec>,
    /// True: everything passes, unmetered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bypass: bool,
    /// Room to keep, where more is to come than is written here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub capacity: CapacitySpec,
    /// Devices towards the Internet; empty: the devices of the default routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 1_000>")]
    pub uplinks: Vec<String>,
    /// Who brings packets for egress addresses to the node.
    #[serde(default, skip_serializing_if = "is_default")]
    pub egress_addresses: EgressAddresses,
    /// Instance-facing interfaces; the first match counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 1_000_000>")]
    pub interfaces: Vec<InterfaceSpec>,
    /// Zones other than a plain `default`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 10_000>")]
    pub zones: Vec<ZoneSpec>,
    /// Limits that instances refer to by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 100_000>")]
    pub rules: Vec<RuleSpec>,
    /// Networks with their instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 1_000_000>")]
    pub networks: Vec<NetworkSpec>,
}

impl Default for NodeState {
    fn default() -> Self {
        Self {
            version: STATE_VERSION,
            origin: None,
            bypass: false,
            capacity: CapacitySpec::default(),
            uplinks: Vec::new(),
            egress_addresses: EgressAddresses::Assign,
            interfaces: Vec::new(),
            zones: Vec::new(),
            rules: Vec::new(),
            networks: Vec::new(),
        }
    }
}

/// Which state of the control plane this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginSpec {
    /// Identity of the control plane's database; a restored backup has a new one.
    pub incarnation: String,
    /// The change that made this state what it is.
    pub revision: u64,
}

/// Room to keep in the kernel maps, which cannot grow in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacitySpec {
    /// Instances to keep room for; absent: sized to use.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub instances: Option<u32>,
}

/// Interfaces that a name pattern matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceSpec {
    /// Interface name, with `*` for any characters and `?` for one.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Zone of the addresses behind it; absent: the bound instance's, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub zone: Option<String>,
    /// `NETWORK/NAME` of the one instance behind it: every source on it is that instance.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub instance: Option<String>,
    /// How limits are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// Count what would be refused, refuse nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub observe: bool,
    /// Packets from sources outside every network of the zone.
    #[serde(default = "drop_policy", skip_serializing_if = "is_drop")]
    pub foreign_sources: Policy,
    /// Packets that are neither IP nor ARP.
    #[serde(default = "pass_policy", skip_serializing_if = "is_pass")]
    pub other_ethertypes: Policy,
}

impl InterfaceSpec {
    /// The interface that `pattern` matches, with the defaults.
    pub fn new(pattern: &str) -> Self {
        Self {
            pattern: pattern.to_owned(),
            zone: None,
            instance: None,
            mode: Mode::Auto,
            observe: false,
            foreign_sources: Policy::Drop,
            other_ethertypes: Policy::Pass,
        }
    }
}

/// How limits are kept on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Shape where the egress device has or may get `fq`, else police.
    #[default]
    Auto,
    /// Delay packets to the rate.
    Shape,
    /// Refuse packets above the rate.
    Police,
}

/// What to do with packets of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Let them pass, uncounted.
    Pass,
    /// Drop and count them.
    Drop,
}

/// A separate address space; networks of different zones may use the same addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneSpec {
    /// Its name.
    pub name: String,
    /// Prefixes that are not the Internet, besides link scope, the node and the network's own.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "flow",
        deserialize_with = "bounded::<_, _, 10_000>"
    )]
    pub local_prefixes: Vec<String>,
}

/// A named limit for each instance that refers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Identity that survives a change of name; absent: the name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Instance to Internet; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub up: Option<Rate>,
    /// Internet to instance; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub down: Option<Rate>,
}

/// A group of instances that share one Internet budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Identity that survives a change of name; absent: the name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its zone; absent: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub zone: Option<String>,
    /// The prefixes its instances have their addresses from.
    #[serde(serialize_with = "flow", deserialize_with = "bounded::<_, _, 10_000>")]
    pub prefixes: Vec<String>,
    /// All instances together to the Internet; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub up: Option<Rate>,
    /// The Internet to all instances together; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub down: Option<Rate>,
    /// Whether its instances reach the Internet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub internet: Access,
    /// Count what would be refused, refuse nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub observe: bool,
    /// Sources inside its prefixes that are no known instance.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown_sources: UnknownSources,
    /// The address that its IPv4 packets leave through.
    #[serde(default, skip_serializing_if = "is_default")]
    pub egress: EgressSpec,
    /// The plan that gives `up` and `down`, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub plan: Option<String>,
    /// What the network falls back to when its plan's term is over, also without the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub until: Option<UntilSpec>,
    /// Rule of instances that have neither a rule nor rates of their own.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub default_rule: Option<String>,
    /// Its instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::<_, _, 4_000_000>")]
    pub instances: Vec<InstanceSpec>,
}

/// What a network is held to from an instant on; its rules are not in force then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UntilSpec {
    /// The instant, by the wall clock.
    #[serde(deserialize_with = "instant")]
    pub at: jiff::Timestamp,
    /// All instances together to the Internet; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub up: Option<Rate>,
    /// The Internet to all instances together; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub down: Option<Rate>,
    /// Whether its instances reach the Internet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub internet: Access,
    /// The address that its IPv4 packets leave through.
    #[serde(default, skip_serializing_if = "is_default")]
    pub egress: EgressSpec,
}

/// The address that the IPv4 packets of a network leave through; IPv6 is not translated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EgressSpec {
    /// Their own: they are routed.
    #[default]
    None,
    /// This one, which other networks leave through, too.
    Shared(String),
    /// This one, which is the network's alone.
    Exclusive(String),
}

/// Who brings packets for egress addresses to the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EgressAddresses {
    /// The agent puts them on the uplink and announces them.
    #[default]
    Assign,
    /// The operator routes them to the node.
    Routed,
}

/// One limited machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// Identity that survives a change of name; absent: `NETWORK/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub id: Option<String>,
    /// Its name, unique in its network.
    pub name: String,
    /// Addresses and prefixes it owns; none only where an interface is bound to it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "flow",
        deserialize_with = "bounded::<_, _, 10_000>"
    )]
    pub addresses: Vec<String>,
    /// Instance to Internet; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub up: Option<Rate>,
    /// Internet to instance; absent: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub down: Option<Rate>,
    /// Name of the rule that gives both rates, instead of `up` and `down`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub rule: Option<String>,
    /// Whether it reaches the Internet, where its network does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub internet: Access,
}

/// Access to the Internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Within the limits.
    #[default]
    Allow,
    /// Not at all: only local traffic passes.
    Deny,
}

/// What happens to sources inside a network's prefixes that are no known instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum UnknownSources {
    /// They are dropped, counted and listed.
    #[default]
    Drop,
    /// They are held by the network's budget alone.
    Budget,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn drop_policy() -> Policy {
    Policy::Drop
}

fn pass_policy() -> Policy {
    Policy::Pass
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_drop(policy: &Policy) -> bool {
    *policy == Policy::Drop
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_pass(policy: &Policy) -> bool {
    *policy == Policy::Pass
}

/// A key with nothing behind it is refused: `up:` cut short must not mean unlimited.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An instant in one form, with its distance from UTC.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<jiff::Timestamp, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom("is no instant; write date, time and zone, for example 2026-12-01T00:00:00Z")
    })
}

/// Short lists stay on one line.
fn flow<S: Serializer>(list: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serde_saphyr::FlowSeq(list).serialize(serializer)
}
