//! An agent that is killed again and again while it makes larger maps.

use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use limiter_tests::agent::Agent;
use limiter_tests::growth::{PORT, state, under_traffic, web};
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::meet;

/// Two growths take this long at most, killed starts included.
const PATIENCE: Duration = Duration::from_secs(9);

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
