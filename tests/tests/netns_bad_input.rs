//! Everything that can be wrong with a state: one error that says where and what is allowed, an exit code
//! that is not zero, and what was in force stays in force.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use limiter_agent::dataplane::{Limit, attach};
use limiter_agent::netlink::Netlink;
use limiter_common::interface::Interface;
use limiter_common::key::{AddressKey, Target};
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::topology::Topology;

const GOOD: &str = "\
version: 1
capacity: {instances: 2}
interfaces:
  - match: inst*
networks:
  - name: office
    prefixes: [10.10.0.0/24]
    instances:
      - name: web
        addresses: [10.10.0.2]
        up: 5Mbps
";

/// The agent notices at once; a busy machine may take its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A state, none for no file, and what the one error about it says.
struct Bad {
    state: Option<String>,
    parts: Vec<&'static str>,
}

fn bad(state: String, parts: &[&'static str]) -> Bad {
    assert_ne!(state, GOOD, "{parts:?} changes nothing");
    Bad { state: Some(state), parts: parts.to_vec() }
}

/// The good state with `old` written as `new`.
fn with(old: &str, new: &str) -> String {
    GOOD.replacen(old, new, 1)
}

fn all(has_fq: bool) -> Vec<Bad> {
    let up = "networks[0].instances[0].up: ";
    let address = "networks[0].instances[0].addresses[0]: ";
    let more =
        "up: 5Mbps\n      - {name: b, addresses: [10.10.0.3]}\n      - {name: c, addresses: [10.10.0.4]}";
    let mut all = vec![
        bad(
            with("up:", "upp:"),
            &[":11:9: ", "networks[0].instances[0].upp: ", "unknown field", "did you mean \"up\"?"],
        ),
        bad(with("5Mbps", "5mbps"), &[":11:13: ", up, "\"5mbps\"", "for example 5Mbps"]),
        bad(with("5Mbps", "5"), &[":11:13: ", up, "\"5\"", "bps"]),
        bad(with("5Mbps", "7999bps"), &[":11:13: ", up, "\"7999bps\"", "8kbps", "100Gbps"]),
        bad(with("5Mbps", "101Gbps"), &[":11:13: ", up, "\"101Gbps\"", "8kbps", "100Gbps"]),
        bad(with("up: 5Mbps", "up:"), &[":11:", up, "a rate such as 5Mbps"]),
        bad(
            GOOD.to_owned() + "  - {name: lab, prefixes: [10.10.0.128/25]}\n",
            &[
                ":12:28: ",
                "networks[1].prefixes[0]: ",
                "\"10.10.0.128/25\" overlaps 10.10.0.0/24",
                "(line 7)",
            ],
        ),
        bad(
            with("10.10.0.2", "10.11.0.2"),
            &[":10:21: ", address, "\"10.11.0.2\" is outside", "10.10.0.0/24"],
        ),
        bad(
            GOOD.to_owned() + "      - {name: web, addresses: [10.10.0.3]}\n",
            &[":12:16: ", "networks[0].instances[1].name: ", "\"web\" is given twice", "(line 9)"],
        ),
        bad(
            GOOD.to_owned() + "      - {name: b, addresses: [10.10.0.2]}\n",
            &[":12:31: ", "networks[0].instances[1].addresses[0]: ", "\"10.10.0.2\" overlaps", "(line 10)"],
        ),
        bad(with("up: 5Mbps", "up: 5Mbps\n        up: 6Mbps"), &[":12:9: ", up, "is given twice"]),
        bad(
            with("capacity", "uplinks: [nowhere]\ncapacity"),
            &[":2:11: ", "uplinks[0]: ", "no device is called \"nowhere\"", "the devices are lo, ", "inst00"],
        ),
        bad(
            with("inst*", "\"*\""),
            &[":4:12: ", "interfaces[0].match: ", "pattern \"*\" matches the uplink"],
        ),
        bad(
            with("{instances: 2}", "{instances: 3}").replacen("up: 5Mbps", more, 1),
            &[":2:23: ", "capacity.instances: ", "3 addresses of instances", "for 2; restart the agent"],
        ),
        bad(GOOD.trim_end().to_owned(), &["the last line has no end", "half-written"]),
        bad(with("[10.10.0.2]", "[10.10.0.2"), &["broken YAML", "half-written"]),
        bad(String::new(), &["the file is empty", "version: 1"]),
        Bad { state: None, parts: vec!["cannot be read: No such file"] },
    ];
    // What this kernel has cannot be missing.
    if !has_fq {
        all.push(bad(
            with("inst*", "inst*\n    mode: shape"),
            &[":5:11: ", "interfaces[0].mode: ", "fq, which this kernel does not have", "modprobe sch_fq"],
        ));
    }
    all
}

fn put(agent: &Agent<'_>, state: Option<&str>) {
    match state {
        Some(state) => agent.write_state(state),
        None => fs::remove_file(agent.state_path()).expect("the file is there"),
    }
}

/// Asserts that `text` is one error, about this file, and says all of it.
fn check(bad: &Bad, agent: &Agent<'_>, text: &str) {
    assert_eq!(text.matches(&*agent.state_path().to_string_lossy()).count(), 1, "one file in: {text}");
    for part in &bad.parts {
        assert!(text.contains(part), "{part} is not in: {text}\nof {:?}", bad.state);
    }
}

type InForce = (Vec<(AddressKey, Target)>, Vec<Interface>, Vec<[Limit; 2]>);

fn in_force(agent: &Agent<'_>) -> InForce {
    let maps = agent.maps();
    let meters = maps.meters();
    let limits = (1..meters.slots()).map(|slot| Direction::ALL.map(|way| meters.limit(slot, way)));
    let mut instances: Vec<_> = maps.instances().expect("addresses").into_iter().collect();
    instances.sort_unstable_by_key(|(key, _)| *key);
    (instances, maps.interfaces().all().into_values().collect(), limits.collect())
}

fn has_fq(topology: &Topology) -> bool {
    topology.node.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { Netlink::open().expect("a socket").has_fq().await.expect("an answer") })
    })
}

#[test]
fn a_bad_state_leaves_the_old_one_in_force() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, GOOD);
    let before = in_force(&agent);
    for bad in all(has_fq(&topology)) {
        put(&agent, bad.state.as_deref());
        let (done, text) = agent.ask(&["plan"]);
        assert!(!done, "{:?}: {text}", bad.state);
        check(&bad, &agent, text.trim_end().lines().last().unwrap_or_default());
        let start = Instant::now();
        let refused = || fs::read_to_string(agent.records().join("refused.txt")).unwrap_or_default();
        while !bad.parts.iter().all(|part| refused().contains(part)) {
            assert!(start.elapsed() < PATIENCE, "{:?}: {}\n{}", bad.parts, refused(), agent.log());
            thread::sleep(Duration::from_millis(5));
        }
        check(&bad, &agent, &refused());
        assert_eq!(in_force(&agent), before, "{:?}", bad.state);
    }
}

#[test]
fn an_agent_does_not_start_with_a_bad_state() {
    let topology = Topology::new(&[1]);
    let ifindex = topology.node.ifindex(&topology.instance(0, 0).device);
    // Without maps from before there is room for any state.
    let bad = |bad: &Bad| !bad.parts.contains(&"capacity.instances: ");
    for bad in all(has_fq(&topology)).into_iter().filter(bad) {
        let agent = Agent::stopped(&topology.node, GOOD);
        put(&agent, bad.state.as_deref());
        let (done, text) = agent.ask(&["run"]);
        assert!(!done, "{:?}: {text}", bad.state);
        check(&bad, &agent, text.trim_end().lines().last().unwrap_or_default());
        for direction in Direction::ALL {
            let chain = topology.node.enter(|| attach::chain(ifindex, direction)).expect("chain");
            assert!(chain.is_empty(), "{:?}: a program is attached", bad.state);
        }
    }
}
