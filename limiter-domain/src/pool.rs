//! The addresses that the plans of a region get, one each: what is imported, and what becomes of them.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets};
use jiff::Timestamp;
use limiter_state::address::{AddressError, egress_range};

use crate::claims::{Claims, at_most};
use crate::node::shared;
use crate::{AccountId, AddressUseId, Code, NetworkId, Node, NodeId, PlanId, Refusal, text};

/// Most addresses of one import.
pub const IMPORT_MAX: usize = 65_536;
/// Most ranges of one import.
const RANGES_MAX: usize = 1_000;

/// An address that plans of a region may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// It.
    pub address: Ipv4Addr,
    /// Its region.
    pub region: Arc<str>,
    /// The plan that has it.
    pub plan: Option<PlanId>,
    /// No plan gets it before.
    pub rests_until: Option<Timestamp>,
}

/// Whether a plan may get an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressState {
    /// One may.
    Free,
    /// One has it.
    Bound,
    /// One had it not long ago.
    Quarantined,
}

/// From when to when an address was of one network at one node: nobody else's packets left through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressUse {
    /// Identity.
    pub id: AddressUseId,
    /// The address.
    pub address: Ipv4Addr,
    /// The plan that had it.
    pub plan: PlanId,
    /// Whose plan.
    pub account: AccountId,
    /// The network that the plan served.
    pub network: NetworkId,
    /// The node that was told of it.
    pub node: NodeId,
    /// When it was told.
    pub from: Timestamp,
    /// When it had let go, or was fenced; [`None`]: it may use it now.
    pub until: Option<Timestamp>,
}

/// Addresses from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub first: Ipv4Addr,
    /// The last; not before the first.
    pub last: Ipv4Addr,
}

/// What an import depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// An address of the ranges that was imported before.
    pub known: Option<Ipv4Addr>,
    /// Prefixes of the networks of the region's zones.
    pub claims: &'a Claims<()>,
    /// At least the nodes of the region, and those that have a shared address or may still use one.
    pub nodes: &'a [Node],
    /// Plans of the region that are there and have no address.
    pub plans_without: usize,
}

impl Address {
    /// Whether a plan may get it.
    pub fn state(&self, now: Timestamp) -> AddressState {
        match (&self.plan, self.rests_until) {
            (Some(_), _) => AddressState::Bound,
            (None, Some(until)) if until > now => AddressState::Quarantined,
            (None, _) => AddressState::Free,
        }
    }
}

impl Range {
    /// How many addresses; at least one.
    pub fn count(&self) -> usize {
        (u32::from(self.last) - u32::from(self.first)) as usize + 1
    }

    /// Each, from the first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from)
    }

    /// True for an address of the range.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Reads ranges: a prefix without its network and broadcast addresses, `first-last` with both, or one
/// address.
///
/// Refused with `MissingParameter`, `InvalidParameter`, `TooManyIds`, and `AddressConflict` where two overlap.
pub fn read(texts: &[String]) -> Result<Vec<Range>, Refusal> {
    if texts.is_empty() {
        let message = "the list `ranges` is empty; write at least one, for example 198.51.100.0/28";
        return Err(Refusal::new(Code::MissingParameter, message).at("ranges"));
    }
    at_most(texts.len(), RANGES_MAX, "ranges")?;
    let mut ranges: Vec<Range> = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let refuse = |code, message| Err(Refusal::new(code, message).at(field(index)));
        let shown = text::shortened(text);
        let range = match range(text) {
            Ok(range) => range,
            Err(error) => return refuse(Code::InvalidParameter, format!("{shown:?} {error}")),
        };
        let meets = |other: &&Range| range.first <= other.last && other.first <= range.last;
        if let Some(other) = ranges.iter().find(meets) {
            let message = format!("{shown:?} overlaps {other} of the same list; write one of them");
            return refuse(Code::AddressConflict, message);
        }
        ranges.push(range);
    }
    let count: usize = ranges.iter().map(Range::count).sum();
    if count > IMPORT_MAX {
        let message = format!("these are {count} addresses; write at most {IMPORT_MAX} at a time");
        return Err(Refusal::new(Code::TooManyIds, message).at("ranges"));
    }
    Ok(ranges)
}

/// Whether `ranges` may become addresses of `region`.
///
/// Refused with `NodeHasNoSharedAddress` where a node of the region has none, which networks leave through while
/// no plan serves them, with `AddressConflict` where something has one of them, and with `TooFewAddresses`
/// where the plans of the region are more.
pub fn import(ranges: &[Range], region: &str, facts: Facts<'_>) -> Result<(), Refusal> {
    let conflict = |index, message| Err(Refusal::new(Code::AddressConflict, message).at(field(index)));
    let without = |node: &&Node| *node.region == *region && node.shared_address.is_none() && !node.fenced;
    if let Some(node) = facts.nodes.iter().find(without) {
        let message = format!(
            "node {} of region {region:?} has no shared address, which networks leave through without a plan; give it one first",
            node.name
        );
        return Err(Refusal::new(Code::NodeHasNoSharedAddress, message));
    }
    if let Some(address) = facts.known {
        let index = ranges.iter().position(|range| range.contains(address)).unwrap_or_default();
        return conflict(index, format!("{address} was imported before; leave it out"));
    }
    for (index, range) in ranges.iter().enumerate() {
        let prefixes = || Ipv4Subnets::new(range.first, range.last, 0);
        let owned = prefixes().find_map(|net| facts.claims.conflict(&IpNet::V4(net), None));
        if let Some((prefix, ())) = owned {
            let message = format!(
                "{range} overlaps {prefix}, a prefix of a network of region {region:?}; choose addresses that no instance has"
            );
            return conflict(index, message);
        }
        for node in facts.nodes {
            if let Some(address) = shared(node).find(|address| range.contains(*address)) {
                let message =
                    format!("{address} is the shared address of node {}, or was; leave it out", node.name);
                return conflict(index, message);
            }
        }
    }
    let count: usize = ranges.iter().map(Range::count).sum();
    if count < facts.plans_without {
        let message = format!(
            "region {region:?} has {} plans without an address, and these are {count} addresses; import at least as many at once",
            facts.plans_without
        );
        return Err(Refusal::new(Code::TooFewAddresses, message).at("ranges"));
    }
    Ok(())
}

/// Refuses to take away an address that a plan has, or had not long ago: imported again it would be free.
pub fn remove(address: &Address, now: Timestamp) -> Result<(), Refusal> {
    let shown = address.address;
    let message = match (&address.plan, address.rests_until.filter(|until| *until > now)) {
        (Some(plan), _) => {
            format!("{shown} is the address of plan {plan}; end the plan first, or leave it out")
        }
        (None, Some(until)) => {
            format!("{shown} was a plan's and rests until {until}; remove it then, or leave it out")
        }
        (None, None) => return Ok(()),
    };
    Err(Refusal::new(Code::AddressInUse, message).at("ranges"))
}

/// Reads one range.
fn range(text: &str) -> Result<Range, AddressError> {
    let parsed = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| AddressError::NoEgressRange);
    let (first, last) = match (text.split_once('-'), text.parse::<Ipv4Net>()) {
        (Some((first, last)), _) => (parsed(first)?, parsed(last)?),
        (None, Ok(net)) if net.trunc() != net => return Err(AddressError::HostBits(net.trunc().into())),
        (None, Ok(net)) => {
            let hosts = net.hosts();
            (hosts.clone().next().unwrap_or(net.network()), hosts.last().unwrap_or(net.broadcast()))
        }
        (None, Err(_)) => (parsed(text)?, parsed(text)?),
    };
    egress_range(first, last)?;
    Ok(Range { first, last })
}

fn field(index: usize) -> String {
    format!("ranges[{index}]")
}
