//! Agents that follow each other on a node under traffic: upgrades, crashes at any moment.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use limiter_agent::dataplane::{Maps, attach};
use limiter_agent::reading::Owners;
use limiter_common::cost;
use limiter_common::meter::{Direction, Meter};
use limiter_tests::agent::Agent;
use limiter_tests::random::Random;
use limiter_tests::sequence::Sequence;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

const PORT: u16 = 9000;
/// Of a stream far below every limit; the sender sleeps some 60 us longer.
const GAP: Duration = Duration::from_micros(50);

/// An instance: its last octet and its limit in both directions, Mbps.
type Instance = (usize, u64);

fn state(instances: &[Instance]) -> String {
    let mut state = String::from(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n    \
         instances:\n",
    );
    for (octet, mbps) in instances {
        state += &format!(
            "      - {{name: i{octet}, addresses: [10.10.0.{octet}], up: {mbps}Mbps, down: {mbps}Mbps}}\n"
        );
    }
    state
}

/// The meters of an instance, up and down.
fn meters(agent: &Agent<'_>, octet: usize) -> [Meter; 2] {
    let maps = agent.maps();
    let slot = Owners::read(maps.meters()).instance(&format!("office/i{octet}"));
    let slot = slot.unwrap_or_else(|| panic!("i{octet} has no meter"));
    Direction::ALL.map(|direction| maps.meters().read(slot, direction))
}

/// The programs on an instance's device, up and down.
fn programs(topology: &Topology, place: usize) -> [Vec<u32>; 2] {
    let ifindex = topology.node.ifindex(&topology.instance(0, place).device);
    topology.node.enter(|| Direction::ALL.map(|direction| attach::chain(ifindex, direction).expect("chain")))
}

/// A network whose devices have met, so that no packet waits or is counted for that.
fn topology(instances: usize) -> Topology {
    let topology = Topology::new(&[instances]);
    for instance in &topology.networks[0] {
        meet(&instance.namespace, &topology.host, SocketAddr::new(host_address(false), PORT));
    }
    topology
}

/// Streams of the first instance, up and down.
fn streams(topology: &Topology) -> [Sequence; 2] {
    let instance = topology.instance(0, 0);
    let (up, down) = (host_address(false), instance.address(false));
    let (up, down) = (SocketAddr::new(up, PORT), SocketAddr::new(down, PORT));
    [
        Sequence::start(&instance.namespace, &topology.host, up, GAP),
        Sequence::start(&topology.host, &instance.namespace, down, GAP),
    ]
}

/// Ends the streams and asserts that every packet arrived and was counted, once.
fn finish(streams: [Sequence; 2], agent: &Agent<'_>) {
    let sent = streams.map(Sequence::finish);
    for (sent, meter) in sent.into_iter().zip(meters(agent, 2)) {
        assert!(sent > 1000, "only {sent} packets");
        assert_eq!((meter.passed_packets, meter.refused_packets), (sent, 0));
    }
}

#[test]
fn an_upgrade_exchanges_the_programs_without_a_packet_in_between() {
    let topology = topology(2);
    let mut agent = Agent::start(&topology.node, &state(&[(2, 100), (3, 5)]));
    let streams = streams(&topology);
    thread::sleep(Duration::from_millis(100));
    let to = SocketAddr::new(host_address(false), PORT + 1);
    let flooding = &topology.instance(0, 1).namespace;
    let sink = Sink::start(&topology.host, to);
    let sent = thread::scope(|scope| {
        let flood = scope.spawn(|| send(flooding, to, 10_000_000, 1400, Duration::from_secs(4)));
        for _ in 0..6 {
            let old = [0, 1].map(|place| programs(&topology, place));
            agent.kill();
            agent.launch();
            let new = [0, 1].map(|place| programs(&topology, place));
            for (old, new) in old.iter().flatten().zip(new.iter().flatten()) {
                assert!(old.len() == 1 && new.len() == 1 && old != new, "{old:?} {new:?}");
            }
        }
        flood.join().expect("flood")
    });
    finish(streams, &agent);

    let arrived = sink.finish().bytes();
    let meter = meters(&agent, 3)[Direction::Up as usize];
    assert_eq!((meter.passed_bytes, meter.passed_bytes + meter.refused_bytes), (arrived, sent.bytes));
    let allowed = 5e6 / 8.0 * (sent.elapsed.as_secs_f64() + 0.1);
    let share = arrived as f64 / allowed;
    assert!((0.99..=1.0 + 1400.0 / allowed).contains(&share), "{share} of the limit and its burst");
}

#[test]
fn crashes_at_any_moment_lose_no_packet_count_or_limit() {
    let seed = std::env::var("LIMITER_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(limiter_agent::clock::monotonic_ns);
    println!("LIMITER_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let topology = topology(1);
    let mut agent = Agent::start(&topology.node, &state(&[(2, 100)]));
    let streams = streams(&topology);
    for round in 0..18 {
        agent.kill();
        let before = slots(&agent.maps());
        agent.write_state(&state(&any_instances(&mut random)));
        agent.begin();
        if round % 3 == 0 {
            // In the middle of a change.
            agent.wait_until(|maps| slots(maps) != before);
        } else {
            for _ in 0..random.below(3) {
                thread::sleep(Duration::from_millis(random.below(300) as u64));
                agent.write_state(&state(&any_instances(&mut random)));
            }
            thread::sleep(Duration::from_millis(random.below(500) as u64));
        }
        if round % 6 == 5 {
            agent.kill();
            let instances = any_instances(&mut random);
            agent.write_state(&state(&instances));
            agent.launch();
            check(&topology, &agent, &instances);
        }
    }
    finish(streams, &agent);
}

/// The instance with the streams and some others, all with any limits.
fn any_instances(random: &mut Random) -> Vec<Instance> {
    let mut others = (3..40).filter(|_| random.chance(50)).collect::<Vec<_>>();
    others.insert(0, 2);
    others.into_iter().map(|octet| (octet, 50 + random.below(50) as u64)).collect()
}

/// Slots that somebody owns.
fn slots(maps: &Maps) -> Vec<u32> {
    (1..maps.meters().slots()).filter(|slot| maps.meters().owner(*slot).entity != 0).collect()
}

/// Asserts that this is in force, and nothing else.
fn check(topology: &Topology, agent: &Agent<'_>, instances: &[Instance]) {
    let (done, plan) = agent.ask(&["plan"]);
    assert!(done && plan.contains("Nothing to do"), "{plan}");
    for &(octet, mbps) in instances {
        for meter in meters(agent, octet) {
            assert_eq!(meter.cost_per_byte, cost::per_byte(mbps * 1_000_000), "i{octet}");
        }
    }
    let maps = agent.maps();
    assert_eq!(maps.instances().expect("addresses").len(), instances.len());
    assert_eq!(slots(&maps).len(), instances.len() + 1);
    assert!(programs(topology, 0).iter().all(|programs| programs.len() == 1));
}
