//! A node whose agent chose to shape, and what its queues did.

use std::collections::BTreeMap;
use std::time::Duration;

use limiter_agent::reading::Owners;
use limiter_common::meter::{Direction, Meter};
use serde_json::Value;

use crate::agent::Agent;
use crate::netns::Namespace;
use crate::topology::Topology;

/// A state with one network `office` of two instances on interfaces of their own: `web` with these
/// limits, such as `up: 5Mbps`, and `other` with none.
pub fn state(limits: &[&str]) -> String {
    let limits = limits.iter().fold(String::new(), |text, limit| text + "        " + limit + "\n");
    format!(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n    \
         instances:\n      - name: web\n        addresses: [10.10.0.2]\n{limits}      - name: other\n        \
         addresses: [10.10.0.3]\n"
    )
}

/// Starts the agent and waits until it shapes both ways.
///
/// # Panics
/// Where it does not within half a minute, with its reasons.
pub fn start<'a>(topology: &'a Topology, state: &str) -> Agent<'a> {
    let agent = Agent::start(&topology.node, state);
    let mut zone = Value::Null;
    for _ in 0..30 {
        let (_, text) = agent.ask(&["status", "--json"]);
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        zone = json["zones"][0].clone();
        if ["up", "down"].iter().all(|direction| zone[direction]["mode"] == "shape") {
            return agent;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("the agent does not shape: {zone}\n{}", agent.log());
}

/// The meter of an instance, such as `office/web`.
pub fn meter(agent: &Agent<'_>, instance: &str, direction: Direction) -> Meter {
    let maps = agent.maps();
    let slot = Owners::read(maps.meters()).instance(instance).expect("an instance with a meter");
    maps.meters().read(slot, direction)
}

/// Packets that each fq dropped, by device, as `tc` shows them.
pub fn fq_drops(node: &Namespace) -> BTreeMap<String, u64> {
    let text = node.run("tc -s -j qdisc show");
    let qdiscs: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let all = qdiscs.as_array().expect("qdiscs").iter().filter(|qdisc| qdisc["kind"] == "fq");
    all.map(|qdisc| {
        let device = qdisc["dev"].as_str().expect("a device").to_owned();
        (device, qdisc["drops"].as_u64().expect("drops"))
    })
    .collect()
}

/// Fails where a device of the path has no fq or an fq dropped what was counted.
pub fn assert_no_drops(topology: &Topology) {
    let drops = fq_drops(&topology.node);
    let nothing: BTreeMap<String, u64> =
        ["inst00", "inst01", "uplink"].into_iter().map(|device| (device.to_owned(), 0)).collect();
    assert_eq!(drops, nothing, "packets dropped by fq");
}
