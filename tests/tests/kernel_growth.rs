//! A state that outgrows the maps: larger ones take their place while traffic goes on.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use limiter_common::cost;
use limiter_common::meter::{Direction, Meter};
use limiter_tests::agent::Agent;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

const PORT: u16 = 9000;
/// Two growths take this long at most, killed starts included.
const PATIENCE: Duration = Duration::from_secs(9);

/// One instance limited to 5 Mbps up and `others` without traffic, in maps made for `capacity`.
fn state(capacity: usize, others: usize) -> String {
    let mut state = format!(
        "version: 1\ncapacity:\n  instances: {capacity}\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    \
         prefixes: [10.10.0.0/16]\n    instances:\n      - name: web\n        addresses: [10.10.0.2]\n        up: 5Mbps\n"
    );
    for other in 0..others {
        let (high, low) = (1 + other / 250, 1 + other % 250);
        let _ = writeln!(state, "      - name: other{other}\n        addresses: [10.10.{high}.{low}]");
    }
    state
}

/// The up meter of the limited instance.
fn web(agent: &Agent<'_>) -> Meter {
    let maps = agent.maps();
    let meters = maps.meters();
    let mut all = (1..meters.slots()).map(|slot| meters.read(slot, Direction::Up));
    all.find(|meter| meter.cost_per_byte == cost::per_byte(5_000_000)).expect("the limited meter")
}

/// Sends at `rate_bps` for the time that `work` takes; returns the bytes offered and the bytes arrived.
fn under_traffic(topology: &Topology, rate_bps: u64, time: Duration, work: impl FnOnce()) -> (u64, u64) {
    let to = SocketAddr::new(host_address(false), PORT);
    let sink = Sink::start(&topology.host, to);
    let from = &topology.instance(0, 0).namespace;
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| send(from, to, rate_bps, 1000, time));
        work();
        sender.join().expect("sender")
    });
    (sent.bytes, sink.finish().bytes())
}

#[test]
fn larger_maps_take_the_place_of_full_ones_under_traffic() {
    let topology = Topology::new(&[1]);
    let mut agent = Agent::start(&topology.node, &state(1, 0));
    let to = SocketAddr::new(host_address(false), PORT);
    meet(&topology.instance(0, 0).namespace, &topology.host, to);
    let before = web(&agent).passed_bytes;

    agent.write_state(&state(601, 600));
    thread::sleep(Duration::from_secs(1));
    assert!(agent.log().contains("restart the agent, which makes larger maps"), "{}", agent.log());
    let small = agent.maps().sizes();
    let (sent, arrived) = under_traffic(&topology, 2_000_000, Duration::from_secs(3), || {
        thread::sleep(Duration::from_millis(500));
        agent.kill();
        agent.launch();
    });
    let large = agent.maps().sizes();
    assert!(large.slots > 600 && large.addresses > 600 && small.addresses == 1, "{small:?} {large:?}");
    assert_eq!(arrived, sent, "what is below the limit is not lost");
    assert_eq!(web(&agent).passed_bytes - before, arrived, "all is counted, once");
    assert!(agent.ask(&["plan"]).1.contains("Nothing to do"));

    let passed = web(&agent).passed_bytes;
    let (sent, arrived) = under_traffic(&topology, 20_000_000, Duration::from_secs(2), || ());
    let meter = web(&agent);
    assert_eq!(meter.passed_bytes - passed + meter.refused_bytes, sent, "offered is passed and refused");
    assert!(arrived * 8 < 5_000_000 * 2 + 600_000, "{arrived}");
}

#[test]
fn killed_at_any_moment_of_the_growth_nothing_is_lost_or_doubled() {
    let topology = Topology::new(&[1]);
    let mut agent = Agent::start(&topology.node, &state(1, 0));
    let to = SocketAddr::new(host_address(false), PORT);
    meet(&topology.instance(0, 0).namespace, &topology.host, to);
    let before = web(&agent).passed_bytes;
    agent.kill();
    let mut grown = 0;
    let (sent, arrived) = under_traffic(&topology, 2_000_000, PATIENCE + Duration::from_secs(3), || {
        // Ever later after its start, until two starts came to the end of their growth.
        let (began, mut delay) = (Instant::now(), Duration::from_millis(20));
        while grown < 2 && began.elapsed() < PATIENCE {
            delay = delay.mul_f64(1.12);
            let slots = agent.maps().sizes().slots as usize;
            agent.write_state(&state(slots + 100, 0));
            let mut command = agent.command(&["run", "--metrics", "off"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = topology.node.spawn(command);
            thread::sleep(delay);
            process.kill().expect("kill");
            process.wait().expect("wait");
            grown += usize::from(agent.maps().sizes().slots as usize > slots);
        }
        agent.launch();
    });
    assert_eq!(grown, 2, "kills came before and after the end of a growth");
    assert_eq!(arrived, sent, "what is below the limit is not lost");
    assert_eq!(web(&agent).passed_bytes - before, arrived, "all is counted, once");
    assert!(agent.ask(&["plan"]).1.contains("Nothing to do"));
}
