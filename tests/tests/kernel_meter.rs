//! What the programs do to the meters, word by word.

use std::collections::BTreeMap;

use limiter_agent::clock::monotonic_ns;
use limiter_agent::dataplane::Limit;
use limiter_common::cost::{RATE_MAX_BPS, of_bytes, per_byte};
use limiter_common::gcra;
use limiter_common::interface::Interface;
use limiter_common::key::{AddressKey, Target};
use limiter_common::meter::{Control, Direction, Meter};
use limiter_common::node::{Node, Unknown};
use limiter_common::verdict::{Reason, Tally};
use limiter_tests::program::scene::{
    FOREIGN_IP, INSTANCE, INSTANCE_IP, INTERNET_IP, NETWORK, OTHER, OTHER_IP, UNKNOWN_IP, UNLIMITED, address,
    fixture, limit, of_instance, udp,
};
use limiter_tests::program::{Context, Fixture, IFINDEX};

const BYTES: u16 = 1000;
const SECOND_NS: u64 = 1_000_000_000;
/// A byte costs a millisecond, so a packet of [`BYTES`] a second: no test takes so long.
const SLOW_BPS: u64 = 8_000;
const FULL: i64 = 60_000_000_000;

/// Lets a packet of the instance through; true where it passes.
fn send(fixture: &mut Fixture, direction: Direction) -> bool {
    fixture.run(direction, &of_instance(direction, BYTES), Context::default()).passes()
}

fn meter(fixture: &Fixture, slot: u32, direction: Direction) -> Meter {
    fixture.maps.meters().read(slot, direction)
}

fn set(fixture: &Fixture, slot: u32, limit: Limit) {
    for direction in Direction::ALL {
        fixture.maps.meters().set_limit(slot, direction, limit, monotonic_ns());
    }
}

/// Every word of every meter, to be compared with a later state.
fn all(fixture: &Fixture) -> BTreeMap<(u32, Direction), Meter> {
    let slots = [NETWORK, INSTANCE, OTHER].into_iter();
    let meters = slots.flat_map(|slot| Direction::ALL.map(|direction| (slot, direction)));
    meters.map(|(slot, direction)| ((slot, direction), meter(fixture, slot, direction))).collect()
}

fn counted(fixture: &Fixture, reason: Reason, direction: Direction) -> u64 {
    fixture.tally(reason, direction).packets
}

/// Starts afresh with limit and lead (nanoseconds) of the instance and of the network.
fn arrange(fixture: &mut Fixture, instance: (Limit, i64), network: (Limit, i64)) {
    for (slot, (limit, lead_ns)) in [(INSTANCE, instance), (NETWORK, network)] {
        fixture.meter(slot, limit);
        for direction in Direction::ALL {
            fixture.set_lead(slot, direction, lead_ns);
        }
    }
}

/// A node with limit and lead of the instance and of the network.
fn limited(instance: (Limit, i64), network: (Limit, i64)) -> Fixture {
    let mut fixture = fixture();
    arrange(&mut fixture, instance, network);
    fixture
}

fn of(meters: &mut BTreeMap<(u32, Direction), Meter>, slot: u32, direction: Direction) -> &mut Meter {
    meters.get_mut(&(slot, direction)).expect("a slot of the scene")
}

/// How often a reason is counted while `run` lasts.
fn counts(
    fixture: &mut Fixture,
    reason: Reason,
    direction: Direction,
    run: impl FnOnce(&mut Fixture),
) -> Tally {
    let before = fixture.tally(reason, direction);
    run(fixture);
    let after = fixture.tally(reason, direction);
    Tally { packets: after.packets - before.packets, bytes: after.bytes - before.bytes }
}

const ONE_PACKET: Tally = Tally { packets: 1, bytes: BYTES as u64 + 14 };

#[test]
fn an_admitted_packet_is_counted_on_both_levels_and_by_no_reason() {
    let mut fixture = limited((limit(SLOW_BPS, 0, 0), 0), (UNLIMITED, 0));
    for direction in Direction::ALL {
        let mut expected = all(&fixture);
        assert!(send(&mut fixture, direction));
        for slot in [INSTANCE, NETWORK] {
            let meter = of(&mut expected, slot, direction);
            (meter.passed_bytes, meter.passed_packets) = (u64::from(BYTES), 1);
            meter.next_free_ticks = self::meter(&fixture, slot, direction).next_free_ticks;
        }
        assert_eq!(all(&fixture), expected, "{direction:?}");
        assert!(Reason::ALL.iter().all(|reason| counted(&fixture, *reason, direction) == 0));
    }
}

#[test]
fn a_refusal_by_the_instance_leaves_the_network_untouched() {
    let mut fixture = fixture();
    let slow = limit(SLOW_BPS, SECOND_NS, 0);
    for direction in Direction::ALL {
        // The network would refuse too: the instance is asked first.
        for network in [(UNLIMITED, 0), (slow, 0), (slow, FULL)] {
            arrange(&mut fixture, (slow, FULL), network);
            let mut expected = all(&fixture);
            let counted = counts(&mut fixture, Reason::InstanceLimit, direction, |fixture| {
                assert!(!send(fixture, direction));
            });
            assert_eq!(counted, ONE_PACKET);
            let meter = of(&mut expected, INSTANCE, direction);
            (meter.refused_bytes, meter.refused_packets) = (u64::from(BYTES), 1);
            assert_eq!(all(&fixture), expected, "{direction:?}");
        }
    }
}

#[test]
fn a_refusal_by_the_network_leaves_the_instance_untouched() {
    let mut fixture = fixture();
    let slow = limit(SLOW_BPS, SECOND_NS, 0);
    for direction in Direction::ALL {
        for instance in [(UNLIMITED, 0), (slow, 0), (slow, -FULL)] {
            arrange(&mut fixture, instance, (slow, FULL));
            let mut expected = all(&fixture);
            let counted = counts(&mut fixture, Reason::NetworkLimit, direction, |fixture| {
                assert!(!send(fixture, direction));
            });
            assert_eq!(counted, ONE_PACKET);
            let meter = of(&mut expected, NETWORK, direction);
            (meter.refused_bytes, meter.refused_packets) = (u64::from(BYTES), 1);
            assert_eq!(all(&fixture), expected, "{direction:?}");
        }
    }
}

#[test]
fn offline_comes_before_a_limit_and_needs_none() {
    let mut fixture = fixture();
    let offline = Limit { control: Control::OFFLINE, ..UNLIMITED };
    let offline_and_full = limit(SLOW_BPS, 0, Control::OFFLINE);
    for (instance, network, refuses) in [
        ((offline, 0), (UNLIMITED, 0), INSTANCE),
        ((offline_and_full, FULL), (UNLIMITED, 0), INSTANCE),
        ((UNLIMITED, 0), (offline, 0), NETWORK),
        ((UNLIMITED, 0), (offline_and_full, FULL), NETWORK),
        ((offline, 0), (offline, 0), INSTANCE),
    ] {
        for direction in Direction::ALL {
            arrange(&mut fixture, instance, network);
            let mut expected = all(&fixture);
            let counted = counts(&mut fixture, Reason::Offline, direction, |fixture| {
                assert!(!send(fixture, direction));
            });
            assert_eq!(counted, ONE_PACKET);
            let meter = of(&mut expected, refuses, direction);
            (meter.refused_bytes, meter.refused_packets) = (u64::from(BYTES), 1);
            assert_eq!(all(&fixture), expected);
        }
    }
}

#[test]
fn what_is_observed_passes_uncharged_and_is_counted_twice() {
    let mut fixture = fixture();
    let full = (limit(SLOW_BPS, SECOND_NS, 0), FULL);
    let observed = (limit(SLOW_BPS, SECOND_NS, Control::OBSERVE), FULL);
    let offline = (limit(SLOW_BPS, SECOND_NS, Control::OBSERVE | Control::OFFLINE), 0);
    let idle = (limit(SLOW_BPS, SECOND_NS, 0), 0);
    for (instance, network, flags, refuses) in [
        (observed, idle, 0, INSTANCE),
        (idle, observed, 0, NETWORK),
        (idle, offline, 0, NETWORK),
        (full, idle, Interface::OBSERVE, INSTANCE),
        (idle, full, Interface::OBSERVE, NETWORK),
        (full, full, Interface::OBSERVE, INSTANCE),
    ] {
        arrange(&mut fixture, instance, network);
        fixture.interface(Interface { flags, ..Interface::default() });
        let mut expected = all(&fixture);
        let counted = counts(&mut fixture, Reason::Observed, Direction::Up, |fixture| {
            let outcome = fixture.run(Direction::Up, &of_instance(Direction::Up, BYTES), Context::default());
            assert!(outcome.passes());
            assert_eq!(outcome.delivery_ns, 0, "observing delays nothing");
        });
        assert_eq!(counted, ONE_PACKET);
        for slot in [INSTANCE, NETWORK] {
            let meter = of(&mut expected, slot, Direction::Up);
            (meter.passed_bytes, meter.passed_packets) = (u64::from(BYTES), 1);
        }
        let meter = of(&mut expected, refuses, Direction::Up);
        (meter.refused_bytes, meter.refused_packets) = (u64::from(BYTES), 1);
        assert_eq!(all(&fixture), expected);
    }
}

#[test]
fn bypass_touches_nothing() {
    let full = (limit(SLOW_BPS, 0, Control::OFFLINE), FULL);
    let mut fixture = limited(full, full);
    let before = all(&fixture);
    fixture.maps.put_node(Node { flags: Node::BYPASS }).expect("node");
    for direction in Direction::ALL {
        assert!(send(&mut fixture, direction));
        assert!(fixture.run(direction, &[0; 14 + 40], Context::default()).passes());
        assert_eq!(counted(&fixture, Reason::Bypass, direction), 2);
    }
    assert_eq!(all(&fixture), before);
    fixture.maps.put_node(Node::default()).expect("node");
    assert!(!send(&mut fixture, Direction::Up));
}

#[test]
fn a_busy_meter_moves_on_by_exactly_the_cost() {
    let mut fixture = fixture();
    for direction in Direction::ALL {
        let (fast, faster) = (limit(7_654_321, 100 * SECOND_NS, 0), limit(RATE_MAX_BPS, 100 * SECOND_NS, 0));
        arrange(&mut fixture, (fast, FULL), (faster, FULL));
        let before = all(&fixture);
        assert!(send(&mut fixture, direction));
        for (slot, limit) in [(INSTANCE, fast), (NETWORK, faster)] {
            let cost = of_bytes(u64::from(BYTES), limit.cost_per_byte);
            let expected = before[&(slot, direction)].next_free_ticks + cost;
            assert_eq!(meter(&fixture, slot, direction).next_free_ticks, expected);
        }
    }
}

#[test]
fn an_idle_meter_is_brought_up_to_now() {
    let mut fixture = fixture();
    // New, idle for a minute, for years, and longer than the monotonic clock has run.
    for idle_ns in [0, FULL, i64::MAX / 128, i64::MAX / 32] {
        arrange(&mut fixture, (limit(SLOW_BPS, 0, 0), -idle_ns), (UNLIMITED, 0));
        let before_ns = monotonic_ns();
        assert!(send(&mut fixture, Direction::Up));
        let after_ns = monotonic_ns();
        let cost = of_bytes(u64::from(BYTES), per_byte(SLOW_BPS));
        let began_ns = (meter(&fixture, INSTANCE, Direction::Up).next_free_ticks - cost) / 64;
        assert!((before_ns..=after_ns).contains(&began_ns), "{before_ns} <= {began_ns} <= {after_ns}");
    }
}

/// A burst is the bound and the packet that reaches beyond it.
#[test]
fn an_idle_meter_admits_its_bound_and_one_packet() {
    let mut fixture = fixture();
    let police = limit(SLOW_BPS, 10 * SECOND_NS, 0);
    for (instance, network) in [((police, 0), (UNLIMITED, 0)), ((UNLIMITED, 0), (police, 0))] {
        arrange(&mut fixture, instance, network);
        let began_ns = monotonic_ns();
        let admitted = (0..20).take_while(|_| send(&mut fixture, Direction::Up)).count();
        assert!(monotonic_ns() - began_ns < SECOND_NS, "too slow a machine for this test");
        assert_eq!(admitted, 11);
        assert!(!send(&mut fixture, Direction::Up), "what is refused does not add to the debt, nor pay it");
        let meter = meter(&fixture, if instance.0 == police { INSTANCE } else { NETWORK }, Direction::Up);
        assert_eq!((meter.passed_packets, meter.refused_packets), (11, 2));
        let cost = of_bytes(u64::from(BYTES), per_byte(SLOW_BPS));
        assert!(gcra::is_valid(
            meter.next_free_ticks,
            monotonic_ns() * 64,
            Control(police.control).bound_ticks(),
            cost
        ));
    }
}

#[test]
fn a_packet_larger_than_the_bound_passes_when_idle_and_leaves_debt() {
    let mut fixture = limited((limit(SLOW_BPS, SECOND_NS / 10, 0), 0), (UNLIMITED, 0));
    assert!(send(&mut fixture, Direction::Up));
    let lead_ns = meter(&fixture, INSTANCE, Direction::Up).next_free_ticks / 64 - monotonic_ns();
    assert!((SECOND_NS / 2..=SECOND_NS).contains(&lead_ns), "a debt of {lead_ns} ns");
    assert!(!send(&mut fixture, Direction::Up));
    fixture.set_lead(INSTANCE, Direction::Up, -1);
    assert!(send(&mut fixture, Direction::Up));
}

#[test]
fn a_change_of_the_limit_holds_for_the_next_packet() {
    let mut fixture = limited((limit(SLOW_BPS, 100 * SECOND_NS, 0), FULL), (UNLIMITED, 0));
    for rate_bps in [1_000_000, 20_000_000, SLOW_BPS, 500_000_000] {
        set(&fixture, INSTANCE, limit(rate_bps, 100 * SECOND_NS, 0));
        let before = meter(&fixture, INSTANCE, Direction::Up).next_free_ticks;
        assert!(send(&mut fixture, Direction::Up));
        let after = meter(&fixture, INSTANCE, Direction::Up).next_free_ticks;
        assert_eq!(after - before, of_bytes(u64::from(BYTES), per_byte(rate_bps)), "{rate_bps} bit/s");
    }
    set(&fixture, INSTANCE, UNLIMITED);
    assert!(send(&mut fixture, Direction::Up), "no limit, in spite of the debt");
    set(&fixture, INSTANCE, limit(SLOW_BPS, SECOND_NS, 0));
    assert!(send(&mut fixture, Direction::Up), "debt beyond a new bound is forgiven");
    assert!(!send(&mut fixture, Direction::Up), "and no more than that");
    set(&fixture, NETWORK, Limit { control: Control::OFFLINE, ..UNLIMITED });
    set(&fixture, INSTANCE, UNLIMITED);
    assert!(!send(&mut fixture, Direction::Up), "no Internet");
}

#[test]
fn no_limit_leaves_the_time_alone() {
    let mut fixture = fixture();
    for lead_ns in [0, FULL, -FULL] {
        arrange(&mut fixture, (UNLIMITED, lead_ns), (UNLIMITED, lead_ns));
        let before = all(&fixture);
        assert!(send(&mut fixture, Direction::Up));
        for slot in [INSTANCE, NETWORK] {
            let next_free = meter(&fixture, slot, Direction::Up).next_free_ticks;
            assert_eq!(next_free, before[&(slot, Direction::Up)].next_free_ticks);
        }
    }
}

#[test]
fn a_gso_buffer_is_charged_as_its_segments() {
    // 28 bytes of headers and 3 x 300 + 72 of payload.
    let wire_bytes = u64::from(BYTES) + 3 * 28;
    let mut fixture = limited((limit(SLOW_BPS, 100 * SECOND_NS, 0), FULL), (UNLIMITED, 0));
    let before = meter(&fixture, INSTANCE, Direction::Up);
    let context = Context { gso_size: 300, ..Context::default() };
    assert!(fixture.run(Direction::Up, &of_instance(Direction::Up, BYTES), context).passes());
    let after = meter(&fixture, INSTANCE, Direction::Up);
    assert_eq!((after.passed_bytes, after.passed_packets), (wire_bytes, 4));
    assert_eq!(after.next_free_ticks - before.next_free_ticks, of_bytes(wire_bytes, per_byte(SLOW_BPS)));
}

#[test]
fn instances_share_their_network_and_nothing_else() {
    let mut fixture = limited((limit(SLOW_BPS, 0, 0), FULL), (limit(1_000_000, SECOND_NS, 0), 0));
    assert!(!send(&mut fixture, Direction::Up));
    assert!(fixture.run(Direction::Up, &udp(OTHER_IP, INTERNET_IP, BYTES), Context::default()).passes());
    assert_eq!(meter(&fixture, OTHER, Direction::Up).passed_packets, 1);
    assert_eq!(meter(&fixture, NETWORK, Direction::Up).passed_packets, 1);
    fixture.set_lead(NETWORK, Direction::Up, FULL);
    assert!(!fixture.run(Direction::Up, &udp(OTHER_IP, INTERNET_IP, BYTES), Context::default()).passes());
    assert_eq!(meter(&fixture, NETWORK, Direction::Up).refused_packets, 1);
}

#[test]
fn unknown_sources_are_listed_once_each() {
    let mut fixture = fixture();
    let mut up =
        |source| fixture.run(Direction::Up, &udp(source, INTERNET_IP, BYTES), Context::default()).passes();
    let began_ns = monotonic_ns();
    assert_eq!(
        [up(UNKNOWN_IP), up(FOREIGN_IP), up(UNKNOWN_IP), up(INSTANCE_IP)],
        [false, false, false, true]
    );
    assert!(!fixture.run(Direction::Down, &udp(INTERNET_IP, UNKNOWN_IP, BYTES), Context::default()).passes());
    let listed: BTreeMap<AddressKey, Unknown> =
        fixture.maps.unknown().expect("listing").into_iter().collect();
    assert_eq!(listed.len(), 2);
    for (ip, packets, network) in [(UNKNOWN_IP, 2, NETWORK), (FOREIGN_IP, 1, 0)] {
        let unknown = listed[&AddressKey::new(0, address(ip))];
        assert_eq!((unknown.packets, unknown.network, unknown.ifindex), (packets, network, IFINDEX));
        assert!((began_ns..=monotonic_ns()).contains(&unknown.seen_ns));
    }
    assert_eq!(counted(&fixture, Reason::Unknown, Direction::Up), 2);
    assert_eq!(counted(&fixture, Reason::Unknown, Direction::Down), 1);
    assert_eq!(counted(&fixture, Reason::Spoofed, Direction::Up), 1);
}

#[test]
fn unknown_sources_that_pass_are_not_listed() {
    let mut fixture = limited((UNLIMITED, 0), (limit(SLOW_BPS, 0, 0), 0));
    let net = address([10, 0, 0, 0].into());
    fixture.prefix(0, net, 96 + 24, Target::new(0, NETWORK, Target::UNKNOWN_BUDGET));
    fixture.interface(Interface { flags: Interface::PASS_FOREIGN, ..Interface::default() });
    let mut up =
        |source| fixture.run(Direction::Up, &udp(source, INTERNET_IP, BYTES), Context::default()).passes();
    assert_eq!(
        [up(FOREIGN_IP), up(UNKNOWN_IP), up(UNKNOWN_IP)],
        [true, true, false],
        "the network's budget holds"
    );
    assert_eq!(meter(&fixture, NETWORK, Direction::Up).passed_packets, 1);
    assert_eq!(counted(&fixture, Reason::NetworkLimit, Direction::Up), 1);
    assert_eq!(fixture.maps.unknown().expect("listing"), []);
}

#[test]
fn an_interface_is_found_behind_its_place() {
    let mut fixture = fixture();
    let interfaces = fixture.maps.interfaces();
    interfaces.remove(IFINDEX);
    for number in 1..=4 {
        let crowd = IFINDEX + number * Interface::TABLE_ENTRIES;
        interfaces.put(Interface { ifindex: crowd, ..Interface::default() }).expect("a place");
    }
    assert!(
        interfaces.put(Interface { ifindex: IFINDEX, ..Interface::default() }).is_err(),
        "no place is left"
    );
    assert!(send(&mut fixture, Direction::Up));
    assert_eq!(meter(&fixture, INSTANCE, Direction::Up).passed_packets, 0, "not ours");
    for number in (1..=4).rev() {
        let interfaces = fixture.maps.interfaces();
        interfaces.remove(IFINDEX + number * Interface::TABLE_ENTRIES);
        fixture.interface(Interface::default());
        assert!(send(&mut fixture, Direction::Up));
        assert_eq!(meter(&fixture, INSTANCE, Direction::Up).passed_packets, u64::from(5 - number));
        fixture.maps.interfaces().remove(IFINDEX);
    }
}
