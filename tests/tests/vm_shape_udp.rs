//! Datagrams through shaped limits: counted exactly, and a sender's own delivery time changes nothing.

use std::net::SocketAddr;
use std::time::Duration;

use limiter_common::meter::Direction;
use limiter_tests::one_way::{Arrived, Sink, Stream, send};
use limiter_tests::shaped::{self, assert_no_drops, state};
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::Sent;

const LIMIT_BPS: u64 = 5_000_000;
const PACKET_BYTES: u64 = 1400;
/// 16 packets of 1500 bytes at [`LIMIT_BPS`].
const QUEUE: Duration = Duration::from_micros(38_400);
/// What the machine may add by itself.
const TOLERATED: Duration = Duration::from_millis(20);

const SECOND_NS: i64 = 1_000_000_000;
/// None, long past, seconds away, and beyond the horizon of fq, which drops what is to leave that late.
const DELIVERY_NS: [Option<i64>; 4] =
    [None, Some(-10 * SECOND_NS), Some(5 * SECOND_NS), Some(3600 * SECOND_NS)];

#[test]
fn a_senders_own_delivery_time_changes_nothing() {
    let topology = Topology::new(&[2]);
    let agent = shaped::start(&topology, &state(&["up: 5Mbps"]));
    for delivery_ns in DELIVERY_NS {
        let counted = || shaped::meter(&agent, "office/web", Direction::Up).passed_bytes;
        let before = counted();
        let (sent, arrived) = pass(&topology, Direction::Up, delivery_ns, 2 * LIMIT_BPS, PACKET_BYTES);
        let allowed_bytes = LIMIT_BPS as f64 / 8.0 * (sent.elapsed + QUEUE).as_secs_f64();
        let share = arrived.series.bytes() as f64 / allowed_bytes;
        let (excess_bytes, delay) = (arrived.series.excess_bytes(LIMIT_BPS), arrived.delay(1.0));
        println!("{delivery_ns:?}: {share:.4} of the limit, {excess_bytes} bytes beyond, {delay:?} late");
        assert!((0.99..1.005).contains(&share), "{delivery_ns:?}: {share}");
        assert!(excess_bytes <= PACKET_BYTES + bytes_in(TOLERATED), "{delivery_ns:?}: {excess_bytes}");
        assert!(delay <= QUEUE + TOLERATED, "{delivery_ns:?}: {delay:?}");
        assert_eq!(counted() - before, arrived.series.bytes(), "{delivery_ns:?}");

        let (sent, arrived) = pass(&topology, Direction::Up, delivery_ns, LIMIT_BPS / 20, PACKET_BYTES);
        let delay = arrived.delay(1.0);
        println!("{delivery_ns:?}: alone {delay:?}");
        assert_eq!(arrived.series.packets(), sent.packets, "{delivery_ns:?}");
        assert!(delay <= TOLERATED, "{delivery_ns:?}: {delay:?}");
    }
    assert_no_drops(&topology);
}

#[test]
fn what_is_counted_arrives_to_the_byte() {
    let topology = Topology::new(&[2]);
    let agent = shaped::start(&topology, &state(&["up: 5Mbps", "down: 5Mbps"]));
    for direction in Direction::ALL {
        // Hundreds of the small ones wait in one flow of fq, which by default has room for a hundred.
        for packet_bytes in [60, 400, 1400] {
            let counted = || shaped::meter(&agent, "office/web", direction);
            let before = counted();
            let (sent, arrived) = pass(&topology, direction, None, 2 * LIMIT_BPS, packet_bytes);
            let after = counted();
            let [passed, refused] =
                [after.passed_bytes - before.passed_bytes, after.refused_bytes - before.refused_bytes];
            println!("{direction:?} {packet_bytes}: {sent:?}, passed {passed}, refused {refused}");
            assert_eq!(passed, arrived.series.bytes(), "{direction:?} {packet_bytes}");
            assert_eq!(passed + refused, sent.bytes, "{direction:?} {packet_bytes}");
            assert!(refused > sent.bytes / 3, "{direction:?} {packet_bytes}: {refused} of {sent:?}");
        }
    }
    assert_no_drops(&topology);
}

/// Offers datagrams of one flow of the limited instance for two seconds.
fn pass(
    topology: &Topology,
    direction: Direction,
    delivery_ns: Option<i64>,
    rate_bps: u64,
    packet_bytes: u64,
) -> (Sent, Arrived) {
    let instance = topology.instance(0, 0);
    let (from, at, to) = match direction {
        Direction::Up => (&instance.namespace, &topology.host, host_address(false)),
        Direction::Down => (&topology.host, &instance.namespace, instance.address(false)),
    };
    let to = SocketAddr::new(to, 9000);
    let sink = Sink::start(at, to);
    let duration = Duration::from_secs(2);
    let sent = send(from, Stream { to, flows: 1, rate_bps, packet_bytes, duration, delivery_ns });
    (sent, sink.finish_after(QUEUE * 4))
}

fn bytes_in(time: Duration) -> u64 {
    (LIMIT_BPS as f64 / 8.0 * time.as_secs_f64()) as u64
}
