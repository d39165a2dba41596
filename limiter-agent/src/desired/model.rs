//! The checked node state: references resolved, names unique, addresses masked and disjoint.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;

use limiter_state::Pattern;
use limiter_state::Rate;
use limiter_state::{Access, EgressAddresses, Mode, OriginSpec, Policy, UnknownSources};

/// What a node is to enforce. Only [`super::check`] makes one, in an order that depends on nothing but
/// the names, so that equal states give equal plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Which state of the control plane it is; [`None`] for the node's own.
    pub origin: Option<OriginSpec>,
    /// Everything passes, unmetered.
    pub bypass: bool,
    /// Instances to keep room for; [`None`]: sized to use. At least `instances.len()`.
    pub capacity_instances: Option<u32>,
    /// Devices towards the Internet, sorted; empty: the devices of the default routes.
    pub uplinks: Vec<String>,
    /// Who brings packets for egress addresses to the node.
    pub egress_addresses: EgressAddresses,
    /// Zones, sorted by name; `default` is always among them.
    pub zones: Vec<Zone>,
    /// Interfaces in the order of the file: the first match counts.
    pub interfaces: Vec<Interface>,
    /// Rules, sorted by name.
    pub rules: Vec<Rule>,
    /// Networks, sorted by name.
    pub networks: Vec<Network>,
    /// Instances, sorted by network and name.
    pub instances: Vec<Instance>,
}

impl Desired {
    /// The first interface entry whose pattern matches the device `name`.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.pattern.matches(name))
    }
}

/// A separate address space.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Prefixes that are not the Internet; sorted, disjoint, none inside a network's prefix.
    pub local_prefixes: Vec<IpNet>,
}

/// Instance-facing interfaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Names it holds for.
    pub pattern: Pattern,
    /// Index in [`Desired::zones`]; the bound instance's zone where there is one.
    pub zone: usize,
    /// Index in [`Desired::instances`] of the one instance behind it.
    pub bound: Option<usize>,
    /// How limits are kept.
    pub mode: Mode,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
    /// Sources outside every network of the zone; has no meaning on a bound interface.
    pub foreign_sources: Policy,
    /// Packets that are neither IP nor ARP.
    pub other_ethertypes: Policy,
}

/// A named limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Identity.
    pub id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Instance to Internet; [`None`]: unlimited.
    pub up: Option<Rate>,
    /// Internet to instance; [`None`]: unlimited.
    pub down: Option<Rate>,
}

/// A group of instances that share one Internet budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Identity, unique among networks.
    pub id: Arc<str>,
    /// Its name, unique on the node.
    pub name: Arc<str>,
    /// Index in [`Desired::zones`].
    pub zone: usize,
    /// Its prefixes; sorted, not empty, disjoint from those of every network of the zone.
    pub prefixes: Vec<IpNet>,
    /// What all its instances together may use.
    pub limits: Limits,
    /// Whether its instances reach the Internet.
    pub internet: Access,
    /// Count what would be refused, refuse nothing.
    pub observe: bool,
    /// Sources inside its prefixes that are no known instance.
    pub unknown_sources: UnknownSources,
    /// The address that its IPv4 packets leave through.
    pub egress: Egress,
    /// The plan that gives its limits.
    pub plan: Option<Arc<str>>,
    /// What holds when the plan's term is over.
    pub until: Option<Until>,
    /// Range of its instances in [`Desired::instances`].
    pub instances: std::ops::Range<usize>,
}

/// What a network is held to from an instant on; see [`Desired::at`].
#[derive(Clone, Debug, PartialEq)]
pub struct Until {
    /// The instant, by the wall clock.
    pub at: Timestamp,
    /// What all its instances together may use then.
    pub limits: Limits,
    /// Whether they reach the Internet then.
    pub internet: Access,
    /// The address that their IPv4 packets leave through then.
    pub egress: Egress,
}

/// The address that the IPv4 packets of a network leave through. An exclusive one is no other network's,
/// nor in any network's prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// Their own: they are routed.
    #[default]
    None,
    /// One that other networks leave through, too.
    Shared(Ipv4Addr),
    /// One that is the network's alone.
    Exclusive(Ipv4Addr),
}

impl Egress {
    /// The address, where there is one.
    pub const fn address(self) -> Option<Ipv4Addr> {
        match self {
            Self::None => None,
            Self::Shared(address) | Self::Exclusive(address) => Some(address),
        }
    }

    /// `none`, `shared` or `exclusive`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shared(_) => "shared",
            Self::Exclusive(_) => "exclusive",
        }
    }
}

/// One limited machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Identity, unique among instances.
    pub id: Arc<str>,
    /// Its name, unique in its network.
    pub name: Arc<str>,
    /// Index in [`Desired::networks`].
    pub network: usize,
    /// Addresses (as /32 and /128) and prefixes it owns; sorted, inside its network's prefixes,
    /// disjoint from all others of the zone. Empty only where an interface is bound to it.
    pub addresses: Vec<IpNet>,
    /// What it may use.
    pub limits: Limits,
    /// Whether it reaches the Internet, where its network does.
    pub internet: Access,
}

/// Rates in force, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// To the Internet; [`None`]: unlimited.
    pub up: Option<Rate>,
    /// From the Internet; [`None`]: unlimited.
    pub down: Option<Rate>,
    /// Who says so.
    pub source: LimitSource,
}

/// Where a limit comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitSource {
    /// Nothing limits it.
    None,
    /// Its own `up` and `down`.
    Own,
    /// The named rule it refers to.
    Rule(Arc<str>),
    /// The named rule that its network gives to instances without one.
    DefaultRule(Arc<str>),
    /// The network's plan.
    Plan(Arc<str>),
    /// The term of the network's plan, which may have no name, is over: its fallback, and no rule.
    Expired(Option<Arc<str>>),
}
