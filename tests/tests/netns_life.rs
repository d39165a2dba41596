//! The agent's life: change, crash, devices that come and go, a broken file, removal without a trace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use limiter_common::cost;
use limiter_common::meter::{Direction, Meter};
use limiter_tests::agent::Agent;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::trace::Trace;
use limiter_tests::udp::{Sink, send};
use rustix::process::{Pid, Signal, kill_process};

const PORT: u16 = 9000;

fn state(up: &str) -> String {
    format!(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n    \
         instances:\n      - name: web\n        addresses: [10.10.0.2]\n        up: {up}\n        down: 5Mbps\n"
    )
}

/// The up meter of the instance: the only one with a limit.
fn meter(agent: &Agent<'_>) -> Meter {
    let maps = agent.maps();
    let meters = maps.meters();
    let limited = (1..meters.slots())
        .map(|slot| meters.read(slot, Direction::Up))
        .find(|meter| meter.cost_per_byte != 0);
    limited.expect("a limited meter")
}

fn upload(topology: &Topology, rate_bps: u64, duration: Duration) -> u64 {
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    send(&topology.instance(0, 0).namespace, to, rate_bps, 1400, duration);
    sink.finish().bytes()
}

#[test]
fn a_changed_limit_is_in_force_soon_and_resets_nothing() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    upload(&topology, 2_000_000, Duration::from_millis(500));
    let before = meter(&agent);
    let mut times = Vec::new();
    for (rate, bps) in
        [("20Mbps", 20_000_000), ("5Mbps", 5_000_000), ("20Mbps", 20_000_000), ("5Mbps", 5_000_000)]
    {
        let expected = cost::per_byte(bps);
        times.push(agent.change(&state(rate), |maps| {
            let meters = maps.meters();
            (1..8).any(|slot| meters.read(slot, Direction::Up).cost_per_byte == expected)
        }));
    }
    assert!(times.iter().min() <= Some(&Duration::from_millis(50)), "{times:?}");
    let after = meter(&agent);
    assert_eq!((after.passed_bytes, after.passed_packets), (before.passed_bytes, before.passed_packets));
}

#[test]
fn what_is_counted_is_what_arrives() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    let arrived = upload(&topology, 10_000_000, Duration::from_secs(2));
    let meter = meter(&agent);
    assert_eq!(meter.passed_bytes, arrived);
    assert!(meter.refused_bytes > 0);
}

#[test]
fn limits_and_counters_outlive_a_killed_agent_and_the_next_one_adopts_them() {
    let topology = Topology::new(&[1]);
    let mut agent = Agent::start(&topology.node, &state("5Mbps"));
    let arrived = std::thread::scope(|scope| {
        let traffic = scope.spawn(|| upload(&topology, 10_000_000, Duration::from_secs(4)));
        std::thread::sleep(Duration::from_secs(1));
        let alive = meter(&agent);
        agent.kill();
        std::thread::sleep(Duration::from_secs(1));
        let dead = meter(&agent);
        assert!(
            dead.passed_bytes > alive.passed_bytes && dead.refused_bytes > alive.refused_bytes,
            "counting went on"
        );
        agent.launch();
        traffic.join().expect("traffic")
    });
    let meter = meter(&agent);
    assert_eq!(meter.passed_bytes, arrived, "nothing was lost or counted twice");
    let rate_bps = arrived as f64 * 8.0 / 4.0;
    // The burst of 100 ms is in these four seconds.
    assert!((4.95e6..5.2e6).contains(&rate_bps), "{rate_bps}");
}

#[test]
fn a_device_that_is_made_again_is_limited_again_within_a_second() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    let instance = topology.instance(0, 0);
    topology.node.ip(&format!("link del {}", instance.device));
    topology.node.ip(&format!(
        "link add {} type veth peer name eth0 netns {}",
        instance.device,
        instance.namespace.name()
    ));
    let start = Instant::now();
    let links = topology.node.ip(&format!("-o link show {}", instance.device));
    let ifindex: u32 = links.split(':').next().and_then(|text| text.trim().parse().ok()).expect("index");
    agent.wait_until(|maps| maps.interfaces().all().contains_key(&ifindex));
    while topology
        .node
        .enter(|| limiter_agent::dataplane::attach::chain(ifindex, Direction::Down))
        .expect("chain")
        .is_empty()
    {
        assert!(start.elapsed() < Duration::from_secs(1), "not attached\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_broken_file_changes_nothing_and_says_why() {
    let topology = Topology::new(&[1]);
    let mut agent = Agent::start(&topology.node, &state("5Mbps"));
    let before = meter(&agent);
    agent.write_state(&state("5mbps"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(meter(&agent), before);
    let (done, text) = agent.ask(&["plan"]);
    assert!(!done, "{text}");
    for part in ["state.yaml:10:", "networks[0].instances[0].up", "5mbps", "5Mbps"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let (_, status) = agent.ask(&["status"]);
    assert!(status.contains("refused"), "{status}");
    let said = |agent: &Agent<'_>| agent.log().matches("the state file is refused").count();
    assert_eq!(said(&agent), 1, "{}", agent.log());
    let pid = Pid::from_raw(agent.pid().expect("an agent").cast_signed()).expect("a process");
    kill_process(pid, Signal::HUP).expect("a running agent");
    agent.wait_until(|_| said(&agent) == 2);
    agent.write_state(&state("5Mbps"));
    agent.wait_until(|_| agent.log().contains("nothing is refused any more"));
    assert!(!agent.ask(&["status"]).1.contains("refused,"), "{}", agent.ask(&["status"]).1);
    agent.write_state(&state("5mbps"));
    agent.wait_until(|_| said(&agent) == 3);
    // A node that starts with a broken file keeps the last good state.
    agent.kill();
    agent.launch();
    assert_eq!(meter(&agent).cost_per_byte, before.cost_per_byte);
}

#[test]
fn status_shows_what_is_in_force() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    let (done, text) = agent.ask(&["status"]);
    assert!(done, "{text}");
    for part in ["agent running", "office/web", "5Mbps", "interfaces in force: 1", "zone default: up "] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let (done, json) = agent.ask(&["status", "--json"]);
    assert!(done && json.contains("\"limit_bps\": 5000000"), "{json}");
}

#[test]
fn the_command_line_changes_the_state_file_and_the_agent_follows() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    let (done, text) = agent.ask(&["instance", "set", "office/web", "--up", "20Mbps"]);
    assert!(done, "{text}");
    let expected = cost::per_byte(20_000_000);
    agent.wait_until(|maps| {
        (1..8).any(|slot| maps.meters().read(slot, Direction::Up).cost_per_byte == expected)
    });
    let (done, text) = agent.ask(&["instance", "set", "office/nobody", "--up", "20Mbps"]);
    assert!(!done && text.contains("office/nobody"), "{text}");
}

#[test]
fn an_unknown_source_is_dropped_listed_and_adopted_with_one_command() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    let instance = topology.instance(0, 0);
    instance.namespace.ip("addr del 10.10.0.2/24 dev eth0");
    instance.namespace.ip("addr add 10.10.0.99/24 dev eth0");
    instance.namespace.ip("route replace default via 10.10.0.1");
    assert_eq!(
        upload(&topology, 1_000_000, Duration::from_millis(500)),
        0,
        "an unknown source passes nothing"
    );
    let (done, text) = agent.ask(&["instance", "list", "--unknown"]);
    assert!(done && text.contains("10.10.0.99"), "{text}");
    let (done, text) = agent.ask(&["instance", "adopt", "10.10.0.99", "--name", "found", "--up", "3Mbps"]);
    assert!(done, "{text}");
    let expected = cost::per_byte(3_000_000);
    agent.wait_until(|maps| {
        (1..8).any(|slot| maps.meters().read(slot, Direction::Up).cost_per_byte == expected)
    });
    assert!(upload(&topology, 1_000_000, Duration::from_millis(500)) > 0, "an adopted source passes");
}

#[test]
fn bypass_lets_everything_pass_at_once_and_ends() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("1Mbps"));
    assert!(agent.ask(&["bypass", "on"]).0);
    let passed = upload(&topology, 10_000_000, Duration::from_secs(1));
    assert!(passed > 1_100_000, "{passed}");
    assert!(agent.ask(&["status"]).1.contains("BYPASS"));
    assert!(agent.ask(&["bypass", "off"]).0);
    let held = upload(&topology, 10_000_000, Duration::from_secs(1));
    assert!(held < 200_000, "{held}");
}

#[test]
fn an_idle_agent_takes_less_than_a_hundredth_of_a_cpu() {
    const WATCHED: Duration = Duration::from_secs(5);
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, &state("5Mbps"));
    let before = agent.cpu_time();
    std::thread::sleep(WATCHED);
    // CPU time, which does not grow because others have the CPU.
    let taken = agent.cpu_time().saturating_sub(before);
    assert!(taken < WATCHED / 100, "{taken:?} in {WATCHED:?}");
}

#[test]
fn uninstall_leaves_no_trace() {
    let topology = Topology::new(&[2]);
    let before = Trace::settled(&topology.node);
    let mut agent = Agent::start(&topology.node, &state("5Mbps"));
    upload(&topology, 1_000_000, Duration::from_millis(200));
    agent.kill();
    let (done, text) = agent.ask(&["uninstall", "--yes"]);
    assert!(done, "{text}");
    let chains = topology.node.enter(|| {
        (1..10)
            .flat_map(|ifindex| {
                Direction::ALL.map(|way| limiter_agent::dataplane::attach::chain(ifindex, way))
            })
            .collect::<Vec<_>>()
    });
    assert!(chains.into_iter().flatten().all(|chain| chain.is_empty()), "a program is still attached");
    assert!(!agent.pins().exists());
    let left = before.lasting_changes(&topology.node);
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn everything_that_can_be_left_behind_is_seen() {
    let topology = Topology::new(&[1]);
    let (node, device) = (&topology.node, &topology.instance(0, 0).device);
    let before = Trace::settled(node);
    for (what, line) in [
        ("qdisc", format!("tc qdisc add dev {device} clsact")),
        ("filter", format!("tc filter add dev {device} ingress protocol ip prio 7 u32 match u32 0 0")),
        ("sysctl", format!("sysctl -qw net.ipv4.conf.{device}.rp_filter=2")),
        ("nftables", "nft add table inet left".to_owned()),
        ("link", format!("ip link set {device} txqueuelen 77")),
        ("address", format!("ip addr add 10.99.0.1/32 dev {device}")),
    ] {
        let last = Trace::now(node);
        node.run(&line);
        let changes = last.changes(&Trace::now(node));
        let seen = |change: &String| change.starts_with(&format!("+ {what} "));
        assert!(changes.iter().any(seen), "{line}: {changes:#?}");
    }
    assert!(!before.changes(&Trace::now(node)).is_empty());
}
