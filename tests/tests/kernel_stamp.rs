//! The delivery time that an admitted packet gets.

use std::thread;

use limiter_agent::clock::monotonic_ns;
use limiter_agent::dataplane::Limit;
use limiter_common::cost::{RATE_MAX_BPS, of_bytes, per_byte};
use limiter_common::meter::{Control, Direction};
use limiter_tests::program::scene::{INSTANCE, NETWORK, UNLIMITED, fixture, limit, of_instance};
use limiter_tests::program::{self, Context, Fixture, Outcome};

const BYTES: u16 = 1000;
const SECOND_NS: u64 = 1_000_000_000;
const LEAD_NS: i64 = 3_000_000_000;
const RATE_BPS: u64 = 3_141_592;

/// A node whose instance and network are ahead of now by so much, or idle where it is negative.
fn ahead(instance_ns: i64, network_ns: i64) -> Fixture {
    let mut fixture = fixture();
    for (slot, lead_ns) in [(INSTANCE, instance_ns), (NETWORK, network_ns)] {
        fixture.meter(slot, limit(RATE_BPS, 10 * SECOND_NS, 0));
        for direction in Direction::ALL {
            fixture.set_lead(slot, direction, lead_ns);
        }
    }
    fixture
}

/// When a meter is next free, rounded up to nanoseconds.
fn free_ns(fixture: &Fixture, slot: u32, direction: Direction) -> u64 {
    fixture.maps.meters().read(slot, direction).next_free_ticks.div_ceil(64)
}

fn send(fixture: &mut Fixture, direction: Direction, context: Context) -> Outcome {
    let outcome = fixture.run(direction, &of_instance(direction, BYTES), context);
    assert!(outcome.passes());
    outcome
}

#[test]
fn a_packet_leaves_when_both_its_meters_are_free() {
    for (instance_ns, network_ns, later) in [
        (LEAD_NS, -1, INSTANCE),
        (-1, LEAD_NS, NETWORK),
        (LEAD_NS, LEAD_NS / 2, INSTANCE),
        (1, LEAD_NS, NETWORK),
    ] {
        let mut fixture = ahead(instance_ns, network_ns);
        for direction in Direction::ALL {
            for _ in 0..3 {
                let free_ns = free_ns(&fixture, later, direction);
                assert_eq!(send(&mut fixture, direction, Context::default()).delivery_ns, free_ns);
            }
        }
    }
}

#[test]
fn packets_leave_one_cost_apart_and_within_the_bound() {
    let mut fixture = ahead(LEAD_NS, -1);
    let cost_ns = of_bytes(u64::from(BYTES), per_byte(RATE_BPS)) / 64;
    let mut last_ns = send(&mut fixture, Direction::Up, Context::default()).delivery_ns;
    let mut sent = 1;
    loop {
        let before_ns = monotonic_ns();
        let outcome = fixture.run(Direction::Up, &of_instance(Direction::Up, BYTES), Context::default());
        if !outcome.passes() {
            assert_eq!(outcome.delivery_ns, 0, "a refused packet is left as it was");
            break;
        }
        assert!((cost_ns..=cost_ns + 1).contains(&(outcome.delivery_ns - last_ns)));
        assert!(outcome.delivery_ns >= before_ns && outcome.delivery_ns <= monotonic_ns() + 10 * SECOND_NS);
        (last_ns, sent) = (outcome.delivery_ns, sent + 1);
    }
    assert!(sent as u64 * cost_ns >= 6 * SECOND_NS, "the queue has room up to the bound");
}

#[test]
fn an_idle_or_observed_meter_stamps_nothing() {
    let mut fixture = ahead(-1, -1);
    assert_eq!(send(&mut fixture, Direction::Up, Context::default()).delivery_ns, 0);
    let mut fixture = ahead(LEAD_NS, -1);
    fixture.meter(INSTANCE, limit(RATE_BPS, 10 * SECOND_NS, Control::OBSERVE));
    fixture.set_lead(INSTANCE, Direction::Up, LEAD_NS);
    assert_eq!(send(&mut fixture, Direction::Up, Context::default()).delivery_ns, 0);
    let charged = free_ns(&fixture, INSTANCE, Direction::Up);
    assert!(charged > monotonic_ns() + 2 * SECOND_NS, "what is observed and within its limit is charged");
}

/// What stands in the buffer without being a delivery time (a receive time) counts for nothing.
#[test]
fn a_time_that_is_no_delivery_time_is_ignored() {
    for theirs_ns in [1, monotonic_ns(), monotonic_ns() + 5 * SECOND_NS, u64::MAX] {
        let context = Context { delivery_ns: theirs_ns, ..Context::default() };
        let mut fixture = ahead(LEAD_NS, -1);
        let free_ns = free_ns(&fixture, INSTANCE, Direction::Up);
        assert_eq!(send(&mut fixture, Direction::Up, context).delivery_ns, free_ns);
    }
}

/// The second run finds the delivery time of the first, as if the sender had asked for it: earlier than
/// its turn.
#[test]
fn a_sender_s_own_time_does_not_bring_its_packet_forward() {
    let mut fixture = ahead(LEAD_NS, -1);
    let began_ns = free_ns(&fixture, INSTANCE, Direction::Up);
    let packet = of_instance(Direction::Up, BYTES);
    let outcome =
        program::run(&mut fixture.programs, Direction::Up, &packet, Context::default(), 2).expect("a packet");
    let cost_ns = of_bytes(u64::from(BYTES), per_byte(RATE_BPS)) / 64;
    assert!((cost_ns..=cost_ns + 1).contains(&(outcome.delivery_ns - began_ns)));
}

/// The first runs stamp a time seconds away; then the limit is lifted, and the later runs find that time
/// as if the sender had asked for it.
#[test]
fn a_sender_s_own_time_is_taken_away() {
    const RUNS: u32 = 1_000_000;
    let mut fixture = ahead(LEAD_NS, -1);
    fixture.meter(NETWORK, UNLIMITED);
    fixture.meter(INSTANCE, limit(RATE_MAX_BPS, 10 * SECOND_NS, 0));
    fixture.set_lead(INSTANCE, Direction::Up, LEAD_NS);
    let packet = of_instance(Direction::Up, BYTES);
    let (programs, meters) = (&mut fixture.programs, fixture.maps.meters());
    let outcome = thread::scope(|scope| {
        let runs = scope.spawn(|| {
            program::run(programs, Direction::Up, &packet, Context::default(), RUNS).expect("a packet")
        });
        while meters.read(INSTANCE, Direction::Up).passed_packets == 0 {
            thread::yield_now();
        }
        let limit = meters.limit(INSTANCE, Direction::Up);
        meters.set_limit(INSTANCE, Direction::Up, Limit { cost_per_byte: 0, ..limit }, monotonic_ns());
        runs.join().expect("runs")
    });
    assert_eq!(meters.read(INSTANCE, Direction::Up).passed_packets, u64::from(RUNS));
    assert_eq!(outcome.delivery_ns, 0, "a packet that need not wait leaves at once");
}
