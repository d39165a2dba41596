//! Programs are exchanged at the hooks while packets pass: each packet is seen by exactly one of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use limiter_agent::dataplane::{Programs, attach};
use limiter_agent::netlink::Netlink;
use limiter_common::interface::{Interface, Range, Zone};
use limiter_common::key::{Address, Target};
use limiter_common::meter::Direction;
use limiter_tests::netns::Namespace;
use limiter_tests::program::Fixture;
use limiter_tests::program::scene::{INSTANCE, NETWORK, UNLIMITED, address};
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::meet;

const PORT: u16 = 9000;
const EXCHANGES: usize = 200;

/// Puts a program at a hook of a device, in the place of ours that is there.
type Attach = fn(&Programs, u32, Direction);

#[test]
fn every_packet_is_seen_once_while_programs_are_exchanged() {
    exchange(as_filter);
    if attach::has_tcx() {
        exchange(at_tcx);
    }
}

fn exchange(attach: Attach) {
    let topology = Topology::new(&[1]);
    let (instance, node, host) = (topology.instance(0, 0), &topology.node, &topology.host);
    let (up, down) = (host_address(false), IpAddr::from(instance.v4));
    meet(&instance.namespace, host, SocketAddr::new(up, PORT));
    let ifindex = node.ifindex(&instance.device);
    let fixture = fixture(instance.v4, ifindex);
    let other = fixture.programs_again();
    let attach_all = |programs: &Programs| {
        node.enter(|| Direction::ALL.map(|direction| attach(programs, ifindex, direction)));
    };
    attach_all(&fixture.programs);

    // Open until all is counted, so that nobody answers what is under way with an error; what is not
    // read is lost behind the hooks.
    let inbox = |at: &Namespace, to| at.enter(|| UdpSocket::bind(SocketAddr::new(to, PORT))).expect("socket");
    let _inboxes = [inbox(host, up), inbox(&instance.namespace, down)];
    let is_done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let is_done = &is_done;
        let flood = |from, to| scope.spawn(move || flood(from, to, is_done));
        let floods = [flood(&instance.namespace, up), flood(host, down)];
        for programs in [&other, &fixture.programs].into_iter().cycle().take(EXCHANGES) {
            attach_all(programs);
            thread::sleep(Duration::from_millis(2));
        }
        is_done.store(true, Ordering::Relaxed);
        floods.map(|flood| flood.join().expect("flood"))
    });
    thread::sleep(Duration::from_millis(300));
    for (direction, sent) in Direction::ALL.into_iter().zip(sent) {
        let meter = fixture.maps.meters().read(INSTANCE, direction);
        println!("{}: {sent} packets, {EXCHANGES} exchanges", direction.name());
        assert!(sent > EXCHANGES as u64, "{sent} packets are too few");
        assert_eq!(meter.passed_packets, sent, "{}", direction.name());
    }
}

/// Sends as fast as it can until told to stop; how many.
fn flood(from: &Namespace, to: IpAddr, is_done: &AtomicBool) -> u64 {
    let to = SocketAddr::new(to, PORT);
    let outbox = from.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).expect("socket");
    let mut sent = 0;
    while !is_done.load(Ordering::Relaxed) {
        outbox.send_to(&[0; 32], to).expect("sent");
        sent += 1;
    }
    sent
}

/// One instance of one network, without limits, behind the device.
fn fixture(instance: Ipv4Addr, ifindex: u32) -> Fixture {
    let fixture = Fixture::small();
    for slot in [NETWORK, INSTANCE] {
        fixture.meter(slot, UNLIMITED);
    }
    fixture.instance(0, address(instance), Target::new(INSTANCE, NETWORK, 0));
    let mask = Address::from_octets((u128::MAX << 8).to_be_bytes());
    let mut zone = Zone { entity: 1, ranges: 1, ..Zone::default() };
    zone.range[0] = Range { address: address(Ipv4Addr::new(10, 10, 0, 0)), mask };
    fixture.zone(0, zone);
    fixture.maps.interfaces().put(Interface { ifindex, ..Interface::default() }).expect("interface");
    fixture
}

fn at_tcx(programs: &Programs, ifindex: u32, direction: Direction) {
    let chain = attach::chain(ifindex, direction).expect("chain");
    attach::attach(programs, ifindex, direction, chain.first().copied()).expect("attached");
    assert_eq!(attach::chain(ifindex, direction).expect("chain"), [programs.ids()[direction as usize]]);
}

fn as_filter(programs: &Programs, ifindex: u32, direction: Direction) {
    const NAME: &str = "limiter-test";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut netlink = Netlink::open().expect("a socket");
        netlink.ensure_clsact(ifindex).await.expect("clsact");
        let program = programs.fd(direction);
        netlink.attach_filter(ifindex, direction, program, NAME).await.expect("attached");
        let filters = netlink.filters(ifindex, direction).await.expect("filters");
        let programs_there: Vec<u32> = filters.iter().filter_map(|filter| filter.program_id).collect();
        assert_eq!(programs_there, [programs.ids()[direction as usize]]);
    });
}
