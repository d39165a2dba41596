//! The closed list of effects on a node, as data that can be printed.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use limiter_common::interface::{Interface, Zone};
use limiter_common::key::{AddressKey, Target};
use limiter_common::mark;
use limiter_common::meter::Direction;

use super::observed::Hooked;
use super::switch::Flush;
use crate::dataplane::{Limit, Prefix};
use crate::desired::{Egress, Rate};
use crate::egress::table::{Change, Content};
use crate::netlink::QdiscStep;

/// One effect. What it concerns is named for the reader; the numbers are for the kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Puts egress addresses on a device and announces them.
    AssignAddresses {
        /// The device.
        ifindex: u32,
        /// Its name.
        device: String,
        /// The addresses.
        addresses: Vec<Ipv4Addr>,
        /// Devices on whose links it is announced that they are here.
        announced_at: Vec<u32>,
    },
    /// Puts the program at a hook, in the place of another one of ours or as a new one.
    Attach {
        /// The device.
        ifindex: u32,
        /// Its name.
        device: String,
        /// Which hook.
        direction: Direction,
        /// The program that is there.
        replaces: Option<Hooked>,
    },
    /// Lets everything pass unmetered, or ends that.
    Bypass(bool),
    /// Changes elements of the table of egress addresses.
    ChangeTable(Box<Change>),
    /// Gives a free slot to an entity, with its limits.
    Claim {
        /// Identity of the entity.
        entity: u64,
        /// `Owner::INSTANCE` or `Owner::NETWORK`.
        kind: u32,
        /// Its limits in the slot.
        limit: SlotLimit,
    },
    /// Takes a program off a hook.
    Detach {
        /// The device.
        ifindex: u32,
        /// Its name.
        device: String,
        /// Which hook.
        direction: Direction,
        /// The program.
        hooked: Hooked,
    },
    /// Forgets the connections that leave through another address than their network's.
    Flush(Box<Flush>),
    /// Installs or corrects `fq` on an egress device.
    Fq {
        /// The device.
        ifindex: u32,
        /// Its name.
        device: String,
        /// What to do.
        steps: Vec<QdiscStep>,
    },
    /// Frees the number of a zone.
    FreeZone(u32),
    /// Changes the limits of a slot.
    Limit(SlotLimit),
    /// Makes the table of egress addresses, or makes it anew.
    MakeTable(Box<Content>),
    /// Sets addresses of instances.
    PutInstances(Vec<(AddressKey, Target)>),
    /// Makes a device one of ours, or changes what it is to us.
    PutInterface {
        /// Its entry.
        interface: Interface,
        /// Its name.
        device: String,
    },
    /// Sets prefixes.
    PutPrefixes(Vec<(Prefix, Target)>),
    /// Sets a zone.
    PutZone {
        /// Its number.
        number: u32,
        /// Its content.
        zone: Box<Zone>,
        /// Its name.
        name: String,
    },
    /// Frees slots that nothing leads to any more.
    Release(Vec<u32>),
    /// Takes egress addresses off a device.
    RemoveAddresses {
        /// The device.
        ifindex: u32,
        /// Its name.
        device: String,
        /// The addresses.
        addresses: Vec<Ipv4Addr>,
    },
    /// Removes addresses of instances.
    RemoveInstances(Vec<AddressKey>),
    /// Makes a device nobody's.
    RemoveInterface {
        /// Its index.
        ifindex: u32,
        /// Its name.
        device: String,
    },
    /// Removes prefixes.
    RemovePrefixes(Vec<Prefix>),
    /// Removes the table of egress addresses.
    RemoveTable,
    /// Changes the address that a network leaves through, in the word that holds its limit.
    Switch {
        /// Its limit, with the number of the address.
        limit: SlotLimit,
        /// The address.
        egress: Egress,
    },
}

/// The limits of a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotLimit {
    /// The slot.
    pub slot: u32,
    /// Up and down.
    pub limits: [Limit; 2],
    /// The entity's name.
    pub name: String,
    /// Its rates, up and down.
    pub rates: [Option<Rate>; 2],
}

impl fmt::Display for SlotLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [up, down] =
            self.rates.map(|rate| rate.map_or_else(|| "unlimited".into(), |rate| rate.to_string()));
        write!(f, "{}: up {up}, down {down}", self.name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AssignAddresses { device, addresses, .. } => {
                write!(f, "put {} on {device}", listed(addresses.iter()))
            }
            Self::Attach { device, direction, replaces: None, .. } => {
                write!(f, "attach {} to {device}", direction.name())
            }
            Self::Attach { device, direction, replaces: Some(old), .. } => {
                write!(
                    f,
                    "replace program {} by this version's at {} of {device}",
                    old.program,
                    direction.name()
                )
            }
            Self::Bypass(true) => f.write_str("bypass on: everything passes unmetered"),
            Self::Bypass(false) => f.write_str("bypass off: limits hold again"),
            Self::ChangeTable(change) => {
                let put = change.added.values().chain(&change.guarded);
                let removed = change.removed.values().chain(&change.unguarded);
                let parts = [("add", listed(put)), ("remove", listed(removed))];
                let parts = parts.into_iter().filter(|(_, list)| !list.is_empty());
                let mut parts: Vec<String> = parts.map(|(verb, list)| format!("{verb} {list}")).collect();
                parts.extend(change.around.is_some().then(|| "set what is dropped over IPv6".to_owned()));
                write!(f, "table of egress addresses: {}", parts.join(", "))
            }
            Self::Claim { limit, .. } => write!(f, "meter {limit}"),
            Self::Detach { device, direction, hooked, .. } => {
                write!(f, "detach program {} from {} of {device}", hooked.program, direction.name())
            }
            Self::Flush(flush) => match flush.through.as_deref() {
                None => f.write_str("forget connections that leave through a wrong address"),
                Some(through) => write!(
                    f,
                    "forget connections that leave through {} and no longer may",
                    listed(through.iter())
                ),
            },
            Self::Fq { device, steps, .. } => {
                let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
                write!(f, "shape on {device}: {}", steps.join("; "))
            }
            Self::FreeZone(number) => write!(f, "free zone number {number}"),
            Self::Limit(limit) => write!(f, "limit {limit}"),
            Self::MakeTable(content) => {
                write!(f, "make the table of egress addresses: {}", listed(content.egress.values()))
            }
            Self::PutInstances(entries) => {
                write!(f, "set {}", count(entries.len(), "instance address", "instance addresses"))
            }
            Self::PutInterface { device, .. } => write!(f, "take interface {device}"),
            Self::PutPrefixes(entries) => write!(f, "set {}", count(entries.len(), "prefix", "prefixes")),
            Self::PutZone { name, .. } => write!(f, "set zone {name}"),
            Self::Release(slots) => write!(f, "free {}", count(slots.len(), "slot", "slots")),
            Self::RemoveAddresses { device, addresses, .. } => {
                write!(f, "take {} off {device}", listed(addresses.iter()))
            }
            Self::RemoveInstances(keys) => {
                write!(f, "remove {}", count(keys.len(), "instance address", "instance addresses"))
            }
            Self::RemoveInterface { device, .. } => write!(f, "leave interface {device}"),
            Self::RemovePrefixes(keys) => write!(f, "remove {}", count(keys.len(), "prefix", "prefixes")),
            Self::RemoveTable => f.write_str("remove the table of egress addresses"),
            Self::Switch { limit, egress } => {
                let waits = limit.limits[Direction::Up as usize].control().egress() == mark::NOWHERE;
                match egress.address() {
                    Some(address) if waits => {
                        write!(f, "{} leaves nowhere until {address} is its own", limit.name)
                    }
                    Some(address) => write!(f, "{} leaves through {address}", limit.name),
                    None => write!(f, "{} is routed as it is", limit.name),
                }
            }
        }
    }
}

/// Few addresses by themselves, many by their count; each once.
fn listed<'a>(addresses: impl Iterator<Item = &'a Ipv4Addr>) -> String {
    const SHOWN_MAX: usize = 4;
    let addresses: BTreeSet<&Ipv4Addr> = addresses.collect();
    if addresses.len() > SHOWN_MAX {
        return count(addresses.len(), "address", "addresses");
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
