//! What arrives of what is offered: UDP in one direction for some seconds.

use std::net::SocketAddr;
use std::time::Duration;

use crate::topology::{Instance, Topology, host_address};
use crate::udp::{Sink, meet, send};

/// Where the sinks listen.
const PORT: u16 = 9000;
/// Bursts are spent after it, and it is left out of the rates.
const WARM_UP: Duration = Duration::from_secs(1);
/// Time that is measured.
const MEASURED: Duration = Duration::from_secs(3);
/// Bytes of a packet.
const PACKET_BYTES: u64 = 1200;

/// The rate that arrives at the Internet host of `offered_bps` from an instance, IP bits a second.
pub fn up_bps(topology: &Topology, instance: &Instance, offered_bps: u64) -> f64 {
    arrives(topology, instance, true, offered_bps)
}

/// The rate that arrives at an instance of `offered_bps` from the Internet host, IP bits a second.
pub fn down_bps(topology: &Topology, instance: &Instance, offered_bps: u64) -> f64 {
    arrives(topology, instance, false, offered_bps)
}

fn arrives(topology: &Topology, instance: &Instance, up: bool, offered_bps: u64) -> f64 {
    let (from, at, to) = if up {
        (&instance.namespace, &topology.host, host_address(false))
    } else {
        (&topology.host, &instance.namespace, instance.address(false))
    };
    let to = SocketAddr::new(to, PORT);
    meet(from, at, to);
    let sink = Sink::start(at, to);
    send(from, to, offered_bps, PACKET_BYTES, WARM_UP + MEASURED);
    let arrived = sink.finish();
    arrived.rate_bps(arrived.began() + WARM_UP, arrived.began() + WARM_UP + MEASURED)
}

/// What arrives at the Internet host of a few packets from an instance, in bytes.
pub fn reaches_bytes(topology: &Topology, instance: &Instance) -> u64 {
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    send(&instance.namespace, to, 1_000_000, PACKET_BYTES, Duration::from_millis(500));
    sink.finish().bytes()
}
