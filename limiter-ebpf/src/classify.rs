//! Whose traffic a packet is.

use aya_ebpf::programs::TcContext;
use limiter_common::interface::Interface;
use limiter_common::key::{Address, Target};
use limiter_common::meter::Direction;
use limiter_common::verdict::Reason;

use crate::packet::Ip;
use crate::{maps, meter};

/// What a packet is to us.
pub(crate) enum Class {
    /// Internet traffic of these meters.
    Metered(Target),
    /// Decided without a meter.
    Unmetered(Reason),
}

/// The owner of an IP packet. The subject is the instance's address, the peer the other one.
#[inline(always)]
pub(crate) fn owner(ctx: &TcContext, interface: &Interface, ip: &Ip, direction: Direction) -> Class {
    let (subject, peer) = match direction {
        Direction::Up => (ip.source, ip.destination),
        Direction::Down => (ip.destination, ip.source),
    };
    // Down, a link-local IPv6 source is a neighbour (the node itself), since no router forwards it.
    if ip.destination.is_link_scope() || (matches!(direction, Direction::Down) && ip.source.is_v6_link_local()) {
        return Class::Unmetered(Reason::Local);
    }
    let owner = if interface.bound == 0 { lookup(interface.zone, subject) } else { Some(interface.bound()) };
    if is_local(interface.zone, peer, subject, owner) {
        return Class::Unmetered(Reason::Local);
    }
    match owner {
        Some(target) if target.instance() != 0 || target.has(Target::UNKNOWN_BUDGET) => Class::Metered(target),
        owner => stranger(ctx, interface, subject, owner, direction),
    }
}

/// Exact address first; the prefix search runs only when it misses. A prefix that is merely local
/// has no owner.
#[inline(always)]
fn lookup(zone: u32, address: Address) -> Option<Target> {
    maps::instance(zone, address).or_else(|| maps::prefix(zone, address).filter(|target| target.network() != 0))
}

/// True where `peer` is not the Internet to `owner`: a local prefix or its own network. Somebody
/// without an owner reaches local prefixes only with the address of a host that has none yet.
#[inline(always)]
fn is_local(zone: u32, peer: Address, subject: Address, owner: Option<Target>) -> bool {
    if !may_be_local(zone, peer) {
        return false;
    }
    let Some(found) = maps::prefix(zone, peer) else { return false };
    match owner {
        Some(owner) => found.has(Target::LOCAL) || (found.network() == owner.network() && owner.network() != 0),
        None => found.has(Target::LOCAL) && (subject.is_link_scope() || subject.is_unspecified()),
    }
}

/// True where `peer` is in one of the zone's ranges, so that only the prefix search can tell.
#[inline(always)]
fn may_be_local(zone: u32, peer: Address) -> bool {
    let Some(zone) = maps::zone(zone) else { return false };
    let ranges = zone.ranges as usize;
    for (number, range) in zone.range.iter().enumerate() {
        if number >= ranges {
            return false;
        }
        if range.contains(peer) {
            return true;
        }
    }
    false
}

/// An address that is no instance. Up, it may be a spare address that would escape its rule, or a
/// forged one; down, what is outside every network was never ours.
#[inline(always)]
fn stranger(
    ctx: &TcContext,
    interface: &Interface,
    subject: Address,
    owner: Option<Target>,
    direction: Direction,
) -> Class {
    let reason = match (owner, direction) {
        (Some(_), _) => Reason::Unknown,
        (None, Direction::Down) => Reason::Foreign,
        (None, Direction::Up) if interface.has(Interface::PASS_FOREIGN) => Reason::Foreign,
        (None, Direction::Up) => Reason::Spoofed,
    };
    if matches!(direction, Direction::Up) && !reason.passes() {
        let network = owner.map_or(0, Target::network);
        maps::note_unknown(ctx, interface.zone, subject, network, meter::now_ns());
    }
    Class::Unmetered(reason)
}
