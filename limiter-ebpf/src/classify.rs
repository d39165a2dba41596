//! Whose traffic a packet is.

use limiter_common::interface::Interface;
use limiter_common::key::{Address, Target};
use limiter_common::meter::Direction;
use limiter_common::verdict::Reason;

use crate::maps;
use crate::packet::Ip;

/// What a packet is to us.
pub(crate) enum Class {
    /// Internet traffic of these meters.
    Metered(Target),
    /// Decided without a meter.
    Unmetered(Reason),
    /// Refused, since its source is no instance; with the network whose prefix holds it.
    Stranger(Reason, u32),
}

/// The owner of an IP packet. The subject is the instance's address, the peer the other one.
#[inline(always)]
pub(crate) fn owner(interface: &Interface, ip: &Ip, direction: Direction) -> Class {
    let (subject, peer) = match direction {
        Direction::Up => (ip.source, ip.destination),
        Direction::Down => (ip.destination, ip.source),
    };
    // Down, a link-local IPv6 source is a neighbour (the node itself), since no router forwards it.
    if ip.destination.is_link_scope()
        || (matches!(direction, Direction::Down) && ip.source.is_v6_link_local())
    {
        return Class::Unmetered(Reason::Local);
    }
    let owner = if interface.bound == 0 { lookup(interface.zone, subject) } else { interface.bound() };
    if is_local(interface, peer, subject, owner) {
        return Class::Unmetered(Reason::Local);
    }
    if owner.instance() != 0 || (owner.network() != 0 && owner.has(Target::UNKNOWN_BUDGET)) {
        return Class::Metered(owner);
    }
    stranger(interface, owner, direction)
}

/// Exact address first; the prefix search runs only when it misses. Without an owner both slots are
/// 0: a prefix may be merely local. One word and no option, whose empty half the verifier would see
/// spilled unwritten.
#[inline(always)]
fn lookup(zone: u32, address: Address) -> Target {
    match maps::instance(zone, address) {
        Some(target) => target,
        None => maps::prefix(zone, address).unwrap_or_default(),
    }
}

/// True where `peer` is not the Internet to `owner`: a local prefix or its own network. Somebody
/// without an owner reaches local prefixes only with the address of a host that has none yet.
#[inline(always)]
fn is_local(interface: &Interface, peer: Address, subject: Address, owner: Target) -> bool {
    if !interface.may_be_local(peer) || !is_in_a_range(interface.zone, peer) {
        return false;
    }
    let Some(found) = maps::prefix(interface.zone, peer) else { return false };
    if owner.is_nobody() {
        return found.has(Target::LOCAL) && (subject.is_link_scope() || subject.is_unspecified());
    }
    found.has(Target::LOCAL) || (found.network() == owner.network() && owner.network() != 0)
}

/// True where `peer` is in one of the zone's ranges, so that only the prefix search can tell.
#[inline(always)]
fn is_in_a_range(zone: u32, peer: Address) -> bool {
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
fn stranger(interface: &Interface, owner: Target, direction: Direction) -> Class {
    match direction {
        Direction::Up if !owner.is_nobody() => Class::Stranger(Reason::Unknown, owner.network()),
        Direction::Up if !interface.has(Interface::PASS_FOREIGN) => Class::Stranger(Reason::Spoofed, 0),
        Direction::Down if !owner.is_nobody() => Class::Unmetered(Reason::Unknown),
        _ => Class::Unmetered(Reason::Foreign),
    }
}
