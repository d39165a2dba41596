//! A state in maps made for few instances, and traffic while they grow.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use limiter_common::cost;
use limiter_common::meter::{Direction, Meter};

use crate::agent::Agent;
use crate::topology::{Topology, host_address};
use crate::udp::{Sink, send};

/// Where the traffic goes.
pub const PORT: u16 = 9000;

/// One instance limited to 5 Mbps up and `others` without traffic, in maps made for `capacity`.
pub fn state(capacity: usize, others: usize) -> String {
    let mut state = format!(
        "version: 1\ncapacity:\n  instances: {capacity}\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    \
         prefixes: [10.10.0.0/16]\n    instances:\n      - name: web\n        addresses: [10.10.0.2]\n        up: 5Mbps\n"
    );
    for other in 0..others {
        let (high, low) = (1 + other / 250, 1 + other % 250);
        let _ = writeln!(state, "      - name: other{other}\n        addresses: [10.10.{high}.{low}]");
    }
    state
}

/// The up meter of the limited instance.
pub fn web(agent: &Agent<'_>) -> Meter {
    let maps = agent.maps();
    let meters = maps.meters();
    let mut all = (1..meters.slots()).map(|slot| meters.read(slot, Direction::Up));
    all.find(|meter| meter.cost_per_byte == cost::per_byte(5_000_000)).expect("the limited meter")
}

/// Sends at `rate_bps` for the time that `work` takes; returns the bytes offered and the bytes arrived.
pub fn under_traffic(topology: &Topology, rate_bps: u64, time: Duration, work: impl FnOnce()) -> (u64, u64) {
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    let from = &topology.instance(0, 0).namespace;
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| send(from, to, rate_bps, 1000, time));
        work();
        sender.join().expect("sender")
    });
    (sent.bytes, sink.finish().bytes())
}
