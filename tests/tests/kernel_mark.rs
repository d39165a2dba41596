//! The mark by which nftables knows a network's egress address.

use limiter_agent::dataplane::Limit;
use limiter_common::interface::Interface;
use limiter_common::mark;
use limiter_common::meter::{Control, Direction};
use limiter_common::node::Node;
use limiter_tests::program::scene::{
    INSTANCE, INSTANCE_IP, NETWORK, OTHER_IP, UNLIMITED, fixture, limit, of_instance, udp,
};
use limiter_tests::program::{Context, Fixture};

const BYTES: u16 = 1000;
/// What others marked before.
const THEIRS: u32 = 0x4000;

fn through(fixture: &Fixture, limit: Limit, number: u32) {
    fixture.meter(NETWORK, limit.through(number));
}

fn mark_of(fixture: &mut Fixture, direction: Direction) -> u32 {
    let context = Context { mark: THEIRS, ..Context::default() };
    fixture.run(direction, &of_instance(direction, BYTES), context).mark
}

#[test]
fn packets_up_carry_the_number_and_keep_the_marks_of_others() {
    let mut fixture = fixture();
    fixture.meter(INSTANCE, UNLIMITED);
    for limit in
        [UNLIMITED, limit(5_000_000, 1_000_000_000, 0), limit(5_000_000, 1_000_000_000, Control::OBSERVE)]
    {
        for number in [1, 77, mark::NUMBER_MAX, mark::NOWHERE] {
            through(&fixture, limit, number);
            assert_eq!(mark_of(&mut fixture, Direction::Up), THEIRS | number << mark::SHIFT);
            assert_eq!(mark_of(&mut fixture, Direction::Down), THEIRS, "down nothing is marked");
        }
        through(&fixture, limit, 0);
        assert_eq!(mark_of(&mut fixture, Direction::Up), THEIRS, "a routed network marks nothing");
    }
}

#[test]
fn a_limit_is_the_same_with_and_without_an_address() {
    for number in [0, mark::NOWHERE] {
        let control = Control::new(30_000_000, Control::OBSERVE).with_egress(number);
        assert_eq!((control.bound_ns(), control.has(Control::OBSERVE)), (30_000_000, true));
        assert!(!control.has(Control::OFFLINE));
    }
}

#[test]
fn observed_and_bypassed_packets_are_marked_too() {
    let mut fixture = fixture();
    fixture.meter(INSTANCE, Limit { control: Control::OFFLINE, ..UNLIMITED });
    through(&fixture, UNLIMITED, 9);
    fixture.maps.put_node(Node { flags: Node::BYPASS }).expect("node");
    assert_eq!(mark_of(&mut fixture, Direction::Up), THEIRS | 9 << mark::SHIFT);
    fixture.maps.put_node(Node::default()).expect("node");
    let interfaces = fixture.maps.interfaces().all();
    let (_, interface) = interfaces.into_iter().next().expect("the fixture's interface");
    fixture.interface(Interface { flags: interface.flags | Interface::OBSERVE, ..interface });
    assert_eq!(mark_of(&mut fixture, Direction::Up), THEIRS | 9 << mark::SHIFT);
}

#[test]
fn local_packets_are_not_marked() {
    let mut fixture = fixture();
    through(&fixture, UNLIMITED, 9);
    let packet = udp(INSTANCE_IP, OTHER_IP, BYTES);
    let context = Context { mark: THEIRS, ..Context::default() };
    assert_eq!(fixture.run(Direction::Up, &packet, context).mark, THEIRS);
}
