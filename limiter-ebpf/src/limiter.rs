//! The way of a packet: interface, header, owner, meters, stamp.

use aya_ebpf::programs::TcContext;
use limiter_common::interface::Interface;
use limiter_common::meter::Direction;
use limiter_common::node::Node;
use limiter_common::verdict::Reason;

use crate::classify::{self, Class};
use crate::packet::{self, Packet};
use crate::{count, maps, meter};

/// The next program of the chain decides; 0 would end the chain and skip other people's filters.
const NEXT: i32 = -1;
/// `TC_ACT_SHOT`.
const DROP: i32 = 2;

/// Decides on one packet.
#[inline(always)]
pub(crate) fn run(ctx: &TcContext, direction: Direction) -> i32 {
    let reason = decide(ctx, direction);
    if !matches!(reason, Reason::Admitted | Reason::NotOurs) {
        count::reason(ctx, reason, direction);
    }
    if reason.passes() { NEXT } else { DROP }
}

#[inline(always)]
fn decide(ctx: &TcContext, direction: Direction) -> Reason {
    let Some(interface) = maps::interface(ctx) else { return Reason::NotOurs };
    // Up, a packet in bypass is looked at for its egress address alone: without it there is no way back.
    let bypass = maps::node_has(Node::BYPASS);
    if bypass && matches!(direction, Direction::Down) {
        return Reason::Bypass;
    }
    let reason = match packet::parse(ctx, interface) {
        Packet::Arp => Reason::Arp,
        Packet::Other if interface.has(Interface::DROP_NON_IP) => Reason::NonIpDropped,
        Packet::Other => Reason::NonIp,
        Packet::Malformed => Reason::Malformed,
        Packet::Ip(ip) => match classify::owner(interface, &ip, direction) {
            Class::Metered(target) => {
                if matches!(direction, Direction::Up) {
                    meter::mark(ctx, target);
                }
                if !bypass {
                    return meter::charge(ctx, interface, &ip, target, direction);
                }
                Reason::Bypass
            }
            Class::Stranger(reason, network) => {
                if !bypass {
                    maps::note_unknown(ctx, interface.zone, ip.source, network, meter::now_ns());
                }
                reason
            }
            Class::Unmetered(reason) => reason,
        },
    };
    if bypass {
        return Reason::Bypass;
    }
    if interface.has(Interface::OBSERVE) && !reason.passes() { Reason::Observed } else { reason }
}
