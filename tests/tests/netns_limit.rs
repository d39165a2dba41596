//! Real traffic through the agent's limits: what arrives is what was allowed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use limiter_tests::agent::Agent;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

const PORT: u16 = 9000;
/// Bursts are spent after it, and it is left out of the rates.
const WARM_UP: Duration = Duration::from_secs(1);

/// A state with one network of one instance; `network` and `instance` are limits such as `up: 5Mbps`.
fn state(network: &str, instance: &str) -> String {
    format!(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    \
         prefixes: [10.10.0.0/24, \"fd00:10::/64\"]\n{network}    instances:\n      - name: web\n        \
         addresses: [10.10.0.2, \"fd00:10::2\"]\n{instance}"
    )
}

/// Times that a sender may get too little of the CPU, beside what else a machine does, before a test fails.
const ATTEMPTS: usize = 8;

/// Time that policing lets a sender save up.
const BURST: Duration = Duration::from_millis(100);

/// Offers twice `limit_bps`; returns what arrived without the burst over what was allowed, and the
/// most that may be: the last packet may go into debt. All that arrives is counted, not a window of
/// it, since the sink may read later than the network delivers.
fn delivered_share(topology: &Topology, up: bool, v6: bool, limit_bps: u64) -> (f64, f64) {
    let instance = topology.instance(0, 0);
    let (from, at, to) = if up {
        (&instance.namespace, &topology.host, host_address(v6))
    } else {
        (&topology.host, &instance.namespace, instance.address(v6))
    };
    let to = SocketAddr::new(to, PORT);
    // Small packets at low rates, so that one more or less is far below a percent.
    let packet_bytes = if limit_bps < 2_000_000 { 120 } else { 1400 };
    meet(from, at, to);
    for _ in 0..ATTEMPTS {
        let sink = Sink::start(at, to);
        let sent = send(from, to, limit_bps * 2, packet_bytes, Duration::from_secs(4));
        let arrived_bits = sink.finish().bytes() as f64 * 8.0;
        let allowed_bits = limit_bps as f64 * sent.elapsed.as_secs_f64();
        if sent.bytes as f64 * 8.0 < allowed_bits * 1.2 || sent.longest_pause > BURST / 2 {
            println!("too little was offered, once more: {sent:?}");
            continue;
        }
        let burst_bits = limit_bps as f64 * BURST.as_secs_f64();
        let share = (arrived_bits - burst_bits) / allowed_bits;
        return (share, 1.0 + packet_bytes as f64 * 8.0 / allowed_bits);
    }
    panic!("this machine does not send {} Mbps for four seconds", limit_bps * 2 / 1_000_000);
}

/// Both directions of one family at each rate, limited at one level.
fn hold(limit: impl Fn(&str) -> String, v6: bool) {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &limit("1Mbps"));
    for (rate, limit_bps) in
        [("500kbps", 500_000), ("5Mbps", 5_000_000), ("50Mbps", 50_000_000), ("500Mbps", 500_000_000)]
    {
        let expected = limiter_common::cost::per_byte(limit_bps);
        agent.change(&limit(rate), |maps| {
            let meters = maps.meters();
            (1..meters.slots())
                .any(|slot| meters.read(slot, limiter_common::meter::Direction::Up).cost_per_byte == expected)
        });
        for up in [true, false] {
            let (share, most) = delivered_share(&topology, up, v6, limit_bps);
            assert!((0.99..=most).contains(&share), "{rate} up={up} v6={v6}: {share}, at most {most}");
        }
    }
}

#[test]
fn an_instance_is_held_to_its_limit() {
    hold(|rate| state("", &format!("        up: {rate}\n        down: {rate}\n")), false);
}

#[test]
fn a_network_is_held_to_its_limit() {
    hold(|rate| state(&format!("    up: {rate}\n    down: {rate}\n"), ""), true);
}

#[test]
fn the_first_second_is_within_the_burst() {
    let topology = Topology::new(&[1]);
    let _agent = Agent::start(&topology.node, &state("", "        up: 5Mbps\n"));
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    // From before the first packet: a sink that reads late has less by then, never more.
    let start = Instant::now();
    send(&topology.instance(0, 0).namespace, to, 100_000_000, 1400, Duration::from_secs(2));
    let arrived = sink.finish();
    // One second of rate, the burst of 100 ms, one packet.
    let (first_bytes, allowed_bytes) =
        (arrived.bytes_until(start + Duration::from_secs(1)), 625_000 + 62_500 + 1400);
    assert!(first_bytes <= allowed_bytes, "{first_bytes} of {allowed_bytes}");
    assert!(arrived.bytes() >= 2 * 625_000, "{}", arrived.bytes());
}

#[test]
fn two_instances_share_their_networks_limit() {
    let topology = Topology::new(&[2]);
    let both = "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n    \
                up: 5Mbps\n    instances:\n      - name: a\n        addresses: [10.10.0.2]\n      - name: b\n        \
                addresses: [10.10.0.3]\n";
    let _agent = Agent::start(&topology.node, both);
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    let duration = WARM_UP + Duration::from_secs(3);
    std::thread::scope(|scope| {
        for place in 0..2 {
            let from = &topology.instance(0, place).namespace;
            scope.spawn(move || send(from, to, 5_000_000, 1400, duration));
        }
    });
    let arrived = sink.finish();
    let start = arrived.began();
    let share = arrived.rate_bps(start + WARM_UP, start + duration) / 5e6;
    assert!((0.99..=1.002).contains(&share), "{share}");
}
