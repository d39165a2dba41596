//! Flows that share the uplink's queue with a throttled instance, and its delays with nobody.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use limiter_tests::one_way::{Arrived, Sink, Stream, send};
use limiter_tests::shaped::{self, assert_no_drops, state};
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp;
use rustix::process::{Resource, Rlimit, setrlimit};

const FLOWS: usize = 1000;
/// At 1 Mbps the queue is 16 packets of full size long.
const QUEUE: Duration = Duration::from_millis(192);
/// What the machine may add by itself. A flow that fq mixes with a throttled one waits for up to [`QUEUE`]:
/// on Linux 6.1 with 1024 flows that is every tenth.
const TOLERATED: Duration = Duration::from_millis(20);

#[test]
fn a_thousand_flows_of_others_wait_for_no_throttled_flow() {
    let files = Some(4 * FLOWS as u64);
    setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files }).expect("root");
    let topology = Topology::new(&[2]);
    let _agent = shaped::start(&topology, &state(&["up: 1Mbps"]));
    let alone = others(&topology, false);
    let beside = others(&topology, true);
    println!("alone {}, beside the throttled {}", show(&alone), show(&beside));
    assert!(beside.delay(0.99) <= alone.delay(0.99) + TOLERATED, "{}, alone {}", show(&beside), show(&alone));
    assert_no_drops(&topology);
}

/// Delays of a packet now and then on each flow of the unlimited instance, beside as many flows of the
/// limited one that offer twice its limit.
fn others(topology: &Topology, flood: bool) -> Arrived {
    const SECONDS: Duration = Duration::from_secs(4);
    const HEAD_START: Duration = Duration::from_secs(1);
    let [limited, other] = [0, 1].map(|place| &topology.instance(0, place).namespace);
    let [limited_to, other_to] = [9000, 9001].map(|port| SocketAddr::new(host_address(false), port));
    udp::meet(limited, &topology.host, limited_to);
    udp::meet(other, &topology.host, other_to);
    let stream = Stream {
        to: other_to,
        flows: FLOWS,
        rate_bps: 500 * 60 * 8,
        packet_bytes: 60,
        duration: SECONDS,
        delivery_ns: None,
    };
    let [limited_sink, other_sink] =
        [limited_to, other_to].map(|address| Sink::start(&topology.host, address));
    let sent = thread::scope(|scope| {
        if flood {
            let duration = HEAD_START + SECONDS;
            let flood = Stream { to: limited_to, rate_bps: 2_000_000, packet_bytes: 250, duration, ..stream };
            scope.spawn(move || send(limited, flood));
            thread::sleep(HEAD_START);
        }
        send(other, stream)
    });
    let held = limited_sink.finish_after(QUEUE * 2);
    // A collision would be seen only where the limited instance had a queue all the time.
    assert!(!flood || held.delay(0.5) >= QUEUE / 2, "{}", show(&held));
    let arrived = other_sink.finish_after(Duration::ZERO);
    assert_eq!(arrived.series.packets(), sent.packets, "some were lost");
    arrived
}

fn show(arrived: &Arrived) -> String {
    let [half, most, nearly] = [0.5, 0.9, 0.99].map(|share| arrived.delay(share));
    format!("p50 {half:?} p90 {most:?} p99 {nearly:?}")
}
