//! The agent does its work with next to no rights.

use std::fs;

use limiter_common::cost;
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::topology::Topology;

fn state(pattern: &str, up: &str) -> String {
    format!(
        "version: 1\ninterfaces:\n  - match: \"{pattern}\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n    \
         instances:\n      - name: web\n        addresses: [10.10.0.2]\n        up: {up}\n"
    )
}

/// Capability sets of every thread of the agent, as `CapEff CapPrm CapInh CapBnd CapAmb NoNewPrivs`.
fn threads(agent: &Agent<'_>) -> Vec<String> {
    let folder = format!("/proc/{}/task", agent.pid().expect("a running agent"));
    let mut threads: Vec<String> = fs::read_dir(folder)
        .expect("threads")
        .map(|thread| {
            let status = fs::read_to_string(thread.expect("a thread").path().join("status")).expect("status");
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let value = line.expect("a field").trim_start_matches(':').trim().trim_start_matches('0');
                if value.is_empty() { "0".to_owned() } else { value.to_owned() }
            };
            ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs"].map(field).join(" ")
        })
        .collect();
    threads.sort_unstable();
    threads
}

fn is_ours(agent: &Agent<'_>, count: usize) -> bool {
    agent.maps().interfaces().all().len() == count
}

fn limit_is(agent: &Agent<'_>, bps: u64) -> bool {
    let maps = agent.maps();
    let meters = maps.meters();
    (1..meters.slots()).any(|slot| meters.read(slot, Direction::Up).cost_per_byte == cost::per_byte(bps))
}

#[test]
fn one_capability_is_enough_to_follow_every_change() {
    const NET_ADMIN_ALONE: &str = "1000 1000 1000 0 1000 1";
    const NOTHING: &str = "0 0 0 0 0 1";
    let topology = Topology::new(&[2]);
    let agent = Agent::start(&topology.node, &state("inst*", "5Mbps"));
    assert_eq!(threads(&agent), [NOTHING, NET_ADMIN_ALONE]);
    let node = &topology.node;
    let programs = |device: &str| {
        let (_, text) = agent.ask(&["status", "--json"]);
        let json: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let interfaces = json["interfaces"].as_array().expect("interfaces").clone();
        interfaces.iter().any(|entry| entry["interface"] == device && entry["not_in_force"].is_null())
    };

    agent.change(&state("inst*", "7Mbps"), |_| limit_is(&agent, 7_000_000));
    node.ip("link add inst77 type veth peer name far");
    node.ip("link set inst77 up");
    agent.wait_until(|_| is_ours(&agent, 3) && programs("inst77"));
    node.ip("link del inst77");
    agent.wait_until(|_| is_ours(&agent, 2));
    agent.change(&state("inst00", "7Mbps"), |_| is_ours(&agent, 1) && programs("inst00"));
    agent.change(&state("inst*", "8Mbps"), |_| is_ours(&agent, 2) && programs("inst01"));
    assert!(limit_is(&agent, 8_000_000));
    assert!(!agent.log().contains("ERROR"), "{}", agent.log());
}

#[test]
fn an_agent_without_the_rights_to_start_says_which() {
    let topology = Topology::new(&[1]);
    let agent = Agent::stopped(&topology.node, &state("inst*", "5Mbps"));
    let command = agent.command(&["run"]);
    let mut bounded = std::process::Command::new("setpriv");
    bounded.args(["--inh-caps=-all", "--bounding-set=-all,+net_admin,+bpf,+sys_admin"]);
    bounded.arg(command.get_program()).args(command.get_args());
    let output = topology.node.enter(move || bounded.output().expect("setpriv, of util-linux"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("this process lacks CAP_PERFMON, which lets the verifier"),
        "{text}"
    );
    assert!(!agent.pins().exists(), "nothing was begun");
}
