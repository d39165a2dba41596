//! The end of a plan's term: the agent puts the fallback in force alone, at the instant.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use limiter_agent::reading::{Owners, rate_bps};
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

const PORT: u16 = 9000;
/// What a plan of 20 Mbps falls back to.
const FALLBACK_BPS: u64 = 5_000_000;

/// A network with a plan until `end`, an instance with a rule, one without and one with a rate of its own.
fn state(end: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(end).expect("an instant");
    format!(
        "version: 1
interfaces: [{{match: \"inst*\"}}]
rules: [{{name: small, up: 2Mbps, down: 2Mbps}}]
networks:
- name: office
  prefixes: [10.10.0.0/24]
  plan: gold
  up: 20Mbps
  down: 20Mbps
  until: {{at: {at}, up: 5Mbps, down: 5Mbps}}
  instances:
  - {{name: held, addresses: [10.10.0.2], rule: small}}
  - {{name: free, addresses: [10.10.0.3]}}
  - {{name: own, addresses: [10.10.0.4], up: 1Mbps}}
"
    )
}

/// The instant in `time`, in whole milliseconds.
fn soon(time: Duration) -> SystemTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    UNIX_EPOCH + Duration::from_millis((now + time).as_millis() as u64)
}

/// Mbps that arrive of 40 that an instance sends up for `duration`, without the burst of 100 ms.
fn upload_mbps(topology: &Topology, place: usize, limit_mbps: f64, duration: Duration) -> f64 {
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    let sent = send(&topology.instance(0, place).namespace, to, 40_000_000, 1200, duration);
    sink.finish().bytes() as f64 * 8e-6 / sent.elapsed.as_secs_f64()
        - limit_mbps * 0.1 / duration.as_secs_f64()
}

fn assert_held(mbps: f64, limit_mbps: f64) {
    assert!((0.97..=1.01).contains(&(mbps / limit_mbps)), "{mbps} of {limit_mbps} Mbps");
}

/// The limit up of the network, as its meter has it.
fn network_bps(agent: &Agent<'_>) -> Option<u64> {
    let maps = agent.maps();
    let slot = Owners::read(maps.meters()).network("office").expect("a meter");
    rate_bps(maps.meters().read(slot, Direction::Up).cost_per_byte)
}

/// Longer than a busy machine takes, and less than the 30 s after which everything is read again anyhow.
const LATE_MAX: Duration = Duration::from_secs(10);

#[track_caller]
fn assert_of_plan(agent: &Agent<'_>, is_expired: bool) {
    let (_, status) = agent.ask(&["status"]);
    assert!(status.contains("plan gold ") && !status.contains("DRIFT"), "{status}");
    assert_eq!(status.contains("plan gold expired"), is_expired, "{status}");
}

#[test]
fn a_plan_falls_back_at_its_end_with_the_agent_alone() {
    let topology = Topology::new(&[3]);
    let mut agent = Agent::start(&topology.node, &state(soon(Duration::from_hours(1))));
    let to = SocketAddr::new(host_address(false), PORT);
    for place in 0..3 {
        meet(&topology.instance(0, place).namespace, &topology.host, to);
    }
    let second = Duration::from_secs(1);
    assert_held(upload_mbps(&topology, 0, 2.0, second), 2.0);
    assert_held(upload_mbps(&topology, 1, 20.0, second), 20.0);
    assert_of_plan(&agent, false);
    let end = soon(Duration::from_secs(3));
    agent.write_state(&state(end));
    let mut readings = 0;
    loop {
        let limit = network_bps(&agent);
        // Asked after the reading, which so was before the instant.
        if SystemTime::now() >= end {
            break;
        }
        assert_eq!(limit, Some(20_000_000), "not before the instant");
        readings += 1;
        thread::sleep(Duration::from_millis(1));
    }
    assert!(readings > 0, "nothing was read before the instant");
    agent.wait_until(|_| network_bps(&agent) == Some(FALLBACK_BPS));
    let late = end.elapsed().expect("it is over");
    println!("in force {late:?} after the instant");
    assert!(late < LATE_MAX, "in force {late:?} after the instant: by chance, not by its clock");

    assert_held(upload_mbps(&topology, 0, 5.0, 2 * second), 5.0);
    assert_held(upload_mbps(&topology, 1, 5.0, 2 * second), 5.0);
    assert_held(upload_mbps(&topology, 2, 1.0, 2 * second), 1.0);
    assert_of_plan(&agent, true);
    let (_, plan) = agent.ask(&["plan"]);
    assert!(plan.contains("Nothing to do"), "{plan}");

    agent.kill();
    agent.launch();
    assert_eq!(network_bps(&agent), Some(FALLBACK_BPS), "{}", agent.log());
}

/// Starts an agent and kills it again before the end of its term, which is given.
fn killed_before_its_end(agent: &mut Agent<'_>) -> SystemTime {
    for term_s in [3, 10, 60] {
        let end = soon(Duration::from_secs(term_s));
        agent.write_state(&state(end));
        agent.launch();
        agent.kill();
        if SystemTime::now() < end {
            return end;
        }
    }
    panic!("an agent does not start within a minute\n{}", agent.log());
}

#[test]
fn a_term_that_ended_while_no_agent_ran_is_over_at_the_start() {
    let topology = Topology::new(&[1]);
    let mut agent = Agent::stopped(&topology.node, "");
    let end = killed_before_its_end(&mut agent);
    assert_eq!(network_bps(&agent), Some(20_000_000));
    thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default());
    assert_eq!(network_bps(&agent), Some(20_000_000), "nobody changed it");
    agent.launch();
    assert_eq!(network_bps(&agent), Some(FALLBACK_BPS));
}
