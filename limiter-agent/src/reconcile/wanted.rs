//! The desired state as content of the maps, given the slots and zone numbers that are taken.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use limiter_common::interface::{Interface, Zone};
use limiter_common::key::{AddressKey, Target, ZONE_BITS};
use limiter_common::meter::{Control, Direction, Owner};
use limiter_common::node::Node;

use super::bound::limit;
use super::cover;
use super::egress::{self, WantedEgress};
use super::entity::{self, Entity};
use super::error::PlanError;
use super::mode::{self, Modes};
use super::observed::Observed;
use super::slots::{self, Assignment};
use crate::dataplane::{Limit, Prefix};
use crate::desired::{Access, Desired, Limits, Policy, UnknownSources};

/// Content that the maps shall have.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The node's switches.
    pub node: Node,
    /// Zones by number.
    pub zones: BTreeMap<u32, Zone>,
    /// Networks, then instances: who has which slot.
    pub assignment: Assignment,
    /// Entities in the order of the assignment, with their identity.
    pub entities: Vec<(Entity, u64)>,
    /// Limits by slot, up and down; none in a slot of nobody.
    pub limits: Vec<[Limit; 2]>,
    /// Addresses of instances.
    pub instances: HashMap<AddressKey, Target>,
    /// Prefixes.
    pub prefixes: HashMap<Prefix, Target>,
    /// Interfaces of ours.
    pub interfaces: BTreeMap<u32, Interface>,
    /// What is in force in each zone, and why.
    pub modes: Modes,
    /// Egress addresses.
    pub egress: WantedEgress,
}

impl Wanted {
    /// Computes the content.
    pub fn of(desired: &Desired, observed: &Observed) -> Result<Self, PlanError> {
        let zone_numbers = zone_numbers(desired, &observed.kernel.zones);
        let entities = entities(desired);
        let assignment = assign(desired, &entities, &observed.kernel.owners)?;
        let matched = super::interfaces::matched(desired, observed)?;
        let modes = mode::in_force(desired, observed, &matched);
        let egress = egress::wanted(desired, observed, &assignment)?;
        let place = Places { desired, zone_numbers: &zone_numbers, slots: &assignment.slots };

        let mut prefixes = place.network_prefixes();
        let local = place.local_prefixes(observed, &matched);
        let zones = place.zones(&local);
        let maybe_local: BTreeMap<u32, u64> =
            zones.iter().map(|(&number, zone)| (number, cover::maybe_local(zone))).collect();
        let interface =
            |&ifindex: &u32, &entry: &usize| place.interface(ifindex, entry, &maybe_local, observed);
        let interfaces =
            matched.iter().map(|(ifindex, entry)| (*ifindex, interface(ifindex, entry))).collect();
        prefixes.extend(
            local.into_iter().map(|(zone, net)| (prefix(zone, net), Target::new(0, 0, Target::LOCAL))),
        );
        let mut instances = HashMap::new();
        for (index, instance) in desired.instances.iter().enumerate() {
            let zone = zone_numbers[desired.networks[instance.network].zone];
            for &net in &instance.addresses {
                let target = place.instance(index, net);
                if net.prefix_len() == net.max_prefix_len() {
                    instances.insert(AddressKey::new(zone, cover::address(net.addr())), target);
                } else {
                    prefixes.insert(prefix(zone, net), target);
                }
            }
        }
        Ok(Self {
            node: Node { flags: if desired.bypass { Node::BYPASS } else { 0 } },
            zones,
            limits: place.limits(&entities, &modes, &egress),
            entities,
            assignment,
            instances,
            prefixes,
            interfaces,
            modes,
            egress,
        })
    }
}

/// Entities with their identity, networks first.
fn entities(desired: &Desired) -> Vec<(Entity, u64)> {
    let networks = desired.networks.iter().enumerate();
    let networks =
        networks.map(|(index, network)| (Entity::Network(index), entity::hash("network", &network.id)));
    let instances = desired.instances.iter().enumerate();
    let instances =
        instances.map(|(index, instance)| (Entity::Instance(index), entity::hash("instance", &instance.id)));
    networks.chain(instances).collect()
}

fn assign(desired: &Desired, entities: &[(Entity, u64)], owners: &[Owner]) -> Result<Assignment, PlanError> {
    let mut seen: HashMap<(u64, u32), Entity> = HashMap::with_capacity(entities.len());
    for &(entity, hash) in entities {
        if let Some(other) = seen.insert((hash, entity.kind()), entity) {
            return Err(PlanError::Collision { one: name(desired, other), other: name(desired, entity) });
        }
    }
    let keys: Vec<(u64, u32)> = entities.iter().map(|&(entity, hash)| (hash, entity.kind())).collect();
    Ok(slots::assign(owners, &keys))
}

/// Name of an entity, as messages show it.
pub fn name(desired: &Desired, entity: Entity) -> String {
    match entity {
        Entity::Network(index) => format!("network {}", desired.networks[index].name),
        Entity::Instance(index) => {
            let instance = &desired.instances[index];
            format!("instance {}/{}", desired.networks[instance.network].name, instance.name)
        }
    }
}

/// Number of each desired zone: the one it has, else a free one.
fn zone_numbers(desired: &Desired, zones: &[Zone]) -> Vec<u32> {
    let owners: Vec<Owner> = [0]
        .into_iter()
        .chain(zones.iter().map(|zone| zone.entity))
        .map(|entity| Owner { entity, ..Owner::default() })
        .collect();
    let wanted: Vec<(u64, u32)> =
        desired.zones.iter().map(|zone| (entity::hash("zone", &zone.name), 0)).collect();
    slots::assign(&owners, &wanted).slots.into_iter().map(|slot| slot - 1).collect()
}

/// A key of the prefix map.
fn prefix(zone: u32, net: IpNet) -> Prefix {
    Prefix::new(ZONE_BITS + cover::mapped_bits(net), AddressKey::new(zone, cover::address(net.network())))
}

/// Where everything went: zone numbers and slots.
struct Places<'a> {
    desired: &'a Desired,
    zone_numbers: &'a [u32],
    slots: &'a [u32],
}

impl Places<'_> {
    fn network_slot(&self, index: usize) -> u32 {
        self.slots[index]
    }

    fn instance_slot(&self, index: usize) -> u32 {
        self.slots[self.desired.networks.len() + index]
    }

    /// [`Target::LOCAL`] for a prefix inside one of the zone's local ones: its addresses are not the
    /// Internet to anybody in the zone.
    fn local_flag(&self, zone: usize, net: IpNet) -> u64 {
        let local = self.desired.zones[zone].local_prefixes.iter().any(|local| local.contains(&net));
        if local { Target::LOCAL } else { 0 }
    }

    fn instance(&self, index: usize, net: IpNet) -> Target {
        let network = self.desired.instances[index].network;
        let flags = self.local_flag(self.desired.networks[network].zone, net);
        Target::new(self.instance_slot(index), self.network_slot(network), flags)
    }

    fn interface(
        &self,
        ifindex: u32,
        entry: usize,
        maybe_local: &BTreeMap<u32, u64>,
        observed: &Observed,
    ) -> Interface {
        let entry = &self.desired.interfaces[entry];
        let has_mac = observed.link(ifindex).is_none_or(|link| link.has_mac);
        let flags = [
            (!has_mac, Interface::LAYER3),
            (entry.observe, Interface::OBSERVE),
            (entry.foreign_sources == Policy::Pass, Interface::PASS_FOREIGN),
            (entry.other_ethertypes == Policy::Drop, Interface::DROP_NON_IP),
        ];
        let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
        let bound = entry.bound.map_or(0, |index| {
            Target::new(
                self.instance_slot(index),
                self.network_slot(self.desired.instances[index].network),
                0,
            )
            .0
        });
        let zone = self.zone_numbers[entry.zone];
        Interface { ifindex, zone, flags, bound, maybe_local: maybe_local.get(&zone).copied().unwrap_or(0) }
    }

    fn network_prefixes(&self) -> HashMap<Prefix, Target> {
        let mut prefixes = HashMap::new();
        for (index, network) in self.desired.networks.iter().enumerate() {
            let budget = match network.unknown_sources {
                UnknownSources::Budget => Target::UNKNOWN_BUDGET,
                UnknownSources::Drop => 0,
            };
            for &net in &network.prefixes {
                let flags = budget | self.local_flag(network.zone, net);
                prefixes.insert(
                    prefix(self.zone_numbers[network.zone], net),
                    Target::new(0, self.network_slot(index), flags),
                );
            }
        }
        prefixes
    }

    /// Prefixes that are not the Internet: the zones' own, and the node's addresses, those of an
    /// interface of ours in its zone and all others in every zone. An address that an instance has
    /// too stays the instance's.
    fn local_prefixes(&self, observed: &Observed, matched: &BTreeMap<u32, usize>) -> Vec<(u32, IpNet)> {
        let mut local = Vec::new();
        for (index, zone) in self.desired.zones.iter().enumerate() {
            let number = self.zone_numbers[index];
            local.extend(zone.local_prefixes.iter().map(|&net| (number, net)));
            let here = observed.addresses.iter().filter(|address| {
                let zone = matched.get(&address.ifindex).map(|&entry| self.desired.interfaces[entry].zone);
                // Nothing of the node answers at an egress address.
                !address.is_ours && zone.is_none_or(|zone| zone == index)
            });
            local.extend(
                here.filter(|address| is_ordinary(address.address))
                    .map(|address| (number, IpNet::from(address.address))),
            );
        }
        local
    }

    fn zones(&self, local: &[(u32, IpNet)]) -> BTreeMap<u32, Zone> {
        let mut nets: HashMap<u32, Vec<IpNet>> = HashMap::new();
        for &(zone, net) in local {
            nets.entry(zone).or_default().push(net);
        }
        for network in &self.desired.networks {
            nets.entry(self.zone_numbers[network.zone]).or_default().extend(&network.prefixes);
        }
        let zones = self.desired.zones.iter().zip(self.zone_numbers);
        zones
            .map(|(desired, &number)| {
                let ranges = cover::ranges(nets.get(&number).map_or(&[], Vec::as_slice));
                let mut zone = Zone {
                    entity: entity::hash("zone", &desired.name),
                    ranges: ranges.len() as u64,
                    ..Zone::default()
                };
                for (place, range) in zone.range.iter_mut().zip(ranges) {
                    *place = range;
                }
                (number, zone)
            })
            .collect()
    }

    fn limits(&self, entities: &[(Entity, u64)], modes: &Modes, egress: &WantedEgress) -> Vec<[Limit; 2]> {
        let both = |zone: usize, limits: &Limits, flags: u64| {
            let rates = [(Direction::Up, limits.up), (Direction::Down, limits.down)];
            rates.map(|(direction, rate)| {
                limit(modes.shaping(zone, direction), rate, modes.mtu_bytes(zone), flags)
            })
        };
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let of = |entity: Entity| match entity {
            Entity::Network(index) => {
                let network = &self.desired.networks[index];
                let offline = flag(network.internet == Access::Deny, Control::OFFLINE);
                let flags = offline | flag(network.observe, Control::OBSERVE);
                let [up, down] = both(network.zone, &network.limits, flags);
                [up.through(egress.number(network.egress)), down]
            }
            Entity::Instance(index) => {
                let instance = &self.desired.instances[index];
                let network = &self.desired.networks[instance.network];
                let offline = flag(instance.internet == Access::Deny, Control::OFFLINE);
                both(network.zone, &instance.limits, offline | flag(network.observe, Control::OBSERVE))
            }
        };
        let mut by_slot =
            vec![[Limit::default(); 2]; self.slots.iter().max().map_or(1, |&slot| slot as usize + 1)];
        for (&(entity, _), &slot) in entities.iter().zip(self.slots) {
            by_slot[slot as usize] = of(entity);
        }
        by_slot
    }
}

/// False for addresses that no packet to or from an instance has, or that are local by themselves in both
/// directions. An IPv4 link-local one (a metadata service) is so only as a destination.
fn is_ordinary(ip: IpAddr) -> bool {
    let address = cover::address(ip);
    !ip.is_loopback() && !address.is_v6_link_local() && !address.is_unspecified()
}
