//! What the programs shall do, said once more: tables searched from end to end, headers read field by
//! field, after `docs/verdicts.md` and the RFCs. It shares names with the product, but no step.

mod header;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use limiter_common::meter::Direction;
use limiter_common::verdict::Reason;

use header::{Header, Packet};

/// Whose meters an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Slot of the instance.
    pub instance: Option<u32>,
    /// Slot of the network.
    pub network: u32,
    /// The network's budget holds unknown sources.
    pub budget: bool,
}

/// A prefix of a zone; one that is only local has no owner.
#[derive(Clone, Copy, Debug)]
pub struct Prefix {
    /// Its addresses.
    pub net: IpNet,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// It is not the Internet to anybody in the zone.
    pub local: bool,
}

/// Addresses and prefixes of a zone.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// Addresses of instances.
    pub instances: Vec<(IpAddr, Owner)>,
    /// Prefixes, each once.
    pub prefixes: Vec<Prefix>,
}

/// An interface of ours.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Port {
    /// Its zone.
    pub zone: usize,
    /// The device has no MAC header.
    pub layer3: bool,
    /// Nothing is refused.
    pub observe: bool,
    /// Foreign sources pass.
    pub pass_foreign: bool,
    /// Other `EtherType`s are dropped.
    pub drop_non_ip: bool,
    /// The instance that every address on it is.
    pub bound: Option<Owner>,
}

/// What a meter answers, kept the same by the test for as long as it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// It refuses everything.
    pub offline: bool,
    /// It is over its limit.
    pub full: bool,
    /// It only observes.
    pub observe: bool,
}

/// All that a verdict depends on beside the packet.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The node's bypass.
    pub bypass: bool,
    /// The interface; none for one that is not ours.
    pub port: Option<Port>,
    /// Zones by number.
    pub zones: Vec<Zone>,
    /// Meters by slot and direction; one that is missing is within its limit.
    pub meters: BTreeMap<(u32, Direction), Meter>,
}

/// Bytes and packets, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// IP bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub reason: Reason,
    /// Slots whose passed counters grow.
    pub passed: Vec<u32>,
    /// The slot whose refused counters grow.
    pub refused: Option<u32>,
    /// By how much either grows.
    pub volume: Volume,
    /// The source that is listed as unknown, with its network's slot or 0.
    pub listed: Option<(IpAddr, u32)>,
}

impl Decision {
    fn unmetered(reason: Reason) -> Self {
        Self { reason, passed: Vec::new(), refused: None, volume: Volume::default(), listed: None }
    }
}

impl World {
    /// Decides on `frame`, whose segments have `gso_size` bytes of payload, or which is one packet.
    pub fn decide(&self, frame: &[u8], gso_size: u32, direction: Direction) -> Decision {
        let Some(port) = self.port else { return Decision::unmetered(Reason::NotOurs) };
        if self.bypass {
            return Decision::unmetered(Reason::Bypass);
        }
        let decision = match header::read(frame, gso_size, port.layer3) {
            None => Decision::unmetered(Reason::Malformed),
            Some(Packet::Arp) => Decision::unmetered(Reason::Arp),
            Some(Packet::Other) if port.drop_non_ip => Decision::unmetered(Reason::NonIpDropped),
            Some(Packet::Other) => Decision::unmetered(Reason::NonIp),
            Some(Packet::Ip(header)) => self.of_ip(&port, &header, direction),
        };
        let observed = port.observe && !decision.reason.passes();
        Decision { reason: if observed { Reason::Observed } else { decision.reason }, ..decision }
    }

    fn of_ip(&self, port: &Port, header: &Header, direction: Direction) -> Decision {
        let (subject, peer) = match direction {
            Direction::Up => (header.source, header.destination),
            Direction::Down => (header.destination, header.source),
        };
        let neighbour = direction == Direction::Down && is_v6_link_local(header.source);
        if stays_on_link(header.destination) || neighbour {
            return Decision::unmetered(Reason::Local);
        }
        let zone = &self.zones[port.zone];
        let owner = port.bound.or_else(|| zone.owner(subject));
        let around = zone.around(peer);
        let is_local = around.is_some_and(|prefix| prefix.local);
        let same_network = |owner: Owner| {
            around.and_then(|prefix| prefix.owner).is_some_and(|other| other.network == owner.network)
        };
        match owner {
            Some(owner) if is_local || same_network(owner) => Decision::unmetered(Reason::Local),
            None if is_local && has_no_address(subject) => Decision::unmetered(Reason::Local),
            Some(owner) if owner.instance.is_some() || owner.budget => {
                self.metered(port, owner, header.volume, direction)
            }
            owner => stranger(port, owner, subject, direction),
        }
    }

    fn metered(&self, port: &Port, owner: Owner, volume: Volume, direction: Direction) -> Decision {
        let levels = [(owner.instance, Reason::InstanceLimit), (Some(owner.network), Reason::NetworkLimit)];
        let levels = levels.into_iter().filter_map(|(slot, limit)| slot.map(|slot| (slot, limit)));
        let slots: Vec<u32> = levels.clone().map(|(slot, _)| slot).collect();
        for (slot, limit) in levels {
            let meter = self.meters.get(&(slot, direction)).copied().unwrap_or_default();
            let reason = match meter {
                Meter { offline: true, .. } => Reason::Offline,
                Meter { full: true, .. } => limit,
                _ => continue,
            };
            let observed = meter.observe || port.observe;
            return Decision {
                reason: if observed { Reason::Observed } else { reason },
                passed: if observed { slots } else { Vec::new() },
                refused: Some(slot),
                volume,
                listed: None,
            };
        }
        Decision { reason: Reason::Admitted, passed: slots, refused: None, volume, listed: None }
    }
}

impl Zone {
    fn owner(&self, address: IpAddr) -> Option<Owner> {
        let exact = self.instances.iter().find(|(of, _)| *of == address).map(|(_, owner)| *owner);
        exact.or_else(|| self.around(address)?.owner)
    }

    /// The longest prefix that holds the address.
    fn around(&self, address: IpAddr) -> Option<&Prefix> {
        let holding = self.prefixes.iter().filter(|prefix| prefix.net.contains(&address));
        holding.max_by_key(|prefix| prefix.net.prefix_len())
    }
}

fn stranger(port: &Port, owner: Option<Owner>, subject: IpAddr, direction: Direction) -> Decision {
    let reason = match (owner, direction) {
        (Some(_), _) => Reason::Unknown,
        (None, Direction::Up) if !port.pass_foreign => Reason::Spoofed,
        (None, _) => Reason::Foreign,
    };
    let listed = direction == Direction::Up && reason != Reason::Foreign;
    let listed = listed.then(|| (subject, owner.map_or(0, |owner| owner.network)));
    Decision { listed, ..Decision::unmetered(reason) }
}

fn is_v6_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn stays_on_link(address: IpAddr) -> bool {
    let of_v4 = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.is_link_local());
    of_v4 || address.is_multicast() || is_v6_link_local(address)
}

/// The source of a host that has none yet, or only one for its link.
fn has_no_address(address: IpAddr) -> bool {
    address.is_unspecified() || stays_on_link(address)
}
