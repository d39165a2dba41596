//! A state that outgrows the maps: larger ones take their place while traffic goes on.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use limiter_tests::agent::Agent;
use limiter_tests::growth::{PORT, state, under_traffic, web};
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::meet;

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
