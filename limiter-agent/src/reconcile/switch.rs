//! The order in which a network changes its egress address: the lower limit first, then the address, then its
//! connections, then the higher limit. Pure.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use limiter_common::key::{AddressKey, Target};
use limiter_common::mark;
use limiter_common::meter::{Control, Direction};

use super::action::{Action, SlotLimit};
use super::bound::Shaping;
use super::egress;
use super::entity::Entity;
use super::observed::Observed;
use super::plan::slot_limit;
use super::wanted::Wanted;
use crate::dataplane::{Limit, Prefix};
use crate::desired::{Desired, Rate};
use crate::egress::table::Table;
use crate::reading::rate_bps;

/// Changes of limits, by their place in the order.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// What lowers limits of networks that change their address, and all of others.
    pub(super) before: Vec<Action>,
    /// What changes addresses.
    pub(super) switched: Vec<Action>,
    /// What raises limits of networks that changed their address.
    pub(super) after: Vec<Action>,
    /// Indices of networks whose packets get another mark, with the number before.
    switching: HashMap<usize, u32>,
}

/// The changes of limits of slots that have their owner already. Where all connections are in `doubt`, every
/// network may have some that leave through an address it had.
pub(super) fn limits(desired: &Desired, observed: &Observed, wanted: &Wanted, doubt: bool) -> Limits {
    let mut limits = Limits { switching: switching(desired, observed, wanted), ..Limits::default() };
    let claims = &wanted.assignment.claims;
    for (place, &slot) in wanted.assignment.slots.iter().enumerate() {
        let new = wanted.limits[slot as usize];
        let old = observed.kernel.limits.get(slot as usize).copied();
        if claims.binary_search(&place).is_ok() || old == Some(new) {
            continue;
        }
        let limit = slot_limit(desired, wanted, place);
        let (network, old) = (network_of(desired, wanted, place), old.unwrap_or_default());
        let switches = limits.switching.get(&network).copied();
        if switches.is_none() && !doubt {
            limits.before.push(Action::Limit(limit));
            continue;
        }
        let is_network = matches!(wanted.entities[place].0, Entity::Network(_));
        let number = if is_network { new[Direction::Up as usize].control().egress() } else { 0 };
        let of = |limits: [Limit; 2], number| {
            let [up, down] = limits;
            [up.through(number), down]
        };
        let lower = [stricter(old[0], new[0]), stricter(old[1], new[1])];
        let first = of(lower, switches.filter(|_| is_network).unwrap_or(number));
        if first != old {
            limits.before.push(Action::Limit(of_limits(&limit, first)));
        }
        let then = of(lower, number);
        if then != first {
            let egress = desired.networks[network].egress;
            limits.switched.push(Action::Switch { limit: of_limits(&limit, then), egress });
        }
        if then != new {
            limits.after.push(Action::Limit(limit));
        }
    }
    limits
}

/// Networks whose number changes. One that is new had none.
fn switching(desired: &Desired, observed: &Observed, wanted: &Wanted) -> HashMap<usize, u32> {
    let claims = &wanted.assignment.claims;
    let networks = wanted.assignment.slots.iter().take(desired.networks.len()).enumerate();
    let up = Direction::Up as usize;
    networks
        .filter_map(|(network, &slot)| {
            let is_new = claims.binary_search(&network).is_ok();
            let old = observed.kernel.limits.get(slot as usize).filter(|_| !is_new);
            let old = old.map_or(0, |limits| limits[up].control().egress());
            let new = wanted.limits[slot as usize][up].control().egress();
            (old != new).then_some((network, old))
        })
        .collect()
}

/// Index of the network that an entity is, or is in.
fn network_of(desired: &Desired, wanted: &Wanted, place: usize) -> usize {
    match wanted.entities[place].0 {
        Entity::Instance(index) => desired.instances[index].network,
        Entity::Network(index) => index,
    }
}

/// A limit that admits nothing that either would refuse.
fn stricter(a: Limit, b: Limit) -> Limit {
    let kept = if b.cost_per_byte > a.cost_per_byte { b } else { a };
    let (one, other) = (a.control(), b.control());
    let offline = (one.0 | other.0) & Control::OFFLINE;
    let observe = one.0 & other.0 & Control::OBSERVE;
    Limit { control: Control::new(kept.control().bound_ns(), offline | observe).0, ..kept }
}

/// Other limits of the same owner.
fn of_limits(owner: &SlotLimit, limits: [Limit; 2]) -> SlotLimit {
    let rates = limits.map(|limit| rate_bps(limit.cost_per_byte).and_then(|bps| Rate::new(bps).ok()));
    SlotLimit { limits, rates, ..owner.clone() }
}

/// Connections to be forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Flush {
    /// Only those that leave through one of these are looked at; none: all.
    pub through: Option<Vec<Ipv4Addr>>,
    /// Which are wrong.
    pub wrong: Wrong,
    /// Slots whose packets may wait in `fq` with the address they had.
    pub queues: Vec<u32>,
}

/// Tells connections that leave through an address which is not their network's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wrong {
    /// Prefixes of networks with an egress address, sorted and disjoint, with network and address.
    sources: Vec<(Ipv4Net, usize, Ipv4Addr)>,
    /// Every egress address, those that go included.
    ours: BTreeSet<Ipv4Addr>,
    /// What is not the Internet.
    local: Vec<Ipv4Net>,
}

impl Wrong {
    /// True where a connection of `source` with `destination` may not leave through `through`, the source's own
    /// address where none is in its place.
    pub fn is_wrong(&self, source: Ipv4Addr, destination: Ipv4Addr, through: Ipv4Addr) -> bool {
        let owner = self.owner(source);
        if self.ours.contains(&through) {
            return owner.map(|(_, _, address)| address) != Some(&through);
        }
        let Some((_, network, _)) = owner else { return false };
        let is_inside = self.owner(destination).is_some_and(|(_, other, _)| other == network);
        !is_inside && !self.is_local(destination)
    }

    fn owner(&self, address: Ipv4Addr) -> Option<&(Ipv4Net, usize, Ipv4Addr)> {
        let after = self.sources.partition_point(|(net, ..)| net.addr() <= address);
        self.sources[..after].last().filter(|(net, ..)| net.contains(&address))
    }

    fn is_local(&self, address: Ipv4Addr) -> bool {
        address.is_multicast()
            || address.is_broadcast()
            || address.is_link_local()
            || self.local.iter().any(|net| net.contains(&address))
    }
}

/// True where any connection may leave through another address than its network's: nobody looked since an agent
/// ended or the table was made anew, or prefixes and instances move between networks.
pub(super) fn doubt(
    observed: &Observed,
    wanted: &Wanted,
    put_prefixes: &[(Prefix, Target)],
    put_instances: &[(AddressKey, Target)],
) -> bool {
    let Some(egress) = &observed.egress else { return !wanted.egress.content.egress.is_empty() };
    let marking: BTreeSet<u32> = egress::marking(observed).map(|(slot, _)| slot).collect();
    let is_used = !wanted.egress.content.egress.is_empty()
        || !egress::held(observed).egress.is_empty()
        || !marking.is_empty()
        || egress::ours(observed).next().is_some();
    if !is_used {
        return false;
    }
    let has_address = |slot: u32| {
        let limits = wanted.limits.get(slot as usize);
        limits.is_some_and(|limits| limits[0].control().egress() != 0) || marking.contains(&slot)
    };
    let is_moved = |old: u32, new: u32| old != new && (has_address(old) || has_address(new));
    let kernel = &observed.kernel;
    let moved_prefix = put_prefixes.iter().any(|(key, new)| {
        let old = kernel.prefixes.get(key).map_or(0, |old| old.network());
        is_moved(old, new.network())
    });
    let moved_instance = put_instances.iter().any(|(key, new)| {
        // The address of a new instance was its network's before, known or not.
        kernel.instances.get(key).is_some_and(|old| is_moved(old.network(), new.network()))
    });
    let is_made_anew = !matches!(egress.table, Table::Ours(_));
    is_made_anew || egress.are_connections_doubted || moved_prefix || moved_instance
}

/// The flush that the changes need, where they need one.
pub(super) fn flush(
    desired: &Desired,
    observed: &Observed,
    wanted: &Wanted,
    limits: &Limits,
    doubt: bool,
) -> Option<Flush> {
    let held = egress::held(observed);
    // What was not translated before is found among all connections alone.
    let is_untranslated = |number: &u32| *number != mark::NOWHERE && !held.egress.contains_key(number);
    let all = doubt || limits.switching.values().any(is_untranslated);
    let number_of: HashMap<u32, u32> = egress::marking(observed).collect();
    let released = wanted.assignment.releases.iter().filter_map(|slot| number_of.get(slot));
    let before = limits.switching.values().chain(released).filter_map(|number| held.egress.get(number));
    let going = held.egress.iter().filter(|entry| !wanted.egress.content.egress.contains_key(entry.0));
    let through: BTreeSet<Ipv4Addr> = before.chain(going.map(|(_, address)| address)).copied().collect();
    if !all && through.is_empty() {
        return None;
    }
    let ours = held.egress.values().chain(&held.addresses).chain(&wanted.egress.content.addresses).copied();
    let ours = ours.chain(egress::ours(observed).map(|(_, address)| address));
    Some(Flush {
        through: (!all).then(|| through.into_iter().collect()),
        wrong: Wrong { ours: ours.collect(), ..wrong(desired, observed) },
        queues: queues(desired, wanted, limits),
    })
}

fn wrong(desired: &Desired, observed: &Observed) -> Wrong {
    let v4 = |net: &IpNet| match net {
        IpNet::V4(net) => Some(*net),
        IpNet::V6(_) => None,
    };
    let mut sources: Vec<(Ipv4Net, usize, Ipv4Addr)> = Vec::new();
    let mut zones = BTreeSet::new();
    for (index, network) in desired.networks.iter().enumerate() {
        if let Some(address) = network.egress.address() {
            sources.extend(network.prefixes.iter().filter_map(v4).map(|net| (net, index, address)));
            zones.insert(network.zone);
        }
    }
    sources.sort_unstable_by_key(|(net, ..)| *net);
    let mut local: Vec<Ipv4Net> =
        zones.iter().flat_map(|&zone| &desired.zones[zone].local_prefixes).filter_map(v4).collect();
    local.extend(observed.addresses.iter().filter(|address| !address.is_ours).filter_map(|address| {
        match address.address {
            IpAddr::V4(v4) => Some(Ipv4Net::from(v4)),
            IpAddr::V6(_) => None,
        }
    }));
    Wrong { sources, ours: BTreeSet::new(), local: Ipv4Net::aggregate(&local) }
}

/// Slots of networks that change their address and of their instances, where packets up wait for their turn.
fn queues(desired: &Desired, wanted: &Wanted, limits: &Limits) -> Vec<u32> {
    let mut queues = Vec::new();
    for &network in limits.switching.keys() {
        let entry = &desired.networks[network];
        if wanted.modes.shaping(entry.zone, Direction::Up) == Shaping::Shape {
            queues.push(wanted.assignment.slots[network]);
            let instances = entry.instances.clone().map(|index| desired.networks.len() + index);
            queues.extend(instances.map(|place| wanted.assignment.slots[place]));
        }
    }
    queues
}
