//! The demo: two networks behind a node, real traffic, limits that change while it runs.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::tcp::Flows;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

/// Time that each scene is watched, after its first second.
const WATCHED: Duration = Duration::from_secs(5);

/// One line of the last table.
struct Outcome {
    scene: &'static str,
    measured_bps: f64,
    limit_bps: f64,
    /// Lowest share of the limit that counts as held.
    least: f64,
    broken: usize,
}

impl Outcome {
    /// Within the tolerance of its scene; one that is not makes the demo fail.
    fn is_held(&self) -> bool {
        (self.least..=1.01).contains(&(self.measured_bps / self.limit_bps)) && self.broken == 0
    }
}

fn main() -> ExitCode {
    let keep = std::env::args().any(|word| word == "--keep");
    println!("Two networks (red, blue) with two instances each, a node that routes, an Internet host.");
    println!("The agent on the node limits them; all traffic below is real, counted where it arrives.\n");
    let topology = Topology::new(&[2, 2]);
    let mut agent = Agent::start(&topology.node, &state("5Mbps", ""));
    let outcomes = [
        shared(&topology, &agent),
        instance(&topology, &agent),
        raised(&topology, &agent),
        killed(&topology, &mut agent),
    ];
    println!("\n{:<58} {:>9} {:>9} {:>6}", "SCENE", "MEASURED", "LIMIT", "RATIO");
    let mut held = true;
    for outcome in outcomes.into_iter().flatten() {
        let ratio = outcome.measured_bps / outcome.limit_bps;
        held &= outcome.is_held();
        println!(
            "{:<58} {:>9.2} {:>9.2} {ratio:>6.3} {}",
            outcome.scene,
            outcome.measured_bps / 1e6,
            outcome.limit_bps / 1e6,
            if outcome.is_held() { "held" } else { "NOT HELD" }
        );
    }
    println!("Mbps of IP bytes (TCP: of payload, of which 0.965 of the limit is all there can be).");
    if keep {
        println!("\nStill up. In another terminal, as root:");
        println!("  {:?}", agent.command(&["status", "--watch"]));
        println!("  inside the node: nsenter --net=/run/netns/{} bash", topology.node.name());
        println!(
            "  an instance:     nsenter --net=/run/netns/{} bash",
            topology.instance(0, 0).namespace.name()
        );
        println!("Enter ends it.");
        let _ = std::io::stdin().lock().lines().next();
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Red is limited to `rate` both ways; its first instance by `own`.
fn state(rate: &str, own: &str) -> String {
    format!(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: red\n    \
         prefixes: [10.10.0.0/24, \"fd00:10::/64\"]\n    up: {rate}\n    down: {rate}\n    instances:\n      \
         - name: a\n        addresses: [10.10.0.2]\n{own}      - name: b\n        addresses: [10.10.0.3]\n  \
         - name: blue\n    prefixes: [10.11.0.0/24]\n    up: 50Mbps\n    down: 50Mbps\n    instances:\n      \
         - name: a\n        addresses: [10.11.0.2]\n      - name: b\n        addresses: [10.11.0.3]\n"
    )
}

fn scene(number: usize, text: &str) {
    println!("\n{number}. {text}");
}

/// Shows the meters of the two networks (slots 1 and 2) once a second.
fn watch(agent: &Agent<'_>, seconds: u64) {
    let maps = agent.maps();
    let read = || [1, 2].map(|slot| Direction::ALL.map(|way| maps.meters().read(slot, way).passed_bytes));
    let mut before = read();
    for second in 1..=seconds {
        thread::sleep(Duration::from_secs(1));
        let now = read();
        let mbps = |slot: usize, way: usize| (now[slot][way] - before[slot][way]) as f64 * 8.0 / 1e6;
        println!(
            "   {second:>2} s   blue up {:>6.2} down {:>6.2}   red up {:>6.2} down {:>6.2} Mbps",
            mbps(0, 0),
            mbps(0, 1),
            mbps(1, 0),
            mbps(1, 1)
        );
        before = now;
    }
}

/// Offers twice the limit from some instances of red and measures what arrives after a second.
fn upload(topology: &Topology, agent: &Agent<'_>, places: &[usize], offered_bps: u64) -> f64 {
    let to = SocketAddr::new(host_address(false), 9000);
    meet(&topology.instance(0, places[0]).namespace, &topology.host, to);
    let sink = Sink::start(&topology.host, to);
    let duration = WATCHED + Duration::from_secs(1);
    thread::scope(|scope| {
        for &place in places {
            let from = &topology.instance(0, place).namespace;
            scope.spawn(move || send(from, to, offered_bps, 1400, duration));
        }
        watch(agent, duration.as_secs());
    });
    let arrived = sink.finish();
    arrived.rate_bps(arrived.began() + Duration::from_secs(1), arrived.began() + duration)
}

fn shared(topology: &Topology, agent: &Agent<'_>) -> Vec<Outcome> {
    scene(1, "The basic 5 Mbps of network red, shared: both instances send 5 Mbps each; look at red up.");
    let measured_bps = upload(topology, agent, &[0, 1], 5_000_000);
    let scene = "network red shares 5 Mbps up (UDP, 10 offered)";
    vec![Outcome { scene, measured_bps, limit_bps: 5e6, least: 0.99, broken: 0 }]
}

fn instance(topology: &Topology, agent: &Agent<'_>) -> Vec<Outcome> {
    scene(
        2,
        "Instance red/a gets a limit of its own: 2 Mbps up, 1 Mbps down; it sends 4, and 2 are sent to it.",
    );
    agent.change(&state("5Mbps", "        up: 2Mbps\n        down: 1Mbps\n"), |maps| {
        let expected = limiter_common::cost::per_byte(2_000_000);
        (1..16).any(|slot| maps.meters().read(slot, Direction::Up).cost_per_byte == expected)
    });
    let up_bps = upload(topology, agent, &[0], 4_000_000);
    let to = SocketAddr::new(topology.instance(0, 0).address(false), 9000);
    let at = &topology.instance(0, 0).namespace;
    meet(&topology.host, at, to);
    let sink = Sink::start(at, to);
    let duration = WATCHED + Duration::from_secs(1);
    thread::scope(|scope| {
        scope.spawn(|| send(&topology.host, to, 2_000_000, 1400, duration));
        watch(agent, duration.as_secs());
    });
    let arrived = sink.finish();
    let down_bps = arrived.rate_bps(arrived.began() + Duration::from_secs(1), arrived.began() + duration);
    vec![
        Outcome {
            scene: "instance red/a held to 2 Mbps up (UDP, 4 offered)",
            measured_bps: up_bps,
            limit_bps: 2e6,
            least: 0.99,
            broken: 0,
        },
        Outcome {
            scene: "instance red/a held to 1 Mbps down (UDP, 2 offered)",
            measured_bps: down_bps,
            limit_bps: 1e6,
            least: 0.98,
            broken: 0,
        },
    ]
}

fn raised(topology: &Topology, agent: &Agent<'_>) -> Vec<Outcome> {
    scene(
        3,
        "Red is raised from 5 to 20 Mbps while eight TCP downloads run; watch red down jump, nothing breaks.",
    );
    let slow = limiter_common::cost::per_byte(5_000_000);
    agent.change(&state("5Mbps", ""), |maps| {
        (1..16).all(|slot| maps.meters().read(slot, Direction::Up).cost_per_byte <= slow)
    });
    let at = SocketAddr::new(topology.instance(0, 1).address(false), 9001);
    let flows = Flows::start(&topology.host, &topology.instance(0, 1).namespace, at, 8);
    watch(agent, 3);
    let fast = limiter_common::cost::per_byte(20_000_000);
    agent.change(&state("20Mbps", ""), |maps| {
        (1..16).any(|slot| maps.meters().read(slot, Direction::Up).cost_per_byte == fast)
    });
    println!("   the limit is 20 Mbps now");
    let start = Instant::now() + Duration::from_secs(1);
    watch(agent, 1 + WATCHED.as_secs());
    let arrived = flows.finish();
    let measured_bps = arrived.payload.rate_bps(start, start + WATCHED);
    let scene = "network red raised to 20 Mbps down (8 TCP flows go on)";
    vec![Outcome { scene, measured_bps, limit_bps: 20e6, least: 0.80, broken: arrived.broken.len() }]
}

fn killed(topology: &Topology, agent: &mut Agent<'_>) -> Vec<Outcome> {
    scene(
        4,
        "The agent is killed and started again while red/b sends 40 Mbps: the limit of 20 holds throughout.",
    );
    let to = SocketAddr::new(host_address(false), 9000);
    let from = &topology.instance(0, 1).namespace;
    meet(from, &topology.host, to);
    let sink = Sink::start(&topology.host, to);
    let duration = Duration::from_secs(7);
    thread::scope(|scope| {
        scope.spawn(|| send(from, to, 40_000_000, 1400, duration));
        watch(agent, 2);
        agent.kill();
        println!("   the agent is dead");
        watch(agent, 2);
        agent.launch();
        println!("   the agent is back");
        watch(agent, 3);
    });
    let arrived = sink.finish();
    let measured_bps = arrived.rate_bps(arrived.began() + Duration::from_secs(1), arrived.began() + duration);
    let scene = "20 Mbps up while the agent dies and comes back (UDP)";
    vec![Outcome { scene, measured_bps, limit_bps: 20e6, least: 0.99, broken: 0 }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_outside_its_tolerance_is_not_held() {
        let outcome =
            |measured_bps, broken| Outcome { scene: "", measured_bps, limit_bps: 1e6, least: 0.99, broken };
        assert!(outcome(0.99e6, 0).is_held() && outcome(1.01e6, 0).is_held());
        assert!(!outcome(0.98e6, 0).is_held(), "too little arrived");
        assert!(!outcome(1.02e6, 0).is_held(), "too much arrived");
        assert!(!outcome(1e6, 1).is_held(), "a connection broke");
        assert!(!outcome(f64::NAN, 0).is_held(), "nothing was measured");
    }
}
