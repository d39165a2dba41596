//! TCP through shaped limits: a flow gets what its limit allows.

use std::net::SocketAddr;
use std::time::Duration;

use limiter_common::cost;
use limiter_common::meter::Direction;
use limiter_tests::shaped::{self, assert_no_drops, state};
use limiter_tests::tcp::Flows;
use limiter_tests::topology::{Topology, host_address};

const PORT: u16 = 9000;
const ROUND_TRIP_MS: u32 = 10;
/// Slow start overshoots the queue, and the flow needs some round trips to mend it. That is TCP's own
/// business on any queue that is no longer than it must be, and no part of the rate that holds.
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(5);
/// Payload in an IP packet of 1500 bytes, with the timestamps that Linux sends.
const PAYLOAD_SHARE: f64 = 1448.0 / 1500.0;

#[test]
fn a_tcp_flow_gets_what_its_limit_allows() {
    let topology = Topology::new(&[2]);
    topology.delay(ROUND_TRIP_MS);
    let limits = |rate: &str| state(&[&format!("up: {rate}"), &format!("down: {rate}")]);
    let agent = shaped::start(&topology, &limits("1Mbps"));
    let mut cells = Vec::new();
    for (rate, limit_bps) in [("5Mbps", 5_000_000), ("20Mbps", 20_000_000), ("100Mbps", 100_000_000)] {
        agent.change(&limits(rate), |_| {
            Direction::ALL.iter().all(|&direction| {
                shaped::meter(&agent, "office/web", direction).cost_per_byte == cost::per_byte(limit_bps)
            })
        });
        for direction in Direction::ALL {
            let share = goodput(&topology, direction, limit_bps);
            println!("{rate} {}: {share:.4}", direction.name());
            cells.push((rate, direction, share));
        }
    }
    assert!(cells.iter().all(|(_, _, share)| *share >= 0.97), "{cells:?}");
    assert_no_drops(&topology);
}

/// What a flow got of the payload that its limit allows.
fn goodput(topology: &Topology, direction: Direction, limit_bps: u64) -> f64 {
    let instance = topology.instance(0, 0);
    let (from, at, to) = match direction {
        Direction::Up => (&instance.namespace, &topology.host, host_address(false)),
        Direction::Down => (&topology.host, &instance.namespace, instance.address(false)),
    };
    let allowed_bps = limit_bps as f64 * PAYLOAD_SHARE;
    let arrived = Flows::start(from, at, SocketAddr::new(to, PORT), 1).finish_after(WARM_UP + MEASURED);
    assert_eq!(arrived.broken, [""; 0]);
    let start = arrived.payload.began();
    arrived.payload.rate_bps(start + WARM_UP, start + WARM_UP + MEASURED) / allowed_bps
}
