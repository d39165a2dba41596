//! Which egress address has which number and device, and what the table holds. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use limiter_common::mark;
use limiter_common::meter::{Direction, Owner};

use super::action::Action;
use super::error::PlanError;
use super::interfaces::uplinks;
use super::observed::Observed;
use super::slots::Assignment;
use crate::desired::{Desired, Egress, EgressAddresses, Network};
use crate::egress::table::{Around, Change, Content, Table};

/// What the node shall have of egress addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedEgress {
    /// Content of the table; empty: no table.
    pub content: Content,
    /// Device of each address that the agent puts on one.
    pub devices: BTreeMap<Ipv4Addr, u32>,
    /// Devices on which they are announced.
    pub announced_at: Vec<u32>,
    numbers: BTreeMap<Ipv4Addr, u32>,
    /// Exclusive addresses whose network leaves nowhere until others no longer leave through them.
    waited_for: BTreeSet<Ipv4Addr>,
}

impl WantedEgress {
    /// Number in the mark of a network's packets.
    pub fn number(&self, egress: Egress) -> u32 {
        match egress.address() {
            None => 0,
            Some(address) if self.waited_for.contains(&address) => mark::NOWHERE,
            Some(address) => self.numbers.get(&address).copied().unwrap_or(mark::NOWHERE),
        }
    }
}

/// Computes it, given who has which slot.
pub fn wanted(
    desired: &Desired,
    observed: &Observed,
    assignment: &Assignment,
) -> Result<WantedEgress, PlanError> {
    let addresses: BTreeSet<Ipv4Addr> =
        desired.networks.iter().filter_map(|network| network.egress.address()).collect();
    if addresses.is_empty() {
        return Ok(WantedEgress::default());
    }
    let held = held(observed);
    if observed.egress.as_ref().is_some_and(|egress| egress.table == Table::Foreign) {
        return Err(PlanError::ForeignTable);
    }
    are_free(desired, observed, &addresses)?;
    let numbers = numbers(&addresses, &held.egress, &marked(desired, observed, assignment))?;
    let waited_for = waited_for(desired, observed, assignment, &numbers);
    let uplinks = uplinks(desired, observed)?;
    let devices = match desired.egress_addresses {
        EgressAddresses::Routed => BTreeMap::new(),
        EgressAddresses::Assign => devices(observed, &uplinks, &addresses)?,
    };
    let egress = numbers.iter().map(|(&address, &number)| (number, address));
    // Where the table was lost, a network that waits may be marked with this very number.
    let is_opened = |(number, address): &(u32, Ipv4Addr)| {
        !waited_for.contains(address) || held.egress.get(number) == Some(address)
    };
    let content = Content {
        egress: egress.filter(is_opened).collect(),
        addresses,
        around: around(desired, observed, &uplinks),
    };
    let announced_at = if devices.is_empty() { Vec::new() } else { uplinks };
    Ok(WantedEgress { content, devices, announced_at, numbers, waited_for })
}

/// Content of the table as it is.
pub(super) fn held(observed: &Observed) -> Content {
    match observed.egress.as_ref().map(|egress| &egress.table) {
        Some(Table::Ours(content) | Table::Changed(content)) => content.clone(),
        Some(Table::Absent | Table::Foreign) | None => Content::default(),
    }
}

/// Nobody else on the node may have the addresses: what comes to them is dropped.
fn are_free(desired: &Desired, observed: &Observed, wanted: &BTreeSet<Ipv4Addr>) -> Result<(), PlanError> {
    let is_routed = desired.egress_addresses == EgressAddresses::Routed;
    for other in observed.addresses.iter().filter(|address| !address.is_ours) {
        let IpAddr::V4(address) = other.address else { continue };
        let device = observed.device(other.ifindex);
        // Who routes an address to a node may hold it there on loopback.
        if wanted.contains(&address) && !(is_routed && device == "lo") {
            return Err(PlanError::EgressHeld { address, device });
        }
        let Ok(net) = Ipv4Net::new(address, other.prefix_length) else { continue };
        let ends = [net.network(), net.broadcast()];
        if let Some(&address) = ends.iter().find(|end| net.prefix_len() < 31 && wanted.contains(end)) {
            return Err(PlanError::EgressBroadcast { address, net: net.trunc(), device });
        }
    }
    Ok(())
}

/// Numbers that meters mark with now, with the address their network wants; none where networks that share a
/// number want different ones.
fn marked(
    desired: &Desired,
    observed: &Observed,
    assignment: &Assignment,
) -> BTreeMap<u32, Option<Ipv4Addr>> {
    let wanted: BTreeMap<u32, Option<Ipv4Addr>> = (assignment.slots.iter().zip(&desired.networks))
        .map(|(&slot, network)| (slot, network.egress.address()))
        .collect();
    let mut marked: BTreeMap<u32, Option<Ipv4Addr>> = BTreeMap::new();
    for (slot, number) in marking(observed) {
        let address = wanted.get(&slot).copied().flatten();
        marked
            .entry(number)
            .and_modify(|other| *other = other.filter(|other| Some(*other) == address))
            .or_insert(address);
    }
    marked
}

/// Slots of networks whose packets are marked, with the number.
pub(super) fn marking(observed: &Observed) -> impl Iterator<Item = (u32, u32)> {
    let kernel = &observed.kernel;
    let slots = (0_u32..).zip(kernel.owners.iter().zip(&kernel.limits));
    slots
        .filter(|(_, (owner, _))| owner.entity != 0 && owner.kind == Owner::NETWORK)
        .map(|(slot, (_, limits))| (slot, limits[Direction::Up as usize].control().egress()))
        .filter(|(_, number)| *number != 0)
}

/// Exclusive addresses that a network takes over while others leave through them, or may: where the agent does not
/// know all connections, or the table is gone that says what marks stand for.
fn waited_for(
    desired: &Desired,
    observed: &Observed,
    assignment: &Assignment,
    numbers: &BTreeMap<Ipv4Addr, u32>,
) -> BTreeSet<Ipv4Addr> {
    let Some(egress) = &observed.egress else { return BTreeSet::new() };
    let held = held(observed);
    let is_table_there = matches!(egress.table, Table::Ours(_) | Table::Changed(_));
    let number_of: BTreeMap<u32, u32> = marking(observed).collect();
    let used: BTreeSet<(u32, u32)> = number_of.iter().map(|(&slot, &number)| (number, slot)).collect();
    let mut doubted = BTreeSet::new();
    if egress.are_connections_doubted || !is_table_there {
        doubted.extend(&held.addresses);
        doubted.extend(ours(observed).map(|(_, address)| address));
    }
    let waits = |(network, &slot): (&Network, &u32)| {
        let Egress::Exclusive(address) = network.egress else { return None };
        let now = number_of.get(&slot);
        if now.is_some_and(|now| held.egress.get(now) == Some(&address)) {
            return None;
        }
        let shall = numbers.get(&address).copied().unwrap_or_default();
        let by_others = used.range((shall, 0)..=(shall, u32::MAX)).any(|(_, user)| *user != slot);
        let is_used = by_others || doubted.contains(&address) || (!is_table_there && now.is_some());
        is_used.then_some(address)
    };
    desired.networks.iter().zip(&assignment.slots).filter_map(waits).collect()
}

/// An address keeps its number. One that is new gets one that nothing stands for: neither in the table nor, where
/// the table was lost, in a meter.
fn numbers(
    addresses: &BTreeSet<Ipv4Addr>,
    held: &BTreeMap<u32, Ipv4Addr>,
    marked: &BTreeMap<u32, Option<Ipv4Addr>>,
) -> Result<BTreeMap<Ipv4Addr, u32>, PlanError> {
    let lost = marked.iter().filter(|(number, _)| !held.contains_key(number) && **number != mark::NOWHERE);
    let lost = lost.filter_map(|(&number, address)| Some((number, (*address)?)));
    let mut numbers = BTreeMap::new();
    for (number, address) in held.iter().map(|(&number, &address)| (number, address)).chain(lost) {
        if addresses.contains(&address) {
            numbers.entry(address).or_insert(number);
        }
    }
    let mut free =
        (1..=mark::NUMBER_MAX).filter(|number| !held.contains_key(number) && !marked.contains_key(number));
    for &address in addresses {
        if let std::collections::btree_map::Entry::Vacant(entry) = numbers.entry(address) {
            let needed = (held.len() + addresses.len()) as u32;
            let full = || PlanError::Full { what: "egress addresses", capacity: mark::NUMBER_MAX, needed };
            entry.insert(free.next().ok_or_else(full)?);
        }
    }
    Ok(numbers)
}

/// An address stays on the uplink where it is; a new one goes to the first.
fn devices(
    observed: &Observed,
    uplinks: &[u32],
    addresses: &BTreeSet<Ipv4Addr>,
) -> Result<BTreeMap<Ipv4Addr, u32>, PlanError> {
    let mut here: BTreeMap<Ipv4Addr, u32> = BTreeMap::new();
    for (ifindex, address) in ours(observed) {
        let device = here.entry(address).or_insert(ifindex);
        if uplinks.contains(&ifindex) && !uplinks.contains(device) {
            *device = ifindex;
        }
    }
    let device = |address: &Ipv4Addr| {
        let here = here.get(address);
        let at_uplink = here.filter(|ifindex| uplinks.contains(ifindex));
        // While no default route is there, addresses stay where they are.
        let device = at_uplink.or(uplinks.first()).or(here);
        device.map(|&device| (*address, device)).ok_or(PlanError::EgressNowhere(*address))
    };
    addresses.iter().map(device).collect()
}

/// Addresses that the agent put on devices.
pub(super) fn ours(observed: &Observed) -> impl Iterator<Item = (u32, Ipv4Addr)> {
    let ours = observed.addresses.iter().filter(|address| address.is_ours);
    ours.filter_map(|address| match address.address {
        IpAddr::V4(v4) => Some((address.ifindex, v4)),
        IpAddr::V6(_) => None,
    })
}

fn around(desired: &Desired, observed: &Observed, uplinks: &[u32]) -> Around {
    let networks = || desired.networks.iter().filter(|network| network.egress != Egress::None);
    let zones: BTreeSet<usize> = networks().map(|network| network.zone).collect();
    let local = zones.iter().flat_map(|&zone| &desired.zones[zone].local_prefixes);
    Around {
        prefixes: outermost_v6(networks().flat_map(|network| &network.prefixes)),
        local: outermost_v6(local),
        uplinks: uplinks.iter().map(|&ifindex| observed.device(ifindex)).collect(),
    }
}

/// IPv6 prefixes that lie in no other of them, as a set of nftables takes them.
fn outermost_v6<'a>(nets: impl Iterator<Item = &'a IpNet>) -> BTreeSet<Ipv6Net> {
    let v6 = nets.filter_map(|net| match net {
        IpNet::V6(net) => Some(*net),
        IpNet::V4(_) => None,
    });
    Ipv6Net::aggregate(&v6.collect()).into_iter().collect()
}

/// What is there before a network leaves through a new address: its way back, its guard, its place in the table.
pub(super) fn opened(observed: &Observed, wanted: &WantedEgress) -> Vec<Action> {
    let mut actions = Vec::new();
    let held = held(observed);
    let change = Change {
        added: missing(&wanted.content.egress, &held.egress),
        guarded: wanted.content.addresses.difference(&held.addresses).copied().collect(),
        around: (wanted.content.around != held.around).then(|| wanted.content.around.clone()),
        ..Change::default()
    };
    let is_ours = matches!(observed.egress.as_ref().map(|egress| &egress.table), Some(Table::Ours(_)));
    if wanted.content != Content::default() && !is_ours {
        let mut content = held;
        content.apply(&change);
        actions.push(Action::MakeTable(Box::new(content)));
    } else if wanted.content != Content::default() && !change.is_empty() {
        actions.push(Action::ChangeTable(Box::new(change)));
    }
    let is_there: BTreeSet<(u32, Ipv4Addr)> = ours(observed).collect();
    let mut assigned: BTreeMap<u32, Vec<Ipv4Addr>> = BTreeMap::new();
    for (&address, &ifindex) in &wanted.devices {
        if !is_there.contains(&(ifindex, address)) {
            assigned.entry(ifindex).or_default().push(address);
        }
    }
    actions.extend(assigned.into_iter().map(|(ifindex, addresses)| Action::AssignAddresses {
        ifindex,
        device: observed.device(ifindex),
        addresses,
        announced_at: wanted.announced_at.clone(),
    }));
    actions
}

/// What goes when no network leaves through an address any more, the guard of an address after the address.
pub(super) fn closed(observed: &Observed, wanted: &WantedEgress) -> Vec<Action> {
    let Some(egress) = &observed.egress else { return Vec::new() };
    let mut removed: BTreeMap<u32, Vec<Ipv4Addr>> = BTreeMap::new();
    for (ifindex, address) in ours(observed) {
        if wanted.devices.get(&address) != Some(&ifindex) {
            removed.entry(ifindex).or_default().push(address);
        }
    }
    let mut actions: Vec<Action> = removed
        .into_iter()
        .map(|(ifindex, addresses)| Action::RemoveAddresses {
            ifindex,
            device: observed.device(ifindex),
            addresses,
        })
        .collect();
    let held = held(observed);
    let change = Change {
        removed: missing(&held.egress, &wanted.content.egress),
        unguarded: held.addresses.difference(&wanted.content.addresses).copied().collect(),
        ..Change::default()
    };
    match wanted.content == Content::default() {
        // Also where it was lost: the record of it goes.
        true if egress.table != Table::Foreign => actions.push(Action::RemoveTable),
        false if !change.is_empty() => actions.push(Action::ChangeTable(Box::new(change))),
        _ => {}
    }
    actions
}

/// What `there` lacks of `shall`.
fn missing(shall: &BTreeMap<u32, Ipv4Addr>, there: &BTreeMap<u32, Ipv4Addr>) -> BTreeMap<u32, Ipv4Addr> {
    let lacking = shall.iter().filter(|(number, address)| there.get(number) != Some(address));
    lacking.map(|(&number, &address)| (number, address)).collect()
}
