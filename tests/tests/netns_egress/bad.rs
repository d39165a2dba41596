//! Addresses that a node cannot have, and nodes that cannot have addresses: refused, and nothing half-applied.

use std::net::Ipv4Addr;

use limiter_tests::agent::Agent;
use limiter_tests::topology::Topology;
use limiter_tests::trace::Trace;

use super::{GOLD, exclusive, state};

/// What the agent says where it cannot begin with this state, and what of it shows.
fn refused(topology: &Topology, state: &str, path: Option<&str>) -> String {
    let before = Trace::settled(&topology.node);
    let agent = Agent::stopped(&topology.node, state);
    let mut command = agent.command(&["run"]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = topology.node.enter(move || command.output().expect("agent"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    let left = before.lasting_changes(&topology.node);
    assert!(left.is_empty(), "{left:#?}\n{text}");
    text
}

#[test]
fn addresses_that_the_node_cannot_have() {
    let topology = Topology::new(&[1]);
    for (address, reason) in [
        ([198, 51, 100, 1], "is an address of uplink, put there by somebody else"),
        ([198, 51, 100, 255], "is the broadcast or network address of 198.51.100.0/24 on uplink"),
        ([198, 51, 100, 0], "is the broadcast or network address of 198.51.100.0/24 on uplink"),
        ([10, 10, 0, 2], "is inside 10.10.0.0/24 of network"),
        ([224, 0, 0, 1], "multicast addresses"),
    ] {
        let text = refused(&topology, &state(&[&exclusive(Ipv4Addr::from(address))]), None);
        assert!(text.contains(reason) && text.contains("networks[0].egress"), "{reason} is not in: {text}");
    }
}

#[test]
fn a_node_without_nft_says_what_to_install() {
    let topology = Topology::new(&[1]);
    let text = refused(&topology, &state(&[&exclusive(GOLD)]), Some("/nowhere"));
    assert!(
        text.contains("egress addresses need the program nft") && text.contains("apt install nftables"),
        "{text}"
    );
}

#[test]
fn a_table_of_somebody_else_is_not_touched() {
    let topology = Topology::new(&[1]);
    topology.node.run("nft add table inet limiter");
    let text = refused(&topology, &state(&[&exclusive(GOLD)]), None);
    assert!(text.contains("a table inet limiter that this agent did not make"), "{text}");
}

#[test]
fn a_node_without_an_uplink_says_so() {
    let topology = Topology::new(&[1]);
    topology.node.ip("route del default");
    topology.node.ip("-6 route del default");
    let text = refused(&topology, &state(&[&exclusive(GOLD)]), None);
    assert!(text.contains("there is no uplink to put 198.51.100.7 on"), "{text}");
}
