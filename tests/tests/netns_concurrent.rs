//! Two CPUs flood one meter: what it admits, and that nothing is lost on the way.

use std::sync::Barrier;
use std::thread;

use limiter_agent::clock::monotonic_ns;
use limiter_common::cost::{of_bytes, per_byte};
use limiter_common::meter::{Control, Direction, Meter};
use limiter_tests::program::scene::{
    INSTANCE, INSTANCE_IP, INTERNET_IP, NETWORK, OTHER, OTHER_IP, UNLIMITED, fixture, limit, udp,
};
use limiter_tests::program::{self, Context, Fixture};
use rustix::thread::{CpuSet, sched_setaffinity};

const BYTES: u16 = 1500;
const RUNS: u32 = 4_000_000;

/// Both CPUs run the program [`RUNS`] times, on packets of the two instances; how long that took, nanoseconds.
fn flood(fixture: &mut Fixture, sources: [std::net::Ipv4Addr; 2]) -> u64 {
    let mut second = fixture.programs_again();
    let start = Barrier::new(2);
    let began_ns = monotonic_ns();
    thread::scope(|scope| {
        for (cpu, (programs, source)) in
            [&mut fixture.programs, &mut second].into_iter().zip(sources).enumerate()
        {
            let start = &start;
            scope.spawn(move || {
                let mut cpus = CpuSet::new();
                cpus.set(cpu);
                sched_setaffinity(None, &cpus).expect("this test needs CPUs 0 and 1");
                let packet = udp(source, INTERNET_IP, BYTES);
                start.wait();
                program::run(programs, Direction::Up, &packet, Context::default(), RUNS).expect("a packet")
            });
        }
    });
    monotonic_ns() - began_ns
}

fn meter(fixture: &Fixture, slot: u32) -> Meter {
    fixture.maps.meters().read(slot, Direction::Up)
}

/// Asserts that the meter was offered `packets` and admitted what its rate allows in `took_ns`, its bound
/// and a packet for each CPU: no more, and not much less, since the flood may start late or pause.
fn check(name: &str, meter: &Meter, packets: u32, rate_bps: u64, bound_ns: u64, took_ns: u64) {
    assert_eq!(meter.passed_packets + meter.refused_packets, u64::from(packets), "{name}: a packet is lost");
    assert_eq!(meter.passed_bytes + meter.refused_bytes, u64::from(packets) * u64::from(BYTES), "{name}");
    let cost = of_bytes(u64::from(BYTES), per_byte(rate_bps));
    let admitted = meter.passed_packets * cost / 64;
    let allowed = took_ns + bound_ns;
    let share = (admitted as f64 - bound_ns as f64) / took_ns as f64;
    println!(
        "{name}: {} of {packets} admitted, {share:.4} of the rate beside the burst",
        meter.passed_packets
    );
    assert!(admitted <= allowed + 2 * cost / 64, "{name}: {admitted} ns of packets in {allowed} ns");
    assert!(admitted as f64 >= 0.9 * allowed as f64, "{name}: only {admitted} ns of packets in {allowed} ns");
}

#[test]
fn a_busy_meter_admits_its_rate_and_burst() {
    const BOUND_NS: u64 = 100_000_000;
    for rate_bps in [50_000_000, 5_000_000_000] {
        let mut fixture = fixture();
        fixture.meter(INSTANCE, limit(rate_bps, BOUND_NS, 0));
        let took_ns = flood(&mut fixture, [INSTANCE_IP; 2]);
        check("instance", &meter(&fixture, INSTANCE), 2 * RUNS, rate_bps, BOUND_NS, took_ns);
        assert_eq!(meter(&fixture, NETWORK).passed_packets, meter(&fixture, INSTANCE).passed_packets);
    }
}

#[test]
fn a_network_s_budget_is_shared_by_instances_on_different_cpus() {
    const BOUND_NS: u64 = 100_000_000;
    const RATE_BPS: u64 = 500_000_000;
    let mut fixture = fixture();
    fixture.meter(NETWORK, limit(RATE_BPS, BOUND_NS, 0));
    for slot in [INSTANCE, OTHER] {
        fixture.meter(slot, limit(10 * RATE_BPS, BOUND_NS, 0));
    }
    let took_ns = flood(&mut fixture, [INSTANCE_IP, OTHER_IP]);
    let [network, instance, other] = [NETWORK, INSTANCE, OTHER].map(|slot| meter(&fixture, slot));
    let offered = u64::from(2 * RUNS) - instance.refused_packets - other.refused_packets;
    check("network", &network, offered as u32, RATE_BPS, BOUND_NS, took_ns);
    assert_eq!(instance.passed_packets + other.passed_packets, network.passed_packets, "both levels or none");
}

/// Every packet is admitted, so the meter's time moves on by exactly what all of them cost.
#[test]
fn no_charge_is_lost() {
    const RATE_BPS: u64 = 10_000_000_000;
    let mut fixture = fixture();
    fixture.meter(INSTANCE, limit(RATE_BPS, Control::BOUND_MAX_NS, 0));
    fixture.set_lead(INSTANCE, Direction::Up, 3_600_000_000_000);
    let before = meter(&fixture, INSTANCE).next_free_ticks;
    flood(&mut fixture, [INSTANCE_IP; 2]);
    let charged = meter(&fixture, INSTANCE).next_free_ticks - before;
    assert_eq!(charged, u64::from(2 * RUNS) * of_bytes(u64::from(BYTES), per_byte(RATE_BPS)));
}

/// A bound of nothing: the meter is idle again and again, and the CPUs race for each new turn. What a
/// race gives too much must not add up.
#[test]
fn races_for_an_idle_meter_do_not_add_up() {
    for rate_bps in [20_000_000_000, 60_000_000_000] {
        let mut fixture = fixture();
        fixture.meter(INSTANCE, limit(rate_bps, 0, 0));
        let took_ns = flood(&mut fixture, [INSTANCE_IP; 2]);
        let meter = meter(&fixture, INSTANCE);
        assert_eq!(meter.passed_packets + meter.refused_packets, u64::from(2 * RUNS));
        let cost = of_bytes(u64::from(BYTES), per_byte(rate_bps));
        let admitted = meter.passed_packets * cost / 64;
        println!(
            "{rate_bps} bit/s: {} admitted, {:.4} of the rate",
            meter.passed_packets,
            admitted as f64 / took_ns as f64
        );
        assert!(admitted <= took_ns + 2 * cost / 64, "{admitted} ns of packets in {took_ns} ns");
    }
}

#[test]
fn no_packet_is_lost_without_a_limit() {
    let mut fixture = fixture();
    for slot in [INSTANCE, NETWORK] {
        fixture.meter(slot, UNLIMITED);
    }
    flood(&mut fixture, [INSTANCE_IP; 2]);
    for slot in [INSTANCE, NETWORK] {
        let meter = meter(&fixture, slot);
        assert_eq!(meter.passed_packets, u64::from(2 * RUNS));
        assert_eq!(meter.passed_bytes, u64::from(2 * RUNS) * u64::from(BYTES));
    }
}
