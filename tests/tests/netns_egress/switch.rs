//! A network changes its address while thousands of connections are open.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use limiter_tests::agent::Agent;
use limiter_tests::mirror::{Mirror, Seen};
use limiter_tests::netns::Namespace;
use limiter_tests::observer::counters;
use limiter_tests::topology::{HOST_V4, Topology};

use super::{GOLD, PORT, SHARED, exclusive, seems, shared, state, to};

/// Connections that are open during a switch, as many as the decision asks for.
const CONNECTIONS: u16 = 10_000;

/// Writes the state and waits until the agent says that it is in force; returns how long that took.
pub(crate) fn to_state(agent: &mut Agent<'_>, notices: &UnixDatagram, state: &str) -> Duration {
    let mut buffer = [0; 4096];
    notices.set_nonblocking(true).expect("a socket");
    while notices.recv(&mut buffer).is_ok() {}
    notices.set_nonblocking(false).expect("a socket");
    let start = Instant::now();
    agent.write_state(state);
    agent.wait_for_notice(notices, |line| line == "READY=1");
    start.elapsed()
}

/// Tracked connections of the node that leave through an address.
pub(crate) fn connections(node: &Namespace, through: Ipv4Addr) -> usize {
    node.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut netfilter = limiter_agent::netlink::Netfilter::open().expect("a socket");
            netfilter.connections(Some(through), |_| true).await.expect("connections").len()
        })
    })
}

/// Sends a packet on each of many connections of one instance, again and again until `stop`.
fn keep_open(from: &Namespace, stop: &AtomicBool, rounds_min: usize) {
    from.enter(|| {
        let socket = UdpSocket::bind(("0.0.0.0", 5000)).expect("socket");
        let mut rounds = 0;
        while rounds < rounds_min || !stop.load(Ordering::Relaxed) {
            for port in 20_000..20_000 + CONNECTIONS {
                let _ = socket.send_to(b"open", (HOST_V4, port));
            }
            rounds += 1;
            // The agent is to be measured, not how it starves.
            thread::sleep(Duration::from_millis(20));
        }
    });
}

/// Counts on the host what comes from each of the addresses.
fn count(host: &Namespace) {
    host.run("nft add table netdev watch");
    host.run("nft add chain netdev watch arrival { type filter hook ingress device eth0 priority 0 ; }");
    for (name, address) in [("gold", GOLD), ("shared", SHARED)] {
        host.run(&format!("nft add counter netdev watch {name}"));
        host.run(&format!("nft add rule netdev watch arrival ip saddr {address} counter name {name}"));
    }
    host.run("nft add counter netdev watch inside");
    host.run("nft add rule netdev watch arrival ip saddr 10.0.0.0/8 counter name inside");
}

fn counted(host: &Namespace, name: &str) -> u64 {
    counters(host, "netdev watch")[name].packets
}

#[test]
fn after_the_acknowledgement_no_packet_uses_the_old_address_whatever_was_open() {
    let topology = Topology::new(&[1]);
    let instance = &topology.instance(0, 0).namespace;
    count(&topology.host);
    let [gold, basic, none] = [exclusive(GOLD), shared(SHARED), "egress: none".to_owned()];
    let mut agent = Agent::stopped(&topology.node, &state(&[&gold]));
    let notices = agent.launch_watched(None);
    let stop = AtomicBool::new(false);
    let mut times = Vec::new();
    thread::scope(|scope| {
        keep_open(instance, &AtomicBool::new(true), 2);
        scope.spawn(|| keep_open(instance, &stop, 1));
        for (fields, old, new) in [
            (&basic, Some((GOLD, "gold")), Some((SHARED, "shared"))),
            (&gold, Some((SHARED, "shared")), Some((GOLD, "gold"))),
            (&none, Some((GOLD, "gold")), None),
            (&gold, None, Some((GOLD, "gold"))),
        ] {
            let open =
                old.map_or(usize::from(CONNECTIONS), |(address, _)| connections(&topology.node, address));
            let time = to_state(&mut agent, &notices, &state(&[fields]));
            let name = |address: Option<(Ipv4Addr, &'static str)>| address.map_or("inside", |(_, name)| name);
            let left = counted(&topology.host, name(old));
            times.push((open, time));
            assert!(open >= usize::from(CONNECTIONS) * 9 / 10, "only {open} connections are open");
            thread::sleep(Duration::from_millis(500));
            let later = counted(&topology.host, name(old));
            assert_eq!(later, left, "packets still leave as {} after {fields}", name(old));
            assert_eq!(old.map_or(0, |(address, _)| connections(&topology.node, address)), 0);
            let before = counted(&topology.host, name(new));
            thread::sleep(Duration::from_millis(100));
            assert!(counted(&topology.host, name(new)) > before, "traffic goes on as {}", name(new));
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("connections open and time from the file to the acknowledgement: {times:?}");
    let shortest = times.iter().map(|(_, time)| *time).min();
    // An agent built without optimisation; `bench egress` holds the figure.
    assert!(shortest <= Some(Duration::from_millis(500)), "{times:?}");
}

/// Bytes of the busiest `window` among those packets.
fn busiest(seen: &[Seen], from: Ipv4Addr, window: Duration) -> u64 {
    let seen: Vec<&Seen> = seen.iter().filter(|seen| seen.from.ip() == IpAddr::V4(from)).collect();
    let (mut begin, mut bytes, mut most) = (0, 0, 0);
    for (end, last) in seen.iter().enumerate() {
        bytes += last.bytes;
        while last.at.duration_since(seen[begin].at) > window {
            bytes -= seen[begin].bytes;
            begin += 1;
        }
        most = most.max(bytes);
        assert!(begin <= end);
    }
    most
}

#[test]
fn no_moment_has_a_higher_cap_under_the_basic_address() {
    const BASIC_BPS: u64 = 2_000_000;
    const WINDOW: Duration = Duration::from_millis(200);
    let topology = Topology::new(&[1]);
    let instance = &topology.instance(0, 0).namespace;
    let mirror = Mirror::start(&topology.host, to(false));
    let premium = state(&[&format!("up: 40Mbps, down: 40Mbps, {}", exclusive(GOLD))]);
    let basic = state(&[&format!("up: 2Mbps, down: 2Mbps, {}", shared(SHARED))]);
    let mut agent = Agent::stopped(&topology.node, &basic);
    let notices = agent.launch_watched(None);
    let stop = AtomicBool::new(false);
    let mut times = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            instance.enter(|| {
                let socket = UdpSocket::bind(("0.0.0.0", 5001)).expect("socket");
                while !stop.load(Ordering::Relaxed) {
                    let _ = socket.send_to(&[0; 1000], SocketAddr::from((HOST_V4, PORT)));
                    thread::sleep(Duration::from_micros(300));
                }
            });
        });
        thread::sleep(Duration::from_millis(500));
        for _ in 0..6 {
            times.push(to_state(&mut agent, &notices, &premium));
            thread::sleep(Duration::from_millis(300));
            times.push(to_state(&mut agent, &notices, &basic));
            thread::sleep(Duration::from_millis(300));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let seen = mirror.seen();
    let [basic, premium] = [SHARED, GOLD].map(|address| busiest(&seen, address, WINDOW));
    // The burst is 100 ms; a packet may be on each side of the window.
    let allowed = BASIC_BPS / 8 * (WINDOW.as_millis() as u64 + 100) / 1000 + 2 * 1028;
    assert!(basic <= allowed, "{basic} B in {WINDOW:?} under the basic address, {allowed} B are allowed");
    assert!(premium > 2 * allowed, "the plan gives more: {premium} B");
    let others = seen.iter().filter(|seen| ![IpAddr::V4(GOLD), IpAddr::V4(SHARED)].contains(&seen.from.ip()));
    assert_eq!(others.count(), 0, "no packet left as it was");
    println!("times from the file to the acknowledgement: {times:?}");
    let mut sorted = times.clone();
    sorted.sort_unstable();
    assert!(sorted[sorted.len() / 2] <= Duration::from_millis(100), "{times:?}");
}

#[test]
fn an_address_that_changes_hands_is_never_of_two() {
    let topology = Topology::new(&[1, 1]);
    let mirror = Mirror::start(&topology.host, to(false));
    let [gold, other] = [GOLD, SHARED].map(exclusive);
    let states = [[&gold, &other], [&other, &gold]].map(|[one, two]| state(&[one, two]));
    let mut agent = Agent::stopped(&topology.node, &states[0]);
    let notices = agent.launch_watched(None);
    let stop = AtomicBool::new(false);
    // The length of a packet says whose it is.
    let lengths = [100_usize, 200];
    thread::scope(|scope| {
        for (network, length) in lengths.into_iter().enumerate() {
            let (topology, stop) = (&topology, &stop);
            scope.spawn(move || {
                topology.instance(network, 0).namespace.enter(|| {
                    let held = UdpSocket::bind(("0.0.0.0", 5002)).expect("socket");
                    while !stop.load(Ordering::Relaxed) {
                        let fresh = UdpSocket::bind(("0.0.0.0", 0)).expect("socket");
                        for socket in [&held, &fresh] {
                            let _ = socket.send_to(&vec![0; length], to(false));
                        }
                        thread::sleep(Duration::from_micros(500));
                    }
                });
            });
        }
        thread::sleep(Duration::from_millis(200));
        for round in 0..8 {
            to_state(&mut agent, &notices, &states[(round + 1) % 2]);
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    for address in [GOLD, SHARED] {
        let seen = mirror.seen();
        let seen = seen.iter().filter(|seen| seen.from.ip() == IpAddr::V4(address));
        let owners: Vec<u64> = seen.map(|seen| seen.bytes).collect();
        let changes = owners.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes, 8, "{address} has one owner after the other\n{}", agent.log());
    }
}

#[test]
fn a_plan_that_ends_takes_its_address_along() {
    let topology = Topology::new(&[1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    let end = jiff::Timestamp::now() + Duration::from_secs(4);
    let fields = format!("{}, plan: gold, until: {{at: {end}, {}}}", exclusive(GOLD), shared(SHARED));
    let agent = Agent::start(&topology.node, &state(&[&fields]));
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(GOLD)));
    assert!(jiff::Timestamp::now() < end, "the test is too slow for its term");
    let late = end + Duration::from_millis(500);
    while jiff::Timestamp::now() < late {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(SHARED)), "{}", agent.log());
    assert!(!topology.node.ip("-o addr").contains(&GOLD.to_string()));
}

#[test]
fn an_agent_killed_between_any_two_steps_ends_whole() {
    let topology = Topology::new(&[1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    let instance = &topology.instance(0, 0).namespace;
    let states = [exclusive(GOLD), shared(SHARED), "egress: none".to_owned()].map(|fields| state(&[&fields]));
    let inside = topology.instance(0, 0).v4;
    let mut agent = Agent::start(&topology.node, &states[0]);
    for round in 0..24_usize {
        // A connection that would go on through the old address.
        let held = instance.enter(|| UdpSocket::bind(("0.0.0.0", 6000)).expect("socket"));
        let _ = held.send_to(b"held", to(false));
        let next = (round + 1 + round / 3) % 3;
        agent.write_state(&states[next]);
        thread::sleep(Duration::from_millis(round as u64 * 2));
        agent.kill();
        agent.launch();
        let expected = [GOLD, SHARED, inside][next];
        assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(expected)), "round {round}\n{}", agent.log());
        for old in [GOLD, SHARED].into_iter().filter(|old| *old != expected) {
            assert_eq!(connections(&topology.node, old), 0, "round {round}");
            assert!(!topology.node.ip("-o addr").contains(&format!("{old}/")), "round {round}");
        }
        let (_, plan) = agent.ask(&["plan"]);
        assert!(plan.contains("Nothing to do"), "round {round}: {plan}");
    }
}
