//! Egress addresses with real packets: who a network seems to be, what comes back, and what changes when.

mod bad;
mod repair;
mod switch;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use limiter_tests::agent::Agent;
use limiter_tests::mirror::{Mirror, who_am_i};
use limiter_tests::netns::Namespace;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::trace::Trace;

const PORT: u16 = 9000;
const GOLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const SHARED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);

fn to(v6: bool) -> SocketAddr {
    SocketAddr::new(host_address(v6), PORT)
}

/// A state with a network for each text, which holds its fields but name, prefixes and instances.
fn state(networks: &[&str]) -> String {
    state_with("", networks)
}

/// As [`state`], with more fields of the node.
fn state_with(node: &str, networks: &[&str]) -> String {
    let mut text = format!("version: 1\n{node}interfaces: [{{match: \"inst*\"}}]\nnetworks:\n");
    for (number, fields) in networks.iter().enumerate() {
        let net = 10 + number;
        text += &format!(
            "- {{name: n{number}, prefixes: [10.{net}.0.0/24, \"fd00:{net}::/64\"], {fields}, instances: [\
             {{name: a, addresses: [10.{net}.0.2, \"fd00:{net}::2\"]}}, \
             {{name: b, addresses: [10.{net}.0.3, \"fd00:{net}::3\"]}}]}}\n"
        );
    }
    text
}

fn exclusive(address: Ipv4Addr) -> String {
    format!("egress: {{exclusive: {address}}}")
}

fn shared(address: Ipv4Addr) -> String {
    format!("egress: {{shared: {address}}}")
}

fn seems(topology: &Topology, network: usize, place: usize) -> Option<IpAddr> {
    who_am_i(&topology.instance(network, place).namespace, to(false))
}

#[test]
fn each_network_leaves_through_its_address_and_through_no_other() {
    let topology = Topology::new(&[2, 1, 1, 1]);
    let mirror = Mirror::start(&topology.host, to(false));
    let networks = [exclusive(GOLD), shared(SHARED), shared(SHARED), "egress: none".to_owned()];
    let agent = Agent::start(&topology.node, &state(&networks.each_ref().map(String::as_str)));
    for (network, place, expected) in
        [(0, 0, GOLD), (0, 1, GOLD), (1, 0, SHARED), (2, 0, SHARED), (3, 0, topology.instance(3, 0).v4)]
    {
        assert_eq!(seems(&topology, network, place), Some(IpAddr::V4(expected)), "n{network} {place}");
    }
    let v6 = Mirror::start(&topology.host, to(true));
    let instance = topology.instance(0, 0);
    assert_eq!(who_am_i(&instance.namespace, to(true)), Some(instance.v6.into()), "IPv6 is not translated");
    drop((mirror, v6));

    let (_, status) = agent.ask(&["status"]);
    for part in [format!("n0 {GOLD} (exclusive)"), format!("n1 {SHARED} (shared)")] {
        assert!(status.contains(&part), "{part} is not in {status}");
    }
    let (_, plan) = agent.ask(&["plan"]);
    assert!(plan.contains("Nothing to do"), "{plan}");
}

#[test]
fn an_address_that_you_route_is_put_on_no_device() {
    let topology = Topology::new(&[1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    let routed = Ipv4Addr::new(203, 0, 113, 7);
    topology.host.ip(&format!("route add {routed}/32 via 198.51.100.1"));
    let before = topology.node.ip("-o addr");
    let state = state_with("egress_addresses: routed\n", &[&exclusive(routed)]);
    let _agent = Agent::start(&topology.node, &state);
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(routed)));
    assert_eq!(topology.node.ip("-o addr"), before);
}

#[test]
fn bypass_takes_no_address_away() {
    let topology = Topology::new(&[1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    let agent = Agent::start(&topology.node, &state(&[&format!("up: 8kbps, {}", exclusive(GOLD))]));
    assert!(agent.ask(&["bypass", "on"]).0);
    agent.wait_until(|maps| maps.node().is_ok_and(|node| node.flags != 0));
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(GOLD)));
}

/// Sends from an address of the host to `to` and says whether it arrives at a socket that listens there, inside `at`.
fn arrives(topology: &Topology, from: IpAddr, at: &Namespace, listen: SocketAddr, to: SocketAddr) -> bool {
    let socket = at.enter(|| UdpSocket::bind(listen).expect("a listener"));
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
    topology.host.enter(|| {
        let sender = UdpSocket::bind((from, 0)).expect("socket");
        for _ in 0..3 {
            let _ = sender.send_to(b"unsolicited", to);
        }
    });
    socket.recv(&mut [0; 64]).is_ok()
}

#[test]
fn what_nobody_asked_for_reaches_neither_node_nor_network() {
    let topology = Topology::new(&[1, 1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    let state = state_with(
        "zones: [{name: default, local_prefixes: [\"2001:db8:99::/64\"]}]\n",
        &[&exclusive(GOLD), "egress: none"],
    );
    let node = &topology.node;
    let any = SocketAddr::from(([0, 0, 0, 0], 7777));
    let own = SocketAddr::from(([198, 51, 100, 1], 7777));
    let _agent = Agent::start(node, &state);
    let reaches_node = |to| arrives(&topology, host_address(false), node, any, to);
    assert!(reaches_node(own), "the node's own address answers as before");
    assert!(!reaches_node((GOLD, 7777).into()), "a listener of the node is not reached");
    let connect = |address: Ipv4Addr| {
        let to = SocketAddr::from((address, 7778));
        let connected = topology.host.enter(|| TcpStream::connect_timeout(&to, Duration::from_millis(500)));
        connected.expect_err("nobody listens").kind()
    };
    assert_eq!(connect(Ipv4Addr::new(198, 51, 100, 1)), ErrorKind::ConnectionRefused, "the node says so");
    assert_eq!(connect(GOLD), ErrorKind::TimedOut, "nothing of the node answers");

    let v6 = |network: usize| SocketAddr::from((topology.instance(network, 0).v6, 7777));
    let reaches = |from: IpAddr, network: usize| {
        arrives(&topology, from, &topology.instance(network, 0).namespace, v6(network), v6(network))
    };
    assert!(reaches(host_address(true), 1), "a routed network is reached over IPv6");
    assert!(!reaches(host_address(true), 0), "one with an egress address is not");
    topology.host.ip("addr add 2001:db8:99::5/64 dev eth0 nodad");
    assert!(reaches("2001:db8:99::5".parse().expect("an address"), 0), "but from a local prefix");
    // Answers come back over IPv6 to who asked.
    let _v6 = Mirror::start(&topology.host, to(true));
    assert!(who_am_i(&topology.instance(0, 0).namespace, to(true)).is_some());
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(GOLD)));
}

#[test]
fn neighbours_learn_a_new_address_at_once() {
    let topology = Topology::new(&[1]);
    // The address was another machine's until now.
    topology.host.ip(&format!("neigh replace {GOLD} lladdr 02:00:00:00:00:99 dev eth0 nud stale"));
    let _agent = Agent::start(&topology.node, &state(&[&exclusive(GOLD)]));
    let link = topology.node.ip("-o link show uplink");
    let mac = link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).expect("a MAC address");
    let neighbours = topology.host.ip(&format!("neigh show {GOLD}"));
    assert!(neighbours.contains(mac), "{mac} is not in {neighbours}");
}

#[test]
fn uninstall_leaves_no_trace_of_addresses_and_tables() {
    let topology = Topology::new(&[1, 1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    topology.node.run("nft add table inet other");
    topology.node.run("nft add chain inet other c");
    let before = Trace::settled(&topology.node);
    let mut agent = Agent::start(&topology.node, &state(&[&exclusive(GOLD), &shared(SHARED)]));
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(GOLD)));
    let now = before.changes(&Trace::now(&topology.node));
    for what in ["+ nftables", "+ address"] {
        assert!(now.iter().any(|line| line.starts_with(what)), "{now:#?}");
    }
    agent.kill();
    let (done, text) = agent.ask(&["uninstall", "--yes"]);
    assert!(done, "{text}");
    let left = before.lasting_changes(&topology.node);
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(switch::connections(&topology.node, GOLD), 0);
}

#[test]
fn nothing_is_left_when_no_network_has_an_address_any_more() {
    let topology = Topology::new(&[1]);
    let _mirror = Mirror::start(&topology.host, to(false));
    let before = Trace::settled(&topology.node);
    let mut agent = Agent::stopped(&topology.node, &state(&[&exclusive(GOLD)]));
    let notices = agent.launch_watched(None);
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(GOLD)));
    switch::to_state(&mut agent, &notices, &state(&["egress: none"]));
    assert_eq!(seems(&topology, 0, 0), Some(IpAddr::V4(topology.instance(0, 0).v4)));
    let of_egress = |line: &&String| line.contains("nftables") || line.contains("address");
    let left = before.changes(&Trace::now(&topology.node));
    assert_eq!(left.iter().filter(of_egress).count(), 0, "{left:#?}");
}
